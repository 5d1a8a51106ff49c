"""Layers that bring a map onto a finer one: which up-layer it is, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from tracer.design.config_text import Layer
from tracer.design.fit import (
    LONGEST,
    AxisLift,
    MapAxis,
    is_plain,
    narrowed,
    padded,
    shift,
    spreading,
    step,
    writable,
)
from tracer.design.skips import Undesignable
from tracer.design.style import Channels, Style, Up, by, one_or_all, times

MapAxes = tuple[MapAxis, ...] | None
"""Per spatial axis; None where a map lies on no grid that is known."""


class Target(NamedTuple):
    """The map that has to be met."""

    name: str
    places: MapAxes
    may_crop: bool
    """Whether it is cropped where it reaches far beyond; otherwise the other map is padded."""


class Lifted(NamedTuple):
    """The layers, and where their map lies."""

    layers: list[Layer]
    cropped: bool
    """Whether the target has to be cropped to it."""
    places: MapAxes


class Lifter:
    """Chooses up-layers of one kind. ``name`` gives a node a name that none has, ``say`` takes a layer and a reason.

    Raises :class:`Undesignable` for a kind that does not take so many spatial axes.
    """

    def __init__(
        self, style: Style, up: Up, name: Callable[[str], str], say: Callable[[str, str], None]
    ) -> None:
        if up == "pixelshuffle" and style.dims != 2:
            raise Undesignable(
                f"PixelShuffle takes maps of 2 spatial dims; these have {style.dims}"
            )
        self.style = style
        self.up = up
        self.name = name
        self.say = say

    def onto(
        self,
        target: Target,
        places: MapAxes,
        before: str,
        arriving: Channels,
        channels: Channels,
        number: object,
    ) -> Lifted:
        """The layers from the map of the node ``before`` onto the target. Raises :class:`Undesignable`.

        ``arriving`` and ``channels`` are the channels before and after; ``number`` is in the new nodes' names.
        """
        name = self.name(f"up{number}")
        steps = self._steps(places, target)
        if steps is None:
            self.say(
                name,
                f"{target.name} lies on no grid that a whole stride leads to from size to size, so its size is taken "
                "from it as it runs; their positions need not coincide",
            )
            resize = Layer(
                name, "Interpolate", {"size": target.name, "mode": self.style.smooth}, (before,)
            )
            conv = self.style.conv(self.name(f"onto{number}"), channels, 3, padding=1)
            return Lifted([resize, conv], False, target.places)
        assert target.places is not None
        cropped = any(one.crop for one in steps)
        if cropped:
            cut = ", ".join(str(one.crop) for one in steps)
            self.say(
                name, f"{target.name} reaches {cut} positions further on either side and is cropped"
            )
        layers = self._spread(name, steps, before, channels, target.name, cropped)
        if layers is None:
            layers = list(self._shifted(name, steps, before, arriving, channels, number))
        return Lifted(
            layers,
            cropped,
            tuple(narrowed(place, one.crop) for place, one in zip(target.places, steps)),
        )

    @staticmethod
    def _steps(places: MapAxes, target: Target) -> list[AxisLift] | None:
        if places is None or target.places is None:
            return None
        found = [step(a, b, may_crop=target.may_crop) for a, b in zip(places, target.places)]
        steps = [
            one
            for one in found
            if one is not None and (one.is_steady or writable(one.written, LONGEST))
        ]
        return steps if len(steps) == len(found) else None

    def _spread(
        self,
        name: str,
        steps: Sequence[AxisLift],
        before: str,
        channels: Channels,
        skip: str,
        cropped: bool,
    ) -> list[Layer] | None:
        """One transposed convolution that does it all, where there is one."""
        if self.up != "transpose":
            return None
        found = [one for one in map(spreading, steps) if one is not None]
        steady = all(one.is_steady for one in steps)
        if len(found) < len(steps) or (cropped and not steady):
            return None
        kernel, stride = (
            one_or_all([one.kernel for one in found]),
            one_or_all([one.ratio for one in steps]),
        )
        arguments: dict[str, Any] = {
            "out_channels": channels,
            "kernel_size": kernel,
            "stride": stride,
        }
        if any(one.padding for one in found):
            arguments["padding"] = one_or_all([one.padding for one in found])
        if not steady:
            arguments["output_size"] = skip
            rest = "what the encoder's strides round away differs from size to size: output_size takes it from the skip"
        elif cropped and any(one.rest[0] for one in steps):
            arguments["output_padding"] = one_or_all([one.rest[0] for one in steps])
            rest = "output_padding gives back the rows that the encoder's strides round away, so the crop is even"
        elif any(one.rest[0] for one in steps):
            arguments["output_padding"] = "auto"
            rest = "output_padding gives back the rows that the encoder's strides round away"
        else:
            rest = "its size is the skip's" if not cropped else "an even crop is left"
        self.say(
            name,
            f"a transposed convolution of kernel {by(kernel)} and stride {by(stride)} lies on the skip's grid, "
            f"its kernel divisible by its stride (no checkerboard); {rest}",
        )
        return [Layer(name, f"ConvTranspose{self.style.dims}d", arguments, (before,))]

    def _shifted(
        self,
        name: str,
        steps: Sequence[AxisLift],
        before: str,
        arriving: Channels,
        channels: Channels,
        number: object,
    ) -> Iterator[Layer]:
        """A plain spreading, and where that lies beside the skip a convolution that brings it there."""
        ratio = one_or_all([one.ratio for one in steps])
        plain, have = is_plain(steps), channels
        if self.up == "transpose":
            arguments = {"out_channels": channels, "kernel_size": ratio, "stride": ratio}
            yield Layer(name, f"ConvTranspose{self.style.dims}d", arguments, (before,))
        elif self.up == "pixelshuffle":
            if not isinstance(ratio, int):
                raise Undesignable(
                    f"PixelShuffle enlarges both axes alike; {name} has to by {by(ratio)}"
                )
            yield self.style.conv(
                self.name(f"wide{number}"), times(channels, ratio**2), 3, (before,), padding=1
            )
            yield Layer(name, "PixelShuffle", {"upscale_factor": ratio})
        else:
            mode = "nearest" if self.up == "nearest" else self.style.smooth
            factor = ratio if isinstance(ratio, int) else tuple(float(n) for n in ratio)
            yield Layer(name, "Upsample", {"scale_factor": factor, "mode": mode}, (before,))
            have = arriving
        if plain and have == channels:
            self.say(name, f"spread by {by(ratio)} it lies on the skip, in size and place")
            return
        shifts = [shift(one) for one in steps]
        own, amounts = padded(shifts)
        if amounts is not None:
            written = tuple(n if isinstance(n, int) else str(n) for n in amounts)
            yield Layer(
                self.name(f"pad{number}"), f"ZeroPad{self.style.dims}d", {"padding": written}
            )
        kernel = one_or_all([one.kernel for one in shifts])
        padding: dict[str, Any] = {"padding": one_or_all(own)} if own and any(own) else {}
        yield self.style.conv(self.name(f"onto{number}"), channels, kernel, **padding)
        if plain:
            self.say(
                name,
                f"spread by {by(ratio)} it lies on the skip; a convolution brings its channels",
            )
        elif not any(one.aside for one in steps):
            self.say(
                name,
                f"spread by {by(ratio)} it lies on the skip's grid; padding behind it gives the skip's size",
            )
        else:
            beside = " and ".join(dict.fromkeys(str(abs(one.aside)) for one in steps))
            self.say(
                name,
                f"spread by {by(ratio)} alone it would lie {beside} positions beside the skip, whose grid is that "
                f"of the encoder's strides; a convolution of kernel {by(kernel)} brings it there without a "
                "checkerboard, and the padding before that gives the skip's size",
            )
