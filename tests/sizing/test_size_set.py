"""Sets of sizes against plain membership, size by size."""

from __future__ import annotations

from functools import reduce

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.sizing.size_set import EVERY, MODULUS, NONE, SizeSet, TooLarge, of_few, of_members

FAR = 400


@st.composite
def members(draw: st.DrawFn) -> tuple[numpy.ndarray, int]:
    """The truth for the first sizes, and the period with which its end goes on."""
    period = draw(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16]))
    before = draw(st.lists(st.booleans(), max_size=30))
    pattern = draw(
        st.lists(st.booleans(), min_size=period, max_size=period) | st.just([True] * period)
    )
    return numpy.array(before + pattern, bool), period


def truth_of(drawn: tuple[numpy.ndarray, int], n: int) -> bool:
    truth, period = drawn
    start = len(truth) - period
    return bool(truth[n] if n < start else truth[start + (n - start) % period])


@given(members())
def test_members_and_their_canonical_form(drawn: tuple[numpy.ndarray, int]) -> None:
    """Membership is kept; no smaller modulus and no smaller start describe it; residues are sorted."""
    found = of_members(*drawn)
    inside = {n for n in range(FAR) if truth_of(drawn, n)}
    assert {n for n in range(FAR) if n in found} == inside
    assert -1 not in found and "3" not in found
    assert list(found.residues) == sorted(set(found.residues)) and list(found.finite) == sorted(
        set(found.finite)
    )
    assert all(n < found.start for n in found.finite) and all(
        0 <= r < found.modulus for r in found.residues
    )
    tail = [n in found for n in range(found.start, FAR)]
    for less in range(1, found.modulus):
        assert any(a != b for a, b in zip(tail, tail[less:])), f"{less} would do"
    if found.start:
        n = found.start - 1
        assert (n in found) != (n % found.modulus in found.residues), f"{n} would do as start"


@given(members())
def test_few_sizes_make_the_set_that_arrays_make(drawn: tuple[numpy.ndarray, int]) -> None:
    truth, period = drawn
    assert of_few(truth.tolist(), period) == of_members(truth, period)


@given(members(), members())
def test_few_of_a_large_modulus(
    a: tuple[numpy.ndarray, int], b: tuple[numpy.ndarray, int]
) -> None:
    """Whether remainders are kept as a list or as truths, the sets are the same."""

    def made() -> list[SizeSet]:
        x, y = of_members(*a), of_members(*b)
        return [x, x & y, x | y, x - y]

    wanted = made()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tracer.sizing.size_set.DENSE", 0)
        assert made() == wanted


@given(members(), members())
def test_set_algebra(a: tuple[numpy.ndarray, int], b: tuple[numpy.ndarray, int]) -> None:
    """Intersection, union and difference are those of the members; equal sets have equal fields."""
    x, y = of_members(*a), of_members(*b)
    for n in range(FAR):
        p, q = truth_of(a, n), truth_of(b, n)
        assert ((n in x & y), (n in x | y), (n in x - y)) == (p and q, p or q, p and not q)
    assert (x <= y) == all(truth_of(b, n) for n in range(FAR) if truth_of(a, n))
    assert (x & y) | (x - y) == x
    assert x & EVERY == x and x | NONE == x and not x - EVERY


@given(members(), st.integers(0, 120))
def test_neighbours(drawn: tuple[numpy.ndarray, int], n: int) -> None:
    """at_least, at_most, nearest, between, mask and least say what counting says."""
    found = of_members(*drawn)
    inside = [m for m in range(FAR) if truth_of(drawn, m)]
    above, below = [m for m in inside if m >= n], [m for m in inside if m <= n]
    assert found.at_least(n) == (above[0] if above else None)
    assert found.at_most(n) == (below[-1] if below else None)
    assert found.least == (inside[0] if inside else None) and bool(found) == bool(inside)
    assert list(found.between(n, n + 50)) == [m for m in inside if n <= m <= n + 50]
    assert found.mask(numpy.arange(FAR)).nonzero()[0].tolist() == inside
    near = found.nearest(n)
    if n in found:
        assert near == (n,)
    else:
        ends = {*below[-1:], *above[:1]}
        assert set(near) == ends and sorted(near, key=lambda m: (abs(m - n), m)) == list(near)


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        (SizeSet((), 173, 16, (12,)), "H = 16k + 12, k >= 11"),
        (SizeSet((), 1, 32, (0, 31)), "H = 32k, k >= 1, or H = 32k + 31, k >= 0"),
        (
            SizeSet((1, 2, 3, 4), 5, 32, (0, 29, 30, 31)),
            "H = 1..4, or H = 32k + 29..32, k >= 0",
        ),
        (SizeSet((), 188, 1, (0,)), "H >= 188"),
        (SizeSet((3,), 7, 1, (0,)), "H = 3, or H >= 7"),
        (EVERY, "any H"),
        (NONE, "no H"),
        (SizeSet((1, 2, 9), 10, 1, ()), "H = 1, 2, 9"),
        (SizeSet((), 257, 256, (0, 1)), "H = 256k, k >= 2, or H = 256k + 1, k >= 1"),
    ],
)
def test_texts(sizes: SizeSet, text: str) -> None:
    """As a person writes it; a run that the start cuts is listed as far as it belongs."""
    assert sizes.written("H") == text


@given(members())
def test_texts_say_the_set(drawn: tuple[numpy.ndarray, int]) -> None:
    """Read back by its own rules, the text gives the members."""
    found = of_members(*drawn)
    text = found.written("n")
    if text in ("no n", "any n"):
        assert found == (NONE if text == "no n" else EVERY)
        return
    read: set[int] = set()
    for part in text.split(", or "):
        if part.startswith("n >= "):
            read |= set(range(int(part[5:]), FAR))
            continue
        forms, _, least = part.removeprefix("n = ").partition(", k >= ")
        if not least:
            for piece in forms.split(", "):
                first, _, last = piece.partition("..")
                read |= set(range(int(first), int(last or first) + 1))
            continue
        for form in forms.split(" or "):
            factor, _, shift = form.partition("k")
            first, _, last = shift.removeprefix(" + ").partition("..")
            low = int(first or 0)
            for k in range(int(least), FAR):
                read |= {int(factor or 1) * k + r for r in range(low, int(last or low) + 1)}
    assert {n for n in read if n < FAR} == {
        n for n in range(FAR) if n in found
    } or "..." in text


def test_what_repeats_too_late_is_refused() -> None:
    """Of coprime moduli the common one may have too many remainders; of a few it does not matter how large it is."""
    few = reduce(lambda a, b: a & b, [SizeSet((), 0, m, (0,)) for m in (997, 991, 983)])
    assert few == SizeSet((), 0, 997 * 991 * 983, (0,))

    parts = [SizeSet((), 0, m, tuple(range(m - 1))) for m in (997, 991, 983)]
    with pytest.raises(TooLarge, match=f"at most {MODULUS}"):
        reduce(lambda a, b: a & b, parts)
