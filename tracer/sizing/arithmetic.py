"""The arithmetic of sizes. Every size formula of torch stands here, once.

Each function works on one axis at a time and is written with ``+ - * //``, comparisons and the three
primitives :func:`minimum`, :func:`choose` and :func:`floor_scale`, so that the same function takes an
``int``, a numpy array of all sizes at once, a symbol (:class:`tracer.sizing.symbol.Size`), or a number that writes
down what is done with it (:class:`tracer.sizing.worked.Worked`). A formula does not judge its arguments: what torch
refuses stands in the operations' ``requirements``.
"""

from __future__ import annotations

import math
from typing import Any

from tracer.sizing.symbol import Condition, Size
from tracer.sizing.worked import Worked, WorkedCondition

Dim = Any
"""One dimension: an int, an array of ints, or a symbolic Size. Formulas never branch on it."""

Holds = Any
"""A comparison of dims: a bool, an array of bools, or a Condition. Join with ``&`` and ``|``, never ``and``."""


def minimum(a: Dim, b: Dim) -> Dim:
    """The smaller of two dims."""
    if isinstance(a, int) and isinstance(b, int):
        return a if a < b else b
    if isinstance(a, (Size, Worked)):
        return a.minimum(b)
    if isinstance(b, (Size, Worked)):
        return b.minimum(a)
    import numpy

    return numpy.minimum(a, b)


def maximum(a: Dim, b: Dim) -> Dim:
    """The larger of two dims."""
    if isinstance(a, int) and isinstance(b, int):
        return a if a > b else b
    return a + b - minimum(a, b)


def choose(holds: Holds, then: Dim, otherwise: Dim) -> Dim:
    """``then`` where the condition holds, ``otherwise`` elsewhere."""
    if isinstance(holds, (bool, int)):
        return then if holds else otherwise
    if isinstance(holds, Condition):
        if then is otherwise or (
            isinstance(then, int) and isinstance(otherwise, int) and then == otherwise
        ):
            return then
        return holds.space.atom("choose", holds, then, otherwise)
    if isinstance(holds, WorkedCondition):
        return holds.choose(then, otherwise)
    import numpy

    return numpy.where(holds, then, otherwise)


def at_least_one(divisor: Dim) -> Dim:
    """The divisor, or 1 where it is 0: a requirement refuses it there, and the value behind it is never shown."""
    return choose(divisor == 0, 1, divisor)


def floor_scale(n: Dim, factor: float) -> Dim:
    """floor(n * factor) in IEEE double arithmetic, as torch's interpolate computes it."""
    if isinstance(n, int):
        return math.floor(n * factor)
    if isinstance(n, (Size, Worked)):
        return n.scale(factor)
    import numpy

    return numpy.floor(n * factor).astype(numpy.int64)


def ceil_div(a: Dim, b: int) -> Dim:
    """a / b rounded up, b > 0."""
    return (a + b - 1) // b


def dilated(kernel: int, dilation: int) -> int:
    """The extent of a dilated kernel: dilation * (kernel - 1) + 1."""
    return dilation * (kernel - 1) + 1


def conv_size(n: Dim, extent: int, stride: int, padding: int) -> Dim:
    """Output size of a convolution; ``extent`` is the dilated kernel's, ``padding`` the sum of both sides.

    Source: torch.nn.Conv2d, "Shape".
    """
    return (n + (padding - extent)) // stride + 1


def transposed_size(
    n: Dim, kernel: int, stride: int, padding: int, dilation: int, output_padding: Dim
) -> Dim:
    """Output size of a transposed convolution; ``padding`` is one side's.

    Source: torch.nn.ConvTranspose2d, "Shape".
    """
    return (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1


def pool_size(
    n: Dim, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool | Size
) -> Dim:
    """Output size of a pooling; ``padding`` is one side's.

    With ``ceil_mode`` the last window is dropped where it would start in the right padding, that is where
    (out - 1) * stride >= n + padding. It may be a symbol, 0 or 1, while a plan is made.
    Source: ATen/native/Pool.h, pooling_output_shape.
    """
    room = n + 2 * padding - dilated(kernel, dilation)
    floor = room // stride + 1
    if ceil_mode is False:
        return floor
    ceil = minimum(ceil_div(room, stride) + 1, ceil_div(n + padding, stride))
    return choose(ceil_mode == 1, ceil, floor)


def broadcast_size(a: Dim, b: Dim) -> Dim:
    """The size two dims broadcast to, where they do: the other one where one is 1."""
    return choose(a == 1, b, a)
