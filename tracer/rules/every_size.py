"""Floor 10: T305, a size in ``sizes`` that the network does not take."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence

from tracer.diagnostics import Diagnostic, Related
from tracer.net import Net
from tracer.network.records import SizeRange
from tracer.recipe import Program
from tracer.rules.rule import rule
from tracer.source import limits
from tracer.trace import Ops, Recipe, trace

MOST = 100_000
"""Sizes of one symbol that are tried; of a range without end the first so many."""

STEPS = 100_000
"""Nodes that are traced on ints for sizes that arrays cannot hold, or formulas that take no arrays."""

LARGE = 2**46
"""Sizes up to this one stay in 64 bits while formulas multiply them by strides."""

FEW = 64
"""Up to so many sizes are traced one by one; more are computed at once, as arrays."""


@rule("T305", "not every size in `sizes` works")
def not_every_size(net: Net) -> Iterator[Diagnostic]:
    """``sizes`` promises sizes that the network does not take: the smallest that fails is named, and what it breaks.

    A list of sizes, or ``{min, max, step}``, says what will be fed to the network, and each has to pass every merge
    and every ``expect``. Each symbol is tried with the others at their first size. One set of values for the ``auto``
    arguments, the first size's, has to serve all. Promise less (a ``step`` of the network's total stride), or make
    the merges take any size: ``output_size: NODE``, ``align``.

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
    ops = net.plan(defaults).ops
    for symbol, declared in network.sizes.items():
        if isinstance(declared, int) or symbol not in network.symbols:
            continue
        sizes = _tried(declared)
        size = _smallest_failing(net, ops, symbol, sizes)
        if size is None:
            continue
        first = trace(network, {**defaults, symbol: size}, ops).diagnostics[0]
        related = (Related(f"{first.code} is raised here", first.span),) if first.span else ()
        message = f"{symbol} = {size} does not work: {first.message}"
        yield Diagnostic(
            "T305",
            message,
            network.size_spans[symbol],
            path=network.path,
            hint=first.hint,
            related=(*related, *first.related),
        )


def _tried(declared: tuple[int, ...] | SizeRange) -> Sequence[int]:
    if not isinstance(declared, SizeRange):
        return sorted(set(declared))
    last = limits.INTEGER if declared.largest is None else declared.largest
    return range(declared.least, min(last + 1, declared.least + MOST * declared.step), declared.step)


def _smallest_failing(net: Net, ops: Ops, symbol: str, sizes: Sequence[int]) -> int | None:
    """The smallest of these sizes that breaks a condition; None where all work."""
    network, defaults = net.network, net.network.defaults()
    if len(sizes) > FEW:
        recipe = Recipe(network, ops, {name: n for name, n in defaults.items() if name != symbol})
        if recipe.sound:
            small = _small(recipe, symbol, sizes)
            try:
                broken = _first_broken(recipe, symbol, sizes[:small]) if small else None
            except OverflowError:  # a number of the formulas has more than 64 bits
                small, broken = 0, None
            if broken is not None:
                return broken
            sizes = sizes[small:]
        sizes = sizes[: max(FEW, STEPS // len(network.nodes))]
    return next((n for n in sizes if trace(network, {**defaults, symbol: n}, ops).diagnostics), None)


def _small(recipe: Recipe, symbol: str, sizes: Sequence[int]) -> int:
    """How many of the sizes, from the least on, can be computed in 64 bits: formulas grow with the size."""
    program = Program(recipe.program.space, recipe.program.symbols)
    for condition, _ in recipe.conditions:
        program.watch(condition)
    for shape in recipe.unique:
        for dim in shape:
            program.slot(dim)

    def large(size: int) -> bool:
        slots = program.run({**dict.fromkeys(program.symbols, 0), symbol: size})
        return bool(max(slots) > LARGE or min(slots) < -LARGE)

    return bisect.bisect_left(sizes, True, key=large) if large(sizes[-1]) else len(sizes)


def _first_broken(recipe: Recipe, symbol: str, sizes: Sequence[int]) -> int | None:
    """All sizes at once, as arrays."""
    import numpy

    program = recipe.program
    conditions = [program.watch(condition) for condition, _ in recipe.conditions]
    values = {name: numpy.zeros(len(sizes), numpy.int64) for name in program.symbols}
    values[symbol] = numpy.asarray(sizes, numpy.int64)
    slots = program.run(values)
    works = numpy.ones(len(sizes), bool)
    for condition in conditions:
        works &= program.truth(condition, slots)
    return None if works.all() else int(sizes[int(works.argmin())])
