"""Floor 8: T5xx, warnings about designs that run but lose, shift or tile something."""

from __future__ import annotations

from collections.abc import Iterator

from tracer.diagnostics import Diagnostic, Related
from tracer.network.records import Node
from tracer.ops.base import per_axis, written
from tracer.ops.convolution import ConvTranspose
from tracer.rules.rule import rule
from tracer.trace import Trace

AXES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


def warning(
    trace: Trace, node: Node, code: str, message: str, field: str | None, hint: str | None = None
) -> Diagnostic:
    """A warning at a node's argument, with the block uses it came through."""
    return Diagnostic(
        code,
        f"{node.name}: {message}",
        node.span_for(field),
        "warning",
        trace.network.path,
        hint,
        node.use_places(),
    )


def _lost(trace: Trace, code: str) -> Iterator[tuple[Node, str, str | None, str | None]]:
    """What the operations' ``losses`` of one code say, one line per node."""
    found: dict[str, tuple[Node, list[str], str | None, str | None]] = {}
    for node, requirement in trace.lost():
        if requirement.code == code:
            found.setdefault(node.name, (node, [], requirement.field, requirement.hint))[1].append(
                str(requirement.message)
            )
    for node, messages, field, hint in found.values():
        yield node, "; ".join(dict.fromkeys(messages)), field, hint


@rule("T501", "rows dropped by a stride", severity="warning")
def rows_dropped(trace: Trace) -> Iterator[Diagnostic]:
    """A strided convolution or pooling whose last window does not reach the end of its input.

    With stride s, floor division drops up to s - 1 rows and columns: they never reach any output, and the
    decoder later comes out smaller than the skip. Choose an input size that divides, pad, or use ceil_mode.

    Bad:
        input: [1, 8, 63, 63]
        layers:
          pool: {op: MaxPool2d, kernel_size: 2}

    Good:
        input: [1, 8, 64, 64]
        layers:
          pool: {op: MaxPool2d, kernel_size: 2}
    """
    for node, message, field, _ in _lost(trace, "T501"):
        yield warning(trace, node, "T501", message, field, "choose a size that the stride divides, or pad")


@rule("T502", "uneven crop", severity="warning")
def uneven_crop(trace: Trace) -> Iterator[Diagnostic]:
    """A centre crop that cannot cut the same on both sides.

    Where the difference between the two sizes is odd, one side loses a pixel more than the other, and the
    skip's features are shifted by half a pixel against the decoder's.

    Bad:
        input: [1, 8, 65, 65]
        layers:
          crop: {op: CenterCrop, size: 62}

    Good:
        input: [1, 8, 65, 65]
        layers:
          crop: {op: CenterCrop, size: 61}
    """
    for node, message, field, hint in _lost(trace, "T502"):
        yield warning(trace, node, "T502", message, field, hint)


@rule("T504", "checkerboard: kernel not divisible by stride", severity="warning")
def checkerboard(trace: Trace) -> Iterator[Diagnostic]:
    """A transposed convolution whose kernel is not a multiple of its stride.

    Neighbouring output pixels then get different numbers of taps, which shows as a checkerboard in the output
    (Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016). Kernel 2 or 4 with stride 2 is even.

    Bad:
        input: [1, 8, 32, 32]
        layers:
          up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}

    Good:
        input: [1, 8, 32, 32]
        layers:
          up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 4, stride: 2, padding: 1}
    """
    told: set[int] = set()
    for node, op in zip(trace.network.nodes, trace.ops):
        if not isinstance(op, ConvTranspose) or id(node.declaration) in told:
            continue
        kernels, strides = per_axis(op.kernel_size, op.axes), per_axis(op.stride, op.axes)
        if any(k % s for k, s in zip(kernels, strides)):
            told.add(id(node.declaration))
            message = f"kernel_size {written(op.kernel_size)} is not divisible by stride {written(op.stride)}"
            hint = "a kernel of twice the stride covers every output pixel evenly"
            yield warning(trace, node, "T504", message, "kernel_size", hint)


@rule("T505", "output size differs from input size", severity="warning")
def output_differs(trace: Trace) -> Iterator[Diagnostic]:
    """A decoder whose output is not of the input's size, where nothing says that it should not be.

    The net runs, but the prediction cannot be laid over the input: 127 comes out as 128. Say what you want with
    ``expect`` on the last node (or a shape under ``output``), or mend the decoder.

    Bad:
        input: [1, 3, 30, 30]
        encoder:
          down: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 2, stride: 2}

    Good:
        input: [1, 3, 30, 30]
        encoder:
          down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 2, stride: 2}
    """
    network = trace.network
    first = network.nodes[0]
    x = trace.shapes[first.name]
    if x is None or not any(node.section == "decoder" for node in network.nodes):
        return
    told: set[int] = set()
    for name, node in network.outputs.items():
        y = trace.shapes[node.name]
        if y is None or node.expect is not None or name in network.output_expect or id(node) in told:
            continue
        told.add(id(node))
        if len(y) == len(x) > 2 and y[2:] != x[2:]:
            message = f"the output is {written(y[2:])}, the input {written(x[2:])}"
            hint = "if that is meant, say so with `expect`"
            found = warning(trace, node, "T505", message, None, hint)
            yield Diagnostic(
                found.code, found.message, node.span, "warning", found.path, hint,
                (Related("the input", first.span), *found.related),
            )  # fmt: skip


design_rules = (rows_dropped, uneven_crop, checkerboard, output_differs)
