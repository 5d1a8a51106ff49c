"""Arithmetic with numbers, functions of each element, and learned tensors: the steps between modules in a forward."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tracer.ops.activation import fits_float32
from tracer.ops.base import (
    NOTHING_KEPT,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Call, Learned, Tensor, Term, narrow
from tracer.ops.merge import padded
from tracer.ops.rearrange import is_open
from tracer.ops.windows import POINTWISE, Window
from tracer.sizing.arithmetic import Dim

Function = Literal[
    "abs", "ceil", "cos", "erf", "exp", "expm1", "floor", "log", "log1p", "log2", "neg", "reciprocal", "round",
    "rsqrt", "sign", "sin", "sqrt", "square", "tan",
]  # fmt: skip


@operation
class Scale(Op, kw_only=True):
    """x · factor + offset, with numbers that are not learned: q / sqrt(d), 2x - 1."""

    factor: float = 1.0
    offset: float = 0.0

    def legal(self) -> Requirements:
        yield fits_float32("factor", self.factor)
        yield fits_float32("offset", self.offset)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        (x0,) = x
        if self.factor == 1 and self.offset == 0:
            return Call("torch.clone", (x0,))
        scaled: Tensor = (
            x0 if self.factor == 1 else Tensor(Call("operator.mul", (x0, self.factor)), x0.rank)
        )
        return scaled if self.offset == 0 else Call("operator.add", (scaled, self.offset))


@operation
class Pointwise(Op, kw_only=True):
    """A function of each element: torch.exp, torch.abs, torch.rsqrt, ..."""

    function: Function

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call(f"torch.{self.function}", x)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        if not any(needs) or self.function in ("ceil", "floor", "neg", "round", "sign"):
            return NOTHING_KEPT
        of_output = self.function in ("exp", "expm1", "reciprocal", "rsqrt", "sqrt", "tan")
        return Kept(output=True) if of_output else Kept((0,))


def _repeats(x: Shape, dim: int, want: Dim) -> Requirement:
    """A dim has the size wanted, or is 1 and repeated."""
    return Requirement(
        (x[dim] == 1) | (x[dim] == want),
        "T302",
        "shape",
        lambda: (
            f"cannot expand {x[dim]} in {written(x)} to {want}: only dims of size 1 are repeated"
        ),
        dim=dim,
    )


def _has_size(x: Shape, dim: int, want: Dim) -> Requirement:
    """A dim has the size that a model requires."""
    return Requirement(
        x[dim] == want,
        "T302",
        "shape",
        lambda: f"dim {dim} of {written(x)} is {x[dim]}; it has to be {want}",
        dim=dim,
    )


@operation
class Expand(Op, kw_only=True):
    """Repeats dims of size 1, as broadcasting does: torch.broadcast_to. -1 keeps a dim's size.

    Sizes beyond the input's number of dims come before its dims. They may be dims over the input's symbols.
    """

    dim_fields = ("shape",)

    shape_: tuple[int, ...] = msgspec.field(name="shape")

    def legal(self) -> Requirements:
        yield in_range("shape", tuple(n for n in self.shape_ if isinstance(n, int)), -1)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        rank = len(self.shape_)
        yield Requirement(
            rank >= len(x0),
            "T203",
            "shape",
            lambda: f"shape has {rank} values; the input {written(x0)} has {len(x0)}",
        )
        for n in self.shape_[: rank - len(x0)]:
            yield Requirement(
                not is_open(n),
                "T202",
                "shape",
                lambda: (
                    f"shape {written(self.shape_)} keeps a dim that {written(x0)} does not have"
                ),
            )
        for dim, want in enumerate(self.shape_[rank - len(x0) :]):
            if not is_open(want):
                yield _repeats(x0, dim, want)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (own,) = padded((x[0], self.shape_))[:1]
        return tuple(have if is_open(want) else want for want, have in zip(self.shape_, own))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.broadcast_to", (x[0], list(self.shape_)))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        before = len(self.shape_) - len(x[0])
        return POINTWISE if not before else None

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        before = len(y) - len(x)
        own = [
            0 if have == 1 != want else stride
            for have, want, stride in zip(x, y[before:], strides)
        ]
        return (*[0] * before, *own)


@operation
class Require(Op, kw_only=True):
    """Passes its input on where it has these sizes, and refuses others: a model that checks its input.

    -1 stands for any size. Dims over the input's symbols say more: ``H // 32 * 32`` is a multiple of 32, and
    ``max(H, 32)`` is at least 32. In torch a cut to these sizes refuses smaller ones, and a reshape back larger ones.
    ``raises`` is the error of the program that it was read from, which a refusal names.
    """

    dim_fields = ("shape",)

    shape_: tuple[int, ...] = msgspec.field(name="shape")
    raises: str | None = None

    def legal(self) -> Requirements:
        yield in_range("shape", tuple(n for n in self.shape_ if isinstance(n, int)), -1)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        rank = len(self.shape_)
        yield Requirement(
            rank == len(x0),
            "T203",
            "shape",
            lambda: f"shape has {rank} values; the input {written(x0)} has {len(x0)}",
        )
        for dim, want in enumerate(self.shape_):
            if not is_open(want):
                yield self._has_size(x0, dim, want)

    def _has_size(self, x: Shape, dim: int, want: Dim) -> Requirement:
        found = _has_size(x, dim, want)
        if self.raises is None:
            return found

        # The size that it is held against is a formula's, and says nothing of others.
        return found._replace(
            message=lambda: f"{self.raises} is raised for {written(x)}, by dim {dim}"
        )

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        (x0,) = x
        kept = x0
        for dim, n in enumerate(self.shape_):
            if not is_open(n):
                kept = narrow(kept, dim, 0, n)
        return Call("torch.reshape", (kept, [x0.size(dim) for dim in range(x0.rank)]))

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return strides


@operation
class Parameter(Op, kw_only=True):
    """A tensor that no input gives: a positional embedding, a scale per channel; with `learned: false` a constant."""

    arity = (0, 0)

    shape_: tuple[int, ...] = msgspec.field(name="shape")

    def legal(self) -> Requirements:
        yield in_range("shape", self.shape_, 0)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return self.shape_

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Learned(self.shape_)

    def parameters(self, *x: Shape) -> Dim:
        return math.prod(self.shape_)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None
