"""Families of encoder/decoder networks: the encoder of each as a sheet, and the decoder that the designer gives it.

A family is one function that says what its levels are made of. The decoder's up-layers, and what aligns them, follow
from the encoder's strides, as for any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tracer.design.appended import Appended, encoder_alone
from tracer.design.config_text import BlockText, ConfigText, Layer
from tracer.design.decoder import Decoder, Reasons, Wish, decoder
from tracer.design.fit import MapAxis
from tracer.design.lifting import Lifter, Target
from tracer.design.skips import Undesignable, encoder
from tracer.design.style import Channels, Merge, Style, Up, conv_block, residual_block
from tracer.loading import load_text
from tracer.net import Net
from tracer.sizing.size_set import TooLarge

AXES = "DHW"
DEFAULT_SIZE = {1: 4096, 2: 256, 3: 64}
"""Of every spatial axis, by their number."""
UNPADDED = ("unet", "attention-unet")
"""Families that exist without padding too."""
MOST = 1 << 16
"""Channels of the deepest level."""


class FamilyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a family."""

    dims: int = 2
    depth: int = 4
    """Times that the size is halved."""
    base: int = 64
    """Channels of the first level; they double at each."""
    up: Up = "transpose"
    norm: str = "batch"
    activation: str = "ReLU"
    in_channels: int = 1
    classes: int = 2
    padded: bool = True
    """Whether convolutions keep the size."""
    sizes: Mapping[str, Any] = {}
    """The input's, by symbol: what a config's ``sizes`` takes."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The spatial ones."""
        return ("L",) if self.dims == 1 else tuple(AXES[3 - self.dims :])


Family = Callable[[FamilyOptions], Decoder]
families: dict[str, Family] = {}
"""Every family by its name on the command line."""


def family(name: str) -> Callable[[Family], Family]:
    """Register a family. A second one of that name is refused."""

    def register(function: Family) -> Family:
        if name in families:
            raise ValueError(f"the family {name} is registered twice")
        families[name] = function
        return function

    return register


@family("unet")
def unet(options: FamilyOptions) -> Decoder:
    """U-Net: double convolutions, max pooling, concatenated skips.

    Ronneberger, Fischer, Brox: "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
    """
    return _decoded("unet", unet, options, _pooled(options), block="double_conv")


@family("attention-unet")
def attention_unet(options: FamilyOptions) -> Decoder:
    """Attention U-Net: a U-Net whose skips are weighted by a gate of the decoder's map.

    Oktay et al.: "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018.
    """
    return _decoded(
        "attention-unet",
        attention_unet,
        options,
        _pooled(options),
        block="double_conv",
        merge="attention",
    )


@family("resunet")
def resunet(options: FamilyOptions) -> Decoder:
    """ResUNet: residual units, the first of each level with stride 2 in place of a pooling, concatenated skips.

    Zhang, Liu, Wang: "Road Extraction by Deep Residual U-Net", IEEE GRSL 2018.
    """
    return _decoded("resunet", resunet, options, _strided(options), block="unit")


@family("linknet")
def linknet(options: FamilyOptions) -> Decoder:
    """LinkNet: a residual encoder of strided units, skips added to the decoder's maps.

    Chaurasia, Culurciello: "LinkNet: Exploiting Encoder Representations for Efficient Semantic Segmentation",
    VCIP 2017.
    """
    return _decoded("linknet", linknet, options, _strided(options), merge="add", convs=1)


@family("vnet")
def vnet(options: FamilyOptions) -> Decoder:
    """V-Net: residual stages of convolutions of kernel 5, strided convolutions of kernel 2 between them.

    Milletari, Navab, Ahmadi: "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation",
    3DV 2016.
    """
    style = _style(options)
    stage = residual_block(style, "stage", 2, 5, 2)
    encoding: list[Layer] = []
    for level in range(options.depth + 1):
        if level:
            encoding.append(style.conv(f"down{level}", _wide(level), 2, stride=2))
        encoding.append(Layer(_name(level, options), "stage", {"channels": _wide(level)}))
    return _decoded("vnet", vnet, options, _Encoding([stage], encoding), block="stage")


@family("unetpp")
def unetpp(options: FamilyOptions) -> Decoder:
    """UNet++: between encoder and decoder nodes at every level, each reading all before it and the one below.

    Zhou et al.: "UNet++: A Nested U-Net Architecture for Medical Image Segmentation", DLMIA 2018.
    """
    return _nested(options, _sheet("unetpp", unetpp, options, _pooled(options)))


class _Encoding(msgspec.Struct, frozen=True):
    blocks: list[BlockText]
    layers: list[Layer]


def _style(options: FamilyOptions) -> Style:
    return Style(options.dims, options.norm, options.activation)


def _wide(level: int) -> Channels:
    """The channels of a level, as they are written."""
    return "${base}" if level == 0 else f"${{base * {2**level}}}"


def _name(level: int, options: FamilyOptions) -> str:
    return "mid" if level == options.depth else f"enc{level + 1}"


def _pooled(options: FamilyOptions) -> _Encoding:
    """Double convolutions with a max pooling between them."""
    stage = conv_block(_style(options), "double_conv", 2, 3, 1 if options.padded else 0)
    layers = []
    for level in range(options.depth + 1):
        if level:
            layers.append(Layer(f"pool{level}", f"MaxPool{options.dims}d", {"kernel_size": 2}))
        layers.append(Layer(_name(level, options), "double_conv", {"channels": _wide(level)}))
    return _Encoding([stage], layers)


def _strided(options: FamilyOptions) -> _Encoding:
    """Residual units, the first of each further level with stride 2."""
    style = _style(options)
    *convs, _ = style.convs(2, 3, 1)
    strided = [
        msgspec.structs.replace(convs[0], arguments={**convs[0].arguments, "stride": "${stride}"}),
        *convs[1:],
    ]
    shortcut = style.conv("shortcut", "${channels}", 1, ("input",), stride="${stride}", bias=False)
    add = Layer("add", "Add", {}, (convs[-1].name, "shortcut"))
    unit = BlockText(
        "unit", [*strided, shortcut, add, style.act()], {"channels": None, "stride": 1}
    )
    layers = []
    for level in range(options.depth + 1):
        stride = {"stride": 2} if level else {}
        layers.append(Layer(_name(level, options), "unit", {"channels": _wide(level), **stride}))
    return _Encoding([unit], layers)


def _sheet(name: str, about: Family, options: FamilyOptions, encoding: _Encoding) -> ConfigText:
    if not options.padded and name not in UNPADDED:
        raise Undesignable(
            f"{name} keeps its sizes; without padding there are {', '.join(UNPADDED)}"
        )
    widest = options.base << options.depth
    if widest > MOST:
        raise Undesignable(
            f"{options.base} channels doubled {options.depth} times are {widest}; at most {MOST} are written"
        )
    *layers, middle = encoding.layers
    sizes = {"N": 1, **options.sizes}
    return ConfigText(
        name=name,
        about=[line.strip() for line in (about.__doc__ or "").strip().splitlines()],
        params={
            "in_channels": options.in_channels,
            "base": options.base,
            "classes": options.classes,
        },
        input=("N", "${in_channels}", *options.symbols),
        sizes=sizes,
        blocks=encoding.blocks,
        sections={"encoder": layers, "bottleneck": [middle]},
    )


def _decoded(
    name: str,
    about: Family,
    options: FamilyOptions,
    encoding: _Encoding,
    *,
    merge: Merge = "concat",
    block: str | None = None,
    convs: int = 2,
) -> Decoder:
    net = load_text(_sheet(name, about, options, encoding).text(), f"<{name}>", {})
    wish = Wish(
        up=options.up,
        merge=merge,
        channels=tuple(_wide(level) for level in range(options.depth - 1, -1, -1)),
        convs=convs,
        block=block,
        norm=options.norm,
        activation=options.activation,
        classes=options.classes,
        padded=options.padded,
    )
    skips = [_name(level, options) for level in range(options.depth + 1)]
    return decoder(encoder(net, skips), wish)


def _nested(options: FamilyOptions, sheet: ConfigText) -> Decoder:
    """The nodes x{level}_{column} above an encoder, from the first column on."""
    net = load_text(sheet.text(), "<unetpp>", {})
    maps = encoder(net, [_name(level, options) for level in range(options.depth + 1)]).maps
    text = Appended(net, [feature.node for feature in maps])
    reasons = Reasons()
    style = _style(options)
    lifter = Lifter(style, options.up, text.unused_node, reasons.say)
    grown: list[list[str]] = [[feature.name] for feature in maps]
    places: list[tuple[MapAxis, ...] | None] = [feature.places for feature in maps]
    layers: list[Layer] = []
    for column in range(1, options.depth + 1):
        for level in range(options.depth - column + 1):
            target = Target(maps[level].name, places[level], may_crop=False)
            below = grown[level + 1][column - 1]
            number = f"{level}_{column}"
            lifted = lifter.onto(
                target, places[level + 1], below, _wide(level + 1), _wide(level), number
            )
            layers += lifted.layers
            merge = Layer(
                text.unused_node(f"cat{number}"), "Concat", {}, (layers[-1].name, *grown[level])
            )
            node = Layer(text.unused_node(f"x{number}"), "double_conv", {"channels": _wide(level)})
            layers += [merge, node]
            grown[level].append(node.name)
    shape = ("N", "${classes}", *options.symbols)
    head = style.conv("logits", text.param("classes", options.classes), 1, expect=shape)
    return Decoder(text.with_decoder([], layers, [head], reasons.lines()), reasons.told())


def sizes_for(
    name: str, options: FamilyOptions, wanted: Mapping[str, int]
) -> tuple[FamilyOptions, list[str]]:
    """The plan with the least input sizes whose outputs are at least as large as wanted, and nothing lost on the way.

    Also what is to be said where an output is larger than wanted. Raises :class:`Undesignable` where none is found.
    """
    unit = 1 << options.depth
    large = {symbol: (-(-n // unit) + 32) * unit for symbol, n in wanted.items()}
    try:
        encoding = (
            encoder_alone(_loaded(name, options, large)).sizes().axes
        )  # what it loses no decoder gives back
        exact = {
            s: next(n for n in range(size, 4 * size) if n in encoding[s].lossless)
            for s, size in large.items()
        }
        net = _loaded(name, options, exact)
        axes = net.working_sizes().axes
    except TooLarge as error:
        raise Undesignable(f"the sizes of this network are not computed: {error}") from None
    sizes, told = {}, []
    for axis, symbol in enumerate(options.symbols):
        working = axes[symbol].lossless
        n = wanted[symbol]
        for size in range(n, n + 65536):
            if size in working:
                y = next(iter(net.trace(**{symbol: size}).outputs.values()))
                if y is not None and y[2 + axis] >= n:
                    break
        else:
            raise Undesignable(
                f"no input of up to {n + 65535} gives an output of {n} along {symbol}"
            )
        if y[2 + axis] != n:
            told.append(
                f"{symbol} = {size} gives {y[2 + axis]}, the least from {n} on that loses nothing"
            )
        sizes[symbol] = size
    return msgspec.structs.replace(options, sizes=sizes), told


def _loaded(name: str, options: FamilyOptions, sizes: Mapping[str, int]) -> Net:
    return load_text(
        families[name](msgspec.structs.replace(options, sizes=sizes)).text, f"<{name}>", {}
    )
