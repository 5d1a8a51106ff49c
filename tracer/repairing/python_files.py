"""The user's Python files, and whether they may be edited."""

from __future__ import annotations

import io
import os
import tokenize

from tracer.loading import read_bytes
from tracer.source.python_calls import PythonFile
from tracer.source.python_places import Line, is_below, is_installed


class PythonFiles:
    """The user's Python files, each read once."""

    def __init__(self) -> None:
        self._read: dict[str, PythonFile | None] = {}

    def at(self, line: Line | None) -> PythonFile | None:
        """The file of a line; None where it cannot be read as Python in UTF-8."""
        return None if line is None else self.called(line.path)

    def called(self, path: str) -> PythonFile | None:
        """The file of a path, as :meth:`at` gives it."""
        if path not in self._read:
            self._read[path] = _read(path)
        return self._read[path]


def _read(path: str) -> PythonFile | None:
    try:
        raw = read_bytes(path)
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        if encoding not in ("utf-8", "utf-8-sig"):
            return None
        return PythonFile(path, raw.decode("utf-8-sig"))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def is_own(path: str) -> bool:
    """Whether a file lies below the working directory and belongs to no installed package."""
    if not is_below(os.path.realpath(path), os.path.realpath(".")):
        return False
    return not is_installed(path)
