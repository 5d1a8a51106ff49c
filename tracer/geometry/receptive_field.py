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
            made.append(
                tuple([_field(visit, lead + i, pair, grid, made) for i, pair in enumerate(own)])
            )
        found[node.name] = made[-1]
    return found


def _sees_as_its_input(visit: Visit, lead: int, paths: Sequence[list[Paths]]) -> bool:
    """Whether every position of a node is made of the one at its place, in a map with the same axes."""
    op = visit.op
    inputs = visit.node.inputs
    if op is None or len(inputs) != 1 or isinstance(op, Merge):
        return False
    is_plain = type(op).window is Op.window and type(op).sees is Op.sees
    return is_plain and len(visit.shape or ()) == lead + len(paths[inputs[0].index])


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
    return _known.keep(key, _behind(seen, *pair, n), op, pair)


def _behind_several(
    op: Op, dim: int, x: list[Shape], sizes: dict[str, Shape], each: list[Paths], n: int
) -> Paths:
    """What is seen behind an operation with several inputs."""
    reaches = [id(reach) for pair in each for reach in pair]
    key = (id(op), dim, *reaches, *x, *sizes.values())
    known = _known.get(key)
    if known is None:
        known = _known.keep(key, _merged(op, dim, x, sizes, each, n), op, each)
    return known


def _seen_by(op: Op, dim: int, x: list[Shape], sizes: dict[str, Shape]) -> Seen | None:
    if not op.fixed_window or len(x) != 1:
        return op.sees(dim, *x, **sizes)
    key = (id(op), dim, len(x[0]))
    known: Seen | None = _seen.get(key, _MISSING)
    if known is _MISSING:
        known = _seen.keep(key, op.sees(dim, *x, **sizes), op)
    return known


def _behind(seen: Seen | None, whole: Reach | None, least: Reach | None, n: int) -> Paths:
    """What is seen through one operation of both kinds of paths."""
    behind = _composed(seen, whole, n)
    return behind, behind if least is whole else _composed(seen, least, n)


def _merged(
    op: Op, dim: int, x: list[Shape], sizes: dict[str, Shape], before: list[Paths], n: int
) -> Paths:
    """What is seen behind several inputs: their positions together, and those of the input that sees least."""
    arriving = [
        [
            _composed(op.aligned_sees(i, dim, *x) if isinstance(op, Merge) else POINT, reach, n)
            for reach in pair
        ]
        for i, pair in enumerate(before)
    ]
    known = [pair[1] for pair in arriving if pair[1] is not None and pair[1] is not UNKNOWN]
    least = min(known, key=lambda reach: reach.extent(n), default=None)
    return _behind(
        op.sees(dim, *x, **sizes), _union([pair[0] for pair in arriving], n), least, n
    )


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
    further = range(0, max(seen.by * repeats, 1), max(seen.by, 1))
    spans = [(a + more, b + more) for more in further for a, b in zip(seen.first, seen.last)]

    start = min(a for a, _ in spans)
    stop = max(max(b for _, b in spans), start) + 1
    lows, highs = _stretch(reach, start, stop)

    places = [slice(a - start, b - start + 1, seen.gap) for a, b in spans]
    low = tuple([min(lows[place], default=NOBODY) for place in places])
    high = tuple([max(highs[place], default=-NOBODY) for place in places])
    return Reach(low, high, seen.by * repeats * by // len(reach.low))


def _stretch(reach: Reach, start: int, stop: int) -> tuple[list[int], list[int]]:
    """The first and the last pixels that the positions from ``start`` to before ``stop`` see."""
    low, high, by = reach
    assert by is not None
    turn = len(low)
    if turn == 1:
        if low[0] == NOBODY:
            return [NOBODY] * (stop - start), [-NOBODY] * (stop - start)
        return [low[0] + i * by for i in range(start, stop)], [
            high[0] + i * by for i in range(start, stop)
        ]
    pairs = [_of(reach, i) for i in range(start, stop)]
    return [a for a, _ in pairs], [b for _, b in pairs]


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
    pairs = [
        _of(reach, i)
        for i in range(seen.first[place] + further, seen.last[place] + further + 1, seen.gap)
    ]
    return min((a for a, _ in pairs), default=NOBODY), max(
        (b for _, b in pairs), default=-NOBODY
    )


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
    return (low + turns * reach.by, high + turns * reach.by)


def _single(seen: Seen, reach: Reach) -> Reach:
    """The same where every position is treated alike."""
    if seen == POINT:
        return reach
    ((first,), (last,), step, _), ((low,), (high,), by) = seen, reach
    assert by is not None
    if first > last:
        return Reach((NOBODY,), (-NOBODY,), step * by)
    return Reach((low + first * by,), (high + last * by,), step * by)


def _shortest(reach: Reach) -> Reach:
    """The same with its shortest turn."""
    turn = len(reach.low)
    if reach.by is None:
        return reach
    for part in range(1, turn // 2 + 1):
        if turn % part == 0 and reach.by * part % turn == 0:
            short = Reach(reach.low[:part], reach.high[:part], reach.by * part // turn)
            if all(_of(short, j) == (reach.low[j], reach.high[j]) for j in range(part, turn)):
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

    both = [(_of(first, j), _of(other, j)) for j in range(turn)]
    low = tuple([min(a[0], b[0]) for a, b in both])
    high = tuple([max(a[1], b[1]) for a, b in both])
    return _shortest(Reach(low, high, first.by * turn // lengths[0]))


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
        return _described(pair, shape[dim], max(strides, default=Fraction(1)), None)

    key = (own, *map(id, pair), shape[dim])
    known = _fields.get(key)
    if known is None:
        field = _described(pair, shape[dim], Fraction(*own.stride), Fraction(*own.offset))
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
