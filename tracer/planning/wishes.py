"""Of assignments that cost the same, the one that a designer would be warned least of.

A plan is the assignment nearest to torch's defaults. Several may be as near, and some of them are worse networks: a
kernel that leaves rows without a tap (T504), maps that meet beside each other (T503), a cut that moves the output
(T508). That none of this happens is wished for, condition by condition in the order of the nodes, and never paid for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import gcd

from tracer.geometry.grids import meetings
from tracer.geometry.overlays import overlays
from tracer.network.records import Node
from tracer.ops.base import per_axis
from tracer.ops.convolution import ConvTranspose
from tracer.planning.problem import Problem
from tracer.planning.search import Ask, TooManyValues
from tracer.planning.unknowns import domain_of
from tracer.sizing.arithmetic import Dim, Holds
from tracer.sizing.program import substitute
from tracer.sizing.size_set import TooLarge
from tracer.sizing.substitution import Substitution
from tracer.sizing.symbol import Condition

MOST = 64
"""Wishes that are tried one by one."""


def with_wishes(
    problem: Problem, found: dict[str, int], samples: Sequence[Mapping[str, int]] = ({},)
) -> dict[str, int]:
    """Values that cost no more than those found, and fulfil what can be fulfilled."""
    if not problem.symbolic or problem.strict:
        return found

    try:
        wishes = list(_open_wishes(problem, samples[0]))
        if all(_holds(wish, found) for wish in wishes):
            return found

        # Mostly all can be fulfilled, and together they leave the search the least to try.
        better = _improved(problem, found, samples, wishes)
        return better or _one_by_one(problem, found, samples, wishes)
    except (TooManyValues, TooLarge):
        return found


def _improved(
    problem: Problem,
    found: dict[str, int],
    samples: Sequence[Mapping[str, int]],
    wishes: Sequence[Ask],
) -> dict[str, int] | None:
    """Values that fulfil these wishes and cost no more than those found; None where there are none."""
    better = problem.solve(samples, wishes).values
    if better is None or problem.unknowns.cost(better) > problem.unknowns.cost(found):
        return None
    return better


def _one_by_one(
    problem: Problem,
    found: dict[str, int],
    samples: Sequence[Mapping[str, int]],
    wishes: Sequence[Ask],
) -> dict[str, int]:
    """The values that fulfil each wish that can be fulfilled together with those before it."""
    kept: list[Ask] = []
    for wish in wishes:
        if _holds(wish, found):
            kept.append(wish)
            continue
        try:
            better = _improved(problem, found, samples, [*kept, wish])
        except TooManyValues:
            return found
        if better is not None:
            found = better
            kept.append(wish)
    return found


def _holds(wish: Ask, values: Mapping[str, int]) -> bool:
    (holds,) = substitute([wish[0]], values)
    return bool(holds)


def _open_wishes(problem: Problem, sample: Mapping[str, int]) -> Iterator[Ask]:
    """The wishes that values decide, at these sizes of the symbols that are left open."""
    replaced = Substitution(problem.space, sample)
    wishes = sorted(_wishes(problem), key=lambda wish: wish[1].index)
    for holds, node in wishes[:MOST]:
        decided = replaced.condition(holds) if sample else holds
        if isinstance(decided, Condition):
            yield decided, node


def _wishes(problem: Problem) -> Iterator[Ask]:
    """What keeps the design rules silent, as far as values decide it."""
    for holds, node in [*_even_taps(problem), *_placed(problem)]:
        if isinstance(holds, Condition):
            yield holds, node


def _placed(problem: Problem) -> list[tuple[Holds, Node]]:
    """The merges whose maps lie on each other, the outputs on the input; none where a grid takes numbers only."""
    traced = problem.recipe.traced
    try:
        return [
            *((meeting.holds, meeting.node) for meeting in meetings(traced)),
            *((overlay.holds, overlay.output) for overlay in overlays(traced)),
        ]
    except TypeError:
        return []


def _even_taps(problem: Problem) -> Iterator[tuple[Holds, Node]]:
    """The transposed convolutions whose positions get as many taps each (:meth:`ConvTranspose.is_even`)."""
    for node in problem.unknowns.nodes():
        op = problem.unknowns.open_ops[node.index]
        if isinstance(op, ConvTranspose):
            for axis in range(op.axes):
                yield _is_even(node, op, axis), node


def _is_even(node: Node, op: ConvTranspose, axis: int) -> Holds:
    """The condition on the kernel, the stride and the dilation, stride by stride where that is open."""
    kernel, stride, dilation = (
        per_axis(getattr(op, field), op.axes)[axis]
        for field in ("kernel_size", "stride", "dilation")
    )
    strides, dilations = _values(node, op, "stride", axis), _values(node, op, "dilation", axis)

    holds: Holds = False
    for s, d in product(strides, dilations):
        if gcd(s, d) == 1:
            holds = holds | ((stride == s) & (dilation == d) & (kernel % s == 0))
    return holds


def _values(node: Node, op: ConvTranspose, field: str, axis: int) -> Sequence[int]:
    """The values that an argument may take along an axis."""
    for unknown in node.unknowns:
        if unknown.field == field and unknown.axis in (None, axis):
            return domain_of(op, unknown, node.unknowns, axis)
    value: Dim = per_axis(getattr(op, field), op.axes)[axis]
    return [value] if isinstance(value, int) else []
