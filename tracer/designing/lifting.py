"""Layers that bring a map onto a finer one: which up-layer it is, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec

from tracer.designing.config_text import Layer
from tracer.designing.fit import (
    LONGEST,
    AxisLift,
    MapAxis,
    Shift,
    axis_lift,
    is_plain,
    narrowed,
    padded,
    shift,
    spreading,
    writable,
)
from tracer.designing.skips import Undesignable
from tracer.designing.style import Channels, Style, Up, by, one_or_all, times

MapAxes = tuple[MapAxis, ...] | None
"""Per spatial axis; None where a map lies on no grid that is known."""


class Target(NamedTuple):
    """The map that has to be met."""

    name: str
    axes: MapAxes
    may_crop: bool
    """True where it is cropped if it reaches far beyond; otherwise the other map is padded."""


class Arriving(NamedTuple):
    """The map that is lifted."""

    node: str
    axes: MapAxes
    channels: Channels


class Lifted(NamedTuple):
    """The layers, and where their map lies."""

    layers: list[Layer]
    cropped: bool
    """True where the target has to be cropped to it."""
    axes: MapAxes
    skip: str
    """What is merged with it: the target, or what is cropped of it."""
    beside: Fraction | None = Fraction(0)
    """How far its positions lie from the target's at most, in input pixels; None where that is not known."""


class Lift(NamedTuple):
    """One map to bring onto a target along axes whose needs are known."""

    name: str
    """The up-layer's."""
    number: object
    """In the names of the other layers."""
    arriving: Arriving
    channels: Channels
    """Behind it."""
    steps: Sequence[AxisLift]

    @property
    def is_steady(self) -> bool:
        """True where all sizes need the same."""
        return all(step.is_steady for step in self.steps)

    @property
    def is_cropped(self) -> bool:
        return any(step.crop for step in self.steps)

    @property
    def has_rest(self) -> bool:
        """True where the encoder's strides rounded rows away."""
        return any(step.rest[0] for step in self.steps)

    @property
    def ratio(self) -> int | tuple[int, ...]:
        return one_or_all([step.ratio for step in self.steps])


class Lifter(msgspec.Struct, frozen=True):
    """Chooses up-layers of one kind, and brings every map onto the target's grid."""

    style: Style
    up: Up
    name: Callable[[str], str]
    """Gives a node a name that none has."""
    say: Callable[[str, str], None]
    """Takes a layer and the reason for it."""

    def onto(
        self, target: Target, arriving: Arriving, channels: Channels, number: object
    ) -> Lifted:
        """The layers from a map onto the target, with ``channels`` behind them; ``number`` is in their names.

        Raises :class:`Undesignable` for a kind that does not enlarge axes by different factors.
        """
        name = self.name(f"up{number}")
        steps = steps_between(arriving.axes, target)
        if steps is None or not _are_sayable(steps):
            return self._resized(name, target, arriving, channels, number)
        assert target.axes is not None

        lift = Lift(name, number, arriving, channels, steps)
        if lift.is_cropped:
            cut = ", ".join(str(step.crop) for step in steps)
            reason = (
                f"{target.name} reaches {cut} positions further on either side and is cropped"
            )
            self.say(name, reason)

        transposed = self.transposed(lift, target.name) if self.up == "transpose" else None
        layers = list(self._shifted(lift)) if transposed is None else [transposed]
        axes = tuple(narrowed(axis, step.crop) for axis, step in zip(target.axes, steps))
        return Lifted(layers, lift.is_cropped, axes, target.name)

    def _resized(
        self, name: str, target: Target, arriving: Arriving, channels: Channels, number: object
    ) -> Lifted:
        """A resize to the target's size as it runs, where no whole stride leads there."""
        self.say(
            name,
            f"{target.name} lies on no grid that a whole stride leads to from size to size, so its size is taken "
            "from it as it runs; their positions need not coincide",
        )
        arguments = {"size": target.name, "mode": self.style.smooth}
        resize = Layer(name, "Interpolate", arguments, (arriving.node,))
        conv = self.style.conv(self.name(f"onto{number}"), channels, 3, padding=1)
        return Lifted([resize, conv], False, target.axes, target.name)

    # One transposed convolution that does it all

    def transposed(self, lift: Lift, skip: str) -> Layer | None:
        """A transposed convolution that lies on the skip by itself; None where there is none."""
        found = [one for one in map(spreading, lift.steps) if one is not None]
        if len(found) < len(lift.steps) or (lift.is_cropped and not lift.is_steady):
            return None

        kernel = one_or_all([one.kernel for one in found])
        padding = one_or_all([one.padding for one in found])
        arguments: dict[str, Any] = {
            "out_channels": lift.channels,
            "kernel_size": kernel,
            "stride": lift.ratio,
        }
        if any(one.padding for one in found):
            arguments["padding"] = padding
        own, reason = _rest_arguments(lift, skip)

        self.say(
            lift.name,
            f"a transposed convolution of kernel {by(kernel)} and stride {by(lift.ratio)} lies on the skip's grid, "
            f"its kernel divisible by its stride (no checkerboard); {reason}",
        )
        kind = f"ConvTranspose{self.style.dims}d"
        return Layer(lift.name, kind, {**arguments, **own}, (lift.arriving.node,))

    # A plain spreading, and a convolution behind it

    def _shifted(self, lift: Lift) -> Iterator[Layer]:
        """A plain spreading, and where that lies beside the skip a convolution that brings it there."""
        yield from self.spread(lift, self.up)

        # Only these up-layers keep the channels that arrive.
        keeps = self.up not in ("transpose", "pixelshuffle")
        channels = lift.arriving.channels if keeps else lift.channels
        if is_plain(lift.steps) and channels == lift.channels:
            reason = f"spread by {by(lift.ratio)} it lies on the skip, in size and place"
            self.say(lift.name, reason)
            return

        shifts = [shift(step) for step in lift.steps]
        yield from self._onto(lift, shifts)
        self.say(lift.name, _shift_reason(lift, shifts))

    def spread(self, lift: Lift, up: Up) -> Iterator[Layer]:
        """Every position spread to as many as the ratio says."""
        before = (lift.arriving.node,)
        ratio = lift.ratio
        if up == "transpose":
            arguments = {"out_channels": lift.channels, "kernel_size": ratio, "stride": ratio}
            yield Layer(lift.name, f"ConvTranspose{self.style.dims}d", arguments, before)
        elif up == "pixelshuffle":
            if not isinstance(ratio, int):
                reason = (
                    f"PixelShuffle enlarges both axes alike; {lift.name} has to by {by(ratio)}"
                )
                raise Undesignable(reason)
            wide = times(lift.channels, ratio**2)
            yield self.style.conv(self.name(f"wide{lift.number}"), wide, 3, before, padding=1)
            yield Layer(lift.name, "PixelShuffle", {"upscale_factor": ratio})
        else:
            mode = "nearest" if up == "nearest" else self.style.smooth
            factor = ratio if isinstance(ratio, int) else tuple(float(n) for n in ratio)
            yield Layer(lift.name, "Upsample", {"scale_factor": factor, "mode": mode}, before)

    def _onto(self, lift: Lift, shifts: Sequence[Shift]) -> Iterator[Layer]:
        """The convolution that brings a spread map onto the skip, and the padding before it."""
        own, amounts = padded(shifts)
        if amounts is not None:
            written = tuple(n if isinstance(n, int) else str(n) for n in amounts)
            name = self.name(f"pad{lift.number}")
            yield Layer(name, f"ZeroPad{self.style.dims}d", {"padding": written})

        kernel = one_or_all([one.kernel for one in shifts])
        padding: dict[str, Any] = {"padding": one_or_all(own)} if own and any(own) else {}
        yield self.style.conv(self.name(f"onto{lift.number}"), lift.channels, kernel, **padding)


def refuse_dims(up: Up, dims: int) -> None:
    """Raise :class:`Undesignable` for a kind of up-layers that does not take so many spatial axes."""
    if up == "pixelshuffle" and dims != 2:
        raise Undesignable(f"PixelShuffle takes maps of 2 spatial dims; these have {dims}")


def steps_between(axes: MapAxes, target: Target) -> list[AxisLift] | None:
    """The way along every axis; None where one has no whole stride."""
    if axes is None or target.axes is None:
        return None
    found = [axis_lift(a, b, may_crop=target.may_crop) for a, b in zip(axes, target.axes)]
    steps = [step for step in found if step is not None]
    return steps if len(steps) == len(found) else None


def _are_sayable(steps: Sequence[AxisLift]) -> bool:
    """False where one needs what no config can say."""
    return all(step.is_steady or writable(step.written, LONGEST) for step in steps)


def _rest_arguments(lift: Lift, skip: str) -> tuple[dict[str, Any], str]:
    """The arguments that give back what the encoder's strides round away, and the reason for them."""
    if not lift.is_steady:
        reason = "what the encoder's strides round away differs from size to size: output_size takes it from the skip"
        return {"output_size": skip}, reason
    if not lift.has_rest:
        return {}, "an even crop is left" if lift.is_cropped else "its size is the skip's"

    reason = "output_padding gives back the rows that the encoder's strides round away"
    if lift.is_cropped:
        rest = one_or_all([step.rest[0] for step in lift.steps])
        return {"output_padding": rest}, f"{reason}, so the crop is even"
    return {"output_padding": "auto"}, reason


def _shift_reason(lift: Lift, shifts: Sequence[Shift]) -> str:
    """Why a convolution comes behind a plain spreading."""
    spread = f"spread by {by(lift.ratio)}"
    if is_plain(lift.steps):
        return f"{spread} it lies on the skip; a convolution brings its channels"

    beside = [str(abs(step.aside)) for step in lift.steps]
    if not any(step.aside for step in lift.steps):
        return f"{spread} it lies on the skip's grid; padding behind it gives the skip's size"
    kernel = one_or_all([one.kernel for one in shifts])
    return (
        f"{spread} alone it would lie {' and '.join(dict.fromkeys(beside))} positions beside the skip, whose grid is "
        f"that of the encoder's strides; a convolution of kernel {by(kernel)} brings it there without a "
        "checkerboard, and the padding before that gives the skip's size"
    )
