"""Floor 8: what ``sizes`` promises, against what an assignment serves."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tracer.network.records import Promise, SizeRange
from tracer.size_set import MODULUS, NONE, SizeSet, TooLarge

FEW = 1_000
"""Up to so many sizes are compared one by one."""


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
        end = below
        if promise.largest is None or promise.largest >= below:
            raise TooLarge(f"the sizes have no period that could be shown; they are known below {below} only")
    asked = range(promise.least, end, promise.step)
    if len(asked) <= FEW:
        return next((n for n in asked if n not in served), None)
    if len(asked) > MODULUS or end > 2**62:
        raise TooLarge(f"the sizes repeat every {served.modulus}; at most {MODULUS} are compared")
    for start in range(promise.least, end, promise.step * 65_536):
        sizes = numpy.arange(start, min(start + promise.step * 65_536, end), promise.step)
        has = served.mask(sizes)
        if not has.all():
            return int(sizes[int(has.argmin())])
    return None


def promised_set(promise: Promise) -> SizeSet:
    """The sizes promised as a set; of a range with an end, the same without it."""
    if isinstance(promise, SizeRange):
        if promise.step > MODULUS:
            return NONE
        start = max(promise.least - promise.step + 1, 0) if promise.step > 1 else promise.least
        return SizeSet((), start, promise.step, (promise.least % promise.step,))
    found = tuple(members(promise))
    return SizeSet(found, found[-1] + 1, 1, ())
