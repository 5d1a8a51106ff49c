"""Numbers that have to fit the channels or the map: groups that divide, widths, amounts of padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from tracer.network.records import Node
from tracer.ops.base import Op, Shape, argument, fields_of, per_axis
from tracer.repairing.bench import Bench, Group
from tracer.repairing.candidate import Candidate, Kind, Oddness
from tracer.repairing.candidates.solved import named
from tracer.repairing.numbers import number_of
from tracer.repairing.writing import Path
from tracer.shapes.trace import trace
from tracer.shapes.traced import Ops
from tracer.source.edits import Edit

CHANNELS = ("in_channels", "in_features", "num_features", "num_channels")
"""Arguments that say how many channels a layer takes."""

WIDTHS = (*CHANNELS, "normalized_shape")
"""Arguments that the input gives where they are left out."""

MOST = 4
"""Values of one argument that are tried."""

FURTHEST = 64
"""Numbers of channels beyond twice the present one that are looked at."""


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Values that fit, for the layers that a finding names, and for all that do not fit."""
    if bench.first_with("T204") is not None:
        yield from _every_width(bench)
    for found in bench.trace.diagnostics:
        node = bench.network.names.get(found.node or "")
        if node is None or node.op is None or node.is_input:
            continue
        for candidates_of in BY_CODE.get(found.code, ()):
            yield from candidates_of(bench, bench.all_of(node))


def _edit(
    group: Group,
    field: str,
    value: Any,
    title: str,
    kind: Kind,
) -> Candidate:
    return Candidate(title, [group.edit(field, value)], kind)


def _widths(bench: Bench, group: Group) -> Iterator[Candidate]:
    """The width that the input has."""
    node = group.first
    op = node.op
    shape = bench.trace.input_shapes(node)[0] if node.inputs else None
    if op is None or shape is None:
        return
    names = {field.encode_name for field in fields_of(type(op))}
    for word in WIDTHS:
        if word not in names or argument(op, word) is None:
            continue
        have = shape[-1] if word in ("in_features", "normalized_shape") else shape[1]
        name = node.declaration.name
        title = f"{word} of {name}"
        yield Candidate(title, [group.edit(word, have)], Kind.SLIP, Oddness.NATURAL)


def _every_width(bench: Bench) -> Iterator[Candidate]:
    """The width of its input for each layer that was made for another one, where they are several."""
    edits: dict[Path, Edit] = {}
    for visit in trace(bench.network, bench.sizes, _without_widths(bench.ops)).walk():
        own = bench.ops[visit.node.index]
        if own is None or visit.shape is None or None in visit.inputs:
            continue
        for word, width in _other_widths(own, visit.inputs):
            edit = bench.all_of(visit.node).edit(word, width)
            edits[edit.path] = edit
    if len(edits) > 1:
        found = list(edits.values())
        yield Candidate(f"widths of {named(found)}", found, Kind.SLIP)


def _without_widths(ops: Ops) -> list[Op | None]:
    """Operations that take any width."""
    found: list[Op | None] = []
    for op in ops:
        declared = [] if op is None else _declared_widths(op)
        found.append(replace(op, **dict.fromkeys(declared)) if op and declared else op)
    return found


def _other_widths(op: Op, inputs: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The widths that an operation's inputs have, where others are declared."""
    inferred = op.inferred(*inputs)
    for word in _declared_widths(op):
        if word in inferred and getattr(op, word) != inferred[word]:
            yield word, inferred[word]


def _declared_widths(op: Op) -> list[str]:
    """The arguments that say how wide an operation's input is, as far as they are given."""
    return [word for word in WIDTHS if getattr(op, word, None) is not None]


def _of_channels(
    bench: Bench,
    maker: Node,
    channels: int,
) -> Iterator[Candidate]:
    number = number_of(bench, maker, "out_channels")
    if number is not None:
        edits = [number.edit(channels)]
        yield Candidate(number.title, edits, Kind.SLIP, Oddness.NATURAL)


def _maker_of_channels(node: Node) -> Node | None:
    """The nearest layer before a node that says how many channels it makes; None behind a merge."""
    at = node
    while len(at.inputs) == 1:
        at = at.inputs[0]
        if at.op is not None and getattr(at.op, "out_channels", None) is not None:
            return at
    return None


def _fitting_channels(bench: Bench, group: Group) -> Iterator[Candidate]:
    """The nearest numbers of channels that a layer takes, above and below, made by the layer before."""
    node = group.first
    op, shape = bench.ops[node.index], bench.trace.input_shapes(node)[0]
    maker = _maker_of_channels(node)
    if maker is None or op is None or shape is None:
        return

    have = shape[1]
    for numbers in (range(have + 1, 2 * have + FURTHEST), range(have - 1, 0, -1)):
        for n in numbers:
            changed = (shape[0], n, *shape[2:])
            if all(requirement.holds for requirement in op.requirements(changed)):
                yield from _of_channels(bench, maker, n)
                break


def _fitting_shuffle(bench: Bench, group: Group) -> Iterator[Candidate]:
    """The same for a layer whose channels are no number of its own."""
    op = group.first.op
    if op is not None and not _declared_widths(op):
        yield from _fitting_channels(bench, group)


def _groups(bench: Bench, group: Group) -> Iterator[Candidate]:
    """Numbers of groups that divide the channels, the nearest below first."""
    node = group.first
    shape = bench.trace.input_shapes(node)[0]
    op = node.op
    if shape is None or op is None:
        return
    names = {field.encode_name for field in fields_of(type(op))}
    for word in ("num_groups", "groups", "upscale_factor", "downscale_factor"):
        if word not in names:
            continue
        present = argument(op, word)
        divisors = [n for n in range(1, shape[1] + 1) if shape[1] % n == 0]
        divisors.sort(key=lambda n: (n > present, abs(n - present)))
        title = f"{word} of {node.declaration.name}"
        for n in divisors[:MOST]:
            yield Candidate(title, [group.edit(word, n)], Kind.SLIP, Oddness.NATURAL)


def _amounts(bench: Bench, group: Group) -> Iterator[Candidate]:
    """Less padding, or a mode that takes any amount."""
    node, op = group.first, group.first.op
    shape = bench.trace.input_shapes(node)[0]
    if shape is None or op is None:
        return
    name = node.declaration.name
    fitted = _fitted(getattr(op, "padding", None), shape, "Reflection" in node.op_name)
    if fitted is not None:
        yield _edit(group, "padding", fitted, f"padding of {name}", Kind.SLIP)
    if "Reflection" in node.op_name and node.declaration.arguments:
        other = node.op_name.replace("Reflection", "Replication")
        yield _edit(group, "op", other, f"{name} repeats the border", Kind.REBUILT)
    if getattr(op, "padding_mode", "zeros") in ("reflect", "circular"):
        yield _edit(group, "padding_mode", "replicate", f"padding_mode of {name}", Kind.REBUILT)


def _fitted(
    padding: Any,
    shape: Shape,
    is_reflected: bool,
) -> Any:
    """The largest amounts that a map of this shape takes; None where none are known."""
    spare = 1 if is_reflected else 0
    most = [n - spare for n in reversed(shape[2:]) for _ in range(2)]
    if isinstance(padding, int):
        return min([padding, *most]) if most and min(most) >= 0 else None
    if isinstance(padding, tuple) and len(padding) == len(most):
        return tuple(min(a, b) for a, b in zip(padding, most))
    return None


def _smaller_kernel(bench: Bench, group: Group) -> Iterator[Candidate]:
    """A kernel that fits the map."""
    node, op = group.first, group.first.op
    shape = bench.trace.input_shapes(node)[0] if node.inputs else None
    kernel = getattr(op, "kernel_size", None)
    if shape is None or kernel is None or op is None:
        return
    axes = int(getattr(op, "axes", 1))
    spatial = shape[-axes:]
    fitted = tuple(min(k, n) for k, n in zip(per_axis(kernel, axes), spatial))
    if all(n >= 1 for n in fitted):
        value = fitted[0] if len(set(fitted)) == 1 else fitted
        yield _edit(
            group, "kernel_size", value, f"kernel_size of {node.declaration.name}", Kind.SLIP
        )


BY_CODE: Mapping[str, Sequence[Callable[[Bench, Group], Iterator[Candidate]]]] = {
    "T204": (_widths, _fitting_shuffle),
    "T205": (_groups, _fitting_channels),
    "T306": (_amounts,),
    "T302": (_smaller_kernel,),
}
"""What may fit a layer, by the code of the finding about it."""
