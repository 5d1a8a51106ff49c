"""U-Nets of stages: strided convolutions down, transposed ones up, with a number of convolutions at every resolution.

Each stage has strides and kernels of its own along every axis, as the images' spacing wants them. The encoder's
stages, and the decoder's, may be residual: then a stage has so many blocks of two convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tracer.designing.config_text import BlockText, ConfigText, Layer
from tracer.designing.style import one_or_all

Axes = tuple[int, ...]
"""A number for each axis."""

Arguments = Mapping[str, Any]


class LayerKind(msgspec.Struct, frozen=True):
    """An operation with its arguments: a norm, an activation, a dropout."""

    op: str
    arguments: Arguments = {}

    def layer(self, name: str) -> Layer:
        """One of this kind."""
        return Layer(name, self.op, self.arguments)


class Unit(msgspec.Struct, frozen=True):
    """What comes with a convolution."""

    dims: int
    bias: bool = True
    norm: LayerKind | None = None
    activation: LayerKind | None = None
    dropout: LayerKind | None = None
    activation_first: bool = False
    """The activation comes before the norm."""

    def conv(
        self,
        name: str,
        channels: Any,
        kernel: Any,
        inputs: tuple[str, ...] = (),
        /,
        *,
        bias: bool | None = None,
        **arguments: Any,
    ) -> Layer:
        """A convolution; without an own ``bias`` it has one where the others have."""
        sizes = {
            "out_channels": channels,
            "kernel_size": kernel,
            **arguments,
        }
        if not (self.bias if bias is None else bias):
            sizes["bias"] = False
        return Layer(name, f"Conv{self.dims}d", sizes, inputs)

    def behind(self, suffix: str, *, dropped: bool = True, active: bool = True) -> list[Layer]:
        """The layers behind a convolution: its dropout, its norm and its activation."""
        dropout = self.dropout.layer(f"drop{suffix}") if self.dropout and dropped else None
        norm = self.norm.layer(f"norm{suffix}") if self.norm else None
        act = self.activation.layer(f"act{suffix}") if self.activation and active else None
        pair = [act, norm] if self.activation_first else [norm, act]
        return [layer for layer in (dropout, *pair) if layer is not None]


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """A U-Net of stages, the finest one first; the last is its bottleneck."""

    name: str
    about: Sequence[str]
    unit: Unit
    in_channels: int
    classes: int
    batch: int
    patch: Axes
    strides: Sequence[Axes]
    kernels: Sequence[Axes]
    channels: Sequence[int]
    depths: Sequence[int]
    """The convolutions, or blocks, of each stage of the encoder."""
    decoder_depths: Sequence[int]
    """The same of the decoder, the finest stage first; it has no bottleneck."""
    residual: bool = False
    """Whether the encoder's stages are residual."""
    residual_decoder: bool = False
    stem: int | None = None
    """The channels of a convolution before the first stage; None where there is none."""
    heads: bool = True
    """Whether each level of the decoder has a head (deep supervision), or the finest one alone."""

    @property
    def last(self) -> int:
        """The number of the bottleneck."""
        return len(self.strides) - 1


def config_of(net: Staged) -> ConfigText:
    """The config of the network."""
    symbols = "DHW"[3 - net.unit.dims :]
    parts = _Parts(net)
    encoder = parts.encoder()
    decoder = parts.decoder()
    heads = parts.heads()
    is_bottom = [net.last > 0 and layer.name.startswith("bottom") for layer in encoder]
    bottom = [layer for layer, here in zip(encoder, is_bottom) if here]
    return ConfigText(
        name=net.name,
        about=net.about,
        params={"in_channels": net.in_channels, "classes": net.classes},
        input=("N", "${in_channels}", *symbols),
        sizes={"N": net.batch, **dict(zip(symbols, net.patch))},
        blocks=list(parts.blocks.values()),
        sections={
            "encoder": encoder[: len(encoder) - len(bottom)],
            "bottleneck": bottom,
            "decoder": decoder,
            "head": heads,
        },
        output=_output(heads, symbols, keeps_size=set(net.strides[0]) == {1}),
    )


class _Parts:
    """The layers of a network while they are made, and the blocks that they need."""

    def __init__(self, net: Staged) -> None:
        self.net = net
        self.unit = net.unit
        self.blocks: dict[str, BlockText] = {}
        self.ends: list[str] = []
        """The last layer of each stage of the encoder."""

        of_convs = [] if net.residual else list(net.depths)
        of_convs += [] if net.residual_decoder else list(net.decoder_depths)
        self.several = len(set(of_convs)) > 1

    def encoder(self) -> list[Layer]:
        """The stages down to the bottleneck."""
        net = self.net
        layers = []
        channels = None
        if net.stem is not None:
            layers.append(self._stack("stem", net.stem, net.kernels[0], None, 1))
            channels = net.stem

        for number, stride in enumerate(net.strides):
            name = f"enc{number + 1}" if number < net.last else "bottom"
            make = self._residual if net.residual else self._convs
            found = make(name, number, net.depths[number], channels, stride)
            layers += found
            self.ends.append(found[-1].name)
            channels = net.channels[number]
        return layers

    def decoder(self) -> list[Layer]:
        """The stages up from the bottleneck, each behind its merge."""
        net = self.net
        layers: list[Layer] = []
        before = self.ends[-1]
        for number in range(net.last - 1, -1, -1):
            level = number + 1
            ratio = one_or_all(net.strides[level])
            up: dict[str, Any] = {
                "out_channels": net.channels[number],
                "kernel_size": ratio,
                "stride": ratio,
            }
            if not self.unit.bias:
                up["bias"] = False
            skip = self.ends[number]
            layers += [
                Layer(f"up{level}", f"ConvTranspose{self.unit.dims}d", up, (before,)),
                Layer(f"cat{level}", "Concat", {}, (f"up{level}", skip), _IGNORED),
            ]
            make = self._residual if net.residual_decoder else self._convs
            doubled = 2 * net.channels[number]
            depth = net.decoder_depths[number]
            found = make(f"dec{level}", number, depth, doubled, None)
            layers += found
            before = found[-1].name
            self.ends[number] = before
        return layers

    def heads(self) -> list[Layer]:
        """The heads, the coarsest first."""
        levels = (
            range(self.net.last - 1, -1, -1) if self.net.heads else range(min(1, self.net.last))
        )
        return [
            self.unit.conv(f"seg{level + 1}", "${classes}", 1, (self.ends[level],), bias=True)
            for level in levels
        ]

    # --- stages of convolutions --------------------------------------------------------------------------------------

    def _convs(
        self, name: str, number: int, depth: int, _: int | None, stride: Axes | None
    ) -> list[Layer]:
        net = self.net
        is_first = not number and stride is not None and set(stride) == {1}
        own = None if is_first else stride
        return [self._stack(name, net.channels[number], net.kernels[number], own, depth)]

    def _stack(
        self, name: str, channels: int, kernels: Axes, stride: Axes | None, depth: int
    ) -> Layer:
        """So many convolutions in a row; the block's defaults are left out."""
        block = self._stack_block(depth)
        arguments: dict[str, Any] = {
            "channels": channels,
            **_kernel(kernels),
        }
        if stride is not None:
            arguments["stride"] = one_or_all(stride)
        return Layer(name, block, arguments)

    def _stack_block(self, depth: int) -> str:
        name = f"stage{depth}" if self.several or (depth == 1 and self.net.stem) else "stage"
        convs: list[Layer] = []
        for number in range(1, depth + 1):
            arguments: dict[str, Any] = {"padding": "${padding}"}
            if number == 1:
                arguments["stride"] = "${stride}"
            convs.append(
                self.unit.conv(f"conv{number}", "${channels}", "${kernel}", **arguments)
            )
            convs += self.unit.behind(str(number))
        self.blocks.setdefault(name, BlockText(name, convs, _STRIDED))
        return name

    # --- residual stages ---------------------------------------------------------------------------------------------

    def _residual(
        self, name: str, number: int, depth: int, before: int | None, stride: Axes | None
    ) -> list[Layer]:
        """A block that changes channels and sizes where they change, and blocks that keep them."""
        net = self.net
        channels = net.channels[number]
        is_strided = stride is not None and set(stride) != {1}
        block = self._residual_block(strided=is_strided, wider=before != channels)
        arguments: dict[str, Any] = {"channels": channels, **_kernel(net.kernels[number])}
        first = dict(arguments)
        if is_strided and stride is not None:
            first["stride"] = one_or_all(stride)
        layers = [Layer(name, block, first)]
        if depth == 1:
            return layers

        block = self._residual_block(strided=False, wider=False)
        more = {**arguments, "repeat": depth - 1} if depth > 2 else arguments
        return [*layers, Layer(f"{name}_more", block, more)]

    def _residual_block(self, *, strided: bool, wider: bool) -> str:
        """The block of He et al., "Bag of tricks for image classification", CVPR 2019: the shortcut is pooled."""
        name = "residual" + "_down" * strided + "_wider" * wider
        unit = self.unit
        stride: dict[str, Any] = {"stride": "${stride}"} if strided else {}
        layers = [
            unit.conv("conv1", "${channels}", "${kernel}", padding="${padding}", **stride),
            *unit.behind("1"),
            unit.conv("conv2", "${channels}", "${kernel}", padding="${padding}"),
            *unit.behind("2", dropped=False, active=False),
        ]
        end, skip = layers[-1].name, "input"
        if strided:
            sizes = {
                "kernel_size": "${stride}",
                "stride": "${stride}",
            }
            layers.append(Layer("pool", f"AvgPool{unit.dims}d", sizes, (skip,)))
            skip = "pool"
        if wider:
            layers.append(unit.conv("project", "${channels}", 1, (skip,), bias=False))
            layers += unit.behind("3", dropped=False, active=False)
            skip = layers[-1].name

        layers.append(Layer("add", "Add", {}, (end, skip), _POOLED if strided else ""))
        if unit.activation is not None:
            layers.append(unit.activation.layer("act2"))
        arguments = {k: v for k, v in _STRIDED.items() if strided or k != "stride"}
        self.blocks.setdefault(name, BlockText(name, layers, arguments))
        return name


_STRIDED: Arguments = {
    "channels": None,
    "kernel": 3,
    "padding": 1,
    "stride": 1,
}
"""The arguments of a block of convolutions, with their defaults."""


def _kernel(kernels: Axes) -> dict[str, Any]:
    """The arguments of kernels that keep sizes; none where they are the block's defaults."""
    kernel = one_or_all(kernels)
    if kernel == 3:
        return {}
    padding = [(k - 1) // 2 for k in kernels]
    return {
        "kernel": kernel,
        "padding": one_or_all(padding),
    }


def _output(
    heads: Sequence[Layer], symbols: str, *, keeps_size: bool
) -> dict[str, tuple[int | str, ...]]:
    """The shape of every head's output, the finest first; only that has the input's size for sure."""
    output: dict[str, tuple[int | str, ...]] = {}
    for head in reversed(heads):
        is_whole = keeps_size and head is heads[-1]
        output[head.name] = ("N", "${classes}", *(symbols if is_whole else "_" * len(symbols)))
    return output


_POOLED = "tracer: ignore[T503]: the shortcut's pool has the stride's kernel, as nnU-Net has it"

_IGNORED = "tracer: ignore[T503]: kernel 2 up, kernel 3 down, as nnU-Net has it"
