"""Edits of a config's text: what is asked for changes, and everything else stays, byte by byte."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from tests import ROOT
from tests.timing import at_most, least
from tracer.source import tree
from tracer.source.edits import Edit, EditError, edited, shared_places, written_value

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
Place = tuple[str | int, ...]


def changed(text: str, *edits: tuple[Place, Any]) -> str:
    return edited(text, [Edit(path, value) for path, value in edits])


def refusal(text: str, *edits: tuple[Place, Any]) -> str:
    with pytest.raises(EditError) as caught:
        changed(text, *edits)
    return str(caught.value)


# Values as text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, 0), "[1, 0]"), (True, "true"), (None, "null"), (2, "2"), (-3, "-3"), ((), "[]"),
        (((1, 2), "a"), "[[1, 2], a]"),
        (0.5, "0.5"), (1e-5, "1.0e-05"), (1e300, "1.0e+300"), (float("inf"), ".inf"), (2.0, "2.0"),
        ("same", "same"), ("auto(2..5)", "auto(2..5)"), ("enc1.conv1", "enc1.conv1"), ("H // 2", "H // 2"),
        ("4*H", "4*H"),
        ("no", "no"), ("_", "_"), ("a:b", "a:b"), ("a#b", "a#b"), ("größe", "größe"), ("-x", "-x"), ("it's", "it's"),
        ("${base}", '"${base}"'), ("true", '"true"'), ("Null", '"Null"'), ("~", '"~"'), ("", '""'), ("1", '"1"'),
        ("007", '"007"'), ("1e3", '"1e3"'), ("0x1F", '"0x1F"'), ("1_000", '"1_000"'), (".nan", '".nan"'),
        ("9" * 40, f'"{"9" * 40}"'),
        ("a: b", '"a: b"'), ("a:", '"a:"'), ("a #b", '"a #b"'), ("*a", '"*a"'), ("-", '"-"'), ("- a", '"- a"'),
        ("a, b", '"a, b"'),
        (" a", '" a"'), ("a ", '"a "'), ("a\nb", '"a\\nb"'), ("\u2028\x85\x00", '"\\u2028\\x85\\0"'),
        ('a"\\, b', '"a\\"\\\\, b"'),
        ("---", '"---"'), ("<<", '"<<"'), ("=", '"="'), ("\U000e0001", '"\\U000e0001"'),
    ],
)  # fmt: skip
def test_values_as_they_are_written(value: Any, text: str) -> None:
    """Lists in brackets, words of YAML 1.2, floats with a point, and quotes only around texts that need them."""
    assert written_value(value) == text


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**29), 10**29)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.text("-?:,[]{}#&*!|>'\"%@` aé\t\n0.~x")
    | st.sampled_from(
        [
            "true",
            "no",
            "1e5",
            "0o7",
            "${a + 1}",
            "auto(1..2)",
            "a: b",
            "x #y",
            "- ",
            "? ",
            ".5",
            "_1",
        ]
    ),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)


def value_at(text: str, *path: str | int) -> Any:
    """What tracer reads at a path."""
    node = tree.compose(text)
    for step in path:
        node = (
            {k.value: v for k, v in node.value}[step]
            if isinstance(step, str)
            else node.value[step]
        )

    def read(node: Any) -> Any:
        return (
            tree.scalar(node)
            if isinstance(node, yaml.ScalarNode)
            else tuple(read(item) for item in node.value)
        )

    return read(node)


def alike(one: Any, other: Any) -> bool:
    """Equal, types included."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return one.__class__ is other.__class__ and one == other


@given(VALUES)
def test_written_values_are_read_back(value: Any) -> None:
    """Any value comes back with its type from a block, from a mapping in braces and from a list in brackets."""
    written = written_value(value)
    assert alike(value_at(f"a: {written}\n", "a"), value)
    assert alike(value_at(f"{{a: {written}, b: 1}}", "a"), value)
    assert alike(value_at(f"a: [{written}, {written}] # c", "a"), (value, value))


@given(
    VALUES,
    st.sampled_from(
        [
            "a: auto # c\n",
            "a: 'x'\n",
            '{a: "x"}',
            "- a:\n",
            "a: [1, 2,\n 3]",
            "a:\n- 1\n",
            "a: |\n x\n",
        ]
    ),
)
def test_any_value_can_be_written_anywhere(value: Any, text: str) -> None:
    """Whatever stands at a place, any value can take it."""
    path: Place = (0, "a") if text.startswith("-") else ("a",)
    assert alike(value_at(changed(text, (path, value)), *path), value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "NaN cannot be written"),
        (10**30, "an integer of more than 30 digits cannot be written"),
        ("a\ud800", "the lone surrogate U+D800 cannot be written"),
        ([1], "a value of the type list cannot be written"),
        (b"", "a value of the type bytes cannot be written"),
    ],
)
def test_values_that_no_config_says(value: Any, message: str) -> None:
    """What could not be read back is refused, alone and as an edit."""
    with pytest.raises(EditError, match=re.escape(message)):
        written_value(value)
    assert refusal("a: 1", (("a",), value)) == message


def test_a_list_without_end_is_refused() -> None:
    """A deep list is refused before Python's stack ends."""
    value: Any = 1
    for _ in range(5000):
        value = (value,)
    assert (
        refusal("a: 1", (("a",), value))
        == "a list nested deeper than 40 levels cannot be written"
    )


# Values replaced


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("a: auto  # why\nb: 1", ("a",), 1, "a: 1  # why\nb: 1"),
        ("a:\tauto\t# tab\r\n", ("a",), 1, "a:\t1\t# tab\r\n"),
        ("é: 日本 # ö\r\nb: {x: 😀, y: auto}", ("b", "y"), (1, 0), "é: 日本 # ö\r\nb: {x: 😀, y: [1, 0]}"),
        ("a: &x auto # c\nb: *x\n", ("a",), 1, "a: &x 1 # c\nb: *x\n"),
        ("a: &x auto\nb: *x # c\n", ("b",), 1, "a: &x auto\nb: 1 # c\n"),
        ("a: !!int 3\n", ("a",), 4, "a: !!int 4\n"),
        ("a: 'x'\nb: \"y\"", ("a",), "it's", "a: 'it''s'\nb: \"y\""),
        ("a: 'x'\nb: \"y\"", ("b",), "z", "a: 'x'\nb: \"z\""),
        ("a: [auto,  auto ]", ("a",), (1, 0), "a: [1,  0 ]"),
        ("a: [auto, auto]", ("a", 1), 0, "a: [auto, 0]"),
        ("a: [auto, auto]", ("a",), 0, "a: 0"),
        ("a: [1, # r\n  2] # c\n", ("a",), (3, 4, 5), "a: [3, 4, 5] # c\n"),
        ("a:\n  - auto # r\n\n  - auto # c\nb: 1", ("a",), (1, 0), "a:\n  - 1 # r\n\n  - 0 # c\nb: 1"),
        ("a:\n- auto\n- auto # c", ("a", 1), 0, "a:\n- auto\n- 0 # c"),
        ("a:  # why\n  - auto # r\n  - auto # c\n# d\nb: 1", ("a",), 2, "a: 2  # why\n# d\nb: 1"),
        ("a: &x # why\n  k: 1\n\nb: 1", ("a",), 2, "a: &x 2 # why\n\nb: 1"),
        ("a:\n- k: 1 # d\n  l: 2 # e\n- m: 3 # f\n", ("a", 0), 2, "a:\n- 2\n- m: 3 # f\n"),
        ("a:\n- k: 1 # d\n- m: 3 # f\n", ("a", 1), 2, "a:\n- k: 1 # d\n- 2 # f\n"),
        ("a: |- # why\n  x\n\n  y\n\nb: 1", ("a",), 2, "a: 2 # why\n\nb: 1"),
        ("a: x\n  y # c\nb: 1", ("a",), 2, "a: 2 # c\nb: 1"),
        ("a:", ("a",), 2, "a: 2"),
        ("a:   # c\nb: 1", ("a",), 2, "a: 2   # c\nb: 1"),
        ("a: &x # c\nb: *x", ("a",), 2, "a: &x 2 # c\nb: *x"),
        ("a:\n  -\n  - # c\n", ("a", 1), 2, "a:\n  -\n  - 2 # c\n"),
        ("{a, b: 1, c: }", ("a",), 2, "{a: 2, b: 1, c: }"),
        ("{a, b: 1, c: }", ("c",), 2, "{a, b: 1, c: 2 }"),
        ('{"a":auto}', ("a",), "x", '{"a": x}'),
        ("a: [x: 1, y]", ("a", 0), 2, "a: [2, y]"),
        ("a: [x: 1, y]", ("a", 0, "x"), 2, "a: [x: 2, y]"),
        ("? a\n: 1 # c\n", ("a",), 2, "? a\n: 2 # c\n"),
        ("--- # s\na: 1\n... # e\n", ("a",), 2, "--- # s\na: 2\n... # e\n"),
        ("\ufeffa: 1\n", ("a",), 2, "\ufeffa: 2\n"),
        ("a: 1\x85b: 2\u2028c: 3\rd: 4", ("c",), 5, "a: 1\x85b: 2\u2028c: 5\rd: 4"),
    ],
)  # fmt: skip
def test_a_value_is_replaced_and_nothing_else(
    text: str, path: Place, value: Any, expected: str
) -> None:
    """The value's text changes; comments, anchors, tags, quotes, line ends and blanks around it stay."""
    assert changed(text, (path, value)) == expected


# Keys added


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a: {op: X, b: 1} # c", ("a", "k"), "a: {op: X, b: 1, k: 9} # c"),
        ("a: {}", ("a", "k"), "a: {k: 9}"),
        ("a: { }", ("a", "k"), "a: { k: 9 }"),
        ("a: { # c\n }", ("a", "k"), "a: {k: 9 # c\n }"),
        ("a: { b: 1 }", ("a", "k"), "a: { b: 1, k: 9 }"),
        ("a: {b: 1,}", ("a", "k"), "a: {b: 1, k: 9,}"),
        ("a: {b, c: }", ("a", "k"), "a: {b, c: , k: 9 }"),
        ("a: {b}", ("a", "k"), "a: {b, k: 9}"),
        ("a:\n  {b: 1,\n   c: [1, 2]}", ("a", "k"), "a:\n  {b: 1,\n   c: [1, 2], k: 9}"),
        ("a: {\n  b: 1  # c\n}", ("a", "k"), "a: {\n  b: 1,  # c\n  k: 9\n}"),
        ("a: {\r\n  b: 1,  # c\r\n  }\r\n", ("a", "k"), "a: {\r\n  b: 1,  # c\r\n  k: 9,\r\n  }\r\n"),
        ("a: {b: 1, # c\n}", ("a", "k"), "a: {b: 1, k: 9, # c\n}"),
        ("a: {\n  b: 1\n  , c: 2 # d\n}", ("a", "k"), "a: {\n  b: 1\n  , c: 2, k: 9 # d\n}"),
        ("a: {\n  b: 1 # d\n  , # e\n}", ("a", "k"), "a: {\n  b: 1 # d\n  , k: 9, # e\n}"),
        ("a:\n  b: 1", ("a", "k"), "a:\n  b: 1\n  k: 9"),
        ("a:\n  b: 1 # c\n  # d\n\n# e\nf: 1\n", ("a", "k"), "a:\n  b: 1 # c\n  k: 9\n  # d\n\n# e\nf: 1\n"),
        ("a:\r\n    b: 1\r\nf: 1\n", ("a", "k"), "a:\r\n    b: 1\r\n    k: 9\r\nf: 1\n"),
        ("a:\n  b:\n    - c: 1\n      d: 2\n", ("a", "b", 0, "k"), "a:\n  b:\n    - c: 1\n      d: 2\n      k: 9\n"),
        ("a:\n  b:\n    - c: 1\n      d: 2\n", ("a", "k"), "a:\n  b:\n    - c: 1\n      d: 2\n  k: 9\n"),
        ("a:\n  b: # c\nd: 1", ("a", "k"), "a:\n  b: # c\n  k: 9\nd: 1"),
        ("a:\n  b: |\n    x\n\nd: 1", ("a", "k"), "a:\n  b: |\n    x\n  k: 9\n\nd: 1"),
        ("a:\n  b: |+\n    x\n\nd: 1", ("a", "k"), "a:\n  b: |+\n    x\n\n  k: 9\nd: 1"),
        ("a:\n  b: >\n    x\n      \nd: 1", ("a", "k"), "a:\n  b: >\n    x\n      \n  k: 9\nd: 1"),
        ("a: &x\n  b: 1\nc: *x", ("a", "k"), "a: &x\n  b: 1\n  k: 9\nc: *x"),
        ("a: 1\n...\n", ("k",), "a: 1\nk: 9\n...\n"),
        ("---\n  a: 1\n", ("k",), "---\n  a: 1\n  k: 9\n"),
        ("{a: 1}", ("k",), "{a: 1, k: 9}"),
    ],
)  # fmt: skip
def test_a_key_is_added_in_the_style_of_its_mapping(
    text: str, path: Place, expected: str
) -> None:
    """Behind the last pair, with its indentation, line end and comma; comments stay with what they stand beside."""
    assert changed(text, (path, 9)) == expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("layers:\n  cat: Concat # c", ("layers", "cat", "k"), "layers:\n  cat: {op: Concat, k: 9} # c"),
        ("layers: {cat: 'Concat'}", ("layers", "cat", "k"), "layers: {cat: {op: 'Concat', k: 9}}"),
        ("layers:\n  cat: &x Concat", ("layers", "cat", "k"), "layers:\n  cat: &x {op: Concat, k: 9}"),
        ("l:\n  a: &x R\n  b: *x # c", ("l", "b", "k"), "l:\n  a: &x R\n  b: {op: *x, k: 9} # c"),
        ("l:\n  a: &x {b: 1}\n  c: *x # d", ("l", "c", "k"), "l:\n  a: &x {b: 1}\n  c: {<<: *x, k: 9} # d"),
        ("l:\n  a: &x {k: 1}\n  c: *x # d", ("l", "c", "k"), "l:\n  a: &x {k: 1}\n  c: {<<: *x, k: 9} # d"),
        ("l:\n  a: &x {k: 1}\n  c: {<<: *x, b: 1}", ("l", "c", "k"), "l:\n  a: &x {k: 1}\n  c: {<<: *x, b: 1, k: 9}"),
        ("l:\n  a: &x {k: 1}\n  c:\n    <<: *x\n", ("l", "c", "k"), "l:\n  a: &x {k: 1}\n  c:\n    <<: *x\n    k: 9\n"),
        ("l: [&x {k: 1}, &y {k: 2}, {<<: [*x, *y]}]", ("l", 2, "k"), "l: [&x {k: 1}, &y {k: 2}, {<<: [*x, *y], k: 9}]"),
    ],
)  # fmt: skip
def test_only_this_place_changes_where_a_key_comes_from_elsewhere(
    text: str, path: Place, expected: str
) -> None:
    """A short form becomes a mapping; an own key stands before one that an alias or a merge key brings in."""
    assert changed(text, (path, 9)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "input: [N,\n  H] # c\nlayers: {}\n",
            "input: [N,\n  H] # c\nsizes: {N: 1, H: 2}\nlayers: {}\n",
        ),
        (
            "input:\n  x: [N]\r\nlayers: {}",
            "input:\n  x: [N]\r\nsizes: {N: 1, H: 2}\r\nlayers: {}",
        ),
        ("layers: {}", "layers: {}\nsizes: {N: 1, H: 2}"),
        ("{input: [N], layers: {}}", "{input: [N], layers: {}, sizes: {N: 1, H: 2}}"),
        ("sizes: {}\n", "sizes: {N: 1, H: 2}\n"),
        ("sizes: # c\n", "sizes: {N: 1, H: 2} # c\n"),
        ("sizes: ~\n", "sizes: {N: 1, H: 2}\n"),
        ("sizes:\n  N: 3\n", "sizes:\n  N: 1\n  H: 2\n"),
    ],
)
def test_a_missing_mapping_is_added_at_the_top_level(text: str, expected: str) -> None:
    """Sizes without a ``sizes`` get one behind the input, or else at the end; an empty one is filled."""
    assert changed(text, (("sizes", "N"), 1), (("sizes", "H"), 2)) == expected


def test_edits_of_one_call() -> None:
    """New keys of one mapping come in the order of the edits, an inner mapping's before an outer one's."""
    text = "layers:\n  a: R # r\n  b: &b\n    op: X\n    k: auto # k\n  c: *b\n"
    new = changed(
        text,
        (("last",), 1), (("layers", "b", "l"), 2), (("layers", "d"), "S"), (("layers", "b", "k"), (1, 0)),
        (("layers", "a", "m"), 3), (("layers", "c", "k"), 4), (("layers", "a", "n"), "x y"), (("layers", "c", "o"), 5),
    )  # fmt: skip
    assert new == (
        "layers:\n  a: {op: R, m: 3, n: x y} # r\n  b: &b\n    op: X\n    k: [1, 0] # k\n    l: 2\n"
        "  c: {<<: *b, k: 4, o: 5}\n  d: S\nlast: 1\n"
    )
    assert changed("a:", (("b",), 1), (("a",), 2)) == "a: 2\nb: 1"
    assert edited(text, []) == text


# Refusals


@pytest.mark.parametrize(
    ("text", "paths", "message"),
    [
        ("a: 1", [()], "the whole document cannot be replaced"),
        ("a: 1", [("a",), ("a",)], "two edits change a"),
        ("a: [1, 2]", [("a", 0), ("a",)], "one edit changes a, another a.0 in it"),
        ("a: {b: 1}", [("b", "c", "d")], "there is no b"),
        ("a: {b: 1}", [("a", 0)], "there is no a.0"),
        ("a: [1]", [("a", 1)], "there is no a.1"),
        ("a: [1]", [("a", -1)], "there is no a.-1"),
        ("a: [1]", [("a", "b")], "there is no a.b"),
        ("a: 1", [("b", 0)], "there is no b.0"),
        ("a: 1", [("a", "b")], "a is no mapping"),
        ("l: {a: 1}", [("l", "a", "b")], "l.a is no mapping"),
        ("l: {a: }", [("l", "a", "b")], "l.a is no mapping"),
        ("l:\n  a: |\n    R\n", [("l", "a", "b")], "l.a is no mapping"),
        ("R", [("a",)], "the document is no mapping"),
        ("[1]", [("a",)], "there is no a"),
        ("l: {a: &x R, b: *x}", [("l", "a", "k")], "l.a has an anchor that is used elsewhere"),
        ("l: {a: &x [1], b: *x}", [("l", "b", "k")], "l.b is no mapping"),
        ("l: {a: &x [1], b: *x}", [("l", "b", 0)], "there is no l.b.0"),
        ("l: {a: &x {b: {}}, c: *x}", [("l", "c", "b", "k")], "l.c is an alias: l.c.b.k is written elsewhere"),
        ("a: &x {b: 1}\nc: {<<: *x}", [("c", "b", "k")], "c.b comes in by a merge key: it is written elsewhere"),
        ("a: [x: 1]", [("a", 0, "k")], "a.0 is a single pair in a list, which takes no other key"),
        ("a: [&x 1]\nb: *x", [("a",)], "the edited text could not be read: YAML syntax: found undefined alias"),
        ("a: |\n  x", [("b",)], "the edited text would say something else at a"),
        ("a: !!str x", [("a",)], "the edited text would say something else at a"),
        ("l:\n  a: x, y", [("l", "a", "k")], "the edited text would say something else at l.a.y"),
        ("a: 1\na: 2\nb: 3", [("b",)], "a stands twice"),
        ("a: {[1]: 2}\nb: 3", [("b",)], "a has a key that is no text"),
        ("a: [", [("a",)], "YAML syntax: did not find expected node content while parsing a flow node"),
        ("", [("a",)], "the file is empty; a network needs `input` and `layers`"),
        ("a: &x [*x]\nb: 1", [("b",)], "the text is nested deeper than 40 levels, aliases followed"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, paths: list[Place], message: str) -> None:
    """Each refusal is one sentence that names the place; no text is handed back."""
    assert refusal(text, *((path, 9) for path in paths)) == message


def test_alias_bombs_are_refused() -> None:
    """A text of a few lines that stands for ten billion values is refused within two seconds of computing."""
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    text += (
        "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
        + "b: 1\n"
    )
    message = "the text has more than 400000 values, aliases followed"
    with at_most(seconds=2):
        assert refusal(text, (("b",), 2)) == message
        with pytest.raises(EditError, match=message):
            shared_places(text, ("b",))


# Shared text


def test_shared_places() -> None:
    """Aliases and merge keys share a text; an own key doesn't, and an alias's text is the alias."""
    text = "u: &u {a: &k auto, b: *k, l: [1, 2]}\nv: {<<: *u, a: 1}\nw:\n  <<: [*u]\n  l: []\nx: [*u, *k]\ny: 5\n"
    assert shared_places(text, ("u", "a")) == [
        ("u", "b"), ("v", "b"), ("w", "a"), ("w", "b"), ("x", 0, "a"), ("x", 0, "b"), ("x", 1),
    ]  # fmt: skip
    assert shared_places(text, ("u", "b")) == [("v", "b"), ("w", "b"), ("x", 0, "b")]
    assert shared_places(text, ("u", "l", 1)) == [("v", "l", 1), ("x", 0, "l", 1)]
    assert shared_places(text, ("u",)) == [("x", 0)]
    assert shared_places(text, ("w", "a")) == [
        ("u", "a"), ("u", "b"), ("v", "b"), ("w", "b"), ("x", 0, "a"), ("x", 0, "b"), ("x", 1),
    ]  # fmt: skip
    assert shared_places(text, ("y",)) == shared_places("\ufeff" + text, ("v", "a")) == []
    with pytest.raises(EditError, match=r"there is no u\.z"):
        shared_places(text, ("u", "z"))


# Documents drawn at random


class Drawn:
    """A random document: block and flow collections, quotes, comments, anchors, aliases, merge keys, block texts."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.count = 0
        self.anchors: list[str] = []
        self.mappings: list[str] = []

    def maybe(self, text: str, odds: int = 3) -> str:
        return text if self.draw(st.integers(0, odds)) == 0 else ""

    def key(self) -> str:
        self.count += 1
        return (
            str(self.draw(st.sampled_from(["k%d", "é%d", "'q %d'", '"d %d"', "a-%d"])))
            % self.count
        )

    def anchored(self, body: str, *, mapping: bool = False, before: str = " ") -> str:
        """A value's text, now and then with an anchor; later values may refer to it."""
        if self.maybe("&"):
            self.count += 1
            name = f"x{self.count}"
            self.anchors.append(name)
            if mapping:
                self.mappings.append(name)
            return f"{before}&{name}{body}"
        return body

    def merge(self) -> str:
        """A merge key for a mapping that stands before."""
        return (
            f"<<: *{self.draw(st.sampled_from(self.mappings))}"
            if self.mappings and self.maybe("<<")
            else ""
        )

    def scalar(self) -> str:
        if self.anchors and self.maybe("*"):
            return f" *{self.draw(st.sampled_from(self.anchors))}"
        texts = [
            "auto",
            "1",
            "-2",
            "0.5",
            "true",
            "null",
            "'it''s'",
            '"a # b"',
            '"${x}"',
            "a b",
            "日本",
            "x:y",
            "''",
        ]
        return self.anchored(" " + self.draw(st.sampled_from(texts)))

    def flow(self, depth: int, pad: str) -> str:
        """A collection in brackets, in one line or several."""
        kind = self.draw(st.sampled_from("{[")) if depth else ""
        if not kind:
            return self.scalar()
        gap = self.draw(st.sampled_from([" ", "  ", f"\n{pad}", f" # c, {{ # d\n{pad}"]))
        parts = [merge] if kind == "{" and (merge := self.merge()) else []
        for _ in range(self.draw(st.integers(0, 3))):
            parts.append((f"{self.key()}:" if kind == "{" else "") + self.flow(depth - 1, pad))
        inner = f",{gap}".join(part.strip(" ") for part in parts)
        end = self.maybe(f" ,{gap}") if parts else ""
        start = self.maybe(f"\n{pad}" if "\n" in gap else " ")
        return self.anchored(
            f" {kind}{start}{inner}{end}{'}' if kind == '{' else ']'}", mapping=kind == "{"
        )

    def noise(self, pad: str) -> str:
        return self.maybe(
            self.draw(
                st.sampled_from(["\n", "# c\n", f"{pad}# \tö: {{\n", "   # 'd\n", "  \n"])
            ),
            5,
        )

    def value(self, depth: int, pad: str) -> str:
        """What follows a colon or dash in a block, its last line end included."""
        comment = self.maybe("  # c: [é", 4)
        kind = (
            self.draw(st.sampled_from(["scalar", "flow", "text", "mapping", "list"]))
            if depth
            else "scalar"
        )
        if kind == "scalar":
            return f"{self.scalar()}{comment}\n"
        if kind == "flow":
            return f"{self.flow(2, pad + '  ')}{comment}\n"
        if kind == "text":
            header = self.draw(st.sampled_from(["|", ">", "|-", "|+", ">-"]))
            body = f"{pad}  line # no comment\n{self.maybe(chr(10))}{pad}  é: last\n{self.maybe(chr(10))}"
            return f" {header}{comment}\n{body}"
        deeper = pad + " " * self.draw(st.sampled_from([1, 2, 4]))
        body = (
            self.mapping(depth - 1, deeper)
            if kind == "mapping"
            else self.list(depth - 1, deeper)
        )
        return self.anchored(f"{comment}\n{body}", mapping=kind == "mapping")

    def mapping(self, depth: int, pad: str) -> str:
        merge = self.merge()
        lines = []
        for _ in range(self.draw(st.integers(1, 4))):
            lines.append(f"{self.noise(pad)}{pad}{self.key()}:{self.value(depth, pad)}")
        if merge:
            lines.insert(self.draw(st.integers(0, len(lines))), f"{pad}{merge}\n")
        return "".join(lines)

    def list(self, depth: int, pad: str) -> str:
        lines = []
        for _ in range(self.draw(st.integers(1, 3))):
            if depth and self.maybe("compact"):
                inner = self.mapping(0, pad + "  ").lstrip("\n")
                first = re.match(rf"{pad}  (?=[^ #<])", inner)
                if first:
                    lines.append(f"{pad}- {inner[first.end() :]}")
                    continue
                self.anchors.clear()
            lines.append(f"{self.noise(pad)}{pad}-{self.value(depth, pad)}")
        return "".join(lines)


@st.composite
def documents(draw: Callable[[Any], Any]) -> str:
    """The text of a document that PyYAML loads."""
    drawn = Drawn(draw)
    text = drawn.maybe("# head\n---\n") + drawn.mapping(3, "") + drawn.maybe("\n# tail")
    if re.search(r"last\n*\Z", text) is None and drawn.maybe("cut", 1):
        text = text.rstrip("\n")
    end = draw(st.sampled_from(["\n", "\r\n", ""]))
    text = (
        text.replace("\n", end)
        if end
        else re.sub("((?:[^\n]*\n){2})", lambda m: m[1][:-1] + "\r\n", text)
    )
    return drawn.maybe("\ufeff", 5) + text


def loaded(text: str) -> Any:
    """PyYAML's own reading; None for a drawn text with an alias that its anchor doesn't precede."""
    return yaml.safe_load(text.removeprefix("\ufeff"))


def leaves(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for step, one in inner:
        yield from leaves(one, (*path, step))
    if not inner or not value:
        yield path, (value.__class__, value)


def own_places(text: str) -> tuple[list[tuple[Place, int]], list[Place]]:
    """The places of values (scalars with the lines that they take) and of mappings which stand there themselves."""
    scalars: list[tuple[Place, int]] = []
    mappings: list[Place] = []
    seen: set[int] = set()

    def visit(node: yaml.Node, path: Place) -> None:
        if isinstance(node, yaml.ScalarNode):
            scalars.append((path, max(1, node.end_mark.line - node.start_mark.line + 1)))
        elif id(node) not in seen:
            seen.add(id(node))
            if isinstance(node, yaml.MappingNode):
                mappings.append(path)
                for key, value in node.value:
                    if key.value != "<<":
                        visit(value, (*path, key.value))
                    seen.add(id(value))
            else:
                for i, item in enumerate(node.value):
                    visit(item, (*path, i))

    visit(yaml.compose(text.removeprefix("\ufeff")), ())
    return scalars, mappings


NEW = st.sampled_from([7, -1, 0.25, True, None, "same", "a: b", (1, 0), ((1, 2), "x"), (), "9"])


def plain(value: Any) -> Any:
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def expected_leaves(
    text: str, path: Place, value: Any, others: list[Place]
) -> dict[Place, Any]:
    """What the edited text must say, by what the text before says."""
    places = [path, *others]
    found = {
        p: leaf for p, leaf in leaves(loaded(text)) if not any(p[: len(q)] == q for q in places)
    }
    for place in places:
        found.pop(place[:-1], None)  # an empty mapping
        found.update(leaves(plain(value), place))
    return found


@given(documents(), st.data())
def test_one_value_of_any_document(text: str, data: st.DataObject) -> None:
    """Any scalar can be replaced: PyYAML reads it, and those that share its text, changed, and all other lines stay."""
    scalars, _ = own_places(text)
    assume(scalars)
    path, lines = data.draw(st.sampled_from(scalars))
    value = data.draw(NEW)
    new = changed(text, (path, value))
    assert dict(leaves(loaded(new))) == expected_leaves(
        text, path, value, shared_places(text, path)
    )
    assert changed_lines(text, new)[0] <= lines


def changed_lines(old: str, new: str) -> tuple[int, int]:
    """How many lines of each are left without what both begin and end with."""
    one, two = old.split("\n"), new.split("\n")
    while one and two and one[-1] == two[-1]:
        one.pop(), two.pop()
    same = next(
        (i for i, (a, b) in enumerate(zip(one, two)) if a != b), min(len(one), len(two))
    )
    return len(one) - same, len(two) - same


@given(documents(), st.data())
def test_one_new_key_of_any_document(text: str, data: st.DataObject) -> None:
    """Any mapping takes a new key: PyYAML reads it, wherever the mapping stands; nothing is taken away."""
    _, mappings = own_places(text)
    path: Place = (*data.draw(st.sampled_from(mappings)), "new key")
    value = data.draw(NEW)
    new = changed(text, (path, value))
    assert dict(leaves(loaded(new))) == expected_leaves(
        text, path, value, shared_places(new, path)
    )
    assert max(changed_lines(text, new)) <= 3
    rest = iter(new)
    assert all(character in rest for character in text)  # nothing is taken away


@given(documents(), st.data())
def test_several_edits_of_any_document(text: str, data: st.DataObject) -> None:
    """Edits made together say what the same edits say one after the other."""
    scalars, mappings = own_places(text)
    values = [path for path, _ in scalars] or [("k",)]
    paths = data.draw(st.lists(st.sampled_from(values), max_size=4, unique=True))
    paths += [
        (*p, "new")
        for p in data.draw(st.lists(st.sampled_from(mappings), max_size=3, unique=True))
    ]
    pairs = [(path, data.draw(NEW)) for path in paths]
    one_by_one = text
    for pair in pairs:
        one_by_one = changed(one_by_one, pair)
    assert loaded(changed(text, *pairs)) == loaded(one_by_one)


@given(documents(), st.data())
def test_any_edit_of_any_document(text: str, data: st.DataObject) -> None:
    """Any path at all, through aliases too: a text that says what was asked for, or a refusal."""
    paths = [path for path, _ in leaves(loaded(text))]
    whole = data.draw(st.sampled_from(paths))
    path = whole[: data.draw(st.integers(1, len(whole)))] + data.draw(
        st.sampled_from([(), (), ("new",), (0,)])
    )
    value = data.draw(NEW)
    try:
        new = changed(text, (path, value))
    except EditError as error:
        assert str(error).isprintable()
        return
    found: Any = loaded(new)
    for step in path:
        found = found[step]
    assert found == plain(value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_value_of_every_config(path: Path) -> None:
    """Every scalar of the configs here can be replaced, and every mapping added to, with one line changed."""
    text = path.read_text("utf-8")
    scalars, mappings = own_places(text)
    for place, lines in scalars[:: max(1, len(scalars) // 25)]:
        assert changed_lines(text, changed(text, (place, 77)))[0] <= lines
    for mapping in mappings[:: max(1, len(mappings) // 25)]:
        assert max(changed_lines(text, changed(text, ((*mapping, "new"), 77)))) <= 3


def test_editing_is_fast() -> None:
    """Sixty nodes of a file edited at once take well under 100 ms."""
    lines = [
        f"  up{i}: {{op: ConvTranspose2d, out_channels: 8, kernel_size: 3, stride: 2, output_padding: auto}} # {i}\n"
        for i in range(60)
    ]
    text = "input: [N, 3, H, W]\nlayers:\n" + "".join(lines)
    edits = [Edit(("layers", f"up{i}", "output_padding"), (1, i % 2)) for i in range(60)]

    def seconds() -> float:
        start = time.process_time()
        assert edited(text, edits).count("[1, 1]") == 30
        return time.process_time() - start

    assert least(seconds, enough=0.1, times=10) < 0.1
