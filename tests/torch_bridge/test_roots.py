"""Maps that are put in a row, and into a map again by the root of how many places there are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tracer
from tests.torch_bridge.test_ways import told
from tracer.torch_bridge.importing import Unrepresentable
from tracer.torch_bridge.opening import read_module

ROOTS: dict[str, Callable[[Any], Any]] = {
    "power": lambda n: int(n**0.5),
    "math": lambda n: int(math.sqrt(n)),
    "of whole numbers": lambda n: math.isqrt(n),
    "numpy": lambda n: int(np.sqrt(n)),
    "rounded": lambda n: round(n**0.5),
    "rounded up": lambda n: math.ceil(float(n) ** 0.5),
}


class Tokens(nn.Module):
    """Patches in a row behind a token of their own, which are made a map again."""

    def __init__(self, root: Callable[[Any], Any]) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 6, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.head = nn.Conv2d(6, 2, 3, padding=1)
        self.root = root

    def forward(self, x: Tensor) -> Tensor:
        y = self.patch(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(x.shape[0], -1, -1), y], 1)[:, 1:]
        side = self.root(y.shape[1])
        return self.head(y.transpose(1, 2).reshape(x.shape[0], -1, side, side))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if name == "rounded" else ()) for name in ROOTS],
)
def test_a_map_by_the_root_of_its_places(name: str) -> None:
    """Right for square maps of all sizes; others are not read, also where they have as many places as a square one."""
    module = Tokens(ROOTS[name]).eval()
    imported = read_module(module, (1, 3, 32, 32))
    assert "the way where H // 4 != W // 4 is not read, and refused" in told(imported.net)
    built = tracer.build(imported.net)
    built.load_state_dict(imported.state_dict())

    for height, width in itertools.product((4, 7, 8, 13, 16, 32), repeat=2):
        trace = imported.net.trace(N=2, H=height, W=width)
        assert bool(trace.diagnostics) is (height // 4 != width // 4)
        if trace.diagnostics:
            continue
        x = torch.randn(2, 3, height, width)
        with torch.no_grad():
            expected = module(x)
            assert torch.allclose(built(x), expected, atol=1e-5)
        assert list(trace.outputs.values()) == [tuple(expected.shape)]


def test_a_root_that_nothing_is_made_of() -> None:
    """As a factor alone it decides nothing."""

    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / math.sqrt(x.shape[2] * x.shape[3])

    net = tracer.from_module(Scaled(), (1, 3, 16, 16))
    assert not net.trace(H=16, W=24).diagnostics and "read_for" not in net.to_yaml()


def test_sizes_that_only_run_together() -> None:
    """A root that nobody sees is found where all sizes are doubled: the config is one for one size."""
    with pytest.raises(
        Unrepresentable, match=r"at H=64 W=64 it gives .*follows the input's size unseen"
    ):
        tracer.from_module(Tokens(math.isqrt), (1, 3, 32, 32))
