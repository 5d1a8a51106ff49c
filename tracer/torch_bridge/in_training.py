"""Whether a module gives something else in training, where its evaluation is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import CodeType

import torch

from tracer.ops.base import Shape, written
from tracer.torch_bridge.forward import Way
from tracer.torch_bridge.real_runs import RealModule


def other_in_training(
    module: torch.nn.Module,
    way: Way,
    sizes: Sequence[Sequence[int]],
    read: Sequence[Shape | None],
) -> str | None:
    """A sentence where a module that is in training mode gives other shapes there than in evaluation; None otherwise.

    It is run for that where its own code reads the mode, without data. ``sizes`` are its inputs' shapes, ``read`` those
    of the outputs of the network that was read: where they come out, evaluation is not run again.
    """
    if way.training or not module.training or not _reads_mode(module):
        return None

    shapes = [tuple(one) for one in sizes]
    trained = RealModule(module, way._replace(training=True)).answer_without_data(shapes).shapes
    if trained is None or list(trained.values()) == list(read):
        return None

    evaluated = RealModule(module, way).answer_without_data(shapes).shapes
    if evaluated is None or trained == evaluated:
        return None
    told = ", ".join(f"{name} {written(shape)}" for name, shape in trained.items())
    return f"its evaluation is read; in training it gives {told} (`--mode train`)"


def _reads_mode(module: torch.nn.Module) -> bool:
    """Whether some class that is not torch's own has code that reads ``training``."""
    classes = {own for part in module.modules() for own in type(part).__mro__}
    users = (own for own in classes if own.__module__.partition(".")[0] != "torch")
    return any("training" in code.co_names for own in users for code in _codes_of(own))


def _codes_of(own: type) -> Iterator[CodeType]:
    """The code of the functions that a class declares."""
    for value in vars(own).values():
        code = getattr(value, "__code__", None)
        if isinstance(code, CodeType):
            yield code
