"""Max unpooling: the decoder puts values back where the encoder's max pooling found them, 1d to 3d."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from tracer.ops.base import (
    FROM_0,
    FROM_1,
    MAX_INT,
    Ints,
    NodeName,
    Op,
    Requirement,
    Requirements,
    Shape,
    autos,
    has_length,
    has_rank,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Own, Tensor, Term
from tracer.ops.pooling import holds_values
from tracer.ops.windows import POINTWISE, Seen, Window, seen_by_spreading, spreading
from tracer.sizing.arithmetic import Dim, Holds
from tracer.sizing.symbol import Size


class MaxUnpool(Op, kw_only=True):
    """Max unpooling with the indices of a max pool; out = (n − 1)·stride − 2·padding + kernel, or ``output_size``."""

    axes: ClassVar[int]
    node_fields = ("indices", "output_size")
    solvable = autos(kernel_size=FROM_1, stride=FROM_1, padding=FROM_0)

    kernel_size: Ints
    """The window of the pooling that it inverts."""
    stride: Ints | None = None
    """The stride of the pooling that it inverts; left out: the window's size."""
    padding: Ints = 0
    """The padding of the pooling that it inverts."""
    indices: NodeName
    """The pooling that gives the places of its largest values."""
    output_size: NodeName | None = None
    """The node whose size comes out: it picks one of the sizes that the pooling maps to one."""

    def legal(self) -> Requirements:
        # torch takes any numbers whose output is not negative.
        yield has_length("kernel_size", self.kernel_size, self.axes)
        yield in_range("kernel_size", self.kernel_size, -MAX_INT)
        if self.stride is not None:
            yield self._has_length("stride", self.stride)
            yield in_range("stride", self.stride, -MAX_INT)
        yield self._has_length("padding", self.padding)
        yield in_range("padding", self.padding, -MAX_INT)

    def _has_length(self, field: str, value: Ints) -> Requirement:
        """One value per axis; torch ignores those after."""
        required = has_length(field, value, self.axes)
        return required._replace(holds=not isinstance(value, tuple) or len(value) >= self.axes)

    def _per_axis(self, value: Ints) -> tuple[int, ...]:
        return value[: self.axes] if isinstance(value, tuple) else (value,) * self.axes

    def _strides(self) -> tuple[int, ...]:
        return self._per_axis(self.kernel_size if self.stride is None else self.stride)

    def _default(self, n: Dim, i: int) -> Dim:
        """The size without ``output_size``."""
        kernel, padding = self._per_axis(self.kernel_size)[i], self._per_axis(self.padding)[i]
        return (n - 1) * self._strides()[i] - 2 * padding + kernel

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        axes = self.axes
        yield has_rank(x0, axes + 1, axes + 2)
        yield from holds_values(x0, axes, 1)
        yield _same(x0, sizes["indices"])
        wanted = sizes.get("output_size")
        if wanted is not None:
            yield Requirement(
                len(wanted) in (axes, axes + 2),
                "T303",
                "output_size",
                lambda: (
                    f"output_size takes a node of {axes + 2} dims; {written(wanted)} has {len(wanted)}"
                ),
            )
        for i, out in enumerate(self.shape(*x, **sizes)[-axes:]):
            if wanted is not None:
                yield self._can_make(x0, i, out)
            yield _has_output(x0, len(x0) - axes + i, out)

    def takes_indices(self, pool: Op, pooled: Shape, *x: Shape, **sizes: Shape) -> Requirements:
        last = pool.last_indices(pooled)
        if last is None:
            return
        (x0,) = x
        # The input is as large as the indices: their sizes lead from the pooled map's to the output's.
        y = self.shape(sizes["indices"], **sizes)
        out, rows = y[-self.axes :], pooled[-len(last) :]
        least = 0 if "output_size" in sizes else self._least()
        inside = pool.sees_everywhere()
        holds = _have_places(last, rows, out, inside, least >= 2)
        # torch looks at no index where there is nothing to put anywhere.
        empty = [*x0[: len(x0) - self.axes], *(out if least < 1 else ())]
        for n in empty:
            if not (isinstance(n, Size) and any(n is row for row in rows)):
                holds = holds | (n == 0)
        yield Requirement(
            holds,
            "T301",
            "indices",
            lambda: (
                f"an index may be {_flat(last, rows)}, the last that is pooled of {written(pooled)}, but the output "
                f"{written(y)} has {math.prod(out)} places per channel"
            ),
            "give output_size the node that is pooled: the output is as large then",
        )

    def _least(self) -> int:
        """The places along each axis at least, those of a single value; 0 where that is not known."""
        least = []
        for i in range(self.axes):
            places = self._default(1, i)
            is_known = isinstance(places, int) and isinstance(self._strides()[i], int)
            least.append(places if is_known and self._strides()[i] >= 0 else 0)
        return min(least)

    def _can_make(self, x: Shape, i: int, out: Dim) -> Requirement:
        """The size wanted along an axis is less than a stride away from the default."""
        dim = len(x) - self.axes + i
        default, stride = self._default(x[dim], i), self._strides()[i]
        return Requirement(
            (out > default - stride) & (out < default + stride),
            "T301",
            "output_size",
            lambda: (
                f"makes {default - stride + 1}..{default + stride - 1} from {x[dim]}, but output_size asks for {out}"
            ),
            dim=dim,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        axes = self.axes
        wanted = sizes.get("output_size")
        if wanted is not None:
            return (*x0[:-axes], *wanted[-axes:])
        usual = [self._default(x0[i - axes], i) for i in range(axes)]
        return (*x0[:-axes], *usual)

    def leading_dims(self, *x: Shape) -> int | None:
        return len(x[0]) - self.axes

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        model = given.get("output_size")
        keywords = {}
        if model is not None:
            keywords["output_size"] = [
                model.size(model.rank - self.axes + i) for i in range(self.axes)
            ]
        return Own([*x, given["indices"]], keywords)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        """The windows of the pooling that it undoes; a value lies somewhere in its window, on average in the middle."""
        axis = dim - len(x[0]) + self.axes
        if axis < 0:
            return POINTWISE
        kernel, stride = self._per_axis(self.kernel_size)[axis], max(self._strides()[axis], 1)
        window = spreading(
            kernel, stride, self._per_axis(self.padding)[axis], max(kernel - 1, 0) // stride + 1
        )
        return window if self._strides()[axis] == stride else window._replace(first=None)

    def sees(self, dim: int, *x: Shape, **sizes: Shape) -> Seen | None:
        axis = dim - len(x[0]) + self.axes
        if axis < 0:
            return super().sees(dim, *x, **sizes)
        kernel, stride = (
            max(self._per_axis(self.kernel_size)[axis], 1),
            max(self._strides()[axis], 1),
        )
        return seen_by_spreading(kernel, stride, self._per_axis(self.padding)[axis])


def _flat(position: Sequence[Dim], sizes: Sequence[Dim]) -> Dim:
    """The number of a position in a map of these sizes, counted row by row.

    >>> _flat((3, 3), (4, 5))
    18
    """
    number: Dim = 0
    for place, n in zip(position, sizes):
        number = number * n + place
    return number


def _have_places(
    last: Sequence[Dim], rows: Sequence[Dim], out: Sequence[Dim], inside: bool, is_wide: bool
) -> Holds:
    """The index of the place ``last`` in a map of the size ``rows`` is below the places of a map of the size ``out``.

    Where that is so axis by axis, it is said axis by axis: a product ties them together. ``inside``: ``last`` lies
    in the map. ``is_wide``: ``out`` has two places or more along each axis.
    """
    if inside and len(rows) == len(out):
        # A row as long as the pooled one counts alike in both.
        while len(rows) > 1 and _apart(rows[-1], out[-1]) == 0:
            last, rows, out = last[:-1], rows[:-1], out[:-1]
        if len(rows) == 1:
            return last[0] < out[0]
        if all(_apart(n, place) == 1 for n, place in zip(out, last)):
            return _rows_are_kept(last, rows, out, is_wide)
    return _flat(last, rows) < math.prod(out)


def _rows_are_kept(
    last: Sequence[Dim], rows: Sequence[Dim], out: Sequence[Dim], is_wide: bool
) -> Holds:
    """As :func:`_have_places`, where ``last`` is the last place of ``out``.

    The rows of ``out`` are no longer than those that were pooled. Behind an axis with more places than the first,
    each row must be as long.
    """
    holds: Holds = True
    for i in range(1, len(rows)):
        same: Holds = rows[i] <= out[i]
        for place in last[:i]:
            holds = holds & (same if is_wide else same | (place <= 0))
    return holds


def _apart(a: Dim, b: Dim) -> int | None:
    """a - b, where that is one number."""
    difference = a - b
    return difference if isinstance(difference, int) else None


def _has_output(x: Shape, dim: int, out: Dim) -> Requirement:
    """The output size of a dim is not negative."""
    return Requirement(
        out >= 0,
        "T302",
        None,
        lambda: f"the output size is {out} from {x[dim]} in dim {dim}",
        dim=dim,
    )


def _same(x: Shape, indices: Shape) -> Requirement:
    """One index for each value."""
    holds: Holds = len(x) == len(indices)
    for n, m in zip(x, indices):
        holds = holds & (n == m)
    return Requirement(
        holds,
        "T301",
        "indices",
        lambda: (
            f"the indices have the shape {written(indices)}, the input {written(x)}; torch needs them equal"
        ),
    )


@operation
class MaxUnpool1d(MaxUnpool):
    """1-D max unpooling over [N, C, L]."""

    axes = 1


@operation
class MaxUnpool2d(MaxUnpool):
    """2-D max unpooling over [N, C, H, W]: SegNet's upsampling."""

    axes = 2


@operation
class MaxUnpool3d(MaxUnpool):
    """3-D max unpooling over [N, C, D, H, W]; here torch wants a stride of at least 1."""

    axes = 3

    def legal(self) -> Requirements:
        yield from super().legal()
        yield in_range("stride", self.kernel_size if self.stride is None else self.stride, 1)

    def _has_length(self, field: str, value: Ints) -> Requirement:
        return has_length(field, value, self.axes)
