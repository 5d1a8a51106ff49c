"""How far a network comes before it is refused: a change that leads further takes the first of several faults away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tracer.diagnostics import Diagnostic
from tracer.network.records import DimPattern, Network, Node
from tracer.ops.base import Shape
from tracer.ops.merge import Concat
from tracer.shapes.trace import Trace, dim_value
from tracer.source.expressions import ExpressionError


class Progress(NamedTuple):
    """The first refusal of a network; what comes further compares as more."""

    node: int
    """The place of the node that is refused in the order of execution; beyond the last one where none is."""
    right: int
    """The number of dims that are wrong there, negative."""
    near: int
    """By how much they are wrong altogether, negative."""


def end_of(network: Network) -> Progress:
    """That of a network in which nothing is refused."""
    return Progress(len(network.nodes), 0, 0)


def progress_of(trace: Trace) -> Progress:
    """That of a traced network."""
    return progress(
        trace.network,
        trace.sizes,
        trace.by_index,
        trace.diagnostics,
    )


def progress(
    network: Network,
    sizes: Mapping[str, int],
    shapes: Sequence[Shape | None],
    found: Sequence[Diagnostic],
) -> Progress:
    """How far a network comes, of which some shapes and findings are known."""
    nodes = [network.names[one.node] for one in found if one.node in network.names]
    if not nodes:
        return end_of(network)

    node = min(nodes, key=lambda one: one.index)
    apart = [n for n in _apart(network, node, sizes, shapes) if n]
    return Progress(node.index, -len(apart), -sum(apart))


def _apart(
    network: Network,
    node: Node,
    sizes: Mapping[str, int],
    shapes: Sequence[Shape | None],
) -> Iterator[int]:
    """By how much a node's inputs differ in each dim, or its shape from what is expected."""
    shape = shapes[node.index]
    if shape is None:
        yield from differing(node, [shapes[source.index] for source in node.inputs])
        return

    for pattern in _expected(network, node):
        if len(pattern) == len(shape):
            for dim, n in zip(pattern, shape):
                yield _beside(dim, n, sizes)


def differing(node: Node, inputs: Sequence[Shape | None]) -> Iterator[int]:
    """By how much the maps that a node would read differ in each dim, but for that in which it joins them."""
    known = [shape for shape in inputs if shape is not None]
    joined = node.op.dim if isinstance(node.op, Concat) else None

    for dim, sizes in enumerate(zip(*known)):
        if dim != joined:
            yield max(sizes) - min(sizes)


def _expected(network: Network, node: Node) -> Iterator[Sequence[DimPattern]]:
    """The shapes that are expected of a node, at its place and as an output."""
    if node.expect is not None:
        yield node.expect[0]

    for name, (pattern, _) in network.output_expect.items():
        if network.outputs.get(name) is node:
            yield pattern


def _beside(
    dim: DimPattern,
    n: int,
    sizes: Mapping[str, int],
) -> int:
    """By how much a dim is another one than expected; any is right where nothing is said."""
    if dim is None:
        return 0
    try:
        return abs(int(dim_value(dim, sizes)) - n)
    except ExpressionError:
        return 1
