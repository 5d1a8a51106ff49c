"""Cuts at which an output lies on the input, where it lies beside it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tracer.geometry.overlays import overlays
from tracer.network.records import Node
from tracer.ops.base import Op
from tracer.ops.crop import Crop, Slice
from tracer.ops.rearrange import wrapped
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate, Kind, Oddness
from tracer.repairing.candidates.cuts import written_crop
from tracer.repairing.candidates.solved import named
from tracer.repairing.writing import path_of
from tracer.sizing.symbol import Space
from tracer.source.edits import Edit
from tracer.source.expressions import Expression

Shifts = dict[int, int]
"""How many rows sooner a cut begins, by dim."""


def candidates(bench: Bench) -> Iterator[Candidate]:
    """The cuts before the outputs moved to where the input lies, all of them at once."""
    if bench.aim is None or bench.aim.code != "T508":
        return

    edits: list[Edit] = []
    for node, shifts in _shifts(bench).items():
        moved = _moved(bench, node, shifts)
        if moved is None or len(bench.all_of(node).nodes) > 1:
            return
        path = path_of(node, node.declaration)
        edits += [Edit((*path, field), value) for field, value in moved.items()]

    if edits:
        title = f"cut of {named(edits)}"
        yield Candidate(title, edits, Kind.SLIP, Oddness.NATURAL)


def _shifts(bench: Bench) -> dict[Node, Shifts]:
    """By the cut: how far the output behind it lies beside the input, in whole rows."""
    found: dict[Node, Shifts] = {}
    for overlay in overlays(bench.trace):
        if not overlay.holds:
            rows = round(Fraction(*overlay.offset))
            found.setdefault(overlay.cut, {})[overlay.dim] = rows
    return found


def _moved(bench: Bench, node: Node, shifts: Shifts) -> dict[str, Any] | None:
    """The arguments of a cut that begins so much sooner and leaves as much; None where it cannot."""
    op = bench.ops[node.index]
    if isinstance(op, Crop):
        return _moved_crop(op, len(bench.shape(node) or ()), shifts)
    if isinstance(op, Slice):
        return _moved_slice(op, node, len(bench.shape(node) or ()), shifts)
    return None


def _moved_crop(op: Crop, rank: int, shifts: Shifts) -> dict[str, Any] | None:
    amounts = []
    for dim, (before, behind) in enumerate(op.amounts(rank - 2), 2):
        rows = shifts.get(dim, 0)
        amounts.append((before - rows, behind + rows))
    if any(min(pair) < 0 for pair in amounts):
        return None
    return {"crop": written_crop(tuple(amounts))}


def _moved_slice(op: Slice, node: Node, rank: int, shifts: Shifts) -> dict[str, Any] | None:
    if list(shifts) != [wrapped(op.dim, rank)]:
        return None
    (rows,) = shifts.values()
    if "start" in node.dim_fields or op.start < rows:
        return None

    stop = _moved_end(op, node, rows)
    return None if stop is None else {"start": op.start - rows, "stop": stop}


def _moved_end(op: Op, node: Node, rows: int) -> Any:
    """The end of a slice as the config has it; None where it counts from the end of the map, or is it."""
    stop = node.dim_fields.get("stop")
    if isinstance(stop, (str, Expression)):
        names = [stop] if isinstance(stop, str) else stop.names
        space = Space()
        known = {name: space.counts(name) for name in names}
        size = known[stop] if isinstance(stop, str) else stop(known)
        return str(size - rows)

    number = getattr(op, "stop", None)
    return number - rows if isinstance(number, int) and number - rows > 0 else None
