"""Where a cursor stands in a text that is being typed: under which keys, and behind which beginning of a word.

A text that is half written is no YAML, so no parser has read it. What stands before the cursor is enough: the lines'
indentation, the brackets that are open, and the keys in front of colons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MOST_CHARACTERS = 200_000
"""Of the text before the cursor, so many are looked at."""

MOST_BEHIND = 2_000
"""Of the text behind it."""

_KEY = re.compile(
    r"""(?:"([^"]*)"|'([^']*)'|([^\s#&*!|>'"%@`{}\[\],-][^#'"{}\[\],]*?))\s*:(?=\s|$)"""
)
_TOKEN = re.compile(
    r"""
    (?P<quoted> "(?:[^"\\]|\\.)*(?:"|\Z) | '[^']*(?:'|\Z) )
    | (?P<comment> (?:^|(?<=\s)) \#.* )
    | (?P<expression> \$\{[^{}]*(?:\}|\Z) )
    | (?P<mark> [{}\[\],] )
    | (?P<colon> :(?=\s|$) )
    | (?P<plain> (?:[^\s{}\[\],:\#"'$] | :(?=\S) | \#|["'$])+ )
    | (?P<space> \s+ )
    """,
    re.VERBOSE,
)
_OP = re.compile(r"""\bop:\s*["']?([^\s,}"'#]+)""")


class OpenMapping(NamedTuple):
    """A mapping that is open before the cursor."""

    indent: int
    """The column of its keys; -1 inside of brackets."""
    values: dict[str, str]
    """Its keys so far, with the words behind them."""
    keys: list[str]
    """The same keys in order: the last one is the present one."""


class Cursor(NamedTuple):
    """A place in a text that may be half written."""

    path: tuple[str, ...]
    """The keys around it, from the top."""
    is_key: bool
    """Whether a key is typed there, rather than a value."""
    word: str
    """What of the word is typed already."""
    start: int
    """Where that begins."""
    beside: dict[str, str]
    """The other keys of the innermost mapping, with the words behind them."""
    in_expression: bool
    """Whether it stands inside of ``${...}``."""
    entry: tuple[int, int]
    """The lines of the entry that it stands in, as characters from and to."""
    is_nested: bool
    """Whether it stands inside of brackets."""


def cursor_at(text: str, index: int) -> Cursor | None:
    """The place of a cursor; None in a comment."""
    start = _line_at_margin(text, index)
    scan = _Scan(text, start)
    while True:
        end = text.find("\n", start)
        is_last = end < 0 or end >= index
        line = text[start : index if is_last else end]
        scan.line(line.rstrip("\r"), start)
        if is_last:
            break
        # Of a long section the lines in front of the cursor are enough.
        start = max(end + 1, text.rfind("\n", 0, max(index - MOST_CHARACTERS, 0)) + 1)
    return scan.cursor(index)


def _line_at_margin(text: str, index: int) -> int:
    """The nearest line at or above a place that begins at the margin."""
    start = text.rfind("\n", 0, index) + 1
    while start:
        if text[start : start + 1] not in ("", " ", "\t", "\n", "\r", "#", "}", "]"):
            break
        start = text.rfind("\n", 0, start - 1) + 1
    return start


class _Flow:
    """Brackets that are open: a mapping or a list."""

    def __init__(self, mark: str) -> None:
        self.is_mapping = mark == "{"
        self.level = OpenMapping(-1, {}, [])
        self.is_value = not self.is_mapping


class _Scan:
    """The state behind each line."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.levels: list[OpenMapping] = []
        self.flows: list[_Flow] = []
        self.is_value = False
        """Whether a value stands behind the present key of the innermost level."""
        self.word = ""
        self.word_start = start
        self.in_comment = False
        self.in_expression = False
        self.entry_start = start
        self.entry_indent = 0
        self.column = 0

    # --- lines --------------------------------------------------------------------------------------------------------

    def line(self, line: str, start: int) -> None:
        """Take a line; the last one ends at the cursor."""
        self.in_comment = self.in_expression = False
        self._begin_word(start + len(line))
        body = line.lstrip(" ")
        indent = len(line) - len(body)
        self.column = indent
        if self.flows and body and indent <= self.entry_indent and body[0] not in "}]":
            # Brackets that nobody closed: what is inside of them is indented.
            self.flows.clear()
        if self.flows:
            self._tokens(body, start + indent)
            return

        if not body:
            self.is_value = False
            self._leave(indent)
            return
        self._block_line(body, start + indent, indent)

    def _block_line(self, body: str, start: int, indent: int) -> None:
        self.entry_start, self.entry_indent = start - indent, indent
        dashes = re.match(r"(?:-\s+|-$)+", body)
        if dashes is not None:
            self._leave(indent + 1)
            self.is_value = True
            self._tokens(body[dashes.end() :], start + dashes.end())
            return

        self._leave(indent)
        key = _KEY.match(body)
        if key is None:
            self.is_value = False
            self._tokens(body, start)
            return
        name = key[1] or key[2] or key[3] or ""
        self._level_at(indent).keys.append(name)
        self._level_at(indent).values[name] = ""
        self.is_value = True
        self._tokens(body[key.end() :], start + key.end())

    def _leave(self, indent: int) -> None:
        """Close the mappings whose keys stand further right."""
        while self.levels and self.levels[-1].indent > indent:
            self.levels.pop()

    def _level_at(self, indent: int) -> OpenMapping:
        """The mapping whose keys stand in a column."""
        if not self.levels or self.levels[-1].indent < indent:
            self.levels.append(OpenMapping(indent, {}, []))
        return self.levels[-1]

    # --- words --------------------------------------------------------------------------------------------------------

    def _tokens(self, body: str, start: int) -> None:
        """Take what stands in a line behind its key."""
        self._begin_word(start)
        at = 0
        while at < len(body):
            found = _TOKEN.match(body, at)
            if found is None:
                at += 1
                continue
            kind = str(found.lastgroup)
            self._token(kind, found[0], start + at)
            at = found.end()
        is_going_on = self.word[:1] in ("'", '"') or not body[-1:].isspace()
        self._begin_word(start + len(body), keep=is_going_on)
        self._open_expression()

    def _token(self, kind: str, token: str, start: int) -> None:
        if kind == "mark":
            self._mark(token)
            self._begin_word(start + 1)
        elif kind == "colon":
            self._colon()
            self._begin_word(start + 1)
        elif kind == "comment":
            self.in_comment = True
        elif kind == "space":
            self._begin_word(start + len(token), keep=bool(self.word))
        else:
            self._add(token, start)

    def _add(self, token: str, start: int) -> None:
        """A part of a word; several with blanks between them are one."""
        if not self.word:
            self.word_start = start
        self.word = self.text[self.word_start : start + len(token)]
        level = self._innermost()
        if level is not None and level.keys and self._is_value():
            level.values[level.keys[-1]] = self.word.strip("\"'")

    def _begin_word(self, start: int, *, keep: bool = False) -> None:
        if not keep:
            self.word, self.word_start = "", start

    def _mark(self, mark: str) -> None:
        if mark in "{[":
            self.flows.append(_Flow(mark))
        elif mark == "," and self.flows:
            flow = self.flows[-1]
            flow.is_value = not flow.is_mapping
        elif self.flows:
            self.flows.pop()

    def _colon(self) -> None:
        """The word before a colon is a key."""
        if self.flows and self.flows[-1].is_mapping:
            level = self.flows[-1].level
            name = self.word.strip().strip("\"'")
            level.keys.append(name)
            level.values[name] = ""
            self.flows[-1].is_value = True

    def _open_expression(self) -> None:
        """An expression that is not closed before the cursor."""
        opening = self.word.rfind("${")
        if opening < 0 or "}" in self.word[opening:]:
            return
        self.in_expression = True

    def _innermost(self) -> OpenMapping | None:
        if self.flows:
            return self.flows[-1].level
        return self.levels[-1] if self.levels else None

    def _is_value(self) -> bool:
        return self.flows[-1].is_value if self.flows else self.is_value

    # --- the answer ---------------------------------------------------------------------------------------------------

    def cursor(self, index: int) -> Cursor | None:
        """The place behind all that was taken."""
        if self.in_comment:
            return None
        is_key = not self._is_value()
        opening = self.word.rfind("${") if self.in_expression else -1
        word, start = self.word, self.word_start
        if opening >= 0:
            inner = re.search(r"\w*\Z", word)
            assert inner is not None
            start, word = start + inner.start(), inner[0]
        elif word[:1] in ("'", '"'):
            start, word = start + 1, word[1:]
        return Cursor(
            path=self._path(is_key),
            is_key=is_key and opening < 0,
            word=word,
            start=start if word else index,
            beside=self._beside(index, is_key),
            in_expression=opening >= 0,
            entry=(self.entry_start, self._entry_end(index)),
            is_nested=bool(self.flows),
        )

    def _path(self, is_key: bool) -> tuple[str, ...]:
        """The present keys of all levels; that of the innermost one only where its value is typed."""
        return (*self._path_of_lines(is_key), *self._path_of_brackets())

    def _path_of_lines(self, is_key: bool) -> Iterator[str]:
        for number, level in enumerate(self.levels):
            is_last = number + 1 == len(self.levels) and not self.flows
            is_passed = is_last and is_key and level.indent >= self.column
            if level.keys and not is_passed:
                yield level.keys[-1]

    def _path_of_brackets(self) -> Iterator[str]:
        for number, flow in enumerate(self.flows):
            is_open = number + 1 < len(self.flows) or flow.is_value
            if flow.level.keys and is_open:
                yield flow.level.keys[-1]

    def _beside(self, index: int, is_key: bool) -> dict[str, str]:
        """The keys of the mapping that a key is typed in, or that the value's key is in."""
        found = dict(self._present(is_key))
        if not found.get("op"):
            behind = self._op_behind(index)
            if behind:
                found["op"] = behind
        return found

    def _present(self, is_key: bool) -> dict[str, str]:
        """The innermost mapping."""
        for flow in reversed(self.flows):
            if flow.is_mapping:
                return flow.level.values
        level = self.levels[-1] if self.levels else None
        if level is None or (is_key and level.indent != self.column):
            return {}
        return level.values

    def _op_behind(self, index: int) -> str | None:
        """The operation where it stands behind the cursor, in the same mapping."""
        behind = self.text[index : index + MOST_BEHIND]
        if self.flows:
            behind = behind.partition("}")[0]
        else:
            margin = re.search(rf"\n {{0,{max(self.column - 1, 0)}}}\S", behind)
            behind = behind[: margin.start()] if margin else behind
        found = _OP.search(behind)
        return found[1] if found else None

    def _entry_end(self, index: int) -> int:
        """The beginning of the next line that stands no further right than the entry."""
        end = self.text.find("\n", index)
        while end >= 0:
            body = self.text[end + 1 : end + 2 + self.entry_indent]
            if body.strip(" \r\n") and len(body) - len(body.lstrip(" ")) <= self.entry_indent:
                return end + 1
            end = self.text.find("\n", end + 1)
        return len(self.text)
