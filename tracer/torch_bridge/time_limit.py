"""A limit for the time that the user's code takes."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import torch

from tracer.importing.recording import Late

STEP = 0.2
POSTPONED = 300
"""While torch imports a part of itself, which would be left broken, the end waits so often for a step (seconds)."""

TORCH = os.path.dirname(torch.__file__) + os.sep


class OutOfTime(KeyboardInterrupt):
    """The time is over: as an interrupt, it goes through what keeps the user's exceptions."""


class TooSlow(Late):
    """The user's code took longer than it may."""


def _is_importing_torch(frame: FrameType | None) -> bool:
    """Whether one of torch's own files is being imported."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "<module>" and code.co_filename.startswith(TORCH):
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def time_limit(seconds: float | None, what: str) -> Iterator[None]:
    """Raise :class:`TooSlow` where the code inside takes longer; None is no limit.

    ``what`` begins the message. Only Python's own steps are interrupted, and only in the main thread of a system that
    has timers; elsewhere there is no limit.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if seconds is None or not is_main or not hasattr(signal, "setitimer"):
        yield
        return

    postponed = 0

    def over(number: int, frame: FrameType | None) -> None:
        nonlocal postponed
        if _is_importing_torch(frame) and postponed < POSTPONED:
            postponed += 1
            signal.setitimer(signal.ITIMER_REAL, STEP)
            return
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except OutOfTime:
        raise TooSlow(f"{what} within {seconds:g} s (--seconds)") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
