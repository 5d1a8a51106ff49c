"""Repairs in Python of functions and of layers that take no size when they are called, each true in torch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.commands.test_python_repairs import here
from tests.commands.test_python_widths import assert_true_in_torch, found_of, module_of
from tracer.ops.convolution import Conv2d
from tracer.ops.pooling import MaxPool2d
from tracer.repairing.sized_calls import keeps_sizes

__all__ = ["here"]

PYRAMID = """\
import torch
from torch import nn
import torch.nn.functional as F


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(3, 4, 3, 2, 1)
        self.c2 = nn.Conv2d(4, 8, 3, 2, 1)
        self.lateral = nn.Conv2d(4, 8, KERNEL)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.weight = nn.Parameter(torch.ones(8, 8, 3, 3))

    def forward(self, x):
        c1 = self.c1(x)
        c2 = self.c2(c1)
        return MEETING
"""

FUNCTION = PYRAMID.replace("KERNEL", "1").replace(
    "MEETING", "self.lateral(c1) + F.interpolate(c2, scale_factor=2, mode='nearest')"
)
LAYER = PYRAMID.replace("KERNEL", "3, padding=1").replace(
    "MEETING", "torch.cat([self.lateral(c1), self.up(c2)], 1)"
)
TRANSPOSED = PYRAMID.replace("KERNEL", "1").replace(
    "MEETING", "self.lateral(c1) + F.conv_transpose2d(c2, self.weight, stride=2, padding=1)"
)


@pytest.mark.parametrize(
    ("text", "call"),
    [
        (FUNCTION, "F.interpolate(c2, size=c1.shape[-2:], mode='nearest')"),
        (
            LAYER,
            "F.interpolate(c2, size=c1.shape[-2:], mode=self.up.mode, align_corners=self.up.align_corners)",
        ),
    ],
)
def test_a_call_gets_the_size(here: Path, text: str, call: str) -> None:
    """The size is that of a map with a name, of which a layer makes the one that is met, of the same size."""
    path = f"sized_{len(text)}.py"
    found = found_of(text, path, "1,3,37,42")
    (repair,) = [one for one in found if one.title.startswith("size of ")]
    assert call in repair.source_texts[path]
    assert "scale_factor" not in repair.title
    assert repair.changes.sizes["H"] == "H >= 1"
    assert_true_in_torch(repair, path, (1, 3, 37, 42))

    # At the sizes that ran before, the values are the same.
    torch.manual_seed(0)
    before = module_of(text)
    after = module_of(repair.source_texts[path])
    after.load_state_dict(before.state_dict())
    x = torch.rand(1, 3, 40, 48)
    assert torch.equal(before(x), after(x))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("KERNEL", "2"),
        ("scale_factor=2", "None, 2"),
        ("scale_factor=2", "scale_factor=2, recompute_scale_factor=True"),
    ],
)
def test_what_has_another_size_or_other_arguments_is_no_edit(
    here: Path, old: str, new: str
) -> None:
    """A layer between that changes the size, factors by place, and a factor that is computed again."""
    kernel = {"KERNEL": new}.get(old, "1")
    text = FUNCTION.replace("Conv2d(4, 8, 1)", f"Conv2d(4, 8, {kernel})").replace(old, new)
    found = found_of(text, "other.py", "1,3,37,42")
    told = [one for one in found if one.title.startswith("size of ")]
    assert all(one.source_edits == [] for one in told)


def test_a_function_gets_its_argument(here: Path) -> None:
    """``output_padding`` is one of the function too; ``output_size`` is none, which is told and no edit."""
    found = found_of(TRANSPOSED, "transposed.py", "1,3,36,36")
    (padded,) = [one for one in found if one.title.startswith("output_padding of ")]
    assert "stride=2, padding=1, output_padding=" in padded.source_texts["transposed.py"]
    for one in found:
        if one.source_edits:
            assert_true_in_torch(one, "transposed.py", (1, 3, 36, 36))
    (sized,) = [one for one in found if one.title.startswith("output_size of ")]
    assert sized.source_edits == []
    assert "the function takes no output_size" in sized.steps[0]


def test_which_operations_keep_sizes() -> None:
    """As torch has it, at every size from 3 to 40."""
    for kernel, stride, padding, dilation in (
        (3, 1, 1, 1),
        (3, 1, 2, 2),
        (2, 1, 1, 1),
        (3, 2, 1, 1),
        (1, 1, 0, 1),
    ):
        op = Conv2d(
            out_channels=2,
            kernel_size=kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
        )
        layer = torch.nn.Conv2d(1, 2, kernel, stride, padding, dilation)
        kept = all(layer(torch.zeros(1, 1, n, n)).shape[-1] == n for n in range(3, 41))
        assert keeps_sizes(op) == kept
    assert not keeps_sizes(MaxPool2d(kernel_size=2)) and not keeps_sizes(None)
