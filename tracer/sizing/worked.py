"""Numbers that remember how they came about, so that a size formula's arithmetic can be shown.

A formula that takes a :class:`Worked` for every number gives its own text: ``(572 + 2·0 − 1·(3 − 1) − 1) // 1 + 1``.
Nothing is computed and nothing is judged here.
"""

from __future__ import annotations

from typing import Any

from tracer.sizing.primitives import SIZE, Operand, Primitive

ATOM, PRODUCT, QUOTIENT = range(3)
"""How tightly a term holds together: a product of quotients needs brackets."""

Term = tuple[int, str, int]
"""A sign, a text, and what kind of term that is."""


class Worked(Operand):
    """A sum of signed terms, as it is written."""

    __slots__ = ("terms",)

    def __init__(self, text: str | int, kind: int = ATOM) -> None:
        negative = isinstance(text, int) and text < 0
        self.terms: tuple[Term, ...] = (
            (-1 if negative else 1, str(text).lstrip("-") if negative else str(text), kind),
        )

    def __repr__(self) -> str:
        (sign, text, _), *rest = self.terms
        return (
            ("−" if sign < 0 else "")
            + text
            + "".join(f" {'−' if s < 0 else '+'} {t}" for s, t, _ in rest)
        )

    def factor(self, *kinds: int) -> str:
        """The text as part of a product: in brackets, unless it is one term of these kinds."""
        (sign, text, kind), *rest = self.terms
        return text if not rest and sign > 0 and kind in kinds else f"({self})"

    def bracketed(self) -> str:
        """The text in brackets, unless it is a single number or name."""
        return self.factor(ATOM)

    def _joined(self, other: Any, sign: int) -> Worked:
        if isinstance(other, int) and other == 0:
            return self
        right = _worked(other).terms
        if (
            sign > 0
            and len(self.terms) == 1
            and self.terms == right
            and self.terms[0][2] == ATOM
        ):
            return Worked(f"2·{self.factor(ATOM)}", PRODUCT)  # the padding of either side
        found = Worked("")
        found.terms = (*self.terms, *((sign * s, text, kind) for s, text, kind in right))
        return found

    def __add__(self, other: Any) -> Worked:
        return self._joined(other, 1)

    def __radd__(self, other: Any) -> Worked:
        return (
            self if isinstance(other, int) and other == 0 else _worked(other)._joined(self, 1)
        )

    def __sub__(self, other: Any) -> Worked:
        return self._joined(other, -1)

    def __rsub__(self, other: Any) -> Worked:
        return (
            -self if isinstance(other, int) and other == 0 else _worked(other)._joined(self, -1)
        )

    def __neg__(self) -> Worked:
        found = Worked("")
        found.terms = tuple((-s, text, kind) for s, text, kind in self.terms)
        return found

    def __mul__(self, other: Any) -> Worked:
        right = _worked(other)
        return Worked(f"{self.factor(ATOM, PRODUCT)}·{right.factor(ATOM, PRODUCT)}", PRODUCT)

    def __rmul__(self, other: Any) -> Worked:
        return _worked(other) * self

    def __floordiv__(self, other: Any) -> Worked:
        return Worked(
            f"{self.factor(ATOM, PRODUCT)} // {_worked(other).factor(ATOM)}", QUOTIENT
        )

    def __rfloordiv__(self, other: Any) -> Worked:
        return _worked(other) // self

    def __mod__(self, other: Any) -> Worked:
        return Worked(f"{self.factor(ATOM)} % {_worked(other).factor(ATOM)}", QUOTIENT)

    def __rmod__(self, other: Any) -> Worked:
        return _worked(other) % self

    def apply(self, primitive: Primitive, arguments: tuple[Any, ...]) -> Worked:
        """A primitive, as it is written."""
        return _applied(primitive, arguments)

    def __ge__(self, other: Any) -> WorkedCondition:
        return WorkedCondition(f"{self} ≥ {_worked(other)}")

    def __le__(self, other: Any) -> WorkedCondition:
        return WorkedCondition(f"{self} ≤ {_worked(other)}")

    def __gt__(self, other: Any) -> WorkedCondition:
        return WorkedCondition(f"{self} > {_worked(other)}")

    def __lt__(self, other: Any) -> WorkedCondition:
        return WorkedCondition(f"{self} < {_worked(other)}")

    def __eq__(self, other: object) -> Any:
        return (
            WorkedCondition(f"{self} = {_worked(other)}")
            if isinstance(other, (int, Worked))
            else NotImplemented
        )

    def __ne__(self, other: object) -> Any:
        return (
            WorkedCondition(f"{self} ≠ {_worked(other)}")
            if isinstance(other, (int, Worked))
            else NotImplemented
        )

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("a formula branches on a number")


class WorkedCondition(Operand):
    """A comparison, as it is written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def __and__(self, other: Any) -> Any:
        return (
            WorkedCondition(f"{self.text} and {other.text}")
            if isinstance(other, WorkedCondition)
            else other and self
        )

    __rand__ = __and__

    def __or__(self, other: Any) -> Any:
        return (
            self._joined("or", other) if isinstance(other, WorkedCondition) else other or self
        )

    __ror__ = __or__

    def _joined(self, word: str, other: WorkedCondition) -> WorkedCondition:
        return WorkedCondition(f"{self.text} {word} {other.text}")

    def apply(self, primitive: Primitive, arguments: tuple[Any, ...]) -> Worked:
        """A primitive, as it is written."""
        return _applied(primitive, arguments)

    def __bool__(self) -> bool:
        raise TypeError("a formula branches on a comparison")


def _applied(primitive: Primitive, arguments: tuple[Any, ...]) -> Worked:
    written = [
        _worked(argument) if takes == SIZE else argument
        for takes, argument in zip(primitive.takes, arguments)
    ]
    return Worked(primitive.worked(*written))


def _worked(value: Any) -> Worked:
    return (
        value
        if isinstance(value, Worked)
        else Worked(value if isinstance(value, int) else str(value))
    )
