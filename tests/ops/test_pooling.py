"""Sliding pools agree with torch on shape and refusal: max, average and power-average."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st

import tracer.ops.pooling
from tests.drawn.arguments import Draw, image, ints, maybe
from tests.drawn.oracle import Case, Refused, agree, nn_module, ours, parameters_agree
from tracer.ops.base import registry

MAX = ["MaxPool1d", "MaxPool2d", "MaxPool3d"]
AVG = ["AvgPool1d", "AvgPool2d", "AvgPool3d"]
LP = ["LPPool1d", "LPPool2d", "LPPool3d"]


def first_output(case: Case) -> Any:
    """The module, without the indices that ``return_indices`` adds (they have the same shape)."""
    module = nn_module(case)

    def run(*x: torch.Tensor) -> torch.Tensor:
        y = module(*x)
        if isinstance(y, tuple):
            assert y[0].shape == y[1].shape
            return y[0]
        return y

    return run


def pool_agrees(case: Case, build: Any = first_output) -> None:
    """The case agrees; pools have neither parameters nor multiply-accumulates."""
    agree(case, build)
    mine = ours(case)
    event(
        f"{case.op} refused {mine.code}" if isinstance(mine, Refused) else f"{case.op} accepted"
    )


@st.composite
def pool_case(draw: Draw, op: str) -> Case:
    axes = int(op[-2])
    lengths = draw(st.sampled_from([(), (), (), (1,), (1, 0, axes + 1)]))
    edge = st.sampled_from([1, 2, 3] * 6 + [0, -1])
    kernels = st.integers(1, 3 if axes == 3 else 5) | edge
    arguments: dict[str, Any] = {"kernel_size": draw(ints(axes, kernels, lengths))}
    maybe(draw, arguments, "stride", ints(axes, edge, lengths) | st.sampled_from([None, []]))
    maybe(draw, arguments, "ceil_mode", st.booleans())
    if op in LP:
        norms = [2, 1, 3.5, 0.5, -1, 1e-320, float("inf"), -float("inf"), float("nan")]
        arguments["norm_type"] = draw(st.sampled_from(norms * 2 + [0, 0.0, None]))
    else:
        maybe(
            draw,
            arguments,
            "padding",
            ints(axes, st.sampled_from([0, 0, 1, 1, 1, 2, -1]), lengths),
            often=3,
        )
    if op in MAX:
        maybe(draw, arguments, "dilation", ints(axes, edge, lengths), often=3)
        maybe(draw, arguments, "return_indices", st.booleans(), often=4)
    if op in AVG:
        maybe(draw, arguments, "count_include_pad", st.booleans(), often=4)
        maybe(
            draw,
            arguments,
            "divisor_override",
            st.sampled_from([None, 1, 3, -1, 0]),
            often=20 if axes == 1 else 5,
        )
    channels = draw(st.sampled_from([1, 2, 3] * 6 + [0]))
    sizes = draw(
        st.sampled_from([st.integers(3, 7 if axes == 3 else 11)] * 2 + [st.integers(0, 7)])
    )
    return Case(op, arguments, (image(draw, axes, channels, sizes),))


@pytest.mark.parametrize("op", MAX + AVG + LP)
def test_pool(op: str) -> None:
    @given(pool_case(op))
    def run(case: Case) -> None:
        pool_agrees(case)

    run()


def test_a_pool_has_no_parameters_and_no_macs() -> None:
    case = Case("MaxPool2d", {"kernel_size": 2}, ((1, 3, 8, 8),))
    parameters_agree(case)
    assert tracer.ops.pooling.MaxPool2d(kernel_size=2).macs((1, 3, 4, 4), (1, 3, 8, 8)) == 0


@pytest.mark.parametrize(
    ("arguments", "n", "size"),
    [
        ({"kernel_size": 2}, 5, 2),
        ({"kernel_size": 2, "ceil_mode": True}, 5, 3),
        # The window at 3 would start in the right padding: (3 - 1)*2 >= 3 + 1, so torch drops it.
        ({"kernel_size": 2, "padding": 1, "ceil_mode": True}, 3, 2),
        # A kernel larger than the input, saved by ceil_mode.
        ({"kernel_size": 3, "stride": 2, "ceil_mode": True}, 2, 1),
        # The padding is limited by half the kernel; its dilation does not count.
        ({"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 3}, 7, 3),
    ],
)
def test_the_numbers_of_known_pools(arguments: dict[str, Any], n: int, size: int) -> None:
    case = Case("MaxPool2d", arguments, ((1, 1, n, n),))
    agree(case)
    assert ours(case) == (1, 1, size, size)


@pytest.mark.parametrize(
    ("op", "arguments", "shape", "code", "message"),
    [
        (
            "MaxPool2d",
            {"kernel_size": 3, "padding": 2, "dilation": 4},
            (1, 1, 9, 9),
            "T202",
            "padding is 2; torch allows at most half the kernel, 1, for a kernel of 3",
        ),
        (
            "MaxPool2d",
            {"kernel_size": 5, "padding": 1},
            (1, 1, 2, 9),
            "T302",
            "the kernel spans 5, but the input [1, 1, 2, 9] is 4 in dim 2, padding included",
        ),
        (
            "AvgPool3d",
            {"kernel_size": 4, "padding": 2, "ceil_mode": True},
            (1, 1, 3, 9, 9),
            "T302",
            "the kernel is 4, but the input [1, 1, 3, 9, 9] is 3 in dim 2; here torch does not count the padding",
        ),
        (
            "LPPool1d",
            {"norm_type": 2, "kernel_size": [2]},
            (1, 1, 4),
            "T203",
            "kernel_size is [2]; it takes an integer, not a list",
        ),
        (
            "MaxPool2d",
            {"kernel_size": 2},
            (1, 0, 4, 4),
            "T204",
            "the input [1, 0, 4, 4] has no channels",
        ),
        (
            "AvgPool2d",
            {"kernel_size": 2, "divisor_override": 0},
            (1, 1, 4, 4),
            "T202",
            "divisor_override is 0; torch needs a 64-bit integer other than 0",
        ),
    ],
)
def test_what_a_refusal_says(
    op: str, arguments: dict[str, Any], shape: tuple[int, ...], code: str, message: str
) -> None:
    case = Case(op, arguments, (shape,))
    agree(case)
    assert ours(case) == Refused(code, message)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_losses_are_the_rows_that_no_window_sees(
    padding: int, kernel: int, stride: int, ceil_mode: bool
) -> None:
    """T501 says which last rows take part in no output (torch's gradient knows), gaps between windows aside."""
    arguments = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "ceil_mode": ceil_mode,
    }
    if padding > kernel // 2:
        return
    op = registry["AvgPool1d"](**arguments)
    pool = torch.nn.AvgPool1d(**arguments)
    for n in range(kernel, 20):
        x = torch.zeros(1, 1, n, requires_grad=True)
        pool(x).sum().backward()
        assert x.grad is not None
        unseen = n - 1 - max(i for i in range(n) if x.grad[0, 0, i] != 0)
        assert all(r.holds for r in op.remarks((1, 1, n))) is (
            unseen <= max(stride - kernel, 0)
        ), (
            arguments,
            n,
        )


def test_what_a_loss_says() -> None:
    op = registry["MaxPool2d"](kernel_size=2)
    rows, columns = op.remarks((1, 64, 5, 6))
    assert columns.holds
    assert (rows.holds, rows.code, rows.field) == (False, "T501", "stride")
    assert callable(rows.message)
    assert rows.text() == "the stride 2 drops the last row of 5 in dim 2"
    assert rows.hint == "ceil_mode: true gives the last rows a window of their own"


@pytest.mark.parametrize("value", ["auto", "auto(0..1)", "auto(1..1)"])
def test_ceil_mode_may_be_solved(value: str) -> None:
    """False counts as 0 and true as 1 where the values of an ``auto`` are listed."""
    layer = f"a: {{op: MaxPool2d, kernel_size: 3, ceil_mode: {value}, expect: [1, 1, 3, 3]}}"
    net = tracer.loads(f"input: [1, 1, 8, 8]\nlayers: {{{layer}}}\n")
    solved = net.solution().ops[1]
    assert isinstance(solved, tracer.ops.pooling.MaxPool2d) and solved.ceil_mode is True
    assert net.trace().shapes["a"] == (1, 1, 3, 3)
