"""Arithmetic with numbers, functions of each element, and learned tensors: the steps between modules in a forward."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from tracer.ops.activation import fits_float32
from tracer.ops.base import (
    NOTHING_KEPT,
    Autocast,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Call, Dtype, Learned, Tensor, Term, narrow
from tracer.ops.merge import Elementwise, Merge, padded
from tracer.ops.rearrange import Numeric, is_open
from tracer.ops.windows import POINTWISE, Window
from tracer.sizing.arithmetic import Dim

Function = Literal[
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "bitwise_not",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "frac",
    "i0",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logical_not",
    "logit",
    "nan_to_num",
    "neg",
    "rad2deg",
    "reciprocal",
    "round",
    "rsqrt",
    "sgn",
    "sign",
    "signbit",
    "sin",
    "sinc",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "trunc",
]
"""torch's functions of one tensor."""

Joining = Literal[
    "atan2",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "clamp_max",
    "clamp_min",
    "copysign",
    "eq",
    "float_power",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "ge",
    "gt",
    "heaviside",
    "hypot",
    "ldexp",
    "le",
    "lerp",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_or",
    "logical_xor",
    "lt",
    "masked_fill",
    "ne",
    "pow",
    "remainder",
    "where",
    "xlogy",
]
"""torch's functions of several tensors, which broadcast."""

Numbers = tuple[bool | int | float | None, ...]
"""The arguments of a function in order: numbers, and null for each tensor."""

TENSOR, NUMBER, EITHER = "tensor", "number", "tensor or number"

PLACES: Mapping[str, tuple[str, ...]] = {
    "bitwise_and": (EITHER, EITHER),
    "bitwise_or": (EITHER, EITHER),
    "bitwise_xor": (EITHER, EITHER),
    "float_power": (EITHER, EITHER),
    "floor_divide": (EITHER, EITHER),
    "pow": (EITHER, EITHER),
    "remainder": (EITHER, EITHER),
    "xlogy": (EITHER, EITHER),
    "clamp_max": (TENSOR, EITHER),
    "clamp_min": (TENSOR, EITHER),
    "copysign": (TENSOR, EITHER),
    "eq": (TENSOR, EITHER),
    "fmod": (TENSOR, EITHER),
    "ge": (TENSOR, EITHER),
    "gt": (TENSOR, EITHER),
    "le": (TENSOR, EITHER),
    "lt": (TENSOR, EITHER),
    "ne": (TENSOR, EITHER),
    "atan2": (TENSOR, TENSOR),
    "fmax": (TENSOR, TENSOR),
    "fmin": (TENSOR, TENSOR),
    "heaviside": (TENSOR, TENSOR),
    "hypot": (TENSOR, TENSOR),
    "ldexp": (TENSOR, TENSOR),
    "logaddexp": (TENSOR, TENSOR),
    "logaddexp2": (TENSOR, TENSOR),
    "logical_and": (TENSOR, TENSOR),
    "logical_or": (TENSOR, TENSOR),
    "logical_xor": (TENSOR, TENSOR),
    "where": (TENSOR, EITHER, EITHER),
    "lerp": (TENSOR, TENSOR, EITHER),
    "masked_fill": (TENSOR, TENSOR, NUMBER),
}
"""What a function of several takes, in order."""

NUMBERS_BEHIND = {"nan_to_num": 3, "logit": 1}
"""How many numbers a function of one tensor takes behind it."""

MASKS = {"where": 0, "masked_fill": 1}
"""Which of a function's arguments is a mask."""


@operation
class Scale(Op, kw_only=True):
    """x · factor + offset, with numbers that are not learned: q / sqrt(d), 2x - 1."""

    factor: float = 1.0
    """What the map is multiplied by."""
    offset: float = 0.0
    """What is added to the map."""

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


class Placed(NamedTuple):
    """What a function is called with: numbers, and tensors in the places that are left."""

    function: str
    numbers: Numbers

    def arguments(self, x: Sequence[Tensor]) -> list[Any]:
        """The arguments in order; a mask has truth values, whatever it was stored as."""
        tensors = iter(x)
        found: list[Any] = [next(tensors) if n is None else n for n in self.numbers]
        mask = MASKS.get(self.function)
        if mask is not None:
            found[mask] = truth_values(found[mask])
        return found

    def legal(self) -> Requirements:
        """Each number is where torch takes one."""
        takes = PLACES[self.function]
        yield Requirement(
            len(self.numbers) == len(takes),
            "T203",
            "arguments",
            lambda: f"{self.function} takes {len(takes)} arguments, not {len(self.numbers)}",
        )
        for number, (given, kind) in enumerate(zip(self.numbers, takes), 1):
            yield Requirement(
                kind == EITHER or (kind == TENSOR) == (given is None),
                "T202",
                "arguments",
                lambda number=number, kind=kind: (
                    f"argument {number} of {self.function} is a {kind}; null stands for a tensor"
                ),
            )

    def takes(self, count: int) -> Requirement:
        """There are as many tensors as places for them."""
        wanted = sum(n is None for n in self.numbers)
        return Requirement(
            count == wanted,
            "T203",
            "arguments",
            lambda: f"{self.function} takes {wanted} tensors here, not {count}",
        )


def truth_values(x: Tensor) -> Tensor:
    """A tensor as torch takes it for a mask."""
    return Tensor(Call("torch.ne", (x, 0)), x.rank)


@operation
class Pointwise(Op, kw_only=True):
    """A function of each element: torch.exp, torch.abs, torch.rsqrt, ...

    ``arguments`` are those of a function that takes numbers too, null being the tensor: ``pow`` with ``[null, 3]`` is
    the cube, and with ``[2, null]`` a power of 2.
    """

    function: Function | Joining
    """The name of torch's function."""
    arguments: Numbers | None = None
    """Further arguments of the function, in its order."""

    def _placed(self) -> Placed:
        return Placed(self.function, self.arguments or (None,))

    def legal(self) -> Requirements:
        if self.function in PLACES:
            yield from self._placed().legal()
            yield self._placed().takes(1)
            return
        most = NUMBERS_BEHIND.get(self.function, 0)
        given = self.arguments or (None,)
        yield Requirement(
            given[0] is None and None not in given[1:] and len(given) <= 1 + most,
            "T203",
            "arguments",
            lambda: f"{self.function} takes a tensor and at most {most} numbers",
        )

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call(f"torch.{self.function}", self._placed().arguments(x))

    def runs_in(self) -> Autocast:
        return "float32" if self.function in IN_FLOAT32 else self.autocast

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        if not any(needs) or self.function in KEEP_NOTHING:
            return NOTHING_KEPT
        return Kept(output=True) if self.function in KEEP_OUTPUT else Kept((0,))

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return BACKWARD_MAPS.get(self.function, 0) * math.prod(y)


KEEP_NOTHING = {
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "deg2rad",
    "eq",
    "floor",
    "floor_divide",
    "fmod",
    "frac",
    "ge",
    "gt",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "le",
    "logical_not",
    "lt",
    "ne",
    "neg",
    "rad2deg",
    "remainder",
    "round",
    "sign",
    "signbit",
    "trunc",
}
BACKWARD_MAPS: Mapping[str, int] = {
    "abs": 1,
    "acos": 5,
    "acosh": 3,
    "asin": 4,
    "asinh": 3,
    "atan": 2,
    "atan2": 5,
    "atanh": 3,
    "clamp_max": 1,
    "clamp_min": 1,
    "copysign": 1,
    "cos": 2,
    "cosh": 1,
    "digamma": 1,
    "erf": 4,
    "erfc": 4,
    "erfinv": 4,
    "exp2": 1,
    "expm1": 1,
    "float_power": 15,
    "fmax": 1,
    "fmin": 1,
    "fmod": 1,
    "hypot": 1,
    "i0": 1,
    "ldexp": 1,
    "lgamma": 1,
    "log10": 1,
    "log1p": 1,
    "log2": 1,
    "logaddexp": 3,
    "logaddexp2": 3,
    "nan_to_num": 1,
    "pow": 2,
    "reciprocal": 2,
    "remainder": 1,
    "rsqrt": 2,
    "sin": 1,
    "sinc": 7,
    "sinh": 1,
    "sqrt": 1,
    "square": 2,
    "tan": 2,
    "xlogy": 2,
}
"""Maps that the backward of a function makes beside the gradients, at most at once, rounded up."""

POWERS_OF_MAPS = 5
"""The same of a power whose base and exponent are maps."""

IN_FLOAT32 = {
    "acos",
    "asin",
    "cosh",
    "erfinv",
    "exp",
    "expm1",
    "log",
    "log10",
    "log1p",
    "log2",
    "pow",
    "reciprocal",
    "rsqrt",
    "sinh",
    "tan",
}
"""What torch.autocast runs in float32 on a GPU."""

KEEP_OUTPUT = {"exp", "exp2", "expm1", "reciprocal", "rsqrt", "sqrt", "tan"}


@operation
class Broadcast(Elementwise, kw_only=True):
    """A function of the elements of several tensors, which broadcast: torch.where, torch.pow, torch.gt, ...

    ``arguments`` are those of a function that takes numbers too, null being the next input: ``where`` with
    ``[null, null, 0]`` is 0 where the first input is.
    """

    arity = (2, 3)
    function = ""

    function_: Joining = msgspec.field(name="function")
    """The name of torch's function."""
    arguments: Numbers | None = None
    """Further arguments of the function, in its order."""

    def _placed(self) -> Placed:
        places = (None,) * len(PLACES[self.function_])
        return Placed(self.function_, self.arguments or places)

    def legal(self) -> Requirements:
        yield from self._placed().legal()

    def _structure(self, x: tuple[Shape, ...]) -> Requirements:
        yield self._placed().takes(len(x))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        arguments = self._placed().arguments(self.placed(x))
        return Call(f"torch.{self.function_}", arguments)

    def made_first(self, y: Shape, *x: Shape) -> list[Dim]:
        return Merge.made_first(self, y, *x)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        if not any(needs) or self.function_ in (*KEEP_NOTHING_OF_SEVERAL, *MASKS):
            return NOTHING_KEPT
        return Kept(
            tuple(range(len(x))), output=self.function_ in ("pow", "float_power", "hypot")
        )

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return (
            POWERS_OF_MAPS if self.function_ == "pow" else BACKWARD_MAPS.get(self.function_, 0)
        ) * math.prod(y)


KEEP_NOTHING_OF_SEVERAL = KEEP_NOTHING - {"fmod", "remainder"} | {
    "heaviside",
    "logical_and",
    "logical_or",
    "logical_xor",
}


@operation
class To(Op, kw_only=True):
    """The elements as another type: whole numbers, truth values, or numbers of another precision."""

    dtype: Numeric
    """The type of the numbers; shapes do not depend on it."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.Tensor.to", (x[0], Dtype(self.dtype)))


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
    """The shape, a dim each; -1 keeps the input's."""

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
    ``raises`` is the error of the program that it was read from, which a refusal names. With ``unread`` the program
    takes another way for the sizes that are refused, which was not read: what it does there is not known.
    """

    hands_on = "first"
    dim_fields = ("shape",)

    shape_: tuple[int, ...] = msgspec.field(name="shape")
    """The shape that the input needs to have."""
    raises: str | None = None
    """The error of the program that it was read from, which a refusal names."""
    unread: bool = False
    """The program takes another way for the refused sizes, which was not read."""

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
        if self.unread:
            return found._replace(
                message=lambda: (
                    f"{written(x)} takes a way of the program that was not read, by dim {dim}"
                )
            )
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
    """The shape of the learned tensor."""
    dtype: Numeric = "float32"
    """The type of the numbers; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield in_range("shape", self.shape_, 0)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return self.shape_

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Learned(self.shape_, self.dtype)

    def parameters(self, *x: Shape) -> Dim:
        return math.prod(self.shape_)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None
