"""Ways that are left unread: no more sizes than those that take them, and none of what a config says is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tracer.importing.decisions import is_implied
from tracer.sizing.symbol import Size, Space

SIZES = list(product((1, 3, 8, 14, 15, 16, 17, 23, 24), (1, 7, 8, 13, 15, 16, 18, 24, 31)))


class Forward(nn.Module):
    """A module with a function for its forward, and a few layers."""

    def __init__(self, run: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.run = run
        self.halved = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def _flipped_beside(rows: int, columns: int) -> Callable[[nn.Module, Tensor], Tensor]:
    """Wide maps are flipped; a layer more but at one size of the map."""

    def run(module: nn.Module, x: Tensor) -> Tensor:
        x = x.flip(3) if x.shape[2] < x.shape[3] else x
        x = module.halved(x)
        return x if tuple(x.shape[2:]) == (rows, columns) else module.again(x)

    return run


def _compared(module: nn.Module, shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The sizes that a config leaves unread; what it says of others is what the module does."""
    net = tracer.from_module(module, shape)
    built = tracer.build(net)
    built.load_state_dict(dict(zip(built.state_dict(), module.state_dict().values())))
    for height, width in SIZES:
        x = torch.randn(1, 3, height, width)
        trace = net.trace(H=height, W=width)
        try:
            wanted = module(x)
        except (ValueError, RuntimeError, NotImplementedError):
            assert trace.diagnostics, (height, width)
            continue
        if trace.diagnostics:
            yield height, width
            continue
        assert list(trace.outputs.values()) == [tuple(wanted.shape)], (height, width)
        assert torch.allclose(built(x), wanted, atol=1e-5), (height, width)


@pytest.mark.parametrize(
    "rows, columns",
    [
        (4, 7),
        pytest.param(8, 8, marks=pytest.mark.long),
        pytest.param(12, 9, marks=pytest.mark.long),
    ],
)
def test_what_two_sizes_decide_is_left_out_for_both_together(rows: int, columns: int) -> None:
    """Neither the rows nor the columns alone are a way of their own."""
    module = Forward(_flipped_beside(rows, columns)).eval()
    left_out = set(_compared(module, (1, 3, 16, 34)))

    def is_other(height: int, width: int) -> bool:
        halved = ((height + 1) // 2, (width + 1) // 2)
        return height >= width or halved == (rows, columns)

    assert left_out == {sizes for sizes in SIZES if is_other(*sizes)}
    assert len(left_out) < len(SIZES)


def _padded_where_odd(module: nn.Module, x: Tensor) -> Tensor:
    """One dim of two is padded, which torch takes of no map."""
    x = module.halved(x)
    return F.pad(x, (0, 1), mode="replicate") if x.shape[3] % 2 else x


def test_a_step_that_is_refused_at_every_size_of_its_way() -> None:
    """The config has no such step: it refuses the sizes that take that way by itself."""
    module = Forward(_padded_where_odd).eval()
    assert list(_compared(module, (1, 3, 32, 32))) == []


def _sizes() -> tuple[Size, Size]:
    space = Space()
    return space.counts("H"), space.counts("W")


def _no_row_less(h: Size, w: Size) -> tuple[Any, Any]:
    return (w - h) // 2 >= 0, h < w


def _another_alternative(h: Size, w: Size) -> tuple[Any, Any]:
    return (h == 4) | (w == 4) | (h == w), (h == 4) | (h == w)


def _two_rows_less(h: Size, w: Size) -> tuple[Any, Any]:
    return w - h >= 3, h + 2 <= w


def _other_symbol(h: Size, w: Size) -> tuple[Any, Any]:
    return w >= 4, h >= 4


@pytest.mark.parametrize(
    "pair, follows",
    [
        (_no_row_less, True),
        (_another_alternative, True),
        (_two_rows_less, False),
        (_other_symbol, False),
    ],
)
def test_what_follows_from_what_is_demanded_already(
    pair: Callable[[Size, Size], tuple[Any, Any]], follows: bool
) -> None:
    condition, held = pair(*_sizes())
    assert is_implied(condition, [held]) is follows
