"""Weights that several steps of a recording have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tracer.importing.moved import are_apart
from tracer.importing.recording import Step
from tracer.network.sharing import disagreement, has_parameters
from tracer.ops.pointwise import Parameter

Owners = Mapping[str, Step]
"""For each step that has the weights of an earlier one, that one, by the step's name."""


def owners_of(steps: Sequence[Step]) -> Owners:
    """The steps whose weights are those of an earlier step with the same operation and arguments."""
    first: dict[object, Step] = {}
    found = {}
    for step in _weighted(steps):
        assert step.weights is not None
        owner = first.setdefault(step.weights.key, step)
        if owner is not step and disagreement(step.op, owner.op) is None:
            found[step.name] = owner
    return found


def apart(
    steps: Sequence[Step],
    owners: Owners,
) -> Iterator[tuple[Step, Step]]:
    """Steps that share weights in the program and cannot in a config, each with an earlier one that has them."""
    seen: dict[object, Step] = {}
    for step in _weighted(steps):
        assert step.weights is not None
        if step.name in owners:
            continue
        for memory in step.weights.memory:
            earlier = seen.setdefault(memory, step)
            if earlier is not step and not are_apart(step, earlier):
                yield step, earlier
                break


def used_twice(steps: Sequence[Step]) -> frozenset[int]:
    """The memory of weights that two tensors have elements of, each used by itself as one of its own."""
    found: frozenset[int] = frozenset()
    for step, earlier in apart(steps, owners_of(steps)):
        if isinstance(step.op, Parameter) and isinstance(earlier.op, Parameter):
            assert step.weights is not None and earlier.weights is not None
            found |= step.weights.memory & earlier.weights.memory
    return found


def _weighted(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        if step.weights is not None and has_parameters(step.op):
            yield step
