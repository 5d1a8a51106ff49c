"""Steps that one way of a program has and another may do without: they can give back what they take.

A resize to the size that is there, padding by nothing, a slice of everything, a roll by nothing leave their input as
it is. So do several steps in a row that bring a tensor to other dims and back, with a mask between that adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from tracer.importing.recording import Step, Value
from tracer.importing.run_time_sizes import over_symbols
from tracer.ops.creation import Full
from tracer.ops.crop import Slice
from tracer.ops.linear import Identity
from tracer.ops.merge import Add, Sub
from tracer.ops.order import Roll
from tracer.ops.padding import Padding
from tracer.ops.pointwise import Broadcast, Parameter, Require
from tracer.ops.rearrange import Flatten, Reshape, Squeeze, Unflatten, Unsqueeze
from tracer.ops.resize import Resizing
from tracer.sizing.symbol import Condition

ALONE = (Identity, Resizing, Padding, Roll, Slice)
"""Each of them may leave its input as it is."""

IN_ORDER = (Flatten, Reshape, Squeeze, Unflatten, Unsqueeze)
"""They keep all elements in their order: where the dims are what they were, so is the tensor."""

LONGEST = 8
"""Steps in a row that are looked at."""


def detour(steps: Sequence[Step]) -> int:
    """How many of the next steps give back what they take, or can; 0 where they do something."""
    if steps and isinstance(steps[0].op, ALONE):
        return 1

    shapes: list[tuple[int, ...]] = []
    for count, made in enumerate(_row(steps), 1):
        if made is None:
            continue
        taken, given = made
        shapes = shapes or [taken.shape]
        if given.shape == shapes[0]:
            return count
    return 0


def _row(steps: Sequence[Step]) -> Iterator[tuple[Value, Value] | None]:
    """What each of the next steps takes and gives, as long as it takes what the one before gives; None for a mask."""
    now = ""
    masks: set[str] = set()
    for step in islice(steps, LONGEST):
        if _is_mask(step):
            masks.add(step.name)
            yield None
            continue

        sources = [one for one in step.sources if one.name not in masks]
        if len(sources) != 1 or not _may_keep(step, masks):
            return
        (taken,) = sources
        if now not in ("", taken.name):
            return
        now = step.value.name
        yield taken, step.value


def is_optional(step: Step) -> bool:
    """Whether one way of a network may have a step like this, and another may not."""
    op = step.op
    is_left_out = isinstance(op, (*ALONE, Full, Parameter, Require))
    return is_left_out or _may_keep(step, set())


def _is_mask(step: Step) -> bool:
    """Whether a step makes a tensor of sizes whose values are not said: they may be zeros where it is not made."""
    return isinstance(step.op, Full) and step.op.fill_value is None


def _may_keep(step: Step, masks: set[str]) -> bool:
    """Whether a step keeps all elements in their order, where masks are zeros."""
    op = step.op
    if isinstance(op, IN_ORDER):
        return True

    is_first = bool(step.sources) and step.sources[0].name not in masks
    if isinstance(op, Broadcast):
        return is_first and op.function_ == "masked_fill"
    return isinstance(op, Add) or (isinstance(op, Sub) and is_first)


def taken_by(steps: Sequence[Step]) -> Value:
    """What the steps of a detour take: the tensor that none of them makes."""
    made = {step.name for step in steps}
    return next(source for step in steps for source in step.sources if source.node not in made)


def does_nothing(step: Step, taken: Value) -> Iterator[Condition | bool]:
    """The conditions under which a detour that ends with a step gives back what it takes."""
    yield len(taken.sizes) == len(step.value.sizes)
    for before, after in zip(taken.sizes, step.value.sizes):
        yield before == after

    # Padding by 1 and -1 keeps the size as well, and moves everything.
    op = step.op
    if isinstance(op, Padding):
        yield from _zeros(step.argument("padding"))
    # By a factor near 1 it may keep the size, and sample between its input's places.
    if isinstance(op, Resizing):
        yield from op.samples_by_sizes(taken.sizes, step.value.sizes)
    if isinstance(op, Roll):
        yield from _zeros(step.argument("shifts"))
    if isinstance(op, Slice):
        yield from _zeros(step.argument("start"))


def _zeros(argument: Any) -> Iterator[Condition | bool]:
    """The conditions under which all numbers of an argument are zeros."""
    found = over_symbols(argument)
    for n in found if isinstance(found, tuple) else (found,):
        yield n == 0
