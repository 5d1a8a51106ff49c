"""The tasks computed by this process, processes beside it, or the workers of a Dask scheduler."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, parent_process
from threading import Thread
from typing import Any, NamedTuple

from tracer.diagnostics import words_of
from tracer.sweep.axes import Unvaried
from tracer.sweep.columns import packed, unpacked
from tracer.sweep.evaluate import evaluate
from tracer.sweep.in_order import Maker
from tracer.sweep.study import Study

AHEAD = 4
"""Tasks that wait for each worker."""

SPREAD = 16
"""Tasks for each worker that may be done before one that was given out earlier."""

CONNECT = 10
"""Seconds to wait for a scheduler."""

RETRIES = 8
"""Workers that may die over one task."""

_LOGGERS = (
    "distributed",
    "distributed.client",
    "distributed.comm",
    "distributed.batched",
    "distributed.core",
)

Given = tuple[Any, ...]
"""What is known of a task where it is computed: its number first."""

Work = Callable[..., Any]
"""What is computed of a task, in any process: of the study, and of what is given."""

Done = tuple[int, Any]


class Lost(Exception):
    """Nobody is left to compute; what is done is done."""


class MadeRows(NamedTuple):
    """The rows of a task, and what is made of them."""

    columns: bytes
    """Packed; none where they were known already."""
    parts: Sequence[Any]


def rows(study: Study, number: int, known: bytes | None, makers: Sequence[Maker]) -> MadeRows:
    """The rows of a task, and what is made of them. Those that are known are not computed. Raises :class:`Unvaried`."""
    if known is None:
        columns = evaluate(study, number)
        own = packed(columns)
    else:
        columns = unpacked(known)
        own = b""
    return MadeRows(own, [make(study, number, columns) for make in makers])


class _Waiting:
    """The tasks that nobody has begun. None begins long before an earlier one is done."""

    def __init__(self, tasks: Iterable[Given]) -> None:
        self._tasks = iter(tasks)
        self._begun: dict[int, int] = {}
        """By number, the places of those that are not done, the earliest first."""
        self._count = 0
        """So many have begun."""

    def begin(self, most: int, spread: int) -> Iterator[Given]:
        """So many tasks at most, which begin now. ``spread``: so far behind the earliest one that is not done."""
        for _ in range(most):
            earliest = next(iter(self._begun.values()), self._count)
            if self._count - earliest >= spread:
                return
            given = next(self._tasks, None)
            if given is None:
                return
            self._begun[given[0]] = self._count
            self._count += 1
            yield given

    def done(self, number: int) -> None:
        """A task is done."""
        del self._begun[number]


def locally(
    study: Study, tasks: Iterable[Given], workers: int, work: Work
) -> Generator[Done, None, None]:
    """What is made of the tasks as they are done, computed by so many processes. Raises :class:`Lost`."""
    if workers == 1:
        yield from ((given[0], work(study, *given)) for given in tasks)
        return
    waiting = _Waiting(tasks)
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, initializer=_begin)
    try:
        running: dict[Future[Any], int] = {}
        while True:
            for given in waiting.begin(AHEAD * workers - len(running), SPREAD * workers):
                running[pool.submit(work, study, *given)] = given[0]
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number = running.pop(future)
                waiting.done(number)
                yield number, future.result()
    except BrokenProcessPool:
        raise Lost("a worker process was killed") from None
    except BaseException:
        # Nobody wants what still runs, and Python would wait for it before it ends.
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    """Leave Ctrl-C to the process that started this one, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()


def _end_with(parent: Any) -> None:
    if parent is not None:
        parent.join()
        os._exit(1)


def on_dask(
    study: Study, tasks: Iterable[Given], address: str, work: Work, name: str = ""
) -> Generator[Done, None, None]:
    """What is made of the tasks as they are done, by the workers of a running scheduler.

    ``name`` tells this work from others of the same sweep.
    Raises :class:`Lost`, and what a task raises of its rows: :class:`Unvaried`.
    """
    import logging

    import distributed

    dask: Any = distributed  # its functions have no types
    for logger in _LOGGERS:
        logging.getLogger(logger).setLevel(
            logging.CRITICAL
        )  # what is wrong is in the message below
    try:
        client = dask.Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise Lost(f"no scheduler answers at {address}: {_said(error)}") from None
    waiting, sweep = _Waiting(tasks), study.key() + name
    try:
        workers = max(len(client.nthreads()), 1)

        def submitted(most: int) -> list[Any]:
            return [
                client.submit(
                    work, study, *given, key=f"tracer-{sweep}-{given[0]}", retries=RETRIES
                )
                for given in waiting.begin(most, SPREAD * workers)
            ]

        running = dask.as_completed(submitted(AHEAD * workers), loop=client.loop)
        for future in running:
            number = int(str(future.key).rpartition("-")[2])
            waiting.done(number)
            yield number, future.result()
            running.update(submitted(AHEAD * workers - running.count()))
            future.release()
    except Unvaried:
        raise
    except Exception as error:
        raise Lost(f"the scheduler at {address} is lost: {_said(error)}") from None
    finally:
        client.close(timeout=1)


def _said(error: BaseException) -> str:
    words = words_of(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
