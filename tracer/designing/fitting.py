"""Whether a training step fits: its memory with a margin, and the checkpoint that would save most."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import accumulate
from math import ceil
from typing import Any

import msgspec

from tracer.costs.calls import StepCall, calls_of
from tracer.costs.regions import NoRegion, members, units_of
from tracer.costs.training_step import StepMemory, Training, run_step, unknown_in_training
from tracer.shapes.trace import Trace

MOST_TRIED = 64
"""Checkpoints that are tried, those that keep most first."""

MOST_CALLS = 200_000
"""Calls that are followed for them all."""

DEFAULT_MARGIN = Fraction(1, 10)
"""Of what a step takes. It is a guess: no card has been measured."""


class Saving(msgspec.Struct, frozen=True):
    """A checkpoint beside those that are asked for, and what a step takes with it."""

    checkpoint: str
    peak: int


class Fit(msgspec.Struct, frozen=True):
    """What a training step takes."""

    optimizer: str
    amp: str | None
    """The type to which torch.autocast casts; null without it."""
    checkpoints: tuple[str, ...]
    margin: float
    """The part of the peak that is added for workspaces and fragmentation."""
    step: StepMemory | None
    """Null where it is not known."""
    needed: int | None
    """Bytes of the peak, the margin included."""
    memory: int | None
    """The bytes that there are, where they were given."""
    fits: bool | None
    without_checkpoints: int | None
    """The peak without the checkpoints, where there are some."""
    saving: Saving | None
    """The checkpoint that would lower the peak most; null where none does."""
    unknown: str | None = None
    """A node of which it is not known what training keeps."""


def fit(
    traced: Trace,
    training: Training,
    margin: Fraction = DEFAULT_MARGIN,
    budget: int | None = None,
) -> Fit | None:
    """What a training step of a network takes; None where a node has no shape.

    Raises :class:`tracer.costs.regions.NoRegion` where a checkpoint cannot be made.
    """
    if not traced.is_complete:
        return None

    known: dict[str, Any] = dict.fromkeys(
        ("step", "needed", "fits", "without_checkpoints", "saving")
    )
    unknown = unknown_in_training(traced)
    if unknown is None:
        calls = calls_of(traced, training.types)
        step = run_step(traced, calls, units_of(calls, training.checkpoints), training)
        needed = ceil(step.peak * (1 + margin))
        known = {
            "step": step,
            "needed": needed,
            "fits": None if budget is None else needed <= budget,
            "without_checkpoints": _without_checkpoints(traced, calls, training),
            "saving": _best(traced, calls, training, step.peak),
        }

    return Fit(
        optimizer=training.optimizer,
        amp=training.amp,
        checkpoints=training.checkpoints,
        margin=float(margin),
        memory=budget,
        unknown=unknown,
        **known,
    )


def _without_checkpoints(
    traced: Trace, calls: list[StepCall], training: Training
) -> int | None:
    """The peak without checkpoints; None where there are none."""
    if not training.checkpoints:
        return None
    return run_step(traced, calls, units_of(calls, ()), training).peak


def _best(traced: Trace, calls: list[StepCall], training: Training, peak: int) -> Saving | None:
    """The checkpoint with the lowest peak, of those that hold most of what is kept."""
    best: Saving | None = None
    room = min(MOST_TRIED, MOST_CALLS // len(calls))
    for name in _candidates(calls, training.checkpoints)[:room]:
        asked = (*training.checkpoints, name)
        try:
            units = units_of(calls, asked)
        except NoRegion:
            continue
        found = run_step(traced, calls, units, training).peak
        if found < (peak if best is None else best.peak):
            best = Saving(name, found)
    return best


def _candidates(calls: list[StepCall], taken: tuple[str, ...]) -> list[str]:
    """Blocks at every depth, and single nodes, by the bytes that autograd keeps of what they make."""
    within: Counter[str] = Counter()
    used = {index for name in taken for index in members(calls, name)}
    for call in calls:
        if call.is_input or call.index in used:
            continue
        parts = call.name.split(".")
        for name in accumulate(parts, "{}.{}".format):
            within[name] += call.owned + call.saved_besides + call.indices
    return [name for name, _ in within.most_common()]
