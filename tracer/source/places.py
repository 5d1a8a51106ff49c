"""The place of each value of a config in its text, aliases and merge keys as written.

:func:`tracer.source.tree.compose` answers what a config says; here is which characters say it. A :class:`Piece` is
one stretch of text; an alias is a piece of its own, and a merge key an ordinary pair. Nothing here changes a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from tracer.diagnostics import printable, shortened
from tracer.memo import Memo
from tracer.source import limits
from tracer.source.tree import Fault, compose
from tracer.source.written import EditError

Path = tuple[str | int, ...]
"""Keys and list indices from the document's root."""


BREAKS = "\r\n\x85\u2028\u2029"
_BLANK = rf"(?:[ \t{BREAKS}]|#[^{BREAKS}]*)*"
_SKIP = re.compile(_BLANK)
_PROPERTY = r"(?:&[^\s,\[\]{}]+|!(?:<[^>\s]*>|[^\s,\[\]{}]*))"
_PROPERTIES = re.compile(rf"{_PROPERTY}(?:{_BLANK}{_PROPERTY})?")
_TO_BREAK = re.compile(rf"[^{BREAKS}]*")


class Piece:
    """The text of one value: of a scalar, a list, a mapping or an alias. All places are indices of characters."""

    __slots__ = (
        "_own", "bare", "body", "braced", "end", "flow", "items", "kind", "pairs",
        "place", "referred", "start", "style", "target", "until", "value",
    )  # fmt: skip

    def __init__(self, start: int, end: int, place: int) -> None:
        self.kind: Literal["scalar", "list", "mapping", "alias"] = "scalar"
        self.place = place
        """The end of the token before it: the colon, the dash, its own anchor or tag."""
        self.start = start
        """Its beginning, anchor and tag included."""
        self.body = start
        """Its beginning without anchor and tag."""
        self.end = end
        """Its end, exclusive; comments and blank lines behind it don't belong to it."""
        self.until = end
        """From where on a new line leaves it as it is: behind ``end`` for a ``|+`` that keeps its blank lines."""
        self.style = ""
        self.value = ""
        self.flow = False
        self.braced = False
        """A flow list or mapping with brackets of its own: not the ``a: 1`` in ``[a: 1]``."""
        self.bare = False
        """A key without a colon stands for it: ``{a, b: 1}``."""
        self.referred = False
        """An alias stands for it somewhere."""
        self.items: list[Piece] = []
        self.pairs: list[tuple[Piece, Piece]] = []
        self.target: Piece = self
        """The piece that an alias repeats; any other piece itself."""
        self._own: dict[str, Piece] | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing is written: ``key:``."""
        return self.kind == "scalar" and self.body == self.end

    def own(self) -> dict[str, Piece]:
        """A mapping's own values by key, without those that merge keys bring in."""
        if self._own is None:
            self._own = {
                key.target.value: value for key, value in self.pairs if not is_merge_key(key)
            }
        return self._own


def is_merge_key(key: Piece) -> bool:
    """True for the key ``<<``, unquoted."""
    return key.target.kind == "scalar" and key.target.value == "<<" and not key.target.style


def line_end(text: str, index: int) -> int:
    """The end of the line, its break excluded."""
    return _TO_BREAK.match(text, index).end()  # type: ignore[union-attr]


def skipped(text: str, index: int) -> int:
    """The next place with something else than blanks, line breaks and comments."""
    return _SKIP.match(text, index).end()  # type: ignore[union-attr]


_pieces: Memo[Piece] = Memo(8)
"""Of the texts edited last, by the text: repairs edit one text many times."""


def pieces(text: str) -> Piece:
    """The root of a document whose text is known to compose: see :func:`composed`."""
    root = _pieces.get(text)
    if root is None:
        root = _pieces[text] = _PieceReader(text).root()
    return root


def composed(text: str) -> yaml.Node:
    """The tree with merge keys expanded. Raises :class:`EditError`."""
    try:
        return compose(text)
    except Fault as fault:
        raise EditError(fault.message) from None


class _PieceReader:
    """The parser's events to pieces. The text is known to compose, so every alias has its anchor."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.events: Iterator[Any] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self.anchors: dict[str, Piece] = {}

    def root(self) -> Piece:
        next(self.events), next(self.events)  # of the stream and of the document
        return self.piece(next(self.events), 0)

    def piece(self, event: Any, place: int) -> Piece:
        piece = Piece(event.start_mark.index, event.end_mark.index, place)
        if isinstance(event, AliasEvent):
            piece.kind = "alias"
            piece.target = self.anchors[str(event.anchor)]
            piece.target.referred = True
            return piece
        if event.anchor:
            self.anchors[event.anchor] = piece
        if event.anchor or event.tag:
            piece.place = _PROPERTIES.match(self.text, piece.start).end()  # type: ignore[union-attr]
        if isinstance(event, ScalarEvent):
            self._scalar(piece, event)
        elif isinstance(event, SequenceStartEvent):
            self._list(piece, bool(event.flow_style))
        else:
            self._mapping(piece, event.flow_style)
        return piece

    def _scalar(self, piece: Piece, event: ScalarEvent) -> None:
        piece.value, piece.style = event.value, event.style or ""
        if not piece.value and not piece.style:
            if (
                piece.start == piece.end
            ):  # the parser may place it at the next token, lines away
                piece.start = piece.place
            piece.body = piece.end = piece.until = piece.place
            return
        piece.body = piece.start
        if piece.place > piece.start:
            piece.body = skipped(self.text, piece.place)
        if piece.style in ("|", ">"):
            written = self.text[piece.body : piece.end]
            last = line_end(self.text, piece.body + len(written.rstrip(" \t" + BREAKS)))
            behind = self.text[last : piece.end]
            keeps = "+" in written[:3] or behind.strip(BREAKS)
            piece.until = piece.end if keeps else last
            piece.end = last

    def _list(self, piece: Piece, flow: bool) -> None:
        piece.kind = "list"
        piece.flow = piece.braced = flow
        piece.body = (
            piece.end - 1 if flow or self.text[piece.end : piece.end + 1] != "-" else piece.end
        )
        place = piece.body + 1
        while not isinstance(event := next(self.events), SequenceEndEvent):
            if not flow and piece.items:
                place = skipped(self.text, piece.items[-1].end) + 1
            piece.items.append(self.piece(event, place))
        self._close(piece, event, piece.items[-1:])

    def _mapping(self, piece: Piece, flow: bool) -> None:
        piece.kind = "mapping"
        piece.flow, piece.braced = flow, flow and piece.end > piece.start
        piece.body = piece.end - 1 if piece.braced else piece.end
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self.piece(event, event.start_mark.index)
            colon = skipped(self.text, key.end)
            bare = self.text[colon : colon + 1] != ":"
            value = self.piece(next(self.events), key.end if bare else colon + 1)
            value.bare = bare
            piece.pairs.append((key, value))
        self._close(piece, event, [value for _, value in piece.pairs[-1:]])

    def _close(self, piece: Piece, event: Any, last: list[Piece]) -> None:
        if piece.braced or not last:
            piece.end = piece.until = event.end_mark.index
        else:
            piece.end, piece.until = last[0].end, last[0].until


class Places:
    """Every place of a document with the piece that stands there, aliases and merge keys followed."""

    def __init__(self, root: Piece) -> None:
        self.root = root
        self.visible: dict[int, dict[str, Piece]] = {}

    def entries(self, mapping: Piece) -> dict[str, Piece]:
        """A mapping's values by key, merge keys expanded: its own win, then the earlier source."""
        found = self.visible.get(id(mapping))
        if found is None:
            found, own = {}, mapping.own()
            for key, value in mapping.pairs:
                if is_merge_key(key):
                    source = value.target
                    for merged in source.items if source.kind == "list" else [source]:
                        for name, piece in self.entries(merged.target).items():
                            if name not in own:
                                found.setdefault(name, piece)
                else:
                    found[key.target.value] = value
            self.visible[id(mapping)] = found
        return found

    def children(self, piece: Piece) -> list[tuple[str | int, Piece]]:
        """The pieces inside of one, in the order of the text."""
        if piece.target.kind == "mapping":
            return list(self.entries(piece.target).items())
        return list(enumerate(piece.target.items))

    def at(self, path: Path) -> Piece:
        """The piece at a path. Raises :class:`EditError` where nothing stands there."""
        here = self.root
        for step in path:
            target = here.target
            if isinstance(step, str):
                found = self.entries(target).get(step)
            else:
                found = target.items[step] if 0 <= step < len(target.items) else None
            if found is None:
                raise EditError(f"there is no {dotted(path)}")
            here = found
        return here

    def sharing(self, wanted: list[Piece]) -> Iterator[tuple[Path, int]]:
        """The places where one of these pieces stands, itself or by an alias for it, with its index among them."""
        index = {id(piece): i for i, piece in enumerate(wanted)}
        pending: list[tuple[Path, Piece]] = [((), self.root)]
        count = 0
        while pending:
            path, piece = pending.pop()
            count += 1
            bounded(count, len(path))
            for one in {id(piece), id(piece.target)} & index.keys():
                yield path, index[one]
            pending += [
                ((*path, step), child) for step, child in reversed(self.children(piece))
            ]


def has_anchors(text: str) -> bool:
    """Whether a text may have anchors, so that one piece of it stands at several places."""
    return "&" in text


def bounded(count: int, depth: int) -> None:
    """Refuse what aliases make larger than a file may be."""
    if count > limits.YAML_NODES:
        raise EditError(f"the text has more than {limits.YAML_NODES} values, aliases followed")
    if depth > limits.DEPTH:
        raise EditError(
            f"the text is nested deeper than {limits.DEPTH} levels, aliases followed"
        )


def shared_places(text: str, path: Path) -> list[Path]:
    """All other places whose value is the text at ``path``: they change with it when this text is replaced.

    A value is shared by an alias for it or for what it stands in, and by merge keys. Where the value itself is an
    alias, its text is the alias: what it stands for, and other aliases for that, are not among the places. Sorted by
    position. Raises :class:`EditError` for a text that cannot be read, a path that isn't there, and aliases that make
    more values than a file may have.
    """
    body = text.removeprefix("\ufeff")
    composed(body)
    places = Places(pieces(body))
    piece = places.at(path)
    if not has_anchors(body):
        return []
    return [place for place, _ in places.sharing([piece]) if place != path]


def dotted(path: Path) -> str:
    """A path in a message: decoder.up4.output_padding."""
    return shortened(printable(".".join(map(str, path))), 120)
