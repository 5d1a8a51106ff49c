"""The rows of a sweep that meet a condition, and which of them are on the Pareto front."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracer.source.expressions import Expression, ExpressionError
from tracer.sweep.columns import Columns, as_lists
from tracer.sweep.pareto import front

WHOLE = 2**62
"""In place of a receptive field that is the whole input while rows are compared."""


class RowPlace(NamedTuple):
    """A row by its table and its place in there."""

    table: int
    row: int


class ParetoFront(NamedTuple):
    """The measures of the rows that meet the condition, and those of them that no other beats."""

    measures: dict[str, list[Any]]
    """Of all rows that meet the condition."""
    best: list[int]
    """The places of the front in the measures, ordered by the first measure."""
    rows: Mapping[int, dict[str, Any]]
    """By number, rows of the front with all columns: the first ones, and some evenly spaced."""
    notes: list[str]
    """Sentences for the user: where the condition could not be computed, and by how much all rows miss it."""
    places: Sequence[RowPlace] = ()
    """Of the front's rows, in the order of ``best``."""
    others: Sequence[dict[str, Any]] = ()
    """Some of the rows that meet the condition and are not on the front, evenly spaced, with all columns."""


def pareto_front(
    tables: Callable[[], Iterator[Columns]],
    where: Expression | None,
    by: Sequence[str],
    larger: Container[str],
    first: int = 0,
    spread: int = 0,
    others: int = 0,
) -> ParetoFront:
    """The Pareto front of all valid rows that meet ``where``, in the measures ``by``, and at most so many ``others``.

    All columns are there of so many ``first`` rows of the front, and of so many that are ``spread`` over it. Smaller is
    better, of the measures in ``larger`` larger. ``tables`` is called twice: once to compare, once for those rows.
    """
    condition = _Condition(where)
    parts: dict[str, list[Any]] = {name: [] for name in by}
    meeting: list[Any] = []
    """Of each table the rows that meet the condition."""

    for columns in tables():
        rows = condition.rows_that_meet(columns)
        meeting.append(rows)
        for name, found in parts.items():
            found.append(columns[name][rows])

    joined: Any = np.ma.concatenate  # it has no types
    values = {name: joined(found) for name, found in parts.items()}
    measures = as_lists(values)
    if not any(map(len, meeting)):
        return ParetoFront(measures, [], {}, [*condition.failures(), *condition.misses()])

    best = _best(values, larger)
    beside = _others(sum(map(len, meeting)), best, others)
    numbers = sorted({*range(min(first, len(best))), *spaced(len(best), spread)})
    wanted = [*(best[number] for number in numbers), *beside]
    rows = _rows(tables(), _places(meeting, wanted))
    return ParetoFront(
        measures,
        best,
        dict(zip(numbers, rows)),
        condition.failures(),
        _places(meeting, best),
        rows[len(numbers) :],
    )


def _others(count: int, best: Sequence[int], most: int) -> list[int]:
    """The numbers of rows beside the front, at most so many and evenly spaced."""
    is_other = np.ones(count, bool)
    is_other[best] = False
    numbers = np.flatnonzero(is_other)
    chosen: list[int] = numbers[spaced(len(numbers), most)].tolist()
    return chosen


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


def _places(meeting: Sequence[Any], numbers: Sequence[int]) -> list[RowPlace]:
    """The places of rows by their numbers among all that meet the condition."""
    ends = np.cumsum([len(rows) for rows in meeting])
    found = []
    for number in numbers:
        table = int(np.searchsorted(ends, number, side="right"))
        first = int(ends[table]) - len(meeting[table])
        found.append(RowPlace(table, int(meeting[table][number - first])))
    return found


def _best(measures: dict[str, Any], larger: Container[str]) -> list[int]:
    """The places of the front, ordered by the measures."""
    costs = [_cost(values, name in larger) for name, values in measures.items()]
    best = front(costs)
    # The last key is the first to decide.
    order = np.lexsort([values[best] for values in reversed(costs)])
    ordered: list[int] = best[order].tolist()
    return ordered


def _cost(values: Any, larger: bool) -> Any:
    """A measure turned so that smaller is better; what is not known is the largest value there is."""
    return -values.filled(WHOLE) if larger else values.filled(WHOLE)


def _rows(tables: Iterator[Columns], places: Sequence[RowPlace]) -> list[dict[str, Any]]:
    """Rows with all their columns, in the order of their places as given."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for order, place in enumerate(places):
        wanted.setdefault(place.table, []).append((order, place.row))

    found: list[dict[str, Any]] = [{}] * len(places)
    for number, columns in enumerate(tables):
        if number not in wanted:
            continue
        orders, rows = zip(*wanted[number])
        own = as_lists({name: values[list(rows)] for name, values in columns.items()})
        for order, values in zip(orders, zip(*own.values())):
            found[order] = dict(zip(own, values))
    return found


_BOUND = re.compile(r"\b([^\W\d]\w*)\s*(<=?|>=?)\s*(\d[\d.]*(?:e[-+]?\d+)?)", re.IGNORECASE)


class Bound(NamedTuple):
    """A comparison with a number in a condition, as it is written."""

    name: str
    sign: str
    number: str

    @property
    def is_upper(self) -> bool:
        return self.sign.startswith("<")


class _Condition:
    """A condition on rows, and how near they come to the bounds in it."""

    def __init__(self, where: Expression | None) -> None:
        self.where = where
        self.names = sorted(where.names) if where is not None else []
        self.known: dict[tuple[Any, ...], bool] = {}
        """By the values of its names: True where it is met."""
        self.rows = self.invalid = 0
        self.failed = 0
        """For how many kinds of rows it could not be computed."""
        self.reason = ""
        """Of the last of them."""

    def rows_that_meet(self, columns: Columns) -> Any:
        """The valid rows that meet it, in an array. One for which it cannot be computed does not."""
        is_valid = np.ma.filled(columns["valid"], False)
        valid = np.flatnonzero(is_valid)
        self.rows += len(is_valid)
        self.invalid += len(is_valid) - len(valid)
        if self.where is None:
            return valid
        own = [columns[name][valid].tolist() for name in self.names]
        met = [self._is_met(row) for row in zip(*own)] if own else self._is_met(())
        return valid[np.broadcast_to(np.array(met, bool), len(valid))]

    def _is_met(self, values: tuple[Any, ...]) -> bool:
        assert self.where is not None
        met = self.known.get(values)
        if met is None:
            try:
                met = bool(self.where(dict(zip(self.names, values))))
            except ExpressionError as error:
                met, self.reason = False, str(error)
                self.failed += 1
            self.known[values] = met
        return met

    def failures(self) -> list[str]:
        """Sentences where some rows are not valid, and where it could not be computed for some."""
        found = []
        if 0 < self.invalid < self.rows:
            found.append(
                f"{self.invalid:,} of {self.rows:,} rows are not valid: `error` says why"
            )
        if not self.failed:
            return found
        return [
            *found,
            f"--where cannot be asked of {self.failed:,} kinds of rows: {self.reason}",
        ]

    def misses(self) -> list[str]:
        """A sentence for each of its bounds that all rows miss."""
        found = [self._miss(bound) for bound in self._bounds() if bound.name in self.names]
        return [sentence for sentence in found if sentence is not None]

    def _bounds(self) -> list[Bound]:
        text = "" if self.where is None else self.where.text
        return [Bound(match[1], match[2], match[3]) for match in _BOUND.finditer(text)]

    def _miss(self, bound: Bound) -> str | None:
        """By how much all rows miss a bound; None where some meets it."""
        place = self.names.index(bound.name)
        values = [key[place] for key in self.known if isinstance(key[place], int | float)]
        if not values:
            return None

        nearest = min(values) if bound.is_upper else max(values)
        limit = float(bound.number)
        over = nearest - limit if bound.is_upper else limit - nearest
        includes_limit = bound.sign.endswith("=")
        if over < 0 or (over == 0 and includes_limit):
            return None

        most = "least" if bound.is_upper else "largest"
        condition = f"{bound.name} {bound.sign} {bound.number}"
        return f"{condition}: the {most} of the valid rows is {nearest:,}, off by {over:,.6g}"
