"""Sizes that a program reads off its tensors, and what it computes of them.

A :class:`RunTimeSize` is the int that the program sees, and beside it the same size over the symbols of the input. Its
comparisons are noted: the program may take another path where another size decides them otherwise.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from fractions import Fraction
from types import FrameType
from typing import Any, NamedTuple

from tracer.importing.looked_up import asked_by_hash
from tracer.importing.named_numbers import numbers_written_beside
from tracer.importing.roots import sides_of
from tracer.sizing.arithmetic import maximum, minimum
from tracer.sizing.ends import ends_of
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition, Size, SizeLike, Space
from tracer.source.python_places import Spot

Formula = Callable[..., Any]

Outcome = Condition | bool | None
"""A comparison over the symbols, decided where it always or never holds; None where it is not known."""


class Guard(NamedTuple):
    """A comparison of sizes that the program made."""

    holds: Condition | None
    """The condition that was true; None where it is not known what was compared."""
    spot: Spot
    """Where the program made it."""


class Hashed(NamedTuple):
    """The sizes that a program has hashed at one place."""

    place: tuple[int, int]
    """The frame and the instruction."""
    sizes: list[RunTimeSize]


class Guards:
    """The comparisons made so far, in one space of symbols."""

    def __init__(
        self, space: Space, spot: Callable[[], Spot], numbers: Mapping[str, int] | None = None
    ) -> None:
        self.space = space
        self.spot = spot
        """Tells where the program is now."""
        self.numbers = {} if numbers is None else numbers
        """The size of every symbol that is known by now."""
        self.made: list[Guard] = []
        self.unsure: list[Condition] = []
        """Comparisons that the program may have made unseen, of whatever outcome."""
        self.sure: Set[Any] = frozenset()
        """The identities of those of which it is known that it does: they are noted."""
        self.hashed: Hashed | None = None
        """What was hashed last."""

    def hashed_at(self, frame: FrameType, size: RunTimeSize) -> list[RunTimeSize]:
        """The sizes that were hashed before this one where a frame is: of equal ones, a set holds one."""
        place = id(frame), frame.f_lasti
        if self.hashed is None or self.hashed.place != place:
            self.hashed = Hashed(place, [])
        before = list(self.hashed.sizes)
        self.hashed.sizes.append(size)
        return before

    def holding(self) -> list[Condition]:
        """The conditions that were true, without the comparisons that are not known."""
        return [guard.holds for guard in self.made if guard.holds is not None]

    def note(self, condition: Outcome, outcome: bool) -> bool:
        """The outcome of a comparison, which is noted where other sizes may have another one.

        ``condition`` is the comparison over the symbols; None where it is not known.
        """
        if isinstance(condition, bool):
            return outcome

        holds: Outcome = condition
        if condition is not None and not outcome:
            holds = negated(condition)
        if not isinstance(holds, bool):
            self.made.append(Guard(holds, self.spot()))
        return outcome


def negated(condition: Condition) -> Condition | bool:
    """The condition that holds where this one doesn't."""
    if condition.relation in ("and", "or"):
        a, b = (negated(part) for part in condition.parts)
        return a | b if condition.relation == "and" else a & b

    size: Size = condition.parts[0]
    opposites: dict[str, Callable[[], Condition | bool]] = {
        "ge": lambda: -1 - size >= 0,
        "eq": lambda: size != 0,
        "ne": lambda: size == 0,
    }
    return opposites[condition.relation]()


# --- operators of numbers that are followed --------------------------------------------------------------------------


def _operator(name: str) -> Any:
    """The method of an operator of ints, computed over the symbols as well."""
    of_ints = getattr(int, f"__{name}__")
    over_sizes = getattr(operator, name)

    def method(self: RunTimeSize, other: Any) -> Any:
        if isinstance(other, float):
            return over_sizes(self._quotient(), other)
        number = of_ints(self, other)
        return self._made(number, over_sizes, self, other)

    return method


def _reflected(name: str) -> Any:
    """The method of an operator of ints where the size is on its right."""
    of_ints = getattr(int, f"__r{name}__")
    over_sizes = getattr(operator, name)

    def method(self: RunTimeSize, other: Any) -> Any:
        number = of_ints(self, other)
        return self._made(number, over_sizes, other, self)

    return method


def _unfollowed(name: str) -> Any:
    """The method of an operator whose result is known as a number only."""
    of_ints = getattr(int, f"__{name}__")

    def method(self: RunTimeSize, other: Any) -> Any:
        number = of_ints(self, other)
        return self._lost(number)

    return method


def _comparison(name: str) -> Any:
    """The method of a comparison, which is noted."""
    compare = getattr(operator, name)

    def method(self: RunTimeSize | RunTimeQuotient, other: Any) -> Any:
        kind = int if isinstance(self, int) else float
        outcome = getattr(kind, f"__{name}__")(self, other)
        if outcome is NotImplemented:
            return outcome

        condition = self._condition(compare, other)
        return self.guards.note(condition, outcome)

    return method


class UnseenComparisons:
    """A number that the program may compare unseen: with what, is known where its hash or its text is asked for."""

    guards: Guards
    _condition: Callable[[Formula, Any], Outcome]

    def may_meet(self, numbers: Iterable[Any]) -> None:
        """Note numbers with which the program may compare it; those decide of which it is known that it does."""
        for number in numbers:
            condition = self._condition(operator.eq, number)
            if not isinstance(condition, Condition):
                continue
            self.guards.unsure.append(condition)
            if condition.identity() in self.guards.sure:
                _ = self == number

    def __repr__(self) -> str:
        self.may_meet(numbers_written_beside(_programs_frame()))
        return super().__repr__()

    __str__ = __repr__

    def __format__(self, how: str) -> str:
        self.may_meet(numbers_written_beside(_programs_frame()))
        return super().__format__(how)


class RunTimeSize(UnseenComparisons, int):
    """A size that depends on the input's: its number, and the size over the symbols (None: not known)."""

    size: SizeLike | None
    guards: Guards
    source: tuple[Any, int] | None
    """The tensor and dim that it was read off, as long as nothing was computed."""

    def __new__(
        cls,
        number: int,
        size: SizeLike | None,
        guards: Guards,
        source: tuple[Any, int] | None = None,
    ) -> RunTimeSize:
        made = super().__new__(cls, number)
        made.size = size
        made.guards = guards
        made.source = source
        return made

    def _made(self, number: Any, compute: Formula, *operands: Any) -> Any:
        """The number that a computation gave the program, with the same computation over the symbols."""
        # NotImplemented lets Python try the other operand; a float is followed no further.
        if number is NotImplemented or not isinstance(number, int):
            return number

        found = None
        sizes = [_size_of(operand, self.guards) for operand in operands]
        if None not in sizes:
            try:
                found = compute(*sizes)
            except (TypeError, ZeroDivisionError):
                found = None

        # Over the symbols, H - H is a plain number too.
        if type(found) is int:
            return int(number)
        return RunTimeSize(number, found, self.guards)

    def _lost(self, number: Any) -> Any:
        """A number whose size over the symbols is not known."""
        return self._made(number, _unknown)

    # --- arithmetic --------------------------------------------------------------------------------------------------

    __add__ = _operator("add")
    __radd__ = _reflected("add")
    __sub__ = _operator("sub")
    __rsub__ = _reflected("sub")
    __floordiv__ = _operator("floordiv")
    __rfloordiv__ = _reflected("floordiv")
    __mod__ = _operator("mod")
    __rmod__ = _reflected("mod")

    _times = _operator("mul")

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, float):
            return self._quotient() * other
        if isinstance(other, (list, tuple, str, bytes)):
            # How many parts there are is decided by the size, as in a loop.
            self.decides()
        return self._times(other)

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, RunTimeSize):
            return self._over(other)
        return self._quotient() / other

    def _over(self, other: RunTimeSize) -> float:
        """The quotient of two sizes: a plain number, a whole multiple of a size, or a fraction that floats round."""
        number = int.__truediv__(self, other)
        mine, others = self.size, _size_of(other, self.guards)
        made = RunTimeQuotient(number, None, 1, self.guards)
        if mine is not None and others is not None:
            whole = mine // others
            if whole * others is mine:
                made = RunTimeQuotient(number, whole, 1, self.guards)
            elif ends_of(others).least >= 0:
                # Where it is 0, the program raises.
                self.guards.note(others >= 1, True)
                made = RunTimeQuotient(number, mine, others, self.guards)
            if type(whole) is int and made.denominator == 1:
                return number

        made.of = (self, other)
        return made

    def __rtruediv__(self, other: Any) -> Any:
        number = int.__rtruediv__(self, other)
        return RunTimeQuotient(number, None, 1, self.guards)

    def _quotient(self) -> RunTimeQuotient:
        number = int.__float__(self)
        return RunTimeQuotient(number, self.size, 1, self.guards)

    def at_least(self, other: Any) -> Any:
        """The larger one of it and another number; which one that is decides nothing."""
        number = max(int.__int__(self), int(other))
        return self._made(number, maximum, self, other)

    def at_most(self, other: Any) -> Any:
        """The smaller one."""
        number = min(int.__int__(self), int(other))
        return self._made(number, minimum, self, other)

    def followed_by(self, number: Any) -> Any:
        """A number that was computed of it in a way that cannot be followed."""
        return _lost_number(number, self.guards)

    def rooted(self, number: Any) -> Any:
        """Its square root, which is this number."""
        return _root(self.size, number, self.guards)

    def decides(self) -> None:
        """Note that the program takes this way for this size alone."""
        number = int.__int__(self)
        self.guards.note(self._condition(operator.eq, number), True)

    def __neg__(self) -> Any:
        number = int.__neg__(self)
        return self._made(number, operator.neg, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    _to_the_power = _unfollowed("rpow")

    def __rpow__(self, other: Any, modulo: Any = None) -> Any:
        return self._to_the_power(other)

    def __pow__(self, other: Any, modulo: Any = None) -> Any:
        if isinstance(other, float):
            return self._quotient() ** other
        if modulo is not None or not _is_plain_int(other, LARGEST_POWER):
            number = int.__pow__(self, other, modulo)
            return self._lost(number)

        result: Any = 1
        for _ in range(other):
            result = self * result
        return result

    # --- bits --------------------------------------------------------------------------------------------------------

    _shifted_right = _unfollowed("rshift")
    _shifted_left = _unfollowed("lshift")
    _with_bits = _unfollowed("and")
    __or__ = _unfollowed("or")
    __xor__ = _unfollowed("xor")
    __rxor__ = _unfollowed("rxor")
    __ror__ = _unfollowed("ror")
    __rand__ = _unfollowed("rand")
    __rrshift__ = _unfollowed("rrshift")
    __rlshift__ = _unfollowed("rlshift")

    def __rshift__(self, other: Any) -> Any:
        if _is_plain_int(other, LARGEST_SHIFT):
            return self // 2**other
        return self._shifted_right(other)

    def __lshift__(self, other: Any) -> Any:
        if _is_plain_int(other, LARGEST_SHIFT):
            return self * 2**other
        return self._shifted_left(other)

    def __and__(self, other: Any) -> Any:
        # The lowest bit: programs ask by it whether a size is odd.
        if type(other) is int and other == 1:
            return self % 2
        return self._with_bits(other)

    # --- conversions -------------------------------------------------------------------------------------------------

    def __floor__(self) -> Any:
        return self

    __ceil__ = __floor__
    __trunc__ = __floor__

    def __round__(self, digits: Any = None) -> Any:
        if digits is None or digits >= 0:
            return self
        return self._lost(int.__round__(self, digits))

    def bit_length(self) -> Any:
        """How many bits it has."""
        return self._lost(int.bit_length(self))

    def bit_count(self) -> Any:
        """How many of them are set."""
        return self._lost(int.bit_count(self))

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __hash__(self) -> int:
        # What a set answers depends on its numbers, and the set itself compares nothing.
        frame = _programs_frame()
        asked = asked_by_hash(frame)
        if asked.is_known:
            self.meets(asked.numbers)
        if not asked.is_alone:
            others = [] if asked.is_known else self.guards.hashed_at(frame, self)
            self.may_meet([*asked.numbers, *others])
        return int.__hash__(self)

    def meets(self, numbers: Iterable[float]) -> None:
        """Note how it compares with numbers with which the program compares it unseen."""
        for number in _whole(numbers):
            _ = self == number

    def may_meet(self, numbers: Iterable[Any]) -> None:
        """Note numbers with which the program may compare it unseen, those that a size may be."""
        super().may_meet(_whole(numbers))

    def __reduce__(self) -> Any:
        number = int(self)
        return int, (number,)

    # --- comparisons -------------------------------------------------------------------------------------------------

    __lt__ = _comparison("lt")
    __le__ = _comparison("le")
    __gt__ = _comparison("gt")
    __ge__ = _comparison("ge")
    __eq__ = _comparison("eq")
    __ne__ = _comparison("ne")

    def _condition(self, compare: Formula, other: Any) -> Outcome:
        """A comparison over the symbols."""
        others = _size_of(other, self.guards)
        if self.size is None or others is None:
            return None
        condition: Outcome = compare(self.size, others)
        return condition


def _whole(numbers: Iterable[float]) -> Iterator[Any]:
    """Those that a size may be: whole ones, sizes among them as they are."""
    for number in numbers:
        if isinstance(number, int):
            yield number
        elif number.is_integer():
            yield int(number)


def _programs_frame() -> FrameType:
    """Where the program is that asks for the hash or the text of a size, or of a shape with it."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _is_tracers(frame):
        frame = frame.f_back
    return frame


def _is_tracers(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("tracer.")


LARGEST_POWER = 4
"""Higher powers of a size are in no network; their polynomials are long."""

LARGEST_SHIFT = 63
"""A size times more than 2^63 is none."""


def _is_plain_int(value: Any, most: int) -> bool:
    """True where it is an int of the program's own, from 0 to ``most``."""
    return type(value) is int and 0 <= value <= most


def _unknown(*sizes: Any) -> None:
    """The computation over the symbols of what has none."""
    raise TypeError


def _size_of(value: Any, guards: Guards) -> SizeLike | None:
    """An operand over the symbols; None where that is not known."""
    if isinstance(value, RunTimeSize):
        # By a cache, it may come from an earlier recording.
        return value.size if value.guards is guards else None
    return int(value) if isinstance(value, int) else None


class Fractional(NamedTuple):
    """A fraction of two sizes, the denominator above 0."""

    numerator: SizeLike
    denominator: SizeLike


def _fraction_of(value: Any, guards: Guards) -> Fractional | None:
    """A number as a fraction; None where that is not known."""
    if isinstance(value, RunTimeQuotient):
        return value.fraction() if value.guards is guards else None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        numerator, denominator = value.as_integer_ratio()
        is_short = max(abs(numerator), denominator) <= LARGEST_FACTOR
        return Fractional(numerator, denominator) if is_short else None
    size = _size_of(value, guards)
    return None if size is None else Fractional(size, 1)


def _times(a: Fractional, b: Fractional) -> Fractional:
    return Fractional(a.numerator * b.numerator, a.denominator * b.denominator)


def _over(a: Fractional, b: Fractional) -> Fractional | None:
    """One over another that is known to be above 0."""
    least = b.numerator if isinstance(b.numerator, int) else ends_of(b.numerator).least
    if least <= 0:
        return None
    return Fractional(a.numerator * b.denominator, a.denominator * b.numerator)


def _plus(a: Fractional, b: Fractional) -> Fractional:
    if a.denominator is b.denominator:
        return Fractional(a.numerator + b.numerator, a.denominator)
    return Fractional(
        a.numerator * b.denominator + b.numerator * a.denominator,
        a.denominator * b.denominator,
    )


class RunTimeQuotient(UnseenComparisons, float):
    """A size divided or scaled: a float for the program, and beside it a fraction of a size over the symbols."""

    numerator: SizeLike | None
    """None where the fraction is not known."""
    denominator: SizeLike
    """Above 0. One that is no power of two was rounded once: no more is computed with it."""
    guards: Guards
    of: tuple[RunTimeSize, RunTimeSize] | None = None
    """The two sizes that were divided, until something is computed with it."""
    near: Fractional | None = None
    """Where the fraction is not known: one that is off by no more than floats round."""
    square: SizeLike | None = None
    """The size that it is the square root of, until something is computed with it."""

    def __new__(
        cls, number: float, numerator: SizeLike | None, denominator: SizeLike, guards: Guards
    ) -> RunTimeQuotient:
        made = super().__new__(cls, number)
        made.numerator = numerator
        made.denominator = denominator
        made.guards = guards
        return made

    def _lost(self, number: float) -> RunTimeQuotient:
        """A float whose fraction is not known."""
        return RunTimeQuotient(number, None, 1, self.guards)

    def fraction(self) -> Fractional | None:
        """The fraction, or one that is off by no more than floats round."""
        if self.numerator is None:
            return self.near
        return Fractional(self.numerator, self.denominator)

    def _near(self, number: float, compute: Formula, other: Any) -> RunTimeQuotient:
        """A float of which it is known what it would be without rounding."""
        made = self._lost(number)
        mine, others = self.fraction(), _fraction_of(other, self.guards)
        if mine is not None and others is not None:
            made.near = compute(mine, others)
        return made

    # --- arithmetic --------------------------------------------------------------------------------------------------

    def _scaled(self, number: Any, factor: Any, *, divide: bool) -> Any:
        """Times or over a number, ``number`` being the float that comes out."""
        if number is NotImplemented:
            return number
        if not divide and isinstance(factor, RunTimeQuotient):
            return self._times(number, factor)
        ratio = self._exact_ratio(factor, divide=divide)
        if self.numerator is None or ratio is None:
            return self._near(number, _over if divide else _times, factor)

        numerator = self.numerator * ratio.numerator
        denominator = self.denominator * ratio.denominator
        return RunTimeQuotient(number, numerator, denominator, self.guards)

    def _times(self, number: float, other: RunTimeQuotient) -> RunTimeQuotient:
        """Times another quotient, where floats compute that exactly; ``number`` is what comes out."""
        denominator = self.denominator * other.denominator
        is_exact = _is_power_of_two(denominator) and bool(denominator <= LARGEST_FACTOR)
        mine, others = self.numerator, other.numerator
        if not is_exact or mine is None or others is None or other.guards is not self.guards:
            return self._near(number, _times, other)
        return RunTimeQuotient(number, mine * others, denominator, self.guards)

    def _exact_ratio(self, factor: Any, *, divide: bool) -> Fraction | None:
        """The factor as a fraction, where floats compute with it exactly; None where they round."""
        is_followed = isinstance(factor, (RunTimeSize, RunTimeQuotient))
        if not isinstance(factor, (int, float)) or is_followed:
            return None
        if not math.isfinite(factor) or not factor:
            return None

        # A third was rounded, and its triple may be less than the whole.
        if not _is_power_of_two(self.denominator):
            return None

        ratio = Fraction(factor)
        if divide:
            ratio = 1 / ratio
        if ratio <= 0:
            return None
        largest = max(ratio.numerator, ratio.denominator)
        return ratio if largest <= LARGEST_FACTOR else None

    def __mul__(self, other: Any) -> Any:
        number = float.__mul__(self, other)
        return self._scaled(number, other, divide=False)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        number = float.__truediv__(self, other)
        return self._scaled(number, other, divide=True)

    def __floordiv__(self, other: Any) -> Any:
        number = float.__floordiv__(self, other)
        if number is NotImplemented:
            return number
        if not math.isfinite(number):
            return self._lost(number)
        quotient = self / other
        return quotient.__floor__()

    def __add__(self, other: Any) -> Any:
        number = float.__add__(self, other)
        if number is NotImplemented:
            return number

        added = self._exact_sum(other)
        if added is None:
            return self._near(number, _plus, other)
        return RunTimeQuotient(number, *added, self.guards)

    def _exact_sum(self, other: Any) -> Fractional | None:
        """The sum with a whole number, or with a fraction, where floats compute it exactly; None where they round."""
        is_lost = isinstance(other, RunTimeQuotient) and other.numerator is None
        others = None if is_lost else _fraction_of(other, self.guards)
        if self.numerator is None or others is None:
            return None
        mine = Fractional(self.numerator, self.denominator)
        is_whole = type(others.denominator) is int and others.denominator == 1
        denominators = (mine.denominator, others.denominator)
        return (
            _plus(mine, others)
            if is_whole or all(map(_is_power_of_two, denominators))
            else None
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __rtruediv__(self, other: Any) -> Any:
        number = float.__rtruediv__(self, other)
        return self._lost(number)

    def __neg__(self) -> Any:
        number = float.__neg__(self)
        if self.numerator is None:
            return self._near(number, _times, -1)
        return RunTimeQuotient(number, -self.numerator, self.denominator, self.guards)

    def __pow__(self, other: Any, modulo: Any = None) -> Any:
        number = float.__pow__(self, other)
        return self.rooted(number) if other == 0.5 else self.followed_by(number)

    def __rpow__(self, other: Any, modulo: Any = None) -> Any:
        return self.followed_by(float.__rpow__(self, other))

    def __mod__(self, other: Any) -> Any:
        return self.followed_by(float.__mod__(self, other))

    def __rmod__(self, other: Any) -> Any:
        return self.followed_by(float.__rmod__(self, other))

    def __rfloordiv__(self, other: Any) -> Any:
        return self.followed_by(float.__rfloordiv__(self, other))

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def followed_by(self, number: Any) -> Any:
        """A number that was computed of it in a way that cannot be followed."""
        return _lost_number(number, self.guards)

    def rooted(self, number: Any) -> Any:
        """Its square root, which is this number."""
        is_whole = isinstance(self.denominator, int) and self.denominator == 1
        return _root(self.numerator if is_whole else None, number, self.guards)

    # --- conversions -------------------------------------------------------------------------------------------------

    def _whole(self, number: int, numerator: SizeLike | None) -> Any:
        """The size that is ``numerator`` over the denominator, rounded down."""
        if numerator is None:
            return _whole_root(self.square, number, self.guards)
        size = numerator // self.denominator
        return number if type(size) is int else RunTimeSize(number, size, self.guards)

    def __floor__(self) -> Any:
        number = float.__floor__(self)
        return self._whole(number, self.numerator)

    def __ceil__(self) -> Any:
        number = float.__ceil__(self)
        if self.numerator is None:
            return self._whole(number, None)
        rounded_up = self.numerator + (self.denominator - 1)
        return self._whole(number, rounded_up)

    def __trunc__(self) -> Any:
        if self.square is not None or self >= 0:
            return self.__floor__()
        number = float.__trunc__(self)
        return RunTimeSize(number, None, self.guards)

    def __round__(self, digits: Any = None) -> Any:
        if digits is not None:
            number = float.__round__(self, digits)
            return self._lost(number)
        whole = float.__round__(self)
        if self.numerator is None or not isinstance(self.denominator, int):
            return self._whole(whole, None)
        size = _rounded(self.numerator, self.denominator)
        return whole if type(size) is int else RunTimeSize(whole, size, self.guards)

    def is_integer(self) -> bool:
        """True where the size divides. It is noted, as a comparison is."""
        divides = None
        if self.numerator is not None:
            remainder = self.numerator % self.denominator
            divides = remainder == 0
        outcome = float.is_integer(self)
        return self.guards.note(divides, outcome)

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __hash__(self) -> int:
        asked = asked_by_hash(_programs_frame())
        if not asked.is_known:
            self.may_meet(asked.numbers)
        for number in asked.numbers if asked.is_known else ():
            _ = self == number
        return float.__hash__(self)

    # --- comparisons -------------------------------------------------------------------------------------------------

    __lt__ = _comparison("lt")
    __le__ = _comparison("le")
    __gt__ = _comparison("gt")
    __ge__ = _comparison("ge")
    __eq__ = _comparison("eq")
    __ne__ = _comparison("ne")

    def _condition(self, compare: Formula, other: Any) -> Outcome:
        """A comparison over the symbols."""
        numerator, denominator = self._fraction_of(other)
        if self.numerator is None or numerator is None:
            return None

        # a/b < c/d is a*d < c*b, the denominators being above 0.
        mine = self.numerator * denominator
        others = numerator * self.denominator
        condition: Outcome = compare(mine, others)
        return condition

    def _fraction_of(self, other: Any) -> tuple[SizeLike | None, SizeLike]:
        """The numerator and the denominator of an operand; no numerator where they are not known."""
        if isinstance(other, RunTimeQuotient):
            return other.numerator, other.denominator
        if isinstance(other, float):
            fraction = _fraction_of(other, self.guards)
            return fraction or (None, 1)
        return _size_of(other, self.guards), 1


def _lost_number(number: Any, guards: Guards) -> Any:
    """A number of which it is known only that it follows a size; a bool is a comparison."""
    if isinstance(number, bool):
        return guards.note(None, number)
    if isinstance(number, int):
        return RunTimeSize(number, None, guards)
    if isinstance(number, float):
        return RunTimeQuotient(number, None, 1, guards)
    return number


def _root(square: SizeLike | None, number: Any, guards: Guards) -> Any:
    """The square root of a size; a float is known as a size where a whole number is made of it."""
    if isinstance(number, int):
        return _whole_root(square, number, guards)
    made = RunTimeQuotient(number, None, 1, guards)
    made.square = square
    return made


def _whole_root(square: SizeLike | None, number: int, guards: Guards) -> RunTimeSize:
    """The square root of a size as a whole number: one of two sides where they are equal, which is noted."""
    sides = sides_of(square)
    if sides is None:
        return RunTimeSize(number, None, guards)

    one, other = sides
    n, m = substitute(sides, guards.numbers)
    is_square = guards.note(one == other, n == m)
    side = one if is_square and n == number else None
    return RunTimeSize(number, side, guards)


def _rounded(numerator: SizeLike, denominator: int) -> SizeLike:
    """A fraction as ``round`` gives it: half of a step goes to the even number.

    >>> [_rounded(n, 2) for n in range(6)], [round(n / 2) for n in range(6)]
    ([0, 0, 1, 2, 2, 2], [0, 0, 1, 2, 2, 2])
    """
    if denominator % 2:
        return (2 * numerator + denominator) // (2 * denominator)

    # An even number begins with the half before it, an odd one behind that.
    half = denominator // 2
    evens = (numerator + half) // (2 * denominator)
    odds = (numerator + 3 * half - 1) // (2 * denominator)
    return evens + odds


LARGEST_FACTOR = 2**20
"""Numerators and denominators above it leave too few of a float's 53 bits for the size."""


def _is_power_of_two(n: SizeLike) -> bool:
    return isinstance(n, int) and n & (n - 1) == 0


# --- arguments that have such sizes ----------------------------------------------------------------------------------


def depends_on_input(value: Any) -> bool:
    """True where an argument is a size that depends on the input's, or has one in it."""
    if isinstance(value, (tuple, list)):
        return any(map(depends_on_input, value))
    return isinstance(value, RunTimeSize)


def over_symbols(value: Any) -> Any:
    """An argument with sizes over the symbols in the place of numbers."""
    if isinstance(value, (tuple, list)):
        return tuple(map(over_symbols, value))
    return value.size if isinstance(value, RunTimeSize) else value


def same_size(n: Any, size: SizeLike) -> bool:
    """True where a size of the program is another one for every size of the input."""
    own = over_symbols(n)
    return own is size or (own == size) is True


def uniform(values: Sequence[Any]) -> Any:
    """One number where all are the same, which they are for every size of the input."""
    is_open = any(map(depends_on_input, values))
    is_one_number = not is_open and len(set(values)) == 1
    return values[0] if is_one_number else tuple(values)
