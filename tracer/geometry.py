"""Floor 6: which part of the input a node sees: its receptive field and effective stride, per axis."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from tracer.network.records import Node
from tracer.ops.base import POINTWISE, Op, Window
from tracer.trace import Trace


class Field(msgspec.Struct, frozen=True):
    """Along one axis, in input pixels: the largest extent that a position sees, and the step between positions."""

    extent: int | None
    """None: the whole input."""
    stride: Fraction


def fields(trace: Trace) -> dict[str, tuple[Field, ...]]:
    """The receptive field of every traced node, per spatial axis of the first input; the largest over paths.

    Behind a resize or a transposed convolution, positions see different extents and step by fractions: the extent is
    then rounded up to whole pixels, and right to one step of the map that was enlarged.
    Source of the recurrence: Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks",
    Distill 2019.
    """
    found: dict[str, tuple[Field, ...]] = {}
    exact: dict[str, list[tuple[Fraction | None, Fraction]]] = {}
    lead = _leading_dims(trace)
    for node in trace.network.nodes:
        y = trace.shapes[node.name]
        if y is None:
            continue
        exact[node.name] = (
            [(Fraction(1), Fraction(1))] * max(len(y) - lead, 0) if node.is_input else _after(trace, node, exact, lead)
        )
        found[node.name] = tuple(
            Field(None if extent is None else -(-extent.numerator // extent.denominator), stride)
            for extent, stride in exact[node.name]
        )
    return found


def _leading_dims(trace: Trace) -> int:
    """How many dims stand before the spatial ones: channels and batch, or channels alone for an unbatched input."""
    for _, op, inputs, _, _ in trace.traced(lambda op: type(op).window is not Op.window):
        axes = getattr(type(op), "axes", None)
        if axes is not None:
            return 1 if len(inputs[0]) == axes + 1 else 2
    return 2


def _window(op: Op, dim: int, inputs: list[tuple[int, ...]], sizes: dict[str, tuple[int, ...]]) -> Window | None:
    """What an operation sees along a dim: windows lie over the last ``axes`` dims, others count from dim 2."""
    axes = getattr(type(op), "axes", None)
    if axes is None or type(op).window is Op.window:
        return op.window(dim - 2, *inputs, **sizes)
    axis = dim - (len(inputs[0]) - axes)
    return op.window(axis, *inputs, **sizes) if 0 <= axis < axes else POINTWISE


def _after(
    trace: Trace, node: Node, exact: dict[str, list[tuple[Fraction | None, Fraction]]], lead: int
) -> list[tuple[Fraction | None, Fraction]]:
    op = trace.ops[node.index]
    before = [exact.get(source.name, []) for source in node.inputs]
    axes = min((len(b) for b in before), default=0)
    inputs = [trace.shapes[source.name] or () for source in node.inputs]
    sizes = {field: trace.shapes[source.name] or () for field, source in node.operands.items()}
    result: list[tuple[Fraction | None, Fraction]] = []
    for axis in range(axes):
        extents = [b[axis][0] for b in before]
        stride = max(b[axis][1] for b in before)
        window = _window(op, lead + axis, inputs, sizes) if op is not None else None
        if window is None or None in extents:
            result.append((None, stride))
            continue
        widest = max(e for e in extents if e is not None)
        result.append((widest + (window.extent - 1) * stride, stride * window.down / window.up))
    return result
