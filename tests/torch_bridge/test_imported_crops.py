"""Crops and pads by numbers of the program: the middle is written as such, where it is the middle for every size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import tracer

Join = Callable[[Tensor, Tensor], Tensor]


class Skip(nn.Module):
    """A map, a smaller one that is made of it, and what becomes of the two."""

    def __init__(self, join: Join, shrink: nn.Module) -> None:
        super().__init__()
        self.join = join
        self.shrink = shrink

    def forward(self, x: Tensor) -> Tensor:
        return self.join(self.shrink(x), x)


SHRINK = {
    "by a stride": nn.AvgPool2d(3, stride=2),
    "by 3": nn.AvgPool2d(4, stride=1),
    "by 5": nn.AvgPool2d(6, stride=1),
    "by 1 or none": nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=2)),
}


def read(join: Join, shrink: str = "by a stride") -> str:
    """The layers that come of a module; the config gives the same numbers at other sizes."""
    module = Skip(join, SHRINK[shrink]).eval()
    net = tracer.from_module(module, (1, 2, 20, 23))
    built = tracer.build(net).eval()
    for height, width in [(20, 23), (21, 22), (24, 17), (9, 31)]:
        x = torch.rand(1, 2, height, width)
        torch.testing.assert_close(built(x), module(x))
    return net.to_yaml().partition("layers:")[2]


def middle(skip: Tensor, model: Tensor, aside: int = 0) -> Tensor:
    """The middle, or beside it."""
    height, width = model.shape[2:]
    top = (skip.shape[2] - height) // 2 + aside
    left = (skip.shape[3] - width) // 2
    return skip[:, :, top : top + height, left : left + width]


def rounded(skip: Tensor, model: Tensor) -> Tensor:
    """The middle as some have it: half a row is rounded to the even number."""
    height, width = model.shape[2:]
    top = round((skip.shape[2] - height) / 2)
    left = round((skip.shape[3] - width) / 2)
    return skip[:, :, top : top + height, left : left + width]


def narrowed(skip: Tensor, model: Tensor) -> Tensor:
    for dim in (2, 3):
        size = model.shape[dim]
        skip = skip.narrow(dim, (skip.shape[dim] - size) // 2, size)
    return skip


def cut_by_padding(skip: Tensor, model: Tensor) -> Tensor:
    high, wide = (skip.shape[dim] - model.shape[dim] for dim in (2, 3))
    amounts = [wide // 2, wide - wide // 2, high // 2, high - high // 2]
    return functional.pad(skip, [-n for n in amounts])


@pytest.mark.parametrize("crop", [middle, narrowed, cut_by_padding])
@pytest.mark.parametrize("shrink", SHRINK)
def test_the_merge_crops(crop: Join, shrink: str) -> None:
    """The steps that cut are gone."""
    layers = read(lambda y, x: torch.cat([y, crop(x, y)], 1), shrink)
    assert "  concat: {op: Concat, from: [" in layers
    assert "input], align: crop}" in layers
    assert "Slice" not in layers
    assert "Pad" not in layers


def test_a_crop_that_comes_first_is_a_layer() -> None:
    """A merge crops to its first input; what is cut and stands first, or is read twice, is cropped to a node."""
    layers = read(lambda y, x: torch.cat([middle(x, y), y], 1))
    assert "  crop: {op: CenterCrop, from: input, size: shrink}\n" in layers
    assert "Slice" not in layers

    def twice(y: Tensor, x: Tensor) -> Tensor:
        cut = middle(x, y)
        return y * cut + cut

    layers = read(twice)
    assert "  crop: {op: CenterCrop, from: input, size: shrink}\n" in layers


def test_what_is_not_the_middle_is_cut_as_it_was() -> None:
    """A row beside it, and half a row that is rounded to the even number."""
    layers = read(lambda y, x: torch.cat([y, middle(x, y, 1)], 1))
    assert "align" not in layers
    assert "CenterCrop" not in layers
    assert layers.count("op: Slice") == 2

    for shrink, is_middle in {"by a stride": False, "by 3": False, "by 5": True}.items():
        layers = read(lambda y, x: torch.cat([y, rounded(x, y)], 1), shrink)
        assert "CenterCrop" not in layers
        assert ("align: crop" in layers) is is_middle


def test_the_same_amounts_for_every_size() -> None:
    """Numbers that stand in the program are left, unless a merge crops by them."""
    layers = read(lambda y, x: x[:, :, 2:-3, 2:-3], "by 5")
    assert layers.count("op: Slice") == 2
    layers = read(lambda y, x: y + x[:, :, 2:-3, 2:-3], "by 5")
    assert "{op: Add, from: [shrink, input], align: crop}" in layers
    layers = read(lambda y, x: y + x[:, :, 3:-2, 2:-3], "by 5")
    assert "align" not in layers


def padded(y: Tensor, x: Tensor, part: int = 2, value: float = 0.0) -> Tensor:
    high, wide = (x.shape[dim] - y.shape[dim] for dim in (2, 3))
    amounts = [wide // part, wide - wide // part, high // part, high - high // part]
    return torch.cat([functional.pad(y, amounts, value=value), x], 1)


@pytest.mark.parametrize("shrink", SHRINK)
def test_the_merge_pads(shrink: str) -> None:
    """Half of what is missing before, and the rest behind; other amounts stay, as other numbers do."""
    layers = read(padded, shrink)
    assert "input], align: pad}" in layers
    assert "ZeroPad" not in layers

    layers = read(lambda y, x: padded(y, x, value=1.0), shrink)
    assert "align" not in layers
    if shrink in ("by a stride", "by 5"):
        layers = read(lambda y, x: padded(y, x, part=3), shrink)
        assert "align" not in layers


def test_a_size_of_one_is_no_crop() -> None:
    """What broadcasts where there is less than is cut has no crop that refuses it."""

    def join(y: Tensor, x: Tensor) -> Tensor:
        return y + x[:, :, :5, :5]

    module = Skip(join, nn.AdaptiveAvgPool2d(5)).eval()
    net = tracer.from_module(module, (1, 2, 20, 23))
    built = tracer.build(net).eval()
    x = torch.rand(1, 2, 1, 1)
    torch.testing.assert_close(built(x), module(x))
