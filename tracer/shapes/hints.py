"""What can be done where the sizes of a merge's inputs differ, told by the layers that lead to it."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.network.records import Node
from tracer.ops.base import Shape, written
from tracer.ops.convolution import ConvTranspose
from tracer.ops.merge import Merge
from tracer.ops.pointwise import Parameter
from tracer.ops.resize import Interpolate, Upsample

STEPS = 64
"""Layers that are looked at before each input."""


def hint_of(
    node: Node, dim: int | None, inputs: Sequence[Shape], given: str | None
) -> str | None:
    """The hint for inputs that differ: of a table of fixed size, a whole factor, the layer that enlarges, or ``given``.

    ``inputs`` are their shapes, ``dim`` is counted in the longest.
    """
    is_plain = isinstance(node.op, Merge) and node.op.align == "none"
    if given is None or not is_plain or dim is None:
        return given

    fixed = _of_fixed(node, dim, inputs)
    if fixed is not None or dim < 2:
        return fixed or given

    factor = _factor(dim, inputs)
    if factor is not None:
        return (
            f"a factor of {factor} is missing between them: an Upsample by {factor} before the smaller, "
            "or maps of one stride under `from`"
        )
    return _of_layer(node) or given


def _of_layer(merge: Node) -> str | None:
    """The hint where one of two inputs was enlarged: what that layer has."""
    enlarging = list(map(_enlarging, merge.inputs))
    if len(enlarging) != 2 or enlarging.count(None) != 1:
        return None

    own = 1 if enlarging[0] is None else 0
    up, skip = enlarging[own], merge.inputs[1 - own]
    assert up is not None
    words = f"size: {skip.shown} on {up.shown} in the place of its factor"
    if isinstance(up.op, ConvTranspose):
        words = f"output_padding: auto or output_size: {skip.shown} on {up.shown}"

    named = f" with decoder: {merge.inputs[own].shown}" if own else ""
    return f"{words}, padding of a layer before, or align: crop, pad or resize{named} here"


def _of_fixed(merge: Node, dim: int, inputs: Sequence[Shape]) -> str | None:
    """The hint where one of two inputs comes from no input of the network, such as a learned table of positions."""
    fixed = [number for number, source in enumerate(merge.inputs) if _is_fixed(source)]
    if len(inputs) != 2 or len(fixed) != 1:
        return None

    own = inputs[fixed[0]]
    other = inputs[1 - fixed[0]]
    if len(own) != len(other) or not _are_positions(dim, own, other):
        return None

    table, source = merge.inputs[fixed[0]], merge.inputs[1 - fixed[0]]
    what = "tokens" if len(own) == 3 and dim == 1 else "positions"
    words = (
        f"{table.shown} has {own[dim]} {what} at every size of the input, {source.shown} {other[dim]}: "
        f"choose a size that gives {own[dim]}"
    )
    if not isinstance(table.op, Parameter):
        return words
    shape = (*own[:dim], other[dim], *own[dim + 1 :])
    return f"{words}, or write shape: {written(shape)} at {table.shown}"


def _are_positions(dim: int, own: Shape, other: Shape) -> bool:
    """Whether a dim counts positions: a spatial one, or that of tokens before their features."""
    if dim >= 2:
        return True
    has_features = len(own) == 3 and own[2] == other[2]
    return dim == 1 and has_features


def _is_fixed(source: Node) -> bool:
    """Whether a map is made of nothing that is an input of the network."""
    open_nodes = [source]
    seen = {source.index}
    while open_nodes:
        at = open_nodes.pop()
        if at.is_input or len(seen) > STEPS:
            return False
        for before in (*at.inputs, *at.operands.values()):
            if before.index not in seen:
                seen.add(before.index)
                open_nodes.append(before)
    return True


def _factor(dim: int, inputs: Sequence[Shape]) -> int | None:
    """The whole number, 2 or more, by which the largest map is longer than the smallest; None where it is none."""
    sizes = [shape[dim] for shape in inputs if len(shape) > dim]
    least, most = min(sizes, default=0), max(sizes, default=0)
    if least < 2 or most % least or most // least < 2:
        return None
    return most // least


def _enlarging(source: Node) -> Node | None:
    """The layer that enlarges on the way to a map, before the last merge; None where there is none."""
    at = source
    for _ in range(STEPS):
        if isinstance(at.op, (ConvTranspose, Upsample, Interpolate)) and not at.operands:
            return at
        if len(at.inputs) != 1:
            return None
        at = at.inputs[0]
    return None
