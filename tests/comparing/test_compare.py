"""``tracer compare``: what differs between two networks is told, all of it and nothing else, and the same backwards."""

from __future__ import annotations

import json
import os
import re
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import assume, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import tracer
from tests import ROOT
from tests.drawn.networks import Drawn, networks, networks_to_solve
from tracer.commands import cli
from tracer.comparing.comparison import Comparison, Given, compared
from tracer.comparing.subsequence import common_subsequence
from tracer.costs.operations import costs
from tracer.loading import load_text
from tracer.net import Net
from tracer.rules import judge
from tracer.rules.manual import manual
from tracer.source import limits
from tracer.views.comparison import CompareAnswer, compare_answer
from tracer.views.found import to_json
from tracer.views.pull_request import compare_markdown
from tracer.views.schema import answer_schema

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SCHEMA = jsonschema.Draft202012Validator(answer_schema(CompareAnswer))
NET = """\
params: {base: 8}
input: [N, 3, H, W]
sizes: {N: 1, H: 32, W: 32}
encoder:
  enc: {op: Conv2d, out_channels: "${base}", kernel_size: 3, padding: 1}
  act: ReLU
  down: {op: MaxPool2d, kernel_size: 2}
decoder:
  up: {op: Upsample, size: act}
  cat: {op: Concat, from: [up, act]}
  last: {op: Conv2d, out_channels: 2, kernel_size: 1}
"""


def changes(found: Comparison) -> dict[str, dict[str, Any]]:
    """The differences of the nodes that keep their names."""
    return {c.name: {d.what: (d.old, d.new) for d in c.differences} for c in found.changed}


def edited(old: str, new: str, text: str = NET) -> str:
    assert old in text
    return text.replace(old, new)


def of(old: str, new: str) -> Comparison:
    return tracer.compare(tracer.loads(old, "old.yaml"), tracer.loads(new, "new.yaml"))


def answered(found: Comparison) -> Any:
    """The answer as JSON says it; it fits its schema."""
    answer = json.loads(to_json(compare_answer(found)))
    SCHEMA.validate(answer)
    return answer


# --- one after the other ---------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3), max_size=9), st.lists(st.integers(0, 3), max_size=9))
def test_subsequences_are_common_and_longest(a: list[int], b: list[int]) -> None:
    """Equal items in order, and as many as the table of all prefixes says."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
            )
    places = common_subsequence(a, b)
    assert all(a[i] == b[j] for i, j in places)
    assert all(x[0] < y[0] and x[1] < y[1] for x, y in pairwise(places))
    assert len(places) == table[-1][-1]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_a_config_does_not_differ_from_itself(path: Path) -> None:
    """Every list is empty, every total is the same, and so says each format."""
    found = tracer.compare(tracer.load(path), tracer.load(path))
    lists = [
        value for value in msgspec.structs.asdict(found).values() if isinstance(value, list)
    ]
    assert not found.differs and [t.difference for t in found.totals] == [0] * len(found.totals)
    assert sum(map(len, lists)) == len(found.totals)
    assert answered(found)["differs"] is False
    assert compare_markdown(found).endswith(": no difference\n")


def test_renamed_nodes_are_told_as_renamed() -> None:
    """A renamed node is no node removed and another added, and what reads it is unchanged."""
    found = of(NET, re.sub(r"\b(act|up)\b", r"my_\1", NET))
    assert [(c.old_name, c.name, c.differences) for c in found.renamed] == [
        ("act", "my_act", []),
        ("up", "my_up", []),
    ]
    assert (found.added, found.removed, found.changed, found.outputs) == ([], [], [], [])
    assert found.differs


def test_renamed_layers_among_equal_ones_keep_their_order() -> None:
    """Of nodes that are all alike, the first that is left is the first."""
    layers = [f"  r{i}: ReLU\n" for i in range(6)]
    head = "input: [1, 4, 8, 8]\nlayers:\n"
    new = [f"  s{i}: ReLU\n" for i in range(6)]
    found = of(head + "".join(layers), head + "".join(new))
    assert [(c.old_name, c.name) for c in found.renamed] == [
        (f"r{i}", f"s{i}") for i in range(6)
    ]
    assert not any(c.differences for c in found.renamed)


def test_a_renamed_block_is_its_nodes_renamed() -> None:
    """Of a real network, with what reads the block unchanged."""
    text = next(p for p in CONFIGS if p.stem == "unet_2015").read_text("utf-8")
    found = of(text, re.sub(r"\benc3\b", "stage3", text))
    names = [
        node.name for node in tracer.loads(text).network.nodes if node.name.startswith("enc3.")
    ]
    assert [(c.old_name, c.name) for c in found.renamed] == [
        (n, n.replace("enc3", "stage3")) for n in names
    ]
    assert names and not (
        found.changed
        or found.added
        or found.removed
        or any(c.differences for c in found.renamed)
    )


def test_renamed_nodes_of_another_size() -> None:
    """Where sizes have changed too, a renamed node is one that does the same to the same nodes."""
    found = of(NET, re.sub(r"\b(act|up|cat)\b", r"my_\1", NET).replace("H: 32", "H: 48"))
    assert [(c.old_name, c.name) for c in found.renamed] == [
        (n, f"my_{n}") for n in ("act", "up", "cat")
    ]
    assert not (found.added or found.removed)
    assert {d.what for c in found.renamed for d in c.differences} == {"shape", "memory"}
    moved = NET.replace("  act: ReLU\n", "").replace("act", "enc") + "  after: ReLU\n"
    found = of(NET, moved)
    assert [n.name for n in found.removed] == ["act"] and [n.name for n in found.added] == [
        "after"
    ]


def test_changed_channels() -> None:
    """The argument at its node, shapes and costs where they follow, and sums that are the networks' own."""
    found = of(NET, edited("base: 8", "base: 16"))
    told = changes(found)
    assert set(told) == {"enc", "act", "down", "up", "cat", "last"}
    assert told["enc"]["arguments.out_channels"] == (8, 16)
    assert told["enc"]["shape"] == ([1, 8, 32, 32], [1, 16, 32, 32])
    assert told["enc"]["params"] == (8 * 28, 16 * 28) and told["enc"]["macs"] == (
        1024 * 27 * 8,
        1024 * 27 * 16,
    )
    assert set(told["act"]) == {"shape", "memory"} and set(told["last"]) == {"params", "macs"}
    assert [(d.what, d.old, d.new) for d in found.params] == [("base", 8, 16)]
    totals = {t.what: t for t in found.totals}
    assert (totals["nodes"].difference, totals["nodes"].percent) == (0, 0.0)
    assert (totals["params"].old, totals["params"].new) == (8 * 28 + 34, 16 * 28 + 66)
    assert totals["params"].percent == pytest.approx(100 * (8 * 28 + 32) / (8 * 28 + 34))
    assert not (found.sizes or found.found or found.gone or found.symbols or found.outputs)


def test_every_total_of_a_network_is_compared() -> None:
    """Whatever the record of costs holds, a node's number or a sum, is compared."""
    cost = next(iter(costs(tracer.loads(NET).trace()).values()))
    found = of(NET, edited("  last:", "  more: Identity\n  last:"))
    assert [t.what for t in found.totals] == ["nodes", *cost.__struct_fields__]
    assert list(found.added[0].costs) == list(cost.__struct_fields__)


@pytest.mark.parametrize(
    ("old", "new", "node", "what", "values"),
    [
        ("act: ReLU", "act: GELU", "act", "operation", ("ReLU", "GELU")),
        ("padding: 1", "padding: same", "enc", "arguments.padding", (1, "same")),
        (
            "kernel_size: 2}",
            "kernel_size: 2, stride: [2, 2]}",
            "down",
            "arguments.stride",
            (None, [2, 2]),
        ),
        ("size: act", "size: input", "up", "arguments.size", ("act", "input")),
        ("[up, act]", "[up, enc]", "cat", "inputs", (["up", "act"], ["up", "enc"])),
        (
            "kernel_size: 1}",
            "kernel_size: 1, bias: false}",
            "last",
            "arguments.bias",
            (True, False),
        ),
        (
            "[up, act]}",
            "[up, act], expect: [N, _, H, 2 * 16]}",
            "cat",
            "arguments.expect",
            ("", ["N", "_", "H", 32]),
        ),
        (
            "[N, 3, H, W]",
            "[N, 3, H, 32]",
            "input",
            "arguments.shape",
            (["N", 3, "H", "W"], ["N", 3, "H", 32]),
        ),
    ],
    ids=["operation", "value", "default", "operand", "inputs", "bool", "expect", "pattern"],
)
def test_each_edit_of_a_node(old: str, new: str, node: str, what: str, values: Any) -> None:
    """One edit is told at its node, as what it is, old and new."""
    text = edited(old, new)
    if what == "arguments.shape":
        text = text.replace(", W: 32", "")
    told = changes(of(NET, text))[node][what]
    was = msgspec.UNSET if values[0] == "" else values[0]
    if what == "arguments.expect":
        assert told[0] is was and told[1][:3] == values[1][:3]
    else:
        assert told == (was, values[1])


def test_moved_nodes() -> None:
    """A node of another section says so; the order of lines that changes nothing is no difference."""
    assert changes(of(NET, edited("  last:", "head:\n  last:"))) == {
        "last": {"section": ("decoder", "head")}
    }
    named = edited(
        "  up: {op: Upsample, size: act}", "  up: {op: Upsample, size: act, from: down}"
    )
    swapped = edited("  down: {op: MaxPool2d, kernel_size: 2}\n", "", named)
    swapped = swapped.replace(
        "decoder:\n", "decoder:\n  down: {op: MaxPool2d, kernel_size: 2, from: act}\n"
    )
    assert changes(of(NET, swapped)) == {"down": {"section": ("encoder", "decoder")}}


def test_values_that_python_takes_for_equal() -> None:
    """1, 1.0, true and "1" are four values, and JSON has a word for what it has no number for."""
    assert answered(of(NET, edited("base: 8", "base: 8, x: [-.inf, .inf]")))["params"][0][
        "new"
    ] == ["-.inf", ".inf"]
    values = ["1", "1.0", "true", '"1"', ".inf", "null"]
    for old in values:
        for new in values:
            found = of(
                edited("base: 8", f"base: 8, x: {old}"), edited("base: 8", f"base: 8, x: {new}")
            )
            assert [d.what for d in found.params] == ["x"] * (old != new), (old, new)


def test_params_symbols_and_outputs() -> None:
    """What stands at the config's top: an entry of one of them only has no other value."""
    new = NET.replace("base: 8", "base: 8, deep: [1, x]").replace(
        "H: 32", "H: {min: 32, step: 8}"
    )
    found = of(NET, new + "output: {last: [N, 2, H, W], act: null}\n")
    assert [(d.what, d.old, d.new) for d in found.params] == [("deep", msgspec.UNSET, [1, "x"])]
    assert [(d.what, d.old, d.new) for d in found.symbols] == [
        ("H", 32, {"min": 32, "max": None, "step": 8})
    ]
    assert [(d.what, d.old, d.new) for d in found.outputs] == [
        ("last", {"node": "last"}, {"node": "last", "expect": ["N", 2, "H", "W"]}),
        ("act", msgspec.UNSET, {"node": "act"}),
    ]
    answer = answered(found)
    assert answer["params"] == [{"what": "deep", "new": [1, "x"]}]


def test_planned_values() -> None:
    """Autos stay autos; what they come out as differs with the size, under the node's new name."""
    solved = (
        "input: [1, 3, H, 64]\nsizes: {H: 64}\nlayers:\n"
        "  enc: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}\n"
        "  up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 3, stride: 2, padding: 1, output_padding: auto}\n"
        "  add: {op: Add, from: [up, input]}\n"
    )
    found = of(solved, solved.replace("H: 64", "H: 63"))
    assert [(d.what, d.old, d.new) for d in found.autos] == [
        ("up.output_padding", [1, 1], [0, 1])
    ]
    assert set(changes(found)["up"]) == {"shape", "memory"}  # the auto is as it was
    assert of(solved, re.sub(r"\bup\b", "rise", solved)).autos == []
    found = of(solved, re.sub(r"\bup\b", "rise", solved).replace("H: 64", "H: 63"))
    assert [(d.what, d.old, d.new) for d in found.autos] == [
        ("rise.output_padding", [1, 1], [0, 1])
    ]
    found = of(
        solved, edited("output_padding: auto", "output_padding: [auto, auto(1..1)]", solved)
    )
    assert changes(found)["up"] == {
        "arguments.output_padding": ("auto", ["auto", "auto(1..1)"])
    }
    assert found.autos == []


def test_sets_of_sizes_are_compared_exactly() -> None:
    """Gained and lost are what the sets say of each size, and their texts what a person writes."""
    a, b = (
        tracer.load(next(p for p in CONFIGS if p.stem == name))
        for name in ("unet_2015", "unet_padded")
    )
    found = tracer.compare(a, b)
    old, new = tracer.sizes(a).axes["H"], tracer.sizes(b).axes["H"]
    told = {one.kind: one for one in found.sizes if one.symbol == "H"}
    assert set(told) == {"runs", "lossless", "aligned"}
    for kind, one in told.items():
        assert one.gained is not None and one.lost is not None and one.below is None
        for n in range(1000):
            was, now = n in getattr(old, kind), n in getattr(new, kind)
            assert (n in one.gained, n in one.lost) == (now and not was, was and not now), (
                kind,
                n,
            )
    texts = [
        one
        for one in answered(found)["sizes"]
        if (one["symbol"], one["set"]) == ("H", "lossless")
    ]
    assert (
        texts[0]["gained"]["text"] == "H = 16k, k >= 1"
        and texts[0]["lost"]["text"] == "H = 16k + 12, k >= 11"
    )


def test_sets_of_a_symbol_that_is_new() -> None:
    """There is nothing to gain or to lose."""
    found = of(NET.replace("W]", "32]").replace(", W: 32", ""), NET)
    assert {(one.symbol, one.kind) for one in found.sizes} == {
        ("W", kind) for kind in ("runs", "lossless", "aligned")
    }
    assert all(one.old is one.gained is one.lost is None and one.new for one in found.sizes)


def test_sets_known_below_a_size_only() -> None:
    """A resize without a period is compared below the size to which it is known."""
    found = of(NET, edited("size: act", "scale_factor: 0.57").replace("[up, act]", "[up, up]"))
    told = [one for one in found.sizes if one.symbol == "H"]
    assert told and {one.below for one in told} == {65_536}
    for one in told:
        assert one.gained is not None and one.gained.at_least(65_536) is None


def test_ties_and_sets_that_repeat_too_late() -> None:
    """A tie is told where it comes; where sets are not computed, why."""
    flat = NET + "  flat: Flatten\n  out: {op: Linear, in_features: 2048, out_features: 2}\n"
    ties = of(NET, flat).ties
    assert len(ties) == 1 and ties[0].what == "H and W" and ties[0].old is msgspec.UNSET
    assert [(d.what, d.new) for d in of(flat, NET).ties] == [("H and W", msgspec.UNSET)]
    late = (
        "input: [1, 3, H, 8]\nsizes: {H: 20000000}\nlayers:\n"
        "  p: {op: AvgPool2d, kernel_size: [10000000, 1]}\n"
        "  u: {op: ConvTranspose2d, out_channels: 3, kernel_size: [10000000, 1], stride: [10000000, 1]}\n"
        "  m: {op: Add, from: [u, input]}\n"
    )
    found = of(late, late.replace("10000000, 1]}\n  u", "10000000, 1], ceil_mode: true}\n  u"))
    assert found.sizes == [] and found.a.sizes_unknown and "8000000" in found.a.sizes_unknown
    assert "are not compared" in compare_markdown(found)


def test_findings_of_one_network_only() -> None:
    """By code and node: numbers in the message may change, and renamed nodes are the same."""
    warned = edited("H: 32", "H: 33")
    found = of(NET, warned)
    said = [(d.code, d.message.split(":")[0]) for d in found.found]
    assert said == [("T501", "down"), ("T503", "cat")] and found.gone == []
    assert [d.code for d in of(warned, NET).gone] == ["T501", "T503"] and of(
        warned, NET
    ).found == []
    assert of(warned, edited("H: 32", "H: 35")).found == []
    assert of(warned, re.sub(r"\bdown\b", "pool", warned)).found == []
    unused = edited("  last:", "  idle: ReLU\n  last:").replace(
        "kernel_size: 1}", "kernel_size: 1, from: cat}"
    )
    assert [d.code for d in of(NET, unused).found] == ["T105"]
    quoted = [edited("H: 32", "H: 33").replace("down", name) for name in ("'a\"(b'", "'c\"(d'")]
    assert of(*quoted).found == of(*quoted).gone == []
    again = of(unused, re.sub(r"\bidle\b", "lazy", unused))
    assert again.found == again.gone == [] and [c.name for c in again.renamed] == ["lazy"]


@pytest.mark.parametrize(
    "code", [code for code, rule in manual().items() if rule.found != "importing"]
)
def test_every_rule_is_found_and_gone(code: str) -> None:
    """From the good config of a rule's page to its bad one the code is new, and back it is gone."""
    texts = [manual()[code].example(which) for which in ("Good", "Bad")]  # type: ignore[arg-type]
    good, bad = [read(text) for text in texts]
    there, back = compared(good, bad), compared(bad, good)
    assert code in {d.code for d in there.found} and code in {d.code for d in back.gone}
    assert canonical(mirrored(there)) == canonical(ordered(back))
    for found in (there, back, compared(bad, read(texts[1]))):
        assert answered(found)["b"]["errors"] >= len(found.new_errors)
        assert Read(compare_markdown(found)).tags <= PLAIN
    assert not found.differs


def read(text: str) -> Given:
    """A config as the command reads it: what does not load has its findings only."""
    try:
        net = load_text(text, "F", {}, allow_argument_errors=True)
        return Given("F", net, judge(net))
    except tracer.TracerError as error:
        return Given("F", None, error.diagnostics)


# --- drawn networks --------------------------------------------------------------------------------------------------


def loaded(text: str, sizes: dict[str, int]) -> Net:
    """A drawn network; what cannot be loaded at all is not drawn."""
    try:
        return load_text(text, "F", {}, sizes, allow_argument_errors=True)
    except (tracer.TracerError, ValueError):
        assume(False)
        raise


def mirrored(found: Comparison) -> Any:
    """A comparison told backwards, without the order of entries."""

    def turned(value: Any) -> Any:
        if isinstance(value, list):
            return sorted(map(turned, value), key=repr)
        if not isinstance(value, dict):
            return value
        swap = {
            "old": "new",
            "new": "old",
            "gained": "lost",
            "lost": "gained",
            "name": "old_name",
            "old_name": "name",
        }
        swap |= {"a": "b", "b": "a", "added": "removed", "removed": "added"}
        names = swap if "old_name" in value else {k: v for k, v in swap.items() if k != "name"}
        return {names.get(key, key): turned(item) for key, item in sorted(value.items())}

    plain = json.loads(to_json(compare_answer(found)))
    before = {
        c.name: c.old_name for c in found.renamed
    }  # entries of both stand under the new names
    for entry in plain["autos"]:
        node, _, field = entry["what"].rpartition(".")
        entry["what"] = f"{before.get(node, node)}.{field}"
    for entry in plain["outputs"]:
        if "old" in entry and "new" in entry:
            entry["what"] = before.get(entry["what"], entry["what"])
    answer = turned(plain)
    for total in answer["totals"]:
        total["difference"] = None if total["difference"] is None else -total["difference"]
        del total["percent"]
    return answer


def ordered(found: Comparison) -> Any:
    """A comparison as :func:`mirrored` tells it, and not backwards."""

    def sorted_lists(value: Any) -> Any:
        if isinstance(value, list):
            return sorted(map(sorted_lists, value), key=repr)
        if isinstance(value, dict):
            return {key: sorted_lists(item) for key, item in sorted(value.items())}
        return value

    answer = json.loads(to_json(compare_answer(found)))
    for total in answer["totals"]:
        del total["percent"]
    return sorted_lists(answer)


def canonical(value: Any) -> str:
    """The text of an answer, its keys and lists in order."""

    def sort(value: Any) -> Any:
        if isinstance(value, list):
            return sorted(map(sort, value), key=json.dumps)
        return (
            {key: sort(value[key]) for key in sorted(value)}
            if isinstance(value, dict)
            else value
        )

    return json.dumps(sort(value), indent=1)


@pytest.mark.slow
@given(networks(), networks())
def test_comparing_backwards_tells_the_mirror_image(a: Drawn, b: Drawn) -> None:
    """Added is removed, old is new, gained is lost, and each renamed node has its old name back."""
    x, y = loaded(a.text, a.sizes), loaded(b.text, b.sizes)
    there, back = tracer.compare(x, y), tracer.compare(y, x)
    assert canonical(mirrored(there)) == canonical(ordered(back))


def lines_of(text: str) -> list[re.Match[str]]:
    """The drawn nodes' lines: name and operation."""
    return list(re.finditer(r"^  (n\d+): \{op: (\w+)(.*)\}$", text, re.MULTILINE))


@given(networks() | networks_to_solve(), st.data())
def test_a_rename_is_told_exactly(drawn: Drawn, data: st.DataObject) -> None:
    """Some nodes get other names: these are renamed, and nothing else differs."""
    chosen = data.draw(
        st.sets(st.sampled_from([m[1] for m in lines_of(drawn.text)]), min_size=1)
    )
    text = re.sub(r"\bn\d+\b", lambda m: f"my_{m[0]}" if m[0] in chosen else m[0], drawn.text)
    old, new = loaded(drawn.text, drawn.sizes), loaded(text, drawn.sizes)
    found = tracer.compare(old, new)
    expected = [
        (a.name, b.name)
        for a, b in zip(old.network.nodes, new.network.nodes)
        if a.name != b.name
    ]
    assert [(c.old_name, c.name) for c in found.renamed] == expected and expected
    assert not any(c.differences for c in found.renamed)
    others = (
        "added",
        "removed",
        "changed",
        "params",
        "symbols",
        "outputs",
        "autos",
        "sizes",
        "ties",
        "gone",
        "found",
    )
    assert {field: getattr(found, field) for field in others} == {field: [] for field in others}
    assert all(t.old == t.new for t in found.totals)


@given(networks(), st.data())
def test_a_changed_argument_is_told_exactly(drawn: Drawn, data: st.DataObject) -> None:
    """At its node as an argument, and elsewhere shapes and costs only: those that two traces differ in."""
    lines = [
        m for m in lines_of(drawn.text) if re.search(r"(out_channels|kernel_size): \d", m[0])
    ]
    assume(lines)
    line = data.draw(st.sampled_from(lines))
    field, value = data.draw(
        st.sampled_from(re.findall(r"(out_channels|kernel_size): (\d+)", line[0]))
    )
    changed = line[0].replace(f"{field}: {value}", f"{field}: {int(value) + 1}")
    old = loaded(drawn.text, drawn.sizes)
    new = loaded(drawn.text.replace(line[0], changed), drawn.sizes)
    found = tracer.compare(old, new)
    told = changes(found)
    a, b = old.trace(), new.trace()
    prices = costs(a), costs(b)
    differing = {
        n
        for n in a.shapes
        if a.shapes[n] != b.shapes[n] or prices[0].get(n) != prices[1].get(n)
    }
    assert set(told) == differing | {line[1]}
    assert told[line[1]][f"arguments.{field}"] == (int(value), int(value) + 1)
    for name, what in told.items():
        allowed = {
            "shape",
            *prices[0][
                "input" if "input" in prices[0] else next(iter(prices[0]))
            ].__struct_fields__,
        }
        assert set(what) - ({f"arguments.{field}"} if name == line[1] else set()) <= allowed
        shapes = [None if t.shapes[name] is None else list(t.shapes[name]) for t in (a, b)]  # type: ignore[arg-type]
        assert what.get("shape") == (None if shapes[0] == shapes[1] else tuple(shapes))
    assert not (
        found.added
        or found.removed
        or found.renamed
        or found.params
        or found.symbols
        or found.outputs
    )
    messages = [{(d.code, d.message) for d in net.trace().diagnostics} for net in (old, new)]
    assert {(d.code, d.message) for d in found.found if d.severity == "error"} <= messages[
        1
    ] - messages[0]


@given(networks())
def test_an_added_node_is_told_exactly(drawn: Drawn) -> None:
    """It is the only node that is added, it is the output now, and the sums grow by what it costs."""
    text = drawn.text + "  extra: Identity\n"
    old, new = loaded(drawn.text, drawn.sizes), loaded(text, drawn.sizes)
    found = tracer.compare(old, new)
    last = old.network.nodes[-1].name
    assert [state.name for state in found.added] == ["extra"] and found.added[0].inputs == [
        last
    ]
    assert not (found.removed or found.renamed or found.changed)
    assert {d.what for d in found.outputs} == {last, "extra"}
    assert {t.what: t.difference for t in found.totals if t.what != "nodes"} == {
        t.what: found.added[0].costs.get(t.what, 0) for t in found.totals if t.what != "nodes"
    }


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is the current one, with a config and its copy."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(NET, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def run(*arguments: str, text: str | None = None) -> Result:
    done = CliRunner().invoke(cli, ["compare", *arguments], input=text)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def git(place: Path, *arguments: str) -> None:
    who = {
        f"GIT_{role}_{what}": f"{what}@x"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    settings = {
        **os.environ,
        **who,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    subprocess.run(
        ["git", *arguments], cwd=place, env=settings, check=True, capture_output=True
    )


@pytest.fixture
def repository(here: Path) -> Path:
    """A git repository of two commits, the second one with twice the channels; the file on disk has a third."""
    (here / "sub").mkdir()
    git(here, "init", "-q", "-b", "main")
    for base in (8, 16):
        (here / "sub" / "net.yaml").write_text(edited("base: 8", f"base: {base}"), "utf-8")
        git(here, "add", ".")
        git(here, "commit", "-q", "-m", f"base {base}")
    (here / "sub" / "net.yaml").write_text(edited("base: 8", "base: 32"), "utf-8")
    return here


def base_of(done: Result) -> list[tuple[Any, Any]]:
    assert done.exit_code == 0, done.output
    return [(d["old"], d["new"]) for d in json.loads(done.stdout)["params"]]


def test_revisions(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REV:PATH is what git has; a file alone is compared with HEAD, wherever one stands."""
    assert base_of(run("HEAD~1:sub/net.yaml", "main:sub/net.yaml", "--format", "json")) == [
        (8, 16)
    ]
    assert base_of(run("HEAD~1:./sub/net.yaml", "sub/net.yaml", "--format", "json")) == [
        (8, 32)
    ]
    done = run("sub/net.yaml", "--format", "json")
    assert base_of(done) == [(16, 32)]
    assert json.loads(done.stdout)["a"]["path"] == "HEAD:sub/net.yaml"
    assert base_of(run("-", "main:sub/net.yaml", "--format", "json", text=NET)) == [(8, 16)]
    monkeypatch.chdir(repository / "sub")
    assert base_of(run("net.yaml", "--format", "json")) == [(16, 32)]
    assert base_of(run("HEAD~1:./net.yaml", "HEAD:sub/net.yaml", "--format", "json")) == [
        (8, 16)
    ]
    monkeypatch.chdir("/")
    assert base_of(run(str(repository / "sub" / "net.yaml"), "--format", "json")) == [(16, 32)]


def test_staged_texts_links_and_names_with_colons(repository: Path) -> None:
    """The index is a revision without a name; a file of the literal name wins; a link is what it leads to."""
    git(repository, "add", ".")
    assert base_of(run("HEAD:sub/net.yaml", ":sub/net.yaml", "--format", "json")) == [(16, 32)]
    (repository / "HEAD:sub").mkdir()
    (repository / "HEAD:sub" / "net.yaml").write_text(edited("base: 8", "base: 4"), "utf-8")
    assert base_of(run("HEAD:sub/net.yaml", "a.yaml", "--format", "json")) == [(4, 8)]
    (repository / "link.yaml").symlink_to("sub/net.yaml")
    assert base_of(run("link.yaml", "--format", "json")) == [(16, 32)]
    (repository / "sub" / "a b;$(touch x).yaml").write_text(NET, "utf-8")
    git(repository, "add", ".")
    assert run("a.yaml", ":sub/a b;$(touch x).yaml").output == "no difference\n"
    assert not (repository / "x").exists() and not (repository / "sub" / "x").exists()


@pytest.mark.parametrize(
    "name",
    [
        "nope:sub/net.yaml",
        "HEAD:nope.yaml",
        "HEAD:sub",
        "HEAD:",
        ":",
        "--all:x",
        "-p:x",
        "HEAD:a\0b",
        "HEAD:../out.yaml",
        "HEAD^{/\n}:x",
        "é:\udcff",
    ],
)
def test_what_git_does_not_know(repository: Path, name: str) -> None:
    """One line on standard error and exit code 2; with JSON also an answer that says so."""
    for arguments in ((name, "a.yaml"), ("a.yaml", name)):
        done = run("--", *arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1 and "cannot be read: " in done.stderr, done.stderr
        done = run("--format", "json", "--", *arguments)
        answer = json.loads(done.stdout)
        SCHEMA.validate(answer)
        assert (
            done.exit_code == 2 and [answer[side]["loaded"] for side in "ab"].count(False) == 1
        )


def test_no_git_no_repository_no_commit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told as what it is, in one line."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(here.parent))
    assert re.fullmatch(
        "HEAD:a.yaml: cannot be read: not a git repository.*\n", run("a.yaml").stderr
    )
    git(here, "init", "-q")
    assert re.fullmatch("HEAD:a.yaml: cannot be read: .*HEAD.*\n", run("a.yaml").stderr)
    git(here, "add", "b.yaml")
    git(here, "commit", "-q", "-m", "b")
    assert re.fullmatch("HEAD:a.yaml: cannot be read: path 'a.yaml' .*\n", run("a.yaml").stderr)
    assert run("b.yaml").output == "no difference\n"
    (here / "b.yaml").unlink()
    assert run("b.yaml").stderr == "b.yaml: cannot be read: No such file or directory\n"
    monkeypatch.setenv("PATH", "")
    done = run("a.yaml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert (
        done.stderr
        == "HEAD:a.yaml: cannot be read: a revision is read by git, and git is not installed\n"
    )


def test_a_large_file_of_a_revision_is_refused(repository: Path) -> None:
    """It is read no further than a config may be long."""
    (repository / "large.yaml").write_bytes(b"# " + b"x" * (2 * limits.FILE_BYTES))
    git(repository, "add", "large.yaml")
    done = run(":large.yaml", "a.yaml", "--format", "json")
    answer = json.loads(done.stdout)
    assert done.exit_code == 0 and [d["code"] for d in answer["diagnostics"]["old"]] == ["T006"]
    done = run("a.yaml", ":large.yaml")
    assert done.exit_code == 1 and "B does not load" in done.stdout and "T006" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["-"], ["-", "-"], ["HEAD:a.yaml"], [], ["a.yaml", "b.yaml", "c.yaml"]]
)
def test_usage(here: Path, arguments: list[str]) -> None:
    """Two configs, one of them on standard input at most; a file alone has a committed version, nothing else has."""
    done = run(*arguments, text=NET)
    assert (done.exit_code, done.stdout) == (2, "") and done.stderr.count("Error: ") == 1


UNSOLVABLE = """\
input: [1, 4, 9, 9]
encoder:
  values: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  down: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 4}
decoder:
  up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2, output_padding: auto}
  cat: {op: Concat, from: [up, values]}
"""


def test_a_node_called_by_a_word_of_a_message_is_renamed(here: Path) -> None:
    """An error that both networks have is neither new nor gone, whatever words of it the names are."""
    for name in ("v", "no", "autos", "cat2"):
        (here / "old.yaml").write_text(UNSOLVABLE, "utf-8")
        (here / "new.yaml").write_text(re.sub(r"\bvalues\b", name, UNSOLVABLE), "utf-8")
        for files in (("old.yaml", "new.yaml"), ("new.yaml", "old.yaml")):
            done = run(*files, "--format", "json")
            answer = json.loads(done.stdout)
            assert done.exit_code == 0, name
            assert answer["diagnostics"] == {"old": [], "new": []}
            assert len(answer["nodes"]["renamed"]) == 1
            assert answer["a"]["errors"] == answer["b"]["errors"] == 1


def test_the_same_fault_at_another_node_is_another_finding() -> None:
    """What a message says of a node does not make it that node's finding."""
    crop = edited("  last:", "  crop: {op: CenterCrop, size: 31}\n  last:")
    moved = edited("  act: ReLU", "  act: ReLU\n  crop: {op: CenterCrop, size: 31}")
    found = of(crop, moved)
    assert [(d.code, d.node) for d in found.gone + found.found if d.code == "T502"] == []
    other = crop.replace("crop", "trim").replace("size: 31", "size: 29")
    gone, new = (
        [(d.code, d.node) for d in one] for one in (of(crop, other).gone, of(crop, other).found)
    )
    assert gone == [("T502", "crop")] and new == [("T502", "trim")]


def test_exit_codes(here: Path) -> None:
    """1 for new errors, with --strict for new warnings, with --exit-code for any difference."""
    codes = {
        "same": (NET, (0, 0, 0)),
        "renamed": (edited("act", "relu"), (0, 0, 1)),
        "warned": (edited("H: 32", "H: 33"), (0, 1, 1)),
        "wrong": (edited("size: act", "scale_factor: 4"), (1, 1, 1)),
        "argument": (edited("kernel_size: 1}", "kernel_size: 1, in_channels: 5}"), (1, 1, 1)),
        "unloaded": (edited("op: Concat", "op: Concate"), (1, 1, 1)),
        "broken": ("input: [", (1, 1, 1)),
    }
    for name, (text, expected) in codes.items():
        (here / f"{name}.yaml").write_text(text, "utf-8")
        found = [
            run("a.yaml", f"{name}.yaml", *option).exit_code
            for option in ([], ["--strict"], ["--exit-code"])
        ]
        assert tuple(found) == expected, name
        backwards = [
            run(f"{name}.yaml", "a.yaml", *option).exit_code
            for option in ([], ["--strict"], ["--exit-code"])
        ]
        assert backwards == [0, 0, expected[2]], name
        assert run(f"{name}.yaml", f"{name}.yaml", "--strict", "--exit-code").exit_code == 0, (
            name
        )


def test_a_network_that_does_not_run_is_compared_as_far_as_it_goes(here: Path) -> None:
    """With wrong arguments too: the nodes before the fault and their shapes, and those behind it without."""
    (here / "b.yaml").write_text(
        edited("kernel_size: 1}", "kernel_size: 1, in_channels: 5}"), "utf-8"
    )
    answer = json.loads(run("a.yaml", "b.yaml", "--format", "json").stdout)
    (change,) = answer["nodes"]["changed"]
    assert change["name"] == "last" and answer["b"]["loaded"] and not answer["b"]["complete"]
    assert {"what": "shape", "old": [1, 2, 32, 32], "new": None} in change["differences"]
    assert {"what": "arguments.in_channels", "old": None, "new": 5} in change["differences"]
    assert [d["code"] for d in answer["diagnostics"]["new"]] == ["T204"]
    assert (
        next(one["lost"]["text"] for one in answer["sizes"] if one["symbol"] == "H") == "H >= 2"
    )
    done = run("a.yaml", "b.yaml")
    assert (
        "b.yaml stops at last: its totals cover only the nodes before that" in done.stdout
        and "1 new error" in done.stdout
    )


def test_overrides_hold_for_both(here: Path) -> None:
    """--set, --size and --input replace what either declares."""
    (here / "b.yaml").write_text(
        edited("base: 8", "base: 4").replace("H: 32", "H: 48"), "utf-8"
    )
    assert (
        run("a.yaml", "b.yaml", "--set", "base=6", "--size", "H=40").output == "no difference\n"
    )
    assert (
        run("a.yaml", "b.yaml", "--set", "base=6", "--input", "1,3,40,40").output
        == "no difference\n"
    )
    done = run("a.yaml", "b.yaml", "--set", "nope=6")
    assert done.exit_code == 2 and "nope" in done.stderr and done.stderr.count("Error") == 1


SETUPS = {
    "same": NET,
    "channels": edited("base: 8", "base: 16"),
    "sizes": edited("H: 32", "H: [33, 35]"),
    "renamed": re.sub(r"\bcat\b", "join", NET),
    "wrong": edited("size: act", "scale_factor: 4"),
    "unsized": NET.replace("sizes: {N: 1, H: 32, W: 32}\n", ""),
    "unloaded": edited("op: Concat", "op: Concate"),
    "broken": "input: [",
    "empty": "",
    "solved": next(p for p in CONFIGS if p.stem == "conv_autoencoder").read_text("utf-8"),
}


@pytest.mark.parametrize("format_", ["table", "json", "markdown"])
@pytest.mark.parametrize("old", SETUPS)
def test_every_pair_has_an_answer_in_every_format(here: Path, old: str, format_: str) -> None:
    """Always the same one; JSON fits the schema that ships; the table has its headline last."""
    (here / "a.yaml").write_text(SETUPS[old], "utf-8")
    for name, text in SETUPS.items():
        (here / "b.yaml").write_text(text, "utf-8")
        done = run("a.yaml", "b.yaml", "--format", format_)
        assert done.exit_code in (0, 1) and done.stderr == "", (name, done.stderr)
        assert done.output == run("a.yaml", "b.yaml", "--format", format_).output
        if format_ == "json":
            answer = json.loads(done.stdout)
            SCHEMA.validate(answer)
            assert answer["format_version"] == "1.0" and answer["differs"] == (name != old)
        elif format_ == "table":
            assert ("no difference" in done.stdout.splitlines()[-1]) == (
                name == old and answers(old)
            ), done.stdout
            assert "\x1b" not in done.stdout
    shown = run("a.yaml", "b.yaml", "--format", format_, "--color", "always").stdout
    assert ("\x1b[" in shown) == (format_ == "table")


def answers(name: str) -> bool:
    """Whether a config can be loaded."""
    return name not in ("unloaded", "broken", "empty")


def test_the_schema_ships() -> None:
    """``tracer schema compare`` is the answer's."""
    done = CliRunner().invoke(cli, ["schema", "compare"])
    assert json.loads(done.stdout) == SCHEMA.schema


# --- markdown --------------------------------------------------------------------------------------------------------

HOSTILE = [
    "a|b", "`x`", "``", "<img/src=x>", "<!--", "</code></details>", "@torvalds", "x@y", "**b**", "_x_", "__", "~~s~~",
    "#1", "GH-1", ":tada:", "!(x)", "\\", "\\|", "&lt;", "&#64;u", "http://evil", "-->", "|", "'\"", "é", "a\\`b",
]  # fmt: skip


class Read(HTMLParser):
    """The tags of a page, and the texts inside and outside of ``<code>``."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.codes: list[str] = []
        self.outside = ""
        self._inside = False
        # The options are those of GitHub's markdown: HTML, tables, strikethrough.
        self.feed(
            MarkdownIt("commonmark", {"html": True})
            .enable(["table", "strikethrough"])
            .render(markdown)
        )
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag == "code":
            self._inside = True
            self.codes.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "code"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.codes[-1] += data
        else:
            self.outside += data

    def handle_comment(self, data: str) -> None:
        self.tags.add("!--")


PLAIN = {
    "p",
    "strong",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "code",
    "details",
    "summary",
    "ul",
    "li",
    "blockquote",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_no_markup(here: Path, name: str) -> None:
    """Rendered, each name is itself inside of ``<code>``, and there is no tag but ours."""
    key = json.dumps(name, ensure_ascii=False)
    value = json.dumps(f"{name}\n| x |\r\n@all {name}", ensure_ascii=False)
    head = NET.replace("base: 8", f"base: 8, x: {value}").replace("H: 32", "H: 33")
    text = head + f"  {key}: ReLU\n"
    renamed = head + f"  {json.dumps(name + 'z', ensure_ascii=False)}: ReLU\n"
    for old, new, wanted in (
        (NET, text, name),
        (text, renamed, f"{name} → {name}z"),
        (renamed, NET, f"{name}z"),
    ):
        (here / "a.yaml").write_text(old, "utf-8")
        (here / "b|@me`.yaml").write_text(new, "utf-8")
        done = run("a.yaml", "b|@me`.yaml", "--format", "markdown")
        page = Read(done.stdout)
        assert page.tags <= PLAIN, page.tags - PLAIN
        assert wanted in page.codes and "b|@me`.yaml" in page.codes, page.codes
        assert "@" not in page.outside and "|" not in page.outside, page.outside
        assert not re.search(r"@|www\.|://", done.stdout)
        widths = {
            line.count(" | ")
            for line in done.stdout.splitlines()
            if line.startswith(("| + ", "| → ", "| - "))
        }
        assert len(widths) <= 1
        table = run("a.yaml", "b|@me`.yaml").stdout
        assert all(line.isprintable() for line in table.splitlines())


def test_a_long_comment_says_how_much_is_left_out(here: Path) -> None:
    """A comment has room for 65,536 characters; JSON has them all."""
    many = NET + "".join(
        f"  layer_{i}: {{op: Conv2d, out_channels: 4, kernel_size: 1}}\n" for i in range(2000)
    )
    (here / "b.yaml").write_text(many, "utf-8")
    text = run("a.yaml", "b.yaml", "--format", "markdown").stdout
    left_out = re.search(r"\.\.\. (\d+) more", text)
    assert len(text) < 65_536 and left_out and "<summary>2000 nodes</summary>" in text
    assert text.count("| + |") + int(left_out[1]) == 2000
    assert "</details>" in text and "</details>" not in Read(text).outside
