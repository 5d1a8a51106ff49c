"""The words of T503 for two maps that meet and do not lie on one grid: the fact in numbers, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tracer.diagnostics import Related
from tracer.geometry.grids import Meeting, meetings
from tracer.network.records import Node
from tracer.ops.base import Op, written
from tracer.ops.crop import Crop
from tracer.ops.resize import Resizing
from tracer.shapes.trace import Trace

HALVED = {
    "crop": "cuts half of what is too much off either end",
    "pad": "puts half of what is missing at either end",
}
"""The effect of an alignment on both ends, where rows are missing at one."""


def apart(trace: Trace) -> Iterator[list[Meeting]]:
    """The meetings of each merge whose inputs' grids differ; of a declaration's uses that differ alike, the first.

    Alike means in positions, not in pixels: a block for every level of a decoder makes the same mistake at each.
    """
    seen: set[Any] = set()
    of_node: dict[int, list[Meeting]] = {}
    for meeting in meetings(trace):
        if not meeting.holds and not _is_uneven_crop(trace, meeting):
            of_node.setdefault(meeting.node.index, []).append(meeting)
    for found in of_node.values():
        key = (
            id(found[0].node.declaration),
            *[(m.dim, m.first, m.second, *_beside(m)) for m in found],
        )
        if key not in seen:
            seen.add(key)
            yield found


def _is_uneven_crop(trace: Trace, meeting: Meeting) -> bool:
    """It is the half position of an uneven crop, which T502 reports."""
    steps, shift = _beside(meeting)
    if steps != 1 or abs(shift) != Fraction(1, 2):
        return False
    sources = [
        node
        for i in (meeting.first, meeting.second)
        for node, _ in _before(trace, meeting.node.inputs[i])
    ]
    cropping = {meeting.node.index, *[node.index for node in sources]}
    return any(
        remark.code == "T502" and node.index in cropping for node, remark in trace.remarks()
    )


def _beside(meeting: Meeting) -> tuple[Fraction, Fraction]:
    """The first input's step, and how far it starts behind the second, both in the second's steps."""
    (stride, offset), (other_stride, other_offset) = meeting.grids
    step = Fraction(*other_stride) or Fraction(1)
    return Fraction(*stride) / step, (Fraction(*offset) - Fraction(*other_offset)) / step


def fact(trace: Trace, meeting: Meeting) -> str:
    """The distance of two maps along one dim, or their steps where those differ, in input pixels."""
    first, second = (meeting.node.inputs[i].shown for i in (meeting.first, meeting.second))
    rows = repeated(trace, meeting)
    if rows is not None:
        one, several = (first, second) if rows[0] == 1 else (second, first)
        return f"the one row of {one} is repeated over the {max(rows)} of {several} in dim {meeting.dim}"
    (stride, offset), (other_stride, other_offset) = meeting.grids
    if Fraction(*stride) != Fraction(*other_stride):
        return (
            f"a position of {first} is {number(*stride)} input pixels wide, one of {second} {number(*other_stride)}, "
            f"in dim {meeting.dim}"
        )
    aside = abs(Fraction(*offset) - Fraction(*other_offset))
    return (
        f"{first} lies {pixels(aside)} beside {second} "
        f"(stride {number(*stride)}, offset {number(*offset)} against {number(*other_offset)}) in dim {meeting.dim}"
    )


def repeated(trace: Trace, meeting: Meeting) -> tuple[int, int] | None:
    """The sizes of the two, where one row of one is repeated over the other."""
    shapes: Any = [
        trace.by_index[meeting.node.inputs[i].index] for i in (meeting.first, meeting.second)
    ]
    rank = max(len(trace.by_index[source.index] or ()) for source in meeting.node.inputs)
    a, b = (shape[meeting.dim - rank + len(shape)] for shape in shapes)
    return (
        (a, b)
        if a != b and 1 in (a, b) and getattr(meeting.node.op, "align", "none") == "none"
        else None
    )


def pixels(n: Fraction) -> str:
    """A distance, with its unit."""
    return f"{number(*n.as_integer_ratio())} input pixel{'' if n == 1 else 's'}"


def number(numerator: int, denominator: int) -> str:
    """A ratio as people write it: 0.5, 2 1/3, or rounded where the fraction says nothing."""
    exact = Fraction(numerator, denominator)
    if (exact * 1000).denominator == 1:
        return f"{float(exact):.3f}".rstrip("0").rstrip(".")
    if exact.denominator > 999:
        return f"about {float(exact):.3f}"
    whole, rest = divmod(abs(exact.numerator), exact.denominator)
    sign = "-" if exact < 0 else ""
    return (
        f"{sign}{whole} {rest}/{exact.denominator}"
        if whole
        else f"{sign}{rest}/{exact.denominator}"
    )


def producers(trace: Trace, found: list[Meeting]) -> tuple[Related, ...]:
    """The nodes that the maps come from."""
    node = found[0].node
    numbers = sorted({i for meeting in found for i in (meeting.first, meeting.second)})
    sources = [node.inputs[i] for i in numbers]
    related = [
        Related(f"{s.shown} gives {written(trace.by_index[s.index])} here", s.span, node=s.name)
        for s in sources
    ]
    return tuple(dict.fromkeys(related))


def advice(trace: Trace, meeting: Meeting) -> str:
    """The change that lines the two up."""
    if repeated(trace, meeting) is not None:
        return "global pooling (an adaptive pool to 1) is meant to be repeated; otherwise make the sizes meet"

    steps, shift = _beside(meeting)
    corners = _with_aligned_corners(trace, meeting)
    if corners is not None and meeting.grids[0].stride != meeting.grids[1].stride:
        return (
            f"align_corners: false at {corners} makes its step the factor by which it enlarges"
        )
    if steps != 1:
        return "enlarge by the factor by which the skip's map is larger: choose sizes that every stride divides"

    # By whole rows a map can be moved; by parts of one it has to be made otherwise.
    if shift.denominator == 1:
        return _moved_by_rows(trace, meeting, shift.numerator)
    if corners is not None:
        return f"align_corners: false at {corners} fits a down-layer of an even kernel"
    return "down- and up-layers fit where both have odd kernels, or both even ones (a resize counts as even)"


def _with_aligned_corners(trace: Trace, meeting: Meeting) -> str | None:
    """The last resize before the meeting that aligns corners."""
    for i in (meeting.first, meeting.second):
        for node, op in _before(trace, meeting.node.inputs[i]):
            if isinstance(op, Resizing) and op.how().align_corners:
                return node.shown
    return None


def _moved_by_rows(trace: Trace, meeting: Meeting, shift: int) -> str:
    """The layer at which rows can be cut; the first input begins ``shift`` rows behind the second."""
    align = getattr(meeting.node.op, "align", "none")
    if align in HALVED:
        return f"align: {align} {HALVED[align]}; choose a size that every stride divides, or do it by hand at one end"

    rows = abs(shift)
    count = f"{rows} row{'' if rows == 1 else 's'}"
    early, late = meeting.second, meeting.first
    if shift < 0:
        early, late = late, early

    # A crop that is there already can cut otherwise.
    for i, word in ((late, "fewer"), (early, "more")):
        for node, op in _before(trace, meeting.node.inputs[i]):
            if isinstance(op, Crop):
                return f"cut {count} {word} off the beginning at {node.shown}"
    return f"cut {count} off the beginning of {meeting.node.inputs[early].shown}, or pad less there"


def _before(trace: Trace, node: Node) -> Iterator[tuple[Node, Op]]:
    """The layers that a map has come through since the last merge, the nearest first."""
    while len(node.inputs) == 1:
        op = trace.ops[node.index]
        if op is not None:
            yield node, op
        (node,) = node.inputs
