"""The largest input that fits in a given memory, among the sizes that run.

A run needs its parameters and the most that is alive at once; training needs the most that a step takes. To both comes
a margin for what no formula has: workspaces of kernels, and what an allocator cannot use.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import count
from typing import NamedTuple

import msgspec

from tracer.costs.memory import memory
from tracer.costs.operations import DTYPE_BYTES, costs, total
from tracer.costs.training_step import Training, step_memory, unknown_in_training
from tracer.geometry.grids import spatial_symbols
from tracer.net import Net
from tracer.shapes.trace import Trace, trace
from tracer.sizing.size_set import SizeSet

MOST = 2**31 - 1
"""The largest size that is asked."""

BEHIND = 64
"""Sizes behind the largest that are tried too: where sizes round up and down, a larger input may need less."""

NODES_BEHIND = 20_000
"""Nodes that are followed for those sizes, at most: of large networks fewer sizes are tried."""

Missing = Callable[[int], float]
"""The bytes that are missing at a size: none where it fits, without end where it does not run."""


class Largest(msgspec.Struct, frozen=True):
    """By symbol, and ``H = W`` for the spatial ones together; None where no size fits.

    ``training`` is empty where it is not known what training keeps.
    """

    inference: dict[str, int | None]
    training: dict[str, int | None]


def largest(
    net: Net,
    budget: int,
    training: Training = Training(),  # noqa: B008 - a frozen record
    margin: Fraction = Fraction(0),
) -> Largest:
    """The largest sizes of each symbol, the others at theirs, with which the network fits in ``budget`` bytes.

    Exact where the memory does not fall behind the next 64 sizes (10 of a network of 2,000 nodes). Raises
    :class:`tracer.sizing.size_set.TooLarge` where the set of sizes that run repeats later than is computed.
    """
    axes, now = net.working_sizes().axes, net.network.defaults()
    asked = {symbol: ([symbol], axis.runs) for symbol, axis in axes.items()}
    spatial = spatial_symbols(net.trace())
    if len(spatial) > 1:
        together = axes[spatial[0]].runs
        for symbol in spatial[1:]:
            together = together & axes[symbol].runs
        asked[" = ".join(spatial)] = (spatial, together)
    ops = net.solution().ops
    allowed = int(budget / (1 + margin))
    behind = max(1, min(BEHIND, NODES_BEHIND // len(net.network.nodes)))

    def missing(symbols: list[str], needed: Callable[[Trace, Training], int]) -> Missing:
        def at(n: int) -> float:
            traced = trace(net.network, {**now, **dict.fromkeys(symbols, n)}, ops)
            return needed(traced, training) - allowed if traced.is_complete else math.inf

        return at

    wanted = [run_needs, training_needs]
    if unknown_in_training(net.trace()) is not None:
        wanted.pop()
    found: list[dict[str, int | None]] = []
    for needed in wanted:
        found.append(
            {
                name: _last(runs, missing(symbols, needed), behind)
                for name, (symbols, runs) in asked.items()
            }
        )
    return Largest(found[0], found[1] if len(found) > 1 else {})


def run_needs(traced: Trace, training: Training) -> int:
    """The bytes of the parameters and of a run without autograd, of a network whose every node has a shape."""
    held = memory(traced, training.dtype)
    assert held is not None
    params = total(costs(traced, training.dtype)).params
    return held.inference + params * DTYPE_BYTES[training.dtype]


def training_needs(traced: Trace, training: Training) -> int:
    """The bytes of a training step."""
    return step_memory(traced, training).peak


class _SizeTried(NamedTuple):
    """A size, and the bytes that are missing at it."""

    size: int
    missing: float

    @property
    def fits(self) -> bool:
        return self.missing <= 0


def _last(sizes: SizeSet, missing: Missing, behind: int) -> int | None:
    """The largest member that fits."""

    def tried(size: int) -> _SizeTried:
        return _SizeTried(size, missing(size))

    low = _first_running(sizes, tried)
    if low is None or not low.fits:
        return None

    low, high = _around(sizes, tried, low)
    if high is not None:
        low = _narrowed(sizes, tried, low, high)

    last = n = low.size
    for _ in range(behind):
        following = sizes.at_least(n + 1)
        if following is None or following > min(MOST, low.size + BEHIND):
            break
        n = following
        if missing(n) <= 0:
            last = n
    return last


def _first_running(sizes: SizeSet, tried: Callable[[int], _SizeTried]) -> _SizeTried | None:
    """A small member that runs: where several axes are that small together, one alone may and all of them may not."""
    size = sizes.at_least(1)
    while size is not None and size <= MOST:
        one = tried(size)
        if math.isfinite(one.missing):
            return one
        size = sizes.at_least(2 * size)
    return None


def _around(
    sizes: SizeSet, tried: Callable[[int], _SizeTried], low: _SizeTried
) -> tuple[_SizeTried, _SizeTried | None]:
    """A member that fits and a larger one that does not; None for that where every member fits."""
    while True:
        following = sizes.at_least(2 * low.size)
        if following is None or following > MOST:
            following = sizes.at_most(MOST)
        if following is None or following <= low.size:
            return low, None
        one = tried(following)
        if not one.fits:
            return low, one
        low = one


def _narrowed(
    sizes: SizeSet, tried: Callable[[int], _SizeTried], low: _SizeTried, high: _SizeTried
) -> _SizeTried:
    """The last member that fits between one that does and one that does not.

    Memory grows nearly evenly, so that the size at which nothing is missing is near a line between the two; every third
    step halves what is left, whatever the memory does.
    """
    for step in count(1):
        middle = (low.size + high.size) // 2
        if step % 3 and math.isfinite(high.missing):
            share = low.missing / (low.missing - high.missing)
            middle = low.size + int((high.size - low.size) * share)

        following = sizes.at_most(middle)
        if following is None or following <= low.size:
            following = sizes.at_least(low.size + 1)
        if following is None or following >= high.size:
            break
        one = tried(following)
        if one.fits:
            low = one
        else:
            high = one
    return low
