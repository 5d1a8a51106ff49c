"""Torch modules as configs: the same shapes at every size, the same outputs, or a named refusal."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tests.drawn.modules import MODULES, Unet
from tracer.torch_bridge.importing import Unrepresentable
from tracer.torch_bridge.opening import read_module


def tensors(result: Any) -> list[Tensor]:
    """All tensors that a forward gives, in order."""
    if isinstance(result, Tensor):
        return [result]
    return [
        t
        for part in (result.values() if isinstance(result, dict) else result)
        for t in tensors(part)
    ]


def shapes_of(module: nn.Module, *shape: int) -> list[tuple[int, ...]] | None:
    """What a module gives for an input of a shape; None where it raises."""
    try:
        with torch.no_grad():
            return [tuple(t.shape) for t in tensors(module(torch.zeros(shape)))]
    except (RuntimeError, ValueError):
        return None


@pytest.mark.parametrize("name", MODULES)
def test_every_size_is_the_modules(name: str) -> None:
    """Imported at one size, the sizes that run and the outputs' shapes are the module's for all of 1..80."""
    make, channels = MODULES[name]
    module = make().eval()
    net = tracer.from_module(module, (1, channels, 64, 48))
    axes = tracer.sizes(net).axes
    for symbol, shape in (("H", lambda n: (n, 48)), ("W", lambda n: (64, n))):
        for n in range(1, 81):
            want = shapes_of(module, 1, channels, *shape(n))
            mine = net.trace(**{symbol: n})
            found = None if mine.diagnostics else list(mine.outputs.values())
            assert found == want and (n in axes[symbol].runs) == (want is not None), (symbol, n)
    mine = net.trace(N=3, H=70, W=50)
    assert shapes_of(module, 3, channels, 70, 50) == (
        None if mine.diagnostics else list(mine.outputs.values())
    )


@pytest.mark.parametrize("name", MODULES)
def test_outputs_are_the_modules(name: str) -> None:
    """Built from the imported config with the same weights, the outputs are the same; the text is read again."""
    make, channels = MODULES[name]
    torch.manual_seed(0)
    module = make().eval()
    imported = read_module(module, (1, channels, 64, 48))
    built: Any = tracer.build(tracer.loads(imported.net.to_yaml())).eval()
    built.load_state_dict(imported.state_dict())
    for shape in ((2, channels, 64, 48), (1, channels, 68, 48), (1, channels, 65, 51)):
        if shapes_of(module, *shape) is None:
            continue
        x = torch.randn(shape)
        with torch.no_grad():
            for mine, want in zip(tensors(built(x)), tensors(module(x)), strict=True):
                assert torch.allclose(mine, want, atol=1e-5), shape


def test_repeated_parts_are_blocks() -> None:
    """What differs becomes an argument, and names are those of the modules."""
    make, channels = MODULES["resizing"]
    text = tracer.from_module(make(), (1, channels, 64, 48)).to_yaml()
    assert (
        text
        == """name: ResizingUnet
params: {base: 4}
input: [N, 3, H, W]
sizes: {N: 1, H: 64, W: 48}

blocks:
  DoubleConv:
    args: {out_channels: null}
    layers:
      double_conv_0: {op: Conv2d, out_channels: "${out_channels}", kernel_size: 3, padding: 1}
      double_conv_1: {op: ReLU, inplace: true}
      double_conv_2: {op: Conv2d, out_channels: "${out_channels}", kernel_size: 1}

encoder:
  downs_0: {op: DoubleConv, out_channels: "${base}"}
  pool: {op: MaxPool2d, kernel_size: 2}
  downs_1: {op: DoubleConv, out_channels: "${base * 2}"}
  pool_1: {op: MaxPool2d, kernel_size: 2}

bottleneck:
  bottleneck: {op: DoubleConv, out_channels: "${base * 4}"}

decoder:
  ups_0: {op: ConvTranspose2d, out_channels: "${base * 2}", kernel_size: 2, stride: 2}
  interpolate: {op: Interpolate, size: downs_1}
  concat: {op: Concat, from: [downs_1, interpolate]}
  ups_1: {op: DoubleConv, out_channels: "${base * 2}"}
  ups_2: {op: ConvTranspose2d, out_channels: "${base}", kernel_size: 2, stride: 2}
  interpolate_1: {op: Interpolate, size: downs_0}
  concat_1: {op: Concat, from: [downs_0, interpolate_1]}
  ups_3: {op: DoubleConv, out_channels: 4}

output: ups_3
"""
    )


def test_several_inputs() -> None:
    """Inputs of one size share its symbol; others have their own."""

    class Guided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(1, 4, 1)

        def forward(self, image: Tensor, mask: Tensor, small: Tensor) -> Tensor:
            small = F.interpolate(small, size=image.shape[-2:])
            return torch.cat([self.a(image) * self.b(mask), small], 1)

    net = tracer.from_module(Guided(), (1, 3, 32, 40), (1, 1, 32, 40), (1, 2, 8, 10))
    assert net.network.symbols.keys() == {"N", "H", "W", "H_input3", "W_input3"}
    assert net.trace(H=33, W=9, H_input3=5, W_input3=4).outputs == {"concat": (1, 6, 33, 9)}


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.histc(x, 1)


class Solving(nn.Module):
    """Equations are no layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.solve(x, x)


class Lost(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, size=(round(x.shape[2] * 0.57), 4))


class Frozen(nn.Module):
    """The number of layers follows the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(x.shape[2] // 4):
            x = self.conv(x)
        return x


class Cast(nn.Module):
    """A size that a product of floats takes out of sight."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, size=(int(0.5 * x.shape[2]), 8))


class Ways(nn.Module):
    """Another activation for one size."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) if x.shape[2] == 8 else torch.tanh(x)


class Shared(nn.Module):
    """Reads a view of what was changed in place."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        first = y[:, :1]
        y.add_(1)
        return torch.cat([first, y], 1)


class Viewed(nn.Module):
    """Changes a view in place."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y[:, :1].mul_(3)
        return y


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.missing(x)


UNSEEN = r"at H=\d+ W=\d+ it gives .*, and its config would give .*: some number follows the input's size unseen"


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (Branching(), r"test_importing.py:\d+:\d+: error\[T601\] the values of a tensor decide here"),
        (Odd(), r"test_importing.py:\d+:\d+: error\[T601\] histc has no operation in a config"),
        (Lost(), r"\d+:\d+: error\[T601\] the size 5 is computed from the input's in a way that cannot be followed"),
        (Frozen(), r":\d+: error\[T601\] for H = \d+ the forward runs other layers; one config cannot describe both"),
        (Cast(), UNSEEN),
        (Ways(), r"\d+:\d+: error\[T601\] for H = \d+ the forward runs other layers; one config cannot describe both"),
        (Shared(), r"error\[T601\] it shares memory with a tensor that was changed in place \(.*`y.add_\(1\)`"),
        (Viewed(), r"it shares memory with a tensor that was changed in place \(.*`y\[:, :1\].mul_\(3\)`"),
        (Failing(), r"test_importing.py:\d+:\d+: error\[T602\] AttributeError: .*no attribute 'missing'"),
        (nn.Sequential(nn.Conv2d(4, 2, 1)), r"Conv2d: in_channels is 4, but the input \[1, 3, 8, 8\] has 3 channels"),
        (nn.Sequential(Solving()), r"linalg_solve has no operation in a config"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)  # fmt: skip
def test_what_has_no_place_is_named(module: nn.Module, said: str) -> None:
    """One sentence with the line; nothing is guessed."""
    with pytest.raises(Unrepresentable, match=said):
        tracer.from_module(module, (1, 3, 8, 8))


SIZES = {
    "8*(H // 8)": lambda n: n % 8 == 0,
    "64": lambda n: n == 64,
    "H - min(H, 32) + 32": lambda n: n >= 32,
    "min(H, 70)": lambda n: n <= 70,
    "8*((H + 4) // 8) - 4": lambda n: n % 8 == 4,
    "min(H, 16*((H + 3) // 16))": lambda n: (n + 3) // 4 % 4 == 0,
    "min(H, 8*((H + 7) // 8) - 4)": lambda n: n % 8 in (1, 2, 3, 4),
    "min(H, 8*((H + 7) // 8) - 1)": lambda n: n % 8,
    "min(H, 16*((H + 3) // 16)) - min(min(H, 16*((H + 3) // 16)), 31) + 31": lambda n: (
        n > 30 and (n + 3) // 4 % 4 == 0
    ),
}


@pytest.mark.parametrize("wanted", SIZES)
def test_sizes_that_a_module_refuses_itself(wanted: str) -> None:
    """They are refused by the config too."""

    class Strict(Unet):
        def forward(self, x: Tensor) -> Tensor:
            if not SIZES[wanted](x.shape[2]):
                raise ValueError("another size")
            return super().forward(x)

    module = Strict().eval()
    height = next(n for n in (64, 68, 60) if SIZES[wanted](n))
    net = tracer.from_module(module, (1, 1, height, 64))
    layer = f"checked: {{op: Require, shape: [-1, -1, {wanted}, -1], raises: ValueError}}"
    assert layer in net.to_yaml().replace('"', "")
    runs = tracer.sizes(net).axes["H"].runs
    built = tracer.build(net)
    for n in range(1, 100):
        assert (
            (n in runs)
            == (shapes_of(module, 1, 1, n, 64) is not None)
            == (shapes_of(built, 1, 1, n, 64) is not None)
        )


def test_a_refusal_that_no_config_can_say() -> None:
    """It is named."""

    class Strict(Unet):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[2] in (68, 72):
                raise ValueError("not these")
            return super().forward(x)

    with pytest.raises(
        Unrepresentable,
        match=r"`raise ValueError\(.not these.\)`: not these; no config can say that of H",
    ):
        tracer.from_module(Strict(), (1, 1, 64, 64))


def test_the_modules_mode_and_shapes() -> None:
    """A shape too many or too few is told, and a training module stays one."""
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Dropout()).train()
    module[1].eval()
    with pytest.raises(Unrepresentable, match="its forward takes input: too many"):
        tracer.from_module(module, (1, 3, 9, 9), (1, 3))
    with pytest.raises(Unrepresentable, match="its forward takes input: missing"):
        tracer.from_module(module)
    tracer.from_module(module, (1, 3, 9, 9))
    assert [part.training for part in module.modules()] == [True, True, False]


def test_changes_in_place() -> None:
    """What a module changes in place is changed for those who read it later."""

    class Inplace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu, self.drop = (
                nn.Conv2d(3, 3, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Dropout(),
            )

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            z = self.relu(self.drop(y))
            y += z
            w = F.leaky_relu(y.detach(), 0.2, True)
            return torch.cat([y, z.mul_(2), w], 1)

    torch.manual_seed(0)
    module = Inplace().eval()
    imported = read_module(module, (1, 3, 8, 8))
    built: Any = tracer.build(imported.net).eval()
    built.load_state_dict(imported.state_dict())
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.allclose(built(x), module(x), atol=1e-6)
