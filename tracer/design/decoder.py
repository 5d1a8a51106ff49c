"""The decoder for an encoder: level by level up, merged with the skip, and convolutions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from textwrap import wrap
from typing import Any

import msgspec

from tracer.design.appended import Appended
from tracer.design.config_text import BlockText, Layer
from tracer.design.fit import READABLE, narrowed, writable
from tracer.design.lifting import Lifter, MapAxes, Target
from tracer.design.skips import Encoder, FeatureMap, Undesignable
from tracer.design.style import (
    Channels,
    Merge,
    Style,
    Up,
    conv_block,
    divided,
    gate_block,
    one_or_all,
)


class Wish(msgspec.Struct, frozen=True):
    """What is asked of a decoder."""

    up: Up = "transpose"
    merge: Merge = "concat"
    channels: tuple[Channels, ...] = ()
    """Per level, from the coarsest on; the skips' own where it is empty."""
    convs: int = 2
    kernel: int = 3
    norm: str = "batch"
    activation: str = "ReLU"
    classes: int = 2
    block: str | None = None
    """The encoder's block that each level ends with, in place of one of ``convs`` convolutions."""
    padded: bool = True
    """Whether they keep the size."""


class Decoder(msgspec.Struct, frozen=True):
    """A designed decoder: the whole config, and why it is as it is."""

    text: str
    reasons: list[str]


class Reasons:
    """Why layers are as they are; those with one reason are named together."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def say(self, name: str, reason: str) -> None:
        """Note a layer's reason."""
        self._names.setdefault(reason, []).append(name)

    def told(self) -> list[str]:
        """One sentence for each reason."""
        return [f"{', '.join(names)}: {reason}" for reason, names in self._names.items()]

    def lines(self) -> list[str]:
        """The same as the lines of a comment."""
        return [
            line for reason in self.told() for line in wrap(reason, 116, subsequent_indent="  ")
        ]


def decoder(found: Encoder, wish: Wish) -> Decoder:
    """The config of the encoder with a decoder. Raises :class:`Undesignable`."""
    return _Designer(found, wish).design()


class _Designer:
    def __init__(self, found: Encoder, wish: Wish) -> None:
        self.encoder = found
        self.wish = wish
        self.style = Style(found.dims, wish.norm, wish.activation)
        self.reasons = Reasons()
        *skips, self.deepest = found.maps
        self.levels: list[FeatureMap] = skips[::-1]
        """The skips, from the coarsest on, and the input where none has its resolution."""
        if not skips or prod(skips[0].strides) > 1:
            self.levels.append(found.source)
        self.text = Appended(found.net, [feature.node for feature in found.maps])
        self.lifter = Lifter(self.style, wish.up, self.text.unused_node, self.reasons.say)
        flat = [all(n == 1 for n in place.sizes) for place in self.deepest.places or ()] or [
            False
        ] * found.dims
        self.kernels = [1 if is_flat else wish.kernel for is_flat in flat]
        paddings = [k // 2 if wish.padded else 0 for k in self.kernels]
        padding = one_or_all(paddings) if any(paddings) else 0
        name = wish.block or self.text.unused_block(f"decoder_{_counted(wish.convs)}")
        self.convs = conv_block(self.style, name, wish.convs, one_or_all(self.kernels), padding)
        self.gate = gate_block(self.style, self.text.unused_block("attention_gate"))

    def design(self) -> Decoder:
        """The config."""
        wish, levels = self.wish, self.levels
        if wish.channels and len(wish.channels) != len(levels):
            raise Undesignable(
                f"{len(wish.channels)} channel counts are given; the decoder has {len(levels)} levels: "
                + ", ".join(feature.name for feature in levels)
            )
        if self.encoder.lead == 1 and wish.norm in ("batch", "group"):
            raise Undesignable(
                f"a {wish.norm} norm takes no maps without a batch; --norm instance or none does"
            )
        layers: list[Layer] = []
        self.places: MapAxes = self.deepest.places
        before = self.deepest.name
        channels: Channels = self.deepest.channels
        for number, feature in enumerate(levels):
            own = wish.channels[number] if wish.channels else self._channels(feature, channels)
            layers += self._level(len(levels) - number, feature, before, channels, own)
            channels, before = own, layers[-1].name
        return self._written(layers)

    def _channels(self, feature: FeatureMap, deeper: Any) -> Channels:
        return max(deeper // 2, 8) if feature is self.encoder.source else feature.channels

    def _level(
        self, number: int, feature: FeatureMap, before: str, arriving: Channels, channels: Channels
    ) -> Iterator[Layer]:
        """The layers of one level: up, onto the skip, merged with it, and convolutions."""
        merge, is_last = self.wish.merge, feature is self.encoder.source
        made = (
            feature.channels
            if merge == "add" and not is_last and isinstance(channels, int)
            else channels
        )
        target = Target(feature.name, feature.places, may_crop=not is_last)
        lifted = self.lifter.onto(target, self.places, before, arriving, made, number)
        yield from lifted.layers
        last, skip = lifted.layers[-1].name, feature.name
        if not is_last:
            align: dict[str, Any] = {"align": "crop"} if lifted.cropped else {}
            if merge == "attention":
                if lifted.cropped:
                    skip, align = self.text.unused_node(f"crop{number}"), {}
                    yield Layer(skip, "CenterCrop", {"size": last}, (feature.name,))
                gate = self.text.unused_node(f"gate{number}")
                yield Layer(gate, self.gate.name, {"channels": divided(made, 2)}, (last, skip))
                skip = gate
            kind = "Add" if merge == "add" else "Concat"
            unbatched = {"dim": 0} if kind == "Concat" and self.encoder.lead == 1 else {}
            yield Layer(
                self.text.unused_node(f"merge{number}"), kind, {**unbatched, **align}, (last, skip)
            )
        self.places = lifted.places
        if self.places is not None and not self.wish.padded:
            cut = [self.wish.convs * (k // 2) for k in self.kernels]
            self.places = tuple(narrowed(place, n) for place, n in zip(self.places, cut))
        name = self.text.unused_node(f"dec{number}")
        yield Layer(name, self.convs.name, {"channels": channels, **self._expect(channels)})

    def _expect(self, channels: Channels) -> dict[str, Any]:
        if self.places is None:
            return {}
        batch = tuple(self.encoder.source.node.pattern[: self.encoder.lead - 1])
        kept = tuple(d if isinstance(d, str | int) else "_" for d in batch)
        sizes = [place.written for place in self.places]
        spatial = (
            n if n.__class__ is int else str(n) if writable(n, READABLE) else "_" for n in sizes
        )
        return {"expect": (*kept, channels, *spatial)}

    def _written(self, layers: Sequence[Layer]) -> Decoder:
        text, wish = self.text, self.wish
        classes = text.param("classes", wish.classes)
        head = self.style.conv(text.unused_node("logits"), classes, 1, **self._expect(classes))
        blocks: list[BlockText] = [] if wish.block else [self.convs]
        if any(layer.op == self.gate.name for layer in layers):
            blocks.append(self.gate)
        places, source = self.places, self.encoder.source.places
        if (
            places is not None
            and source is not None
            and any(a.sizes != b.sizes for a, b in zip(places, source))
        ):
            missing = ", ".join(str(a.sizes[0] - b.sizes[0]) for a, b in zip(source, places))
            reason = f"the output is {missing} smaller than the input, which unpadded layers cut"
            self.reasons.say(head.name, reason)
        return Decoder(
            text.with_decoder(blocks, layers, [head], self.reasons.lines()), self.reasons.told()
        )


def _counted(convs: int) -> str:
    return {1: "conv", 2: "double_conv", 3: "triple_conv"}.get(convs, f"{convs}_convs")
