"""Arguments that are given to the planner: the values next to the present ones with which the network closes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tracer.net import Net
from tracer.network.records import Node
from tracer.ops.base import per_axis, with_arguments
from tracer.ops.convolution import ConvTranspose
from tracer.ops.pooling import Pooling
from tracer.ops.unpooling import MaxUnpool
from tracer.planning.problem import problem_of
from tracer.planning.search import TooManyValues
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate, Kind, Oddness
from tracer.repairing.natural import is_natural
from tracer.repairing.writing import Path, path_of, plan_edits
from tracer.source.edits import Edit, EditError


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Values of the layers that enlarge, those near the fault first; none beside autos that are too many to search."""
    if bench.first_with("T006") is not None:
        bench.left_out = True
        return
    ups = list(filter(is_up_layer, bench.network.nodes))
    near = [node for node in ups if leads_to_fault(bench, node)] or ups
    is_solved = False
    for candidate in solved(bench, near, "output_padding", kind=Kind.SOLVED):
        is_solved = True
        yield candidate
    if bench.is_large:
        bench.left_out = True
        return
    if near != ups:
        yield from solved(bench, ups, "output_padding", kind=Kind.SOLVED)

    pools = list(filter(_rounds_down, bench.network.nodes))
    yield from solved(bench, pools, "ceil_mode")
    if is_solved:
        # Nothing that changes more arguments of the same layers is nearer to what they have.
        return
    for fields in (("padding",), ("kernel_size",), ("kernel_size", "padding"), ("stride",)):
        yield from solved(bench, near, *fields, also="output_padding")


def is_up_layer(node: Node) -> bool:
    """A transposed convolution whose size is not given by another node."""
    return isinstance(node.op, ConvTranspose) and not node.operands


def is_unpooling(node: Node) -> bool:
    """A max unpooling whose size is not given by another node."""
    return isinstance(node.op, MaxUnpool) and "output_size" not in node.operands


def _rounds_down(node: Node) -> bool:
    """A pooling that leaves out a last window that is not full."""
    return isinstance(node.op, Pooling) and not node.op.ceil_mode


def leads_to_fault(bench: Bench, node: Node) -> bool:
    """The first merge behind a layer is at fault, or a layer before it."""
    if bench.is_at_fault(node):
        return True
    at, seen = node, {node.index}
    while len(following := bench.readers.get(at.index, [])) == 1:
        at = following[0]
        if at.index in seen:
            return False
        seen.add(at.index)
        if bench.is_at_fault(at):
            return True
        if len(at.inputs) > 1:
            return False
    return False


class OpenedArgument(NamedTuple):
    """An argument that is given to the planner, and the value that it has."""

    node: Node
    field: str
    present: Any

    @property
    def path(self) -> Path:
        """Its place in the document."""
        return (*path_of(self.node, self.node.declaration), self.field)


def solved(
    bench: Bench,
    layers: Sequence[Node],
    *fields: str,
    also: str | None = None,
    kind: Kind = Kind.REBUILT,
) -> Iterator[Candidate]:
    """Open some arguments of some layers, and let the planner find the values next to the present ones."""
    if also is not None:
        fields = (*fields, also)
    opened = [
        OpenedArgument(node, field, getattr(node.op, field))
        for node in layers
        for field in fields
        if _can_be_opened(node, field)
    ]
    edits = _planned(bench, opened) if opened else []
    if edits:
        what = " and ".join(dict.fromkeys(str(edit.path[-1]) for edit in edits))
        oddness = _oddness(opened, edits)
        if oddness == Oddness.NATURAL:
            kind = min(kind, Kind.SLIP)
        yield Candidate(f"{what} of {named(edits)}", edits, kind, oddness)


def _oddness(opened: Sequence[OpenedArgument], edits: Sequence[Edit]) -> Oddness:
    """Natural where odd layers become natural, all that are changed; else nothing is known of it."""
    values = {edit.path: edit.value for edit in edits}
    given: dict[Node, dict[str, Any]] = {}
    for one in opened:
        if one.path in values:
            given.setdefault(one.node, {})[one.field] = values[one.path]

    for node, arguments in given.items():
        op = node.op
        if op is None or is_natural(op):
            return Oddness.UNKNOWN
        if not is_natural(with_arguments(op, arguments)):
            return Oddness.UNKNOWN
    return Oddness.NATURAL if given else Oddness.UNKNOWN


def _can_be_opened(node: Node, field: str) -> bool:
    """The operation's argument may be solved, and is not an ``auto`` already."""
    is_auto = any(unknown.field == field for unknown in node.unknowns)
    return node.op is not None and field in node.op.solvable and not is_auto


def _planned(bench: Bench, opened: list[OpenedArgument]) -> list[Edit]:
    """The values that the planner finds next to the present ones, as far as they are others."""
    edits = {one.path: Edit(one.path, _domain(one)) for one in opened}
    made = bench.loaded(list(edits.values()))
    if made is None:
        return []

    # What was auto before stays so, and so does what has its value already.
    present = {one.path: one.present for one in opened}
    if _is_refuted(bench, made[1]):
        return []
    found = [edit for edit in _solution(made[1], opened) if edit.path in present]
    return [edit for edit in found if not is_alike(present[edit.path], edit.value)]


def _solution(net: Net, opened: Sequence[OpenedArgument]) -> list[Edit]:
    """The values of every ``auto`` as edits, next to the present ones; none where there is no plan."""
    net.network.preferred = {(one.node.name, one.field): one.present for one in opened}
    solution = Net(net.network, explain_plan=False).solution()
    if not solution.solved:
        return []
    try:
        # What they come to is tried on the bench.
        edits, _ = plan_edits(net.network, solution.ops)
        return edits
    except EditError:
        return []


def _is_refuted(bench: Bench, net: Net) -> bool:
    """Whether no values take the first fault away: the planner would work out why, which nobody reads here."""
    problem = problem_of(net.network, bench.sizes)
    if not problem.symbolic or problem.strict:
        return False

    failed = problem.recipe.failed
    if failed is not None:
        return failed.index <= bench.first_fault
    try:
        return problem.solve().values is None
    except TooManyValues:
        return False


def _domain(opened: OpenedArgument) -> str:
    """The values that are worth a try: those next to the present one."""
    field = opened.field
    if field in ("output_padding", "ceil_mode"):
        return "auto"
    op = opened.node.op
    assert op is not None
    values = per_axis(opened.present, int(getattr(op, "axes", 1)))
    least = max(min(values) - 2, op.solvable[field].least)
    return f"auto({least}..{max(values) + 3})"


def is_alike(present: Any, value: Any) -> bool:
    """The two values are the same, a number being one for every axis."""
    return bool(single(present) == single(value))


def single(value: Any) -> Any:
    """One number where every axis has the same.

    >>> single((2, 2)), single((1, 2)), single(3)
    (2, (1, 2), 3)
    """
    is_one = isinstance(value, tuple) and len(set(value)) == 1
    return value[0] if is_one else value


def named(edits: Sequence[Edit]) -> str:
    """The layers that edits are about, once each."""
    names = [str(edit.path[-2]) for edit in edits]
    return ", ".join(dict.fromkeys(names))
