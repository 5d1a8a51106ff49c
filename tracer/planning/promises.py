"""What ``sizes`` promises, against what an assignment serves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice, product

from tracer.diagnostics import Diagnostic, Related
from tracer.network.records import Network, Promise, SizeRange
from tracer.planning.working_sizes import ties
from tracer.shapes.trace import trace
from tracer.shapes.traced import Ops
from tracer.sizing.size_set import MODULUS, NONE, SizeSet, TooLarge

FEW = 1_000
"""Up to so many sizes are compared one by one."""

TOGETHER = 400
"""Up to so many combinations of sizes of tied symbols are traced."""

STEPS = 40_000
"""Nodes that are traced for them at most."""


def members(promise: Promise) -> Iterator[int]:
    """The sizes promised, the smallest first."""
    if isinstance(promise, SizeRange):
        n = promise.least
        while promise.largest is None or n <= promise.largest:
            yield n
            n += promise.step
    else:
        yield from sorted({promise} if isinstance(promise, int) else set(promise))


def first_missing(promise: Promise, served: SizeSet, below: int | None = None) -> int | None:
    """The smallest size promised that a set does not have; None where it has all.

    ``below``: the set is known below that size only. Raises :class:`TooLarge` where that cannot be decided.
    """
    if not isinstance(promise, SizeRange):
        return next((n for n in members(promise) if n not in served), None)
    import numpy

    # Behind both starts, membership repeats every lcm(modulus, step) sizes.
    end = max(promise.least, served.start) + math.lcm(served.modulus, promise.step)
    if promise.largest is not None:
        end = min(end, promise.largest + 1)
    if below is not None and end > below:
        missing = next(
            (n for n in range(promise.least, below, promise.step) if n not in served), None
        )
        if missing is None and (promise.largest is None or promise.largest >= below):
            raise TooLarge(
                f"the sizes have no period that could be shown; they are known below {below} only"
            )
        return missing
    asked = range(promise.least, end, promise.step)
    if len(asked) <= FEW:
        return next((n for n in asked if n not in served), None)
    if len(asked) > MODULUS or end > 2**62:
        raise TooLarge(
            f"the sizes repeat every {served.modulus}; at most {MODULUS} are compared"
        )
    for start in range(promise.least, end, promise.step * 65_536):
        sizes = numpy.arange(start, min(start + promise.step * 65_536, end), promise.step)
        has = served.mask(sizes)
        if not has.all():
            return int(sizes[int(has.argmin())])
    return None


def failing_together(
    network: Network, ops: Ops, first: Mapping[str, int], sets: Mapping[str, Promise]
) -> dict[str, int] | None:
    """Promised sizes of symbols that an operation ties together, which fail as a combination.

    None where no symbols are tied, or the first :data:`TOGETHER` combinations work. Raises :class:`TooLarge`.
    """
    if len(sets) < 2:
        return None
    tied = {tuple(s for s in tie.symbols if s in sets) for tie in ties(network, ops, first)}
    for symbols in sorted(tied):
        if len(symbols) < 2:
            continue
        most = max(2, int(min(TOGETHER, STEPS // len(network.nodes)) ** (1 / len(symbols))))
        for sizes in product(
            *[list(islice(members(sets[symbol]), most)) for symbol in symbols]
        ):
            together = dict(zip(symbols, sizes))
            if trace(network, {**first, **together}, ops).diagnostics:
                return together
    return None


def unkept(network: Network, ops: Ops, sizes: Mapping[str, int]) -> Diagnostic | None:
    """T305 for promised sizes of some symbols, the others at their first; None where they work."""
    found = trace(network, {**network.defaults(), **sizes}, ops).diagnostics
    if not found:
        return None

    first = found[0]
    written = ", ".join(f"{symbol} = {n}" for symbol, n in sizes.items())
    symbol = next(iter(sizes))
    path = network.file_of_size(symbol)
    return Diagnostic(
        "T305",
        f"{written} does not work: {first.message}",
        network.size_spans[symbol],
        path=path,
        hint=first.hint,
        related=tuple(_related(first, path)),
        node=first.node,
    )


def _related(first: Diagnostic, path: str) -> Iterator[Related]:
    """The place of a fault and the places beside it, for a finding in a file."""
    if first.span:
        place = Related(f"{first.code} is raised here", first.span, node=first.node)
        yield place.beside(path, first.path)
    for one in first.related:
        yield one.beside(path, first.path)


def promised_set(promise: Promise) -> SizeSet:
    """The sizes promised as a set; of a range with an end, the same without it."""
    if isinstance(promise, SizeRange):
        if promise.step > MODULUS:
            return NONE
        start = max(promise.least - promise.step + 1, 0) if promise.step > 1 else promise.least
        return SizeSet((), start, promise.step, (promise.least % promise.step,))
    found = tuple(members(promise))
    return SizeSet(found, found[-1] + 1, 1, ())
