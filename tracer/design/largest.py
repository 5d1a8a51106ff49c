"""The largest input that fits in a given memory, among the sizes that run.

A run needs its parameters and the most that is alive at once; training needs the most that a step takes. To both comes
a margin for what no formula has: workspaces of kernels, and what an allocator cannot use.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

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

Fits = Callable[[int], bool]


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
    allowed = budget / (1 + margin)
    behind = max(1, min(BEHIND, NODES_BEHIND // len(net.network.nodes)))

    def fits(symbols: list[str], needed: Callable[[Trace, Training], int]) -> Fits:
        def at(n: int) -> bool:
            traced = trace(net.network, {**now, **dict.fromkeys(symbols, n)}, ops)
            return traced.is_complete and needed(traced, training) <= allowed

        return at

    wanted = [run_needs, training_needs]
    if unknown_in_training(net.trace()) is not None:
        wanted.pop()
    found: list[dict[str, int | None]] = []
    for needed in wanted:
        found.append(
            {
                name: _last(runs, fits(symbols, needed), behind)
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


def _last(sizes: SizeSet, fits: Fits, behind: int) -> int | None:
    """The largest member that fits."""
    low = sizes.at_least(1)
    if low is None or not fits(low):
        return None
    high = 2 * low
    while high <= MOST and (n := sizes.at_least(high)) is not None and fits(n):
        low, high = n, 2 * n
    high = min(high, MOST)
    while True:  # low fits; nothing known above high does
        middle = sizes.at_least((low + high) // 2)
        if middle is None or middle > high:
            middle = sizes.at_most(high)
        if middle is None or middle <= low:
            break
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    n = low
    for _ in range(behind):
        following = sizes.at_least(n + 1)
        if following is None or following > MOST:
            break
        n = following
        if fits(n):
            low = n
    return low
