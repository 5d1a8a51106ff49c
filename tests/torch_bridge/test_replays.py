"""A run that is held against the tape of another: the same where the module asks torch for the same, and only there."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tracer.torch_bridge.forward import Recordable, batch_and_others, spatial_dims
from tracer.torch_bridge.importing import SECONDS, Budget, RecordedRuns, Unrepresentable

SHAPE = (1, 3, 24, 16)


class Applied(nn.Module):
    """A convolution and a norm, and what a function does with them and the input."""

    def __init__(self, then: Callable[[Any, Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.table = nn.Parameter(torch.zeros(4, 1, 1))
        self.register_buffer("scale", torch.full((1,), 2.0))
        self.then = then
        self.runs = 0

    def forward(self, x: Tensor) -> Any:
        return self.then(self, self.norm(self.conv(x)), x)


def recorded(module: nn.Module) -> RecordedRuns:
    """A module of which one run is recorded."""
    runs = RecordedRuns(
        Recordable(module.eval()),
        [SHAPE],
        lambda number, shape: batch_and_others(spatial_dims, number, shape),
        Budget(SECONDS),
    )
    runs.run({})
    return runs


def joined(module: Any, y: Tensor, x: Tensor) -> Tensor:
    small = F.max_pool2d(y, 2)
    up = F.interpolate(small, size=x.shape[2:])
    dy = y.shape[2] - up.shape[2]
    return torch.cat([F.pad(up, [0, 0, dy // 2, dy - dy // 2]), y], dim=1)


SAME: dict[str, Callable[[Any, Tensor, Tensor], Any]] = {
    "layers alone": lambda m, y, x: y,
    "a skip": joined,
    "in place": lambda m, y, x: F.relu(y, inplace=True).add_(1),
    "a parameter": lambda m, y, x: y + m.table * m.scale,
    "a buffer decides": lambda m, y, x: y if m.scale.item() > 1 else x,
    "views": lambda m, y, x: y.flatten(2).transpose(1, 2).reshape(x.shape[0], -1, 4),
    "made of sizes": lambda m, y, x: y + torch.arange(x.shape[3]).float(),
    "several outputs": lambda m, y, x: {"out": y, "all": list(y.chunk(2, dim=1))},
    "keywords": lambda m, y, x: torch.sum(input=y, dim=(2, 3), keepdim=True),
    "a property": lambda m, y, x: y.to(x.dtype) if x.device.type == "cpu" else y,
    "what says no number": lambda m, y, x: y if y.is_contiguous() else x,
}


@pytest.mark.parametrize("name", SAME)
def test_a_second_run_is_the_same(name: str) -> None:
    """The module asks torch for the same, and what is told of it is so: torch's shapes for the same inputs."""
    module = Applied(SAME[name])
    runs = recorded(module)
    assert runs.repeat_themselves()
    assert runs.repeat_themselves()

    net = tracer.from_module(module, SHAPE)
    with torch.no_grad():
        given = module(torch.zeros(SHAPE))
    shapes = [tuple(one.shape) for one in _leaves(given)]
    assert sorted(shapes) == sorted(net.trace().outputs.values())


def _leaves(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return list(itertools.chain.from_iterable(map(_leaves, parts)))


LEFT = itertools.count()
"""Something outside of all modules that a run moves on."""

DRAW = random.Random(0)


def counted(module: Any, y: Tensor, x: Tensor) -> Tensor:
    return y[:, next(LEFT) % 2 :]


OTHERS: dict[str, Callable[[Any, Tensor, Tensor], Any]] = {
    "an argument": counted,
    "another function": lambda m, y, x: F.relu(y) if next(LEFT) % 2 else F.gelu(y),
    "one more": lambda m, y, x: F.relu(y) if next(LEFT) % 2 else F.relu(F.relu(y)),
    "another tensor": lambda m, y, x: torch.add(
        *((y, F.relu(y)) if next(LEFT) % 2 else (y, y))
    ),
    "another output": lambda m, y, x: (x, y)[next(LEFT) % 2],
    "more outputs": lambda m, y, x: [y, y][next(LEFT) % 2 :],
    "other names": lambda m, y, x: {f"out{next(LEFT)}": y},
    "another module": lambda m, y, x: nn.ReLU()(y) if next(LEFT) % 2 else nn.Tanh()(y),
    "drawn": lambda m, y, x: y * DRAW.random(),
    "another word": lambda m, y, x: y.sum(dim=2, keepdim=bool(next(LEFT) % 2)),
    "a list": lambda m, y, x: torch.cat([y, y] if next(LEFT) % 2 else [y, y, y]),
    "swallowed": lambda m, y, x: _swallowing(y),
}


def _swallowing(y: Tensor) -> Tensor:
    """What ends a run that is another one is no error that a program keeps for itself."""
    try:
        return F.relu(y) if next(LEFT) % 2 else F.gelu(y)
    except BaseException:
        return F.relu(y)


@pytest.mark.parametrize("name", OTHERS)
def test_another_run_is_not_the_same(name: str) -> None:
    """What a run moves on outside of the module is found, whatever it decides."""
    assert not recorded(Applied(OTHERS[name])).repeat_themselves()


def test_what_is_kept_outside_of_a_module_is_refused() -> None:
    """Two runs for the same shapes that give others are no network, though nothing of the module was changed."""
    with pytest.raises(Unrepresentable, match="second run for the same shapes gives others"):
        tracer.from_module(Applied(lambda m, y, x: y[:, next(LEFT) % 3 :]), SHAPE)
