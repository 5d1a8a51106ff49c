"""Identity, and the linear maps of the last dim."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from tracer.ops.base import (
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    in_range,
    operation,
    written,
)
from tracer.ops.rearrange import has_rows
from tracer.ops.windows import POINTWISE, Window
from tracer.sizing.arithmetic import Dim


def has_features(
    field: str, declared: int | None, x: Shape, inputs: tuple[int, ...] = ()
) -> Requirements:
    """The input is no scalar, and its last dim has the declared size."""
    yield Requirement(
        len(x) >= 1,
        "T303",
        None,
        "takes an input of at least 1 dim; the input is a scalar, []",
        inputs=inputs,
    )
    if declared is not None:
        yield Requirement(
            x[-1] == declared,
            "T204",
            field,
            lambda *_: (
                f"{field} is {declared}, but the last dim of the input {written(x)} is {x[-1]}"
            ),
            dim=len(x) - 1,
            inputs=inputs,
        )


def _agree(first: Shape, second: Shape, dim: int) -> Requirement:
    """Both inputs have the same size in a dim before the last."""
    return Requirement(
        first[dim] == second[dim],
        "T301",
        None,
        lambda: (
            f"the inputs {written(first)} and {written(second)} differ before the last dim: "
            f"{first[dim]} and {second[dim]}"
        ),
        dim=dim,
    )


def window_of_last_dim(dim: int, x: Shape) -> Window | None:
    """Along the last dim a linear map sees everything, elsewhere one position."""
    return None if dim + 1 == len(x) else POINTWISE


@operation
class Identity(Op):
    """Returns its input: a place to hang a name or a skip on."""

    hands_on = "first"

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return strides


@operation
class Linear(Op, kw_only=True):
    """Linear map of the last dim, y = x·Wᵀ + b: [..., in_features] to [..., out_features]."""

    autocast = "lower"

    in_features: int | None = None
    """Features of the input, its last dim; left out: as many as it has."""
    out_features: int
    """Features of the output, its last dim."""
    bias: bool = True
    """Learned summands are added."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""

    def legal(self) -> Requirements:
        if self.in_features is not None:
            yield in_range("in_features", self.in_features, 0)
        yield in_range("out_features", self.out_features, 0)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from has_features("in_features", self.in_features, x[0])

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return (*x[0][:-1], self.out_features)

    def inferred(self, *x: Shape) -> dict[str, Any]:
        return {"in_features": x[0][-1]}

    def parameters(self, *x: Shape) -> Dim:
        return (x[0][-1] + self.bias) * self.out_features

    def macs(self, y: Shape, *x: Shape) -> Dim:
        return prod(x[0]) * self.out_features

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return window_of_last_dim(dim, x[0])

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        # A map whose rows do not lie one behind the other is copied first.
        return Kept((0,)) if has_rows(x[0]) else Kept(values=prod(x[0]))


@operation
class Bilinear(Op, kw_only=True):
    """Bilinear map of two inputs' last dims, y = x1ᵀ·W·x2 + b; their other dims must be the same.

    Its MACs are 0: FlopCounterMode has no formula for it, and torch is the judge.
    """

    arity = (2, 2)

    in1_features: int | None = None
    """Features of the first input; left out: as many as it has."""
    in2_features: int | None = None
    """Features of the second input; left out: as many as it has."""
    out_features: int
    """Features of the output, its last dim."""
    bias: bool = True
    """Learned summands are added."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""

    def legal(self) -> Requirements:
        for field, declared in (
            ("in1_features", self.in1_features),
            ("in2_features", self.in2_features),
        ):
            if declared is not None:
                yield in_range(field, declared, 1)
        yield in_range("out_features", self.out_features, 0)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        first, second = x
        yield from has_features("in1_features", self.in1_features, first, inputs=(0,))
        yield from has_features("in2_features", self.in2_features, second, inputs=(1,))
        yield Requirement(
            (first[-1] >= 1) & (second[-1] >= 1),
            "T302",
            None,
            lambda: (
                f"the inputs {written(first)} and {written(second)} need features in their last dims"
            ),
        )
        yield Requirement(
            len(first) == len(second),
            "T303",
            None,
            lambda: (
                f"the inputs {written(first)} and {written(second)} have {len(first)} and {len(second)} dims; "
                "torch needs the same number"
            ),
        )
        for dim in range(len(first) - 1):
            yield _agree(first, second, dim)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return (*x[0][:-1], self.out_features)

    def inferred(self, *x: Shape) -> dict[str, Any]:
        return {"in1_features": x[0][-1], "in2_features": x[1][-1]}

    def parameters(self, *x: Shape) -> Dim:
        first, second = x
        return (first[-1] * second[-1] + self.bias) * self.out_features

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return window_of_last_dim(dim, x[0])

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        # As the linear map, of each input.
        kept: list[int] = []
        copied: Dim = 0
        for number, one in enumerate(x):
            if has_rows(one):
                kept.append(number)
            else:
                copied = copied + prod(one)
        return Kept(tuple(kept), values=copied)
