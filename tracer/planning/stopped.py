"""What is known of a network that stops: where, and how many parameters it has at least."""

from __future__ import annotations

from typing import NamedTuple

from tracer.network.records import Network
from tracer.shapes.trace import Trace
from tracer.shapes.traced import Ops, Traced

MOST_NODES = 5_000
"""Of networks with more nodes, what comes behind the stop is not looked at."""


class Stopped(NamedTuple):
    """A trace that has no shape from a node on."""

    at: str
    """The first node without a shape."""
    params: int
    """Parameters of the nodes without a shape that no size decides: the network has at least so many more."""


def stopped(trace: Trace) -> Stopped | None:
    """Where a trace stops; None where every node has a shape.

    >>> import tracer
    >>> net = tracer.loads('''
    ... input: [N, 1, H]
    ... sizes: {N: 1, H: 9}
    ... layers:
    ...   half: {op: Conv1d, out_channels: 2, kernel_size: 2, stride: 2}
    ...   twice: {op: Upsample, scale_factor: 2}
    ...   cat: {op: Concat, from: [twice, input]}
    ...   mix: {op: Conv1d, out_channels: 1, kernel_size: 1}
    ... ''')
    >>> stopped(net.trace())
    Stopped(at='cat', params=4)
    """
    without = [
        node for node, shape in zip(trace.network.nodes, trace.by_index) if shape is None
    ]
    if not without:
        return None

    known = 0
    if len(trace.network.nodes) <= MOST_NODES:
        known = _known_params(trace, {node.index for node in without})
    return Stopped(without[0].name, known)


def _known_params(trace: Trace, numbers: set[int]) -> int:
    """The parameters of some nodes that are numbers whatever the symbols are, or all dims of the inputs."""
    # A network that runs does not import it.
    from tracer.planning.working_sizes import with_every_dim_open

    network = trace.network
    opened = with_every_dim_open(network)
    return max(_known_of(each, trace.ops, numbers) for each in (network, opened))


def _known_of(network: Network, ops: Ops, numbers: set[int]) -> int:
    from tracer.shapes.recipe import recipe_of

    recipe = recipe_of(network, ops, contracts=False)
    shapes = [recipe.shape(node) for node in network.nodes]

    known = 0
    for applied in Traced(network, recipe.ops, shapes).applied():
        if applied.node.index not in numbers:
            continue
        try:
            count = applied.parameters
        except TypeError:  # a size decides it
            continue
        if isinstance(count, int):
            known += count
    return known
