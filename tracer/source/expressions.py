"""The language inside ``${...}`` and of dims: names, numbers, lists and arithmetic.

A parser of its own grammar turns a text into closures once (cached by text); applying them never reaches
Python's evaluator. Results, exponents and lists are bounded. The same expression works on ints and on
symbolic sizes, so that ``expect: [N, 8, H // 2, W // 2]`` can be proven.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from tracer.sizing.arithmetic import choose, maximum, minimum
from tracer.sizing.symbol import Condition, Size
from tracer.source import limits

Scope = Mapping[str, Any]
Compute = Callable[[Scope], Any]


class ExpressionError(Exception):
    """An expression that has no value; the message says why, in one sentence."""


class UnknownName(ExpressionError):
    """The expression uses a name that its scope doesn't have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown name {name!r}")
        self.name = name


class UnreadValue(ExpressionError):
    """The expression uses a value that could not be read; that fault is reported already."""


FAULTY = object()
"""In a scope in place of a value that could not be read."""


class Expression:
    """A parsed expression: apply it to a scope with ``compute``."""

    __slots__ = ("compute", "names", "text")

    def __init__(self, text: str, compute: Compute, names: frozenset[str]) -> None:
        self.text = text
        self.compute = compute
        self.names = names

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __call__(self, scope: Scope) -> Any:
        """The value. Raises :class:`ExpressionError`."""
        try:
            value = bounded(self.compute(scope))
            return value if value.__class__ is int else _frozen(value)
        except ZeroDivisionError:
            raise ExpressionError("division by zero") from None
        except OverflowError:
            raise ExpressionError("the result is out of range") from None
        except (TypeError, ValueError, AttributeError) as error:
            if any(isinstance(scope.get(name), Size) for name in self.names):
                message = f"{self.text} is no arithmetic of whole numbers"
                raise ExpressionError(message) from None
            raise ExpressionError(str(error)) from None


_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<sign>\*\*|//|==|!=|<=|>=|[-+*/%<>()\[\],]))"
)
_WORDS = {"if", "else", "and", "or", "not"}
_CONSTANTS = {
    "true": True,
    "false": False,
    "null": None,
    "True": True,
    "False": False,
    "None": None,
}


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Parse an expression. Raises :class:`ExpressionError`.

    >>> parse("base * 2 if deep else base")({"base": 16, "deep": True})
    32
    """
    if len(text) > limits.EXPRESSION:
        raise ExpressionError(f"longer than {limits.EXPRESSION} characters")
    parser = _Parser(text)
    compute = parser.ternary()
    if parser.token[1]:
        raise ExpressionError(f"unexpected {parser.token[1]!r} in {text.strip()!r}")
    return Expression(text, compute, frozenset(parser.names))


class _Parser:
    """Recursive descent, one method per level of precedence, lowest first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self.names: set[str] = set()
        self.token = ("", "")
        self.advance()

    def advance(self) -> str:
        """Move to the next token; returns the current one's text."""
        text = self.token[1]
        rest = self.text[self.position :]
        if not rest.strip():
            self.token = ("end", "")
            return text
        match = _TOKEN.match(self.text, self.position)
        if not match:
            raise ExpressionError(f"unexpected {rest.strip()[0]!r} in {self.text.strip()!r}")
        self.position = match.end()
        kind = match.lastgroup or ""
        word = match[kind]
        self.token = ("sign" if word in _WORDS and kind == "name" else kind, word)
        return text

    def take(self, *signs: str) -> str | None:
        """Consume the current token if it is one of these."""
        if self.token[0] == "sign" and self.token[1] in signs:
            return self.advance()
        return None

    def need(self, sign: str) -> None:
        if not self.take(sign):
            found = repr(self.token[1]) if self.token[1] else "the end"
            raise ExpressionError(
                f"expected {sign!r} but found {found} in {self.text.strip()!r}"
            )

    def ternary(self) -> Compute:
        self.depth += 1
        if self.depth > limits.EXPRESSION_DEPTH:
            raise ExpressionError(f"nested deeper than {limits.EXPRESSION_DEPTH} levels")
        then = self.disjunction()
        if self.take("if"):
            condition = self.disjunction()
            self.need("else")
            otherwise = self.ternary()
            self.depth -= 1

            def chosen(s: Scope) -> Any:
                decided = _truth(condition(s))
                if isinstance(decided, Condition):
                    return _either(decided, then(s), otherwise(s))
                return then(s) if decided else otherwise(s)

            return chosen
        self.depth -= 1
        return then

    def disjunction(self) -> Compute:
        return self._until(True, "or", self.conjunction)

    def conjunction(self) -> Compute:
        return self._until(False, "and", self.negation)

    def _until(self, decided: bool, word: str, level: Callable[[], Compute]) -> Compute:
        """Operands of ``or`` or ``and``: the value of the first that decides, those behind it not computed."""
        operands = [level()]
        while self.take(word):
            operands.append(level())
        if len(operands) == 1:
            return operands[0]

        def joined(scope: Scope) -> Any:
            value = operands[0](scope)
            for operand in operands[1:]:
                truth = _truth(value)
                if truth is decided:
                    break
                following = operand(scope)
                is_open = isinstance(truth, Condition)
                value = _joined(value, following, decided) if is_open else following
            return value

        return joined

    def _chain(
        self, level: Callable[[], Compute], functions: Mapping[str, Callable[[Any, Any], Any]]
    ) -> Compute:
        """Operands of one level, joined from the left: a loop, so that a long sum is not a deep one."""
        first, steps = level(), []
        while sign := self.take(*functions):
            steps.append((functions[sign], level()))
        if not steps:
            return first
        if len(steps) == 1:
            ((function, second),) = steps
            return lambda s: function(first(s), second(s))

        def joined(scope: Scope) -> Any:
            value = first(scope)
            for function, operand in steps:
                value = function(value, operand(scope))
            return value

        return joined

    def negation(self) -> Compute:
        if self.take("not"):
            inner = self._deeper(self.negation)
            return lambda s: _negated(_truth(inner(s)))
        return self.comparison()

    def comparison(self) -> Compute:
        left = self.sum()
        sign = self.take("==", "!=", "<", "<=", ">", ">=")
        if not sign:
            return left
        compare, right = _COMPARE[sign], self.sum()
        if self.token[1] in _COMPARE:
            raise ExpressionError(
                f"comparisons are not chained; join two with `and` in {self.text.strip()!r}"
            )
        return lambda s: compare(left(s), right(s))

    def sum(self) -> Compute:
        return self._chain(self.term, _SUM)

    def term(self) -> Compute:
        return self._chain(self.unary, _PRODUCT)

    def unary(self) -> Compute:
        if sign := self.take("-", "+"):
            inner = self._deeper(self.unary)
            return (
                (lambda s: -_number(inner(s)))
                if sign == "-"
                else (lambda s: +_number(inner(s)))
            )
        return self.power()

    def power(self) -> Compute:
        base = self.subscript()
        if self.take("**"):
            exponent = self._deeper(self.unary)
            return lambda s: _power(base(s), exponent(s))
        return base

    def _deeper(self, level: Callable[[], Compute]) -> Compute:
        self.depth += 1
        if self.depth > limits.EXPRESSION_DEPTH:
            raise ExpressionError(f"nested deeper than {limits.EXPRESSION_DEPTH} levels")
        inner = level()
        self.depth -= 1
        return inner

    def subscript(self) -> Compute:
        value, indexes = self.atom(), []
        while self.take("["):
            indexes.append(self.ternary())
            self.need("]")
        if not indexes:
            return value

        def item(scope: Scope) -> Any:
            found = value(scope)
            for index in indexes:
                found = _item(found, index(scope))
            return found

        return item

    def atom(self) -> Compute:
        kind, word = self.token
        if kind == "number":
            self.advance()
            number = _literal(word)
            return lambda s: number
        if kind == "text":
            self.advance()
            return lambda s: word[1:-1]
        if kind == "name":
            self.advance()
            return (
                self._call(word)
                if self.token[1] == "(" and word in _FUNCTIONS
                else self._name(word)
            )
        if self.take("("):
            inner = self.ternary()
            self.need(")")
            return inner
        if self.take("["):
            items = self._items("]")
            return lambda s: bounded([item(s) for item in items])
        found = repr(word) if word else "the end"
        raise ExpressionError(f"expected a value but found {found} in {self.text.strip()!r}")

    def _items(self, close: str) -> list[Compute]:
        items: list[Compute] = []
        while not self.take(close):
            items.append(self.ternary())
            if not self.take(","):
                self.need(close)
                break
        return items

    def _call(self, name: str) -> Compute:
        self.need("(")
        arguments, function = self._items(")"), _FUNCTIONS[name]
        return lambda s: function(*[argument(s) for argument in arguments])

    def _name(self, name: str) -> Compute:
        if name in _CONSTANTS:
            return lambda s: _CONSTANTS[name]
        self.names.add(name)

        def look_up(scope: Scope) -> Any:
            try:
                value = scope[name]
            except KeyError:
                raise UnknownName(name) from None
            if value is FAULTY:
                raise UnreadValue(name)
            return value

        return look_up


def _literal(word: str) -> int | float:
    if not word.isdigit():
        return float(word)
    if len(word) > limits.DIGITS:
        raise ExpressionError(f"a number of {len(word)} digits is out of range")
    return int(word)


def bounded(value: Any) -> Any:
    """The value itself; raises when a number or list is out of bounds."""
    if value.__class__ is int and -limits.INTEGER <= value <= limits.INTEGER:
        return value
    excess = _excess(value)
    if excess is not None:
        raise ExpressionError(f"the result {excess}")
    return value


def _excess(value: Any) -> str | None:
    """By what a value is out of bounds; None for one that is not."""
    if isinstance(value, int):
        is_large = not -limits.INTEGER <= value <= limits.INTEGER
        return "is out of range: more than 63 bits" if is_large else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    if isinstance(value, str):
        is_long = len(value) > limits.TEXT
        return f"is longer than {limits.TEXT} characters" if is_long else None
    if isinstance(value, Size):
        is_long = len(value.terms) > limits.TERMS
        return f"has more than {limits.TERMS} terms" if is_long else None
    if isinstance(value, list | tuple):
        is_long = _count(value, 0) > limits.LIST
        return f"has more than {limits.LIST} values" if is_long else None
    return None


def _count(value: list[Any] | tuple[Any, ...], depth: int) -> int:
    """The number of values in a list of lists; counts no further than the limit, and never deep."""
    if depth > limits.EXPRESSION_DEPTH:
        raise ExpressionError(
            f"the result is nested deeper than {limits.EXPRESSION_DEPTH} levels"
        )
    count = len(value)
    for item in value:
        if count > limits.LIST:
            break
        if isinstance(item, (list, tuple)):
            count += _count(item, depth + 1)
    return count


def _frozen(value: Any) -> Any:
    """A list as a tuple of tuples, as the lists of YAML are read."""
    return (
        tuple([_frozen(item) for item in value]) if isinstance(value, (list, tuple)) else value
    )


def _truth(value: Any) -> Condition | bool:
    """Whether a value counts as true: a size does where it is not 0."""
    if isinstance(value, Condition):
        return value
    if isinstance(value, Size):
        differs: Condition | bool = value != 0
        return differs
    return bool(value)


def _negated(truth: Condition | bool) -> Condition | bool:
    return ~truth if isinstance(truth, Condition) else not truth


def _joined(first: Any, second: Any, decided: bool) -> Any:
    """``first or second`` (``and``, where it is False that decides), where a size decides about the first."""
    truth = _truth(first)
    if isinstance(first, Condition) or isinstance(second, Condition | bool):
        other = _truth(second)
        return truth | other if decided else truth & other
    return _either(truth, first, second) if decided else _either(truth, second, first)


def _either(condition: Condition | bool, then: Any, otherwise: Any) -> Any:
    """One value where a condition on sizes holds, another elsewhere: of lists item by item."""
    if _listed(then) and _listed(otherwise) and len(then) == len(otherwise):
        return [_either(condition, a, b) for a, b in zip(then, otherwise)]
    truths = (Condition, bool)
    if isinstance(then, truths) and isinstance(otherwise, truths):
        return (condition & then) | (_negated(condition) & otherwise)
    if _is_size(then) and _is_size(otherwise):
        return choose(condition, then, otherwise)
    if (
        then.__class__ is otherwise.__class__
        and not isinstance(then, Size)
        and then == otherwise
    ):
        return then
    kinds = " and ".join(map(_kind_of_any, (then, otherwise)))
    raise ExpressionError(
        f"a size decides between {kinds}; it decides between whole numbers only"
    )


def _is_size(value: Any) -> bool:
    return isinstance(value, Size) or (isinstance(value, int) and not isinstance(value, bool))


def _kind_of_any(value: Any) -> str:
    if isinstance(value, Condition):
        return "a comparison"
    return "a number" if isinstance(value, int | float | Size) else _kind(value)


def _number(value: Any) -> Any:
    if isinstance(value, (bool, str, list, tuple)) or value is None:
        raise ExpressionError(f"{_kind(value)} is not a number")
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"the text {value!r}" if isinstance(value, str) else "a list"


def _written(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else _kind(value)


def _listed(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _add(a: Any, b: Any) -> Any:
    if a.__class__ is int and b.__class__ is int:
        return bounded(a + b)
    if _listed(a) and _listed(b):
        return bounded([*a, *b])
    return bounded(_number(a) + _number(b))


def _multiply(a: Any, b: Any) -> Any:
    if a.__class__ is int and b.__class__ is int:
        return bounded(a * b)
    if _listed(b):
        a, b = b, a
    if _listed(a):
        if not isinstance(b, int) or isinstance(b, bool) or b < 0 or len(a) * b > limits.LIST:
            raise ExpressionError(f"a list times {_written(b)} is out of range")
        return bounded(list(a) * b)
    return bounded(_number(a) * _number(b))


def _power(base: Any, exponent: Any) -> Any:
    base, exponent = _number(base), _number(exponent)
    if isinstance(base, float) or isinstance(exponent, float) or exponent < 0:
        result = float(base) ** float(exponent)
        if isinstance(result, complex):
            raise ExpressionError("the result is not a real number")
        return bounded(result)
    if exponent > 1024 or (
        isinstance(base, int) and abs(base) > 1 and abs(base).bit_length() * exponent > 4096
    ):
        raise ExpressionError("the power is out of range")
    result = 1
    for _ in range(exponent):
        result = bounded(result * base)
    return result


def _item(value: Any, index: Any) -> Any:
    if not _listed(value):
        raise ExpressionError(f"{_written(value)} has no items")
    if not isinstance(index, int) or isinstance(index, bool):
        raise ExpressionError("an index must be an integer")
    if not -len(value) <= index < len(value):
        raise ExpressionError(f"index {index} is outside a list of {len(value)}")
    return value[index]


def _round(*values: Any) -> Any:
    if len(values) not in (1, 2):
        raise ExpressionError("round takes a number, and the number of digits to keep")
    number, *digits = map(_number, values)
    if digits and (not isinstance(digits[0], int) or abs(digits[0]) > limits.DIGITS):
        raise ExpressionError(
            f"round keeps between -{limits.DIGITS} and {limits.DIGITS} digits, not {digits[0]}"
        )
    return bounded(round(number, *digits))


def _extreme(choose: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def of(*values: Any) -> Any:
        items = values[0] if len(values) == 1 and _listed(values[0]) else values
        if not items:
            raise ExpressionError("min and max need at least one value")
        best = _number(items[0])
        for item in items[1:]:
            if isinstance(best, float) or isinstance(_number(item), float):
                best = min(best, item) if choose is minimum else max(best, item)
            else:
                best = choose(best, item)
        return best

    return of


def _length(*values: Any) -> int:
    if len(values) != 1 or not _listed(values[0]):
        raise ExpressionError("len takes a list")
    return len(values[0])


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": _extreme(minimum),
    "max": _extreme(maximum),
    "len": _length,
    "round": _round,
}
_SUM: dict[str, Callable[[Any, Any], Any]] = {
    "+": _add,
    "-": lambda a, b: bounded(_number(a) - _number(b)),
}
_PRODUCT: dict[str, Callable[[Any, Any], Any]] = {
    "*": _multiply,
    "/": lambda a, b: bounded(_number(a) / _number(b)),
    "//": lambda a, b: bounded(_number(a) // _number(b)),
    "%": lambda a, b: bounded(_number(a) % _number(b)),
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: _number(a) < _number(b),
    "<=": lambda a, b: _number(a) <= _number(b),
    ">": lambda a, b: _number(a) > _number(b),
    ">=": lambda a, b: _number(a) >= _number(b),
}
