"""What is said of a module that gives something else in training than in evaluation, which is what is read."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tracer.torch_bridge.forward import PLAIN, Way
from tracer.torch_bridge.importing import read_at


class Supervised(nn.Module):
    """In training a dict of two maps, or what ``extra`` says of one."""

    def __init__(self, extra: str) -> None:
        super().__init__()
        self.extra = extra
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> object:
        """By the mode."""
        y = self.drop(self.conv(x))
        if not self.training or self.extra == "nothing":
            return y
        if self.extra == "raises":
            raise ValueError("targets should not be none when in training mode")
        return {"out": y, "aux": y[:, :2]}


def said(module: nn.Module, way: Way = PLAIN) -> str:
    """The comments at the beginning of its config."""
    lines = read_at(module, (2, 3, 16, 24), way=way).program.net.network.source.splitlines()
    return "\n".join(line for line in lines if line.startswith("# its evaluation"))


def test_other_shapes_are_told() -> None:
    """The shapes are those that torch gives in training; the module keeps its mode."""
    module = Supervised("maps").train()
    gives = module(torch.zeros(2, 3, 16, 24))
    assert {name: tuple(y.shape) for name, y in gives.items()} == {
        "out": (2, 4, 16, 24),
        "aux": (2, 2, 16, 24),
    }
    assert said(module) == (
        "# its evaluation is read; in training it gives out [2, 4, 16, 24], aux [2, 2, 16, 24] (`--mode train`)"
    )
    assert module.training


@pytest.mark.parametrize("extra", ["nothing", "raises"])
def test_nothing_is_said_where_nothing_is_known_to_differ(extra: str) -> None:
    """The same shapes, or a forward that cannot be run in training without its targets."""
    assert said(Supervised(extra).train()) == ""


def test_nothing_is_said_of_a_mode_that_was_chosen() -> None:
    """A module in evaluation mode is used so, and who asks for training reads that."""
    assert said(Supervised("maps").eval()) == ""
    assert said(Supervised("maps").train(), Way(training=True)) == ""


def test_layers_of_torch_alone_are_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout reads the mode, and gives the same shapes in both."""
    monkeypatch.setattr("tracer.torch_bridge.in_training.RealModule", None)
    assert (
        said(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Dropout(), nn.BatchNorm2d(4)).train()) == ""
    )
