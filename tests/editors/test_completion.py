"""Completion: what stands in a config is offered where it stands, also while the rest of it is not written yet."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from tests import ROOT, extras

extras.needs("lsp")

from tests.editors.editor import Editor, applied
from tracer.network.declarations import SECTIONS, TOP_LEVEL
from tracer.network.foreign import keys_of
from tracer.ops.convolution import Conv2d
from tracer.ops.meanings import meanings
from tracer.source.tree import compose
from tracer.views.schema import TOLD_OF_LAYERS

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def words(text: str) -> Iterator[ScalarNode]:
    """The keys of a config and of its layers, operations, and names under ``from``."""
    top = compose(text)
    yield from (key for key, _ in top.value)
    sections = [value for key, value in top.value if key.value in SECTIONS]
    for block in keys_of(keys_of(top).get("blocks") or top).values():
        layers = keys_of(block).get("layers")
        sections += [] if layers is None else [layers]
    for section in sections:
        for declared in keys_of(section).values():
            yield from _of_layer(declared)


def _of_layer(declared: Any) -> Iterator[ScalarNode]:
    if isinstance(declared, ScalarNode):
        yield declared
    elif isinstance(declared, MappingNode):
        for key, value in declared.value:
            yield key
            if key.value == "op":
                yield value
            if key.value == "from":
                items = value.value if isinstance(value, SequenceNode) else [value]
                yield from (one for one in items if not set(".$[") & set(one.value))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_what_stands_there_is_offered(editor: Editor, path: Any) -> None:
    """Cut out a word and everything behind it, or the word alone: the word is offered, and fills its place."""
    text = path.read_text("utf-8")
    random_ = random.Random(path.stem)
    nodes = list(words(text))
    chosen = random_.sample(nodes, min(len(nodes), 8))
    for node in chosen:
        start, word = node.start_mark.index, node.value
        typed = start + random_.randrange(min(3, len(word)))
        behind = random_.choice(["", text[node.end_mark.index :]])
        uri = editor.open(text[:typed] + behind)
        items = editor.ask("completion", uri, typed) or []
        labels = [one.label for one in items]
        assert word in labels, (word, text[:typed][-60:])
        item = items[labels.index(word)]
        whole = applied(editor.texts[uri], [item.text_edit])
        assert whole.startswith(text[:start] + word)


def labels(editor: Editor, text: str) -> list[str]:
    """What is offered where the bar stands."""
    at = text.index("|")
    uri = editor.open(text.replace("|", ""))
    return [one.label for one in editor.ask("completion", uri, at) or []]


HEAD = "params: {base: 8}\ninput: [N, 3, H, W]\nlayers:\n  enc: ReLU\n"


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("  a: |", ["ReLU", "Conv2d"]),
        ("  a: {op: |", ["ReLU", "Conv2d"]),
        ("  a: {|", ["op", "from"]),
        ("  a: {op: Conv2d, |", ["out_channels", "kernel_size", "padding_mode", "from"]),
        ("  a: {op: Conv2d, padding_mode: |", ["zeros", "reflect", '"${base}"']),
        ("  a: {op: Conv2d, padding: |", ["auto", "same", "valid"]),
        ("  a: {op: Conv2d, bias: |}", ["true", "false"]),
        ('  a: {op: Conv2d, out_channels: "${|', ["base", "min"]),
        ('  a: {op: Conv2d, out_channels: "${base + |}"}', ["base", "index"]),
        ("  a: {op: Concat, from: |", ["enc", "input"]),
        ("  a: {op: Concat, from: [enc, |]}", ["enc", "input"]),
        ("  a: {op: Concat, align: |}", ["crop", "pad", "resize"]),
        ("  a: {op: Concat, from:\n      [enc, |", ["enc", "input"]),
        ("  a:\n    op: Interpolate\n    |", ["scale_factor", "size", "mode"]),
        ("  a:\n    op: Interpolate\n    size: |", ["enc"]),
        ("  a:\n    op: Concat\n    from:\n      - |", ["enc", "input"]),
        ("  a: {op: Conv2d, expect: [N, |", ["H", "W"]),
        ("output: |", ["enc"]),
        ("output: {|", ["enc"]),
        ("sizes: {|", ["N", "H", "W"]),
        ("blocks:\n  b:\n    |", ["args", "inputs", "layers"]),
        (
            'blocks:\n  b:\n    args: {c: 1}\n    layers:\n      x: {op: Conv2d, out_channels: "${|',
            ["c", "base"],
        ),
    ],
)
def test_what_may_stand_there(editor: Editor, line: str, some: list[str]) -> None:
    """Keys, operations, arguments, values, names, terms: in brackets and in lines, closed and not."""
    offered = labels(editor, HEAD + line)
    assert set(some) <= set(offered), offered


def test_what_is_there_is_not_offered_again(editor: Editor) -> None:
    """Arguments that a layer has, and keys that the file has."""
    offered = labels(editor, HEAD + "  a: {op: Conv2d, kernel_size: 3, |}")
    assert "kernel_size" not in offered
    assert offered[0] == "out_channels"
    top = labels(editor, HEAD + "|")
    assert "input" not in top
    assert set(top) < set(TOP_LEVEL)


def test_a_file_that_begins(editor: Editor) -> None:
    """The first word of an empty file."""
    assert labels(editor, "inp|") == list(TOP_LEVEL)
    assert "kernel_size" not in labels(editor, "on: push\njobs:\n  |")


def test_nothing_in_a_comment(editor: Editor) -> None:
    """A comment is the author's."""
    assert labels(editor, HEAD + "  a: ReLU  # fr|") == []


def test_each_argument_has_its_line(editor: Editor) -> None:
    """What an argument means stands beside it, and its type and default."""
    text = HEAD + "  a: {op: Conv2d, "
    uri = editor.open(text)
    items = {one.label: one for one in editor.ask("completion", uri, len(text))}
    assert items["stride"].documentation.value == meanings(Conv2d)["stride"]
    assert items["stride"].detail == "int | list of int, default 1"
    assert items["from"].documentation.value == TOLD_OF_LAYERS["from"]
