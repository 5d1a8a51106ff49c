"""A copy that a run has left as it was is taken for the next run; one that anything was changed in is not."""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tracer
from tracer.torch_bridge import kept_copies
from tracer.torch_bridge.copies import ModuleCopy, copy_of, shared, without_data
from tracer.torch_bridge.importing import Unrepresentable
from tracer.torch_bridge.kept_copies import Copies, state_of


class Kept:
    """What hangs on a module beside its parts."""

    def __init__(self) -> None:
        self.inner = SimpleNamespace(counts=[0, 0])
        self.names: dict[str, Any] = {"a": (1, [2])}


class Holder(nn.Module):
    """A module on which all kinds of things hang."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.parts = nn.ModuleList([nn.ReLU(), nn.Identity()])
        self.register_buffer("scale", torch.ones(1))
        self.count = 0
        self.listed: list[Any] = [1, [2, 3], torch.zeros(2)]
        self.seen = {1, 2}
        self.last = deque([1], maxlen=4)
        self.ordered = OrderedDict(a=1)
        self.kept = Kept()
        self.call: Callable[[], Any] = self.forward
        self.kind = torch.float32

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.parts[0](self.norm(self.conv(x * self.scale)))
        return y


CHANGES: dict[str, Callable[[Any], Any]] = {
    "an attribute": lambda m: setattr(m, "count", 1),
    "one more attribute": lambda m: setattr(m, "more", None),
    "one less": lambda m: delattr(m, "count"),
    "a list": lambda m: m.listed.append(0),
    "an item of a list": lambda m: m.listed.__setitem__(0, 2),
    "an inner list": lambda m: m.listed[1].pop(),
    "a tensor in a list": lambda m: m.listed[2].add_(1),
    "a set": lambda m: m.seen.add(3),
    "a deque": lambda m: m.last.append(2),
    "a dict": lambda m: m.ordered.update(b=2),
    "a dict's order": lambda m: m.kept.names.update(b=m.kept.names.pop("a")),
    "an object's attribute": lambda m: setattr(m.kept, "more", 1),
    "an object in an object": lambda m: m.kept.inner.counts.append(1),
    "in a tuple": lambda m: m.kept.names["a"][1].append(1),
    "a method": lambda m: setattr(m, "call", m.norm.forward),
    "a buffer": lambda m: setattr(m, "scale", torch.ones(1)),
    "a buffer in its place": lambda m: m.scale.mul_(2),
    "a buffer's data": lambda m: setattr(m.scale, "data", torch.ones(1)),
    "a parameter": lambda m: setattr(m.conv, "bias", None),
    "a parameter is frozen": lambda m: m.conv.weight.requires_grad_(False),
    "an attribute of a parameter": lambda m: setattr(m.conv.weight, "told", True),
    "a gradient": lambda m: setattr(m.conv.weight, "grad", torch.zeros(4, 3, 3, 3)),
    "its mode": lambda m: m.norm.train(not m.norm.training),
    "a part": lambda m: setattr(m, "norm", nn.Identity()),
    "an argument of a part": lambda m: setattr(m.conv, "padding", (0, 0)),
    "one more part": lambda m: m.parts.append(nn.Identity()),
    "the order of parts": lambda m: m.parts.__setitem__(0, m.parts[1]),
    "a hook": lambda m: m.conv.register_forward_hook(lambda *_: None),
    "its own forward": lambda m: setattr(m.norm, "forward", torch.relu),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(change: str) -> None:
    """A copy that was changed is not the copy of the next run."""
    copies = Copies(Holder(), shared, _nothing)
    first = copies.take()
    assert copies.take() is first and first.is_as_it_was()

    copies.take()
    CHANGES[change](first.module)
    assert not first.is_as_it_was()
    second = copies.take()
    assert second is not first and second.is_as_it_was()


def _nothing(copied: ModuleCopy) -> None:
    """A copy that is run as it is."""


@pytest.mark.parametrize("tensor_copy", [shared, without_data])
def test_a_run_that_changes_nothing_leaves_the_copy(
    tensor_copy: Callable[[Tensor], Tensor],
) -> None:
    """It is one copy for all runs."""
    module = Holder().eval()
    copies = Copies(module, tensor_copy, _nothing)
    first = copies.take()
    x = torch.zeros(1, 3, 8, 8, device=first.module.scale.device)
    for _ in range(3):
        with torch.no_grad():
            copies.take().module(x)
        assert copies.take() is first


def test_of_what_nothing_is_known_each_run_has_its_own() -> None:
    """A counter of Python's says nothing of where it is."""
    module = Holder()
    module.listed.append(itertools.count())
    assert state_of(module) is None
    copies = Copies(module, shared, _nothing)
    assert copies.take() is not copies.take()


def test_what_goes_in_circles_is_looked_at_once() -> None:
    """A list in itself, and a part that knows the one around it."""
    module = Holder()
    module.listed.append(module.listed)
    module.kept.inner.around = module
    state = state_of(module)
    assert state is not None and state.is_still_so()


class Counting(nn.Module):
    """What it does depends on how often it was run, where ``step`` is not 0."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.step = step
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += self.step
        y: Tensor = self.conv(x)
        return y[:, :, self.runs :] if self.runs > 1 else y


@pytest.mark.parametrize(("step", "most"), [(0, 2), (1, 100)])
def test_copies_of_an_import(step: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One copy with the memory of the module and one without data, where no run changes them."""
    made: list[nn.Module] = []

    def counted(module: nn.Module, tensor_copy: Callable[[Tensor], Tensor]) -> ModuleCopy:
        made.append(module)
        return copy_of(module, tensor_copy)

    monkeypatch.setattr(kept_copies, "copy_of", counted)
    module = Counting(step)
    if step:
        with pytest.raises(
            Unrepresentable, match="second run for the same shapes gives others"
        ):
            tracer.from_module(module, (1, 3, 16, 24))
    else:
        tracer.from_module(module, (1, 3, 16, 24))
    assert 2 <= len(made) <= most and (len(made) > 2) == bool(step)
