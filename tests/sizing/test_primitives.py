"""Every row of the table of primitives agrees with itself: ints, arrays, symbols, bounds, growth and texts."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from tracer.sizing.growth import Aperiodic
from tracer.sizing.periodic import Analysis
from tracer.sizing.primitives import (
    CONDITION,
    NUMBER,
    PRIMITIVES,
    SIZE,
    Primitive,
)
from tracer.sizing.program import substitute
from tracer.sizing.substitution import Substitution
from tracer.sizing.symbol import Size, Space
from tracer.sizing.worked import Worked

ROWS = pytest.mark.parametrize("primitive", PRIMITIVES, ids=lambda p: p.name)
FACTORS = (0.5, 1.5, 1 / 3, 2.7, 0.1)


def _each(primitive: Primitive, made: dict[str, Callable[[], Any]]) -> list[Any]:
    """One argument for each that the primitive takes."""
    return [made[takes]() for takes in primitive.takes]


def _plain(draw: random.Random) -> dict[str, Callable[[], Any]]:
    return {
        SIZE: lambda: draw.choice([0, 1, draw.randint(-30, 30), draw.randint(0, 5000)]),
        NUMBER: lambda: draw.choice(FACTORS),
        CONDITION: lambda: draw.random() < 0.5,
    }


def _symbolic(space: Space, draw: random.Random) -> dict[str, Callable[[], Any]]:
    n = space.symbol("n")

    def size() -> Any:
        return draw.choice([n + 1, n // 3 + 1, n * 2 + 7, (n + 5) // 2, draw.randint(1, 9)])

    def condition() -> Any:
        return draw.choice([n >= draw.randint(0, 40), n % 3 == 1, n // 2 != 4])

    return {SIZE: size, NUMBER: lambda: draw.choice(FACTORS), CONDITION: condition}


@ROWS
def test_arrays_are_ints(primitive: Primitive) -> None:
    """An array of sizes gives, element by element, what its ints give."""
    draw = random.Random(primitive.name)
    calls = [_each(primitive, _plain(draw)) for _ in range(200)]
    columns: list[Any] = [numpy.array(column) for column in zip(*calls)]
    found = numpy.asarray(primitive(*columns))
    assert found.tolist() == [primitive(*call) for call in calls]


@ROWS
def test_symbols_are_ints(primitive: Primitive) -> None:
    """A primitive of symbols is, with numbers in their place, the primitive of those numbers, in both ways."""
    draw = random.Random(primitive.name)
    space = Space()
    for _ in range(100):
        arguments = _each(primitive, _symbolic(space, draw))
        whole = primitive(*arguments)
        for n in (0, 1, 2, 7, 40, 1001):
            plain = [Substitution(space, {"n": n}).argument(argument) for argument in arguments]
            want = primitive(*plain)
            assert substitute([whole], {"n": n}) == [want], (arguments, n)
            assert Substitution(space, {"n": n}).size(whole) == want, (arguments, n)


@ROWS
def test_bounds_hold(primitive: Primitive) -> None:
    """For sizes between their ends, and conditions that are open or not, the value lies between its bounds."""
    draw = random.Random(primitive.name)
    for _ in range(300):
        known: list[Any] = []
        values: list[list[Any]] = []
        for takes in primitive.takes:
            if takes == SIZE:
                least = draw.randint(0, 30)
                most = least + draw.randint(0, 30)
                known.append((least, most))
                values.append([least, most, *[draw.randint(least, most) for _ in range(6)]])
            elif takes == CONDITION:
                truth = draw.choice([True, False, None])
                known.append(truth)
                values.append([truth] if truth is not None else [True, False])
            else:
                factor = draw.choice(FACTORS)
                known.append(factor)
                values.append([factor])
        least, most = primitive.bounds(*known)
        for _ in range(8):
            arguments = [draw.choice(column) for column in values]
            assert least <= primitive(*arguments) <= most, (known, arguments)


@ROWS
def test_growth_holds(primitive: Primitive) -> None:
    """From ``since`` on the values lie between the polynomials, and a period later they are one number further."""
    draw = random.Random(primitive.name)
    space = Space()
    shown = 0
    for _ in range(200):
        size = primitive(*_each(primitive, _symbolic(space, draw)))
        if not isinstance(size, Size):
            continue
        try:
            growth = Analysis(space).growth(size)
        except Aperiodic:
            continue
        period = growth.period or 1
        n = growth.since + numpy.arange(2 * period + 20)
        (values,) = substitute([size], {"n": n})
        for at, value in zip(n.tolist(), values.tolist()):
            low, high = (
                sum(c * at**power for power, c in enumerate(bound))
                for bound in (growth.lower, growth.upper)
            )
            assert low <= value <= high, (size, at)
        if growth.period is not None:
            steps = values[period:] - values[:-period]
            assert (steps == steps[0]).all(), size
            shown += 1
    assert shown > 10


@ROWS
def test_texts_compute_it(primitive: Primitive) -> None:
    """The expression of a primitive, and its arithmetic as it is shown, evaluate to its value."""
    draw = random.Random(primitive.name)
    space = Space()
    n = 41
    names = {"n": n, "min": min, "floor": math.floor, "scale": lambda a, f: math.floor(a * f)}
    for _ in range(60):
        arguments = _each(primitive, _symbolic(space, draw))
        plain = [Substitution(space, {"n": n}).argument(argument) for argument in arguments]
        if any(takes == SIZE and a == 0 for takes, a in zip(primitive.takes, plain)):
            continue
        want = primitive(*plain)
        assert eval(repr(primitive(*arguments)), {}, names) == want

        written = [
            Worked(a) if takes == SIZE else a for takes, a in zip(primitive.takes, plain)
        ]
        text = re.sub("·", "*", str(primitive(*written))).replace("−", "-")
        assert eval(text, {}, names) == want
