"""Rows that may be on a Pareto front, gathered task by task: what another row beats is dropped as soon as it is met."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from tracer.memo import Memo
from tracer.sweep.columns import Columns
from tracer.sweep.pareto import front
from tracer.sweep.wishes import LARGEST

KEPT = 20_000
"""Rows beside twice those that were kept last time that come together before they are compared."""

EARLIER = 10_000
"""Candidates of earlier tasks, at most, with which those of a task are compared where they are found."""

ROUNDS = 32
"""So often the best row of each group is compared with its group: what is left then is divided."""

PLACE = ("#task", "#row")
"""The columns with a row's place: its task, and its number in there."""

Candidates = Mapping[str, Any]
"""Columns of some rows, their measures and their places in :data:`PLACE` among them."""


class RowComparison(msgspec.Struct, frozen=True):
    """By which columns rows are compared."""

    measures: tuple[str, ...]
    larger: frozenset[str]
    """The measures of which more is better."""

    def cost(self, rows: Candidates, name: str) -> Any:
        """A measure turned so that smaller is better; None is the whole input, or larger than any number."""
        values = np.ma.filled(rows[name], LARGEST)
        return -values if name in self.larger else values

    def costs(self, rows: Candidates) -> list[Any]:
        """All measures turned so."""
        return [self.cost(rows, name) for name in self.measures]


_earlier: Memo[Candidates] = Memo(1)
"""By what is searched, the candidates that this process has found so far."""


def candidates(
    columns: Columns,
    names: Iterable[str],
    task: int,
    rows: Any,
    comparison: RowComparison,
    search: Hashable,
) -> Candidates:
    """Of some rows of a task, with the columns of these names, those that may be on the front.

    Those that an earlier row beats, of the same ``search`` and in this process, are not among them: what any other
    row beats is not on the front, wherever that one is known.
    """
    places = dict(zip(PLACE, (np.full(len(rows), task), rows)))
    own = {name: columns[name][rows] for name in comparison.measures}
    best = _unbeaten_so_far(own | places, comparison, search)
    found = {name: columns[name][rows[best]] for name in names}
    return found | {name: values[best] for name, values in places.items()}


def _unbeaten_so_far(rows: Candidates, comparison: RowComparison, search: Hashable) -> Any:
    """The numbers of the rows that none of them beats, and none of those that were kept for the search."""
    earlier = _earlier.pop(search, None)
    together = rows if earlier is None else _joined([earlier, rows])
    best = _unbeaten(together, comparison)
    if len(best) <= EARLIER:
        _earlier[search] = {name: values[best] for name, values in together.items()}

    own = best - (length(together) - length(rows))
    return own[own >= 0]


class Gathered:
    """The candidates of several tasks, whose front is asked for when all are there."""

    def __init__(self, comparison: RowComparison) -> None:
        self._comparison = comparison
        self._waiting: list[Candidates] = []
        self._count = 0
        self._limit = KEPT

    def add(self, rows: Candidates) -> None:
        """Add the candidates of a task."""
        self._waiting.append(rows)
        self._count += length(rows)
        if self._count > self._limit:
            self._compare()

    def _compare(self) -> None:
        together = _joined(self._waiting)
        best = _unbeaten(together, self._comparison)
        rows = {name: values[best] for name, values in together.items()}
        self._waiting = [rows]
        self._count = length(rows)
        self._limit = 2 * self._count + KEPT

    def __len__(self) -> int:
        """The rows that are left of a comparison of all."""
        if len(self._waiting) > 1:
            self._compare()
        return self._count

    def front(self) -> Candidates:
        """The rows that no other beats, ordered by the measures and then by their places; there are some rows."""
        rows = _joined(self._waiting)
        costs = self._comparison.costs(rows)
        best = front(costs)

        # The last key is the first to decide.
        ties = [rows[name][best] for name in reversed(PLACE)]
        keys = [values[best] for values in reversed(costs)]
        ordered = best[np.lexsort([*ties, *keys])]
        return {name: values[ordered] for name, values in rows.items()}


def length(rows: Candidates) -> int:
    """The number of rows."""
    return len(rows[PLACE[0]])


def row_places(rows: Candidates) -> list[tuple[int, int]]:
    """The task and the row in it of every row."""
    tasks, own = (rows[name].tolist() for name in PLACE)
    return list(zip(tasks, own))


def _joined(several: Sequence[Candidates]) -> Candidates:
    """The rows of all, one behind the other."""
    if len(several) == 1:
        return several[0]
    masked: Any = np.ma  # its functions have no types
    return {name: masked.concatenate([rows[name] for rows in several]) for name in several[0]}


def _unbeaten(rows: Candidates, comparison: RowComparison) -> Any:
    """The numbers of the rows that no other with the same of what has to be large beats, in their order.

    Of many sizes most rows go in one pass.
    """
    measures = comparison.measures
    shared = [comparison.cost(rows, name) for name in measures if name in comparison.larger]
    others = [comparison.cost(rows, name) for name in measures if name not in comparison.larger]
    if not others:
        return np.arange(length(rows))

    order = np.lexsort([*reversed(others), *reversed(shared)])
    groups = _groups([values[order] for values in shared], len(order))
    best = order[_best_of_groups(groups, np.column_stack([values[order] for values in others]))]
    best.sort()
    return best


def _groups(shared: Sequence[Any], count: int) -> Any:
    """The number of each row's group: those with the same values follow each other."""
    changes = np.zeros(count, bool)
    for values in shared:
        changes[1:] |= values[1:] != values[:-1]
    return np.cumsum(changes)


def _best_of_groups(groups: Any, costs: Any) -> Any:
    """The places of the rows that none of their group beats; each group is in the order of its costs."""
    left = np.arange(len(groups))
    found = []
    for _ in range(ROUNDS):
        if not len(left):
            break
        own = groups[left]
        begins = np.ones(len(left), bool)
        begins[1:] = own[1:] != own[:-1]

        # The first that is left of each group is beaten by none: those it beats go, those that are alike stay with it.
        first = left[begins][np.cumsum(begins) - 1]
        beaten = (costs[left] >= costs[first]).all(axis=1)
        alike = (costs[left] == costs[first]).all(axis=1)
        found.append(left[alike])
        left = left[~beaten]

    if len(left):
        # Where few are beaten by the first ones, they are divided.
        left = left[_best_by_dividing(groups[left], costs[left])]
    return np.concatenate([*found, left])


def _best_by_dividing(groups: Any, costs: Any) -> Any:
    """The same. Of two groups none beats the other: one is larger in what is first, the other in what is last."""
    return front([groups, -groups, *costs.T])
