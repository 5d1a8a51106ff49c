"""Tensors that a network makes of its inputs' sizes alone: masks, coordinates, noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from tracer.ops.activation import fits_float32
from tracer.ops.base import (
    Op,
    Requirement,
    Requirements,
    Shape,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Call, Device, Dtype, Tensor, Term
from tracer.ops.windows import Window

MadeDtype = Literal[
    "float32", "float64", "float16", "bfloat16",
    "int64", "int32", "int16", "int8", "uint8", "bool",
]  # fmt: skip

LARGEST = {
    "int64": 2**63 - 1,
    "int32": 2**31 - 1,
    "int16": 2**15 - 1,
    "int8": 127,
    "uint8": 255,
}
"""The largest number of each type of whole numbers."""


@operation
class Full(Op, kw_only=True):
    """A tensor of one number that no input gives: torch.full, torch.zeros, torch.ones. Nothing of it is learned.

    Its sizes may be dims over the input's symbols: `[N, 1, H // 2, W // 2]`. It stands for any tensor that a network
    makes of its sizes alone, such as a mask, coordinates or noise; such a tensor's values are not described:
    ``fill_value`` is null then, and what is built has zeros in their place.
    """

    arity = (0, 0)
    dim_fields = ("size",)

    size: tuple[int, ...]
    """The shape, a dim each."""
    fill_value: float | None = 0.0
    """The value of every element."""
    dtype: MadeDtype = "float32"
    """The type of the numbers; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield in_range("size", tuple(n for n in self.size if isinstance(n, int)), 0)
        yield self._fits()

    @property
    def number(self) -> float:
        """What a built network fills it with."""
        return 0.0 if self.fill_value is None else self.fill_value

    def _fits(self) -> Requirement:
        """The number can be one of the type."""
        value, largest = self.number, LARGEST.get(self.dtype)
        if largest is None or self.dtype == "bool":
            return fits_float32("fill_value", value)
        # torch counts a negative number from the end of those without a sign.
        least = -largest if self.dtype == "uint8" else -largest - 1
        return Requirement(
            value == value // 1 and least <= value <= largest,
            "T202",
            "fill_value",
            lambda: f"fill_value is {value}, which is no {self.dtype}",
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        for n in self.size:
            yield Requirement(
                n >= 0,
                "T202",
                "size",
                lambda: f"size is {written(self.size)}; torch needs at least 0",
            )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return self.size

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        keywords = {"dtype": Dtype(self.dtype), "device": Device()}
        is_whole = self.dtype in LARGEST
        value = int(self.number) if is_whole else self.number
        return Call("torch.full", (list(self.size), value), keywords)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None
