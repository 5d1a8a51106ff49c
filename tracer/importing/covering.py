"""Sizes at which decisions are made in every combination of two that some sizes make.

Ways are read for one decision at a time, and taken together as if none depended on another one. ``assert h > 20 or
w < 20`` is no two demands: where ``h > 20`` does not hold, it is ``w < 20`` that counts. So the config is held against
the program at a few sizes among which each two decisions are made in all the ways there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition

DRAWN = 3_000
"""So many sizes are looked at."""

SMALL = 48
"""A quarter of them are no larger."""

MOST_DECISIONS = 40
"""Of more decisions, the first ones are looked at."""

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

        self.columns = _drawn(here)
        truths = _truths(conditions, self.columns)
        """For each size that is looked at, what is decided there."""
        are_tied = any(map(_is_of_several, conditions))
        together = range(2, 4 if are_tied and len(truths) <= FEW_DECISIONS else 3)
        groups = [
            group for number in together for group in combinations(range(len(truths)), number)
        ]

        self.made = numpy.zeros((DRAWN, len(groups)), int)
        """For each size and each group of decisions, the number of the combination that it makes of them."""
        for place, group in enumerate(groups):
            for number, decision in enumerate(group):
                self.made[:, place] += truths[decision] << number
        times = [TIMES if are_tied and len(group) == 2 else 1 for group in groups]
        missing = numpy.repeat(numpy.array(times, int)[:, None], 8, axis=1)
        self.missing = {True: missing, False: missing.copy()}
        """For each group, how often each combination is to be made yet: by sizes that run, and by others."""

    def __iter__(self) -> Iterator[dict[str, int]]:
        """The sizes one after the other, until those that are left make nothing new."""
        import numpy

        groups = numpy.arange(self.made.shape[1])
        is_left = numpy.ones(DRAWN, bool)
        while len(groups):
            new = sum(
                (of_kind[groups, self.made] > 0).sum(axis=1)
                for of_kind in self.missing.values()
            )
            new = new * is_left
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
        made = self.made[self._row]
        missing = self.missing[runs]
        groups = range(len(made))
        is_new = bool((missing[groups, made] > 0).any())
        missing[groups, made] -= 1
        return is_new


def _is_of_several(condition: Condition) -> bool:
    """Whether several symbols decide together, as with ``H >= W``; those that decide alone are followed one by one."""
    return len(condition.space.support(condition)) > 1


def _truths(conditions: Sequence[Condition], columns: Mapping[str, Any]) -> list[Any]:
    """For each condition that is decided both ways, where it holds; no two that always decide alike."""
    import numpy

    found: dict[bytes, Any] = {}
    for truth in substitute(conditions, columns):
        holds = numpy.broadcast_to(numpy.asarray(truth, bool), (DRAWN,))
        if holds.any() and not holds.all():
            first = holds ^ holds[0]
            found.setdefault(first.tobytes(), holds.astype(int))
    return list(found.values())[:MOST_DECISIONS]


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
