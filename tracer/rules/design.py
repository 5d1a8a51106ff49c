"""T5xx, warnings about designs that run but lose, shift or tile something, or run in one place only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import gcd

from msgspec.structs import replace

from tracer.diagnostics import Diagnostic, Related
from tracer.geometry.grids import unpoolings
from tracer.network.records import Node
from tracer.ops.base import Requirement, per_axis, written
from tracer.ops.convolution import ConvTranspose
from tracer.rules.misaligned import advice, apart, fact, producers
from tracer.rules.rule import rule
from tracer.shapes.trace import Trace

Finding = Callable[[Trace], Iterator[Diagnostic]]
"""A design rule looks at a traced network and yields warnings."""

design_rules: list[Finding] = []
"""Every rule that warns of a traced network."""


def design_rule(code: str, title: str) -> Callable[[Finding], Finding]:
    """Register a function that finds warnings; its docstring is the page."""

    def register(find: Finding) -> Finding:
        design_rules.append(find)
        return rule(code, title, severity="warning")(find)

    return register


def warning(
    trace: Trace,
    node: Node,
    code: str,
    message: str,
    field: str | None,
    hint: str | None = None,
) -> Diagnostic:
    """A warning at a node's argument, with the block uses it came through."""
    return Diagnostic(
        code,
        node.said(message),
        node.span_for(field),
        "warning",
        trace.network.path,
        hint,
        node.use_places(),
        node.name,
    )


def in_dims(dims: Sequence[int]) -> str:
    """Dims as messages name them.

    >>> in_dims([2]), in_dims([2, 3, 4])
    ('in dim 2', 'in dims 2, 3 and 4')
    """
    *others, last = map(str, dims)
    return f"in dims {', '.join(others)} and {last}" if others else f"in dim {last}"


def joined(facts: Iterable[tuple[str, int | None]]) -> str:
    """Messages, each with the dim that it is about, as one; those that differ in the dim only name their dims together.

    >>> joined([("drops a row in dim 2", 2), ("drops a row in dim 3", 3)])
    'drops a row in dims 2 and 3'
    """
    dims_of: dict[tuple[str, str], list[int]] = {}
    for message, dim in facts:
        # Not every message names its dim.
        if dim is None or in_dims([dim]) not in message:
            dims_of.setdefault((message, ""), [])
            continue
        before, _, after = message.partition(in_dims([dim]))
        dims_of.setdefault((before, after), []).append(dim)

    texts = []
    for (before, after), dims in dims_of.items():
        texts.append(f"{before}{in_dims(dims)}{after}" if dims else before)
    return "; ".join(texts)


def by_node(trace: Trace, code: str, hint: str | None = None) -> Iterator[Diagnostic]:
    """One warning for each node with remarks of this code, its dims joined."""
    remarks_of: dict[int, list[Requirement]] = {}
    for node, remark in trace.remarks():
        if remark.code == code:
            remarks_of.setdefault(node.index, []).append(remark)

    for index, remarks in remarks_of.items():
        message = joined((remark.text(), remark.dim) for remark in remarks)
        first = remarks[0]
        yield warning(
            trace, trace.network.nodes[index], code, message, first.field, first.hint or hint
        )


@design_rule("T501", "rows dropped by a stride")
def rows_dropped(trace: Trace) -> Iterator[Diagnostic]:
    """A strided convolution or pooling whose last window does not reach the end of its input.

    With stride s, floor division drops up to s - 1 rows and columns: they reach no output, and the decoder comes
    out smaller than the skip. Choose an input size that divides, pad, or use ``ceil_mode: true``. Where the loss is
    meant, because the up-layer restores the size by ``output_padding``, silence the line.

    Bad:
        input: [1, 8, 63, 63]
        layers:
          pool: {op: MaxPool2d, kernel_size: 2}

    Good:
        input: [1, 8, 64, 64]
        layers:
          pool: {op: MaxPool2d, kernel_size: 2}
    """
    return by_node(trace, "T501", "choose a size that the stride divides, or pad")


@design_rule("T502", "uneven crop")
def uneven_crop(trace: Trace) -> Iterator[Diagnostic]:
    """A crop that cannot cut the same on both sides.

    Where the difference between the two sizes is odd, one side loses a pixel more than the other, and the skip's
    features lie half a pixel beside the decoder's. Choose an input size for which the difference is even.

    A `Crop` and a pad by negative amounts are one function and are judged alike, by the rows that both ends lose
    together. An even number that is divided otherwise, such as 31 and 37, is taken as meant: T503 compares where it
    puts the map.

    Bad:
        input: [1, 8, 65, 65]
        layers:
          crop: {op: CenterCrop, size: 62}

    Good:
        input: [1, 8, 65, 65]
        layers:
          crop: {op: CenterCrop, size: 61}
    """
    return by_node(trace, "T502", "choose sizes whose difference is even")


@design_rule("T503", "skip misaligned in space")
def misaligned(trace: Trace) -> Iterator[Diagnostic]:
    """Two maps are merged position by position that do not show the same places of the input.

    Each layer centres its positions somewhere: a 2 x 2 pooling and a resize between pixels, an odd kernel with half of
    it as padding on them. Followed through the network that gives every map a stride and an offset in input pixels.
    Where they differ at a merge, the skip's details are laid beside the decoder's, by a distance or by one that grows
    across the map, as with `align_corners: true`. Training can make up for part of it. Where it is meant, silence the
    line.

    A max unpooling whose output is not of the size that was pooled is reported here too: the indices count positions
    row by row, and in another width the same numbers are other positions. `output_size: NODE` gives the size back.

    Bad:
        input: [1, 8, 64, 64]
        encoder:
          enc1: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          pool1: {op: MaxPool2d, kernel_size: 2}
        decoder:
          up1: {op: Upsample, scale_factor: 2, mode: bilinear, align_corners: true}
          cat1: {op: Concat, from: [up1, enc1]}

    Good:
        input: [1, 8, 64, 64]
        encoder:
          enc1: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          pool1: {op: MaxPool2d, kernel_size: 2}
        decoder:
          up1: {op: Upsample, scale_factor: 2, mode: bilinear}
          cat1: {op: Concat, from: [up1, enc1]}
    """
    yield from _unpooled_elsewhere(trace)
    for found in apart(trace):
        node = found[0].node
        message = joined((fact(trace, meeting), meeting.dim) for meeting in found)
        field = "align" if getattr(node.op, "align", "none") != "none" else None
        one = warning(trace, node, "T503", message, field, advice(trace, found[0]))
        yield replace(one, related=(*producers(trace, found), *one.related))


def _unpooled_elsewhere(trace: Trace) -> Iterator[Diagnostic]:
    """A max unpooling whose output is not of the size that was pooled."""
    seen: set[str] = set()
    for node, pool, _, holds in unpoolings(trace):
        if holds or node.name in seen:
            continue
        seen.add(node.name)
        axes = int(getattr(node.op, "axes", 0))
        y, pooled = trace.by_index[node.index] or (), trace.by_index[pool.inputs[0].index] or ()
        message = f"{pool.shown} pooled a map of {written(pooled[-axes:])}, this makes {written(y[-axes:])}"
        hint = f"output_size: {pool.inputs[0].shown} gives the pooled size back"
        yield warning(trace, node, "T503", message, "indices", hint)


@design_rule("T504", "checkerboard: kernel not divisible by stride")
def checkerboard(trace: Trace) -> Iterator[Diagnostic]:
    """A transposed convolution whose taps fall unevenly on the output: its kernel is not a multiple of its stride.

    Neighbouring output pixels then get different numbers of taps, which shows as a checkerboard in the output
    (Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016). Kernel 2 or 4 with stride 2 is even;
    so is an Upsample with a convolution behind it. With a dilation that has a factor in common with the stride, some
    positions get no tap at all, whatever the kernel.

    Bad:
        input: [1, 8, 32, 32]
        layers:
          up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}

    Good:
        input: [1, 8, 32, 32]
        layers:
          up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 4, stride: 2, padding: 1}
    """
    seen: set[int] = set()
    for node, op in zip(trace.network.nodes, trace.ops):
        if not isinstance(op, ConvTranspose) or id(node.declaration) in seen:
            continue

        uneven = [axis for axis in range(op.axes) if not op.is_even(axis)]
        if uneven:
            seen.add(id(node.declaration))
            yield _unevenly_spread(trace, node, op, uneven)


def _unevenly_spread(
    trace: Trace, node: Node, op: ConvTranspose, uneven: Sequence[int]
) -> Diagnostic:
    """T504 at the argument that has to change first."""
    strides, dilations = per_axis(op.stride, op.axes), per_axis(op.dilation, op.axes)
    stride, taps = written(op.stride), _taps(op, uneven)
    if any(gcd(dilations[axis], strides[axis]) > 1 for axis in uneven):
        dilation = written(op.dilation)
        message = f"dilation {dilation} has a factor in common with stride {stride}: {taps}"
        hint = "with dilation 1 a kernel of twice the stride covers every output pixel evenly"
        return warning(trace, node, "T504", message, "dilation", hint)

    message = (
        f"kernel_size {written(op.kernel_size)} is not divisible by stride {stride}: {taps}"
    )
    hint = "a kernel of twice the stride covers every output pixel evenly"
    return warning(trace, node, "T504", message, "kernel_size", hint)


def _taps(op: ConvTranspose, uneven: Sequence[int]) -> str:
    """Which output positions get how many taps, along the axes that are uneven; axes that are alike once."""
    found: dict[str, list[int]] = {}
    for axis in uneven:
        more = ", ..." if per_axis(op.stride, op.axes)[axis] > 8 else ""
        turns = ", ".join(map(str, op.taps(axis, 8))) + more
        found.setdefault(turns, []).append(axis)

    parts = [f"positions 0, 1, ... take {turns} taps in turn" for turns in found]
    if len(parts) == 1 and len(uneven) == op.axes:
        return parts[0]
    return "; ".join(
        f"{part} along axis {', '.join(map(str, axes))}"
        for part, axes in zip(parts, found.values())
    )


@design_rule("T505", "output size differs from input size")
def output_differs(trace: Trace) -> Iterator[Diagnostic]:
    """A decoder whose output is not of the input's size, where nothing says that it should not be.

    The net runs, but the prediction cannot be laid over the input: 127 comes out as 128. Say what you want with
    ``expect`` on the last node (or a shape under ``output``), or mend the decoder. Only networks with a section
    ``decoder`` are checked.

    Bad:
        input: [1, 3, 30, 30]
        encoder:
          down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 4, stride: 2}

    Good:
        input: [1, 3, 30, 30]
        encoder:
          down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 4, stride: 2, padding: 1}
    """
    network = trace.network
    first = network.nodes[0]
    x = trace.shapes[first.name]
    has_decoder = any(node.section == "decoder" for node in network.nodes)
    is_part = network.until is not None
    if x is None or not has_decoder or is_part:
        return

    for node in _outputs_without_promise(trace):
        y = trace.shapes[node.name]
        if y is not None and len(y) == len(x) > 2 and y[2:] != x[2:]:
            message = f"the output is {written(y[2:])}, the input {written(x[2:])}"
            hint = "if that is meant, say so with `expect`"
            found = warning(trace, node, "T505", message, None, hint)
            related = (Related("the input", first.span), *found.related)
            yield replace(found, span=node.span, related=related)


def _outputs_without_promise(trace: Trace) -> Iterable[Node]:
    """The nodes that are outputs and of which no shape is expected, each once."""
    network = trace.network
    found: dict[int, Node] = {}
    for name, node in network.outputs.items():
        if node.expect is None and name not in network.output_expect:
            found.setdefault(node.index, node)
    return found.values()


@design_rule("T506", "legal in one backend only")
def one_backend_only(trace: Trace) -> Iterator[Diagnostic]:
    """Some backends of torch take it and others refuse: a transposed convolution whose output is empty.

    Where padding cuts away exactly what the kernel makes, the size is 0. The CPU's fast path (oneDNN) returns an
    empty tensor, its plain path and the meta device refuse, and which path is taken depends on batch size, groups
    and threads. No such network is wanted: lessen ``padding``, or feed a larger input.

    Bad:
        input: [2, 8, 2, 2]
        layers:
          up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2, padding: 2}

    Good:
        input: [2, 8, 2, 2]
        layers:
          up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2, padding: 1}
    """
    return by_node(trace, "T506")


@design_rule("T507", "refused in training mode only")
def training_refuses(trace: Trace) -> Iterator[Diagnostic]:
    """The network runs in eval mode and stops in the first training step.

    Batch norms take their statistics from the batch in training, and torch refuses a single value per channel: a
    batch of 1 whose map has shrunk to 1 x 1, as under a global pooling. Train with a batch of 2 or more, or leave
    the norm out there. Instance norms that keep statistics refuse a single position, whatever the batch.

    Bad:
        input: [1, 8, 32, 32]
        layers:
          pool: {op: AdaptiveAvgPool2d, output_size: 1}
          norm: BatchNorm2d

    Good:
        input: [2, 8, 32, 32]
        layers:
          pool: {op: AdaptiveAvgPool2d, output_size: 1}
          norm: BatchNorm2d
    """
    return by_node(trace, "T507")
