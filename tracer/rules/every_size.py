"""T305, a size in ``sizes`` that the network does not take."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import islice

from tracer.diagnostics import Diagnostic
from tracer.net import Net
from tracer.network.records import Network, Promise, SizeRange, is_set
from tracer.planning.promises import failing_together, first_missing, members, unkept
from tracer.planning.working_sizes import promised_sizes
from tracer.rules.rule import rule
from tracer.shapes.trace import trace
from tracer.shapes.traced import Ops
from tracer.sizing.size_set import TooLarge

STEPS = 100_000
"""Nodes that are traced on ints, where formulas take no symbols."""

FEW = 16
"""Up to so many sizes are traced one by one; of more, the exact set is computed."""


@rule("T305", "not every size in `sizes` works")
def not_every_size(net: Net) -> Iterator[Diagnostic]:
    """``sizes`` promises sizes that the network does not take: the smallest that fails is named, and what it breaks.

    A list of sizes, or ``{min, max, step}``, says what will be fed to the network, and each has to pass every merge
    and every ``expect``. That is proven, not sampled: without ``max``, for every size without end. Each symbol is tried
    with the others at their first size; of symbols that an operation ties together (Flatten, a fixed width behind
    it), up to 400 combinations are tried as well. Promise less (a ``step`` of the network's total stride), or make the
    merges take any size: ``output_size: NODE``, ``align``.

    Bad:
        input: [1, 8, H, 64]
        sizes: {H: {min: 32, max: 64, step: 1}}
        encoder:
          down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
          sum: {op: Add, from: [up, input]}

    Good:
        input: [1, 8, H, 64]
        sizes: {H: {min: 32, max: 64, step: 2}}
        encoder:
          down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
          sum: {op: Add, from: [up, input]}
    """
    network = net.network
    defaults = network.defaults()
    ops = net.built.ops
    sets = _promised(network)
    failed = False
    for symbol, promise in sets.items():
        span = network.size_spans[symbol]
        try:
            size = _smallest_failing(net, ops, symbol, promise)
        except TooLarge as error:
            hint = "give `max`, or a list of sizes"
            failed = True
            yield Diagnostic(
                "T006",
                f"{symbol}: not proven for every size: {error}",
                span,
                path=network.file_of_size(symbol),
                hint=hint,
            )
            continue
        if size is None:
            continue
        failed = True
        yield from _unkept(net, ops, {symbol: size})
    together = None if failed else failing_together(network, ops, defaults, sets)
    if together is not None:
        yield from _unkept(net, ops, together)


def failing_sizes(net: Net) -> dict[str, int] | None:
    """The smallest promised sizes that the network does not take; None where it takes all, or that is not known."""
    network, ops = net.network, net.built.ops
    sets = _promised(network)
    try:
        for symbol, promise in sets.items():
            size = _smallest_failing(net, ops, symbol, promise)
            if size is not None:
                return {symbol: size}
        return failing_together(network, ops, network.defaults(), sets)
    except TooLarge:
        return None


def _promised(network: Network) -> dict[str, Promise]:
    """What is promised of symbols beyond a single size."""
    return {
        symbol: promise
        for symbol, promise in network.sizes.items()
        if symbol in network.symbols and is_set(promise)
    }


def first_fails(net: Net) -> list[Diagnostic]:
    """T305 for the first promised sizes, which do not work; what breaks a promise of outputs alone stays what it is."""
    network = net.network
    found = net.trace().diagnostics
    if all(one.code == "T304" for one in found):
        return found
    sizes = {
        symbol: n for symbol, n in network.defaults().items() if is_set(network.sizes[symbol])
    }
    return list(_unkept(net, net.built.ops, sizes))


def _unkept(net: Net, ops: Ops, sizes: Mapping[str, int]) -> Iterator[Diagnostic]:
    found = unkept(net.network, ops, sizes)
    if found is not None:
        yield found


def _smallest_failing(net: Net, ops: Ops, symbol: str, promise: Promise) -> int | None:
    """The smallest promised size that breaks a condition; None where all work. Raises TooLarge."""
    network, defaults = net.network, net.network.defaults()
    few = list(islice(members(promise), FEW + 1))
    if len(few) > FEW:
        try:
            served = promised_sizes(network, ops, defaults, symbol)
            missing = (
                None if served is None else first_missing(promise, served.sizes, served.below)
            )
        except TooLarge:
            served = None
        if served is not None:
            return _first_too_large(net, ops, symbol, promise) if missing is None else missing
        few = list(islice(members(promise), max(FEW, STEPS // len(network.nodes)) + 1))
    failing = next(
        (n for n in few if trace(network, {**defaults, symbol: n}, ops).diagnostics), None
    )
    if failing is None and next(islice(members(promise), len(few), None), None) is not None:
        raise TooLarge(
            f"a formula takes no symbols, and only the sizes up to {few[-1]} were tried"
        )
    return failing


def _first_too_large(net: Net, ops: Ops, symbol: str, promise: Promise) -> int | None:
    """The smallest size of a range for which a dim has more than 63 bits; dims grow with the size."""
    if not isinstance(promise, SizeRange) or promise.largest is None:
        return None
    network, defaults = net.network, net.network.defaults()
    sizes = range(promise.least, promise.largest + 1, promise.step)

    def refused(n: int) -> bool:
        return bool(trace(network, {**defaults, symbol: n}, ops).diagnostics)

    return sizes[bisect_left(sizes, True, key=refused)] if refused(sizes[-1]) else None
