"""Which positions of every map have, in a run on a tile, the values of a run on the whole picture.

Both runs are traced, and compared operation by operation: position j of a tile's map is position j + shift of the whole
map, and it is equal where all that it reads is. What lies outside of a map is padded alike where the tile's border is
the picture's. So every claim is proven for the sizes that are asked, by the places that torch reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from tracer.geometry.frames import tie_of
from tracer.geometry.grids import with_numbers
from tracer.network.records import DimPattern, Node
from tracer.ops.base import Ints, Op, Shape, per_axis
from tracer.ops.creation import Full
from tracer.ops.merge import Merge
from tracer.ops.resize import Resizing
from tracer.ops.unpooling import MaxUnpool
from tracer.ops.windows import POINTWISE, Seen, Window
from tracer.shapes.trace import Trace
from tracer.shapes.traced import Visit
from tracer.sizing.arithmetic import Dim
from tracer.source.expressions import Expression

Symbol = tuple[str, int]
"""An axis of the picture: its symbol, and which of an input's dims of that symbol it is, from 0."""


class Right(NamedTuple):
    """Along one dim of a tile's map, the positions that have the values of the whole picture."""

    axis: Symbol
    shift: int
    """The place of the tile's first position in the whole map."""
    low: int
    high: int
    """Positions from ``low`` to before ``high`` are right."""
    size: int
    """Of the tile's map."""
    whole: int
    """Of the whole picture's."""
    rate: Fraction
    """Positions per pixel of the picture."""
    edge: Fraction
    """Where the first position's cell begins, in pixels of the tile."""

    def lies_like(self, other: Right) -> bool:
        """Whether both maps are cut alike."""
        own = (self.axis, self.shift, self.size, self.whole)
        return own == (other.axis, other.shift, other.size, other.whole)

    @property
    def begins(self) -> bool:
        """Whether the tile's first position is the whole map's, and right."""
        return self.shift == 0 and self.low == 0

    @property
    def ends(self) -> bool:
        """Whether the tile's last position is the whole map's, and right."""
        return self.high == self.size and self.size + self.shift == self.whole

    @property
    def is_inside(self) -> bool:
        """Whether neither end of the tile's map is an end of the whole map."""
        return self.shift > 0 and self.size + self.shift < self.whole


class Gone(NamedTuple):
    """Along one dim, no positions of a tile are those of the whole picture."""


Along = Right | Gone | None
"""What is known of one dim; None where both runs have the same."""

GONE = Gone()


class Cause(NamedTuple):
    """Why a node is not what it is in a run on the whole picture."""

    node: Node
    symbol: str
    why: str


EVERYWHERE = "takes in every position along it"
BY_SIZE = "samples by the size of the map"
NO_PLACES = "reads places that are not fixed"
OFF_GRID = "does not begin where a tile does"
ROUNDED = "copies positions that torch rounds otherwise far from the border"
UNLIKE = "merges maps that do not lie alike in tile and picture"
MADE = "is made of the picture's size"
UNKNOWN_VALUES = "has values that are made at run time"
NOT_TIED = "has a size that is no multiple of the other input's"
OTHER_DIMS = "puts it into other dims"
TOGETHER = "reads several maps at once"
UNLIKE_POOL = "is not the reverse of its pooling"

OF_THE_SIZE = frozenset({BY_SIZE, OFF_GRID, UNLIKE})
"""Causes that another size of the picture may do without."""


class Rights(NamedTuple):
    """Two runs, compared."""

    by_index: list[tuple[Along, ...]]
    """For every node in execution order, what is known of each dim."""
    reasons: list[Cause]
    """In execution order; none where all that is known is equal."""

    def tracked(self) -> list[Right]:
        """What is known of all dims of all maps."""
        return [own for dims in self.by_index for own in dims if isinstance(own, Right)]


def rights(whole: Trace, tile: Trace, starts: Mapping[str, int]) -> Rights:
    """What is equal in a tile that begins at these pixels; an axis that is not named is not cut.

    Both traces are complete, and of the same operations.
    """
    walk = _Comparing(whole, tile, starts)
    for of_whole, of_tile in zip(whole.walk(), tile.walk()):
        walk.found.append(walk.visited(of_whole, of_tile))
    return Rights(walk.found, list(walk.reasons.values()))


class _Both(NamedTuple):
    """One operation in both runs."""

    node: Node
    op: Op
    of_tile: Op
    x: list[Shape]
    y: Shape
    sizes: dict[str, Shape]
    x_tile: list[Shape]
    y_tile: Shape
    sizes_tile: dict[str, Shape]


class _Placing(NamedTuple):
    """How an operation reads along a dim, in one of the runs; None where it reads all."""

    window: Window | None
    seen: Seen | None


class _Comparing:
    """The comparison while it goes."""

    def __init__(self, whole: Trace, tile: Trace, starts: Mapping[str, int]) -> None:
        self.whole = whole
        self.tile = tile
        self.starts = starts
        self.found: list[tuple[Along, ...]] = []
        self.reasons: dict[tuple[int, str], Cause] = {}

    def refuse(self, node: Node, symbol: str, why: str) -> None:
        """Remember the first reason of a node along an axis."""
        self.reasons.setdefault((node.index, symbol), Cause(node, symbol, why))

    def visited(self, whole: Visit, tile: Visit) -> tuple[Along, ...]:
        """What is known of a node's dims."""
        node = whole.node
        y = whole.shape or ()
        y_tile = tile.shape or ()
        if whole.op is None or tile.op is None:
            return self.of_input(node, y, y_tile)

        both = _Both(
            node,
            with_numbers(node, whole.op, self.whole.sizes),
            with_numbers(node, tile.op, self.tile.sizes),
            whole.inputs,
            y,
            whole.sizes,
            tile.inputs,
            y_tile,
            tile.sizes,
        )
        if not node.inputs:
            return self.made(both)
        if len(y) != len(y_tile):
            self.refuse_all(both, OTHER_DIMS)
            return (GONE,) * len(y)
        if isinstance(both.op, Merge):
            return self.merged(both)
        return self.alone(both)

    def before(self, node: Node) -> list[tuple[Along, ...]]:
        """What is known of a node's inputs."""
        return [self.found[source.index] for source in node.inputs]

    def refuse_all(self, both: _Both, why: str) -> None:
        """Give a reason for each axis that reaches a node."""
        for dims in self.before(both.node):
            for own in dims:
                if isinstance(own, Right):
                    self.refuse(both.node, own.axis[0], why)
        # What is lost has a reason, here or before.
        if not self.reasons:
            self.refuse(both.node, next(iter(self.starts)), MADE)

    # --- inputs -------------------------------------------------------------------------------------------------------

    def of_input(self, node: Node, y: Shape, y_tile: Shape) -> tuple[Along, ...]:
        """An input's dims: those of the axes that are cut."""
        places: dict[str, int] = {}
        found: list[Along] = []
        for dim, pattern in enumerate(node.pattern):
            cut = self.symbol_of(pattern)
            if cut is None:
                found.append(None)
                continue

            symbol, rate = cut
            place = places.get(symbol, 0)
            places[symbol] = place + 1
            own = self.cut_at(symbol, place, rate, y[dim], y_tile[dim])
            if own is None:
                self.refuse(node, symbol, NOT_TIED)
            found.append(own or GONE)
        return tuple(found)

    def cut_at(
        self, symbol: str, place: int, rate: Fraction | None, whole: Dim, n: Dim
    ) -> Right | None:
        """An input's dim, all of which is right; None where the tile begins between its pixels or ends behind it."""
        if rate is None:
            return None
        shift = self.starts[symbol] * rate
        if shift.denominator != 1 or shift + n > whole:
            return None
        axis = symbol, place
        return Right(axis, int(shift), 0, int(n), int(n), int(whole), rate, Fraction(0))

    def symbol_of(self, pattern: DimPattern) -> tuple[str, Fraction | None] | None:
        """The axis that a declared dim follows, with its positions per pixel; None where that is not cut.

        Without positions per pixel it is no multiple of the axis.
        """
        if isinstance(pattern, Expression):
            cut = sorted(pattern.names & self.starts.keys())
            if not cut:
                return None
            tie = tie_of(pattern)
            return cut[0], tie.times if tie.of == cut[0] else None
        if isinstance(pattern, str) and pattern in self.starts:
            return pattern, Fraction(1)
        return None

    def made(self, both: _Both) -> tuple[Along, ...]:
        """A map that no input gives."""
        op = both.op
        symbol = next(iter(self.starts))
        if isinstance(op, Full) and op.fill_value is None:
            self.refuse(both.node, symbol, UNKNOWN_VALUES)
        if both.y == both.y_tile:
            return (None,) * len(both.y)

        self.refuse(both.node, symbol, MADE)
        return tuple(None if n == m else GONE for n, m in zip(both.y, both.y_tile, strict=True))

    # --- operations of one map ----------------------------------------------------------------------------------------

    def alone(self, both: _Both) -> tuple[Along, ...]:
        """What is known behind an operation that is no merge."""
        dims, *others = self.before(both.node)
        if any(own is not None for other in others for own in other):
            self.refuse_all(both, TOGETHER)
            return self.left(both)

        found: list[Along] = []
        used: set[int] = set()
        for dim in range(len(both.y)):
            source = self.source(both, dim)
            own = None if source is None or source >= len(dims) else dims[source]
            if isinstance(own, Right) and source is not None:
                used.add(source)
                own = self.behind(both, dim, source, own)
            found.append(own if own is not None else self.same(both, dim))
        self.refuse_unused(both, dims, used)
        return tuple(found)

    def source(self, both: _Both, dim: int) -> int | None:
        """The dim of the input that a dim is, in both runs; None where it is none."""
        source = both.op.source_dim(dim, *both.x)
        is_same = source == both.of_tile.source_dim(dim, *both.x_tile)
        return source if is_same else None

    def refuse_unused(self, both: _Both, dims: Sequence[Along], used: set[int]) -> None:
        """Give the reason of axes that come in, and are no dims of the output."""
        for source, own in enumerate(dims):
            if isinstance(own, Right) and source not in used:
                self.refuse(both.node, own.axis[0], EVERYWHERE)
            elif isinstance(own, Gone) and self.reads_all(both, source):
                for symbol in {symbol for _, symbol in self.reasons}:
                    self.refuse(both.node, symbol, EVERYWHERE)

    def reads_all(self, both: _Both, dim: int) -> bool:
        """Whether each position of a dim is made of all of them."""
        is_moved = type(both.op).source_dim is not Op.source_dim
        return not is_moved and both.op.window(dim, *both.x, **both.sizes) is None

    def left(self, both: _Both) -> tuple[Along, ...]:
        """The dims of a node of which nothing is known: those of other sizes are lost."""
        return tuple(None if n == m else GONE for n, m in zip(both.y, both.y_tile))

    def same(self, both: _Both, dim: int) -> Along:
        """A dim that follows none of the axes."""
        if both.y[dim] == both.y_tile[dim]:
            return None
        self.refuse_all(both, OTHER_DIMS)
        return GONE

    def behind(self, both: _Both, dim: int, source: int, own: Right) -> Along:
        """What is known of a dim that follows an axis."""
        op = both.op
        self.judge(both, source, own)
        if type(op).source_dim is not Op.source_dim:
            return own

        whole = _Placing(
            op.window(dim, *both.x, **both.sizes), op.sees(dim, *both.x, **both.sizes)
        )
        tile = _Placing(
            both.of_tile.window(dim, *both.x_tile, **both.sizes_tile),
            both.of_tile.sees(dim, *both.x_tile, **both.sizes_tile),
        )
        moved = self.through(both, dim, own, whole, tile)
        if isinstance(op, MaxUnpool) and isinstance(moved, Right):
            return self.unpooled(both, op, dim, own, moved)
        return moved

    def judge(self, both: _Both, source: int, own: Right) -> None:
        """Give the reason why positions follow from more than what they read."""
        op = both.op
        for shapes, sizes in ((both.x, both.sizes), (both.x_tile, both.sizes_tile)):
            if not op.is_local(source, *shapes, **sizes):
                why = ROUNDED if isinstance(op, Resizing | Merge) else EVERYWHERE
                self.refuse(both.node, own.axis[0], why)

    def through(
        self, both: _Both, dim: int, own: Right, whole: _Placing, tile: _Placing
    ) -> Along:
        """What is known behind windows along an axis."""
        lost = None if both.y[dim] == both.y_tile[dim] else GONE
        node = both.node
        symbol = own.axis[0]
        if None in (*whole, *tile):
            self.refuse(node, symbol, EVERYWHERE)
            return lost

        return self.moved(node, own, whole, tile, both.y[dim], both.y_tile[dim]) or lost

    def moved(
        self, node: Node, own: Right, whole: _Placing, tile: _Placing, n: Dim, n_tile: Dim
    ) -> Right | None:
        """The positions that are right behind windows, of ``n``, ``n_tile`` of them in the tile.

        None where none is known.
        """
        window = tile.window
        seen = tile.seen
        if window is None or seen is None or whole.window is None or whole.seen is None:
            return None
        step = self.step_of(node, own, window, whole.window, seen)
        if step is None:
            return None

        first = _place(window)
        shift = (first + own.shift - _place(whole.window)) / step
        if shift.denominator != 1 or not _reads_alike(seen, whole.seen, own.shift, shift):
            self.refuse(node, own.axis[0], OFF_GRID)
            shift = Fraction(round(shift))

        low, high = _spans(own, seen, int(n_tile))
        low = max(low, -int(shift))
        high = min(high, int(n) - int(shift))
        half = Fraction(1, 2)
        return Right(
            own.axis,
            int(shift),
            low,
            high,
            int(n_tile),
            int(n),
            own.rate / step,
            own.edge + (first + half - step / 2) / own.rate,
        )

    def step_of(
        self, node: Node, own: Right, window: Window, whole: Window, seen: Seen
    ) -> Fraction | None:
        """The step of a window in the tile, which is that of the whole map or nearly so; None where there is none."""
        has_places = window.first is not None and whole.first is not None
        if not has_places or not seen.first or seen.by < 1:
            self.refuse(node, own.axis[0], NO_PLACES)
            return None
        step = _step(window)
        if step == _step(whole):
            return step

        self.refuse(node, own.axis[0], BY_SIZE)
        nominal = Fraction(window.down, window.up)
        return nominal if nominal == Fraction(whole.down, whole.up) else None

    def unpooled(self, both: _Both, op: MaxUnpool, dim: int, own: Right, moved: Right) -> Along:
        """What is known behind an unpooling, whose indices are right where those of the pool are."""
        source = both.node.operands["indices"]
        pool = self.whole.ops[source.index]
        indices = self.found[source.index][dim]
        is_reverse = pool is not None and _undoes(op, pool)
        for trace, y in ((self.whole, both.y), (self.tile, both.y_tile)):
            # Indices count the positions of the pooled map row by row.
            is_reverse &= trace.by_index[source.inputs[0].index] == y
        if not is_reverse or not isinstance(indices, Right) or indices.shift != own.shift:
            self.refuse(both.node, own.axis[0], UNLIKE_POOL)
            return moved

        seen = op.sees(dim, *both.x_tile, **both.sizes_tile)
        assert seen is not None
        low, high = _spans(indices, seen, moved.size)
        return moved._replace(low=max(low, moved.low), high=min(high, moved.high))

    # --- merges -------------------------------------------------------------------------------------------------------

    def merged(self, both: _Both) -> tuple[Along, ...]:
        """What is known behind a merge: what is right in all of its inputs."""
        op = both.op
        assert isinstance(op, Merge)
        rank = max(map(len, both.x))
        together = [self.met(both, op, dim, rank) for dim in range(rank)]

        found: list[Along] = []
        used: set[int] = set()
        for dim in range(len(both.y)):
            source = op.source_dim(dim, *both.x)
            is_joined = source == dim and op.window(dim, *both.x) is None
            own: Along = None
            if source is not None and not is_joined:
                used.add(source)
                own = together[source]
            found.append(own if own is not None else self.same(both, dim))
        self.refuse_unused(both, together, used)
        return tuple(found)

    def met(self, both: _Both, op: Merge, dim: int, rank: int) -> Along:
        """What is known of the inputs together along a dim, counted in the largest rank."""
        rights: list[Right] = []
        fixed: list[int] = []
        is_lost = False
        for i, own in enumerate(self.before(both.node)):
            at = dim - rank + len(both.x[i])
            if at < 0:
                continue
            arrived = self.arriving(both, op, i, at, own[at])
            if isinstance(arrived, Right):
                rights.append(arrived)
            elif arrived is None:
                fixed.append(int(both.x_tile[i][at]))
            else:
                is_lost = True

        # What is lost has its reason already; the other maps go on, for a tiling that is nearly equal.
        if is_lost and not rights:
            return GONE
        return self.joined(both.node, rights, fixed)

    def arriving(self, both: _Both, op: Merge, i: int, at: int, own: Along) -> Along:
        """What is known of a merge's input along a dim, behind its alignment."""
        if not isinstance(own, Right):
            return own

        whole = _Placing(op.aligned_window(i, at, *both.x), op.aligned_sees(i, at, *both.x))
        tile = _Placing(
            op.aligned_window(i, at, *both.x_tile), op.aligned_sees(i, at, *both.x_tile)
        )
        n = op.aligned(*both.x)[i][at]
        n_tile = op.aligned(*both.x_tile)[i][at]
        stays = tile.window == whole.window == POINTWISE
        if stays and (n, n_tile) == (own.whole, own.size):
            return own
        if i == op.own:
            self.judge(both, at, own)
        return self.moved(both.node, own, whole, tile, n, n_tile) or GONE

    def joined(self, node: Node, rights: Sequence[Right], fixed: Sequence[int]) -> Along:
        """What is right in several maps. ``fixed``: the sizes of those that are not cut, where 1 is repeated."""
        if not rights:
            return None

        first = rights[0]
        is_alike = all(own.lies_like(first) for own in rights)
        is_alike &= first.shift == 0 or all(n == 1 for n in fixed)
        if not is_alike:
            for own in rights:
                self.refuse(node, own.axis[0], UNLIKE)
        return _common(rights)


def _common(rights: Sequence[Right]) -> Along:
    """What is right in all of several maps, which are of one size."""
    first = rights[0]
    if any((own.size, own.whole) != (first.size, first.whole) for own in rights):
        return GONE
    low = max(own.low for own in rights)
    high = min(own.high for own in rights)
    return first._replace(low=low, high=high)


def _place(window: Window) -> Fraction:
    """The centre of the first output position, in input positions."""
    return Fraction(*(window.first or (0, 1)))


def _step(window: Window) -> Fraction:
    """From an output position to the next, in input positions."""
    down, up = window.step or (window.down, window.up)
    return Fraction(down, up)


def _reads_alike(seen: Seen, whole: Seen, moved: int, shift: Fraction) -> bool:
    """Whether output position j of the tile reads what position j + shift of the whole reads, ``moved`` further."""
    if shift.denominator != 1 or seen.gap != whole.gap or len(seen.first) != len(whole.first):
        return False

    for j in range(len(seen.first)):
        first, last = _read(seen, j)
        other_first, other_last = _read(whole, j + int(shift))
        nothing = first > last and other_first > other_last
        if not nothing and (first + moved, last + moved) != (other_first, other_last):
            return False
    return True


def _read(seen: Seen, j: int) -> tuple[int, int]:
    """The first and the last position that output position j reads."""
    turns, place = divmod(j, len(seen.first))
    return seen.first[place] + turns * seen.by, seen.last[place] + turns * seen.by


def _spans(own: Right, seen: Seen, n: int) -> tuple[int, int]:
    """From which on, and before which, ``n`` output positions read only what is right.

    A padding at the picture's border may be a copy of rows beside it, as far inside as it is wide.
    """
    last = max((_read(seen, j)[1] for j in range(max(n - len(seen.first), 0), n)), default=0)
    left: int | None = own.low
    right: int | None = own.high
    if own.begins and -min(seen.first) < own.high:
        left = None
    if own.ends and last - own.size + 1 < own.size - own.low:
        right = None

    low = 0 if left is None else _first_behind(seen, left)
    high = n if right is None else min(n, _first_reading(seen, right))
    return low, high


def _first_behind(seen: Seen, left: int) -> int:
    """The output position from which on none reads before an input position.

    >>> _first_behind(Seen((-1,), (1,), 2), 0)
    1
    """
    turn = len(seen.first)
    low = 0
    for place, (reads, until) in enumerate(zip(seen.first, seen.last)):
        if reads <= until and reads < left:
            turns = -(-(left - reads) // seen.by)
            low = max(low, place + (turns - 1) * turn + 1)
    return low


def _first_reading(seen: Seen, right: int) -> int:
    """The first output position that reads an input position or one behind it.

    >>> _first_reading(Seen((-1,), (1,), 2), 8)
    4
    """
    turn = len(seen.first)
    found = []
    for place, (reads, until) in enumerate(zip(seen.first, seen.last)):
        if reads <= until:
            turns = max(-(-(right - until) // seen.by), 0)
            found.append(place + turns * turn)
    return min(found, default=right * turn)


def _undoes(op: MaxUnpool, pool: Op) -> bool:
    """Whether an unpooling has the windows of a pool."""
    axes = op.axes
    for field in ("kernel_size", "stride"):
        own: Ints = getattr(op, field) or op.kernel_size
        other: Ints = getattr(pool, field, 0) or getattr(pool, "kernel_size", 0)
        if per_axis(own, axes) != per_axis(other, axes):
            return False
    padding = getattr(pool, "padding", 0)
    dilation = getattr(pool, "dilation", 1)
    is_dense = per_axis(dilation, axes) == (1,) * axes
    return is_dense and per_axis(op.padding, axes) == per_axis(padding, axes)
