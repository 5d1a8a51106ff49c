"""The finished tasks of a sweep in one file that survives any end: appended one by one, read back whole.

A record is its length and checksum, the task's number, and its columns as bytes. What is torn at the end of the file
is cut off when it is opened again, and its task counts as not done; a file that is torn within its head begins anew.
One process at a time has the file.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from tracer.sweep.columns import Columns, packed, unpacked
from tracer.sweep.locking import is_locked

HEAD = struct.Struct("<II")
TASK = struct.Struct("<q")
MAGIC = b"tracer sweep 3\n"

OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

SEAL = -1
"""In place of a task: the record of the file to which all rows went."""


class OtherSweep(Exception):
    """The file holds the rows of another sweep, or of none."""


class Busy(Exception):
    """Another process has the file."""


class Record(NamedTuple):
    """A finished task."""

    task: int
    packed: bytes

    @property
    def columns(self) -> Columns:
        """Its columns."""
        return unpacked(self.packed)


class Journal:
    """A file of records. Opening it makes it, or goes on with it.

    Raises :class:`OtherSweep`, :class:`Busy` and OSError.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.begins_anew = False
        """True where the file was there, torn within its head."""
        self._places: dict[int, int] = {}
        """The beginning of each finished task's record."""
        self._seals: list[dict[str, int]] = []
        """What tells the files to which all rows went from others."""
        self._file = _locked(path)
        try:
            self._begin(MAGIC + key.encode() + b"\n")
        except BaseException:
            self._file.close()
            raise

    def _begin(self, head: bytes) -> None:
        """Read what is there, cut off what is torn, and stand at the end."""
        found = self._file.read(len(head))
        if found != head:
            # A machine that stops may leave zeros where nothing was written yet.
            if not head.startswith(found.rstrip(b"\0")):
                raise OtherSweep(f"{self.path} holds the rows of another sweep")
            self.begins_anew = bool(found)
            self._file.truncate(0)
            self._file.seek(0)
            self._file.write(head)
            self._file.flush()

        end = len(head)
        for record, place, stop in self._scanned(end):
            if record.task == SEAL:
                self._seals.append({word: int(n[0]) for word, n in record.columns.items()})
            else:
                self._places[record.task] = place
            end = stop
        self._file.truncate(end)
        self._file.seek(end)

    def _scanned(self, place: int) -> Iterator[tuple[Record, int, int]]:
        """The records that are whole, each with its beginning and end."""
        while True:
            record = self._record(place)
            if record is None:
                return
            stop = self._file.tell()
            yield record, place, stop
            place = stop

    def _record(self, place: int) -> Record | None:
        """The record that begins there; None where none does, or where it is torn."""
        self._file.seek(place)
        head = self._file.read(HEAD.size)
        if len(head) < HEAD.size:
            return None

        length, checksum = HEAD.unpack(head)
        left = os.fstat(self._file.fileno()).st_size - place - HEAD.size
        if not 0 < length <= left:
            return None
        body = self._file.read(length)
        if zlib.crc32(body) != checksum:
            return None
        if len(body) < TASK.size:
            return None
        (task,) = TASK.unpack_from(body)
        return Record(task, body[TASK.size :])

    @property
    def done(self) -> set[int]:
        """The finished tasks."""
        return set(self._places)

    def add(self, task: int, columns: bytes) -> None:
        """Append a finished task, its columns packed. One that is there already is not written again."""
        if task in self._places:
            return
        self._places[task] = self._append(task, columns)

    def seal(self, file: Path) -> None:
        """Note that all rows are in this file, whatever name it gets."""
        seal = _looks(file)
        self._append(SEAL, packed({word: np.array([n]) for word, n in seal.items()}))
        self._seals.append(seal)

    def is_sealed(self, file: Path) -> bool:
        """True for a file that has all rows, untouched since they were written."""
        try:
            return _looks(file) in self._seals
        except OSError:
            return False

    def _append(self, task: int, columns: bytes) -> int:
        """Write a record; its beginning."""
        body = TASK.pack(task) + columns
        place = self._file.seek(0, os.SEEK_END)
        self._file.write(HEAD.pack(len(body), zlib.crc32(body)) + body)
        self._file.flush()
        return place

    def records(self) -> Iterator[Record]:
        """The finished tasks in the order of their rows. Raises OSError where somebody else has changed the file."""
        return map(self.record, sorted(self._places))

    def columns(self, task: int) -> Columns:
        """The columns of a finished task."""
        return self.record(task).columns

    def record(self, task: int) -> Record:
        """A finished task. Raises OSError where somebody else has changed the file."""
        record = self._record(self._places[task])
        if record is None or record.task != task:
            raise OSError(errno.EIO, "its rows were changed by someone else", str(self.path))
        return record

    def close(self) -> None:
        """Close the file; what is in it stays."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and delete it."""
        try:
            # Before the lock goes: who opens the file now finds that its name is gone, and makes another.
            self.path.unlink(missing_ok=True)
        except PermissionError:
            self._file.close()  # Windows deletes no open file
            self.path.unlink(missing_ok=True)
        self._file.close()


def _locked(path: Path) -> BinaryIO:
    """The file, opened for this process alone. Raises :class:`Busy` and OSError."""
    while True:
        file = os.fdopen(os.open(path, OPEN, 0o666), "r+b")
        try:
            if not is_locked(file):
                raise Busy(f"another sweep writes to {path}")
            if _is_named(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # who had it has removed it in between


def _is_named(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _looks(file: Path) -> dict[str, int]:
    """What tells a file from others, and stays when it is renamed."""
    status = os.stat(file)
    return {"bytes": status.st_size, "time": status.st_mtime_ns}
