"""Which map each node holds, and at which level it lies: what a picture of maps is made of.

A node that moves no values between positions or channels (an activation, a norm, dropout) holds the map that it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import NamedTuple

from tracer.drawing.picture import Picture
from tracer.geometry.grids import Grids, grids
from tracer.network.graph import sources
from tracer.network.records import Node
from tracer.ops.convolution import Convolving
from tracer.ops.pooling import Pooling
from tracer.ops.resize import Resizing
from tracer.shapes.trace import Trace

NO_POSITIONS = Fraction(0)
"""The level of a vector that comes of no map with positions."""

Steps = tuple[Fraction, ...]
"""Input pixels per position, along each spatial axis."""


class MapSize(NamedTuple):
    """The size of a map: its channels, and its extent along the axes on which positions lie."""

    channels: tuple[int, ...]
    """Several where channels are in groups; none where it is unknown which dims they are."""
    extent: tuple[int, ...]
    """Empty for a vector."""


class Holding(NamedTuple):
    """What a picture of maps reads of a trace; everything is by the nodes' indexes."""

    trace: Trace
    picture: Picture
    box_of: list[int]
    level_of: list[Fraction]
    steps_of: list[Steps | None]
    places_of: list[tuple[int, ...]]
    """The dims along which positions lie."""
    map_of: list[int]
    """The node that made the map that a node holds: itself, or one that it reads."""
    refines: list[bool]
    """Whether a node's values are those of the map that it reads, position by position and channel by channel."""
    multiplies: list[bool]
    """Whether a node weighs values: a convolution, a linear map, attention."""
    readers: list[list[int]]
    """The nodes that read each node, sizes and indices included."""
    refuses: list[bool]
    """Whether a node's inputs do not fit."""

    def shape(self, node: int) -> tuple[int, ...] | None:
        """The shape of a node's map."""
        return self.trace.by_index[node]

    def size(self, index: int) -> MapSize | None:
        """The size of a node's map; None without a shape."""
        shape = self.shape(index)
        return None if shape is None else map_size(shape, self.places_of[index])

    def node(self, index: int) -> Node:
        """A node by its index."""
        return self.trace.network.nodes[index]

    def is_output(self, index: int) -> bool:
        """Whether a node is an output of the network."""
        outputs = self.trace.network.outputs.values()
        return any(output.index == index for output in outputs)


def holding(
    trace: Trace,
    picture: Picture,
    now: Trace | None = None,
) -> Holding:
    """What each node of a trace holds; ``now``: the one that says what is refused, where that is another."""
    judged = trace if now is None else now
    nodes = trace.network.nodes
    box_of = _boxes(picture, len(nodes))
    readers = _readers(nodes)
    found = grids(trace)
    steps_of = [_steps(own) for own in found]
    refines = [_only_refines(trace, node) for node in nodes]
    return Holding(
        trace=trace,
        picture=picture,
        box_of=box_of,
        level_of=_levels(trace, steps_of),
        steps_of=steps_of,
        places_of=[places_of(own) for own in found],
        map_of=_maps(nodes, refines, box_of, readers),
        refines=refines,
        multiplies=[_products(trace, node) > 0 for node in nodes],
        readers=readers,
        refuses=[judged.is_refused(node) for node in nodes],
    )


def _boxes(picture: Picture, count: int) -> list[int]:
    """The number of the box of each node."""
    box_of = [0] * count
    for number, box in enumerate(picture.boxes):
        for index in box.nodes:
            box_of[index] = number
    return box_of


def _readers(nodes: Sequence[Node]) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in nodes]
    for node in nodes:
        for source in sources(node):
            readers[source.index].append(node.index)
    return readers


def map_size(
    shape: tuple[int, ...],
    places: Sequence[int],
) -> MapSize:
    """The size of a map of which positions lie along some dims; the first of the others is the batch.

    >>> map_size((1, 56, 48, 96), (1, 2))
    MapSize(channels=(96,), extent=(56, 48))
    >>> map_size((1, 10), ())
    MapSize(channels=(10,), extent=())
    """
    others = [dim for dim in range(len(shape)) if dim not in places]
    if places:
        # A map without a batch has its channels first.
        channels = others[1:] or others
        return MapSize(
            tuple(shape[dim] for dim in channels),
            tuple(shape[dim] for dim in places),
        )

    has_one_position = all(n == 1 for n in shape[2:])
    if has_one_position:
        return MapSize(shape[1:2] or shape, shape[2:])
    return MapSize((), shape[1:])


def places_of(own: Grids | None) -> tuple[int, ...]:
    """The dims of a map along which positions lie."""
    return tuple(dim for dim, grid in enumerate(own or ()) if grid is not None)


def _steps(own: Grids | None) -> Steps | None:
    found = [
        Fraction(grid.stride.numerator, grid.stride.denominator)
        for grid in own or ()
        if grid is not None
    ]
    return tuple(found) or None


def _levels(
    trace: Trace,
    steps_of: Sequence[Steps | None],
) -> list[Fraction]:
    """Every node's stride over its axes together.

    Where a map lies on no grid it is its first input's; behind a fault, that as the operation changes it.
    """
    levels: list[Fraction] = []
    for node in trace.network.nodes:
        steps = steps_of[node.index]
        if steps is not None:
            levels.append(prod(steps, start=Fraction(1)))
        elif node.inputs:
            before = levels[node.inputs[0].index]
            levels.append(before * _change(trace, node))
        else:
            levels.append(NO_POSITIONS)
    return levels


SUPPOSED = 64
"""The extent of a map behind a fault, where it matters for its level alone."""


def _change(
    trace: Trace,
    node: Node,
) -> Fraction:
    """The stride of a node behind a fault, over its axes together; 1 where it is unknown."""
    op = trace.ops[node.index]
    changes = isinstance(op, (Convolving, Pooling, Resizing))
    is_behind = trace.by_index[node.index] is None and not trace.is_refused(node)
    if op is None or not changes or not is_behind or node.operands:
        return Fraction(1)

    axes = _axes(trace)
    shape = (1, 1, *[SUPPOSED] * axes)
    windows = [op.window(dim, shape) for dim in range(2, 2 + axes)]
    return prod(
        (Fraction(window.down, window.up) for window in windows if window is not None),
        start=Fraction(1),
    )


def _axes(trace: Trace) -> int:
    """The spatial axes of a network: those of its input of the most dims."""
    shapes = [trace.by_index[node.index] or () for node in trace.network.nodes if node.is_input]
    return max(max(map(len, shapes), default=0) - 2, 0)


def _maps(
    nodes: Sequence[Node],
    refines: Sequence[bool],
    box_of: Sequence[int],
    readers: Sequence[list[int]],
) -> list[int]:
    """The maker of the map that each node holds; a box of its own that refines what others read too has a map."""
    map_of: list[int] = []
    for node in nodes:
        holder = node.index
        if refines[node.index]:
            source = node.inputs[0].index
            is_inside = box_of[source] == box_of[node.index]
            is_alone = len(readers[source]) == 1
            if is_inside or is_alone:
                holder = map_of[source]
        map_of.append(holder)
    return map_of


def _only_refines(
    trace: Trace,
    node: Node,
) -> bool:
    """Whether its map is the one that it reads, position by position and channel by channel."""
    is_single = len(node.inputs) == 1 and not node.operands
    if not is_single or node.inputs[0].is_input:
        return False

    before = trace.by_index[node.inputs[0].index]
    after = trace.by_index[node.index]
    if after is None or before != after or _products(trace, node):
        return False
    return not _looks_around(trace, node)


def _looks_around(
    trace: Trace,
    node: Node,
) -> bool:
    """Whether a position is made of its neighbours."""
    op = trace.ops[node.index]
    shape = trace.by_index[node.inputs[0].index]
    if op is None or shape is None:
        return False
    windows = [op.window(dim, shape) for dim in range(2, len(shape))]
    extents = [window.extent for window in windows if window is not None]
    return any(extent is not None and extent > 1 for extent in extents)


def _products(
    trace: Trace,
    node: Node,
) -> int:
    """The multiply-adds of a node; 0 where they are unknown."""
    op = trace.ops[node.index]
    after = trace.by_index[node.index]
    before = trace.input_shapes(node)
    if op is None or after is None:
        return 0
    known = [shape for shape in before if shape is not None]
    if len(known) < len(before):
        return 0
    products: int = op.macs(after, *known)
    return products
