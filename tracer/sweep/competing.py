"""Which rows of a sweep compete, and which of them no other beats."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
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
                    continue
            rows.append(row)
    told = [f"--where cannot be asked of {unjudged:,} kinds of rows: {reason}"] if unjudged else []
    if not rows:
        return Competition([], [], told)
    measures = [np.array([_measured(row[name], name in larger) for row in rows]) for name in by]
    best = sorted(front(measures).tolist(), key=lambda i: tuple(m[i] for m in measures))
    return Competition(rows, best, told)


def _measured(value: Any, larger: bool) -> Any:
    """The smaller, the better."""
    return -(WHOLE if value is None else value) if larger else value
