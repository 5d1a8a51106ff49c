"""Modules of TorchScript are read step by step, and give what TorchScript gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import tracer
from tests.torch_bridge.test_importing import tensors
from tracer.torch_bridge.importing import Unrepresentable
from tracer.torch_bridge.opening import read_module


class Block(nn.Module):
    """A norm with numbers of its own, and a sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        nn.init.uniform_(self.norm.weight)
        nn.init.uniform_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + functional.relu(self.norm(self.conv(x)))


class Unet(nn.Module):
    """Layers in a loop, a way up, and a pad where sizes differ."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.blocks = nn.ModuleList([Block(4), Block(4), Block(4)])
        self.up = nn.ConvTranspose2d(4, 3, 2, 2)
        self.drop = nn.Dropout2d(0.2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        for block in self.blocks:
            y = block(y)
        y = self.drop(self.up(y))
        if y.shape[2] != x.shape[2] or y.shape[3] != x.shape[3]:
            y = y[:, :, : x.shape[2], : x.shape[3]]
        return torch.cat([x, y], 1)


class Norms(nn.Module):
    """Norms of other kinds, an activation in place, resizes, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.group, self.instance = nn.GroupNorm(3, 3), nn.InstanceNorm2d(3, affine=True)
        self.layer, self.act = nn.LayerNorm(3), nn.SiLU(inplace=True)
        for norm in (self.group, self.instance, self.layer):
            nn.init.uniform_(norm.weight)
            nn.init.uniform_(norm.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.act(self.instance(self.group(x)) + 1.0)
        z = self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        doubled = functional.interpolate(
            y, scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return doubled, torch.softmax(z, dim=1)


class Tokens(nn.Module):
    """Patches in a row, with sizes that are read and computed with."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.mlp = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 12)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x)
        n, _, h, w = y.shape
        y = self.mlp(y.flatten(2).transpose(1, 2))
        return y.transpose(1, 2).reshape(n, 12, h, w)


def scripted(module: nn.Module) -> nn.Module:
    """By its code."""
    made: nn.Module = torch.jit.script(module)
    return made


def traced(module: nn.Module) -> nn.Module:
    """By what it does for one size."""
    made: nn.Module = torch.jit.trace(module, torch.zeros(1, 3, 32, 24))
    return made


class Around(nn.Module):
    """A module of Python around one that is none."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.first, self.inside = nn.Conv2d(3, 3, 1), inside

    def forward(self, x: Tensor) -> Any:
        return self.inside(torch.relu(self.first(x)))


@pytest.mark.parametrize("make", [Unet, Norms, Tokens])
@pytest.mark.parametrize("compiled", [scripted, traced])
@pytest.mark.parametrize("around", [lambda inside: inside, Around])
def test_what_is_built_gives_the_same_numbers(
    make: Callable[[], nn.Module],
    compiled: Callable[[nn.Module], nn.Module],
    around: Callable[[nn.Module], nn.Module],
) -> None:
    """With the script's own weights, and at sizes that it was not read at."""
    torch.manual_seed(0)
    module = around(compiled(make().eval())).eval()
    imported = read_module(module, (1, 3, 32, 24))
    built = tracer.build(tracer.loads(imported.net.to_yaml())).eval()
    built.load_state_dict(imported.state_dict())

    for shape in ((1, 3, 32, 24), (2, 3, 40, 48), (1, 3, 37, 29)):
        x = torch.randn(shape)
        with torch.no_grad():
            try:
                theirs = tensors(module(x))
            except RuntimeError:
                # A trace has one branch, which is not for every size.
                assert imported.net.trace(N=shape[0], H=shape[2], W=shape[3]).diagnostics
                continue
            mine = tensors(built(x))
        assert len(mine) == len(theirs)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(mine, theirs))


def test_branches_and_loops_of_a_script() -> None:
    """They are those of the code: a repeat, and a cut that is right for every size."""
    text = tracer.from_module(scripted(Unet().eval()), (1, 3, 32, 24)).to_yaml()
    assert "  blocks: {op: Block, repeat: 3}" in text


def test_the_script_is_left_as_it_is() -> None:
    """Nor is the module around it changed."""
    module = Around(scripted(Tokens()))
    inside = module.inside
    tracer.from_module(module, (1, 3, 32, 24))
    assert module.inside is inside and isinstance(inside, torch.jit.ScriptModule)


def test_inputs_of_a_script() -> None:
    """It takes as many as its forward."""
    found = tracer.check(scripted(Tokens()), (1, 3, 32, 24), (1, 3, 32, 24))
    assert [one.code for one in found] == ["T602"]
    assert found[0].message == "its forward takes x: too many positional arguments"


class Determinant(nn.Module):
    """A function without an operation."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.det(x[:, :, :24, :24])


def test_a_step_that_is_not_known() -> None:
    """It is named."""
    with pytest.raises(Unrepresentable, match="linalg_det"):
        tracer.from_module(traced(Determinant()), (1, 3, 32, 24))


def test_activations_in_place_by_position() -> None:
    """torch's own order of arguments is not that of the alphabet."""

    class Clipped(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.hardtanh_(x * 2, -1.0, 6.0)

    for module in (Clipped(), traced(nn.ReLU6())):
        text = tracer.from_module(module, (1, 3, 32, 24)).to_yaml()
        assert "{op: Hardtanh, " in text and "max_val: 6.0" in text
