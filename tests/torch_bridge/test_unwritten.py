"""Constants of a module whose values no config has: they are told, loaded by name, and fed as legal indices."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import tracer
from tracer.commands import cli
from tracer.torch_bridge.opening import read_module
from tracer.torch_bridge.source import torch_source
from tracer.torch_bridge.verifying import verify


class Biased(nn.Module):
    """Positions of a window that pick their bias from a table, as window attention does."""

    order: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(9, 4))
        self.register_buffer("order", torch.randint(0, 9, (36, 36)))
        self.lin = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.table[self.order.view(-1)].view(36, 36, 4).sum(0)
        return x + self.lin(x) + bias


class Stack(nn.Module):
    """Three of them over windows, and a mean that is taken off first."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(1, 3, 1, 1))
        self.conv = nn.Conv2d(3, 4, 4, stride=4)
        self.stages = nn.ModuleList(Biased() for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x - self.mean).flatten(2).transpose(1, 2)
        x = x.reshape(-1, 36, 4)
        for stage in self.stages:
            x = stage(x)
        return x


BUFFERS = ["mean", "stages.0.order", "stages.1.order", "stages.2.order"]

SHAPES = [(1, 3, 24, 24), (2, 3, 24, 48), (1, 3, 96, 12)]


@pytest.fixture(scope="module")
def module() -> nn.Module:
    """The module with weights that are always the same."""
    torch.manual_seed(0)
    return Stack().eval()


def loaded_from(path: Path) -> Any:
    """The network of a file that was exported."""
    spec = importlib.util.spec_from_file_location("exported", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found.Network()


def test_a_buffer_is_told_by_its_own_name(module: nn.Module) -> None:
    """Also where it is viewed before it is read: its name, that its values are missing, and how they are loaded."""
    text = tracer.from_module(module, SHAPES[0]).to_yaml()
    assert "order: {op: Parameter, shape: [1296], dtype: int64, learned: false}" in text
    assert "  # values are those of buffer order: load them" in text
    assert "  # values are those of buffer mean: load them" in text
    assert "read_module(module, shape).state_dict()" in text.partition("name:")[0]
    assert "constant" not in text


class Plain(nn.Module):
    """Without a buffer whose values count: those of a norm are statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


def test_nothing_is_told_where_nothing_is_missing() -> None:
    """Neither in the config nor in the exported file."""
    net = tracer.from_module(Plain(), (1, 3, 16, 16))
    assert "#" not in net.to_yaml()
    assert "buffers" not in torch_source(net)


class Computed(nn.Module):
    """A tensor that the forward makes of a buffer has no name of its own."""

    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.ones(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.step + 1)


def test_a_constant_without_a_name_is_told() -> None:
    """What is computed of buffers is missing too."""
    module = Computed()
    found = read_module(module, (1, 3, 8, 8))
    assert "learned: false}  # values are not written: load them" in found.net.to_yaml()

    built = tracer.build(found.net)
    built.load_state_dict(found.state_dict())
    x = torch.randn(1, 3, 5, 7)
    assert torch.equal(built(x), module(x))


@torch.no_grad()
def test_loaded_values_give_what_the_module_gives(module: nn.Module, tmp_path: Path) -> None:
    """In the built module and in the exported file, at sizes other than the one that was read."""
    found = read_module(module, SHAPES[0])
    path = tmp_path / "exported.py"
    path.write_text(torch_source(found.net))

    for network in (tracer.build(found.net), loaded_from(path)):
        network.load_state_dict(found.state_dict())
        for shape in SHAPES:
            x = torch.randn(shape)
            assert torch.allclose(network.eval()(x), module(x), atol=1e-5)


def test_an_exported_file_names_its_buffers(module: nn.Module, tmp_path: Path) -> None:
    """In its docstring, under their names in its state dict, and the command says so."""
    config = tmp_path / "net.yaml"
    config.write_text(tracer.from_module(module, SHAPES[0]).to_yaml())
    file = tmp_path / "net.py"
    result = CliRunner().invoke(cli, ["export", str(config), "-o", str(file)])
    assert result.exit_code == 0
    assert (
        f"values of buffers are not written, load them: {', '.join(BUFFERS[:3])} and 1 more"
        in (result.stderr)
    )

    network = loaded_from(file)
    docstring = file.read_text().split('"""')[1]
    for name in BUFFERS:
        assert f"\n    {name}\n" in docstring
        assert name in network.state_dict()
    assert "load_state_dict(read_module(module, shape).state_dict())" in docstring


INDEXED = """
input: [N, 4, H]
sizes: {N: 2, H: 6}
layers:
  order: {op: Parameter, shape: [5], dtype: int64, learned: false}
  back: {op: Scale, offset: -7}
  picked: {op: IndexSelect, from: [input, back], dim: 1}
  table: {op: Parameter, shape: [3, 4]}
  rows: {op: IndexSelect, from: [table, back], dim: 0}
"""


def test_verify_feeds_legal_indices(module: nn.Module) -> None:
    """Whatever a buffer without values holds, and whatever is computed of it."""
    nets = [tracer.loads(INDEXED), tracer.from_module(module, SHAPES[0])]
    for net in nets:
        found = list(verify(net))
        assert {one.device for one in found} == {"meta", "cpu"}
        assert not any(one.differences for one in found)
