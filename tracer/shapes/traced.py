"""A network with its operations and the shape of every node, and the one walk over them.

Geometry, receptive fields, memory, the exact sets, the page's program, the sweep and the views all
take a :class:`Traced`: they read the same records, whether shapes are of ints or of symbols.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from tracer.network.records import Network, Node
from tracer.ops.base import Op, Requirements, Shape
from tracer.ops.merge import Merge
from tracer.sizing.arithmetic import Dim

Ops = list[Op | None]
"""One operation per node, in execution order, with every ``auto`` filled in; None for an input."""


def requirements_of(
    node: Node, op: Op, ops: Ops, shapes: Sequence[Shape | None], sizes: Mapping[str, Shape]
) -> Requirements:
    """The conditions on the inputs of a node, all of which have shapes, and on what its argument nodes give."""
    inputs: Any = [shapes[source.index] for source in node.inputs]
    yield from op.requirements(*inputs, **sizes)

    source = node.operands.get("indices") if node.operands else None
    pool = None if source is None else ops[source.index]
    if source is None or pool is None:
        return
    pooled = shapes[source.inputs[0].index]
    assert pooled is not None
    yield from op.takes_indices(pool, pooled, *inputs, **sizes)


class Visit:
    """One node on a walk. Where an operation has a shape, so have all that it reads."""

    __slots__ = ("by_index", "node", "op", "shape")

    def __init__(
        self, node: Node, op: Op | None, shape: Shape | None, by_index: Sequence[Shape | None]
    ) -> None:
        self.node = node
        self.op = op
        self.shape = shape
        self.by_index = by_index
        """The shape of every node of the network."""

    @property
    def inputs(self) -> list[Shape]:
        """The shapes of its inputs; one that could not be traced is empty."""
        by_index = self.by_index
        return [by_index[source.index] or () for source in self.node.inputs]

    @property
    def sizes(self) -> dict[str, Shape]:
        """The shapes of the nodes that give an argument, by the argument's name."""
        by_index = self.by_index
        operands = self.node.operands
        return {field: by_index[source.index] or () for field, source in operands.items()}


class Applied(NamedTuple):
    """An operation that has a shape, with all that its methods take."""

    node: Node
    op: Op
    inputs: list[Shape]
    sizes: dict[str, Shape]
    """The shapes of the nodes that give an argument, by the argument's name."""
    shape: Shape

    @property
    def parameters(self) -> Dim:
        """The number of parameters that are learned and are its own: those that nodes share are counted once."""
        return self.op.parameters(*self.inputs) if self.node.has_own_parameters else 0


class Traced:
    """A network, its operations, and the shape of every node: of ints, or of sizes over symbols."""

    def __init__(self, network: Network, ops: Ops, by_index: Sequence[Shape | None]) -> None:
        self.network = network
        self.ops = ops
        self.by_index = by_index
        """The shape of every node, in execution order; None where a node could not be traced."""
        self._visits: list[Visit] | None = None

    def walk(self) -> Sequence[Visit]:
        """Every node in execution order, inputs and nodes without a shape included."""
        if self._visits is None:  # rules, geometry and costs walk one trace several times
            by_index = self.by_index
            nodes = zip(self.network.nodes, self.ops, by_index)
            self._visits = [Visit(node, op, shape, by_index) for node, op, shape in nodes]

        return self._visits

    def visit(self, node: Node) -> Visit:
        """One node as it is met on the walk, for those who look at few."""
        index = node.index
        return Visit(node, self.ops[index], self.by_index[index], self.by_index)

    @cached_property
    def merges(self) -> list[tuple[Node, Merge]]:
        """Every merge with its operation, in execution order."""
        nodes = zip(self.network.nodes, self.ops)
        return [(node, op) for node, op in nodes if isinstance(op, Merge)]

    def applied(self) -> Iterator[Applied]:
        """Every operation that has a shape, in execution order."""
        for visit in self.walk():
            if visit.op is not None and visit.shape is not None:
                yield Applied(visit.node, visit.op, visit.inputs, visit.sizes, visit.shape)

    @property
    def is_complete(self) -> bool:
        """Whether every node has a shape."""
        return None not in self.by_index
