"""Two slips at once, at one merge or at two: the first repairs undo both, within a bounded time."""

from __future__ import annotations

import itertools

import pytest

import tracer
from tests.drawn.torch_network import run
from tests.timing import at_most
from tracer.loading import load_text
from tracer.ops.pooling import MaxPool2d
from tracer.repairing.bench import Bench
from tracer.repairing.progress import Progress, end_of, progress_of
from tracer.repairing.repair import Repair
from tracer.repairing.repairs import faults_of, repairs

SUMS = """input: [1, 3, H, W]
sizes: {H: 48, W: 64}
encoder:
  e1: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}
  p1: {op: MaxPool2d, kernel_size: 2}
  e2: {op: Conv2d, out_channels: 10, kernel_size: 5, padding: 2}
  p2: {op: MaxPool2d, kernel_size: 2}
  mid: {op: Conv2d, out_channels: 14, kernel_size: 3, padding: 1}
decoder:
  u2: {op: ConvTranspose2d, out_channels: 10, kernel_size: 2, stride: 2}
  s2: {op: Conv2d, from: e2, out_channels: 10, kernel_size: 3, padding: 1}
  m2: {op: Add, from: [u2, s2]}
  u1: {op: ConvTranspose2d, out_channels: 6, kernel_size: 2, stride: 2}
  m1: {op: Add, from: [u1, e1]}
  y: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1, expect: [1, 2, H, W]}
"""

SLIPS = {
    "padding before a skip": ("e2: {op: Conv2d, out_channels: 10, kernel_size: 5, padding: 2}",
                              "e2: {op: Conv2d, out_channels: 10, kernel_size: 5}"),
    "padding of a skip": ("s2: {op: Conv2d, from: e2, out_channels: 10, kernel_size: 3, padding: 1}",
                          "s2: {op: Conv2d, from: e2, out_channels: 10, kernel_size: 3}"),
    "padding behind the merges": ("padding: 1, expect", "expect"),
    "channels of a sum": ("u2: {op: ConvTranspose2d, out_channels: 10", "u2: {op: ConvTranspose2d, out_channels: 12"),
    "channels of the output": ("y: {op: Conv2d, out_channels: 2", "y: {op: Conv2d, out_channels: 3"),
    "stride": ("u1: {op: ConvTranspose2d, out_channels: 6, kernel_size: 2, stride: 2}",
               "u1: {op: ConvTranspose2d, out_channels: 6, kernel_size: 2, stride: 1}"),
    "name": ("m1: {op: Add, from: [u1, e1]}", "m1: {op: Add, from: [u1, e2]}"),
}  # fmt: skip
"""What is replaced by what, a slip each; all are in the network, and the first and the second meet at one merge."""

PAIRS = sorted(set(itertools.combinations(SLIPS, 2)) - {("stride", "name")})
"""But for two slips at one merge of which either has many values that lead further."""


def broken(*slips: str) -> str:
    text = SUMS
    for slip in slips:
        right, wrong = SLIPS[slip]
        assert right in text
        text = text.replace(right, wrong)
    return text


def found_in(text: str) -> list[Repair]:
    net = load_text(text, "net.yaml", {}, allow_argument_errors=True)
    assert faults_of(net)
    return repairs(net).found


@pytest.mark.parametrize("slips", PAIRS, ids=" and ".join)
def test_two_slips_are_undone(slips: tuple[str, str]) -> None:
    """Neither of the two is repaired alone; one of the first three repairs gives the network back."""
    found = found_in(broken(*slips))
    right = tracer.loads(SUMS).trace()
    again = [tracer.loads(repair.text).trace() for repair in found[:3]]
    assert any(trace.ops == right.ops and trace.shapes == right.shapes for trace in again), (
        found
    )


@pytest.mark.parametrize("slips", PAIRS[::7], ids=" and ".join)
def test_what_two_slips_are_repaired_by_runs_in_torch(slips: tuple[str, str]) -> None:
    compared = 0
    for repair in found_in(broken(*slips)):
        net = tracer.loads(repair.text)
        for height, width in ((48, 64), (40, 20)):
            trace = net.as_built().trace(H=height, W=width)
            if not trace.diagnostics:
                assert run(net, trace.sizes, trace.ops).shapes == dict(trace.shapes)
                compared += 1
    assert compared


@pytest.mark.parametrize("slip", ["channels of a sum", "channels of the output", "name"])
@pytest.mark.parametrize("height", [46, 50])
def test_a_slip_at_a_size_that_fails(slip: str, height: int) -> None:
    """The size is another one then, or a layer that enlarges makes up for it."""
    found = found_in(broken(slip).replace("H: 48", f"H: {height}"))
    right = tracer.loads(SUMS)
    kept = 0
    for repair in found[:3]:
        net = tracer.loads(repair.text)
        trace = right.with_sizes(net.network.defaults()).trace()
        is_output_kept = list(net.trace().outputs.values()) == [
            (1, 2, *trace.shapes["input"][2:])
        ]
        kept += is_output_kept and not faults_of(net)
    assert kept


def test_a_network_with_two_slips_is_repaired_in_a_bounded_time() -> None:
    """Five levels, of which the first and the last are wrong."""
    lines = ["input: [1, 3, H, H]", "sizes: {H: 224}", "layers:"]
    for i in range(5):
        padding = 0 if i == 0 else 1
        lines += [
            f"  e{i}: {{op: Conv2d, out_channels: 8, kernel_size: 3, padding: {padding}}}",
            f"  p{i}: {{op: MaxPool2d, kernel_size: 2}}",
        ]
    for i in reversed(range(5)):
        channels = 9 if i == 0 else 8
        lines += [
            f"  u{i}: {{op: ConvTranspose2d, out_channels: {channels}, kernel_size: 2, stride: 2}}",
            f"  m{i}: {{op: Add, from: [u{i}, e{i}]}}",
        ]

    with at_most(seconds=6):
        found = found_in("\n".join(lines))
    edited = [{edit.path: edit.value for edit in repair.edits} for repair in found[:3]]
    assert {"layers.e0.padding": 1, "layers.u0.out_channels": 8} in edited


def test_progress_is_the_node_that_is_refused_then_the_dims_that_are_wrong() -> None:
    net = load_text(broken("padding of a skip", "channels of a sum"), "net.yaml", {})
    index = net.network.names["m2"].index
    assert progress_of(net.trace()) == Progress(index, -3, -(2 + 2 + 2))
    assert progress_of(tracer.loads(SUMS).trace()) == end_of(net.network)

    net = load_text(
        broken("channels of the output", "padding behind the merges"), "net.yaml", {}
    )
    assert progress_of(net.trace()) == Progress(len(net.network.nodes) - 1, -3, -(1 + 2 + 2))


def test_only_first_changes_may_leave_another_fault() -> None:
    net = load_text(broken("padding of a skip", "stride"), "net.yaml", {})
    bench = Bench(net)
    pool = {net.network.names["p2"].index: MaxPool2d(kernel_size=2, ceil_mode=True)}
    skip = net.network.names["s2"].index
    (right,) = [op for op in [tracer.loads(SUMS).trace().ops[skip]] if op is not None]
    assert not bench.closes({skip: right})

    bench.is_first_of_two = True
    assert bench.comes_to({skip: right}) == progress_of(
        load_text(broken("stride"), "n.yaml", {}).trace()
    )
    assert bench.comes_to(pool) is None
