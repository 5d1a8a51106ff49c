"""Layers of torch modules that are made for another width than they get: read all the same, and repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import tracer
from tests.commands.test_python_repairs import here, run, saved, sizes_of
from tracer.commands.options import Overrides
from tracer.commands.sources import opened
from tracer.repairing.repair import Repair
from tracer.repairing.repairs import repairs
from tracer.torch_bridge.factory import module_from
from tracer.torch_bridge.opening import Question, RunsNowhere, open_module

__all__ = ["here"]

HEAD = """\
import torch
from torch import nn


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
"""

FORWARD = """
    def forward(self, x):
        skip = self.one(x)
        y = self.up(self.two(skip))
        return self.out(torch.cat([skip, y], dim=1))
"""

BEFORE = FORWARD.replace("self.two(skip)", "self.two(self.norm(skip))").replace(
    "torch.cat([skip, y], dim=1)", "y"
)

WIDTHS = {
    "convolution": ("        self.out = nn.Conv2d(8, 2, 3, padding=1)\n" + FORWARD, "16"),
    "by keyword": (
        "        self.out = nn.Conv2d(in_channels=9, out_channels=2, kernel_size=1)\n"
        + FORWARD,
        "16",
    ),
    "transposed": ("        self.out = nn.ConvTranspose2d(4, 2, 1)\n" + FORWARD, "16"),
    "batch norm": (
        "        self.norm = nn.BatchNorm2d(16)\n        self.out = nn.Conv2d(8, 2, 1)\n"
        + BEFORE,
        "8",
    ),
    "group norm": (
        "        self.norm = nn.GroupNorm(4, 16)\n        self.out = nn.Conv2d(8, 2, 1)\n"
        + BEFORE,
        "8",
    ),
    "linear": (
        "        self.out = nn.Linear(8, 2)\n"
        + FORWARD.replace("dim=1)", "dim=1).movedim(1, -1)"),
        "16",
    ),
}


def module_of(text: str) -> torch.nn.Module:
    """The module that a text makes."""
    scope: dict[str, Any] = {"__name__": "made"}
    exec(compile(text, "made.py", "exec"), scope)
    module: torch.nn.Module = scope["UNet"]()
    return module.eval()


def found_of(text: str, path: str, size: str) -> list[Repair]:
    """The repairs of the module that a text makes."""
    saved(text, path)
    return repairs(opened(f"{path}:UNet", Overrides(inputs=[size]))).found


def assert_true_in_torch(repair: Repair, path: str, shape: tuple[int, ...]) -> None:
    """The edited module gives what is promised, and runs at sizes of the claimed set."""
    module = module_of(repair.source_texts[path])
    (promised,) = repair.changes.outputs.values()
    assert list(module(torch.zeros(shape)).shape) == promised
    config = tracer.loads(repair.text)
    for height, width in sizes_of(repair):
        (expected,) = config.trace(H=height, W=width).outputs.values()
        assert tuple(module(torch.zeros(1, 3, height, width)).shape) == expected


@pytest.mark.parametrize("name", WIDTHS)
def test_the_number_of_the_call_becomes_the_one_that_fits(here: Path, name: str) -> None:
    """torch refuses the module at every size, and takes the edited one."""
    rest, width = WIDTHS[name]
    text = HEAD + rest
    with pytest.raises(RuntimeError, match=r"channels|running_mean|num_channels|shapes|weight"):
        module_of(text)(torch.zeros(1, 3, 30, 34))

    path = f"{name.replace(' ', '_')}.py"
    written = [one for one in found_of(text, path, "1,3,30,34") if one.source_edits]
    assert any(width in [edit.text for edit in one.source_edits] for one in written)
    for repair in written:
        assert_true_in_torch(repair, path, (1, 3, 30, 34))


TWO = HEAD + "        self.out = nn.Conv2d(8, 2, 3, padding=1)\n" + FORWARD
"""The channels do not fit, and neither do odd sizes."""


def test_channels_and_sizes(here: Path) -> None:
    """Two faults, of which the first hides the second: each repair takes both away, and is one of the torch module."""
    found = [one for one in found_of(TWO, "both.py", "1,3,31,34") if one.source_edits]
    assert found
    for repair in found:
        assert "in_channels" in repair.title
        assert_true_in_torch(repair, "both.py", (1, 3, 31, 34))


def test_two_widths_in_one_chain(here: Path) -> None:
    """No repair is offered that a second width still keeps from running, or that puts in what is not told."""
    text = HEAD.replace("Conv2d(8, 16,", "Conv2d(4, 16,") + WIDTHS["convolution"][0]
    found = found_of(text, "chain.py", "1,3,32,32")
    assert [len(one.source_edits) for one in found].count(2) >= 1
    assert all(one.source_edits for one in found)
    for repair in found:
        assert_true_in_torch(repair, "chain.py", (1, 3, 32, 32))


def test_it_is_written(here: Path) -> None:
    """The finding is at the layer's line, and the edited file is clean."""
    saved(TWO)
    words = ("my_net.py:UNet", "--input", "1,3,32,32")
    answer = json.loads(run("check", *words, "--format", "json").stdout)
    (found,) = [one for one in answer["diagnostics"] if one["severity"] == "error"]
    assert (found["code"], found["module"]) == ("T204", "out")
    assert found["message"] == (
        "out: in_channels is 8, but the input [1, 16, 32, 32] has 16 channels"
    )
    done = run("plan", *words, "--repair", "1", "--write")
    assert done.exit_code == 0, done.output
    assert "nn.Conv2d(16, 2, 3, padding=1)" in Path("my_net.py").read_text("utf-8")
    assert run("check", *words).exit_code == 0


class Shared(torch.nn.Module):
    """A layer that is called with two widths fits neither way."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Conv2d(3, 8, 1)
        self.head = torch.nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The second call would get what the first one makes."""
        y = self.head(self.one(x))
        return torch.relu(self.head(y))


class Grouped(torch.nn.Module):
    """Groups divide the channels that it was made for."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Conv2d(3, 8, 1)
        self.deep = torch.nn.Conv2d(6, 6, 3, groups=6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One map."""
        y: torch.Tensor = self.deep(self.one(x))
        return y


@pytest.mark.parametrize("kind", [Shared, Grouped])
def test_what_no_width_mends_is_refused(kind: type[torch.nn.Module]) -> None:
    """The finding says what was tried, and the module is left as it was."""
    module = kind()
    before = {name: (id(one), one.shape) for name, one in module.named_parameters()}
    with pytest.raises(RunsNowhere) as error:
        open_module(module, Question("drawn", [(1, 3, 16, 16)], seconds=2))
    (found,) = error.value.diagnostics
    assert found.code == "T204" and "it runs at none of the" in found.notes[0]
    assert {name: (id(one), one.shape) for name, one in module.named_parameters()} == before


def test_the_module_keeps_its_weights(here: Path) -> None:
    """Reading it with other widths changes nothing of it."""
    saved(TWO, "kept.py")
    module = module_from("kept.py:UNet", {})
    before = dict(module.named_parameters())
    net = open_module(module, Question("drawn", [(1, 3, 32, 32)], seconds=5)).net
    assert [one.code for one in net.trace().diagnostics] == ["T204"]
    after = dict(module.named_parameters())
    assert all(after[name] is one for name, one in before.items()) and len(after) == len(before)
    assert module.get_submodule("out").in_channels == 8


FORGOTTEN = (
    HEAD.replace("self.one = nn.Conv2d(3, 8, 3, padding=1)", "self.one = STEM")
    + "        self.out = nn.Conv2d(16, 2, 3, padding=1)\n"
    + FORWARD.replace("torch.cat([skip, y], dim=1)", "y")
)
"""The layer behind was made for the skip, too."""

STEMS = {
    "a layer": "nn.Conv2d(3, 8, 3, padding=1)",
    "layers": "nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())",
}


@pytest.mark.parametrize("stem", STEMS)
def test_a_skip_that_was_forgotten_is_joined(here: Path, stem: str) -> None:
    """The layer is called with both; beside it stands the width of what it gets now."""
    path = f"forgotten_{len(stem)}.py"
    found = found_of(FORGOTTEN.replace("STEM", STEMS[stem]), path, "1,3,32,36")
    written = [one for one in found if one.source_edits]
    joined = [one for one in written if "too" in one.title]
    assert "self.out(torch.cat([y, skip], dim=1))" in joined[0].source_texts[path]
    assert any(one.title == "in_channels of out" for one in written)
    for repair in written:
        assert_true_in_torch(repair, path, (1, 3, 32, 36))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("skip = self.one(x)", "skip = self.one(x)\n        skip, kept = None, skip"),
        ("skip = self.one(x)", "(skip := self.one(x))"),
        ("self.out(y)", "[self.out(z) for z in (y, y)][0]"),
    ],
)
def test_a_skip_without_a_name_is_told(here: Path, old: str, new: str) -> None:
    """A name that means something else by then, one that no assignment gives, and a call that is made twice."""
    text = FORGOTTEN.replace("STEM", STEMS["a layer"]).replace(old, new)
    text = text.replace("self.two(skip)", "self.two(kept)") if "kept" in new else text
    found = found_of(text, "unnamed.py", "1,3,32,36")
    assert all(one.source_edits == [] for one in found if "too" in one.title)
    for repair in found:
        if repair.source_edits:
            assert_true_in_torch(repair, "unnamed.py", (1, 3, 32, 36))


DECODER = """\
import torch
from torch import nn


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 16, 3, padding=1)
        self.mid = nn.Conv2d(16, 16, 3, padding=1)
        self.up2 = nn.ConvTranspose2d(16, 16, UP)
        self.up1 = nn.ConvTranspose2d(16, 8, UP)
        self.dec2 = nn.Conv2d(32, 16, 3, padding=1)
        self.out = nn.Conv2d(16, 2, 1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        one = self.one(x)
        two = self.two(self.pool(one))
        y = self.up2(self.mid(self.pool(two)))
        y = self.up1(self.dec2(torch.cat([y, two], dim=1)))
        return self.out(torch.cat([y, one], dim=1))
"""
"""It runs at no size: what comes up never meets a skip."""


@pytest.mark.parametrize(
    ("up", "mended"),
    [
        ("3, stride=2, padding=1", "output_padding"),
        ("4, stride=2", "padding"),
        ("5, stride=2, padding=2", "output_padding"),
    ],
)
def test_layers_that_do_not_enlarge_by_their_stride(here: Path, up: str, mended: str) -> None:
    """The module is read as if they did, and its repairs are those of the layers as they are."""
    text = DECODER.replace("UP", up)
    for size in range(20, 60, 3):
        with pytest.raises(RuntimeError, match="must match"):
            module_of(text)(torch.zeros(1, 3, size, 32))

    found = [one for one in found_of(text, "ups.py", "1,3,32,48") if one.source_texts]
    assert any(mended in one.title for one in found[:2])
    for repair in found:
        assert_true_in_torch(repair, "ups.py", (1, 3, 32, 48))


def test_the_layers_keep_their_paddings(here: Path) -> None:
    saved(DECODER.replace("UP", "3, stride=2, padding=1"), "kept.py")
    module = module_from("kept.py:UNet", {})
    net = open_module(module, Question("drawn", [(1, 3, 32, 32)], seconds=5)).net
    first, *_ = net.trace().diagnostics
    assert first.code == "T301"
    assert module.get_submodule("up2").output_padding == (0, 0)
