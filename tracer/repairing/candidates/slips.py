"""One number of one layer: a padding that was forgotten, a stride or a kernel that was mistyped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from yaml.nodes import MappingNode

from tracer.network.records import Node
from tracer.network.values import mapping
from tracer.ops.base import Op, Shape, fields_of, per_axis, value_count, with_arguments
from tracer.ops.convolution import ConvTranspose
from tracer.repairing.bench import Bench, Group
from tracer.repairing.candidate import Candidate, Kind, Oddness
from tracer.repairing.candidates.solved import is_alike, single
from tracer.repairing.candidates.usual import Forms
from tracer.repairing.natural import is_natural
from tracer.repairing.numbers import Number, numbers
from tracer.repairing.progress import Progress
from tracer.source.edits import Edit
from tracer.source.tree import compose, entries

MOST = 5
"""Changes of one kind that are tried as texts."""

FEW = 2
"""Those of a large network."""

STRIDES = (1, 2, 3, 4, 8)

LARGEST = 11
"""The largest kernel that is looked at; a present one may be larger."""

FIELDS = ("padding", "stride", "kernel_size", "dilation", "scale_factor")
"""Arguments that decide a size."""


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Every layer's padding, stride, kernel and dilation, one at a time: those that close in memory."""
    groups = [group for group in bench.groups() if _has_window(group.first)]
    groups.sort(key=lambda group: _distance(bench, group.nodes))
    yield from _first(_same_by_expression(bench, groups))
    yield from _first(_unused_arguments(bench, groups))
    search = _Search(bench, groups)
    for field in FIELDS:
        yield from search.of_field(field)
    yield from _first(_per_axis(bench, groups))


def _has_window(node: Node) -> bool:
    if node.op is None:
        return False
    return bool(node.op.solvable) or hasattr(node.op, "scale_factor")


def _distance(bench: Bench, nodes: Sequence[Node]) -> int:
    """How far before the fault the nearest of the nodes stands in the order of execution; those behind it come last."""
    fault = bench.first_fault
    before = [fault - node.index for node in nodes if node.index <= fault]
    return min(before, default=len(bench.network.nodes))


def _first(found: Iterator[Candidate]) -> Iterator[Candidate]:
    for _, candidate in zip(range(MOST), found):
        yield candidate


class _Slip(NamedTuple):
    """Another value of one number, with which the network closes in memory."""

    number: Number
    value: Any
    oddness: Oddness
    distance: int
    progress: Progress

    def key(self) -> tuple[Any, ...]:
        """Smaller for what is likelier; of what comes not to the end, for what comes further."""
        further = [-n for n in self.progress]
        return (*further, self.oddness, self.distance)

    @property
    def candidate(self) -> Candidate:
        """The edit of one number; another kernel that makes an odd layer is more than a slip."""
        is_rebuilt = self.number.field == "kernel_size" and self.oddness == Oddness.ODD
        kind = Kind.REBUILT if is_rebuilt else Kind.SLIP
        edit = self.number.edit(self.value)
        return Candidate(self.number.title, [edit], kind, self.oddness)


class _Search:
    """Other values of the numbers of one network, held against its fault in memory."""

    def __init__(self, bench: Bench, groups: list[Group]) -> None:
        self.bench = bench
        self.groups = groups
        self.forms = Forms(bench)
        self.is_blind = bench.is_open or bench.aim is not None
        """Nothing is known of a change without its text."""
        self.before_fault = bench.before_fault()
        self.known: dict[tuple[int, Shape], Progress | None] = {}
        """How far the network comes where one node has another shape, by its index."""
        self.share = bench.in_memory_left // len(FIELDS)
        """What may be traced in memory for one argument: that of the nearest layers is looked at first."""

    def of_field(self, field: str) -> Iterator[Candidate]:
        """The values of one argument, those that other layers have first, then the nearest to the fault."""
        best: dict[Number, _Slip] = {}
        for slip in sorted(self._closing(field), key=_Slip.key):
            best.setdefault(slip.number, slip)

        most = FEW if self.bench.is_large else MOST
        for slip in islice(best.values(), most):
            yield slip.candidate

    def _closing(self, field: str) -> Iterator[_Slip]:
        least = self.bench.in_memory_left - self.share
        for number in numbers(self.bench, self.groups, field):
            if self.bench.in_memory_left < least:
                self.bench.left_out = True
                return
            op = number.nodes[0].op
            if op is not None and _is_written(op, field) and self._leads_to_fault(number):
                yield from self._of_number(number, op)

    def _of_number(self, number: Number, op: Op) -> Iterator[_Slip]:
        """The values of one number with which the network closes, for a layer that has it."""
        field = number.field
        present = getattr(op, field)
        distance = _distance(self.bench, number.nodes)
        for value in _values(op, field):
            came = None if is_alike(present, value) else self._comes_to(number, value)
            if came is None:
                continue
            after = with_arguments(op, {field: value})
            slip = _Slip(
                number,
                value,
                self.forms.oddness(op, after),
                distance,
                came,
            )
            if slip.oddness == Oddness.USUAL or not _is_sound(op, field):
                yield slip

    def _leads_to_fault(self, number: Number) -> bool:
        """Whether a change reaches the first fault: no other takes it away."""
        return self.is_blind or any(node.index in self.before_fault for node in number.nodes)

    def _comes_to(self, number: Number, value: Any) -> Progress | None:
        """How far the network comes in memory with this value for all nodes that have it from there."""
        changed = _changed(self.bench, number.nodes, {number.field: value})
        if changed is None:
            return None
        shape = None if len(changed) > 1 else self._shape(number.nodes[0], changed)
        if shape is None or self.is_blind:
            return self.bench.comes_to(changed)

        # Behind a layer nothing is known of it but its shape.
        (index,) = changed
        if shape == self.bench.trace.by_index[index]:
            return None
        if (index, shape) not in self.known:
            self.known[index, shape] = self.bench.comes_to(changed)
        return self.known[index, shape]

    def _shape(self, node: Node, changed: Mapping[int, Op]) -> Shape | None:
        """The shape that a node has then; None where more than its shape is asked for, or it takes its input not."""
        op = changed[node.index]
        inputs = [x for x in self.bench.trace.input_shapes(node) if x is not None]
        if self.bench.is_operand(node) or node.operands or len(inputs) != len(node.inputs):
            return None
        is_taken = all(requirement.holds for requirement in op.requirements(*inputs))
        return op.shape(*inputs) if is_taken else None


def _is_sound(op: Op, field: str) -> bool:
    """Whether a kernel is right as it is, so that none takes its place but one that other layers have."""
    return field == "kernel_size" and is_natural(op)


def _is_written(op: Op, field: str) -> bool:
    """The operation has the argument as numbers."""
    if field not in {one.encode_name for one in fields_of(type(op))}:
        return False
    value = getattr(op, field)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number or value is None or (isinstance(value, tuple) and bool(value))


def _values(op: Op, field: str) -> list[Any]:
    """The values that a person may have meant, the likeliest first: those that keep the size, then those nearby."""
    if field == "padding":
        return _paddings(op)
    if field == "stride":
        return list(STRIDES)
    if field == "scale_factor":
        return [2, 4] if getattr(op, "size", None) is None else []
    if field == "kernel_size":
        kernels = [*_keeping(op, field), *_kernels(op)]
        return [kernel for kernel in kernels if _is_over_padding(op, kernel)]
    return _keeping(op, field)


def _paddings(op: Op) -> list[Any]:
    """The padding with which a layer of stride 1 keeps the size; of layers that pad alone, none."""
    kernel = getattr(op, "kernel_size", None)
    padding = getattr(op, "padding", None)
    if kernel is None or padding is None or isinstance(padding, str):
        return []
    axes = int(getattr(op, "axes", 1))
    dilation = per_axis(getattr(op, "dilation", 1), axes)
    extents = [(k - 1) * d for k, d in zip(per_axis(kernel, axes), dilation)]
    same = tuple(extent // 2 for extent in extents)
    return [single(same)]


def _keeping(op: Op, field: str) -> list[int]:
    """The kernels, or the dilations, with which the padding as it is keeps the size."""
    if field not in ("kernel_size", "dilation") or isinstance(op, ConvTranspose):
        return []
    found = []
    for n in (3, 5, 7):
        if _keeps_size(with_arguments(op, {field: n})):
            found.append(n)
    return found


def _keeps_size(op: Op) -> bool:
    """Whether a layer keeps the size but for its stride."""
    same = _paddings(op)
    return bool(same) and is_alike(getattr(op, "padding", 0), same[0])


def _is_over_padding(op: Op, kernel: Any) -> bool:
    """Whether a kernel reaches over the padding: a smaller one makes rows of padding alone."""
    padding = getattr(op, "padding", 0)
    if isinstance(op, ConvTranspose) or not isinstance(padding, (int, tuple)):
        return True
    axes = int(getattr(op, "axes", 1))
    dilation = per_axis(getattr(op, "dilation", 1), axes)
    along = zip(per_axis(kernel, axes), per_axis(padding, axes), dilation)
    return all(pad <= spread * (k - 1) for k, pad, spread in along)


def _kernels(op: Op) -> list[Any]:
    """Other kernels along every axis, the nearest first; of a kernel for each axis, one of them is another."""
    present = getattr(op, "kernel_size", None)
    if isinstance(present, int):
        found = range(1, max(LARGEST, present + 1))
        return sorted(found, key=lambda n: abs(n - present))
    if not isinstance(present, tuple):
        return []
    return [
        (*present[:axis], n + step, *present[axis + 1 :])
        for step in (1, -1, 2, -2)
        for axis, n in enumerate(present)
        if n + step > 0
    ]


def _changed(
    bench: Bench, nodes: Sequence[Node], values: dict[str, Any]
) -> dict[int, Op] | None:
    """The operations of some nodes with other arguments; None where torch makes no such layer."""
    changed = {}
    for node in nodes:
        if node.op is None:
            return None
        op = with_arguments(bench.ops[node.index] or node.op, values)
        if any(not one.holds for one in _decided(op)):
            return None
        changed[node.index] = op
    return changed


def _decided(op: Op) -> Iterator[Any]:
    try:
        yield from op.legal()
    except (TypeError, ValueError):
        return


# --- in blocks: what an expression says, and what nothing says any more ----------------------------------------------


def _same_by_expression(bench: Bench, groups: list[Group]) -> Iterator[Candidate]:
    """The padding that keeps the size, where the kernel is another one in each use: ``${kernel // 2}``."""
    for group in groups:
        node = group.first
        text = None if node.op is None else _same_text(node)
        if text is None:
            continue
        changed = {}
        for one in group.nodes:
            op = bench.ops[one.index]
            if op is not None:
                changed[one.index] = with_arguments(op, {"padding": _paddings(op)[0]})
        if bench.closes(changed):
            edit = group.edit("padding", f"${{{text}}}")
            yield Candidate(f"padding of {node.declaration.name}", [edit], Kind.SLIP)


def _same_text(node: Node) -> str | None:
    """The padding that keeps the size as an expression of the kernel and the dilation; None where neither is one.

    Of ``kernel_size: 3, dilation: "${d}"`` it is ``d``, of ``kernel_size: "${k}"`` it is ``(k) // 2``.
    """
    kernel, dilation = _expression(node, "kernel_size"), _expression(node, "dilation")
    plain = getattr(node.op, "kernel_size", None)
    if kernel is not None:
        half = f"{kernel} // 2" if kernel.isidentifier() else f"({kernel}) // 2"
    elif dilation is not None and isinstance(plain, int):
        half = str(plain // 2)
    else:
        return None

    spread = getattr(node.op, "dilation", 1)
    is_dense = is_alike(1, spread)
    if dilation is None and is_dense:
        return half
    return f"{half} * ({dilation or spread})" if half != "1" else dilation


def _expression(node: Node, field: str) -> str | None:
    """What stands in the ``${}`` of an argument; None where it has none."""
    given = node.declaration.arguments.get(field)
    text = getattr(given[1], "value", None) if given else None
    if not isinstance(text, str):
        return None
    if not text.startswith("${") or not text.endswith("}"):
        return None
    inner = text[2:-1].strip()
    return None if "${" in inner else inner


def _unused_arguments(bench: Bench, groups: list[Group]) -> Iterator[Candidate]:
    """An argument of a block that no layer of it reads, given to the argument of the same name of one that could."""
    for group in groups:
        node = group.first
        if not node.uses or node.op is None:
            continue
        names = {field.encode_name for field in fields_of(type(node.op))}
        for word in _arguments_of_block(bench, node.uses[-1].op.value):
            if word in names & set(FIELDS) and _expression(node, word) is None:
                edit = group.edit(word, f"${{{word}}}")
                title = f"{word} of {node.declaration.name}"
                yield Candidate(title, [edit], Kind.SLIP)


def _arguments_of_block(bench: Bench, name: str) -> list[str]:
    """The names of a block's arguments."""
    at: Any = mapping(compose(bench.source), "the document")
    for word in ("blocks", name, "args"):
        found = entries(at).get(word) if isinstance(at, MappingNode) else None
        if found is None:
            return []
        at = found[1]
    return list(entries(at)) if isinstance(at, MappingNode) else []


# --- one axis alone --------------------------------------------------------------------------------------------------


def _per_axis(bench: Bench, groups: list[Group]) -> Iterator[Candidate]:
    """A pooling that leaves out an axis, with the layer that enlarges it again: kernel [1, 2, 2] on both sides."""
    pools = [group for group in groups if _halves(group.first)]
    ups = [group for group in groups if isinstance(group.first.op, ConvTranspose)]
    for axis in _failing_axes(bench):
        for pool in pools:
            for up in ups:
                found = _without_axis(bench, pool, up, axis)
                if found is not None:
                    yield found


def _halves(node: Node) -> bool:
    """A layer with a stride above 1 on every axis, which does not enlarge."""
    op = node.op
    stride = getattr(op, "stride", None)
    if op is None or isinstance(op, ConvTranspose) or "kernel_size" not in op.solvable:
        return False
    stride = op.kernel_size if stride is None else stride  # type: ignore[attr-defined]
    return value_count(op, "kernel_size") > 1 and min(per_axis(stride, 1)) > 1


def _failing_axes(bench: Bench) -> list[int]:
    """The spatial axes along which the inputs of the first failing merge differ, from 0, where others agree."""
    merge = bench.failing_merge
    if merge is None:
        return []
    shapes = [shape for shape in bench.trace.input_shapes(merge) if shape is not None]
    rank = min(map(len, shapes), default=0)
    if rank < 4:
        return []
    differing = []
    for dim in range(2, rank):
        sizes = {shape[dim] for shape in shapes}
        if len(sizes) > 1:
            differing.append(dim - 2)
    return differing if len(differing) < rank - 2 else []


def _without_axis(
    bench: Bench,
    pool: Group,
    up: Group,
    axis: int,
) -> Candidate | None:
    """Neither of the two changes the size along one axis."""
    values: dict[int, dict[str, Any]] = {}
    edits: list[Edit] = []
    for group in (pool, up):
        op = group.first.op
        assert op is not None
        axes = int(getattr(op, "axes", 1))
        if axis >= axes:
            return None
        given = _flat_along(op, axis, axes)
        for node in group.nodes:
            values[node.index] = given
        edits += [
            group.edit(field, value)
            for field, value in given.items()
            if field != "stride" or op.stride is not None  # type: ignore[attr-defined]
        ]
    changed = {
        index: with_arguments(bench.ops[index], given)  # type: ignore[arg-type]
        for index, given in values.items()
    }
    if not bench.closes(changed):
        return None
    names = f"{pool.first.declaration.name} and {up.first.declaration.name}"
    return Candidate(
        f"kernel_size and stride 1 along axis {axis} of {names}", edits, Kind.REBUILT
    )


def _flat_along(op: Op, axis: int, axes: int) -> dict[str, Any]:
    """The arguments with which a layer keeps the size along an axis."""
    found: dict[str, Any] = {}
    for field, neutral in (
        ("kernel_size", 1),
        ("stride", 1),
        ("padding", 0),
        ("output_padding", 0),
    ):
        value = getattr(op, field, None)
        if isinstance(value, int | tuple):
            numbers = list(per_axis(value, axes))
            if numbers[axis] != neutral:
                numbers[axis] = neutral
                found[field] = tuple(numbers)
    return found
