"""Sizes that a program reads off its tensors: what is computed of them is followed, or known to be lost."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable
from typing import Any

import pytest

from tracer.importing.names import FreeNames
from tracer.importing.run_time_sizes import Guards, RunTimeQuotient, RunTimeSize
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Size, Space
from tracer.source.python_places import Spot

OPERATORS: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in [
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "lshift",
        "rshift",
        "and_",
        "or_",
        "xor",
    ]
}
ROUNDED = (math.floor, math.ceil, math.trunc, round)
NUMBERS = (0, 1, 2, 3, 32, -1, 0.5, 2.0, 0.25, 1.5, 1 / 3, math.inf, math.nan)


def drawn(draw: random.Random, sizes: list[Any]) -> Callable[[list[Any]], Any]:
    """A formula of some sizes: operators of them, of numbers and of what came out before."""
    steps = []
    for _ in range(draw.randint(1, 3)):
        operands = [draw.choice(["last", *range(len(sizes)), "number"]) for _ in range(2)]
        number = draw.choice(NUMBERS)
        name = draw.choice(list(OPERATORS))
        if name in ("pow", "lshift"):  # a size to the power of a size has no end
            operands[1] = "number"
        if operands[0] == "number":  # Python's floats take a size behind them for any int
            number = draw.choice([1, 2, 3, 32])
        steps.append((OPERATORS[name], operands, number))
    ends = draw.choice(ROUNDED)

    def formula(values: list[Any]) -> Any:
        last = values[0]
        for apply, (a, b), number in steps:
            one = last if a == "last" else values[a] if isinstance(a, int) else number
            two = last if b == "last" else values[b] if isinstance(b, int) else number
            last = apply(one, two)
        return ends(last)

    return formula


def result(formula: Callable[[list[Any]], Any], values: list[Any]) -> Any:
    """What it gives; None where Python refuses."""
    try:
        found = formula(values)
    except (ArithmeticError, TypeError, ValueError, MemoryError):
        return None
    return None if isinstance(found, complex) else found


def test_what_is_computed_is_followed_or_lost() -> None:
    """A formula that is known over the symbols gives Python's number at other sizes too."""
    draw = random.Random(5)
    mine: Any
    followed = lost = 0
    for _ in range(4000):
        space = Space()
        guards = Guards(space, lambda: Spot(""))
        here = {"H": 64, "W": 48}
        read = [RunTimeSize(n, space.symbol(name), guards) for name, n in here.items()]
        formula = drawn(draw, read)
        mine, want = result(formula, read), result(formula, list(here.values()))
        if want is None:
            continue
        if isinstance(mine, RunTimeSize) and mine.size is None:
            lost += 1
            continue
        assert int(mine) == want
        for there in ({"H": 63, "W": 41}, {"H": 96, "W": 64}):
            other = result(formula, list(there.values()))
            holds = all(substitute(guards.holding(), there))
            if other is None or not holds:
                continue
            if isinstance(mine, RunTimeSize):
                assert isinstance(mine.size, Size)
                (size,) = substitute([mine.size], there)
                assert size == other
                followed += 1
    assert followed > 500 and lost > 200, (followed, lost)


@pytest.mark.parametrize("factor", [math.inf, -math.inf, math.nan, 0.0])
def test_no_fraction(factor: float) -> None:
    """A size times what is no fraction above 0 is lost, as a float that Python gives."""
    guards = Guards(Space(), lambda: Spot(""))
    size: Any = RunTimeSize(8, guards.space.symbol("H"), guards)
    found = size * factor
    assert isinstance(found, RunTimeQuotient) and found.numerator is None
    assert str(float(found)) == str(8 * factor)


def test_quotients_of_each_other() -> None:
    """A quotient times a quotient depends on both sizes."""
    guards = Guards(Space(), lambda: Spot(""))
    h, w = (RunTimeSize(64, guards.space.symbol(name), guards) for name in "HW")
    found: Any = math.floor((h / 2) * (w / 32))
    assert (int(found), str(found.size)) == (64, "(H*W) // 64")
    others: list[Any] = [math.floor((h / 2) / (w / 32)), math.floor((h / 2) % (w / 32))]
    assert [other.size for other in others] == [None, None]


def test_free_names() -> None:
    """The smallest number that is free, as often as it is looked for."""
    names = FreeNames(["a", "a_2"], lambda name: name != "a_3")
    assert [names.free("a") for _ in range(3)] == ["a_1", "a_4", "a_5"]
    assert names.free("a_5") == "a_5_1"
