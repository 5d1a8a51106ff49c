"""A tree of parts is the tree of the whole text, in every value and place."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drawn.counted import counted, each
from tracer.source.parts import TreeParts
from tracer.source.tree import _unguarded

KEYS = ("a", "b_2", "Ab", "_c", "layers", "é")

VALUES = (
    "1",
    "",
    "# nothing",
    "'x: 1'",
    '"two\n  lines"',
    '"at\nthe margin"',
    "plain\n  and more",
    "{x: 1, y: [2, 3]}",
    "{x: 1,\n y: 2}",
    "[1,\n2]",
    "\n- 1\n- x: 2\n  y: 3",
    "\n  x: 1\n  y:\n    z: 2\n",
    "\n  x: {op: Conv2d}\n  # inside\n  y: ReLU",
    "|\n  text\n   more\n",
    "|+\n  text\n\n\n",
    ">-\n  folded\n  text",
    "|2\n   x",
    "!!str 1",
    '"${base * 2}"',
    "\tx",
    "é: ü",
    "'",
    "{",
    "*x",
    "&x 1",
)

LINES = (
    "",
    "# about",
    "  # indented",
    "---",
    "...",
    "%YAML 1.2",
    "? x",
    ": y",
    "word",
    "<<: {q: 1}",
    "- 1",
)


def text_of(r: Random) -> str:
    """Some keys with values, and lines that stand between them."""
    pieces = []
    for _ in range(r.randint(1, 6)):
        if r.random() < 0.25:
            pieces.append(r.choice(LINES[:3] * 4 + LINES))
        # Most are in order; what is not ends the text.
        value = r.choice(VALUES[:19] * 6 + VALUES)
        pieces.append(
            f"{r.choice(KEYS)}: {value}" if value[:1] != "\n" else f"{r.choice(KEYS)}:{value}"
        )
    return "\n".join(pieces) + r.choice(["\n", "", "\n\n", "\n# end"])


def edited(text: str, r: Random) -> str:
    """A text with a few characters put in, left out or exchanged, or with a part more."""
    kind = r.randrange(4)
    at = r.randrange(len(text) + 1)
    if kind == 0:
        return (
            text[:at]
            + r.choice(["\n", " ", "x", ":", "'", "{", "\n# c\n", "é", "- "])
            + text[at:]
        )
    if kind == 1:
        return text[:at] + text[at + r.randint(1, 3) :]
    if kind == 2:
        return text + "\n" + text_of(r)
    lines = text.splitlines(keepends=True)
    r.shuffle(lines)
    return "".join(lines)


def told(node: yaml.Node | None) -> Any:
    """All that a tree says, and where."""
    if node is None:
        return None
    places = [(mark.index, mark.line, mark.column) for mark in (node.start_mark, node.end_mark)]
    tag = node.tag if isinstance(node.tag, str) else None
    if isinstance(node, yaml.ScalarNode):
        return places, tag, node.value, node.style
    if isinstance(node, yaml.SequenceNode):
        return places, tag, node.flow_style, [told(item) for item in node.value]
    assert isinstance(node, yaml.MappingNode)
    return places, tag, node.flow_style, [(told(key), told(value)) for key, value in node.value]


@counted(each("by parts", "whole", "wrong", one_in=60))
@settings(max_examples=1000)
@given(st.integers(0, 10**9))
def test_a_tree_of_parts_is_the_tree_of_the_whole(seen: Counter[str], seed: int) -> None:
    """However a text is edited on and on: what is said of it in parts is what the parser says of it."""
    r = Random(seed)
    parts = TreeParts(_unguarded)
    before = text = text_of(r)
    for _ in range(6):
        found = parts.composed(text)
        try:
            whole = _unguarded(text)
        except yaml.YAMLError:
            assert found is None, text
            seen["wrong"] += 1
            text = before
        else:
            assert found is None or told(found) == told(whole), text
            seen["whole" if found is None else "by parts"] += 1
        before, text = text, edited(text, r)


def test_only_what_was_edited_is_parsed() -> None:
    """Of a text whose last part is another, the parser gets the last part alone, behind as many characters."""
    given: list[str] = []

    def parse(text: str) -> yaml.Node | None:
        given.append(text.lstrip("#\n"))
        return _unguarded(text)

    parts = TreeParts(parse)
    first = parts.composed("# about\nname: a\nlayers: {x: ReLU}\nhead: {y: Tanh}\n")
    second = parts.composed("# about\nname: a\nlayers: {x: ReLU}\nhead: {y: ReLU}\n")
    assert given[1:] == ["head: {y: ReLU}\n"]
    assert first is not None
    assert second is not None
    assert [a is b for a, b in zip(first.value, second.value)] == [True, True, False]


@pytest.mark.parametrize(
    "text",
    ["a: &x 1\nb: *x\n", "a: {<<: {b: 1}}\n", "a: 1\r\nb: 2\r\n", "a: 1\n...\n", "%TAG ! !x\n"],
)
def test_texts_that_are_parsed_whole(text: str) -> None:
    """What one part says may depend on another, or be counted otherwise."""
    assert TreeParts(_unguarded).composed(text) is None
