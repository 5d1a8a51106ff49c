"""The text of an imported config: copies, blocks and their names, arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import tracer
from tracer.torch_bridge.opening import read_module


def text_of(module: nn.Module, *shape: int) -> str:
    """The layers and the blocks of what comes of a module."""
    text = tracer.from_module(module, shape or (1, 3, 32, 32)).to_yaml()
    return text.partition("sizes: ")[2].partition("\n")[2]


class Dilated(nn.Module):
    """A convolution per channel, and what is behind it."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, padding=dilation, dilation=dilation, groups=6)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.conv(x))
        return y


def test_equal_blocks_are_repeated() -> None:
    """Those behind each other are one line; arguments that go together are one, and those that never change none."""
    rows = [Dilated(1) for _ in range(3)] + [Dilated(4) for _ in range(2)]
    module = nn.Sequential()
    module.add_module("first", nn.Conv2d(3, 6, 1))
    module.add_module("rows", nn.Sequential(*rows))
    assert (
        text_of(module)
        == """
blocks:
  Dilated:
    args: {dilation: 1}
    layers:
      conv: {op: Conv2d, out_channels: 6, kernel_size: 3, groups: 6, dilation: "${dilation}", padding: "${dilation}"}
      act: ReLU

layers:
  first: {op: Conv2d, out_channels: 6, kernel_size: 1}
  rows_0: {op: Dilated, repeat: 3}  # rows.0 to rows.2
  rows_3: {op: Dilated, dilation: 4, repeat: 2}  # rows.3 to rows.4
output: rows_3
"""
    )


def test_an_argument_may_follow_the_index() -> None:
    """Where a row of three blocks and more has no two that are equal."""
    module = nn.Sequential()
    module.add_module("first", nn.Conv2d(3, 6, 1))
    module.add_module("rows", nn.Sequential(*[Dilated(2**i) for i in range(4)]))
    assert '  rows: {op: Dilated, dilation: "${2 ** index}", repeat: 4}\n' in text_of(module)


class Residual(nn.Module):
    """A convolution and a way around it, which has one of its own where the size changes."""

    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, width, 3, stride, 1)
        around = nn.Sequential(nn.Conv2d(before, width, 1, stride), nn.BatchNorm2d(width))
        self.around = around if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + self.around(x))


class Stages(nn.Module):
    """Stages of copies, from two of which others read."""

    def __init__(self) -> None:
        super().__init__()
        first = [Residual(3, 4, 2), *(Residual(4, 4) for _ in range(3))]
        second = [Residual(4, 8, 2), *(Residual(8, 8) for _ in range(2))]
        self.stages = nn.ModuleList([nn.ModuleList(first), nn.ModuleList(second)])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = []
        for stage in self.stages:
            for block in stage:  # type: ignore[attr-defined]
                x = block(x)
                maps.append(x)
        return {"early": maps[1] * maps[2], "late": x}


def test_a_first_copy_of_another_kind() -> None:
    """It has its own line, blocks are named by what they do, nothing is an Identity, and copies are read by number."""
    assert (
        text_of(Stages())
        == """
blocks:
  Around:
    args: {out_channels: null}
    layers:
      0: {op: Conv2d, out_channels: "${out_channels}", kernel_size: 1, stride: 2}
      1: BatchNorm2d
  ResidualDown:
    args: {out_channels: null}
    layers:
      conv: {op: Conv2d, out_channels: "${out_channels}", kernel_size: 3, stride: 2, padding: 1}
      around: {op: Around, from: input, out_channels: "${out_channels}"}
      add: {op: Add, from: [conv, around]}
      relu: ReLU
  Residual:
    args: {out_channels: null}
    layers:
      conv: {op: Conv2d, out_channels: "${out_channels}", kernel_size: 3, padding: 1}
      add: {op: Add, from: [conv, input]}
      relu: ReLU

layers:
  stages_0_0: {op: ResidualDown, out_channels: 4}
  stages_0_1: {op: Residual, out_channels: 4, repeat: 3}  # stages.0.1 to stages.0.3
  stages_1_0: {op: ResidualDown, out_channels: 8}
  stages_1_1: {op: Residual, out_channels: 8, repeat: 2}  # stages.1.1 to stages.1.2
  mul: {op: Mul, from: [stages_0_1.0, stages_0_1.1]}
output: {early: mul, late: stages_1_1}
"""
    )


class Kernels(nn.Module):
    """A block around one of two kinds, which differ in their kernels."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, kernel, stride, kernel // 2), nn.ReLU())
        self.act = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.body(x))
        return y


class FittedTo(nn.Module):
    """Resizes a map to one of its own."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.side = nn.Sequential(nn.Conv2d(before, 4, 1), nn.ReLU())

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        side: Tensor = self.side(skip)
        return side + nn.functional.interpolate(x, size=side.shape[2:])


class Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)])
        self.one, self.two = FittedTo(4), FittedTo(3)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down[0](x)
        y: Tensor = self.two(self.one(self.down[1](a), a), x)
        return y


class Again(nn.Module):
    """Layers that are called again with their weights, and again and again without any."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 3, 3, padding=1), nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.conv(x))
        maps = [x]
        for _ in range(3):
            maps.append(self.pool(maps[-1]))
        return torch.cat(maps, 1)


MODULES: dict[str, Callable[[], nn.Module]] = {
    "stages": Stages,
    "kernels": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 1), Kernels(3, 1), Kernels(5, 1), Kernels(3, 2), Kernels(5, 2)
    ),
    "pyramid": Pyramid,
    "again": Again,
    "nothing": nn.Identity,
    "wide rows": lambda: nn.Sequential(
        *(nn.Conv2d(n, n + 2, 3, padding=1) for n in (3, 5, 7, 9))
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_what_is_built_is_the_module(name: str) -> None:
    """The same numbers with the module's weights, and the same shapes at other sizes."""
    torch.manual_seed(0)
    module = MODULES[name]().eval()
    imported = read_module(module, (1, 3, 32, 32))
    built = tracer.build(tracer.loads(imported.net.to_yaml())).eval()
    built.load_state_dict(imported.state_dict())

    for shape in ((1, 3, 32, 32), (2, 3, 27, 41)):
        x = torch.randn(shape)
        with torch.no_grad():
            mine, theirs = built(x), module(x)
        if isinstance(theirs, Tensor):
            mine, theirs = {"output": mine}, {"output": theirs}
        assert mine.keys() == theirs.keys()
        assert all(torch.allclose(mine[key], theirs[key], atol=1e-5) for key in mine)


def test_places_reach_into_copies() -> None:
    """Every node of a repeated layer knows the module that it was read from."""
    net = tracer.from_module(Stages(), (1, 3, 32, 32))
    places = net.read_from.places if net.read_from else {}
    assert places["stages_0_1.2.conv"].module == "stages.0.3.conv"
    assert places.keys() == {node.name for node in net.network.nodes if not node.is_input}


class Twice(nn.Sequential):
    """Two convolutions."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__(nn.Conv2d(before, width, 3, padding=1), nn.Conv2d(width, width, 1))


class DownAndUp(nn.Module):
    """An encoder and a decoder of two levels; without skips only where told."""

    def __init__(self, *, skips: bool = True) -> None:
        super().__init__()
        self.down1, self.down2, self.mid = Twice(3, 4), Twice(4, 8), Twice(8, 16)
        self.pool, self.up = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
        self.up2, self.up1 = Twice(24 if skips else 16, 8), Twice(12 if skips else 8, 4)
        self.logits, self.skips = nn.Conv2d(4, 2, 1), skips

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(self.pool(a))
        x = self.up(self.mid(self.pool(b)))
        x = self.up(self.up2(torch.cat([x, b], 1) if self.skips else x))
        y: Tensor = self.logits(self.up1(torch.cat([x, a], 1) if self.skips else x))
        return torch.sigmoid(y)


def test_sections_that_the_graph_shows() -> None:
    """Maps get smaller, then larger, and skips lead across."""
    _, _, sections = text_of(DownAndUp()).partition("\nencoder:\n")
    assert (
        sections
        == """  down1: {op: Twice, out_channels: "${base}"}
  pool: {op: MaxPool2d, kernel_size: 2}
  down2: {op: Twice, out_channels: "${base * 2}"}
  pool_1: {op: MaxPool2d, kernel_size: 2}

bottleneck:
  mid: {op: Twice, out_channels: "${base * 4}"}

decoder:
  up: {op: Upsample, scale_factor: 2.0}
  concat: {op: Concat, from: [up, down2]}
  up2: {op: Twice, out_channels: "${base * 2}"}
  up_1: {op: Upsample, scale_factor: 2.0}
  concat_1: {op: Concat, from: [up_1, down1]}
  up1: {op: Twice, out_channels: "${base}"}

head:
  logits: {op: Conv2d, out_channels: "${classes}", kernel_size: 1}
  sigmoid: Sigmoid

output: sigmoid
"""
    )


class Scaled(nn.Module):
    """A map whose channels are multiplied by what their means say: that is no decoder, though maps get larger."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3, padding=1)
        self.scale = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y * self.scale(y)


@pytest.mark.parametrize("module", [DownAndUp(skips=False), Stages(), Scaled()])
def test_no_sections_where_there_are_none(module: nn.Module) -> None:
    """Without skips, or without a way up, there are layers only."""
    text = text_of(module)
    assert "\nlayers:\n" in text and "encoder:" not in text


def test_long_lines_are_folded() -> None:
    """The text says the same, at most 160 characters in a line."""

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a_convolution_of_many = nn.ModuleList(nn.Conv2d(3, i + 1, 1) for i in range(9))

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([conv(x) for conv in self.a_convolution_of_many], 1)

    net = tracer.from_module(Joined(), (1, 3, 8, 8))
    assert max(map(len, net.to_yaml().splitlines())) <= 160
    assert tracer.loads(net.to_yaml()).trace(H=9).outputs == {"concat": (1, 45, 9, 8)}


class Gated(nn.Module):
    """A residual step that gives what it adds up beside its output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.skip = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.conv(x)
        beside = self.skip(y)
        return x + y, beside


class Gathered(nn.Module):
    """Steps behind each other, and the sum of what they give beside."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 1)
        self.rows = nn.ModuleList([Gated() for _ in range(count)])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)
        beside = []
        for row in self.rows:
            x, more = row(x)
            beside.append(more)
        return {"last": x, "beside": torch.cat(beside, 1)}


def test_a_block_of_which_several_nodes_are_read() -> None:
    """They are read by their paths, in copies too."""
    assert (
        text_of(Gathered(3))
        == """
blocks:
  Gated:
    layers:
      conv: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}
      skip: {op: Conv2d, out_channels: 4, kernel_size: 1}
      add: {op: Add, from: [input, conv]}

layers:
  stem: {op: Conv2d, out_channels: 6, kernel_size: 1}
  rows: {op: Gated, repeat: 3}
  concat: {op: Concat, from: [rows.0.skip, rows.1.skip, rows.2.skip]}
output: {last: rows, beside: concat}
"""
    )


class Bottleneck(nn.Module):
    """Two convolutions, to be added to what they read, with a weight for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(width, 2, 1)
        self.wide = nn.Conv2d(2, width, 3, padding=1)
        self.gamma = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.gamma * self.wide(torch.relu(self.narrow(x)))
        return y


class Residuals(nn.Module):
    """Loops over blocks in two stages, whose sums stand in the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.stems = nn.ModuleList([nn.Conv2d(3, 6, 2, 2), nn.Conv2d(6, 8, 2, 2)])
        stages = [[Bottleneck(width) for _ in range(3)] for width in (6, 8)]
        self.stages = nn.ModuleList(nn.ModuleList(stage) for stage in stages)

    def forward(self, x: Tensor) -> Tensor:
        for stem, stage in zip(self.stems, self.stages):
            x = stem(x)
            for block in stage:  # type: ignore[attr-defined]
                x = x + block(x)
        return x


def test_a_loop_around_blocks_is_a_repeat() -> None:
    """What the loop does beside the module is in the block, and parameters have the names of their attributes."""
    assert (
        text_of(Residuals())
        == """
blocks:
  Bottleneck:
    args: {out_channels: null}
    layers:
      narrow: {op: Conv2d, out_channels: 2, kernel_size: 1}
      relu: ReLU
      wide: {op: Conv2d, out_channels: "${out_channels}", kernel_size: 3, padding: 1}
      gamma: {op: Parameter, shape: ["${out_channels}", 1, 1]}
      mul: {op: Mul, from: [gamma, wide]}
      add: {op: Add, from: [input, mul]}

layers:
  stems_0: {op: Conv2d, out_channels: 6, kernel_size: 2, stride: 2}
  stages_0: {op: Bottleneck, out_channels: 6, repeat: 3}
  stems_1: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
  stages_1: {op: Bottleneck, out_channels: 8, repeat: 3}
output: stages_1
"""
    )


class Pairs(nn.Module):
    """A loop over two lists, whose sum stands in the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(3) for _ in range(4)])
        self.convs = nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1) for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        for norm, conv in zip(self.norms, self.convs):
            x = x + conv(norm(x))
        return x


def test_a_loop_over_layers_is_a_repeat() -> None:
    """Of a block that is no module's."""
    assert (
        text_of(Pairs())
        == """
blocks:
  Convs:
    layers:
      norms: BatchNorm2d
      convs: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1}
      add: {op: Add, from: [input, convs]}

layers:
  convs: {op: Convs, repeat: 4}
output: convs
"""
    )


class Growing(nn.Module):
    """A dense block: each layer reads all maps before it."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.ModuleList([Twice(3 + 2 * i, 2) for i in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        for row in self.rows:
            x = torch.cat([x, row(x)], 1)
        return x


class GrowingList(Growing):
    """The same with a list of maps, which is joined anew before each layer and in the end."""

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for row in self.rows:
            maps.append(row(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


class JoinedInside(nn.Module):
    """A layer of a dense block that joins what it is given."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, 2, 3, padding=1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        return torch.relu(self.conv(torch.cat(maps, 1)))


class GrowingInside(nn.Module):
    """A dense block of such layers."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.ModuleList([JoinedInside(3 + 2 * i) for i in range(5)])

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for row in self.rows:
            maps.append(row(maps))
        return torch.cat(maps, 1)


MODULES |= {
    "residuals": Residuals,
    "pairs": Pairs,
    "growing": Growing,
    "growing list": GrowingList,
    "growing inside": GrowingInside,
}


def test_a_dense_block_is_a_repeat() -> None:
    """Its channels grow, and no line says how many they are."""
    for module in (Growing(), GrowingList()):
        assert "  rows: {op: Twice, repeat: 4}\noutput: rows\n" in text_of(module)
    assert "  rows_4: {op: JoinedInside, from: [rows_3.concat, rows_3]}\n" in text_of(
        GrowingInside()
    )


def test_one_module_again_and_again_is_no_loop_of_two() -> None:
    """Copies are one repeat."""
    module = nn.Sequential(nn.Conv2d(3, 4, 1), *(Residual(4, 4) for _ in range(8)))
    assert "repeat: 8" in text_of(module)


def test_a_pool_between_blocks_is_none_of_theirs() -> None:
    """Only what is done with a loop's own input makes it more than a chain."""
    module = nn.Sequential()
    for number, width in enumerate((4, 8, 16)):
        module.add_module(f"block{number}", Twice(width // 2 if number else 3, width))
        module.add_module(f"pool{number}", nn.MaxPool2d(2))
    text = text_of(module)
    assert "  Twice:\n" in text and "  pool0: {op: MaxPool2d, kernel_size: 2}\n" in text
