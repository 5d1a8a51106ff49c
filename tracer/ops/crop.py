"""Operations that cut: centre crops (unpadded U-Net skips), crops by amounts, and slices along one dim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracer.ops.base import (
    MAX_INT,
    Auto,
    Ints,
    NodeName,
    Op,
    Requirement,
    Requirements,
    Shape,
    autos,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Sliced, Tensor, Term, centre_cropped, zero_padded
from tracer.ops.rearrange import in_rank, wrapped
from tracer.ops.windows import POINTWISE, Window
from tracer.sizing.arithmetic import Dim, conv_size, maximum, minimum
from tracer.sizing.symbol import Size

EXTENT = Auto(is_free=True, width=2048)
"""A size that is left, or where it ends."""

CUT = Auto(least=0, default=0, is_free=True, width=128)
"""Rows that are cut off: where a map is cut is its place over the input, and no amount is nearer to torch's."""


def has_spatial_dims(x: Shape) -> Requirement:
    """There is something to crop: dims from 2 on."""
    return Requirement(
        len(x) >= 3,
        "T303",
        None,
        lambda: (
            f"crops the dims from 2 on, so it takes an input of at least 3 dims; {written(x)} has {len(x)}"
        ),
    )


def even_crop(
    field: str, have: Dim, want: Dim, dim: int, inputs: tuple[int, ...] = ()
) -> Requirement:
    """T502: the crop takes as much from either side."""
    return Requirement(
        (have - want) % 2 == 0,
        "T502",
        field,
        lambda *_: (
            f"the crop from {have} to {want} in dim {dim} is uneven: {(have - want) // 2} before, one more after"
        ),
        dim=dim,
        inputs=inputs,
    )


def even_cut(field: str, have: Dim, before: Dim, after: Dim, dim: int) -> Requirement:
    """T502 for given amounts: what is cut off both ends together is an even number of rows.

    An odd number cannot be cut evenly; an even one that is divided otherwise was meant to be, and its place is exact.
    """
    return Requirement(
        (before + after) % 2 == 0,
        "T502",
        field,
        lambda: (
            f"the crop from {have} to {have - before - after} in dim {dim} is uneven: {before} before, {after} after"
        ),
        "cut an even number of rows, as many before as after",
        dim=dim,
    )


def _is_size(want: Dim, dim: int) -> Requirement:
    """The size wanted of a dim is not negative."""
    return Requirement(
        want >= 0,
        "T202",
        "size",
        lambda: f"size is {want} in dim {dim}; it needs at least 0",
        dim=dim,
    )


def _contains(have: Dim, want: Dim, dim: int) -> Requirement:
    """A crop to the size wanted takes no more than there is."""
    return Requirement(
        want <= have,
        "T302",
        "size",
        lambda: f"cannot crop {have} in dim {dim} to {want}: a crop does not enlarge",
        dim=dim,
    )


def _has_rows(n: Dim, before: int, after: int, dim: int) -> Requirement:
    """There are as many rows as are cut off."""
    return Requirement(
        n >= before + after,
        "T302",
        "crop",
        lambda: f"cannot cut {before} + {after} off {n} in dim {dim}",
        dim=dim,
    )


def cut(before: Dim, step: int = 1) -> Window:
    """Every ``step``-th position from ``before`` on (negative: so many are put before the first)."""
    return Window(1, step, 1, (before, 1))


@operation
class CenterCrop(Op, kw_only=True):
    """Cuts the middle out, at (have - want) // 2 on each axis: the skip of an unpadded U-Net.

    ``size`` is an int for every dim from 2 on, a list for the last dims, or the node whose sizes from dim 2 on
    are taken (it has as many dims as the input).
    """

    node_fields = ("size",)
    dim_fields = ("size",)
    solvable = autos(size=EXTENT)

    size: Ints | NodeName
    """The output's size: one number, one for each axis, or a node that has it."""

    def legal(self) -> Requirements:
        if not isinstance(self.size, str):
            yield in_range("size", self.size, 0)
            yield Requirement(
                self.size != (),
                "T203",
                "size",
                "size is empty; it takes an integer, a list or a node",
            )

    def _wanted(self, x: Shape, sizes: dict[str, Shape]) -> dict[int, Dim]:
        """The size wanted of each dim that is cropped."""
        if isinstance(self.size, tuple):
            return {len(x) - len(self.size) + i: n for i, n in enumerate(self.size)}
        if isinstance(self.size, str):
            return {dim: sizes["size"][dim] for dim in range(2, len(x))}
        return dict.fromkeys(range(2, len(x)), self.size)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        if isinstance(self.size, tuple):
            count = len(self.size)
            yield Requirement(
                count <= len(x0),
                "T203",
                "size",
                lambda: f"size has {count} values; the input {written(x0)} has {len(x0)}",
            )
        else:
            yield has_spatial_dims(x0)
        if isinstance(self.size, str):
            model = sizes["size"]
            yield Requirement(
                len(model) == len(x0),
                "T303",
                "size",
                lambda: (
                    f"{self.size} has {len(model)} dims, {written(model)}; the input {written(x0)} has {len(x0)}"
                ),
            )
        for dim, want in self._wanted(x0, sizes).items():
            # A dim expression is a number only here.
            yield _is_size(want, dim)
            yield _contains(x0[dim], want, dim)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        wanted = self._wanted(x0, sizes)
        return tuple(wanted.get(dim, n) for dim, n in enumerate(x0))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        (x0,) = x
        wanted: dict[int, Any]
        if "size" in given:
            wanted = {dim: given["size"].size(dim) for dim in range(2, x0.rank)}
        elif isinstance(self.size, tuple):
            wanted = {x0.rank - len(self.size) + i: n for i, n in enumerate(self.size)}
        else:
            wanted = dict.fromkeys(range(2, x0.rank), self.size)
        return centre_cropped(x0, wanted)

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        for dim, want in self._wanted(x[0], sizes).items():
            yield even_crop("size", x[0][dim], want, dim)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        want = self._wanted(x[0], sizes).get(dim)
        return POINTWISE if want is None else cut((x[0][dim] - want) // 2)

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return strides


@operation
class Crop(Op, kw_only=True):
    """Cuts given amounts off every spatial axis (the dims from 2 on): n - before - after.

    ``crop`` is an int for both sides of every axis, a list of one int per axis for both of its sides ([top and
    bottom, left and right]), or a list of two per axis in F.pad's order: the last axis first, [left, right, top,
    bottom]. It is F.pad with the amounts negated.
    """

    solvable = autos(crop=CUT)

    crop: Ints
    """Positions cut off: one number, one for each axis, or before and behind for each, the last axis first."""

    def legal(self) -> Requirements:
        yield in_range("crop", self.crop, 0)

    def amounts(self, axes: int) -> list[tuple[int, int]]:
        """(before, after) per axis."""
        if not isinstance(self.crop, tuple):
            return [(self.crop, self.crop)] * axes
        if len(self.crop) == axes:
            return [(c, c) for c in self.crop]
        return list(zip(self.crop[::2], self.crop[1::2]))[::-1]

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield has_spatial_dims(x0)
        axes = len(x0) - 2
        yield Requirement(
            not isinstance(self.crop, tuple) or len(self.crop) in (axes, 2 * axes),
            "T203",
            "crop",
            lambda: (
                f"crop {written(self.crop)} takes an integer, {axes} values or {2 * axes} for {axes} spatial axes"
            ),
        )
        for dim, (before, after) in enumerate(self.amounts(axes), 2):
            yield _has_rows(x0[dim], before, after, dim)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        cut = self.amounts(len(x0) - 2)
        left = [n - before - after for n, (before, after) in zip(x0[2:], cut)]
        return (*x0[:2], *left)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        amounts = self.amounts(x[0].rank - 2)
        return zero_padded(
            x[0], {dim: (-before, -after) for dim, (before, after) in enumerate(amounts, 2)}
        )

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        for dim, (before, after) in enumerate(self.amounts(len(x[0]) - 2), 2):
            yield even_cut("crop", x[0][dim], before, after, dim)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return cut(self.amounts(len(x[0]) - 2)[dim - 2][0]) if dim >= 2 else POINTWISE


@operation
class Slice(Op, kw_only=True):
    """start:stop:step along one dim, as Python slices: negative ones count from the end, and all are clamped.

    ``stop: null`` is the end. The result has (stop - start - 1) // step + 1 elements, none where stop <= start.
    Both may be dims over the input's symbols, such as ``H + 31``, which count from the beginning.
    """

    dim_fields = ("start", "stop")
    solvable = autos(start=CUT, stop=EXTENT)

    dim: int
    """The dim along which it works; a negative one counts from the end."""
    start: int = 0
    """The first position; a negative one counts from the end."""
    stop: int | None = None
    """The first position behind the slice; a negative one counts from the end, null: to the end."""
    step: int = 1
    """The distance from one position to the next."""

    def legal(self) -> Requirements:
        yield in_range("step", self.step, 1)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield Requirement(
            len(x[0]) >= 1, "T303", None, "takes an input of at least 1 dim, not a scalar"
        )
        yield in_rank("dim", self.dim, len(x[0]))

    def _length(self, n: Dim) -> Dim:
        """stop - start, clamped. Without a cut or a maximum more than the arguments' signs need."""
        start = clamped(self.start, n)
        if self.stop is None:
            return n - start
        if isinstance(self.start, Size) or isinstance(self.stop, Size):
            return maximum(clamped(self.stop, n) - start, 0)
        if (self.start < 0) == (self.stop < 0):  # the clamps keep their order, whatever n is
            return clamped(self.stop, n) - start if self.start < self.stop else 0
        if self.start == 0:
            return clamped(self.stop, n)
        return maximum(clamped(self.stop, n) - start, 0)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        dim = wrapped(self.dim, len(x0))
        taken = conv_size(self._length(x0[dim]), extent=1, stride=self.step, padding=0)
        return (*x0[:dim], taken, *x0[dim + 1 :])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Sliced(x[0], wrapped(self.dim, x[0].rank), self.start, self.stop, self.step)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        if wrapped(self.dim, len(x[0])) != dim:
            return POINTWISE
        return cut(clamped(self.start, x[0][dim]), self.step)

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        dim = wrapped(self.dim, len(x))
        return tuple(
            stride * self.step if i == dim else stride for i, stride in enumerate(strides)
        )


def clamped(position: int | Size, n: Dim) -> Dim:
    """A slice's position in 0..n. One beyond any dim, such as torch's 2**63 - 1 for the end, is the largest.

    >>> clamped(-2, 8), clamped(2**63 - 1, 8)
    (6, 8)
    """
    if isinstance(position, Size):  # a dim over symbols: never negative
        return minimum(n, position)
    if position == 0:
        return 0
    if position > 0:
        return minimum(n, min(position, MAX_INT))
    return n - minimum(n, min(-position, MAX_INT))
