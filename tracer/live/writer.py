"""An opened network as the records that a page reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from tracer.costs.memory import Stored, ledger
from tracer.diagnostics import Diagnostic
from tracer.geometry.grids import Grid, grids
from tracer.live.claims import slot_text
from tracer.live.opened import Claim, OpenedNetwork
from tracer.live.records import Ask, Live, LiveNode, LiveStep, Memories
from tracer.shapes.traced import Applied
from tracer.shapes.working import working
from tracer.sizing.arithmetic import Dim
from tracer.sizing.program import Program
from tracer.sizing.size_set import TooLarge
from tracer.sizing.stored import written_truth
from tracer.sizing.symbol import Condition

GridSlots = list[list[int] | None]
"""Per dim: the slots of the stride's numerator and denominator, and the offset's."""


Told = Callable[[Sequence[Diagnostic]], list[Diagnostic]]
"""Findings at the places where the user sees them."""


def written(opened: OpenedNetwork, told: Told) -> Live:
    """The whole program as records."""
    program = opened.program
    lines = iter(_lines(opened, told))
    applied = {one.node.index: one for one in opened.traced.applied()}
    nodes = []
    for index, placed in enumerate(_grids(opened)):
        node = _node(opened, index, applied.get(index), placed, lines)
        nodes.append(node)
    memories = _memories(opened)

    # The steps come last: whatever is written above may have added some.
    steps = []
    for _, kind, instruction in program.steps():
        parts = [_part(program, part) for part in instruction]
        steps.append([kind, *parts])
    return Live(
        symbols=opened.first_sizes,
        params=opened.params,
        fixed={},
        choices=opened.choices,
        planned=opened.planned,
        steps=steps,
        nodes=nodes,
        memories=memories,
    )


def _lines(opened: OpenedNetwork, told: Told) -> list[int | None]:
    """The line that a check names for each claim, node by node."""
    own = opened.network.path
    found = []
    for node, claims in zip(opened.network.nodes, opened.claims):
        for claim in claims:
            path = claim.path or own
            one = Diagnostic(claim.code, "", claim.span, path=path, node=node.name)
            found.append(one)
    return [one.span.line if one.span else None for one in told(found)]


def _node(
    opened: OpenedNetwork,
    index: int,
    applied: Applied | None,
    placed: GridSlots,
    lines: Iterator[int | None],
) -> LiveNode:
    program, y = opened.program, opened.shapes[index]
    asks = [_ask(program, claim, next(lines)) for claim in opened.claims[index]]
    shape = None if y is None else [program.slot(n) for n in y]
    if applied is None:
        unknown = index in opened.unknown
        return LiveNode(shape, asks, None, None, placed, [], unknown)

    op, x = applied.op, applied.inputs
    return LiveNode(
        shape=shape,
        asks=asks,
        params=_count(program, lambda: applied.parameters),
        macs=_count(program, lambda: op.macs(applied.shape, *x)),
        grid=placed,
        working=working(applied, partial(slot_text, program)),
        unknown=False,
    )


def _ask(program: Program, claim: Claim, line: int | None) -> Ask:
    return Ask(
        holds=written_truth(program, claim.holds),
        code=claim.code,
        severity=claim.severity,
        message=claim.message,
        hint=claim.hint,
        narrow=claim.narrow,
        line=line,
    )


def _part(program: Program, part: Any) -> Any:
    """A part of an instruction: conditions become JSON."""
    return written_truth(program, part) if isinstance(part, Condition) else part


def _count(program: Program, count: Callable[[], Dim]) -> int | None:
    """The slot of a count; None where symbols do not decide it."""
    try:
        return program.slot(count())
    except TypeError:
        return None


def _grids(opened: OpenedNetwork) -> list[GridSlots]:
    """The grids of every node; none at all where an open argument decides where positions lie."""
    try:
        found = grids(opened.traced)
    except (TypeError, TooLarge):
        return [[] for _ in opened.ops]
    slots = []
    for own in found:
        slots.append([_grid_slots(opened.program, grid) for grid in own or ()])
    return slots


def _grid_slots(program: Program, grid: Grid | None) -> list[int] | None:
    if grid is None:
        return None
    return [program.slot(n) for ratio in grid for n in ratio]


def _memories(opened: OpenedNetwork) -> Memories | None:
    if opened.unknown or None in opened.shapes:
        return None
    try:
        found = ledger(opened.traced)
    except TypeError:  # numbers decide what is kept
        return None

    steps = []
    for node, made, freed in found.steps:
        made_slots = _part_slots(opened.program, made)
        freed_slots = _part_slots(opened.program, freed)
        steps.append(LiveStep(node, made_slots, freed_slots))
    kept = _part_slots(opened.program, found.kept)
    return Memories(kept, steps)


def _part_slots(program: Program, parts: list[Stored]) -> list[int]:
    """The slots of counts of values; negative ones, less one, of counts of indices."""
    slots = []
    for part in parts:
        slot = program.slot(part.count)
        slots.append(-slot - 1 if part.indices else slot)
    return slots
