"""Which rows of a sweep compete, and which of them no other beats."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracer.source.expressions import Expression, ExpressionError
from tracer.sweep.journal import Columns
from tracer.sweep.pareto import front

WHOLE = 2**62
"""Stands for a receptive field that is the whole input while rows are compared."""


class Competition(NamedTuple):
    """The measures of the rows that compete, and those of them that no other beats, by the first measure."""

    measures: dict[str, list[Any]]
    best: list[int]
    """Which of the competing rows."""
    rows: list[dict[str, Any]]
    """These rows whole."""
    told: list[str]


def competing(
    tables: Callable[[], Iterator[Columns]],
    where: Expression | None,
    by: Sequence[str],
    larger: Container[str],
) -> Competition:
    """The competition of all valid rows that meet a condition, in the measures ``by``; of some the larger is better."""
    asked = _Asked(where)
    measures: dict[str, list[Any]] = {name: [] for name in by}
    places: list[tuple[int, int]] = []
    for number, columns in enumerate(tables()):
        taken = [
            i for i, valid in enumerate(columns["valid"]) if valid and asked.is_met(columns, i)
        ]
        places += [(number, i) for i in taken]
        for name, found in measures.items():
            values = columns[name]
            found += [values[i] for i in taken]
    if not places:
        return Competition(measures, [], [], asked.told(nobody=True))
    ordered = {
        name: np.array([_measured(n, name in larger) for n in values])
        for name, values in measures.items()
    }
    shared_first = sorted(ordered, key=lambda name: name not in larger)
    best = front([ordered[name] for name in shared_first]).tolist()
    best.sort(key=lambda i: tuple(values[i] for values in ordered.values()))
    return Competition(
        measures, best, _rows(tables(), [places[i] for i in best]), asked.told(nobody=False)
    )


def _rows(tables: Iterator[Columns], places: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Whole rows, in the order of their places as given."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for order, (table, row) in enumerate(places):
        wanted.setdefault(table, []).append((order, row))
    found: list[dict[str, Any]] = [{}] * len(places)
    for number, columns in enumerate(tables):
        for order, row in wanted.get(number, ()):
            found[order] = {name: values[row] for name, values in columns.items()}
    return found


def _measured(value: Any, larger: bool) -> Any:
    """The smaller, the better."""
    return -(WHOLE if value is None else value) if larger else value


_BOUND = re.compile(r"\b([^\W\d]\w*)\s*(<=?|>=?)\s*(\d[\d.]*(?:e[-+]?\d+)?)", re.IGNORECASE)


class _Asked:
    """A condition that is asked of rows, and how near they come to the bounds in it."""

    def __init__(self, where: Expression | None) -> None:
        self.where = where
        self.names = sorted(where.names) if where is not None else []
        self.bounds = (
            [] if where is None else [(m[1], m[2], m[3]) for m in _BOUND.finditer(where.text)]
        )
        self.known: dict[tuple[Any, ...], bool] = {}
        self.unjudged, self.reason = 0, ""

    def is_met(self, columns: Columns, i: int) -> bool:
        """Whether a row meets it. One of which it cannot be asked does not."""
        if self.where is None:
            return True
        key = tuple([columns[name][i] for name in self.names])
        met = self.known.get(key)
        if met is None:
            try:
                met = bool(self.where(dict(zip(self.names, key))))
            except ExpressionError as error:
                met, self.reason = False, str(error)
                self.unjudged += 1
            self.known[key] = met
        return met

    def told(self, *, nobody: bool) -> list[str]:
        """What is to be said: rows of which it could not be asked, and where nobody meets it, the nearest misses."""
        found = (
            [f"--where cannot be asked of {self.unjudged:,} kinds of rows: {self.reason}"]
            if self.unjudged
            else []
        )
        for name, sign, text in self.bounds if nobody else ():
            if name in self.names:
                place = self.names.index(name)
                values = [key[place] for key in self.known if isinstance(key[place], int | float)]
                found += _miss(name, sign, text, values)
        return found


def _miss(name: str, sign: str, text: str, values: Sequence[Any]) -> list[str]:
    """By how much all values miss a bound, where they do."""
    if not values:
        return []
    nearest = min(values) if sign[0] == "<" else max(values)
    over = nearest - float(text) if sign[0] == "<" else float(text) - nearest
    if over < 0 or (over == 0 and len(sign) == 2):
        return []
    most = "least" if sign[0] == "<" else "largest"
    return [
        f"{name} {sign} {text}: the {most} of the valid rows is {nearest:,}, off by {over:,.6g}"
    ]
