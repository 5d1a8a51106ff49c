"""A part of a recorded program: a step with all that it is made of."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from tracer.importing.recording import Recording, Step, Value, part_of
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.ops.rearrange import Chunk
from tracer.sizing.symbol import Size


def up_to(recording: Recording, step: Step) -> Recording:
    """The recording without the steps and the inputs that a step does not need; its output is the step's."""
    needed = {step.name}
    steps: list[Step] = []
    for one in reversed(recording.steps):
        if one.name in needed:
            steps.append(one)
            needed |= {value.node for value in one.read()}

    found = copy.copy(recording)
    found.steps = steps[::-1]
    found.outputs = {"output": _output(step)}
    found.inputs = _inputs(recording, found.steps, needed)
    return found


def _output(step: Step) -> Value:
    """What a step gives; of several, the first."""
    return part_of(step, 0) if isinstance(step.op, Chunk) else step.value


def _inputs(
    recording: Recording, steps: Sequence[Step], needed: Collection[str]
) -> dict[str, Value]:
    """The inputs that are read, and those that only give a size."""
    inputs = recording.inputs.items()
    found = {name: value for name, value in inputs if value.node in needed}
    missing = _symbols([list(step.arguments.values()) for step in steps])
    missing -= _symbols([value.sizes for value in found.values()])
    for name, value in inputs:
        if missing & _symbols(value.sizes):
            found[name] = value
            missing -= _symbols(value.sizes)
    return {name: found[name] for name in recording.inputs if name in found}


def _symbols(values: Iterable[Any]) -> set[str]:
    """The symbols in sizes and in arguments."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, (tuple, list)) and not isinstance(value, Value):
            found |= _symbols(value)
            continue
        size = value.size if isinstance(value, RunTimeSize) else value
        if isinstance(size, Size):
            found |= set(map(str, size.space.support(size)))
    return found
