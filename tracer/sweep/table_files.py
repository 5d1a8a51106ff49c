"""The rows of a sweep as a file: Parquet, CSV or JSON lines, by the name's ending; no part of it is ever there.

Who computes rows makes of them what stands in the file; who writes it puts the parts behind each other.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

import msgspec
import numpy as np

from tracer.sweep.axes import SweepAxis
from tracer.sweep.columns import Columns, packed, unpacked
from tracer.sweep.row_groups import RowGroup, RowGroupFile, row_group
from tracer.sweep.study import CHUNK, ROWS, Study, shown

FEW = CHUNK // 4
"""Rows that are too few for a group of a Parquet file: they are put together with those that follow."""

ColumnType = type[int] | type[float] | type[bool] | type[str]

KINDS: dict[str, ColumnType] = {"valid": bool, "error": str, "lossless": bool, "aligned": bool}


def kinds(study: Study) -> dict[str, ColumnType]:
    """The type of every column, in order."""
    found = {name: _kind(axis) for axis in study.axes for name in axis.names}
    return found | {name: KINDS.get(name, int) for name in ROWS}


def _kind(axis: SweepAxis) -> ColumnType:
    types = (
        {type(shown(axis[i])) for i in range(len(axis))} if axis.values is not None else {int}
    )
    if types <= {int}:
        return int
    if types <= {int, float}:
        return float
    return bool if types == {bool} else str


def typed(columns: Columns, of: Mapping[str, ColumnType]) -> dict[str, list[Any]]:
    """The columns as lists, with the values of a mixed one as texts."""
    found: dict[str, list[Any]] = {}
    for name, kind in of.items():
        values = columns[name].tolist()
        if kind in (str, float):
            values = [None if value is None else kind(value) for value in values]
        found[name] = values
    return found


def table_part(study: Study, number: int, columns: Columns, ending: str) -> Any:
    """The rows of a task as a part of a file of this ending."""
    return FORMATS[ending].part(kinds(study), columns)


class TableWriter(Protocol):
    """What puts the parts of a file behind each other."""

    def add(self, part: Any) -> None:
        """Write a part."""

    def finish(self) -> None:
        """Write what stands behind the last one."""


# --- Parquet ---------------------------------------------------------------------------------------------------------


def parquet_part(of: Mapping[str, ColumnType], columns: Columns) -> RowGroup | bytes:
    """A group of rows of a Parquet file; where they are too few for one, the columns, packed."""
    rows = len(next(iter(columns.values())))
    return packed(columns) if rows < FEW else _row_group(of, [columns])


def _row_group(of: Mapping[str, ColumnType], tables: list[Columns]) -> RowGroup:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
    schema = pa.schema([(name, types[kind]) for name, kind in of.items()])
    rows = pa.concat_tables([_arrow_table(columns, schema) for columns in tables])
    file = pa.BufferOutputStream()
    pq.write_table(rows.combine_chunks(), file)
    return row_group(file.getvalue().to_pybytes())


def _arrow_table(columns: Columns, schema: Any) -> Any:
    """The columns as a table of Arrow.

    Its arrays are made of their buffers: for lists and arrays Arrow would first import pandas, where that is installed.
    """
    import pyarrow as pa

    made = [_arrow_array(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(made, schema=schema)


def _arrow_array(values: Any, kind: Any) -> Any:
    """A column as an array of Arrow: a bit for each row that is known, and the values."""
    import pyarrow as pa

    known = ~np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    if plain.dtype == object:
        nothing: Any = None
        known &= np.not_equal(plain, nothing)
    if pa.types.is_string(kind):
        own = _text_buffers(plain, known)
    elif pa.types.is_boolean(kind):
        own = [_bits(np.where(known, plain, False).astype(bool))]
    else:
        number = np.int64 if pa.types.is_integer(kind) else np.float64
        own = [np.where(known, plain, 0).astype(number)]
    bits = None if known.all() else pa.py_buffer(_bits(known))
    buffers = [bits, *map(pa.py_buffer, own)]
    return pa.Array.from_buffers(kind, len(plain), buffers)


def _bits(values: Any) -> Any:
    """Eight truth values in each byte, as Arrow has them."""
    return np.packbits(values, bitorder="little")


def _text_buffers(values: Any, known: Any) -> list[Any]:
    """Where each text ends, behind a first 0; and the texts, one behind the other."""
    texts = [str(one).encode("utf-8") for one in values[known].tolist()]
    lengths = np.zeros(len(values) + 1, np.int32)
    lengths[1:][known] = list(map(len, texts))
    return [np.cumsum(lengths, dtype=np.int32), b"".join(texts)]


class ParquetWriter:
    """A Parquet file. Of parts that are too few rows for a group, several become one."""

    def __init__(self, file: BinaryIO, of: Mapping[str, ColumnType]) -> None:
        self._file = RowGroupFile(file)
        self._of = of
        self._few: list[Columns] = []
        self._count = 0
        """Of these the rows."""

    def add(self, part: RowGroup | bytes) -> None:
        """Write a part."""
        if isinstance(part, RowGroup):
            self._end_few()
            self._file.add(part)
            return

        columns = unpacked(part)
        self._few.append(columns)
        self._count += len(next(iter(columns.values())))
        if self._count >= CHUNK:
            self._end_few()

    def _end_few(self) -> None:
        """Write the rows that are waiting."""
        if self._few:
            self._file.add(_row_group(self._of, self._few))
        self._few = []
        self._count = 0

    def finish(self) -> None:
        """Write the rows that are left, and the metadata."""
        self._end_few()
        self._file.finish()


# --- texts -----------------------------------------------------------------------------------------------------------


def csv_part(of: Mapping[str, ColumnType], columns: Columns) -> bytes:
    """Comma-separated lines; what is not known is empty."""
    own = typed(columns, of)
    return _csv(zip(*(map(_cell, own[name]) for name in of)))


def csv_head(of: Mapping[str, ColumnType]) -> bytes:
    """The first line."""
    return _csv([of])


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    lines = io.StringIO(newline="")
    csv.writer(lines, lineterminator="\n").writerows(rows)
    return lines.getvalue().encode("utf-8")


def _cell(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value


def json_lines(of: Mapping[str, ColumnType], columns: Columns) -> bytes:
    """The rows, an object and its line end for each."""
    own = typed(columns, of)
    rows = (dict(zip(of, row)) for row in zip(*(own[name] for name in of)))
    return msgspec.json.Encoder().encode_lines(rows)


class TextWriter:
    """A text, part by part."""

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        self._file = file
        file.write(head)

    def add(self, part: bytes) -> None:
        """Write a part."""
        self._file.write(part)

    def finish(self) -> None:
        """Nothing stands behind the last line."""


class TableFormat(NamedTuple):
    """How rows are written."""

    part: Callable[[Mapping[str, ColumnType], Columns], Any]
    writer: Callable[[BinaryIO, Mapping[str, ColumnType]], TableWriter]


FORMATS = {
    ".parquet": TableFormat(parquet_part, ParquetWriter),
    ".csv": TableFormat(csv_part, lambda file, of: TextWriter(file, csv_head(of))),
    ".jsonl": TableFormat(json_lines, lambda file, of: TextWriter(file, b"")),
}
"""By the ending of the file's name."""


class TableFile:
    """The file of all rows while it is written: it gets its name when it is whole. Raises OSError."""

    def __init__(self, path: Path, study: Study) -> None:
        self.ending = ending_of(path)
        self.path = path
        self._beside = path.with_name(f".{path.name}.{os.getpid()}")
        self._file = open(self._beside, "wb")  # noqa: SIM115
        self._writer = FORMATS[self.ending].writer(self._file, kinds(study))

    def add(self, part: Any) -> None:
        """Write a part: those of all tasks come in the order of their rows."""
        self._writer.add(part)

    def finish(self, whole: Callable[[Path], None]) -> None:
        """Name the file, in which all rows are. ``whole`` is called before."""
        self._writer.finish()
        self._file.close()
        whole(self._beside)
        os.replace(self._beside, self.path)

    def discard(self) -> None:
        """Remove what has no name yet."""
        # What could not be written is not wanted any more.
        with contextlib.suppress(OSError):
            self._file.close()
        self._beside.unlink(missing_ok=True)


def ending_of(path: Path) -> str:
    """What says how a file is written."""
    return path.suffix.lower()


def remove_leftovers(path: Path) -> None:
    """Remove the beginnings of a file whose writers were killed; only for who alone may write the file."""
    beginning = f".{path.name}."
    for entry in os.listdir(path.absolute().parent):
        number = entry.removeprefix(beginning)
        if entry.startswith(beginning) and number.isdecimal() and not _is_alive(int(number)):
            with contextlib.suppress(OSError):
                path.with_name(entry).unlink()


def _is_alive(process: int) -> bool:
    """True where a process of that number runs. On Windows to ask would end it, and nobody else has the file."""
    if os.name == "nt" or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
