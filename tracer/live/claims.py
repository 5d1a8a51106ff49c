"""What must hold at the nodes of a network on symbols, in words with slots in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tracer.diagnostics import legible
from tracer.geometry.grids import Grid, Meeting, Ratio, meetings
from tracer.live.opened import Claim, OpenedNetwork
from tracer.network.handed_in import handed_in
from tracer.network.records import DimPattern, Node
from tracer.ops.base import Op, Requirement, may_be_negative, written
from tracer.shapes.trace import dim_pairs, dim_value, refusal_text
from tracer.sizing.program import Program
from tracer.sizing.size_set import TooLarge
from tracer.sizing.symbol import Condition, Size
from tracer.source.expressions import ExpressionError
from tracer.source.tree import span_of

MEANT = {"T501": "a stride drops rows at the end", "T502": "a crop is uneven"}
"""What is lost, where the exact words depend on numbers."""


def slot_text(program: Program, size: Any) -> str:
    """A size in a text: the page puts the slot's value in its place."""
    return f"⟦{program.slot(size)}⟧"


def ratio_text(program: Program, ratio: Ratio) -> str:
    """A ratio in a text: the page divides."""
    return f"⟦{program.slot(ratio.numerator)}/{program.slot(ratio.denominator)}⟧"


def _is_open(holds: Any) -> bool:
    """True for what has to be told: a condition on symbols, or what fails whatever they are."""
    return isinstance(holds, Condition) or not holds


def whole_dims(node: Node, op: Op, values: Mapping[str, Any]) -> Iterator[Claim]:
    """A dim over symbols must be a whole number from 0 on. Raises TypeError for a fraction."""
    for field, dims in node.dim_fields.items():
        for dim, n in dim_pairs(dims, values[field]):
            if isinstance(n, float):
                raise TypeError("a dim is a fraction")
            if isinstance(n, Size) and not may_be_negative(op, field):
                text = getattr(dim, "text", dim)
                message = (
                    f"{node.name}: the dim {text} is {n}; it must be a whole number from 0 on"
                )
                span = node.span_for(field)
                yield Claim(n >= 0, "T202", "error", message, span=span)


def required(
    opened: OpenedNetwork, node: Node, requirement: Requirement, narrow: bool
) -> Claim:
    """A requirement of a node's operation on its inputs."""
    message = legible(refusal_text(node, requirement, opened.inputs(node)))
    hint = None if requirement.hint is None else legible(requirement.hint)
    span = node.span_for(requirement.field)
    return Claim(requirement.holds, requirement.code, "error", message, hint, narrow, span)


def legal(opened: OpenedNetwork, node: Node, requirement: Requirement, narrow: bool) -> Claim:
    """A requirement on the arguments alone, at the place where the value is written."""
    claim = required(opened, node, requirement, narrow)
    given = node.declaration.arguments.get(requirement.field or "")
    if given is None:
        return claim

    *_, place = handed_in(node.declaration, given, node.uses)
    return claim._replace(span=span_of(place.at))


def remarks(opened: OpenedNetwork, node: Node, op: Op) -> list[Claim]:
    """What is lost at a node, and what other backends and the training mode do not take."""
    x, given = opened.inputs(node), opened.operands(node)
    found: list[Claim] = []
    try:
        for remark in op.remarks(*x, **given):
            if _is_open(remark.holds):
                text = f"{node.name}: {_remark_text(remark)}"
                span = node.span_for(remark.field)
                claim = Claim(
                    remark.holds, remark.code, "warning", text, remark.hint, span=span
                )
                found.append(claim)
    except TypeError:  # what is lost depends on numbers
        pass
    return found


def _remark_text(remark: Requirement) -> str:
    try:
        return remark.text()
    except TypeError:
        return MEANT.get(remark.code, "some backends refuse this")


def expected(
    opened: OpenedNetwork,
    node: Node,
    pattern: tuple[DimPattern, ...],
    at: Any,
    what: str,
    path: str | None = None,
) -> Iterator[Claim]:
    """T304: a node's shape must be as it is expected, in the config or in the file ``path``."""
    span = span_of(at)
    y = opened.shapes[node.index]
    if y is None:
        return
    dims: tuple[Any, ...] = pattern
    if opened.opened is not None:
        dims = opened.opened.pattern(node, at, pattern)

    if len(dims) != len(y):
        message = (
            f"{what} has the shape {written(y)}; {len(dims)} dims are expected, not {len(y)}"
        )
        yield Claim(False, "T304", "error", message, span=span, path=path)
        return
    for position, (dim, n) in enumerate(zip(dims, y)):
        want = _expected_size(opened, dim)
        holds = True if want is None else want == n
        if _is_open(holds):
            message = f"{what} has the shape {written(y)}; dim {position} is expected to be {want}, not {n}"
            yield Claim(holds, "T304", "error", message, span=span, path=path)


def _expected_size(opened: OpenedNetwork, dim: Any) -> Any:
    """The size that a dim of a pattern stands for; None where it stands for any, or numbers decide."""
    if dim is None or isinstance(dim, Size):
        return dim
    try:
        return dim_value(dim, opened.sizes)
    except ExpressionError:
        return None


def misaligned(opened: OpenedNetwork) -> Iterator[tuple[int, Claim]]:
    """T503: at every merge, the positions of the inputs must lie at the same places; by the merge's number."""
    try:
        found = list(meetings(opened.traced))
    except (TypeError, TooLarge):
        # An open argument decides where positions lie, or there are too many to list.
        return
    for meeting in found:
        for holds, text in _meeting_facts(meeting):
            if _is_open(holds):
                message = text(opened.program, meeting)
                node = meeting.node
                aligns = getattr(node.op, "align", "none") != "none"
                span = node.span_for("align" if aligns else None)
                yield node.index, Claim(holds, "T503", "warning", message, span=span)


Text = Callable[[Program, Meeting], str]


def _meeting_facts(meeting: Meeting) -> Iterable[tuple[Any, Text]]:
    """That the steps are alike, and the offsets; of unlike steps the first says enough."""
    own, other = meeting.grids
    return (
        (own.stride.equals(other.stride), _unlike_steps),
        (own.offset.equals(other.offset) | _steps_differ(own, other), _unlike_offsets),
    )


def _steps_differ(own: Grid, other: Grid) -> Any:
    a, b = own.stride, other.stride
    return a.numerator * b.denominator != b.numerator * a.denominator


def _unlike_steps(program: Program, meeting: Meeting) -> str:
    first, second = (meeting.node.inputs[i].name for i in (meeting.first, meeting.second))
    own, other = (ratio_text(program, grid.stride) for grid in meeting.grids)
    return (
        f"{meeting.node.name}: a position of {first} is {own} input pixels wide, one of {second} {other}, "
        f"in dim {meeting.dim}"
    )


def _unlike_offsets(program: Program, meeting: Meeting) -> str:
    first, second = (meeting.node.inputs[i].name for i in (meeting.first, meeting.second))
    own, other = (grid.offset for grid in meeting.grids)
    apart = own.numerator * other.denominator - other.numerator * own.denominator
    aside = ratio_text(program, Ratio(apart, own.denominator * other.denominator))
    places = f"at {ratio_text(program, own)} and {ratio_text(program, other)}"
    return (
        f"{meeting.node.name}: {first} begins {aside} input pixels behind {second} "
        f"({places}) in dim {meeting.dim}"
    )
