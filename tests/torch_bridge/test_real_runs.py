"""What is imported is compared with the module itself, and the module is left as it was."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tracer.importing.comparison import Answer, Judges, Recordings, compare, drawn_sizes
from tracer.importing.recording import Recording
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.sizing.symbol import Space
from tracer.torch_bridge.forward import spatial_dims
from tracer.torch_bridge.importing import Unrepresentable, record
from tracer.torch_bridge.real_runs import RealModule

SHAPE = (1, 3, 32, 24)


class Conv(nn.Module):
    """A convolution, and what ``then`` does with its output and the input."""

    def __init__(self, then: Callable[..., Any], stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=stride, padding=1)
        self.then = then

    def forward(self, x: Tensor) -> Any:
        return self.then(self.conv(x), x)


@functools.lru_cache
def halves(n: int) -> tuple[int, int]:
    """Two halves of a size."""
    return n // 2, n - n // 2


FOLLOWED: dict[str, Callable[..., Any]] = {
    "int": lambda y, x: F.interpolate(y, size=(int(x.shape[2]) * 2, int(x.shape[3] / 2))),
    "float": lambda y, x: y[:, :, : int(float(x.shape[2]) / 4)],
    "round": lambda y, x: y[:, :, round(x.shape[2] / 2) :, round(x.shape[3] / 4) :],
    "batch": lambda y, x: y.reshape(int(x.shape[0]), -1),
    "cache": lambda y, x: y[:, :, halves(x.shape[2])[0] :],
    "over a root": lambda y, x: y / math.sqrt(x.shape[3]),
    "times a power": lambda y, x: y * x.shape[3] ** -0.5,
    "noise": lambda y, x: y + torch.randn(1, 4, 1, 1),
    "torch's own order": lambda y, x: torch.batch_norm(
        y, torch.ones(4), torch.zeros(4), torch.zeros(4), torch.ones(4), False, 0.1, 1e-5, False
    ),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_python_s_own_functions_are_followed(name: str) -> None:
    """The same shapes as the module's at every size."""
    module = Conv(FOLLOWED[name])
    net = tracer.from_module(module, SHAPE)
    for n in range(4, 40):
        x = torch.zeros(2, 3, n, n + 3)
        with torch.no_grad():
            expected = tuple(module(x).shape)
        assert list(net.trace(N=2, H=n, W=n + 3).outputs.values()) == [expected], n


LOST: dict[str, Callable[..., Any]] = {
    "computed from the input's in a way that cannot be followed": lambda y, x: y[
        :, :, : int(math.sqrt(x.shape[2]))
    ],
    "unseen": lambda y, x: y[:, :, : int(0.5 * x.shape[2])],
    "factor of scale is": lambda y, x: y * (1.0 / x.shape[3]),
    "norm 2 of a matrix": lambda y, x: torch.linalg.norm(y, 2, dim=(2, 3)),
    "runs other layers; one config cannot describe both": lambda y, x: (
        torch.flip(y, (3,)) if x.shape[2] != SHAPE[2] else y
    ),
}


@pytest.mark.parametrize("said", LOST)
def test_what_is_not_followed_is_refused(said: str) -> None:
    """No config that is right for one size only."""
    with pytest.raises(Unrepresentable, match=said):
        tracer.from_module(Conv(LOST[said]), SHAPE)


def test_multiples_only() -> None:
    """Sizes are drawn from the config's own set, however few there are around the asked ones."""

    def checked(y: Tensor, x: Tensor) -> Tensor:
        assert x.shape[2] % 16 == 0
        return F.interpolate(y, size=(int(x.shape[2]), 8))

    net = tracer.from_module(Conv(checked, stride=16), (1, 3, 32, 32))
    assert net.trace(H=64).outputs == {"interpolate": (1, 4, 64, 8)}
    assert str(tracer.sizes(net).axes["H"].runs) == "n = 16k, k >= 1"


class Cached(nn.Module):
    """Keeps what its last forward made, in every way that a module can."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("count", torch.zeros(1))
        self.kept: list[Any] = [torch.zeros(2)]
        self.sizes: dict[Any, Any] = {}
        self.last: Any = None

    def forward(self, x: Tensor) -> Tensor:
        self.scale.data.add_(1)
        self.count += 1
        self.count.data = self.count * 2
        self.kept[0].mul_(3).add_(1)
        self.kept.append(x.shape[2])
        self.sizes[x.shape[2], x.shape[3]] = x
        self.last = x.shape
        self.train()
        y: Tensor = self.conv(x)
        return y


def test_the_module_is_left_as_it_was() -> None:
    """Attributes, lists, tensors in them, buffers and parameters, and its mode."""
    module = Cached().eval()
    net = tracer.from_module(module, SHAPE)
    assert net.trace(H=7).outputs == {"conv": (1, 4, 7, 24)}
    assert module.scale.item() == 1 and module.count.item() == 0
    assert len(module.kept) == 1 and module.kept[0].tolist() == [0, 0]
    assert module.sizes == {} and module.last is None and not module.training
    assert "int" not in globals() and math.sqrt(4) == 2 and halves(8) == (4, 4)
    assert not any(isinstance(n, RunTimeSize) for n in halves(32))


def test_used_and_fresh_modules_are_imported_alike() -> None:
    """What an earlier run left in a module, and an earlier import in a cache, changes nothing."""
    module = Conv(FOLLOWED["cache"])
    fresh = tracer.from_module(module, SHAPE).to_yaml()
    module(torch.zeros(SHAPE))
    assert tracer.from_module(module, SHAPE).to_yaml() == fresh


tail = (-1,)

NOT_READ: dict[str, Callable[..., Any]] = {
    "nothing": lambda y, x: F.relu(y),
    "given to torch": lambda y, x: F.interpolate(y, size=x.shape[2:]),
    "added to": lambda y, x: y.reshape(x.shape[:1] + tail),
    "channels": lambda y, x: y * x.shape[1] * x.size(1),
    "compared with itself": lambda y, x: y if x.shape == x.shape else x,
}

READ: dict[str, Callable[..., Any]] = {
    "one of a shape": lambda y, x: [y, x.shape[2]],
    "unpacked": lambda y, x: [y for _, _, _, _ in [x.shape]],
    "one size": lambda y, x: [y, x.size(3)],
    "all elements": lambda y, x: [y, x.numel()],
    "repeated": lambda y, x: [y, x.shape[2:] * 2],
    "a key": lambda y, x: [y, {x.shape: 1}.popitem()],
    "a text": lambda y, x: [y, f"{x.shape}"],
    "copied": lambda y, x: [y, copy.copy(x.shape)],
    "a length": lambda y, x: [y, len(x[0, 0])],
    "how many parts": lambda y, x: list(y.chunk(2, dim=2)),
    "a tensor's text": lambda y, x: [y, repr(x)],
}


@pytest.mark.parametrize("name", [*NOT_READ, *READ])
def test_sizes_are_read(name: str) -> None:
    """It is noted where the program has one in its hands, and not where torch alone looks at it."""
    module = Conv((NOT_READ | READ)[name])
    recording = record(module, [SHAPE], spatial_dims, {}, Space())
    assert recording.sizes_are_read == (name in READ)


class Counted:
    """Counts the answers of a module."""

    def __init__(self, module: nn.Module, *, halved: bool = False) -> None:
        self.real = RealModule(module)
        self.halved = halved
        self.count = 0

    def answer(self, shapes: Any) -> Answer | None:
        """The module's, with a channel less where ``halved``."""
        self.count += 1
        found = self.real.answer(shapes)
        assert found is not None and found.shapes is not None
        (shape,) = found.shapes.values()
        cut = (shape[0], shape[1] - self.halved, *shape[2:])
        return Answer({"output": cut})

    def sure_answer(self, shapes: Any, *, at_any_cost: bool = False) -> Answer | None:
        """The same."""
        return self.answer(shapes)


@pytest.mark.parametrize(
    ("are_read", "by_itself", "by_recordings"), [(True, 3, 7), (False, 1, 0)]
)
def test_so_many_sizes_are_compared(are_read: bool, by_itself: int, by_recordings: int) -> None:
    """Ten for a program that has had sizes in its hands, squares and multiples among them; a difference is found."""
    net = tracer.loads(
        "input: [N, 3, H, W]\nsizes: {N: 1, H: 32, W: 24}\n"
        "layers: {conv: {op: Conv2d, out_channels: 4, kernel_size: 1}}"
    )
    recording = Recording()
    value = recording.input("input", SHAPE, {0: "N", 2: "H", 3: "W"})
    recording.outputs = {"output": value._replace(shape=(1, 4, 32, 24))}
    recording.sizes_are_read = are_read
    module = nn.Conv2d(3, 4, 1)
    judges = Judges(Counted(module), Counted(module))
    assert compare(net, recording, Recordings([], []), judges, "") == by_itself + by_recordings
    assert [judges.recorded.count, judges.itself.count] == [by_recordings, by_itself]

    halved = Counted(module, halved=True)
    with pytest.raises(Unrepresentable, match=r"it gives \[\d+, 3, .* its config would give"):
        compare(net, recording, Recordings([], []), Judges(Counted(module), halved), "")

    runs = {symbol: axis.runs for symbol, axis in tracer.sizes(net).axes.items()}
    drawn = list(drawn_sizes(recording.symbols, lambda: runs))
    assert any(sizes["H"] == sizes["W"] for sizes in drawn)
    assert any(sizes["H"] >= 64 for sizes in drawn) and len(drawn) > 30
