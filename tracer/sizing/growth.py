"""How a size function grows: bounds that are polynomials, and a period.

This file calculates with such records and knows no sizes; :mod:`tracer.sizing.primitives` gives the growth of each
primitive, :mod:`tracer.sizing.periodic` that of whole sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

Polynomial = tuple[Fraction, ...]
"""Coefficients, the constant first, without zeros at the end."""

ZERO: Polynomial = (Fraction(0),)

MINUS_ONE: Polynomial = (Fraction(-1),)

ROUNDING = Fraction(1, 2**52)
"""How far a double may lie from the fraction that it stands for, as a part of it."""


class Aperiodic(Exception):
    """A size follows no period that could be shown; the message names it."""


class Growth(NamedTuple):
    """What is known of a size function for every n >= ``since``."""

    lower: Polynomial
    upper: Polynomial
    since: int
    period: int | None
    """f(n + period) - f(n) is the same for all n; None where that is not known. Then both bounds have one slope."""

    @property
    def slope(self) -> Fraction:
        """f(n + period) - f(n) over the period."""
        return self.lower[1] if len(self.lower) > 1 else Fraction(0)

    @property
    def is_flat(self) -> bool:
        """True where the function stays within constants and repeats."""
        return not self.slope and max(len(self.lower), len(self.upper)) <= 1


class Eventually(NamedTuple):
    """What a condition is for every n >= ``since``."""

    since: int
    period: int
    """1 where it is decided."""
    holds: bool | None
    """Always, never, or None: it depends on the remainder."""
    never_before: int = 0
    """It fails for every smaller size."""


class Grows(Protocol):
    """Knows the growth of the sizes and conditions that a primitive is applied to."""

    def growth(self, size: Any) -> Growth:
        """Bounds and period of a size. Raises :class:`Aperiodic`."""

    def eventually(self, condition: Any) -> Eventually:
        """What a condition is from some size on. Raises :class:`Aperiodic`."""


IDENTITY = Growth((Fraction(0), Fraction(1)), (Fraction(0), Fraction(1)), 0, 1)
"""The growth of the symbol itself."""


def constant(value: int) -> Growth:
    """The growth of a number."""
    polynomial = (Fraction(value),) if value else ()
    return Growth(polynomial, polynomial, 0, 1)


def trimmed(polynomial: Sequence[Fraction]) -> Polynomial:
    """The polynomial without zeros at its end."""
    end = len(polynomial)
    while end and not polynomial[end - 1]:
        end -= 1
    return tuple(polynomial[:end])


def added(a: Polynomial, b: Polynomial) -> Polynomial:
    """The sum of two polynomials."""
    if len(a) < len(b):
        a, b = b, a
    return trimmed([x + b[i] if i < len(b) else x for i, x in enumerate(a)])


def multiplied(a: Polynomial, b: Polynomial) -> Polynomial:
    """The product of two polynomials."""
    total = [Fraction(0)] * max(len(a) + len(b) - 1, 0)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            total[i + j] += x * y
    return trimmed(total)


def negated(a: Polynomial) -> Polynomial:
    """The polynomial times -1."""
    return tuple([-c for c in a])


def sum_of(a: Growth, b: Growth) -> Growth:
    """The growth of f + g."""
    period = None if a.period is None or b.period is None else math.lcm(a.period, b.period)
    lower = added(a.lower, b.lower)
    upper = added(a.upper, b.upper)
    since = max(a.since, b.since)
    return Growth(lower, upper, since, period)


def scaled(a: Growth, factor: Fraction) -> Growth:
    """The growth of f times a number."""
    lower = tuple([c * factor for c in a.lower])
    upper = tuple([c * factor for c in a.upper])
    if factor < 0:
        lower, upper = upper, lower
    return a._replace(lower=lower, upper=upper)


def product_of(a: Growth, b: Growth, what: Any) -> Growth:
    """The growth of f times g, neither of them negative from some size on. Raises :class:`Aperiodic`."""
    a_from, b_from = nonnegative_from(a.lower), nonnegative_from(b.lower)
    if a_from is None or b_from is None:
        raise Aperiodic(f"{what!r} is a product of sizes that may be negative")

    # Only what stays within constants repeats when it is multiplied: n times n grows ever faster.
    period = None
    if a.is_flat and b.is_flat and a.period and b.period:
        period = math.lcm(a.period, b.period)

    since = max(a.since, b.since, a_from, b_from)
    return Growth(multiplied(a.lower, b.lower), multiplied(a.upper, b.upper), since, period)


def floor_of(a: Growth, ratio: Fraction) -> Growth:
    """The growth of floor(f * ratio), ratio > 0: a floor lies less than 1 below."""
    whole = scaled(a, ratio)
    lower = whole.lower
    if ratio.denominator > 1:
        lower = added(lower, (Fraction(1, ratio.denominator) - 1,))

    period = None
    if a.period is not None:
        # f * ratio must grow by a whole number from period to period.
        period = a.period * (a.slope * a.period * ratio).denominator
    return Growth(lower, whole.upper, a.since, period)


def either_of(a: Growth, b: Growth, period: int, what: Any) -> Growth:
    """The growth of what is f or g, by a rule with this period. Raises :class:`Aperiodic`."""
    if a.period is None or b.period is None or a.slope != b.slope:
        raise Aperiodic(f"{what!r} grows at two rates")
    lower = min(a.lower, b.lower, key=_constant_term)
    upper = max(a.upper, b.upper, key=_constant_term)
    since = max(a.since, b.since)
    together = math.lcm(period, a.period, b.period)
    return Growth(lower, upper, since, together)


def _constant_term(polynomial: Polynomial) -> Fraction:
    return (polynomial or ZERO)[0]


def nonnegative_from(polynomial: Polynomial) -> int | None:
    """A size from which on the polynomial is >= 0 for good; None where it ends below 0.

    Roots are bounded by 2 · max |a(i) / a(d)|^(1 / (d - i)) (Fujiwara, Tohoku Mathematical Journal 10, 1916).

    >>> nonnegative_from((Fraction(-7), Fraction(2)))
    4
    """
    if not polynomial:
        return 0
    *rest, leading = polynomial
    if leading < 0:
        return None
    if not rest:
        return 0
    if len(rest) == 1:
        return max(-(rest[0] // leading), 0)

    degree = len(rest)
    roots = [
        math.ceil(abs(c / leading) ** Fraction(1, degree - i)) for i, c in enumerate(rest) if c
    ]
    return 2 * max(roots, default=0) + 1


def exact_ratio(factor: float, what: Any) -> Fraction:
    """The fraction whose products, floored, are those of the double ``factor`` for every size up to 2**32.

    A double above its fraction never falls short of a whole number that the fraction reaches; one below it by at
    most 2**-54 of its value is rounded to it. Others round down or not as the size has it. Raises :class:`Aperiodic`.
    """
    exact = Fraction(factor)
    ratio = exact.limit_denominator(1000)
    for denominator in (10**5, 10**6):
        if abs(exact - ratio) > exact * ROUNDING:
            ratio = exact.limit_denominator(denominator)
    short = ratio - exact

    # A product that is no whole number lies 1 / denominator from the next: rounding must not bridge that.
    too_fine = ratio.denominator * max(exact, Fraction(1)) > 2**19
    too_far = abs(short) > exact * ROUNDING or short * 2**54 > ratio
    if factor <= 0 or too_fine or too_far:
        raise Aperiodic(f"{what!r} is computed in floating point")
    return ratio
