"""Shuffles, Unfold and Fold agree with torch on shape and refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracer.ops.shuffle
from tests.drawn.arguments import Draw, ints, maybe
from tests.drawn.oracle import Case, Refused, agree, nn_module, ours, parameters_agree, torchs
from tests.ops.test_rearrange import dims, shape_of
from tracer.ops import Window
from tracer.ops.base import registry

SHUFFLES = ["PixelShuffle", "PixelUnshuffle", "ChannelShuffle"]
OPS = [*SHUFFLES, "Unfold", "Fold"]
FIELD = {
    "PixelShuffle": "upscale_factor",
    "PixelUnshuffle": "downscale_factor",
    "ChannelShuffle": "groups",
}

few = st.integers(1, 3)
steps = st.sampled_from([1, 2, 3] * 8 + [0, -1])


def lead(draw: Draw, *usual: int) -> tuple[int, ...]:
    """The dims before (channels, ...): as many as usual, or another number of them."""
    count = draw(st.sampled_from([*usual * 6, 0, 1, 2, 3]))
    return tuple(
        draw(st.lists(st.sampled_from([1, 2, 2, 1, 3, 0]), min_size=count, max_size=count))
    )


@st.composite
def shuffle_case(draw: Draw, op: str) -> Case:
    factor = draw(st.sampled_from([1, 2, 2, 3, 4]) | st.integers(-2, 5))
    unit = st.integers(1, 3) if draw(st.integers(0, 5)) else st.integers(0, 2)
    channels, height, width = (draw(unit) for _ in range(3))
    if draw(st.integers(0, 3)):
        if op == "PixelShuffle":
            channels *= factor**2
        elif op == "ChannelShuffle":
            channels *= max(factor, 1)
        else:
            height, width = height * max(factor, 1), width * max(factor, 1)
    argument: Any = draw(st.sampled_from([factor] * 30 + [None, "2", [2, 2]]))
    arguments = {FIELD[op]: argument} if draw(st.integers(0, 30)) else {}
    spatial = (
        (height, width)
        if draw(st.integers(0, 9))
        else draw(st.sampled_from([(height,), (), (height, width, 2)]))
    )
    before = lead(draw, 1) if op == "ChannelShuffle" else lead(draw, 0, 1, 2)
    return Case(op, arguments, ((*before, channels, *spatial),))


def block_arguments(draw: Draw) -> dict[str, Any]:
    arguments: dict[str, Any] = {"kernel_size": draw(ints(2, steps, (2,) * 9 + (1, 3)))}
    maybe(draw, arguments, "dilation", ints(2, steps, (2,) * 9 + (1,)), often=4)
    maybe(
        draw,
        arguments,
        "padding",
        ints(2, st.sampled_from([0, 1, 2] * 6 + [-1]), (2,) * 9 + (1,)),
    )
    maybe(draw, arguments, "stride", ints(2, steps, (2,) * 9 + (1,)))
    return arguments


@st.composite
def block_case(draw: Draw, op: str) -> Case:
    arguments = block_arguments(draw)
    batch = draw(st.sampled_from([(1,), (2,), (), (), (3,), (0,), (1, 1)]))
    sizes = st.integers(5, 9) if draw(st.integers(0, 2)) else st.integers(0, 5)
    channels = draw(st.sampled_from([1, 2, 3, 1, 2, 3, 0]))
    if op == "Unfold":
        spatial = draw(st.lists(sizes, min_size=2, max_size=2))
        return Case(op, arguments, ((*batch, channels, *spatial),))
    output = arguments["output_size"] = draw(
        ints(2, sizes if draw(st.integers(0, 7)) else st.integers(-1, 9), (2,) * 9 + (1,))
    )
    columns = (channels, draw(st.integers(0, 9)))
    if draw(st.integers(0, 7)):
        # The columns that Unfold makes of such an image, give or take one.
        height, width = (
            output if isinstance(output, list) and len(output) == 2 else (output, output)
        )
        image = {k: v for k, v in arguments.items() if k != "output_size"}
        if isinstance(height, int) and isinstance(width, int):
            answer = ours(Case("Unfold", image, ((channels, height, width),)))
            if not isinstance(answer, Refused):
                off = draw(st.sampled_from([(0, 0)] * 6 + [(1, 0), (0, 1), (0, -1)]))
                columns = (answer[0] + off[0], max(answer[1] + off[1], 0))
    return Case(op, arguments, ((*batch, *columns),))


def case_of(op: str) -> st.SearchStrategy[Case]:
    return shuffle_case(op) if op in SHUFFLES else block_case(op)


@pytest.mark.parametrize("op", OPS)
def test_shuffle(op: str) -> None:
    @given(case_of(op))
    def run(case: Case) -> None:
        if op == "PixelUnshuffle" and 0 in case.shapes[0]:
            numbers_agree(case)
            return
        agree(case)
        if not isinstance(ours(case), Refused):
            parameters_agree(case)

    run()


def numbers_agree(case: Case) -> None:
    """Only the answer on numbers: a symbol is taken to be at least 1."""
    mine, theirs = ours(case), torchs(nn_module, case)
    assert mine == theirs or (isinstance(mine, Refused) and isinstance(theirs, Refused)), (
        case,
        mine,
        theirs,
    )


def test_an_empty_input_is_returned_as_it_is() -> None:
    """torch's PixelUnshuffle checks that the factor divides, and then returns an empty input unchanged."""
    empty = Case("PixelUnshuffle", {"downscale_factor": 2}, ((0, 3, 4, 4),))
    assert ours(empty) == (0, 3, 4, 4) == torchs(nn_module, empty)
    odd = Case("PixelUnshuffle", {"downscale_factor": 2}, ((0, 3, 5, 4),))
    assert isinstance(ours(odd), Refused) and isinstance(torchs(nn_module, odd), Refused)


def test_unfold_and_fold_undo_each_other() -> None:
    """A 10x12 image in 4x5 blocks has 7·8 = 56 of them: torch's own example."""
    assert ours(Case("Unfold", {"kernel_size": [4, 5]}, ((1, 3, 10, 12),))) == (1, 60, 56)
    arguments = {"kernel_size": [4, 5], "output_size": [10, 12]}
    assert ours(Case("Fold", arguments, ((1, 60, 56),))) == (1, 3, 10, 12)


@st.composite
def sliding_case(draw: Draw) -> Case:
    shape = shape_of(draw)
    size, step = draw(st.integers(0, 5)), draw(steps)
    return Case("SlidingWindow", {"dim": draw(dims), "size": size, "step": step}, (shape,))


def slid(case: Case) -> Callable[..., Any]:
    a = case.arguments
    return lambda x: x.unfold(a["dim"], a["size"], a["step"])


@given(sliding_case())
def test_sliding_window(case: Case) -> None:
    agree(case, slid)


def test_messages() -> None:
    assert ours(Case("PixelShuffle", {"upscale_factor": 2}, ((1, 6, 4, 4),))) == Refused(
        "T204", "6 channels do not divide by upscale_factor² = 4"
    )
    assert ours(Case("Fold", {"kernel_size": 2, "output_size": 4}, ((1, 8, 8),))) == Refused(
        "T302", "output_size [4, 4] has 3·3 = 9 blocks; the input [1, 8, 8] has 8"
    )


def test_windows_and_losses() -> None:
    x = (1, 9, 6, 6)
    assert tracer.ops.shuffle.PixelShuffle(upscale_factor=3).window(2, x) == Window(
        1, up=3, first=(-2, 6)
    )
    assert tracer.ops.shuffle.PixelUnshuffle(downscale_factor=3).window(3, x) == Window(
        3, down=3, first=(2, 2)
    )
    assert tracer.ops.shuffle.PixelUnshuffle(downscale_factor=3).window(1, x) == Window(1)
    unfold = msgspec.convert({"kernel_size": 3, "stride": 2}, registry["Unfold"])
    assert [loss.holds for loss in unfold.remarks((1, 1, 7, 8))] == [True, False]

    slid = msgspec.convert({"dim": -1, "size": 4, "step": 2}, registry["SlidingWindow"])
    windows = [slid.window(dim, x) for dim in (2, 3, 4)]
    assert windows == [Window(1), Window(4, 2, first=(3, 2)), None]
    assert [loss.holds for loss in slid.remarks((1, 1, 7, 9))] == [False]
