"""The values that the planner found for every ``auto``, or why it found none."""

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
    """Values for every ``auto``, and nothing of the faults that no ``auto`` decides.

    Whether the whole network closes is what :func:`tracer.plan` says.
    """

    solved: bool
    """Every ``auto`` has a value that serves; so it is where there is none."""
    assignments: dict[str, tuple[int, ...]]
    """``"up4.output_padding": (1, 0)``, one value per axis."""
    cost: int
    """The sum of the distances from torch's defaults."""
    ops: Ops
    """Every node's operation with its values filled in (without a solution: with those that meet the most)."""
    diagnostics: list[Diagnostic]
    solutions: int = 1
    """How many assignments there are."""
    capped: bool = False
    """``solutions`` is not exact: of unknowns with many values the dearer ones are not counted, and of many assignments
    for many sizes not each is proven."""
    served: tuple[Served, ...] = ()
    """Where no assignment serves every size: which serves which, the one that serves the most first."""
    explained: frozenset[str] = frozenset()
    """Nodes whose faults follow from what ``diagnostics`` report."""


def solved_already(ops: Ops) -> Solution:
    """The solution of a network that leaves nothing open."""
    return Solution(True, {}, 0, ops, [])
