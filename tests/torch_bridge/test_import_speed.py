"""What an import costs, in forwards of the same module on the meta device; on a busy machine the numbers are higher."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tests import ROOT
from tests.timing import least

pytestmark = pytest.mark.slow

WIDTHS = (16, 32, 64, 128)
"""The channels of four levels."""

SHAPE = (1, 3, 512, 512)


class DoubleConv(nn.Sequential):
    def __init__(self, i: int, o: int) -> None:
        layers: list[nn.Module] = []
        for before in (i, o):
            layers += [nn.Conv2d(before, o, 3, padding=1, bias=False), nn.BatchNorm2d(o)]
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class Residual(nn.Module):
    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.body = DoubleConv(i, o)
        self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class Gate(nn.Module):
    """Additive attention on a skip."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.of_skip = nn.Sequential(nn.Conv2d(n, n // 2, 1), nn.BatchNorm2d(n // 2))
        self.of_gate = nn.Sequential(nn.Conv2d(n, n // 2, 1), nn.BatchNorm2d(n // 2))
        self.weight = nn.Sequential(nn.Conv2d(n // 2, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, up: Tensor, skip: Tensor) -> Tensor:
        return skip * self.weight(F.relu(self.of_gate(up) + self.of_skip(skip)))


class Unet(nn.Module):
    """Four levels; ``joined`` makes one map of what comes up and the skip."""

    def __init__(self, block: Callable[[int, int], nn.Module] = DoubleConv) -> None:
        super().__init__()
        ups = WIDTHS[::-1]
        self.down = nn.ModuleList(map(block, (3, *WIDTHS), WIDTHS))
        self.bottom = block(WIDTHS[-1], 2 * WIDTHS[-1])
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList([nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in ups])
        self.merged = nn.ModuleList([block(2 * n, n) for n in ups])
        self.head = nn.Conv2d(WIDTHS[0], 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
            x = self.pool(x)

        x = self.bottom(x)
        for level, (up, merged) in enumerate(zip(self.up, self.merged)):
            x = merged(self.joined(level, up(x), skips.pop()))
        y: Tensor = self.head(x)
        return y

    def joined(self, level: int, up: Tensor, skip: Tensor) -> Tensor:
        """The two, one behind the other."""
        return torch.cat([skip, up], dim=1)


class GatedUnet(Unet):
    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.ModuleList(map(Gate, WIDTHS[::-1]))

    def joined(self, level: int, up: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([self.gates[level](up, skip), up], dim=1)


class PaddedUnet(Unet):
    def joined(self, level: int, up: Tensor, skip: Tensor) -> Tensor:
        if up.shape != skip.shape:
            dy, dx = skip.size(2) - up.size(2), skip.size(3) - up.size(3)
            up = F.pad(up, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return torch.cat([skip, up], dim=1)


class ResizedUnet(Unet):
    def joined(self, level: int, up: Tensor, skip: Tensor) -> Tensor:
        if up.shape[-2:] != skip.shape[-2:]:
            up = F.interpolate(up, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([skip, up], dim=1)


def chain(layers: int) -> nn.Module:
    """So many layers, half of them convolutions."""
    pairs = [
        nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()) for _ in range(layers // 2)
    ]
    return nn.Sequential(nn.Conv2d(3, 8, 1), *pairs)


class Case(NamedTuple):
    make: Callable[[], nn.Module]
    most: float
    """Forwards that an import may cost."""
    goal: float = 3
    """Those that it shall cost on a machine that does nothing else."""


CASES = {
    "plain": Case(Unet, 5),
    "residual": Case(lambda: Unet(Residual), 5),
    "gated": Case(GatedUnet, 5),
    "padded": Case(PaddedUnet, 30, 12),
    "resized": Case(ResizedUnet, 30, 12),
    "chain": Case(lambda: chain(200), 5),
}


def cpu_time(run: Callable[[], object], times: int = 5) -> float:
    """The least CPU time of several runs; what other tests have left in memory is not searched meanwhile."""
    gc.collect()
    gc.freeze()
    try:
        found = []
        for _ in range(times):
            start = time.process_time()
            run()
            found.append(time.process_time() - start)
        return min(found)
    finally:
        gc.unfreeze()


def forward_time(module: nn.Module) -> float:
    """The CPU time of a forward of a module that is on the meta device."""
    x = torch.zeros(SHAPE, device="meta")

    def run() -> None:
        with torch.no_grad():
            module(x)

    return cpu_time(run, 20)


def import_time(module: nn.Module) -> float:
    return cpu_time(lambda: tracer.from_module(module, SHAPE))


def forwards_of_an_import(name: str) -> float:
    """What an import of one of the cases costs, in forwards of the same module."""
    module = CASES[name].make().eval().to("meta")
    return import_time(module) / forward_time(module)


def many_over_few() -> float:
    """The cost of an import of 400 layers, in that of four of 100."""
    few, many = import_time(chain(100)), import_time(chain(400))
    return many / (4 * few)


def second_over_first() -> float:
    """The cost of a second import of a module, in that of a first one of another of the same kind and sizes."""
    import_time(Unet())
    first = [cpu_time(lambda: tracer.from_module(Unet(), SHAPE), 1) for _ in range(5)]
    module = Unet()
    tracer.from_module(module, SHAPE)
    return import_time(module) / min(first)


def alone(measure: str) -> float:
    """What a measure of this module says in a process of its own: what other tests have imported costs time as well."""
    program = f"import {__name__} as here; print(here.{measure})"
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_forwards_of_an_import(name: str) -> None:
    """An import costs so many forwards."""
    most = CASES[name].most
    assert least(lambda: alone(f"forwards_of_an_import({name!r})"), most) <= most


def test_time_is_linear_in_the_layers() -> None:
    """Four times as many layers cost four times as much."""
    assert least(many_over_few, 1.6) <= 1.6


def test_the_second_import_is_no_slower() -> None:
    """Nothing that an import leaves behind slows down the next one."""
    assert least(lambda: alone("second_over_first()"), 1.3) <= 1.3
