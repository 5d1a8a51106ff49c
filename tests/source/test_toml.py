"""Values of TOML have the places at which they stand."""

from __future__ import annotations

from typing import Any

import pytest
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tracer.source.toml import compose_toml
from tracer.source.tree import Fault, scalar

TEXT = """\
# [[a.b]] in a comment, and a = 1
[project]
name = "a"

[[a.b]]   # first
one = 'text' # and a comment = 2
"two words" = [
  1_000,  # a thousand
  -2.5, { x = true },
]
many.x = {deep = {y = 0x10, empty = {}}, "q" = []}

[other]
one = 1

[[a.b]]
[a.b.sub]
when = 2020-01-01
long = \"\"\"
two
lines\"\"\"
"""


def values(node: Node) -> Any:
    """What a node says."""
    if isinstance(node, MappingNode):
        return {key.value: values(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [values(value) for value in node.value]
    assert isinstance(node, ScalarNode)
    return scalar(node)


def stretches(node: Node, text: str) -> list[str]:
    """What stands in the text at the places of keys and of scalars."""
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]

    def of(one: Node) -> str:
        start = starts[one.start_mark.line] + one.start_mark.column
        return text[start : starts[one.end_mark.line] + one.end_mark.column]

    if isinstance(node, MappingNode):
        return [
            found for key, value in node.value for found in (of(key), *stretches(value, text))
        ]
    if isinstance(node, SequenceNode):
        return [found for value in node.value for found in stretches(value, text)]
    return [of(node)]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_values_and_places(newline: str) -> None:
    """Each stands where the nodes say, whatever is around it."""
    text = TEXT.replace("\n", newline)
    root = compose_toml(text, ("a", "b"))
    assert root is not None
    first, second = values(root)
    assert first == {
        "one": "text",
        "two words": [1000, -2.5, {"x": True}],
        "many": {"x": {"deep": {"y": 16, "empty": {}}, "q": []}},
    }
    assert second == {"sub": {"when": "2020-01-01", "long": f"two{newline}lines"}}
    long = '"""\ntwo\nlines"""'.replace("\n", newline)
    assert stretches(root, text) == [
        "one", "'text'", "two words", "1_000", "-2.5", "x", "true",
        "many", "x", "deep", "y", "0x10", "empty", "q",
        "sub", "when", "2020-01-01", "long", long,
    ]  # fmt: skip


def test_tables_stand_at_their_headers() -> None:
    """A table of an array is placed by its header, or by that of the first table in it."""
    root = compose_toml(TEXT, ("a", "b"))
    assert root is not None
    assert [one.start_mark.line for one in root.value] == [4, 16]


@pytest.mark.parametrize("text", ["", "[a]\nb = 1", "[a.b]\nc = 1", "a = 1"])
def test_what_is_not_there(text: str) -> None:
    """A path that leads nowhere gives None; one that leads to something else gives that."""
    found = compose_toml(text, ("a", "b", "d"))
    assert found is None


@pytest.mark.parametrize(
    ("text", "line"), [("a = ", 1), ("x = 1\na = [1\nb = 2\n", 3), ("a = 1\na = 2\n", 2)]
)
def test_what_is_no_toml(text: str, line: int) -> None:
    """A fault has its line, and its message is one line."""
    with pytest.raises(Fault) as refused:
        compose_toml(text, ("a",))
    span = refused.value.span
    assert refused.value.code == "T001" and span is not None and span.line == line
    assert (
        refused.value.message.startswith("TOML syntax: ") and "\n" not in refused.value.message
    )
