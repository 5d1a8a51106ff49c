"""Where in the input a node's positions lie: sampling grids, per dim.

Position j of a map is centred at offset + j · stride, in input pixels. The places follow from the operations' arguments
exactly, as ratios of integers, or of sizes where the input's are symbols; weights move none. Where an operation treats
its positions in turns (a transposed convolution, a resize), the grid is the mean over a turn. A dim has no grid where
its positions see all of the input, or where another dim's values are spread over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import gcd
from typing import Any, NamedTuple

from tracer.geometry.frames import Frame, frames
from tracer.memo import Memo
from tracer.network.records import Node
from tracer.ops.base import Op, Shape, with_arguments
from tracer.ops.crop import Slice
from tracer.ops.merge import Merge
from tracer.ops.rearrange import Permute, Squeeze, Transpose, Unsqueeze
from tracer.ops.windows import POINTWISE, Window
from tracer.shapes.trace import Trace, dims_value
from tracer.shapes.traced import Traced, Visit
from tracer.sizing.arithmetic import Dim, Holds
from tracer.sizing.size_set import TooLarge
from tracer.sizing.symbol import Size


class Ratio(NamedTuple):
    """A ratio of ints, in lowest terms, or of sizes; the denominator is positive."""

    numerator: Dim
    denominator: Dim = 1

    def equals(self, other: Ratio) -> Holds:
        """Whether both are the same number: a bool, or a condition on sizes."""
        return self.numerator * other.denominator == other.numerator * self.denominator


class Grid(NamedTuple):
    """Along one dim, in input pixels: the step between positions, and the place of the first."""

    stride: Ratio
    offset: Ratio

    def equals(self, other: Grid) -> Holds:
        """Whether every position lies at the same place in both."""
        return self.stride.equals(other.stride) & self.offset.equals(other.offset)


MOVING = (Permute, Transpose, Squeeze, Unsqueeze)
"""Operations behind which positions lie as before, in other dims."""

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


Place = tuple[Dim, Dim, Dim, Dim]
"""A grid while it is worked out: the stride's and the offset's numerator and denominator. Plain tuples of ints are made
quickly, and the garbage collector leaves them alone."""

Placed = tuple[tuple[Place | None, ...], bool]
"""Where a node's positions lie, and whether an up-layer has enlarged its map since the input or since the last merge
with one that was not."""

Met = tuple[int, int, int, tuple[Grid, Grid], Holds]
"""A meeting without its node."""

TERMS = 400
"""Of an offset over symbols; resizes that align corners multiply them where they do not undo each other."""

PIXELS: Place = (1, 1, 0, 1)
"""The input's own."""

NOWHERE: Placed = ((), False)
"""Of a map that comes from no input of a frame."""


def _grid(place: Place) -> Grid:
    return Grid(Ratio(*place[:2]), Ratio(*place[2:]))


def _through(place: Place, window: Window) -> Place | None:
    """The places behind a window. Raises :class:`TooLarge` where they cannot be written down."""
    _, down, up, first, step, _ = window
    if first is None:
        return None
    stride, unit, offset, part = place
    if first[0].__class__ is not int or first[0]:
        n, d = reduced(stride * first[0], unit * first[1])
        offset, part = (
            reduced(offset + n, d) if d is part else reduced(offset * d + n * part, d * part)
        )
        if offset.__class__ is Size and len(offset.terms) > TERMS:
            raise TooLarge("where the positions lie is too long an expression over the sizes")
    if step is not None:
        down, up = step
    if down is not up:  # small ints are one object, and so are equal sizes
        stride, unit = reduced(stride * down, unit * up)
    return stride, unit, offset, part


def reduced(numerator: Dim, denominator: Dim) -> tuple[Dim, Dim]:
    """A ratio in lowest terms; of sizes, without the integer factors that all of their terms have in common."""
    common = gcd(_content(numerator), _content(denominator))
    if common <= 1:
        return (numerator, denominator)
    return (numerator // common, denominator // common)


def _content(n: Dim) -> int:
    if n.__class__ is int:
        return n
    return gcd(n.siblings.common, n.constant)


def grids(traced: Traced) -> list[Grids | None]:
    """The sampling grid of every node in execution order, per dim of its shape; None for a node without a shape.

    Inputs have stride 1 and offset 0 along their spatial dims. A map of inputs that are not tied lies where the first
    of them says. Behind a merge, that input's grid goes on which no
    up-layer has enlarged, the skip's (the last of several): so one misaligned merge makes no other look misaligned.
    """
    found = _in_frames(traced, _cache_for(traced))
    first, *others = [_written(traced, placed) for placed in found]
    for other in others:
        for index, measured in enumerate(other):
            own = first[index]
            lies_nowhere = own is not None and not any(own)
            if lies_nowhere:
                first[index] = measured
    return first


def _written(traced: Traced, found: list[Placed | None]) -> list[Grids | None]:
    """Places as grids, which are one object where the places are."""
    known: dict[int, Grids] = {}  # by the id of the places, which `found` keeps
    for placed in found:
        if placed is not None and id(placed) not in known:
            known[id(placed)] = tuple(
                [None if place is None else _grid(place) for place in placed[0]]
            )

    written: list[Grids | None] = []
    for shape, placed in zip(traced.by_index, found):
        own: Grids | None = None
        if placed is NOWHERE:
            rank = len(shape or ())
            own = (None,) * rank
        elif placed is not None:
            own = known[id(placed)]
        written.append(own)
    return written


class GridCache(NamedTuple):
    """Equal layers on equal maps are asked once, and equal places are one object."""

    windows: Memo[tuple[list[Window | None], bool]]
    """By operation and rank, of those whose windows are fixed; and whether they leave everything in its place."""
    placed: Memo[Placed]
    """By operation, inputs and their shapes."""
    behind: Memo[Placed]
    """By operation, its only input and the output's rank, where the places follow from these."""
    met: Memo[list[Met]]
    distinct: Memo[Placed]

    def one(self, placed: Placed) -> Placed:
        """The object that stands for equal places."""
        known = self.distinct.get(placed)
        if known is None:
            known = self.distinct[placed] = placed
        return known


def _fresh() -> GridCache:
    return GridCache(Memo(4096), Memo(4096), Memo(4096), Memo(4096), Memo(4096))


_of_ints = _fresh()


def _cache_for(traced: Traced) -> GridCache:
    """The shared cache for integer shapes, or a fresh one for symbolic shapes, which belong to one network."""
    # Symbols come in by what reads nothing, or by what is open; a walk would visit every node once more.
    for node in traced.network.nodes:
        is_start = not node.inputs
        if is_start and any(isinstance(n, Size) for n in traced.by_index[node.index] or ()):
            return _fresh()
        if node.unknowns and _has_symbols(traced.ops[node.index], node):
            return _fresh()
    return _of_ints


def _has_symbols(op: Op | None, node: Node) -> bool:
    """Whether an argument that is open is a symbol still."""
    for unknown in node.unknowns:
        value = getattr(op, unknown.field, None)
        values = value if isinstance(value, tuple) else (value,)
        if any(isinstance(n, Size) for n in values):
            return True
    return False


def _in_frames(traced: Traced, cache: GridCache) -> list[list[Placed | None]]:
    """Where the positions of every node lie, in the pixels of each frame."""
    lead = leading_dims(traced)
    measured = frames(traced.network, lead)
    # Without an input of more dims, positions lie nowhere.
    if not measured:
        measured = [Frame({})]
    return [_places(traced, cache, frame) for frame in measured]


def _places(traced: Traced, cache: GridCache, frame: Frame) -> list[Placed | None]:
    """Where the positions of every node lie; None for a node without a shape."""
    found: list[Placed | None] = []
    symbols: dict[str, Dim] = {}
    known = cache.behind
    for node, op, shape in zip(traced.network.nodes, traced.ops, traced.by_index):
        if shape is None:
            found.append(None)
            continue
        if op is None:
            found.append(_of_input(node, shape, symbols, frame, cache))
            continue

        placed = None
        if len(node.inputs) == 1:
            # What has a shape reads only what has one, and so a place.
            before: Any = found[node.inputs[0].index]
            placed = known.get((id(op), id(before), len(shape)))
            placed = placed or _behind_only(node, op, before, len(shape), cache)
        if placed is None:
            all_before: list[Any] = [found[source.index] for source in node.inputs]
            placed = _behind(traced.visit(node), op, all_before, symbols, cache)
        found.append(placed)
    return found


def _of_input(
    node: Node, shape: Shape, symbols: dict[str, Dim], frame: Frame, cache: GridCache
) -> Placed | None:
    """Where the positions of an input lie, whose symbols are noted; None for a node that is at fault."""
    if not node.is_input:
        return None
    for dim, n in zip(node.pattern, shape):
        if isinstance(dim, str):
            symbols[dim] = n

    steps = frame.steps.get(node.index)
    return NOWHERE if steps is None else cache.one((tuple(map(_pixels, steps)), False))


def _pixels(step: Fraction | None) -> Place | None:
    """The places of pixels of a size, which begin where the frame's do.

    >>> _pixels(Fraction(4))
    (4, 1, 3, 2)
    """
    if step is None:
        return None
    if step == 1:
        return PIXELS
    n, d = step.as_integer_ratio()
    offset, part = reduced(n - d, 2 * d)
    return n, d, offset, part


def _behind(
    visit: Visit,
    op: Op,
    before: list[Placed],
    symbols: Mapping[str, Dim],
    cache: GridCache,
) -> Placed:
    """Where the positions lie behind an operation. ``before``: where those of its inputs do."""
    node = visit.node
    shape = visit.shape or ()
    if before and before[0] is NOWHERE and all(placed is NOWHERE for placed in before):
        return NOWHERE

    inputs = visit.inputs
    if node.dim_fields or node.operands:
        numbered = with_numbers(node, op, symbols)
        return cache.one(_placed(numbered, visit.sizes, inputs, before, shape))

    key = (id(op), *map(id, before), *inputs)
    known = cache.placed.get(key)
    if known is None:
        placed = cache.one(_placed(op, {}, inputs, before, shape))
        known = cache.placed.keep(key, placed, op, before)
    return known


def _behind_only(
    node: Node,
    op: Op,
    before: Placed,
    rank: int,
    cache: GridCache,
) -> Placed | None:
    """Where the positions lie behind a node with one input; None where that takes more than the input's places."""
    if before is NOWHERE:
        return before
    if node.unknowns and _has_symbols(op, node):
        return None

    placed = _behind_one(op, before, rank, cache)
    if placed is not None:
        cache.behind.keep((id(op), id(before), rank), placed, op, before)
    return placed


def _behind_one(op: Op, before: Placed, rank: int, cache: GridCache) -> Placed | None:
    """Where the positions lie behind an operation with one input; None where that takes the input's sizes."""
    if type(op).window is Op.window and len(before[0]) == rank:
        return before
    return _fixed(op, before, cache) if op.fixed_window else None


def leading_dims(traced: Traced) -> int:
    """The number of dims before the spatial ones: 2, batch and channels, or 1 for an unbatched input."""
    for node, op, shape in zip(traced.network.nodes, traced.ops, traced.by_index):
        if op is None or shape is None:
            continue
        if type(op).leading_dims is not Op.leading_dims:
            dims = op.leading_dims(*traced.visit(node).inputs)
            if dims is not None:
                return 1 if dims == 1 else 2
    return 2


def spatial_symbols(trace: Trace) -> list[str]:
    """The symbols in the inputs' spatial dims, in order of appearance."""
    lead = leading_dims(trace)
    patterns = [node.pattern[lead:] for node in trace.network.nodes if node.is_input]
    return list(
        dict.fromkeys(dim for pattern in patterns for dim in pattern if isinstance(dim, str))
    )


def with_numbers(node: Node, op: Op, symbols: Mapping[str, Dim]) -> Op:
    """The operation with its dims over symbols computed."""
    if not node.dim_fields:
        return op
    values = {field: dims_value(dims, symbols) for field, dims in node.dim_fields.items()}
    return with_arguments(op, values)


def _placed(
    op: Op, given: dict[str, Shape], x: list[Shape], before: list[Placed], y: Shape
) -> Placed:
    """Where an operation's output lies."""
    if isinstance(op, MOVING):
        return _moved(op, x[0], before[0], y)

    rank = max(map(len, x)) if isinstance(op, Merge) else 0
    result: list[Place | None] = []
    enlarged = False
    for dim, out in enumerate(y):
        place, was_enlarged = _arriving(op, x, before, dim, rank, out)
        window = None if place is None else op.window(dim, *x, **given)
        enlarged |= was_enlarged
        if place is None or window is None:
            result.append(None)
            continue
        result.append(_through(place, window))
        enlarged |= not _is_one(window.up)
    return tuple(result), enlarged


def _moved(op: Op, x: Shape, before: Placed, y: Shape) -> Placed:
    """Where the output lies of an operation that puts dims in another order, adds or drops some."""
    own, enlarged = before
    sources = [op.source_dim(dim, x) for dim in range(len(y))]
    places = [own[at] if at is not None and at < len(own) else None for at in sources]
    return tuple(places), enlarged


def _fixed(op: Op, before: Placed, cache: GridCache) -> Placed:
    """Where the output lies of an operation whose windows follow from the input's rank alone."""
    own, enlarged = before
    windows, stays = _windows(op, len(own), cache)
    if stays:
        return before

    result: list[Place | None] = []
    last = None
    over = None
    moved = None
    for place, window in zip(own, windows):
        if place is None or window is None:
            result.append(None)
            continue
        # Height and width mostly are alike.
        if place is not last or window != over:
            last = place
            over = window
            moved = _through(place, window)
            enlarged = enlarged or not _is_one(window.up)
        result.append(moved)
    return cache.one((tuple(result), enlarged))


def _windows(op: Op, rank: int, cache: GridCache) -> tuple[list[Window | None], bool]:
    """The windows of an operation by dim, and whether they leave every position in its place."""
    key = (id(op), rank)
    known = cache.windows.get(key)
    if known is None:
        windows = [op.window(dim, (1,) * rank) for dim in range(rank)]
        stays = all(w is not None and w[1:5] == POINTWISE[1:5] for w in windows)
        known = cache.windows.keep(key, (windows, stays), op)
    return known


def _arriving(
    op: Op, x: list[Shape], before: list[Placed], dim: int, rank: int, out: Dim
) -> tuple[Place | None, bool]:
    """The places along a dim (counted as in the largest rank, where that is given) that go on behind the operation.

    Of the inputs that have some: rather not a row that is repeated, rather one that was not enlarged, and the last.
    """
    found: list[tuple[bool, bool, int, Place]] = []
    for i, (own, enlarged) in enumerate(before):
        at = dim - rank + len(x[i]) if rank else dim
        place = own[at] if 0 <= at < len(own) else None
        if place is not None and isinstance(op, Merge):
            place = _through(place, op.aligned_window(i, at, *x))
        if place is not None:
            is_repeated = _is_broadcast(x[i][at], out)
            found.append((is_repeated, enlarged, -i, place))
    if not found:
        return None, False
    _, enlarged, _, place = min(found, key=lambda one: one[:3])
    return place, enlarged


def _is_one(n: Dim) -> bool:
    """Whether a dim is known to be 1."""
    return isinstance(n, int) and n == 1


def _is_broadcast(n: Dim, out: Dim) -> bool:
    """Whether a map of one row is known to be repeated over several."""
    return _is_one(n) and isinstance(out, int) and out != 1


def meetings(traced: Traced) -> Iterator[Meeting]:
    """Every merge of inputs, per dim, of the first that has a grid there with each other one of the same frame.

    Maps of inputs whose sizes nothing ties have no frame in common (:mod:`tracer.geometry.frames`).

    A map of one row that is repeated over several does not lie where they do, unless it has no grid, as behind a global
    pooling. The dim along which a concatenation joins is left out.
    """
    merges = [(node, op) for node, op in traced.merges if _is_meeting(node, op)]
    if not merges:
        return
    cache = _cache_for(traced)
    seen: dict[tuple[int, int], list[Met]] = {}
    for found in _in_frames(traced, cache):
        for node, op in merges:
            if found[node.index] is None:
                continue
            before = [found[source.index] for source in node.inputs]
            met = _met_at(traced.visit(node), op, before, cache)
            # Places that two frames agree on are one object, and so is what is found of them.
            key = node.index, id(met)
            if key in seen:
                continue
            seen[key] = met
            for meeting in met:
                yield Meeting(node, *meeting)


def _is_meeting(node: Node, op: Merge) -> bool:
    """Whether maps meet at a merge whose positions are to be compared."""
    if len(node.inputs) < 2:
        return False
    is_joining = op.joined(1) is not None
    return not (is_joining and _are_phases(node))


def _are_phases(node: Node) -> bool:
    """Whether all inputs are one map's rows and columns of equal steps, which are put beside each other on purpose.

    So is a patch merged, or every second position of either axis moved to channels: a pixel unshuffle in other words.
    """
    if not isinstance(node.inputs[0].op, Slice):
        return False
    found = {_phase_of(source) for source in node.inputs}
    ((_, steps), *others) = found
    return not others and bool(steps)


def _phase_of(node: Node) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The map that a chain of slices starts from, and the steps that it takes along dims, those of 1 left out."""
    steps: dict[int, int] = {}
    while isinstance(node.op, Slice) and len(node.inputs) == 1:
        steps[node.op.dim] = steps.get(node.op.dim, 1) * node.op.step
        (node,) = node.inputs
    return node.index, tuple(sorted((dim, step) for dim, step in steps.items() if step != 1))


def _met_at(visit: Visit, op: Merge, before: list[Any], cache: GridCache) -> list[Met]:
    x = visit.inputs
    key = (id(op), *map(id, before), *x)
    known = cache.met.get(key)
    if known is None:
        places = [own for own, _ in before]
        met = list(_met(op, x, places))
        known = cache.met.keep(key, met, op, before)
    return known


def _met(op: Merge, x: list[Shape], before: list[tuple[Place | None, ...]]) -> Iterator[Met]:
    rank = max(map(len, x))
    sizes = op.aligned(*x)
    for dim in range(rank):
        if dim == op.joined(rank):
            continue
        first: tuple[int, Grid, Dim] | None = None
        for i, own in enumerate(before):
            at = dim - rank + len(x[i])
            place = own[at] if 0 <= at < len(own) else None
            if place is not None:
                place = _through(place, op.aligned_window(i, at, *x))
            if place is None:
                continue

            grid = _grid(place)
            size = sizes[i][at]
            if first is None:
                first = i, grid, size
                continue

            j, other, n = first
            fits = other.equals(grid) & (n == size)
            yield dim, j, i, (other, grid), fits


class Unpooling(NamedTuple):
    """A max unpooling along one dim: whether it gives back the size that was pooled."""

    node: Node
    pool: Node
    dim: int
    holds: Holds


def unpoolings(traced: Traced) -> Iterator[Unpooling]:
    """Every max unpooling, per spatial dim.

    Indices count positions of the pooled map, row by row: in an output of another size they are other positions, or
    none at all.
    """
    for node, y in zip(traced.network.nodes, traced.by_index):
        pool = node.operands.get("indices") if node.operands else None
        if pool is None:
            continue
        pooled = traced.by_index[pool.inputs[0].index]
        if y is None or pooled is None:
            continue

        axes = int(getattr(node.op, "axes", 0))
        for dim in range(len(y) - axes, len(y)):
            holds = pooled[dim] == y[dim]
            yield Unpooling(node, pool, dim, holds)
