"""Names: where they are given and used, and another name in all of their places."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests import ROOT, extras

extras.needs("lsp")

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

import tracer
from tests.editors.editor import Editor, applied, index_of, spot
from tracer.editors.analysis import OpenText
from tracer.editors.mentions import Meaning
from tracer.editors.positions import EditorText
from tracer.editors.renaming import NotRenamed, renamed

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
NEW = "zz_new"


def open_text(text: str) -> OpenText:
    """A text as the server knows it."""
    return OpenText(EditorText(text), "net.yaml", is_yaml=True)


def given(opened: OpenText) -> list[Meaning]:
    """The names that a text gives, each once."""
    return list(dict.fromkeys(one.meaning for one in opened.mentions.all if one.defines))


def facts(net: tracer.Net) -> list[object]:
    """What a network is without its names."""
    network, shapes = net.network, list(net.trace().shapes.values())
    edges = [[source.index for source in node.inputs] for node in network.nodes]
    operands = [[source.index for source in node.operands.values()] for node in network.nodes]
    sharers = [(node.weights.index if node.weights else None) for node in network.nodes]
    kinds = [(node.op_name, node.section, bool(node.unknowns)) for node in network.nodes]
    outputs = [node.index for node in network.outputs.values()]
    codes = [one.code for one in tracer.checks(net.to_yaml())]
    return [shapes, edges, operands, sharers, kinds, outputs, codes, dict(network.sizes)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_another_name_is_the_same_network(path: Path) -> None:
    """Nodes, layers, blocks, params and arguments: shapes, edges and findings stay, and the names are mapped."""
    text = path.read_text("utf-8")
    meanings = given(open_text(text))
    tops = {one.name for one in meanings if one.kind == "node" and not one.scope}
    network = tracer.loads(text).network
    assert tops >= {re.split(r"[.\[]", node.name)[0] for node in network.nodes} - {"input"}
    rename_each(text, random.Random(path.stem).sample(meanings, min(len(meanings), 3)))


@pytest.mark.long
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_another_name_for_everything(path: Path) -> None:
    """The same of every name that a config gives."""
    text = path.read_text("utf-8")
    rename_each(text, given(open_text(text)))


def rename_each(text: str, meanings: list[Meaning]) -> None:
    """Give each of several names another one, and compare the networks."""
    opened, net = open_text(text), tracer.loads(text)
    before = facts(net)
    assert meanings
    for meaning in meanings:
        first = opened.mentions.of(meaning)[0]
        again = tracer.loads(renamed(opened, first.start, NEW).text)
        assert facts(again) == before, meaning
        assert names_differ(net, again, meaning), meaning


def names_differ(net: tracer.Net, again: tracer.Net, meaning: Meaning) -> bool:
    """Whether the names of two networks are the same but for one, which is another one everywhere."""
    pairs = list(zip(net.network.nodes, again.network.nodes))
    changed = 0
    for one, two in pairs:
        for old, new in zip(one.name.split("."), two.name.split("."), strict=True):
            if old != new:
                assert meaning.kind == "node"
                assert old.partition("[")[0] == meaning.name
                assert new == old.replace(meaning.name, NEW, 1)
                changed += 1
    is_named = meaning.kind == "node" and meaning.name not in block_inputs(net)
    return bool(changed) == is_named


def block_inputs(net: tracer.Net) -> set[str]:
    """The names of blocks' inputs, which are no nodes' names."""
    names = {name for block in net.network.blocks.values() for name in block.inputs}
    return names - {part for node in net.network.nodes for part in node.name.split(".")}


TEXT = """\
# 😀 a network whose comments and names take two units each
params: {base: 4, enc: 3}
input: [1, 3, 32, 32]
blocks:
  double:
    args: {channels: null}
    layers:
      one: {op: Conv2d, out_channels: "${channels}", kernel_size: "${enc}", padding: 1}
      two: {op: Conv2d, out_channels: "${channels}", kernel_size: 3, padding: 1}
layers:
  enc: {op: double, channels: "${base}"}  # 😀 enc
  halves: {op: Chunk, chunks: 2, dim: 1}
  "é😀": {op: ReLU, from: "halves[0]"}
  down: {op: MaxPool2d, kernel_size: 2, from: enc}
  up: {op: Interpolate, size: enc, mode: nearest}
  cat: {op: Concat, from: [up, enc.one, 'enc', é😀, "halves[1]"]}
  twin: {op: double, channels: "${base}", weights: enc, from: input}
  sum: {op: Add, from: [twin, enc]}
output: {cat: null, all: sum, down: [1, 4, 16, 16]}
"""


def test_every_place_of_a_name(editor: Editor) -> None:
    """A node in ``from``, ``size``, ``weights`` and paths; the param of the same name stays, and so do comments."""
    uri = editor.open(TEXT)
    assert not [
        one for one in editor.found(uri) if one.severity == lsp.DiagnosticSeverity.Error
    ]

    at = TEXT.index("enc: {op")
    found = editor.ask("references", uri, at, context=lsp.ReferenceContext(True))
    places = [TEXT[index_of(TEXT, one.range.start) :][:3] for one in found]
    assert places == ["enc"] * 7
    for one in found:
        defined = editor.ask("definition", uri, index_of(TEXT, one.range.start) + 1)
        assert [index_of(TEXT, there.range.start) for there in defined] == [at]

    edits = editor.ask("rename", uri, at + 1, new_name="first😀").changes[uri]
    assert applied(TEXT, edits) == (
        TEXT.replace("  enc: {", "  first😀: {")
        .replace("from: enc}", "from: first😀}")
        .replace("size: enc", "size: first😀")
        .replace("enc.one, 'enc'", "first😀.one, 'first😀'")
        .replace("weights: enc", "weights: first😀")
        .replace("[twin, enc]", "[twin, first😀]")
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("one: {op", 2),  # the layer and enc.one
        ("halves: ", 3),
        ('é😀": ', 2),
        ("double:", 3),
        ("channels: null", 5),
        ("base: 4", 3),
        ("enc: 3", 2),
        ("cat: {", 2),  # an output is named by its node
        ("sum: {", 2),
    ],
)
def test_a_name_of_each_kind(editor: Editor, name: str, count: int) -> None:
    """Layers, chunks, names with two units, blocks, arguments, params, outputs."""
    uri = editor.open(TEXT)
    at = TEXT.index(name)
    prepared = editor.ask("prepare_rename", uri, at)
    edits = editor.ask("rename", uri, at, new_name="other").changes[uri]
    assert len(edits) == count
    text = applied(TEXT, edits)
    assert {
        TEXT[index_of(TEXT, e.range.start) : index_of(TEXT, e.range.end)] for e in edits
    } == {prepared.placeholder}
    assert facts(tracer.loads(text)) == facts(tracer.loads(TEXT))
    assert spot(prepared.range.start) in {spot(one.range.start) for one in edits}


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("down", "the name 'down' is taken"),
        ("input", "the name 'input' is taken"),
        ("a b", "no spaces, dots, commas, brackets or $"),
        ("a.b", "no spaces, dots"),
        ("", "cannot name a node here"),
        ("*x", "cannot name a node here"),
        ("null", "cannot name a node here"),
        ("[x", "cannot name a node here"),
        ("x: y", "cannot name a node here"),
    ],
)
def test_a_name_that_none_can_have(editor: Editor, new: str, why: str) -> None:
    """One sentence says why, and nothing is changed."""
    uri = editor.open(TEXT)
    with pytest.raises(JsonRpcException, match=why.replace("$", r"\$")):
        editor.ask("rename", uri, TEXT.index("up: {"), new_name=new)


MADE = """\
params: {at: enc0}
input: [1, 3, 8, 8]
layers:
  enc0: ReLU
  enc1: ReLU
  pick: {op: Add, repeat: 2, from: [enc0, "enc${index}"]}
  last: {op: Add, from: [pick, "${at}"]}
"""


@pytest.mark.parametrize("name", ["enc0", "enc1"])
def test_a_name_that_an_expression_makes_stays(editor: Editor, name: str) -> None:
    """No text can be found for it, so nothing is renamed."""
    uri = editor.open(MADE)
    with pytest.raises(JsonRpcException):
        editor.ask("rename", uri, MADE.index(f"  {name}:") + 2, new_name="other")


HANDED = """\
params: {skip: enc}
input: [1, 3, 8, 8]
blocks:
  join:
    args: {what: first, mode: null}
    inputs: [low, high]
    layers:
      first: {op: Identity, from: high}
      up: {op: Interpolate, size: "${what}", mode: "${mode}", from: low}
      sum: {op: Add, from: [up, "${what}"]}
layers:
  enc: ReLU
  nearest: {op: MaxPool2d, kernel_size: 2}
  near: {op: join, from: [nearest, enc], mode: nearest}
  again: {op: join, from: [nearest, "${skip}"], what: first, mode: nearest}
  total: {op: Add, from: [near, again]}
"""


@pytest.mark.parametrize(
    ("name", "count"),
    [("  enc:", 3), ("first: {op", 3), ("nearest: {op", 3)],
)
def test_a_name_that_is_handed_on(editor: Editor, name: str, count: int) -> None:
    """A param, or an argument with its default, has the name as its value; a word that is no name stays."""
    uri = editor.open(HANDED)
    before = tracer.loads(HANDED)
    assert tracer.checks(HANDED) == []
    at = HANDED.index(name) + name.count(" ")
    edits = editor.ask("rename", uri, at, new_name="other").changes[uri]
    again = tracer.loads(applied(HANDED, edits))
    assert len(edits) == count
    assert facts(again) == facts(before)
    assert [node.op_name for node in again.network.nodes].count("Interpolate") == 2


SHARED = """\
input: [1, 3, 8, 8]
layers:
  enc: &made {op: Conv2d, out_channels: 3, kernel_size: 1}
  low: {<<: *made, stride: 2}
  wide: &both {op: Add, from: [&first enc, input]}
  last: {<<: *both, from: [*first, wide]}
"""


def test_aliases_and_merge_keys(editor: Editor) -> None:
    """A name that an alias repeats stands in the text once."""
    uri = editor.open(SHARED)
    assert not [
        one for one in editor.found(uri) if one.severity == lsp.DiagnosticSeverity.Error
    ]
    edits = editor.ask("rename", uri, SHARED.index("enc:"), new_name="other").changes[uri]
    text = applied(SHARED, edits)
    assert text == SHARED.replace("enc", "other")
    assert facts(tracer.loads(text)) == facts(tracer.loads(SHARED))


def test_a_param_does_not_take_an_argument_s_name(editor: Editor) -> None:
    """In the block the argument would hide it, whatever their values are."""
    uri = editor.open(TEXT)
    for new in ("channels", "index", "enc"):
        with pytest.raises(JsonRpcException, match="is taken"):
            editor.ask("rename", uri, TEXT.index("base: 4"), new_name=new)


def test_where_there_is_no_name(editor: Editor) -> None:
    """Numbers, comments, an input without a name, a text that cannot be read."""
    uri = editor.open(TEXT)
    for at in (TEXT.index("32, 32"), TEXT.index("a network"), TEXT.index("input: [")):
        assert editor.ask("prepare_rename", uri, at + 1) is None
        assert not editor.ask("definition", uri, at + 1)
    broken = editor.open(TEXT.replace("channels: null}", "channels: null"))
    assert editor.ask("prepare_rename", broken, TEXT.index("base")) is None


def test_rename_needs_a_network_that_loads() -> None:
    """What it would change cannot be proven otherwise."""
    opened = open_text("input: [1, 3, 8, 8]\nlayers: {a: Relo, b: ReLU}\n")
    with pytest.raises(NotRenamed, match=r"line 2: .*Relo"):
        renamed(opened, opened.text.body.index("b:"), "c")


def test_the_outline(editor: Editor) -> None:
    """Sections, blocks with their layers, and no more."""
    uri = editor.open(TEXT)
    found = editor.ask_about("document_symbol", uri)
    names = {one.name: [child.name for child in one.children] for one in found}
    assert names["blocks"] == ["double"]
    assert names["layers"][:3] == ["enc", "halves", "é😀"]
    layers = next(one for one in found if one.name == "blocks").children[0].children
    assert [one.name for one in layers] == ["one", "two"]
    for one in found:
        assert spot(one.range.start) <= spot(one.selection_range.start)
        assert spot(one.selection_range.end) <= spot(one.range.end)
