"""An up-layer that brings a map onto a finer one: the arithmetic of sizes and places, per axis.

Write r for the ratio of the strides. A map of m positions is spread to r · m finer ones; its position 0 then stands at
(r - 1)/2, in positions of the finer map. It has to stand at ``centre``, where the skip's grid has it. The skip has
(m - 1) · r + 2 · centre + 1 + ``rest`` positions: ``rest`` is what the encoder's strides rounded away, and what
``output_padding`` is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from tracer.sizing.arithmetic import Dim
from tracer.sizing.symbol import Size

READABLE, LONGEST = 12, 100
"""Floor divisions and symbols of an expression that says what comes out, and of one that a padding needs."""

BORDER = 2
"""If the skip reaches so many positions beyond the decoder's map, the skip is cropped; below, the map is padded."""


class MapAxis(NamedTuple):
    """A map along one axis: its grid in input pixels, and how many positions it has."""

    stride: Fraction
    offset: Fraction
    sizes: tuple[int, ...]
    """For each of the input sizes that are looked at."""
    written: Dim
    """The same for any size: a number or an expression over the symbols."""


class AxisLift(NamedTuple):
    """The way from one map to a finer one along one axis."""

    ratio: int
    centre: Fraction
    crop: int
    """Positions of the skip's either side that the decoder's map does not reach."""
    rest: tuple[int, ...]
    written: Dim

    @property
    def aside(self) -> Fraction:
        """The distance, in the finer map's positions, from a plain spreading to the place where it should be."""
        return self.centre - Fraction(self.ratio - 1, 2)

    @property
    def is_steady(self) -> bool:
        """True where all sizes need the same."""
        return len(set(self.rest)) == 1


class Spreading(NamedTuple):
    """A transposed convolution that does all along one axis."""

    kernel: int
    padding: int


class Shift(NamedTuple):
    """A convolution behind a plain spreading, and the zeros before it."""

    kernel: int
    left: int
    right: Dim
    """A number, or an expression over the symbols."""


def axis_lift(coarse: MapAxis, fine: MapAxis, *, may_crop: bool) -> AxisLift | None:
    """The way from one map to a finer one; None where no whole number of positions lies between two."""
    ratio = coarse.stride / fine.stride
    centre = (coarse.offset - fine.offset) / fine.stride
    if ratio.denominator != 1 or (2 * centre).denominator != 1:
        return None
    r = ratio.numerator
    beyond = centre - Fraction(r - 1, 2)
    crop = floor(beyond) if may_crop and beyond >= BORDER else 0
    whole = int(2 * centre)
    rest = tuple(t - (m - 1) * r - whole - 1 for m, t in zip(coarse.sizes, fine.sizes))
    return AxisLift(
        r, centre - crop, crop, rest, fine.written - (coarse.written - 1) * r - whole - 1
    )


def narrowed(axis: MapAxis, cut: int) -> MapAxis:
    """A map without so many positions at either side: cropped, or behind unpadded layers."""
    sizes = tuple(n - 2 * cut for n in axis.sizes)
    offset = axis.offset + cut * axis.stride
    return MapAxis(axis.stride, offset, sizes, axis.written - 2 * cut)


def spread_out(coarse: MapAxis, ratio: int) -> MapAxis:
    """A map whose every position becomes as many as the ratio says."""
    stride = coarse.stride / ratio
    sizes = tuple(n * ratio for n in coarse.sizes)
    offset = coarse.offset - (coarse.stride - stride) / 2
    return MapAxis(stride, offset, sizes, coarse.written * ratio)


def padded_out(axis: MapAxis, left: int, right: int) -> MapAxis:
    """A map with so many positions more at its sides, or fewer where they are negative."""
    sizes = tuple(n + left + right for n in axis.sizes)
    offset = axis.offset - left * axis.stride
    return MapAxis(axis.stride, offset, sizes, axis.written + left + right)


def sides(taken: AxisLift) -> tuple[int, int]:
    """The positions that a plain spreading needs at its sides, so that it has the finer map's size and lies nearest."""
    left = round(taken.aside)
    whole = int(2 * taken.aside) + taken.rest[0]
    return left, whole - left


def resized_beside(coarse: MapAxis, fine: MapAxis) -> Fraction:
    """How far a map that is resized to a finer one's size lies from that one at most, in input pixels.

    It is true of the sizes that are looked at, and of those that leave the same remainders and are larger. The resize
    puts the finer position j at (j + 1/2) · m/n - 1/2 of the m coarse ones; the distance is linear in j, and what it is
    at the ends goes to a limit as the maps grow.
    """
    found = Fraction(0)
    ahead = coarse.offset - fine.offset
    for m, n in zip(coarse.sizes, fine.sizes):
        for j in (0, n - 1):
            place = (j + Fraction(1, 2)) * Fraction(m, n) - Fraction(1, 2)
            found = max(found, abs(ahead + coarse.stride * place - fine.stride * j))

        first = ahead - (coarse.stride - fine.stride) / 2
        last = first + coarse.stride * m - fine.stride * n
        found = max(found, abs(first), abs(last))
    return found


def spreading(taken: AxisLift) -> Spreading | None:
    """The least kernel that the stride divides and that stands where it should; None where there is none.

    A kernel k with padding p puts position 0 at (k - 1)/2 - p.
    """
    r, centre = taken.ratio, taken.centre
    if not all(0 <= n < r for n in taken.rest):
        return None
    for kernel in (r, 2 * r, 3 * r, 4 * r):
        padding = Fraction(kernel - 1, 2) - centre
        if padding.denominator == 1 and padding >= 0:
            return Spreading(kernel, padding.numerator)
    return None


def shift(taken: AxisLift) -> Shift:
    """The convolution that brings a plain spreading where it should be, of the least kernel from 2 on.

    A kernel k behind ``left`` zeros moves position j to j + (k - 1)/2 - left.
    """
    aside = taken.aside
    kernel = 3 if aside.denominator == 1 else 2
    least = aside + min(0, *taken.rest)
    if Fraction(kernel - 1, 2) + least < 0:  # nothing is cut off: a wider kernel reaches as far
        kernel = int(1 - 2 * least)
    left = int(Fraction(kernel - 1, 2) + aside)
    if taken.is_steady:
        return Shift(kernel, left, left + taken.rest[0])
    return Shift(kernel, left, left + taken.written)


def is_plain(steps: Sequence[AxisLift]) -> bool:
    """True where a plain spreading is all that is needed on every axis."""
    return all(not taken.aside and set(taken.rest) == {0} for taken in steps)


def writable(size: Dim, longest: int) -> bool:
    """True for a size that a config can say in an expression of at most this length."""
    return not isinstance(size, Size) or (
        size.length() <= longest and "scale(" not in repr(size)
    )


def padded(shifts: Sequence[Shift]) -> tuple[Any, tuple[Any, ...] | None]:
    """A convolution's own padding, or the amounts of a padding layer in torch's order, the last axis first."""
    if all(one.right.__class__ is int and one.left == one.right >= 0 for one in shifts):
        return tuple(one.left for one in shifts), None
    return None, tuple(n for one in reversed(shifts) for n in (one.left, one.right))
