"""Families of encoder/decoder networks: the encoder of each as a config, and the decoder that the designer gives it.

A family is one function with the layers of its levels. The decoder's up-layers, and what aligns them, follow
from the encoder's strides, as for any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tracer.designing.appended import Appended, appended, encoder_alone
from tracer.designing.config_text import BlockText, ConfigText, Layer
from tracer.designing.decoder import Decoder, Reasons, Wish, decoder
from tracer.designing.lifting import Arriving, Lifter, Target, refuse_dims
from tracer.designing.reading import FeatureMap
from tracer.designing.skips import Undesignable, encoder
from tracer.designing.style import Channels, Merge, Style, Up, conv_block, residual_block
from tracer.loading import load_text
from tracer.net import Net
from tracer.sizing.size_set import SizeSet, TooLarge

AXES = "DHW"
DEFAULT_SIZE = {1: 4096, 2: 256, 3: 64}
"""Of every spatial axis, by their number."""
UNPADDED = ("unet", "attention-unet")
"""Families that exist without padding too."""
MOST = 1 << 16
"""Channels of the deepest level."""
REACH = 1 << 16
"""Input sizes that are tried for an output, from its size on."""


class FamilyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A network of a family that is wanted."""

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
    """True where convolutions keep the size."""
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
        msgspec.structs.replace(
            convs[0], arguments={**convs[0].arguments, "stride": "${stride}"}
        ),
        *convs[1:],
    ]
    shortcut = style.conv(
        "shortcut", "${channels}", 1, ("input",), stride="${stride}", bias=False
    )
    add = Layer("add", "Add", {}, (convs[-1].name, "shortcut"))
    unit = BlockText(
        "unit", [*strided, shortcut, add, style.act()], {"channels": None, "stride": 1}
    )
    layers = []
    for level in range(options.depth + 1):
        stride = {"stride": 2} if level else {}
        layers.append(
            Layer(_name(level, options), "unit", {"channels": _wide(level), **stride})
        )
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
        aligned=True,
    )
    skips = [_name(level, options) for level in range(options.depth + 1)]
    return decoder(encoder(net, skips), wish)


def _nested(options: FamilyOptions, config: ConfigText) -> Decoder:
    """The nodes x{level}_{column} above an encoder, from the first column on."""
    net = load_text(config.text(), "<unetpp>", {})
    names = [_name(level, options) for level in range(options.depth + 1)]
    maps = encoder(net, names).maps
    text = appended(net, [feature.node for feature in maps])
    style = _style(options)
    refuse_dims(options.up, options.dims)
    reasons = Reasons()
    lifter = Lifter(style, options.up, text.unused_node, reasons.say)

    layers = list(_grid(options, maps, text, lifter))
    shape = ("N", "${classes}", *options.symbols)
    head = style.conv("logits", text.param("classes", options.classes), 1, expect=shape)
    whole = text.with_decoder([], layers, [head], reasons.lines())
    return Decoder(whole, reasons.sentences())


def _grid(
    options: FamilyOptions, maps: list[FeatureMap], text: Appended, lifter: Lifter
) -> Iterator[Layer]:
    """Every node of UNet++, each behind the merge of all before it at its level with the one below."""
    grown: list[list[str]] = [[feature.name] for feature in maps]
    for column in range(1, options.depth + 1):
        for level in range(options.depth - column + 1):
            number = f"{level}_{column}"
            target = Target(maps[level].name, maps[level].axes, may_crop=False)
            below = Arriving(
                grown[level + 1][column - 1], maps[level + 1].axes, _wide(level + 1)
            )
            lifted = lifter.onto(target, below, _wide(level), number)
            yield from lifted.layers

            merge = text.unused_node(f"cat{number}")
            yield Layer(merge, "Concat", {}, (lifted.layers[-1].name, *grown[level]))
            node = text.unused_node(f"x{number}")
            yield Layer(node, "double_conv", {"channels": _wide(level)})
            grown[level].append(node)


def sizes_for(
    name: str, options: FamilyOptions, wanted: Mapping[str, int]
) -> tuple[FamilyOptions, list[str]]:
    """The options with the least input sizes whose outputs are at least as large as wanted, without any loss.

    The sentences name the outputs that are larger than wanted. Raises :class:`Undesignable` where none is found.
    """
    try:
        net = _loaded(name, options, _lossless_sizes(name, options, wanted))
        axes = net.working_sizes().axes
    except TooLarge as error:
        raise Undesignable(f"the sizes of this network are not computed: {error}") from None

    sizes: dict[str, int] = {}
    notes: list[str] = []
    for axis, symbol in enumerate(options.symbols):
        n = wanted[symbol]
        size, output = _least_input(net, symbol, 2 + axis, axes[symbol].lossless, n)
        if output != n:
            notes.append(
                f"{symbol} = {size} gives {output}, the least from {n} on that loses nothing"
            )
        sizes[symbol] = size
    return msgspec.structs.replace(options, sizes=sizes), notes


def _lossless_sizes(
    name: str, options: FamilyOptions, wanted: Mapping[str, int]
) -> dict[str, int]:
    """Input sizes, larger than wanted, at which the encoder loses nothing: no decoder gives that back."""
    unit = 1 << options.depth
    large = {symbol: (-(-n // unit) + 32) * unit for symbol, n in wanted.items()}
    encoding = encoder_alone(_loaded(name, options, large)).working_sizes().axes
    return {
        symbol: next(n for n in range(size, 4 * size) if n in encoding[symbol].lossless)
        for symbol, size in large.items()
    }


def _least_input(
    net: Net, symbol: str, dim: int, working: SizeSet, wanted: int
) -> tuple[int, int]:
    """The least size of a symbol whose output is at least as large as wanted, and that output's size."""
    for size in range(wanted, wanted + REACH):
        if size not in working:
            continue
        output = next(iter(net.trace(**{symbol: size}).outputs.values()))
        if output is not None and output[dim] >= wanted:
            return size, output[dim]
    most = wanted + REACH - 1
    raise Undesignable(f"no input of up to {most} gives an output of {wanted} along {symbol}")


def _loaded(name: str, options: FamilyOptions, sizes: Mapping[str, int]) -> Net:
    designed = families[name](msgspec.structs.replace(options, sizes=sizes))
    return load_text(designed.text, f"<{name}>", {})
