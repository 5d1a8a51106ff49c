"""When a size function repeats, with proof.

A size of one symbol is made of sums, products, floors of quotients, minima and choices. Each such function f has
bounds that are polynomials, and mostly a *period*: f(n + period) - f(n) is one number for every n from some size on.
Both follow from those of its parts, so a condition on sizes is decided for every integer: beyond a threshold it holds
always, never, or periodically. What happens before is computed, size by size, as arrays.

Where a part has no period (a resize by a factor that is no fraction of small numbers, as torch multiplies in floating
point), :class:`Aperiodic` is raised, and sizes can be decided up to a bound only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.sizing.growth import (
    MINUS_ONE,
    Aperiodic,
    Eventually,
    Growth,
    Polynomial,
    added,
    constant,
    negated,
    nonnegative_from,
    product_of,
    scaled,
    sum_of,
)
from tracer.sizing.primitives import CONDITION, SIZE, SYMBOL
from tracer.sizing.program import Program
from tracer.sizing.size_set import (
    NONE,
    SizeSet,
    TooLarge,
    lifted,
    of_few,
    of_members,
    of_residues,
    refuse_large,
)
from tracer.sizing.symbol import Atom, Condition, Size, SizeLike, Space, Terms, identity

if TYPE_CHECKING:
    import numpy

BOUND = 65_536
"""Sizes without a period are decided below this one."""

CHUNK = 65_536
"""Sizes that are computed at once at most."""

VALUES = 2**23
"""Numbers that are held at once: of long programs, fewer sizes are computed at once."""

FEW = 10_000
"""So many conditions are asked size by size: arrays would take as long, and all of NumPy to be imported."""

WORK = 200_000_000
"""Numbers that are computed for the sets of one network at most."""

PYTHON = 16
"""So many times the work and memory of a machine's number takes one of Python, which has no limit."""

LARGE = 2**46
"""Sizes up to this one stay in 64 bits while formulas multiply them by strides and channels."""


class Decided(NamedTuple):
    """The sizes that meet conditions."""

    sizes: SizeSet
    below: int | None
    """Decided below this size only; None: for every size."""


def always(condition: Condition, symbol: str, sizes: SizeSet, analysis: Analysis) -> bool:
    """True where a condition holds for every size of a set; False also where that cannot be decided."""
    least = sizes.least
    if least is None:
        return True
    try:
        eventual = analysis.eventually(condition)
        if eventual.holds is not None and eventual.since <= least:
            return eventual.holds
        if eventual.holds is False:
            return False
        (decided,) = decide([[condition]], symbol, analysis)
        return sizes <= decided.sizes
    except (Aperiodic, TooLarge):
        return False


def always_from(condition: Condition, least: int, analysis: Analysis) -> bool:
    """True where a condition is shown to hold for every size from ``least`` on; False where that takes more work."""
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
    asked = [_distinct(group) for group in groups]
    possible = next((i for i, group in enumerate(asked) if NEVER in group), len(asked))
    found = _decided_once(asked[:possible], symbol, analysis) if possible else []
    return [*found, *[Decided(NONE, None)] * (len(asked) - possible)]


def _decided_once(asked: list[Group], symbol: str, analysis: Analysis) -> list[Decided]:
    """The sizes that meet the groups: once for symbols whose conditions are alike, as height and width mostly are."""
    of = analysis.forms.of
    key = tuple([frozenset([of(condition) for condition in group]) for group in asked])
    found = analysis.decided.get(key)
    if found is None:
        found = analysis.decided[key] = _decided(asked, symbol, analysis)
    return found


def _distinct(conditions: Iterable[Condition | bool]) -> Group:
    """The conditions, each once; :data:`NEVER` for one that is decided and fails."""
    unique: dict[Any, Condition] = {}
    for condition in conditions:
        if isinstance(condition, Condition):
            unique[identity(condition)] = condition
        elif not condition:
            unique[()] = NEVER
    return list(unique.values())


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
    truth = _truth(asked, symbol, range(BOUND), analysis)[-1]
    return [*found, Decided(of_members(_behind(truth, [False]), 1), BOUND)]


class Foreseen(NamedTuple):
    """A group of conditions, and what is known of each for large sizes."""

    conditions: Group
    eventually: list[Eventually]

    @property
    def since(self) -> int:
        """From this size on all of that is so."""
        return max((e.since for e in self.eventually), default=0)

    @property
    def never_before(self) -> int:
        """No smaller size meets the group."""
        return max((e.never_before for e in self.eventually), default=0)

    @property
    def fails(self) -> bool:
        """True where no large size meets the group."""
        return any(e.holds is False for e in self.eventually)

    @property
    def periodic(self) -> dict[int, Group]:
        """The conditions that depend on a remainder, by its modulus; the least comes first."""
        found: dict[int, Group] = {}
        for condition, eventual in zip(self.conditions, self.eventually):
            if eventual.holds is None:
                found.setdefault(eventual.period, []).append(condition)
        return dict(sorted(found.items()))


def _together(asked: list[Group], symbol: str, analysis: Analysis) -> list[Decided]:
    """All groups over one range of sizes before everything repeats, and the remainders of each from there on."""
    groups = [Foreseen(group, [analysis.eventually(c) for c in group]) for group in asked]
    start = max((group.since for group in groups), default=0)
    period = math.lcm(*[e.period for group in groups for e in group.eventually])
    refuse_large(period, start, count=0)

    first = min(groups[0].never_before, start)
    if (start + period - first) * sum(map(len, asked)) <= FEW:
        truths = _one_by_one(asked, symbol, range(first, start + period))
        return [Decided(of_few([False] * first + truth, period), None) for truth in truths]
    return _by_arrays(groups, symbol, range(first, start), analysis)


def _space_of(asked: Sequence[Group]) -> Space | None:
    """The space of the conditions; None where there are none."""
    return next((condition.space for group in asked for condition in group), None)


def _one_by_one(asked: list[Group], symbol: str, sizes: range) -> list[list[bool]]:
    """For each group whether its conditions and those of the groups before hold at each of the sizes."""
    space = _space_of(asked)
    if space is None:
        return [[True] * len(sizes) for _ in asked]

    program = Program(space, [symbol])
    for condition in itertools.chain(*asked):
        program.watch(condition)

    truths: list[list[bool]] = [[] for _ in asked]
    for n in sizes:
        v = program.run({symbol: n})
        holds = True
        for truth, group in zip(truths, asked):
            holds = holds and all(program.truth(condition, v) for condition in group)
            truth.append(holds)
    return truths


def _by_arrays(
    groups: list[Foreseen], symbol: str, sizes: range, analysis: Analysis
) -> list[Decided]:
    """The same by arrays of sizes, those before everything repeats being these."""
    import numpy

    asked = [group.conditions for group in groups]
    first, start = sizes.start, sizes.stop
    before = _truth(asked, symbol, sizes, analysis)
    sieve = _Sieve(symbol, start, analysis)

    found = []
    for group, early in zip(groups, before):
        if group.fails:
            sieve.drop_all()
        for period, conditions in group.periodic.items():
            sieve.narrow(conditions, period)
        truth = _behind(numpy.zeros(first, bool), early)
        found.append(Decided(of_residues(truth, sieve.modulus, sieve.residues), None))
    return found


class _Sieve:
    """The remainders of the sizes from ``start`` on that meet conditions.

    Those with a short period come first: of their remainders few are left as a rule, and those alone are looked at
    modulo a longer one. So a set whose period is the product of many small ones is made of small sets.
    """

    def __init__(self, symbol: str, start: int, analysis: Analysis) -> None:
        import numpy

        self.symbol = symbol
        self.start = start
        self.analysis = analysis
        self.modulus = 1
        self.residues: numpy.ndarray[Any, Any] = numpy.zeros(1, numpy.int64)

    def drop_all(self) -> None:
        """Keep no size."""
        self.modulus, self.residues = 1, self.residues[:0]

    def narrow(self, conditions: Group, period: int) -> None:
        """Keep the sizes that meet these conditions too, which have this period."""
        if not len(self.residues):
            return
        modulus = math.lcm(self.modulus, period)
        residues = lifted(self.residues, self.modulus, modulus, self.start)

        # The first size from the start on with each remainder.
        sizes = self.start + (residues - self.start) % modulus
        (holds,) = _truth([conditions], self.symbol, sizes, self.analysis)
        self.modulus, self.residues = modulus, residues[holds]


def _behind(first: Any, second: Any) -> numpy.ndarray[Any, Any]:
    import numpy

    return numpy.concatenate([numpy.asarray(first, bool), second])


def _truth(
    asked: Sequence[Group],
    symbol: str,
    sizes: range | numpy.ndarray[Any, Any],
    analysis: Analysis,
) -> list[numpy.ndarray[Any, Any]]:
    """For each group whether its conditions and those of the groups before hold at each of the sizes."""
    import numpy

    truth = [numpy.ones(len(sizes), bool) for _ in asked]
    space = _space_of(asked)
    if space is None or not len(sizes):
        return truth

    program = Program(space, [symbol])
    watched = [[program.watch(condition) for condition in group] for group in asked]
    end = 1 + int(sizes[-1] if isinstance(sizes, range) else sizes.max())
    number = _number_type(program, symbol, end)
    weight = program.length * (PYTHON if number is object else 1)
    if not analysis.affords(len(sizes) * weight):
        raise TooLarge(
            f"the sizes of {symbol} up to {end} would have to be computed, through {program.length} formulas"
        )

    chunk = max(min(CHUNK, VALUES // weight), 1)
    for least in range(0, len(sizes), chunk):
        place = slice(least, least + chunk)
        some: numpy.ndarray[Any, Any] = _array(sizes[place]).astype(number)
        for part, holds in zip(truth, _truths(program, watched, {symbol: some}, len(some))):
            part[place] = holds
    return truth


def _array(sizes: range | numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Sizes as an array. NumPy makes one of a range size by size, which takes longer than what is asked of them."""
    import numpy

    return numpy.arange(sizes.start, sizes.stop) if isinstance(sizes, range) else sizes


def _truths(
    program: Program, groups: Sequence[Group], values: Mapping[str, Any], count: int
) -> Iterator[numpy.ndarray[Any, Any]]:
    """For each group whether its conditions and those of the groups before hold; one array, changed in place."""
    import numpy

    v = program.run(values)
    holds = numpy.ones(count, bool)
    for group in groups:
        for condition in group:
            holds &= numpy.asarray(program.truth(condition, v), bool)
        yield holds


def _number_type(program: Program, symbol: str, end: int) -> type:
    """int64, or Python's integers where formulas leave its range."""
    import numpy

    if all(abs(n) <= LARGE for size in (0, end) for n in program.run({symbol: size})):
        return numpy.int64
    if end > BOUND:
        raise TooLarge(f"sizes of {symbol} up to {end} make numbers of more than 64 bits")
    return object


class SizesAt:
    """Sizes of one space as numbers, for one number of each symbol; each part of them is computed once."""

    def __init__(self, space: Space, symbols: Mapping[str, int]) -> None:
        self.space = space
        self.symbols = symbols
        self._of_atom: dict[int, int] = {}

    def truth(self, condition: Condition | bool) -> bool:
        """Whether a condition holds."""
        if isinstance(condition, bool):
            return condition
        return bool(condition.evaluate(self.size))

    def size(self, size: SizeLike) -> int:
        """The number that a size is."""
        if isinstance(size, int):
            return size
        for index in self.space.atoms_under(size, self._of_atom):
            self._of_atom[index] = self._atom(self.space.atoms[index])

        total = size.constant
        for monomial, factor in size.terms:
            total += factor * math.prod([self._of_atom[index] for index in monomial])
        return total

    def _atom(self, atom: Atom) -> int:
        if atom.primitive is SYMBOL:
            return self.symbols[atom.arguments[0]]
        parts = zip(atom.primitive.takes, atom.arguments)
        arguments = [self._argument(*part) for part in parts]
        return int(atom.primitive.value(*arguments))

    def _argument(self, takes: str, argument: Any) -> Any:
        if takes == SIZE:
            return self.size(argument)
        return self.truth(argument) if takes == CONDITION else argument


class NamelessForms:
    """The forms of the conditions on one symbol, whatever its name is: of equal ones the same sizes meet both."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._of_atom: dict[int, int] = {}
        self._numbers: dict[Any, int] = {}
        """By form: its number, which stands for it in the forms of what is made of it."""

    def of(self, condition: Condition) -> Any:
        """The form of a condition on a single symbol."""
        return (condition.relation, *[self._part(part) for part in condition.parts])

    def _part(self, part: Any) -> Any:
        """The form of a part of a condition, or of an argument of an atom."""
        if isinstance(part, Condition):
            return self.of(part)
        return self._size(part) if isinstance(part, Size) else part

    def _size(self, size: Size) -> Any:
        of_atom = self._of_atom
        for index in self.space.atoms_under(size, of_atom):
            atom = self.space.atoms[index]
            form = (atom.primitive, *map(self._part, atom.arguments))
            if atom.primitive is SYMBOL:
                form = (SYMBOL, self.space.least.get(atom.arguments[0]))
            of_atom[index] = self._numbers.setdefault(form, len(self._numbers))

        terms = [
            (sorted([of_atom[i] for i in monomial]), factor) for monomial, factor in size.terms
        ]
        return (*[(*atoms, factor) for atoms, factor in sorted(terms)], size.constant)


class Analysis:
    """Growth of the sizes of one space, worked out once for each atom."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._of_atom: dict[int, Growth] = {}
        self._of_terms: dict[Terms, Growth] = {}
        self._of_comparison: dict[Any, Eventually] = {}
        self._work = WORK
        self._at: dict[Any, SizesAt] = {}
        self.forms = NamelessForms(space)
        self.decided: dict[Any, list[Decided]] = {}
        """By the forms of conditions: the sizes that meet them."""

    def at(self, symbols: Mapping[str, int]) -> SizesAt:
        """The sizes of the space for these numbers."""
        key = tuple(symbols.items())
        known = self._at.get(key)
        if known is None:
            known = self._at[key] = SizesAt(self.space, symbols)
        return known

    def afresh(self) -> Analysis:
        """An analysis that may compute as much as a new one, and knows the growths that this one knows."""
        other = Analysis(self.space)
        other._of_atom, other._of_terms = self._of_atom, self._of_terms
        other._of_comparison = self._of_comparison
        other._at = self._at
        other.forms, other.decided = self.forms, self.decided
        return other

    def affords(self, numbers: int) -> bool:
        """Whether so many numbers may still be computed; they are then taken off."""
        if numbers > self._work:
            return False
        self._work -= numbers
        return True

    def eventually(self, condition: Condition | bool) -> Eventually:
        """What a condition is from some size on. Raises :class:`Aperiodic`."""
        if isinstance(condition, bool):
            return Eventually(0, 1, condition)
        if condition.relation in ("and", "or"):
            return self._joined(condition)

        key = identity(condition)
        known = self._of_comparison.get(key)
        if known is None:
            known = _compared(condition, self.growth(condition.parts[0]))
            self._of_comparison[key] = known
        return known

    def _joined(self, condition: Condition) -> Eventually:
        """Of conditions that are joined by ``and`` or ``or``."""
        deciding = condition.relation == "or"
        known: list[Eventually] = []
        unknown: Aperiodic | None = None
        for part in condition.parts:
            try:
                known.append(self.eventually(part))
            except Aperiodic as error:
                unknown = error

        # One true alternative is enough, and so is one false requirement.
        decided = [part for part in known if part.holds is deciding]
        if decided:
            is_partial = deciding and unknown is not None
            never = 0 if is_partial else _never_before(known, deciding)
            return min(decided)._replace(never_before=never)
        if unknown is not None:
            raise unknown

        since = max(part.since for part in known)
        period = math.lcm(*[part.period for part in known])
        holds = None if None in [part.holds for part in known] else not deciding
        return Eventually(since, period, holds, _never_before(known, deciding))

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


def _never_before(known: Iterable[Eventually], alternatives: bool) -> int:
    """A size below which conditions fail together: all requirements where one does, alternatives where each does."""
    furthest = min if alternatives else max
    return furthest((part.never_before for part in known), default=0)


def _compared(condition: Condition, growth: Growth) -> Eventually:
    """Of a comparison with 0 of a size that grows like this."""
    relation, since = condition.relation, growth.since

    above = nonnegative_from(growth.lower) if relation == "ge" else _positive_from(growth.lower)
    if above is not None:
        never = _negative_before(growth) if relation == "ge" else 0
        return Eventually(max(since, above), 1, relation != "eq", never)

    below = _positive_from(negated(growth.upper))
    if below is not None:
        return Eventually(max(since, below), 1, relation == "ne")

    if growth.period is None or growth.slope:
        raise Aperiodic(f"{condition!r} has no period")
    return Eventually(since, growth.period, None)


def _positive_from(lower: Polynomial) -> int | None:
    """A size from which on a function with this lower bound is at least 1; None where that is not known."""
    if len(lower) == 1 and lower[0] > 0:
        return 0  # what is above 0 for every size is at least 1: it is a whole number
    return nonnegative_from(added(lower, MINUS_ONE))


def _negative_before(growth: Growth) -> int:
    """A size below which the function is negative, by a linear upper bound that holds for every size."""
    if growth.since or len(growth.upper) != 2:
        return 0
    offset, slope = growth.upper
    return max(-(offset // slope), 0)
