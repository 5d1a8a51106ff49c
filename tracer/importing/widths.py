"""The widths that a program's layers were made for, written where a text may be changed.

A config infers them. In the program they are numbers of their own: with other channels before it a layer refuses.
"""

from __future__ import annotations

import copy
from dataclasses import replace

from tracer.importing.recording import Recording, Step
from tracer.network.sharing import widths


def with_widths(recording: Recording) -> Recording:
    """The recording, each step that has weights with the widths of its input among its arguments."""
    found = copy.copy(recording)
    found.steps = list(map(_with_widths, recording.steps))
    return found


def _with_widths(step: Step) -> Step:
    if step.weights is None:
        return step
    shapes = [value.shape for value in step.sources]
    return replace(step, arguments={**widths(step.op, shapes), **step.arguments})
