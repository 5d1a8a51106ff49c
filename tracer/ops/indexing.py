"""Operations that take or replace the elements at places which another tensor, a list or a slice gives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from tracer.ops.base import (
    NOTHING_KEPT,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import (
    Call,
    Own,
    Tensor,
    Term,
    narrow,
)
from tracer.ops.crop import Slice
from tracer.ops.merge import (
    agree,
    broadcast_shape,
    broadcastable,
    no_scalar,
    same_rank,
)
from tracer.ops.pointwise import truth_values
from tracer.ops.rearrange import (
    dim_kept,
    in_rank,
    wrapped,
)
from tracer.ops.windows import (
    POINTWISE,
    Window,
    half_pixel,
)
from tracer.sizing.arithmetic import (
    Dim,
    maximum,
    minimum,
)


def whole_numbers(x: Tensor) -> Tensor:
    """A tensor as torch takes it for places: indices that were stored as numbers of another type."""
    return Tensor(Call("torch.Tensor.long", (x,)), x.rank)


def _is_covered(x: Sequence[Shape], i: int, j: int, dim: int) -> Requirement:
    """Input ``i`` is no larger than input ``j`` along a dim."""
    a, b = x[i][dim], x[j][dim]
    return agree(dim, (a, b), (i, j), holds=a <= b, why="; the first may not be larger")


def has_vector(x: Sequence[Shape]) -> Requirement:
    """The second input is a vector of places."""
    return Requirement(
        len(x[1]) <= 1,
        "T303",
        None,
        lambda name: f"takes a vector of places; {name} is {written(x[1])}",
        inputs=(1,),
    )


def has_matrices(x: Sequence[Shape], i: int) -> Requirement:
    """An input has the two dims of a matrix."""
    return Requirement(
        len(x[i]) >= 2,
        "T303",
        None,
        lambda name: f"takes inputs of at least 2 dims; {name} is {written(x[i])}",
        inputs=(i,),
    )


@operation
class Gather(Op, kw_only=True):
    """Takes elements along a dim, at the places that the second input has: torch.gather. Its shape is that input's."""

    arity = (2, 2)

    dim: int
    """The dim along which it works; a negative one counts from the end."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        values, index = x
        yield in_rank("dim", self.dim, len(values))
        yield same_rank([values or (1,), index or (1,)], 0, 1)
        for dim in range(min(len(values), len(index))):
            if dim != wrapped(self.dim, len(values)):
                yield _is_covered(x, 1, 0, dim)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return x[1]

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.gather", (x[0], self.dim, whole_numbers(x[1])))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return dim_kept(dim, {wrapped(self.dim, len(x[0]))})

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((1,)) if needs[0] else NOTHING_KEPT


@operation
class Scatter(Op, kw_only=True):
    """Puts the elements of the third input, or ``value``, at the places that the second has: torch.scatter.

    With ``reduce`` what lies there already is taken in: torch.scatter_reduce, whose sum is torch.scatter_add.
    """

    arity = (2, 3)

    dim: int
    """The dim along which it works; a negative one counts from the end."""
    value: float | None = None
    """The number that is put there, in place of a third input."""
    reduce: Literal["sum", "prod", "mean", "amax", "amin"] | None = None
    """How several values for one place are joined; left out: one of them stays."""
    include_self: bool = True
    """What stood at a place counts in what is put there."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        is_of_tensor = len(x) == 3
        yield Requirement(
            (self.value is None) == is_of_tensor,
            "T203",
            "value",
            "takes three inputs, or two and a value",
        )
        yield Requirement(
            is_of_tensor or self.reduce is None,
            "T202",
            "reduce",
            "reduce takes three inputs, and no value",
        )
        yield in_rank("dim", self.dim, len(x[0]))
        ranked = [shape or (1,) for shape in x]
        for i in range(1, len(x)):
            yield same_rank(ranked, 0, i)

        along = wrapped(self.dim, len(x[0]))
        for dim in range(len(x[1])):
            if dim != along and x[0]:
                yield _is_covered(x, 1, 0, dim)
            if is_of_tensor and x[2]:
                yield _is_covered(x, 1, 2, dim)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        target, index, *source = x
        places = whole_numbers(index)
        if self.reduce is None:
            put = source[0] if source else self.value
            return Call("torch.scatter", (target, self.dim, places, put))
        keywords = {"include_self": self.include_self}
        arguments = (target, self.dim, places, source[0], self.reduce)
        return Call("torch.scatter_reduce", arguments, keywords)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return dim_kept(dim, {wrapped(self.dim, len(x[0]))})


@operation
class IndexSelect(Op, kw_only=True):
    """Takes positions of a dim: those of the list ``index``, or those that the second input, a vector, has."""

    arity = (1, 2)

    dim: int
    """The dim along which it works; a negative one counts from the end."""
    index: tuple[int, ...] | None = None
    """The positions that are taken; left out: those that the second input has."""

    def legal(self) -> Requirements:
        if self.index is not None:
            yield in_range("index", self.index, 0)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield Requirement(
            (self.index is None) == (len(x) == 2),
            "T203",
            "index",
            "takes two inputs, or one and an index",
        )
        yield in_rank("dim", self.dim, len(x[0]))
        if self.index is None:
            yield has_vector(x)
        count = self._count(x)
        yield Requirement(
            True if x[0] else count == 1,
            "T302",
            "index",
            lambda: f"takes {count} positions of a scalar, which has one",
        )
        if self.index:
            most = max(self.index)
            n = x[0][self.dim] if x[0] else 1
            yield Requirement(
                n > most,
                "T302",
                "index",
                lambda: (
                    f"index has the place {most}; dim {self.dim} of {written(x[0])} has {n}"
                ),
                dim=wrapped(self.dim, len(x[0])) if x[0] else None,
            )

    def _count(self, x: tuple[Shape, ...]) -> Dim:
        """The number of positions that are taken."""
        if self.index is not None:
            return len(self.index)
        return x[1][0] if x[1] else 1

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        if not x[0]:
            return ()
        dim = wrapped(self.dim, len(x[0]))
        return (*x[0][:dim], self._count(x), *x[0][dim + 1 :])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        if self.index is None:
            return Call("torch.index_select", (x[0], self.dim, whole_numbers(x[1])))

        # Slices of the input are on its device, which an index of their own would not be.
        rank = x[0].rank
        dim = wrapped(self.dim, rank)
        parts = [narrow(x[0], dim, start, length) for start, length in runs(self.index)]
        return Call("torch.cat", (parts, dim))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return dim_kept(dim, {wrapped(self.dim, len(x[0]))})


def runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Places as first ones with the number of those that follow; one of nothing where there are none.

    >>> runs((0, 1, 2, 7, 3))
    [(0, 3), (7, 1), (3, 1)]
    """
    found: list[tuple[int, int]] = []
    for place in places:
        start, length = found[-1] if found else (-1, 0)
        if place == start + length and found:
            found[-1] = (start, length + 1)
        else:
            found.append((place, 1))
    return found or [(0, 0)]


class AtPlaces(Op, kw_only=True):
    """Replaces positions of a dim, which the second input, a vector, has."""

    dim: int
    """The dim along which it works; a negative one counts from the end."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield in_rank("dim", self.dim, len(x[0]))
        yield has_vector(x)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return dim_kept(dim, {wrapped(self.dim, len(x[0]))})


@operation
class IndexFill(AtPlaces, kw_only=True):
    """Fills positions of a dim with a number; the second input, a vector, has the places."""

    arity = (2, 2)

    value: float
    """The number that is put there."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.index_fill", (x[0], self.dim, whole_numbers(x[1]), self.value))


class FromSource(AtPlaces):
    """Puts the third input's positions at places of a dim."""

    arity = (3, 3)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from super().requirements(*x, **sizes)
        target, places, source = x
        yield no_scalar(x, 0)
        yield same_rank(x, 0, 2)
        along = wrapped(self.dim, len(target))
        for dim, n in enumerate(target):
            if dim != along:
                yield agree(dim, (n, source[dim]), (0, 2))
            else:
                count = places[0] if places else 1
                yield agree(dim, (source[dim], count), (2, 1))


@operation
class IndexAdd(FromSource):
    """Adds the third input to positions of a dim; the second, a vector, has the places."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.index_add", (x[0], self.dim, whole_numbers(x[1]), x[2]))


@operation
class IndexCopy(FromSource):
    """Replaces positions of a dim by the third input; the second, a vector, has the places."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.index_copy", (x[0], self.dim, whole_numbers(x[1]), x[2]))


@operation
class SliceScatter(Op, kw_only=True):
    """The first input with the second in the place of a slice of it, start:end:step along one dim.

    The second input has the slice's shape. The ends are those of `Slice`.
    """

    arity = (2, 2)
    dim_fields = ("start", "end")

    dim: int
    """The dim along which it works; a negative one counts from the end."""
    start: int = 0
    """The first position that is written."""
    end: int | None = None
    """The first position behind the slice; a negative one counts from the end."""
    step: int = 1
    """The distance from one position to the next."""

    def _slice(self) -> Slice:
        return Slice(dim=self.dim, start=self.start, stop=self.end, step=self.step)

    def legal(self) -> Requirements:
        yield from self._slice().legal()

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        cut = self._slice()
        yield from cut.requirements(x[0])
        yield same_rank(x, 0, 1)
        for dim, n in enumerate(cut.shape(x[0])):
            yield agree(dim, (n, x[1][dim]), (0, 1))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        arguments = (x[0], x[1], self.dim, self.start, self.end, self.step)
        return Call("torch.slice_scatter", arguments)

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        return dim != wrapped(self.dim, len(x[0]))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return POINTWISE


@operation
class MaskedScatter(Op, kw_only=True):
    """The first input with elements of the third where the second, a mask that broadcasts, is not 0."""

    arity = (3, 3)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from broadcastable((x[0], x[1]))

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return broadcast_shape((x[0], x[1]))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.masked_scatter", (x[0], truth_values(x[1]), x[2]))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None


@operation
class RepeatInterleave(Op, kw_only=True):
    """Repeats each position of a dim, one copy behind the other; null repeats all elements as one dim.

    ``repeats`` may be a dim over the input's symbols, such as ``H // 2``.
    """

    dim_fields = ("repeats",)

    repeats: int
    """How often each position is repeated."""
    dim: int | None = None
    """The dim whose positions are repeated; left out: those of all elements, as one dim."""

    def legal(self) -> Requirements:
        yield in_range("repeats", self.repeats, 0)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        if self.dim is not None:
            yield no_scalar(x, 0)
            yield in_rank("dim", self.dim, len(x[0]))

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        if self.dim is None:
            return (self.repeats * math.prod(x0),)
        dim = wrapped(self.dim, len(x0))
        return (*x0[:dim], x0[dim] * self.repeats, *x0[dim + 1 :])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.repeat_interleave", (x[0], self.repeats, self.dim))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        if self.dim is None or not isinstance(self.repeats, int) or self.repeats == 0:
            return None
        is_along = wrapped(self.dim, len(x[0])) == dim
        return half_pixel(1, 1, self.repeats) if is_along else POINTWISE


@operation
class OneHot(Op, kw_only=True):
    """One more dim behind the others, 1 at the place that the element names: torch.nn.functional.one_hot."""

    num_classes: int
    """The length of a one-hot vector."""

    def legal(self) -> Requirements:
        yield in_range("num_classes", self.num_classes, 1)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return (*x[0], self.num_classes)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.nn.functional.one_hot", (whole_numbers(x[0]), self.num_classes))


class Table(Op, kw_only=True):
    """A learned vector for each number."""

    num_embeddings: int
    """The number of entries."""
    embedding_dim: int
    """Features of each entry."""

    def legal(self) -> Requirements:
        yield in_range("num_embeddings", self.num_embeddings, 0)
        yield in_range("embedding_dim", self.embedding_dim, 0)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Own([whole_numbers(x[0])])

    def parameters(self, *x: Shape) -> Dim:
        return self.num_embeddings * self.embedding_dim

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,))


@operation
class Embedding(Table, kw_only=True):
    """A learned vector for each number, as one more dim behind the others."""

    padding_idx: int | None = None
    """The entry that stays as it is in training."""
    max_norm: float | None = None
    """Entries with a larger norm are scaled down to it."""
    norm_type: float = 2.0
    """The exponent of the norm that `max_norm` bounds."""
    scale_grad_by_freq: bool = False
    """An entry's gradient is divided by how often it is read."""
    sparse: bool = False
    """The gradient is a sparse tensor."""

    def legal(self) -> Requirements:
        yield from super().legal()
        n, place = self.num_embeddings, self.padding_idx
        yield Requirement(
            place is None or -n <= place < n,
            "T202",
            "padding_idx",
            lambda: f"padding_idx is {place}; there are {n} embeddings",
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return (*x[0], self.embedding_dim)


class Band(Op, kw_only=True):
    """Keeps one side of a diagonal of the last two dims; the rest is 0."""

    diagonal: int = 0
    """The diagonal up to which elements are kept: 0 is the main one, 1 that above it."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield has_matrices(x, 0)

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        return dim < len(x[0]) - 2


@operation
class Tril(Band):
    """Keeps the last two dims' elements on and below a diagonal; the others are 0."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.tril", (x[0], self.diagonal))


@operation
class Triu(Band):
    """Keeps the last two dims' elements on and above a diagonal; the others are 0."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.triu", (x[0], self.diagonal))


@operation
class Diagonal(Op, kw_only=True):
    """The diagonal of two dims, as one dim behind the others."""

    offset: int = 0
    """The diagonal: 0 is the main one, 1 that above it."""
    dim1: int = 0
    """The first of the two dims."""
    dim2: int = 1
    """The second of the two dims."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        rank = len(x[0])
        yield in_rank("dim1", self.dim1, rank)
        yield in_rank("dim2", self.dim2, rank)
        yield Requirement(
            wrapped(self.dim1, rank) != wrapped(self.dim2, rank),
            "T202",
            "dim2",
            lambda: f"dim1 and dim2 are both dim {wrapped(self.dim1, rank)} of the input",
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        first, second = wrapped(self.dim1, len(x0)), wrapped(self.dim2, len(x0))
        rows, columns = x0[first], x0[second]
        if self.offset >= 0:
            length = minimum(rows, maximum(columns - self.offset, 0))
        else:
            length = minimum(maximum(rows + self.offset, 0), columns)
        others = (n for dim, n in enumerate(x0) if dim not in (first, second))
        return (*others, length)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.diagonal", (x[0], self.offset, self.dim1, self.dim2))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        rank = len(x[0])
        first = min(wrapped(self.dim1, rank), wrapped(self.dim2, rank))
        return dim_kept(dim, set(range(first, rank)))


@operation
class Cdist(Op, kw_only=True):
    """The distance of each row of the first input to each of the second: [.., n, k] and [.., m, k] give [.., n, m]."""

    arity = (2, 2)

    p: float = 2.0
    """The exponent of the distance."""

    def legal(self) -> Requirements:
        yield Requirement(
            self.p >= 0, "T202", "p", lambda: f"p is {self.p}; torch needs at least 0"
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield has_matrices(x, 0)
        yield has_matrices(x, 1)
        a, b = x
        yield agree(-1, (a[-1], b[-1]), (0, 1))
        yield from broadcastable((a[:-2], b[:-2]), trailing=2)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        a, b = x
        leading = broadcast_shape((a[:-2], b[:-2]))
        return (*leading, a[-2], b[-2])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.cdist", (x[0], x[1], self.p))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0, 1), output=True) if any(needs) else NOTHING_KEPT
