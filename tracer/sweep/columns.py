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
    stored: str
    """The type of the values in the bytes: of integers the narrowest that holds them all."""
    data: bytes
    """The values that are known, one behind the other; one where all are the same; of objects a list, as msgpack."""
    unknown: bytes
    """A bit for each row, 1 where nothing is known; empty where all is."""
    rows: int


NARROW = tuple(np.iinfo(kind) for kind in (np.int8, np.int16, np.int32))
"""The types that integers are stored in where they fit."""

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
    plain = np.ma.getdata(values)
    unknown = b""
    known = plain
    if mask.any():
        unknown = np.packbits(mask).tobytes()
        known = plain[~mask]

    if plain.dtype == object:
        return _Packed("", "", _encode(known.tolist()), unknown, len(plain))
    stored = _narrowed(known)
    return _Packed(plain.dtype.str, stored.dtype.str, stored.tobytes(), unknown, len(plain))


def _narrowed(known: Any) -> Any:
    """Integers in the narrowest type that holds them, and one where all are the same; others as they are."""
    if known.dtype.kind != "i" or not len(known):
        return known
    low, high = known.min(), known.max()
    if low == high:
        return known[:1]
    for kind in NARROW:
        if kind.min <= low and high <= kind.max:
            return known.astype(kind.dtype)
    return known


def _unpacked(column: _Packed) -> Any:
    mask: Any = np.zeros(column.rows, bool)
    if column.unknown:
        bits = np.frombuffer(column.unknown, np.uint8)
        mask = np.unpackbits(bits, count=column.rows).astype(bool)

    known: Any
    if column.kind:
        known = np.frombuffer(column.data, column.stored)
    else:
        known = msgspec.msgpack.decode(column.data)
    values = np.zeros(column.rows, column.kind or object)
    # One that all have fills every place.
    values[~mask] = known
    return np.ma.array(values, mask=mask)


def as_lists(columns: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The columns as lists, None where nothing is known."""
    return {name: values.tolist() for name, values in columns.items()}
