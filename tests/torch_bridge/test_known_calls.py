"""What is told of a run by the calls of earlier ones is what a recording of it says, and what is read is the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tracer.importing.recording import Recording, Unrepresentable, Value
from tracer.importing.run_time_sizes import over_symbols
from tracer.sizing.program import substitute
from tracer.torch_bridge.forward import Recordable, batch_and_others, spatial_dims
from tracer.torch_bridge.importing import SECONDS, Budget, RecordedRuns

SHAPE = (1, 3, 32, 24)

Fit = Callable[[Tensor, Tensor], Tensor]
"""Makes a map as large as another one."""


def padded(up: Tensor, skip: Tensor) -> Tensor:
    if up.shape == skip.shape:
        return up
    dy, dx = skip.size(2) - up.size(2), skip.size(3) - up.size(3)
    return F.pad(up, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])


def resized(up: Tensor, skip: Tensor) -> Tensor:
    return up if up.shape == skip.shape else F.interpolate(up, size=skip.shape[2:])


def cropped(up: Tensor, skip: Tensor) -> Tensor:
    if up.shape[2] > skip.shape[2]:
        up = up[:, :, : skip.shape[2]]
    return up[..., : skip.shape[3]] if up.shape[3] > skip.shape[3] else up


def by_row_and_column(up: Tensor, skip: Tensor) -> Tensor:
    if up.shape[2] != skip.shape[2]:
        up = F.pad(up, [0, 0, 0, skip.shape[2] - up.shape[2]])
    if up.shape[3] != skip.shape[3]:
        up = F.pad(up, [0, skip.shape[3] - up.shape[3]], value=1.0)
    return up


def caught(up: Tensor, skip: Tensor) -> Tensor:
    try:
        return torch.add(up, skip) - skip
    except RuntimeError:
        return F.interpolate(up, size=skip.shape[2:])


def with_zeros(up: Tensor, skip: Tensor) -> Tensor:
    missing = skip.shape[2] - up.shape[2]
    if missing > 0:
        up = torch.cat([up, torch.zeros(up.shape[0], up.shape[1], missing, up.shape[3])], dim=2)
    return resized(up, skip)


FITS: list[Fit] = [padded, resized, cropped, by_row_and_column, caught, with_zeros]

ENDS: list[Callable[[Any, Tensor], Tensor]] = [
    lambda m, y: y,
    lambda m, y: F.relu(y, inplace=True),
    lambda m, y: y * m.table,
    lambda m, y: y.roll(1, 2) if y.shape[2] > 20 else y.roll(1, 3),
    lambda m, y: y.flatten(2).transpose(1, 2) if y.shape[3] % 2 else y.flatten(2).mT,
]


class Drawn(nn.Module):
    """A U-Net of few levels, each with a way of its own to make two maps fit."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__()
        self.fits = [draw.choice(FITS) for _ in range(draw.randint(1, 2))]
        self.odd = draw.choice([0, 1])
        self.end = draw.choice(ENDS)
        self.table = nn.Parameter(torch.ones(4, 1, 1))
        levels = len(self.fits)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.down = nn.ModuleList([nn.Conv2d(4, 4, 3, 2, self.odd) for _ in range(levels)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(4, 4, 2, 2) for _ in range(levels)])
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=draw.choice([True, False]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        skips = []
        for down in self.down:
            skips.append(x)
            x = self.act(self.norm(down(x)))
        for up, fit in zip(self.up, self.fits):
            skip = skips.pop()
            x = self.act(fit(up(x), skip) + skip)
        return self.end(self, x)


def module(seed: int) -> nn.Module:
    """A module that is drawn."""
    return Drawn(random.Random(seed)).eval()


def said(recording: Recording) -> Any:
    """What a recording says at its sizes: its steps with their numbers, and its outputs."""
    sizes = recording.symbols
    steps = []
    for step in recording.steps:
        words = {word: _at(value, sizes) for word, value in step.arguments.items()}
        shapes = [substitute(one.sizes, sizes) for one in (*step.sources, step.value)]
        steps.append((type(step.op), step.label, words, shapes))
    outputs = {name: value.shape for name, value in recording.outputs.items()}
    return steps, outputs


def _at(value: Any, sizes: Any) -> Any:
    if isinstance(value, Value):
        return list(substitute(value.sizes, sizes))
    found = over_symbols(value)
    return (
        list(substitute(found, sizes))
        if isinstance(found, tuple)
        else substitute([found], sizes)
    )


def recorded(make: Callable[[], Any]) -> Any:
    """What a recording says; that an operation refuses, where it does."""
    try:
        found = make()
    except Unrepresentable as refused:
        return refused.by_operation or str(refused)
    return None if found is None else said(found)


def test_what_is_told_is_what_is_recorded() -> None:
    """At drawn sizes, of drawn modules, on ways that were taken and on ways made of theirs."""
    told = refused = 0
    for seed in range(24):
        draw = random.Random(seed)
        runs = RecordedRuns(
            Recordable(module(seed)),
            [SHAPE],
            lambda number, shape: batch_and_others(spatial_dims, number, shape),
            Budget(SECONDS),
        )
        for _ in range(6):
            sizes = {
                "N": draw.randint(1, 3),
                "H": draw.randint(1, 60),
                "W": draw.randint(1, 60),
            }
            known = recorded(partial(runs.again, sizes))
            full = recorded(partial(runs.run, sizes))
            if known is not None:
                assert known == full, (seed, sizes)
            told += isinstance(known, tuple)
            refused += known is True
    assert told > 25 and refused > 2


def read(net: nn.Module) -> str:
    """The config of a module, or why there is none."""
    try:
        return tracer.from_module(net, SHAPE).to_yaml()
    except Unrepresentable as error:
        return str(error)


@pytest.mark.parametrize("seed", [100, 103, 105])
def test_what_is_read_is_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short way and the long way: with each run recorded, and each real run made twice, on copies of its own."""
    short = read(module(seed))
    monkeypatch.setattr(RecordedRuns, "again", lambda *_: None)
    monkeypatch.setattr(RecordedRuns, "repeat_themselves", lambda *_: False)
    monkeypatch.setattr(
        "tracer.torch_bridge.kept_copies.KeptCopy.is_as_it_was", lambda *_: False
    )
    monkeypatch.setattr("tracer.torch_bridge.same_shapes.KEPT", {})
    assert read(module(seed)) == short
