"""Modules at sizes that fail: the finding is torch's, at the line that torch's own traceback ends in."""

from __future__ import annotations

import importlib.util
import random
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tracer.diagnostics import Diagnostic, TracerError
from tracer.net import Net
from tracer.planning.constraining import constraints_of
from tracer.planning.constraints import Constraints
from tracer.torch_bridge.opening import Question, open_module

HEAD = """\
import torch
import torch.nn.functional as F
from torch import nn


def block(a, b, k):
    return nn.Sequential(nn.Conv2d(a, b, k, padding=PADDING * (k // 2)), nn.BatchNorm2d(b), nn.ReLU())


class Drawn(nn.Module):
    def __init__(self):
        super().__init__()
        self.downs = nn.ModuleList([block(a, b, KERNEL) for a, b in zip((3, *WIDTHS), WIDTHS)])
        self.reduce = nn.ModuleList([REDUCE for n in WIDTHS[:-1]])
        self.ups = nn.ModuleList([UP for a, b in zip(WIDTHS[:0:-1], WIDTHS[-2::-1])])
        self.decs = nn.ModuleList([block(DECODED, b, 3) for b in WIDTHS[-2::-1]])

    def meet(self, up, skip):
        return MEET

    def forward(self, x):
        skips = []
        for number, down in enumerate(self.downs):
            x = down(x)
            if number < len(self.reduce):
                skips.append(x)
                x = self.reduce[number](x)
        for up, dec in zip(self.ups, self.decs):
            x = dec(self.meet(up(x), skips.pop()))
        return x
"""

REDUCTIONS = [
    "nn.MaxPool2d(2)",
    "nn.MaxPool2d(2, ceil_mode=True)",
    "nn.MaxPool2d(3, 2, 1)",
    "nn.Conv2d(n, n, 3, 2, 1)",
    "nn.Conv2d(n, n, 2, 2)",
    "nn.AvgPool2d(3)",
]
UPS = [
    "nn.ConvTranspose2d(a, b, 2, 2)",
    "nn.ConvTranspose2d(a, b, 3, 2, 1, 1)",
    "nn.ConvTranspose2d(a, b, 4, 2, 1)",
    "nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 1))",
]
MEETINGS = [
    ("torch.cat([skip, up], 1)", "2 * b"),
    ("torch.cat([up, skip], dim=1)", "2 * b"),
    ("up + skip", "b"),
    ("torch.cat([up, skip[:, :, :-1]], dim=1)", "2 * b"),
]


def drawn(seed: int) -> str:
    """A U-Net's source, most of which run for some sizes only."""
    draw = random.Random(seed)
    meet, decoded = draw.choice(MEETINGS)
    words = {
        "WIDTHS": str((4, 6, 8, 10)[: draw.randint(2, 4)]),
        "KERNEL": str(draw.choice([1, 3])),
        "PADDING": str(draw.choice([1, 1, 1, 0])),
        "REDUCE": draw.choice(REDUCTIONS),
        "UP": draw.choice(UPS),
        "MEET": meet,
        "DECODED": decoded,
    }
    text = HEAD
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def loaded(path: Path) -> nn.Module:
    """The module that a file makes."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: nn.Module = module.Drawn().eval()
    return made


def failure(module: nn.Module, size: tuple[int, int], path: Path) -> int | None:
    """The last line of the file in torch's own traceback; None where the module runs."""
    try:
        with torch.no_grad():
            module(torch.zeros(1, 3, *size))
    except RuntimeError as error:
        lines = traceback.extract_tb(error.__traceback__)
        return [one.lineno for one in lines if one.filename == str(path)][-1]
    return None


def answer(module: nn.Module, size: tuple[int, int]) -> tuple[Net | None, list[Diagnostic]]:
    """The network, and the errors at a size."""
    try:
        net = open_module(module, Question("drawn", [(1, 3, *size)], seconds=3)).net
    except TracerError as error:
        return None, error.diagnostics
    return net, [one for one in net.trace().diagnostics if one.severity == "error"]


@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(n, marks=pytest.mark.long) for n in range(8, 32))]
)
def test_the_line_is_that_of_torchs_traceback(seed: int, tmp_path: Path) -> None:
    """At drawn sizes: a finding where torch raises and only there, at its line; nearest sizes run."""
    path = tmp_path / "drawn.py"
    path.write_text(drawn(seed), "utf-8")
    module = loaded(path)
    draw = random.Random(seed)
    for _ in range(3):
        size = (draw.randint(20, 70), draw.randint(20, 70))
        line = failure(module, size, path)
        net, errors = answer(module, size)
        assert [(one.path, one.span and one.span.line) for one in errors] == [
            (str(path), line) for _ in errors
        ], errors
        assert bool(errors) == (line is not None)
        if net is not None:
            check_nearest(net, module, size, path)


def check_nearest(net: Net, module: nn.Module, size: tuple[int, int], path: Path) -> None:
    """The sizes that are told run in torch."""
    record: Any = constraints_of(net.network, net.built.ops, net.network.defaults())
    nearest = Constraints(record).nearest(H=size[0], W=size[1])
    for found in (nearest.below, nearest.above):
        if found is not None:
            assert failure(module, (found["H"], found["W"]), path) is None, found


SLIPPED = """\
import torch
from torch import nn


class Drawn(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(2))
        self.up = nn.Upsample(scale_factor=4)
        self.head = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        y = torch.cat([x, self.up(self.down(x))], 1)
        return self.hed(y)
"""


@pytest.mark.parametrize("size", [(50, 38), (48, 36), (7, 200)])
def test_a_slip_behind_sizes_that_do_not_fit(tmp_path: Path, size: tuple[int, int]) -> None:
    """What no size mends is told, at its line, and not the sizes that keep the program from reaching it."""
    path = tmp_path / "slipped.py"
    path.write_text(SLIPPED)
    module = loaded(path)
    net, found = answer(module, size)
    assert net is None
    assert [(one.code, one.span.line if one.span else None) for one in found] == [("T602", 14)]
    assert "has no attribute 'hed'" in found[0].message
