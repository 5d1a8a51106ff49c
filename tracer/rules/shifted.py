"""T508: an output that is laid over the input, and lies beside it because of where it was cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from msgspec.structs import replace

from tracer.diagnostics import Diagnostic, Related
from tracer.geometry.overlays import Overlay, overlays
from tracer.ops.crop import CenterCrop, Slice
from tracer.rules.design import design_rule, joined, warning
from tracer.rules.misaligned import pixels
from tracer.shapes.trace import Trace


@design_rule("T508", "output shifted against the input")
def shifted(trace: Trace) -> Iterator[Diagnostic]:
    """An output of the input's size that was cut at another place than where it lies over the input.

    A kernel of twice the stride without padding makes a map larger on both sides than what it shows. Cutting it to the
    input's size takes that off again, and only one cut takes as much off the beginning as was put there: the 31 rows of
    FCN-8s, where 34 would be half of all. At any other the prediction is shown beside the place that it is about,
    and training learns to move everything. Write `auto` for what is cut (`crop: [auto, auto, auto, auto]`, `start:
    auto`), and `tracer plan` finds the place.

    Compared are outputs behind a cut of a map that was enlarged, with the first input; shifts of less than a pixel come
    of even kernels and are no matter of cuts.

    Bad:
        input: [1, 1, 64, 64]
        layers:
          down: {op: Conv2d, out_channels: 4, kernel_size: 4, stride: 4}
          up: {op: ConvTranspose2d, out_channels: 1, kernel_size: 8, stride: 4}
          cut: {op: Crop, crop: [4, 0, 4, 0]}

    Good:
        input: [1, 1, 64, 64]
        layers:
          down: {op: Conv2d, out_channels: 4, kernel_size: 4, stride: 4}
          up: {op: ConvTranspose2d, out_channels: 1, kernel_size: 8, stride: 4}
          cut: {op: Crop, crop: 2}
    """
    of_output: dict[int, list[Overlay]] = {}
    for overlay in overlays(trace):
        if not overlay.holds:
            of_output.setdefault(overlay.output.index, []).append(overlay)

    for found in of_output.values():
        facts = []
        for overlay in found:
            aside = pixels(abs(Fraction(*overlay.offset)))
            text = f"the output lies {aside} beside the input in dim {overlay.dim}"
            facts.append((text, overlay.dim))

        output = found[0].output
        cuts = dict.fromkeys(_other_cut(trace, overlay) for overlay in found)
        hint = f"{' and '.join(cuts)} {'lies' if len(cuts) == 1 else 'lie'} on it"
        one = warning(trace, output, "T508", joined(facts), None, hint)
        yield replace(one, span=output.span, related=(*_cuts(found), *one.related))


def _other_cut(trace: Trace, overlay: Overlay) -> str:
    """The cut after which the output lies on the input, in the terms of the operation that cuts."""
    visit = trace.walk()[overlay.cut.index]
    assert visit.op is not None
    window = visit.op.window(overlay.dim, *visit.inputs, **visit.sizes)
    assert window is not None and window.first is not None
    before = Fraction(*window.first)
    other = round(before - Fraction(*overlay.offset))

    if other < 0:
        return f"padding of {-other} before, in the place of a cut, at {overlay.cut.shown}"
    words = "a cut of"
    if isinstance(visit.op, Slice):
        words = "start:"
    elif isinstance(visit.op, CenterCrop):
        words = "a Crop of"
    return f"{words} {other} in the place of {before} at {overlay.cut.shown}"


def _cuts(found: Sequence[Overlay]) -> Iterator[Related]:
    """The cuts that are not the output itself."""
    for cut in dict.fromkeys(overlay.cut for overlay in found):
        if cut is not found[0].output:
            yield Related(f"{cut.shown} is cut here", cut.span, node=cut.name)
