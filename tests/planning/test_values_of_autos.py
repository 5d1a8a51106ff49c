"""The values of autos: defaults, promised sizes that only fail together, and what needs no search."""

from __future__ import annotations

import pytest

import tracer

FLATTENED = """
input: [1, 2, H, W]
sizes: {H: [4, 5], W: [4, 5]}
layers:
  f: {op: Flatten, start_dim: 2}
  p: {op: MaxPool1d, kernel_size: 2}
  u: {op: ConvTranspose1d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}
  a: {op: Add, from: [u, f]}
"""


@pytest.mark.parametrize(
    ("pool", "expected"), [("kernel_size: 2", (2, 2)), ("kernel_size: [3, 2]", (3, 2))]
)
def test_the_stride_of_a_pool_is_its_kernel_by_default(
    pool: str, expected: tuple[int, int]
) -> None:
    """So that is what costs nothing."""
    net = tracer.loads(
        f"input: [1, 3, 32, 32]\nlayers:\n  p: {{op: MaxPool2d, {pool}, stride: auto}}\n"
    )
    solution = net.solution()
    assert (solution.assignments["p.stride"], solution.cost) == (expected, 0)


def test_promised_sizes_that_fail_together() -> None:
    """4 x 4, 4 x 5 and 5 x 4 have an even product, 5 x 5 has not: no one output_padding serves all."""
    (found,) = tracer.checks(FLATTENED)
    assert found.code == "T402"
    (found,) = tracer.checks(FLATTENED.replace("auto", "0"))
    assert found.code == "T305" and found.message.startswith("H = 5, W = 5 does not work")
    assert tracer.checks(FLATTENED.replace("[4, 5]", "[4, 6]")) == []


def test_a_size_without_values_is_t401_whichever_of_the_list_it_is() -> None:
    """L = 9 and L = 14 have values, and none in common; L = 17 has none at all, which says more."""
    text = """
input: [1, 2, L]
sizes: {L: [9, 17, 14]}
layers:
  e0: ReLU
  d0: {op: Conv1d, out_channels: 2, kernel_size: auto(1..4), stride: 2, padding: 2}
  e1: ReLU
  d1: {op: Conv1d, out_channels: 2, kernel_size: 3, stride: 3}
  u1: {op: ConvTranspose1d, out_channels: 2, kernel_size: 4, stride: 2, padding: 1}
  c1: {op: Add, from: [u1, e1], align: crop}
  r1: {op: Conv1d, out_channels: 2, kernel_size: 3, padding: 1}
  u0: {op: ConvTranspose1d, out_channels: 2, kernel_size: 2, stride: 2, dilation: 2, output_padding: auto}
  c0: {op: Concat, from: [u0, e0]}
"""
    found = [d for d in tracer.checks(text) if d.severity == "error"]
    assert [d.code for d in found] == ["T401"] and "`e0` has 17" in found[0].message
    assert [
        d.code for d in tracer.checks(text.replace("17, ", "")) if d.severity == "error"
    ] == ["T402"]


def test_defaults_that_serve_need_no_search() -> None:
    """80 unknowns before one expectation are more than are searched; nothing costs less than the defaults."""
    layer = "{op: Conv1d, out_channels: 2, kernel_size: auto(1..9), padding: auto(0..4)}"
    layers = "".join(f"  c{i}: {layer}\n" for i in range(40))
    text = f"input: [1, 2, 64]\nlayers:\n{layers}  last: {{op: ReLU, expect: [1, 2, 64]}}\n"
    solution = tracer.loads(text).solution()
    assert (solution.solved, solution.cost, solution.capped) == (True, 0, True)
    assert tracer.checks(text) == []
