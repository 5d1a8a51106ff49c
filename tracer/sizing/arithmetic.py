"""The arithmetic of sizes. Every size formula of torch stands here, once.

Each function works on one axis at a time and is written with ``+ - * //``, comparisons and the primitives of
:mod:`tracer.sizing.primitives` (``minimum``, ``choose``, ``floor_scale``). So the same function takes an ``int``, a
numpy array of all sizes at once, a symbol (:class:`tracer.sizing.symbol.Size`), or a number that writes down what is
done with it (:class:`tracer.sizing.worked.Worked`). A formula does not judge its arguments: what torch refuses stands
in the operations' ``requirements``.
"""

from __future__ import annotations

from tracer.sizing.primitives import Dim as Dim
from tracer.sizing.primitives import Holds as Holds
from tracer.sizing.primitives import at_least_one as at_least_one
from tracer.sizing.primitives import choose as choose
from tracer.sizing.primitives import floor_scale as floor_scale
from tracer.sizing.primitives import minimum as minimum
from tracer.sizing.symbol import Size


def maximum(a: Dim, b: Dim) -> Dim:
    """The larger of two dims."""
    if isinstance(a, int) and isinstance(b, int):
        return a if a > b else b
    return a + b - minimum(a, b)


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
