"""A module as a network at the size that is asked for, wherever it can be read."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy
import pytest
import torch
from torch import Tensor, nn

import tracer
from tests.drawn.modules import PadIfNeeded, ReplicatingUnet


class PadsByAxis(nn.Module):
    """Repeats the last row and column below, in each axis where the map is one short."""

    def forward(self, x: Tensor) -> Tensor:
        """Two levels down and up."""
        maps = [x, nn.functional.max_pool2d(x, 2)]
        y = nn.functional.max_pool2d(maps[1], 2)
        for skip in reversed(maps):
            y = nn.functional.interpolate(y, scale_factor=2)
            pad = [0, 0, 0, 0]
            for axis in (1, 2):
                if y.shape[-axis] < skip.shape[-axis]:
                    pad[2 * axis - 1] = 1
            y = torch.cat([skip, nn.functional.pad(y, pad, "replicate")], 1)
        return y


class CutByBoth(nn.Module):
    """One column less for a third of the sizes, as both decide together."""

    def forward(self, x: Tensor) -> Tensor:
        """A slice on one way alone."""
        return x[..., :-1] if (x.shape[2] - x.shape[3]) % 3 == 1 else x


class PadToSquare(nn.Module):
    """The shorter side is padded to the longer one."""

    def forward(self, x: Tensor) -> Tensor:
        """Which one that is, the larger size decides."""
        height, width = x.shape[2:]
        side = max(height, width)
        return nn.functional.pad(x, (0, side - width, 0, side - height))


def config(module: nn.Module, *shape: int) -> str:
    """The config of a module without its sizes."""
    text = tracer.from_module(module, shape).to_yaml()
    assert f"H: {shape[2]}, W: {shape[3]}" in text
    return re.sub("^sizes:.*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "make",
    [
        PadsByAxis,
        ReplicatingUnet,
        PadIfNeeded,
        CutByBoth,
        PadToSquare,
    ],
)
def test_an_import_does_not_depend_on_its_size(make: Callable[[], nn.Module]) -> None:
    """Where the module runs at several sizes, each gives the same config but for the declared ones."""
    sizes = [(64, 64), (100, 76), (61, 83), (47, 33)]
    module = make()
    for size in sizes:
        module(torch.zeros(1, 3, *size))
    first, *others = [config(module, 1, 3, *size) for size in sizes]
    assert others == [first] * len(others)


class Cut(nn.Module):
    """Joins its input with what comes back from half of it."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool, self.up = pool, nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        """Fails for odd sizes."""
        return torch.cat([x, self.up(self.pool(x))], 1)


class Shorter(nn.Module):
    """Stacks its input on a part of it, at no size."""

    def forward(self, x: Tensor) -> Tensor:
        """Fails for all sizes."""
        return torch.stack([x, x[:, :, 1:]], 0)


@pytest.mark.parametrize(
    ("module", "shape", "said"),
    [
        (Cut(nn.MaxPool2d(2)), (1, 3, 63, 64), "sizes differ in dim 2: 63 from input, 62 from up"),
        (Cut(nn.MaxPool2d(2)), (1, 3, 64, 63), "sizes differ in dim 3: 63 from input, 62 from up"),
        (Cut(nn.MaxPool3d(2)), (1, 3, 5, 8, 8), "sizes differ in dim 2: 5 from input, 4 from up"),
        (Shorter(), (1, 3, 8, 8), "sizes differ in dim 2: 8 from input 1, 7 from input 2"),
        (nn.Conv2d(3, 4, 9), (1, 3, 5, 64), r"\[1, 3, 5, 64\] is 5 in dim 2"),
        (nn.ReflectionPad2d(5), (1, 3, 4, 64), r"at least 6; \[1, 3, 4, 64\] has 4"),
    ],
)  # fmt: skip
def test_the_dim_that_is_at_fault(module: nn.Module, shape: tuple[int, ...], said: str) -> None:
    """It is named with the numbers that differ there, where torch refuses the size too."""
    with pytest.raises(RuntimeError):
        module(torch.zeros(shape))
    errors = [d for d in tracer.check(module, shape) if d.severity == "error"]
    assert len(errors) == 1 and re.search(said, errors[0].message)


class PerSample(nn.Module):
    """Takes one number for each sample beside the maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.time = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(1, 8)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Adds a channel's value to each map."""
        return self.conv(x) + self.time(t[:, None])[:, :, None, None]


@pytest.mark.parametrize("batch", [1, 2])
def test_a_number_for_each_sample(batch: int) -> None:
    """Its dim is the batch's symbol."""
    net = tracer.from_module(PerSample(), (batch, 3, 8, 8), (batch,))
    assert "  input: [N, 3, H, W]\n  input2: [N]\n" in net.to_yaml()
    assert net.trace(N=5).outputs == {"add": (5, 8, 8, 8)}


def test_one_value_for_all_samples() -> None:
    """A dim of another size is no batch."""
    net = tracer.from_module(PerSample(), (2, 3, 8, 8), (1,))
    assert "  input2: [1]\n" in net.to_yaml()


class Twice(nn.Module):
    """Gives one tensor as two outputs."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same tensor twice."""
        y = x * 2
        return y, y


def test_one_tensor_under_two_names() -> None:
    """Both are outputs of the config, which has the node once."""
    net = tracer.from_module(Twice(), (1, 3, 8, 8))
    assert list(net.trace().outputs.values()) == [(1, 3, 8, 8)] * 2
    assert len(net.network.nodes) == 2
    built = tracer.build(net)(torch.zeros(1, 3, 8, 8))
    assert [tuple(part.shape) for part in built.values()] == [(1, 3, 8, 8)] * 2


def test_numbers_of_numpy() -> None:
    """They are written as numbers."""
    two = tuple(numpy.array([2, 2]))
    module = nn.Conv2d(3, 4, 3, stride=two, padding=numpy.int64(1))  # type: ignore[arg-type]
    text = tracer.from_module(module, (1, 3, 8, 8)).to_yaml()
    assert "kernel_size: 3, stride: 2, padding: 1" in text


class EachSample(nn.Module):
    """Goes through its samples one by one."""

    def forward(self, x: Tensor) -> Tensor:
        """As many steps as there are samples."""
        return torch.stack([sample * 2 for sample in x])


def test_a_batch_that_is_fixed() -> None:
    """The config's first line says why."""
    text = tracer.from_module(EachSample(), (2, 3, 8, 8)).to_yaml()
    note = " ".join(line.removeprefix("# ") for line in text.splitlines() if line[0:1] == "#")
    assert re.match(r"the first dim is fixed: .*as many tensors as the input's size", note)
    assert "input: [2, 3, H, W]" in text


class Guarded(nn.Module):
    """Looks at the batch, and at both sizes together."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The tensor of ones keeps the batch from being open, the guard keeps all from being read."""
        y = x + (t * torch.ones(x.shape[0]))[:, None, None, None]
        return y.relu() if x.shape[2] == 64 else y


def test_the_reason_that_counts() -> None:
    """Not why an open batch is refused, where a fixed one is refused for another reason."""
    (found,) = tracer.check(Guarded(), (1, 3, 64, 64), (1,))
    assert found.code == "T601" and "for H = 65 the forward runs other layers" in found.message
