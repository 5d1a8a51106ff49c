"""The rows of a task as columns: arrays with what is not known masked, and the same as bytes.

Bytes are what a worker sends and a file keeps: nobody between the worker and the table makes an object of each number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

Columns = dict[str, Any]
"""By name an array of numpy, masked where nothing is known; of texts and mixed values one of objects."""


class _Packed(msgspec.Struct, array_like=True, frozen=True):
    """A column as bytes."""

    kind: str
    """The type of its values as numpy writes it; an empty one for objects."""
    data: bytes
    """The values, one behind the other; of objects a list of those that are known, as msgpack."""
    unknown: bytes
    """A bit for each row, 1 where nothing is known; empty where all is."""
    rows: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, _Packed]).decode


def packed(columns: Mapping[str, Any]) -> bytes:
    """The columns as bytes.

    >>> unpacked(packed({"a": np.ma.array([1, 2], mask=[False, True])}))["a"].tolist()
    [1, None]
    """
    return _encode({name: _packed(values) for name, values in columns.items()})


def unpacked(data: bytes) -> Columns:
    """The columns that were packed. Raises msgspec.MsgspecError for what is none."""
    return {name: _unpacked(column) for name, column in _decode(data).items()}


def _packed(values: Any) -> _Packed:
    mask = np.ma.getmaskarray(values)
    unknown = np.packbits(mask).tobytes() if mask.any() else b""
    plain = np.ma.getdata(values)
    if plain.dtype == object:
        return _Packed("", _encode(plain[~mask].tolist()), unknown, len(plain))
    return _Packed(plain.dtype.str, np.ascontiguousarray(plain).tobytes(), unknown, len(plain))


def _unpacked(column: _Packed) -> Any:
    mask: Any = np.zeros(column.rows, bool)
    if column.unknown:
        bits = np.frombuffer(column.unknown, np.uint8)
        mask = np.unpackbits(bits, count=column.rows).astype(bool)
    if column.kind:
        return np.ma.array(np.frombuffer(column.data, column.kind), mask=mask)

    values = np.empty(column.rows, object)
    values[~mask] = msgspec.msgpack.decode(column.data)
    return np.ma.array(values, mask=mask)


def as_lists(columns: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The columns as lists, None where nothing is known."""
    return {name: values.tolist() for name, values in columns.items()}
