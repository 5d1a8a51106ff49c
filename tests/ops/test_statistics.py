"""Reductions of spread, order and truth agree with torch on shape and refusal."""

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

OVER_DIMS = {
    "Std": torch.std,
    "Var": torch.var,
    "Logsumexp": torch.logsumexp,
    "VectorNorm": torch.linalg.vector_norm,
    "Any": torch.any,
    "All": torch.all,
}
OVER_ONE = {
    "Prod": torch.prod,
    "Median": torch.median,
    "Nanmedian": torch.nanmedian,
    "Mode": torch.mode,
    "Kthvalue": torch.kthvalue,
    "Argmax": torch.argmax,
    "Argmin": torch.argmin,
}
GIVES_PLACES = ("Median", "Nanmedian", "Mode", "Kthvalue")
KEEPS_OF_ALL = ("Argmax", "Argmin")


@st.composite
def over_dims(draw: Draw, op: str) -> Case:
    shape = shape_of(draw)
    asked = some_dims(draw, len(shape))
    # Of no dims, torch's own functions differ: all of them, or none.
    arguments: dict[str, Any] = {"dim": asked or None}
    if asked == 0:
        arguments["dim"] = 0
    maybe(draw, arguments, "keepdim", st.booleans())
    if op in ("Std", "Var"):
        maybe(draw, arguments, "correction", st.sampled_from([0, 1, 2]))
    if op == "VectorNorm":
        norms = [0.0, 1.0, 2.0, 3.0, -1.0, float("inf"), -float("inf")]
        maybe(draw, arguments, "ord", st.sampled_from(norms))
    return Case(op, arguments, (shape,))


def of_dims(case: Case) -> Callable[..., Any]:
    """The function with its arguments by name."""
    arguments = dict(case.arguments)
    if isinstance(arguments["dim"], list):
        arguments["dim"] = tuple(arguments["dim"])
    return lambda x: OVER_DIMS[case.op](x, **arguments)


@pytest.mark.parametrize("op", OVER_DIMS)
def test_over_dims(op: str) -> None:
    """Over one dim, several or all of them."""

    @given(over_dims(op))
    def run(case: Case) -> None:
        agree(case, of_dims)

    run()


@st.composite
def over_one(draw: Draw, op: str) -> Case:
    shape = shape_of(draw)
    arguments: dict[str, Any] = {}
    has_none = op not in ("Mode", "Kthvalue")
    maybe(draw, arguments, "dim", dims | st.none() if has_none else dims)
    maybe(draw, arguments, "keepdim", st.booleans())
    if op in GIVES_PLACES:
        maybe(draw, arguments, "indices", st.booleans())
    if op == "Kthvalue":
        arguments["k"] = draw(st.sampled_from([0, 1, 1, 2, 3, 5]))
    return Case(op, arguments, (shape,))


def of_one(case: Case) -> Callable[..., Any]:
    """The function with its arguments by name, and the part of what it gives."""
    arguments = dict(case.arguments)
    places = arguments.pop("indices", False)
    if arguments.get("dim", 0) is None:
        del arguments["dim"]
    is_of_all = "dim" not in arguments and case.op not in ("Mode", "Kthvalue")
    if is_of_all and case.op not in KEEPS_OF_ALL and arguments.get("keepdim") is False:
        del arguments["keepdim"]
    if is_of_all and places:
        raise ValueError("all elements are in no dim")

    def run(x: torch.Tensor) -> Any:
        found = OVER_ONE[case.op](x, **arguments)
        return found[int(places)] if isinstance(found, tuple) else found

    return run


@pytest.mark.parametrize("op", OVER_ONE)
def test_over_one_dim(op: str) -> None:
    """Over one dim, or all elements."""

    @given(over_one(op))
    def run(case: Case) -> None:
        agree(case, of_one)

    run()


def test_they_see_the_whole_dim() -> None:
    """What is reduced is seen whole, and the dims behind it are others."""
    std = registry["Std"](dim=2, keepdim=True)
    assert std.window(2, (1, 3, 8, 8)) is None
    assert std.window(3, (1, 3, 8, 8)) is not None
    place = registry["Argmax"](dim=1)
    assert [place.window(dim, (1, 3, 8, 8)) is None for dim in range(4)] == [
        False,
        True,
        True,
        True,
    ]
