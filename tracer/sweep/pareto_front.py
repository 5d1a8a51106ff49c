"""The rows of a sweep that meet a condition, and which of them are on the Pareto front.

Each task is looked at where its rows are computed; here the candidates of all come together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tracer.source.expressions import Expression, ExpressionError, parse
from tracer.sweep.candidates import Gathered, RowComparison, candidates, row_places
from tracer.sweep.columns import Columns, as_lists, packed, unpacked
from tracer.sweep.in_order import Taker
from tracer.sweep.study import Study


class RowPlace(NamedTuple):
    """A row by its task and its place in there."""

    task: int
    row: int


class ParetoFront(NamedTuple):
    """The rows that meet a condition, and those of them that no other beats."""

    meeting: int
    """So many meet it."""
    places: Sequence[RowPlace]
    """Of the front's rows, ordered by the measures."""
    notes: Sequence[str]
    """Sentences for the user: where the condition could not be computed, and by how much all rows miss it."""


class FrontWish(msgspec.Struct, frozen=True):
    """Which rows are compared, and by what."""

    where: str | None
    """An expression over the columns."""
    comparison: RowComparison
    needs_all: bool = False
    """True where the rows are wanted that are not on the front."""


class TaskFront(NamedTuple):
    """What is known of a task's rows where they are computed."""

    task: int
    rows: int
    invalid: int
    meeting: int
    candidates: bytes
    """Those that may be on the front, packed; none where no row meets the condition."""
    met: bytes
    """A bit for each row, 1 where it meets the condition; none where nobody asks."""
    verdict: Verdict


def task_front(study: Study, number: int, columns: Columns, wish: FrontWish) -> TaskFront:
    """The rows of a task that may be on the front."""
    valid = np.flatnonzero(np.ma.filled(columns["valid"], False))
    holds, verdict = _judged(columns, valid, wish.where)
    rows = valid[holds]
    own = b""
    if len(rows):
        comparison = wish.comparison
        search = (study.key(), wish)
        found = candidates(columns, comparison.measures, number, rows, comparison, search)
        own = packed(found)

    count = len(columns["valid"])
    met = b""
    if wish.needs_all:
        is_met = np.zeros(count, bool)
        is_met[rows] = True
        met = np.packbits(is_met).tobytes()
    return TaskFront(number, count, count - len(valid), len(rows), own, met, verdict)


class FrontSoFar:
    """The front of the tasks that were looked at."""

    def __init__(self, wish: FrontWish) -> None:
        self._gathered = Gathered(wish.comparison)
        self._condition = _Condition(wish.where)
        self._rows = self._invalid = self._meeting = 0
        self.met: dict[int, bytes] = {}
        """By task, where all rows are asked for: a bit for each row, 1 where it meets the condition."""
        self.taker = Taker(partial(task_front, wish=wish), self._take)

    def _take(self, found: TaskFront) -> None:
        self._rows += found.rows
        self._invalid += found.invalid
        self._meeting += found.meeting
        self._condition.add(found.verdict)
        if found.met:
            self.met[found.task] = found.met
        if found.candidates:
            self._gathered.add(unpacked(found.candidates))

    def found(self) -> ParetoFront:
        """The front of all."""
        notes = self._condition.failures()
        if 0 < self._invalid < self._rows:
            invalid = f"{self._invalid:,} of {self._rows:,} rows"
            notes.insert(0, f"{invalid} are not valid: `error` says why")
        if not self._meeting:
            return ParetoFront(0, [], [*notes, *self._condition.misses()])

        places = row_places(self._gathered.front())
        return ParetoFront(self._meeting, [RowPlace(*place) for place in places], notes)


def spaced(count: int, most: int) -> list[int]:
    """At most so many of the numbers below ``count``, evenly spaced, the first and the last among them.

    >>> spaced(100, 4), spaced(3, 4), spaced(9, 1), spaced(9, 0)
    ([0, 33, 66, 99], [0, 1, 2], [0], [])
    """
    if count <= most:
        return list(range(count))
    if most < 2:
        return [0] * most
    return [i * (count - 1) // (most - 1) for i in range(most)]


# --- rows by their places --------------------------------------------------------------------------------------------

Table = Callable[[int], Columns]
"""The columns of a task by its number."""


def rows_at(table: Table, places: Sequence[RowPlace]) -> list[dict[str, Any]]:
    """Rows with all their columns, in the order of their places as given."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for order, place in enumerate(places):
        wanted.setdefault(place.task, []).append((order, place.row))

    found: list[dict[str, Any]] = [{}] * len(places)
    for task, several in wanted.items():
        orders, rows = zip(*several)
        own = as_lists({name: values[list(rows)] for name, values in table(task).items()})
        for order, values in zip(orders, zip(*own.values())):
            found[order] = dict(zip(own, values))
    return found


class MeetingRows:
    """The rows that meet a condition, numbered in the order of the sweep."""

    def __init__(self, met: Mapping[int, bytes]) -> None:
        self._met = met
        self._tasks = sorted(met)
        counts = [len(self._rows(task)) for task in self._tasks]
        self._ends = np.cumsum(counts)
        self._begins = dict(zip(self._tasks, (self._ends - counts).tolist()))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def _rows(self, task: int) -> Any:
        return np.flatnonzero(np.unpackbits(np.frombuffer(self._met[task], np.uint8)))

    def numbers(self, places: Iterable[RowPlace]) -> list[int]:
        """The numbers of rows."""
        wanted: dict[int, list[int]] = {}
        order = list(places)
        for place in order:
            wanted.setdefault(place.task, []).append(place.row)

        found: dict[RowPlace, int] = {}
        for task, rows in wanted.items():
            own = self._begins[task] + np.searchsorted(self._rows(task), rows)
            found.update(zip((RowPlace(task, row) for row in rows), own.tolist()))
        return [found[place] for place in order]

    def beside(self, places: Iterable[RowPlace], most: int) -> list[RowPlace]:
        """Other rows than these, at most so many and evenly spaced."""
        is_other = np.ones(len(self), bool)
        is_other[self.numbers(places)] = False
        others = np.flatnonzero(is_other)
        return [self._place(int(number)) for number in others[spaced(len(others), most)]]

    def _place(self, number: int) -> RowPlace:
        task = self._tasks[int(np.searchsorted(self._ends, number, side="right"))]
        return RowPlace(task, int(self._rows(task)[number - self._begins[task]]))

    def measures(self, table: Table, names: Iterable[str]) -> dict[str, list[Any]]:
        """Columns of all of them."""
        found: dict[str, list[Any]] = {name: [] for name in names}
        for task in self._tasks:
            rows = self._rows(task)
            columns = table(task)
            for name, values in found.items():
                values += columns[name][rows].tolist()
        return found


# --- the condition ---------------------------------------------------------------------------------------------------

_BOUND = re.compile(r"\b([^\W\d]\w*)\s*(<=?|>=?)\s*(\d[\d.]*(?:e[-+]?\d+)?)", re.IGNORECASE)


class Bound(NamedTuple):
    """A comparison with a number in a condition, as it is written."""

    name: str
    sign: str
    number: str

    @property
    def is_upper(self) -> bool:
        return self.sign.startswith("<")


class Verdict(NamedTuple):
    """What a condition says of the valid rows of a task, beside whether each meets it."""

    failed: frozenset[tuple[Any, ...]] = frozenset()
    """The values of its names for which it could not be computed."""
    reason: str = ""
    """Of the last of them."""
    nearest: Sequence[Any] = ()
    """For each of its bounds the number that comes nearest; None where there is none."""


def _judged(columns: Columns, valid: Any, where: str | None) -> tuple[Any, Verdict]:
    """For each of the valid rows whether it meets the condition. One for which it cannot be computed does not."""
    if where is None:
        return np.ones(len(valid), bool), Verdict()
    condition = parse(where)
    names = sorted(condition.names)
    own = {name: columns[name][valid].tolist() for name in names}
    rows = list(zip(*own.values())) if own else [()] * len(valid)

    known: dict[tuple[Any, ...], bool] = {}
    failed = set()
    reason = ""
    for row in dict.fromkeys(rows):
        try:
            known[row] = bool(condition(dict(zip(names, row))))
        except ExpressionError as error:
            known[row] = False
            failed.add(row)
            reason = str(error)

    holds = np.fromiter(map(known.__getitem__, rows), bool, len(rows))
    nearest = [_nearest(bound, own[bound.name]) for bound in _bounds(condition)]
    return holds, Verdict(frozenset(failed), reason, nearest)


def _bounds(condition: Expression) -> list[Bound]:
    """The comparisons of its names with numbers."""
    found = [Bound(match[1], match[2], match[3]) for match in _BOUND.finditer(condition.text)]
    return [bound for bound in found if bound.name in condition.names]


def _nearest(bound: Bound, values: Iterable[Any]) -> Any:
    """Of some values the one that comes nearest to a bound."""
    numbers = [value for value in values if isinstance(value, int | float)]
    if not numbers:
        return None
    return min(numbers) if bound.is_upper else max(numbers)


class _Condition:
    """A condition on rows: where it could not be computed, and how near all rows come to the bounds in it."""

    def __init__(self, where: str | None) -> None:
        self._bounds = [] if where is None else _bounds(parse(where))
        self._nearest: list[Any] = [None] * len(self._bounds)
        """For each bound the number that comes nearest."""
        self._failed: set[tuple[Any, ...]] = set()
        self._reason = ""

    def add(self, verdict: Verdict) -> None:
        """Add what it says of a task."""
        self._failed |= verdict.failed
        self._reason = verdict.reason or self._reason
        pairs = zip(self._nearest, verdict.nearest)
        self._nearest = [_nearest(bound, pair) for bound, pair in zip(self._bounds, pairs)]

    def failures(self) -> list[str]:
        """A sentence where it could not be computed for some rows."""
        if not self._failed:
            return []
        return [
            f"--where cannot be asked of {len(self._failed):,} kinds of rows: {self._reason}"
        ]

    def misses(self) -> list[str]:
        """A sentence for each of its bounds that all rows miss."""
        pairs = zip(self._bounds, self._nearest)
        found = [_miss(bound, number) for bound, number in pairs if number is not None]
        return [sentence for sentence in found if sentence is not None]


def _miss(bound: Bound, nearest: float) -> str | None:
    """By how much all rows miss a bound; None where some meets it."""
    limit = float(bound.number)
    over = nearest - limit if bound.is_upper else limit - nearest
    includes_limit = bound.sign.endswith("=")
    if over < 0 or (over == 0 and includes_limit):
        return None

    most = "least" if bound.is_upper else "largest"
    condition = f"{bound.name} {bound.sign} {bound.number}"
    return f"{condition}: the {most} of the valid rows is {nearest:,}, off by {over:,.6g}"
