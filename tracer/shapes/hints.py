"""What can be done where the sizes of a merge's inputs differ, told by the layers that lead to it."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.network.records import Node
from tracer.ops.base import Shape
from tracer.ops.convolution import ConvTranspose
from tracer.ops.merge import Merge
from tracer.ops.resize import Interpolate, Upsample

STEPS = 64
"""Layers that are looked at before each input."""


def hint_of(
    node: Node, dim: int | None, inputs: Sequence[Shape], given: str | None
) -> str | None:
    """The hint for inputs that differ in a spatial dim: of a whole factor, of the layer that enlarges, or ``given``.

    ``inputs`` are their shapes, ``dim`` is counted in the longest.
    """
    is_plain = isinstance(node.op, Merge) and node.op.align == "none"
    if given is None or not is_plain or dim is None or dim < 2:
        return given

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
