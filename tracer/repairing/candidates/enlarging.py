"""Other kernels of a layer that enlarges: the same size, with taps that cover every position alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any, NamedTuple

from tracer.ops.base import per_axis, with_arguments
from tracer.ops.convolution import ConvTranspose
from tracer.repairing.bench import Bench, Group
from tracer.repairing.candidate import Candidate, Kind
from tracer.repairing.candidates.solved import is_up_layer, leads_to_fault

MOST = 4
"""Kernels of one layer that are tried as texts."""

KERNELS = range(1, 8)


class _Form(NamedTuple):
    """The arguments of a transposed convolution that decide its size beside the stride."""

    kernel_size: int
    padding: int
    output_padding: int

    def distance(self, other: _Form) -> int:
        """The sum of the differences."""
        return sum(abs(a - b) for a, b in zip(self, other))


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Kernel, padding and output_padding of each transposed convolution near the fault, the nearest first."""
    ups = list(filter(is_up_layer, bench.network.nodes))
    near = [node for node in ups if leads_to_fault(bench, node)]
    if bench.aim is not None and bench.aim.code == "T505":
        yield from islice(_last_rows(bench, bench.groups(ups)), MOST)
    for group in bench.groups(near):
        present = _present(group)
        if present is not None and (bench.aim is not None or _keeps_size(group)):
            yield from islice(_others(bench, group, present), MOST)


def _last_rows(bench: Bench, groups: list[Group]) -> Iterator[Candidate]:
    """Another ``output_padding`` of the layers that enlarge, the nearest to the output first."""
    for group in reversed(groups):
        present = _present(group)
        op = group.first.op
        if present is None or not isinstance(op, ConvTranspose):
            continue
        for rest in range(min(per_axis(op.stride, op.axes))):
            if rest != present.output_padding:
                title = f"output_padding of {group.first.declaration.name}"
                edits = [group.edit("output_padding", rest)]
                yield Candidate(title, edits, Kind.SOLVED)


def _keeps_size(group: Group) -> bool:
    """A layer of stride 1, whose size no output_padding changes: the planner has the kernels of the others."""
    op = group.first.op
    return isinstance(op, ConvTranspose) and set(per_axis(op.stride, op.axes)) == {1}


def _others(bench: Bench, group: Group, present: _Form) -> Iterator[Candidate]:
    """The other forms of a layer with which the network closes, the nearest first."""
    for form in sorted(_forms(group, present), key=present.distance):
        if _fits(bench, group, form):
            yield _candidate(group, present, form)


def _present(group: Group) -> _Form | None:
    """The arguments as they are, where they are the same along every axis."""
    op = group.first.op
    assert isinstance(op, ConvTranspose)
    found = []
    for field in _Form._fields:
        values = set(per_axis(getattr(op, field), op.axes))
        if len(values) != 1 or any(unknown.field == field for unknown in group.first.unknowns):
            return None
        found.append(values.pop())
    return _Form(*found)


def _forms(group: Group, present: _Form) -> Iterator[_Form]:
    """All others whose kernel the stride divides."""
    op = group.first.op
    assert isinstance(op, ConvTranspose)
    stride = max(per_axis(op.stride, op.axes))
    for kernel in KERNELS:
        if kernel % stride:
            continue
        for padding, rest in product(range(kernel), range(stride)):
            form = _Form(kernel, padding, rest)
            if form != present:
                yield form


def _fits(bench: Bench, group: Group, form: _Form) -> bool:
    """Whether the network closes with it; of a warning, whether the layer's map is as large as before."""
    changed: dict[int, Any] = {}
    for node in group.nodes:
        op = bench.ops[node.index]
        if op is None:
            return False
        changed[node.index] = with_arguments(op, _values(form))
    if bench.aim is None:
        return bench.closes(changed)
    for node in group.nodes:
        inputs = [shape for shape in bench.trace.input_shapes(node) if shape is not None]
        if changed[node.index].shape(*inputs) != bench.shape(node):
            return False
    return True


def _values(form: _Form) -> dict[str, int]:
    return dict(form._asdict())


def _candidate(group: Group, present: _Form, form: _Form) -> Candidate:
    """The edits of what differs."""
    before: Mapping[str, int] = present._asdict()
    values = {field: n for field, n in _values(form).items() if n != before[field]}
    edits = [group.edit(field, n) for field, n in values.items()]
    title = f"{' and '.join(values)} of {group.first.declaration.name}"
    return Candidate(title, edits, Kind.REBUILT)
