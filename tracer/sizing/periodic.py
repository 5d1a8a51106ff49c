"""When a size function repeats, with proof.

A size of one symbol is made of sums, products, floors of quotients, minima and choices. Each such function f has
bounds that are polynomials, and mostly a *period*: f(n + period) - f(n) is one number for every n from some size on.
Both follow from those of its parts, so a condition on sizes is decided for every integer: beyond a threshold it holds
always, never, or periodically. What happens before is computed, size by size, as arrays.

Where a part has no period (a resize by a factor that is no fraction of small numbers, as torch multiplies in floating
point), :class:`Aperiodic` is raised, and sizes can be decided up to a bound only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.sizing.growth import (
    Aperiodic,
    Eventually,
    Growth,
    added,
    constant,
    nonnegative_from,
    product_of,
    scaled,
    sum_of,
)
from tracer.sizing.program import Program
from tracer.sizing.size_set import NONE, SizeSet, TooLarge, of_members, refuse_large
from tracer.sizing.symbol import Condition, Size, SizeLike, Space, Terms, identity

if TYPE_CHECKING:
    import numpy

BOUND = 65_536
"""Sizes without a period are decided below this one."""

CHUNK = 65_536
"""Sizes that are computed at once."""

LARGE = 2**46
"""Sizes up to this one stay in 64 bits while formulas multiply them by strides and channels."""


class Decided(NamedTuple):
    """The sizes that meet conditions."""

    sizes: SizeSet
    below: int | None
    """Decided below this size only; None: for every size."""


def always(condition: Condition, symbol: str, sizes: SizeSet, analysis: Analysis) -> bool:
    """Whether a condition holds for every size of a set; False also where that cannot be decided."""
    least = sizes.least
    if least is None:
        return True
    try:
        eventual = analysis.eventually(condition)
        if eventual.holds is not None and eventual.since <= least:
            return eventual.holds
        return (
            eventual.holds is not False
            and sizes <= decide([[condition]], symbol, analysis)[0].sizes
        )
    except (Aperiodic, TooLarge):
        return False


def always_from(condition: Condition, least: int, analysis: Analysis) -> bool:
    """Whether a condition is shown to hold for every size from ``least`` on; False also where that takes more work."""
    try:
        eventual = analysis.eventually(condition)
    except Aperiodic:
        return False
    return bool(eventual.holds) and eventual.since <= least


def none_below(conditions: Iterable[Condition], analysis: Analysis) -> int:
    """A size below which the conditions are never all met."""
    least = 0
    for condition in conditions:
        try:
            least = max(least, analysis.eventually(condition).never_before)
        except Aperiodic:
            continue
    return least


Group = list[Condition]


def decide(
    groups: Iterable[Iterable[Condition | bool]], symbol: str, analysis: Analysis
) -> list[Decided]:
    """The sizes of ``symbol`` that meet all conditions of the first group, of the first two groups, and so on.

    The conditions depend on no other symbol. Raises :class:`TooLarge` where the first group's period is out of bounds.
    """
    asked: list[Group] = []
    for group in groups:
        unique: dict[Any, Condition] = {}
        for condition in group:
            if isinstance(condition, Condition):
                unique[identity(condition)] = condition
            elif not condition:
                unique[()] = NEVER
        asked.append(list(unique.values()))
    possible = next((i for i, group in enumerate(asked) if NEVER in group), len(asked))
    found = _decided(asked[:possible], symbol, analysis) if possible else []
    return [*found, *[Decided(NONE, None)] * (len(asked) - possible)]


NEVER = Condition("or", ())
"""The condition that nothing meets."""


def _decided(asked: list[Group], symbol: str, analysis: Analysis) -> list[Decided]:
    try:
        return _together(asked, symbol, analysis)
    except (Aperiodic, TooLarge):
        found = _decided(asked[:-1], symbol, analysis) if len(asked) > 1 else []
    try:
        return [*found, _together(asked, symbol, analysis)[-1]]
    except TooLarge:
        if len(asked) == 1:
            raise
    except Aperiodic:
        pass
    truth = _truth(asked, symbol, 0, BOUND)[-1]
    return [*found, Decided(of_members(_behind(truth, [False]), 1), BOUND)]


def _together(asked: list[Group], symbol: str, analysis: Analysis) -> list[Decided]:
    """All groups over one range of sizes."""
    eventual = [
        [(condition, analysis.eventually(condition)) for condition in group] for group in asked
    ]
    every = [e for group in eventual for _, e in group]
    start = max((e.since for e in every), default=0)
    period = math.lcm(*[e.period for e in every])
    refuse_large(period, start)
    first = min(max((e.never_before for _, e in eventual[0]), default=0), start)
    before = _truth(asked, symbol, first, start)
    periodic = [[c for c, e in group if e.holds is None] for group in eventual]
    after = _truth(periodic, symbol, start, start + period)
    found = []
    never = False
    for group, early, late in zip(eventual, before, after):
        never = never or any(e.holds is False for _, e in group)
        truth = _behind(_behind([False] * first, early), late & False if never else late)
        found.append(Decided(of_members(truth, period), None))
    return found


def _behind(first: Any, second: Any) -> numpy.ndarray[Any, Any]:
    import numpy

    return numpy.concatenate([numpy.asarray(first, bool), second])


def _truth(
    asked: Sequence[Group], symbol: str, first: int, end: int
) -> list[numpy.ndarray[Any, Any]]:
    """For each group whether its conditions and those of the groups before hold, from ``first`` to below ``end``."""
    import numpy

    truth = [numpy.ones(end - first, bool) for _ in asked]
    space = next((c.space for group in asked for c in group), None)
    if space is None or end == first:
        return truth
    program = Program(space, [symbol])
    watched = [[program.watch(condition) for condition in group] for group in asked]
    number = _number_type(program, symbol, end)
    for least in range(first, end, CHUNK):
        sizes: numpy.ndarray[Any, Any] = numpy.arange(least, min(least + CHUNK, end)).astype(number)
        v = program.run({symbol: sizes})
        holds = numpy.ones(len(sizes), bool)
        for part, group in zip(truth, watched):
            for condition in group:
                holds &= numpy.asarray(program.truth(condition, v), bool)
            part[least - first : least - first + len(sizes)] = holds
    return truth


def _number_type(program: Program, symbol: str, end: int) -> type:
    """int64, or Python's integers where formulas leave its range."""
    import numpy

    if all(abs(n) <= LARGE for size in (0, end) for n in program.run({symbol: size})):
        return numpy.int64
    if end > BOUND:
        raise TooLarge(f"sizes of {symbol} up to {end} make numbers of more than 64 bits")
    return object


class Analysis:
    """Growth of the sizes of one space, worked out once for each atom."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._of_atom: dict[int, Growth] = {}
        self._of_terms: dict[Terms, Growth] = {}

    def eventually(self, condition: Condition | bool) -> Eventually:
        """What a condition is from some size on. Raises :class:`Aperiodic`."""
        if isinstance(condition, bool):
            return Eventually(0, 1, condition)
        if condition.relation not in ("and", "or"):
            return _literal(condition.relation, self.growth(condition.parts[0]), condition)
        deciding = condition.relation == "or"
        known: list[Eventually] = []
        unknown: Aperiodic | None = None
        for part in condition.parts:
            try:
                known.append(self.eventually(part))
            except Aperiodic as error:
                unknown = error
        never = (min if deciding else max)((p.never_before for p in known), default=0)
        decided = [p for p in known if p.holds is deciding]
        if decided:  # one true alternative is enough, and so is one false requirement
            return min(decided)._replace(
                never_before=0 if unknown is not None and deciding else never
            )
        if unknown is not None:
            raise unknown
        since = max(p.since for p in known)
        if all(p.holds is not None for p in known):
            return Eventually(since, 1, not deciding, never)
        return Eventually(since, math.lcm(*[p.period for p in known]), None, never)

    def growth(self, size: SizeLike) -> Growth:
        """Bounds and period of a size. Raises :class:`Aperiodic`."""
        if isinstance(size, int):
            return constant(size)
        known = self._of_terms.get(size.terms)
        if known is None:
            known = self._of_terms[size.terms] = self._terms(size)
        return sum_of(known, constant(size.constant)) if size.constant else known

    def _terms(self, size: Size) -> Growth:
        """Of a size without its constant."""
        for index in self.space.atoms_under(size, self._of_atom):
            atom = self.space.atoms[index]
            self._of_atom[index] = atom.primitive.growth(atom, self)
        total: Growth | None = None
        for monomial, factor in size.terms:
            product = self._of_atom[monomial[0]]
            for index in monomial[1:]:
                product = product_of(product, self._of_atom[index], size)
            if factor != 1:
                product = scaled(product, Fraction(factor))
            total = product if total is None else sum_of(total, product)
        assert total is not None
        return total


def _literal(relation: str, growth: Growth, condition: Condition) -> Eventually:
    """A comparison with 0."""
    since = growth.since
    above = nonnegative_from(
        growth.lower if relation == "ge" else added(growth.lower, (Fraction(-1),))
    )
    if above is None and relation != "ge" and len(growth.lower) == 1 and growth.lower[0] > 0:
        above = 0
    if above is not None:
        rising = relation == "ge" and not since and len(growth.upper) == 2
        never = max(-(growth.upper[0] // growth.upper[1]), 0) if rising else 0
        return Eventually(max(since, above), 1, relation != "eq", never)
    below = nonnegative_from(added(tuple([-c for c in growth.upper]), (Fraction(-1),)))
    if below is None and len(growth.upper) == 1 and growth.upper[0] < 0:
        below = 0
    if below is not None:
        return Eventually(max(since, below), 1, relation == "ne")
    if growth.period is None or growth.slope:
        raise Aperiodic(f"{condition!r} has no period")
    return Eventually(since, growth.period, None)
