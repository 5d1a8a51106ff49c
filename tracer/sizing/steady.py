"""What stays the same when symbols grow by a period, whatever the values of unknowns are.

Sizes behind strides grow evenly: when a symbol grows by a period, each of them grows by one number, and mostly that
number is the same for all values that unknowns may have. So a condition on both has, from period to period, the same
truth for the same values: either what it compares does not grow at all, or it is decided for all values together and
grows further that way. Where neither can be shown, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from tracer.sizing.primitives import (
    CONDITION,
    SIZE,
    SYMBOL,
    Ends,
    choose,
    minimum,
    quotient,
)
from tracer.sizing.symbol import Atom, Condition, Monomial, SizeLike, Space

Slopes = Mapping[str, Fraction]
"""By symbol how much a size grows with it, on the average of a period; without those that it does not grow with."""

FLAT: Slopes = {}


class Steady(NamedTuple):
    """What is known of a size."""

    least: int
    most: int
    """Its ends at the sizes that are looked at, over all values of the unknowns."""
    slopes: Slopes | None
    """None where it is not known to grow evenly, by numbers that are the same for all values."""

    @property
    def ends(self) -> Ends:
        """The least and the largest value."""
        return self.least, self.most

    @property
    def is_number(self) -> bool:
        """Whether it is one number for all values, and for all sizes from period to period."""
        return self.least == self.most and self.slopes == FLAT

    def minus(self, other: Steady) -> Steady:
        """What is known of the difference."""
        slopes = None
        if self.slopes is not None and other.slopes is not None:
            slopes = _sum(self.slopes, other.slopes, Fraction(-1))
        return Steady(self.least - other.most, self.most - other.least, slopes)


class Margin(NamedTuple):
    """How far something is from changing, and how much further it gets with every symbol."""

    left: int
    slopes: Slopes


class Course:
    """Sizes of one space seen from certain sizes of the symbols on, over all values of the unknowns."""

    def __init__(
        self, space: Space, sizes: Mapping[str, int], domains: Mapping[str, range]
    ) -> None:
        self.space = space
        self.sizes = sizes
        self.domains = domains
        self.margins: list[Margin] = []
        """What has to stay for all that was said to be so."""
        self._of_atom: dict[int, Steady] = {}

    def periods(self, symbols: Sequence[str]) -> list[int]:
        """For each symbol the numbers by which all sizes that were asked for grow evenly."""
        slopes = [known.slopes or FLAT for known in self._of_atom.values()]
        return [
            math.lcm(*[own[symbol].denominator for own in slopes if symbol in own])
            for symbol in symbols
        ]

    def least(self, symbols: Sequence[str], periods: Sequence[int]) -> list[int]:
        """The smallest sizes, whole periods below, from which on all is so that was said."""
        left = [margin.left for margin in self.margins]
        found = []
        for symbol, period in zip(symbols, periods):
            steps = (self.sizes[symbol] - 1) // period
            falls = [int(margin.slopes.get(symbol, 0) * period) for margin in self.margins]
            for most, fall in zip(left, falls):
                if fall:
                    steps = min(steps, most // fall)
            left = [most - fall * steps for most, fall in zip(left, falls)]
            found.append(self.sizes[symbol] - steps * period)
        return found

    # --- conditions ---------------------------------------------------------------------------------------------------

    def lasts(self, condition: Condition) -> bool:
        """Whether a condition is known to have, from period to period, the same truth for the same values."""
        if condition.relation not in ("and", "or"):
            return self._comparison_lasts(condition)

        parts: tuple[Condition, ...] = condition.parts
        deciding = condition.relation == "or"
        if any(self.truth(part) is deciding and self.lasts(part) for part in parts):
            return True
        return all(self.lasts(part) for part in parts)

    def _comparison_lasts(self, condition: Condition) -> bool:
        known = self.size(condition.parts[0])
        if known.slopes is None:
            return False
        if not known.slopes:
            return True

        # What is not below 0 for any value and grows is so for good; and so is what is below and falls.
        beyond = 0 if condition.relation == "ge" else 1
        return self._stays(known.least - beyond, known.slopes, 1) or self._stays(
            -known.most - 1, known.slopes, -1
        )

    def _stays(self, left: int, slopes: Slopes, sign: int) -> bool:
        """Whether a distance from a change is there and never shrinks; it is then a margin."""
        away = {symbol: slope * sign for symbol, slope in slopes.items()}
        stays = left >= 0 and all(slope > 0 for slope in away.values())
        if stays:
            self.margins.append(Margin(left, away))
        return stays

    def reason(self, condition: Condition) -> Condition | None:
        """The part of a condition that makes it hold for all values, and goes on to; None where there is none."""
        if condition.relation == "or":
            reasons = map(self.reason, condition.parts)
            return next((found for found in reasons if found is not None), None)
        return condition if self.truth(condition) and self.lasts(condition) else None

    def truth(self, condition: Condition) -> bool | None:
        """Whether a condition always or never holds at these sizes; None where that is open."""
        if condition.relation in ("and", "or"):
            return condition.joined([self.truth(part) for part in condition.parts])

        least, most = self.size(condition.parts[0]).ends
        if condition.relation == "ge":
            return True if least >= 0 else False if most < 0 else None
        is_equality = condition.relation == "eq"
        if not least <= 0 <= most:
            return not is_equality
        return is_equality if least == most else None

    # --- sizes --------------------------------------------------------------------------------------------------------

    def size(self, size: SizeLike) -> Steady:
        """What is known of a size."""
        if isinstance(size, int):
            return Steady(size, size, FLAT)
        for index in self.space.atoms_under(size, self._of_atom):
            self._of_atom[index] = self._atom(self.space.atoms[index])

        least = most = size.constant
        slopes: Slopes | None = FLAT
        for monomial, factor in size.terms:
            product = self._product(monomial)
            ends = (product.least * factor, product.most * factor)
            least += min(ends)
            most += max(ends)
            if slopes is not None and product.slopes is not None:
                slopes = _sum(slopes, product.slopes, Fraction(factor))
            else:
                slopes = None
        return Steady(least, most, slopes)

    def _product(self, monomial: Monomial) -> Steady:
        first, *others = [self._of_atom[index] for index in monomial]
        for other in others:
            first = _times(first, other)
        return first

    def _atom(self, atom: Atom) -> Steady:
        if atom.primitive is SYMBOL:
            return self._symbol(*atom.arguments)

        parts = zip(atom.primitive.takes, atom.arguments)
        arguments = [self._argument(*part) for part in parts]
        least, most = atom.primitive.bounds(*[_ends(argument) for argument in arguments])
        rule = _RULES.get(atom.primitive)
        slopes = None if rule is None else rule(self, atom, arguments)
        if slopes is None and all(_is_flat(argument) for argument in arguments):
            slopes = self._flat(atom)
        return Steady(least, most, slopes)

    def _symbol(self, name: str) -> Steady:
        domain = self.domains.get(name)
        if domain is not None:
            return Steady(domain.start, domain.stop - 1, FLAT)
        n = self.sizes[name]
        return Steady(n, n, {name: Fraction(1)})

    def _argument(self, takes: str, argument: Any) -> Any:
        """What is known of an argument: of a size, or whether a condition holds; a plain number is itself."""
        if takes == SIZE:
            return self.size(argument)
        return self.truth(argument) if takes == CONDITION else argument

    def _flat(self, atom: Atom) -> Slopes | None:
        """What is made of sizes that do not grow does not, where conditions in it stay as they are."""
        conditions = [part for part in atom.arguments if isinstance(part, Condition)]
        return FLAT if all(self.lasts(condition) for condition in conditions) else None

    def _of_minimum(self, atom: Atom, arguments: list[Any]) -> Slopes | None:
        a, b = arguments
        if a.slopes is None or b.slopes is None:
            return None
        if a.slopes == b.slopes:
            return a.slopes  # type: ignore[no-any-return]

        for smaller, larger in ((a, b), (b, a)):
            gap = larger.minus(smaller)
            if self._stays(gap.least, gap.slopes, 1):
                return smaller.slopes  # type: ignore[no-any-return]
        return None

    def _of_choice(self, atom: Atom, arguments: list[Any]) -> Slopes | None:
        holds, then, otherwise = arguments
        if not self.lasts(atom.arguments[0]):
            return None
        if holds is not None:
            return (then if holds else otherwise).slopes  # type: ignore[no-any-return]
        return then.slopes if then.slopes == otherwise.slopes else None

    def _of_quotient(self, atom: Atom, arguments: list[Any]) -> Slopes | None:
        numerator, divisor = arguments
        if numerator.slopes is None or not divisor.is_number or divisor.least < 0:
            return None
        part = Fraction(1, max(divisor.least, 1))
        return _sum(FLAT, numerator.slopes, part)


_RULES = {
    minimum: Course._of_minimum,
    choose: Course._of_choice,
    quotient: Course._of_quotient,
}


def _ends(argument: Any) -> Any:
    return argument.ends if isinstance(argument, Steady) else argument


def _is_flat(argument: Any) -> bool:
    return not isinstance(argument, Steady) or argument.slopes == FLAT


def _sum(a: Slopes, b: Slopes, factor: Fraction) -> Slopes:
    """The slopes of f + factor·g."""
    total = dict(a)
    for symbol, slope in b.items():
        total[symbol] = total.get(symbol, Fraction(0)) + slope * factor
    return {symbol: slope for symbol, slope in total.items() if slope}


def _times(a: Steady, b: Steady) -> Steady:
    """What is known of a product: it grows evenly where all factors but one are numbers, or none grows."""
    corners = [m * n for m in a.ends for n in b.ends]
    slopes: Slopes | None = None
    if a.slopes == FLAT == b.slopes:
        slopes = FLAT
    elif a.is_number and b.slopes is not None:
        slopes = _sum(FLAT, b.slopes, Fraction(a.least))
    elif b.is_number and a.slopes is not None:
        slopes = _sum(FLAT, a.slopes, Fraction(b.least))
    return Steady(min(corners), max(corners), slopes)
