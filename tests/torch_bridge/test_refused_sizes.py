"""Sizes that an imported config refuses are sizes that the module refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

import tracer
from tests.torch_bridge.test_handlers import Applied
from tracer.torch_bridge import importing
from tracer.torch_bridge.importing import Unrepresentable


def padded_somehow(x: Tensor) -> Tensor:
    """A pad of another kind where the first one is too large."""
    try:
        return F.pad(x, (3, 3, 3, 3), mode="reflect")
    except RuntimeError:
        return F.pad(x, (3, 3, 3, 3))


RUN_ON: dict[str, Callable[[Tensor], Any]] = {
    "an error that is caught": padded_somehow,
    "parts that are fewer": lambda x: torch.cat(x.chunk(2, dim=2)[::-1], 2),
    "parts that are smaller": lambda x: torch.cat(x.chunk(4, dim=2)[1:3], 2),
}


@pytest.mark.parametrize("name", RUN_ON)
def test_a_module_that_runs_on(name: str) -> None:
    """Where it runs at a size that its config would refuse, no config is written."""
    with pytest.raises(Unrepresentable, match="its config would give an error"):
        tracer.from_module(Applied(RUN_ON[name]), (1, 3, 16, 24))


def test_ways_without_end_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward that goes another way for each of many sizes is refused when its time is spent."""
    monkeypatch.setattr(importing, "SECONDS", 0)

    class Halving(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            side = x.shape[3]
            while side > 6:
                side = side // 2
            return x[..., :side]

    with pytest.raises(Unrepresentable, match="were not all read within 0 seconds"):
        importing.from_module(Halving(), (1, 3, 16, 24))
