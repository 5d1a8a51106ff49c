"""Inputs of three dims: the length of a sequence is the symbol where the number of features is the module's."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

import tracer


class Steps(nn.Module):
    """A recurrent layer, whose features are said, and a linear map of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.out = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lstm(x)[0])


CASES = [
    (Steps(), (2, 10, 8), ("N", "T", 8)),
    (nn.Linear(8, 3), (2, 10, 8), ("N", "T", 8)),
    (nn.Conv1d(10, 3, 3), (2, 10, 8), ("N", 10, "L")),
    (nn.ReLU(), (2, 10, 8), ("N", 10, "L")),
]


@pytest.mark.parametrize("module, shape, pattern", CASES)
def test_what_is_open(
    module: nn.Module, shape: tuple[int, ...], pattern: tuple[str | int, ...]
) -> None:
    """The dim that the module takes at other sizes is the symbol."""
    net = tracer.from_module(module.eval(), shape)
    (node,) = [node for node in net.network.nodes if node.is_input]
    assert node.pattern == pattern


def test_other_lengths_run() -> None:
    """The config of a sequence is right for other lengths."""
    net = tracer.from_module(Steps().eval(), (2, 10, 8))
    assert list(net.trace(N=3, T=25).outputs.values()) == [(3, 25, 4)]
