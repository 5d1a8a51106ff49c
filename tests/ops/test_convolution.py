"""Convolutions and transposed convolutions agree with torch on shape, refusal, parameters and MACs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.drawn.arguments import Draw, image, ints, maybe
from tests.drawn.oracle import (
    Case,
    Refused,
    agree,
    macs_agree,
    nn_module,
    ours,
    parameters_agree,
    torchs,
)

CONV = ["Conv1d", "Conv2d", "Conv3d"]
TRANSPOSED = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

MODES = st.sampled_from(["zeros", "reflect", "replicate", "circular", "odd"])

small = st.integers(1, 4) | st.sampled_from([1, 2, 3, 0])


def shared_arguments(draw: Draw, axes: int) -> tuple[dict[str, Any], int]:
    """kernel, stride, dilation and groups; and the input's number of channels."""
    arguments: dict[str, Any] = {
        "kernel_size": draw(ints(axes, st.integers(1, 5) | small, (1, axes + 1)))
    }
    maybe(draw, arguments, "stride", ints(axes, small, (1,)))
    maybe(draw, arguments, "dilation", ints(axes, small, (1,)), often=3)
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    if groups > 1:
        arguments["groups"] = groups
    channels = draw(st.sampled_from([1, 2, 4, 6]))
    arguments["out_channels"] = draw(st.sampled_from([1, 2, 3, 4, 6, 0]))
    arguments["in_channels"] = draw(
        st.sampled_from([channels, channels, channels, channels, 3, 0])
    )
    maybe(draw, arguments, "bias", st.booleans(), often=4)
    return arguments, channels


@st.composite
def conv_case(draw: Draw, op: str) -> Case:
    axes = int(op[-2])
    arguments, channels = shared_arguments(draw, axes)
    maybe(
        draw,
        arguments,
        "padding",
        ints(axes, st.integers(-1, 4), (1,)) | st.sampled_from(["same", "valid", "full"]),
    )
    maybe(draw, arguments, "padding_mode", MODES, often=3)
    return Case(op, arguments, (image(draw, axes, channels, st.integers(0, 9)),))


@st.composite
def transposed_case(draw: Draw, op: str) -> Case:
    axes = int(op[-2])
    arguments, channels = shared_arguments(draw, axes)
    maybe(draw, arguments, "padding", ints(axes, st.integers(-1, 4), (1,)))
    maybe(draw, arguments, "output_padding", ints(axes, st.integers(-1, 3), (1,)))
    maybe(draw, arguments, "padding_mode", st.sampled_from(["zeros", "reflect"]), often=8)
    return Case(op, arguments, (image(draw, axes, channels, st.integers(0, 6)),))


def costs_agree(case: Case) -> None:
    if isinstance(ours(case), Refused):
        return
    parameters_agree(case)
    if case.shapes[0][0] and len(case.shapes[0]) == int(case.op[-2]) + 2:
        macs_agree(case)


def empties(case: Case) -> bool:
    """Whether an output of exactly 0 comes out, which depends on the CPU's path (T506)."""
    answer = ours(case)
    return not isinstance(answer, Refused) and 0 in answer[-int(case.op[-2]) :]


def stricter(case: Case) -> bool:
    """Where we refuse on purpose what torch lets pass.

    An argument out of range is told whatever the input; torch does not look at some for an empty batch. A padding of
    another length than the axes, with a mode, would pad the last axes only, of an unbatched input only.
    """
    answer = ours(case)
    if not isinstance(answer, Refused):
        return False
    partial = answer.code == "T203" and case.arguments.get("padding_mode", "zeros") != "zeros"
    return partial or (answer.code == "T202" and case.shapes[0][:1] == (0,))


def agree_or_refuse(case: Case, build: Any = nn_module) -> None:
    """torch refuses, or gives our shape."""
    theirs = torchs(build, case)
    assert isinstance(theirs, Refused) or theirs == ours(case), case


@pytest.mark.parametrize("op", CONV)
def test_conv(op: str) -> None:
    @given(conv_case(op))
    def run(case: Case) -> None:
        if not stricter(case):
            agree(case)
            costs_agree(case)

    run()


@pytest.mark.parametrize("op", TRANSPOSED)
def test_transposed(op: str) -> None:
    @given(transposed_case(op))
    def run(case: Case) -> None:
        if empties(case):
            agree_or_refuse(case)
        elif not stricter(case):
            agree(case)
            costs_agree(case)

    run()


@pytest.mark.parametrize("op", TRANSPOSED)
def test_output_size_at_the_call(op: str) -> None:
    """``output_size: NODE`` is torch's output_size at the call; the module's own output_padding is then ignored."""
    axes = int(op[-2])

    @st.composite
    def case_of(draw: Draw) -> Case:
        case = draw(transposed_case(op))
        wanted = tuple(draw(st.lists(st.integers(0, 20), min_size=axes, max_size=axes)))
        return case._replace(sizes={"output_size": (1, 1, *wanted)})

    def build(case: Case) -> Any:
        module = nn_module(case)
        return lambda x: module(x, output_size=list(case.sizes["output_size"][2:]))

    @given(case_of())
    def run(case: Case) -> None:
        if empties(case):
            agree_or_refuse(case, build)
        elif not stricter(case):
            agree(case, build)

    run()


def test_the_numbers_of_a_known_layer() -> None:
    """k3 s2 p1 with output_padding 1 doubles: (31 - 1)*2 - 2 + 2 + 1 + 1 = 62."""
    arguments = {
        "in_channels": 4,
        "out_channels": 2,
        "kernel_size": 3,
        "stride": 2,
        "padding": 1,
        "output_padding": 1,
    }
    case = Case("ConvTranspose2d", arguments, ((1, 4, 31, 31),))
    theirs = torch.nn.ConvTranspose2d(4, 2, 3, 2, 1, 1)(torch.zeros(1, 4, 31, 31))
    assert ours(case) == (1, 2, 62, 62) == tuple(theirs.shape)
