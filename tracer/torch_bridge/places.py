"""Lines of the user's source: the one that runs now, and the one that an error went through."""

from __future__ import annotations

import contextlib
import importlib
import linecache
import os
import sys
from collections.abc import Iterator
from types import FrameType

import torch

from tracer.diagnostics import words_of
from tracer.importing.recording import Unrepresentable

OURS = tuple(
    os.path.dirname(path) + os.sep
    for path in (torch.__file__, os.path.dirname(__file__), importlib.__file__)
)
"""Files whose lines are no place in the user's source."""


def place() -> str:
    """The line of the user's source that runs now: ``net.py:12 `x = self.up(x)` ``; empty where none runs."""
    frame: FrameType | None = sys._getframe(1)

    while frame is not None and not is_users(frame.f_code.co_filename):
        frame = frame.f_back

    return "" if frame is None else line_of(frame.f_code.co_filename, frame.f_lineno)


def raised(who: str, error: BaseException) -> str:
    """A sentence of what the user's code raised, with the last line of it that the error went through."""
    where = ""
    traceback = error.__traceback__
    while traceback is not None:
        path = traceback.tb_frame.f_code.co_filename
        if is_users(path):
            where = f" at {line_of(path, traceback.tb_lineno)}"
        traceback = traceback.tb_next

    words = words_of(error)
    sentence = f"{who} raises {type(error).__name__}{where}"
    return f"{sentence}: {words}" if words else sentence


@contextlib.contextmanager
def users_code(who: str) -> Iterator[None]:
    """Code that a user names: whatever it raises, the end of the process included, is why nothing is imported.

    Raises :class:`Unrepresentable` with a sentence of what ``who`` raised; an interrupt by the user goes on.
    """
    try:
        yield
    except (Unrepresentable, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise Unrepresentable(raised(who, error)) from error


def is_users(path: str) -> bool:
    """Whether a file is the user's: neither torch's, nor Python's imports, nor this package's, nor made-up."""
    return not path.startswith(OURS) and not path.startswith("<")


def line_of(path: str, number: int) -> str:
    """A line of a source file, with its text where the file can be read."""
    text = linecache.getline(path, number).strip()
    return f"{path}:{number} `{text}`" if text else f"{path}:{number}"
