"""Tensors made of sizes that are used as indices: the sizes at which they fit are those that run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

import tracer
from tests.torch_bridge.test_handlers import Applied
from tracer.torch_bridge.importing import Unrepresentable

LARGEST = 24


class Embedded(nn.Module):
    """A row of a table for each column of the map."""

    def __init__(self, places: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(12, 3), places

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table(self.places(x)).sum()


class FromTable(Embedded):
    """The same by a function."""

    def forward(self, x: Tensor) -> Tensor:
        return x + F.embedding(self.places(x), self.table.weight).sum()


def grid(x: Tensor) -> Tensor:
    rows, columns = torch.meshgrid(
        torch.arange(x.shape[2]), torch.arange(x.shape[3]), indexing="ij"
    )
    return (rows * x.shape[3] + columns).flatten()


def shifted(x: Tensor) -> Tensor:
    places = torch.arange(x.shape[3])
    places += 2
    return places.view(1, -1)


def written(x: Tensor) -> Tensor:
    places = torch.zeros(x.shape[3], dtype=torch.long)
    places[0] = x.shape[3]
    return places


PLACES: dict[str, Callable[[Tensor], Tensor]] = {
    "counted": lambda x: torch.arange(x.shape[3]),
    "moved": lambda x: torch.arange(x.shape[3]) + 3,
    "in steps": lambda x: torch.arange(0, x.shape[3], 2),
    "halved": lambda x: torch.arange(x.shape[3]) // 2,
    "clamped": lambda x: torch.arange(x.shape[3]).clamp(max=5),
    "beyond the end": lambda x: torch.full((2,), x.shape[3]),
    "changed in place": shifted,
    "assigned": written,
    "turned": lambda x: (x.shape[3] - 1 - torch.arange(x.shape[3])).flip(0),
    "scaled": lambda x: (torch.arange(x.shape[3]) * 0.5).long(),
}


@pytest.mark.parametrize("kind", [Embedded, FromTable])
@pytest.mark.parametrize("name", PLACES)
def test_rows_of_a_table(name: str, kind: type[Embedded]) -> None:
    """A table takes places below the number of its rows."""
    _same_sizes(kind(PLACES[name]))


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "gather": lambda x: x.gather(
        3, torch.full((x.shape[0], 3, x.shape[2], 1), 6, dtype=torch.long)
    ),
    "gather a constant": lambda x: x.gather(3, torch.full((1, 3, 1, 1), 6)),
    "one_hot": lambda x: x + F.one_hot(torch.arange(x.shape[3]), 15).sum(),
    "from the end": lambda x: x[:, :, :, :-1][..., torch.arange(x.shape[3]) - 1],
    "one more": lambda x: x[..., torch.arange(x.shape[3] // 2 + 1) + 4],
    "index_select": lambda x: x.index_select(3, torch.arange(x.shape[2] // 4) * 3),
    "scatter": lambda x: x.scatter(3, torch.full((x.shape[0], 1, 1, 1), 4), 0.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_places_of_a_dim(name: str) -> None:
    """What takes elements at places refuses the sizes at which a dim has fewer."""
    _same_sizes(Applied(FUNCTIONS[name]), (1, 3, 16, 10))


def test_places_of_two_dims() -> None:
    """Of two dims in a row, the last place is their product less 1."""
    module = Applied(lambda x: x.flatten(2)[:, :, grid(x)])
    net = tracer.from_module(module, (1, 3, 8, 12))
    (shape,) = net.trace(N=1, H=5, W=7).outputs.values()
    assert shape == (1, 3, 35)


def test_places_that_are_not_known_are_refused() -> None:
    """Where nothing says between which numbers they lie, no size is claimed to run."""
    for places in (
        lambda x: torch.arange(x.shape[3]).float().sin().long(),
        lambda x: torch.arange(x.shape[3]).cumsum(0),
    ):
        with pytest.raises(Unrepresentable, match="between which numbers they lie"):
            tracer.from_module(Embedded(places), (1, 3, 8, 4))


class Relative(nn.Module):
    """A row of a table for each distance of two maps' columns, the smaller map's scaled up."""

    def __init__(self, rows: int, stride: int, *, is_resized: bool, in_place: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride, 1)
        self.table = nn.Parameter(torch.randn(rows, 5))
        self.is_resized, self.in_place = is_resized, in_place

    def forward(self, x: Tensor) -> Tensor:
        n, k = x.shape[3], self.conv(x).shape[3]
        table = self.table
        count = int(2 * max(n, k) - 1)
        if self.is_resized and table.shape[0] != count:
            rows = table.T[None]
            table = F.interpolate(rows, size=count, mode="linear")[0].T
        distances = self._distances(n, k, max(k / n, 1.0), max(n / k, 1.0))
        return x + table[distances.long()].mean()

    def _distances(self, n: int, k: int, ratio: float, other_ratio: float) -> Tensor:
        columns = torch.arange(n)[:, None] * ratio
        others = torch.arange(k)[None] * other_ratio
        if self.in_place:
            columns = columns - others
            columns += (k - 1) * other_ratio
            return columns
        return (columns - others) + (k - 1) * other_ratio


@pytest.mark.parametrize("stride", [1, 3, 4])
@pytest.mark.parametrize("in_place", [False, True])
def test_distances_by_a_quotient_of_two_sizes(stride: int, in_place: bool) -> None:
    """They lie from 0 to twice the larger size; a table of so many rows takes all of them."""
    _same_sizes(Relative(15, stride, is_resized=False, in_place=in_place))
    resized = Relative(99, stride, is_resized=True, in_place=in_place)
    net = tracer.from_module(resized.eval(), (1, 3, 8, 16))
    assert tracer.sizes(net).axes["W"].runs.written("W") == "W >= 1"


def _same_sizes(module: nn.Module, shape: tuple[int, ...] = (1, 3, 8, 8)) -> None:
    """The widths that run are those at which the module does, some and not all of them."""
    net = tracer.from_module(module.eval(), shape)
    ours = tracer.sizes(net).axes["W"].runs
    runs = []
    for width in range(1, LARGEST):
        try:
            module(torch.zeros(*shape[:3], width))
        except (IndexError, RuntimeError):
            continue
        runs.append(width)
    assert [width for width in range(1, LARGEST) if width in ours] == runs
