"""Outputs that are as large as the input and lie beside it, because a cut takes off other rows than an up-layer added.

A cut is free to take its rows off either end. Where an output is laid over the input position by position, one place of
the cut is right, and at the others everything is shown too far to one side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracer.geometry.grids import Grids, Ratio, grids
from tracer.network.records import Node
from tracer.ops.base import Op, Shape
from tracer.ops.crop import CenterCrop, Crop, Slice
from tracer.ops.merge import Merge
from tracer.ops.padding import Padding
from tracer.shapes.traced import Traced, Visit
from tracer.sizing.arithmetic import Holds
from tracer.sizing.symbol import Size


class Overlay(NamedTuple):
    """An output behind a cut, along one dim in which it has the pixels of the input."""

    output: Node
    cut: Node
    dim: int
    offset: Ratio
    """The place of its first position, in input pixels."""
    holds: Holds
    """Whether it is of another size than the input, or lies on it by less than a pixel."""


def overlays(traced: Traced) -> Iterator[Overlay]:
    """Every output behind a cut of an enlarged map, per spatial dim, compared with the first input."""
    first = traced.by_index[traced.network.nodes[0].index] or ()
    outputs = {node.index: node for node in traced.network.outputs.values()}
    # Equal layers have one operation.
    distinct = {id(op): op for op in traced.ops}
    if not any(map(_is_cut, distinct.values())):
        return

    found = grids(traced)
    for index, node in outputs.items():
        own, shape = found[index], traced.by_index[index]
        if own is None or shape is None or not len(shape) == len(first) > 2:
            continue
        for dim in range(2, len(shape)):
            yield from _along(traced, found, node, dim, first)


def _along(
    traced: Traced, found: Sequence[Grids | None], output: Node, dim: int, first: Shape
) -> Iterator[Overlay]:
    own, shape = found[output.index], traced.by_index[output.index]
    assert own is not None and shape is not None
    grid = own[dim]
    cut = _cut_before(traced, output, dim)
    if grid is None or cut is None or not _is_enlarged(traced, cut, dim):
        return

    # Of positions that are wider than a pixel, or part of one, no cut by rows can be told.
    behind = found[cut.index]
    is_plain = behind is not None and behind[dim] is not None
    if not is_plain or not _is_one(grid.stride) or not _is_one(behind[dim].stride):  # type: ignore[index,union-attr]
        return

    numerator, denominator = grid.offset
    lies_on_it = (numerator < denominator) & (-numerator < denominator)
    yield Overlay(output, cut, dim, grid.offset, (shape[dim] != first[dim]) | lies_on_it)


def _is_one(ratio: Ratio) -> bool:
    """Whether a ratio is 1 whatever the sizes are."""
    return ratio.equals(Ratio(1)) is True


def _is_cut(op: Op | None) -> bool:
    """An operation that takes rows off, as far as that is known without the input."""
    if isinstance(op, Padding):
        amounts = [n for pair in op.amounts() for n in pair]
        return any(isinstance(n, int) and n < 0 for n in amounts)
    return isinstance(op, (CenterCrop, Crop, Slice))


def _cut_before(traced: Traced, output: Node, dim: int) -> Node | None:
    """The last cut along a dim on the way to an output, the dims being the same since; None behind a merge."""
    at = output
    while True:
        visit = traced.walk()[at.index]
        if isinstance(visit.op, Merge) or len(at.inputs) != 1:
            return None
        if len(visit.inputs[0]) != len(visit.shape or ()):
            return None
        if _is_cut(visit.op) and _cuts(visit, dim):
            return at
        (at,) = at.inputs


def _cuts(visit: Visit, dim: int) -> bool:
    """Whether a cut takes rows off this dim."""
    before = visit.inputs[0][dim]
    after = (visit.shape or ())[dim]
    return isinstance(before, Size) or isinstance(after, Size) or after < before


def _is_enlarged(traced: Traced, cut: Node, dim: int) -> bool:
    """Whether a layer before a cut has made a map larger along a dim."""
    at = cut
    while at.inputs:
        visit = traced.walk()[at.index]
        has_dim = visit.op is not None and all(len(shape) > dim for shape in visit.inputs)
        window = (
            visit.op.window(dim, *visit.inputs, **visit.sizes) if has_dim and visit.op else None
        )
        if window is not None and window.up != 1:
            return True
        at = at.inputs[0]
    return False
