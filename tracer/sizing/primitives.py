"""The size primitives: what a size formula may use beside ``+ - * //`` and comparisons.

One class is one primitive and says all that there is to know of it: how it is evaluated, what its bounds are, how it
grows, how it is written, its JavaScript, and torch's function for it. To add one, write its class and add the
instance to :data:`PRIMITIVES`: symbols, programs, substitution, the search for plans, exported modules and the page
take it from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from tracer.sizing.growth import (
    IDENTITY,
    Aperiodic,
    Grows,
    Growth,
    either_of,
    exact_ratio,
    floor_of,
    nonnegative_from,
    scaled,
    sum_of,
)

Dim = Any
"""One dimension: an int, an array of ints, or a symbolic Size. Formulas never branch on it."""

Holds = Any
"""A comparison of dims: a bool, an array of bools, or a Condition. Join with ``&`` and ``|``, never ``and``."""

Ends = tuple[int, int]
"""The least and the largest value of a size."""

SIZE, NUMBER, CONDITION = "size", "number", "condition"
"""What an argument of a primitive is: a dim, a number that no size decides, or a comparison of dims."""

DYADIC = 2**12
"""The largest numerator and denominator of a factor that is a fraction of floats."""


class Operand:
    """A number that applies primitives in its own way: a symbol, or one that is only written down."""

    __slots__ = ()

    def apply(self, primitive: Primitive, arguments: tuple[Any, ...]) -> Any:
        """The primitive of these arguments, of which this is the first that is no plain number."""
        raise NotImplementedError


class Application(Protocol):
    """A primitive with its arguments, as :class:`tracer.sizing.symbol.Atom` holds them."""

    primitive: Primitive
    arguments: tuple[Any, ...]


class Primitive:
    """One primitive. Called with ints, arrays, symbols or worked numbers, it gives one of the same kind."""

    name: ClassVar[str]
    takes: ClassVar[tuple[str, ...]]
    """The kind of each argument."""
    javascript: ClassVar[str]
    """An expression, with ``{0}``, ``{1}`` for the arguments."""
    function: ClassVar[str | None] = None
    """What computes it when a torch module runs, by its full name; None where no module can have it."""
    is_tight: ClassVar[bool] = True
    """Its text needs no brackets inside of a product."""

    def __call__(self, *arguments: Any) -> Any:
        for argument in arguments:
            if isinstance(argument, Operand):
                return argument.apply(self, arguments)
        return self.value(*arguments)

    value: Callable[..., Any]
    """The value for ints, or for arrays of all sizes at once."""

    simplified: Callable[..., Any]
    """The size that it always is for these symbols; None where it has to stay as it is."""

    bounds: Callable[..., Ends]
    """The least and the largest value, for the ends of sizes and the truth of conditions (None: open)."""

    text: Callable[..., str]
    """An expression of it, for the texts of its arguments."""

    def at(self, parts: Sequence[Any], v: Sequence[Dim], truth: Callable[..., Holds]) -> Dim:
        """The value for arguments that are slots of ``v``, conditions on slots, and numbers."""
        arguments = [
            v[part] if takes is SIZE else truth(part, v) if takes is CONDITION else part
            for takes, part in zip(self.takes, parts)
        ]
        return self.value(*arguments)

    def growth(self, atom: Application, of: Grows) -> Growth:
        """Bounds and period of its value. Raises :class:`tracer.sizing.growth.Aperiodic`."""
        raise NotImplementedError

    def worked(self, *arguments: Any) -> str:
        """How it is written for worked numbers."""
        return self.text(*map(str, arguments))


class Symbol(Primitive):
    """A symbol of the input: its only argument is its name."""

    name = "symbol"
    takes = ("name",)

    def growth(self, atom: Application, of: Grows) -> Growth:
        """That of the symbol itself."""
        return IDENTITY

    def text(self, name: str) -> str:
        """Its name."""
        return name


class OfTwoSizes(Primitive):
    """A primitive of two sizes."""

    takes = (SIZE, SIZE)

    def at(self, parts: Sequence[Any], v: Sequence[Dim], truth: Callable[..., Holds]) -> Dim:
        """As for every primitive, in less time."""
        a, b = parts
        return self.value(v[a], v[b])


class SizeMinimum(OfTwoSizes):
    """The smaller of two dims.

    >>> minimum(3, 5)
    3
    """

    name = "minimum"
    javascript = "Math.min({0}, {1})"
    function = "builtins.min"

    def __call__(self, *arguments: Any) -> Any:
        a, b = arguments
        if isinstance(a, int):
            if isinstance(b, int):
                return a if a < b else b
            a, b = b, a  # a symbol stands before a number, so that both orders are one size
        return super().__call__(a, b)

    def value(self, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            return a if a < b else b
        import numpy

        return numpy.minimum(a, b)

    def simplified(self, a: Any, b: Any) -> Any:
        difference = a - b
        if isinstance(difference, int):
            return a if difference <= 0 else b
        least, most = difference.least_and_most()
        return a if most <= 0 else b if least >= 0 else None

    def bounds(self, a: Ends, b: Ends) -> Ends:
        return min(a[0], b[0]), min(a[1], b[1])

    def growth(self, atom: Application, of: Grows) -> Growth:
        """The smaller one's where one is smaller for good; otherwise either's, where both grow alike."""
        a, b = map(of.growth, atom.arguments)
        difference = sum_of(a, scaled(b, Fraction(-1)))

        for smaller, gap in ((a, scaled(difference, Fraction(-1))), (b, difference)):
            since = nonnegative_from(gap.lower)
            if since is not None:
                return smaller._replace(since=max(since, a.since, b.since))
        return either_of(a, b, 1, atom)

    def text(self, a: str, b: str) -> str:
        return f"min({a}, {b})"


class Quotient(OfTwoSizes):
    """a // b rounded down. For a b of 0 it gives a: a requirement refuses it there, and the value is never shown.

    >>> quotient(7, 2)
    3
    """

    name = "floordiv"
    javascript = "Math.floor({0} / ({1} || 1))"
    function = "operator.floordiv"
    is_tight = False

    def value(self, a: Any, b: Any) -> Any:
        if isinstance(b, int):
            return a // (b or 1)
        return a // at_least_one(b)

    def simplified(self, a: Any, b: Any) -> Any:
        return a // (at_least_one(b) if isinstance(b, int) else b)

    def bounds(self, a: Ends, b: Ends) -> Ends:
        corners = [n // max(d, 1) for n in a for d in b]
        return min(corners), max(corners)

    def growth(self, atom: Application, of: Grows) -> Growth:
        numerator, divisor = atom.arguments
        if not isinstance(divisor, int):
            raise Aperiodic(f"{atom!r} is a quotient of two sizes")
        return floor_of(of.growth(numerator), Fraction(1, divisor))

    def text(self, a: str, b: str) -> str:
        return f"{_grouped(a)} // {_grouped(b)}"


class SizeScale(Primitive):
    """floor(n * factor) in IEEE double arithmetic, as torch's interpolate computes it.

    >>> floor_scale(10, 1.5)
    15
    """

    name = "scale"
    takes = (SIZE, NUMBER)
    javascript = "Math.floor({0} * {1})"

    def at(self, parts: Sequence[Any], v: Sequence[Dim], truth: Callable[..., Holds]) -> Dim:
        n, factor = parts
        return self.value(v[n], factor)

    def value(self, n: Any, factor: Any) -> Any:
        if isinstance(n, int):
            return math.floor(n * factor)
        import numpy

        return numpy.floor(n * factor).astype(numpy.int64)

    def simplified(self, n: Any, factor: Any) -> Any:
        """A product and a quotient, where doubles are exact: for 1.5 or 0.25, and sizes below 2**40."""
        above, below = float(factor).as_integer_ratio()
        if 0 < above <= DYADIC and below <= DYADIC:
            return n * above // below
        return None

    def bounds(self, n: Ends, factor: float) -> Ends:
        first, last = (math.floor(end * factor) for end in n)
        return min(first, last), max(first, last)

    def growth(self, atom: Application, of: Grows) -> Growth:
        n, factor = atom.arguments
        return floor_of(of.growth(n), exact_ratio(factor, atom))

    def text(self, n: str, factor: str) -> str:
        return f"scale({n}, {factor})"

    def worked(self, *arguments: Any) -> str:
        n, factor = arguments
        return f"floor({n.bracketed()}·{factor})"


class SizeChoice(Primitive):
    """One dim where a condition holds, another elsewhere.

    >>> choose(3 >= 2, 10, 20)
    10
    """

    name = "choose"
    takes = (CONDITION, SIZE, SIZE)
    javascript = "({0} ? {1} : {2})"
    function = "torch.sym_ite"

    def at(self, parts: Sequence[Any], v: Sequence[Dim], truth: Callable[..., Holds]) -> Dim:
        condition, then, otherwise = parts
        return self.value(truth(condition, v), v[then], v[otherwise])

    def __call__(self, *arguments: Any) -> Any:
        holds, then, otherwise = arguments
        if isinstance(holds, int):
            return then if holds else otherwise
        return super().__call__(holds, then, otherwise)

    def value(self, holds: Any, then: Any, otherwise: Any) -> Any:
        if isinstance(holds, int):
            return then if holds else otherwise
        import numpy

        return numpy.where(holds, then, otherwise)

    def simplified(self, holds: Any, then: Any, otherwise: Any) -> Any:
        numbers = isinstance(then, int) and isinstance(otherwise, int)
        if then is otherwise or (numbers and then == otherwise):
            return then
        always = holds.always()
        return None if always is None else then if always else otherwise

    def bounds(self, holds: bool | None, then: Ends, otherwise: Ends) -> Ends:
        if holds is not None:
            return then if holds else otherwise
        return min(then[0], otherwise[0]), max(then[1], otherwise[1])

    def growth(self, atom: Application, of: Grows) -> Growth:
        """The chosen one's where the condition is decided from some size on; otherwise either's."""
        condition, then, otherwise = atom.arguments
        when, a, b = of.eventually(condition), of.growth(then), of.growth(otherwise)
        if when.holds is None:
            found = either_of(a, b, when.period, atom)
        else:
            found = a if when.holds else b
        return found._replace(since=max(found.since, when.since))

    def text(self, holds: str, then: str, otherwise: str) -> str:
        return f"({then} if {holds} else {otherwise})"


def _grouped(text: str) -> str:
    return text if text.isalnum() else f"({text})"


SYMBOL = Symbol()
minimum = SizeMinimum()
quotient = Quotient()
floor_scale = SizeScale()
choose = SizeChoice()

PRIMITIVES: tuple[Primitive, ...] = (minimum, quotient, floor_scale, choose)
"""Every primitive that computes something; their order numbers the instructions of a program."""


def at_least_one(divisor: Dim) -> Dim:
    """The divisor, or 1 where it is 0: a requirement refuses it there, and the value behind it is never shown."""
    return choose(divisor == 0, 1, divisor)
