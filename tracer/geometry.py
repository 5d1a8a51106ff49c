"""Floor 6: where in the input a node's positions lie and what they see: sampling grids and receptive fields, per dim.

Position j of a map is centred at offset + j · stride, in input pixels. The places follow from the operations' arguments
exactly, as ratios of integers, or of sizes where the input's are symbols; weights move none. Where an operation treats
its positions in turns (a transposed convolution, a resize), the grid is the mean over a turn. A dim has no grid where
its positions see all of the input, or where another dim's values are spread over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import gcd
from typing import Any, NamedTuple

import msgspec

from tracer.arithmetic import Dim, Holds
from tracer.network.records import Network, Node
from tracer.ops.base import POINTWISE, Op, Shape, Window, with_arguments
from tracer.ops.merge import Merge
from tracer.symbol import Size
from tracer.trace import Ops, Trace, dims_value

Shapes = Sequence[Shape | None]
"""The shape of every node, in execution order: of ints, or of symbolic sizes."""


class Field(msgspec.Struct, frozen=True):
    """Along one axis, in input pixels: the largest extent that a position sees, and the step between positions."""

    extent: int | None
    """None: the whole input."""
    stride: Fraction


class Ratio(NamedTuple):
    """A ratio of ints or sizes; the denominator is positive."""

    numerator: Dim
    denominator: Dim = 1

    def plus(self, other: Ratio) -> Ratio:
        """The sum."""
        (a, b), (c, d) = self, other
        return reduced(a + c, b) if b is d else reduced(a * d + c * b, b * d)

    def times(self, numerator: Dim, denominator: Dim) -> Ratio:
        """The product with another ratio."""
        return reduced(self[0] * numerator, self[1] * denominator)

    def equals(self, other: Ratio) -> Holds:
        """Whether both are the same number: a bool, or a condition on sizes."""
        return self.numerator * other.denominator == other.numerator * self.denominator


def reduced(numerator: Dim, denominator: Dim) -> Ratio:
    """The ratio in lowest terms; of sizes, without the integer factors that all of their terms have in common."""
    if numerator.__class__ is int and denominator.__class__ is int:
        common = gcd(numerator, denominator)
    else:
        common = gcd(_content(numerator), _content(denominator))
    return Ratio(numerator, denominator) if common <= 1 else Ratio(numerator // common, denominator // common)


def _content(n: Dim) -> int:
    return gcd(n.siblings.common, n.constant) if isinstance(n, Size) else n


class Grid(NamedTuple):
    """Along one dim, in input pixels: the step between positions, and the place of the first."""

    stride: Ratio
    offset: Ratio

    def equals(self, other: Grid) -> Holds:
        """Whether every position lies at the same place in both."""
        if self is other:
            return True
        return self.stride.equals(other.stride) & self.offset.equals(other.offset)

    def through(self, window: Window) -> Grid | None:
        """The grid behind a window."""
        if window is POINTWISE:
            return self
        if window.first is None:
            return None
        step = window.step or (window.down, window.up)
        return Grid(self.stride.times(*step), self.offset.plus(self.stride.times(*window.first)))


PIXELS = Grid(Ratio(1), Ratio(0))
"""The input's own."""

Grids = tuple[Grid | None, ...]
"""One for each dim of a shape; None where there is no grid."""


class Meeting(NamedTuple):
    """Two inputs of a merge along a dim where both have a grid."""

    node: Node
    dim: int
    """Counted as broadcasting does, in the largest rank of the inputs."""
    first: int
    second: int
    """The inputs' numbers, from 0."""
    grids: tuple[Grid, Grid]
    """As they are merged, that is behind the alignment."""
    holds: Holds
    """Whether the grids are the same, position by position: a bool, or a condition where sizes are symbols."""


class Placed(NamedTuple):
    """Where a node's positions lie."""

    grids: Grids
    enlarged: bool
    """By an up-layer, since the input or the last merge with a map that was not."""


def grids(network: Network, ops: Ops, shapes: Shapes) -> list[Grids | None]:
    """The sampling grid of every node in execution order, per dim of its shape; None for a node without a shape.

    Inputs have stride 1 and offset 0 along their spatial dims. Behind a merge, that input's grid goes on which no
    up-layer has enlarged, the skip's (the last of several): so one misaligned merge makes no other look misaligned.
    """
    return [None if placed is None else placed.grids for placed in _places(network, ops, shapes)]


def _places(network: Network, ops: Ops, shapes: Shapes) -> list[Placed | None]:
    """Equal places are one object, and equal layers on equal maps are asked once."""
    lead = _leading_dims(network, ops, shapes)
    found: list[Placed | None] = []
    memo: dict[Any, Placed] = {}
    distinct: dict[Placed, Placed] = {}
    windows: dict[tuple[int, int], list[Window | None]] = {}
    symbols: dict[str, Dim] = {}
    for node, op, y in zip(network.nodes, ops, shapes):
        if y is None or (op is None and not node.is_input):
            found.append(None)
            continue
        if op is None:
            spatial = (PIXELS,) * max(len(y) - lead, 0)
            placed = Placed((None,) * (len(y) - len(spatial)) + spatial, False)
            symbols.update((d, n) for d, n in zip(node.pattern, y) if isinstance(d, str))
            found.append(distinct.setdefault(placed, placed))
            continue
        before: list[Any] = [found[source.index] for source in node.inputs]
        if len(before) == 1 and type(op).window is Op.window and len(before[0].grids) == len(y):
            found.append(before[0])
            continue
        x: list[Any] = [shapes[source.index] for source in node.inputs]
        if node.dim_fields or node.operands:
            placed = _placed(*_evaluated(node, op, shapes, symbols), x, before, y)
            found.append(distinct.setdefault(placed, placed))
            continue
        fixed = op.fixed_window and len(before) == 1
        key = (id(op), id(before[0])) if fixed else (id(op), *map(id, before), *x)
        known = memo.get(key)
        if known is None:
            placed = _fixed(op, x[0], before[0], windows) if fixed else _placed(op, {}, x, before, y)
            memo[key] = known = distinct.setdefault(placed, placed)
        found.append(known)
    return found


def _leading_dims(network: Network, ops: Ops, shapes: Shapes) -> int:
    """How many dims stand before the spatial ones: channels and batch, or channels alone for an unbatched input."""
    for node, op, y in zip(network.nodes, ops, shapes):
        if op is not None and y is not None and type(op).leading_dims is not Op.leading_dims:
            dims = op.leading_dims(*[shapes[source.index] or () for source in node.inputs])
            if dims is not None:
                return 1 if dims == 1 else 2
    return 2


def _evaluated(node: Node, op: Op, shapes: Shapes, symbols: Mapping[str, Dim]) -> tuple[Op, dict[str, Shape]]:
    """The operation with its dims over symbols computed, and the shapes behind its arguments that name nodes."""
    if node.dim_fields:
        op = with_arguments(op, {field: dims_value(dims, symbols) for field, dims in node.dim_fields.items()})
    return op, {field: shapes[source.index] or () for field, source in node.operands.items()}


def _placed(op: Op, given: dict[str, Shape], x: list[Shape], before: list[Placed], y: Shape) -> Placed:
    """Where an operation's output lies."""
    rank = max(len(own.grids) for own in before) if isinstance(op, Merge) else 0
    result: list[Grid | None] = []
    enlarged = False
    for dim, out in enumerate(y):
        grid, was_enlarged = _arriving(op, x, before, dim, rank, out)
        window = None if grid is None else op.window(dim, *x, **given)
        result.append(None if grid is None or window is None else grid.through(window))
        enlarged |= was_enlarged or (window is not None and not _is_one(window.up))
    return Placed(tuple(result), enlarged)


def _fixed(op: Op, x: Shape, before: Placed, windows: dict[tuple[int, int], list[Window | None]]) -> Placed:
    """Where the output of an operation lies that keeps its dims and has the same windows for every size."""
    key = (id(op), len(x))
    known = windows.get(key)
    if known is None:
        known = windows[key] = [op.window(dim, x) for dim in range(len(x))]
    result: list[Grid | None] = []
    enlarged = before.enlarged
    last: tuple[Grid | None, Window | None] = (None, None)
    for grid, window in zip(before.grids, known):
        if grid is None or window is None:
            result.append(None)
        elif grid is last[0] and window == last[1]:  # height and width mostly are alike
            result.append(result[-1])
        else:
            result.append(grid.through(window))
            enlarged |= not _is_one(window.up)
            last = grid, window
    return Placed(tuple(result), enlarged)


def _arriving(op: Op, x: list[Shape], before: list[Placed], dim: int, rank: int, out: Dim) -> tuple[Grid | None, bool]:
    """The grid along a dim (counted as in the largest rank, where that is given) that goes on behind the operation.

    Of the inputs that have one: rather not a row that is repeated, rather one that was not enlarged, and the last.
    """
    found: list[tuple[bool, bool, int, Grid]] = []
    for i, (own, enlarged) in enumerate(before):
        at = dim - rank + len(own) if rank else dim
        grid = own[at] if 0 <= at < len(own) else None
        grid = None if grid is None else grid.through(op.aligned_window(i, at, *x))
        if grid is not None:
            found.append((_is_broadcast(x[i][at], out), enlarged, -i, grid))
    if not found:
        return None, False
    _, enlarged, _, grid = min(found, key=lambda one: one[:3])
    return grid, enlarged


def _is_one(n: Dim) -> bool:
    """Whether a dim is known to be 1."""
    return isinstance(n, int) and n == 1


def _is_broadcast(n: Dim, out: Dim) -> bool:
    """Whether a map of one row is known to be repeated over several."""
    return _is_one(n) and isinstance(out, int) and out != 1


def meetings(network: Network, ops: Ops, shapes: Shapes) -> Iterator[Meeting]:
    """Every merge of inputs, per dim, of the first that has a grid there with each other one.

    A map of one row that is repeated over several does not lie where they do, unless it has no grid, as behind a global
    pooling. The dim along which a concatenation joins is left out.
    """
    found = _places(network, ops, shapes)
    memo: dict[Any, list[tuple[int, int, int, tuple[Grid, Grid], Holds]]] = {}
    for node, op, placed in zip(network.nodes, ops, found):
        if placed is None or len(node.inputs) < 2 or not isinstance(op, Merge):
            continue
        before: list[Any] = [found[source.index] for source in node.inputs]
        x: list[Any] = [shapes[source.index] for source in node.inputs]
        key = (id(op), *[id(own.grids) for own in before], *x)
        met = memo.get(key)
        if met is None:
            met = memo[key] = list(_met(op, x, [own.grids for own in before]))
        for meeting in met:
            yield Meeting(node, *meeting)


def _met(op: Merge, x: list[Shape], before: list[Grids]) -> Iterator[tuple[int, int, int, tuple[Grid, Grid], Holds]]:
    rank = max(map(len, before))
    sizes = op.aligned(*x)
    for dim in range(rank):
        if dim == op.joined(rank):
            continue
        first: tuple[int, Grid, Dim] | None = None
        for i, own in enumerate(before):
            at = dim - rank + len(own)
            grid = own[at] if at >= 0 else None
            grid = None if grid is None else grid.through(op.aligned_window(i, at, *x))
            if grid is None:
                continue
            if first is None:
                first = i, grid, sizes[i][at]
                continue
            j, other, n = first
            yield dim, j, i, (other, grid), other.equals(grid) & (n == sizes[i][at])


def fields(trace: Trace) -> dict[str, tuple[Field, ...]]:
    """The receptive field of every traced node, per spatial axis of the first input; the largest over paths.

    Behind a resize or a transposed convolution, positions see different extents and step by fractions: the extent is
    then rounded up to whole pixels, and right to one step of the map that was enlarged.
    Source of the recurrence: Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks",
    Distill 2019.
    """
    found: dict[str, tuple[Field, ...]] = {}
    exact: dict[str, list[tuple[Fraction | None, Fraction]]] = {}
    lead = _leading_dims(trace.network, trace.ops, trace.by_index)
    for node in trace.network.nodes:
        y = trace.shapes[node.name]
        if y is None:
            continue
        exact[node.name] = (
            [(Fraction(1), Fraction(1))] * max(len(y) - lead, 0) if node.is_input else _after(trace, node, exact, lead)
        )
        found[node.name] = tuple(
            Field(None if extent is None else -(-extent.numerator // extent.denominator), stride)
            for extent, stride in exact[node.name]
        )
    return found


def _after(
    trace: Trace, node: Node, exact: dict[str, list[tuple[Fraction | None, Fraction]]], lead: int
) -> list[tuple[Fraction | None, Fraction]]:
    op = trace.ops[node.index]
    before = [exact.get(source.name, []) for source in node.inputs]
    axes = min((len(b) for b in before), default=0)
    inputs = [trace.shapes[source.name] or () for source in node.inputs]
    sizes = {field: trace.shapes[source.name] or () for field, source in node.operands.items()}
    result: list[tuple[Fraction | None, Fraction]] = []
    for axis in range(axes):
        extents = [b[axis][0] for b in before]
        stride = max(b[axis][1] for b in before)
        window = op.window(lead + axis, *inputs, **sizes) if op is not None else None
        if window is None or window.extent is None or None in extents:
            result.append((None, stride))
            continue
        widest = max(e for e in extents if e is not None)
        result.append((widest + (window.extent - 1) * stride, stride * window.down / window.up))
    return result
