"""What every position of a map sees of the input, exactly, per spatial axis.

Where an operation treats its positions in turns, so do the maps behind it: what position j sees is known for the
positions of one turn, and a turn later everything is so many input pixels further. Borders are ignored: a position in
a padding counts as one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from math import gcd
from typing import Any, NamedTuple

import msgspec

from tracer.geometry.grids import Grids, grids, leading_dims
from tracer.memo import Memo
from tracer.ops.base import Op, Shape
from tracer.ops.merge import Merge
from tracer.ops.windows import TURN, Seen
from tracer.shapes.trace import Trace
from tracer.shapes.traced import Visit

NOBODY = 2**60
"""Where a position begins that sees nothing; what lies beyond half of it is none."""


class Field(msgspec.Struct, frozen=True):
    """Along one axis, in input pixels."""

    extent: int | None
    """From the first to the last pixel that a position sees, the most over positions and paths; None: all of them, or
    not computed."""
    smallest: int | None
    """The same along the path that sees least; None where every path sees all."""
    stride: Fraction
    """From a position to the next."""
    offset: Fraction | None
    """The place of position 0; None where positions lie on no grid."""
    turn: int | None = None
    """Positions from which on the extent is the same, whatever the map's size; None where that decides."""
    computed: bool = True
    """False where paths of unlike strides drift apart over more positions than are followed one by one."""


class Reach(NamedTuple):
    """The first and the last pixel that each position of a turn sees, and how much further a turn later.

    Without a turn (``by`` None) these are all the positions that there are.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    by: int | None

    def extent(self, n: int) -> int:
        """The most pixels that one of ``n`` positions sees."""
        pairs = zip(self.low[: max(n, 1)], self.high)
        return max((high - low + 1 for low, high in pairs if low < NOBODY // 2), default=0)


Paths = tuple[Reach | None, Reach | None]
"""What is seen along all paths together, and along the one that sees least; None: everything."""

PIXEL = Reach((0,), (0,), 1)

UNKNOWN = Reach((), (), None)
"""What is not computed, and what lies behind it."""

_known: Memo[Paths] = Memo(16_384)
"""By operation, dim and what the inputs see: equal layers are asked once."""

_seen: Memo[Seen | None] = Memo(4096)
"""By operation and dim, of those whose windows are fixed."""

_MISSING: Any = object()
"""In the place of what is not known yet, where None is a value."""

_fields: Memo[Field] = Memo(4096)
"""By grid, what is seen, and size."""


def fields(trace: Trace) -> dict[str, tuple[Field, ...]]:
    """The receptive field of every traced node, per spatial axis of its map.

    >>> import tracer
    >>> net = tracer.loads("input: [1, 3, 8]\\nlayers: {mix: {op: Conv1d, out_channels: 4, kernel_size: 3, stride: 2}}")
    >>> fields(net.trace())["mix"][0].extent
    3
    """
    return _followed(trace)[0]


def reaches(trace: Trace) -> list[list[Reach | None]]:
    """What every node's positions see along all paths, per spatial axis, by the node's index.

    None: everything, or not computed. There are none for a node that is not traced.
    """
    found = []
    for pairs in _followed(trace)[1]:
        wholes = [whole for whole, _ in pairs]
        found.append([None if whole is UNKNOWN else whole for whole in wholes])
    return found


def _followed(trace: Trace) -> tuple[dict[str, tuple[Field, ...]], list[list[Paths]]]:
    """The fields by name, and the paths by index, of all nodes."""
    lead = leading_dims(trace)
    placed = grids(trace)
    found: dict[str, tuple[Field, ...]] = {}
    paths: list[list[Paths]] = []
    made: list[tuple[Field, ...]] = []
    for visit in trace.walk():
        node = visit.node
        if visit.shape is None or (visit.op is None and not node.is_input):
            paths.append([])
            made.append(())
            continue

        if _sees_as_its_input(visit, lead, paths):
            first = node.inputs[0].index
            paths.append(paths[first])
            made.append(made[first])
        else:
            own = _paths_of(visit, lead, paths)
            grid = placed[node.index]
            paths.append(own)
            described = []
            for dim, pair in enumerate(own, lead):
                described.append(_field(visit, dim, pair, grid, made))
            made.append(tuple(described))
        found[node.name] = made[-1]
    return found, paths


def _sees_as_its_input(visit: Visit, lead: int, paths: Sequence[list[Paths]]) -> bool:
    """Whether every position of a node is made of the one at its place, in a map with the same axes."""
    op = visit.op
    inputs = visit.node.inputs
    if op is None or len(inputs) != 1 or isinstance(op, Merge):
        return False
    kind = type(op)
    is_plain = kind.window is Op.window and kind.sees is Op.sees
    if not is_plain:
        return False

    spatial = len(paths[inputs[0].index])
    return len(visit.shape or ()) == lead + spatial


def _paths_of(visit: Visit, lead: int, paths: Sequence[list[Paths]]) -> list[Paths]:
    """What a node's positions see, per spatial axis."""
    op = visit.op
    shape = visit.shape or ()
    spatial = max(len(shape) - lead, 0)
    if op is None:
        return [(PIXEL, PIXEL)] * spatial

    before = [paths[source.index] for source in visit.node.inputs]
    axes = min(spatial, *[len(own) for own in before]) if before else 0
    inputs = visit.inputs
    sizes = visit.sizes
    found = []
    for axis in range(axes):
        each = [own[axis] for own in before]
        dim = lead + axis
        n = shape[lead + axis]
        if len(each) == 1:
            found.append(_behind_one(op, dim, inputs, sizes, each[0], n))
        else:
            found.append(_behind_several(op, dim, inputs, sizes, each, n))
    return found


def _behind_one(
    op: Op, dim: int, x: list[Shape], sizes: dict[str, Shape], pair: Paths, n: int
) -> Paths:
    """What is seen behind an operation with one input."""
    seen = _seen_by(op, dim, x, sizes)
    key = (seen, *map(id, pair), n)
    known = _known.get(key)
    if known is not None:
        return known
    found = _behind(seen, *pair, n)
    return _known.keep(key, found, op, pair)


def _behind_several(
    op: Op, dim: int, x: list[Shape], sizes: dict[str, Shape], each: list[Paths], n: int
) -> Paths:
    """What is seen behind an operation with several inputs."""
    reaches = [id(reach) for pair in each for reach in pair]
    key = (id(op), dim, *reaches, *x, *sizes.values())
    known = _known.get(key)
    if known is not None:
        return known
    found = _merged(op, dim, x, sizes, each, n)
    return _known.keep(key, found, op, each)


def _seen_by(op: Op, dim: int, x: list[Shape], sizes: dict[str, Shape]) -> Seen | None:
    if not op.fixed_window or len(x) != 1:
        return op.sees(dim, *x, **sizes)
    key = (id(op), dim, len(x[0]))
    known: Seen | None = _seen.get(key, _MISSING)
    if known is not _MISSING:
        return known
    found = op.sees(dim, *x, **sizes)
    return _seen.keep(key, found, op)


def _behind(seen: Seen | None, whole: Reach | None, least: Reach | None, n: int) -> Paths:
    """What is seen through one operation of both kinds of paths."""
    behind = _composed(seen, whole, n)
    if least is whole:
        return behind, behind
    return behind, _composed(seen, least, n)


def _merged(
    op: Op, dim: int, x: list[Shape], sizes: dict[str, Shape], before: list[Paths], n: int
) -> Paths:
    """What is seen behind several inputs: their positions together, and those of the input that sees least."""
    wholes = []
    known = []
    for i, (whole, least) in enumerate(before):
        aligned = op.aligned_sees(i, dim, *x) if isinstance(op, Merge) else POINT
        wholes.append(_composed(aligned, whole, n))
        reach = _composed(aligned, least, n)
        if reach is not None and reach is not UNKNOWN:
            known.append(reach)

    seen = op.sees(dim, *x, **sizes)
    together = _union(wholes, n)
    sees_least = min(known, key=lambda reach: reach.extent(n), default=None)
    return _behind(seen, together, sees_least, n)


POINT = Seen((0,), (0,), 1)


def _composed(seen: Seen | None, reach: Reach | None, n: int) -> Reach | None:
    """What is seen through one operation, by ``n`` positions, of what its input sees."""
    if seen is None or reach is None:
        return None
    if reach is UNKNOWN or not seen.first:
        return UNKNOWN
    if reach.by is None:
        return _explicit([(seen, reach)], n)
    if len(seen.first) == len(reach.low) == 1:
        return _single(seen, reach)

    # The turns of both fit together after so many turns of the operation.
    turn = len(reach.low)
    repeats = turn // gcd(seen.by, turn)
    if len(seen.first) * repeats > TURN:
        return _explicit([(seen, reach)], n)
    return _shortest(_turn_by_turn(seen, reach, reach.by, repeats))


def _turn_by_turn(seen: Seen, reach: Reach, by: int, repeats: int) -> Reach:
    """What is seen through an operation in ``repeats`` of its turns; ``by``: what the input moves by in its turn."""
    whole_step = seen.by * repeats
    spans = []
    for more in range(0, max(whole_step, 1), max(seen.by, 1)):
        for first, last in zip(seen.first, seen.last):
            spans.append((first + more, last + more))

    start = min(first for first, _ in spans)
    end = max(last for _, last in spans)
    lows, highs = _stretch(reach, start, max(end, start) + 1)

    low = []
    high = []
    for first, last in spans:
        window = slice(first - start, last - start + 1, seen.gap)
        low.append(min(lows[window], default=NOBODY))
        high.append(max(highs[window], default=-NOBODY))
    return Reach(tuple(low), tuple(high), whole_step * by // len(reach.low))


def _stretch(reach: Reach, start: int, stop: int) -> tuple[list[int], list[int]]:
    """The first and the last pixels that the positions from ``start`` to before ``stop`` see."""
    by = reach.by
    assert by is not None
    positions = range(start, stop)
    if len(reach.low) > 1:
        pairs = [_of(reach, i) for i in positions]
        return [low for low, _ in pairs], [high for _, high in pairs]

    (low,) = reach.low
    (high,) = reach.high
    count = len(positions)
    if low == NOBODY:
        return [NOBODY] * count, [-NOBODY] * count

    lows = [low + i * by for i in positions]
    highs = [high + i * by for i in positions]
    return lows, highs


def _explicit(paths: Sequence[tuple[Seen, Reach]], n: int) -> Reach:
    """What each of ``n`` positions sees along several paths together, position by position."""
    if n > TURN:
        return UNKNOWN
    low = []
    high = []
    for j in range(n):
        pairs = [_through_one(seen, reach, j) for seen, reach in paths]
        low.append(min(a for a, _ in pairs))
        high.append(max(b for _, b in pairs))
    return Reach(tuple(low), tuple(high), None)


def _through_one(seen: Seen, reach: Reach, j: int) -> tuple[int, int]:
    """What output position j sees through one operation."""
    turns, place = divmod(j, len(seen.first))
    further = turns * seen.by
    first = seen.first[place] + further
    last = seen.last[place] + further
    pairs = [_of(reach, i) for i in range(first, last + 1, seen.gap)]

    low = min((low for low, _ in pairs), default=NOBODY)
    high = max((high for _, high in pairs), default=-NOBODY)
    return low, high


def _of(reach: Reach, position: int) -> tuple[int, int]:
    """The first and the last pixel that one position sees."""
    if reach.by is None:
        inside = 0 <= position < len(reach.low)
        if inside:
            return (reach.low[position], reach.high[position])
        return (NOBODY, -NOBODY)
    turns, place = divmod(position, len(reach.low))
    low = reach.low[place]
    high = reach.high[place]
    if low == NOBODY:
        return (low, high)
    further = turns * reach.by
    return (low + further, high + further)


def _single(seen: Seen, reach: Reach) -> Reach:
    """The same where every position is treated alike."""
    if seen == POINT:
        return reach
    (first,) = seen.first
    (last,) = seen.last
    (low,) = reach.low
    (high,) = reach.high
    by = reach.by
    assert by is not None

    step = seen.by * by
    if first > last:
        return Reach((NOBODY,), (-NOBODY,), step)
    return Reach((low + first * by,), (high + last * by,), step)


def _shortest(reach: Reach) -> Reach:
    """The same with its shortest turn."""
    turn = len(reach.low)
    if reach.by is None:
        return reach
    pairs = list(zip(reach.low, reach.high))
    for part in range(1, turn // 2 + 1):
        by, rest = divmod(reach.by * part, turn)
        if turn % part or rest:
            continue

        short = Reach(reach.low[:part], reach.high[:part], by)
        if all(_of(short, j) == pairs[j] for j in range(part, turn)):
            return short
    return reach


def _union(reaches: Sequence[Reach | None], n: int) -> Reach | None:
    """What ``n`` positions see along several paths together."""
    known = [reach for reach in reaches if reach is not None]
    if len(known) < len(reaches):
        return None
    if any(reach is UNKNOWN for reach in known):
        return UNKNOWN

    first, *others = known
    for other in others:
        if first is not UNKNOWN and other != first:
            first = _joined(first, other, n)
    return first


def _joined(first: Reach, other: Reach, n: int) -> Reach:
    """What ``n`` positions see along two paths together."""
    lengths = len(first.low), len(other.low)
    turn = math.lcm(*lengths)
    if first.by is None or other.by is None or turn > TURN:
        return _explicit([(POINT, first), (POINT, other)], n)
    if first.by * lengths[1] != other.by * lengths[0]:  # they drift apart
        return _explicit([(POINT, first), (POINT, other)], n)

    low = []
    high = []
    for j in range(turn):
        a = _of(first, j)
        b = _of(other, j)
        low.append(min(a[0], b[0]))
        high.append(max(a[1], b[1]))

    by = first.by * turn // lengths[0]
    return _shortest(Reach(tuple(low), tuple(high), by))


def _field(
    visit: Visit,
    dim: int,
    pair: Paths,
    grid: Grids | None,
    made: Sequence[tuple[Field, ...]],
) -> Field:
    """The record of one axis; without a grid the stride of the inputs goes on, the widest."""
    shape = visit.shape or ()
    own = grid[dim] if grid is not None and dim < len(grid) else None
    if own is None:
        axis = dim - len(shape)
        before = [made[source.index] for source in visit.node.inputs]
        strides = [fields[axis].stride for fields in before if len(fields) >= -axis]
        widest = max(strides, default=Fraction(1))
        return _described(pair, shape[dim], widest, None)

    key = (own, *map(id, pair), shape[dim])
    known = _fields.get(key)
    if known is None:
        stride = Fraction(*own.stride)
        offset = Fraction(*own.offset)
        field = _described(pair, shape[dim], stride, offset)
        known = _fields.keep(key, field, pair)
    return known


def _described(pair: Paths, n: int, stride: Fraction, offset: Fraction | None) -> Field:
    """The record of what ``n`` positions see."""
    whole, _ = pair
    extent, smallest = (
        None if reach is None or reach is UNKNOWN else reach.extent(n) for reach in pair
    )
    if whole is None:
        turn: int | None = 1
    else:
        turn = None if whole.by is None else len(whole.low)
    return Field(extent, smallest, stride, offset, turn, computed=UNKNOWN not in pair)
