"""The rows of a sweep as a file: Parquet, CSV or JSON lines, by the name's ending; no part of it is ever there."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tracer.sweep.axes import SweepAxis
from tracer.sweep.columns import Columns
from tracer.sweep.study import ROWS, Study, shown

BATCH = 1 << 17
"""Rows of one group in a Parquet file."""

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


def write_parquet(path: Path, of: Mapping[str, ColumnType], tables: Iterator[Columns]) -> None:
    """One Parquet file of all rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
    schema = pa.schema([(name, types[kind]) for name, kind in of.items()])
    with pq.ParquetWriter(path, schema) as writer:
        waiting: list[Any] = []
        for columns in tables:
            waiting.append(_arrow_table(columns, schema))
            if sum(len(one) for one in waiting) >= BATCH:
                writer.write_table(pa.concat_tables(waiting).combine_chunks())
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting).combine_chunks())


def _arrow_table(columns: Columns, schema: Any) -> Any:
    """The columns as a table of Arrow; numbers stay arrays on the way."""
    import pyarrow as pa

    made = []
    for field in schema:
        values = columns[field.name]
        known, unknown = np.ma.getdata(values), np.ma.getmaskarray(values)
        if pa.types.is_string(field.type):
            texts = [None if one is None else str(one) for one in values.tolist()]
            made.append(pa.array(texts, field.type))
        elif known.dtype == object:
            made.append(pa.array(values.tolist(), field.type))
        else:
            made.append(pa.array(known, mask=unknown).cast(field.type))
    return pa.table(made, schema=schema)


def write_csv(path: Path, of: Mapping[str, ColumnType], tables: Iterator[Columns]) -> None:
    """Comma-separated, a header first; what is not known is empty."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(of)
        for columns in tables:
            own = typed(columns, of)
            writer.writerows(zip(*(map(_cell, own[name]) for name in of)))


def _cell(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value


def write_json_lines(
    path: Path, of: Mapping[str, ColumnType], tables: Iterator[Columns]
) -> None:
    """One JSON object to a line."""
    with open(path, "wb") as file:
        for columns in tables:
            file.writelines(json_lines(of, columns))


def json_lines(of: Mapping[str, ColumnType], columns: Columns) -> Iterator[bytes]:
    """The rows, an object and its line end for each."""
    encode = msgspec.json.Encoder().encode
    own = typed(columns, of)
    for row in zip(*(own[name] for name in of)):
        yield encode(dict(zip(of, row))) + b"\n"


Writer = Callable[[Path, Mapping[str, ColumnType], Iterator[Columns]], None]

WRITERS: dict[str, Writer] = {
    ".parquet": write_parquet,
    ".csv": write_csv,
    ".jsonl": write_json_lines,
}
"""By the ending of the file's name."""


def write_rows(
    path: Path, study: Study, tables: Iterator[Columns], whole: Callable[[Path], None]
) -> None:
    """Write all rows; the file is there when it is whole: ``whole`` is called before it gets its name.

    Raises OSError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        WRITERS[path.suffix.lower()](beside, kinds(study), tables)
        whole(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


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
