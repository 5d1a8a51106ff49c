"""TOML text to the nodes that YAML gives, each with its place, so that one reader serves both.

tomlkit keeps every character of a text, and no places. So each value is replaced by a marker, and the text is written
again: where a marker stands, the value stood.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, time
from itertools import accumulate
from typing import Any, NamedTuple

import tomlkit
import yaml
from tomlkit.exceptions import ParseError, TOMLKitError
from tomlkit.items import Table
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tracer.diagnostics import Span, printable
from tracer.source import limits
from tracer.source.tree import Fault

Keys = tuple[str | int, ...]
"""Keys and indices from the document's root."""


def compose_toml(text: str, path: Sequence[str]) -> Node | None:
    """What stands under a path of keys; None where nothing does.

    >>> (source,) = compose_toml("[[tool.tracer.source]]\\nmodule = 'nets:UNet'", ("tool", "tracer", "source")).value
    >>> [(key.value, value.value, value.start_mark.line) for key, value in source.value]
    [('module', 'nets:UNet', 1)]

    Raises :class:`Fault` (T001, T006) where the text is no TOML.
    """
    document = _parsed(text)
    found: Any = document
    for key in path:
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]

    places = _Places(text, tuple(path))
    return _node(found, tuple(path), places)


def _parsed(text: str) -> Any:
    try:
        return tomlkit.parse(text)
    except ParseError as error:
        at = Span(error.line, error.col + 1, error.line, error.col + 2)
        words = str(error).rpartition(" at line ")[0] or str(error)
        raise Fault("T001", f"TOML syntax: {printable(words)}", at) from None
    except (TOMLKitError, ValueError) as error:
        raise Fault("T001", f"TOML syntax: {printable(str(error))}", Span(1, 1, 1, 2)) from None
    except RecursionError:
        raise Fault("T006", "nested too deeply", Span(1, 1, 1, 2)) from None


# --- nodes -----------------------------------------------------------------------------------------------------------


def _node(item: Any, keys: Keys, places: _Places) -> Node:
    """The node of a value and of all in it."""
    if len(keys) > limits.DEPTH:
        start, end = places.of(keys)
        raise Fault(
            "T006",
            f"nested deeper than {limits.DEPTH} levels",
            Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1),
        )

    start, end = places.of(keys)
    if isinstance(item, dict):
        pairs = []
        for key, value in item.items():
            inner = (*keys, key)
            name = ScalarNode(None, str(key), *places.of_key(inner), style="'")  # type: ignore[arg-type]
            pairs.append((name, _node(value, inner, places)))
        return MappingNode(None, pairs, start, end)  # type: ignore[arg-type]

    if isinstance(item, list):
        parts = [_node(value, (*keys, number), places) for number, value in enumerate(item)]
        return SequenceNode(None, parts, start, end)  # type: ignore[arg-type]

    style = "'" if isinstance(item, (str, date, time)) else None
    return ScalarNode(None, _written(item), start, end, style)  # type: ignore[arg-type]


def _written(value: Any) -> str:
    """A scalar as YAML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": ".inf", "-inf": "-.inf"}.get(str(float(value)), ".nan")
    if isinstance(value, (int, float)):
        return repr(value.real)
    return str(value)


# --- places ----------------------------------------------------------------------------------------------------------

Stretch = tuple[yaml.Mark, yaml.Mark]
"""The beginning and the end of something in the text."""


class _Leaf(NamedTuple):
    """A value without others in it."""

    container: Any
    """The table or array that has it."""
    keys: Keys
    text: str


class _Places:
    """The places of all values under a path."""

    def __init__(self, text: str, path: tuple[str, ...]) -> None:
        self.text = text
        self.lines = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
        self.document = _parsed(text)
        self.starts: dict[Keys, int] = {}
        """The offset of each leaf."""
        self.ends: dict[Keys, int] = {}
        leaves = list(_leaves(self.document, (), path))
        self._find(leaves)

    def _find(self, leaves: Sequence[_Leaf]) -> None:
        """Note where the leaves stand."""
        word = "m"
        while word in self.text:
            word += "m"

        marked: dict[str, _Leaf] = {}
        for number, leaf in enumerate(leaves):
            marker = f'"{word}{number}."'
            leaf.container[leaf.keys[-1]] = marker[1:-1]
            marked[marker] = leaf

        written = self.document.as_string()
        offsets = {marker: written.find(marker) for marker in marked}
        grown = 0
        for marker in sorted(marked, key=lambda one: offsets[one]):
            leaf = marked[marker]
            start = offsets[marker] - grown
            # A value that tomlkit writes otherwise than it stood has no place, nor have those behind it.
            if offsets[marker] < 0 or not self.text.startswith(leaf.text, start):
                return
            self.starts[leaf.keys] = start
            self.ends[leaf.keys] = start + len(leaf.text)
            grown += len(marker) - len(leaf.text)

    def of(self, keys: Keys) -> Stretch:
        """The stretch of a value: of a table or an array that has others, of its key."""
        if keys in self.starts:
            return self._stretch(self.starts[keys], self.ends[keys])
        return self.of_key(keys)

    def of_key(self, keys: Keys) -> Stretch:
        """The stretch of the last key in front of a value, which may stand in the header of a table."""
        *_, name = (key for key in keys if isinstance(key, str))
        known = (start for found, start in self.starts.items() if found[: len(keys)] == keys)
        end = min(known, default=None)

        written = re.compile(rf"(?<![\w-]){re.escape(name)}(?=[\"']?\s*[=.\]])")
        places = [
            match.span() for match in written.finditer(self.text, 0, end or len(self.text))
        ]
        if not places:
            return self._stretch(0, 0)

        # An empty table of an array is found by its number.
        number = keys[-1] if end is None and isinstance(keys[-1], int) else -1
        return self._stretch(*places[min(number, len(places) - 1)])

    def _stretch(self, start: int, end: int) -> Stretch:
        return self._mark(start), self._mark(end)

    def _mark(self, offset: int) -> yaml.Mark:
        line = min(bisect_right(self.lines, offset), len(self.lines)) - 1
        return yaml.Mark("", offset, line, offset - self.lines[line], None, 0)


def _leaves(item: Any, keys: Keys, path: tuple[str, ...]) -> Iterator[_Leaf]:
    """The values under a path that have no others in them, each with what has it."""
    if isinstance(item, dict):
        children = [(str(key), item[key]) for key in item]
    elif isinstance(item, list):
        children = list(enumerate(item))  # type: ignore[arg-type]
    else:
        return

    for key, value in children:
        inner = (*keys, key)
        if path[: len(inner)] != inner[: len(path)]:
            continue
        if isinstance(value, (dict, list)) and (value or isinstance(value, Table)):
            yield from _leaves(value, inner, path)
        else:
            text = _written(value) if isinstance(value, bool) else value.as_string()
            yield _Leaf(item, inner, text)
