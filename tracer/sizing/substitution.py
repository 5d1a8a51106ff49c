"""Sizes and conditions with symbols replaced by numbers or other sizes, and with what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracer.sizing.primitives import SYMBOL
from tracer.sizing.symbol import Condition, Monomial, Size, SizeLike, Space, compare, identity


class Substitution:
    """Replaces symbols and known conditions of one space; what it has worked out for one size serves the others."""

    def __init__(
        self,
        space: Space,
        values: Mapping[str, SizeLike],
        truths: Mapping[Any, bool] | None = None,
        atoms: Mapping[int, SizeLike] | None = None,
    ) -> None:
        self.space = space
        self.values = values
        self.truths = truths or {}
        """What conditions are known to be, by their identity."""
        self._of_atom: dict[int, SizeLike] = dict(atoms or {})
        """What is put in the place of each atom; some are given as wholes: ``H // 16`` as ``W // 16``."""
        self._replaced: set[int] = set(self._of_atom)
        """The atoms in which something is replaced."""
        given = map(space.support_of_atom, self._of_atom)
        self._concerned = frozenset(values).union(*given)
        """The symbols of all that is replaced."""

    def size(self, size: SizeLike) -> SizeLike:
        """The size with the symbols replaced."""
        if isinstance(size, int):
            return size
        if not self.truths and self.space.support(size).isdisjoint(self._concerned):
            return size
        for index in self.space.atoms_under(size, self._of_atom):
            self._of_atom[index] = self._atom(index)
            if self.truths or not self.space.support_of_atom(index).isdisjoint(self._concerned):
                self._replaced.add(index)

        stays: dict[Monomial, int] = {(): size.constant}
        products: list[SizeLike] = []
        for monomial, factor in size.terms:
            if self._replaced.isdisjoint(monomial):
                stays[monomial] = factor
            else:
                products.append(self._product(monomial, factor))
        return self.space.sum_of(stays, products)

    def _product(self, monomial: Monomial, factor: int) -> SizeLike:
        product: Any = factor
        for index in monomial:
            product = product * self._of_atom[index]
        return product  # type: ignore[no-any-return]

    def _atom(self, index: int) -> Any:
        atom = self.space.atoms[index]
        if atom.primitive is SYMBOL:
            (name,) = atom.arguments
            return self.values.get(name, self.space.symbol(name))
        return atom.primitive(*map(self.argument, atom.arguments))

    def argument(self, argument: Any) -> Any:
        """An argument of a primitive with the symbols replaced; a plain number stays."""
        if isinstance(argument, Size):
            return self.size(argument)
        return self.condition(argument) if isinstance(argument, Condition) else argument

    def condition(self, condition: Condition | bool) -> Condition | bool:
        """The condition with the symbols replaced; a bool where that decides it."""
        if isinstance(condition, bool):
            return condition
        known = self.truths.get(identity(condition)) if self.truths else None
        if known is not None:
            return known
        if condition.relation in ("and", "or"):
            a, b = (self.condition(part) for part in condition.parts)
            return a & b if condition.relation == "and" else a | b
        return compare(condition.relation, self.size(condition.parts[0]))


class FromLeast:
    """Leaves out what the least sizes of symbols decide: choices, minima and alternatives.

    >>> h, w = space.symbol("H"), space.symbol("W")
    >>> FromLeast(space, {"H": 16, "W": 1}).condition((h // 16 == 0) | (w == h))
    H == W
    """

    def __init__(self, space: Space, least: Mapping[str, int]) -> None:
        counted: dict[str, SizeLike] = {}
        back: dict[str, SizeLike] = {}
        for symbol, n in least.items():
            # What is counted from 1 has ends, which decide.
            name = f"{symbol} - {n - 1}"
            counted[symbol] = space.counts(name) + (n - 1)
            back[name] = space.symbol(symbol) - (n - 1)
        self._counted = Substitution(space, counted)
        self._back = Substitution(space, back)

    def size(self, size: SizeLike) -> SizeLike:
        """The size in a form that is the same from the least sizes on."""
        return self._back.size(self._counted.size(size))

    def condition(self, condition: Condition | bool) -> Condition | bool:
        """The condition in such a form; a bool where the ends of sizes decide it."""
        return self._back.condition(without_decided(self._counted.condition(condition)))


def without_decided(condition: Condition | bool) -> Condition | bool:
    """The condition without the parts that the ends of sizes decide."""
    if isinstance(condition, bool):
        return condition
    if condition.relation not in ("and", "or"):
        always = condition.always()
        return condition if always is None else always
    a, b = map(without_decided, condition.parts)
    return a & b if condition.relation == "and" else a | b
