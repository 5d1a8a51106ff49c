"""Reductions beside the sum and the extremes: spreads, products, norms, medians, places of extremes, truth values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from tracer.ops.base import (
    NOTHING_KEPT,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    operation,
    written,
)
from tracer.ops.calls import Call, Item, Tensor, Term
from tracer.ops.rearrange import Reduction, has_elements, in_rank, wrapped
from tracer.ops.windows import Window
from tracer.sizing.arithmetic import Dim


class Spread(Reduction, kw_only=True):
    """The sum of squares around the mean is divided by the elements less ``correction``."""

    correction: int | float = 1
    """Taken from the number of elements that the squares' sum is divided by."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        dims = list(self._dims(x[0].rank))
        keywords = {"correction": self.correction, "keepdim": self.keepdim}
        return Call(self.function, (x[0], dims), keywords)

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return math.prod(x[0])


@operation
class Var(Spread):
    """The variance over dims."""

    function = "torch.var"
    keeps = "input"


@operation
class Std(Spread):
    """The standard deviation over dims."""

    function = "torch.std"
    keeps = "both"


@operation
class Logsumexp(Reduction):
    """The logarithm of the sum of exponentials over dims."""

    autocast = "float32"
    function = "torch.logsumexp"
    keeps = "both"

    def legal(self) -> Requirements:
        yield Requirement(
            self.dim is not None and self.dim != (),
            "T203",
            "dim",
            "dim is empty; torch needs a dim",
        )

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 2 * math.prod(x[0])


@operation
class VectorNorm(Reduction, kw_only=True):
    """The norm of all elements over dims, whatever their order: torch.linalg.vector_norm."""

    autocast = "float32"
    function = "torch.linalg.vector_norm"
    keeps = "both"

    ord: float = 2.0
    """The exponent of the norm."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from super().requirements(*x, **sizes)
        # An empty vector has no largest and no smallest element.
        if self.ord < 0 or self.ord == float("inf"):
            for dim in self._dims(len(x[0])):
                if x[0]:
                    yield has_elements(x[0], dim)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        dims = list(self._dims(x[0].rank))
        return Call(self.function, (x[0], self.ord, dims, self.keepdim))

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return math.prod(x[0]) + math.prod(y)


@operation
class Any(Reduction):
    """Whether any element over dims is not 0."""

    function = "torch.any"


@operation
class All(Reduction):
    """Whether no element over dims is 0."""

    function = "torch.all"


class OneDim(Op, kw_only=True):
    """A reduction of one dim, kept as 1 with ``keepdim``; null is all elements."""

    function: ClassVar[str]

    dim: int | None = None
    """The dim that is reduced; left out: all elements are."""
    keepdim: bool = False
    """The dim stays, with size 1."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        if self.dim is not None:
            yield in_rank("dim", self.dim, len(x[0]))

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        if self.dim is None:
            return (1,) * len(x0) if self.keepdim else ()
        dim = wrapped(self.dim, len(x0))
        kept = (1,) if self.keepdim and x0 else ()
        return (*x0[:dim], *kept, *x0[dim + 1 :])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call(self.function, (x[0], self.dim, self.keepdim))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        reduced = None if self.dim is None else wrapped(self.dim, len(x[0]))
        is_moved = reduced is None or dim == reduced or (dim > reduced and not self.keepdim)
        return None if is_moved else super().window(dim, *x, **sizes)


class OfAllPlain(OneDim):
    """A reduction that keeps dims only where it is of one dim."""

    def legal(self) -> Requirements:
        yield Requirement(
            self.dim is not None or not self.keepdim,
            "T202",
            "keepdim",
            "keepdim is true without a dim; torch keeps none of all dims",
        )


@operation
class Prod(OfAllPlain):
    """The product over one dim, or of all elements."""

    autocast = "float32"
    function = "torch.prod"
    keeps = "both"

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        if self.dim is None:
            return Call(self.function, (x[0],))
        return super().call(x, given)

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 2 * math.prod(x[0])


class WithPlaces(OfAllPlain, kw_only=True):
    """One element of a dim, or with ``indices`` its place in the dim."""

    indices: bool = False
    """The place in the dim comes out, not the value."""

    def legal(self) -> Requirements:
        yield from super().legal()
        yield Requirement(
            self.dim is not None or not self.indices,
            "T202",
            "indices",
            "indices is true without a dim; places are those of a dim",
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from super().requirements(*x, **sizes)
        if self.dim is not None and x[0]:
            yield has_elements(x[0], self.dim)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        if self.dim is None:
            return Call(self.function, (x[0],))
        return Item(super().call(x, given), int(self.indices))

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        if not any(needs) or self.indices:
            return NOTHING_KEPT
        if self.dim is None:
            return Kept((0,), output=True)
        return Kept(indices=math.prod(y))


@operation
class Median(WithPlaces):
    """The lower median of one dim, or of all elements."""

    function = "torch.median"


@operation
class Nanmedian(WithPlaces):
    """The lower median of one dim, or of all elements, without what is no number."""

    function = "torch.nanmedian"


@operation
class Mode(WithPlaces, kw_only=True):
    """The most frequent element of a dim."""

    function = "torch.mode"

    dim: int = -1
    """The dim along which it works; a negative one counts from the end."""


@operation
class Kthvalue(WithPlaces, kw_only=True):
    """The k-th smallest element of a dim."""

    function = "torch.kthvalue"
    dim_fields = ("k",)

    k: int
    """Which of the smallest values is taken, from 1."""
    dim: int = -1
    """The dim along which it works; a negative one counts from the end."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from super().requirements(*x, **sizes)
        (x0,) = x
        n = x0[self.dim] if x0 else 1
        yield Requirement(
            (self.k >= 1) & (self.k <= n),
            "T202",
            "k",
            lambda: f"k is {self.k}; dim {self.dim} of {written(x0)} has the elements 1..{n}",
            dim=wrapped(self.dim, len(x0)) if x0 else None,
        )

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        pair = Call(self.function, (x[0], self.k, self.dim, self.keepdim))
        return Item(pair, int(self.indices))


class ExtremePlace(OneDim):
    """The place of the first extreme element in a dim, or among all elements."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from super().requirements(*x, **sizes)
        reduced = range(len(x[0])) if self.dim is None else (self.dim,)
        for dim in reduced:
            if x[0]:
                yield has_elements(x[0], dim)


@operation
class Argmax(ExtremePlace):
    """The place of the largest element in a dim, or among all elements."""

    function = "torch.argmax"


@operation
class Argmin(ExtremePlace):
    """The place of the smallest element in a dim, or among all elements."""

    function = "torch.argmin"
