"""A document's tree from the trees of its parts, so that an edited text is parsed only where it was edited.

A part is a key that stands at the beginning of a line, with all up to the next: ``encoder:`` and its layers. What it
says follows from its own text, unless there are anchors, merge keys or directives: such texts are parsed whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node

_KEY = re.compile("[A-Za-z_]")

_BEGINNING = re.compile(rf"\n(?={_KEY.pattern})")

_DIRECTIVE = re.compile(r"^(?:%|\.\.\.)", re.MULTILINE)
"""A line that tells the parser how to read others, or that the document ends."""

_BREAKS = "\r\x85\u2028\u2029\ufeff"
"""What the parser counts otherwise than as a character of a line: its line breaks beside the newline, a mark."""


class PartPlace(NamedTuple):
    """A part's text, and where it stands."""

    start: int
    """The index of its first character."""
    line: int
    """The number of lines before it."""
    text: str
    is_last: bool

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class TreePart(NamedTuple):
    """What a part says."""

    pairs: list[tuple[Node, Node]]
    start: Any
    """The mark before a text that begins with it."""
    end: Any
    """The mark behind a text that ends with it."""


class TreeParts:
    """The parts of the two texts that were composed last."""

    def __init__(self, parse: Callable[[str], Node | None]) -> None:
        self.parse = parse
        """Gives the root of a text. Raises ``yaml.YAMLError``."""
        self._now: dict[PartPlace, TreePart] = {}
        self._before: dict[PartPlace, TreePart] = {}

    def composed(self, text: str) -> MappingNode | None:
        """The root of a text; None where it has to be parsed whole, which says what is wrong."""
        if not _says_the_same_in_parts(text):
            return None
        places = _places(text)
        parts = self._parts_at(places)
        if parts is None:
            return None

        self._before = self._now
        self._now = dict(zip(places, parts))
        pairs = [pair for part in parts for pair in part.pairs]
        return MappingNode(
            slice(None),  # type: ignore[arg-type]  # no tag, as the composer has it
            pairs,
            parts[0].start,
            parts[-1].end,
            flow_style=False,
        )

    def _parts_at(self, places: Sequence[PartPlace]) -> list[TreePart] | None:
        """The parts at all places, those that are not known parsed together."""
        now, before = self._now, self._before
        known = [now.get(place) or before.get(place) for place in places]
        missing = [number for number, part in enumerate(known) if part is None]
        if missing:
            first, last = missing[0], missing[-1] + 1
            found = self._parsed(places[first:last])
            if found is None:
                return None
            known[first:last] = found
        return known  # type: ignore[return-value]

    def _parsed(self, places: Sequence[PartPlace]) -> list[TreePart] | None:
        """The parts at places that follow each other; None where these are no parts by themselves."""
        start, line, *_ = places[0]
        # What stands before is left out, and counted.
        before = "#" * (start - line) + "\n" * line
        try:
            root = self.parse(before + "".join([place.text for place in places]))
        except yaml.YAMLError:
            return None

        if not isinstance(root, MappingNode) or root.flow_style or isinstance(root.tag, str):
            return None
        return _divided(root, places)


def _divided(root: MappingNode, places: Sequence[PartPlace]) -> list[TreePart] | None:
    """The pairs of a tree by their parts; None where a part does not begin with a key."""
    found: list[TreePart] = []
    pairs = iter(root.value)
    pair = next(pairs, None)
    for place in places:
        # Where no key begins, the text before goes on.
        if pair is None or (found and pair[0].start_mark.index != place.start):
            return None
        own = []
        while pair is not None and pair[0].start_mark.index < place.end:
            own.append(pair)
            pair = next(pairs, None)
        found.append(TreePart(own, root.start_mark, root.end_mark))

    # A key that is missing stands behind all of them.
    return found if pair is None else None


def _says_the_same_in_parts(text: str) -> bool:
    """Whether each part of a text says what it says by itself."""
    if "&" in text or "<<" in text or "\r" in text:
        return False
    if not text.isascii() and any(mark in text for mark in _BREAKS):
        return False
    return not ("%" in text or "..." in text) or _DIRECTIVE.search(text) is None


def _places(text: str) -> list[PartPlace]:
    """The places of a text's parts; what stands before the first key belongs to it."""
    starts = [match.end() for match in _BEGINNING.finditer(text)]
    if starts and not _KEY.match(text):
        del starts[0]

    found = []
    start = line = 0
    for end in [*starts, len(text)]:
        part = text[start:end]
        found.append(PartPlace(start, line, part, end == len(text)))
        start = end
        line += part.count("\n")
    return found
