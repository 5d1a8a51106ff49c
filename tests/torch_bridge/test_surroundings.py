"""What a module keeps outside of itself is after an import as it was: its own next call finds nothing without data."""

from __future__ import annotations

import functools
import random
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import tracer
from tracer.diagnostics import TracerError

TABLE: dict[tuple[int, ...], Tensor] = {}
LISTED: list[Tensor] = []
COUNT = {"calls": 0}


@functools.lru_cache
def grid(height: int, width: int) -> Tensor:
    """A grid of a size, made once."""
    return torch.zeros(1, 1, height, width)


class Kept(nn.Module):
    """Adds a grid that is kept somewhere."""

    longest: ClassVar[Tensor] = torch.zeros(1, 1, 1, 16)

    def __init__(self, where: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.where = where

    def forward(self, x: Tensor) -> Tensor:
        """By the place where it is kept."""
        COUNT["calls"] += 1
        size = (int(x.shape[2]), int(x.shape[3]))
        found = getattr(self, self.where)(*size)
        y: Tensor = self.conv(x) + found
        return y

    def cached(self, height: int, width: int) -> Tensor:
        """By Python."""
        return grid(height, width)

    def in_table(self, height: int, width: int) -> Tensor:
        """In a dict of the file."""
        if (height, width) not in TABLE:
            TABLE[height, width] = torch.zeros(1, 1, height, width)
        return TABLE[height, width]

    def in_list(self, height: int, width: int) -> Tensor:
        """In a list of the file."""
        LISTED.append(torch.zeros(1, 1, height, width))
        return LISTED[-1]

    def in_class(self, height: int, width: int) -> Tensor:
        """In the class, which grows."""
        if Kept.longest.shape[3] < width:
            Kept.longest = torch.zeros(1, 1, 1, width)
        return Kept.longest[..., :width]


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    grid.cache_clear()
    TABLE.clear()
    LISTED.clear()
    monkeypatch.setattr(Kept, "longest", torch.zeros(1, 1, 1, 16))


@pytest.mark.parametrize("where", ["cached", "in_table", "in_list", "in_class"])
@pytest.mark.parametrize("is_used", [False, True])
def test_a_module_runs_after_its_import_as_before(where: str, is_used: bool) -> None:
    """At the size that was read, at others, and with what its own calls had kept before."""
    module = Kept(where).eval()
    x = torch.zeros(1, 3, 16, 24)
    if is_used:
        module(x)
    own: Any = (dict(TABLE), list(LISTED), Kept.longest)

    with_torch = random.getstate(), torch.get_rng_state()
    try:
        tracer.from_module(module, (1, 3, 16, 24))
    except TracerError:  # what grows from call to call is no network of its own
        assert where in ("in_list", "in_class")

    kept: Any = (dict(TABLE), list(LISTED), Kept.longest)
    assert kept[0] == own[0] and kept[1] == own[1] and kept[2] is own[2]
    assert random.getstate() == with_torch[0]
    assert torch.equal(torch.get_rng_state(), with_torch[1])
    for height, width in ((16, 24), (17, 24), (40, 33)):
        y = module(torch.zeros(1, 3, height, width))
        assert y.shape == (1, 4, height, width) and not y.is_meta


class Missing:
    """In the place of a package that is not installed."""

    def __getattr__(self, name: str) -> Any:
        raise ImportError(f"no {name}")


MISSING = Missing()


def test_what_holds_no_tensors_is_the_programs() -> None:
    """A count goes on: nothing is put back but what would break the next call."""
    before = COUNT["calls"]
    tracer.from_module(Kept("cached").eval(), (1, 3, 16, 24))
    assert COUNT["calls"] > before


def test_a_module_without_data_keeps_what_it_made() -> None:
    """Its own calls would have left the same."""
    module = Kept("in_table").eval().to("meta")
    tracer.from_module(module, (1, 3, 16, 24))
    with torch.device("meta"):
        assert module(torch.zeros(1, 3, 16, 24)).shape == (1, 4, 16, 24)
