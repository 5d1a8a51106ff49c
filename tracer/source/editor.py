"""The characters of a text that change for an edit, in the style of the place.

Values are replaced where they stand; new keys are collected, so that several of one mapping come together. What
comes out is compared with the text before by ``edits``, which is the only caller.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tracer.source.places import BREAKS, Path, Piece, Places, dotted, line_end, pieces, skipped
from tracer.source.written import EditError, Value, is_null, is_text, quoted, written_value

_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*")
_BREAK = re.compile(f"\r\n|[{BREAKS}]")

_VALUE = -(10**9)
"""The rank of a value: what is added behind it at the same place follows."""


class Splice(NamedTuple):
    """Characters replaced by others. At one place, an insertion comes first, and the one of the lower rank."""

    start: int
    end: int
    rank: int
    number: int
    """Of two of one rank, the one that was recorded first stands first."""
    text: str


class Editor:
    """The changes of one text. Both methods raise :class:`EditError`."""

    def __init__(self, text: str) -> None:
        self.source = text
        self.root = pieces(text)
        self.places = Places(self.root)
        self.splices: list[Splice] = []
        self.added: dict[int, tuple[Piece, list[str]]] = {}
        """New pairs by what gets them: a mapping, or what becomes one."""
        self.missing: dict[str, list[str]] = {}
        """New pairs of mappings that are missing at the top level."""

    def change(
        self, path: Path, value: Value, *, before: str | None = None, after: str | None = None
    ) -> None:
        """Record one edit; paths are looked up in the text as it was. A new key may come beside another one."""
        parent, step = self._parent(path), path[-1]
        if parent is not None and (
            parent.kind == "list" or isinstance(step, int) or step in parent.own()
        ):
            self._replace(self._child(parent, path, len(path) - 1), value)
            return
        pair = f"{written_value(step)}: {written_value(value)}"
        beside = before or after
        if parent is not None and beside is not None:
            self._refuse_unfit(parent, path)
            self._insert(parent, path, pair, beside, is_before=before is not None)
        elif parent is None:
            self.missing.setdefault(str(path[0]), []).append(pair)
        else:
            self._refuse_unfit(parent, path)
            self.added.setdefault(id(parent), (parent, []))[1].append(pair)

    def remove(self, path: Path) -> None:
        """Record that a key of a mapping and its value are taken out, with the comment behind them."""
        parent, step = self._parent(path), path[-1]
        if parent is None or parent.kind != "mapping" or len(parent.pairs) < 2:
            raise EditError(f"{dotted(path)} cannot be taken out")
        self._child(parent, path, len(path) - 1)

        names = [key.target.value for key, _ in parent.pairs]
        at = names.index(str(step))
        key, value = parent.pairs[at]
        if value.referred or key.referred:
            raise EditError(f"{dotted(path)} has an anchor that is used elsewhere")
        if not parent.flow:
            self._cut(_line_start(self.source, key.start), self._next_line(value))
        elif at + 1 < len(names):
            self._cut(key.start, parent.pairs[at + 1][0].start)
        else:
            self._cut(parent.pairs[at - 1][1].end, value.end)

    def _next_line(self, value: Piece) -> int:
        """The beginning of the line behind a value."""
        if value.until > value.end and self.source[value.until - 1] in BREAKS:
            return value.until
        end = line_end(self.source, value.until)
        return end + len(self._line_break(end)) if end < len(self.source) else end

    def text(self) -> str:
        """The text with all changes made."""
        self._add_missing()
        for parent, pairs in self.added.values():
            if parent.kind != "mapping":
                self._make_mapping(parent, pairs)
            elif parent.flow:
                self._add_to_flow(parent, pairs)
            else:
                self._add_lines(parent, self._indent(parent), pairs)
        done, parts = 0, []
        for splice in sorted(self.splices):
            if splice.start < done:
                raise EditError("two edits change the same text")
            parts += [self.source[done : splice.start], splice.text]
            done = splice.end
        return "".join([*parts, self.source[done:]])

    # Where a path leads

    def _parent(self, path: Path) -> Piece | None:
        """The piece that holds or gets the path's last key; None for a mapping that is missing at the top level."""
        here = self.root
        top = path[0]
        if (
            len(path) == 2
            and here.kind == "mapping"
            and isinstance(top, str)
            and top not in self.places.entries(here)
        ):
            if isinstance(path[1], int):
                raise EditError(f"there is no {dotted(path)}")
            return None
        for depth in range(len(path) - 1):
            here = self._child(here, path, depth)
            if here.kind == "alias" and depth < len(path) - 2:
                raise EditError(
                    f"{dotted(path[: depth + 1])} is an alias: {dotted(path)} is written elsewhere"
                )
        return here

    def _child(self, here: Piece, path: Path, depth: int) -> Piece:
        """The piece at the next step, which must be written in this one."""
        step = path[depth]
        if here.kind == "mapping" and isinstance(step, str):
            own = here.own()
            if step in own:
                return own[step]
            if step in self.places.entries(here):
                raise EditError(
                    f"{dotted(path[: depth + 1])} comes in by a merge key: it is written elsewhere"
                )
        elif here.kind == "list" and isinstance(step, int) and 0 <= int(step) < len(here.items):
            return here.items[int(step)]
        raise EditError(f"there is no {dotted(path[: depth + 1])}")

    def _refuse_unfit(self, parent: Piece, path: Path) -> None:
        """Only mappings get keys, and what stands for one: an operation's name, an alias, nothing at the top level."""
        place = dotted(path[:-1]) or "the document"
        if parent.kind == "mapping" and parent.flow and not parent.braced:
            raise EditError(f"{place} is a single pair in a list, which takes no other key")
        if parent.target.kind == "mapping":
            return
        name = parent.target
        fits = (
            len(path) > 2
            and name.kind == "scalar"
            and bool(name.value)
            and is_text(name.value, name.style)
        )
        if parent.kind == "scalar":
            if parent.referred:
                raise EditError(f"{place} has an anchor that is used elsewhere")
            if len(path) == 2:
                fits = is_null(parent.value, parent.style)
            elif any(c in BREAKS for c in self.source[parent.body : parent.end]):
                fits = False
        if not fits:
            raise EditError(f"{place} is no mapping")

    # Values

    def _splice(self, start: int, end: int, text: str, rank: int = _VALUE) -> None:
        self.splices.append(Splice(start, end, rank, len(self.splices), text))

    def _write(self, start: int, end: int, text: str) -> None:
        """Write a value, apart from what stands before it."""
        before = self.source[start - 1 : start]
        self._splice(
            start,
            end,
            text if before in ("", "[", "{", ",") or before.isspace() else f" {text}",
        )

    def _replace(self, piece: Piece, value: Value) -> None:
        if (
            isinstance(value, tuple)
            and piece.kind == "list"
            and value
            and len(value) == len(piece.items)
        ):
            for item, one in zip(piece.items, value):
                self._replace(item, one)
            return
        text = written_value(value)
        if isinstance(value, str) and piece.style in ("'", '"'):
            text = quoted(value, piece.style)
        if piece.kind in ("list", "mapping") and not piece.flow:
            self._replace_block(piece, text)
        elif piece.style in ("|", ">"):
            header = _BLOCK_HEADER.match(self.source, piece.body).end()  # type: ignore[union-attr]
            self._write(piece.body, header, text)
            self._cut(line_end(self.source, header), piece.end)
        elif piece.bare:
            self._splice(piece.body, piece.end, f": {text}")
        else:
            self._write(piece.body, piece.end, text)

    def _replace_block(self, piece: Piece, text: str) -> None:
        """The value stands behind the colon or dash, before the comment there; comments inside go with the lines."""
        first, last = line_end(self.source, piece.place), line_end(self.source, piece.end)
        if piece.body > first:
            self._write(piece.place, piece.place, text)
            self._cut(first, last)
        else:
            self._write(piece.body, piece.end if piece.end <= first else last, text)

    def _cut(self, start: int, end: int) -> None:
        if end > start:
            self._splice(start, end, "")

    # Keys

    def _add_missing(self) -> None:
        pairs = [
            f"{written_value(key)}: {{{', '.join(inner)}}}"
            for key, inner in self.missing.items()
        ]
        given = self.root.own().get("input")
        if pairs and given is not None and not self.root.flow:
            self._add_lines(given, self._indent(self.root), pairs)
        elif pairs:
            self.added.setdefault(id(self.root), (self.root, []))[1].extend(pairs)

    def _insert(
        self, mapping: Piece, path: Path, pair: str, beside: str, *, is_before: bool
    ) -> None:
        """A new pair before or after another one, on a line of its own where the mapping has lines."""
        found = [(key, value) for key, value in mapping.pairs if key.target.value == beside]
        if not found:
            raise EditError(f"there is no {dotted((*path[:-1], beside))}")

        key, value = found[0]
        if mapping.flow:
            if value.bare or value.is_empty:
                raise EditError(f"{dotted((*path[:-1], beside))} has no value to stand beside")
            at, text = (key.start, f"{pair}, ") if is_before else (value.end, f", {pair}")
            self._splice(at, at, text, 0)
        elif is_before:
            at = self._with_comments(_line_start(self.source, key.start))
            indent = " " * self._indent(mapping)
            self._splice(at, at, f"{indent}{pair}{self._line_break(key.start)}", 0)
        else:
            self._add_lines(value, self._indent(mapping), [pair])

    def _with_comments(self, start: int) -> int:
        """The beginning of the comment lines right above a line; its own where there are none."""
        while start:
            above = _line_start(self.source, start - 1)
            if not self.source[above:start].lstrip(" \t").startswith("#"):
                break
            start = above
        return start

    def _make_mapping(self, piece: Piece, pairs: list[str]) -> None:
        """``{op: Concat, key: value}`` for an operation's name, ``{<<: *up, key: value}`` for an alias."""
        source, target = self.source[piece.body : piece.end], piece.target
        if target.kind == "mapping":
            pairs = [f"<<: {source}", *pairs]
        elif not is_null(target.value, target.style):
            pairs = [f"op: {source}", *pairs]
        self._write(piece.body, piece.end, f"{{{', '.join(pairs)}}}")

    def _indent(self, mapping: Piece) -> int:
        return mapping.body - _line_start(self.source, mapping.body)

    def _add_lines(self, behind: Piece, indent: int, pairs: list[str]) -> None:
        """New lines behind a piece; those of an inner mapping stand before those of an outer one."""
        at, lines = behind.until, [" " * indent + pair for pair in pairs]
        if at > behind.end and self.source[at - 1] in BREAKS:
            text = "".join(line + self._line_break(at) for line in lines)
        else:
            at = line_end(self.source, at)
            text = "".join(self._line_break(at) + line for line in lines)
        self._splice(at, at, text, -indent)

    def _add_to_flow(self, mapping: Piece, pairs: list[str]) -> None:
        source, first, close = self.source, mapping.body + 1, mapping.end - 1
        if not mapping.pairs:
            space = " " if close > first and not source[first:close].strip(" ") else ""
            self._splice(
                first, close if space else first, f"{space}{', '.join(pairs)}{space}", 0
            )
            return
        key, last = mapping.pairs[-1]
        comma = skipped(source, last.end)
        trailing = comma < close
        at = comma + 1 if trailing else last.end
        end = line_end(source, last.end)
        margin = source[_line_start(source, key.start) : key.start]
        space = " " if last.is_empty and not last.bare else ""  # `key:,` is no pair
        if not margin.strip(" \t") and at <= end < close:  # a line of its own
            lines = [f"{self._line_break(end)}{margin}{pair}" for pair in pairs]
            if not trailing:
                self._splice(at, at, f"{space},", 0)
            self._splice(
                end,
                end,
                "".join(line + "," for line in lines) if trailing else ",".join(lines),
                1,
            )
        elif trailing:
            self._splice(at, at, "".join(f" {pair}," for pair in pairs), 0)
        else:
            self._splice(at, at, space + "".join(f", {pair}" for pair in pairs), 0)

    def _line_break(self, index: int) -> str:
        """The line break at a place; at the end of the text, or behind a break, the one before it."""
        found = _BREAK.match(self.source, index)
        if found:
            return found[0]
        start = _line_start(self.source, index)
        return (
            "\r\n"
            if self.source[:start].endswith("\r\n")
            else self.source[start - 1 : start] or "\n"
        )


def _line_start(text: str, index: int) -> int:
    return max(text.rfind(c, 0, index) for c in BREAKS) + 1
