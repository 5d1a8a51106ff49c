"""The order of repairs that a person would sign, and how many of them are worth reading.

What the user cannot write stands last. Before that, safe ones stand first and other input sizes last, unless a layer
was made for a width that the sizes decide. Between them: what keeps the size of the output, brings no warning,
leaves the parameters as they are, was probably forgotten, makes a layer what others are, and changes few numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from typing import Any

from msgspec.structs import replace

from tracer.repairing.candidate import Kind, Oddness
from tracer.repairing.repair import Repair
from tracer.shapes.trace import Trace

ALWAYS = (Kind.SOLVED, Kind.SIZED, Kind.ALIGNED, Kind.SIZES, Kind.RUNS)
"""Kinds of which everything is listed: there are few of them."""

MOST = 8
"""Repairs of other kinds that are listed at most."""

ENOUGH = 3
"""Beside so many that bring no warning, those of other kinds that bring one are no news."""

OTHER_SCALE = 0.25
"""An output whose size differs by more from what the network gives at sizes that run is another one."""


def in_order(found: Sequence[Repair]) -> list[Repair]:
    """The repairs that are worth reading, the best first."""
    ranking = _Ranking(found)
    ordered = sorted(found, key=ranking.key)
    ordered = [one for one in ordered if not any(_does_more(one, other) for other in ordered)]
    clean = list(filter(ranking.is_clean, ordered))
    is_enough = sum(one.kind < Kind.SIZES for one in clean) >= ENOUGH

    listed = []
    others = 0
    for repair in ordered:
        if repair.kind not in ALWAYS:
            if others == MOST or (is_enough and repair not in clean):
                continue
            others += 1
        listed.append(ranking.without_own(repair))
    return listed


def _does_more(repair: Repair, other: Repair) -> bool:
    """Whether a repair takes sizes from nodes where another one does so for fewer layers, with the same outcome."""
    if repair.kind != Kind.SIZED or other.kind != Kind.SIZED:
        return False
    theirs = [edit.path for edit in other.edits]
    mine = [edit.path for edit in repair.edits]
    is_same = repair.changes.outputs == other.changes.outputs
    return is_same and set(theirs) < set(mine) and set(other.warnings) <= set(repair.warnings)


class _Ranking:
    """What all repairs of one network say of it."""

    def __init__(self, found: Sequence[Repair]) -> None:
        sizes = [repair for repair in found if repair.kind >= Kind.SIZES]
        # What every other size brings along is the network's own.
        self.own: Set[str] = set()
        if sizes:
            self.own = set.intersection(*[set(one.warnings) for one in sizes])
        # What runs for single positions alone may be stretched over others.
        larger = [one for one in sizes if any(edit.value != 1 for edit in one.edits)]
        scales = [repair.scale for repair in larger if repair.scale is not None]
        self.scale = scales[0] if scales else None
        """How much larger the output is than the input, at sizes that run."""

    def warnings(self, repair: Repair) -> list[str]:
        """The warnings that a repair brings and the network did not have."""
        # A resize to a size that is no multiple of the map's lies beside it by a fraction, whatever is done.
        apart = {"T503"} if repair.kind == Kind.SIZED else set()
        return [code for code in repair.warnings if code not in self.own and code not in apart]

    def without_own(self, repair: Repair) -> Repair:
        """The repair with the warnings alone that it brings."""
        brought = [code for code in repair.warnings if code not in self.own]
        return repair if brought == repair.warnings else replace(repair, warnings=brought)

    def is_other(self, repair: Repair) -> bool:
        """Whether the output is of another size than the network gives."""
        if self.scale is None or repair.scale is None:
            return False
        return abs(repair.scale / self.scale - 1) > OTHER_SCALE

    def is_clean(self, repair: Repair) -> bool:
        """Whether it brings no warning and no other output."""
        return not self.warnings(repair) and not self.is_other(repair)

    def key(self, repair: Repair) -> tuple[Any, ...]:
        """Smaller for what a person would rather do."""
        changes = repair.changes
        return (
            bool(repair.elsewhere),
            not repair.safe,
            not repair.is_made_for,
            repair.kind >= Kind.SIZES,
            self.is_other(repair),
            len(self.warnings(repair)),
            self.scale == 1 and repair.scale != 1,
            # A layer with a number that was mistyped has other parameters than the one that was meant.
            repair.reshapes and repair.oddness > Oddness.NATURAL,
            repair.kind,
            repair.oddness,
            repair.reshapes,
            changes.values,
            abs(changes.params_difference or 0),
            abs(changes.macs_difference or 0),
        )


def scale_of(trace: Trace) -> float | None:
    """How much larger the first output is than the first input along an axis, on average; None for other ranks."""
    x = next((visit.shape for visit in trace.walk() if visit.node.is_input), None) or ()
    y = next((shape for shape in trace.outputs.values() if shape is not None), ())
    if len(x) < 3 or len(x) != len(y):
        return None
    axes = len(x) - 2
    positions = math.prod(x[2:])
    if not positions:
        return None
    larger = math.prod(y[2:]) / positions
    return math.pow(larger, 1 / axes)
