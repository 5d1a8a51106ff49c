"""Conditions on sizes decided for every integer, against evaluating them one by one."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.drawn.counted import counted
from tracer.sizing import periodic, size_set
from tracer.sizing.arithmetic import choose, floor_scale, maximum, minimum
from tracer.sizing.growth import Aperiodic, exact_ratio
from tracer.sizing.periodic import Analysis, Decided, always, always_from, decide, none_below
from tracer.sizing.program import substitute
from tracer.sizing.size_set import EVERY, SizeSet, TooLarge
from tracer.sizing.substitution import Substitution
from tracer.sizing.symbol import Condition, Size, Space

N = 700


@st.composite
def sizes(draw: st.DrawFn, space: Space, depth: int = 3) -> Any:
    """A size as the formulas of layers make them."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return space.symbol("n")
    inner = draw(sizes(space, depth - 1))
    kind = draw(
        st.sampled_from(
            ["affine", "floor", "floor", "minimum", "maximum", "sum", "choose", "scale", "mod"]
        )
    )
    number = draw(st.integers(-9, 12))
    if kind == "affine":
        return inner * draw(st.sampled_from([1, 2, 3, -1])) + number
    if kind == "floor":
        return (inner + number) // draw(st.sampled_from([2, 2, 3, 4, 5, 7]))
    if kind == "minimum":
        return minimum(inner, draw(sizes(space, depth - 1)) if draw(st.booleans()) else number)
    if kind == "maximum":
        return maximum(inner, number)
    if kind == "sum":
        return inner + draw(sizes(space, depth - 1)) * draw(st.sampled_from([1, -1]))
    if kind == "choose":
        return choose(inner >= number, inner, draw(sizes(space, depth - 1)))
    if kind == "scale":
        return floor_scale(inner, draw(st.sampled_from([0.5, 1.5, 2.0, 1 / 3, 0.25])))
    return inner % draw(st.sampled_from([2, 3, 4]))


@st.composite
def conditions(draw: st.DrawFn, space: Space) -> Any:
    a, b = draw(sizes(space)), draw(sizes(space))
    number = draw(st.integers(-6, 20))
    kind = draw(st.sampled_from(["ge", "le", "eq", "eq", "ne", "eq2"]))
    one = {
        "ge": lambda: a >= number, "le": lambda: a <= number, "eq": lambda: a == b, "ne": lambda: a != number,
        "eq2": lambda: a == number,
    }[kind]()  # fmt: skip
    if draw(st.integers(0, 2)):
        return one
    other = draw(conditions(space))
    return one & other if draw(st.booleans()) else one | other


def truth(condition: Any, values: Any) -> Any:
    (found,) = substitute([condition], {"n": values})
    return numpy.broadcast_to(numpy.asarray(found, bool), numpy.shape(values))


@counted(lambda seen: seen["exact"] > 4 * seen["bounded"])
@given(st.data())
def test_conditions_are_decided_for_every_size(seen: Counter[str], data: st.DataObject) -> None:
    """The set of one condition, and of groups that build on each other, is what each size says, near and far."""
    space = Space()
    first, second = data.draw(conditions(space)), data.draw(conditions(space))
    assume(isinstance(first, Condition) or isinstance(second, Condition))
    try:
        one, both = decide([[first], [second]], "n", Analysis(space))
    except TooLarge:
        seen["too large"] += 1
        return
    far = 10**6 + data.draw(st.integers(0, 10**6))
    n = numpy.concatenate([numpy.arange(N), numpy.arange(far, far + 64)])
    for found, want in ((one, truth(first, n)), (both, truth(first, n) & truth(second, n))):
        known = n < found.below if found.below is not None else n >= 0
        assert (found.sizes.mask(n) == want)[known].all(), (first, second, found)
        seen["bounded" if found.below is not None else "exact"] += 1


@given(st.data())
def test_bounds_hold_and_periods_repeat(data: st.DataObject) -> None:
    """From ``since`` on a size lies between its bounds, and grows by one number from period to period."""
    space = Space()
    size = data.draw(sizes(space))
    assume(isinstance(size, Size))
    try:
        growth = Analysis(space).growth(size)
    except Aperiodic:
        return
    assume(growth.since < 10**6 and (growth.period or 1) < 10**5)
    period = growth.period or 1
    n = growth.since + numpy.arange(3 * period + 50)
    (values,) = substitute([size], {"n": n})
    for i in range(0, len(n), max(len(n) // 60, 1)):
        low, high = (
            sum(c * int(n[i]) ** p for p, c in enumerate(bound))
            for bound in (growth.lower, growth.upper)
        )
        assert low <= int(values[i]) <= high, (size, int(n[i]), growth)
    if growth.period is not None:
        steps = values[period:] - values[:-period]
        assert (steps == steps[0]).all() and Fraction(int(steps[0]), period) == growth.slope, (
            size,
            growth,
        )


@given(st.data())
def test_what_one_analysis_knows_serves_another(data: st.DataObject) -> None:
    """At single sizes a condition is what a program says, and a further analysis decides it as a new one does."""
    space = Space()
    asked = [data.draw(conditions(space)) for _ in range(3)]
    first = Analysis(space)
    further = first.afresh()
    for n in (0, 1, data.draw(st.integers(2, 40)), data.draw(st.integers(0, 10**6))):
        at = first.at({"n": n})
        assert [at.truth(condition) for condition in asked] == substitute(asked, {"n": n})

    try:
        decide([asked[:2]], "n", first)
        alone = decide([asked], "n", Analysis(space))
    except TooLarge:
        return
    assert decide([asked], "n", further) == alone


@counted(lambda seen: seen["alike"] > 20)
@given(st.data())
def test_symbols_alike_are_decided_once(seen: Counter[str], data: st.DataObject) -> None:
    """What is kept of one symbol's conditions is what another's have by themselves, and no other condition's."""
    space = Space()
    first, second = data.draw(conditions(space)), data.draw(conditions(space))
    assume(isinstance(first, Condition) and isinstance(second, Condition))
    renamed = Substitution(space, {"n": space.symbol("m")})
    asked = [
        ("n", [[first], [second]]),
        ("m", [[renamed.condition(first)], [renamed.condition(second)]]),
        ("m", [[renamed.condition(second)], [renamed.condition(first)]]),
        ("n", [[first, second]]),
    ]
    analysis = Analysis(space)
    try:
        for symbol, groups in asked:
            assert decide(groups, symbol, analysis) == decide(groups, symbol, Analysis(space))
    except TooLarge:
        return
    assert len(analysis.decided) < len(asked)
    seen["alike"] += 1


@counted(lambda seen: seen["exact"] > 50)
@given(st.data())
def test_few_sizes_are_decided_as_many_are(seen: Counter[str], data: st.DataObject) -> None:
    """Size by size and by arrays the sets are the same, and so are those that are made of two."""
    space = Space()
    groups = [[data.draw(conditions(space))] for _ in range(2)]

    def decided() -> tuple[list[Decided], list[SizeSet]]:
        found = decide(groups, "n", Analysis(space))
        a, b = (one.sizes for one in found)
        return found, [a & b, a | b, a - b, b - a]

    try:
        few = decided()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(periodic, "FEW", 0)
            patched.setattr(size_set, "FEW", 0)
            many = decided()
    except TooLarge:
        return
    assert few == many
    seen["exact" if few[0][0].below is None else "bounded"] += 1


@given(st.data())
def test_shortcuts_are_right(data: st.DataObject) -> None:
    """``always``, ``always_from`` and ``none_below`` claim nothing that a size contradicts."""
    space = Space()
    condition = data.draw(conditions(space))
    assume(isinstance(condition, Condition))
    analysis = Analysis(space)
    holds = truth(condition, numpy.arange(N))
    assert not always(condition, "n", EVERY, analysis) or holds.all()
    least = data.draw(st.integers(0, 60))
    assert not always_from(condition, least, analysis) or holds[least:].all()
    assert not holds[: none_below([condition], analysis)].any()


@given(st.data())
def test_substitution(data: st.DataObject) -> None:
    """Replacing the symbol by a number, or by a size of another symbol, is evaluating there."""
    space = Space()
    size, condition = data.draw(sizes(space)), data.draw(conditions(space))
    number = data.draw(st.integers(0, 80))
    numbers = Substitution(space, {"n": number})
    affine = Substitution(space, {"n": space.symbol("k") * 3 + 2})
    k = data.draw(st.integers(0, 30))
    assert numbers.size(size) == substitute([size], {"n": number})[0]
    assert numbers.condition(condition) == bool(substitute([condition], {"n": number})[0])
    assert substitute([affine.size(size)], {"k": k}) == substitute([size], {"n": 3 * k + 2})
    assert substitute([affine.condition(condition)], {"k": k}) == substitute(
        [condition], {"n": 3 * k + 2}
    )


@given(
    st.floats(0.01, 40) | st.fractions(Fraction(1, 64), 20, max_denominator=900).map(float),
    st.data(),
)
def test_factors_with_a_period(factor: float, data: st.DataObject) -> None:
    """Where a fraction stands for a double, both floors are the same for every size, multiples of it included."""
    try:
        ratio = exact_ratio(factor, factor)
    except Aperiodic:
        return
    for n in data.draw(st.lists(st.integers(0, 2**32), min_size=20, max_size=20)):
        whole = n - n % ratio.denominator
        for size in (n, whole, whole + 1, max(whole - 1, 0)):
            assert math.floor(size * factor) == size * ratio.numerator // ratio.denominator, (
                size,
                ratio,
            )


@pytest.mark.parametrize("factor", [0.57, 0.29, 1.005])
def test_factors_without_a_period(factor: float) -> None:
    """100 x 0.57 is 56 and 1600 x 0.57 is 912: whether a whole number is reached depends on how large it is."""
    with pytest.raises(Aperiodic, match="floating point"):
        exact_ratio(factor, factor)
    nearest = Fraction(factor).limit_denominator(1000)
    short = [
        k
        for k in range(1, 400)
        if math.floor(k * nearest.denominator * factor) != k * nearest.numerator
    ]
    assert 0 < len(short) < 399


def test_sums_of_strides() -> None:
    """Strides 3, 5, 7 and 11 in parallel repeat after 1155."""
    space = Space()
    n = space.symbol("n")
    asked = [n % d == 0 for d in (3, 5, 7, 11)]
    (found,) = decide([asked], "n", Analysis(space))
    assert (found.sizes.modulus, found.sizes.residues, found.sizes.start) == (1155, (0,), 0)
