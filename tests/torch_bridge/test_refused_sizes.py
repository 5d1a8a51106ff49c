"""Sizes that an imported config refuses are sizes that the module refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

import tracer
from tests.torch_bridge.test_handlers import Applied
from tracer.torch_bridge.importing import Unrepresentable, read_at


def padded_somehow(x: Tensor) -> Tensor:
    """A pad of another kind where the first one is too large."""
    try:
        return F.pad(x, (3, 3, 3, 3), mode="reflect")
    except RuntimeError:
        return F.pad(x, (3, 3, 3, 3))


def padded_or_left(x: Tensor) -> Tensor:
    """The same with another handler."""
    with contextlib.suppress(RuntimeError):
        return F.pad(x, (3, 3, 3, 3), mode="reflect")
    return x


RUN_ON: dict[str, Callable[[Tensor], Any]] = {
    "parts that are fewer": lambda x: torch.cat(x.chunk(2, dim=2)[::-1], 2),
    "parts that are smaller": lambda x: torch.cat(x.chunk(4, dim=2)[1:3], 2),
}


@pytest.mark.parametrize("name", RUN_ON)
def test_a_module_that_runs_on(name: str) -> None:
    """Where it runs at a size that its config would refuse, no config is written."""
    with pytest.raises(Unrepresentable, match="its config would give an error"):
        tracer.from_module(Applied(RUN_ON[name]), (1, 3, 16, 24))


def joined(x: Tensor) -> Tensor:
    """Twice the half of a map, or by the map's size where that is another one."""
    y = F.max_pool2d(x, 2)
    try:
        return torch.cat([x, F.interpolate(y, scale_factor=2)], 1)
    except RuntimeError:
        return torch.cat([x, F.interpolate(y, size=x.shape[2:])], 1)


@pytest.mark.parametrize("size", [(16, 24), (15, 24), (13, 9)])
@pytest.mark.parametrize("run", [padded_somehow, padded_or_left, joined])
def test_both_ways_of_an_error_are_one(
    run: Callable[[Tensor], Tensor], size: tuple[int, int]
) -> None:
    """What an operation demands decides where its error is handled: the way behind it is read as any other."""
    net = tracer.from_module(Applied(run), (1, 3, *size))
    for height, width in ((16, 24), (15, 24), (7, 7), (2, 3), (3, 8), (9, 2)):
        (found,) = net.trace(H=height, W=width).outputs.values()
        assert found == tuple(run(torch.zeros(1, 3, height, width)).shape), (height, width)


def of_values(x: Tensor) -> Tensor:
    """It looks at values, which no run without data has."""
    try:
        return x[:, :1] if x.sum() > 1e30 else x[:, :2]
    except Exception:
        return x


def of_no_operation(x: Tensor) -> Tensor:
    """A function without an operation, and an error of its own behind that."""
    try:
        return torch.linalg.svd(x)[0]
    except RuntimeError as error:
        raise ValueError("never") from error


@pytest.mark.parametrize("run", [of_values, of_no_operation])
def test_a_refusal_that_is_caught(run: Callable[[Tensor], Tensor]) -> None:
    """The importer's own refusal is no error that the module has: what comes behind it is not read."""
    with pytest.raises(Unrepresentable, match=r"decide here|no operation"):
        tracer.from_module(Applied(run), (1, 3, 16, 24))


def test_ways_without_end_are_bounded() -> None:
    """A forward that goes another way for each of many sizes is refused when its time is spent."""

    class Halving(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            side = x.shape[3]
            while side > 6:
                side = side // 2
            return x[..., :side]

    with pytest.raises(Unrepresentable, match="were not all read within 0 seconds"):
        read_at(Halving(), (1, 3, 16, 24), seconds=0)


# --- what a run leaves behind ----------------------------------------------------------------------------------------


class LeavesBehind(torch.nn.Module):
    """A buffer and a parameter that are other ones after each run."""

    def __init__(self, leave: Callable[[Any, Tensor], None]) -> None:
        super().__init__()
        self.leave = leave
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))
        self.weight = torch.nn.Parameter(torch.ones(4, 3, 3, 3))
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        y = x * self.scale
        self.leave(self, x)
        return F.conv2d(y, self.weight)[:, :, self.runs :]


def nothing(module: Any, x: Tensor) -> None:
    """It is as it was."""


def other_buffer(module: Any, x: Tensor) -> None:
    """A buffer is computed anew."""
    module.scale = module.scale * 0.9


def mean_of_input(module: Any, x: Tensor) -> None:
    """The same, of the input."""
    module.scale = module.scale * 0.9 + x.mean((0, 2, 3), keepdim=True)


def other_data(module: Any, x: Tensor) -> None:
    """A parameter gets other numbers."""
    module.weight.data = module.weight.data / 2


def other_runs(module: Any, x: Tensor) -> None:
    """It counts its runs."""
    module.runs += 1


@pytest.mark.parametrize(
    ("leave", "name"),
    [(nothing, ""), (other_buffer, "scale"), (mean_of_input, "scale"), (other_data, "weight")],
)
def test_what_each_run_makes_anew_is_told(
    leave: Callable[[Any, Tensor], None], name: str
) -> None:
    """The config is the first run's, and its first lines say what the next one finds."""
    module = LeavesBehind(leave)
    text = tracer.from_module(module, (1, 3, 16, 24)).to_yaml()
    assert (f"# each run makes {name} anew" in text) == bool(name)
    assert "each run" not in text or name
    assert torch.equal(module.scale, torch.ones(1, 3, 1, 1)) and module.weight.min() == 1


def test_a_second_run_that_gives_other_shapes_is_refused() -> None:
    """No config says of two runs for one size that they give two shapes."""
    with pytest.raises(Unrepresentable, match="second run for the same shapes gives others"):
        tracer.from_module(LeavesBehind(other_runs), (1, 3, 16, 24))


def test_other_steps_at_the_asked_size_alone_are_refused() -> None:
    """What is read at another size is held against the steps that the module makes at the asked one."""

    def run(x: Tensor) -> Tensor:
        return torch.tanh(x) if "%d" % x.shape[3] == "24" else torch.relu(x)  # noqa: UP031

    with pytest.raises(Unrepresentable, match="runs other layers there"):
        tracer.from_module(Applied(run), (1, 3, 16, 24))


def test_the_line_that_decides_too_often_is_told() -> None:
    """A range is asked size by size: more ways than an expression holds, all of them of one line."""

    def run(x: Tensor) -> Tensor:
        side = 7 if x.shape[2] in range(380, 400) else 5
        return torch.nn.functional.adaptive_avg_pool2d(x, side)

    with pytest.raises(Unrepresentable, match="another way for each of too many sizes") as told:
        tracer.from_module(Applied(run), (1, 3, 16, 24))
    (finding,) = told.value.diagnostics
    assert finding.span is not None
    line = Path(__file__).read_text("utf-8").splitlines()[finding.span.line - 1]
    assert "range(380, 400)" in line
