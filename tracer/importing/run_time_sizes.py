"""Sizes that a program reads off its tensors, and what it computes of them.

A :class:`RunTimeSize` is the int that the program sees, and beside it the same size over the symbols of the input. What
it is compared with is noted: another size may take another way there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from tracer.sizing.symbol import Condition, Size, SizeLike, Space


class Guard(NamedTuple):
    """A comparison of sizes that the program made."""

    holds: Condition | None
    """The condition that was true; None where it is not known what was compared."""
    place: str
    """Where, in the program's source."""


class Guards:
    """The comparisons made so far, in one space of symbols."""

    def __init__(self, space: Space, place: Callable[[], str]) -> None:
        self.space = space
        self.place = place
        """Where the program is now."""
        self.made: list[Guard] = []

    def note(self, condition: Condition | bool | None, outcome: bool) -> bool:
        """Note what was compared, and give the outcome back."""
        if not isinstance(condition, bool):
            holds = condition if condition is None or outcome else negated(condition)
            if not isinstance(holds, bool):
                self.made.append(Guard(holds, self.place()))
        return outcome


def negated(condition: Condition) -> Condition | bool:
    """The condition that holds where this one doesn't."""
    if condition.relation in ("and", "or"):
        a, b = (negated(part) for part in condition.parts)
        return a | b if condition.relation == "and" else a & b
    size: Size = condition.parts[0]
    opposite: Condition | bool
    if condition.relation == "ge":
        opposite = -1 - size >= 0
    else:
        opposite = size != 0 if condition.relation == "eq" else size == 0
    return opposite


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip


def _size_of(value: Any, guards: Guards) -> SizeLike | None:
    """What an operand is over the symbols; None where that is not known."""
    if isinstance(value, RunTimeSize):
        return (
            value.size if value.guards is guards else None
        )  # it may come from an earlier run, by a cache
    return int(value) if isinstance(value, int) else None


class RunTimeSize(int):
    """A size that depends on the input's: its number, and what it is over the symbols (None: not known)."""

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
        made.size, made.guards, made.source = size, guards, source
        return made

    def _made(self, number: Any, compute: Callable[..., Any], *operands: Any) -> Any:
        if number is NotImplemented or not isinstance(number, int):
            return number
        sizes = [_size_of(operand, self.guards) for operand in operands]
        found = None
        if None not in sizes:
            try:
                found = compute(*sizes)
            except (TypeError, ZeroDivisionError):
                found = None
        if found.__class__ is int:
            return int(number)
        return RunTimeSize(number, found, self.guards)

    def __add__(self, other: Any) -> Any:
        return self._made(int.__add__(self, other), operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return self._made(int.__radd__(self, other), operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return self._made(int.__sub__(self, other), operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._made(int.__rsub__(self, other), operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, float):
            return self._quotient() * other
        return self._made(int.__mul__(self, other), operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.__mul__(other)

    def __floordiv__(self, other: Any) -> Any:
        return self._made(int.__floordiv__(self, other), operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._made(int.__rfloordiv__(self, other), operator.floordiv, other, self)

    def __mod__(self, other: Any) -> Any:
        return self._made(int.__mod__(self, other), operator.mod, self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._made(int.__rmod__(self, other), operator.mod, other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __truediv__(self, other: Any) -> Any:
        return self._quotient() / other

    def __rtruediv__(self, other: Any) -> Any:
        return RunTimeQuotient(int.__rtruediv__(self, other), None, 1, self.guards)

    def _quotient(self) -> RunTimeQuotient:
        return RunTimeQuotient(float(int(self)), self.size, 1, self.guards)

    def __neg__(self) -> Any:
        return self._made(int.__neg__(self), operator.neg, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __pow__(self, other: Any, modulo: Any = None) -> Any:
        if modulo is None and other.__class__ is int and 0 <= other <= 4:
            result: Any = 1
            for _ in range(other):
                result = self * result
            return result
        return self._made(int.__pow__(self, other, modulo), _unknown)

    def __rshift__(self, other: Any) -> Any:
        return (
            self // 2**other
            if other.__class__ is int and 0 <= other < 64
            else self._lost(int.__rshift__, other)
        )

    def __lshift__(self, other: Any) -> Any:
        return (
            self * 2**other
            if other.__class__ is int and 0 <= other < 64
            else self._lost(int.__lshift__, other)
        )

    def __and__(self, other: Any) -> Any:
        return self % 2 if other.__class__ is int and other == 1 else self._lost(int.__and__, other)

    def __or__(self, other: Any) -> Any:
        return self._lost(int.__or__, other)

    def __xor__(self, other: Any) -> Any:
        return self._lost(int.__xor__, other)

    def _lost(self, compute: Callable[[int, Any], Any], other: Any) -> Any:
        return self._made(compute(self, other), _unknown)

    def __floor__(self) -> Any:
        return self

    __ceil__ = __trunc__ = __floor__

    def __round__(self, digits: Any = None) -> Any:
        return self

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __hash__(self) -> int:
        return int.__hash__(self)

    def _compared(self, name: str, other: Any) -> Any:
        compare = COMPARISONS[name]
        outcome = getattr(int, f"__{name}__")(self, other)
        if outcome is NotImplemented:
            return outcome
        mine, others = self.size, _size_of(other, self.guards)
        return self.guards.note(
            None if mine is None or others is None else compare(mine, others), outcome
        )

    def __lt__(self, other: Any) -> Any:
        return self._compared("lt", other)

    def __le__(self, other: Any) -> Any:
        return self._compared("le", other)

    def __gt__(self, other: Any) -> Any:
        return self._compared("gt", other)

    def __ge__(self, other: Any) -> Any:
        return self._compared("ge", other)

    def __eq__(self, other: object) -> Any:
        return self._compared("eq", other)

    def __ne__(self, other: object) -> Any:
        return self._compared("ne", other)

    def __reduce__(self) -> Any:
        return int, (int(self),)


def _unknown(*sizes: Any) -> None:
    raise TypeError


class RunTimeQuotient(float):
    """A size divided or scaled: a float for the program, and beside it a fraction of a size over the symbols."""

    numerator: SizeLike | None
    denominator: int
    guards: Guards

    def __new__(
        cls, number: float, numerator: SizeLike | None, denominator: int, guards: Guards
    ) -> RunTimeQuotient:
        made = super().__new__(cls, number)
        made.numerator, made.denominator, made.guards = numerator, denominator, guards
        return made

    def _scaled(self, number: Any, factor: Any, invert: bool) -> Any:
        """Times or over a number. Exact where floats are: factors with a power of two below, whole divisors."""
        if number is NotImplemented:
            return number
        lost = RunTimeQuotient(number, None, 1, self.guards)
        if (
            self.numerator is None
            or not isinstance(factor, (int, float))
            or isinstance(factor, RunTimeSize)
        ):
            return lost
        if self.denominator & (
            self.denominator - 1
        ):  # a third was rounded, and its triple may be less than the whole
            return lost
        ratio = Fraction(factor)
        if invert:
            ratio = 1 / ratio
        if ratio <= 0 or ratio.numerator > 2**20 or ratio.denominator > 2**20:
            return lost
        numerator, denominator = (
            self.numerator * ratio.numerator,
            self.denominator * ratio.denominator,
        )
        return RunTimeQuotient(number, numerator, denominator, self.guards)

    def __mul__(self, other: Any) -> Any:
        return self._scaled(float.__mul__(self, other), other, False)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self._scaled(float.__truediv__(self, other), other, True)

    def __floordiv__(self, other: Any) -> Any:
        return self._scaled(float.__truediv__(self, other), other, True).__floor__()

    def __add__(self, other: Any) -> Any:
        number = float.__add__(self, other)
        size = _size_of(other, self.guards)
        if number is NotImplemented or self.numerator is None or size is None:
            return (
                RunTimeQuotient(number, None, 1, self.guards)
                if number is not NotImplemented
                else number
            )
        return RunTimeQuotient(
            number, self.numerator + size * self.denominator, self.denominator, self.guards
        )

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return RunTimeQuotient(float.__rsub__(self, other), None, 1, self.guards)

    def __rtruediv__(self, other: Any) -> Any:
        return RunTimeQuotient(float.__rtruediv__(self, other), None, 1, self.guards)

    def __neg__(self) -> Any:
        return RunTimeQuotient(float.__neg__(self), None, 1, self.guards)

    def _whole(self, number: int, numerator: SizeLike | None) -> Any:
        if numerator is None:
            return RunTimeSize(number, None, self.guards)
        size = numerator // self.denominator
        return number if size.__class__ is int else RunTimeSize(number, size, self.guards)

    def __floor__(self) -> Any:
        return self._whole(float.__floor__(self), self.numerator)

    def __ceil__(self) -> Any:
        numerator = None if self.numerator is None else self.numerator + (self.denominator - 1)
        return self._whole(float.__ceil__(self), numerator)

    def __trunc__(self) -> Any:
        return (
            self.__floor__()
            if float.__ge__(self, 0)
            else RunTimeSize(float.__trunc__(self), None, self.guards)
        )

    def __round__(self, digits: Any = None) -> Any:
        if digits is not None:
            return RunTimeQuotient(float.__round__(self, digits), None, 1, self.guards)
        return RunTimeSize(float.__round__(self), None, self.guards)

    def is_integer(self) -> bool:
        """Whether it divides."""
        if self.numerator is None:
            return self.guards.note(None, float.is_integer(self))
        return self.guards.note(self.numerator % self.denominator == 0, float.is_integer(self))

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __hash__(self) -> int:
        return float.__hash__(self)

    def _compared(self, name: str, other: Any) -> Any:
        outcome = getattr(float, f"__{name}__")(self, other)
        if outcome is NotImplemented:
            return outcome
        holds = None
        numerator, denominator = (
            (other.numerator, other.denominator)
            if isinstance(other, RunTimeQuotient)
            else (_size_of(other, self.guards), 1)
        )
        if (
            isinstance(other, float)
            and not isinstance(other, RunTimeQuotient)
            and other == other // 1
        ):
            numerator = int(other)
        if self.numerator is not None and numerator is not None:
            holds = COMPARISONS[name](self.numerator * denominator, numerator * self.denominator)
        return self.guards.note(holds, outcome)

    def __lt__(self, other: Any) -> Any:
        return self._compared("lt", other)

    def __le__(self, other: Any) -> Any:
        return self._compared("le", other)

    def __gt__(self, other: Any) -> Any:
        return self._compared("gt", other)

    def __ge__(self, other: Any) -> Any:
        return self._compared("ge", other)

    def __eq__(self, other: object) -> Any:
        return self._compared("eq", other)

    def __ne__(self, other: object) -> Any:
        return self._compared("ne", other)
