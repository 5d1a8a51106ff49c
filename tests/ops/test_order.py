"""Turning, rolling, accumulating and sorting agree with torch on shape and refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import Case, agree
from tests.ops.test_rearrange import dims, shape_of, some_dims
from tracer.ops.base import registry

ALONG: dict[str, Callable[..., Any]] = {
    "Cumsum": torch.cumsum,
    "Cumprod": torch.cumprod,
    "Logcumsumexp": torch.logcumsumexp,
    "Cummax": torch.cummax,
    "Cummin": torch.cummin,
    "Sort": torch.sort,
    "Topk": torch.topk,
}


@st.composite
def flip_case(draw: Draw) -> Case:
    shape = shape_of(draw)
    asked = some_dims(draw, len(shape))
    return Case("Flip", {"dims": [] if asked is None else asked}, (shape,))


def flipped(case: Case) -> Callable[..., Any]:
    asked = case.arguments["dims"]
    return lambda x: torch.flip(x, (asked,) if isinstance(asked, int) else tuple(asked))


@given(flip_case())
def test_flip(case: Case) -> None:
    agree(case, flipped)


@st.composite
def roll_case(draw: Draw) -> Case:
    # Of an empty tensor torch gives a copy before it looks at the dims.
    shape = tuple(max(n, 1) for n in shape_of(draw)) or (2,)
    count = draw(st.integers(0, 3))
    shifts = draw(st.lists(st.integers(-5, 9), min_size=count, max_size=count))
    asked = draw(st.lists(dims, min_size=count, max_size=count))
    if draw(st.integers(0, 5)) == 0:
        asked = asked[1:]
    arguments: dict[str, Any] = {"shifts": shifts, "dims": asked}
    if draw(st.integers(0, 5)) == 0:
        arguments = {"shifts": draw(st.integers(-5, 9)), "dims": draw(dims | st.none())}
    return Case("Roll", arguments, (shape,))


def rolled(case: Case) -> Callable[..., Any]:
    a = {k: tuple(v) if isinstance(v, list) else v for k, v in case.arguments.items()}
    return lambda x: torch.roll(x, a["shifts"], a["dims"])


@given(roll_case())
def test_roll(case: Case) -> None:
    agree(case, rolled)


@st.composite
def along_case(draw: Draw, op: str) -> Case:
    shape = shape_of(draw)
    if op in ("Cummax", "Cummin"):
        # Of an empty tensor torch gives an empty one before it looks at the dim.
        shape = tuple(max(n, 1) for n in shape)
    arguments: dict[str, Any] = {"dim": draw(dims)}
    if op in ("Cummax", "Cummin", "Sort", "Topk"):
        maybe(draw, arguments, "indices", st.booleans())
    if op == "Sort":
        maybe(draw, arguments, "descending", st.booleans())
    if op == "Topk":
        arguments["k"] = draw(st.sampled_from([-1, 0, 1, 1, 2, 3, 5]))
        maybe(draw, arguments, "largest", st.booleans())
    return Case(op, arguments, (shape,))


def along(case: Case) -> Callable[..., Any]:
    """The function, and the part of what it gives."""
    arguments = dict(case.arguments)
    places = arguments.pop("indices", False)

    def run(x: torch.Tensor) -> Any:
        found = ALONG[case.op](x, **arguments)
        return found[int(places)] if isinstance(found, tuple) else found

    return run


@pytest.mark.parametrize("op", ALONG)
def test_along_a_dim(op: str) -> None:
    @given(along_case(op))
    def run(case: Case) -> None:
        agree(case, along)

    run()


def test_they_see_the_whole_dim() -> None:
    """A position may come from any other of the dim, and from its own of every other dim."""
    x = (1, 3, 8, 8)
    moved = registry["Roll"](shifts=(3, 3), dims=(2, -1))
    turned = registry["Flip"](dims=(-1,))
    ordered = registry["Sort"](dim=1)
    assert [moved.window(dim, x) is None for dim in range(4)] == [False, False, True, True]
    assert [turned.window(dim, x) is None for dim in range(4)] == [False, False, False, True]
    assert [ordered.window(dim, x) is None for dim in range(4)] == [False, True, False, False]
