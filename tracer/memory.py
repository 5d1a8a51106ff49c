"""Floor 7: what running a network keeps in memory: autograd's maps in training, and the peak of a run without it.

What counts is storage: views and what is written in place have their input's. The figures are those of torch on the
CPU in the maps' own type; what a kernel needs while it runs is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import msgspec

from tracer.cost import DTYPE_BYTES
from tracer.network.records import Node
from tracer.ops.base import Op, Shape
from tracer.ops.merge import Merge
from tracer.ops.rearrange import contiguous
from tracer.trace import Trace

INDEX_BYTES = 8
"""Of one index of a max pooling."""

Storage = tuple[int, str]
"""Whose it is: a node's index, and what of it."""

MAP, INDICES, MADE = "map", "indices", "made"


class Memory(msgspec.Struct, frozen=True):
    """Bytes of one run, parameters not among them."""

    training: int
    """What autograd keeps from a forward pass in training to the backward pass, each storage once."""
    inference: int
    """The most that is alive at once without autograd, from a map's making to its last reader; inputs to the end."""
    peak: str
    """The node at which that is."""


def memory(trace: Trace, dtype: str = "float32") -> Memory | None:
    """The memory of a traced network; None where a node could not be traced."""
    if any(y is None for y in trace.by_index):
        return None
    width = DTYPE_BYTES[dtype]
    peak, node = _peak(trace, width)
    return Memory(_kept(trace, width), peak, node)


def _owners(trace: Trace, *, training: bool) -> list[int]:
    """For every map the index of the node in whose storage it lies."""
    found: list[int] = []
    strides: list[Shape] = []
    shapes = trace.by_index
    for node, op, y in zip(trace.network.nodes, trace.ops, shapes):
        assert y is not None
        own, step = node.index, contiguous(y)
        if op is not None and node.inputs:
            source = node.inputs[0].index
            if op.passes_on(training):
                own, step = found[source], strides[source]
            elif (view := op.viewed(shapes[source] or (), strides[source], y)) is not None:
                own, step = found[source], view
        found.append(own)
        strides.append(step)
    return found


def _traced(trace: Trace) -> Iterator[tuple[Node, Op | None, list[Shape], Shape]]:
    shapes = trace.by_index
    for node, op, y in zip(trace.network.nodes, trace.ops, shapes):
        yield node, op, [shapes[source.index] or () for source in node.inputs], y or ()


def _kept(trace: Trace, width: int) -> int:
    """What autograd keeps. A map needs a gradient behind the first parameter."""
    owner = _owners(trace, training=True)
    needs: list[bool] = []
    storages: set[Storage] = set()
    numbers = indices = 0
    for node, op, x, y in _traced(trace):
        if op is None:
            needs.append(False)
            continue
        asked = [needs[source.index] for source in node.inputs]
        needs.append(any(asked) or op.parameters(*x) > 0)
        found = op.kept(y, asked, *x)
        storages |= {(owner[node.inputs[i].index], MAP) for i in found.inputs}
        if found.output:
            storages.add((owner[node.index], MAP))
        numbers += found.values
        if found.indices:
            storages.add((node.index, INDICES))
        pool = node.operands.get("indices")
        if pool is not None and any(asked):
            storages.add((pool.index, INDICES))
    for index, what in storages:
        op, y = trace.ops[index], trace.by_index[index] or ()
        if what == INDICES:
            indices += prod(y)
        elif op is None or _makes_map(op):
            numbers += prod(y)
    return numbers * width + indices * INDEX_BYTES


def _makes_map(op: Op) -> bool:
    """Whether its output is a map, and no tensor of the module's."""
    return op.arity != (0, 0)


class Step(NamedTuple):
    """One call of torch: the storages that it reads and those that it makes, in bytes."""

    node: Node
    reads: list[Storage]
    makes: dict[Storage, int]


def _steps(trace: Trace, owner: Sequence[int], width: int) -> Iterator[Step]:
    """The calls of a run without autograd, in order."""
    pooled = {node.operands["indices"].index for node in trace.network.nodes if "indices" in node.operands}
    for node, op, x, y in _traced(trace):
        reads: list[Storage] = [(owner[source.index], MAP) for source in node.inputs]
        for field, source in node.operands.items():
            if field == "indices":
                reads.append((source.index, INDICES))
            else:  # its size alone is asked for, before the call
                yield Step(node, [(owner[source.index], MAP)], {})
        own: dict[Storage, int] = {}
        if owner[node.index] == node.index and (op is None or _makes_map(op)):
            own[node.index, MAP] = prod(y) * width
        if node.index in pooled:
            own[node.index, INDICES] = prod(y) * INDEX_BYTES
        if op is not None and (more := op.beside(y, *x)):
            own[node.index, MADE] = more * width
        made, enlarges = (op.made_first(y, *x), op.enlarges_first(*x)) if isinstance(op, Merge) else ([], False)
        for number, size in enumerate(made):
            part: Storage = (node.index, f"{MADE} {number}")
            taken = reads[:1] if number == 0 and enlarges else reads[:2]
            yield Step(node, taken, {part: size * width})
            reads = [part, *reads[len(taken) :]]
        yield Step(node, reads, own)


def _peak(trace: Trace, width: int) -> tuple[int, str]:
    """The most that is alive at once, and the node that is run then."""
    owner = _owners(trace, training=False)
    steps = list(_steps(trace, owner, width))
    last: dict[Storage, int] = {}
    for number, step in enumerate(steps):
        for storage in (*step.reads, *step.makes):
            last[storage] = number
    held = [*trace.network.outputs.values(), *(node for node in trace.network.nodes if node.is_input)]
    for node in held:  # the caller has the inputs, and gets the outputs
        last[owner[node.index], MAP] = len(steps)
    alive: dict[Storage, int] = {}
    total, most, at = 0, -1, ""
    for number, step in enumerate(steps):
        alive |= step.makes
        total += sum(step.makes.values())
        if total > most:
            most, at = total, step.node.name
        for storage in (*step.reads, *step.makes):
            if last[storage] == number:
                total -= alive.pop(storage, 0)
    return most, at
