"""Pools to a given size, and max unpooling, agree with torch on shape and refusal."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer.ops.adaptive
import tracer.ops.unpooling  # noqa: F401 - registers the operations
from tests.drawn.arguments import Draw, image, ints, maybe
from tests.drawn.oracle import Case, Refused, agree, nn_module, ours
from tests.ops.test_pooling import pool_agrees

ADAPTIVE = [f"Adaptive{kind}Pool{axes}d" for kind in ("Avg", "Max") for axes in (1, 2, 3)]
FRACTIONAL = ["FractionalMaxPool2d", "FractionalMaxPool3d"]
UNPOOL = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]

channels = st.sampled_from([1, 2, 3] * 3 + [0])


@st.composite
def adaptive_case(draw: Draw, op: str) -> Case:
    axes = int(op[-2])
    size = (
        st.sampled_from([1, 1, 2, 3, 5, 0, None])
        if draw(st.booleans())
        else st.sampled_from([1, 2, 3, 7])
    )
    wrong = (1, 0, axes + 1)[: draw(st.integers(0, 3))]
    arguments: dict[str, Any] = {"output_size": draw(ints(axes, size, wrong))}  # type: ignore[arg-type]
    if draw(st.integers(1, 10)) == 1:
        arguments["output_size"] = draw(
            st.sampled_from([-1, [-1] * axes, None, "1", [1] * axes])
        )
    if "Max" in op:
        maybe(draw, arguments, "return_indices", st.booleans(), often=4)
    sizes = st.integers(0, 7) if draw(st.booleans()) else st.integers(1, 4)
    return Case(op, arguments, (image(draw, axes, draw(channels), sizes),))


@pytest.mark.parametrize("op", ADAPTIVE)
def test_adaptive(op: str) -> None:
    @given(adaptive_case(op))
    def run(case: Case) -> None:
        pool_agrees(case)

    run()


@st.composite
def fractional_case(draw: Draw, op: str) -> Case:
    axes = int(op[-2])
    wrong = (1, 0, axes + 1)[: draw(st.sampled_from([0, 0, 0, 3]))]
    arguments: dict[str, Any] = {
        "kernel_size": draw(ints(axes, st.sampled_from([1, 2, 3] * 5 + [0, -1]), wrong))
    }
    given_by = draw(st.sampled_from(["size"] * 8 + ["ratio"] * 8 + ["both", "none"]))
    if given_by in ("size", "both"):
        out = (
            st.integers(1, 4)
            if draw(st.booleans())
            else st.sampled_from([1, 2, 3] * 3 + [0, -1])
        )
        arguments["output_size"] = draw(ints(axes, out, wrong))
    if given_by in ("ratio", "both"):
        ratio: Any = st.sampled_from(
            [0.5, 1 / 3, 0.57, 0.9, 0.01, 0.999] * 3 + [0, 1, 1.0, -0.5]
        )
        arguments["output_ratio"] = draw(ints(axes, ratio, wrong))
    maybe(draw, arguments, "return_indices", st.booleans(), often=4)
    sizes = st.integers(0, 9) if draw(st.booleans()) else st.integers(4, 9)
    return Case(op, arguments, (image(draw, axes, draw(channels), sizes),))


@pytest.mark.parametrize("op", FRACTIONAL)
def test_fractional(op: str) -> None:
    @given(fractional_case(op))
    def run(case: Case) -> None:
        pool_agrees(case)

    run()


def unpool(case: Case) -> Any:
    """The module as a builder calls it: indices of the pool's output shape, ``output_size`` the other node's size."""
    arguments = {k: v for k, v in case.arguments.items() if k not in ("indices", "output_size")}
    module = nn_module(case._replace(arguments=arguments))
    wanted = case.sizes.get("output_size")
    indices = torch.zeros(case.sizes["indices"], dtype=torch.int64)
    return lambda x: module(x, indices, None if wanted is None else torch.Size(wanted))


@st.composite
def unpool_case(draw: Draw, op: str) -> Case:
    axes = int(op[-2])
    wrong = (1, 0, axes + 1, axes + 2)[: draw(st.sampled_from([0, 0, 0, 4]))]
    kernels = st.sampled_from([2, 2, 3, 3, 4, 1, 0, -1])
    arguments: dict[str, Any] = {
        "indices": "pool",
        "kernel_size": draw(ints(axes, kernels, wrong)),
    }
    maybe(
        draw,
        arguments,
        "stride",
        ints(axes, st.sampled_from([1, 2, 2, 3, 3, 0, -1]), wrong) | st.none(),
    )
    maybe(
        draw,
        arguments,
        "padding",
        ints(axes, st.sampled_from([0, 1, 1, 2, -1]), wrong),
        often=3,
    )
    x = image(
        draw,
        axes,
        draw(channels),
        st.integers(0, 5) if draw(st.integers(1, 3)) == 1 else st.integers(1, 5),
    )
    sizes = {"indices": x}
    if draw(st.integers(1, 8)) == 1:
        sizes["indices"] = image(draw, axes, 1, st.integers(1, 3))
    if draw(st.booleans()):
        arguments["output_size"] = "skip"
        op_class = getattr(torch.nn, op)
        near = [draw(st.integers(-4, 4)) for _ in range(axes)]
        try:
            module = op_class(
                *(arguments[k] for k in ("kernel_size",)),
                arguments.get("stride"),
                arguments.get("padding", 0),
            )
            default = [
                (x[i - axes] - 1) * module.stride[i]
                + module.kernel_size[i]
                - 2 * module.padding[i]
                for i in range(axes)
            ]
        except (TypeError, IndexError):
            default = [4] * axes
        spread = draw(st.sampled_from([0, 1, 1, 1]))
        spatial = tuple(max(d + spread * s // 2, 0) for d, s in zip(default, near))
        sizes["output_size"] = (3, 7)[: draw(st.sampled_from([2, 2, 2, 2, 1, 0]))] + spatial
    return Case(op, arguments, (x,), sizes)


@pytest.mark.parametrize("op", UNPOOL)
def test_unpool(op: str) -> None:
    @given(unpool_case(op))
    def run(case: Case) -> None:
        pool_agrees(case, unpool)

    run()


def test_global_average_pooling_takes_what_a_mean_takes() -> None:
    """With an output of 1 torch takes a mean: any number of leading dims, empty sizes too."""
    for shape in [(4, 5), (2, 0, 5), (1, 2, 3, 4, 5)]:
        case = Case("AdaptiveAvgPool2d", {"output_size": 1}, (shape,))
        agree(case)
        assert ours(case) == (*shape[:-2], 1, 1)
    assert ours(Case("AdaptiveAvgPool2d", {"output_size": 2}, ((4, 5),))) == Refused(
        "T303", "takes an input of 3 or 4 dims; [4, 5] has 2"
    )


def test_the_fraction_is_that_of_doubles() -> None:
    """100 · 0.57 is 56.99999999999999 in doubles."""
    case = Case(
        "FractionalMaxPool2d", {"kernel_size": 2, "output_ratio": 0.57}, ((1, 1, 100, 100),)
    )
    agree(case)
    assert ours(case) == (1, 1, 56, 56)


def test_fractional_windows_that_do_not_fit() -> None:
    """out + kernel - 1 <= n in 2-D; in 3-D one more."""
    case = Case("FractionalMaxPool2d", {"kernel_size": 3, "output_size": 4}, ((1, 1, 5, 6),))
    agree(case)
    assert ours(case) == Refused(
        "T302", "4 windows of 3 need an input of at least 6; [1, 1, 5, 6] has 5 there"
    )
    solid = Case(
        "FractionalMaxPool3d", {"kernel_size": 3, "output_size": 4}, ((1, 1, 6, 7, 7),)
    )
    agree(solid)
    assert ours(solid) == Refused(
        "T302", "4 windows of 3 need an input of at least 7; [1, 1, 6, 7, 7] has 6 there"
    )


def test_unpooling_inverts_pooling() -> None:
    """k2 s2 on 5 gives 2, and 2 comes back as 4 unless output_size asks for 5, which lies within 4 ± 1."""
    arguments = {"indices": "pool", "kernel_size": 2}
    plain = Case("MaxUnpool2d", arguments, ((1, 1, 2, 2),), {"indices": (1, 1, 2, 2)})
    agree(plain, unpool)
    assert ours(plain) == (1, 1, 4, 4)
    sized = plain._replace(
        arguments={**arguments, "output_size": "enc1"},
        sizes={**plain.sizes, "output_size": (1, 8, 5, 5)},
    )
    agree(sized, unpool)
    assert ours(sized) == (1, 1, 5, 5)
    far = sized._replace(sizes={**plain.sizes, "output_size": (1, 8, 6, 5)})
    agree(far, unpool)
    assert ours(far) == Refused("T301", "makes 3..5 from 2, but output_size asks for 6")
