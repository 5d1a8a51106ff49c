"""What running a network keeps in memory: autograd's maps in training, and the peak of a run without it.

What counts is storage: views and what is written in place have their input's. The figures are those of torch on the
CPU in the maps' own type; what a kernel needs while it runs is not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from tracer.costs.operations import DTYPE_BYTES
from tracer.network.records import Network, Node
from tracer.ops.base import Op, Shape
from tracer.ops.merge import Merge
from tracer.ops.rearrange import contiguous
from tracer.shapes.trace import Trace
from tracer.shapes.traced import Traced
from tracer.sizing.arithmetic import Dim

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


class Part(NamedTuple):
    """Values of one storage, or some that no map holds."""

    count: Dim
    indices: bool = False
    """Whether they are indices and not of the maps' type."""


class Step(NamedTuple):
    """One call of torch without autograd, or what it is made of: what it makes, and what nobody reads after it."""

    node: int
    made: list[Part]
    freed: list[Part]


class Ledger(NamedTuple):
    """What is kept and made and freed, on ints, arrays of them, or symbols."""

    kept: list[Part]
    """What autograd keeps, each storage once."""
    steps: list[Step]

    def training(self, width: int) -> Dim:
        return sum(_bytes(part, width) for part in self.kept)

    def alive(self, width: int) -> Iterator[tuple[int, Any]]:
        """The bytes that are alive while each step runs, with the number of its node."""
        total: Any = 0
        for node, made, freed in self.steps:
            for part in made:
                total = total + _bytes(part, width)
            yield node, total
            for part in freed:
                total = total - _bytes(part, width)

    def evaluated(self, value: Callable[[Dim], Any]) -> Ledger:
        """The same with every count's value."""

        def parts(of: list[Part]) -> list[Part]:
            return [Part(value(part.count), part.indices) for part in of]

        return Ledger(
            parts(self.kept),
            [Step(node, parts(made), parts(freed)) for node, made, freed in self.steps],
        )


def _bytes(part: Part, width: int) -> Any:
    return part.count * (INDEX_BYTES if part.indices else width)


def memory(trace: Trace, dtype: str = "float32") -> Memory | None:
    """The memory of a traced network; None where a node could not be traced."""
    if not trace.is_complete:
        return None
    width = DTYPE_BYTES[dtype]
    found = ledger(trace)
    node, peak = max(found.alive(width), key=itemgetter(1))
    return Memory(found.training(width), peak, trace.network.nodes[node].name)


def ledger(traced: Traced) -> Ledger:
    """The ledger of a network whose every node has a shape, of ints or of symbols.

    Raises TypeError where symbols do not decide what is a view or what is kept.
    """
    calls = [Call(v.node, v.op, v.inputs, v.shape or ()) for v in traced.walk()]
    return Ledger(_kept(calls), _lives(traced.network, calls))


class Call(NamedTuple):
    """A node with its inputs' shapes and its own."""

    node: Node
    op: Op | None
    x: list[Shape]
    y: Shape


def _owners(calls: Sequence[Call], *, training: bool) -> list[int]:
    """For every map the index of the node in whose storage it lies."""
    found: list[int] = []
    strides: list[Shape] = []
    for node, op, x, y in calls:
        own, step = node.index, contiguous(y)
        if op is not None and node.inputs:
            source = node.inputs[0].index
            if op.passes_on(training):
                own, step = found[source], strides[source]
            elif (view := op.viewed(x[0], strides[source], y)) is not None:
                own, step = found[source], view
        found.append(own)
        strides.append(step)
    return found


def _kept(calls: Sequence[Call]) -> list[Part]:
    """What autograd keeps. A map needs a gradient behind the first parameter."""
    owner = _owners(calls, training=True)
    needs: list[bool] = []
    storages: dict[Storage, None] = {}
    found: list[Part] = []
    for node, op, x, y in calls:
        if op is None:
            needs.append(False)
            continue
        asked = [needs[source.index] for source in node.inputs]
        learns = op.parameters(*x)
        needs.append(any(asked) or (learns.__class__ is not int or learns > 0))
        kept = op.kept(y, asked, *x)
        storages |= {(owner[node.inputs[i].index], MAP): None for i in kept.inputs}
        if kept.output:
            storages[owner[node.index], MAP] = None
        if kept.values.__class__ is not int or kept.values:
            found.append(Part(kept.values))
        if kept.indices.__class__ is not int or kept.indices:
            storages[node.index, INDICES] = None
        pool = node.operands.get("indices")
        if pool is not None and any(asked):
            storages[pool.index, INDICES] = None
    for index, what in storages:
        _, op, _, y = calls[index]
        if what == INDICES or op is None or _makes_map(op):
            found.append(Part(prod(y), what == INDICES))
    return found


def _makes_map(op: Op) -> bool:
    """Whether its output is a map, and no tensor of the module's."""
    return op.arity != (0, 0)


class Touch(NamedTuple):
    """The storages that one step reads, and those that it makes."""

    node: Node
    reads: list[Storage]
    makes: dict[Storage, Part]


def _touched(network: Network, calls: Sequence[Call], owner: Sequence[int]) -> Iterator[Touch]:
    """The steps of a run without autograd, in order."""
    pooled = {
        node.operands["indices"].index for node in network.nodes if "indices" in node.operands
    }
    for node, op, x, y in calls:
        reads: list[Storage] = [(owner[source.index], MAP) for source in node.inputs]
        for field, source in node.operands.items():
            if field == "indices":
                reads.append((source.index, INDICES))
            else:  # its size alone is asked for, before the call
                yield Touch(node, [(owner[source.index], MAP)], {})
        own: dict[Storage, Part] = {}
        if owner[node.index] == node.index and (op is None or _makes_map(op)):
            own[node.index, MAP] = Part(prod(y))
        if node.index in pooled:
            own[node.index, INDICES] = Part(prod(y), indices=True)
        if op is not None:
            more = op.beside(y, *x)
            if more.__class__ is not int or more:
                own[node.index, MADE] = Part(more)
        made, enlarges = (
            (op.made_first(y, *x), op.enlarges_first(*x)) if isinstance(op, Merge) else ([], False)
        )
        for number, size in enumerate(made):
            part: Storage = (node.index, f"{MADE} {number}")
            taken = reads[:1] if number == 0 and enlarges else reads[:2]
            yield Touch(node, taken, {part: Part(size)})
            reads = [part, *reads[len(taken) :]]
        yield Touch(node, reads, own)


def _lives(network: Network, calls: Sequence[Call]) -> list[Step]:
    """The steps, with what is freed after each: what no later one reads, the caller's inputs and outputs excepted."""
    owner = _owners(calls, training=False)
    touched = list(_touched(network, calls, owner))
    last: dict[Storage, int] = {}
    for number, step in enumerate(touched):
        for storage in (*step.reads, *step.makes):
            last[storage] = number
    for node in (*network.outputs.values(), *(node for node in network.nodes if node.is_input)):
        last[owner[node.index], MAP] = len(touched)
    alive: dict[Storage, Part] = {}
    found = []
    for number, step in enumerate(touched):
        alive |= step.makes
        done = dict.fromkeys(
            s for s in (*step.reads, *step.makes) if last[s] == number and s in alive
        )
        found.append(
            Step(
                step.node.index, list(step.makes.values()), [alive.pop(storage) for storage in done]
            )
        )
    return found
