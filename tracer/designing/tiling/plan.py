"""Tiles for a picture that is too large: where they begin, how far they overlap, and whether the result is equal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tracer.costs.memory import memory
from tracer.costs.operations import DTYPE_BYTES, costs, total
from tracer.designing.tiling.equal import OF_THE_SIZE, Cause, Right, Rights, rights
from tracer.designing.tiling.together import Corner, Cut, LaidOut, Pieces, apart
from tracer.geometry.grids import leading_dims
from tracer.net import Net, check_sizes
from tracer.network.records import Network
from tracer.planning.working_sizes import with_every_dim_open
from tracer.shapes.trace import Trace, trace

NEAR = 64
"""Sizes on either side that are tried for one that runs."""

FEW = 256
"""Tiles along an axis that are compared one by one, where those in the middle are not known to be alike."""

MOST = 1_000_000
"""Tiles along an axis."""

WORK = 10_000
"""Nodes that are compared at most, in pictures that are tried for one that is exact."""

TRIES = 4
"""Tiles that are tried for a picture, a period apart."""

DTYPE = "float32"


class Untileable(ValueError):
    """No tiles can be said: the picture or the tile does not run, or is too small."""


class Halo(msgspec.Struct, frozen=True):
    """Pixels at either side of a tile whose outputs are not used, where that is no border of the picture."""

    left: int
    right: int


class Because(msgspec.Struct, frozen=True):
    """A node that is not what it is in a run on the whole picture."""

    node: str
    op: str
    axis: str
    why: str


class Tiling(msgspec.Struct, frozen=True):
    """A picture in tiles. Sizes are by symbol, in pixels."""

    picture: dict[str, int]
    tile: dict[str, int]
    step: dict[str, int | None]
    """From the beginning of a tile to that of the next; None where no step helps."""
    overlap: dict[str, int | None]
    halo: dict[str, Halo | None]
    period: dict[str, int]
    """Tiles begin at multiples of it."""
    tiles: int | None
    recomputed: float | None
    """Pixels that are computed again, as a part of the picture's: 0.5 is half of it."""
    exact: bool
    """Whether every output has, at every position, the value of a run on the whole picture."""
    because: list[Because]
    """The nodes that differ; none where ``exact``."""
    padded: dict[str, int] | None
    """The next picture that would be exact, this one or a larger; None where it is, or none nearby is."""
    padded_tile: dict[str, int] | None
    """The tile with which ``padded`` is exact: the same where there is one for it, or a larger one."""
    starts: dict[str, list[int]]
    """Where the tiles begin; the last one ends with the picture."""
    inputs: list[list[Cut]]
    """For every input, the dims that are cut."""
    outputs: dict[str, list[Cut]]
    """For every output, by name."""
    network: str
    """What the network is called."""
    apart: list[str]
    """The inputs and outputs whose maps in tiles do not make up the whole picture's shape: there is no loop then."""


def tiling(
    net: Net,
    picture: Mapping[str, int],
    tile: Mapping[str, int] | None = None,
    memory_budget: int | None = None,
) -> Tiling:
    """Tiles of a picture: of a size that is given, or the fewest whose run fits in so many bytes.

    A symbol of ``picture`` that ``tile`` does not name is not cut. Raises :class:`Untileable` where the picture or a
    tile does not run, or where a tile is too small; ValueError for a symbol that no spatial dim of an input has.
    """
    asked = _Asked.of(net, picture, tile or {})
    if tile is None:
        budget = memory_budget or 0
        largest = _fitting(asked, budget)
        found = _with_smallest(asked, _planned(asked, largest))
        return _with_advice(asked, found, found.tile, budget)
    asked.check_axes(tile)
    return _with_advice(asked, _planned(asked, tile), tile)


class _Asked:
    """A network at the picture's sizes."""

    def __init__(self, net: Net, whole: Trace, axes: dict[str, int]) -> None:
        self.net = net
        self.whole = whole
        self.axes = axes
        """The symbols of spatial dims, with the number of dims that each stands for in one input."""
        self.picture = {symbol: whole.sizes[symbol] for symbol in axes}

    @classmethod
    def of(cls, net: Net, picture: Mapping[str, int], tile: Collection[str]) -> _Asked:
        """The network at the sizes of a picture, as it is built. Raises :class:`Untileable` where it does not run.

        ``tile``: the symbols of its sizes. Where a dim that is a number is named, such dims have symbols.
        """
        is_open = any(symbol not in net.symbols for symbol in (*picture, *tile))
        network = with_every_dim_open(net.network) if is_open else net.network
        check_sizes(network, picture)

        sizes = {**network.defaults(), **picture}
        missing = [symbol for symbol in network.symbols if symbol not in sizes]
        if missing:
            raise Untileable(f"{', '.join(missing)} has no size: give it with --picture")
        ops = net.built.ops
        whole = trace(network, sizes, ops)
        if not whole.is_complete:
            raise Untileable(_refusal(network, whole, picture))

        built = Net(network, net.loading, planned=net.as_built().planned)
        asked = cls(built, whole, _axes(network, leading_dims(whole)))
        asked.check_axes(picture)
        return asked

    def check_axes(self, sizes: Mapping[str, int]) -> None:
        """Raises ValueError for a symbol that is no spatial dim of an input, and for a size below 1."""
        for symbol, n in sizes.items():
            if symbol not in self.axes:
                known = ", ".join(self.axes) or "none"
                raise ValueError(f"{symbol} is no spatial dim of an input; those are: {known}")
            if n < 1:
                raise ValueError(f"the size of {symbol} must be at least 1, not {n}")

    def at(self, picture: Mapping[str, int]) -> _Asked | None:
        """The network at another picture; None where that does not run."""
        whole = self.traced(picture)
        return None if whole is None else _Asked(self.net, whole, self.axes)

    def traced(self, sizes: Mapping[str, int]) -> Trace | None:
        """The trace with some sizes replaced; None where that does not run."""
        found = trace(self.whole.network, {**self.whole.sizes, **sizes}, self.whole.ops)
        return found if found.is_complete else None


def _axes(network: Network, lead: int) -> dict[str, int]:
    """The symbols of the inputs' spatial dims, with the most dims that one stands for in an input."""
    found: dict[str, int] = {}
    for node in network.nodes:
        if node.is_input:
            spatial = [dim for dim in node.pattern[lead:] if isinstance(dim, str)]
            for symbol in spatial:
                found[symbol] = max(found.get(symbol, 0), spatial.count(symbol))
    return found


def _refusal(network: Network, whole: Trace, picture: Mapping[str, int]) -> str:
    """Why a picture does not run, and the pads with which it does."""
    said = ", ".join(f"{symbol} = {n}" for symbol, n in picture.items())
    why = whole.diagnostics[0].message if whole.diagnostics else "a node has no shape"
    larger = _next_running(network, whole, dict(picture))
    advice = ""
    if larger is not None:
        pads = [
            f"{symbol} by {n - picture[symbol]} to {n}"
            for symbol, n in larger.items()
            if n > picture[symbol]
        ]
        advice = f"; pad {', '.join(pads)}"
    return f"the picture {said} does not run ({why}){advice}"


def _next_running(
    network: Network, whole: Trace, picture: dict[str, int]
) -> dict[str, int] | None:
    """The next sizes that run, found by enlarging the axes together, then one after the other back again."""

    def runs(sizes: Mapping[str, int]) -> bool:
        return trace(network, {**whole.sizes, **sizes}, whole.ops).is_complete

    powers = [2**k for k in range(10)]
    for multiple in powers:
        rounded = {symbol: -(-n // multiple) * multiple for symbol, n in picture.items()}
        if runs(rounded):
            return rounded
    for more in range(1, NEAR):
        larger = {symbol: n + more for symbol, n in picture.items()}
        if runs(larger):
            return larger
    return None


# --- the steps of a plan ----------------------------------------------------------------------------------------------


def _planned(asked: _Asked, tile: Mapping[str, int]) -> Tiling:
    """The tiling with tiles of these sizes, along the axes where they are smaller than the picture."""
    cut = {symbol: n for symbol, n in tile.items() if n < asked.picture[symbol]}
    run = asked.traced(cut)
    if run is None:
        raise Untileable(_no_tile(asked, cut))
    tiles = _Tiles(asked, cut, _periods(asked, run, cut))
    tiles.require_runs()
    return _written(asked, tiles, {symbol: _Along(tiles, symbol) for symbol in cut})


class _Other(NamedTuple):
    """A picture and a tile that are exact, by symbol."""

    picture: dict[str, int]
    tile: dict[str, int]


def _with_advice(
    asked: _Asked, found: Tiling, tile: Mapping[str, int], budget: int | None = None
) -> Tiling:
    """The tiling with the picture and the tile that would be exact, where sizes alone prevent it.

    With a ``budget`` in bytes, only where the tile fits.
    """
    other = _exact_near(asked, found, tile)
    if other is None:
        return found

    tile = {**other.picture, **other.tile}
    if budget is not None:
        run = asked.traced(tile)
        if run is None or _bytes(run) > budget:
            return found
    return replace(found, padded=other.picture, padded_tile=tile)


def _exact_near(asked: _Asked, found: Tiling, tile: Mapping[str, int]) -> _Other | None:
    """The next picture that is exact, with the same tiles or with larger ones; None where none nearby is."""
    if not any(one.why in OF_THE_SIZE for one in found.because):
        return None

    other = _Other(dict(asked.picture), dict(tile))
    for symbol in dict.fromkeys(one.axis for one in found.because):
        sizes = _with_same_tile(asked, symbol, tile[symbol])
        sizes = sizes or _with_larger_tile(asked, symbol, tile[symbol])
        if sizes is None:
            return None
        other.picture[symbol], other.tile[symbol] = sizes
    return other if _is_exact(asked, other.picture, other.tile) else None


def _is_exact(asked: _Asked, picture: Mapping[str, int], tile: Mapping[str, int]) -> bool:
    """Whether a picture is exact in such tiles."""
    other = asked.at(picture)
    run = None if other is None else other.traced(tile)
    if other is None or run is None:
        return False
    begin = dict.fromkeys(tile, 0)
    first = rights(other.whole, run, begin)
    if first.reasons:
        return False

    try:
        return _planned(other, tile).exact
    except Untileable:
        return False


def _larger_sizes(asked: _Asked, symbol: str) -> list[int]:
    """The next sizes of an axis, and rounder ones behind them, as many as there is time for."""
    n = asked.picture[symbol]
    multiples = [2, 4, 8, 16, 32, 64, 128]
    rounded = [-(-n // multiple) * multiple for multiple in multiples]
    sizes: list[int] = sorted({*range(n + 1, n + 17), *rounded} - {n})
    most = WORK // len(asked.whole.network.nodes)
    return sizes[:most]


def _with_same_tile(asked: _Asked, symbol: str, tile: int) -> tuple[int, int] | None:
    """The next larger size of one axis with which it is exact, and the tile."""
    for larger in _larger_sizes(asked, symbol):
        if _is_exact(asked, {symbol: larger}, {symbol: tile}):
            return larger, tile
    return None


def _with_larger_tile(asked: _Asked, symbol: str, tile: int) -> tuple[int, int] | None:
    """The next size of one axis, its own included, that is exact in some larger tile, and the least such."""
    for n in (asked.picture[symbol], *_larger_sizes(asked, symbol)):
        other = asked.at({symbol: n})
        least = None if other is None else _least_exact(other, symbol, tile)
        if least is not None:
            return n, least
    return None


def _least_exact(asked: _Asked, symbol: str, above: int) -> int | None:
    """The least tile of an axis, of those above a size, that is exact; None where none is found."""
    n = asked.picture[symbol]
    period = _own_periods(asked)[symbol]
    compared = _as_tile(asked, symbol, period)
    if compared is None or compared.reasons:
        return None

    least = _least_by(asked, symbol, period, compared)
    lowest = above + (n - above) % period
    first = max(least, lowest)

    def is_exact(tile: int) -> bool:
        return _is_exact(asked, {symbol: n}, {symbol: tile})

    most = first + TRIES * period
    tried = range(first, min(most, n), period)
    found = next(filter(is_exact, tried), None)
    if found is None or found != first:
        return found

    least_tried = max(lowest, found - TRIES * period)
    lower = range(found, least_tried - 1, -period)
    exact = itertools.takewhile(is_exact, lower)
    return min(exact)


def _written(asked: _Asked, tiles: _Tiles, along: Mapping[str, _Along]) -> Tiling:
    """The record of a tiling."""
    reasons = _reasons(asked, along)
    computed = _product(own.computed() for own in along.values())
    inputs = _cut_inputs(asked, along)
    outputs = _cut_outputs(asked, along)
    found = Tiling(
        picture=dict(asked.picture),
        tile={**asked.picture, **tiles.cut},
        step=dict(asked.picture),
        overlap=dict.fromkeys(asked.picture, 0),
        halo=dict.fromkeys(asked.picture, Halo(0, 0)),
        period={**dict.fromkeys(asked.picture, 1), **tiles.period},
        tiles=None if computed is None else math.prod(own.count() for own in along.values()),
        recomputed=None if computed is None else float(computed - 1),
        exact=not reasons,
        because=reasons,
        padded=None,
        padded_tile=None,
        starts={symbol: own.starts for symbol, own in along.items()},
        inputs=inputs,
        outputs=outputs,
        network=asked.net.name or "the network",
        apart=_apart(asked, tiles, along, _pieces(asked, inputs, outputs)),
    )
    for symbol, own in along.items():
        found.step[symbol] = own.step
        found.overlap[symbol] = own.overlap()
        found.halo[symbol] = own.halo()
    return found


def _product(parts: Iterable[Fraction | None]) -> Fraction | None:
    """The product of parts, None where one is not known."""
    product = Fraction(1)
    for part in parts:
        if part is None:
            return None
        product *= part
    return product


def _periods(asked: _Asked, run: Trace, cut: Collection[str]) -> dict[str, int]:
    """For each axis the least step after which every map is where it was: its positions per pixel are whole then.

    ``run`` is one at other sizes than the picture's: what samples by the size of the map is told by that.
    """
    found = dict.fromkeys(cut, 1)
    if not found:
        return found
    for own in rights(asked.whole, run, dict.fromkeys(cut, 0)).tracked():
        symbol, _ = own.axis
        found[symbol] = math.lcm(found[symbol], own.rate.denominator)
    return found


def _reasons(asked: _Asked, along: Mapping[str, _Along]) -> list[Because]:
    """Why the result is not equal, by node in execution order, each axis once."""
    found: dict[tuple[int, str], Cause] = {}
    for own in along.values():
        for reason in own.reasons():
            found.setdefault((reason.node.index, reason.symbol), reason)

    because = []
    for _, reason in sorted(found.items()):
        node = reason.node
        op = asked.whole.ops[node.index]
        name = "Input" if op is None else type(op).__name__
        because.append(Because(node.name, name, reason.symbol, reason.why))
    return because


class _Tiles:
    """The tiles of a picture, traced and compared with it."""

    def __init__(
        self, asked: _Asked, cut: Mapping[str, int], period: Mapping[str, int]
    ) -> None:
        self.asked = asked
        self.cut = cut
        self.period = period
        self.traces: dict[tuple[tuple[str, int], ...], Trace] = {}

    def last(self, symbol: str) -> int:
        """Where the last tile begins, which ends with the picture."""
        behind = self.asked.picture[symbol] - self.cut[symbol]
        return -(-behind // self.period[symbol]) * self.period[symbol]

    def size(self, symbol: str, start: int) -> int:
        """The size of the tile that begins there: less than a period smaller at the end."""
        return min(self.cut[symbol], self.asked.picture[symbol] - start)

    def require_runs(self) -> None:
        """Raises :class:`Untileable` where a tile has a size that does not run."""
        for corner in self.corners():
            self.traced(corner)

        for symbol, n in self.cut.items():
            is_square = self.asked.axes[symbol] > 1
            if is_square and self.size(symbol, self.last(symbol)) != n:
                raise Untileable(
                    f"{symbol} stands for several dims, so its tiles are square; "
                    f"the picture has to exceed them by a multiple of {self.period[symbol]}"
                )

    def corners(self) -> Iterator[dict[str, int]]:
        """Where the tiles begin that lie at the beginning or at the end of every axis."""
        each = [sorted({0, self.last(symbol)}) for symbol in self.cut]
        for corner in itertools.product(*each):
            yield dict(zip(self.cut, corner))

    def traced(self, starts: Mapping[str, int]) -> Trace:
        """The trace of the tile that begins there. Raises :class:`Untileable` where it does not run."""
        sizes = {symbol: self.size(symbol, start) for symbol, start in starts.items()}
        key = tuple(sizes.items())
        known = self.traces.get(key)
        if known is None:
            known = self.asked.traced(sizes)
            if known is None:
                raise Untileable(_no_tile(self.asked, sizes))
            self.traces[key] = known
        return known

    def at(self, symbol: str, start: int) -> Rights:
        """The tile that begins there along one axis, and at the picture's border along the others.

        What is right along an axis is so wherever a tile lies along the others.
        """
        starts = {**dict.fromkeys(self.cut, 0), symbol: start}
        return rights(self.asked.whole, self.traced(starts), starts)


def _no_tile(asked: _Asked, sizes: Mapping[str, int]) -> str:
    """That a tile does not run, and the nearest that do."""
    said = ", ".join(f"{symbol} = {n}" for symbol, n in sizes.items())
    text = f"a tile of {said} does not run"
    near = []
    for below in (True, False):
        other = _near_tile(asked, sizes, below=below)
        if other is not None:
            near.append(", ".join(f"{symbol} = {n}" for symbol, n in other.items()))
    return (
        f"{text}; {' and '.join(near)} {'does' if len(near) == 1 else 'do'}" if near else text
    )


def _near_tile(
    asked: _Asked, sizes: Mapping[str, int], *, below: bool
) -> dict[str, int] | None:
    """The nearest tile, smaller or larger, that runs and differs from the picture by whole periods."""
    period = _own_periods(asked)
    for more in range(NEAR):
        other = {}
        for symbol, n in sizes.items():
            whole = asked.picture[symbol]
            every = period[symbol]
            apart = (whole - n) % every
            other[symbol] = (
                n + apart - every * (1 + more) if below else n + apart + every * more
            )
            if not 1 <= other[symbol] <= whole:
                return None
        if asked.traced(other) is not None:
            return other
    return None


class _Along:
    """The tiles along one axis."""

    def __init__(self, tiles: _Tiles, symbol: str) -> None:
        self.tiles = tiles
        self.symbol = symbol
        last = tiles.last(symbol)
        self.compared = {0: tiles.at(symbol, 0), last: tiles.at(symbol, last)}
        self.step = self._step(last)
        self.starts: list[int] = []
        if self.step is not None:
            if last // self.step > MOST:
                raise Untileable(f"there would be more than {MOST:,} tiles along {symbol}")
            self.starts = [*range(0, last, self.step), last]

    def of_outputs(self, compared: Rights) -> dict[tuple[str, int], Right]:
        """What is right of every output along this axis, by its name and dim."""
        found = {}
        for name, node in self.tiles.asked.whole.network.outputs.items():
            for dim, own in enumerate(compared.by_index[node.index]):
                if isinstance(own, Right) and own.axis[0] == self.symbol:
                    found[name, dim] = own
        return found

    def ends(self) -> Iterator[tuple[Right, Right]]:
        """For every output and dim what is right in the first and in the last tile."""
        first, last = (self.of_outputs(one) for one in self.compared.values())
        for key in first.keys() & last.keys():
            yield first[key], last[key]

    def _step(self, last: int) -> int | None:
        """The largest step at which tiles meet; None where what they give is not known.

        Raises :class:`Untileable` where they are too small to meet.
        """
        ends = list(self.ends())
        is_placed = all(_ends_with_picture(a, b, last) for a, b in ends)
        if not ends or not is_placed:
            return None
        widths = [(a.high - b.low) / a.rate for a, b in ends]

        period = self.tiles.period[self.symbol]
        step = math.floor(min(widths) / period) * period
        if step < period:
            raise Untileable(self._too_small())
        return step

    def _too_small(self) -> str:
        """What to take instead of a tile that gives too little that is right."""
        asked = self.tiles.asked
        symbol = self.symbol
        n = self.tiles.cut[symbol]
        text = f"a tile of {symbol} = {n} is too small"
        least = least_tile(asked, symbol, self.tiles.period[symbol])
        if least is None or least <= n:
            return f"{text} for what the outputs see"
        if least >= asked.picture[symbol]:
            return f"{text}, and so is every one below the picture's {asked.picture[symbol]}"
        return f"{text} for what the outputs see; the least is about {least}"

    def computed(self) -> Fraction | None:
        """The pixels of all tiles along this axis, as a part of the picture's; None where it is not known."""
        if not self.starts:
            return None
        asked = self.tiles.asked
        pixels = sum(self.tiles.size(self.symbol, start) for start in self.starts)
        return Fraction(pixels, asked.picture[self.symbol]) ** asked.axes[self.symbol]

    def count(self) -> int:
        """How many tiles there are, along all dims of the axis."""
        dims: int = self.tiles.asked.axes[self.symbol]
        return math.prod([len(self.starts)] * dims)

    def overlap(self) -> int | None:
        """What a tile and the next have in common."""
        return None if self.step is None else self.tiles.cut[self.symbol] - self.step

    def halo(self) -> Halo | None:
        """The pixels at either side whose outputs are not used; None where that is not known."""
        left = right = Fraction(0)
        is_known = False
        for first, last in self.ends():
            n = self.tiles.cut[self.symbol]
            left = max(left, last.edge + last.low / last.rate)
            right = max(right, n - first.edge - first.high / first.rate)
            is_known = True
        return Halo(math.ceil(left), math.ceil(right)) if is_known else None

    def reasons(self) -> list[Cause]:
        """Why the tiles along this axis do not give what the whole picture does; none where they do."""
        proof = self._proof()
        found = [
            reason
            for compared in proof.values()
            for reason in compared.reasons
            if reason.symbol == self.symbol
        ]
        if found:
            return found
        if self.step is None:
            nodes = self.tiles.asked.whole.network.outputs.values()
            return [Cause(node, self.symbol, UNCOVERED) for node in nodes]
        return list(self._uncovered(proof))

    def _proof(self) -> dict[int, Rights]:
        """The tiles that are compared: all of them, or the first two and the last two where those between are alike."""
        if len(self.starts) <= 2:
            return self.compared
        ends = [*self.starts[:2], *self.starts[-2:]]
        found = {start: self._at(start) for start in ends}
        if len(self.starts) <= 4 or all(self._is_inside(found[start]) for start in ends[1:3]):
            return found
        if len(self.starts) > FEW:
            return self.compared
        return {start: self._at(start) for start in self.starts}

    def _at(self, start: int) -> Rights:
        known = self.compared.get(start)
        return self.tiles.at(self.symbol, start) if known is None else known

    def _is_inside(self, compared: Rights) -> bool:
        """Whether no map of a tile has an end of the whole map, so that the tiles between two such ones are alike."""
        return all(own.is_inside for own in compared.tracked() if own.axis[0] == self.symbol)

    def _uncovered(self, proof: Mapping[int, Rights]) -> Iterator[Cause]:
        """The outputs of which a position is right in no tile."""
        outputs = self.tiles.asked.whole.network.outputs
        tiles = {start: self.of_outputs(compared) for start, compared in proof.items()}
        is_all = list(proof) == self.starts
        for name, dim in tiles[0]:
            along = {start: found.get((name, dim)) for start, found in tiles.items()}
            known = {start: own for start, own in along.items() if own is not None}
            if len(known) < len(along) or not _covers(known, self.step, is_all=is_all):
                yield Cause(outputs[name], self.symbol, UNCOVERED)


def _ends_with_picture(first: Right, last: Right, start: int) -> bool:
    """Whether an output's tiles lie where they begin, and the last one, beginning at ``start``, ends with the whole."""
    is_placed = first.shift == 0 and last.shift == start * last.rate
    return is_placed and last.shift + last.size == last.whole


UNCOVERED = "has positions that are right in no tile"


def _covers(tiles: Mapping[int, Right], step: int | None, *, is_all: bool) -> bool:
    """Whether every position of the whole map is right in some tile, and is taken from it.

    Of each tile those from ``low`` on are taken, up to where the next one's begin. ``tiles`` are all, or the first two
    and the last two, by where they begin.
    """
    starts = list(tiles)
    rows = list(tiles.values())
    first, last = rows[0], rows[-1]
    if first.low > 0 or last.shift + last.high < last.whole:
        return False

    for number, (own, after) in enumerate(itertools.pairwise(rows)):
        begins = Fraction(after.shift + after.low)
        is_gap = not is_all and number == 1
        if is_gap:
            # The tiles between begin a step further each, and are like both.
            further = own.rate * (starts[2] - starts[1])
            is_alike = (own.low, own.high) == (after.low, after.high)
            if not is_alike or after.shift - own.shift != further:
                return False
            begins = own.shift + own.low + own.rate * (step or 0)
        if begins > own.shift + own.high:
            return False
    return True


# --- what code needs --------------------------------------------------------------------------------------------------


def _cut_inputs(asked: _Asked, along: Mapping[str, _Along]) -> list[list[Cut]]:
    """The dims of every input that are cut."""
    nodes = [node for node in asked.whole.network.nodes if node.is_input]
    found = []
    for node in nodes:
        cuts = []
        for symbol, axis in along.items():
            dims = axis.compared[0].by_index[node.index]
            for dim, own in enumerate(dims):
                if isinstance(own, Right) and own.axis[0] == symbol:
                    rate = own.rate.as_integer_ratio()
                    cuts.append(Cut(dim, symbol, own.axis[1], rate, 0, own.whole))
        found.append(sorted(cuts, key=lambda cut: cut.dim))
    return found


def _cut_outputs(asked: _Asked, along: Mapping[str, _Along]) -> dict[str, list[Cut]]:
    """The dims of every output that are cut."""
    found: dict[str, list[Cut]] = {name: [] for name in asked.whole.network.outputs}
    for symbol, axis in along.items():
        last = axis.compared[axis.tiles.last(symbol)]
        for (name, dim), own in axis.of_outputs(last).items():
            rate = own.rate.as_integer_ratio()
            found[name].append(Cut(dim, symbol, own.axis[1], rate, own.low, own.whole))
    return {name: sorted(cuts, key=lambda cut: cut.dim) for name, cuts in found.items()}


def _pieces(
    asked: _Asked, inputs: Sequence[Sequence[Cut]], outputs: Mapping[str, Sequence[Cut]]
) -> list[Pieces]:
    """The maps that a loop cuts and puts together."""
    network = asked.whole.network
    nodes = [node for node in network.nodes if node.is_input]
    found = list(map(Pieces, nodes, inputs))
    for name, cuts in outputs.items():
        node = network.outputs[name]
        found.append(Pieces(node, cuts))
    return found


def _apart(
    asked: _Asked, tiles: _Tiles, along: Mapping[str, _Along], pieces: Sequence[Pieces]
) -> list[str]:
    """The inputs and outputs that no loop cuts or puts together; none where no tiles are known."""
    starts = {symbol: own.starts for symbol, own in along.items()}
    if not all(starts.values()):
        return []

    corners = []
    for corner in tiles.corners():
        run = tiles.traced(corner)
        corners.append(Corner(corner, run))
    laid = LaidOut(starts, tiles.cut)
    return apart(asked.whole, corners, laid, pieces)


# --- which tile -------------------------------------------------------------------------------------------------------


def least_tile(asked: _Asked, symbol: str, period: int) -> int | None:
    """The least tile along an axis that gives something right; None where even one as large as the picture does not."""
    compared = _as_tile(asked, symbol, period)
    return None if compared is None else _least_by(asked, symbol, period, compared)


def _as_tile(asked: _Asked, symbol: str, period: int) -> Rights | None:
    """The picture taken for a tile of a larger one, away from its border; None where that does not run."""
    n = asked.picture[symbol]
    start = -(-n // period) * period
    whole = asked.traced({symbol: n + 2 * start})
    return None if whole is None else rights(whole, asked.whole, {symbol: start})


def _least_by(asked: _Asked, symbol: str, period: int, compared: Rights) -> int:
    """The least tile that gives something right, by what is right of the picture as a tile of a larger one."""
    n = asked.picture[symbol]
    least = period
    for node in asked.whole.network.outputs.values():
        for own in compared.by_index[node.index]:
            if isinstance(own, Right) and own.axis[0] == symbol:
                reach = n - (own.high - own.low) / own.rate
                least = max(least, math.ceil(reach) + period)
    return least + (n - least) % period


def _own_periods(asked: _Asked) -> dict[str, int]:
    """The periods of a picture's axes, by the largest smaller run that there is."""
    largest = max(asked.picture.values())
    for power in range(largest.bit_length(), -1, -1):
        sizes = {symbol: n - 2**power for symbol, n in asked.picture.items()}
        run = asked.traced(sizes) if min(sizes.values()) > 0 else None
        if run is not None:
            return _periods(asked, run, asked.picture)
    return _periods(asked, asked.whole, asked.picture)


def _fitting(asked: _Asked, budget: int) -> dict[str, int]:
    """The largest tile whose run fits in so many bytes, as large along every axis as the picture lets it.

    Its sizes differ from the picture's by whole periods. Raises :class:`Untileable` where the least does not fit.
    """
    if _bytes(asked.whole) <= budget:
        return dict(asked.picture)

    period = _own_periods(asked)
    least = {symbol: least_tile(asked, symbol, period[symbol]) for symbol in asked.picture}

    def tile_of(side: int) -> dict[str, int]:
        """The tile with sides of at most this, where the picture is larger."""
        sizes = {}
        for symbol, n in asked.picture.items():
            fitted = side - (side - n) % period[symbol]
            sizes[symbol] = min(n, max(fitted, least[symbol] or 1))
        return sizes

    def is_over(side: int) -> bool:
        run = asked.traced(tile_of(side))
        return run is not None and _bytes(run) > budget

    below = 0
    above = max(asked.picture.values())
    while above - below > 1:
        middle = (below + above) // 2
        if is_over(middle):
            above = middle
        else:
            below = middle

    tile = tile_of(below)
    smallest = asked.traced(tile)
    if smallest is not None and _bytes(smallest) > budget:
        raise Untileable(
            f"the least tile, {', '.join(f'{symbol} = {n}' for symbol, n in tile.items())}, "
            f"needs {_bytes(smallest):,} bytes"
        )
    return tile


def _with_smallest(asked: _Asked, found: Tiling) -> Tiling:
    """The tiling with tiles as small as their number lets them be, so that less is computed again."""
    smaller = dict(found.tile)
    for symbol, starts in found.starts.items():
        overlap = found.overlap[symbol]
        if overlap is None:
            return found
        n = asked.picture[symbol]
        period = found.period[symbol]
        share = math.ceil(Fraction(n - overlap, len(starts))) + overlap
        smaller[symbol] = min(found.tile[symbol], share + (n - share) % period)

    try:
        other = _planned(asked, smaller)
    except Untileable:
        return found
    is_better = other.tiles == found.tiles and other.exact == found.exact
    return other if is_better else found


def _bytes(run: Trace) -> int:
    """What a run needs without gradients: its parameters, and the most that is alive at once."""
    found = memory(run, DTYPE)
    assert found is not None
    return found.inference + total(costs(run, DTYPE)).params * DTYPE_BYTES[DTYPE]
