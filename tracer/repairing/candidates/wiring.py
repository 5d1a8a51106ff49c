"""Which nodes a layer reads: a skip that was taken from another level, a name that was mistyped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tracer.network.records import Node
from tracer.ops.base import Shape
from tracer.ops.merge import Merge
from tracer.repairing.bench import Bench, one_or_several
from tracer.repairing.candidate import Candidate, Kind
from tracer.repairing.progress import differing
from tracer.repairing.writing import path_of
from tracer.shapes.trace import dim_value
from tracer.source.edits import Edit
from tracer.source.expressions import ExpressionError

MOST = 6
"""Other sources that are tried for one input."""


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Another node in the place of one input, for the node at fault and the merges that lead to it."""
    nodes: list[Node] = []
    if bench.failing_merge is not None:
        nodes.append(bench.failing_merge)
    for code in ("T304", "T204"):
        node = bench.first_with(code)
        if node is not None:
            nodes += _merges_before(bench, node) if code == "T304" else [node]
    for node in dict.fromkeys(nodes):
        if not node.uses:
            yield from _other_sources(bench, node)


def _merges_before(bench: Bench, node: Node) -> Iterator[Node]:
    """The node where it is a merge, and the merges that lead to it by the decoder's inputs."""
    at = node
    while at.inputs:
        is_merge = len(at.inputs) > 1
        if is_merge:
            yield at
        at = at.inputs[bench.decoder_of(at) if is_merge else 0]


def _other_sources(bench: Bench, node: Node) -> Iterator[Candidate]:
    """Another node in the place of each input in turn."""
    names = bench.written_names(node)
    for position in range(len(names)):
        for name in _fitting_names(bench, node, position):
            changed = [*names[:position], name, *names[position + 1 :]]
            edit = Edit((*path_of(node, node.declaration), "from"), one_or_several(changed))
            yield Candidate(f"from of {node.declaration.name}: {name}", [edit], Kind.SLIP)


def _fitting_names(
    bench: Bench,
    node: Node,
    position: int,
) -> list[str]:
    """The names of nodes that one input could be, the likeliest first."""
    siblings = [other for i, other in enumerate(node.inputs) if i != position]
    fitting = _fitting(bench, node, position, siblings)
    if bench.is_first_of_two and not fitting:
        fitting = _nearer(bench, node, position)

    names = _names(bench, node, fitting)
    outside = [name for name in names if "." not in name]
    if not outside or any("." in name for name in _names(bench, node, siblings)):
        # The inside of a block is named where its siblings' names are inside of one, or nothing else fits.
        return names[:MOST]
    return outside[:MOST]


def _names(
    bench: Bench,
    reader: Node,
    nodes: Sequence[Node],
) -> list[str]:
    """The names of those nodes that a node can name."""
    found = [bench.name_for(node, reader) for node in nodes]
    return [name for name in found if name is not None]


def _fitting(
    bench: Bench,
    node: Node,
    position: int,
    siblings: Sequence[Node],
) -> list[Node]:
    """The nodes whose map is taken in the place of one input, the likeliest first.

    What nothing reads was probably meant, then what is called as its siblings are but for a number, then what does the
    same as they do.
    """
    kinds = {sibling.op_name for sibling in siblings}
    series = {_unnumbered(sibling.shown) for sibling in siblings}
    outputs = {output.index for output in bench.network.outputs.values()}
    here = node.inputs[position].index

    def key(other: Node) -> tuple[bool, bool, bool, int]:
        is_used = bool(bench.readers.get(other.index)) or other.index in outputs
        is_apart = _unnumbered(other.shown) not in series
        return is_used, is_apart, other.op_name not in kinds, abs(other.index - here)

    fitting = []
    for other in bench.before(node):
        is_new = other not in node.inputs and not _is_of_one_block(other, siblings)
        if is_new and takes(bench, node, position, bench.shape(other)):
            fitting.append(other)
    return sorted(fitting, key=key)


def _is_of_one_block(node: Node, siblings: Sequence[Node]) -> bool:
    """Whether a node is made on the way to another input, by the same use of a block."""
    uses = [sibling.uses[0] for sibling in siblings if sibling.uses]
    return bool(node.uses) and any(node.uses[0] is use for use in uses)


def _nearer(
    bench: Bench,
    node: Node,
    position: int,
) -> list[Node]:
    """The nodes whose maps fit better in the place of one input of a merge than what stands there, the best first."""
    inputs: list[Shape | None] = list(bench.trace.input_shapes(node))
    if not isinstance(node.op, Merge) or None in inputs:
        return []

    present = _unlikeness(node, inputs)
    rank = len(inputs[position] or ())
    found = []
    for other in bench.before(node):
        shape = bench.shape(other) or ()
        if len(shape) != rank or other in node.inputs:
            continue

        inputs[position] = shape
        unlikeness = _unlikeness(node, inputs)
        if unlikeness < present:
            found.append((unlikeness, other.index, other))
    return [other for _, _, other in sorted(found)]


def _unlikeness(node: Node, inputs: Sequence[Shape | None]) -> tuple[int, int]:
    """The number of dims in which the inputs of a merge differ, and by how much altogether."""
    apart = [n for n in differing(node, inputs) if n]
    return len(apart), sum(apart)


def _unnumbered(name: str) -> str:
    """A name without its numbers: of ``side1`` and ``side2`` the same."""
    return re.sub(r"\d+", "", name)


def takes(
    bench: Bench,
    node: Node,
    position: int,
    shape: Any,
) -> bool:
    """Whether a node takes a map of this shape as one of its inputs, and gives what is expected of it.

    What comes first of two changes may leave another shape than expected.
    """
    op = bench.trace.ops[node.index]
    inputs: list[Any] = list(bench.trace.input_shapes(node))
    inputs[position] = shape
    if op is None or None in inputs or node.operands:
        return False
    if not all(requirement.holds is True for requirement in op.requirements(*inputs)):
        return False
    return bench.is_first_of_two or is_expected(bench, node, op.shape(*inputs))


def is_expected(bench: Bench, node: Node, shape: Sequence[int]) -> bool:
    """Whether a shape is the one that a node is expected to have; True where nothing is expected."""
    expected = expectation(bench, node)
    if expected is None:
        return True
    is_alike = all(a is None or a == b for a, b in zip(expected, shape))
    return is_alike and len(expected) == len(shape)


def expectation(bench: Bench, node: Node) -> Shape | None:
    """The shape that a node is expected to have, None for any; None where nothing is said, or not as numbers."""
    given = node.expect
    for name, expected in bench.network.output_expect.items():
        if bench.network.outputs.get(name) is node:
            given = given or expected
    if given is None:
        return None
    try:
        return tuple(dim_value(dim, bench.sizes) for dim in given[0])
    except ExpressionError:
        return None
