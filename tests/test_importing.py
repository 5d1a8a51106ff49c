"""Torch modules as configs: the same shapes at every size, the same outputs, or a named refusal."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import nn

import tracer
from tracer.torch_bridge.importing import Unrepresentable


class Basic(nn.Module):
    """A residual block as in torchvision."""

    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Sequential(nn.Conv2d(i, o, 1, stride), nn.BatchNorm2d(o)) if stride > 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.down is None else self.down(x)
        return self.relu(y)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.layers = nn.Sequential(Basic(4, 4, 1), Basic(4, 8, 2), Basic(8, 8, 1))
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.flatten(self.pool(self.layers(self.stem(x))), 1))


class Interpolating(nn.Module):
    """A decoder that resizes to its skips at run time."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)
        self.c = nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = F.relu(self.a(x))
        b = self.b(a).relu()
        y = torch.cat([F.interpolate(b, size=a.shape[-2:], mode="bilinear", align_corners=False), a], dim=1)
        h, w = x.size(2), x.size(3)
        return torch.sigmoid(F.interpolate(self.c(y), (h, w)))


class Gated(nn.Module):
    """Chunks, functional pools and pads, means, keyword arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.up = nn.Conv2d(3, 8, 3, padding="same"), nn.ConvTranspose2d(4, 4, 2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, gate = self.a(x).chunk(2, dim=1)
        y = F.max_pool2d(value * gate.sigmoid(), 2)
        y = F.pad(self.up(y), [1, 0, 0, 1])
        return y - y.mean(dim=(2, 3), keepdim=True)


class Unet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e1, self.e2, self.mid = (nn.Conv2d(i, o, 3, padding=1) for i, o in ((1, 4), (4, 8), (8, 8)))
        self.pool, self.up2, self.up1 = nn.MaxPool2d(2), nn.ConvTranspose2d(8, 8, 2, 2), nn.ConvTranspose2d(16, 4, 2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        e1 = self.e1(x)
        e2 = self.e2(self.pool(e1))
        d2 = torch.cat((self.up2(self.mid(self.pool(e2))), e2), 1)
        return torch.cat((self.up1(d2), e1), 1)


MODULES = {"resnet": (ResNet, 3), "interpolating": (Interpolating, 3), "gated": (Gated, 3), "unet": (Unet, 1)}


@pytest.mark.parametrize("name", MODULES)
def test_every_size_is_the_modules(name: str) -> None:
    """Imported at one size, the sizes that run and the outputs' shapes are the module's for all of 1..80."""
    make, channels = MODULES[name]
    module = make().eval()
    net = tracer.from_module(module, (1, channels, 64, 48))
    runs = tracer.sizes(net).axes["H"].runs
    for n in range(1, 81):
        try:
            with torch.no_grad():
                want: Any = tuple(module(torch.zeros(1, channels, n, 48)).shape)
        except RuntimeError:
            want = None
        mine = net.trace(H=n)
        found = None if mine.diagnostics else next(iter(mine.outputs.values()))
        assert found == want and (n in runs) == (want is not None), n


@pytest.mark.parametrize("name", MODULES)
def test_outputs_are_the_modules(name: str) -> None:
    """Built from the imported config with the same weights, the outputs are the same; the text is read again."""
    make, channels = MODULES[name]
    torch.manual_seed(0)
    module = make().eval()
    net = tracer.loads(tracer.from_module(module, (1, channels, 64, 48)).to_yaml())
    built: Any = tracer.build(net).eval()
    weights = {
        key.rpartition(".")[0].replace(".", "_") + "." + key.rpartition(".")[2]: v
        for key, v in module.state_dict().items()
    }
    built.load_state_dict(weights)
    x = torch.randn(2, channels, 64, 48)[:1]
    with torch.no_grad():
        assert torch.allclose(built(x), module(x), atol=1e-6)


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class Odd(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(x, 1)


class Sized(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, size=(x.shape[2] // 2, 4))


class Weighted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gamma


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            Branching(),
            r"torch.fx cannot trace Branching: symbolically traced variables cannot be used as inputs to control flow",
        ),
        (Odd(), r"cumsum \(cumsum\).*test_importing.py.*it has no operation in a config"),
        (Sized(), r"arithmetic on sizes that are read at run time"),
        (Weighted(), r"a parameter or constant is used outside of a module"),
        (nn.Sequential(nn.Conv2d(4, 2, 1)), r"expected input\[1, 3, 8, 8\] to have 4 channels"),
    ],
    ids=["branch", "function", "sizes", "parameter", "input"],
)
def test_what_has_no_place_is_named(module: nn.Module, said: str) -> None:
    """One sentence with the step and its line; nothing is guessed."""
    with pytest.raises(Unrepresentable, match=said):
        tracer.from_module(module, (1, 3, 8, 8))


def test_too_many_shapes_and_the_modules_mode() -> None:
    """A shape too many is told, one too few as well, and a training module stays one."""
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Dropout()).train()
    module[1].eval()
    with pytest.raises(Unrepresentable, match="takes 1 inputs, and 2 shapes are given"):
        tracer.from_module(module, (1, 3, 9, 9), (1, 3))
    with pytest.raises(Unrepresentable, match="input"):
        tracer.from_module(module)
    tracer.from_module(module, (1, 3, 9, 9))
    assert [part.training for part in module.modules()] == [True, True, False]
