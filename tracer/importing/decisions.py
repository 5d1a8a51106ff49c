"""The decisions that a program makes by sizes, and the sizes for which it decides alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, islice
from typing import Any, NamedTuple

import numpy

from tracer.importing.recording import Unrepresentable, refused_at
from tracer.importing.run_time_sizes import Guard, negated
from tracer.planning.search import holds_within
from tracer.sizing.ends import ends_of
from tracer.sizing.growth import Aperiodic
from tracer.sizing.periodic import Analysis, decide
from tracer.sizing.program import substitute
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.sizing.substitution import Substitution
from tracer.sizing.symbol import Condition, Size, SizeLike, Space, identity
from tracer.source.python_places import Spot

FILLED = SizeSet((), 1, 1, (0,))
"""Every size but 0."""

ANY_SIZE = range(1, 2**40)
"""The sizes over which bounds are taken."""

WITNESSES = 8
"""Sizes at which one size is a multiple of another before that is proven."""

LOOKED_AT = 1_024
"""So many sizes are looked at for one at which a condition fails."""

SOME = (64, 256)
"""Those of several symbols lie between: at small ones, quotients by floors that are 0 are not what they are for."""

LARGE = 4_096
"""They are no smaller than this: floors are 0 at small ones."""


class Decision(NamedTuple):
    """A condition that was true when the program compared it."""

    holds: Condition
    spot: Spot
    """Where the program compared it."""


class Decisions:
    """The conditions under which the steps recorded so far are the program's, in one space of symbols."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.open: dict[Any, Decision] = {}
        """Those that must hold, by their identity. For sizes where one doesn't, nothing is recorded yet."""
        self._settled: set[Any] = set()
        self._beyond: dict[Any, bool] = {}

    def note(self, guard: Guard) -> None:
        """Let a comparison hold for the steps so far, unless they are settled to be right where it does not."""
        if guard.holds is None:
            why = "a size is compared that is computed in a way that cannot be followed"
            raise refused_at(guard.spot, why)
        for condition in guard.holds.conjuncts():
            key = identity(condition)
            if key not in self._settled and not is_bound_to_hold(condition):
                self.open.setdefault(key, Decision(condition, guard.spot))

    def settle(self, conditions: Iterable[Condition]) -> None:
        """From now on the steps are right where these conditions don't hold, too."""
        for condition in conditions:
            key = identity(condition)
            self._settled.add(key)
            self.open.pop(key, None)

    def is_settled(self, condition: Condition) -> bool:
        """True where the steps are right where a condition doesn't hold, too."""
        return identity(condition) in self._settled

    def knows(self, condition: Condition) -> bool:
        """True where a condition is open or settled."""
        key = identity(condition)
        return key in self.open or key in self._settled

    # --- questions ---------------------------------------------------------------------------------------------------

    def holding(self) -> list[Condition]:
        """The open conditions."""
        return [decision.holds for decision in self.open.values()]

    def about(self, symbol: str, conditions: Iterable[Condition]) -> list[Condition]:
        """Those of the conditions that depend on this symbol alone, and whose sizes can be told."""
        own = (one for one in conditions if self.space.support(one) == {symbol})
        return [one for one in own if not self.is_beyond(one)]

    def together(self) -> Decision | None:
        """The first open decision that depends on several symbols, or whose sizes cannot be told."""
        for decision in self.open.values():
            condition = decision.holds
            if len(self.space.support(condition)) > 1 or self.is_beyond(condition):
                return decision
        return None

    def is_beyond(self, condition: Condition) -> bool:
        """Whether a condition on one symbol changes at so large sizes that all of them cannot be told."""
        symbol, *more = self.space.support(condition)
        if more:
            return False
        key = identity(condition)
        if key not in self._beyond:
            try:
                decide([[condition]], symbol, Analysis(self.space))
                self._beyond[key] = False
            except TooLarge:
                self._beyond[key] = True
            except Aperiodic:
                self._beyond[key] = False
        return self._beyond[key]

    def spot_of(self, condition: Condition) -> Spot:
        """The line where an open condition was compared."""
        return self.open[identity(condition)].spot

    def sizes_where(self, conditions: Sequence[Condition | bool], symbol: str) -> SizeSet:
        """The sizes of the symbol for which all of the conditions hold, which depend on it alone."""
        try:
            (found,) = decide([conditions], symbol, Analysis(self.space))
        except (TooLarge, Aperiodic) as error:
            raise Unrepresentable(
                f"the sizes for which it takes one way cannot be told: {error}"
            ) from None

        if found.below is not None:
            raise Unrepresentable(
                f"the sizes for which it takes one way are not periodic: {conditions[0]!r}"
            )
        return found.sizes

    def follows(self, condition: Condition | bool, held: Sequence[Condition]) -> bool:
        """True where a condition is proven for all sizes from 1 on for which ``held`` holds.

        What two symbols decide is known where it is one of ``held``, or where that makes them one symbol, or parts of
        them one size: ``H // 16 == W // 16``. The rest is proven where it depends on a single symbol, from those of
        ``held`` that depend on it as well.
        """
        if isinstance(condition, bool):
            return condition

        # Mostly it is one of them.
        key = identity(condition)
        parts = _parts_of(held)
        if key in map(identity, parts):
            return True
        if self._is_refuted(condition, held):
            return False

        # What is held is put in first: mostly that is the whole proof, and the sizes of one symbol cost more.
        known, others = self._with_what_is_known(condition, held)
        if isinstance(known, bool):
            return known
        is_about_one = len(self.space.support(condition)) == 1
        if is_about_one and self._follows_for_one(condition, held):
            return True

        if len(self.space.support(known)) > 1:
            known = self._with_multiples(known, others)
        if isinstance(known, bool):
            return known
        return self._follows_for_one(known, others)

    def _is_refuted(self, condition: Condition, held: Sequence[Condition]) -> bool:
        """Whether some sizes that are looked at have all that is held, and not the condition."""
        about, symbols = self._about_what(condition, held)
        holds, *known = substitute([condition, *about], _looked_at(*symbols))
        fails = ~numpy.asarray(holds, bool)
        for one in known:
            fails = fails & numpy.asarray(one, bool)
        return bool(fails.any())

    def _about_what(
        self, condition: Condition, held: Sequence[Condition]
    ) -> tuple[list[Condition], tuple[frozenset[str], frozenset[str]]]:
        """What is held of the symbols of a condition, and of all others that it is about; and these symbols."""
        support = self.space.support(condition)
        about: list[Condition] = []
        others, symbols = list(held), support
        while related := [one for one in others if self.space.support(one) & symbols]:
            about += related
            others = [one for one in others if not self.space.support(one) & symbols]
            symbols = symbols.union(*map(self.space.support, related))
        return about, (support, symbols - support)

    def _follows_for_one(self, condition: Condition, held: Sequence[Condition]) -> bool:
        """The same for a condition on one symbol; False for one on several."""
        support = self.space.support(condition)
        if len(support) == 1 and self.is_beyond(condition):
            return is_bound_to_hold(condition)
        either: Condition | bool = condition
        for other in held:
            if self.space.support(other) == support and not self.is_beyond(other):
                either = either | negated(other)

        if isinstance(either, bool):
            return either
        symbol, *more = self.space.support(either)
        try:
            return not more and self.sizes_where([either], symbol) >= FILLED
        except Unrepresentable:
            return False  # its sizes cannot be told

    def _with_what_is_known(
        self, condition: Condition, held: Sequence[Condition]
    ) -> tuple[Condition | bool, Sequence[Condition]]:
        """A condition and others that hold, written with them and with one size for two that are equal."""
        truths: dict[Any, bool] = {}
        atoms: dict[int, SizeLike] = {}
        parts = _parts_of(held)
        for part in _with_equalities(parts):
            truths[identity(part)] = True
            opposite = negated(part)
            if isinstance(opposite, Condition):
                truths[identity(opposite)] = False
            atoms = atoms or self._equal_atoms(part)

        found = Substitution(self.space, {}, truths, atoms).condition(condition)
        replaced = Substitution(self.space, {}, atoms=atoms)
        others = []
        for other in held:
            rewritten = replaced.condition(other)
            if isinstance(rewritten, Condition):
                others.append(rewritten)
        return found, others

    def _with_multiples(
        self, condition: Condition, held: Sequence[Condition]
    ) -> Condition | bool:
        """A condition in which sizes of one symbol are multiples of others wherever ``held`` holds."""
        atoms: dict[int, SizeLike] = {}
        for symbol in sorted(self.space.support(condition)):
            about = self.about(symbol, held)
            if about:
                atoms |= self._multiples(condition, symbol, about)
        return Substitution(self.space, {}, atoms=atoms).condition(condition)

    def _multiples(
        self, condition: Condition, symbol: str, held: Sequence[Condition]
    ) -> dict[int, SizeLike]:
        """For atoms of a condition that depend on one symbol: the multiple of a smaller one that they are."""
        sizes = self.sizes_where([*held], symbol)
        witnesses = list(islice(sizes.between(LARGE, ANY_SIZE.stop), WITNESSES))

        values: dict[int, list[int]] = {}
        for index in _atoms_of(condition):
            if self.space.support_of_atom(index) == {symbol}:
                alone = self.space.alone(index)
                values[index] = [substitute([alone], {symbol: n})[0] for n in witnesses]

        found: dict[int, SizeLike] = {}
        smallest_first = sorted(values, key=lambda index: (values[index], index))
        for place, index in enumerate(smallest_first):
            for smaller in smallest_first[:place]:
                factor = _factor(values[index], values[smaller])
                if factor is None or smaller in found:
                    continue
                multiple = self.space.alone(smaller) * factor
                is_equal = self.space.alone(index) == multiple
                if self.follows(is_equal, held):
                    found[index] = multiple
                    break
        return found

    def _equal_atoms(self, condition: Condition) -> dict[int, SizeLike]:
        """For ``H == W`` or ``H // 16 == W // 16`` the one by the other; nothing for other conditions."""
        if condition.relation != "eq":
            return {}
        (difference,) = condition.parts
        for monomial, factor in difference.terms:
            if len(monomial) != 1 or abs(factor) != 1:
                continue
            (index,) = monomial
            alone = self.space.sum_of({monomial: 1}, ())
            other = alone - factor * difference
            if self.space.support(alone).isdisjoint(self.space.support(other)):
                return {index: other}
        return {}


@lru_cache(64)
def _looked_at(symbols: frozenset[str], others: frozenset[str]) -> Mapping[str, Any]:
    """Sizes at which a condition is looked at before a proof: the first ones of one symbol, drawn ones of several.

    Those of other symbols, of which something is held, are drawn.
    """
    draw = numpy.random.default_rng(0)
    drawn = {symbol: draw.integers(*SOME, LOOKED_AT) for symbol in sorted(symbols | others)}
    if len(symbols) == 1:
        drawn |= dict.fromkeys(symbols, numpy.arange(1, LOOKED_AT + 1))
    return drawn


def _atoms_of(condition: Condition) -> list[int]:
    """The atoms that the sizes of a condition are made of."""
    found: set[int] = set()
    for size in condition.sizes():
        found |= set(size.space.atoms_under(size, ()))
    return sorted(found)


def _factor(larger: Sequence[int], smaller: Sequence[int]) -> int | None:
    """By what numbers are multiples of others, one by one; None where there is no such number."""
    factor = max(larger, default=0) // max([*smaller, 1])
    is_multiple = all(a == b * factor for a, b in zip(larger, smaller))
    return factor if factor > 0 and is_multiple else None


def _parts_of(conditions: Sequence[Condition]) -> list[Condition]:
    parts: list[Condition] = []
    for condition in conditions:
        parts += condition.conjuncts()
    return parts


def _with_equalities(conditions: Sequence[Condition]) -> Iterator[Condition]:
    """The conditions, and what is equal as neither is the larger one."""
    yield from conditions
    natural: set[int] = set()
    for one in conditions:
        if one.relation != "ge":
            continue
        (size,) = one.parts
        natural.add(id(size))
        if id(-size) in natural:
            equal = size == 0
            if isinstance(equal, Condition):
                yield equal


def either(a: Condition, b: Condition) -> Condition | bool:
    """The condition that one of the two holds: the second one where the first implies it."""
    if a.relation == b.relation == "ge":
        further = ends_of(b.parts[0] - a.parts[0])
        if further.least >= 0:
            return b
    return a | b


def _is_one_of_two(condition: Condition) -> bool:
    """Whether one of two conditions always holds, as with ``H == W or H != W``."""
    any_of = list(condition.disjuncts())
    opposites = {identity(negated(one)) for one in any_of}
    if any(identity(one) in opposites for one in any_of):
        return True
    return _is_one_of_two_natural(any_of)


def _is_one_of_two_natural(any_of: Sequence[Condition]) -> bool:
    """Whether one of two sizes is always 0 or more, as with ``H >= W or W >= H``: both below 0 add up to -2 at most."""
    natural: list[Any] = []
    for one in any_of:
        if one.relation == "ge":
            natural += one.parts
    for a, b in combinations(natural, 2):
        total = ends_of(a + b)
        if total.least >= -1:
            return True
    return False


def is_implied(condition: Condition, held: Iterable[Condition]) -> bool:
    """Whether one of some conditions implies another: one of its alternatives has to hold, or a symbol is bound by it.

    >>> space = Space()
    >>> h, w = space.counts("H"), space.counts("W")
    >>> is_implied((w - h) // 2 >= 0, [h < w])
    True
    """
    alternatives = set(map(identity, condition.disjuncts()))
    for one in held:
        if alternatives.issuperset(map(identity, one.disjuncts())):
            return True
        if one.relation == "ge" and _is_bound_by(one, condition):
            return True
    return False


def _is_bound_by(least: Condition, condition: Condition) -> bool:
    """Whether a condition holds where a symbol is no smaller than others say: with ``H + more`` for it."""
    space = condition.space
    (size,) = least.parts
    for symbol in sorted(space.support(condition) & space.support(least)):
        rest = space.counts(symbol) - size
        if isinstance(rest, Size) and symbol in space.support(rest):
            continue
        above = rest + (space.counts(f"{symbol} above") - 1)
        found = Substitution(space, {symbol: above}).condition(condition)
        if found is True or (isinstance(found, Condition) and is_bound_to_hold(found)):
            return True
    return False


def is_bound_to_hold(condition: Condition) -> bool:
    """Whether the bounds of its sizes show that a condition holds, for all sizes from 1 on: ``H*W >= 1``."""
    if condition.always() or _is_one_of_two(condition):
        return True
    domains = dict.fromkeys(condition.space.support(condition), ANY_SIZE)
    return holds_within(condition, domains) is True
