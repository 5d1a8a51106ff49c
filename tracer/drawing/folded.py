"""How far a picture is folded: as a depth says, and further where it would have more boxes than can be drawn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracer.diagnostics import Diagnostic
from tracer.drawing.picture import BoxNodes, Picture, box_nodes, picture_of
from tracer.network.records import Network, Node
from tracer.shapes.trace import Trace

BOXES = 10_000
"""Boxes of a picture, at most."""

RUNS = 300
"""Boxes where layers that follow each other become one: as many as maps are drawn of, with room for inputs."""


class FoldedPicture(NamedTuple):
    """A picture, and what is to be said of how it is folded."""

    picture: Picture
    notes: tuple[str, ...] = ()


def folded_picture(
    trace: Trace,
    found: Sequence[Diagnostic],
    depth: int | None,
) -> FoldedPicture:
    """The picture at a depth (None: unfolded), or as far unfolded as there is room."""
    network = trace.network
    if len(network.nodes) <= BOXES:
        return FoldedPicture(picture_of(trace, found, box_nodes(network, depth)))

    names = _names(network, depth)
    fitting = _fitting(names, BOXES)
    wanted = max(map(len, names))
    if fitting == wanted:
        return FoldedPicture(picture_of(trace, found, box_nodes(network, fitting)))

    boxes = f"{_count(names, wanted):,} boxes are more than the {BOXES:,} that are drawn"
    if fitting:
        shown = picture_of(trace, found, box_nodes(network, fitting))
        return FoldedPicture(shown, (f"folded to depth {fitting}, for {boxes}",))
    shown = picture_of(trace, found, list(_runs(network.nodes)))
    return FoldedPicture(shown, (f"layers that follow each other are one box, for {boxes}",))


def depth_of_few(network: Network, depth: int | None, most: int) -> int:
    """The depth, up to one, to which a network can be unfolded and has at most so many boxes; 0 for none."""
    return _fitting(_names(network, depth), most)


def _names(network: Network, depth: int | None) -> list[list[str]]:
    """The parts of each node's dotted name, up to a depth."""
    return [node.name.split(".")[:depth] for node in network.nodes]


def _fitting(names: Sequence[Sequence[str]], most: int) -> int:
    """The largest depth with at most so many boxes: there are no fewer of them at a larger one."""
    depths = range(1, max(map(len, names)) + 1)
    return bisect_right(depths, most, key=lambda depth: _count(names, depth))


def _count(names: Sequence[Sequence[str]], depth: int) -> int:
    return len({".".join(parts[:depth]) for parts in names})


def _runs(nodes: Sequence[Node]) -> Iterator[BoxNodes]:
    """The inputs, and of the other nodes as many together as follow each other in one of so many boxes."""
    others = []
    for node in nodes:
        if node.is_input:
            yield BoxNodes(node.name, node.op_name, [node])
        else:
            others.append(node)

    each = -(-len(others) // RUNS)
    for start in range(0, len(others), each):
        run = others[start : start + each]
        name = f"{run[0].name} … {run[-1].name}"
        yield BoxNodes(name, f"{len(run):,} layers", run)
