"""Padding modules, 1d to 3d: constant, zero, reflection, replication and circular; negative pads crop.

torch lists the amounts last axis first: (left, right, top, bottom, front, back), and lets the tuple's length,
not the module's name, say how many axes are padded: ``ReflectionPad2d([1, 1])`` pads the last axis only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tracer.ops.base import (
    MAX_INT,
    Auto,
    Ints,
    Op,
    Requirement,
    Requirements,
    Shape,
    autos,
    has_length,
    has_rank,
    in_range,
    is_filled,
    operation,
    written,
)
from tracer.ops.calls import Call, Own, Tensor, Term
from tracer.ops.crop import even_cut
from tracer.ops.windows import POINTWISE, Window
from tracer.sizing.arithmetic import Dim, Holds, maximum, minimum

MAX_FLOAT = 3.4028234663852886e38
"""The largest finite float of 32 bits, torch's default type."""


class Padding(Op, kw_only=True):
    """Adds rows before and after each axis (a negative amount removes them): out = n + before + after.

    Amounts may be written over the input's symbols, such as ``H % 2``; not those of circular padding.
    """

    axes: ClassVar[int]
    dim_fields: ClassVar[tuple[str, ...]] = ("padding",)
    solvable = autos(padding=Auto(least=-MAX_INT, default=0, per_side=True))  # below 0 it crops

    padding: Ints
    """Positions added: before and behind, the last dim first; or one number for all sides. Negative ones crop."""

    def legal(self) -> Requirements:
        yield in_range("padding", self.padding, -MAX_INT)

    def amounts(self) -> list[tuple[int, int]]:
        """(before, after) of each padded axis, first axis first; the last belongs to the last dim."""
        padding = (
            self.padding
            if isinstance(self.padding, tuple)
            else (self.padding,) * (2 * self.axes)
        )
        return list(zip(padding[::2], padding[1::2]))[::-1]

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        amounts = self.amounts()
        lead = len(x0) - len(amounts)
        return (
            *x0[:lead],
            *(n + before + after for n, (before, after) in zip(x0[lead:], amounts)),
        )

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        padding = (
            self.padding
            if isinstance(self.padding, tuple)
            else (self.padding,) * (2 * self.axes)
        )
        if not any(isinstance(n, Term) for n in padding):
            return Own(x)
        return Call("torch.nn.functional.pad", (x[0], list(padding)), self.keywords())

    def keywords(self) -> dict[str, Any]:
        """The keywords of torch's function beside the amounts."""
        return {}

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        amounts = self.amounts()
        axis = dim - len(x[0]) + len(amounts)
        return Window(1, first=(-amounts[axis][0], 1)) if axis >= 0 else POINTWISE

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        amounts = self.amounts()
        for dim, (before, after) in enumerate(amounts, len(x[0]) - len(amounts)):
            even = even_cut("padding", x[0][dim], -before, -after, dim)
            pads = (before >= 0) & (after >= 0)
            # Rows put at one end and cut off the other move everything.
            cuts = (before <= 0) & (after <= 0)
            yield even._replace(holds=pads | (cuts & even.holds))


class ConstantPadding(Padding, kw_only=True):
    """Pads with one number. Takes any rank, as long as there are as many dims as the padding has pairs."""

    def legal(self) -> Requirements:
        if isinstance(self.padding, tuple):
            yield Requirement(
                len(self.padding) % 2 == 0,
                "T203",
                "padding",
                lambda: (
                    f"padding has {len(self.padding)} values, {written(self.padding)}; "  # type: ignore[arg-type]
                    f"it takes an integer or a pair per axis, last axis first"
                ),
            )
        yield from super().legal()

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        amounts = self.amounts()
        lead = len(x0) - len(amounts)
        yield Requirement(
            lead >= 0,
            "T303",
            None,
            lambda: f"pads {len(amounts)} dims; {written(x0)} has {len(x0)}",
        )
        if lead < 0:
            return
        for dim, (before, after) in enumerate(amounts, lead):
            yield _leaves_some(x0, dim, before, after)


def _leaves_some(x: Shape, dim: int, before: int, after: int) -> Requirement:
    """Negative amounts remove no more rows than there are.

    The crop comes first: what a positive amount adds does not make up for it.
    """
    removed = -minimum(before, 0) - minimum(after, 0)
    return Requirement(
        x[dim] >= removed,
        "T302",
        "padding",
        lambda: (
            f"padding of {before} and {after} removes {removed} of {x[dim]} in {written(x)}"
        ),
        dim=dim,
    )


def _has_output(n: Dim, out: Dim, dim: int, least: int = 0) -> Requirement:
    """The padded dim has at least this size."""
    return Requirement(
        out >= least,
        "T302",
        "padding",
        lambda: f"the output size is {out} from {n}",
        dim=dim,
    )


class BorderPadding(Padding, kw_only=True):
    """Pads with the input's own rows; two, four or six amounts pad one, two or three axes."""

    def leading_dims(self, *x: Shape) -> int | None:
        return len(x[0]) - len(self.amounts())

    def legal(self) -> Requirements:
        yield has_length("padding", self.padding, 2, 4, 6)
        yield from super().legal()

    def _not_empty(self, x: Shape, lead: int) -> Requirements:
        """Only the batch may be empty."""
        for dim in range(lead - 1, len(x)):
            yield is_filled(x, dim)

    def _not_emptied(self, x: Shape, lead: int) -> Requirements:
        """The result: at least 1 on a single axis; of several axes some, but not all, may come out as 0."""
        outs = self.shape(x)[lead:]
        some: Holds = False
        for dim, out in enumerate(outs, lead):
            some = some | (out >= 1)
            yield _has_output(x[dim], out, dim, least=1 if len(outs) == 1 else 0)
        yield Requirement(
            some, "T302", "padding", lambda: f"nothing is left of {written(x)}: {written(outs)}"
        )


class ReflectionPadding(BorderPadding, kw_only=True):
    """Pads by mirroring at the first and last row, which are not repeated: each amount < n."""

    keeps = "input"

    def keywords(self) -> dict[str, Any]:
        return {"mode": "reflect"}

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        amounts = self.amounts()
        yield has_rank(x0, len(amounts) + 1, len(amounts) + 2)
        lead = len(x0) - len(amounts)
        yield from self._not_empty(x0, lead)
        for dim, (before, after) in enumerate(amounts, lead):
            yield _can_mirror(x0, dim, maximum(before, after))
        yield from self._not_emptied(x0, lead)


def _can_mirror(x: Shape, dim: int, largest: Dim) -> Requirement:
    """There are as many rows behind the first and before the last as are mirrored."""
    return Requirement(
        x[dim] > largest,
        "T306",
        "padding",
        lambda: (
            f"reflection by {largest} needs an input of at least {largest + 1}; {written(x)} has {x[dim]}"
        ),
        dim=dim,
    )


class ReplicationPadding(BorderPadding, kw_only=True):
    """Pads by repeating the first and last row."""

    keeps = "input"

    def keywords(self) -> dict[str, Any]:
        return {"mode": "replicate"}

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        amounts = self.amounts()
        yield has_rank(x0, len(amounts) + 1, len(amounts) + 2)
        lead = len(x0) - len(amounts)
        yield from self._not_empty(x0, lead)
        yield from self._not_emptied(x0, lead)


class CircularPadding(BorderPadding, kw_only=True):
    """Pads with the rows of the other end: each amount <= n."""

    dim_fields: ClassVar[tuple[str, ...]] = ()

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        amounts = self.amounts()
        axis = dim - len(x[0]) + len(amounts)
        return axis < 0 or max(amounts[axis]) <= 0

    def legal(self) -> Requirements:
        yield from super().legal()
        pairs = len(self.amounts())
        yield Requirement(
            abs(pairs - self.axes) <= 1,
            "T203",
            "padding",
            lambda: f"padding has {pairs} pairs; it takes {self.axes}",
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        amounts = self.amounts()
        pairs, axes = len(amounts), self.axes
        yield has_rank(x0, *sorted({pairs + 1, pairs + 2} & {axes + 1, axes + 2}))
        lead = len(x0) - pairs
        for dim, (before, after) in enumerate(amounts, lead):
            yield _can_wrap(x0, dim, max(before, after))
            yield _has_output(x0[dim], x0[dim] + before + after, dim)
            if min(before, after) < 0 < max(before, after):
                yield self._copies_apart(x0, dim, before, after)

    def _copies_apart(self, x: Shape, dim: int, before: int, after: int) -> Requirement:
        """torch copies rows to others than it reads, where it crops one side and pads the other."""
        return Requirement(
            self._mixed(x, dim, before, after),
            "T306",
            "padding",
            lambda: (
                f"torch cannot wrap {before} and {after} around an input of {x[dim]}: "
                f"the rows it copies overlap the rows it writes"
            ),
            "crop and pad in two steps",
            dim=dim,
        )

    def _mixed(self, x: Shape, dim: int, before: int, after: int) -> Holds:
        """torch's copies work, where one side is cropped by ``cropped`` and the other padded by ``padded``.

        torch copies what is left of the input, then the padded side from the result's other end. Where the crop
        leaves 1..padded - 1 rows these two ranges of the result overlap, which torch notices only where they lie
        in one piece of memory: every dim before is 1, and none is 0. Where the crop is longer than the input, a
        negative index of the slice counts from the end. Source: ATen/native/PadNd.cpp, _pad_circular.
        """
        n, out = x[dim], self.shape(x)
        padded, cropped = max(before, after), -min(before, after)
        left = n - cropped
        apart: Holds = (left <= 0) | (left >= padded)
        for d in out[:dim]:
            apart = apart | (d != 1)
        for d in out[dim + 1 :]:
            apart = apart | (d == 0)
        overlong = cropped >= 2 * n - 1 if before > 0 else 2 * out[dim] <= padded
        return ((left >= 0) & apart) | ((left < 0) & overlong)

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return math.prod(y)


def _can_wrap(x: Shape, dim: int, largest: int) -> Requirement:
    """There are as many rows as are wrapped around."""
    return Requirement(
        x[dim] >= largest,
        "T306",
        "padding",
        lambda: (
            f"circular padding of {largest} needs an input of at least {largest}; {written(x)} has {x[dim]}"
        ),
        dim=dim,
    )


class ConstantPad(ConstantPadding, kw_only=True):
    """Pads with ``value``; null is 0."""

    value: float | None
    """The value of the added positions."""

    def keywords(self) -> dict[str, Any]:
        return {"value": self.value}

    def legal(self) -> Requirements:
        yield from super().legal()
        fits = (
            self.value is None or not math.isfinite(self.value) or abs(self.value) <= MAX_FLOAT
        )
        yield Requirement(
            fits or not any(amount > 0 for pair in self.amounts() for amount in pair),
            "T202",
            "value",
            lambda: f"value is {self.value}; a float of 32 bits holds at most {MAX_FLOAT}",
        )


@operation
class ZeroPad1d(ConstantPadding):
    """Zeros on both ends of the last axis, [left, right]; negative amounts crop."""

    axes = 1


@operation
class ZeroPad2d(ConstantPadding):
    """Zeros around an image, [left, right, top, bottom]; negative amounts crop."""

    axes = 2


@operation
class ZeroPad3d(ConstantPadding):
    """Zeros around a volume, [left, right, top, bottom, front, back]; negative amounts crop."""

    axes = 3


@operation
class ConstantPad1d(ConstantPad):
    """A number on both ends of the last axis, [left, right]; negative amounts crop."""

    axes = 1


@operation
class ConstantPad2d(ConstantPad):
    """A number around an image, [left, right, top, bottom]; negative amounts crop."""

    axes = 2


@operation
class ConstantPad3d(ConstantPad):
    """A number around a volume, [left, right, top, bottom, front, back]; negative amounts crop."""

    axes = 3


@operation
class ReflectionPad1d(ReflectionPadding):
    """Mirrors the last axis at its ends, [left, right], each smaller than the input."""

    axes = 1


@operation
class ReflectionPad2d(ReflectionPadding):
    """Mirrors an image at its border, [left, right, top, bottom], each smaller than the input."""

    axes = 2


@operation
class ReflectionPad3d(ReflectionPadding):
    """Mirrors a volume at its border, [left, right, top, bottom, front, back], each smaller than the input."""

    axes = 3


@operation
class ReplicationPad1d(ReplicationPadding):
    """Repeats the first and last value, [left, right]."""

    axes = 1


@operation
class ReplicationPad2d(ReplicationPadding):
    """Repeats an image's border, [left, right, top, bottom]."""

    axes = 2


@operation
class ReplicationPad3d(ReplicationPadding):
    """Repeats a volume's border, [left, right, top, bottom, front, back]."""

    axes = 3


@operation
class CircularPad1d(CircularPadding):
    """Wraps the last axis around, [left, right], each at most the input."""

    axes = 1


@operation
class CircularPad2d(CircularPadding):
    """Wraps an image around, [left, right, top, bottom], each at most the input."""

    axes = 2


@operation
class CircularPad3d(CircularPadding):
    """Wraps a volume around, [left, right, top, bottom, front, back], each at most the input."""

    axes = 3
