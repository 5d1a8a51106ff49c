"""The finished tasks of a sweep in one file that survives any end: appended one by one, read back whole.

A record is its length and checksum, and the task's columns. What is torn at the end of the file is cut off when it is
opened again, and its task counts as not done.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

HEAD = struct.Struct("<II")
MAGIC = b"tracer sweep 1\n"

Columns = dict[str, list[Any]]


class OtherSweep(Exception):
    """The file holds the rows of another sweep, or of none."""


class Record(NamedTuple):
    """A finished task."""

    task: int
    columns: Columns


class Journal:
    """A file of records. Opening it makes it, or goes on with it. Raises :class:`OtherSweep` and OSError."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._places: dict[int, int] = {}
        """The beginning of each finished task's record."""
        self._file = open(path, "r+b" if path.exists() else "w+b")  # noqa: SIM115 it is closed by `close`
        head = MAGIC + key.encode() + b"\n"
        found = self._file.read(len(head))
        if not found:
            self._file.write(head)
            self._file.flush()
        elif found != head:
            self._file.close()
            raise OtherSweep(f"{path} holds the rows of another sweep")
        end = len(head)
        for task, place, stop in self._scanned(end):
            self._places[task] = place
            end = stop
        self._file.truncate(end)
        self._file.seek(end)

    def _scanned(self, place: int) -> Iterator[tuple[int, int, int]]:
        """The records that are whole: task, beginning and end."""
        while True:
            body = self._body(place)
            if body is None:
                return
            stop = self._file.tell()
            yield msgspec.msgpack.decode(body, type=tuple[int, Any])[0], place, stop
            place = stop

    def _body(self, place: int) -> bytes | None:
        self._file.seek(place)
        head = self._file.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        length, checksum = HEAD.unpack(head)
        body = self._file.read(length)
        return body if len(body) == length and zlib.crc32(body) == checksum else None

    @property
    def done(self) -> set[int]:
        """The finished tasks."""
        return set(self._places)

    def add(self, task: int, columns: Columns) -> None:
        """Append a finished task. One that is there already is not written again."""
        if task in self._places:
            return
        body = msgspec.msgpack.encode((task, columns))
        place = self._file.seek(0, os.SEEK_END)
        self._file.write(HEAD.pack(len(body), zlib.crc32(body)) + body)
        self._file.flush()
        self._places[task] = place

    def records(self) -> Iterator[Record]:
        """The finished tasks in the order of their rows."""
        for task in sorted(self._places):
            body = self._body(self._places[task])
            assert body is not None
            yield Record(*msgspec.msgpack.decode(body, type=tuple[int, Columns]))

    def close(self) -> None:
        """Close the file; what is in it stays."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and delete it."""
        self._file.close()
        self.path.unlink(missing_ok=True)
