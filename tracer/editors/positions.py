"""Places of a text as an editor counts them: lines from 0, and columns in code units.

Inside, a place is the index of a character. YAML breaks lines at more characters than the protocol does, and counts
columns in characters; an emoji is one character and two code units of UTF-16.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from lsprotocol.types import Position, PositionEncodingKind, Range

from tracer.diagnostics import Span
from tracer.source.places import BREAKS

MARK = "\ufeff"
"""The byte order mark, which is no part of the config."""

_LINE = re.compile("\r\n|\n|\r")
_YAML_LINE = re.compile(f"\r\n|[{BREAKS}]")

UTF16 = PositionEncodingKind.Utf16.value
UTF8 = PositionEncodingKind.Utf8.value


def units(
    character: str,
    encoding: str,
) -> int:
    """The number of code units of one character.

    >>> units("a", UTF16), units("😀", UTF16), units("😀", UTF8), units("é", UTF8)
    (1, 2, 4, 2)
    """
    number = ord(character)
    if encoding == UTF16:
        return 1 + (number > 0xFFFF)
    if encoding == UTF8:
        return 1 + (number > 0x7F) + (number > 0x7FF) + (number > 0xFFFF)
    return 1


class EditorText:
    """A text with its lines, as an editor has it; indices are of the config, which has no byte order mark."""

    def __init__(
        self,
        whole: str,
        encoding: str = UTF16,
    ) -> None:
        self.whole = whole
        """With the mark, where there is one."""
        self.body = whole.removeprefix(MARK)
        self.encoding = encoding
        self._marked = len(whole) - len(self.body)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE.finditer(self.whole))]

    @cached_property
    def _yaml_starts(self) -> list[int]:
        return [0, *(found.end() for found in _YAML_LINE.finditer(self.body))]

    @property
    def end(self) -> int:
        """The index behind the last character."""
        return len(self.body)

    def _line(self, number: int) -> str:
        """A line of the whole text, without its break."""
        start = self._starts[number]
        is_last = number + 1 == len(self._starts)
        end = len(self.whole) if is_last else self._starts[number + 1]
        return self.whole[start:end].rstrip("\r\n")

    def position(self, index: int) -> Position:
        """The place of a character."""
        place = index + self._marked
        number = bisect_right(self._starts, place) - 1
        before = self.whole[self._starts[number] : place]
        if before.isascii():
            return Position(number, len(before))
        column = sum(units(character, self.encoding) for character in before)
        return Position(number, column)

    def index(self, position: Position) -> int:
        """The character at a place; what lies behind a line is its end, what lies behind the text the text's."""
        return max(self._place(position) - self._marked, 0)

    def _place(self, position: Position) -> int:
        if position.line >= len(self._starts):
            return len(self.whole)
        start = self._starts[position.line]
        line = self._line(position.line)
        if line.isascii():
            return start + min(position.character, len(line))

        passed = 0
        for number, character in enumerate(line):
            passed += units(character, self.encoding)
            if passed > position.character:
                return start + number
        return start + len(line)

    def range(
        self,
        start: int,
        end: int,
    ) -> Range:
        """The places from one character to another."""
        return Range(self.position(start), self.position(end))

    def range_of(self, span: Span) -> Range:
        """The places of a span, at least one character of its line."""
        start = self.index_of(span.line, span.column)
        end = self.index_of(span.end_line, span.end_column)
        return self.range(start, max(start, end))

    def index_of(
        self,
        line: int,
        column: int,
    ) -> int:
        """The character at a line and a column as YAML counts them, from 1."""
        starts = self._yaml_starts
        if line > len(starts):
            return self.end
        return min(starts[line - 1] + column - 1, self.end)

    def line_end(self, index: int) -> int:
        """The end of the line that a character stands in, its break excluded."""
        number = self.position(index).line
        end = self._starts[number] + len(self._line(number))
        return end - self._marked

    def changed(
        self,
        where: Range | None,
        text: str,
    ) -> EditorText:
        """The text with a stretch replaced; all of it where none is named."""
        if where is None:
            return EditorText(text, self.encoding)
        start, end = self._place(where.start), self._place(where.end)
        first, last = min(start, end), max(start, end)
        whole = self.whole[:first] + text + self.whole[last:]
        return EditorText(whole, self.encoding)
