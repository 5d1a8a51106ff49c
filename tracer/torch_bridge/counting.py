"""How many parameters a module has, beside the config that was read of it."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tracer.importing.reading import ReadProgram
from tracer.torch_bridge.tensors import memory_of

NAMED = 3
"""So many parameters that no layer has are named."""


def count_that_differs(module: torch.nn.Module, program: ReadProgram) -> str | None:
    """A sentence where the module has another number of parameters than its config; None where they are the same."""
    here = sum(int(applied.parameters) for applied in program.net.trace().applied())
    there = sum(parameter.numel() for parameter in _parameters(module).values())
    if here == there:
        return None

    unused = list(_unused(module, program))
    told = f"{here} parameters here, {there} in the module"
    if not unused:
        return told
    names = ", ".join(unused[:NAMED])
    more = f" and {len(unused) - NAMED} more" if len(unused) > NAMED else ""
    return f"{told}: in no layer as they are: {names}{more}"


def _unused(module: torch.nn.Module, program: ReadProgram) -> Iterator[str]:
    """The names of the parameters whose memory no layer has."""
    memory: set[int] = set()
    for step in program.steps.values():
        if step.weights is not None:
            memory |= step.weights.memory
    for name, parameter in _parameters(module).items():
        if memory_of(parameter) not in memory:
            yield name


def _parameters(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The parameters by their names; those that have no shape yet are left out."""
    found: dict[str, torch.Tensor] = {}
    for name, parameter in module.named_parameters():
        if not torch.nn.parameter.is_lazy(parameter):
            found[name] = parameter
    return found
