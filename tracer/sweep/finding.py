"""The Pareto front of the rows that meet wishes, task by task: what no other row beats is kept, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from tracer.sweep.candidates import PLACE, Gathered, RowComparison, candidates, row_places
from tracer.sweep.columns import as_lists
from tracer.sweep.evaluate import evaluate
from tracer.sweep.study import Study
from tracer.sweep.wishes import SIGNS, RowWish, meeting, nearest

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

    @property
    def comparison(self) -> RowComparison:
        """By which columns rows are compared."""
        return RowComparison(self.measures, self.larger)

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


def part_of(study: Study, number: int, search: FrontSearch) -> FrontPart:
    """What is kept of one task. Raises :class:`tracer.sweep.axes.Unvaried`."""
    columns = evaluate(study, number)
    met = np.flatnonzero(meeting(search.wishes, columns))
    near = tuple(nearest(wish, columns) for wish in search.wishes)
    if not len(met):
        return FrontPart({}, 0, near)

    key = (study.key(), search.key())
    rows = candidates(columns, columns, number, met, search.comparison, key)
    return FrontPart(rows, len(met), near)


def together(parts: Iterable[FrontPart], search: FrontSearch) -> FrontPart:
    """The front of all parts, ordered by the measures. Raises :class:`TooMany`."""
    gathered = Gathered(search.comparison)
    count = 0
    near: tuple[Any, ...] = (None,) * len(search.wishes)
    for part in parts:
        count += part.meeting
        near = tuple(
            _nearer(wish, *pair) for wish, *pair in zip(search.wishes, near, part.nearest)
        )
        if part.rows:
            gathered.add(part.rows)

    left = len(gathered)
    if not left:
        return FrontPart({}, count, near)
    if left > COMPARED:
        raise TooMany(
            f"{left:,} rows are left to be compared with each other, at most {COMPARED:,} are: "
            "add conditions, or name fewer --objectives"
        )
    return FrontPart(gathered.front(), count, near)


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
    return row_places(found.rows)


def rows_of(found: FrontPart, most: int) -> list[dict[str, Any]]:
    """The first rows with all their columns."""
    return rows_at(found, range(min(most, len(places(found)))))


def rows_at(found: FrontPart, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of these numbers with all their columns."""
    columns = as_lists({name: values[list(numbers)] for name, values in found.rows.items()})
    names = [name for name in columns if name not in PLACE]
    return [dict(zip(names, values)) for values in zip(*(columns[name] for name in names))]
