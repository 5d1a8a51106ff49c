"""The decoder for an encoder: level by level up, merged with the skip, and convolutions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import prod
from textwrap import wrap
from typing import Any, NamedTuple

import msgspec

from tracer.designing.appended import Appended, appended
from tracer.designing.config_text import BlockText, Layer
from tracer.designing.fit import READABLE, MapAxis, narrowed, writable
from tracer.designing.lifting import Arriving, Lifted, Lifter, MapAxes, Target, refuse_dims
from tracer.designing.plain import PlainLifter
from tracer.designing.reading import FeatureMap
from tracer.designing.skips import Encoder, Undesignable, left_out, readable
from tracer.designing.style import (
    Channels,
    Merge,
    Style,
    Up,
    conv_block,
    divided,
    gate_block,
    one_or_all,
)
from tracer.rules.misaligned import number, pixels


class Wish(msgspec.Struct, frozen=True):
    """The decoder that is wanted."""

    up: Up = "auto"
    merge: Merge = "concat"
    channels: tuple[Channels, ...] = ()
    """Per level, from the coarsest on; as in the literature where it is empty."""
    why: str = ""
    """The reason for these channels, where there is one to say."""
    convs: int = 2
    kernel: int = 3
    norm: str = "batch"
    activation: str = "ReLU"
    classes: int = 2
    block: str | None = None
    """The encoder's block that each level ends with, in place of one of ``convs`` convolutions."""
    padded: bool = True
    """True where they keep the size."""
    aligned: bool = False
    """True where every map has to lie on its skip's grid, though it takes a layer more."""


class Decoder(msgspec.Struct, frozen=True):
    """A designed decoder: the whole config, and the reasons for its layers."""

    text: str
    reasons: list[str]


class Reasons:
    """The reasons for layers; those with one reason are named together.

    >>> reasons = Reasons()
    >>> for name in ("up2", "up1"):
    ...     reasons.say(name, "its size is the skip's")
    >>> reasons.sentences()
    ["up2, up1: its size is the skip's"]
    """

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def say(self, name: str, reason: str) -> None:
        """Note a layer's reason."""
        self._names.setdefault(reason, []).append(name)

    def sentences(self) -> list[str]:
        """One sentence for each reason."""
        return [f"{', '.join(names)}: {reason}" for reason, names in self._names.items()]

    def lines(self) -> list[str]:
        """The same as the lines of a comment."""
        found: list[str] = []
        for sentence in self.sentences():
            found += wrap(sentence, 116, subsequent_indent="  ")
        return found


def decoder(found: Encoder, wish: Wish) -> Decoder:
    """The config of the encoder with a decoder. Raises :class:`Undesignable`."""
    text = appended(found.net, [feature.node for feature in found.maps])
    reasons = Reasons()
    left = left_out(found.whole, text.kept_nodes)
    if left is not None:
        reasons.say(*left)
    found, read = readable(found, text.unused_node, reasons.say)

    refuse_dims(wish.up, found.dims)
    lifter = _lifter(found, wish, text, reasons)
    levels = levels_of(found)
    kernels = _kernels(found, wish)
    blocks = _blocks(lifter.style, wish, kernels, text)
    _refuse_misfit(found, wish, levels)

    channels = wish.channels or usual_widths(found, levels)
    designer = _Designer(found, wish, levels, channels, kernels, blocks, text, lifter, [])
    layers, end = designer.layers()
    return designer.written([*read, *layers], end, reasons)


def _lifter(found: Encoder, wish: Wish, text: Appended, reasons: Reasons) -> Lifter:
    """What chooses the up-layers."""
    style = Style(found.dims, wish.norm, wish.activation)

    # torch resizes no map without a batch; convolutions take it.
    if not wish.aligned and found.lead == 2:
        sums = wish.merge == "add"
        return PlainLifter(style, wish.up, text.unused_node, reasons.say, sums)
    up: Up = "transpose" if wish.up == "auto" else wish.up
    return Lifter(style, up, text.unused_node, reasons.say)


def levels_of(found: Encoder) -> list[FeatureMap]:
    """The skips, from the coarsest on, and the input where none has its resolution."""
    *skips, _ = found.maps
    levels = skips[::-1]
    if not skips or prod(skips[0].strides) > 1:
        levels.append(found.source)
    return levels


def _kernels(found: Encoder, wish: Wish) -> list[int]:
    """The convolutions' kernel per axis: 1 along one that has a single position at the bottom."""
    axes = found.maps[-1].axes
    if not axes:
        return [wish.kernel] * found.dims
    return [1 if all(n == 1 for n in axis.sizes) else wish.kernel for axis in axes]


_REMEDY = "--aligned adds the convolutions that bring them onto the skips"
_IGNORED = "tracer: ignore[T503]: how far they lie apart is said above"

MOST, LEAST = 256, 16
"""Channels of the coarsest level, and of the finest ones."""


USUAL = f"at most {MOST} and the skip's, halved where the resolution doubles, at least {LEAST}"


def usual_widths(found: Encoder, levels: Sequence[FeatureMap]) -> list[int]:
    """The channels of the levels as most published decoders have them.

    They are 256 at the coarsest level and halved wherever the resolution doubles, at least 16, but never more than the
    skip has.
    """
    widths: list[int] = []
    for level in levels:
        ratio = max(a / b for a, b in zip(levels[0].strides, level.strides))
        width = max(LEAST, int(MOST / ratio))
        if level is not found.source:
            width = min(width, level.channels)
        widths.append(min([width, *widths[-1:]]))
    return widths


class _Blocks(NamedTuple):
    """The blocks that a decoder's levels are made of."""

    convs: BlockText
    gate: BlockText


def _blocks(style: Style, wish: Wish, kernels: list[int], text: Appended) -> _Blocks:
    paddings = [kernel // 2 if wish.padded else 0 for kernel in kernels]
    padding = one_or_all(paddings) if any(paddings) else 0
    name = wish.block or text.unused_block(f"decoder_{_counted(wish.convs)}")
    convs = conv_block(style, name, wish.convs, one_or_all(kernels), padding)
    return _Blocks(convs, gate_block(style, text.unused_block("attention_gate")))


def _counted(convs: int) -> str:
    return {1: "conv", 2: "double_conv", 3: "triple_conv"}.get(convs, f"{convs}_convs")


def _refuse_misfit(found: Encoder, wish: Wish, levels: list[FeatureMap]) -> None:
    """Raise :class:`Undesignable` for a wish that does not go with the encoder."""
    if wish.channels and len(wish.channels) != len(levels):
        names = ", ".join(level.name for level in levels)
        raise Undesignable(
            f"{len(wish.channels)} channel counts are given; the decoder has {len(levels)} levels: {names}"
        )
    if found.lead == 1 and wish.norm in ("batch", "group"):
        raise Undesignable(
            f"a {wish.norm} norm takes no maps without a batch; --norm instance or none does"
        )


class _Level(NamedTuple):
    """One level of the decoder: the map that it meets, and what comes out."""

    number: int
    skip: FeatureMap
    channels: Channels
    is_last: bool
    """True for the input's resolution, where there is no skip to merge with."""


class _Designer(msgspec.Struct, frozen=True):
    encoder: Encoder
    wish: Wish
    levels: list[FeatureMap]
    channels: Sequence[Channels]
    kernels: list[int]
    blocks: _Blocks
    text: Appended
    lifter: Lifter
    beside: list[tuple[str, str, Fraction]]
    """Maps that lie beside their skips: the map, the skip, and how many input pixels at most."""

    def layers(self) -> tuple[list[Layer], MapAxes]:
        """The layers of all levels, and where the last map lies."""
        deepest = self.encoder.maps[-1]
        arriving = Arriving(deepest.name, deepest.axes, deepest.channels)
        layers: list[Layer] = []
        for place, skip in enumerate(self.levels):
            is_last = skip is self.encoder.source
            channels = self.channels[place]
            level = _Level(len(self.levels) - place, skip, channels, is_last)
            own, axes = self._level(level, arriving)
            layers += own
            arriving = Arriving(layers[-1].name, axes, channels)
        return layers, arriving.axes

    def _level(self, level: _Level, arriving: Arriving) -> tuple[list[Layer], MapAxes]:
        """The layers of one level, and where their map lies: up, onto the skip, merged with it, and convolutions."""
        skip = level.skip
        lifted_channels = level.channels
        adds = self.wish.merge == "add" and not level.is_last
        if adds and isinstance(level.channels, int):
            lifted_channels = skip.channels  # a sum needs as many as the skip has

        target = Target(skip.name, skip.axes, may_crop=not level.is_last)
        lifted = self.lifter.onto(target, arriving, lifted_channels, level.number)
        layers = list(lifted.layers)
        if not level.is_last:
            layers += self._merged(level, lifted, lifted_channels)

        if lifted.beside:
            self.beside.append((lifted.layers[-1].name, skip.name, lifted.beside))
        axes = self._behind_convs(lifted.axes)
        name = self.text.unused_node(f"dec{level.number}")
        arguments = {"channels": level.channels, **self.expect(level.channels, axes)}
        layers.append(Layer(name, self.blocks.convs.name, arguments))
        return layers, axes

    def _merged(self, level: _Level, lifted: Lifted, channels: Channels) -> Iterator[Layer]:
        """The merge with the skip, behind its gate where there is one."""
        number = level.number
        last = lifted.layers[-1].name
        skip = lifted.skip
        align: dict[str, Any] = {"align": "crop"} if lifted.cropped else {}
        if self.wish.merge == "attention":
            if lifted.cropped:
                cropped = self.text.unused_node(f"crop{number}")
                yield Layer(cropped, "CenterCrop", {"size": last}, (skip,))
                skip = cropped
                align = {}
            gate = self.text.unused_node(f"gate{number}")
            arguments = {"channels": divided(channels, 2)}
            yield Layer(gate, self.blocks.gate.name, arguments, (last, skip))
            skip = gate

        name = self.text.unused_node(f"merge{number}")
        comment = _IGNORED if lifted.beside else ""
        if self.wish.merge == "add":
            yield Layer(name, "Add", align, (last, skip), comment)
        else:
            unbatched = {"dim": 0} if self.encoder.lead == 1 else {}
            yield Layer(name, "Concat", {**unbatched, **align}, (last, skip), comment)

    def _gate(self) -> BlockText:
        """The gate's block, which adds maps that may lie beside each other."""
        gate = self.blocks.gate
        comment = _IGNORED if self.beside else ""
        layers = [
            msgspec.structs.replace(layer, comment=comment) if layer.op == "Add" else layer
            for layer in gate.layers
        ]
        return msgspec.structs.replace(gate, layers=layers)

    def _say_beside(self, reasons: Reasons) -> None:
        """Say which maps lie beside their skips, and by how much."""
        if not self.beside:
            return
        (first, skip, most), *others = self.beside
        each = [f"{first} lies up to {pixels(most)} beside {skip}"]
        for name, skip, distance in others:
            each.append(f"{name} {number(*distance.as_integer_ratio())} beside {skip}")
        reasons.say("misaligned", f"{', '.join(each)}; {_REMEDY}")

    def _say_channels(self, reasons: Reasons) -> None:
        """Say why the levels have the channels that they have."""
        widths = ", ".join(map(str, self.channels))
        if self.wish.why:
            reasons.say(f"channels {widths}", self.wish.why)
        elif not self.wish.channels:
            reasons.say(f"channels {widths}", USUAL)

    def _behind_convs(self, axes: MapAxes) -> MapAxes:
        """The place of a map behind the convolutions of a level."""
        if axes is None or self.wish.padded:
            return axes
        cuts = [self.wish.convs * (kernel // 2) for kernel in self.kernels]
        return tuple(narrowed(axis, cut) for axis, cut in zip(axes, cuts))

    def expect(self, channels: Channels, axes: MapAxes) -> dict[str, Any]:
        """The expectation of a map's shape, as an argument; none where it lies on no grid."""
        if axes is None:
            return {}
        batch = self.encoder.source.node.pattern[: self.encoder.lead - 1]
        kept = [dim if isinstance(dim, str | int) else "_" for dim in batch]
        spatial = [_expected(axis) for axis in axes]
        return {"expect": (*kept, channels, *spatial)}

    def written(self, layers: Sequence[Layer], end: MapAxes, reasons: Reasons) -> Decoder:
        """The config with these layers and a head."""
        text = self.text
        style = self.lifter.style
        classes = text.param("classes", self.wish.classes)
        head_name = text.unused_node("logits")
        head = style.conv(head_name, classes, 1, **self.expect(classes, end))

        self._say_beside(reasons)
        self._say_channels(reasons)
        blocks = [] if self.wish.block else [self.blocks.convs]
        if any(layer.op == self.blocks.gate.name for layer in layers):
            blocks.append(self._gate())
        missing = _missing(self.encoder.source.axes, end)
        if missing:
            reason = (
                f"the output is {missing} smaller than the input, which unpadded layers cut"
            )
            reasons.say(head.name, reason)
        whole = text.with_decoder(blocks, layers, [head], reasons.lines())
        return Decoder(whole, reasons.sentences())


def _expected(axis: MapAxis) -> int | str:
    """A size as an expectation says it; ``_`` where it would be too long to read, or is known at single sizes alone."""
    size = axis.written
    if isinstance(size, int):
        return size if set(axis.sizes) == {size} else "_"
    if writable(size, READABLE):
        return str(size)
    return "_"


def _missing(source: MapAxes, end: MapAxes) -> str | None:
    """By how much the output is smaller than the input, per axis; None where it is not, or that is not known."""
    if source is None or end is None:
        return None
    if all(a.sizes == b.sizes for a, b in zip(source, end)):
        return None
    return ", ".join(str(a.sizes[0] - b.sizes[0]) for a, b in zip(source, end))
