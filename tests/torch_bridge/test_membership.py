"""A forward that asks whether a set or a dict has a size: no shape is wrong at the sizes that are in it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tracer
from tracer.diagnostics import TracerError

HEIGHTS = {224, 384}
SIZES = {(512, 512): 1, (48, 40): 2}
KEPT: dict[Any, Tensor] = {}


class Asks(nn.Module):
    """Halves what comes where a set has its size."""

    of_class = {100: 2}  # noqa: RUF012 - as people write it

    def __init__(self, how: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.coarser = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.own = frozenset([96])
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        """By the question."""
        y: Tensor = self.conv(x)
        if getattr(self, self.how)(x):
            y = self.coarser(y)
        return y

    def constant(self, x: Tensor) -> bool:
        """A set in the line."""
        return x.shape[2] in {224, 384}

    def of_file(self, x: Tensor) -> bool:
        """A set of the file."""
        return x.shape[2] in HEIGHTS

    def of_pairs(self, x: Tensor) -> bool:
        """Pairs of sizes."""
        return tuple(x.shape[2:]) not in SIZES

    def of_module(self, x: Tensor) -> bool:
        """A set of the module's own."""
        return x.shape[2] in self.own

    def of_its_class(self, x: Tensor) -> bool:
        """A dict of the class."""
        return x.size(2) in self.of_class

    def of_a_name(self, x: Tensor) -> bool:
        """A set of the function's."""
        found = {31, 77}
        return x.size(-1) in found


@pytest.mark.parametrize(
    "how", sorted(vars(Asks).keys() - vars(nn.Module).keys() - {"forward"})
)
def test_no_shape_is_wrong(how: str) -> None:
    """Each is read for the sizes that the set has not, or refused."""
    if how.startswith("_") or how == "of_class":
        return
    module = Asks(how).eval()
    try:
        net = tracer.from_module(module, (1, 3, 64, 64))
    except TracerError as refused:
        assert how == "of_pairs", refused
        return

    compared = set()
    for height, width in ((224, 64), (384, 9), (96, 64), (100, 7), (64, 77), (9, 31), (65, 66)):
        trace = net.trace(H=height, W=width)
        (mine,) = trace.outputs.values()
        theirs = tuple(module(torch.zeros(1, 3, height, width)).shape)
        assert trace.diagnostics or mine == theirs, (height, width)
        compared.add(not trace.diagnostics)
    assert compared == {True, False}


class Remembers(nn.Module):
    """A table that is kept by size says nothing of ways."""

    def forward(self, x: Tensor) -> Tensor:
        """Made where it is not there."""
        size = tuple(x.shape[2:])
        if size not in KEPT:
            KEPT[size] = torch.zeros(size)
        return x + KEPT[size]


def test_what_is_kept_by_size_is_one_way() -> None:
    """The dict holds tensors: another one is made for another size."""
    net = tracer.from_module(Remembers().eval(), (1, 3, 64, 64))
    for height, width in ((64, 64), (9, 77)):
        (shape,) = net.trace(H=height, W=width).outputs.values()
        assert shape == (1, 3, height, width)
    assert KEPT == {}
