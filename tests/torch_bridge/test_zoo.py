"""Networks of MONAI and of dynamic-network-architectures (nnU-Net), imported at one size, against themselves at all.

They come with the extra ``zoo``; without it these tests are skipped.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import nn

import tracer
from tests import extras
from tests.torch_bridge.test_importing import shapes_of, tensors
from tracer.torch_bridge.opening import read_module

extras.needs("zoo")

from dynamic_network_architectures.architectures.unet import (
    PlainConvUNet,
    ResidualEncoderUNet,
)
from monai.networks import nets

SIDE = {1: 64, 2: 64, 3: 32}
"""The size at which nets of so many spatial dims are imported."""


def planned(cls: type[nn.Module], dims: int, **arguments: Any) -> nn.Module:
    """A network as nnU-Net plans it."""
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dims]
    norm = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[dims]
    return cls(
        1, 3, [4, 8, 8], conv, 3, [1, 2, 2], 2, 3, 1, conv_bias=True, norm_op=norm, norm_op_kwargs={"affine": True},
        nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, **arguments,
    )  # fmt: skip


def zoo() -> Iterator[tuple[str, int, int, Callable[[], nn.Module]]]:
    """(name, spatial dims, channels, what makes it)."""
    for d in (1, 2, 3):
        yield "UNet", d, 1, lambda d=d: nets.UNet(d, 1, 2, (4, 8, 16), (2, 2))
        yield (
            "UNet of residual units",
            d,
            1,
            lambda d=d: nets.UNet(d, 1, 2, (4, 8, 16), (2, 2), num_res_units=2),
        )
        yield (
            "UNet, strides 2 1",
            d,
            1,
            lambda d=d: nets.UNet(d, 1, 2, (4, 8, 8), (2, 1), 5, num_res_units=1),
        )
        yield (
            "BasicUNet",
            d,
            1,
            lambda d=d: nets.BasicUNet(d, 1, 2, features=(4, 4, 4, 8, 8, 4)),
        )
        yield (
            "BasicUNet, resizing",
            d,
            1,
            lambda d=d: nets.BasicUNet(
                d, 1, 2, features=(4, 4, 4, 8, 8, 4), upsample="nontrainable"
            ),
        )
        yield (
            "BasicUNet, shuffling",
            d,
            1,
            lambda d=d: nets.BasicUNet(
                d, 1, 2, features=(8, 8, 8, 8, 16, 8), upsample="pixelshuffle"
            ),
        )
        yield (
            "BasicUNetPlusPlus",
            d,
            1,
            lambda d=d: nets.BasicUNetPlusPlus(d, 1, 2, features=(4, 4, 4, 8, 8, 4)),
        )
        yield "AttentionUnet", d, 1, lambda d=d: nets.AttentionUnet(d, 1, 2, (4, 8, 16), (2, 2))
        yield "PlainConvUNet", d, 1, lambda d=d: planned(PlainConvUNet, d)
        yield (
            "ResidualEncoderUNet",
            d,
            1,
            lambda d=d: planned(ResidualEncoderUNet, d, deep_supervision=d == 2),
        )
    for d in (2, 3):
        yield (
            "SegResNet",
            d,
            1,
            lambda d=d: nets.SegResNet(d, init_filters=8, in_channels=1, out_channels=2),
        )
        yield "VNet", d, 1, lambda d=d: nets.VNet(d, 1, 2, dropout_dim=d)
        yield (
            "DynUNet",
            d,
            1,
            lambda d=d: nets.DynUNet(
                d, 1, 2, [3] * 4, [1, 2, 2, 2], [2] * 3, filters=[4, 4, 8, 8], res_block=True
            ),
        )
        yield (
            "DynUNet of odd strides",
            d,
            1,
            lambda d=d: nets.DynUNet(
                d,
                1,
                2,
                [3, 3, 5],
                [1, 2, 3],
                [2, 3],
                filters=[4, 4, 8],
                deep_supervision=True,
                deep_supr_num=1,
            ),
        )
        yield (
            "FlexibleUNet",
            d,
            3,
            lambda d=d: nets.FlexibleUNet(
                3, 2, "efficientnet-b0", decoder_channels=(8, 8, 4, 4, 4), spatial_dims=d
            ),
        )
    yield (
        "FlexibleUNet of a ResNet",
        2,
        3,
        lambda: nets.FlexibleUNet(3, 2, "resnet18", decoder_channels=(8, 8, 4, 4, 4)),
    )


ZOO = {f"{name} {dims}d": (dims, channels, make) for name, dims, channels, make in zoo()}


def meta_shapes(module: nn.Module, *shape: int) -> list[tuple[int, ...]] | None:
    """What a module on the meta device gives."""
    try:
        with torch.no_grad():
            return [tuple(t.shape) for t in tensors(module(torch.empty(shape, device="meta")))]
    except (RuntimeError, ValueError):
        return None


ALL_SIZES = range(32, 301)
SWEPT_SIZES: Iterable[int] = sorted({*range(32, 65), *random.Random(0).sample(ALL_SIZES, 60)})
"""Two periods of the deepest network and a draw of the others; all of them in the profile ``nightly``."""

if settings().max_examples > 1000:
    SWEPT_SIZES = ALL_SIZES

MARKS = {1: [pytest.mark.long], 2: [pytest.mark.slow], 3: [pytest.mark.long]}
"""Those of so many spatial dims: one way of each network is enough for every run."""

ONLY = {"UNet 1d", "PlainConvUNet 1d", "DynUNet 3d", "ResidualEncoderUNet 3d"}
"""Some of others, for their layers."""

LARGE = {"FlexibleUNet 2d", "BasicUNet, resizing 2d", "BasicUNet, shuffling 2d"}
"""Those of two dims of which others have the same layers, and take less."""


def _marks(name: str, dims: int) -> list[pytest.MarkDecorator]:
    if name in ONLY:
        return [pytest.mark.slow]
    return [pytest.mark.long] if name in LARGE else MARKS[dims]


SWEPT = [pytest.param(name, marks=_marks(name, dims)) for name, (dims, _, _) in ZOO.items()]


@pytest.mark.parametrize("name", SWEPT)
def test_sizes_from_32_to_300(name: str) -> None:
    """Which sizes run, and the shape that comes out: along one axis, of combinations, and some on the CPU."""
    dims, channels, make = ZOO[name]
    side = SIDE[dims] if "odd" not in name else 36
    torch.manual_seed(0)
    module = make().eval()
    net = tracer.from_module(module, (1, channels, *[side] * dims))
    symbols = [symbol for symbol in net.symbols if symbol != "N"]
    axes = tracer.sizes(net).axes
    on_meta = make().eval().to("meta")
    for n in SWEPT_SIZES:
        want = meta_shapes(on_meta, 1, channels, n, *[side] * (dims - 1))
        mine = net.trace(**{symbols[0]: n})
        found = None if mine.diagnostics else list(mine.outputs.values())
        assert found == want and (n in axes[symbols[0]].runs) == (want is not None), n
    draw = random.Random(0)
    for count in range(12):
        chosen = [draw.choice([side, draw.randint(1, 80)]) for _ in symbols]
        mine = net.trace(**dict(zip(symbols, chosen)))
        found = None if mine.diagnostics else list(mine.outputs.values())
        ask = shapes_of if count < 4 and dims < 3 else meta_shapes
        assert found == ask(module if ask is shapes_of else on_meta, 1, channels, *chosen), (
            chosen
        )


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in LARGE else ())
        for name, (dims, _, _) in ZOO.items()
        if dims == 2
    ],
)
def test_outputs_with_the_same_weights(name: str) -> None:
    """Built from the imported config, the network computes what the real one does."""
    _, channels, make = ZOO[name]
    side = SIDE[2] if "odd" not in name else 36
    torch.manual_seed(0)
    module = make().eval()
    imported = read_module(module, (1, channels, side, side))
    built: Any = tracer.build(tracer.loads(imported.net.to_yaml())).eval()
    built.load_state_dict(imported.state_dict())
    x = torch.randn(1, channels, side, side)
    with torch.no_grad():
        for mine, want in zip(tensors(built(x)), tensors(module(x)), strict=True):
            assert torch.allclose(mine, want, atol=1e-4)
