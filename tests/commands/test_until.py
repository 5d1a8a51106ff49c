"""``--until NODE``: a network up to a node, whatever it is read from; what comes behind is gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import tracer
from tracer.commands import cli
from tracer.loading import load_text

CONFIG = """\
input: {image: [1, 3, H, W], mask: [1, 1, X, Y], side: [S, 2]}
sizes: {H: 64, W: 64, X: 32, Y: 32, S: {min: 1}}
blocks:
  twice:
    layers:
      conv: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
      act: ReLU
encoder:
  enc: {op: twice, from: image, expect: [1, 8, H, W]}
  down: {op: MaxPool2d, kernel_size: 2}
  small: {op: Interpolate, size: [X, Y]}
  other: {op: Conv2d, from: mask, out_channels: 8, kernel_size: 1}
decoder:
  sum: {op: Add, from: [small, other]}
  out: {op: Conv2d, out_channels: 2, kernel_size: 40}
output: {out: [1, 2, H, W]}
"""
"""Its last layers fail."""


def run(*words: str) -> Result:
    """``tracer WORDS``."""
    return CliRunner().invoke(cli, list(words))


def nodes(*words: str) -> dict[str, Any]:
    """The nodes of ``tracer trace``."""
    answer = json.loads(run("trace", *words, "--format", "json").stdout)
    return {node["name"]: node["shape"] for node in answer["nodes"]}


@pytest.fixture
def config(tmp_path: Path) -> str:
    """The path of the config."""
    path = tmp_path / "net.yaml"
    path.write_text(CONFIG, "utf-8")
    return str(path)


def test_a_config(config: str) -> None:
    """What fails behind the node is gone, with the inputs that nothing needs any more."""
    assert run("check", config).exit_code == 1
    done = run("check", config, "--until", "down", "--strict")
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"{config} is read up to down; what comes behind is left out\n" in done.stderr
    assert nodes(config, "--until", "down") == {
        "image": [1, 3, 64, 64],
        "enc.conv": [1, 8, 64, 64],
        "enc.act": [1, 8, 64, 64],
        "down": [1, 8, 32, 32],
    }


def test_the_sizes_of_an_input_that_is_not_read(config: str) -> None:
    """An input whose size is needed stays."""
    found = nodes(config, "--until", "small")
    assert list(found) == ["image", "mask", "enc.conv", "enc.act", "down", "small"]
    assert found["small"] == [1, 8, 32, 32]


@pytest.mark.parametrize(("name", "last"), [("enc", "enc.act"), ("enc.conv", "enc.conv")])
def test_blocks(config: str, name: str, last: str) -> None:
    """A block is read to its end, by its name; a layer inside of it by its own."""
    assert list(nodes(config, "--until", name))[-1] == last


def test_what_is_promised_of_the_part(config: str) -> None:
    """A promise about a node of the part is kept; that of an output behind it is gone."""
    text = CONFIG.replace("[1, 8, H, W]}", "[1, 9, H, W]}")
    net = load_text(text, "net.yaml", {}, until="down")
    assert [one.code for one in net.trace().diagnostics] == ["T304"]
    assert load_text(CONFIG, "net.yaml", {}, until="out").network.output_expect != {}
    assert load_text(CONFIG, "net.yaml", {}, until="sum").network.output_expect == {}


def test_parameters_whose_owner_is_left_out() -> None:
    """They are counted where they are shared first."""
    text = """\
input: [1, 4, 8, 8]
layers:
  owner: {op: Conv2d, out_channels: 4, kernel_size: 1}
  one: {op: Conv2d, from: input, out_channels: 4, kernel_size: 1, weights: owner}
  two: {op: Conv2d, out_channels: 4, kernel_size: 1, weights: owner}
  sum: {op: Add, from: [owner, two]}
"""
    whole = tracer.loads(text)
    part = load_text(text, "net.yaml", {}, until="two")
    assert [node.name for node in part.network.nodes] == ["input", "one", "two"]
    assert [node.has_own_parameters for node in part.network.nodes[1:]] == [True, False]
    assert part.network.nodes[2].weights is part.network.nodes[1]
    assert [node.has_own_parameters for node in whole.network.nodes[1:4]] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("command", ["sizes", "plan", "draw", "export", "verify"])
def test_commands(config: str, tmp_path: Path, command: str) -> None:
    """Each of them answers for the part, where the whole fails."""
    more = {"draw": ["-o", str(tmp_path / "a.svg")], "export": ["-o", str(tmp_path / "a.py")]}
    done = run(command, config, "--until", "enc.conv", *more.get(command, []))
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("command", ["check", "trace", "sizes", "plan", "draw"])
def test_a_name_that_is_not_there(config: str, tmp_path: Path, command: str) -> None:
    """It is bad usage, and the nearest name is told."""
    more = ["-o", str(tmp_path / "a.svg")] if command == "draw" else []
    done = run(command, config, "--until", "dwn", *more)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no layer is called 'dwn'; did you mean 'down'?" in done.stderr
    assert run(command, config, "--until", "image", *more).exit_code == 2


def test_an_edit_of_a_part(tmp_path: Path) -> None:
    """``plan --write`` edits the whole text, for the part."""
    path = tmp_path / "net.yaml"
    path.write_text(
        "input: [1, 3, 33, 33]\n"
        "encoder:\n"
        "  down: {op: Conv2d, out_channels: 3, kernel_size: 3, stride: 2, padding: 1}\n"
        "decoder:\n"
        "  up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 3, stride: 2, padding: auto}\n"
        "  sum: {op: Add, from: [up, input]}\n"
        "  end: {op: Conv2d, out_channels: 1, kernel_size: 99}\n",
        "utf-8",
    )
    assert run("plan", str(path), "--write").exit_code == 1
    done = run("plan", str(path), "--until", "sum", "--write")
    assert done.exit_code == 0, done.output
    text = path.read_text("utf-8")
    assert "padding: 1}" in text.splitlines()[4] and "end: " in text


NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, x, y):
        skip = self.first(x)
        low = self.up(self.pool(skip))
        both = torch.cat([skip, low], 1)
        again = torch.cat([both, skip], 1)
        return torch.relu(again) * y
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that name the module and its inputs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts.py").write_text(NET, "utf-8")
    return ["parts.py:Net", "--input", "1,3,16,16", "--input", "1,12,16,16"]


def test_a_node_of_a_module(module: list[str]) -> None:
    """The config has the part alone, and builds what the module has."""
    done = run("import", *module, "--until", "concat_1")
    assert done.exit_code == 0
    assert "output: concat_1\n" in done.stdout
    net = tracer.loads(done.stdout)
    assert [node.name for node in net.network.nodes] == [
        "input", "first", "pool", "up", "concat", "concat_1",
    ]  # fmt: skip
    assert run("check", *module, "--until", "concat_1", "--strict").exit_code == 0


def test_a_node_of_a_module_at_a_size_that_fails(module: list[str]) -> None:
    """What fails before the node is told at its line; the part's text has the asked size."""
    module[2] = "1,3,15,16"
    module[4] = "1,12,15,16"
    done = run("import", *module, "--until", "concat")
    assert done.exit_code == 1
    assert "parts.py:15:16: error[T301]" in done.stderr
    assert "H: 15, W: 16}" in done.stdout and "concat_1" not in done.stdout
    assert run("check", *module, "--until", "pool").exit_code == 0


def test_a_name_that_a_module_does_not_have(module: list[str]) -> None:
    """The nearest of its modules and nodes is told."""
    done = run("check", *module, "--until", "concat_2")
    assert done.exit_code == 2
    assert "no module and no node 'concat_2'; did you mean 'concat_1'?" in done.stderr


def test_training_mode_is_said(module: list[str]) -> None:
    """What the user asks for is a line, and no finding."""
    done = run("check", *module, "--mode", "train", "--strict")
    assert done.exit_code == 0
    assert "parts.py:Net is read in training mode\n" in done.stderr


SQUEEZED = """\
from torch import nn


class Net(nn.Module):
    def forward(self, x):
        y = x * 2
        return y.squeeze(0){comment}
"""


def test_a_batch_that_is_fixed_is_a_warning(tmp_path: Path) -> None:
    """It stands at the line that keeps the batch from being open, where a comment silences it."""
    path = tmp_path / "squeezed.py"
    path.write_text(SQUEEZED.format(comment=""), "utf-8")
    words = ["check", f"{path}:Net", "--input", "1,3,8,8"]
    done = run(*words)
    assert done.exit_code == 0
    assert f"{path}:7:16: warning[T604] the first dim is fixed" in done.stdout
    assert run(*words, "--strict").exit_code == 1

    silent = tmp_path / "silent.py"
    silent.write_text(SQUEEZED.format(comment="  # tracer: ignore[T604]"), "utf-8")
    done = run("check", f"{silent}:Net", "--input", "1,3,8,8", "--strict")
    assert (done.exit_code, done.stdout) == (0, "")


def test_a_batch_that_is_fixed_at_a_size_that_fails(tmp_path: Path) -> None:
    """The warning is there beside the finding about the size, too."""
    path = tmp_path / "both.py"
    path.write_text(
        "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def forward(self, x):\n"
        "        y = nn.functional.interpolate(nn.functional.max_pool2d(x, 2), scale_factor=2)\n"
        "        return (x + y).squeeze(0)\n",
        "utf-8",
    )
    answer = json.loads(
        run("check", f"{path}:Net", "--input", "1,3,9,8", "--format", "json").stdout
    )
    assert {"T301", "T604"} <= {one["code"] for one in answer["diagnostics"]}
