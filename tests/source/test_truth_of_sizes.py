"""A size as a condition of an expression: what a symbol gives is what every number gives."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer
from tests.drawn.counted import counted, each
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition, Size, Space
from tracer.source.expressions import ExpressionError, parse

PADDED = """
input: [1, 1, H, 8]
sizes: {H: 9}
layers:
  p: {op: ZeroPad2d, padding: [0, 0, "1 if H % 2 else 0", 0]}
  d: {op: MaxPool2d, kernel_size: 2}
"""


def test_a_size_is_true_where_it_is_not_0() -> None:
    net = tracer.loads(PADDED)
    axis = tracer.sizes(net).axes["H"]
    assert axis.below is None
    assert axis.runs.written("H") == "H >= 1"
    module = tracer.build(net)
    for h in (1, 2, 9, 10):
        assert tuple(module(torch.zeros(1, 1, h, 8)).shape) == net.trace(H=h).shapes["d"]


@pytest.mark.parametrize(
    "text",
    ["[1, 0] if H else 2", "0.5 if H % 2 else 1", "'a' if H else 'b'", "null if H else 1"],
)
def test_what_a_size_cannot_decide_between_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="a size decides between"):
        parse(text)({"H": Space().symbol("H")})


def _values() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["H", "W", "0", "1", "3", "H % 2", "H % 3", "W // 2", "H - W"])

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        compared = st.builds(
            "({} {} {})".format, inner, st.sampled_from(["==", "<", ">="]), inner
        )
        truth = st.one_of(inner, compared, st.builds("(not {})".format, inner))
        joined = st.builds("({} {} {})".format, truth, st.sampled_from(["and", "or"]), truth)
        chosen = st.builds("({} if {} else {})".format, inner, st.one_of(truth, joined), inner)
        either = st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        return st.one_of(chosen, either, st.builds("({} + {})".format, inner, inner))

    return st.recursive(leaves, grown, max_leaves=8)


@counted(each("choice", over=20))
@given(_values())
def test_symbols_give_what_numbers_give(seen: Counter[str], text: str) -> None:
    space = Space()
    try:
        found: Any = parse(text)({"H": space.symbol("H"), "W": space.symbol("W")})
    except ExpressionError:
        seen["refused"] += 1
        return
    seen["choice" if " if " in text or " or " in text or " and " in text else "plain"] += 1
    for h in range(5):
        for w in range(4):
            wanted = parse(text)({"H": h, "W": w})
            (value,) = substitute([found], {"H": h, "W": w}) if _is_open(found) else [found]
            assert value == wanted, (text, h, w)


def _is_open(value: Any) -> bool:
    return isinstance(value, Size | Condition)
