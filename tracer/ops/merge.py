"""Merges: where skips meet the decoder. Concatenation, stacking, broadcasting arithmetic, matrix products.

The first input is the decoder's, or the one that ``decoder`` names. Messages name the inputs that differ, so that the
reader finds the producers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import ClassVar, Literal

from tracer.ops.base import (
    InputName,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    operation,
    written,
)
from tracer.ops.calls import (
    Call,
    Tensor,
    Term,
    at_least_zero,
    centre_cropped,
    interpolated,
    zero_padded,
)
from tracer.ops.crop import cut, even_crop
from tracer.ops.pooling import is_one
from tracer.ops.rearrange import (
    LaidShape,
    dim_before,
    has_rows,
    in_rank,
    is_view,
    regrouped,
    strides_of,
    wrapped,
)
from tracer.ops.resize import How, copies_between, resized, seen_resized
from tracer.ops.windows import POINTWISE, Seen, Window, seen_through
from tracer.sizing.arithmetic import Dim, Holds, broadcast_size, choose
from tracer.sizing.symbol import Size

CLOSE = "make the sizes meet (output_padding: auto on the up-layer, padding), or set align: crop, pad or resize"
WIDTHS = "a convolution with kernel_size 1 gives one input the other's channels; Concat joins different ones"


def agree(
    dim: int,
    sizes: tuple[Dim, Dim],
    inputs: tuple[int, int],
    hint: str | None = None,
    *,
    holds: Holds | None = None,
    field: str | None = None,
    why: str = "",
    shown: int | None = None,
) -> Requirement:
    """T301: two inputs have the same size in a dim; ``holds`` where others pass too. ``shown``: the dim to name."""
    a, b = sizes
    return Requirement(
        a == b if holds is None else holds,
        "T301",
        field,
        lambda first, second: (
            f"sizes differ in dim {dim if shown is None else shown}: {a} from {first}, {b} from {second}{why}"
        ),
        hint,
        dim,
        inputs,
    )


def same_rank(x: Sequence[Shape], i: int, j: int, holds: Holds | None = None) -> Requirement:
    """Two inputs have as many dims; ``holds`` where others pass too."""
    return Requirement(
        len(x[i]) == len(x[j]) if holds is None else holds,
        "T301",
        None,
        lambda first, second: (
            f"numbers of dims differ: {written(x[i])} from {first} has {len(x[i])}, "
            f"{written(x[j])} from {second} has {len(x[j])}"
        ),
        inputs=(i, j),
    )


def no_scalar(x: Sequence[Shape], i: int) -> Requirement:
    """An input has a dim."""
    return Requirement(
        len(x[i]) >= 1,
        "T303",
        None,
        lambda name: f"{name} is a scalar; it takes at least 1 dim",
        inputs=(i,),
    )


def broadcast(a: Dim, b: Dim) -> Dim:
    """The size two dims broadcast to. A number that is not 1 decides it even against a symbol.

    So does a difference that is a number other than 0: then one of them is 1, and the other follows. A chain of such
    sums has one size, not twice as many choices with every link.
    """
    if isinstance(b, int):
        return a if b == 1 else b
    difference = a - b if isinstance(a, Size) and isinstance(b, Size) else None
    if not isinstance(difference, int) or difference == 0:
        return broadcast_size(a, b)

    larger, apart = (a, difference) if difference > 0 else (b, -difference)
    # Beside a 1 that is the larger one, the other is 0, or less than nothing.
    return choose(larger == 1, 0, 2) if apart == 1 else apart + 1


def padded(x: tuple[Shape, ...]) -> list[Shape]:
    """Shapes filled up with leading ones to the largest rank, as broadcasting reads them."""
    rank = max(map(len, x))
    return [(1,) * (rank - len(shape)) + tuple(shape) for shape in x]


def broadcast_shape(x: tuple[Shape, ...]) -> Shape:
    """The shape that these shapes broadcast to.

    >>> broadcast_shape(((1, 8, 4, 1), (4, 5)))
    (1, 8, 4, 5)
    """
    y: Shape = ()
    for shape in x:
        a, b = padded((y, shape))
        y = tuple(map(broadcast, a, b))
    return y


def broadcastable(
    x: tuple[Shape, ...], hint: str | None = None, trailing: int = 0
) -> Requirements:
    """In every dim, any two inputs agree or one of them is 1. ``trailing`` dims were left out behind."""
    same = len(set(map(len, x))) == 1
    full = padded(x)
    rank = len(full[0])
    for dim in range(rank):
        shown = dim if same and not trailing else dim - rank - trailing
        for (i, a), (j, b) in combinations(
            [(i, shape[dim]) for i, shape in enumerate(full)], 2
        ):
            holds = (a == b) | (a == 1) | (b == 1)
            if holds is not True:
                advice = hint or _advice(dim, same and not trailing)
                yield agree(dim, (a, b), (i, j), advice, holds=holds, shown=shown)


def _advice(dim: int, plain: bool) -> str | None:
    """The hint where sizes differ in this dim of [N, C, spatial...]."""
    return {0: None, 1: WIDTHS}.get(dim, CLOSE) if plain else None


class Merge(Op, kw_only=True):
    """A merge: the spatial sizes of its inputs (the dims from 2 on) are aligned where ``align`` says so.

    ``align: crop`` cuts every other input to the decoder's size at (have - want) // 2; ``pad`` fills the decoder's
    with zeros to the others' size, diff // 2 before and the rest after; ``resize`` interpolates the decoder's
    (nearest) to the others' size. All need inputs of as many dims. The decoder's input is the first, or the one that
    ``decoder`` names.
    """

    arity: ClassVar[tuple[int, int | None]] = (1, None)
    input_fields = ("decoder",)

    align: Literal["none", "crop", "pad", "resize"] = "none"
    """How inputs of other sizes are made to fit the first: cropped, padded or resized; `none` refuses them."""
    decoder: InputName | None = None
    """The input of the decoder's map, where it is not the first."""

    @property
    def own(self) -> int:
        """The number of the decoder's input."""
        return self.decoder if isinstance(self.decoder, int) else 0

    def model(self) -> int:
        """The number of the input whose size the others get."""
        if self.align == "crop":
            return self.own
        return 0 if self.own else 1

    def others(self, count: int) -> list[int]:
        """The numbers of all inputs but the decoder's."""
        return [i for i in range(count) if i != self.own]

    def spatial(self, rank: int) -> tuple[int, ...]:
        """The dims that are aligned."""
        return tuple(range(2, rank))

    def grid_needs_numbers(self) -> bool:
        return self.align == "resize"

    def joined(self, rank: int) -> int | None:
        """The dim along which the inputs are put one behind the other."""
        return None

    def aligned(self, *x: Shape) -> tuple[Shape, ...]:
        """The inputs' shapes after the alignment."""
        if self.align == "none" or len(x) == 1:
            return x
        axes = self.spatial(len(x[0]))
        model = x[self.model()]
        changed = self.others(len(x)) if self.align == "crop" else [self.own]
        return tuple(
            tuple(model[d] if d in axes else n for d, n in enumerate(shape))
            if i in changed
            else shape
            for i, shape in enumerate(x)
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from self._structure(x)
        if self.align != "none" and len(x) > 1:
            for i in self.others(len(x)):
                yield same_rank(x, self.own, i)
            yield from self._alignable(x)
        yield from self._meet(self.aligned(*x))

    def placed(self, x: Sequence[Tensor]) -> list[Tensor]:
        """The inputs' tensors after the alignment."""
        found = list(x)
        if self.align == "none" or len(x) == 1:
            return found

        own, model = x[self.own], x[self.model()]
        axes = self.spatial(own.rank)
        if self.align == "crop":
            sizes = {dim: own.size(dim) for dim in axes}
            for i in self.others(len(x)):
                found[i] = centre_cropped(x[i], sizes)
        elif self.align == "pad":
            # Where the others are smaller it stays as it is, and torch refuses to merge them.
            rest = {dim: at_least_zero(model.size(dim) - own.size(dim)) for dim in axes}
            amounts = {dim: (r // 2, r - r // 2) for dim, r in rest.items()}
            found[self.own] = zero_padded(own, amounts)
        else:
            found[self.own] = _enlarged(own, model, axes)
        return found

    def _structure(self, x: tuple[Shape, ...]) -> Requirements:
        """The conditions on ranks, before dims are compared."""
        return iter(())

    def _meet(self, x: tuple[Shape, ...]) -> Requirements:
        """The conditions on the aligned inputs."""
        return iter(())

    def _alignable(self, x: tuple[Shape, ...]) -> Requirements:
        own, model = self.own, self.model()
        for i, dim in self._pairs(x):
            a, b = x[own][dim], x[i][dim]
            if self.align == "crop":
                yield agree(
                    dim,
                    (a, b),
                    (own, i),
                    "align: pad or resize enlarges the decoder's input; `decoder: NAME` says which it is",
                    holds=a <= b,
                    field="align",
                    why="; align: crop does not enlarge",
                )
                continue
            if i != model:
                why = f"; align: {self.align} takes one size from all but the decoder's input"
                yield agree(dim, (x[model][dim], b), (model, i), field="align", why=why)
            if self.align == "pad":
                yield agree(
                    dim,
                    (a, b),
                    (own, i),
                    "align: crop cuts the other inputs, align: resize takes any size; "
                    "`decoder: NAME` says which it is",
                    holds=a <= b,
                    field="align",
                    why="; align: pad does not shrink the decoder's input",
                )
        if self.align == "resize":
            yield from self._resizable(x[own], x[model])

    def _resizable(self, first: Shape, model: Shape) -> Requirements:
        """torch's interpolate takes [N, C, spatial...]; [C, spatial...] gets a batch of 1 for it."""
        axes = self.spatial(len(first))
        yield Requirement(
            1 <= len(first) - lead(axes) <= 3,
            "T303",
            "align",
            lambda name: (
                f"align: resize takes 1 to 3 spatial dims; {name} {written(first)} has {len(first) - lead(axes)}"
            ),
            inputs=(self.own,),
        )
        for dim in range(lead(axes) - 1, len(first)):
            least_of = [first[dim], model[dim]] if dim in axes else [first[dim]]
            for n in least_of:
                yield Requirement(
                    n >= 1,
                    "T302",
                    "align",
                    lambda *_: (
                        f"align: resize cannot make {written(model)} from {written(first)}"
                    ),
                    dim=dim,
                    inputs=(self.own, self.model()),
                )

    def _pairs(self, x: tuple[Shape, ...]) -> Iterator[tuple[int, int]]:
        """Every input but the decoder's, with every dim that is aligned."""
        for dim in self.spatial(len(x[0])):
            for i in self.others(len(x)):
                yield i, dim

    def aligned_window(self, i: int, dim: int, *x: Shape) -> Window:
        """The placing of input ``i`` along one of its dims, before the inputs are merged."""
        if self.align == "none" or len(x) == 1 or dim not in self.spatial(len(x[0])):
            return POINTWISE
        is_own = i == self.own
        if is_own == (self.align == "crop"):
            return POINTWISE
        have, want = x[i][dim], x[self.model()][dim]
        if self.align == "crop":
            return cut((have - want) // 2)
        return (
            cut(-((want - have) // 2))
            if self.align == "pad"
            else resized(How("nearest"), have, want)
        )

    def aligned_sees(self, i: int, dim: int, *x: Shape) -> Seen | None:
        """The positions of input ``i`` that each position of its aligned map is made of."""
        is_resized = self.align == "resize" and i == self.own and len(x) > 1
        if is_resized and dim in self.spatial(len(x[0])):
            return seen_resized(How("nearest"), x[i][dim], x[self.model()][dim])
        return seen_through(self.aligned_window(i, dim, *x))

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        is_resized = self.align == "resize" and len(x) > 1
        if not is_resized or dim not in self.spatial(len(x[0])):
            return True
        return copies_between(How("nearest"), x[self.own][dim], x[self.model()][dim])

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        if self.align == "crop":
            for i, dim in self._pairs(x):
                yield even_crop("align", x[i][dim], x[self.own][dim], dim, inputs=(i,))

    def enlarged(self, *x: Shape) -> int | None:
        """The number of the input of which the alignment makes a new map, of the others' size; None: of none."""
        if self.align not in ("pad", "resize") or len(x) < 2:
            return None

        has_axes = bool(self.spatial(len(x[0])))
        return self.own if has_axes else None

    def made_first(self, y: Shape, *x: Shape) -> list[Dim]:
        """The sizes of the maps that are made on the way to the output, in order: an enlarged input first."""
        enlarged = self.enlarged(*x)
        return [] if enlarged is None else [math.prod(self.aligned(*x)[enlarged])]


def _enlarged(x: Tensor, model: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The map interpolated to another's size along some dims; torch needs a batch for that."""
    before = lead(axes)
    size = [model.size(dim) if dim in axes else x.size(dim) for dim in range(before, x.rank)]
    if before == 2:
        return interpolated(x, size, {})

    batched = Tensor(Call("torch.unsqueeze", (x, 0)), x.rank + 1)
    return Tensor(Call("torch.squeeze", (interpolated(batched, size, {}), 0)), x.rank)


def lead(axes: tuple[int, ...]) -> int:
    """The dims before the spatial ones: 2, or 1 where the input is [C, spatial...]."""
    return min(axes[0], 2) if axes else 2


@operation
class Concat(Merge, kw_only=True):
    """Joins its inputs along ``dim`` (channels), the skip of a U-Net: torch.cat. Every other dim must agree.

    With ``dim: 0`` the inputs count as unbatched, [C, spatial...], and ``align`` starts at dim 1; otherwise at dim
    2. The joined dim itself is never aligned. As in torch, an input of shape [0] beside others is left out.
    """

    hands_on = "all"

    dim: int = 1
    """The dim along which the inputs are put one behind the other: 1 are the channels."""

    def joined(self, rank: int) -> int | None:
        return wrapped(self.dim, rank)

    def spatial(self, rank: int) -> tuple[int, ...]:
        joined = wrapped(self.dim, rank)
        return tuple(dim for dim in range(min(joined + 1, 2), rank) if dim != joined)

    def _structure(self, x: tuple[Shape, ...]) -> Requirements:
        for i, shape in enumerate(x):
            if not shape:
                yield no_scalar(x, i)
        kept = _not_vectors(x)
        if kept:
            yield in_rank("dim", self.dim, len(x[kept[0]]), inputs=(kept[0],))
        elif not -1 <= self.dim <= 0:
            nothing = in_rank("dim", self.dim, 1, inputs=(0,))
            yield nothing._replace(holds=sum(n for (n,) in x) == 0)

    def _meet(self, x: tuple[Shape, ...]) -> Requirements:
        kept = _not_vectors(x)
        if not kept:
            return
        first = kept[0]
        joined = wrapped(self.dim, len(x[first]))
        rank = len(x[first])
        for i, shape in enumerate(x):
            if len(shape) != rank:
                yield same_rank(x, first, i, shape[0] == 0 if len(shape) == 1 else False)
        for dim in range(rank):
            for i in kept[1:]:
                a, b = x[first][dim], x[i][dim]
                if dim != joined and (same := a == b) is not True:
                    hint = CLOSE if dim in self.spatial(rank) else None
                    yield agree(dim, (a, b), (first, i), hint, holds=same)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        kept = _not_vectors(x)
        joining = [x[i] for i in kept] if kept else list(x)
        first = self.aligned(*joining)[0]
        joined = wrapped(self.dim, len(first)) if kept else 0
        return (*first[:joined], sum(shape[joined] for shape in joining), *first[joined + 1 :])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.cat", (self.placed(x), self.dim))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None if wrapped(self.dim, len(x[0])) == dim else POINTWISE


def _not_vectors(x: tuple[Shape, ...]) -> list[int]:
    """The inputs that have other than 1 dim: beside them torch.cat takes no vector but the empty one."""
    return [i for i, shape in enumerate(x) if len(shape) != 1]


@operation
class Stack(Merge, kw_only=True):
    """Puts its inputs side by side along a new dim ``dim``: torch.stack. All shapes must agree."""

    hands_on = "all"

    dim: int = 0
    """The place of the new dim."""

    def _structure(self, x: tuple[Shape, ...]) -> Requirements:
        for i in range(1, len(x)):
            yield same_rank(x, 0, i)
        yield in_rank("dim", self.dim, len(x[0]) + 1, "the result")

    def _meet(self, x: tuple[Shape, ...]) -> Requirements:
        for dim, a in enumerate(x[0]):
            for i in range(1, len(x)):
                yield agree(dim, (a, x[i][dim]), (0, i), CLOSE if dim >= 2 else None)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        first = self.aligned(*x)[0]
        dim = wrapped(self.dim, len(first) + 1)
        return (*first[:dim], len(x), *first[dim:])

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.stack", (self.placed(x), self.dim))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return POINTWISE if wrapped(self.dim, len(x[0]) + 1) > dim else None

    def source_dim(self, dim: int, *x: Shape) -> int | None:
        return dim_before(dim, wrapped(self.dim, len(x[0]) + 1))


class Elementwise(Merge, kw_only=True):
    """Arithmetic on several inputs: they broadcast, a size of 1 against n included."""

    arity: ClassVar[tuple[int, int | None]] = (2, None)
    function: ClassVar[str]
    """torch's function of two tensors."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        first, *others = self.placed(x)
        rank = max(tensor.rank for tensor in x)
        for other in others:
            first = Tensor(Call(self.function, (first, other)), rank)
        return first

    def _meet(self, x: tuple[Shape, ...]) -> Requirements:
        yield from broadcastable(x)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return broadcast_shape(self.aligned(*x))

    def made_first(self, y: Shape, *x: Shape) -> list[Dim]:
        shapes = self.aligned(*x)
        joined = [
            math.prod(broadcast_shape(shapes[: i + 1])) for i in range(1, len(shapes) - 1)
        ]
        return super().made_first(y, *x) + joined

    def operands_kept(self, first: bool, second: bool) -> tuple[bool, bool]:
        """The operands of two that autograd keeps, by which of them need a gradient."""
        return False, False

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        shapes = self.aligned(*x)
        enlarged = self.enlarged(*x)
        left: int | None = None if enlarged == 0 else 0  # None: a map made on the way
        size, left_needs = math.prod(shapes[0]), needs[0]
        inputs: list[int] = []
        values: Dim = 0
        for i in range(1, len(x)):
            keep_left, keep_right = self.operands_kept(left_needs, needs[i])
            if keep_left and left is None:
                values = values + size
            elif keep_left and left is not None:
                inputs.append(left)
            if keep_right and i == enlarged:
                values = values + math.prod(shapes[i])
            elif keep_right:
                inputs.append(i)
            left, size, left_needs = (
                None,
                math.prod(broadcast_shape(shapes[: i + 1])),
                left_needs or needs[i],
            )
        return Kept(tuple(inputs), values=values)


@operation
class Add(Elementwise):
    """The sum of its inputs, the skip of a residual block."""

    hands_on = "all"
    function = "operator.add"


@operation
class Sub(Elementwise):
    """The first input less the second."""

    hands_on = "first"
    function = "operator.sub"
    arity = (2, 2)


@operation
class Mul(Elementwise):
    """The product of its inputs, an attention gate."""

    function = "operator.mul"

    def operands_kept(self, first: bool, second: bool) -> tuple[bool, bool]:
        return second, first


@operation
class Div(Elementwise):
    """The first input divided by the second."""

    function = "operator.truediv"
    arity = (2, 2)

    def operands_kept(self, first: bool, second: bool) -> tuple[bool, bool]:
        return second, first or second

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return 2 * math.prod(y)


@operation
class Maximum(Elementwise):
    """The largest of its inputs, element by element."""

    function = "torch.maximum"

    def operands_kept(self, first: bool, second: bool) -> tuple[bool, bool]:
        return (first or second,) * 2

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return math.prod(y) + math.prod(y) // 2


@operation
class Minimum(Elementwise):
    """The smallest of its inputs, element by element."""

    function = "torch.minimum"

    def operands_kept(self, first: bool, second: bool) -> tuple[bool, bool]:
        return (first or second,) * 2

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return math.prod(y) + math.prod(y) // 2


@operation
class MatMul(Op, kw_only=True):
    """The matrix product of the last two dims, [.., n, k] by [.., k, m]; the dims before them broadcast.

    A vector on the left is a row, on the right a column, and the dim added for it is dropped. As torch's
    FlopCounterMode, ``macs`` leaves out products with a vector on the right (mv and dot).
    """

    autocast = "lower"
    arity = (2, 2)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        for i in range(len(x)):
            yield no_scalar(x, i)
        a, b = x
        inner, row = a[-1], b[-2:][0]
        yield Requirement(
            inner == row,
            "T301",
            None,
            lambda first, second: (
                f"inner sizes differ: {inner} in the last dim of {first} {written(a)}, "
                f"{row} in dim {len(b[-2:]) * -1} of {second} {written(b)}"
            ),
            inputs=(0, 1),
        )
        yield from broadcastable((a[:-2], b[:-2]), trailing=2)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        a, b = x
        leading = broadcast_shape((a[:-2], b[:-2]))
        rows = a[-2:-1]
        columns = b[-1:] if len(b) > 1 else ()
        return (*leading, *rows, *columns)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.matmul", x)

    def macs(self, y: Shape, *x: Shape) -> Dim:
        a, b = x
        return math.prod(y) * a[-1] if len(b) > 1 else 0

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        # A factor is copied first where the dims before its last two cannot be taken together as it lies in memory.
        kept: list[int] = []
        copied: Dim = 0
        for number, needed in ((0, needs[1]), (1, needs[0])):
            if not needed:
                continue
            if self._is_in_place(number, *x):
                kept.append(number)
            else:
                copied = copied + self._factor_elements(number, *x)
        return Kept(tuple(kept), values=copied)

    def _is_in_place(self, number: int, *x: Shape) -> bool:
        """Whether the product takes a factor as it lies in memory."""
        own = x[number]
        if len(own) <= 2:
            return True

        if not self._is_by_matrix(number, *x):
            return lies_in_rows(own, own[:-2], self._outer(*x))
        return has_rows(own) if number == 0 else has_rows(turned(own))

    def _is_by_matrix(self, number: int, *x: Shape) -> bool:
        """Whether all rows of a factor are multiplied at once, by a factor that is one matrix or vector."""
        own = x[number]
        other = x[1 - number]
        if len(other) <= 2:
            return True
        if len(own) != 3 or len(other) != 3:
            return False
        return is_one(other[0]) and not is_one(own[0])

    def _factor_elements(self, number: int, *x: Shape) -> Dim:
        own = x[number]
        if self._is_by_matrix(number, *x):
            return math.prod(own)
        return math.prod(self._outer(*x)) * math.prod(own[-2:])

    def _outer(self, *x: Shape) -> Shape:
        a, b = x
        return broadcast_shape((a[:-2], b[:-2]))


def turned(x: Shape) -> Shape:
    """The shape of a map whose last two dims have changed their places."""
    strides = strides_of(x)
    shape = (*x[:-2], x[-1], x[-2])
    view = (*strides[:-2], strides[-1], strides[-2])
    return LaidShape(shape, 0, view)


def lies_in_rows(
    x: Shape,
    have: Shape,
    outer: Shape,
) -> bool:
    """Whether a product takes a factor as it lies in memory, the dims before its last two broadcast and taken together.

    ``have``: what stands for these dims of it.
    """
    if len(x) <= 2:
        return True
    if have != x[:-2]:
        return False
    if not is_view(x) and have == outer:
        return True

    strides = strides_of(x)
    missing = len(outer) - len(have)
    spread: list[Dim] = [0] * missing
    for step, n, wanted in zip(strides, have, outer[missing:]):
        is_broadcast = n != wanted
        spread.append(0 if is_broadcast else step)

    last = x[-2:]
    laid = (*spread, *strides[-2:])
    matrices = (math.prod(outer), *last)
    return regrouped((*outer, *last), laid, matrices) is not None
