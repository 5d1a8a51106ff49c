"""Operations that move elements along a dim or bring them in order: every position may come from any other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from tracer.ops.base import (
    NOTHING_KEPT,
    Ints,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Call, Item, Tensor, Term
from tracer.ops.rearrange import (
    dim_kept,
    distinct_dims,
    in_rank,
    wrapped,
)
from tracer.ops.windows import Window
from tracer.sizing.arithmetic import Dim
from tracer.sizing.symbol import Size


@operation
class Flip(Op, kw_only=True):
    """Turns dims round: the last position comes first."""

    dims: Ints
    """The dims that are reversed."""

    def _dims(self) -> tuple[int, ...]:
        return self.dims if isinstance(self.dims, tuple) else (self.dims,)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from distinct_dims("dims", self._dims(), len(x[0]))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.flip", (x[0], list(self._dims())))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return dim_kept(dim, {wrapped(turned, len(x[0])) for turned in self._dims()})


@operation
class Roll(Op, kw_only=True):
    """Moves dims round by ``shifts`` positions: what leaves the end comes in front. Null rolls all elements as one dim.

    The shifts may be dims over the input's symbols, such as ``H // 2``.
    """

    dim_fields = ("shifts",)
    signed = ("shifts",)

    shifts: Ints
    """By how many positions each dim is rolled."""
    dims: Ints | None = None
    """The dims that are rolled."""

    def _dims(self) -> tuple[int, ...]:
        if self.dims is None:
            return ()
        return self.dims if isinstance(self.dims, tuple) else (self.dims,)

    def _shifts(self) -> tuple[int, ...]:
        return self.shifts if isinstance(self.shifts, tuple) else (self.shifts,)

    def legal(self) -> Requirements:
        shifts, dims = len(self._shifts()), len(self._dims())
        yield Requirement(
            shifts == (dims or 1),
            "T203",
            "shifts",
            lambda: f"shifts has {shifts} values for {dims or 'no'} dims",
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        for dim in self._dims():
            yield in_rank("dims", dim, len(x[0]))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.roll", (x[0], list(self._shifts()), list(self._dims())))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        moved = {wrapped(rolled, len(x[0])) for rolled in self._dims()}
        return dim_kept(dim, moved if moved else {dim})


class AlongDim(Op, kw_only=True):
    """Keeps the shape; each position follows from all of the dim."""

    function: ClassVar[str]

    dim: int
    """The dim along which it works; a negative one counts from the end."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield in_rank("dim", self.dim, len(x[0]))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call(self.function, (x[0], self.dim))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return dim_kept(dim, {wrapped(self.dim, len(x[0]))})


@operation
class Cumsum(AlongDim):
    """The sum of a dim up to each position."""

    autocast = "float32"
    function = "torch.cumsum"

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 2 * math.prod(y)


@operation
class Cumprod(AlongDim):
    """The product of a dim up to each position."""

    autocast = "float32"
    function = "torch.cumprod"
    keeps = "both"


@operation
class Logcumsumexp(AlongDim):
    """The logarithm of the sum of exponentials of a dim up to each position."""

    function = "torch.logcumsumexp"
    keeps = "both"


class Ordered(AlongDim, kw_only=True):
    """Elements of a dim, or with ``indices`` their places in it."""

    indices: bool = False
    """The places in the dim come out, not the values."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Item(self._pair(x[0]), int(self.indices))

    def _pair(self, x: Tensor) -> Term:
        """The elements and their places."""
        return Call(self.function, (x, self.dim))

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        is_kept = any(needs) and not self.indices
        return Kept(indices=math.prod(y)) if is_kept else NOTHING_KEPT


@operation
class Cummax(Ordered):
    """The largest element of a dim up to each position."""

    function = "torch.cummax"

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 2 * math.prod(y)


@operation
class Cummin(Ordered):
    """The smallest element of a dim up to each position."""

    function = "torch.cummin"

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 2 * math.prod(y)


@operation
class Sort(Ordered, kw_only=True):
    """The elements of a dim in ascending order."""

    function = "torch.sort"

    dim: int = -1
    """The dim along which it works; a negative one counts from the end."""
    descending: bool = False
    """The largest comes first."""

    def _pair(self, x: Tensor) -> Term:
        return Call(self.function, (x, self.dim, self.descending))


@operation
class Topk(Ordered, kw_only=True):
    """The ``k`` largest elements of a dim, or the smallest ones."""

    function = "torch.topk"
    dim_fields = ("k",)

    k: int
    """How many are taken."""
    dim: int = -1
    """The dim along which it works; a negative one counts from the end."""
    largest: bool = True
    """The largest are taken; otherwise the smallest."""
    sorted: bool = True
    """They come in order."""

    def legal(self) -> Requirements:
        if not isinstance(self.k, Size):
            yield in_range("k", self.k, 0)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield from super().requirements(*x, **sizes)
        n = x0[self.dim] if x0 else 1
        yield Requirement(
            (self.k >= 0) & (self.k <= n),
            "T302",
            "k",
            lambda: f"k is {self.k}; dim {self.dim} of {written(x0)} has {n} elements",
            dim=wrapped(self.dim, len(x0)) if x0 else None,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        if not x0:
            return x0
        dim = wrapped(self.dim, len(x0))
        return (*x0[:dim], self.k, *x0[dim + 1 :])

    def _pair(self, x: Tensor) -> Term:
        return Call(self.function, (x, self.k, self.dim, self.largest, self.sorted))
