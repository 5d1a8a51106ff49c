"""Up-layers as most networks have them: no layer is there only to shift a map onto the skip's grid.

A transposed convolution is taken where one lies on the skip by itself; otherwise the map is resized to the skip's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tracer.designing.config_text import Layer
from tracer.designing.fit import (
    MapAxis,
    narrowed,
    padded_out,
    resized_beside,
    sides,
    spread_out,
)
from tracer.designing.lifting import (
    Arriving,
    Lift,
    Lifted,
    Lifter,
    MapAxes,
    Target,
    steps_between,
)
from tracer.designing.style import Channels, Up, by

_UNEVEN = "tracer: ignore[T502]: the rows that it has and the skip has not"

KEEPING = ("bilinear", "nearest")
"""Up-layers without weights, which keep the channels that arrive."""


class PlainLifter(Lifter, frozen=True):
    """Chooses up-layers whose maps have the target's size at every size that is looked at."""

    sums: bool = False
    """True where the map is added to the skip, so that it needs as many channels."""

    def onto(
        self, target: Target, arriving: Arriving, channels: Channels, number: object
    ) -> Lifted:
        """The layers from a map onto the target; ``number`` is in their names.

        Layers without weights leave the channels as they are, unless the map is added to the target. Raises
        :class:`Undesignable` for a kind that does not enlarge axes by different factors.
        """
        steps = steps_between(arriving.axes, target._replace(may_crop=True))
        if steps is None:
            return self._sized(target, arriving, channels, number)
        if any(step.crop for step in steps):
            cropped, target = self._cropped(target, [step.crop for step in steps], number)
            lifted = self.onto(target, arriving, channels, number)
            return lifted._replace(layers=[cropped, *lifted.layers])

        lift = Lift(self.name(f"up{number}"), number, arriving, channels, steps)
        is_transposed = self.up in ("auto", "transpose")
        transposed = self.transposed(lift, target.name) if is_transposed else None
        if transposed is not None:
            return Lifted([transposed], False, target.axes, target.name)
        return self._enlarged(lift, target)

    def _cropped(
        self, target: Target, cuts: Sequence[int], number: object
    ) -> tuple[Layer, Target]:
        """The target without what unpadded layers have cut off the map that is to meet it."""
        name = self.name(f"crop{number}")
        cut = ", ".join(map(str, cuts))
        reason = f"{target.name} reaches {cut} positions further on either side and is cropped"
        self.say(name, reason)

        amounts = tuple(-n for n in reversed(cuts) for _ in ("before", "after"))
        kind = f"ZeroPad{self.style.dims}d"
        layer = Layer(name, kind, {"padding": amounts}, (target.name,))
        axes = tuple(narrowed(axis, n) for axis, n in zip(target.axes or (), cuts))
        return layer, Target(name, axes, target.may_crop)

    def _enlarged(self, lift: Lift, target: Target) -> Lifted:
        """The map spread out, and brought to the target's size where it has another."""
        if lift.is_steady:
            return self._padded(lift, target)
        if self._kind in KEEPING:
            return self._sized(target, lift.arriving, lift.channels, lift.number, lift.name)

        resize = {"size": target.name, "mode": self.style.smooth}
        fit = Layer(self.name(f"fit{lift.number}"), "Interpolate", resize)
        self.say(
            lift.name,
            f"enlarged by {by(lift.ratio)}, then resized to the skip's size as it runs, as they differ at some",
        )
        beside = _resized_beside(lift.arriving.axes, target.axes)
        layers = [*self.spread(lift, self._kind), fit]
        return Lifted(layers, False, target.axes, target.name, beside)

    def _padded(self, lift: Lift, target: Target) -> Lifted:
        """A map that differs from the target by as many rows at every size: they are put to it, or cut off."""
        before: list[Layer] = []
        if self._kind in KEEPING:
            before, arriving = self._narrowed(target, lift.arriving, lift.channels, lift.number)
            lift = lift._replace(arriving=arriving)

        amounts = [sides(step) for step in lift.steps]
        layers = [
            *before,
            *self.spread(lift, self._kind),
            *self._padding(lift, amounts),
        ]
        beside = max(
            abs(padded_out(own, *amount).offset - fine.offset)
            for own, fine, amount in zip(_spread(lift), target.axes or (), amounts)
        )
        return Lifted(
            layers,
            False,
            target.axes,
            target.name,
            beside,
        )

    def _padding(self, lift: Lift, amounts: Sequence[tuple[int, int]]) -> list[Layer]:
        """The layer that puts rows to the sides, or cuts them off; none where there are none."""
        padding = tuple(n for amount in reversed(amounts) for n in amount)
        enlarged = f"enlarged by {by(lift.ratio)}"
        if not any(padding):
            self.say(lift.name, f"{enlarged} it has the skip's size")
            return []

        self.say(lift.name, f"{enlarged}, then padded or cut to the skip's size")
        name = self.name(f"pad{lift.number}")
        kind = f"ZeroPad{self.style.dims}d"
        return [Layer(name, kind, {"padding": padding}, (), _UNEVEN)]

    def _sized(
        self,
        target: Target,
        arriving: Arriving,
        channels: Channels,
        number: object,
        name: str | None = None,
    ) -> Lifted:
        """A resize to the target's size as it runs, which serves every size."""
        beside = _resized_beside(arriving.axes, target.axes)
        name = name or self.name(f"up{number}")
        before, arriving = self._narrowed(target, arriving, channels, number)
        mode = "nearest" if self.up == "nearest" else self.style.smooth
        resize = Layer(
            name, "Interpolate", {"size": target.name, "mode": mode}, (arriving.node,)
        )
        self.say(name, f"resized ({mode}) to the size of the skip as it runs, whatever that is")
        return Lifted([*before, resize], False, target.axes, target.name, beside)

    def _narrowed(
        self, target: Target, arriving: Arriving, channels: Channels, number: object
    ) -> tuple[list[Layer], Arriving]:
        """A convolution before an up-layer without weights, where a sum needs other channels; and what it gives."""
        is_summed = self.sums and target.may_crop
        if not is_summed or channels == arriving.channels:
            return [], arriving
        name = self.name(f"narrow{number}")
        conv = self.style.conv(name, channels, 1, (arriving.node,))
        return [conv], arriving._replace(node=name, channels=channels)

    @property
    def _kind(self) -> Up:
        """The kind of a layer that does not lie on the skip's grid."""
        return "bilinear" if self.up == "auto" else self.up


def _spread(lift: Lift) -> tuple[MapAxis, ...]:
    """Where the positions lie of a map that is spread out."""
    axes = lift.arriving.axes or ()
    return tuple(spread_out(axis, step.ratio) for axis, step in zip(axes, lift.steps))


def _resized_beside(axes: MapAxes, fine: MapAxes) -> Fraction | None:
    """How far a resized map lies beside the target at most; None where that is not known."""
    if axes is None or fine is None:
        return None
    return max(resized_beside(a, b) for a, b in zip(axes, fine))
