"""What a person at a terminal sees of work that takes longer than a second: one bar, which goes when it is done."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tracer.commands.options import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that nobody minds."""

TICK = 0.2
"""Seconds from one look at the clock to the next."""

BETWEEN = 10.0
"""Seconds between two lines where no terminal shows them, for what tells its steps there."""


class Waited:
    """How far some work is. The bar is on standard error, and on a terminal only."""

    def __init__(self, what: str, total: int | None = None, done: int = 0) -> None:
        self.words: Callable[[], str] = lambda: what
        """What is done now."""
        self.total = total
        self.done = done
        self.since = time.monotonic()
        self._told = 0.0
        self._bar: Progress | None = None
        self._task: Any = None

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self.since

    def step(self, count: int = 1) -> None:
        """Count what is done."""
        self.done += count

    def look(self) -> None:
        """Show how far it is, to whoever has waited long enough."""
        if self._bar is None and self.seconds >= PATIENCE:
            self._begin()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, description=self.words())

    def tell(self) -> None:
        """Say it in a line, now and then."""
        if self.seconds - self._told >= BETWEEN:
            self._told = self.seconds
            click.echo(f"{self.words()}, {self.seconds:.0f} s", err=True)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        counted = [MofNCompleteColumn(), TimeRemainingColumn()] if self.total else []
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *counted,
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(self.words(), total=self.total, completed=self.done)
        self._bar.start()


@contextlib.contextmanager
def waiting(what: str, total: int | None = None, *, tells: bool = False) -> Iterator[Waited]:
    """Show how long a block takes, and how far it is where it counts its steps.

    ``tells``: where no terminal shows a bar, a line is written now and then.
    """
    work = Waited(what, total)
    look = work.look if is_terminal(sys.stderr) else work.tell if tells else None
    if look is None:
        yield work
        return

    import threading

    done = threading.Event()

    def each_tick() -> None:
        while not done.wait(TICK):
            look()

    clock = threading.Thread(target=each_tick, daemon=True)
    clock.start()
    try:
        yield work
    finally:
        done.set()
        clock.join()
        work.end()


def counted(
    items: Iterable[T],
    what: str,
    total: int,
    *,
    done: int = 0,
    size: Callable[[T], int] = lambda _: 1,
) -> Iterator[T]:
    """The same items, and how many of them there have been.

    No thread watches them: they may come from processes that are forked for them.
    """
    if not is_terminal(sys.stderr):
        yield from items
        return

    work = Waited(what, total, done)
    try:
        for item in items:
            yield item
            work.step(size(item))
            work.look()
    finally:
        work.end()
