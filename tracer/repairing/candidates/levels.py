"""A layer less: one level too many for the size, a pooling that runs out of positions."""

from __future__ import annotations

from collections.abc import Iterator

from tracer.network.records import Node
from tracer.ops.dropout import Dropout
from tracer.repairing.bench import Bench, Group
from tracer.repairing.candidate import Candidate, Kind
from tracer.source.edits import Edit

MOST = 6


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Each layer that changes the size, left out: those without which the network closes in memory."""
    count = 0
    for group in bench.groups():
        node = group.first
        if not _may_go(bench, group) or not _closes_without(bench, node):
            continue
        yield _without(bench, node)
        count += 1
        if count == MOST:
            return


def _may_go(bench: Bench, group: Group) -> bool:
    """A layer at the top level with one input, which changes the size, and whose name nobody writes."""
    node = group.first
    is_plain = not (node.operands or node.dim_fields or node.uses)
    if len(group.nodes) > 1 or not is_plain or len(node.inputs) != 1:
        return False
    shape, before = bench.shape(node), bench.shape(node.inputs[0])
    if before is None or (shape is not None and shape[2:] == before[2:]):
        return False
    return node.declaration.repeat is None and not bench.is_named(node)


def _closes_without(bench: Bench, node: Node) -> bool:
    """Whether the network closes with the map passed on as it is, channels aside."""
    return bench.closes({node.index: Dropout()})


def _without(bench: Bench, node: Node) -> Candidate:
    name = node.declaration.name
    edits = [Edit((node.section, name), None, removes=True)]
    if node.declaration.inputs:
        # What follows reads what this one read.
        source = node.declaration.inputs[0].value
        for reader in bench.readers.get(node.index, []):
            top = reader.uses[0] if reader.uses else reader.declaration
            edits.append(Edit((reader.section, top.name, "from"), source))
    return Candidate(f"{name} left out", edits, Kind.REBUILT)
