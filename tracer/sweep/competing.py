"""Which rows of a sweep compete, and which of them no other beats."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracer.source.expressions import Expression, ExpressionError
from tracer.sweep.journal import Columns
from tracer.sweep.pareto import front

WHOLE = 2**62
"""Stands for a receptive field that is the whole input while rows are compared."""


class Competition(NamedTuple):
    """The rows that compete, and the numbers of those that no other beats, by the first measure."""

    rows: list[dict[str, Any]]
    best: list[int]
    told: list[str]


def competing(
    tables: Iterator[Columns],
    names: Sequence[str],
    where: Expression | None,
    by: Sequence[str],
    larger: Container[str],
) -> Competition:
    """The competition of all valid rows that meet a condition, in the measures ``by``; of some the larger is better."""
    rows: list[dict[str, Any]] = []
    misses = _Misses(where)
    known: dict[tuple[Any, ...], bool] = {}
    unjudged = 0
    reason = ""
    used = sorted(where.names) if where is not None else []
    for columns in tables:
        for values in zip(*(columns[name] for name in names)):
            row = dict(zip(names, values))
            if not row["valid"]:
                continue
            if where is not None:
                key = tuple([row[name] for name in used])
                meets = known.get(key)
                if meets is None:
                    try:
                        meets = bool(where(row))
                    except ExpressionError as error:
                        meets, reason = False, str(error)
                        unjudged += 1
                    known[key] = meets
                if not meets:
                    misses.add(row)
                    continue
            rows.append(row)
    told = [f"--where cannot be asked of {unjudged:,} kinds of rows: {reason}"] if unjudged else []
    if not rows:
        return Competition([], [], [*told, *misses.told()])
    measures = [np.array([_measured(row[name], name in larger) for row in rows]) for name in by]
    best = sorted(front(measures).tolist(), key=lambda i: tuple(m[i] for m in measures))
    return Competition(rows, best, told)


_BOUND = re.compile(r"\b([^\W\d]\w*)\s*(<=?|>=?)\s*(\d[\d.]*(?:e[-+]?\d+)?)", re.IGNORECASE)


class _Misses:
    """How near the rows come to the bounds of a condition that none of them meets."""

    def __init__(self, where: Expression | None) -> None:
        self.bounds = [] if where is None else [(m[1], m[2], m[3]) for m in _BOUND.finditer(where.text)]
        self.nearest: dict[int, Any] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Note a valid row that does not meet the condition."""
        for i, (name, sign, _) in enumerate(self.bounds):
            value = row.get(name)
            if isinstance(value, int | float):
                choose = min if sign[0] == "<" else max
                self.nearest[i] = choose(self.nearest.get(i, value), value)

    def told(self) -> list[str]:
        """For each bound that no row keeps, the nearest value, and by how much it misses."""
        found = []
        for i, value in self.nearest.items():
            name, sign, text = self.bounds[i]
            over = value - float(text) if sign[0] == "<" else float(text) - value
            if over > 0 or (over == 0 and len(sign) == 1):
                most = "least" if sign[0] == "<" else "largest"
                found.append(f"{name} {sign} {text}: the {most} of the valid rows is {value:,}, off by {over:,.6g}")
        return found


def _measured(value: Any, larger: bool) -> Any:
    """The smaller, the better."""
    return -(WHOLE if value is None else value) if larger else value
