"""Sizes whose expressions are long: a config has them as long as its language lets it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import tracer
from tracer.torch_bridge.importing import Unrepresentable


class InTurn(nn.Module):
    """Takes the first rows, as many as steps give that each take the one before twice."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1)
        self.turns = turns

    def forward(self, x: Tensor) -> Tensor:
        rows = x.shape[2]
        for _ in range(self.turns):
            rows = rows // 3 + rows // 2
        return self.layer(x)[:, :, : rows + 1]


@pytest.mark.parametrize("turns", [2, 6])
def test_a_long_expression(turns: int) -> None:
    """It is written out, and right for every size."""
    module = InTurn(turns)
    net = tracer.from_module(module, (1, 3, 64, 8))
    for height in range(1, 130):
        (shape,) = net.trace(H=height).outputs.values()
        expected = module(torch.zeros(1, 3, height, 8)).shape
        assert shape == tuple(expected), height


def test_one_that_is_too_long() -> None:
    """It is refused where no config could be read with it."""
    with pytest.raises(Unrepresentable, match="whose expression over H is too long"):
        tracer.from_module(InTurn(12), (1, 3, 64, 8))
