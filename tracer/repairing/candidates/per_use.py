"""One value for each use of a block, where one for all of them cannot serve: it becomes an argument of the block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tracer.net import Net
from tracer.network.records import Node
from tracer.repairing.bench import Bench, Group
from tracer.repairing.candidate import Candidate, Kind
from tracer.repairing.candidates.solved import is_up_layer, single
from tracer.repairing.writing import Path
from tracer.source.edits import Edit

FIELD = "output_padding"


def candidates(bench: Bench) -> Iterator[Candidate]:
    """``output_padding`` of the layers of a block that enlarge, a value for each use."""
    ups = [node for node in bench.network.nodes if is_up_layer(node) and len(node.uses) == 1]
    shared = [group for group in bench.groups(ups) if len(group.nodes) > 1]
    for group in shared:
        found = _handed_in(bench, group)
        if found is not None:
            yield found


def _handed_in(bench: Bench, group: Group) -> Candidate | None:
    """The value as an argument of the block, which each use gives as it needs it."""
    node = group.first
    block = node.uses[0].op.value
    uses = [_use_of(one) for one in group.nodes]
    if not _is_one_number(node) or len(set(uses)) < len(uses):
        return None

    default = single(getattr(node.op, FIELD))
    structure = [
        Edit(("blocks", block, "args", FIELD), default),
        group.edit(FIELD, f"${{{FIELD}}}"),
    ]
    values = _solved(bench, group, [*structure, *(Edit(use, "auto") for use in uses)])
    given = [Edit(use, value) for use, value in zip(uses, values) if value != default]
    if not given:
        return None
    names = ", ".join(str(edit.path[-2]) for edit in given)
    what = f"{FIELD} of {node.declaration.name} as an argument of {block}"
    return Candidate(f"{what}, another one for {names}", [*structure, *given], Kind.SLIP)


def _is_one_number(node: Node) -> bool:
    """Whether the argument is left out, or written as one number, for all uses."""
    is_auto = any(unknown.field == FIELD for unknown in node.unknowns)
    is_written = FIELD in node.declaration.arguments
    return not is_auto and (not is_written or isinstance(getattr(node.op, FIELD, None), int))


def _solved(
    bench: Bench,
    group: Group,
    edits: Sequence[Edit],
) -> list[Any]:
    """The values that the planner finds for the uses; none where there are none."""
    made = bench.loaded(edits)
    if made is None:
        return []
    solution = Net(made[1].network, explain_plan=False).solution()
    return _values(made[1], group.nodes, solution.ops) if solution.solved else []


def _use_of(node: Node) -> Path:
    """The place of the argument at the use of the block."""
    return (node.section, node.uses[0].name, FIELD)


def _values(
    net: Net,
    nodes: Sequence[Node],
    ops: Sequence[Any],
) -> list[Any]:
    """The value that the planner found for each of some nodes, by their names."""
    by_name = {node.name: op for node, op in zip(net.network.nodes, ops)}
    return [single(getattr(by_name[node.name], FIELD)) for node in nodes]
