"""Parts of a dim, taken by sizes: the config refuses what torch refuses, and gives its shapes elsewhere."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tests.torch_bridge.test_handlers import Applied
from tracer.torch_bridge.importing import Unrepresentable

Shapes = list[tuple[int, ...]]


def shapes_of(module: nn.Module, height: int) -> Shapes | None:
    """What the module gives for an input of a height; None where it raises."""
    try:
        given = module(torch.zeros(1, 2, height, 6, device="meta"))
    except (RuntimeError, IndexError, AssertionError):
        return None
    parts = given if isinstance(given, (tuple, list)) else [given]
    return [tuple(part.shape) for part in parts]


def assert_is_the_modules(module: nn.Module, net: tracer.Net, heights: range) -> None:
    """The config runs for the heights for which the module does, and gives its shapes."""
    runs = tracer.sizes(net).axes["H"].runs
    for height in heights:
        traced = net.trace(H=height)
        mine = None if traced.diagnostics else list(traced.outputs.values())
        want = shapes_of(module, height)
        assert mine == want, (height, net.to_yaml())
        assert (height in runs) == (want is not None), (height, net.to_yaml())


def cropped_and_joined(x: Tensor) -> Tensor:
    """A U-Net's crop: the sizes of both maps are proven to fit."""
    y = F.avg_pool2d(x, 3, stride=1)
    return torch.cat([x.narrow(2, (x.size(2) - y.size(2)) // 2, y.size(2))[..., 1:-1], y], 1)


def zeros_behind(x: Tensor, whole: int) -> Tensor:
    """What a dim lacks, which torch makes for no dim that is larger."""
    n, channels, height, width = x.shape
    return torch.zeros(n, channels, whole - height, width, device=x.device)


def square(x: Tensor) -> Tensor:
    """Raises for others."""
    assert x.shape[2] == x.shape[3]
    return x * 2


PARTS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "narrow": (lambda x: x.narrow(2, 0, 5), "H >= 5"),
    "narrow by a size": (lambda x: x.narrow(2, 3, x.size(2) // 2), "H >= 5"),
    "narrow from the end": (lambda x: x.narrow(2, -5, 3), "H >= 5"),
    "narrow to the end": (lambda x: x.narrow(2, x.size(2) - 7, 7), "H >= 7"),
    "narrow by another dim": (lambda x: x.narrow(2, 0, x.size(3)), "H >= 6"),
    "narrow of a flat dim": (lambda x: x.flatten(2).narrow(2, 0, 20), "H >= 4"),
    "windows": (lambda x: [x.narrow(2, i * 3, 3) for i in range(4)], "H >= 12"),
    "split": (lambda x: x.split([10, x.size(2) - 10], 2), "H >= 10"),
    "split by keyword": (lambda x: x.split(split_size=[4, x.size(2) - 4], dim=2), "H >= 4"),
    "split into halves": (lambda x: x.split([x.size(2) // 2] * 2, 2), "H = 2k, k >= 0"),
    "a position": (lambda x: x[:, :, 5], "H >= 6"),
    "a position from the end": (lambda x: x[:, :, -5], "H >= 5"),
    "the middle": (lambda x: x[:, :, x.size(2) // 2], "H >= 1"),
    "a slice that turns over": (lambda x: x[:, :, 9 - x.size(2) :], "any H"),
    "zeros behind": (
        lambda x: torch.cat([x, zeros_behind(x, 30)], 2),
        "H = 0..30",
    ),
    "a crop": (cropped_and_joined, "H >= 3"),
    "a square": (square, "H = 6"),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_has_torchs_sizes(name: str) -> None:
    """Torch refuses a part that the dim has not; a slice would take what there is."""
    function, runs = PARTS[name]
    module = Applied(function).eval()
    height = 6 if name == "a square" else 24
    net = tracer.from_module(module, (1, 2, height, 6))
    assert tracer.sizes(net).axes["H"].runs.written("H") == runs
    assert_is_the_modules(module, net, range(1, 41))


def test_a_crop_that_fits_is_not_checked() -> None:
    """What is proven for every size needs no step."""
    net = tracer.from_module(Applied(cropped_and_joined), (1, 2, 24, 6))
    assert "Require" not in net.to_yaml()


@pytest.mark.parametrize("seed", range(16))
def test_drawn_parts_have_torchs_sizes(seed: int) -> None:
    """Parts are taken by numbers computed of the size; what no config can say is refused, not guessed."""
    draw = random.Random(seed)
    heights: list[int] = []
    while not heights:
        module = Applied(drawn_part(draw)).eval()
        heights = [n for n in range(16, 33) if shapes_of(module, n)]

    height = draw.choice(heights)
    try:
        net = tracer.from_module(module, (1, 2, height, 6))
    except Unrepresentable as refused:
        assert "no config can say that of H" in str(refused)
        return
    assert_is_the_modules(module, net, range(1, 41))


def drawn_number(draw: random.Random) -> Callable[[int], int]:
    """A number, or one that follows the size."""
    factor = draw.choice([0, 0, 1, 1, -1])
    divisor = draw.choice([1, 1, 2, 3])
    offset = draw.randint(-6, 9)
    return lambda n: factor * (n // divisor) + offset if factor else offset


def drawn_part(draw: random.Random) -> Callable[[Tensor], Any]:
    """A way to take a part of dim 2."""
    a, b = drawn_number(draw), drawn_number(draw)
    ways: list[Callable[[Tensor], Any]] = [
        lambda x: x.narrow(2, a(x.size(2)), b(x.size(2))),
        lambda x: x.split([a(x.size(2)), x.size(2) - a(x.size(2))], 2),
        lambda x: x.split([a(x.size(2)), b(x.size(2)), 3], 2)[1],
        lambda x: x.select(2, a(x.size(2))),
        lambda x: x[:, :, a(x.size(2)) : b(x.size(2))],
        lambda x: x[:, :, a(x.size(2)) :: 2],
    ]
    return draw.choice(ways)
