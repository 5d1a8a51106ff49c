"""A layer that is missing where no whole factor is: the mirror of an encoder's layer, or one of its siblings' kind."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from tracer.network.records import Node
from tracer.ops.base import Shape, per_axis
from tracer.ops.convolution import Conv, ConvTranspose
from tracer.ops.registry import find_operation
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate, Kind
from tracer.repairing.candidates.missing import factor_of, put_before
from tracer.repairing.candidates.wiring import expectation, takes

MOST = 3
"""Layers that are tried as texts before one node."""

STRIDES = (2, 3, 4, 5, 8, 16, 32)

CODES = ("T304", "T302")
"""Findings that a map of another size takes away: what is expected, a number of elements."""


class _Model(NamedTuple):
    """A layer that the missing one is made after."""

    channels: int
    """That the missing layer makes."""
    arguments: dict[str, Any]
    said: str


class _Gap(NamedTuple):
    """A node that takes none of the map which one of its inputs gives."""

    node: Node
    position: int
    shape: Shape
    """The map's."""

    @property
    def axes(self) -> int:
        """The number of spatial axes."""
        return len(self.shape) - 2


def candidates(bench: Bench) -> Iterator[Candidate]:
    """A transposed convolution before the node at fault: those whose map it takes."""
    for gap in _gaps(bench):
        yield from islice(_filled(bench, gap), MOST)


def _gaps(bench: Bench) -> Iterator[_Gap]:
    """The smaller inputs of the merge at fault, and the input of what has other sizes than expected."""
    merge = bench.failing_merge
    if merge is not None and not merge.uses:
        yield from _smaller_inputs(bench, merge)

    for code in CODES:
        node = bench.first_with(code)
        if node is None or len(node.inputs) != 1:
            continue
        top = node.uses[0] if node.uses else node.declaration
        (shape,) = bench.trace.input_shapes(node)
        if shape is not None and len(top.inputs or []) < 2:
            yield _Gap(node, 0, shape)


def _smaller_inputs(bench: Bench, merge: Node) -> Iterator[_Gap]:
    """The inputs of a merge that are smaller than the largest, and by no whole factor."""
    shapes = bench.trace.input_shapes(merge)
    known = [shape for shape in shapes if shape is not None and len(shape) > 2]
    if len(known) != len(shapes) or not merge.declaration.inputs:
        return

    largest = max(shape[2:] for shape in known)
    for position, shape in enumerate(known):
        if shape[2:] < largest and factor_of(shape[2:], largest) == 0:
            yield _Gap(merge, position, shape)


def _filled(bench: Bench, gap: _Gap) -> Iterator[Candidate]:
    """The layers that close a gap, the encoder's mirrors first."""
    cls = find_operation(f"ConvTranspose{gap.axes}d")
    if cls is None:
        return
    models: dict[Any, _Model] = {}
    for model in (*_mirrors(bench, gap), *_of_siblings(bench, gap)):
        models.setdefault((model.channels, repr(model.arguments)), model)
    for model in models.values():
        for arguments in _with_rest(model):
            layer = _fitting(bench, gap, cls, model, arguments)
            if layer is None:
                continue
            edits = put_before(gap.node, gap.position, {"op": cls.__name__, **layer})
            top = gap.node.uses[0] if gap.node.uses else gap.node.declaration
            title = f"a layer is missing before {top.name}: {model.said}"
            yield Candidate(title, edits, Kind.REBUILT)
            break


def _mirrors(bench: Bench, gap: _Gap) -> Iterator[_Model]:
    """The strided convolutions of the network turned around, the nearest to the input first."""
    for group in bench.groups():
        node, op = group.first, group.first.op
        before = bench.shape(node.inputs[0])
        if not isinstance(op, Conv) or op.axes != gap.axes or before is None:
            continue
        is_strided = min(per_axis(op.stride, op.axes)) > 1
        if is_strided and not isinstance(op.padding, str):
            found = {"kernel_size": op.kernel_size, "stride": op.stride, "padding": op.padding}
            yield _Model(before[1], found, f"the mirror of {node.shown}")


def _of_siblings(bench: Bench, gap: _Gap) -> Iterator[_Model]:
    """Other strides, with as many strides in kernel and padding as a layer that enlarges has."""
    for group in bench.groups():
        op = group.first.op
        if not isinstance(op, ConvTranspose) or op.axes != gap.axes:
            continue
        own = max(per_axis(op.stride, op.axes))
        for stride in STRIDES:
            found = {"kernel_size": op.kernel_size, "stride": op.stride, "padding": op.padding}
            scaled = {field: _scaled(value, own, stride) for field, value in found.items()}
            if None not in scaled.values():
                said = f"enlarged by {stride}, as {group.first.shown} is"
                yield _Model(op.out_channels, scaled, said)


def _scaled(value: Any, own: int, stride: int) -> Any:
    """A number for another stride; None where it is none."""
    if not isinstance(value, int) or value * stride % own:
        return None
    return value * stride // own


def _with_rest(model: _Model) -> Iterator[dict[str, Any]]:
    """The arguments of a model, with every ``output_padding`` that its stride leaves room for."""
    for rest in range(max(per_axis(model.arguments["stride"], 1))):
        given = {field: value for field, value in model.arguments.items() if value != 0}
        yield {**given, "output_padding": rest} if rest else given


def _fitting(
    bench: Bench, gap: _Gap, cls: type[Any], model: _Model, arguments: dict[str, Any]
) -> dict[str, Any] | None:
    """The layer with channels that the node takes; None where it takes no map of this size."""
    shape = cls(out_channels=1, **arguments).shape(gap.shape)
    for channels in _channels(bench, gap, model, shape):
        if takes(bench, gap.node, gap.position, (shape[0], channels, *shape[2:])):
            return {"out_channels": channels, **arguments}
    return None


def _channels(
    bench: Bench,
    gap: _Gap,
    model: _Model,
    shape: Shape,
) -> list[int]:
    """The channels that may be meant: the model's, those with as many elements as expected, the map's own."""
    found = [model.channels]
    expected = expectation(bench, gap.node)
    if expected is not None and None not in expected:
        rest = math.prod(expected) // max(math.prod(shape), 1)
        found += [rest, *expected[1:2]]
    return [n for n in (*found, gap.shape[1]) if n > 0]
