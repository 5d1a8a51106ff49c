"""The tasks computed by this process, processes beside it, or the workers of a Dask scheduler."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import active_children, parent_process
from threading import Thread
from typing import Any

from tracer.diagnostics import words_of
from tracer.sweep.axes import Unvaried
from tracer.sweep.columns import packed
from tracer.sweep.evaluate import evaluate
from tracer.sweep.study import Study

AHEAD = 4
"""Tasks that wait for each worker."""

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

Work = Callable[[Study, int], Any]
"""What is computed of a task by its number, in any process."""

Done = tuple[int, Any]


class Lost(Exception):
    """Nobody is left to compute; what is done is done."""


def rows(study: Study, number: int) -> bytes:
    """The rows of a task, packed. Raises :class:`Unvaried`."""
    return packed(evaluate(study, number))


def locally(
    study: Study, tasks: Iterable[int], workers: int, work: Work
) -> Generator[Done, None, None]:
    """What is made of the tasks as they are done, computed by so many processes. Raises :class:`Lost`."""
    if workers == 1:
        yield from ((number, work(study, number)) for number in tasks)
        return
    pending = iter(tasks)
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, initializer=_begin)
    try:
        running: dict[Future[Any], int] = {}
        while True:
            for number in islice(pending, AHEAD * workers - len(running)):
                running[pool.submit(work, study, number)] = number
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
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
    study: Study, tasks: Iterable[int], address: str, work: Work, name: str = ""
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
    pending, sweep = iter(tasks), study.key() + name
    try:
        ahead = AHEAD * max(len(client.nthreads()), 1)

        def submitted() -> list[Any]:
            return [
                client.submit(
                    work, study, number, key=f"tracer-{sweep}-{number}", retries=RETRIES
                )
                for number in islice(pending, ahead)
            ]

        running = dask.as_completed(submitted(), loop=client.loop)
        ahead = 1
        for future in running:
            number = int(str(future.key).rpartition("-")[2])
            yield number, future.result()
            running.update(submitted())
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
