"""Lines of the user's source: those that run now, and those that an error went through.

A line is the user's own where it is in no installed package. Where no own line runs, that of a package is given.
"""

from __future__ import annotations

import contextlib
import importlib
import linecache
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple, TypeVar

import torch

from tracer.diagnostics import Span, words_of
from tracer.importing.recording import Reason, Unrepresentable
from tracer.source.python_places import Line, Origin, Place, is_below, is_installed

OURS = tuple(
    os.path.dirname(path) + os.sep
    for path in (torch.__file__, os.path.dirname(__file__), importlib.__file__)
)
"""Files whose lines are no place in the user's source."""

MOST_CALLERS = 4
"""Lines that led to a place, as far as they are told."""

Function = TypeVar("Function", bound=Callable[..., Any])

_entrances: dict[int, CodeType] = {}
"""Functions of ours that call the user's code, by identity: what stands outside is not of the user's network."""


def entrance(function: Function) -> Function:
    """Mark a function that calls the user's code."""
    code = function.__code__
    _entrances[id(code)] = code
    return function


class CodePlace(NamedTuple):
    """A place in running code: what is found out about it costs nothing until somebody asks."""

    code: CodeType
    lasti: int

    @property
    def number(self) -> int:
        """The number of its line."""
        for first, end, number in self.code.co_lines():
            if first <= self.lasti < end and number is not None:
                return number
        return self.code.co_firstlineno


def running() -> list[CodePlace]:
    """The places in the user's code that run now, the innermost first; of installed packages where there are no own."""
    return own_places(every_place(sys._getframe(1)))


def every_place(
    innermost: FrameType | None,
    until: FrameType | None = None,
    outside: Sequence[CodePlace] = (),
) -> list[CodePlace]:
    """The same from a frame on, of the user's own code and of installed packages alike.

    The places ``outside`` of the frame ``until`` are known.
    """
    found: list[CodePlace] = []
    frame = innermost
    while frame is not None and frame is not until:
        code = frame.f_code
        if id(code) in _entrances:
            return found
        if is_users(code.co_filename):
            found.append(CodePlace(code, frame.f_lasti))
        frame = frame.f_back
    return found if frame is None else [*found, *outside]


def gone_through(error: BaseException) -> list[CodePlace]:
    """The same, for the places that an error went through."""
    traceback: TracebackType | None = error.__traceback__
    found: list[CodePlace] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if id(code) in _entrances:
            found = []
        elif is_users(code.co_filename):
            found.append(CodePlace(code, traceback.tb_lasti))
        traceback = traceback.tb_next
    return own_places(found[::-1])


def own_places(found: list[CodePlace]) -> list[CodePlace]:
    """Those of the user's own code; all of them where there are none."""
    return [seen for seen in found if is_own(seen.code.co_filename)] or found


@lru_cache(4096)
def is_own(path: str) -> bool:
    """Whether a file is the user's own, of no installed package."""
    return is_users(path) and not is_installed(path)


def place() -> str:
    """The line of the user's source that runs now: ``net.py:12 `x = self.up(x)` ``; empty where none runs."""
    found = running()
    return str(line_of(found[0])) if found else ""


def numbered_place() -> str:
    """The same without its text: ``net.py:12``."""
    found = running()
    return f"{shown_path(found[0].code.co_filename)}:{found[0].number}" if found else ""


def raised(who: str, error: BaseException) -> str:
    """A sentence of what the user's code raised, with the last line of it that the error went through."""
    found = gone_through(error)
    where = f" at {line_of(found[0])}" if found else ""
    return raised_words(who, error, where)


def raised_words(who: str, error: BaseException, where: str = "") -> str:
    """The same; ``where`` tells the line."""
    words = words_of(error)
    sentence = f"{who} raises {type(error).__name__}{where}"
    return f"{sentence}: {words}" if words else sentence


class Lines(NamedTuple):
    """The lines that an error went through, before any module ran."""

    seen: Sequence[CodePlace]
    is_layer: bool = False

    def place(self) -> Place:
        """The same as a record."""
        lines = [line_of(seen) for seen in self.seen]
        here, *callers = lines
        outermost_first = callers[::-1]
        return Place(here, None, callers=tuple(outermost_first[-MOST_CALLERS:]))


class UnreadableLine(NamedTuple):
    """The line of a file that is no Python."""

    error: SyntaxError
    importing: Sequence[CodePlace]
    """The lines that import it."""
    is_layer: bool = False

    def place(self) -> Place:
        """The same as a record."""
        error = self.error
        assert error.filename is not None and error.lineno is not None
        line, column = error.lineno, max(error.offset or 1, 1)
        text = linecache.getline(error.filename, line).strip()

        # An end that is not known is 0, or that of the line before.
        end = max((error.end_lineno or line, error.end_offset or 0), (line, column + 1))
        at = Line(shown_path(error.filename), Span(line, column, *end), text)
        callers = [line_of(seen) for seen in self.importing]
        return Place(at, None, callers=tuple(callers[::-1][-MOST_CALLERS:]))


def _origin_of(error: BaseException) -> Origin | None:
    """The user's line at which an error was raised; None where it went through none."""
    seen = gone_through(error)
    if (
        isinstance(error, SyntaxError)
        and error.lineno
        and is_own(error.filename or "<unknown>")
    ):
        return UnreadableLine(error, seen)
    return Lines(seen) if seen else None


@contextlib.contextmanager
def users_code(who: str) -> Iterator[None]:
    """Code that a user names: whatever it raises, the end of the process included, is why nothing is imported.

    What it takes from the folders of imports is put back: torch imports some of its parts when they are needed.
    Raises :class:`Unrepresentable` with a sentence of what ``who`` raised; an interrupt by the user goes on.
    """
    folders = list(sys.path)
    try:
        yield
    except (Unrepresentable, KeyboardInterrupt):
        raise
    except BaseException as error:
        fault = Reason("T602", raised_words(who, error), _origin_of(error))
        raise Unrepresentable(raised(who, error), fault=fault) from error
    finally:
        sys.path += [folder for folder in folders if folder not in sys.path]


@lru_cache(4096)
def is_users(path: str) -> bool:
    """Whether a file is the user's: neither torch's, nor Python's imports, nor this package's, nor made-up."""
    return not path.startswith(OURS) and not path.startswith("<")


def line_of(seen: CodePlace) -> Line:
    """The line of a place, from the column where the call that runs there begins (known from Python 3.11 on)."""
    path = seen.code.co_filename
    text = linecache.getline(path, seen.number).rstrip()
    return Line(shown_path(path), _span_of(seen, text), text.strip())


def definition_of(module: torch.nn.Module) -> Line | None:
    """The line where a module's forward begins, of a file of the user's."""
    code = getattr(type(module).forward, "__code__", None)
    if code is None or not is_users(code.co_filename):
        return None
    return line_of(CodePlace(code, -2))  # no step of it: the whole line


@lru_cache(4096)
def _span_of(seen: CodePlace, text: str) -> Span:
    """The stretch of the call, or of the whole line; columns are characters, where Python counts bytes."""
    positions = getattr(seen.code, "co_positions", None)
    if positions is not None:
        for number, found in enumerate(positions()):
            if number == seen.lasti // 2 and None not in found:
                line, end_line, start, end = found
                if line == seen.number:
                    last = linecache.getline(seen.code.co_filename, end_line)
                    return Span(line, _column(text, start), end_line, _column(last, end))

    first = len(text) - len(text.lstrip()) + 1
    return Span(seen.number, first, seen.number, max(len(text), first) + 1)


def _column(text: str, offset: int) -> int:
    return len(text.encode()[:offset].decode(errors="replace")) + 1


def shown_path(path: str) -> str:
    """A file's path as it is told: from the working directory on, for a file below it."""
    here = os.getcwd()
    if not is_below(path, here):
        return path
    return path[len(os.path.join(here, "")) :]
