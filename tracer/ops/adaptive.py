"""Pooling to a given output size: adaptive pooling, 1d to 3d, and fractional max pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import ClassVar

from tracer.ops.base import (
    FROM_1,
    MAX_INT,
    NOTHING_KEPT,
    Ints,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    autos,
    has_length,
    has_rank,
    in_range,
    operation,
    per_axis,
    written,
)
from tracer.ops.calls import Call, Own, Tensor, Term
from tracer.ops.pooling import holds_values
from tracer.ops.windows import POINTWISE, Seen, Window, half_pixel, seen_by_cells
from tracer.sizing.arithmetic import Dim, Holds, floor_scale, maximum


class AdaptivePool(Op, kw_only=True):
    """An adaptive pool: the output size is the argument; null keeps the input's."""

    axes: ClassVar[int]
    dim_fields = ("output_size",)
    solvable = autos(output_size=FROM_1)
    function: ClassVar[str]
    """torch's function of the input and the output size, where that is known when the network runs only."""

    output_size: int | tuple[int | None, ...]
    """The output's size, one number or one for each axis; null keeps the input's."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        wanted = self._wanted()
        if not any(isinstance(n, Term) for n in wanted):
            return Own(x)
        sizes = [
            x[0].size(x[0].rank - self.axes + i) if n is None else n
            for i, n in enumerate(wanted)
        ]
        return Call(f"torch.nn.functional.{self.function}_pool{self.axes}d", (x[0], sizes))

    def legal(self) -> Requirements:
        yield has_length("output_size", self.output_size, self.axes)
        yield in_range("output_size", self.output_size, 0)

    def _wanted(self) -> tuple[int | None, ...]:
        return (
            self.output_size
            if isinstance(self.output_size, tuple)
            else (self.output_size,) * self.axes
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        spatial = (
            n if want is None else want for want, n in zip(self._wanted(), x0[-self.axes :])
        )
        return (*x0[: -self.axes], *spatial)

    def leading_dims(self, *x: Shape) -> int | None:
        return len(x[0]) - self.axes

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        """Cells share the input edge to edge. A single one sees all of it, and so does an empty output."""
        axis = dim - len(x[0]) + self.axes
        cells = self._wanted()[axis] if axis >= 0 else None
        if cells is None:
            return POINTWISE
        if isinstance(cells, int):
            return half_pixel(None, x[0][dim], cells) if cells > 1 else None
        return half_pixel(None, x[0][dim], cells)

    def sees(self, dim: int, *x: Shape, **sizes: Shape) -> Seen | None:
        axis = dim - len(x[0]) + self.axes
        cells = self._wanted()[axis] if axis >= 0 else None
        if cells is None:
            return super().sees(dim, *x, **sizes)
        return seen_by_cells(x[0][dim], cells) if cells > 1 else None


class AdaptiveMaxPool(AdaptivePool, kw_only=True):
    """Adaptive max pooling: output i sees the input from floor(i·n / out) to ceil((i + 1)·n / out)."""

    function = "adaptive_max"

    return_indices: bool = False
    """The places of the largest values are given too, for an unpooling."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield has_rank(x0, self.axes + 1, self.axes + 2)
        yield from holds_values(x0, self.axes, 1)

    def last_indices(self, *x: Shape) -> tuple[Dim, ...] | None:
        return tuple(n - 1 for n in x[0][-self.axes :])

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,), indices=prod(y)) if any(needs) else NOTHING_KEPT


class AdaptiveAvgPool(AdaptivePool, kw_only=True):
    """Adaptive average pooling: output i sees the input from floor(i·n / out) to ceil((i + 1)·n / out).

    An output of 1 everywhere (global average pooling) is a plain mean in torch, which takes more inputs.
    """

    function = "adaptive_avg"

    def _is_mean(self, x: Shape) -> Holds:
        """The output is 1 on every axis."""
        holds: Holds = True
        for size in self.shape(x)[-self.axes :]:
            holds = holds & (size == 1)
        return holds

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        axes = self.axes
        least = axes if isinstance(self.output_size, int) else axes + 1
        yield Requirement(
            len(x0) >= least,
            "T303",
            None,
            lambda: f"takes an input of at least {least} dims; {written(x0)} has {len(x0)}",
        )
        if len(x0) < least:
            return
        mean = self._is_mean(x0)
        yield has_rank(x0, axes + 1, axes + 2)._replace(
            holds=(len(x0) in (axes + 1, axes + 2)) | mean
        )
        for requirement in holds_values(x0, axes, self._first_checked(x0)):
            yield requirement._replace(holds=requirement.holds | mean)

    def _first_checked(self, x: Shape) -> int:
        """The first dim that must not be 0: torch looks at the spatial ones only."""
        return len(x) - self.axes

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        mean = all(isinstance(n, int) and n == 1 for n in y[-self.axes :])
        return Kept((0,)) if any(needs) and not mean else NOTHING_KEPT


class FractionalMaxPool(Op, kw_only=True):
    """Fractional max pooling: windows of one size at pseudo-random steps, to a given size or ratio.

    out = output_size, or int(n · output_ratio).
    """

    axes: ClassVar[int]
    least_kernel: ClassVar[int]
    spare: ClassVar[int]
    """Rows that the input must have beyond out + kernel − 1."""
    longer_ratio: ClassVar[bool]
    """A ratio of more values than axes is accepted (and the rest ignored)."""
    solvable = autos(kernel_size=FROM_1, output_size=FROM_1)

    kernel_size: Ints
    """The size of the window, one number or one for each axis."""
    output_size: Ints | None = None
    """The output's size, one number or one for each axis."""
    output_ratio: float | tuple[float, ...] | None = None
    """The output's size as a share of the input's, one number or one for each axis."""
    return_indices: bool = False
    """The places of the largest values are given too, for an unpooling."""
    _random_samples: None = None
    """Random numbers that say where the windows lie, in place of drawn ones."""

    def legal(self) -> Requirements:
        yield Requirement(
            self.output_size is not None or self.output_ratio is not None,
            "T201",
            "output_size",
            "needs an output_size or an output_ratio",
        )
        yield Requirement(
            self.output_size is None or self.output_ratio is None,
            "T202",
            "output_ratio",
            "takes an output_size or an output_ratio, not both",
        )
        yield has_length("kernel_size", self.kernel_size, self.axes)
        yield in_range("kernel_size", self.kernel_size, self.least_kernel)
        if self.output_size is not None:
            yield has_length("output_size", self.output_size, self.axes)
            yield in_range("output_size", self.output_size, 0)
        if self.output_ratio is not None:
            yield from self._legal_ratio(self.output_ratio)

    def _legal_ratio(self, ratio: float | tuple[float, ...]) -> Requirements:
        if not (self.longer_ratio and isinstance(ratio, tuple) and len(ratio) > self.axes):
            yield has_length("output_ratio", ratio, self.axes)
        yield Requirement(
            all(0 < r < 1 for r in self._ratios(ratio)),
            "T202",
            "output_ratio",
            lambda: (
                f"output_ratio is {written(ratio)}; torch needs it between 0 and 1, both excluded"
            ),
        )

    def _ratios(self, ratio: float | tuple[float, ...]) -> tuple[float, ...]:
        return ratio[: self.axes] if isinstance(ratio, tuple) else (ratio,) * self.axes

    def _size(self, n: Dim, i: int) -> Dim:
        if self.output_size is not None:
            return per_axis(self.output_size, self.axes)[i]
        assert self.output_ratio is not None  # `legal` requires one of the two
        return floor_scale(n, self._ratios(self.output_ratio)[i])

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        axes = self.axes
        yield has_rank(x0, axes + 1, axes + 2)
        yield from holds_values(x0, axes, 1)
        for i in range(axes):
            yield self._has_room(x0, i)

    def _has_room(self, x: Shape, i: int) -> Requirement:
        """The windows along an axis lie side by side in the input."""
        dim = len(x) - self.axes + i
        n, kernel = x[dim], per_axis(self.kernel_size, self.axes)[i]
        out = self._size(n, i)
        least = out + kernel - 1 + self.spare
        return Requirement(
            n >= least,
            "T302",
            "kernel_size" if self.output_size is None else "output_size",
            lambda: (
                f"{out} windows of {kernel} need an input of at least {least}; {written(x)} has {n} there"
            ),
            dim=dim,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        axes = self.axes
        pooled = [self._size(x0[i - axes], i) for i in range(axes)]
        return (*x0[:-axes], *pooled)

    def leading_dims(self, *x: Shape) -> int | None:
        return len(x[0]) - self.axes

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        """The first window starts at 0 and the last at n − kernel: on average a step of (n − kernel) / (out − 1).

        Where those between start is drawn anew for each run.
        """
        axis = dim - len(x[0]) + self.axes
        if axis < 0:
            return POINTWISE
        n, kernel = x[0][dim], per_axis(self.kernel_size, self.axes)[axis]
        return Window(
            kernel, maximum(n - kernel, 1), maximum(self._size(n, axis) - 1, 1), first=None
        )

    def last_indices(self, *x: Shape) -> tuple[Dim, ...] | None:
        """The last window ends where the input does; where the others start is drawn."""
        return tuple(n - 1 for n in x[0][-self.axes :])

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,), indices=prod(y)) if any(needs) else NOTHING_KEPT


@operation
class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """1-D adaptive max pooling over [N, C, L]."""

    axes = 1

    output_size: Ints
    """The output's size, one number or one for each axis."""


@operation
class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """2-D adaptive max pooling over [N, C, H, W]."""

    axes = 2


@operation
class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """3-D adaptive max pooling over [N, C, D, H, W]."""

    axes = 3


@operation
class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """1-D adaptive average pooling over [N, C, L]."""

    axes = 1

    output_size: Ints
    """The output's size, one number or one for each axis."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield has_rank(x[0], 2, 3)
        yield from super().requirements(*x, **sizes)


@operation
class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """2-D adaptive average pooling over [N, C, H, W]: 1 is global average pooling, several make a pyramid."""

    axes = 2


@operation
class AdaptiveAvgPool3d(AdaptiveAvgPool):
    """3-D adaptive average pooling over [N, C, D, H, W]."""

    axes = 3

    def _first_checked(self, x: Shape) -> int:
        """In 3-D torch looks at every dim but the first."""
        return 1


@operation
class FractionalMaxPool2d(FractionalMaxPool):
    """2-D fractional max pooling over [N, C, H, W]."""

    axes = 2
    least_kernel = -MAX_INT  # torch checks no more than that the windows fit
    spare = 0
    longer_ratio = False


@operation
class FractionalMaxPool3d(FractionalMaxPool):
    """3-D fractional max pooling over [N, C, D, H, W]."""

    axes = 3
    least_kernel = 1
    spare = 1
    longer_ratio = True
