"""The least and the largest value of a size, whatever its symbols are.

A floor lies less than 1 below its fraction. So a sum of floors is a sum of fractions and a few steps: of
``H // 8 - 2*(H // 16)`` the fractions cancel, and what is left is 0 or 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from tracer.sizing.primitives import SYMBOL, Application, choose, floor_scale, minimum, quotient

Size = Any
"""A symbolic size, as :mod:`tracer.sizing.symbol` makes it; that file asks for the ends of its sizes here."""

SizeLike = Any

Space = Any
"""The symbols of one network, and what is known of them."""

Monomial = tuple[int, ...]

Number = int | float
"""A whole number, or an infinity."""

MOST_ATOMS = 200
"""Of sizes that are made of more atoms, nothing is known."""

MOST_BRANCHES = 4
"""Choices of one size that are followed one by one."""


class Limits(NamedTuple):
    """No value is less than the first or more than the second."""

    least: Number
    most: Number

    def scaled(self, factor: Number) -> Limits:
        """Those of the product with a number that is not 0."""
        ends = [
            end * (1 if factor > 0 else -1) if _is_infinite(end) else end * factor
            for end in self
        ]
        return Limits(min(ends), max(ends))

    def plus(self, other: Limits) -> Limits:
        """Those of the sum with another size."""
        least = _sum(self.least, other.least)
        most = _sum(self.most, other.most)
        return Limits(least, most)

    def both(self, other: Limits) -> Limits:
        """Those of a size that is between these and between others."""
        least = max(self.least, other.least)
        most = min(self.most, other.most)
        return Limits(least, most)

    def either(self, other: Limits) -> Limits:
        """Those of a size that is the one or the other."""
        least = min(self.least, other.least)
        most = max(self.most, other.most)
        return Limits(least, most)


def _sum(a: Number, b: Number) -> Number:
    # An integer may be too long to be a float, which an infinity is.
    if a.__class__ is float:
        return a
    return b if b.__class__ is float else a + b


def _product(a: Number, b: Number) -> Number:
    """The product of two ends, none of which is negative where it counts; nothing times infinity is nothing."""
    if not a or not b:
        return 0
    is_infinite = _is_infinite(a) or _is_infinite(b)
    return math.inf if is_infinite else a * b


def _is_infinite(end: Number) -> bool:
    return end.__class__ is float  # no other number is one


OPEN = Limits(-math.inf, math.inf)

NATURAL = Limits(0, math.inf)


def ends_of(size: SizeLike) -> Limits:
    """Whole numbers, or infinities, between which every value of a size is."""
    if isinstance(size, int):
        return Limits(size, size)

    # Those that it is made of come first, so that nothing is asked in depth.
    space = size.space
    for index in space.atoms_under(size, space.ends_of_atom):
        atom = space.atoms[index]
        space.ends_of_atom[index] = _ends_of_atom(atom, space)

    found: Limits | None = space.ends.get(id(size.siblings))
    if found is None:
        alone = _Sum(size)
        found = alone.apart()
        # In a single product nothing cancels.
        if len(size.terms) > 1:
            together = alone.ends(MOST_BRANCHES)
            found = found.both(together)
        space.ends[id(size.siblings)] = found
    return found.plus(Limits(size.constant, size.constant))


def _divided(ends: Limits, divisor: int) -> Limits:
    """The whole numbers between the ends of a size times a positive number."""
    least, most = ends
    if not _is_infinite(least):
        least = -(-least // divisor)
    if not _is_infinite(most):
        most = most // divisor
    return Limits(least, most)


class _Sum:
    """A sum of atoms, in which one after the other is exchanged for what it is made of, the last one made first.

    All that one atom adds to the sum stands together then, so that it cancels where it does. The factors are fractions
    of one denominator, of which the numerators are kept: there are many, and whole numbers are quick.
    """

    def __init__(self, size: Size) -> None:
        self.space: Space = size.space
        self.factors: dict[Monomial, int] = {}
        self.rest = Limits(0, 0)
        """What is known of all that stands in no factor, times the denominator."""
        self.denominator = 1
        self.left = [MOST_ATOMS]
        """Atoms that may be exchanged yet, in all branches together."""
        self._add(size, 1)
        self.rest = Limits(0, 0)

    def ends(self, branches: int) -> Limits:
        """The ends of the sum, so many choices being followed."""
        while (index := self._last(branches)) is not None:
            self.left[0] -= 1
            if self.left[0] < 0:
                return OPEN
            atom = self.space.atoms[index]
            factor = self.factors.pop((index,))
            if atom.primitive is quotient:
                self._floor(atom, factor)
                continue

            # It is one of two sizes.
            *_, first, second = atom.arguments
            other = self._copy()
            self._add(first, factor)
            other._add(second, factor)
            fewer = branches - 1
            ends = self.ends(fewer)
            others = other.ends(fewer)
            return ends.either(others)
        return self.apart()

    def apart(self) -> Limits:
        """The whole ends of the sum, each atom being any value that it can have."""
        found = self.rest
        for monomial, factor in self.factors.items():
            if factor:
                product = _ends_of_product(self.space, monomial)
                term = product.scaled(factor)
                found = found.plus(term)

        if any(len(monomial) > 1 for monomial in self.factors):
            found = found.both(self._around_least())
        return _divided(found, self.denominator)

    def _around_least(self) -> Limits:
        """The same of the numerators, each atom less its least value: ``H*W - H`` is 0 or more, each being 1 or more.

        All that is left of an atom is 0 or more, so that no term that is added makes the sum smaller.
        """
        terms: dict[Monomial, Any] = {}
        for monomial, factor in self.factors.items():
            if not all(_has_least(self.space, index) for index in monomial):
                return OPEN
            for left, times in _expanded(self.space, monomial):
                terms[left] = terms.get(left, 0) + factor * times

        start = terms.pop((), 0)
        factors = terms.values()
        least = self.rest.least if all(factor >= 0 for factor in factors) else -math.inf
        most = self.rest.most if all(factor <= 0 for factor in factors) else math.inf
        return Limits(least, most).plus(Limits(start, start))

    def _copy(self) -> _Sum:
        made = object.__new__(_Sum)
        made.space = self.space
        made.rest = self.rest
        made.left = self.left
        made.denominator = self.denominator
        made.factors = dict(self.factors)
        return made

    def _last(self, branches: int) -> int | None:
        """The last atom that can be exchanged."""
        found = [
            monomial[0]
            for monomial, factor in self.factors.items()
            if factor and len(monomial) == 1 and self._is_made(monomial[0], branches)
        ]
        return max(found, default=None)

    def _is_made(self, index: int, branches: int) -> bool:
        atom = self.space.atoms[index]
        if atom.primitive is quotient:
            return isinstance(atom.arguments[1], int)
        return branches > 0 and atom.primitive in (minimum, choose)

    def _floor(self, atom: Application, factor: int) -> None:
        """Exchange a floor for its fraction, of which it is less than 1 below."""
        numerator, divisor = atom.arguments
        times = abs(divisor) // math.gcd(factor, divisor)
        if times > 1:
            self._refine(times)
        part = factor * times // divisor
        self._add(numerator, part)
        below = Limits(1 - divisor, 0) if divisor > 0 else Limits(0, -1 - divisor)
        self.rest = self.rest.plus(below.scaled(part))

    def _refine(self, times: int) -> None:
        """Make the denominator so many times as large."""
        self.denominator *= times
        self.rest = self.rest.scaled(times)
        for monomial in self.factors:
            self.factors[monomial] *= times

    def _add(self, size: SizeLike, factor: int) -> None:
        """Add a size times a factor, which is a numerator."""
        if isinstance(size, int):
            number = size
        else:
            number = size.constant
            for monomial, times in size.terms:
                before = self.factors.get(monomial, 0)
                self.factors[monomial] = before + times * factor
        constant = number * factor
        self.rest = self.rest.plus(Limits(constant, constant))


def _has_least(space: Space, index: int) -> bool:
    return not _is_infinite(space.ends_of_atom[index].least)


def _expanded(space: Space, monomial: Monomial) -> Iterator[tuple[Monomial, Number]]:
    """A product of atoms as a sum, each being its least value and what is left: ``(1 + h)*(1 + w)`` for ``H*W``."""
    for is_left in itertools.product((False, True), repeat=len(monomial)):
        left = tuple(index for index, stays in zip(monomial, is_left) if stays)
        leasts = [
            space.ends_of_atom[index].least
            for index, stays in zip(monomial, is_left)
            if not stays
        ]
        yield left, math.prod(leasts)


def _ends_of_product(space: Space, monomial: Monomial) -> Limits:
    """The ends of a product of atoms, none of which is known to be negative; open ones otherwise."""
    first: Limits
    others: list[Limits]
    first, *others = (space.ends_of_atom[index] for index in monomial)
    if not others:
        return first

    least, most = first
    for ends in others:
        least = _product(least, ends.least)
        most = _product(most, ends.most)
    for index in monomial:
        if space.ends_of_atom[index].least < 0:
            return OPEN
    return Limits(least, most)


def _ends_of_atom(atom: Application, space: Space) -> Limits:
    """The ends of one atom, those that it is made of being known."""
    if atom.primitive is SYMBOL:
        (name,) = atom.arguments
        least = space.least.get(name, -math.inf)
        return Limits(least, math.inf)
    if atom.primitive is floor_scale:
        n, factor = atom.arguments
        return NATURAL if factor > 0 and ends_of(n).least >= 0 else OPEN

    *_, first, second = atom.arguments
    a, b = ends_of(first), ends_of(second)
    if atom.primitive is minimum:
        smaller = min(a.least, b.least)
        most = min(a.most, b.most)
        return Limits(smaller, most)
    if atom.primitive is quotient:
        if isinstance(second, int):
            return _whole_below(a, second)
        return NATURAL if min(a.least, b.least) >= 0 else OPEN
    return a.either(b) if atom.primitive is choose else OPEN


def _whole_below(ends: Limits, divisor: int) -> Limits:
    """The ends of the floor of a quotient."""
    floors = [
        end * (1 if divisor > 0 else -1) if _is_infinite(end) else end // divisor
        for end in ends
    ]
    return Limits(min(floors), max(floors))


def holds(relation: str, ends: Limits) -> bool | None:
    """Whether a size with these ends is always or never >= 0 (ge), == 0 (eq) or != 0 (ne); None where that is open."""
    if relation == "ge":
        if ends.least >= 0:
            return True
        return False if ends.most < 0 else None
    if ends.least > 0 or ends.most < 0:
        return relation == "ne"
    return relation == "eq" if ends.least == ends.most else None
