"""An ``auto`` hides no fault: what has a value gets it, and what remains is reported as with the values written out."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracer
from tests.drawn.counted import counted
from tracer.diagnostics import Diagnostic

UP = """
input: [1, 3, 64, 64]
encoder:
  enc: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  down: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
decoder:
  up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1, output_padding: auto}
  cat: {op: Concat, from: [up, enc]}
head:
"""
HEAD = "  logits: {op: Conv2d, out_channels: 2, kernel_size: 1}\n"


def errors(text: str) -> list[Diagnostic]:
    """The errors of a config."""
    return [d for d in tracer.checks(text) if d.severity == "error"]


@pytest.mark.parametrize(
    ("head", "code", "line", "words"),
    [
        (HEAD.replace("{", "{in_channels: 8, "), "T204", 10, "in_channels is 8, but the input"),
        (HEAD + "output: {logits: [1, 5, 64, 64]}\n", "T304", 11, "dim 1 is expected to be 5"),
        (HEAD + "output: {logits: [1, 2, 70, 64]}\n", "T304", 11, "dim 2 is expected to be 70"),
        ("  norm: BatchNorm1d\n", "T303", 10, "takes an input of 2 or 3 dims"),
        ("  big: {op: Conv2d, out_channels: 2, kernel_size: 99}\n", "T302", 10, "kernel"),
        ("  sum: {op: Add, from: [cat, down]}\n", "T301", 10, "sizes differ in dim 1"),
    ],
    ids=["channels", "promise", "promised size", "rank", "kernel", "merge"],
)
def test_what_remains_is_reported(head: str, code: str, line: int, words: str) -> None:
    """The auto of `up` is 1 by the merge, and the later fault stands where it is, with its own code."""
    (found,) = errors(UP + head)
    assert found.code == code and found.span is not None and found.span.line == line
    assert words in found.message
    assert found == errors(UP.replace("auto", "1") + head)[0]


def test_a_plan_has_the_values_all_the_same() -> None:
    """The plan is not feasible, has the values, and reports the fault."""
    plan = tracer.plan(tracer.loads(UP + "  norm: BatchNorm1d\n"))
    assert not plan.feasible and plan.assignments == {"up.output_padding": (1, 1)}
    assert [d.code for d in plan.diagnostics] == ["T303"]


def test_two_merges_that_want_different_values() -> None:
    """The first has its value, the second is refuted: T401 with the sizes that the first leaves."""
    text = """
input: [1, 2, 9, 9]
layers:
  a: {op: MaxPool2d, kernel_size: 2}
  up: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto, from: a}
  one: {op: Add, from: [up, input]}
  eight: {op: CenterCrop, size: 8, from: input}
  two: {op: Add, from: [up, eight]}
  both: {op: Add, from: [one, one]}
  norm: BatchNorm1d
"""
    found = errors(text)
    assert [(d.code, d.node) for d in found] == [("T401", "two"), ("T303", "norm")]
    assert "9 from up, 8 from eight" in found[0].message


FAULTS = {
    "channels": "{op: Conv2d, in_channels: 77, out_channels: 2, kernel_size: 1}",
    "groups": "{op: GroupNorm, num_groups: 5}",
    "rank": "BatchNorm1d",
    "kernel": "{op: Conv2d, out_channels: 2, kernel_size: 99}",
    "reflection": "{op: ReflectionPad2d, padding: 90}",
    "features": "{op: Linear, in_features: 1000, out_features: 2}",
    "merge": "{op: Concat, from: [LAST, wide]}",
    "promise": "{op: Identity, expect: [1, 1000, _, _]}",
    "promised size": "{op: Identity, expect: [1, _, 500, _]}",
    "crop": "{op: CenterCrop, size: 300}",
}


@st.composite
def faulty(draw: st.DrawFn) -> tuple[str, str, str]:
    """A U-Net with autos, the name of a level behind whose merge a fault is put, and its kind."""
    levels = draw(st.integers(1, 3))
    kernel, padding = draw(st.sampled_from([(3, 1), (2, 0), (4, 1)]))
    window = f"kernel_size: {kernel}, stride: 2, padding: {padding}"
    kind, at = draw(st.sampled_from(sorted(FAULTS))), draw(st.integers(0, levels - 1))
    size = draw(st.integers(24, 60)), draw(st.integers(24, 60))

    lines = [
        "  wide: {op: ZeroPad2d, padding: 40}",
        "  e0: {op: Conv2d, from: input, out_channels: 4, kernel_size: 1}",
    ]
    for i in range(1, levels + 1):
        lines.append(f"  e{i}: {{op: Conv2d, out_channels: 4, {window}}}")
    for i in reversed(range(levels)):
        lines.append(
            f"  u{i}: {{op: ConvTranspose2d, out_channels: 4, {window}, output_padding: auto}}"
        )
        lines.append(f"  m{i}: {{op: Concat, from: [u{i}, e{i}]}}")
        if i == at:
            lines.append(f"  wrong: {FAULTS[kind].replace('LAST', f'm{i}')}")
    text = f"input: [1, 3, {size[0]}, {size[1]}]\nlayers:\n" + "\n".join(lines) + "\n"
    return text, f"m{at}", kind


@counted(lambda kinds: len(kinds) >= 8 and kinds.total() >= 40)
@given(faulty())
def test_drawn_faults(kinds: Counter[str], drawn: tuple[str, str, str]) -> None:
    """The errors of a network with autos are those of the same network with the solved values written out."""
    text, _, kind = drawn
    lines = text.splitlines(keepends=True)
    plan = tracer.plan(tracer.loads("".join(line for line in lines if "wrong:" not in line)))
    if not plan.feasible:
        return

    written = []
    for line in lines:
        name = line.strip().partition(":")[0]
        values = plan.assignments.get(f"{name}.output_padding")
        written.append(line.replace("auto", str(list(values or ()))))
    expected, found = errors("".join(written)), errors(text)
    assert [(d.code, d.node, d.message) for d in found] == [
        (d.code, d.node, d.message) for d in expected
    ], text
    assert found, text
    kinds[kind] += 1
