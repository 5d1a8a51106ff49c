"""The ends of sizes: no value is outside of them, and sizes that they tell apart are written without min and max."""

from __future__ import annotations

import random

import pytest

from tracer.sizing.arithmetic import choose, maximum, minimum
from tracer.sizing.ends import MOST_BRANCHES, _Sum, ends_of
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Size, SizeLike, Space

SPACE = Space()
H = SPACE.counts("H")
W = SPACE.counts("W")
OPEN = SPACE.symbol("P")


def drawn(draw: random.Random, depth: int) -> SizeLike:
    """A formula of symbols that are at least 1, and of one that may be anything."""
    if not depth:
        return draw.choice([H, W, OPEN, draw.randint(-3, 5)])
    a, b, c = (drawn(draw, depth - 1) for _ in range(3))
    made = [
        lambda: a // draw.choice([2, 3, 4, 8]),
        lambda: a * draw.choice([-1, 2, 3]),
        lambda: a + b,
        lambda: draw.choice([H, W, H // 2]) * draw.choice([H, W]),
        lambda: a - b,
        lambda: minimum(a, b),
        lambda: maximum(a, b),
        lambda: choose(a >= b, b, c),
    ]
    found: SizeLike = draw.choice(made)()
    return found


@pytest.mark.parametrize("seed", range(40))
def test_no_value_is_outside(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(20):
        size = drawn(draw, draw.randint(1, 4))
        least, most = ends_of(size)
        for _ in range(10):
            values = {
                "H": draw.randint(1, 70),
                "W": draw.randint(1, 70),
                "P": draw.randint(-9, 9),
            }
            (value,) = substitute([size], values)
            assert least <= value <= most, (size, values)


@pytest.mark.parametrize("seed", range(40))
def test_of_one_product_nothing_more_is_known(seed: int) -> None:
    """What a sum is made of tells something only where several terms cancel."""
    draw = random.Random(seed)
    terms = 0
    while terms < 40:
        size = drawn(draw, draw.randint(2, 5))
        for term in size.terms if isinstance(size, Size) else ():
            terms += 1
            product = SPACE.interned((term,), 0)
            known = ends_of(product)
            assert known == known.both(_Sum(product).ends(MOST_BRANCHES)), product


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (minimum(H // 8, 2 * (H // 16)), "2*(H // 16)"),
        (maximum(H // 8, 2 * (H // 16)), "H // 8"),
        (maximum(2 * (H // 16), 0), "2*(H // 16)"),
        (minimum(minimum(H // 2, 4 * (H // 8)), H), "4*(H // 8)"),
        (minimum((H + 1) // 2, H), "(H + 1) // 2"),
        (minimum(-(-H // 7) * 7, H), "H"),
        (choose(2 * (W // 2) > W, 5, W), "W"),
        ((6 * H + 3) // 4, "(3*H + 1) // 2"),
        (minimum(OPEN, 0), "min(P, 0)"),
        (minimum(3 * H * W, H), "H"),
        (maximum(H * W + 1, H + W), "H*W + 1"),
    ],
)
def test_what_the_ends_decide_is_not_written(size: SizeLike, written: str) -> None:
    assert str(size) == written


def test_a_deep_chain_of_floors() -> None:
    """Nothing is asked in depth."""
    size: SizeLike = H
    for _ in range(3_000):
        size = (size + 3) // 2 + 1
    assert ends_of(size).least >= 1


@pytest.mark.parametrize("divisor", [2, 3, 7, 112])
@pytest.mark.parametrize("constant", [-9, -1, 0, 1, 5])
def test_a_floor_of_what_is_taken_away_is_a_ceiling(divisor: int, constant: int) -> None:
    """-((-H) // 7) and (H + 6) // 7 are one size, and it is at least 1."""
    ceiling = -((constant - H) // divisor)
    assert ceiling is (H + (divisor - 1 - constant)) // divisor
    sizes = range(1, 300)
    assert [substitute([ceiling], {"H": n})[0] for n in sizes] == [
        -((constant - n) // divisor) for n in sizes
    ]
    assert constant > 0 or ends_of(ceiling).least >= 1


@pytest.mark.parametrize("seed", range(40))
def test_quotients_of_several_terms(seed: int) -> None:
    """Where one size is another one times a third, their quotient is the third; others stay as they are."""
    draw = random.Random(seed)
    atoms = [H, W, H // 16, H * W, draw.randint(1, 5)]

    def of_terms(count: int) -> SizeLike:
        return sum(draw.choice([-2, 1, 3]) * draw.choice(atoms) for _ in range(count))

    a, b = of_terms(2) + 7 * W * W, of_terms(2) + 13 * H + 1
    assert (a * b) // b is a
    assert "//" in repr((a * b + 1) // b)

    sizes = {"H": draw.randint(1, 99), "W": draw.randint(1, 99)}
    for size in (a * b, a * b + H):
        above, below, got = substitute([size, b, size // b], sizes)
        assert below <= 0 or got == above // below
