"""Repairs where one line of a Python program makes or computes several layers: of them all, or passed in for each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.commands.test_python_repairs import here, saved
from tests.commands.test_python_widths import assert_true_in_torch, found_of, module_of
from tracer.repairing.repair import Repair

__all__ = ["here"]

FACTORY = """\
import torch
from torch import nn
import torch.nn.functional as F


def up(a, b):
    return nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.ReLU())


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(4, 8, 4, stride=2, padding=1)
        self.down3 = nn.Conv2d(8, 8, 4, stride=2, padding=1)
        self.up3 = up(8, 8)
        self.up2 = up(8, 4)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(a)
        y = self.up3(self.down3(b)) + b
        return self.up2(y) + a
"""

CLASS = """\
from torch import nn


class Dec(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.up = nn.ConvTranspose2d(i, o, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x):
        return self.up(x)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.down = nn.Conv2d(4, 8, 3, 2, 1); self.low = nn.Conv2d(8, 8, 3, 2, 1)
        self.dec2 = Dec(8, 8); self.dec1 = Dec(8, 4)
        self.head = Dec(4, 2)

    def forward(self, x):
        a = self.stem(x)
        b = self.down(a)
        return self.head(self.dec1(self.dec2(self.low(b)) + b) + a)
"""

LOOP = """\
import torch
from torch import nn
import torch.nn.functional as F


class UNet(nn.Module):
    def __init__(self, features=(4, 8, 8)):
        super().__init__()
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        self.pool = nn.MaxPool2d(2, 2)
        c = 3
        for f in features:
            self.downs.append(nn.Conv2d(c, f, 3, padding=1)); c = f
        for f in reversed(features):
            self.ups.append(nn.ConvTranspose2d(c, f, 2, 2)); c = f

    def forward(self, x):
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
            x = self.pool(x)
        skips = skips[::-1]
        for i in range(len(self.ups)):
            x = self.ups[i](x)
            skip = skips[i]
            x = x + skip
        return x
"""


def whole(found: list[Repair], title: str) -> Repair:
    """The repair of this title that is an edit."""
    return next(one for one in found if one.title.startswith(title) and one.source_edits)


def test_a_function_passes_it_in(here: Path) -> None:
    """Only the call that needs it gives the value; the default is what was there."""
    found = found_of(FACTORY, "factory.py", "1,3,36,36")
    repair = whole(found, "output_padding of up3.0")
    (text,) = repair.source_texts.values()
    assert "def up(a, b, output_padding=0):" in text
    assert "bias=False, output_padding=output_padding)" in text
    assert "self.up3 = up(8, 8, output_padding=1)" in text
    assert "self.up2 = up(8, 4)\n" in text
    assert_true_in_torch(repair, "factory.py", (1, 3, 36, 36))


def test_a_class_passes_it_in(here: Path) -> None:
    """Two calls on one line, and one that keeps its value; beside it stands the edit of all of them."""
    found = found_of(CLASS, "blocks.py", "1,3,33,34")
    apart = whole(found, "output_padding of dec2.up, dec1.up")
    assert apart.title == "output_padding of dec2.up, dec1.up"
    (text,) = apart.source_texts.values()
    assert "def __init__(self, i, o, output_padding=" in text
    assert "self.head = Dec(4, 2)\n" in text
    written = [one for one in found if one.source_edits]
    assert any(one.title == "output_padding of dec2.up, dec1.up, head.up" for one in written)
    for repair in written:
        assert_true_in_torch(repair, "blocks.py", (1, 3, 33, 34))


@pytest.mark.parametrize("size", ["1,3,36,36", "1,3,30,28"])
def test_a_line_of_a_loop_serves_all_levels(here: Path, size: str) -> None:
    """The sizes that it claims are those of the edited line, at which every level is resized."""
    path = f"loop_{size[-2:]}.py"
    found = found_of(LOOP, path, size)
    repair = whole(found, "resize at ")
    assert repair.changes.sizes == {"N": "any N", "H": "H >= 8", "W": "W >= 8"}
    assert_true_in_torch(repair, path, tuple(map(int, size.split(","))))


def test_what_a_loop_makes_is_told_with_the_statement(here: Path) -> None:
    """One value serves no other level: the statement that sets it is true in torch."""
    found = found_of(LOOP, "told.py", "1,3,36,36")
    (repair,) = [one for one in found if one.title == "output_padding of ups.0"]
    assert repair.source_edits == []
    (step,) = repair.steps
    assert "one call makes them all, and one value does not serve them" in step
    statement = step.rpartition("write `")[2].strip("`")
    module = module_of(LOOP)
    exec(statement, {"self": module})
    assert module(torch.zeros(1, 3, 36, 36)).shape[2:] == (36, 36)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def up(a, b):", "def up(*a):\n    a, b = a"),
        ("def up(a, b):", "@staticmethod\ndef up(a, b):"),
        ("def up(a, b):", "def up(a, b):\n    output_padding = 3"),
        ("up(8, 8)", "up(*[8, 8])"),
    ],
)
def test_what_hides_the_parameter_is_no_edit(here: Path, old: str, new: str) -> None:
    """Stars, decorators and a name that is in use: it is told by hand."""
    text = FACTORY.replace(old, new)
    saved(text, "hidden.py")
    found = found_of(text, "hidden.py", "1,3,36,36")
    told = [one for one in found if one.title.startswith("output_padding of up3")]
    assert told and all(one.source_edits == [] for one in told)
