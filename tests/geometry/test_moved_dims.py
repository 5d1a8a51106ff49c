"""Grids follow positions through dims in another order; phases of one map that are put together are not misaligned."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

import tracer
from tracer.geometry.grids import grids

HEAD = """\
input: [1, 3, H, W]
sizes: {H: 64, W: 64}
layers:
  a: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
"""

TAIL = """\
  u: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
  j: {op: Concat, from: [u, input]}
"""

STRETCHES = {
    "permute": "  p: {op: Permute, dims: [0, 2, 3, 1]}\n  n: LayerNorm\n  q: {op: Permute, dims: [0, 3, 1, 2]}\n",
    "transpose": "  p: {op: Transpose, dim0: 1, dim1: 3}\n  n: LayerNorm\n  q: {op: Transpose, dim0: 1, dim1: 3}\n",
    "unsqueeze": "  p: {op: Unsqueeze, dim: 1}\n  n: GELU\n  q: {op: Squeeze, dim: 1}\n",
}


def found(text: str) -> list[tuple[str, str]]:
    return [(d.code, d.message) for d in tracer.checks(text)]


@pytest.mark.parametrize("stretch", STRETCHES.values(), ids=STRETCHES)
def test_a_stretch_in_another_order_hides_no_misalignment(stretch: str) -> None:
    """What is said without it is said with it."""
    assert found(HEAD + stretch + TAIL) == found(HEAD + TAIL) != []
    with_it, without = (
        tracer.loads(HEAD + part + TAIL).sizes().axes["H"] for part in (stretch, "")
    )
    assert with_it.aligned == without.aligned and not with_it.aligned.residues


def slices(first: int, second: int, name: str) -> str:
    return (
        f"  {name}0: {{op: Slice, from: p, dim: 1, start: {first}, step: 2}}\n"
        f"  {name}: {{op: Slice, from: {name}0, dim: 2, start: {second}, step: 2}}\n"
    )


MERGED = (
    HEAD
    + "  p: {op: Permute, dims: [0, 2, 3, 1]}\n"
    + slices(0, 0, "a0")
    + slices(1, 0, "a1")
    + slices(0, 1, "a2")
    + slices(1, 1, "a3")
    + "  m: {op: Concat, from: [a0, a1, a2, a3], dim: 3}\n"
)


def test_merged_patches_are_not_misaligned() -> None:
    """The four phases of a map, as a window transformer merges its patches."""
    assert found(MERGED) == []
    assert tracer.loads(MERGED).sizes().axes["H"].aligned.residues == (0, 3)


def test_phases_of_two_maps_are() -> None:
    """One of another map lies elsewhere."""
    other = MERGED.replace(
        "  p:", "  b: {op: Conv2d, from: a, out_channels: 8, kernel_size: 2}\n  p:"
    )
    other = other.replace("a30: {op: Slice, from: p", "a30: {op: Slice, from: r")
    shifted = other.replace(
        "  a00:",
        "  r0: {op: ZeroPad2d, from: b, padding: [0, 1, 0, 1]}\n  r: {op: Permute, dims: [0, 2, 3, 1]}\n  a00:",
    )
    shifted = shifted.replace("p: {op: Permute, dims", "p: {op: Permute, from: a, dims")
    assert [code for code, _ in found(shifted)] == ["T503"]


@pytest.mark.parametrize(("name", "dim"), [("permute", 1), ("transpose", 2), ("unsqueeze", 3)])
def test_positions_are_where_gradients_arrive(name: str, dim: int) -> None:
    """The middle of the input rows that one position follows from, in torch, within the stretch."""
    net = tracer.loads(HEAD + STRETCHES[name].splitlines()[0] + "\n")
    own = grids(net.trace())[-1]
    assert own is not None
    grid = own[dim]
    assert grid is not None
    stride, offset = (Fraction(*one) for one in grid[:2])

    x = torch.rand(1, 3, 64, 64, requires_grad=True)
    y = tracer.build(net)(x)
    y.select(dim, 7).square().sum().backward()
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (int(rows.min()) + int(rows.max())) / 2 == stride * 7 + offset
