"""Crops and slices agree with torch's narrow, F.pad by negative amounts, and indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from hypothesis import given
from hypothesis import strategies as st

import tracer.ops.crop  # noqa: F401 - registers the operations
from tests.drawn.arguments import Draw, ints, maybe
from tests.drawn.oracle import Case, Refused, agree, ours
from tracer.ops.base import registry

sizes = st.integers(0, 7)


def center_crop(case: Case) -> Callable[..., torch.Tensor]:
    size = case.arguments["size"]

    def call(x: torch.Tensor) -> torch.Tensor:
        if isinstance(size, list):
            wanted = dict(zip(range(-len(size), 0), size, strict=True))
        else:
            if x.dim() < 3:
                raise ValueError("nothing to crop")
            model = case.sizes["size"] if isinstance(size, str) else (size,) * x.dim()
            if len(model) != x.dim():
                raise ValueError("numbers of dims differ")
            wanted = {d - x.dim(): model[d] for d in range(2, x.dim())}
        if not wanted:
            raise ValueError("no size")
        for dim, want in wanted.items():
            x = x.narrow(dim, (x.shape[dim] - want) // 2, want)  # refuses to enlarge
        return x

    return call


def crop(case: Case) -> Callable[..., torch.Tensor]:
    amounts = case.arguments["crop"]

    def call(x: torch.Tensor) -> torch.Tensor:
        axes = x.dim() - 2
        given = [amounts] * axes if isinstance(amounts, int) else amounts
        if axes < 1 or len(given) not in (axes, 2 * axes) or min(given) < 0:
            raise ValueError("amounts")
        order = (
            given if len(given) == 2 * axes else [c for c in reversed(given) for _ in range(2)]
        )
        return F.pad(x, [-c for c in order])

    return call


def slice_(case: Case) -> Callable[..., torch.Tensor]:
    a = case.arguments

    def call(x: torch.Tensor) -> torch.Tensor:
        dim = range(x.dim())[a["dim"]]
        if a.get("step", 1) == 0:
            raise ValueError(
                "torch's own refusal dies of a SystemError when it warns of a huge position first"
            )
        return x[
            (slice(None),) * dim + (slice(a.get("start", 0), a.get("stop"), a.get("step", 1)),)
        ]

    return call


def shape_of(draw: Draw, least: int = 0) -> tuple[int, ...]:
    rank = draw(st.sampled_from([3, 4, 4, 5, 5, 2, 1, 0]))
    return tuple(n + least for n in draw(st.lists(sizes, min_size=rank, max_size=rank)))


@st.composite
def center_crop_case(draw: Draw) -> Case:
    shape = shape_of(draw, draw(st.sampled_from([0, 2, 4])))
    kind = draw(st.sampled_from(["int", "list", "list", "node", "node"]))
    if kind == "node":
        model = [max(n - draw(st.sampled_from([0, 1, 2, 3, -1])), 0) for n in shape]
        if draw(st.integers(0, 7)) == 0:
            model = model[1:]
        return Case("CenterCrop", {"size": "enc1"}, (shape,), {"size": tuple(model)})
    if kind == "int":
        return Case("CenterCrop", {"size": draw(st.integers(-1, 5))}, (shape,))
    count = draw(st.integers(0, len(shape)) | st.sampled_from([1, 2, 3, 6]))
    wanted = [
        n - draw(st.sampled_from([0, 0, 1, 2, 3, -1])) for n in shape[len(shape) - count :]
    ]
    return Case("CenterCrop", {"size": wanted + [1] * (count - len(wanted))}, (shape,))


@st.composite
def crop_case(draw: Draw) -> Case:
    shape = shape_of(draw, draw(st.sampled_from([0, 2, 6])))
    axes = max(len(shape) - 2, 1)
    amount = st.sampled_from([0, 0, 1, 1, 2, 3, -1])
    return Case(
        "Crop",
        {"crop": draw(ints(axes, amount, (2 * axes, 2 * axes, 2 * axes, axes + 1, 0, 1)))},
        (shape,),
    )


@st.composite
def slice_case(draw: Draw) -> Case:
    # Steps stay below 2**31, where ours end: near 2**63 torch overflows into negative sizes.
    shape = shape_of(draw)
    arguments: dict[str, Any] = {
        "dim": draw(st.sampled_from([0, 1, 2, -1, -2]) | st.integers(-6, 5))
    }
    position = st.integers(-9, 9) | st.sampled_from([2**31, -(2**31), 2**63 - 1, 1 - 2**63])
    maybe(draw, arguments, "start", position)
    maybe(draw, arguments, "stop", st.none() | position)
    maybe(draw, arguments, "step", st.integers(1, 9) | st.sampled_from([-1, 0, 2**31 - 1]))
    return Case("Slice", arguments, (shape,))


@given(center_crop_case())
def test_center_crop(case: Case) -> None:
    agree(case, center_crop)


@given(crop_case())
def test_crop(case: Case) -> None:
    agree(case, crop)


@given(slice_case())
def test_slice(case: Case) -> None:
    agree(case, slice_)


def test_center_crop_takes_the_rest_from_the_end() -> None:
    """5 to 2 cuts one row before and two after, and that is a loss (T502)."""
    op = msgspec.convert({"size": 2}, registry["CenterCrop"])
    assert center_crop(Case("CenterCrop", {"size": 2}, ()))(
        torch.arange(5.0)[None, None]
    ).tolist() == [[[1.0, 2.0]]]
    (loss,) = op.remarks((1, 1, 5))
    assert (loss.holds, loss.code, loss.field) == (False, "T502", "size")
    assert callable(loss.message)
    assert loss.text() == "the crop from 5 to 2 in dim 2 is uneven: 1 before, one more after"


def test_center_crop_to_dims_over_symbols() -> None:
    """The size may be an expression over the input's symbols; where that is negative, it is refused."""
    from tracer.sizing.program import substitute
    from tracer.sizing.symbol import Space

    h = Space().symbol("H")
    op = registry["CenterCrop"](size=(h - 4, 8))
    assert op.shape((1, 1, h, h)) == (1, 1, h - 4, 8)
    holds = [r.holds for r in op.requirements((1, 1, h, h))]
    assert [all(substitute(holds, {"H": n})) for n in (3, 4, 7, 8, 9)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    refused = [
        r.code
        for r in registry["CenterCrop"](size=(-1, 0)).requirements((1, 1, 3, 3))
        if not r.holds
    ]
    assert refused == ["T202"]


def test_center_crop_does_not_enlarge() -> None:
    answer = ours(Case("CenterCrop", {"size": [4, 6]}, ((1, 1, 5, 5),)))
    assert answer == Refused("T302", "cannot crop 5 in dim 3 to 6: a crop does not enlarge")


@pytest.mark.parametrize(
    ("amounts", "size"), [(1, (6, 7)), ([1, 2], (6, 5)), ([1, 2, 3, 0], (5, 6))]
)
def test_the_forms_of_crop(amounts: Any, size: tuple[int, int]) -> None:
    """8 by 9: all sides by one; rows by 1 and columns by 2; left 1, right 2, top 3, bottom 0."""
    assert ours(Case("Crop", {"crop": amounts}, ((1, 1, 8, 9),))) == (1, 1, *size)


def test_a_slice_from_the_end_needs_no_choice() -> None:
    """x[:, :, -4:] of H rows is min(H, 4), and x[:, :, ::2] is (H + 1) // 2."""
    from tracer.sizing.symbol import Space

    h = Space().symbol("H")
    last = msgspec.convert({"dim": 2, "start": -4}, registry["Slice"])
    assert repr(last.shape((1, 1, h))[2]) == "min(H, 4)"
    every = msgspec.convert({"dim": 2, "step": 2}, registry["Slice"])
    assert (every.shape((1, 1, h))[2] == (h + 1) // 2) is True
