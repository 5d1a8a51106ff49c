"""Sizes that are not numbers yet.

A :class:`Size` is a polynomial with integer coefficients over *atoms*: the symbols of a config
(``H``) and what the size formulas make of them (``(H + 1) // 2``). Sizes are interned, so two
formulas that always agree are one object, and a merge of such sizes is proven without a number.
A comparison of sizes gives a :class:`Condition`, which has no truth value: no formula may branch on it.

This file knows nothing of operations or networks. :mod:`tracer.sizing.program` turns sizes into a program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Union

from tracer.sizing.ends import Limits, ends_of, holds
from tracer.sizing.primitives import SYMBOL, Operand, Primitive, quotient
from tracer.sizing.size_set import TooLarge

SizeLike = Union[int, "Size"]
Monomial = tuple[int, ...]
Terms = tuple[tuple[Monomial, int], ...]

WRITTEN = 100
"""Atoms of an expression that are written out; those of a longer one stand as ``...``."""

FACTORS = 64
"""Atoms of one term: a map that is multiplied by itself again and again doubles them each time."""

TERMS = 2_000
"""Terms of one size."""

TOO_LONG = "a size is too long a polynomial of the symbols"


class Writing(NamedTuple):
    """How sizes are written as expressions over the symbols."""

    named: Callable[[Size], str | None]
    """Another name for a size that is too long to be written out; None where it has none."""
    most: int = WRITTEN
    """Atoms that are written out."""


class Atom:
    """An indivisible size: a symbol, or a primitive of other sizes that is not a polynomial."""

    __slots__ = ("arguments", "index", "primitive")

    def __init__(self, index: int, primitive: Primitive, arguments: tuple[Any, ...]) -> None:
        self.index = index
        self.primitive = primitive
        self.arguments = arguments

    def __repr__(self) -> str:
        return self.written(IN_FULL)

    def written(self, how: Writing) -> str:
        """The expression of it."""
        return self.primitive.text(*[_written(argument, how) for argument in self.arguments])


def _written(argument: Any, how: Writing) -> str:
    """An argument of a primitive as it is written."""
    if isinstance(argument, (Size, Condition)):
        return argument.written(how)
    return str(argument)


IN_FULL = Writing(lambda _: None)
"""Without other names."""


class Space:
    """The symbols of one network and every size made of them."""

    def __init__(self) -> None:
        self.atoms: list[Atom] = []
        self._atom_of: dict[tuple[Any, ...], Atom] = {}
        self._siblings: dict[Terms, Siblings] = {}
        self._support: dict[int, frozenset[str]] = {}
        self._lengths: dict[int, int] = {}
        self.least: dict[str, int] = {}
        """The least value of a symbol, where that is known."""
        self.ends: dict[int, Limits] = {}
        """By the identity of their terms: the ends of sizes without their constants."""
        self.ends_of_atom: dict[int, Limits] = {}
        self._written: Callable[[Size], str] | None = None
        """How its sizes are written, where not as expressions over the symbols."""

    def write_as(self, written: Callable[[Size], str]) -> None:
        """Write sizes in this way from now on: a page's texts have slots where others have expressions."""
        self._written = written

    def text(self, size: Size) -> str | None:
        """A size in the way that :meth:`write_as` set; None where it is an expression over the symbols."""
        return None if self._written is None else self._written(size)

    def symbol(self, name: str) -> Size:
        """The size that stands for the symbol ``name``."""
        return self.atom(SYMBOL, name)

    def counts(self, name: str) -> Size:
        """The size that stands for a symbol that is never below 1: that of an input."""
        self.least[name] = 1
        return self.symbol(name)

    def applied(self, primitive: Primitive, arguments: tuple[Any, ...]) -> SizeLike:
        """A primitive of sizes, conditions and numbers, in a simpler form where there is one."""
        simpler: SizeLike | None = primitive.simplified(*arguments)
        return self.atom(primitive, *arguments) if simpler is None else simpler

    def atom(self, primitive: Primitive, *arguments: Any) -> Size:
        """The size ``primitive(*arguments)``, made once."""
        key = (primitive, *(identity(argument) for argument in arguments))
        atom = self._atom_of.get(key)
        if atom is None:
            atom = self._atom_of[key] = Atom(len(self.atoms), primitive, arguments)
            self.atoms.append(atom)
        return self.alone(atom.index)

    def alone(self, index: int) -> Size:
        """The size that is one atom."""
        return self.interned((((index,), 1),), 0)

    def size(self, coefficients: dict[Monomial, int]) -> SizeLike:
        """The polynomial with these coefficients (the empty monomial is the constant)."""
        constant = coefficients.pop((), 0)
        terms = tuple(sorted((m, c) for m, c in coefficients.items() if c))
        if not terms:
            return constant
        if len(terms) > TERMS or max(map(len, coefficients)) > FACTORS:
            raise TooLarge(TOO_LONG)
        return self.interned(terms, constant)

    def sum_of(self, total: dict[Monomial, int], sizes: Iterable[SizeLike]) -> SizeLike:
        """The sum of terms and of sizes, which is put in order once, where sums made one by one would be each."""
        for size in sizes:
            if isinstance(size, int):
                total[()] = total.get((), 0) + size
                continue
            for monomial, factor in size.coefficients():
                total[monomial] = total.get(monomial, 0) + factor
        return self.size(total)

    def support(self, of: SizeLike | Condition | bool) -> frozenset[str]:
        """The symbols that a size or condition depends on."""
        if isinstance(of, int):
            return NOTHING
        if isinstance(of, Condition):
            return NOTHING.union(*[self.support(part) for part in of.parts])
        if of.siblings.support is None:
            of.siblings.support = self._support_of(of)
        return of.siblings.support

    def _support_of(self, of: Size) -> frozenset[str]:
        known = self._support
        for index in self.atoms_under(of, known):
            atom = self.atoms[index]
            own = frozenset([atom.arguments[0]]) if atom.primitive is SYMBOL else NOTHING
            known[index] = own.union(*[self.support(size) for size in sizes_in(atom.arguments)])
        return NOTHING.union(*[known[index] for monomial, _ in of.terms for index in monomial])

    def support_of_atom(self, index: int) -> frozenset[str]:
        """The symbols that an atom depends on; it is of a size whose :meth:`support` is known."""
        return self._support[index]

    def atoms_under(self, size: Size, known: Container[int]) -> list[int]:
        """The atoms that a size is made of and that are not known yet, each behind those it is made of."""
        pending = _not_in(known, size.terms)
        if not pending:
            return []

        missing: set[int] = set()
        while pending:
            index = pending.pop()
            if index in known or index in missing:
                continue
            missing.add(index)
            for below in sizes_in(self.atoms[index].arguments):
                pending.extend(a for monomial, _ in below.terms for a in monomial)
        return sorted(missing)  # an atom is numbered after its arguments

    def lengths(self, size: Size) -> Mapping[int, int]:
        """How many atoms are written for each atom of a size; huge numbers end at :data:`HUGE`."""
        known = self._lengths
        for index in self.atoms_under(size, known):
            below = sizes_in(self.atoms[index].arguments)
            known[index] = min(1 + sum(part.length() for part in below), HUGE)
        return known

    def interned(self, terms: Terms, constant: int) -> Size:
        """The size of these terms and this constant, made once."""
        siblings = self._siblings.get(terms)
        if siblings is None:
            siblings = self._siblings[terms] = Siblings(self, terms)
        return siblings.size(constant)


def _not_in(known: Container[int], terms: Terms) -> list[int]:
    """The atoms of a polynomial that are not known yet: nearly always none."""
    found = []
    for monomial, _ in terms:
        for index in monomial:
            if index not in known:
                found.append(index)
    return found


NOTHING: frozenset[str] = frozenset()

HUGE = 2**31
"""Atoms of an expression that nobody writes out: chains of choices double with every link."""


def sizes_in(arguments: Iterable[Any]) -> Iterable[Size]:
    """The sizes among an atom's arguments, those inside of conditions included."""
    for argument in arguments:
        if isinstance(argument, Size):
            yield argument
        elif isinstance(argument, Condition):
            yield from argument.sizes()


def identity(value: Any) -> Any:
    """What makes two arguments of an atom the same: sizes are interned, conditions are not."""
    if isinstance(value, Condition):
        return value.identity()
    return id(value) if isinstance(value, Size) else value


class Siblings(dict[int, "Size"]):
    """The sizes of the same terms by their constant: adding a number to a size is one look-up."""

    __slots__ = ("common", "space", "support", "terms")

    def __init__(self, space: Space, terms: Terms) -> None:
        super().__init__()
        self.space = space
        self.terms = terms
        self.common = math.gcd(*[factor for _, factor in terms])
        """The greatest common divisor of the factors."""
        self.support: frozenset[str] | None = None
        """The symbols that they depend on, once that is asked."""

    def size(self, constant: int) -> Size:
        """The one with this constant, made once."""
        found = self.get(constant)
        if found is None:
            found = self[constant] = Size(self.space, self.terms, constant, self)
        return found


class Size(Operand):
    """A size as a polynomial over atoms; supports ``+ - * // %`` and comparisons."""

    __slots__ = ("constant", "siblings", "space", "terms")

    def __init__(self, space: Space, terms: Terms, constant: int, siblings: Siblings) -> None:
        self.space = space
        self.terms = terms
        self.constant = constant
        self.siblings = siblings

    def __repr__(self) -> str:
        return self.written(IN_FULL)

    def written(self, how: Writing) -> str:
        """The expression of it, with other names or ``...`` for what is too long."""
        set_text = self.space.text(self)
        if set_text is not None:
            return set_text
        text, shown = "", 0
        for monomial, factor in self.terms:
            if shown >= how.most:
                return f"{text} + ..."
            term, count = self._term_text(monomial, factor, how)
            text += _sign(factor, bool(text)) + term
            shown += count
        if self.constant:
            text += _sign(self.constant, True) + str(abs(self.constant))
        return text

    def _term_text(self, monomial: Monomial, factor: int, how: Writing) -> tuple[str, int]:
        """A term without its sign, and how many atoms are written there."""
        texts, count = [], 0
        lengths = self.space.lengths(self)
        is_alone = len(monomial) == 1 and factor == 1
        for index in monomial:
            atom = self.space.atoms[index]
            if lengths[index] > how.most:
                alone = self.space.alone(index)
                text, is_tight = how.named(alone) or "...", True
                count += 1
            else:
                text, is_tight = atom.written(how), atom.primitive.is_tight
                count += lengths[index]
            texts.append(text if is_tight or is_alone else f"({text})")
        if abs(factor) != 1:
            texts.insert(0, str(abs(factor)))
        return "*".join(texts), count

    def coefficients(self) -> Iterable[tuple[Monomial, int]]:
        """The polynomial: its terms, then the constant, of the empty monomial."""
        yield from self.terms
        yield (), self.constant

    def multiple(self) -> tuple[int, int] | None:
        """The atom and the factor, where there is one term of one atom, whatever the constant; None for others."""
        if len(self.terms) != 1:
            return None
        monomial, factor = self.terms[0]
        if len(monomial) != 1:
            return None
        return monomial[0], factor

    def length(self) -> int:
        """How many atoms its expression has when it is written out."""
        lengths = self.space.lengths(self)
        return min(
            sum(lengths[index] for monomial, _ in self.terms for index in monomial), HUGE
        )

    def least_and_most(self) -> Limits:
        """Whole numbers, or infinities, between which all of its values are."""
        return ends_of(self)

    def _combine(self, other: Size, sign: int) -> SizeLike:
        if self.siblings is other.siblings and sign < 0:
            return self.constant - other.constant
        total = dict(self.terms)
        for monomial, factor in other.terms:
            total[monomial] = total.get(monomial, 0) + sign * factor
        total[()] = self.constant + sign * other.constant
        return self.space.size(total)

    def __add__(self, other: SizeLike) -> SizeLike:
        if isinstance(other, Size):
            return self._combine(other, 1)
        return self.siblings.size(self.constant + other)

    __radd__ = __add__

    def __sub__(self, other: SizeLike) -> SizeLike:
        if isinstance(other, Size):
            return self._combine(other, -1)
        return self.siblings.size(self.constant - other)

    def __rsub__(self, other: int) -> SizeLike:
        return -self + other

    def __neg__(self) -> SizeLike:
        return self * -1

    def __mul__(self, other: SizeLike) -> SizeLike:
        if isinstance(other, int):
            if other == 0:
                return 0
            terms = tuple([(monomial, factor * other) for monomial, factor in self.terms])
            return self.space.interned(terms, self.constant * other)

        if len(self.terms) * len(other.terms) > 10 * TERMS:
            raise TooLarge(TOO_LONG)
        total: dict[Monomial, int] = {}
        for ours, factor in self.coefficients():
            for theirs, times in other.coefficients():
                monomial = tuple(sorted(ours + theirs))
                so_far = total.get(monomial, 0)
                total[monomial] = so_far + factor * times
        return self.space.size(total)

    __rmul__ = __mul__

    def __floordiv__(self, other: SizeLike) -> SizeLike:
        if isinstance(other, int):
            return self if other == 1 else self._floordiv_int(other)
        exact = self._exact_quotient(other)
        return self.space.atom(quotient, self, other) if exact is None else exact

    def __rfloordiv__(self, other: int) -> SizeLike:
        return self.space.atom(quotient, other, self)

    def _floordiv_int(self, divisor: int) -> SizeLike:
        if divisor <= 0:
            raise ZeroDivisionError("a size is divided by a positive number only")

        # (d*q + r) // d == q + r // d
        whole: dict[Monomial, int] = {}
        rest: dict[Monomial, int] = {}
        for monomial, factor in self.terms:
            if factor % divisor == 0:
                whole[monomial] = factor // divisor
            else:
                rest[monomial] = factor
        whole[()], remainder = divmod(self.constant, divisor)
        outside = self.space.size(whole)
        if not rest:
            return outside

        # (g*p + r) // (g*d) == (p + r // g) // d
        common = math.gcd(divisor, *rest.values())
        terms = tuple(sorted((monomial, factor // common) for monomial, factor in rest.items()))
        inner = self.space.interned(terms, remainder // common)
        divisor //= common
        return inner._floor(divisor) + outside

    def _floor(self, divisor: int) -> SizeLike:
        """self // divisor, where the divisor shares no factor with the terms."""
        if all(factor < 0 for _, factor in self.terms):
            # (-p) // d == -((p + d - 1) // d): one form for a ceiling, whose ends are seen.
            return -((divisor - 1 - self) // divisor)
        folded = self._floor_of_floor(divisor)
        return self.space.atom(quotient, self, divisor) if folded is None else folded

    def _floor_of_floor(self, divisor: int) -> SizeLike | None:
        """self // divisor where self is a floor and a constant: (p // a + r) // d == (p + r*a) // (a*d)."""
        multiple = self.multiple()
        if multiple is None or multiple[1] != 1:
            return None
        atom = self.space.atoms[multiple[0]]
        if atom.primitive is not quotient:
            return None

        numerator, first = atom.arguments
        if not isinstance(first, int):
            return None
        whole: SizeLike = numerator + self.constant * first
        return whole // (first * divisor)

    def _exact_quotient(self, other: Size) -> SizeLike | None:
        """self / other where that is a size of a few terms, by long division; None for other quotients."""
        if self is other:
            return 1
        divisor, factor = _leading(other)
        found: SizeLike = 0
        rest: SizeLike = self
        for _ in range(MOST_TERMS):
            if isinstance(rest, int):
                break
            monomial, coefficient = _leading(rest)
            left = _without(monomial, divisor)
            if left is None or coefficient % factor:
                return None
            part = self.space.size({left: coefficient // factor})
            found = found + part
            rest = rest - part * other
        is_exact = isinstance(rest, int) and rest == 0
        return found if is_exact else None

    def __mod__(self, other: SizeLike) -> SizeLike:
        return self - (self // other) * other

    def __rmod__(self, other: int) -> SizeLike:
        return other - (other // self) * self

    def __pow__(self, exponent: int) -> SizeLike:
        power: SizeLike = 1
        for _ in range(exponent):
            power = power * self
        return power

    def apply(self, primitive: Primitive, arguments: tuple[Any, ...]) -> Any:
        """A primitive of sizes and numbers."""
        return self.space.applied(primitive, arguments)

    def __ge__(self, other: SizeLike) -> Condition | bool:
        if isinstance(other, Size):
            return compare("ge", self._combine(other, -1))
        return compare("ge", self.siblings.size(self.constant - other))

    def __le__(self, other: SizeLike) -> Condition | bool:
        return compare("ge", other - self)

    def __gt__(self, other: SizeLike) -> Condition | bool:
        return self >= other + 1

    def __lt__(self, other: SizeLike) -> Condition | bool:
        return compare("ge", other - self - 1)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, int):
            return compare("eq", self.siblings.size(self.constant - other))
        return compare("eq", self - other) if isinstance(other, Size) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return compare("ne", self - other) if isinstance(other, (int, Size)) else NotImplemented

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError(f"the size {self!r} is not a number yet: no formula may branch on it")


def compare(relation: str, difference: SizeLike) -> Condition | bool:
    """The condition that ``difference`` is >= 0 (ge), == 0 (eq) or != 0 (ne); decided where it always or never is."""
    if isinstance(difference, int):
        return difference >= 0 if relation == "ge" else (difference == 0) is (relation == "eq")

    common = difference.siblings.common
    if common != 1:
        # g*p + c >= 0 is p + c // g >= 0, and g*p + c == 0 has no solution where g does not divide c.
        if relation != "ge" and difference.constant % common:
            return relation == "ne"
        difference = _over(difference, common)
    if relation == "ge":
        return Condition(relation, (difference,))
    return _equality(relation, difference)


def _over(size: Size, divisor: int) -> Size:
    """The size over a number that divides its terms, its constant rounded down."""
    terms = tuple([(monomial, factor // divisor) for monomial, factor in size.terms])
    return size.space.interned(terms, size.constant // divisor)


def _equality(relation: str, difference: Size) -> Condition | bool:
    """The condition that a size is 0, or is not."""
    if difference.terms[0][1] < 0:  # a == b and b == a are one condition
        difference = _over(difference, -1)

    divided = None if difference.constant else _without_common_atom(difference)
    if divided is None:
        return Condition(relation, (difference,))

    # a*p is 0 where one of them is.
    rest, factor = (compare(relation, part) for part in divided)
    return rest | factor if relation == "eq" else rest & factor


def _without_common_atom(size: Size) -> tuple[SizeLike, Size] | None:
    """The size over an atom that all of its terms have, and that atom."""
    first, *others = [monomial for monomial, _ in size.terms]
    common = set(first).intersection(*others)
    if not common or size.multiple() is not None:
        return None

    divisor = (min(common),)
    divided: dict[Monomial, int] = {}
    for monomial, factor in size.terms:
        rest = _without(monomial, divisor)
        assert rest is not None
        divided[rest] = factor
    alone = size.space.interned(((divisor, 1),), 0)
    return size.space.size(divided), alone


MOST_TERMS = 8
"""Terms of a quotient that is looked for."""


def _leading(size: Size) -> tuple[Monomial, int]:
    """The term that is divided first: the last one of the highest degree."""
    return max(size.terms, key=lambda term: (len(term[0]), term[0]))


def _without(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    """A monomial over another; None where that does not divide it."""
    left = list(monomial)
    for atom in divisor:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def _sign(factor: int, follows: bool) -> str:
    """The sign of a term as it is written, at the front of a text or behind another term."""
    if follows:
        return " - " if factor < 0 else " + "
    return "-" if factor < 0 else ""


class Condition(Operand):
    """A comparison of sizes, or several joined by ``&`` and ``|``."""

    __slots__ = ("_identity", "parts", "relation")

    def __init__(self, relation: str, parts: tuple[Any, ...]) -> None:
        self.relation = relation  # ge | eq | ne | and | or
        self.parts = parts
        self._identity: tuple[Any, ...] | None = None

    def identity(self) -> tuple[Any, ...]:
        """What makes it the same condition as another one: its relation and its parts."""
        if self._identity is None:
            self._identity = (self.relation, *map(identity, self.parts))
        return self._identity

    def __and__(self, other: Condition | bool) -> Condition | bool:
        if isinstance(other, Condition):
            return Condition("and", (self, other))
        return self if other else False

    __rand__ = __and__

    def __or__(self, other: Condition | bool) -> Condition | bool:
        if isinstance(other, Condition):
            return Condition("or", (self, other))
        return True if other else self

    __ror__ = __or__

    def joined(self, parts: Sequence[bool | None]) -> bool | None:
        """Its truth where it joins parts, by theirs; None where that is open."""
        deciding = self.relation == "or"
        if deciding in parts:
            return deciding
        return None if None in parts else not deciding

    def __invert__(self) -> Condition | bool:
        if self.relation in ("and", "or"):
            first, second = [~part for part in self.parts]
            joined: Condition | bool = first & second
            if self.relation == "and":
                joined = first | second
            return joined
        (size,) = self.parts
        if self.relation == "ge":
            return compare("ge", -size - 1)
        return compare("ne" if self.relation == "eq" else "eq", size)

    def __bool__(self) -> bool:
        raise TypeError(
            f"the condition {self!r} has no truth value yet: no formula may branch on it"
        )

    def __repr__(self) -> str:
        return self.written(IN_FULL)

    def written(self, how: Writing) -> str:
        """The comparison as an expression, with other names or ``...`` for what is too long."""
        if self.relation in ("and", "or"):
            return (
                "("
                + f" {self.relation} ".join([part.written(how) for part in self.parts])
                + ")"
            )
        size: Size = self.parts[0]
        relation = {"ge": ">=", "eq": "==", "ne": "!="}[self.relation]
        parts: list[dict[Monomial, int]] = [{}, {}]
        for monomial, factor in size.coefficients():
            parts[factor < 0][monomial] = abs(factor)
        left, right = (size.space.size(part) for part in parts)
        if isinstance(left, int) and not isinstance(right, int):
            left, right, relation = right, left, relation.replace(">", "<")
        return f"{_written(left, how)} {relation} {_written(right, how)}"

    def apply(self, primitive: Primitive, arguments: tuple[Any, ...]) -> Any:
        """A primitive of conditions, sizes and numbers."""
        return self.space.applied(primitive, arguments)

    @property
    def space(self) -> Space:
        """The space of its sizes."""
        part: Any = self.parts[0]
        return part.space  # type: ignore[no-any-return]

    def always(self) -> bool | None:
        """Whether the ends of its sizes show that it always or never holds; None where that is open."""
        if self.relation not in ("and", "or"):
            return holds(self.relation, ends_of(self.parts[0]))
        first, second = [part.always() for part in self.parts]
        deciding = self.relation == "or"
        if deciding in (first, second):
            return deciding
        return None if None in (first, second) else not deciding

    def conjuncts(self) -> Iterable[Condition]:
        """The conditions that it joins by ``and``."""
        if self.relation == "and":
            for part in self.parts:
                yield from part.conjuncts()
        else:
            yield self

    def disjuncts(self) -> Iterable[Condition]:
        """The conditions that it joins by ``or``."""
        if self.relation == "or":
            for part in self.parts:
                yield from part.disjuncts()
        else:
            yield self

    def sizes(self) -> Iterable[Size]:
        """Every size that the condition compares with zero."""
        for part in self.parts:
            if isinstance(part, Condition):
                yield from part.sizes()
            else:
                yield part

    def evaluate(self, value: Callable[[Size], Any]) -> Any:
        """The truth of the condition for given values (ints, or arrays of all sizes at once)."""
        if self.relation == "and":
            return self.parts[0].evaluate(value) & self.parts[1].evaluate(value)
        if self.relation == "or":
            return self.parts[0].evaluate(value) | self.parts[1].evaluate(value)
        size = value(self.parts[0])
        if self.relation == "ge":
            return size >= 0
        return size == 0 if self.relation == "eq" else size != 0
