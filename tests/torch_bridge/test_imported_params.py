"""Numbers of an imported config that are params: what another value gives is the module that was made with it."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

import tracer


class Pair(nn.Sequential):
    """Two convolutions with norms."""

    def __init__(self, before: int, width: int, norm: type[nn.Module] | None = None) -> None:
        super().__init__(
            nn.Conv2d(before, width, 3, padding=1),
            nn.BatchNorm2d(width) if norm is None else nn.GroupNorm(4, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, groups=width),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """A U-Net of three levels, whose layers between are ``middle`` times as wide as the first one."""

    def __init__(
        self,
        width: int = 8,
        classes: int = 3,
        middle: float = 4,
        norm: type[nn.Module] | None = None,
        gate: int = 1,
        channels: int = 1,
    ) -> None:
        super().__init__()
        deep = int(middle * width)
        self.enc1 = Pair(channels, width, norm)
        self.enc2 = Pair(width, 2 * width, norm)
        self.mid = Pair(2 * width, deep, norm)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(deep, 2 * width, 2, stride=2)
        self.dec2 = Pair(4 * width, 2 * width, norm)
        self.gate = nn.Conv2d(2 * width, gate, 1)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.dec1 = Pair(2 * width, width // 2, norm)
        self.logits = nn.Conv2d(width // 2, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.enc1(x)
        b = self.enc2(self.pool(a))
        y = self.mid(self.pool(b))
        y = self.dec2(torch.cat([self.up2(y), b], 1))
        y = y * torch.sigmoid(self.gate(y).mean(1, keepdim=True))
        y = self.dec1(torch.cat([self.up1(y), a], 1))
        logits: Tensor = self.logits(y)
        return logits


def params_of(text: str) -> str:
    """The params of a config's text."""
    found = re.search(r"^params: (.*)$", text, re.MULTILINE)
    return "" if found is None else found[1]


def check_is_module(text: str, module: nn.Module, **params: int) -> None:
    """Check that a config with other params builds a module's weights, and has its shapes at several sizes."""
    net = tracer.loads(text, **params)
    built = tracer.build(net, "meta")
    mine, theirs = (
        [tuple(weight.shape) for weight in one.parameters()] for one in (built, module)
    )
    assert mine == theirs

    module = module.to("meta").eval()
    for shape in ((1, 1, 32, 32), (2, 1, 64, 16), (1, 1, 4, 12)):
        y = module(torch.empty(shape, device="meta"))
        traced = net.trace(N=shape[0], H=shape[2], W=shape[3])
        assert list(traced.outputs.values()) == [tuple(y.shape)]


@pytest.mark.parametrize("width", [8, 16, 4, 24])
@pytest.mark.parametrize("classes", [3, 6, 1])
def test_another_value_is_the_module_made_with_it(width: int, classes: int) -> None:
    """Widths of blocks, groups and parts of the base follow; a single channel stays."""
    text = tracer.from_module(UNet(), (1, 1, 32, 32)).to_yaml()
    assert params_of(text) == "{base: 8, classes: 3}"
    check_is_module(text, UNet(width, classes), base=width, classes=classes)


def test_own_values_are_the_module() -> None:
    """Without another value a config is what was read."""
    text = tracer.from_module(UNet(), (1, 1, 32, 32)).to_yaml()
    check_is_module(text, UNet())
    assert 'out_channels: "${base // 2}"' in text


@pytest.mark.parametrize(
    "module, params",
    [
        # A width is no multiple of the first.
        (UNet(middle=3.3), "{classes: 3}"),
        (UNet(gate=3, classes=5), "{classes: 5}"),
        # Half of the base is no multiple of the norm's groups.
        (UNet(norm=nn.GroupNorm), "{classes: 3}"),
        # As many channels as another layer or the input has are no choice of their own.
        (UNet(classes=16), "{base: 8}"),
        (UNet(classes=1), "{base: 8}"),
        (UNet(width=2), "{classes: 3}"),
    ],
)
def test_numbers_that_only_coincide_stay_numbers(module: nn.Module, params: str) -> None:
    """A param is what every use of it follows; what is none is written as it was."""
    text = tracer.from_module(module, (1, 1, 32, 32)).to_yaml()
    assert params_of(text) == params
    check_is_module(text, module)


def test_an_image_of_the_same_channels_has_no_classes() -> None:
    """Where the output has the input's channels, they are the picture's."""
    text = tracer.from_module(UNet(channels=3), (1, 3, 32, 32)).to_yaml()
    assert params_of(text) == "{base: 8}"


class Last(UNet):
    """A U-Net that takes a number for each picture, and gives its channels behind the positions."""

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:  # type: ignore[override]
        y = super().forward(x) * weight[:, None, None, None]
        return y.permute(0, 2, 3, 1)


def test_channels_in_another_place_are_no_classes() -> None:
    """The second dim of an output is no number of channels there, and an input may have none."""
    text = tracer.from_module(Last(), (1, 1, 32, 32), (1,)).to_yaml()
    assert params_of(text) == ""


class Counted(nn.Module):
    """A part of so many channels, whatever the width is, goes through alone."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.net = UNet(width)
        self.up = nn.ConvTranspose2d(8, width, 4, stride=4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.net.enc1(x)
        z = self.net.mid(self.net.pool(self.net.enc2(self.net.pool(y))))
        z = self.up(z[:, :8])
        logits: Tensor = self.net.logits(self.net.dec1(torch.cat([z, y], 1)))
        return logits


def test_a_number_that_stays_as_large_as_the_base_is_no_base() -> None:
    """A slice of eight channels would be another part of a network that is twice as wide."""
    text = tracer.from_module(Counted(), (1, 1, 32, 32)).to_yaml()
    assert "base" not in params_of(text)


class Plain(nn.Sequential):
    """Widths that double, and no decoder."""

    def __init__(self) -> None:
        super().__init__(
            Pair(1, 8), nn.MaxPool2d(2), Pair(8, 16), nn.MaxPool2d(2), Pair(16, 32)
        )


def test_only_an_encoder_with_a_decoder_has_params() -> None:
    """Elsewhere each layer says its number."""
    text = tracer.from_module(Plain(), (1, 1, 32, 32)).to_yaml()
    assert params_of(text) == ""


class Doubling(UNet):
    """An encoder whose levels are one module several times, each twice as wide."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        levels = [Level(2**n * width) for n in range(3)]
        self.down = nn.Sequential(*levels)
        self.up3 = nn.ConvTranspose2d(8 * width, width, 8, stride=8)

    def forward(self, x: Tensor) -> Tensor:
        a = self.enc1(x)
        y = self.up3(self.down(a))
        logits: Tensor = self.logits(self.dec1(torch.cat([y, a], 1)))
        return logits


class Level(nn.Sequential):
    """Half the size, twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU())


def test_widths_that_double_from_copy_to_copy() -> None:
    """A width by the number of its copy follows the base too."""
    text = tracer.from_module(Doubling(), (1, 1, 32, 32)).to_yaml()
    assert "${base * 2 * 2 ** index}" in text
    wider = tracer.loads(text, base=16).trace(N=1, H=64, W=64)
    theirs = Doubling(16)(torch.zeros(1, 1, 64, 64))
    assert list(wider.outputs.values()) == [tuple(theirs.shape)]
