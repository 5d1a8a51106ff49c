"""Shapes in the text: hover and hints say what ``tracer trace`` says."""

from __future__ import annotations

import doctest
import importlib
import json
import re
from typing import Any

import pytest

from tests import ROOT, extras

extras.needs("lsp")

from lsprotocol import types as lsp

import tracer
from tests.editors.editor import Editor, index_of
from tracer.diagnostics import Span
from tracer.geometry.receptive_field import fields
from tracer.ops.convolution import ConvTranspose2d
from tracer.ops.meanings import meanings
from tracer.views.answers import trace_answer
from tracer.views.table import field_text, short

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

ALL = lsp.Range(lsp.Position(0, 0), lsp.Position(10**6, 0))


def starts(text: str) -> list[int]:
    """The beginnings of the lines."""
    return [0, *(found.end() for found in re.finditer("\n", text))]


@pytest.mark.parametrize("path", CONFIGS[::3], ids=lambda path: path.stem)
def test_hover_is_the_trace(editor: Editor, path: Any) -> None:
    """Every node that a line by itself makes: its shape, also over the symbols, its costs and its field."""
    text = path.read_text("utf-8")
    uri = editor.open(text)
    net = tracer.loads(text)
    trace = net.trace()
    answer = json.loads(json.dumps(trace_answer(trace, []), default=_plain))
    seen = fields(trace)
    lines = starts(text)
    compared = 0
    for node, said in zip(net.network.nodes, answer["nodes"]):
        alone = not node.uses and node.declaration.repeat is None and "[" not in node.name
        if not alone or (node.is_input and node.name == "input"):
            continue
        span: Span = node.span
        found = editor.hover(uri, lines[span.line - 1] + span.column)
        assert found is not None
        assert f"**{node.name}** `{node.op_name}` → `{said['shape']}`" in found
        symbolic = over_symbols(net, found)
        assert symbolic in (None, said["shape"]), node.name
        if not node.is_input:
            costs = f"{short(said['params'])} parameters, {short(said['macs'])} MACs"
            assert costs in found
            field = seen.get(node.name, ())
            assert not field or f"receptive field {field_text(field)}" in found
            for dim, size in re.findall(r"- dim (\d+): `.* = (-?\d+)`", found):
                assert said["shape"][int(dim)] == int(size)
        compared += 1
    assert compared >= 1


def _plain(record: Any) -> Any:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def over_symbols(net: tracer.Net, found: str) -> list[int] | None:
    """The shape over the symbols, at the declared sizes."""
    written = re.search(r"over the symbols[^`]*: `\[(.*)\]`", found)
    if written is None or "..." in written[1]:
        return None
    names = {"min": min, "max": max, "ceil": None, **net.network.defaults()}
    try:
        return list(eval(f"[{written[1]}]", {"__builtins__": {}}, names))
    except (NameError, TypeError, SyntaxError):
        return None


def test_a_formula_with_its_numbers(editor: Editor) -> None:
    """The arithmetic of a layer, each number in its place, and the shape over the symbols."""
    text = (ROOT / "configs" / "unet_2015.yaml").read_text("utf-8")
    uri = editor.open(text)
    found = editor.hover(uri, text.index("up4:"))
    assert (
        "over the symbols: `[N, 512, 2*((H + 4) // 16) - 16, 2*((W + 4) // 16) - 16]`" in found
    )
    assert "- dim 2: `(28 − 1)·2 − 2·0 + 1·(2 − 1) + 0 + 1 = 56`" in found
    assert "2.10 M parameters, 1.64 G MACs, receptive field 140" in found
    block = editor.hover(uri, text.index("enc2:"))
    assert "**enc2** `double_conv` → `[1, 128, 280, 280]`" in block
    inside = editor.hover(uri, text.index("conv1:"))
    assert "- `enc4.conv1` `[1, 512, 66, 66]`" in inside
    assert "and 3 more" in inside


def test_hover_of_words(editor: Editor) -> None:
    """An argument's type, default and value; a param's value; a block's argument; an operation in a broken network."""
    text = (ROOT / "configs" / "conv_autoencoder.yaml").read_text("utf-8")
    uri = editor.open(text)
    at = text.index("output_padding: auto")
    found = editor.hover(uri, at + 2)
    assert "**output_padding** of `ConvTranspose2d`" in found
    assert "default `0`" in found
    assert meanings(ConvTranspose2d)["output_padding"] in found
    assert "here `" in found

    broken = editor.open("input: [1, 3, 8, 8]\nlayers:\n  a: {op: Conv2d, kernel_size: 3}\n")
    assert "2-D convolution" in editor.hover(broken, editor.texts[broken].index("Conv2d"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_hints_are_the_trace(editor: Editor, path: Any) -> None:
    """Each node of one line has its shape at the end of it, and each layer of a block those of its first uses."""
    text = path.read_text("utf-8")
    uri = editor.open(text)
    net = tracer.loads(text)
    shapes = net.trace().shapes
    found = editor.ask_about("inlay_hint", uri, range=ALL)
    labels = {one.position.line + 1: one.label for one in found}

    wanted: dict[int, list[str]] = {}
    for name, node in net.network.names.items():
        shape = shapes[name] if node.index >= 0 else None
        at = node.declaration if "." not in name else None
        use = next((u for u in node.uses if u.name == name), at)
        if use is None or shape is None or node.is_input or "[" in name:
            continue
        wanted[use.key.start_mark.line + 1] = [" × ".join(map(str, shape)), name]
    assert len(wanted) >= 3
    for line, (shape, name) in wanted.items():
        assert shape in labels[line], name

    for one in found:
        line = text[: index_of(text, one.position)].rpartition("\n")[2]
        rest = text[index_of(text, one.position) :].partition("\n")[0]
        assert line.strip()
        assert not rest.strip()


def test_no_values_that_are_not_solved(editor: Editor) -> None:
    """An ``auto`` that has a value for the declared sizes is said to be built for them; without one nothing is said."""
    text = """\
input: [1, 3, H, H]
sizes: {H: 33}
layers:
  down: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: auto}
  sum: {op: Concat, from: [up, input]}
"""
    uri = editor.open(text)
    at = text.index("up:")
    found = editor.hover(uri, at)
    assert (
        "over the symbols, as it is built for the declared sizes: `[1, 4, 2*((H + 1) // 2) - 1,"
        in found
    )
    assert "here `[0, 0]`" in editor.hover(uri, text.index("output_padding"))

    broken = text.replace("stride: 2, padding: 1, output", "stride: 4, padding: 1, output")
    uri = editor.open(broken)
    assert "T401" in [one.code for one in editor.found(uri)]
    assert "symbols" not in editor.hover(uri, at)
    assert "here" not in editor.hover(uri, broken.index("output_padding"))


def test_hints_of_what_is_in_view(editor: Editor) -> None:
    """Only lines of the range are looked at, and a node without a shape has no hint."""
    text = "input: [1, 3, 8, 8]\nlayers:\n  a: ReLU\n  b: {op: MaxPool2d, kernel_size: 9}\n  c: ReLU\n"
    uri = editor.open(text)
    found = editor.ask_about("inlay_hint", uri, range=ALL)
    assert [(one.position.line, one.label) for one in found] == [(2, "→ 1 × 3 × 8 × 8")]
    part = lsp.Range(lsp.Position(3, 0), lsp.Position(5, 0))
    assert not editor.ask_about("inlay_hint", uri, range=part)


@pytest.mark.parametrize(
    "name",
    ["tracer.editors.positions", "tracer.shapes.working", "tracer.views.operations"],
)
def test_examples(name: str) -> None:
    """What an example prints is what it shows."""
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried and not failed
