"""What uses of a block have in common is made once, and each use is as if it stood alone."""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests.benchmarks.networks import block_unet
from tests.drawn.counted import counted
from tests.drawn.with_blocks import text_with_blocks
from tracer.network import expansion, kept
from tracer.network.making import Maker
from tracer.network.reading import read_network
from tracer.source import tree
from tracer.source.parts import TreeParts


def told(text: str) -> Any:
    """All of a network that its nodes say, and its findings."""
    found = tracer.checks(text)
    try:
        network = read_network(text)
    except tracer.TracerError as error:
        return error.diagnostics, found

    nodes = []
    for node in network.nodes:
        whole = {name: getattr(node, name) for name in type(node).__struct_fields__}
        whole["declaration"] = node.declaration.key.start_mark.index
        whole["uses"] = [use.key.start_mark.index for use in node.uses]
        whole["inputs"] = [source.name for source in node.inputs]
        whole["operands"] = {word: source.name for word, source in node.operands.items()}
        whole["weights"] = node.weights and node.weights.name
        whole["expect"] = node.expect and (node.expect[0], node.expect[1].start_mark.index)
        whole["dim_fields"] = dict(node.dim_fields)
        nodes.append(whole)
    names = {name: node.name for name, node in network.names.items()}
    return nodes, names, list(network.outputs), found


def alone(text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same with nothing shared between the uses of blocks."""
    with monkeypatch.context() as patched:
        patched.setattr(expansion, "_known", lambda *_: None)
        patched.setattr(expansion, "_plain_in", lambda *_: ({}, {}))
        return told(text)


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every text be one that was never seen."""
    tree.compose.cache_clear()
    monkeypatch.setattr(tree, "_parts", TreeParts(tree._unguarded))
    monkeypatch.setattr(kept, "_kept", WeakKeyDictionary())


def edited(text: str, r: Random) -> str:
    """A text with a line or two changed, put in or left out: some of it is no config any more."""
    lines = text.splitlines()
    for _ in range(r.choice([1, 1, 2])):
        number = r.randrange(len(lines))
        kind = r.choice(
            ["number", "number", "comment", "remove", "repeat", "swap", "break", "end"]
        )
        if kind == "number":
            lines[number] = re.sub(
                r"\b\d+\b", str(r.choice([1, 2, 4, 12])), lines[number], count=1
            )
        elif kind == "comment":
            lines.insert(number, r.choice(["# a", "", "  # b", "        # c"]))
        elif kind == "remove":
            del lines[number]
        elif kind == "repeat":
            lines.insert(number, re.sub(r"\bl(\d)", r"m\1", lines[number]))
        elif kind == "swap":
            other = r.randrange(len(lines))
            lines[number], lines[other] = lines[other], lines[number]
        elif kind == "break":
            lines[number] = lines[number].replace(r.choice("{}:,[]"), r.choice("{}:,[]"), 1)
        else:
            lines.append(
                r.choice(["output: l0", "# end", "head: {h: ReLU}", "head: {h: Tanh}"])
            )
        lines = lines or ["layers: {}"]
    return "\n".join(lines) + "\n"


@counted(lambda seen: min(seen[True], seen[False]) > 100)
@settings(max_examples=250)
@given(st.integers(0, 10**9))
def test_an_edited_text_is_as_if_it_were_the_first(seen: Counter[bool], seed: int) -> None:
    """What is kept of the texts before changes neither a node nor a finding, however a text is edited on and on."""
    r = Random(seed)
    text = text_with_blocks(r)
    for _ in range(4):
        told(text)
        text = edited(text, r)
        again = told(text)
        with pytest.MonkeyPatch.context() as monkeypatch:
            unread(monkeypatch)
            first = told(text)
        assert again == first, text
        seen[len(first) == 2] += 1


@pytest.mark.parametrize("edit", [("base: 64", "base: 32"), ("name: unet", "name: net")])
def test_what_an_edit_leaves_alone_is_read_once(
    edit: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nodes of both texts have their declarations in common, of all parts that stand where they stood."""
    unread(monkeypatch)
    before = block_unet()
    after = before.replace(*edit)
    first, second = read_network(before), read_network(after)
    moves = len(before) != len(after)
    shared = [a.declaration is b.declaration for a, b in zip(first.nodes, second.nodes)]
    assert set(shared[1:]) == {not moves}


@counted(lambda seen: min(seen["in order"], seen["shapes"], seen["faults"]) > 20)
@settings(max_examples=250)
@given(st.integers(0, 10**9))
def test_each_use_is_as_if_it_stood_alone(seen: Counter[str], seed: int) -> None:
    """Nodes, names, places and findings of drawn texts are those of expanding every use by itself."""
    text = text_with_blocks(Random(seed))
    with pytest.MonkeyPatch.context() as monkeypatch:
        shared, by_itself = told(text), alone(text, monkeypatch)
    assert shared == by_itself, text

    if len(shared) == 2:
        seen["faults"] += 1
    else:
        seen["shapes" if any(d.severity == "error" for d in shared[-1]) else "in order"] += 1


def test_operations_are_made_once_for_equal_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine uses with five widths make two convolutions for each width, and what no argument decides once."""
    unread(monkeypatch)
    made: Counter[str] = Counter()
    make = Maker.make

    def counted_make(self: Maker, op_name: str, declaration: Any, scope: Any) -> Any:
        made[declaration.name] += 1
        return make(self, op_name, declaration, scope)

    monkeypatch.setattr(Maker, "make", counted_make)
    network = read_network(block_unet())
    assert len(network.nodes) == 68
    assert made["conv1"] == made["conv2"] == 5
    assert made["norm1"] == made["relu2"] == 1


def test_values_of_other_types_are_other_arguments() -> None:
    """1, 1.0 and true are three arguments: what torch takes of one it may not take of another."""
    text = """\
input: [1, 4, 8, 8]
blocks:
  b:
    args: {k: null}
    layers: {conv: {op: Conv2d, out_channels: 4, kernel_size: "${k}"}}
layers:
  one: {op: b, k: 1}
  two: {op: b, k: 1.0}
"""
    (found,) = tracer.checks(text)
    assert found.code == "T004" and found.node == "two.conv"


def test_copies_have_their_own_index() -> None:
    """An expression over ``index`` is computed for each copy inside of a block that is used twice."""
    text = """\
input: [1, 4, 8, 8]
blocks:
  b:
    layers: {conv: {op: Conv2d, out_channels: "${index + 1}", kernel_size: 1, repeat: 3}}
layers: {one: b, two: b}
"""
    shapes = tracer.loads(text).trace().shapes
    for use in ("one", "two"):
        assert [shapes[f"{use}.conv.{i}"][1] for i in range(3)] == [1, 2, 3]  # type: ignore[index]
