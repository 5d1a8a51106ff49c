"""Classes of one symbol's sizes, ``least + step·k``, in which other sizes grow evenly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec

from tracer.sizing.growth import Aperiodic, Growth
from tracer.sizing.periodic import Analysis
from tracer.sizing.program import Program
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.sizing.symbol import Size

PERIOD = 2**18
"""The longest period of which every remainder is tried."""

NUMBERS = 2**24
"""Numbers that are compared for one symbol at most."""


class EvenSize(NamedTuple):
    """A size that grows evenly with another: ``slope·n + offset``."""

    slope: Fraction
    offset: Fraction

    @property
    def is_exact(self) -> bool:
        """Whether no fraction is rounded on the way: both terms are whole for every size of the class."""
        return self.offset.denominator == 1

    def at(self, n: int) -> int:
        """The size for one of the class."""
        return int(self.slope * n + self.offset)


class SizeClass(msgspec.Struct, frozen=True):
    """The sizes ``least + step·k`` of a symbol."""

    least: int
    step: int
    lines: tuple[EvenSize, ...]
    """How each of the other sizes follows, in the order in which they were given."""

    @property
    def residue(self) -> int:
        """The remainder of every size by the step."""
        return self.least % self.step

    @property
    def is_exact(self) -> bool:
        """Whether every size follows without rounding."""
        return all(line.is_exact for line in self.lines)

    def at_least(self, size: int) -> int:
        """The first size of the class that is no smaller."""
        more = max(-(-(size - self.least) // self.step), 0)
        return self.least + self.step * more


class NotEven(Exception):
    """No class of sizes has these formulas grow evenly, or none that was asked for."""


def size_classes(
    allowed: SizeSet,
    formulas: Sequence[Size],
    symbol: str,
    analysis: Analysis,
    like: int | None,
) -> list[SizeClass]:
    """The classes of the least step, all of whose sizes are allowed and in which every formula grows evenly.

    ``like``: only the class of this size is looked for. There may be none. Raises :class:`Aperiodic` and
    :class:`tracer.sizing.size_set.TooLarge` where a formula repeats never, or too late.
    """
    if not allowed.residues:
        return []

    growths = [analysis.growth(formula) for formula in formulas]
    period = _period(allowed, formulas, growths)
    start = max(allowed.start, *[growth.since for growth in growths], 1)
    table = _Table(allowed, formulas, symbol, start, period)

    for step in _divisors(period):
        residues = [r for r in table.even_residues(step) if like is None or r == like % step]
        if residues:
            return [table.size_class(residue, step) for residue in residues]
    return []


def _period(allowed: SizeSet, formulas: Sequence[Size], growths: Sequence[Growth]) -> int:
    """A number of sizes after which everything goes on as before. Raises Aperiodic and TooLarge."""
    found = allowed.modulus
    for formula, growth in zip(formulas, growths):
        if growth.period is None:
            raise Aperiodic(f"{formula!r} does not grow evenly")
        found = math.lcm(found, growth.period)

    if found > PERIOD or found * max(len(formulas), 1) > NUMBERS:
        raise TooLarge(f"sizes repeat every {found} only")
    return found


def _divisors(n: int) -> Iterator[int]:
    """All divisors, the least first.

    >>> list(_divisors(12))
    [1, 2, 3, 4, 6, 12]
    """
    small = [d for d in range(1, math.isqrt(n) + 1) if n % d == 0]
    yield from small
    yield from (n // d for d in reversed(small) if d * d != n)


class _Table:
    """Two periods of sizes, from ``start`` on, with what follows from them."""

    def __init__(
        self,
        allowed: SizeSet,
        formulas: Sequence[Size],
        symbol: str,
        start: int,
        period: int,
    ) -> None:
        import numpy

        self.allowed = allowed
        self.symbol = symbol
        self.start = start
        self.period = period
        self.program = Program(formulas[0].space, [symbol]) if formulas else None
        self.slots = [self.program.slot(size) for size in formulas] if self.program else []

        sizes = numpy.arange(start, start + 2 * period)
        self.mask = allowed.mask(sizes[:period])
        self.values = self._values(sizes)

    def _values(self, sizes: Any) -> list[Any]:
        """What the formulas give for sizes, an array or a number."""
        if self.program is None:
            return []
        v = self.program.run({self.symbol: sizes})
        return [v[slot] for slot in self.slots]

    def even_residues(self, step: int) -> list[int]:
        """The remainders by a step, a divisor of the period, whose sizes are all allowed and grow evenly."""
        import numpy

        even = self.mask.reshape(-1, step).all(axis=0)
        for values in self.values:
            more = values[step : step + self.period] - values[: self.period]
            table = more.reshape(-1, step)
            even &= table.max(axis=0) == table.min(axis=0)
        places = numpy.flatnonzero(even)
        return sorted((self.start + int(place)) % step for place in places)

    def size_class(self, residue: int, step: int) -> SizeClass:
        """The class, down to its least size."""
        least = self.start + (residue - self.start) % step
        here = self._values(least)
        grown = [next_ - value for value, next_ in zip(here, self._values(least + step))]
        while self._goes_on_below(least, step, here, grown):
            least -= step
            here = self._values(least)

        lines = []
        for value, more in zip(here, grown):
            slope = Fraction(int(more), step)
            lines.append(EvenSize(slope, int(value) - slope * least))
        return SizeClass(least, step, tuple(lines))

    def _goes_on_below(
        self,
        least: int,
        step: int,
        here: Sequence[Any],
        grown: Sequence[Any],
    ) -> bool:
        """Whether the next smaller size is of the class as well."""
        below = least - step
        if below < 1 or below not in self.allowed:
            return False
        values = self._values(below)
        return all(value - before == more for value, before, more in zip(here, values, grown))
