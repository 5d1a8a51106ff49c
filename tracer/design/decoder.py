"""The decoder for an encoder: for each level the up-layer that meets the skip, size and place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from textwrap import wrap
from typing import Any, Literal

import msgspec

from tracer.arithmetic import Dim
from tracer.design.appended import Appended
from tracer.design.fit import (
    LONGEST,
    READABLE,
    Place,
    Step,
    is_plain,
    padded,
    reached,
    shift,
    spreading,
    step,
    writable,
)
from tracer.design.sheet import BlockText, Layer
from tracer.design.style import Style, Up, conv_block, gate_block, one_or_all
from tracer.design.taps import Encoder, Tap, Undesignable

Merge = Literal["concat", "add", "attention"]


class Wish(msgspec.Struct, frozen=True):
    """What is asked of a decoder."""

    up: Up = "transpose"
    merge: Merge = "concat"
    channels: tuple[int, ...] = ()
    """Per level, from the coarsest on; the skips' own where it is empty."""
    convs: int = 2
    norm: str = "batch"
    activation: str = "ReLU"
    classes: int = 2


class Decoder(msgspec.Struct, frozen=True):
    """A designed decoder: the whole config, and why it is as it is."""

    text: str
    reasons: list[str]


def decoder(found: Encoder, wish: Wish) -> Decoder:
    """The config of the encoder with a decoder. Raises :class:`Undesignable`."""
    return _Designer(found, wish).design()


class _Designer:
    def __init__(self, found: Encoder, wish: Wish) -> None:
        self.encoder = found
        self.wish = wish
        self.style = Style(found.dims, wish.norm, wish.activation)
        self._reasons: dict[str, list[str]] = {}
        *skips, self.deepest = found.taps
        self.levels: list[Tap] = skips[::-1]
        """The skips, from the coarsest on, and the input where none has its resolution."""
        if not skips or prod(skips[0].strides) > 1:
            self.levels.append(found.source)
        self.text = Appended(found.net, [tap.node for tap in found.taps])
        name = self.text.unused_block
        kernels = tuple(3 if any(n > 1 for n in place.sizes) else 1 for place in self.deepest.places or ()) or 3
        kernel = one_or_all(kernels) if isinstance(kernels, tuple) else kernels
        padding = one_or_all([k // 2 for k in kernels]) if isinstance(kernels, tuple) else 1
        self.convs = conv_block(self.style, name(f"decoder_{_counted(wish.convs)}"), wish.convs, kernel, padding)
        self.gate = gate_block(self.style, name("attention_gate"))

    def design(self) -> Decoder:
        """The config."""
        wish, levels = self.wish, self.levels
        if wish.channels and len(wish.channels) != len(levels):
            raise Undesignable(
                f"{len(wish.channels)} channel counts are given; the decoder has {len(levels)} levels: "
                + ", ".join(tap.name for tap in levels)
            )
        if wish.up == "pixelshuffle" and self.style.dims != 2:
            raise Undesignable(f"PixelShuffle takes maps of 2 spatial dims; these have {self.style.dims}")
        layers: list[Layer] = []
        places, channels, before = self.deepest.places, self.deepest.channels, self.deepest.name
        for number, tap in enumerate(levels):
            own = wish.channels[number] if wish.channels else self._channels(tap, channels)
            taken = list(self._level(len(levels) - number, tap, places, before, channels, own))
            layers += taken
            places, channels, before = self.places, own, layers[-1].name
        return self._written(layers, places)

    def _say(self, name: str, reason: str) -> None:
        """Note why a layer is as it is; layers with one reason are named together."""
        self._reasons.setdefault(reason, []).append(name)

    @property
    def reasons(self) -> list[str]:
        """Why the layers are as they are."""
        return [f"{', '.join(names)}: {reason}" for reason, names in self._reasons.items()]

    def _channels(self, tap: Tap, deeper: int) -> int:
        return max(deeper // 2, 8) if tap is self.encoder.source else tap.channels

    def _level(
        self, number: int, tap: Tap, places: tuple[Place, ...] | None, before: str, arriving: int, channels: int
    ) -> Iterator[Layer]:
        """The layers of one level: up, onto the skip, merged with it, and convolutions."""
        is_last = tap is self.encoder.source
        made = tap.channels if self.wish.merge == "add" and not is_last else channels
        ups, cropped = self._ups(number, tap, places, before, arriving, made)
        yield from ups
        last = ups[-1].name
        if not is_last:
            align = {"align": "crop"} if cropped else {}
            skip = tap.name
            if self.wish.merge == "attention":
                if cropped:
                    skip = self.text.unused_node(f"crop{number}")
                    yield Layer(skip, "CenterCrop", {"size": last}, (tap.name,))
                gate = self.text.unused_node(f"gate{number}")
                yield Layer(gate, self.gate.name, {"channels": max(made // 2, 1)}, (last, skip))
                skip = gate
            name = self.text.unused_node(f"merge{number}")
            kind = "Add" if self.wish.merge == "add" else "Concat"
            yield Layer(name, kind, align if self.wish.merge != "attention" else {}, (last, skip))
        name = self.text.unused_node(f"dec{number}")
        expect = self._expect(channels)
        yield Layer(name, self.convs.name, {"channels": channels, **expect})

    def _expect(self, channels: int) -> dict[str, Any]:
        if self.places is None:
            return {}
        return {"expect": self._shape(channels, [place.written for place in self.places])}

    def _shape(self, channels: Any, sizes: Sequence[Dim]) -> tuple[Any, ...]:
        batch = tuple(self.encoder.source.node.pattern[: self.encoder.lead - 1])
        kept = tuple(d if isinstance(d, str | int) else "_" for d in batch)
        return (
            *kept,
            channels,
            *(n if n.__class__ is int else str(n) if writable(n, READABLE) else "_" for n in sizes),
        )

    def _ups(
        self, number: int, tap: Tap, places: tuple[Place, ...] | None, before: str, arriving: int, channels: int
    ) -> tuple[list[Layer], bool]:
        """The layers that bring the map onto the tap's, and whether the tap is cropped to it."""
        is_last = tap is self.encoder.source
        steps = None
        if places is not None and tap.places is not None:
            found = [step(a, b, may_crop=not is_last) for a, b in zip(places, tap.places)]
            steps = [one for one in found if one is not None] if None not in found else None
            if steps is not None and not all(one.is_steady or writable(one.written, LONGEST) for one in steps):
                steps = None
        name = self.text.unused_node(f"up{number}")
        if steps is None:
            self._say(
                name,
                f"{tap.name} lies on no grid that a whole stride leads to from size to size, so its size is taken from "
                "it as it runs; their positions need not coincide",
            )
            self.places = tap.places
            resize = Layer(name, "Interpolate", {"size": tap.name, "mode": self.style.smooth}, (before,))
            conv = self.style.conv(self.text.unused_node(f"conv{number}"), channels, 3, padding=1)
            return [resize, conv], False
        assert places is not None and tap.places is not None
        self.places = tuple(reached(place, one) for place, one in zip(tap.places, steps))
        cropped = any(one.crop for one in steps)
        if cropped:
            cut = ", ".join(str(one.crop) for one in steps)
            self._say(name, f"{tap.name} reaches {cut} positions further on either side and is cropped")
        direct = self._spread(name, steps, before, channels, tap, cropped)
        return (direct or list(self._shifted(number, name, steps, before, arriving, channels))), cropped

    def _spread(
        self, name: str, steps: Sequence[Step], before: str, channels: int, tap: Tap, cropped: bool
    ) -> list[Layer] | None:
        """One transposed convolution that does it all, where there is one."""
        if self.wish.up != "transpose":
            return None
        found = [one for one in map(spreading, steps) if one is not None]
        steady = all(one.is_steady for one in steps)
        if len(found) < len(steps) or (cropped and not steady):
            return None
        arguments: dict[str, Any] = {
            "out_channels": channels,
            "kernel_size": one_or_all([one.kernel for one in found]),
            "stride": one_or_all([one.ratio for one in steps]),
        }
        if any(one.padding for one in found):
            arguments["padding"] = one_or_all([one.padding for one in found])
        kernel, stride = arguments["kernel_size"], arguments["stride"]
        if not steady:
            arguments["output_size"] = tap.name
            rest = "what the encoder's strides round away differs from size to size: output_size takes it from the skip"
        elif cropped and any(one.rest[0] for one in steps):
            arguments["output_padding"] = one_or_all([one.rest[0] for one in steps])
            rest = "output_padding gives back the rows that the encoder's strides round away, so the crop is even"
        elif any(one.rest[0] for one in steps):
            arguments["output_padding"] = "auto"
            rest = "output_padding gives back the rows that the encoder's strides round away"
        else:
            rest = "its size is the skip's" if not cropped else "an even crop is left"
        self._say(
            name,
            f"a transposed convolution of kernel {_axes(kernel)} and stride {_axes(stride)} lies on the skip's grid, "
            f"its kernel divisible by its stride (no checkerboard); {rest}",
        )
        return [Layer(name, f"ConvTranspose{self.style.dims}d", arguments, (before,))]

    def _shifted(
        self, number: int, name: str, steps: Sequence[Step], before: str, arriving: int, channels: int
    ) -> Iterator[Layer]:
        """A plain spreading, and where that lies beside the skip a convolution that brings it there."""
        ratio = one_or_all([one.ratio for one in steps])
        plain, up = is_plain(steps), self.wish.up
        have = arriving
        if up == "transpose":
            arguments = {"out_channels": channels, "kernel_size": ratio, "stride": ratio}
            yield Layer(name, f"ConvTranspose{self.style.dims}d", arguments, (before,))
            have = channels
        elif up == "pixelshuffle":
            if not isinstance(ratio, int):
                raise Undesignable(f"PixelShuffle enlarges both axes alike; {name} has to by {_axes(ratio)}")
            wide = self.text.unused_node(f"wide{number}")
            yield self.style.conv(wide, channels * ratio**2, 3, (before,), padding=1)
            yield Layer(name, "PixelShuffle", {"upscale_factor": ratio})
            have = channels
        else:
            mode = "nearest" if up == "nearest" else self.style.smooth
            factor = ratio if isinstance(ratio, int) else tuple(float(n) for n in ratio)
            yield Layer(name, "Upsample", {"scale_factor": factor, "mode": mode}, (before,))
        if plain and have == channels:
            self._say(name, f"spread by {_axes(ratio)} it lies on the skip, in size and place")
            return
        shifts = [shift(one) for one in steps]
        own, amounts = padded(shifts)
        conv = self.text.unused_node(f"onto{number}")
        if amounts is not None:
            pad = self.text.unused_node(f"pad{number}")
            amounts = tuple(n if isinstance(n, int) else str(n) for n in amounts)
            yield Layer(pad, f"ZeroPad{self.style.dims}d", {"padding": amounts})
        kernel = one_or_all([one.kernel for one in shifts])
        padding: dict[str, Any] = {"padding": one_or_all(own)} if own and any(own) else {}
        yield self.style.conv(conv, channels, kernel, **padding)
        if plain:
            self._say(name, f"spread by {_axes(ratio)} it lies on the skip; a convolution brings its channels")
            return
        if not any(one.aside for one in steps):
            self._say(
                name, f"spread by {_axes(ratio)} it lies on the skip's grid; padding behind it gives the skip's size"
            )
            return
        beside = " and ".join(dict.fromkeys(str(abs(one.aside)) for one in steps))
        self._say(
            name,
            f"spread by {_axes(ratio)} alone it would lie {beside} positions beside the skip, whose grid is that of "
            f"the encoder's strides; a convolution of kernel {_axes(kernel)} brings it there without a "
            "checkerboard, and the padding before that gives the skip's size",
        )

    def _written(self, layers: Sequence[Layer], places: tuple[Place, ...] | None) -> Decoder:
        text, wish = self.text, self.wish
        classes = text.param("classes", wish.classes)
        expect = {} if places is None else {"expect": self._shape(classes, [place.written for place in places])}
        head = self.style.conv(text.unused_node("logits"), classes, 1, **expect)
        blocks: list[BlockText] = [self.convs]
        if any(layer.op == self.gate.name for layer in layers):
            blocks.append(self.gate)
        source = self.encoder.source.places
        if places is not None and source is not None and any(a.sizes != b.sizes for a, b in zip(places, source)):
            missing = ", ".join(str(a.sizes[0] - b.sizes[0]) for a, b in zip(source, places))
            self._say(
                head.name, f"the output is {missing} smaller than the input, which the encoder's unpadded layers cut"
            )
        lines = [line for reason in self.reasons for line in wrap(reason, 116, subsequent_indent="  ")]
        return Decoder(text.with_decoder(blocks, layers, [head], lines), self.reasons)


def _axes(values: int | tuple[int, ...]) -> str:
    return str(values) if isinstance(values, int) else "x".join(map(str, values))


def _counted(convs: int) -> str:
    return {1: "conv", 2: "double_conv", 3: "triple_conv"}.get(convs, f"{convs}_convs")
