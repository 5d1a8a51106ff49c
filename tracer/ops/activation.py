"""Activations. Most work on each element of any shape, a scalar included; a few look along a dim.

Their numbers are meant for the values, not for the shape, but torch judges some of them at the call: it turns
them into the input's type, float32 here, and refuses what overflows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import Literal

from tracer.ops.base import (
    NOTHING_KEPT,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    has_rank,
    in_range,
    operation,
    written,
)
from tracer.ops.windows import POINTWISE, Window
from tracer.sizing.arithmetic import Dim

FLOAT32_MAX = (2 - 2**-23) * 2.0**127


def fits_float32(field: str, value: float) -> Requirement:
    """The number can be a float32; infinities and NaN can."""
    return Requirement(
        not FLOAT32_MAX < abs(value) < math.inf,
        "T202",
        field,
        lambda: f"{field} is {value}, beyond the largest float32, {FLOAT32_MAX:.4g}",
    )


def is_finite_slope(field: str, slope: float) -> Requirement:
    """The slope is neither infinite nor NaN."""
    return Requirement(
        math.isfinite(slope),
        "T202",
        field,
        lambda: f"{field} is {slope}; torch needs a finite slope",
    )


def has_dim(dim: int, x: Shape) -> Requirement:
    """The input has the dim, counted from the front or, negative, from the back; a scalar counts as one dim."""
    rank = max(1, len(x))
    return Requirement(
        -rank <= dim < rank,
        "T202",
        "dim",
        lambda: (
            f"dim is {dim}; for the input {written(x)} it lies between {-rank} and {rank - 1}"
        ),
    )


def window_along(worked_on: int, dim: int, x: Shape) -> Window | None:
    """All positions along the dim that the operation works on, one elsewhere."""
    return None if x and worked_on % len(x) == dim else POINTWISE


class Activation(Op, kw_only=True):
    """A function of each element; ``inplace: true`` writes over the input."""

    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return strides if self.inplace else None


class Copying(Activation, kw_only=True):
    """Functions whose derivative needs the input: in place torch keeps a copy of it."""

    keeps = "input"

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return (
            Kept(values=prod(y)) if self.inplace and any(needs) else super().kept(y, needs, *x)
        )


class Inverting(Activation, kw_only=True):
    """Functions whose derivative can do with the output: in place torch keeps that."""

    keeps = "input"

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept(output=True) if self.inplace and any(needs) else super().kept(y, needs, *x)


@operation
class Threshold(Copying, kw_only=True):
    """x where x > threshold, else value."""

    positional = ("threshold", "value", "inplace")

    threshold: float
    """Up to this value the input is replaced."""
    value: float
    """The value that replaces the input."""
    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield fits_float32("threshold", self.threshold)
        yield fits_float32("value", self.value)


@operation
class ReLU(Activation, kw_only=True):
    """max(0, x)."""

    keeps = "output"

    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""


@operation
class RReLU(Activation, kw_only=True):
    """x where x >= 0, else a·x with a random slope from lower..upper in training and their mean in eval."""

    positional = ("lower", "upper", "inplace")

    lower: float = 1.0 / 8
    """The least slope below zero."""
    upper: float = 1.0 / 3
    """The largest slope below zero."""
    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""

    def legal(self) -> Requirements:
        if not self.inplace:  # torch's in-place form takes infinite slopes
            yield is_finite_slope("lower", self.lower)
            yield is_finite_slope("upper", self.upper)
        yield Requirement(
            self.lower <= self.upper,
            "T202",
            "lower",
            lambda: f"lower is {self.lower}, more than upper, {self.upper}",
        )
        yield fits_float32("lower", (self.lower + self.upper) / 2)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,), values=prod(y)) if any(needs) else NOTHING_KEPT  # the slopes


@operation
class Hardtanh(Copying, kw_only=True):
    """x clipped to min_val..max_val; min_value and max_value are torch's old names of these and go first."""

    positional = ("min_val", "max_val", "inplace")

    min_val: float = -1.0
    """The least value."""
    max_val: float = 1.0
    """The largest value."""
    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""
    min_value: float | None = None
    """The least value, under an older name."""
    max_value: float | None = None
    """The largest value, under an older name."""

    def legal(self) -> Requirements:
        low, least = (
            ("min_val", self.min_val)
            if self.min_value is None
            else ("min_value", self.min_value)
        )
        high, most = (
            ("max_val", self.max_val)
            if self.max_value is None
            else ("max_value", self.max_value)
        )
        yield Requirement(
            not most <= least,
            "T202",
            high,
            lambda: f"{high} is {most}; torch needs more than {low}, {least}",
        )
        if not (
            math.isnan(least) or math.isnan(most)
        ):  # with a NaN torch fills with NaN and reads no bound
            yield fits_float32(low, least)
            yield fits_float32(high, most)


@operation
class ReLU6(Copying, kw_only=True):
    """x clipped to 0..6."""

    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""


@operation
class Sigmoid(Op):
    """1 / (1 + exp(−x))."""

    keeps = "output"


@operation
class Hardsigmoid(Copying, kw_only=True):
    """x / 6 + 1/2 clipped to 0..1."""

    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""


@operation
class Tanh(Op):
    """tanh(x)."""

    keeps = "output"


@operation
class SiLU(Copying, kw_only=True):
    """x · sigmoid(x), also known as swish."""

    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""


@operation
class Mish(Copying, kw_only=True):
    """x · tanh(softplus(x))."""

    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""


@operation
class Hardswish(Copying, kw_only=True):
    """x · hardsigmoid(x)."""

    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""


@operation
class ELU(Inverting, kw_only=True):
    """x where x > 0, else alpha · (exp(x) − 1)."""

    positional = ("alpha", "inplace")

    alpha: float = 1.0
    """The scale below zero."""
    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield fits_float32("alpha", self.alpha)


@operation
class CELU(Inverting, kw_only=True):
    """max(0, x) + min(0, alpha · (exp(x / alpha) − 1))."""

    positional = ("alpha", "inplace")

    alpha: float = 1.0
    """The scale below zero."""
    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield Requirement(self.alpha != 0, "T202", "alpha", "alpha is 0; torch divides by it")
        if self.alpha == 0:
            return
        yield fits_float32("alpha", self.alpha)
        inverse = (
            1 / self.alpha
        )  # torch computes with it; as a double it may overflow to infinity, which passes
        yield Requirement(
            fits_float32("alpha", inverse).holds,
            "T202",
            "alpha",
            lambda: (
                f"alpha is {self.alpha}; 1 / alpha is beyond the largest float32, {FLOAT32_MAX:.4g}"
            ),
        )


@operation
class SELU(Inverting, kw_only=True):
    """ELU with the scale and alpha that keep mean 0 and variance 1."""

    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""


@operation
class GLU(Op, kw_only=True):
    """Gated linear unit: the first half of a dim times the sigmoid of the second. That dim is halved."""

    keeps = "input"

    dim: int = -1
    """The dim that is halved: one half gates the other."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield Requirement(len(x0) >= 1, "T303", None, "halves a dim; the input is a scalar, []")
        yield has_dim(self.dim, x0)
        n = x0[self.dim]
        yield Requirement(
            n % 2 == 0,
            "T302",
            "dim",
            lambda: f"halves dim {self.dim} of {written(x0)}, but {n} is odd",
            dim=self.dim % len(x0),
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        halved = self.dim % len(x0)
        return (*x0[:halved], x0[halved] // 2, *x0[halved + 1 :])

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return window_along(self.dim, dim, x[0])


@operation
class GELU(Op, kw_only=True):
    """x · Φ(x) with the normal distribution's Φ, exactly or by tanh."""

    keeps = "input"

    approximate: Literal["none", "tanh"] = "none"
    """`tanh` computes it approximately."""


@operation
class Hardshrink(Op, kw_only=True):
    """x where |x| > lambd, else 0."""

    keeps = "input"

    lambd: float = 0.5
    """Values up to this far from zero become zero."""

    def legal(self) -> Requirements:
        yield fits_float32("lambd", self.lambd)


@operation
class LeakyReLU(Inverting, kw_only=True):
    """x where x > 0, else negative_slope · x."""

    positional = ("negative_slope", "inplace")

    negative_slope: float = 1e-2
    """The slope below zero."""
    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield fits_float32("negative_slope", self.negative_slope)


@operation
class LogSigmoid(Op):
    """log(sigmoid(x))."""

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,), values=prod(y)) if any(needs) else NOTHING_KEPT


@operation
class Softplus(Op, kw_only=True):
    """log(1 + exp(beta · x)) / beta, and x itself where beta · x > threshold."""

    autocast = "float32"
    keeps = "input"

    beta: float = 1.0
    """How sharply it bends."""
    threshold: float = 20.0
    """Where beta times the input is above it, the input is handed on."""

    def legal(self) -> Requirements:
        yield fits_float32("beta", self.beta)
        yield fits_float32("threshold", self.threshold)


@operation
class Softshrink(Op, kw_only=True):
    """x − lambd where x > lambd, x + lambd where x < −lambd, else 0."""

    keeps = "input"

    lambd: float = 0.5
    """Values up to this far from zero become zero."""

    def legal(self) -> Requirements:
        yield Requirement(
            0 <= self.lambd <= FLOAT32_MAX,
            "T202",
            "lambd",
            lambda: f"lambd is {self.lambd}; torch needs a finite float32 of at least 0",
        )


@operation
class PReLU(Op, kw_only=True):
    """x where x > 0, else a·x with a learnable slope, one for all or one for each channel (dim 1)."""

    autocast = "lower"

    num_parameters: int = 1
    """The number of learned slopes: 1, or one for each channel."""
    init: float = 0.25
    """The first value of the learned slopes."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield in_range("num_parameters", self.num_parameters, 0)
        yield fits_float32("init", self.init)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        is_one = self.num_parameters == 1
        yield Requirement(
            is_one | (len(x0) >= 1),
            "T303",
            "num_parameters",
            lambda: f"num_parameters is {self.num_parameters}, but the input is a scalar, []",
        )
        channels = x0[1] if len(x0) >= 2 else 1
        yield Requirement(
            is_one | (channels == self.num_parameters),
            "T204",
            "num_parameters",
            lambda: (
                f"num_parameters is {self.num_parameters}, but the input {written(x0)} has {channels} channels"
            ),
            "one parameter serves any number of channels",
            dim=1 if len(x0) >= 2 else None,
        )

    def parameters(self, *x: Shape) -> Dim:
        return self.num_parameters

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return prod(y)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,))  # for the slopes' gradient, whatever the input needs


@operation
class Softsign(Op):
    """x / (1 + |x|)."""

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,), values=prod(y)) if any(needs) else NOTHING_KEPT  # 1 + |x|

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 3 * prod(y)


@operation
class Tanhshrink(Op):
    """x − tanh(x)."""

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept(values=prod(y)) if any(needs) else NOTHING_KEPT  # tanh(x)

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return prod(y)


class SoftmaxAlong(Op, kw_only=True):
    """A softmax, softmin or log-softmax: slices along a dim sum to one.

    Without a dim torch takes the first for inputs of 0, 1 and 3 dims and the second for others, and warns.
    """

    autocast = "float32"
    keeps = "output"

    dim: int | None = None
    """The dim along which the values sum to one."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        if self.dim is not None:
            yield has_dim(self.dim, x[0])

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        first = len(x[0]) in (0, 1, 3)
        return window_along((0 if first else 1) if self.dim is None else self.dim, dim, x[0])


@operation
class Softmin(SoftmaxAlong):
    """exp(−x) / Σ exp(−x) along a dim."""


@operation
class Softmax(SoftmaxAlong):
    """exp(x) / Σ exp(x) along a dim."""


@operation
class Softmax2d(Op):
    """Softmax over the channels of [N, C, H, W] or [C, H, W]."""

    autocast = "float32"
    keeps = "output"

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield has_rank(x[0], 3, 4)


@operation
class LogSoftmax(SoftmaxAlong):
    """log(softmax(x)) along a dim."""
