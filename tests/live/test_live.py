"""The program that a page runs says what the tracer says: shapes and refusals, at any sizes and params."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tests.drawn.networks import Drawn, networks, networks_to_solve
from tracer.diagnostics import TracerError
from tracer.live import live
from tracer.live.choices import choices
from tracer.live.opened import OpenedNetwork
from tracer.live.walk import open_network
from tracer.live.writer import written
from tracer.net import Net
from tracer.network.open_params import by_symbol
from tracer.ops.base import with_arguments
from tracer.sizing.worked import Worked

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
PARAMS = """
params: {base: 8, kernel: 3, depth: 2, groups: 2, classes: 4, wide: "${base * 2}"}
input: [N, "${base // 2}", H, W]
sizes: {N: 1, H: 40, W: 36}
blocks:
  unit:
    args: {channels: null, kernel: "${kernel}"}
    layers:
      conv: {op: Conv2d, out_channels: "${channels}", kernel_size: "${kernel}", padding: 1, groups: "${groups}"}
      act: {op: PReLU, num_parameters: "${channels}"}
encoder:
  enc: {op: unit, channels: "${base}"}
  down: {op: Conv2d, out_channels: "${wide}", kernel_size: "${kernel}", stride: 2, padding: 1}
  deep: {op: unit, channels: "${wide + 2 * index}", repeat: "${depth}"}
decoder:
  up: {op: ConvTranspose2d, out_channels: "${base}", kernel_size: 2, stride: 2}
  cat: {op: Concat, from: [up, enc], align: pad}
  flat: {op: Reshape, shape: [N, "${base * 2}", -1]}
  back: {op: Reshape, shape: [N, "${base * 2}", H, W]}
head:
  logits: {op: Conv2d, out_channels: "${classes}", kernel_size: 1, expect: [N, "${classes}", H, W]}
"""
OPEN = """
name: open
input: [N, 1, H, W]
sizes: {N: 1, H: 64, W: 64}
encoder:
  d1: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  d2: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
decoder:
  u2: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: auto}
  c2: {op: Concat, from: [u2, d1]}
  u1: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: auto}
  c1: {op: Concat, from: [u1, input]}
"""


def agrees(
    net: Net,
    opened: OpenedNetwork,
    sizes: dict[str, int],
    params: dict[str, int],
    text: str = "",
) -> int:
    """Assert that the program's shapes are the trace's; returns how many it could not say."""
    shapes = opened.apply({**sizes, **by_symbol(params)}).shapes
    trace = net.trace(**sizes)
    unsaid = 0
    for node, ours, theirs in zip(trace.network.nodes, shapes, trace.by_index):
        if ours is Ellipsis:
            unsaid += 1
        else:
            assert ours == theirs, (
                f"{node.name} at {sizes} {params}: {ours} is not {theirs}\n{text}"
            )
    return unsaid


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_configs_at_any_sizes(path: Path) -> None:
    """For every config, at sizes near and far: every shape, and None where the trace has None."""
    net = tracer.load(path)
    found = live(net)
    opened = open_network(net, found.params)
    draw = random.Random(path.stem)
    for k in range(25):
        sizes = {
            s: draw.randint(1, 2 * n) if k % 2 else max(1, n + draw.randint(-33, 33))
            for s, n in found.symbols.items()
        }
        assert agrees(net, opened, sizes, found.params) == 0


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_configs_at_any_params(path: Path) -> None:
    """Open params give what the config gives that is loaded with them; where it is refused, the program refuses."""
    net = tracer.load(path)
    found = live(net)
    opened = open_network(net, found.params)
    draw = random.Random(path.stem)
    assert not set(found.params) & set(found.fixed)
    for name, now in found.params.items():
        for _ in range(6):
            value = draw.randint(1, 3 * now + 3)
            params = {**found.params, name: value}
            try:
                other = tracer.load(path, **{name: value})
            except TracerError:
                outcome = opened.apply({**found.symbols, **by_symbol(params)})
                assert outcome.is_refused, f"{name}: {value}"
                continue
            agrees(other, opened, found.symbols, params)


def test_params_are_open_where_they_are_numbers() -> None:
    """Params in arguments, in other params, in blocks' arguments and defaults, in shapes and dims; not in repeats."""
    net = tracer.loads(PARAMS)
    found = live(net)
    assert set(found.params) == {"base", "kernel", "groups", "classes"}
    assert found.fixed == {
        "depth": "it decides what deep is",
        "wide": "it follows other params",
    }
    opened = open_network(net, found.params)
    for base, kernel, groups, n in [
        (8, 3, 2, 40),
        (12, 3, 4, 41),
        (16, 5, 1, 17),
        (4, 1, 2, 8),
        (6, 3, 3, 9),
    ]:
        params = {"base": base, "kernel": kernel, "groups": groups, "classes": 7}
        sizes = {"N": 2, "H": n, "W": n + 3}
        try:
            other = tracer.loads(PARAMS, **params)
        except TracerError:
            assert opened.apply({**sizes, **by_symbol(params)}).is_refused
            continue
        agrees(other, opened, sizes, params)


def _near(case: Drawn, draw: Any) -> dict[str, int]:
    return {s: max(1, n + draw(st.integers(-6, 6))) for s, n in case.sizes.items()}


@settings(max_examples=max(100, settings().max_examples // 2))
@given(st.data(), st.booleans())
def test_drawn_networks(data: st.DataObject, solved: bool) -> None:
    """For networks of any operations, with and without autos: the program's shapes are the trace's."""
    case = data.draw(networks_to_solve() if solved else networks())
    try:
        net = tracer.loads(case.declared)
    except TracerError:
        return
    found = live(net)
    opened = open_network(net, found.params)
    agrees(net, opened, case.sizes, found.params, case.text)
    for _ in range(3):
        sizes = _near(case, data.draw)
        if found.planned:
            agrees(net, opened, sizes, found.params, case.text)


NUMBER = re.compile(r"⟦(\d+)⟧")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_arithmetic_comes_out(path: Path) -> None:
    """The arithmetic that is shown for a size is the size's: evaluated as it is written."""
    net = tracer.load(path)
    found = live(net)
    opened = open_network(net, found.params)
    written(opened, list)
    choices = [choice.value(found.symbols) for choice in opened.choices]
    v = opened.program.run(
        dict(
            zip(
                opened.program.symbols,
                [*found.symbols.values(), *found.params.values(), *choices] or [0],
            )
        )
    )
    shown = 0
    for node in found.nodes:
        for dim, text in enumerate(node.working):
            if text is not None and node.shape is not None:
                sum_ = NUMBER.sub(lambda m: f"({v[int(m[1])]})", text)
                for shown_as, python in (
                    ("·", "*"),
                    ("−", "-"),
                    (" = ", " == "),
                    ("≥", ">="),
                    ("≤", "<="),
                    ("≠", "!="),
                ):
                    sum_ = sum_.replace(shown_as, python)
                assert eval(sum_, {"min": min, "floor": math.floor}) == v[node.shape[dim]], text
                shown += 1
    assert shown > 0


def test_arithmetic_reads_as_in_a_book() -> None:
    """The padding of both sides is doubled, brackets stand only where they must, arguments keep their places."""
    net = tracer.loads(
        "input: [1, 1, 572, 40]\nlayers:\n  c: {op: Conv2d, out_channels: 4, kernel_size: 3}\n"
    )
    node = net.network.nodes[1]
    op = with_arguments(
        node.op,
        {
            k: Worked(v)
            for k, v in (("kernel_size", 3), ("stride", 1), ("padding", 0), ("dilation", 1))
        },
    )  # type: ignore[arg-type]
    y = op.shape(tuple(map(Worked, (1, 1, 572, 40))))
    assert str(y[2]) == "(572 + 2·0 − 1·(3 − 1) − 1) // 1 + 1"


def test_choices_follow_the_planner() -> None:
    """The table of autos by residue gives, at every size, what a plan for that size gives."""
    net = tracer.loads(OPEN)
    found = live(net)
    assert found.planned
    assert [choice.symbol for choice in found.choices] == ["H", "W", "H", "W"]
    for h in range(1, 80):
        sizes = {"N": 1, "H": h, "W": 2 * h + 1}
        planned = net.solution(sizes)
        ours = [choice.value(sizes) for choice in found.choices]
        assert planned.solved
        assert ours == [n for values in planned.assignments.values() for n in values]


def test_sizes_at_which_nothing_runs_say_nothing_of_values() -> None:
    """Where a pool is too large the planner's values mean nothing: by residue they follow all sizes that run."""
    net = tracer.loads(
        "input: [1, 4, H, W]\nsizes: {H: 61, W: 33}\nlayers:\n"
        "  e: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}\n"
        "  p: {op: MaxPool2d, kernel_size: 3, stride: 2}\n"
        "  u: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, output_padding: auto}\n"
        "  c: {op: Concat, from: [u, e]}\n"
    )
    found = choices(net)
    assert found.follows_sizes
    assert [(one.symbol, one.values) for one in found.choices] == [("H", [1, 0]), ("W", [1, 0])]
    assert not net.trace(H=64, W=64).diagnostics and net.trace(H=2).diagnostics
