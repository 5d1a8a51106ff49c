"""A recurrent layer without data takes as long for a long sequence as for a short one, and gives the same shapes."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
import torch

from tracer.torch_bridge.recurrences import OneStep

LAYERS = [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN]


@pytest.mark.parametrize("cls", LAYERS)
def test_shapes_are_those_with_data(cls: type[torch.nn.Module]) -> None:
    """For every option that changes a shape, batched and not."""
    for batch_first, bidirectional, layers in itertools.product(
        [True, False], [True, False], [1, 2]
    ):
        words: dict[str, Any] = {
            "batch_first": batch_first,
            "bidirectional": bidirectional,
            "num_layers": layers,
        }
        if cls is torch.nn.LSTM:
            words["proj_size"] = 2
        layer = cls(3, 4, **words)
        without = cls(3, 4, **words, device="meta")
        for shape in ((5, 7, 3), (6, 3), (1, 2, 3), (2, 1, 3)):
            wanted = shapes(layer(torch.zeros(shape)))
            with OneStep():
                assert shapes(without(torch.zeros(shape, device="meta"))) == wanted


def test_a_long_sequence_takes_no_longer() -> None:
    """Ten thousand steps would take minutes."""
    layer = torch.nn.LSTM(8, 8, device="meta")
    begun = time.monotonic()
    with OneStep():
        y, _ = layer(torch.empty(10_000, 1, 8, device="meta"))
    assert y.shape == (10_000, 1, 8) and time.monotonic() - begun < 30


def shapes(result: Any) -> list[torch.Size]:
    """The shapes of all tensors in a result."""
    if isinstance(result, torch.Tensor):
        return [result.shape]
    return [shape for part in result for shape in shapes(part)]
