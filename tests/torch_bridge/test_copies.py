"""As many copies as the input's sizes give: the same elements as the module's, for every size."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import tracer
from tracer.torch_bridge.opening import read_module

Forward = Callable[[nn.Parameter, Tensor], Tensor]

COPIED: dict[str, Forward] = {
    "a table on a map": lambda table, x: (
        x[:, :, : x.shape[2] // 2 * 2, : x.shape[3] // 4 * 4]
        + table.tile((x.shape[2] // 2, x.shape[3] // 4))
    ),
    "a token of each sample": lambda table, x: torch.cat(
        [table[:, :, :1, 0].repeat(x.shape[0], 1, 1), x.flatten(2)], 2
    ),
    "a line before the others": lambda table, x: x[:, 0, 0].repeat(x.shape[2], 2, 1),
    "what the map is on average": lambda table, x: (
        x.mean((2, 3), keepdim=True).repeat(1, 1, x.shape[2], x.shape[3]) + x
    ),
    "fewer than rows": lambda table, x: x.repeat(1, 1, x.shape[2] - 3, 1),
}


class Copies(nn.Module):
    """Copies of what a layer makes, or of a table."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(1, 3, 2, 4))
        self.layer = nn.Conv2d(3, 3, 1)
        self.behind = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.behind(self.table, self.layer(x))


@pytest.mark.parametrize("name", COPIED)
def test_as_many_copies_as_sizes_give(name: str) -> None:
    """Elements and all; where there is no copy, the way is not read."""
    module = Copies(COPIED[name]).eval()
    imported = read_module(module, (1, 3, 8, 12))
    built = tracer.build(imported.net)
    built.load_state_dict(imported.state_dict())

    for batch, height, width in itertools.product((1, 2), (3, 4, 7, 8), (1, 4, 6, 12)):
        x = torch.randn(batch, 3, height, width)
        with torch.no_grad():
            expected = module(x)
        trace = imported.net.trace(N=batch, H=height, W=width)
        if not expected.numel():
            assert trace.diagnostics
            continue
        assert list(trace.outputs.values()) == [tuple(expected.shape)]
        assert torch.allclose(built(x), expected, atol=1e-5)
