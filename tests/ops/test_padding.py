"""Padding modules agree with torch on shape and refusal, crops and odd tuples included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer.ops.padding
from tests.drawn.arguments import Draw
from tests.drawn.oracle import Case, Refused, agree, nn_module, ours, parameters_agree
from tracer.ops.base import registry

KINDS = ["ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad"]
OPS = [f"{kind}{axes}d" for kind in KINDS for axes in (1, 2, 3)]

amounts = st.integers(-2, 3) | st.sampled_from([0, 1, 1, 2]) | st.integers(-6, 6)


@st.composite
def pad_case(draw: Draw, op: str) -> Case:
    axes = int(op[-2])
    length = (
        draw(st.sampled_from([axes] * 8 + [1, 2, 3])) * 2
        if draw(st.integers(0, 9))
        else draw(st.integers(0, 8))
    )
    padding = draw(amounts | st.lists(amounts, min_size=length, max_size=length))
    arguments: dict[str, Any] = {"padding": padding}
    if op.startswith("Constant") and draw(st.integers(0, 9)):
        arguments["value"] = draw(st.floats() | st.sampled_from([0, 1.5, None, "1"]))
    padded = length // 2 if isinstance(padding, list) else axes
    sizes = draw(st.sampled_from([st.integers(4, 8), st.integers(1, 6), st.integers(0, 3)]))
    lead = draw(
        st.sampled_from(
            [(1, 1), (2, 1), (1, 2), (2,), (1,)] * 2 + [(0, 1), (0,), (1, 0), (), (1, 1, 1)]
        )
    )
    spatial = draw(st.lists(sizes, min_size=padded, max_size=padded))
    return Case(op, arguments, ((*lead, *spatial),))


def module(case: Case) -> Callable[..., Any]:
    """torch's module. ReflectionPad2d/3d crop an empty batch to a size below 0 without a word: a refusal to us."""
    made = nn_module(case)

    def run(x: torch.Tensor) -> torch.Tensor:
        y = made(x)
        if min(y.shape, default=0) < 0:
            raise RuntimeError(f"the shape {tuple(y.shape)} is none")
        return y

    return run


@pytest.mark.parametrize("op", OPS)
def test_padding(op: str) -> None:
    @given(pad_case(op))
    def run(case: Case) -> None:
        agree(case, module)
        if not isinstance(ours(case), Refused):
            parameters_agree(case)

    run()


@pytest.mark.parametrize("kind", KINDS)
def test_one_axis_exhaustively(kind: str) -> None:
    """Every pair of amounts on every small size, alone (where torch's copies may overlap) and with two channels."""
    value = {"value": 0.0} if kind == "ConstantPad" else {}
    for n in range(5):
        for left in range(-5, 7):
            for right in range(-5, 7):
                for lead in ((1, 1), (1, 2)):
                    agree(Case(f"{kind}1d", {"padding": [left, right], **value}, ((*lead, n),)))


def test_the_order_is_last_axis_first() -> None:
    """(left, right, top, bottom): 3 columns and 30 rows more."""
    case = Case("ZeroPad2d", {"padding": [1, 2, 10, 20]}, ((1, 1, 5, 5),))
    assert ours(case) == (1, 1, 35, 8)
    agree(case)


def test_what_a_positive_amount_adds_does_not_make_up_for_a_crop() -> None:
    """(5, -5) on 4 fails though it sums to 4."""
    answer = ours(Case("ZeroPad1d", {"padding": [5, -5]}, ((1, 1, 4),)))
    assert answer == Refused("T302", "padding of 5 and -5 removes 5 of 4 in [1, 1, 4]")


@pytest.mark.parametrize(
    ("padding", "even"),
    [
        ([1, 2, 0, 0], True),
        ([-1, -1, 0, 0], True),
        ([0, -1, 0, 0], False),
        ([1, 1, 2, -2], False),
        ([-2, -3, 0, 0], False),
        ([-3, -5, 0, 0], True),
        ([2, 0, -4, 1], False),
    ],
)
def test_an_uneven_crop_is_a_loss(padding: list[int], even: bool) -> None:
    op = msgspec.convert({"padding": padding}, registry["ZeroPad2d"])
    assert all(loss.holds for loss in op.remarks((1, 1, 8, 8))) is even


def test_messages() -> None:
    assert ours(Case("ReflectionPad1d", {"padding": 3}, ((1, 1, 3),))) == Refused(
        "T306", "reflection by 3 needs an input of at least 4; [1, 1, 3] has 3"
    )
    assert ours(Case("ZeroPad2d", {"padding": [1, 1, 1]}, ((1, 1, 3, 3),))) == Refused(
        "T203",
        "padding has 3 values, [1, 1, 1]; it takes an integer or a pair per axis, last axis first",
    )
    assert tracer.ops.padding.ZeroPad2d(padding=1).amounts() == [(1, 1), (1, 1)]
