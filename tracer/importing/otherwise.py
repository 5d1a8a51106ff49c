"""Sizes of several symbols for which a decision is otherwise: ``H*W >= 2`` is not where both are 1.

Where one symbol decides, such sizes are worked out. Several of them have no set that could be written down: sizes near
those of the first recording are tried, smaller and larger ones by a factor, and all of them enlarged alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any, NamedTuple

from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition

SMALLEST = (1, 2, 3, 5, 8)
"""Sizes of a symbol that are tried beside those near its own."""

STEPS = (0, 1, -1, 2, -2)
"""Its own size and so much are tried."""

FACTORS = (0.5, 2, 0.25, 4, 0.125, 0.0625, 8, 1 / 32)
"""Its own size times these is tried."""

POWERS = (16, 32, 64, 4, 128, 256)
"""The strides of networks: a map of one pixel has such a size."""

COMBINATIONS = 4_000
"""So many sizes of all symbols together are tried."""

LINE = 4_096
"""All sizes of one symbol below are tried."""

OF_OTHERS = 24
"""So often: for so many sizes of the other symbols."""

MOST_SYMBOLS = 4
"""Of conditions on more symbols, no size is looked for where they do not hold."""

DOUBLINGS = 40
"""All sizes are doubled so often at most."""

Sizes = Mapping[str, int]


class Found(NamedTuple):
    """Sizes for which a decision is otherwise."""

    sizes: dict[str, int]
    broken: Sequence[Condition]
    """The other conditions that do not hold there."""


def sizes_without(
    condition: Condition,
    others: Sequence[Condition],
    here: Sizes,
    is_left_out: Callable[[Sizes], bool],
    more_symbols: Iterable[str] = (),
) -> Iterator[Found]:
    """Sizes for which a condition does not hold, those first where the fewest of the others do not either.

    ``here`` are the sizes of all symbols; only those that the condition depends on are changed, and ``more_symbols``.
    None is given that is left out, which is asked when the next one is needed.
    """
    symbols = sorted(condition.space.support(condition).union(more_symbols))
    if len(symbols) > MOST_SYMBOLS:
        return

    for sizes in _near(condition, others, symbols, here):
        if not is_left_out(sizes):
            values = {**here, **sizes}
            yield Found(sizes, broken_of(others, values))

    for sizes in _along(condition, symbols, here):
        if not is_left_out(sizes):
            values = {**here, **sizes}
            yield Found(sizes, broken_of(others, values))

    enlarged = _enlarged(condition, symbols, here)
    if enlarged is not None and not is_left_out(enlarged):
        values = {**here, **enlarged}
        yield Found(enlarged, broken_of(others, values))


def sizes_with(
    symbol: str, size: int, conditions: Sequence[Condition], here: Sizes
) -> dict[str, int]:
    """A size of a symbol, with sizes of others at which conditions hold: none where they do or none were found.

    ``if h < w`` is as it was for fewer columns where there are fewer rows too.
    """
    wanted = {symbol: size}
    if not broken_of(conditions, {**here, **wanted}):
        return wanted
    tied = set[str]().union(*(one.space.support(one) for one in conditions))
    others = sorted(tied - {symbol})
    if not others or len(others) >= MOST_SYMBOLS:
        return wanted

    import numpy

    of_each = int(COMBINATIONS ** (1 / len(others)))
    tried = [dict.fromkeys([*_tried(here[one]), *_tried(size)]) for one in others]
    rows = numpy.array(list(product(*(list(sizes)[:of_each] for sizes in tried))))
    columns = dict(zip(others, rows.T))
    holds = numpy.ones(len(rows), bool)
    for truth in substitute(conditions, {**here, **wanted, **columns}):
        holds = holds & numpy.asarray(truth, bool)
    if not holds.any():
        return wanted

    asked = [here[one] for one in others]
    distance = numpy.abs(numpy.log2(rows / asked)).sum(axis=1)
    nearest = rows[numpy.where(holds, distance, numpy.inf).argmin()].tolist()
    return wanted | dict(zip(others, nearest))


def broken_of(conditions: Sequence[Condition], sizes: Sizes) -> list[Condition]:
    """Those of the conditions that do not hold for the sizes of all symbols."""
    truths = substitute(conditions, sizes)
    return [condition for condition, holds in zip(conditions, truths) if not holds]


def _near(
    condition: Condition,
    others: Sequence[Condition],
    symbols: Sequence[str],
    here: Sizes,
) -> Iterator[dict[str, int]]:
    """Sizes near those that are there, and small ones."""
    import numpy

    of_each = int(COMBINATIONS ** (1 / len(symbols)))
    tried = []
    for symbol in symbols:
        sizes = _tried(here[symbol])
        tried.append(sizes[:of_each])
    rows = numpy.array(list(product(*tried)))
    columns = dict(zip(symbols, rows.T))
    count = len(rows)

    values = {**here, **columns}
    holds, *rest = substitute([condition, *others], values)
    broken = numpy.zeros(count, int)
    for truth in rest:
        broken += 1 - numpy.asarray(truth, int)
    distance = numpy.zeros(count)
    for symbol, column in columns.items():
        ratio = column / here[symbol]
        distance += numpy.abs(numpy.log2(ratio))

    fails = ~numpy.asarray(holds, bool)
    order = numpy.lexsort((distance, broken))
    for place in order[fails[order]]:
        numbers = rows[place].tolist()
        yield dict(zip(symbols, numbers))


def _along(
    condition: Condition, symbols: Sequence[str], here: Sizes
) -> Iterator[dict[str, int]]:
    """For a few sizes of the other symbols, the least sizes of one for which the condition fails."""
    import numpy

    line = numpy.arange(1, LINE)
    for symbol in symbols:
        others = [one for one in symbols if one != symbol]
        tried = [_tried(here[one])[:OF_OTHERS] for one in others]
        for numbers in islice(product(*tried), OF_OTHERS):
            sizes = dict(zip(others, numbers))
            (holds,) = substitute([condition], {**here, **sizes, symbol: line})
            fails = line[~numpy.broadcast_to(numpy.asarray(holds, bool), line.shape)]
            if len(fails):
                yield {**sizes, symbol: int(fails[0])}


def _tried(here: int) -> list[int]:
    """Sizes of one symbol, those near ``here`` first."""
    near = [here + step for step in STEPS]
    scaled = [int(here * factor) for factor in FACTORS]
    found = dict.fromkeys(
        [
            *near,
            *scaled[:2],
            *SMALLEST[:3],
            *POWERS[:2],
            *scaled[2:],
            *SMALLEST,
            *POWERS,
        ]
    )
    return [n for n in found if n > 0]


def _enlarged(
    condition: Condition, symbols: Sequence[str], here: Sizes
) -> dict[str, int] | None:
    """The least sizes by which the condition fails when all of them are doubled again and again; None where it holds.

    Those of one are left as they are, where another one is larger: a batch is no dim that grows.
    """
    grown = [symbol for symbol in symbols if here[symbol] > 1] or symbols
    for doublings in range(1, DOUBLINGS):
        sizes: dict[str, Any] = {symbol: here[symbol] for symbol in symbols}
        for symbol in grown:
            sizes[symbol] <<= doublings
        values = {**here, **sizes}
        (holds,) = substitute([condition], values)
        if not holds:
            return sizes
    return None


def elements(shapes: Sequence[Sequence[int]]) -> int:
    """The number of elements of tensors of these shapes."""
    return sum(map(math.prod, shapes))
