"""Operations that rearrange elements or reduce whole dims: reshape, permute, squeeze, chunk, mean.

They move no window over the input, so their arguments are dims of torch's order (negative ones count from the
end) and their formulas are products and quotients of dims.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import msgspec

from tracer.ops.base import (
    Op,
    Requirement,
    Requirements,
    Shape,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Call, Dtype, Item, Tensor, Term
from tracer.ops.windows import POINTWISE, Window
from tracer.sizing.arithmetic import Dim, ceil_div, maximum, minimum
from tracer.sizing.symbol import Size

Floating = Literal["float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
Numeric = Literal[Floating, "bool", "uint8", "int8", "int16", "int32", "int64"]


def wrapped(dim: int, rank: int) -> int:
    """The dim counted from the front. A scalar has the dims -1 and 0, as in torch."""
    if dim < 0:
        return dim + max(rank, 1)
    return dim


def in_rank(
    field: str, dim: int, rank: int, what: str = "the input", inputs: tuple[int, ...] = ()
) -> Requirement:
    """A dim argument lies in torch's range for a tensor of this rank: ``what``, or the input that is named."""
    reach = max(rank, 1)
    return Requirement(
        -reach <= dim < reach,
        "T202",
        field,
        lambda name=what: (
            f"{field} is {dim}; torch takes {-reach}..{reach - 1} as {name} has {rank} dims"
        ),
        inputs=inputs,
    )


def distinct_dims(field: str, dims: tuple[int, ...], rank: int) -> Requirements:
    """Every dim of a list is in range and none is named twice."""
    for dim in dims:
        yield in_rank(field, dim, rank)
    yield Requirement(
        len({wrapped(dim, rank) for dim in dims}) == len(dims),
        "T202",
        field,
        lambda: f"{field} {written(dims)} names a dim of the {rank} twice",
    )


def dim_kept(dim: int, dims: set[int]) -> Window | None:
    """Pointwise along a dim unless it is one of ``dims``, which are reduced or moved to another place."""
    if dim in dims:
        return None
    return POINTWISE


def regrouped_dim(dim: int, x: Shape, y: Shape) -> int | None:
    """The dim of ``x`` that a dim of ``y`` is, where both have the same elements row by row; None where it is none.

    >>> regrouped_dim(3, (1, 8, 500), (1, 4, 2, 500)), regrouped_dim(1, (1, 8, 500), (1, 4, 2, 500))
    (2, None)
    """
    before = math.prod(y[:dim])
    for own, n in enumerate(x):
        if n == y[dim] and math.prod(x[:own]) == before:
            return own
    return None


def dim_before(dim: int, inserted: int) -> int | None:
    """The dim that had another number before one was inserted; None for that one.

    >>> dim_before(0, inserted=1), dim_before(1, inserted=1), dim_before(2, inserted=1)
    (0, None, 1)
    """
    if dim == inserted:
        return None
    return dim - (dim > inserted)


@operation
class Chunk(Op, kw_only=True):
    """One chunk of torch.chunk, written ``NODE[i]``: splits channels into branches (channel split, q/k/v).

    A chunk has ceil(n / chunks) elements of the dim, the last one what is left. torch makes fewer chunks than
    asked where the dim runs out before: 4 in 3 chunks are 2 and 2.
    """

    chunks: int
    """The number of parts."""
    dim: int = 0
    """The dim that is split."""
    index: int | None = None
    """The chunk that this node is, from 0."""

    def legal(self) -> Requirements:
        yield in_range("chunks", self.chunks, 1)
        yield Requirement(
            self.index is not None,
            "T202",
            "index",
            lambda: f"makes {self.chunks} tensors, and a node takes one of them",
            "name the chunk in brackets where it is used: NODE[0] is the first",
        )
        yield Requirement(
            self.index is None or 0 <= self.index < self.chunks,
            "T202",
            "index",
            lambda: (
                f"index is {self.index}; {self.chunks} chunks are numbered 0..{self.chunks - 1}"
            ),
        )

    def _start(self, n: Dim) -> tuple[Dim, Dim]:
        """The position where the chunk starts, and the size of a full one."""
        full = ceil_div(n, self.chunks)
        return full * (0 if self.index is None else self.index), full

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield Requirement(
            len(x0) >= 1, "T303", None, "takes an input of at least 1 dim, not a scalar"
        )
        yield in_rank("dim", self.dim, len(x0))
        n = x0[self.dim]
        start, full = self._start(n)
        # An empty dim gives all the chunks, each of them empty.
        yield Requirement(
            (start < n) | (n == 0) if self.index else True,
            "T302",
            "chunks",
            lambda: (
                f"torch makes only {ceil_div(n, full)} chunks, of {full} each, from {n} in dim {self.dim}; "
                f"there is no chunk {self.index}"
            ),
            dim=wrapped(self.dim, len(x0)),
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        dim = wrapped(self.dim, len(x0))
        n = x0[dim]
        start, full = self._start(n)
        size = minimum(full, n - start)
        return (*x0[:dim], size, *x0[dim + 1 :])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        chunks = Call("torch.chunk", (x[0], self.chunks, self.dim))
        return Item(chunks, self.index or 0)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        (x0,) = x
        if wrapped(self.dim, len(x0)) != dim:
            return POINTWISE
        start, _ = self._start(x0[dim])
        return Window(1, first=(start, 1))

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return strides

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return math.prod(y)


@operation
class Flatten(Op, kw_only=True):
    """Joins the dims start_dim..end_dim into their product: from feature maps to a classifier. A scalar gives [1]."""

    hands_on = "first"

    start_dim: int = 1
    """The first dim that is joined."""
    end_dim: int = -1
    """The last dim that is joined."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        rank = len(x[0])
        yield in_rank("start_dim", self.start_dim, rank)
        yield in_rank("end_dim", self.end_dim, rank)
        yield Requirement(
            wrapped(self.start_dim, rank) <= wrapped(self.end_dim, rank),
            "T202",
            "start_dim",
            lambda: (
                f"start_dim {self.start_dim} comes after end_dim {self.end_dim} in an input of {rank} dims"
            ),
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        start = wrapped(self.start_dim, len(x0))
        end = wrapped(self.end_dim, len(x0))
        joined = math.prod(x0[start : end + 1])
        return (*x0[:start], joined, *x0[end + 1 :])

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        rank = len(x[0])
        start = wrapped(self.start_dim, rank)
        end = wrapped(self.end_dim, rank)
        if start >= end:
            return POINTWISE
        return dim_kept(dim, set(range(start, rank)))

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        return regrouped_dim(dim, x[0], self.shape(*x))

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return regrouped(x, strides, y)


def is_open(size: Dim) -> bool:
    """The literal -1, the one size that is inferred from the others. A dim expression is never open."""
    return isinstance(size, int) and size == -1


def open_sizes(field: str, sizes: tuple[Dim, ...]) -> Requirements:
    """Literal sizes are -1 or more, and at most one is inferred."""
    yield in_range(field, tuple(s for s in sizes if isinstance(s, int)), -1)
    yield Requirement(
        sum(map(is_open, sizes)) <= 1,
        "T202",
        field,
        lambda: f"{field} {written(sizes)} leaves more than one size open; torch infers one",
    )


def _not_negative(field: str, sizes: tuple[Dim, ...], size: Dim) -> Requirement:
    """One of the sizes of an argument is 0 or more."""
    return Requirement(
        size >= 0,
        "T202",
        field,
        lambda: f"{field} {written(sizes)} asks for a negative size, {size}",
    )


def fits(
    field: str, sizes: tuple[Dim, ...], total: Dim, what: Callable[[], str]
) -> Requirements:
    """``total`` elements fill these sizes, one of which may be open. Source: ATen/InferSize.h, infer_size_impl."""
    for size in sizes:
        if not is_open(size):  # a dim expression is a number only here
            yield _not_negative(field, sizes, size)
    known = math.prod(size for size in sizes if not is_open(size))
    if not any(map(is_open, sizes)):
        yield Requirement(
            known == total,
            "T302",
            field,
            lambda: f"{field} {written(sizes)} has {known} elements, but {what()} has {total}",
        )
        return
    yield Requirement(
        known != 0,
        "T302",
        field,
        lambda: f"{field} {written(sizes)} leaves -1 open beside a 0, where any size would do",
    )
    yield Requirement(
        total - total // divisor(known) * known == 0,
        "T302",
        field,
        lambda: (
            f"{field} {written(sizes)} needs a multiple of {known} elements, but {what()} has {total}"
        ),
    )


def divisor(known: Dim) -> Dim:
    """``known``, or 1 where it is 0 and a requirement has failed before. Symbols stay as they are, to cancel out."""
    if isinstance(known, Size):
        return known
    return maximum(known, 1)


def filled(sizes: tuple[Dim, ...], total: Dim) -> Shape:
    """The sizes with the open one inferred from the total.

    >>> filled((2, -1), total=12)
    (2, 6)
    """
    known = math.prod(size for size in sizes if not is_open(size))
    return tuple(total // divisor(known) if is_open(size) else size for size in sizes)


def regrouped(x: Shape, strides: Shape, y: Shape) -> Shape | None:
    """The strides of a tensor's elements in other dims; None where they cannot be had without a copy.

    Dims of the input that lie one behind the other in memory can be split anew; an output dim must not reach across
    two such groups. Source: ATen/TensorUtils.cpp, computeStride.

    >>> regrouped((2, 6), (6, 1), (2, 3, 2))
    (6, 2, 1)
    >>> regrouped((2, 6), (1, 2), (12,)) is None
    True
    """
    if 0 in x:
        return contiguous(y)

    found: list[Dim] = []
    left = list(y)
    for elements, step in _groups(x, strides):
        # The output's last dims share the group out among themselves.
        filled_up: Dim = 1
        while left and (filled_up < elements or left[-1] == 1):
            found.append(filled_up * step)
            filled_up *= left.pop()
        if filled_up != elements:
            return None

    if any(n != 1 for n in left):
        return None
    return (*[1] * len(left), *reversed(found))


def _groups(x: Shape, strides: Shape) -> Iterator[tuple[Dim, Dim]]:
    """The dims that lie one behind the other in memory, as their elements and the last one's stride; the last first."""
    elements: Dim = 1
    for dim in reversed(range(len(x))):
        if elements == 1:
            step = strides[dim]
        elements *= x[dim]
        goes_on = dim and (x[dim - 1] == 1 or strides[dim - 1] == elements * step)
        if not goes_on:
            yield elements, step
            elements = 1


class LaidShape(tuple[Dim, ...]):
    """The shape of a node's map, with what is known of the map beside it."""

    node: int
    """The index of the node."""
    view: Shape | None
    """The strides, in elements, where it is a view; None where it is a map of its own."""

    def __new__(
        cls,
        x: Shape,
        node: int,
        view: Shape | None,
    ) -> LaidShape:
        made = super().__new__(cls, x)
        made.node = node
        made.view = view
        return made


def strides_of(x: Shape) -> Shape:
    """The strides of a map, in elements; of a shape alone those of a map of its own."""
    if isinstance(x, LaidShape) and x.view is not None:
        return x.view
    return contiguous(x)


def is_view(x: Shape) -> bool:
    """Whether a map is known to lie in another one."""
    if not isinstance(x, LaidShape):
        return False
    return x.view is not None


def is_one_map(x: Sequence[Shape]) -> bool:
    """Whether an operation reads one map by all its inputs."""
    first = x[0]
    for other in x[1:]:
        if not isinstance(first, LaidShape):
            return False
        if not isinstance(other, LaidShape):
            return False
        if first.node != other.node:
            return False
    return True


def has_rows(x: Shape) -> bool:
    """Whether a map is a matrix of its last dim without a copy: all dims before it taken together."""
    if not is_view(x) or len(x) <= 2:
        return True

    count = math.prod(x[:-1])
    rows = (count, x[-1])
    strides = strides_of(x)
    return regrouped(x, strides, rows) is not None


def is_contiguous(x: Shape, last: int | None = None) -> bool:
    """Whether a map has its elements in order and without gaps; with ``last``, once that dim is the last one."""
    strides = strides_of(x)
    if last is None:
        if not is_view(x):
            return True
        elements = math.prod(x)
        return regrouped(x, strides, (elements,)) == (1,)

    order = [dim for dim in range(len(x)) if dim != last]
    order.append(last)
    moved = tuple(x[dim] for dim in order)
    view = tuple(strides[dim] for dim in order)
    return is_contiguous(LaidShape(moved, 0, view))


def contiguous(x: Shape) -> Shape:
    """The strides of a map of its own, the last dim first in memory. An empty dim counts as 1; a symbol is not 0."""
    strides: list[Dim] = [1]
    for n in reversed(x[1:]):
        elements = n if isinstance(n, Size) else max(n, 1)
        strides.append(strides[-1] * elements)
    return tuple(reversed(strides))[: len(x)]


@operation
class Unflatten(Op, kw_only=True):
    """Splits one dim into several whose product it is; one of them may be -1: tokens back to a map."""

    hands_on = "first"

    dim: int
    """The dim that is split."""
    unflattened_size: tuple[int, ...]
    """The dims that the dim is split into; one of them may be -1."""

    def legal(self) -> Requirements:
        yield Requirement(
            len(self.unflattened_size) >= 1,
            "T203",
            "unflattened_size",
            "unflattened_size is empty; torch needs a size",
        )
        yield from open_sizes("unflattened_size", self.unflattened_size)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield Requirement(
            len(x0) >= 1, "T303", None, "takes an input of at least 1 dim, not a scalar"
        )
        yield in_rank("dim", self.dim, len(x0))
        yield from fits(
            "unflattened_size",
            self.unflattened_size,
            x0[self.dim],
            lambda: f"dim {self.dim} of {written(x0)}",
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        dim = wrapped(self.dim, len(x0))
        split = filled(self.unflattened_size, x0[dim])
        return (*x0[:dim], *split, *x0[dim + 1 :])

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        if len(self.unflattened_size) <= 1:
            return POINTWISE
        rank = len(x[0])
        split = wrapped(self.dim, rank)
        return dim_kept(dim, set(range(split, rank)))

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        return regrouped_dim(dim, x[0], self.shape(*x))

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return regrouped(x, strides, y)


@operation
class Reshape(Op, kw_only=True):
    """The same elements in other dims, whose product must stay; one may be -1 and is inferred. 0 means 0.

    An element may be a dim expression (``H // 16``), which is a symbolic size while symbols are traced: only
    the literal -1 is open.
    """

    hands_on = "first"
    dim_fields = ("shape",)

    shape_: tuple[int, ...] = msgspec.field(name="shape")
    """The YAML key is ``shape``; the attribute isn't, as every operation has a method of that name."""

    def legal(self) -> Requirements:
        yield from open_sizes("shape", self.shape_)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from fits(
            "shape", self.shape_, math.prod(x[0]), lambda: f"the input {written(x[0])}"
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return filled(self.shape_, math.prod(x[0]))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.reshape", (x[0], list(self.shape_)))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        return regrouped_dim(dim, x[0], self.shape(*x))

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return regrouped(x, strides, y)


@operation
class Permute(Op, kw_only=True):
    """Puts the dims in another order: output dim i is input dim dims[i]."""

    hands_on = "first"

    dims: tuple[int, ...]
    """The dims of the input in the order of the output."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        rank = len(x[0])
        yield Requirement(
            len(self.dims) == rank,
            "T203",
            "dims",
            lambda: (
                f"dims {written(self.dims)} names {len(self.dims)} dims; the input {written(x[0])} has {rank}"
            ),
        )
        yield from distinct_dims("dims", self.dims, rank)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return tuple(x[0][dim] for dim in self.dims)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.permute", (x[0], list(self.dims)))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        rank = len(x[0])
        moved = {i for i, one in enumerate(self.dims) if wrapped(one, rank) != i}
        return dim_kept(dim, moved)

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        return wrapped(self.dims[dim], len(x[0]))

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return tuple(strides[dim] for dim in self.dims)


@operation
class Transpose(Op, kw_only=True):
    """Exchanges two dims."""

    hands_on = "first"

    dim0: int
    """The first of the two dims that change places."""
    dim1: int
    """The second of the two dims that change places."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield in_rank("dim0", self.dim0, len(x[0]))
        yield in_rank("dim1", self.dim1, len(x[0]))

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        y = list(x[0])
        if y:  # a scalar is its own transpose
            y[self.dim0], y[self.dim1] = y[self.dim1], y[self.dim0]
        return tuple(y)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.transpose", (x[0], self.dim0, self.dim1))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        rank = len(x[0])
        first = wrapped(self.dim0, rank)
        second = wrapped(self.dim1, rank)
        if first == second:
            return POINTWISE
        return dim_kept(dim, {first, second})

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        rank = len(x[0])
        first = wrapped(self.dim0, rank)
        second = wrapped(self.dim1, rank)
        return {first: second, second: first}.get(dim, dim)

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        moved = list(strides)
        if moved:
            moved[self.dim0], moved[self.dim1] = moved[self.dim1], moved[self.dim0]
        return tuple(moved)


def _stays(x: Shape, dim: int) -> Requirement:
    """A dim that is no number yet is not 1, where torch would drop it."""
    return Requirement(
        x[dim] != 1,
        "T303",
        "dim",
        lambda: f"dim {dim} of {written(x)} can be 1, and would then be dropped",
        "give the dims to drop in dim",
        dim=wrapped(dim, len(x)),
    )


@operation
class Squeeze(Op, kw_only=True):
    """Drops dims of size 1: those of ``dim`` (others than 1 stay, as in torch), or all of them with null.

    Whether a dim is dropped depends on its size, so that the rank of the result would. Here a dim that is the
    integer 1 is dropped, and a dim that is not a number yet must differ from 1: where torch would drop it, the
    operation is refused.
    """

    hands_on = "first"

    dim: int | tuple[int, ...] | None = None
    """The dims that are taken out where their size is 1; left out: all of them."""

    def symbols_restrict(self, *x: Shape) -> bool:
        (x0,) = x
        return any(
            isinstance(x0[dim], Size)
            for dim in self._asked(len(x0))
            if -len(x0) <= dim < len(x0)
        )

    def _asked(self, rank: int) -> tuple[int, ...]:
        if self.dim is None:
            return tuple(range(rank))
        if isinstance(self.dim, tuple):
            return self.dim
        return (self.dim,)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        asked = self._asked(len(x0))
        yield from distinct_dims("dim", asked, len(x0))
        for dim in asked:
            if x0 and not isinstance(x0[dim], int):
                yield _stays(x0, dim)

    def _dropped(self, x: Shape) -> set[int]:
        asked = {wrapped(dim, len(x)) for dim in self._asked(len(x))}
        return {i for i, n in enumerate(x) if i in asked and isinstance(n, int) and n == 1}

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        dropped = self._dropped(x[0])
        return tuple(n for i, n in enumerate(x[0]) if i not in dropped)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        if self.dim is None:
            return Call("torch.squeeze", (x[0],))
        dims = list(self.dim) if isinstance(self.dim, tuple) else self.dim
        return Call("torch.squeeze", (x[0], dims))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        rank = len(x[0])
        first = min(self._dropped(x[0]), default=rank)
        return dim_kept(dim, set(range(first, rank)))

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        dropped = self._dropped(x[0])
        kept = [i for i in range(len(x[0])) if i not in dropped]
        return kept[dim]

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        dropped = self._dropped(x)
        return tuple(stride for i, stride in enumerate(strides) if i not in dropped)


@operation
class Unsqueeze(Op, kw_only=True):
    """Inserts a dim of size 1 before dim ``dim`` of the input (a negative one counts from the result's end)."""

    hands_on = "first"

    dim: int
    """The place of the new dim, of size 1."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield in_rank("dim", self.dim, len(x[0]) + 1, "the result")

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        dim = wrapped(self.dim, len(x0) + 1)
        return (*x0[:dim], 1, *x0[dim:])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.unsqueeze", (x[0], self.dim))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        rank = len(x[0]) + 1
        inserted = wrapped(self.dim, rank)
        return dim_kept(dim, set(range(inserted, rank)))

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        return dim_before(dim, wrapped(self.dim, len(x[0]) + 1))

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        dim = wrapped(self.dim, len(x) + 1)
        own: Dim = 1
        if dim < len(x):
            own = x[dim] * strides[dim]
        return (*strides[:dim], own, *strides[dim:])


class Reduction(Op, kw_only=True):
    """A reduction of dims (null or [] is all of them), kept as 1 with ``keepdim``."""

    function: ClassVar[str]

    dim: int | tuple[int, ...] | None = None
    """The dims that are reduced; left out or empty: all of them."""
    keepdim: bool = False
    """The dim stays, with size 1."""

    def _dims(self, rank: int) -> tuple[int, ...]:
        if self.dim is None or self.dim == ():
            return tuple(range(rank))
        if isinstance(self.dim, tuple):
            return self.dim
        return (self.dim,)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from distinct_dims("dim", self._dims(len(x[0])), len(x[0]))

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        reduced = {wrapped(dim, len(x0)) for dim in self._dims(len(x0))}
        if self.keepdim:
            return tuple(1 if i in reduced else n for i, n in enumerate(x0))
        return tuple(n for i, n in enumerate(x0) if i not in reduced)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        dtype = getattr(self, "dtype", None)
        keywords = {} if dtype is None else {"dtype": Dtype(dtype)}
        dims = list(self._dims(x[0].rank))
        return Call(self.function, (x[0], dims, self.keepdim), keywords)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        rank = len(x[0])
        reduced = {wrapped(one, rank) for one in self._dims(rank)}
        if self.keepdim:
            return dim_kept(dim, reduced)

        # The dims behind the first that is dropped come to other places.
        first = min(reduced, default=rank)
        moved = set(range(first, rank))
        return dim_kept(dim, reduced | moved)

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        rank = len(x[0])
        reduced = {wrapped(one, rank) for one in self._dims(rank)}
        if self.keepdim:
            return None if dim in reduced else dim
        return [own for own in range(rank) if own not in reduced][dim]


@operation
class Mean(Reduction, kw_only=True):
    """The mean over dims, for instance global average pooling with dim: [2, 3]."""

    function = "torch.mean"

    dtype: Floating | None = None
    """The type of the numbers; shapes do not depend on it."""


@operation
class Sum(Reduction, kw_only=True):
    """The sum over dims."""

    autocast = "float32"
    function = "torch.sum"

    dtype: Numeric | None = None
    """The type of the numbers; shapes do not depend on it."""


def has_elements(x: Shape, dim: int) -> Requirement:
    """A dim that is reduced is not 0."""
    return Requirement(
        x[dim] >= 1,
        "T302",
        "dim",
        lambda: f"dim {dim} of {written(x)} is empty",
        dim=wrapped(dim, len(x)),
    )


class Extreme(Reduction, kw_only=True):
    """The largest or the smallest element: an empty dim has none."""

    keeps = "both"

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from super().requirements(*x, **sizes)
        for dim in self._dims(len(x[0])):
            if x[0]:
                yield has_elements(x[0], dim)

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return math.prod(x[0]) // 2


@operation
class Amax(Extreme):
    """The largest element over dims, for instance global max pooling with dim: [2, 3]."""

    function = "torch.amax"


@operation
class Amin(Extreme):
    """The smallest element over dims."""

    function = "torch.amin"
