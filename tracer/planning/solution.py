"""What a plan is."""

from __future__ import annotations

import msgspec

from tracer.diagnostics import Diagnostic
from tracer.shapes.traced import Ops
from tracer.sizing.size_set import SizeSet


class Served(msgspec.Struct, frozen=True):
    """One assignment, and the sizes that it serves."""

    assignments: dict[str, tuple[int, ...]]
    sizes: dict[str, SizeSet]
    """By symbol, among the sizes that are promised."""


class Solution(msgspec.Struct, frozen=True):
    """Values for every ``auto``."""

    feasible: bool
    assignments: dict[str, tuple[int, ...]]
    """``"up4.output_padding": (1, 0)``, one value per axis."""
    cost: int
    """The sum of the distances from torch's defaults."""
    ops: Ops
    """Every node's operation with its values filled in (where infeasible: with the least ones)."""
    diagnostics: list[Diagnostic]
    solutions: int = 1
    """How many assignments there are."""
    capped: bool = False
    """``solutions`` is not exact: of unknowns with many values the dearer ones are not counted, and of many assignments
    for many sizes not each is proven."""
    served: tuple[Served, ...] = ()
    """Where no assignment serves every size: which serves which, the one that serves the most first."""
