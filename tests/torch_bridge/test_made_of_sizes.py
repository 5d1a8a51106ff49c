"""Tensors that a forward makes of its input's sizes: imported with their sizes, whatever their values are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tests.torch_bridge.test_handlers import Applied
from tracer.torch_bridge.importing import Unrepresentable
from tracer.torch_bridge.source import torch_source

SIZES = ((1, 3, 8, 8), (2, 3, 12, 20), (3, 3, 24, 4))


def agrees(module: nn.Module, *sizes: tuple[int, ...]) -> tracer.Net:
    """The config of a module, which gives what the module gives at every size."""
    net = tracer.from_module(module.eval(), sizes[0])
    for n, _, height, width in sizes:
        want = tuple(module(torch.zeros(n, 3, height, width)).shape)
        assert list(net.trace(N=n, H=height, W=width).outputs.values()) == [want]
    return net


def window_mask(x: Tensor) -> Tensor:
    """Which positions of a window came from the other end of the map, by parts that are numbered."""
    height, width = x.shape[2:]
    parts = torch.zeros((1, height, width, 1), device=x.device)
    number = 0
    for rows in (slice(0, -4), slice(-4, -2), slice(-2, None)):
        for columns in (slice(0, -4), slice(-4, -2), slice(-2, None)):
            parts[:, rows, columns, :] = number
            number += 1
    windows = parts.view(1, height // 4, 4, width // 4, 4, 1).permute(0, 1, 3, 2, 4, 5)
    flat = windows.reshape(-1, 16)
    differ = flat.unsqueeze(1) - flat.unsqueeze(2)
    return differ.masked_fill(differ != 0, -100.0).masked_fill(differ == 0, 0.0)


def sines(x: Tensor) -> Tensor:
    """Positions as sines of several frequencies."""
    free = torch.ones((x.shape[0], *x.shape[2:]), dtype=torch.bool, device=x.device)
    rows = free.cumsum(1, dtype=torch.float32)
    rows = rows / (rows[:, -1:, :] + 1e-6)
    frequencies = 10000 ** (2 * (torch.arange(4) // 2) / 4)
    of_rows = rows[..., None] / frequencies
    of_rows = torch.stack((of_rows[..., 0::2].sin(), of_rows[..., 1::2].cos()), 4).flatten(3)
    return of_rows.permute(0, 3, 1, 2)


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "noise": lambda x: x + torch.randn_like(x) * 0.1,
    "noise for all channels": lambda x: x + torch.randn(x.size(0), 1, *x.shape[2:]),
    "samples that are left out": lambda x: (
        x * x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(0.5).div_(0.5)
    ),
    "zeros like it": lambda x: torch.cat([x, torch.zeros_like(x)], 1),
    "ones beside it": lambda x: torch.cat([x.new_ones(x.shape[0], 2, *x.shape[2:]), x], 1),
    "a mask": lambda x: x * (torch.rand(x.shape[0], 1, 1, 1, device=x.device) > 0.5),
    "a line": lambda x: x + torch.arange(x.shape[-1]).view(1, 1, 1, -1),
    "a line backwards": lambda x: x + torch.arange(x.shape[-1] - 1, -1, -1),
    "every third number backwards": lambda x: x[..., ::3] + torch.arange(x.shape[-1], 0, -3),
    "every other number": lambda x: x[..., ::2] + torch.arange(0, x.shape[-1], 2),
    "a grid": lambda x: (
        x + torch.meshgrid(torch.arange(x.size(2)), torch.arange(x.size(3)), indexing="ij")[1]
    ),
    "coordinates": lambda x: torch.cat(
        [x, torch.linspace(-1, 1, x.shape[2])[:, None].expand(x.shape[0], 1, -1, x.shape[3])], 1
    ),
    "nothing": lambda x: torch.cat([x, torch.empty(x.shape[0], 0, *x.shape[2:])], 1),
    "a mask of windows": lambda x: (
        x.flatten(2)[..., None][:, :1, :1] + window_mask(x).flatten(1).sum(1).view(1, 1, 1, -1)
    ),
    "sines": lambda x: torch.cat([x, sines(x)], 1),
    "a triangle": lambda x: x @ torch.ones(x.shape[3], x.shape[3]).tril(),
    "a resized one": lambda x: (
        x + F.interpolate(torch.ones(1, 1, x.shape[2] // 2, x.shape[3] // 2), size=x.shape[2:])
    ),
    "repeated": lambda x: x + torch.arange(x.shape[3]).repeat(x.shape[2], 1),
    "a product of sizes": lambda x: (
        x.flatten(2) + torch.arange(x.shape[3]).repeat(x.shape[2]).float()
    ),
    "a size as a factor": lambda x: x * (x.shape[3] / 2),
    "its own shape": lambda x: x.view(x.shape[0], torch.zeros_like(x).shape[1], -1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_made_of_sizes(name: str) -> None:
    """Sizes are right for every input; the values are described by a comment at most."""
    agrees(Applied(FUNCTIONS[name]), *SIZES)


def test_its_values_are_told_to_be_made() -> None:
    """What was computed on the way leaves no step; what nothing reads has none."""

    def forward(x: Tensor) -> Tensor:
        torch.rand(x.shape)
        one = torch.ones(x.shape[2:])
        return x * one + torch.arange(x.shape[3]).float().sin()[None]

    net = agrees(Applied(forward), *SIZES)
    layers = net.to_yaml().partition("layers:\n")[2]
    first, _, second, _ = layers.splitlines()[:4]
    assert first == "  full: {op: Full, size: [H, W], fill_value: 1.0}"
    assert second.startswith(
        "  full_1: {op: Full, size: [1, W], fill_value: null}  # values are made at run time at"
    )
    assert "test_made_of_sizes.py:" in second

    docstring = torch_source(net).split('"""')[1]
    told = docstring.partition("Zeros stand for what the module makes of sizes")[2]
    assert "\n    full_1\n" in told and "\n    full\n" not in told


class Embedded(nn.Module):
    """Learned layers of coordinates: their weights are the network's."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.scale = nn.Linear(1, 3), nn.Parameter(torch.ones(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        line = self.linear(torch.arange(x.shape[3]).float()[:, None]).t()
        return x + line[:, None] * torch.ones(x.shape[2:]) * self.scale


def test_what_is_learned_stays() -> None:
    """A layer of such a tensor is a step, as is a parameter that is used with one."""
    net = agrees(Embedded(), *SIZES)
    built = tracer.build(net)
    assert sorted(p.numel() for p in built.parameters()) == [3, 3, 3]


def test_what_is_written_into_it_is_not_lost() -> None:
    """Through a view it would be out of sight."""

    def forward(x: Tensor) -> Tensor:
        canvas = torch.zeros(x.shape[0], 6, *x.shape[2:])
        canvas[:, :3].add_(x)
        return canvas * 2

    with pytest.raises(Unrepresentable, match=r"changed in place|no operation"):
        tracer.from_module(Applied(forward), SIZES[0])


class Kept(nn.Module):
    """Keeps a grid, and makes it anew for another size."""

    def __init__(self) -> None:
        super().__init__()
        self.known: Any = None
        self.grid = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        if self.known != x.shape[2:]:
            self.known = x.shape[2:]
            self.grid = torch.arange(x.shape[2])[:, None].expand(-1, x.shape[3]).float()
        return x + self.grid


def test_a_module_is_left_as_it_was() -> None:
    """Each recording is a copy's."""
    module = Kept()
    net = agrees(module, *SIZES)
    known, grid = module.known, module.grid
    assert tracer.from_module(module, SIZES[0]).to_yaml() == net.to_yaml()
    assert module.known is known and module.grid is grid


def fitted(x: Tensor, amounts: Callable[[Tensor, Tensor], Any]) -> Tensor:
    """A map that was pooled and enlarged, padded to where it came from by amounts that are tensors."""
    y = F.interpolate(F.max_pool2d(x, 2), scale_factor=2)
    rows, columns = amounts(torch.tensor(x.shape[2:]), torch.tensor(y.shape[2:]))
    return torch.cat([x, F.pad(y, [0, columns, 0, rows])], 1)


def padded_where_odd(x: Tensor) -> Tensor:
    """Asks a tensor whether there is anything to do."""
    y = F.interpolate(F.max_pool2d(x, 2), scale_factor=2)
    want, have = torch.tensor(x.shape[2:]), torch.tensor(y.shape[2:])
    if (want != have).any():
        rows, columns = (want - have).tolist()
        y = F.pad(y, [0, columns, 0, rows])
    return torch.cat([x, y], 1)


def changed_numbers(x: Tensor) -> Tensor:
    """A view of numbers that are changed behind it."""
    sizes = torch.tensor([x.shape[2], x.shape[3]])
    first = sizes[0]
    sizes.sub_(1)
    return x[:, :, : int(first)]


def written_numbers(x: Tensor) -> Tensor:
    """A view of a constant into which a size is written."""
    sizes = torch.zeros(2, dtype=torch.int64)
    first = sizes[:1]
    sizes[0] = x.shape[2]
    return x[:, :, : int(first)]


OF_NUMBERS: dict[str, Callable[[Tensor], Any]] = {
    "lists": lambda x: fitted(x, lambda want, have: (want - have).tolist()),
    "tensors of one": lambda x: fitted(
        x, lambda want, have: (want[:1] - have[:1], want[1:] - have[1:])
    ),
    "items": lambda x: fitted(x, lambda want, have: [n.item() for n in want - have]),
    "ints": lambda x: fitted(x, lambda want, have: [int(n) for n in (want - have).long()]),
    "a half": lambda x: x[:, :, : (torch.tensor(x.shape[2]) / 2).ceil().int().item()],
    "a product": lambda x: x.view(x.shape[0], x.shape[1], torch.tensor(x.shape[2:]).prod()),
    "the largest": lambda x: F.interpolate(
        x, size=(torch.as_tensor(x.shape[2:]).max().item(),) * 2
    ),
    "a question": padded_where_odd,
    "a slice": lambda x: x[..., : torch.tensor(x.shape[3]) // 2],
}


OF_NUMBERS |= {
    "NumPy's whole numbers": lambda x: x[..., : numpy.int64(x.shape[3]) // 2 + 1],
    "rounded by NumPy": lambda x: F.pad(
        x, (0, 0, 0, int(numpy.ceil(x.shape[2] / 3)) * 3 - x.shape[2])
    ),
    "NumPy's arrays": lambda x: F.adaptive_avg_pool2d(
        x, tuple(int(n) + 1 for n in numpy.array(x.shape[2:]) // 2)
    ),
    "NumPy's arrays of a type": lambda x: x[
        ..., : (numpy.asarray(x.shape[2:], numpy.float32) / 2).astype(numpy.int64).max()
    ],
    "a product of NumPy's": lambda x: x.view(
        *x.shape[:2], numpy.prod(numpy.array(x.shape[2:]))
    ),
    "NumPy's types": lambda x: x * float(numpy.zeros(3, dtype=numpy.int64).sum() + 1),
}


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_numbers_of_a_tensor_that_is_made_of_sizes(name: str) -> None:
    """They come back as the sizes that they are."""
    agrees(Applied(OF_NUMBERS[name]), *SIZES, (1, 3, 9, 7))


def test_numbers_that_are_not_known_are_refused() -> None:
    """Those of a tensor that depends on the input, of one that is drawn, and what was changed behind a view."""
    for function in (
        lambda x: x[:, :, : int(x.sum())],
        lambda x: x[:, :, : int(torch.rand(1) * x.shape[2])],
        changed_numbers,
        written_numbers,
    ):
        with pytest.raises(
            Unrepresentable, match=r"the values of a tensor decide here|8 is assigned"
        ):
            tracer.from_module(Applied(function), SIZES[0])


def test_what_numpy_takes_out_of_sight_is_named() -> None:
    """Its functions that are not followed are refused where they are called, or where their number is used."""
    with pytest.raises(Unrepresentable, match=r"numpy\.zeros of sizes is not followed"):
        tracer.from_module(
            Applied(lambda x: x + torch.from_numpy(numpy.zeros(x.shape[3]))), SIZES[0]
        )
    with pytest.raises(Unrepresentable, match=r"test_made_of_sizes\.py"):
        tracer.from_module(
            Applied(lambda x: x[..., : int(numpy.sqrt(x.shape[3] * 4.0))]), SIZES[0]
        )
