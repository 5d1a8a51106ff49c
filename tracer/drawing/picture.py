"""A picture as records: a box for each node or folded block, an arrow for each map that one hands to another.

Sizes, positions and formats are others' business: :mod:`tracer.drawing.layout` places the boxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Literal, NamedTuple

import msgspec

from tracer.diagnostics import Diagnostic
from tracer.geometry.grids import Grids, grids
from tracer.network.folding import groups, label
from tracer.network.records import Network, Node
from tracer.ops.merge import Merge
from tracer.shapes.trace import Trace

NOT_EVERY_SIZE = "T305"

Kind = Literal["input", "down", "up", "merge", "level"]
"""The effect of a box on its map: takes it in, makes it coarser or finer, joins several, or keeps its resolution."""


class Box(msgspec.Struct, frozen=True):
    """A node, or a folded block."""

    name: str
    op: str
    """The operation's name, or the block's."""
    section: str
    kind: Kind
    nodes: tuple[int, ...]
    """The indexes of its nodes, in execution order."""
    shape: tuple[int, ...] | None
    """Its last node's; None where it could not be traced."""
    stride: Fraction | None
    """Input pixels per position, multiplied over the spatial axes; None where the map lies on no grid."""
    output: bool
    problems: tuple[Diagnostic, ...]

    @property
    def wrong(self) -> bool:
        """It has an error of its own."""
        return any(d.severity == "error" for d in self.problems)


class Arrow(msgspec.Struct, frozen=True):
    """A map that one box hands to another."""

    source: int
    """The box's number."""
    target: int
    node: int
    """The index of the node that makes the map."""
    reader: int
    """The index of the node that reads it."""
    argument: str | None
    """The argument that takes the map's size or indices; None where the map itself is read."""
    shape: tuple[int, ...] | None
    wrong: bool
    """It is an input of a node that refuses its inputs' sizes."""


class Picture(msgspec.Struct, frozen=True):
    """The boxes in execution order, and the arrows between them."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


class BoxNodes(NamedTuple):
    """What becomes one box."""

    name: str
    op: str
    nodes: list[Node]
    """In execution order."""


def box_nodes(network: Network, depth: int | None) -> list[BoxNodes]:
    """The nodes of each box where blocks are folded at a depth (None: unfolded)."""
    members = groups(network, depth)
    return [BoxNodes(name, label(nodes, name), nodes) for name, nodes in members.items()]


def picture(trace: Trace, found: Sequence[Diagnostic] = (), depth: int | None = 1) -> Picture:
    """The picture of a traced network, its blocks folded at a depth (None: unfolded).

    ``found`` are its findings, each of which is a problem of the box of the node that it is about.
    """
    return picture_of(trace, found, box_nodes(trace.network, depth))


def picture_of(
    trace: Trace,
    found: Sequence[Diagnostic],
    members: Sequence[BoxNodes],
) -> Picture:
    """The picture of a traced network with these boxes."""
    network = trace.network
    box_of = {node.index: number for number, box in enumerate(members) for node in box.nodes}
    problems = _by_box(network, found, box_of)
    strides = [_stride(own) for own in grids(trace)]
    outputs = {node.index for node in network.outputs.values()}

    boxes = []
    for number, (name, op, nodes) in enumerate(members):
        last = nodes[-1]
        box = Box(
            name=name,
            op=op,
            section=last.section,
            kind=_kind(nodes, strides),
            nodes=tuple(node.index for node in nodes),
            shape=trace.by_index[last.index],
            stride=strides[last.index],
            output=any(node.index in outputs for node in nodes),
            problems=tuple(problems.get(number, ())),
        )
        boxes.append(box)

    return Picture(network.name or "network", tuple(boxes), tuple(_arrows(trace, box_of)))


def _arrows(trace: Trace, box_of: dict[int, int]) -> Iterable[Arrow]:
    """Every map that one box hands to another, once for each reader and argument."""
    seen: set[tuple[int, int, str | None]] = set()
    for node in trace.network.nodes:
        read: list[tuple[str | None, Node]] = [(None, source) for source in node.inputs]
        read += node.operands.items()

        for argument, source in read:
            key = (source.index, node.index, argument)
            is_inside = box_of[source.index] == box_of[node.index]
            if is_inside or key in seen:
                continue
            seen.add(key)
            yield Arrow(
                source=box_of[source.index],
                target=box_of[node.index],
                node=source.index,
                reader=node.index,
                argument=argument,
                shape=trace.by_index[source.index],
                wrong=trace.is_refused(node),
            )


def _by_box(
    network: Network, found: Iterable[Diagnostic], box_of: dict[int, int]
) -> dict[int, list[Diagnostic]]:
    """The findings of each box: those about its nodes, and those about no node on the line of one."""
    by_name = {node.name: node.index for node in network.nodes}
    by_line: dict[int, int] = {}
    for node in network.nodes:
        by_line.setdefault(node.span.line, node.index)

    found_at: dict[int, list[Diagnostic]] = {}
    for diagnostic in found:
        # The size that T305 names is another one than the drawn one, where the node may be right.
        if diagnostic.code == NOT_EVERY_SIZE:
            continue

        index = by_name.get(diagnostic.node or "")
        if index is None and diagnostic.span is not None:
            index = by_line.get(diagnostic.span.line)
        if index is not None:
            found_at.setdefault(box_of[index], []).append(diagnostic)
    return found_at


def _stride(own: Grids | None) -> Fraction | None:
    """The stride over the axes together, of those that lie on a grid."""
    steps = [
        (grid.stride.numerator, grid.stride.denominator)
        for grid in own or ()
        if grid is not None
    ]
    return _product(tuple(steps)) if steps else None


@lru_cache(maxsize=1024)
def _product(steps: tuple[tuple[int, int], ...]) -> Fraction:
    """The product of fractions; a network has few strides, and many maps of each."""
    return prod((Fraction(*step) for step in steps), start=Fraction(1))


def _kind(nodes: list[Node], strides: Sequence[Fraction | None]) -> Kind:
    """The effect of a box on its map, by the stride that comes in first and the one that goes out."""
    first, last = nodes[0], nodes[-1]
    if first.is_input:
        return "input"

    if len(nodes) == 1 and _is_merge(last):
        return "merge"

    incoming = [strides[source.index] for source in first.inputs]
    before = next((stride for stride in incoming if stride is not None), None)
    after = strides[last.index]
    if before is None or after is None or after == before:
        return "level"
    return "down" if after > before else "up"


def _is_merge(node: Node) -> bool:
    """It joins several maps; a merge of one input hands it on."""
    return isinstance(node.op, Merge) and len(node.inputs) > 1
