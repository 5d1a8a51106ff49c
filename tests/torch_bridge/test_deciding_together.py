"""Decisions that depend on each other: a config says what the module does at every size, or there is none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor, nn

import tracer
from tracer.importing.covering import Covering
from tracer.importing.recording import Unrepresentable
from tracer.sizing.symbol import Space

Change = Callable[[Tensor, int, int], Tensor]


class Changes(nn.Module):
    """A convolution behind what a function does with a map of ``h`` rows and ``w`` columns."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(self.change(x, x.shape[2], x.shape[3]))
        return y


def taller_or_narrow(x: Tensor, h: int, w: int) -> Tensor:
    assert h > 20 or w < 20
    return x


def large_or_square(x: Tensor, h: int, w: int) -> Tensor:
    assert (h >= 16 and w >= 16) or h == w
    return x


def no_odd_row_there(x: Tensor, h: int, w: int) -> Tensor:
    if w == 24 and h % 2 == 1:
        raise ValueError("no")
    return x


def three_that_refuse(x: Tensor, h: int, w: int) -> Tensor:
    if (w in (16, 24, 32) and h % 4 == 3) and h % 2 != w % 2:
        raise ValueError("no")
    return x


def rolled_but_for_a_ratio(x: Tensor, h: int, w: int) -> Tensor:
    return x if h // w == 16 else x.roll(min(h, w) // 2, 3)


def pooled_by_either(x: Tensor, h: int, w: int) -> Tensor:
    return nn.functional.adaptive_avg_pool2d(x, min(h, w) if h > 20 else h + w)


def turned_or_narrowed(x: Tensor, h: int, w: int) -> Tensor:
    size = (w, h) if h * w > 500 else (min(h, w), w)
    return nn.functional.interpolate(x, size=size)


def cut_by_what_was_cut(x: Tensor, h: int, w: int) -> Tensor:
    x = x[..., : 16 if w in (16, 24) else h]
    return x[..., -h % 4 :] if x.shape[3] == 24 else x


def within_one_way(x: Tensor, h: int, w: int) -> Tensor:
    """What ``w`` decides again where ``h`` decides otherwise."""
    x = x.roll(1 if w >= 10 else 2, 2)
    if h >= 5:
        return x
    return x.roll(3, 3) if w >= 10 else x.roll(1, 3)


def tall_or_even(x: Tensor, h: int, w: int) -> Tensor:
    assert h >= w or h % 2 == 0
    return x


def no_fewer_elements_than_rows(x: Tensor, h: int, w: int) -> Tensor:
    assert x.numel() >= h
    return x


def halved_then_cut_where_tall(x: Tensor, h: int, w: int) -> Tensor:
    x = x[..., : max(1, w // 2)]
    return x[..., -x.shape[3] % 4 :] if h - x.shape[3] >= 5 else x


def rolled_within_windows(x: Tensor, h: int, w: int) -> Tensor:
    """Two resolutions, each with windows of four rows and columns."""
    for _ in range(2):
        h, w = x.shape[2:]
        x = nn.functional.pad(x, (0, -w % 4, 0, -h % 4))
        if min(x.shape[2:]) > 4:
            x = x.roll((-2, -2), (2, 3))
        x = nn.functional.avg_pool2d(x[:, :, :h, :w], 2, ceil_mode=True)
    return x


def rolled_at_one_size(x: Tensor, h: int, w: int) -> Tensor:
    """Each of the two is compared, whatever the other one is."""
    both = [h == 23, w == 9]
    return x.roll(1, 3) if all(both) else x


def cut_between(x: Tensor, h: int, w: int) -> Tensor:
    both = [19 <= h < 21, w in (15, 16)]
    return x[:, :, 1:] if both == [True, True] else x


DEMANDS = [
    taller_or_narrow,
    large_or_square,
    tall_or_even,
    no_fewer_elements_than_rows,
]
"""What only refuses sizes has a config, from whatever size it is read."""

CHANGES = [
    *DEMANDS,
    halved_then_cut_where_tall,
    rolled_within_windows,
    no_odd_row_there,
    three_that_refuse,
    rolled_but_for_a_ratio,
    pooled_by_either,
    turned_or_narrowed,
    cut_by_what_was_cut,
    within_one_way,
    rolled_at_one_size,
    cut_between,
]

SIZES = [(h, w) for h, w in product(range(1, 28, 2), (1, 2, 4, 9, 15, 16, 20, 24, 25))]


ASKED = [
    (1, 3, 24, 16),
    pytest.param((1, 3, 16, 24), marks=pytest.mark.long),
    pytest.param((1, 3, 32, 32), marks=pytest.mark.long),
]


@pytest.mark.parametrize("shape", ASKED)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_right_at_every_size_or_refused(change: Change, shape: tuple[int, ...]) -> None:
    """What one size decides may count only where another one decides so too."""
    module = Changes(change).eval()
    try:
        module(torch.zeros(shape))
        net = tracer.from_module(module, shape)
    except (Unrepresentable, AssertionError, ValueError) as refused:
        assert change not in DEMANDS or not isinstance(refused, Unrepresentable), refused
        return

    built = tracer.build(net)
    built.load_state_dict(dict(zip(built.state_dict(), module.state_dict().values())))
    for height, width in SIZES:
        x = torch.randn(1, 3, height, width)
        trace = net.trace(H=height, W=width)
        try:
            wanted = module(x)
        except (AssertionError, ValueError, RuntimeError):
            assert trace.diagnostics, (height, width)
            continue
        assert list(trace.outputs.values()) == [tuple(wanted.shape)], (height, width)
        assert torch.allclose(built(x), wanted, atol=1e-5), (height, width)


@pytest.mark.parametrize("h, w", [(23, 21), (1, 90), (60, 3)])
def test_sizes_meet_at_every_two_numbers(h: int, w: int) -> None:
    """Numbers that a symbol is compared with come with those of the other one, though few sizes have both."""
    space = Space()
    conditions = [space.symbol("H") == h, space.symbol("W") == w]
    covering = Covering(conditions, {"N": 1, "H": 32, "W": 24})
    found = []
    for sizes in covering:
        covering.count(runs=True)
        covering.count(runs=False)
        found.append((sizes["H"], sizes["W"]))
    assert (h, w) in found
    assert len(found) < 10


def test_sizes_make_every_two_decisions_in_all_ways() -> None:
    """The ways that no sizes take are not waited for."""
    space = Space()
    h, w = space.symbol("H"), space.symbol("W")
    conditions = [h >= 20, w >= 20, h == w, h >= 10]
    covering = Covering(conditions, {"H": 32, "W": 24})
    found = []
    for sizes in covering:
        covering.count(runs=True)
        covering.count(runs=False)
        found.append(sizes)

    decided = [(s["H"] >= 20, s["W"] >= 20, s["H"] == s["W"], s["H"] >= 10) for s in found]
    for a, b in [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]:
        assert len({(one[a], one[b]) for one in decided}) == 4
    assert len({(one[0], one[3]) for one in decided}) == 3
    assert len(found) < 40
