"""Modules that take another way for other sizes: one config where the ways are one, a warning or a refusal else."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import tracer
from tests.torch_bridge.test_importing import shapes_of
from tracer.torch_bridge.forward import Way
from tracer.torch_bridge.importing import Unrepresentable
from tracer.torch_bridge.opening import read_module


class Forward(nn.Module):
    """A module with a function for its forward, and a convolution to patches."""

    def __init__(self, run: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.run = run
        self.patch = nn.Conv2d(3, 4, 8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def too_many(module: nn.Module, x: Tensor) -> Tensor:
    """Another layout where there are very many numbers."""
    y = module.patch(x)
    return y.contiguous() if y.numel() > 2**31 else y


def one_token(module: nn.Module, x: Tensor) -> Tensor:
    """What decides for one token alone changes no step."""
    tokens = module.patch(x).flatten(2)
    is_causal = tokens.shape[2] > 1 and False
    return tokens.relu() if not is_causal else tokens


def never(module: nn.Module, x: Tensor) -> Tensor:
    """Sizes are above nothing."""
    tokens = module.patch(x).flatten(2)
    if tokens.shape[2] < 0:
        raise ValueError
    return tokens


def by_area(module: nn.Module, x: Tensor) -> Tensor:
    """The same steps on both ways, whatever the area."""
    if x.shape[2] * x.shape[3] > 4096:
        return module.patch(x).relu()
    return module.patch(x).relu()


def equal_sides(module: nn.Module, x: Tensor) -> Tensor:
    """The same steps for squares and for all others."""
    height, width = x.shape[2:]
    if height == width:
        return x * 2
    return x * 2


WAYS = [too_many, one_token, never, by_area, equal_sides]

TRIED = [(64, 64), (8, 8), (16, 8), (7, 64), (64, 7), (65, 130), (9, 200)]


@pytest.mark.parametrize("run", WAYS, ids=lambda run: run.__name__)
def test_ways_of_two_sizes_with_the_same_steps(
    run: Callable[[nn.Module, Tensor], Tensor],
) -> None:
    """What both sizes decide is settled by bounds, or both ways are read and found to be one."""
    module = Forward(run).eval()
    net = tracer.from_module(module, (1, 3, 64, 48))
    assert "#" not in net.to_yaml().partition("name:")[2]
    for height, width in TRIED:
        mine = net.trace(H=height, W=width)
        found = None if mine.diagnostics else list(mine.outputs.values())
        assert found == shapes_of(module, 1, 3, height, width), (height, width)


def test_a_way_for_huge_sizes_is_not_read() -> None:
    """Nobody gives such inputs: the config is written, and says which way it leaves out."""

    def run(module: nn.Module, x: Tensor) -> Tensor:
        return torch.relu(x) if x.shape[2] * x.shape[3] > 2**33 else torch.tanh(x)

    module = Forward(run)
    net = tracer.from_module(module, (1, 3, 8, 8))
    assert (
        "Tanh" in net.to_yaml()
        and "the way where H*W >= 8589934593 is not read" in net.to_yaml()
    )
    (found,) = tracer.check(module, (1, 3, 8, 8))
    assert found.code == "T604" and found.severity == "warning"
    assert found.path is not None and found.path.endswith("test_ways.py")


def test_a_way_for_a_huge_size_is_not_read() -> None:
    """One size decides far beyond those that are told one by one: read where the steps are the same, else left out."""

    def run(module: nn.Module, x: Tensor) -> Tensor:
        y = x.contiguous() if x.shape[2] > 2**33 else x
        return torch.tanh(y) if y[0].numel() <= 2**40 else torch.relu(y)

    net = tracer.from_module(Forward(run), (1, 3, 8, 8))
    assert "2**33" not in net.to_yaml() and "the way where" in net.to_yaml()
    assert not net.trace(H=2**20, W=7).diagnostics

    def alone(module: nn.Module, x: Tensor) -> Tensor:
        return torch.relu(x) if x.shape[2] > 2**33 else torch.tanh(x)

    (found,) = tracer.check(Forward(alone), (1, 3, 8, 8))
    assert found.code == "T604" and "H >= 8589934593 is not read" in found.message


def by_one_size(module: nn.Module, x: Tensor) -> Tensor:
    """Another function for small maps."""
    return torch.relu(x) if x.shape[2] > 56 else torch.tanh(x)


def by_both_sizes(module: nn.Module, x: Tensor) -> Tensor:
    """Another function for large maps."""
    return torch.relu(x) if x.shape[2] * x.shape[3] > 4096 else torch.tanh(x)


def by_a_remainder(module: nn.Module, x: Tensor) -> Tensor:
    """Another function for what is no multiple of 4."""
    return torch.relu(x) if x.shape[3] % 4 else torch.tanh(x)


def by_three_ways(module: nn.Module, x: Tensor) -> Tensor:
    """Other functions for small and for large maps."""
    if x.shape[2] < 24:
        return torch.sigmoid(x)
    return torch.relu(x) if x.shape[2] > 80 else torch.tanh(x)


def of_no_size(module: nn.Module, x: Tensor) -> Tensor:
    """What is done for large maps has no place in a config."""
    return x[x > 0] if x.shape[2] > 56 else torch.tanh(x)


OTHER_STEPS = [
    (by_one_size, (64, 64), "H = 1..56"),
    pytest.param(by_one_size, (48, 64), "H >= 57", marks=pytest.mark.long),
    (by_both_sizes, (64, 64), "H*W >= 4097"),
    (by_a_remainder, (16, 16), "W = 4k + 1..3, k >= 0"),
    (by_three_ways, (64, 64), "H = 1..23"),
    pytest.param(by_three_ways, (64, 64), "H >= 81", marks=pytest.mark.long),
    (of_no_size, (48, 64), "H >= 57"),
]

AROUND = [
    (20, 20),
    (23, 9),
    (24, 24),
    (48, 17),
    (56, 64),
    (57, 64),
    (64, 65),
    (81, 50),
    (99, 80),
]


@pytest.mark.parametrize(("run", "size", "left_out"), OTHER_STEPS)
def test_a_way_with_other_steps_is_left_out(
    run: Callable[[nn.Module, Tensor], Tensor], size: tuple[int, int], left_out: str
) -> None:
    """The config is the one of the asked sizes, says for which it is not, and refuses those."""
    module = Forward(run)
    net = tracer.from_module(module, (1, 3, *size))
    said = told(net)
    assert f"the way where {left_out} is not read, and refused: " in said

    assert net.read_from is not None
    warned = [one.message for one in net.read_from.warnings if one.code == "T604"]
    assert any(f"the way where {left_out} is not read" in one for one in warned)

    mine = steps_of(module, *size)
    for height, width in AROUND:
        trace = net.trace(H=height, W=width)
        assert bool(trace.diagnostics) == (steps_of(module, height, width) != mine)
        for one in trace.diagnostics:
            assert (
                one.code == "T302"
                and "takes a way of the program that was not read" in one.message
            )


def told(net: tracer.Net) -> str:
    """The first lines of a config as one."""
    lines = net.to_yaml().splitlines()
    return " ".join(line.removeprefix("# ") for line in lines if line.startswith("#"))


class Calls(TorchFunctionMode):
    """The names of the functions of torch that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.names.append(function.__name__)
        return function(*args, **(kwargs or {}))


def steps_of(module: nn.Module, height: int, width: int) -> list[str]:
    """The functions of torch that a module calls for an input."""
    calls = Calls()
    with calls:
        module(torch.ones(1, 3, height, width))
    return [name for name in calls.names if name in ("relu", "tanh", "sigmoid", "__getitem__")]


def test_a_way_for_one_size_alone_is_refused() -> None:
    """What is right for few sizes only says nothing of others: `--fixed` is for that."""

    def one(module: nn.Module, x: Tensor) -> Tensor:
        return torch.relu(x) if x.shape[2] == 64 else torch.tanh(x)

    def few(module: nn.Module, x: Tensor) -> Tensor:
        return torch.relu(x) if 60 < x.shape[2] < 70 else torch.tanh(x)

    def batch(module: nn.Module, x: Tensor) -> Tensor:
        return torch.relu(x) if x.shape[0] * x.shape[2] > 64 else torch.tanh(x)

    for run in (one, few):
        with pytest.raises(Unrepresentable, match="the forward runs other layers"):
            tracer.from_module(Forward(run), (1, 3, 64, 64))
    assert "input: [1, 3, H, W]" in tracer.from_module(Forward(batch), (1, 3, 64, 64)).to_yaml()


def test_an_area_that_is_demanded() -> None:
    """What the module raises for both sizes together is a Require of its config."""

    def run(module: nn.Module, x: Tensor) -> Tensor:
        assert x.shape[2] * x.shape[3] % 3 == 1
        return x * 2

    net = tracer.from_module(Forward(run), (1, 3, 8, 8))
    for height, width, runs in ((8, 8, True), (7, 7, True), (8, 7, False), (9, 9, False)):
        assert (not net.trace(H=height, W=width).diagnostics) == runs


class Cut(nn.Module):
    """At each level the skip and the map are cut to the smaller of the two."""

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for _ in range(4):
            maps.append(nn.functional.avg_pool2d(maps[-1], 2))
        y = maps.pop()
        for skip in reversed(maps):
            y = nn.functional.interpolate(y, scale_factor=2)
            height, width = y.shape[2:]
            y = skip[..., :height, :width] + y[..., : skip.shape[2], : skip.shape[3]]
        return y


def test_cuts_are_written_as_they_are() -> None:
    """What the bounds of sizes decide stands in no expression: the map is never the larger one."""
    module = Cut()
    net = tracer.from_module(module, (1, 3, 50, 38))
    text = net.to_yaml()
    assert "min(" not in text and "stop: 16*(H // 16)" in text
    for height, width in ((50, 38), (16, 16), (15, 40), (97, 33)):
        mine = net.trace(H=height, W=width)
        found = None if mine.diagnostics else list(mine.outputs.values())
        assert found == shapes_of(module, 1, 3, height, width), (height, width)


def factor_or_size(module: nn.Module, x: Tensor) -> Tensor:
    """By a factor where that gives the skip's size, by the skip's size elsewhere."""
    y = nn.functional.max_pool2d(x, 2)
    if x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0:
        y = nn.functional.interpolate(y, scale_factor=2.0)
    else:
        y = nn.functional.interpolate(y, size=x.shape[2:])
    return x + y


def at_least_eight(module: nn.Module, x: Tensor) -> Tensor:
    """Twice the map, or a size of its own where that is small."""
    y = nn.functional.max_pool2d(x, 4)
    if y.shape[2] > 4:
        return nn.functional.interpolate(y, scale_factor=2.0, mode="bilinear")
    return nn.functional.interpolate(y, size=(8, 8), mode="bilinear")


def squared(module: nn.Module, x: Tensor) -> Tensor:
    """The shorter side is padded to the longer one."""
    height, width = x.shape[2:]
    if height > width:
        x = nn.functional.pad(x, [0, height - width, 0, 0])
    elif width > height:
        x = nn.functional.pad(x, [0, 0, 0, width - height])
    return x


def squared_by_max(module: nn.Module, x: Tensor) -> Tensor:
    """The same with max."""
    height, width = x.shape[2:]
    side = max(height, width)
    return nn.functional.pad(x, [0, side - width, 0, side - height])


@pytest.mark.parametrize(
    ("run", "written"),
    [
        (factor_or_size, "size: input"),
        (at_least_eight, "(2*(W // 4) if H // 4 >= 5 else 8)"),
        (squared, "(H - W if H >= W else 0)"),
        (squared_by_max, "if"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_ways_that_are_one_expression(
    run: Callable[[nn.Module, Tensor], Tensor], written: str
) -> None:
    """From a size of either way: what is one size on both is written as that, the rest as a choice."""
    module = Forward(run).eval()
    for first in ((64, 48), (65, 50), (16, 64)):
        net = tracer.from_module(module, (1, 3, *first))
        assert first != (64, 48) or written in net.to_yaml()
        for height, width in TRIED:
            mine = net.trace(H=height, W=width)
            found = None if mine.diagnostics else list(mine.outputs.values())
            assert found == shapes_of(module, 1, 3, height, width), (first, height, width)


ENDS: dict[str, Callable[[int, int], slice]] = {
    "last of a few": lambda h, w: slice(-min(8, h), None),
    "all but a few": lambda h, w: slice(None, -min(8, h)),
    "both ends": lambda h, w: slice(h % 4, -(h % 4)),
    "two of them": lambda h, w: slice(-(h // 8) - 3, -(h // 8)),
    "from the start or the end": lambda h, w: slice(-max(h - 5, 1), None),
    "numbers of both": lambda h, w: slice(-5 if h > 20 else 3, None),
    "of another size": lambda h, w: slice(-w, None),
    "on one way": lambda h, w: slice(-20 if h > 20 else None, None),
}


@pytest.mark.parametrize("name", ENDS)
def test_ends_that_are_counted_from_the_last_position(name: str) -> None:
    """What follows a size counts from either end: in a config it counts from the first position."""
    ends = ENDS[name]

    def run(module: nn.Module, x: Tensor) -> Tensor:
        return x[:, :, ends(x.shape[2], x.shape[3])]

    for first in ((64, 48), (6, 9)):
        net = tracer.from_module(Forward(run), (1, 3, *first))
        for height, width in itertools.product((1, 4, 7, 8, 9, 21, 64), (3, 48)):
            (found,) = net.trace(H=height, W=width).outputs.values()
            expected = run(nn.Identity(), torch.zeros(1, 3, height, width)).shape
            assert found == tuple(expected), (first, height, width)


def test_a_factor_that_samples_elsewhere() -> None:
    """Half of an odd size is no resize to the size that comes out: the two are not one."""

    def run(module: nn.Module, x: Tensor) -> Tensor:
        if x.shape[2] % 4 == 0:
            return nn.functional.interpolate(x, size=(x.shape[2] // 2, x.shape[3] // 2))
        return nn.functional.interpolate(x, scale_factor=0.5)

    net = tracer.from_module(Forward(run), (1, 3, 64, 64))
    assert "the way where H = 4k + 1..3, k >= 0 is not read" in told(net)
    assert not net.trace(H=68).diagnostics and net.trace(H=65).diagnostics


def test_what_works_is_told() -> None:
    """Where one size can be read, the refusal says so; where none can, it does not."""

    def by_area(module: nn.Module, x: Tensor) -> Tensor:
        return torch.relu(x) if x.shape[2] != 64 else torch.tanh(x)

    def never(module: nn.Module, x: Tensor) -> Tensor:
        return torch.relu(x) if x.sum() > 0 else torch.tanh(x)

    (found,) = tracer.check(Forward(by_area), (1, 3, 64, 64))
    assert (
        found.hint == "`tracer import --fixed` (fixed=True) reads it for [1, 3, 64, 64] alone"
    )
    assert "Tanh" in tracer.from_module(Forward(by_area), (1, 3, 64, 64), fixed=True).to_yaml()

    (found,) = tracer.check(Forward(never), (1, 3, 64, 64))
    assert found.hint is None


class Windows(nn.Module):
    """Attention in windows, which are shifted along each dim that has more than one of them."""

    def __init__(self, mask: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.project = nn.Linear(4, 12)
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        _, height, width, channels = x.shape
        x = nn.functional.pad(x, (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        padded = x.shape[1:3]
        shifts = [0 if n <= WINDOW else SHIFT for n in padded]
        if any(shifts):
            x = torch.roll(x, [-n for n in shifts], (1, 2))

        rows, columns = (n // WINDOW for n in padded)
        x = x.view(-1, rows, WINDOW, columns, WINDOW, channels)
        x = x.transpose(2, 3).reshape(-1, WINDOW**2, channels)
        query, key, value = self.project(x).chunk(3, -1)
        scores = query @ key.transpose(1, 2)
        if any(shifts):
            inside = x.new_zeros((rows * columns, WINDOW**2, WINDOW**2))
            inside[-1] = 1
            split = scores.view(-1, rows * columns, WINDOW**2, WINDOW**2)
            scores = self.mask(split, inside).view(-1, WINDOW**2, WINDOW**2)

        x = scores.softmax(-1) @ value
        x = x.view(-1, rows, columns, WINDOW, WINDOW, channels)
        x = x.transpose(2, 3).reshape(-1, *padded, channels)
        if any(shifts):
            x = torch.roll(x, shifts, (1, 2))
        return x[:, :height, :width]


WINDOW, SHIFT = 4, 2

MASKS: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda scores, mask: scores + mask,
    lambda scores, mask: scores.masked_fill(mask == 1, -100.0),
]


@pytest.mark.parametrize("mask", MASKS, ids=["add", "fill"])
@pytest.mark.parametrize("height, width", [(4, 4), (16, 4), (15, 9)])
def test_windows_that_are_shifted_where_there_are_several(
    mask: Callable[[Tensor, Tensor], Tensor], height: int, width: int
) -> None:
    """A roll by nothing, and a mask of nothing, stand for the way that has neither."""
    module = Windows(mask).eval()
    net = tracer.from_module(module, (1, 4, height, width))
    rolls = [line for line in net.to_yaml().splitlines() if "op: Roll" in line]
    assert len(rolls) == 2
    for h, w in ((4, 4), (3, 4), (4, 9), (9, 4), (1, 1), (16, 12), (7, 21)):
        found = net.trace(H=h, W=w)
        assert not found.diagnostics
        assert list(found.outputs.values()) == [(1, h, w, 4)]


class Reversed(nn.Module):
    """Windows that are taken apart and put together, padded where that is needed; the batch is worked out of them."""

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.max_pool2d(x, 2)
        height, width = y.shape[2:]
        below, right = -height % WINDOW, -width % WINDOW
        padded = nn.functional.pad(y, (0, right, 0, below)) if below or right else y
        rows, columns = (n // WINDOW for n in padded.shape[2:])
        parted = padded.permute(0, 2, 3, 1).view(-1, rows, WINDOW, columns, WINDOW, 4)
        windows = parted.transpose(2, 3).reshape(-1, WINDOW**2, 4)

        count, pixels, channels = windows.shape
        windows = windows.reshape(count, pixels, 2, channels // 2).flatten(2)
        batch = windows.shape[0] // (padded.shape[2] * padded.shape[3] // WINDOW**2)
        whole = windows.view(batch, rows, columns, WINDOW, WINDOW, -1).transpose(2, 3)
        z = whole.reshape(batch, rows * WINDOW, columns * WINDOW, -1).permute(0, 3, 1, 2)
        return y + (z[:, :, :height, :width] if below or right else z)


@pytest.mark.parametrize("height, width", [(16, 16), (18, 16), (18, 14)])
def test_windows_that_are_put_together(height: int, width: int) -> None:
    """What one way computes as the other does is written once, and the number of copies is the batch."""
    module = Reversed().eval()
    net = tracer.from_module(module, (1, 4, height, width))
    text = net.to_yaml()
    assert " if " not in text
    assert "shape: [N*((H + 6) // 8)*((W + 6) // 8), 16, 2, 2]" in text
    assert not tracer.sizes(net).couplings

    for h, w in itertools.product([2, 3, 7, 8, 9, 15, 16, 17, 31, 33], repeat=2):
        found = net.trace(N=3, H=h, W=w)
        assert not found.diagnostics
        assert list(found.outputs.values()) == shapes_of(module, 3, 4, h, w), (h, w)


def test_windows_at_two_resolutions() -> None:
    """The ways of one stage leave those of the other as they are."""

    class Stages(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fine, self.coarse = Windows(MASKS[0]), Windows(MASKS[0])
            self.down = nn.AvgPool2d(2)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.fine(x).permute(0, 3, 1, 2)
            made: Tensor = self.coarse(self.down(y))
            return made

    module = Stages().eval()
    for height, width in ((8, 8), (16, 4)):
        net = tracer.from_module(module, (1, 4, height, width))
        for h, w in ((8, 8), (3, 4), (4, 9), (24, 2), (1, 8), (17, 21)):
            found = net.trace(H=h, W=w)
            runs = None if found.diagnostics else list(found.outputs.values())
            assert runs == shapes_of(module, 1, 4, h, w), (h, w)


def test_what_a_mask_scales_is_no_way_without_it() -> None:
    """Times a mask that is not said, it is not known to be the same."""
    module = Windows(lambda scores, mask: scores * mask).eval()
    imported = read_module(module, (1, 4, 4, 4))
    assert "the way where H >= 5 is not read, and refused" in told(imported.net)
    built = tracer.build(imported.net)
    built.load_state_dict(imported.state_dict())
    for height, width in itertools.product(range(1, 10), repeat=2):
        is_one_window = height <= WINDOW and width <= WINDOW
        trace = imported.net.trace(H=height, W=width)
        assert bool(trace.diagnostics) is not is_one_window
        if is_one_window:
            x = torch.randn(1, 4, height, width)
            assert torch.allclose(built(x), module(x), atol=1e-6)


def test_a_roll_that_is_left_out_is_by_nothing() -> None:
    """Where the shift is no nothing, the two ways are two networks."""

    def run(module: nn.Module, x: Tensor) -> Tensor:
        y = x.relu()
        return torch.roll(y, 1, 2) if x.shape[2] > 8 else y

    net = tracer.from_module(Forward(run), (1, 3, 8, 8))
    assert "shifts: [(1 if H >= 9 else 0)]" in net.to_yaml()


# --- tables of positions ---------------------------------------------------------------------------------------------


class Positions(nn.Module):
    """Tokens and a table of their positions, used as it is at its own size and resized to others."""

    def __init__(self, *, first: int = 1, turned: bool = False, offset: float = 0.0) -> None:
        super().__init__()
        self.first = first
        self.turned = turned
        self.offset = offset
        self.patch = nn.Conv2d(3, 6, 4, 4)
        self.table = nn.Parameter(torch.randn(1, first + 9, 6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.patch(x)
        height, width = y.shape[2:]
        return self.tokens(y) + self.positions(height, width)

    def tokens(self, y: Tensor) -> Tensor:
        """The places one after the other, and some tokens more before them."""
        tokens = y.flatten(2).transpose(1, 2)
        return torch.cat([tokens[:, : self.first] * 0, tokens], 1)

    def is_own(self, height: int, width: int) -> bool:
        """Whether the table is used as it is."""
        return height * width + self.first == self.table.shape[1] and height == width

    def positions(self, height: int, width: int) -> Tensor:
        """The table for a map of this size."""
        if self.is_own(height, width):
            return self.table
        first, others = self.table[:, : self.first], self.table[:, self.first :]
        places = others.reshape(1, 3, 3, -1).permute(0, 3, 1, 2)
        if self.turned:
            places = places.transpose(2, 3)
        places = self.resized(places, height, width)
        places = places.permute(0, 2, 3, 1).reshape(1, height * width, -1)
        return torch.cat([first, places], 1)

    def resized(self, places: Tensor, height: int, width: int) -> Tensor:
        """A map of the positions in another size."""
        resize = nn.functional.interpolate
        if self.offset:
            factors = ((height + self.offset) / 3, (width + self.offset) / 3)
            return resize(places, scale_factor=factors, mode="bicubic")
        return resize(places, size=(height, width), mode="bicubic", antialias=True)


class OfOneCount(Positions):
    """It is used as it is for every map with as many places, a long one too."""

    def is_own(self, height: int, width: int) -> bool:
        return height * width + self.first == self.table.shape[1]


class OfEachSide(Positions):
    """The sides are compared one by one, and the tokens come behind the positions."""

    def is_own(self, height: int, width: int) -> bool:
        return height == 3 and width == 3

    def forward(self, x: Tensor) -> Tensor:
        y = self.patch(x)
        table = self.positions(*y.shape[2:])
        return table + self.tokens(y)


class Changed(Positions):
    """The table is written into where it is resized."""

    def resized(self, places: Tensor, height: int, width: int) -> Tensor:
        return super().resized(places.mul_(2), height, width)


class InAMap(Positions):
    """The table has no tokens of its own, and is folded as a whole."""

    def positions(self, height: int, width: int) -> Tensor:
        if self.is_own(height, width):
            return self.table
        places = self.table.reshape(1, 3, 3, -1).permute(0, 3, 1, 2)
        return self.resized(places, height, width).flatten(2).transpose(1, 2)


TABLES = [
    (Positions, 1),
    (Positions, 0),
    (OfEachSide, 0),
    (OfEachSide, 1),
    (InAMap, 0),
]


@pytest.mark.parametrize(("kind", "first"), TABLES)
def test_a_table_of_positions(kind: type[Positions], first: int) -> None:
    """A resize to the table's own size changes nothing: one config, the same from either size, with its elements."""
    module = kind(first=first).eval()
    texts = set()
    for shape in ((1, 3, 12, 12), (1, 3, 20, 28)):
        net = tracer.from_module(module, shape)
        layers = net.to_yaml().partition("layers:")[2]
        texts.add(layers)
    assert len(texts) == 1 and "size: patch" in texts.pop()
    imported = read_module(module, (1, 3, 20, 28))
    built = tracer.build(imported.net)
    built.load_state_dict(imported.state_dict())
    count, expected = (sum(map(torch.numel, one.parameters())) for one in (built, module))
    assert count == expected
    for height, width in ((12, 12), (20, 28), (12, 13), (8, 16), (4, 36)):
        x = torch.randn(2, 3, height, width)
        assert torch.allclose(built(x), module(x), atol=1e-6), (height, width)


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(Positions(turned=True), id="turned"),
        pytest.param(OfOneCount(), id="of_one_count", marks=pytest.mark.long),
        pytest.param(Changed(), id="changed", marks=pytest.mark.long),
    ],
)
def test_a_table_that_is_another_one_where_it_is_resized(module: Positions) -> None:
    """What lies elsewhere at the table's own size, or is not itself there, is no one config: each is for its sizes."""
    module.eval()
    for own, other in (((12, 12), (20, 28)), ((20, 28), (12, 12))):
        imported = read_module(module, (1, 3, *own))
        assert "is not read, and refused" in told(imported.net)
        height, width = other
        assert imported.net.trace(H=height, W=width).diagnostics

        built = tracer.build(imported.net)
        built.load_state_dict(imported.state_dict())
        x = torch.randn(2, 3, *own)
        with torch.no_grad():
            found, expected = built(x), module(x)
        is_changed = "each run changes it" in imported.net.to_yaml()
        assert torch.allclose(found, expected, atol=1e-6) is not is_changed


def test_a_table_that_is_resized_in_no_known_way() -> None:
    """Its own size is read, and where others are asked for, nothing is."""
    module = Positions(offset=0.1)
    net = tracer.from_module(module, (1, 3, 12, 12))
    assert "is not read, and refused" in told(net)
    assert not net.trace().diagnostics and net.trace(H=20, W=28).diagnostics
    with pytest.raises(Unrepresentable, match="is a quotient of the input's sizes"):
        tracer.from_module(module, (1, 3, 20, 28))


# --- inputs in lists and dicts ---------------------------------------------------------------------------------------


class OfLevels(nn.Module):
    """It takes a list of maps, and a dict with a mask."""

    def forward(self, maps: list[Tensor], batch: dict[str, Tensor]) -> list[Tensor]:
        fine, coarse = maps
        y = fine + nn.functional.interpolate(coarse, size=fine.shape[2:])
        y = y * batch["mask"]
        return [y, y]


def test_inputs_in_lists_and_dicts() -> None:
    """Each tensor is an input, a dict's under its name; what is returned twice is there twice."""
    maps, batch = [(1, 3, 16, 16), (1, 3, 9, 9)], {"mask": (1, 1, 16, 16)}
    net = tracer.from_module(OfLevels(), maps, batch)
    text = net.to_yaml()
    assert "input2: [N, 3, H_input2, W_input2]" in text and "mask: [N, 1, H, W]" in text
    assert list(net.trace(H=20, W=12).outputs.values()) == [(1, 3, 20, 12)] * 2
    assert tracer.sizes(OfLevels(), maps, inputs={"batch": batch}).axes["H"].runs.least == 1

    with pytest.raises(TypeError, match="a shape is a tuple of sizes"):
        tracer.from_module(OfLevels(), [(1, 3, 16, 16), "a"], batch)


# --- a resize by quotients of sizes ----------------------------------------------------------------------------------


class ByQuotients(nn.Module):
    """Meets its input by factors, each of them the size that is wanted over the one that is there."""

    def __init__(self, mode: str = "nearest", recompute: bool | None = None) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.mode, self.recompute = mode, recompute

    def factors(self, x: Tensor, y: Tensor) -> tuple[float, float]:
        return x.shape[2] / y.shape[2], x.shape[3] / y.shape[3]

    def forward(self, x: Tensor) -> Tensor:
        y = self.down(x)
        factors = self.factors(x, y)
        y = nn.functional.interpolate(
            y, scale_factor=factors, mode=self.mode, recompute_scale_factor=self.recompute
        )
        return torch.cat([x, y], 1)


class OfOneAxis(ByQuotients):
    """Scales both axes as the first one."""

    def factors(self, x: Tensor, y: Tensor) -> tuple[float, float]:
        return x.shape[2] / y.shape[2], x.shape[2] / y.shape[2]


class Halved(ByQuotients):
    """Computes with the quotient."""

    def factors(self, x: Tensor, y: Tensor) -> tuple[float, float]:
        return x.shape[2] / y.shape[2] / 2 * 2, x.shape[3] / y.shape[3]


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("recompute", [None, True])
def test_quotients_of_sizes_are_a_size(mode: str, recompute: bool | None) -> None:
    """A factor of a wanted size over the one that is there asks for that size; that floats may round is told."""
    module = ByQuotients(mode, recompute).eval()
    imported = read_module(module, (1, 3, 50, 38))
    text = imported.net.to_yaml()
    assert "size: input" in text and "torch floors h * (H / h)" in text

    built = tracer.build(imported.net)
    built.load_state_dict(imported.state_dict())
    for height, width in ((50, 38), (51, 64), (8, 9), (33, 100)):
        x = torch.randn(2, 3, height, width)
        assert torch.allclose(built(x), module(x), atol=1e-5), (height, width)


@pytest.mark.parametrize("make", [OfOneAxis, Halved])
def test_other_quotients_are_refused(make: type[nn.Module]) -> None:
    """What is no quotient of the axis's own size is no size."""
    with pytest.raises(Unrepresentable, match="quotient"):
        tracer.from_module(make(), (1, 3, 50, 50))


class WithTail(nn.Module):
    """A body of layers, and what a function makes of it and of a list of heads."""

    def __init__(self, tail: Callable[[Tensor, nn.ModuleList], Tensor]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
        self.heads = nn.ModuleList([nn.Conv2d(4, 4, 1) for _ in range(8)])
        self.tail = tail

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.body(x), self.heads)


def _positive(x: Tensor, heads: nn.ModuleList) -> Tensor:
    found: Tensor = heads[0](x)
    return found[found > 0]


def _as_many_as_rows(x: Tensor, heads: nn.ModuleList) -> Tensor:
    for number in range(x.shape[2] // 4):
        x = heads[number](x)
    return x


@pytest.mark.parametrize(("tail", "part"), [(_positive, "heads.0"), (_as_many_as_rows, "body")])
def test_a_part_that_works_is_told(
    tail: Callable[[Tensor, nn.ModuleList], Tensor],
    part: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last part of a module up to which it can be read, however slow the machine is."""
    monkeypatch.setattr("tracer.torch_bridge.ways_out.SECONDS", 600.0)
    monkeypatch.setattr("tracer.torch_bridge.opening.WAYS_OUT", 600.0)
    module = WithTail(tail)
    (found,) = tracer.check(module, (1, 3, 32, 32))
    assert found.hint is not None
    assert found.hint.endswith(f"`tracer import --until {part}` reads it up to there")
    way = Way(until=part)
    assert read_module(module, (1, 3, 32, 32), way=way).net.trace(H=48).outputs


def _windows_that_fill(x: Tensor, y: Tensor) -> Tensor:
    window = min(y.shape[2], 5)
    filled = math.ceil(y.shape[2] / window) * window
    return F.pad(y, (0, 0, 0, filled - y.shape[2]))


def _as_often(x: Tensor, y: Tensor) -> Tensor:
    return F.pad(y, (0, math.ceil(x.shape[2] / y.shape[2]), 0, int(x.shape[2] / y.shape[3])))


def _where_larger(x: Tensor, y: Tensor) -> Tensor:
    is_exact = x.shape[2] / y.shape[2] >= 3
    return F.pad(y, (0, 1 if is_exact else 0))


def _rounded(x: Tensor, y: Tensor) -> Tensor:
    return F.pad(y, (int(y.shape[2] * 0.5 + 0.5), math.ceil(9.5 - min(y.shape[3], 7) / 2)))


class OfTwo(nn.Module):
    """Pads a map by what is computed of its size and of the input's."""

    def __init__(self, padded: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 3, 1)
        self.padded = padded

    def forward(self, x: Tensor) -> Tensor:
        return self.padded(x, self.conv(x))


@pytest.mark.parametrize(
    "padded", [_windows_that_fill, _as_often, _where_larger, _rounded], ids=lambda f: f.__name__
)
def test_one_size_over_another(padded: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Its floor, its ceiling and its comparisons are those of the module for every size."""
    module = OfTwo(padded).eval()
    net = tracer.from_module(module, (1, 3, 24, 18))
    for height, width in itertools.product(range(1, 40), (1, 7, 18, 31)):
        want = module(torch.zeros(1, 3, height, width)).shape
        assert tuple(net.trace(H=height, W=width).outputs.values()) == (tuple(want),)


class OnAMap(nn.Module):
    """Adds a table of positions of each row and column, resized where the map has another size; and one of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 4, 4)
        self.table = nn.Parameter(torch.randn(1, 4, 8, 8))
        self.rows = nn.Parameter(torch.randn(15, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        table = self.table
        if x.shape[2] != table.shape[2] or x.shape[3] != table.shape[3]:
            table = F.interpolate(table, size=x.shape[2:], mode="bicubic", antialias=True)
        x = x + table

        n, _, height, width = x.shape
        y = x.flatten(2).transpose(1, 2).reshape(n, height, width, 4)
        y = y + self.of_rows(height)[None, :, None]
        return y.permute(0, 3, 1, 2)

    def of_rows(self, height: int) -> Tensor:
        count = 2 * height - 1
        rows = self.rows
        if rows.shape[0] != count:
            rows = F.interpolate(rows.T[None], size=count, mode="linear")[0].T
        places = torch.arange(height)[:, None] - torch.arange(height)[None] + height - 1
        return rows[places].mean(1)


@pytest.mark.parametrize("first", [(32, 32), (32, 40), (48, 32), (20, 56)])
def test_behind_a_table_of_its_own_size(first: tuple[int, int]) -> None:
    """What is computed of a map's size is so, too, where a table of that size was added as it is."""
    module = OnAMap().eval()
    net = tracer.from_module(module, (1, 3, *first))
    for height, width in ((32, 32), (32, 44), (28, 32), (64, 48), (5, 33)):
        want = module(torch.zeros(2, 3, height, width)).shape
        assert tuple(net.trace(N=2, H=height, W=width).outputs.values()) == (tuple(want),)


class ResizedToSkips(nn.Module):
    """Four levels; the decoder's map comes first, resized where it is smaller than the skip."""

    def __init__(self) -> None:
        super().__init__()
        widths = [4, 8, 16, 32]
        self.enc = nn.ModuleList(
            [nn.Conv2d(i, o, 3, padding=1) for i, o in zip([3, *widths], widths, strict=False)]
        )
        self.ups = nn.ModuleList(
            [nn.ConvTranspose2d(o, i, 2, stride=2) for i, o in itertools.pairwise(widths)]
        )
        self.dec = nn.ModuleList([nn.Conv2d(2 * i, i, 3, padding=1) for i in widths[:-1]])

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, layer in enumerate(self.enc):
            x = layer(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for level in (2, 1, 0):
            x, skip = self.ups[level](x), skips[level]
            if x.shape != skip.shape:
                x = F.interpolate(x, size=skip.shape[2:])
            x = self.dec[level](torch.cat([x, skip], 1))
        return x


def test_resized_to_each_skip_where_the_map_comes_first() -> None:
    """What is decided behind a merge is the same whether a map was resized or not: there are no ways of ways."""
    module = ResizedToSkips().eval()
    texts = set()
    for shape in [(1, 3, 32, 40), (1, 3, 64, 64), (1, 3, 27, 35)]:
        net = tracer.from_module(module, shape)
        text = net.to_yaml()
        texts.add(text[: text.index("sizes:")] + text[text.index("encoder:") :])
        for height, width in [(8, 8), (9, 31), (17, 12), (30, 23), (64, 65)]:
            x = torch.zeros(1, 3, height, width)
            found = net.trace(H=height, W=width)
            assert list(found.outputs.values()) == [tuple(module(x).shape)]
    assert len(texts) == 1
    assert texts.pop().count("Interpolate, size: ") == 3


class Letterbox(nn.Module):
    """A square of zeros around a map."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        side = max(height, width)
        square = torch.zeros(x.shape[0], 3, side, side)
        top, left = (side - height) // 2, (side - width) // 2
        square[:, :, top : top + height, left : left + width] = x
        return square


def test_an_argument_that_is_no_size_is_not_one_of_two() -> None:
    """The map is written along other dims where it is taller: that way is not read, and told."""
    net = tracer.from_module(Letterbox().eval(), (1, 3, 16, 24))
    for height, width in [(8, 12), (15, 17), (1, 30)]:
        found = net.trace(H=height, W=width)
        assert list(found.outputs.values()) == [(1, 3, max(height, width), max(height, width))]
    for height, width in [(12, 8), (31, 16)]:
        refused, *_ = net.trace(H=height, W=width).diagnostics
        assert "a way of the program that was not read" in refused.message
