"""The records behind every JSON answer. Their JSON Schemas are made from these classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tracer.costs.memory import memory
from tracer.costs.operations import Cost, costs, total
from tracer.costs.training_step import unknown_in_training
from tracer.designing.fitting import Fit
from tracer.designing.largest import Largest
from tracer.diagnostics import Diagnostic
from tracer.geometry.receptive_field import Field, fields
from tracer.network.records import Node
from tracer.planning.stopped import stopped
from tracer.shapes.trace import Trace
from tracer.source.python_places import Place
from tracer.views.found import FORMAT_VERSION, DiagnosticAnswer, diagnostic_answer


class AxisGeometry(msgspec.Struct, frozen=True):
    """Where a map's positions lie along one axis, and what they see, in input pixels; ratios as ``3/2``."""

    extent: int | None
    """From the first to the last pixel that a position sees, the most over positions and paths; null: all of them."""
    smallest: int | None
    """The same along the path that sees least."""
    stride: str
    """From a position to the next."""
    offset: str | None
    """The place of the first position; null where positions lie on no grid."""
    computed: bool
    """False where paths of unlike strides drift apart over too many positions to follow: the extent is not known."""


class SourcePlace(msgspec.Struct, frozen=True):
    """The line of the user's Python that computes a node."""

    path: str
    line: int
    column: int
    module: str | None
    """The dotted path of the module that it is, or whose forward computes it; null for the outermost one."""


class NodeAnswer(msgspec.Struct, frozen=True):
    """One node of a trace; its shape is null where it could not be traced."""

    name: str
    op: str
    section: str
    line: int
    column: int
    inputs: list[str]
    input_shapes: list[list[int] | None]
    shape: list[int] | None
    args: dict[str, Any]
    params: int | None
    macs: int | None
    memory: int | None
    """Bytes of the output."""
    receptive_field: list[int | None] | None
    """Per spatial axis, in input pixels; null along an axis: the whole input."""
    geometry: list[AxisGeometry] | None
    """Per spatial axis, exactly."""
    source: SourcePlace | None
    """Its place in a Python source; null for a network of another kind, and where no line of the user's ran it."""


class Totals(msgspec.Struct, frozen=True):
    """Sums over the nodes that have a shape."""

    nodes: int
    params: int
    macs: int
    memory: int
    training_memory: int | None
    """Bytes that autograd keeps from forward to backward; null where a node has no shape, or it is not known."""
    inference_peak: int | None
    """The most bytes of maps that are alive at once without autograd."""
    peak_node: str | None
    stops_at: str | None
    """The first node without a shape, whose costs are in no sum, as those behind it; null where all have one."""
    params_at_least: int
    """``params``, and those of nodes without a shape that no size decides."""


class BuiltAnswer(msgspec.Struct, frozen=True):
    """The module that ``build`` and ``export`` make at the declared sizes, where the trace has other values."""

    sizes: dict[str, int]
    """The declared sizes."""
    values: dict[str, list[int]]
    """The values that differ, of every ``auto`` and of every width that a layer infers: ``up4.output_padding``."""


class TraceAnswer(msgspec.Struct, frozen=True):
    """The answer of ``tracer trace``. Nodes are in execution order and include the inputs."""

    format_version: str
    name: str | None
    path: str
    sizes: dict[str, int]
    nodes: list[NodeAnswer]
    outputs: dict[str, list[int] | None]
    totals: Totals
    diagnostics: list[DiagnosticAnswer]
    largest: Largest | None = None
    """The largest sizes that fit in the memory that was asked for."""
    assignments: dict[str, list[int]] = {}
    """The value of every ``auto`` in this trace."""
    built: BuiltAnswer | None = None
    """With ``--size`` or ``--input``: what the module for the declared sizes has instead; null where it is the same."""
    training_step: Fit | None = None
    """With ``--memory``, ``--optimizer``, ``--amp`` or ``--checkpoint``: what a training step takes."""


def _list(shape: Any) -> list[int] | None:
    return None if shape is None else list(shape)


def _axis(field: Field) -> AxisGeometry:
    return AxisGeometry(
        field.extent,
        field.smallest,
        str(field.stride),
        None if field.offset is None else str(field.offset),
        field.computed,
    )


def trace_answer(
    trace: Trace,
    found: list[Diagnostic],
    dtype: str = "float32",
    largest: Largest | None = None,
    assignments: Mapping[str, Sequence[int]] | None = None,
    built: BuiltAnswer | None = None,
    step: Fit | None = None,
) -> TraceAnswer:
    """The JSON answer for one trace; ``found`` are the findings about the network."""
    network = trace.network
    priced, seen = costs(trace, dtype), fields(trace)

    def answer(node: Node) -> NodeAnswer:
        cost, field, op = priced.get(node.name), seen.get(node.name), trace.ops[node.index]
        args: dict[str, Any] = node.arguments(op) if op is not None else {}
        args.update({name: source.name for name, source in node.operands.items()})
        return NodeAnswer(
            name=node.name,
            op=node.op_name,
            section=node.section,
            line=node.span.line,
            column=node.span.column,
            inputs=[source.name for source in node.inputs],
            input_shapes=[_list(shape) for shape in trace.input_shapes(node)],
            shape=_list(trace.shapes[node.name]),
            args=args,
            params=cost.params if cost else None,
            macs=cost.macs if cost else None,
            memory=cost.memory if cost else None,
            receptive_field=[f.extent for f in field] if field is not None else None,
            geometry=[_axis(f) for f in field] if field is not None else None,
            source=None if node.place is None else _source(node.place),
        )

    return TraceAnswer(
        format_version=FORMAT_VERSION,
        name=network.name,
        path=network.path,
        sizes={
            symbol: trace.sizes[symbol] for symbol in network.symbols if symbol in trace.sizes
        },
        nodes=[answer(node) for node in network.nodes],
        outputs={name: _list(shape) for name, shape in trace.outputs.items()},
        totals=_totals(trace, total(priced), dtype),
        diagnostics=[diagnostic_answer(d) for d in found],
        largest=largest,
        assignments={name: list(value) for name, value in (assignments or {}).items()},
        built=built,
        training_step=step,
    )


def _totals(trace: Trace, whole: Cost, dtype: str) -> Totals:
    held, stop = memory(trace, dtype), stopped(trace)
    kept, peak, at = (
        (None, None, None) if held is None else (held.training, held.inference, held.peak)
    )
    if unknown_in_training(trace) is not None:
        kept = None

    return Totals(
        nodes=len(trace.network.nodes),
        params=whole.params,
        macs=whole.macs,
        memory=whole.memory,
        training_memory=kept,
        inference_peak=peak,
        peak_node=at,
        stops_at=None if stop is None else stop.at,
        params_at_least=whole.params + (0 if stop is None else stop.params),
    )


def _source(place: Place) -> SourcePlace | None:
    line = place.line
    if line is None:
        return None
    return SourcePlace(line.path, line.span.line, line.span.column, place.module or None)
