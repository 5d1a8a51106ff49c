"""What is made of the tasks of a sweep goes to those who take it, in the order of the rows, whoever computes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tracer.sweep.columns import Columns
from tracer.sweep.study import Study

Maker = Callable[[Study, int, Columns], Any]
"""What is made of a task's rows, in the process that has computed them."""


class Taker(NamedTuple):
    """Something that is made of the rows of every task, and who takes it."""

    make: Maker
    take: Callable[[Any], None]


class InOrder:
    """Gives what is made of the tasks to the takers: of what comes early each waits for those before it."""

    def __init__(self, takers: Sequence[Taker]) -> None:
        self._takers = takers
        self._waiting: dict[int, Sequence[Any]] = {}
        self._next = 0

    def add(self, number: int, made: Sequence[Any]) -> None:
        """Give what is made of a task, and of those that have waited for it."""
        self._waiting[number] = made
        while self._next in self._waiting:
            for taker, one in zip(self._takers, self._waiting.pop(self._next)):
                taker.take(one)
            self._next += 1
