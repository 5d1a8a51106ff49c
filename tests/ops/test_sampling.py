"""Reading a map at computed positions agrees with torch on shape and refusal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import Case, agree

pytestmark = pytest.mark.filterwarnings("ignore")

few = st.sampled_from([1, 2, 3, 4, 2, 3, 0])
FUNCTIONS = {
    "GridSample": torch.nn.functional.grid_sample,
    "AffineGrid": torch.nn.functional.affine_grid,
}


def function(case: Case) -> Callable[..., torch.Tensor]:
    words: dict[str, Any] = {"align_corners": False, **case.arguments}
    return partial(FUNCTIONS[case.op], **words)


@st.composite
def grid_case(draw: Draw) -> Case:
    axes = draw(st.sampled_from([2, 2, 3]))
    samples = draw(few)
    spatial, positions = ([draw(few) for _ in range(axes)] for _ in range(2))
    arguments: dict[str, Any] = {}
    maybe(draw, arguments, "mode", st.sampled_from(["nearest", "bicubic", "bilinear"]))
    maybe(draw, arguments, "padding_mode", st.sampled_from(["border", "reflection"]))
    maybe(draw, arguments, "align_corners", st.booleans())
    shapes = [[samples, draw(few), *spatial], [samples, *positions, axes]]
    if draw(st.integers(1, 5)) == 1:
        shape = shapes[draw(st.integers(0, 1))]
        shape[draw(st.integers(0, len(shape) - 1))] = draw(few)
    if draw(st.integers(1, 15)) == 1:
        del shapes[draw(st.integers(0, 1))][1]
    return Case("GridSample", arguments, tuple(map(tuple, shapes)))


@given(grid_case())
def test_grid_sample(case: Case) -> None:
    agree(case, function)


@st.composite
def affine_case(draw: Draw) -> Case:
    axes = draw(st.sampled_from([2, 2, 3]))
    samples = draw(few)
    size = [samples, *(draw(few) for _ in range(axes + 1))]
    shape = [samples, axes, axes + 1]
    if draw(st.integers(1, 5)) == 1:
        shape[draw(st.integers(0, 2))] = draw(few)
    if draw(st.integers(1, 15)) == 1:
        del shape[draw(st.integers(0, 2))]
    if draw(st.integers(1, 15)) == 1:
        del size[1]
    arguments: dict[str, Any] = {"size": size}
    # With aligned corners torch warns of a size of 1, and then looks at no other.
    if 0 not in size:
        maybe(draw, arguments, "align_corners", st.booleans())
    return Case("AffineGrid", arguments, (tuple(shape),))


@given(affine_case())
def test_affine_grid(case: Case) -> None:
    agree(case, function)
