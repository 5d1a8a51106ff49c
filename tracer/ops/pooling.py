"""Pooling by a sliding window: max, average and power-average, 1d to 3d."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import ClassVar

from tracer.ops.base import (
    FROM_0,
    FROM_1,
    NOTHING_KEPT,
    Auto,
    Ints,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    autos,
    has_channels,
    has_length,
    has_rank,
    in_range,
    is_filled,
    no_dropped_rows,
    operation,
    per_axis,
    written,
)
from tracer.ops.windows import POINTWISE, Window, sliding
from tracer.sizing.arithmetic import Dim, choose, dilated, maximum, minimum, pool_size


def holds_values(x: Shape, axes: int, first: int) -> Requirements:
    """The input's dims from ``first`` on are not 0: there is a channel and something to look at."""
    for dim in range(first, len(x)):
        yield has_channels(x, dim) if dim == len(x) - axes - 1 else is_filled(x, dim)


def _at_most_half(padding: Ints, pad: int, kernel: int) -> Requirement:
    """The padding of one axis is at most half its kernel."""
    return Requirement(
        pad <= kernel // 2,
        "T202",
        "padding",
        lambda: (
            f"padding is {written(padding)}; torch allows at most half the kernel, {kernel // 2}, "
            f"for a kernel of {kernel}"
        ),
    )


class Pooling(Op, kw_only=True):
    """A sliding pool: a kernel that moves by its own size unless a stride is given."""

    axes: ClassVar[int]
    fixed_window = True
    solvable = autos(kernel_size=FROM_1, stride=Auto(default="kernel_size"), ceil_mode=FROM_0)

    kernel_size: Ints
    """The size of the window, one number or one for each axis."""
    stride: Ints | None = None
    """The distance from one window to the next, one number or one for each axis; left out: the window's size."""
    ceil_mode: bool = False
    """A window that leaves the input at its end counts: sizes are rounded up."""

    def kernels(self) -> tuple[int, ...]:
        return per_axis(self.kernel_size, self.axes)

    def strides(self) -> tuple[int, ...]:
        """The stride per axis; null and the empty list both mean the kernel's size."""
        if self.stride is None or self.stride == ():
            return self.kernels()
        return per_axis(self.stride, self.axes)

    def paddings(self) -> tuple[int, ...]:
        return (0,) * self.axes

    def dilations(self) -> tuple[int, ...]:
        return (1,) * self.axes

    def needs_whole_kernel(self) -> bool:
        """The input must be as large as the kernel without its padding, ``ceil_mode`` or not."""
        return False

    def legal(self) -> Requirements:
        yield self._kernel_length()
        yield in_range("kernel_size", self.kernel_size, 1)
        if self.stride is not None and self.stride != ():
            yield has_length("stride", self.stride, 1, self.axes)
            yield in_range("stride", self.stride, 1)

    def _kernel_length(self) -> Requirement:
        return has_length("kernel_size", self.kernel_size, 1, self.axes)

    def _legal_padding(self, padding: Ints) -> Requirements:
        """Padding of at most half the kernel, not counting dilation."""
        yield has_length("padding", padding, 1, self.axes)
        yield in_range("padding", padding, 0)
        for pad, kernel in zip(per_axis(padding, self.axes), self.kernels()):
            yield _at_most_half(padding, pad, kernel)

    def _size(self, n: Dim, i: int) -> Dim:
        kernel, stride, padding, dilation = self._window(i)
        return pool_size(n, kernel, stride, padding, dilation, self.ceil_mode)

    def _window(self, i: int) -> tuple[int, int, int, int]:
        """Kernel, stride, padding and dilation of one axis."""
        kernel, stride = self.kernels()[i], self.strides()[i]
        padding, dilation = self.paddings()[i], self.dilations()[i]
        return kernel, stride, padding, dilation

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        axes = self.axes
        yield has_rank(x0, axes + 1, axes + 2)
        yield from holds_values(x0, axes, len(x0) - axes - 1)
        for i in range(axes):
            if self.needs_whole_kernel():
                yield self._reaches_unpadded(x0, i)
            yield self._reaches(x0, i)

    def _reaches_unpadded(self, x: Shape, i: int) -> Requirement:
        """The input is as large as the kernel without its padding."""
        dim, kernel = len(x) - self.axes + i, self.kernels()[i]
        return Requirement(
            x[dim] >= kernel,
            "T302",
            "kernel_size",
            lambda: (
                f"the kernel is {kernel}, but the input {written(x)} is {x[dim]} in dim {dim}; "
                "here torch does not count the padding"
            ),
            dim=dim,
        )

    def _reaches(self, x: Shape, i: int) -> Requirement:
        """The padded input is as large as the kernel: there is an output."""
        dim = len(x) - self.axes + i
        kernel, _, padding, dilation = self._window(i)
        return Requirement(
            self._size(x[dim], i) >= 1,
            "T302",
            "kernel_size",
            lambda: (
                f"the kernel spans {dilated(kernel, dilation)}, but the input {written(x)} is "
                f"{x[dim] + 2 * padding} in dim {dim}, padding included"
            ),
            dim=dim,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        axes = self.axes
        pooled = [self._size(x0[i - axes], i) for i in range(axes)]
        return (*x0[:-axes], *pooled)

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        if self.ceil_mode:  # the last rows have a window, or lie between windows that lie apart
            return
        for i in range(self.axes):
            kernel, stride, padding, dilation = self._window(i)
            if stride > 1:
                dropped = no_dropped_rows(
                    x0,
                    len(x0) - self.axes + i,
                    dilated(kernel, dilation),
                    stride,
                    (padding, padding),
                )
                yield dropped._replace(
                    hint="ceil_mode: true gives the last rows a window of their own"
                )

    def leading_dims(self, *x: Shape) -> int | None:
        return len(x[0]) - self.axes

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        axis = dim - len(x[0]) + self.axes
        if axis < 0:
            return POINTWISE
        kernel, stride, padding, dilation = self._window(axis)
        return sliding(dilated(kernel, dilation), stride, padding, dilation)


class MaxPool(Pooling, kw_only=True):
    """Max pooling: out = (n + 2·padding − dilation·(kernel − 1) − 1) // stride + 1; with ceil_mode rounded up."""

    positional = (
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "return_indices",
        "ceil_mode",
    )

    solvable = autos(**Pooling.solvable, padding=FROM_0, dilation=FROM_1)

    padding: Ints = 0
    """Positions added on both sides, one number or one for each axis."""
    dilation: Ints = 1
    """The distance between the positions that a window reads, one number or one for each axis."""
    return_indices: bool = False
    """The places of the largest values are given too, for an unpooling."""

    def paddings(self) -> tuple[int, ...]:
        return per_axis(self.padding, self.axes)

    def dilations(self) -> tuple[int, ...]:
        return per_axis(self.dilation, self.axes)

    def legal(self) -> Requirements:
        yield from super().legal()
        yield has_length("dilation", self.dilation, 1, self.axes)
        yield in_range("dilation", self.dilation, 1)
        yield from self._legal_padding(self.padding)

    def last_indices(self, *x: Shape) -> tuple[Dim, ...] | None:
        (x0,) = x
        return tuple(self._last_index(x0[i - self.axes], i) for i in range(self.axes))

    def sees_everywhere(self) -> bool:
        # Taps may lie on both sides of a map that is smaller than the dilation.
        windows = zip(self.dilations(), self.paddings())
        return all(is_one(dilation) or is_zero(padding) for dilation, padding in windows)

    def _last_index(self, n: Dim, i: int) -> Dim:
        """The largest position along an axis that a window sees."""
        kernel, stride, padding, dilation = self._window(i)
        last = (self._size(n, i) - 1) * stride - padding
        if is_one(dilation) or is_one(kernel):
            reached = last + kernel - 1
            inside = is_zero(padding) and self.ceil_mode is False
            return reached if inside else minimum(reached, n - 1)

        # Taps that lie apart may miss the last row, which another window that hangs over the border sees.
        found = self._tap(n, i, last)
        over = (padding + stride - 1) // stride if isinstance(stride, int) else 0
        for back in range(1, over + 1 if isinstance(over, int) else 2):
            start = last - back * stride
            other = choose(start + padding >= 0, self._tap(n, i, start), found)
            found = maximum(found, other)
        return found

    def _tap(self, n: Dim, i: int, start: Dim) -> Dim:
        """The last position of a map that a window from ``start`` on sees; the first behind it where it sees none.

        Source: ATen/native/cpu/MaxPoolKernel.cpp, where the first tap's index is the answer until a value beats it.
        """
        kernel, _, _, dilation = self._window(i)
        tap = start + minimum((n - 1 - start) // dilation, kernel - 1) * dilation
        return choose(tap >= 0, tap, tap + dilation)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,), indices=prod(y)) if any(needs) else NOTHING_KEPT


def is_one(value: Dim) -> bool:
    """True for the number 1; False for a symbol, whatever it may be."""
    return isinstance(value, int) and value == 1


def is_zero(value: Dim) -> bool:
    """True for the number 0; False for a symbol, whatever it may be."""
    return isinstance(value, int) and value == 0


class AvgPool(Pooling, kw_only=True):
    """Average pooling: out = (n + 2·padding − kernel) // stride + 1; with ceil_mode rounded up."""

    positional = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

    keeps = "input"
    solvable = autos(**Pooling.solvable, padding=FROM_0)

    padding: Ints = 0
    """Positions added on both sides, one number or one for each axis."""
    count_include_pad: bool = True
    """Zeros of the padding count in the mean."""

    def paddings(self) -> tuple[int, ...]:
        return per_axis(self.padding, self.axes)

    def legal(self) -> Requirements:
        yield from super().legal()
        yield from self._legal_padding(self.padding)


class DividedAvgPool(AvgPool, kw_only=True):
    """Average pooling whose divisor may be given."""

    divisor_override: int | None = None
    """The number that a window's sum is divided by, in place of its size."""

    def legal(self) -> Requirements:
        yield from super().legal()
        divisor = self.divisor_override
        yield Requirement(
            divisor is None or (divisor != 0 and -(2**63) <= divisor < 2**63),
            "T202",
            "divisor_override",
            lambda: f"divisor_override is {divisor}; torch needs a 64-bit integer other than 0",
        )


class LPPool(Pooling, kw_only=True):
    """Power-average pooling, (sum of x^p)^(1/p) over each window: out = (n − kernel) // stride + 1."""

    positional = ("norm_type", "kernel_size", "stride", "ceil_mode")

    norm_type: float
    """The exponent of the norm."""

    def legal(self) -> Requirements:
        yield from super().legal()
        yield Requirement(
            self.norm_type != 0,
            "T202",
            "norm_type",
            "norm_type is 0; the root 1 / norm_type needs another number",
        )

    def _kernel_length(self) -> Requirement:
        return has_length("kernel_size", self.kernel_size, self.axes)

    def _is_max(self) -> bool:
        """An infinite norm is the maximum: torch runs max pooling, with its rules."""
        return math.isinf(self.norm_type)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        if not any(needs):
            return NOTHING_KEPT
        if self._is_max():  # of the absolute values, a map of their own
            return Kept((0,), values=prod(x[0]), indices=prod(y))
        # The powers, and of their means: the signs, what is positive, that times the kernel's size, and themselves.
        return Kept((0,), values=prod(x[0]) + 4 * prod(y))

    def forward_extra(self, y: Shape, *x: Shape) -> Dim:
        return prod(x[0]) + 2 * prod(y)

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return prod(x[0]) + 3 * prod(y)


@operation
class MaxPool1d(MaxPool):
    """1-D max pooling over [N, C, L]."""

    axes = 1


@operation
class MaxPool2d(MaxPool):
    """2-D max pooling over [N, C, H, W]: the encoder's downsampling."""

    axes = 2


@operation
class MaxPool3d(MaxPool):
    """3-D max pooling over [N, C, D, H, W]."""

    axes = 3


@operation
class AvgPool1d(AvgPool):
    """1-D average pooling over [N, C, L]."""

    axes = 1


@operation
class AvgPool2d(DividedAvgPool):
    """2-D average pooling over [N, C, H, W]."""

    axes = 2


@operation
class AvgPool3d(DividedAvgPool):
    """3-D average pooling over [N, C, D, H, W]; the input must be as large as the kernel before padding."""

    axes = 3

    def needs_whole_kernel(self) -> bool:
        return True


@operation
class LPPool1d(LPPool):
    """1-D power-average pooling over [N, C, L]; the kernel is an integer, not a list."""

    axes = 1

    def _kernel_length(self) -> Requirement:
        if self._is_max():
            return super()._kernel_length()
        return Requirement(
            not isinstance(self.kernel_size, tuple),
            "T203",
            "kernel_size",
            lambda: (
                f"kernel_size is {written(self.kernel_size)}; it takes an integer, not a list"
            ),
        )


@operation
class LPPool2d(LPPool):
    """2-D power-average pooling over [N, C, H, W]."""

    axes = 2


@operation
class LPPool3d(LPPool):
    """3-D power-average pooling over [N, C, D, H, W]; the input must be as large as the kernel."""

    axes = 3

    def needs_whole_kernel(self) -> bool:
        return not self._is_max()
