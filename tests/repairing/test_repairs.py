"""Repairs close what they are offered for; edits change what they say and nothing else."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tests.drawn.counted import counted, each
from tests.drawn.networks import Drawn, networks_to_solve
from tests.drawn.torch_network import run
from tests.shapes.test_networks import filled, has_empty_output, slots_of
from tracer.costs.operations import costs, total
from tracer.loading import load_text
from tracer.repairing.repairs import faults_of, repairs
from tracer.shapes.trace import trace
from tracer.source.edits import EditError

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def difference(old: Any, new: Any, path: tuple[Any, ...] = ()) -> set[str]:
    """The dotted places at which two documents differ; an entry of a list of the same length has its own."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if isinstance(old, dict) and isinstance(new, dict):
        return set().union(
            *[difference(old.get(k), new.get(k), (*path, k)) for k in {*old, *new}]
        )
    return set() if old == new else {".".join(map(str, path))}


def is_at(path: str, edit: str) -> bool:
    """Whether a place is the edited one or lies in it."""
    return f"{path}.".startswith(f"{edit}.")


@st.composite
def unets(draw: st.DrawFn) -> str:
    """An encoder and decoder whose skips may miss their up-layers by little."""
    levels = draw(st.integers(1, 3))
    lines = ["encoder:"]
    for i in range(levels):
        strided = "Conv2d, out_channels: 2, kernel_size: 3, stride: 2, padding: 1"
        down, padding = (
            draw(st.sampled_from(["MaxPool2d, kernel_size: 2", strided])),
            draw(st.sampled_from([1, 1, 0])),
        )
        lines.append(
            f"  enc{i}: {{op: Conv2d, out_channels: 2, kernel_size: 3, padding: {padding}}}"
        )
        lines.append(f"  down{i}: {{op: {down}}}")
    lines.append("decoder:")
    for i in reversed(range(levels)):
        kernel = draw(st.sampled_from([2, 2, 3, 4]))
        extra = draw(st.sampled_from(["", "", ", padding: 1", ", output_padding: auto"]))
        lines.append(
            f"  up{i}: {{op: ConvTranspose2d, out_channels: 2, kernel_size: {kernel}, stride: 2{extra}}}"
        )
        lines.append(f"  cat{i}: {{op: Concat, from: [up{i}, enc{i}]}}")
    h, w = draw(st.integers(20, 60)), draw(st.integers(20, 60))
    return f"input: [1, 2, H, W]\nsizes: {{H: {h}, W: {w}}}\n" + "\n".join(lines) + "\n"


@pytest.mark.slow
@counted(
    lambda offered: (
        offered["some"] * 3 > offered["none"]
        and offered["closes"]
        and {"output_padding", "align:", "kernel_size"} <= set(offered)
    )
)
@given(
    unets()
    | networks_to_solve().map(
        lambda drawn: f"{drawn.text}sizes: {drawn.sizes}\n".replace("'", "")
    )
)
def test_random_repairs_close_the_network(offered: Counter[str], text: str) -> None:
    """Every repair offered for a random network loads, has no errors, runs in torch, and says what it changed.

    Safe ones come first and touch autos and output_padding only.
    """
    try:
        net = tracer.loads(text)
    except tracer.TracerError:  # a layer that fits no input
        return
    found = tracer.plan(net).repairs
    offered["closes" if not faults_of(net) else "some" if found else "none"] += 1
    assert not (found and not faults_of(net))
    safe = [repair.safe for repair in found]
    assert safe == sorted(safe, reverse=True)
    for repair in found:
        again = tracer.loads(repair.text)
        mine = again.trace()
        assert not faults_of(again), (repair.title, text)
        edited = {edit.path for edit in repair.edits}
        changed = difference(yaml.safe_load(text), yaml.safe_load(repair.text))
        assert all(any(is_at(path, edit) for edit in edited) for path in changed)
        assert len(edited) == repair.changes.values
        shapes = [list(shape or ()) for shape in mine.outputs.values()]
        assert list(repair.changes.outputs.values()) == shapes
        after = total(costs(mine))
        assert (repair.changes.params, repair.changes.macs) == (after.params, after.macs)
        if repair.safe:
            solvable = {
                f"{n.section}.{n.name}.{u.field}" for n in net.network.nodes for u in n.unknowns
            }
            assert all(path in solvable or "output_padding" in path for path in edited)
        if not has_empty_output(mine):
            torchs = run(again, mine.sizes, mine.ops)
            assert not torchs.refused and torchs.shapes == dict(mine.shapes), (
                repair.title,
                text,
            )
        offered[repair.title.split(" ")[0]] += 1


def pooled(
    levels: int,
    size: int,
    up: str = "op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2",
) -> str:
    """Pools down, transposed convolutions up, skips concatenated."""
    lines = ["encoder:"]
    for i in range(levels):
        lines.append(f"  enc{i}: {{op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}}")
        lines.append(f"  pool{i}: {{op: MaxPool2d, kernel_size: 2}}")
    lines.append("decoder:")
    for i in reversed(range(levels)):
        lines.append(f"  up{i}: {{{up}}}")
        lines.append(f"  cat{i}: {{op: Concat, from: [up{i}, enc{i}]}}")
    return f"input: [1, 3, H, W]\nsizes: {{H: {size}, W: {size}}}\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(("levels", "size"), [(4, 358), (3, 170), (5, 129), (3, 62), (4, 197)])
def test_reported_sizes_are_repaired(levels: int, size: int) -> None:
    """Each has a safe repair, sizes taken at run time, aligned merges, and the multiples of the stride next to it."""
    text = pooled(levels, size)
    found = tracer.plan(tracer.loads(text)).repairs
    titles = [repair.title for repair in found]
    assert found[0].safe and titles[0].startswith("output_padding of ")
    assert any(title.startswith("output_size of ") for title in titles)
    assert {"crop", "pad", "resize"} <= {
        title.split(" ")[1] for title in titles if title.startswith("align: ")
    }
    step = 2**levels
    below, above = size // step * step, -(-size // step) * step
    sizes = [title for title in titles if title.startswith("input sizes: ")]
    assert sizes == [f"input sizes: H = {n}, W = {n}" for n in (above, below)]
    for repair in found:
        again = tracer.loads(repair.text)
        assert run(again, again.trace().sizes).shapes == dict(again.trace().shapes)


def test_rounding_up_repairs_what_doubles_less_one() -> None:
    """k3 s2 p1 makes 7 from 4: a pool of 7 that rounds up gives 4."""
    text = pooled(
        1, 7, "op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1"
    )
    (repair,) = [
        r for r in tracer.plan(tracer.loads(text)).repairs if r.title.startswith("ceil_mode")
    ]
    assert [(edit.path, edit.value) for edit in repair.edits] == [
        ("encoder.pool0.ceil_mode", True)
    ]
    assert (
        "pool0: {op: MaxPool2d, kernel_size: 2, ceil_mode: true}" in repair.text
        and not repair.safe
    )


def test_a_network_that_closes_has_no_repairs() -> None:
    """Neither has one without a text."""
    for path in CONFIGS[:6]:
        assert repairs(tracer.load(path)).found == []


@pytest.mark.parametrize("written", ["3", "[3]", "[3, 3]"])
def test_one_value_for_all_axes(written: str) -> None:
    """A stride that is written once for all axes is repaired as the same one that is written otherwise."""
    text = """
input: [1, 3, 30, 30]
layers:
  down: {op: MaxPool2d, kernel_size: 2}
  up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 4, padding: 1, stride: 3}
output: {up: [1, 3, 30, 30]}
"""
    found = tracer.loads(text.replace("stride: 3", f"stride: {written}")).plan().repairs
    usual = tracer.loads(text).plan().repairs
    assert any("stride" in one.title for one in found)
    assert [one.changes.outputs for one in found] == [one.changes.outputs for one in usual]


def test_an_input_without_channels() -> None:
    """Torch takes it, and no width of a layer before makes more of none."""
    text = "input: [1, 0, 8, 8]\nlayers: {flat: {op: Flatten, expect: [1, 3, 8, 8]}}\n"
    plan = tracer.loads(text).plan()
    assert [one.code for one in plan.diagnostics] == ["T304"] and plan.repairs == []


@pytest.mark.parametrize("rank", range(5))
def test_a_promise_of_any_number_of_dims(rank: int) -> None:
    """An output that can never be as promised is told, and other repairs are looked for all the same."""
    text = f"""
input: [1, 3, 31, 31]
layers:
  down: {{op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}}
  up: {{op: ConvTranspose2d, out_channels: 3, kernel_size: 3, stride: 2}}
output: {{up: {[1, 3, 31, 31][:rank]}}}
"""
    plan = tracer.loads(text).plan()
    assert [one.code for one in plan.diagnostics] == ["T304"]
    assert bool(plan.repairs) == (rank == 4)


@pytest.mark.parametrize("sizes", ["{}", "{H: 45}", "{W: 45}"])
@pytest.mark.parametrize("padding", ["0", "auto"])
def test_a_symbol_without_a_size(sizes: str, padding: str) -> None:
    """No change of layers gives it one, so that none is tried; with a size there are some."""
    text = f"""
input: [1, 3, H, W]
sizes: {sizes}
layers:
  enc: {{op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}}
  down: {{op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}}
  up: {{op: ConvTranspose2d, out_channels: 8, kernel_size: 4, stride: 2, output_padding: {padding}}}
  cat: {{op: Concat, from: [up, enc]}}
"""
    plan = tracer.loads(text).plan()
    assert not plan.feasible and plan.repairs == []
    assert {one.code for one in plan.diagnostics} == {"T201"}
    assert tracer.loads(text.replace(sizes, "{H: 45, W: 45}")).plan().repairs


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_with_their_values_written(path: Path) -> None:
    """The planned config is read again as the same network, and differs in the autos' lines only."""
    net = tracer.load(path)
    written = tracer.plan(net).written()
    again = tracer.loads(written.text)
    assert (
        dict(again.trace().shapes) == dict(net.trace().shapes)
        and not tracer.plan(again).assignments
    )
    old, new = net.network.source.splitlines(), written.text.splitlines()
    assert len(old) == len(new)
    assert all(a == b for a, b in zip(old, new) if "auto" not in a and "{op: up," not in a)


@counted(each("feasible True", "feasible False", over=5))
@given(
    networks_to_solve().filter(lambda drawn: "auto" in drawn.text),
    st.sampled_from(["\n", "\r\n"]),
)
def test_the_values_of_any_plan_are_written(seen: Counter[str], drawn: Drawn, end: str) -> None:
    """They stand where the autos stood, and every other byte stays: comments with the word, line ends."""
    lines = [f"{line}  # auto é" for line in drawn.text.splitlines()]
    text = end.join([*lines, f"sizes: {drawn.sizes}".replace("'", ""), ""])
    try:
        net = tracer.loads(text)
    except tracer.TracerError:  # a layer that fits no input
        return
    plan = tracer.plan(net)
    seen[f"feasible {plan.feasible}"] += 1
    if not plan.feasible:
        return
    written = plan.written().text
    again = tracer.loads(written)
    assert not any(node.unknowns for node in again.network.nodes)
    assert dict(again.trace().shapes) == dict(net.trace().shapes)
    kept = map(re.escape, re.split(r"(?<!# )auto(?:\(-?\d+\.\.-?\d+\))?", text))
    assert re.fullmatch(r"(?:true|false|-?\d+|\[[-\d, ]+\])".join(kept), written), (
        text,
        written,
    )


@st.composite
def sharing(draw: st.DrawFn) -> str:
    """Up-layers that share the text of their autos: by a block, its arguments, an alias or a merge key."""
    levels = draw(st.integers(2, 3))
    style = draw(
        st.sampled_from(
            [
                "block",
                "argument",
                "default",
                "expression",
                "nested",
                "list",
                "alias",
                "merge",
                "value",
            ]
        )
    )
    kernel = draw(st.sampled_from(["2", "3, padding: 1", "auto(2..3)"]))
    layer = f"op: ConvTranspose1d, out_channels: 1, kernel_size: {kernel}, stride: 2, output_padding: "
    auto = draw(st.sampled_from(["auto", "auto(0..1)", "[auto]"]))
    inside = {
        "block": auto,
        "expression": '"${extra if extra else 0}"',
        "list": '["${extra}"]',
    }.get(style, '"${extra}"')
    default = {"default": "auto", "nested": draw(st.sampled_from(["auto", "0"]))}.get(
        style, "0"
    )
    blocks = (
        f"blocks:\n  up: {{args: {{extra: {default}}}, layers: {{u: {{{layer}{inside}}}}}}}\n"
    )
    if style == "nested":
        blocks += f"  outer: {{args: {{more: {draw(st.sampled_from(['auto', '1']))}}}, layers: "
        blocks += '{v: {op: up, extra: "${more}"}}}\n'
    lines = [f"  d{i}: {{op: MaxPool1d, kernel_size: 2}}" for i in range(levels)]
    for i in reversed(range(levels)):
        first = i == levels - 1
        given = f"{{op: up, extra: {draw(st.sampled_from(['auto', 'auto', '0', '1']))}}}"
        outer = [
            "{op: outer}",
            "{op: outer, more: auto}",
            "{op: up, extra: auto}",
            "{op: outer, more: 0}",
        ]
        use = {
            "block": "{op: up}",
            "default": draw(st.sampled_from(["{op: up}", "{op: up, extra: 1}"])),
            "nested": draw(st.sampled_from(outer)),
            "alias": f"&up {{{layer}{auto}}}" if first else "*up",
            "merge": f"&up {{{layer}{auto}}}" if first else "{<<: *up}",
            "value": f"{{{layer}{f'&x {auto}' if first else '*x'}}}",
        }
        lines.append(f"  u{i}: {use.get(style, given)}")
        if draw(st.integers(0, 4)):
            lines.append(f"  m{i}: {{op: Add, from: [u{i}, {f'd{i - 1}' if i else 'input'}]}}")
    head = f"input: [1, 1, {draw(st.integers(20, 60))}]\n"
    return (
        head
        + (blocks if style not in ("alias", "merge", "value") else "")
        + "layers:\n"
        + "\n".join(lines)
        + "\n"
    )


@counted(each("infeasible", "refused", "written", one_in=20))
@given(sharing())
def test_texts_that_layers_share(seen: Counter[str], text: str) -> None:
    """A block's auto is one value for all uses, an argument's one for each; so is an alias's.

    What trying every combination finds is found, and it is written so that it is read again as planned. Refused are
    only texts inside of blocks that would have to stand for two values. Where the autos have values and the network
    still fails, with every combination, it reports faults that one of them really has.
    """
    net = tracer.loads(text)
    plan, slots = tracer.plan(net), slots_of(net)
    fits, faults = 0, []
    for chosen in itertools.product(*slots.values()):
        values: dict[tuple[str, str], int] = {}
        for (node, field, _), value in zip(slots, chosen):
            one = "blocks" in text and (
                field == "kernel_size" or "output_padding: auto" in text.partition("\nlay")[0]
            )
            one = one or (
                "blocks" in text and "output_padding: [auto" in text.partition("\nlay")[0]
            )
            if values.setdefault(("" if one else node.name, field), value) != value:
                break
        else:
            ops = filled(net, dict(zip(slots, chosen)))
            legal = all(
                r.holds for node in {slot[0] for slot in slots} for r in ops[node.index].legal()
            )  # type: ignore[union-attr]
            found = trace(net.network, {}, ops).diagnostics
            fits += legal and not found
            if legal:
                faults.append({(fault.code, fault.node) for fault in found})
    assert plan.feasible == (fits > 0), (text, plan.assignments, fits)
    if plan.feasible or not plan.solutions:
        assert not slots or plan.solutions == fits, (text, plan.assignments, fits)
    if not plan.feasible:
        if plan.solutions:
            told = {(fault.code, fault.node) for fault in plan.diagnostics}
            assert told and any(told <= each_time for each_time in faults), (text, told)
        seen["infeasible"] += 1
        return
    assert run(net, {}, plan.ops).shapes == dict(net.trace().shapes)
    try:
        written = plan.written()
    except EditError as error:
        assert (
            "blocks:" in text
            and "the text of its auto also stands for another value" in str(error)
        ), (
            text,
            error,
        )
        seen["refused"] += 1
        return
    again = tracer.loads(written.text)
    assert not any(node.unknowns for node in again.network.nodes)
    assert dict(again.trace().shapes) == dict(net.trace().shapes), (text, written.text)
    seen["written"] += 1


BASE = """\
input: [1, 2, 13, 26]   # rows, columns
encoder:
  p1: {op: MaxPool2d, kernel_size: 2}
  p2: {op: MaxPool2d, kernel_size: 2}
decoder:
"""


@pytest.mark.parametrize(
    ("decoder", "edited"),
    [
        (  # an anchored mapping and an alias whose values differ
            "  u2: &up {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}\n"
            "  c2: {op: Add, from: [u2, p1]}\n  u1: *up\n  c1: {op: Add, from: [u1, input]}\n",
            ["output_padding: [0, 1]}", "u1: {<<: *up, output_padding: [1, 0]}"],
        ),
        (  # a merge key that brings the auto in
            "  u2: &up {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}\n"
            "  c2: {op: Add, from: [u2, p1]}\n  u1: {<<: *up}\n  c1: {op: Add, from: [u1, input]}\n",
            ["output_padding: [0, 1]}", "u1: {<<: *up, output_padding: [1, 0]}"],
        ),
        (  # one axis
            "  u2: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: [0, auto]}\n"
            "  c2: {op: Add, from: [u2, p1]}\n",
            ["output_padding: [0, 1]}"],
        ),
    ],
    ids=["alias", "merge key", "axis"],
)
def test_shared_texts(decoder: str, edited: list[str]) -> None:
    """Where nodes that share a text want different values, each gets its own; comments stay."""
    plan = tracer.plan(tracer.loads(BASE + decoder))
    text = plan.written().text
    assert all(part in text for part in edited) and "# rows, columns" in text
    assert dict(tracer.loads(text).trace().shapes) == dict(plan.net.trace().shapes)


def test_a_text_that_serves_several_nodes_is_told() -> None:
    """An aliased value that both nodes want alike is written once."""
    text = BASE.replace("13, 26", "26, 26").replace(
        "p2: {op: MaxPool2d, kernel_size: 2}", "p2: Identity"
    )
    layer = "op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2"
    decoder = f"  u2: {{{layer}, output_padding: &extra auto}}\n  u1: {{{layer}, from: p1, output_padding: *extra}}\n"
    written = tracer.plan(tracer.loads(text + decoder + "output: [u1, u2]\n")).written()
    assert "&extra 0}" in written.text and "*extra}" in written.text
    assert written.notes == ["one text stands for u2, u1: its value changes all of them"]


def test_a_text_that_cannot_hold_the_values() -> None:
    """An expression in a block that is an auto for one use only is not written, and says why."""
    text = """
input: [1, 2, 7, 7]
blocks:
  b:
    args: {open: false}
    layers:
      u: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: "${'auto' if open else 0}"}
layers:
  a: {op: b, open: true, expect: [1, 2, 15, 15]}
  c: {op: b}
"""
    plan = tracer.plan(tracer.loads(text))
    assert plan.assignments == {"a.u.output_padding": (1, 1)}
    with pytest.raises(EditError, match="write the auto where"):
        plan.written()


# --- the command ---------------------------------------------------------------------------------------------------

SOLVABLE = BASE + (
    "  u2: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}  # é\n"
    "  c2: {op: Add, from: [u2, p1]}\n"
)
BROKEN = SOLVABLE.replace(", output_padding: auto", "")


def command(
    place: Path, *arguments: str, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracer", "plan", *arguments],
        cwd=place, input=text, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "option"),
    [(SOLVABLE, ["--write"]), (BROKEN, ["--fix"]), (BROKEN, ["--repair", "1"])],
    ids=["write", "fix", "repair"],
)
def test_files_are_edited(tmp_path: Path, text: str, option: list[str]) -> None:
    """Line ends, byte order mark, mode and everything but the value stay; --diff edits nothing."""
    path, line = tmp_path / "net.yaml", "output_padding: [0, 1]}  # é"
    raw = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    path.write_bytes(raw)
    path.chmod(0o640)
    shown = command(tmp_path, "net.yaml", *option, "--diff")
    assert shown.returncode == 0 and path.read_bytes() == raw
    assert [line in x for x in shown.stdout.splitlines() if x.startswith("+  ")] == [True]
    done = command(tmp_path, "net.yaml", *option)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "written: net.yaml"), done
    new = path.read_bytes()
    assert new.startswith(b"\xef\xbb\xbf") and b"\n" not in new.replace(b"\r\n", b"")
    assert line in new.decode("utf-8-sig") and path.stat().st_mode & 0o777 == 0o640
    before, after = raw.split(b"\r\n"), new.split(b"\r\n")
    assert (
        len(before) == len(after) and [a == b for a, b in zip(before, after)].count(False) == 1
    )
    assert not [d for d in tracer.check(path) if d.severity == "error"]


def test_refusals_leave_the_file(tmp_path: Path) -> None:
    """Nothing to fix safely, a repair that isn't there, standard input, two options that exclude each other."""
    path = tmp_path / "net.yaml"
    text = BASE + "  c2: {op: Add, from: [p2, p1]}\n"
    path.write_text(text)
    done = command(tmp_path, "net.yaml", "--fix")
    assert done.returncode == 1 and "no repair is safe" in done.stderr
    assert command(tmp_path, "net.yaml", "--repair", "99").returncode == 2
    assert command(tmp_path, "net.yaml", "--repair", "1", "--fix").returncode == 2
    assert command(tmp_path, "-", "--write", text=text).returncode == 2
    assert command(tmp_path, "net.yaml", "--write").returncode == 1
    assert command(tmp_path, "none.yaml", "--write").returncode == 2
    assert path.read_text() == text
    diff = command(tmp_path, "-", "--diff", text=SOLVABLE)
    assert diff.returncode == 0 and "+++ b/<stdin>" in diff.stdout


def test_shared_weights_behind_the_fault() -> None:
    """Layers that share weights behind a layer with wrong channels are no part of what ends there."""
    text = """\
input: [1, 3, H, W]
sizes: {H: 16, W: 16}
layers:
  a: {op: Conv2d, out_channels: 8, kernel_size: 1}
  b: {op: Conv2d, in_channels: 4, out_channels: 8, kernel_size: 1}
  c: {op: Conv2d, out_channels: 8, kernel_size: 1}
  d: {op: Conv2d, out_channels: 8, kernel_size: 1, weights: c}
"""
    found = repairs(load_text(text, "net.yaml", {}, allow_argument_errors=True)).found
    edits = {(one.edits[0].path, one.edits[0].value) for one in found}
    assert {("layers.b.in_channels", 8), ("layers.a.out_channels", 4)} <= edits
    for one in found:
        assert tracer.loads(one.text).trace().diagnostics == []
