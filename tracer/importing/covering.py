"""Sizes at which decisions are made in every combination of two that some sizes make.

Ways are read for one decision at a time, and taken together as if none depended on another one. ``assert h > 20 or
w < 20`` is no two demands: where ``h > 20`` does not hold, it is ``w < 20`` that counts. So the config is held against
the program at a few sizes among which each two decisions are made in all the ways there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice, product
from typing import Any

from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition

DRAWN = 3_000
"""So many sizes are looked at."""

SMALL = 48
"""A quarter of them are no larger."""

CHOSEN = 600
"""So many are beside them, of sizes at which what a symbol decides alone is made in all the ways there are."""

LINE = 2_048
"""Those are looked for among so many sizes of the symbol."""

MOST_DECISIONS = 40
"""Of more decisions, the first ones are looked at."""

RARE = 0.1
"""What two decisions of one symbol leave is a decision of its own where it is so much of all sizes."""

MOST_RARE = 8
"""So many of them are looked at for a symbol."""

MOST_WAYS = 24
"""Two symbols that decide in no more ways together do so in each of them."""

FEW_DECISIONS = 9
"""Of no more than these, each three are looked at as well, where some depend on several symbols."""

TIMES = 2
"""So often each combination of two is made where some depend on several symbols.

Once, what depends on it may happen to be nothing.
"""

Sizes = Mapping[str, int]


class Covering:
    """Sizes of all symbols, those first that make the most combinations which none before them made."""

    def __init__(self, conditions: Sequence[Condition], here: Sizes) -> None:
        import numpy

        self.columns = _looked_at(conditions, here)
        self.rows = len(next(iter(self.columns.values()), ()))
        alone = _alone(conditions, self.columns)
        truths = _truths(conditions, self.columns, alone)
        """For each size that is looked at, what is decided there."""
        are_tied = any(map(_is_of_several, conditions))
        together = range(2, 4 if are_tied and len(truths) <= FEW_DECISIONS else 3)

        columns: list[Any] = []
        times: list[int] = []
        for number in together:
            for group in combinations(truths, number):
                columns.append(sum(truth << place for place, truth in enumerate(group)))
                times.append(TIMES if are_tied and number == 2 else 1)
        of_two = list(_of_two_symbols(alone))
        columns += of_two
        times += [1] * len(of_two)

        self.made = numpy.zeros((len(columns), self.rows), numpy.int8)
        """For each group of decisions and each size, the number of the combination that it makes of them."""
        for place, column in enumerate(columns):
            self.made[place] = column
        missing = numpy.repeat(numpy.array(times, int)[:, None], MOST_WAYS, axis=1)
        self.missing = {True: missing, False: missing.copy()}
        """For each group, how often each combination is to be made yet: by sizes that run, and by others."""
        self.new = numpy.full(self.rows, len(columns) * len(self.missing))
        """For each size, how many of its combinations are missing."""

    def __iter__(self) -> Iterator[dict[str, int]]:
        """The sizes one after the other, until those that are left make nothing new."""
        import numpy

        is_left = numpy.ones(self.rows, bool)
        while True:
            new = self.new * is_left
            row = int(new.argmax())
            if not new[row]:
                return
            is_left[row] = False
            self._row = row
            yield {symbol: int(column[row]) for symbol, column in self.columns.items()}

    def count(self, runs: bool) -> bool:
        """Let the sizes that were given last make their combinations, as sizes that run or as others.

        False where none of them was missing.
        """
        made = self.made[:, self._row]
        missing = self.missing[runs]
        groups = range(len(made))
        before = missing[groups, made]
        missing[groups, made] -= 1

        done = before == 1
        self.new -= (self.made[done] == made[done, None]).sum(axis=0)
        return bool((before > 0).any())


def _is_of_several(condition: Condition) -> bool:
    """Whether several symbols decide together, as with ``H >= W``; those that decide alone are followed one by one."""
    return len(condition.space.support(condition)) > 1


def _truths(
    conditions: Sequence[Condition],
    columns: Mapping[str, Any],
    alone: Mapping[frozenset[str], Sequence[Any]],
) -> list[Any]:
    """For each condition that is decided both ways, where it holds; no two that always decide alike."""
    found = _both_ways(substitute(conditions, columns), columns)
    # What one symbol decides twice is of no use where no other one decides.
    several = alone.values() if len(alone) > 1 else ()
    for own in several:
        for rare in islice(_rare_ones(own), MOST_RARE):
            found.setdefault((rare ^ rare[0]).tobytes(), rare)
    return [holds.astype(int) for holds in found.values()][:MOST_DECISIONS]


def _alone(
    conditions: Sequence[Condition], columns: Mapping[str, Any]
) -> dict[frozenset[str], list[Any]]:
    """The same for what each symbol decides alone."""
    own: dict[frozenset[str], list[Condition]] = {}
    for condition in conditions:
        if not _is_of_several(condition):
            own.setdefault(condition.space.support(condition), []).append(condition)
    return {
        symbol: list(_both_ways(substitute(some, columns), columns).values())
        for symbol, some in own.items()
    }


def _both_ways(truths: Sequence[Any], columns: Mapping[str, Any]) -> dict[bytes, Any]:
    """Truths that are made both ways, by what they decide."""
    import numpy

    shape = next(iter(columns.values())).shape
    found: dict[bytes, Any] = {}
    for truth in truths:
        holds = numpy.broadcast_to(numpy.asarray(truth, bool), shape)
        if holds.any() and not holds.all():
            first = holds ^ holds[0]
            found.setdefault(first.tobytes(), holds)
    return found


def _of_two_symbols(alone: Mapping[frozenset[str], Sequence[Any]]) -> Iterator[Any]:
    """For two symbols that decide in few ways each, the number of the two ways at each size."""

    ways = []
    for own in alone.values():
        if own:
            ways.append(_numbered(own))
    for a, b in combinations(ways, 2):
        count = int(b.max()) + 1
        if (int(a.max()) + 1) * count <= MOST_WAYS:
            yield a * count + b


def _numbered(truths: Sequence[Any]) -> Any:
    """The number of the way at each size in which some decisions are made, the ways in the order of the truths."""
    import numpy

    key = numpy.zeros(len(truths[0]), numpy.int64)
    for truth in truths:
        # The number of the way so far is small, so that many decisions fit.
        _, key = numpy.unique(2 * key + truth, return_inverse=True)
        key = key.reshape(-1)
    return key


def _rare_ones(truths: Sequence[Any]) -> Iterator[Any]:
    """Where two decisions of one symbol are made in a way that few sizes make: ``19 <= h < 21``."""
    for a, b in combinations(truths, 2):
        for one, other in product((a, ~a), (b, ~b)):
            rare = one & other
            if 0 < rare.mean() < RARE:
                yield rare


def _looked_at(conditions: Sequence[Condition], here: Sizes) -> dict[str, Any]:
    """Sizes of all symbols: drawn ones, and those at which single symbols decide otherwise, put together."""
    import numpy

    drawn, chosen = _drawn(here), _chosen(conditions, here)
    return {symbol: numpy.concatenate([drawn[symbol], chosen[symbol]]) for symbol in here}


def _chosen(conditions: Sequence[Condition], here: Sizes) -> dict[str, Any]:
    """For each symbol sizes at which it decides alone in all its ways, each with each of the others, and squares.

    ``h == 23 and w == 21`` holds at one of five hundred drawn sizes, or at none.
    """
    import numpy

    own: dict[str, list[Condition]] = {symbol: [] for symbol in here}
    for condition in conditions:
        symbol, *more = condition.space.support(condition)
        if not more and symbol in own:
            own[symbol].append(condition)
    ways = {symbol: _one_of_each_way(own[symbol], symbol, n) for symbol, n in here.items()}

    draw = numpy.random.default_rng(0)
    count = math.prod(map(len, ways.values()))
    numbers = numpy.arange(count) if count <= CHOSEN else draw.integers(0, count, CHOSEN)
    squares = numpy.unique(numpy.concatenate(list(ways.values())))

    columns: dict[str, Any] = {}
    for symbol, sizes in ways.items():
        numbers, place = numpy.divmod(numbers, len(sizes))
        is_batch = symbol.startswith("N")
        same = numpy.full(len(squares), here[symbol]) if is_batch else squares
        columns[symbol] = numpy.concatenate([sizes[place], same])
    return columns


def _one_of_each_way(conditions: Sequence[Condition], symbol: str, here: int) -> Any:
    """The sizes nearest to ``here`` among those at which conditions on one symbol are alike."""
    import numpy

    line = _line(here)
    draw = numpy.random.default_rng(0)
    key = numpy.zeros(len(line), numpy.int64)
    for truth in substitute(conditions, {symbol: line}):
        key += numpy.asarray(truth, numpy.int64) * draw.integers(1, 2**40)

    _, first = numpy.unique(key, return_index=True)
    return line[numpy.sort(first)]


def where_each_is_otherwise(
    conditions: Sequence[Condition], here: Sizes
) -> Iterator[dict[str, int]]:
    """The nearest sizes at which a condition is decided otherwise, by one symbol, in squares, and by all together."""
    import numpy

    spatial = [symbol for symbol in here if not symbol.startswith("N")]
    others: dict[str, list[int]] = {symbol: [] for symbol in here}
    for condition in conditions:
        (is_so,) = substitute([condition], here)
        for symbol in sorted(condition.space.support(condition)):
            line = _line(here[symbol])
            (truth,) = substitute([condition], {**here, symbol: line})
            found = line[numpy.flatnonzero(numpy.broadcast_to(truth, len(line)) != is_so)]
            others[symbol] += map(int, found[:1])

    for symbol, sizes in others.items():
        yield from ({**here, symbol: n} for n in sizes)
    for n in dict.fromkeys(n for symbol in spatial for n in others[symbol]):
        yield {**here, **dict.fromkeys(spatial, n)}
    for pairs in product(*(others[symbol] for symbol in spatial)):
        yield {**here, **dict(zip(spatial, pairs))}


def _line(here: int) -> Any:
    """The sizes of a symbol that are looked at, the nearest to ``here`` first."""
    import numpy

    line = numpy.arange(1, LINE + min(here, LINE))
    return line[numpy.argsort(numpy.abs(line - here), kind="stable")]


def _drawn(here: Sizes) -> dict[str, Any]:
    """Sizes of all symbols, always the same ones: any, small ones, some near those here, and at last squares.

    Two that are equal are the border of what decides, so that they come after the others.
    """
    import numpy

    draw = numpy.random.default_rng(0)
    quarter = DRAWN // 4
    any_size = {symbol: draw.integers(1, 2 * n + 2, 2 * quarter) for symbol, n in here.items()}
    spatial = [symbol for symbol in here if not symbol.startswith("N")]

    columns: dict[str, Any] = {}
    for symbol, n in here.items():
        small = draw.integers(1, SMALL + 1, quarter)
        near = numpy.maximum(n + draw.integers(-9, 10, quarter), 1)
        square = any_size[spatial[0] if symbol in spatial else symbol]
        parts = [any_size[symbol][:quarter], small, near, square[quarter:]]
        columns[symbol] = numpy.concatenate(parts)
    return columns
