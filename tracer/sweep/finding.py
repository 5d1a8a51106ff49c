"""The Pareto front of the rows that meet wishes, task by task: what no other row beats is kept, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from tracer.sweep.columns import as_lists
from tracer.sweep.evaluate import evaluate
from tracer.sweep.pareto import front
from tracer.sweep.study import Study
from tracer.sweep.wishes import LARGEST, SIGNS, RowWish, meeting, nearest

KEPT = 20_000
"""Rows beside those that were kept last time that come together before they are compared."""

COMPARED = 500_000
"""Rows that are compared with each other at most: it takes some ten seconds."""


class TooMany(Exception):
    """More rows are left than can be compared with each other."""


class FrontSearch(msgspec.Struct, frozen=True):
    """Which rows are looked for, and by which columns they are compared."""

    wishes: tuple[RowWish, ...]
    measures: tuple[str, ...]
    larger: frozenset[str]
    """The measures of which more is better."""

    def key(self) -> str:
        """A text that no other search has."""
        what = (self.wishes, self.measures, sorted(self.larger))
        return hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:16]


class FrontPart(msgspec.Struct, frozen=True):
    """Rows of some tasks that no other row of these with the same sizes beats."""

    rows: Mapping[str, Any]
    """All columns, and the places of the rows in the columns :data:`PLACE`."""
    meeting: int = 0
    """So many rows meet the wishes."""
    nearest: tuple[Any, ...] = ()
    """For each wish the number that comes nearest to it."""


PLACE = ("#task", "#row")
"""The columns with a row's place: its task, and its number in there."""


def part_of(study: Study, number: int, search: FrontSearch) -> FrontPart:
    """What is kept of one task. Raises :class:`tracer.sweep.axes.Unvaried`."""
    columns = evaluate(study, number)
    met = np.flatnonzero(meeting(search.wishes, columns))
    near = tuple(nearest(wish, columns) for wish in search.wishes)
    if not len(met):
        return FrontPart({}, 0, near)

    task, row = PLACE
    rows = {name: values[met] for name, values in columns.items()}
    rows |= {task: np.full(len(met), number), row: met}
    return FrontPart(_kept(rows, search), len(met), near)


def together(parts: Iterable[FrontPart], search: FrontSearch) -> FrontPart:
    """The front of all parts, ordered by the measures. Raises :class:`TooMany`."""
    waiting: list[Mapping[str, Any]] = []
    count = 0
    near: tuple[Any, ...] = (None,) * len(search.wishes)
    limit = KEPT
    for part in parts:
        count += part.meeting
        near = tuple(
            _nearer(wish, *pair) for wish, *pair in zip(search.wishes, near, part.nearest)
        )
        if part.rows:
            waiting.append(part.rows)
        if sum(map(_length, waiting)) > limit:
            waiting = [_kept(_joined(waiting), search)]
            limit = _length(waiting[0]) + KEPT

    if not waiting:
        return FrontPart({}, count, near)
    rows = _kept(_joined(waiting), search)
    if _length(rows) > COMPARED:
        raise TooMany(
            f"{_length(rows):,} rows are left to be compared with each other, at most {COMPARED:,} are: "
            "add conditions, or name fewer --objectives"
        )
    return FrontPart(_ordered(rows, search), count, near)


def _length(rows: Mapping[str, Any]) -> int:
    return len(rows[PLACE[0]])


def _joined(several: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The rows of all, one behind the other."""
    if len(several) == 1:
        return several[0]
    masked: Any = np.ma  # its functions have no types
    return {name: masked.concatenate([rows[name] for rows in several]) for name in several[0]}


def _costs(rows: Mapping[str, Any], name: str, search: FrontSearch) -> Any:
    """A measure turned so that smaller is better; what is None is the whole input, or larger than any number."""
    values = np.ma.filled(rows[name], LARGEST)
    return -values if name in search.larger else values


def _kept(rows: Mapping[str, Any], search: FrontSearch) -> Mapping[str, Any]:
    """The rows that no other with the same of what has to be large beats: of many sizes most go in one pass."""
    shared = [_costs(rows, name, search) for name in search.measures if name in search.larger]
    others = [
        _costs(rows, name, search) for name in search.measures if name not in search.larger
    ]
    if not others:
        return rows

    order = np.lexsort([*reversed(others), *reversed(shared)])
    groups = _groups([values[order] for values in shared], len(order))
    best = order[_best_of_groups(groups, np.column_stack([values[order] for values in others]))]
    best.sort()
    return {name: values[best] for name, values in rows.items()}


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
    while len(left):
        own = groups[left]
        begins = np.ones(len(left), bool)
        begins[1:] = own[1:] != own[:-1]

        # The first that is left of each group is beaten by none: those it beats go, those that are alike stay with it.
        first = left[begins][np.cumsum(begins) - 1]
        beaten = (costs[left] >= costs[first]).all(axis=1)
        alike = (costs[left] == costs[first]).all(axis=1)
        found.append(left[alike])
        left = left[~beaten]
    return np.concatenate(found)


def _ordered(rows: Mapping[str, Any], search: FrontSearch) -> Mapping[str, Any]:
    """The rows that no other beats, ordered by the measures."""
    costs = {name: _costs(rows, name, search) for name in search.measures}

    best = front(list(costs.values()))

    # The last key is the first to decide.
    keys = [costs[name][best] for name in reversed(search.measures)]
    ties = [rows[name][best] for name in reversed(PLACE)]
    ordered = best[np.lexsort([*ties, *keys])]
    return {name: values[ordered] for name, values in rows.items()}


def _nearer(wish: RowWish, one: Any, other: Any) -> Any:
    """Of two numbers the one that comes nearer to a bound."""
    known = [number for number in (one, other) if number is not None]
    if not known:
        return None
    return min(known) if wish.sign.startswith("<") else max(known)


def misses(search: FrontSearch, near: Sequence[Any]) -> list[str]:
    """A sentence for each bound that no valid row meets, with the number that comes nearest."""
    found = []
    for wish, number in zip(search.wishes, near):
        if number is None or _meets(wish, number):
            continue
        most = "least" if wish.sign.startswith("<") else "largest"
        found.append(f"{wish.text}: the {most} of the valid rows is {number:,}")
    return found


def _meets(wish: RowWish, number: Any) -> bool:
    return bool(SIGNS[wish.sign](number, wish.value))


def places(found: FrontPart) -> list[tuple[int, int]]:
    """The task and the row in it of every row."""
    tasks, rows = (found.rows[name].tolist() for name in PLACE)
    return list(zip(tasks, rows))


def rows_of(found: FrontPart, most: int) -> list[dict[str, Any]]:
    """The first rows with all their columns."""
    return rows_at(found, range(min(most, len(places(found)))))


def rows_at(found: FrontPart, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of these numbers with all their columns."""
    columns = as_lists({name: values[list(numbers)] for name, values in found.rows.items()})
    names = [name for name in columns if name not in PLACE]
    return [dict(zip(names, values)) for values in zip(*(columns[name] for name in names))]
