"""What is refuted at sizes that are looked at is what no proof shows."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from tracer.importing.decisions import Decisions
from tracer.sizing.symbol import Condition, Space

Draw = random.Random


def drawn_size(draw: Draw, symbols: list[Any]) -> Any:
    """A size as layers make them of one symbol, or of two that are joined."""
    size = draw.choice(symbols)
    for _ in range(draw.randint(0, 2)):
        size = (size + draw.randint(-2, 2)) // draw.choice([1, 2, 2, 4])
        size = size * draw.choice([1, 1, 2]) + draw.randint(0, 1)
    return size


def drawn_condition(draw: Draw, symbols: list[Any]) -> Any:
    """A comparison of two sizes, or one of two comparisons."""
    a, b = drawn_size(draw, symbols), drawn_size(draw, symbols)
    b = draw.choice([b, b, draw.randint(0, 9)])
    found = draw.choice([a >= b, a == b, a != b, a < b])
    is_alone = draw.random() < 0.8 or not isinstance(found, Condition)
    return found if is_alone else found | (drawn_size(draw, symbols) >= draw.randint(1, 3))


@pytest.mark.parametrize("seed", range(6))
def test_it_changes_no_answer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is looked at first, and by proofs alone: the answers are the same."""
    draw = random.Random(seed)
    space = Space()
    symbols = [space.counts(name) for name in "HWN"]
    decisions = Decisions(space)
    refuted = decisions._is_refuted
    answers: Counter[Any] = Counter()
    for _ in range(60):
        held = [drawn_condition(draw, symbols) for _ in range(draw.randint(0, 4))]
        known = [one for one in held if isinstance(one, Condition)]
        condition = drawn_condition(draw, symbols)
        answer = decisions.follows(condition, known)

        with monkeypatch.context() as patched:
            patched.setattr(decisions, "_is_refuted", lambda *_: False)
            assert decisions.follows(condition, known) == answer, (condition, known)
        if isinstance(condition, Condition):
            answers[answer, refuted(condition, known)] += 1
    assert answers[False, True] > 10 and answers[True, False] > 1
