"""A Parquet file of row groups that other processes have made: they are appended as they are, encoded and compressed.

Each comes as a Parquet file of its own. Its bytes are put behind those of the others, and the places in its metadata, a
struct of Thrift's compact protocol, are moved to where the bytes now are. The numbers of fields are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

MAGIC = b"PAR1"
"""The first and the last bytes of a file."""

LENGTH = 4
"""Bytes of the metadata's length, which stands before the last ones."""

NUM_ROWS, ROW_GROUPS = 3, 4
"""Fields of FileMetaData."""

PLACES: Mapping[tuple[int, ...], frozenset[int]] = {
    (): frozenset({5}),  # file_offset
    (1,): frozenset({2, 4, 6}),  # file_offset, offset_index_offset, column_index_offset
    (1, 3): frozenset({9, 10, 11, 14}),  # of pages, the index, the dictionary, the bloom filter
}
"""The fields of a RowGroup that are places in the file: of itself, of its columns (1), of their metadata (3)."""

ORDINAL = 7
"""Field of a RowGroup: its number in the file that it was made in. It is optional, and the last one."""

BINARY, LIST, SET, MAP, STRUCT = 8, 9, 10, 11, 12
"""Types of the compact protocol whose values are no varints."""

WIDTHS = {1: 0, 2: 0, 3: 1, 7: 8}
"""Bytes of the values that have always as many: true, false, a byte, a double."""


class RowGroup(NamedTuple):
    """Rows as they stand in a Parquet file, and their metadata with a hole for each place."""

    rows: int
    data: bytes
    texts: Sequence[bytes]
    """The metadata before, between and behind the holes."""
    places: Sequence[int]
    """What belongs in the holes, counted from the beginning of the data."""
    before: bytes
    """The file's metadata before the number of its rows: the schema."""
    behind: bytes
    """The file's metadata behind its row groups."""

    def metadata(self, begin: int) -> bytes:
        """The metadata where the data begins at this place of a file."""
        parts = [self.texts[0]]
        for place, text in zip(self.places, self.texts[1:]):
            parts += [_signed(begin + place), text]
        return b"".join(parts)


class RowGroupFile:
    """A Parquet file, of which one row group after the other is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rows = 0
        self._groups: list[bytes] = []
        self._first: RowGroup | None = None
        self._end = file.write(MAGIC)

    def add(self, group: RowGroup) -> None:
        """Append a row group. All have the same schema."""
        self._first = self._first or group._replace(data=b"")
        self._groups.append(group.metadata(self._end))
        self._rows += group.rows
        self._end += self._file.write(group.data)

    def finish(self) -> None:
        """Write what stands behind the last row group; there is at least one."""
        assert self._first is not None
        metadata = b"".join(
            [
                self._first.before,
                _signed(self._rows),
                _field(LIST),
                _list_head(len(self._groups), STRUCT),
                *self._groups,
                self._first.behind,
            ]
        )
        length = len(metadata).to_bytes(LENGTH, "little")
        self._file.write(metadata + length + MAGIC)


def row_group(file: bytes) -> RowGroup:
    """The only row group of a Parquet file."""
    end = len(file) - len(MAGIC)
    length = int.from_bytes(file[end - LENGTH : end], "little")
    begin = end - LENGTH - length
    metadata = file[begin : end - LENGTH]

    fields, _ = _fields(metadata, 0)
    rows, groups = fields[NUM_ROWS], fields[ROW_GROUPS]
    count, _, first = _list_begin(metadata, groups.begin)
    assert count == 1
    texts, places = _with_holes(metadata, first, groups.end)
    return RowGroup(
        _unsigned_of(metadata, rows.begin).number >> 1,
        file[len(MAGIC) : begin],
        texts,
        places,
        metadata[: rows.begin],
        metadata[groups.end :],
    )


def _with_holes(data: bytes, begin: int, end: int) -> tuple[list[bytes], list[int]]:
    """The metadata of a row group without its places and its ordinal; and the places."""
    fields, _ = _fields(data, begin)
    last = fields.get(ORDINAL)
    texts, places = [], []
    for field in _places(data, begin, ()):
        place = _unsigned_of(data, field.begin).number >> 1
        if not place:
            continue  # no byte of the file: it is not given
        texts.append(data[begin : field.begin])
        places.append(place - len(MAGIC))
        begin = field.end

    if last is None:
        return [*texts, data[begin:end]], places
    return [*texts, data[begin : last.head] + data[last.end : end]], places


def _places(data: bytes, begin: int, path: tuple[int, ...]) -> Iterator[_Field]:
    """The fields of a row group that are places in the file, in the order in which they stand."""
    fields, _ = _fields(data, begin)
    for number, field in fields.items():
        inner = (*path, number)
        if number in PLACES[path]:
            yield field
        elif inner in PLACES:
            for struct in _structs(data, field):
                yield from _places(data, struct, inner)


def _structs(data: bytes, field: _Field) -> Iterator[int]:
    """Where the structs of a field begin: of a list of them, or the only one."""
    if field.kind == STRUCT:
        yield field.begin
        return
    count, _, place = _list_begin(data, field.begin)
    for _ in range(count):
        yield place
        _, place = _fields(data, place)


# Thrift's compact protocol:
# https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md


class _Field(NamedTuple):
    """A field of a struct: where its head and its value begin, and where it ends."""

    kind: int
    head: int
    begin: int
    end: int


class _Number(NamedTuple):
    number: int
    end: int


def _fields(data: bytes, place: int) -> tuple[dict[int, _Field], int]:
    """The fields of the struct that begins there, by number, and where it ends."""
    found: dict[int, _Field] = {}
    number = 0
    while data[place]:
        head = place
        step, kind = divmod(data[head], 16)
        place += 1
        if step:
            number += step
        else:
            number, place = _unsigned_of(data, place)
            number >>= 1
        end = _end_of(data, place, kind)
        found[number] = _Field(kind, head, place, end)
        place = end
    return found, place + 1


def _end_of(data: bytes, place: int, kind: int) -> int:
    """Where the value that begins there ends."""
    if kind == STRUCT:
        return _fields(data, place)[1]
    if kind in (LIST, SET):
        return _end_of_list(data, place)
    if kind in WIDTHS:
        return place + WIDTHS[kind]
    assert kind != MAP  # Parquet's metadata has none
    number, end = _unsigned_of(data, place)
    return end + number if kind == BINARY else end


def _end_of_list(data: bytes, place: int) -> int:
    count, kind, place = _list_begin(data, place)
    for _ in range(count):
        # In a list a truth value is a byte; as a field it is in the field's head.
        place = place + 1 if kind in (1, 2) else _end_of(data, place, kind)
    return place


def _list_begin(data: bytes, place: int) -> tuple[int, int, int]:
    """The length of a list, the type of what is in it, and where the first one begins."""
    count, kind = divmod(data[place], 16)
    place += 1
    if count == 15:
        count, place = _unsigned_of(data, place)
    return count, kind, place


def _unsigned_of(data: bytes, place: int) -> _Number:
    """The varint that begins there: seven bits in each byte, the lowest first."""
    number = shift = 0
    while data[place] >= 128:
        number |= (data[place] & 127) << shift
        shift += 7
        place += 1
    return _Number(number | data[place] << shift, place + 1)


def _unsigned(number: int) -> bytes:
    found = bytearray()
    while number >= 128:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def _signed(number: int) -> bytes:
    """A number from 0 on as a signed varint, whose lowest bit is the sign."""
    return _unsigned(number << 1)


def _field(kind: int) -> bytes:
    """The head of the field behind the last one."""
    return bytes([16 + kind])


def _list_head(count: int, kind: int) -> bytes:
    if count < 15:
        return bytes([count * 16 + kind])
    return bytes([15 * 16 + kind]) + _unsigned(count)
