"""A layer that is told again is recorded as it would be anew, whatever a forward does to it before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tracer
from tests.torch_bridge.test_known_calls import SHAPE, module
from tracer.importing.recording import Unrepresentable
from tracer.torch_bridge.importing import RecordedRuns
from tracer.torch_bridge.known_layers import KnownLayers


class Changing(nn.Module):
    """It changes one of its layers where an input is wide; the layer is called on both ways, and twice."""

    def __init__(self, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self.change = change
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.1)
        self.last = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.act(self.norm(self.first(x))))
        if x.shape[-1] > 20:
            self.change(self)
        y = self.last(self.act(self.pool(x)))
        z: Tensor = self.norm(self.last(y)) + y
        return z


CHANGES: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda m: None,
    "a padding": lambda m: setattr(m.last, "padding", (0, 0)),
    "a stride": lambda m: setattr(m.last, "stride", (2, 2)),
    "a kernel": lambda m: setattr(m.pool, "kernel_size", 3),
    "its place": lambda m: setattr(m.act, "inplace", True),
    "another layer": lambda m: setattr(m, "act", nn.GELU()),
    "a bias": lambda m: setattr(m.last, "bias", None),
    "a weight": lambda m: setattr(m.last, "weight", nn.Parameter(torch.ones(4, 4, 3, 3))),
    "a weight's data": lambda m: setattr(m.last.weight, "data", m.last.weight.data.clone()),
    "a forward": lambda m: setattr(m.act, "forward", torch.sigmoid),
    "a hook": lambda m: m.act.register_forward_hook(lambda part, given, made: made * 2),
    "a mode": lambda m: m.norm.train(),
    "an attribute": lambda m: setattr(m.last, "told", [1]),
}


def said(net: nn.Module) -> Any:
    """What is read of a module: its texts and its places; why there is none, where there is none."""
    try:
        found = tracer.from_module(net, SHAPE)
    except Unrepresentable as error:
        return str(error)
    program = found.read_from
    assert program is not None and program.unrolled is not None
    return found.to_yaml(), program.places, program.unrolled.text, program.unrolled.places


def check_both_ways(make: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Hold what is read against what is read where no layer is told again; whether a layer was told again."""
    told: list[Any] = []
    like = KnownLayers.like

    def noted(layers: KnownLayers, *given: Any) -> Any:
        found = like(layers, *given)
        told.extend([] if found is None else [found])
        return found

    monkeypatch.setattr(KnownLayers, "like", noted)
    short = said(make())
    monkeypatch.setattr(KnownLayers, "like", lambda *_: None)
    assert said(make()) == short
    return bool(told)


@pytest.mark.parametrize("change", CHANGES)
def test_of_a_layer_that_a_forward_changes(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its step is that of the layer as it is when it is called."""
    check_both_ways(lambda: Changing(CHANGES[change]).eval(), monkeypatch)


@pytest.mark.parametrize("seed", range(200, 212))
def test_of_drawn_modules(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ways of their own at each level."""
    assert check_both_ways(lambda: module(seed), monkeypatch)


@pytest.mark.parametrize("seed", range(300, 306))
def test_steps_in_common_are_those_that_are_made_anew(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is retold of runs that are recorded one by one, each with arguments of its own."""
    short = said(module(seed))
    monkeypatch.setattr(KnownLayers, "noted", lambda *_: None)
    monkeypatch.setattr(RecordedRuns, "again", lambda *_: None)
    assert said(module(seed)) == short
