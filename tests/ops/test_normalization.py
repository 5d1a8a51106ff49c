"""Normalizations agree with torch on shape, refusal and parameters, in eval mode."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tracer.ops.normalization  # noqa: F401 - registers the operations
from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import Case, Refused, agree, nn_module, ours, parameters_agree
from tracer.ops.base import registry

BATCH = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"]
INSTANCE = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]

epsilons = st.sampled_from([1e-5, 0.1, 0.0, -1.0, float("nan"), float("inf")])


def batched(draw: Draw, op: str, channels: int) -> tuple[int, ...]:
    """[N, C, spatial...] with small and empty dims, unbatched or of a wrong rank now and then."""
    axes = int(op[-2]) if op[-1] == "d" else draw(st.integers(0, 4))
    spatial = tuple(
        draw(st.lists(st.sampled_from([1, 1, 2, 3, 0]), min_size=axes, max_size=axes))
    )
    kind = draw(st.sampled_from(["batched"] * 6 + ["unbatched", "short", "long"]))
    lead = (draw(st.sampled_from([1, 2, 2, 0])), channels)
    return {
        "batched": lead + spatial,
        "unbatched": (channels, *spatial),
        "short": lead + spatial[1:] if axes else (channels,),
        "long": lead + spatial + (2,),
    }[kind]


@st.composite
def by_channel_case(draw: Draw, op: str) -> Case:
    """Batch and instance norms."""
    channels = draw(st.sampled_from([3, 3, 3, 1, 0]))
    arguments: dict[str, Any] = {
        "num_features": draw(st.sampled_from([channels] * 6 + [1, 2, 4, 0, -1]))
    }
    maybe(draw, arguments, "affine", st.booleans())
    maybe(draw, arguments, "track_running_stats", st.booleans())
    maybe(draw, arguments, "bias", st.booleans(), often=3)
    maybe(draw, arguments, "eps", epsilons, often=3)
    maybe(draw, arguments, "momentum", st.none() | st.sampled_from([0.0, -1.0, 2.0]), often=4)
    return Case(op, arguments, (batched(draw, op, channels),))


@st.composite
def group_case(draw: Draw, op: str) -> Case:
    channels = draw(st.sampled_from([4, 4, 4, 6, 6, 1, 0]))
    arguments: dict[str, Any] = {
        "num_groups": draw(st.sampled_from([1, 1, 1, 2, 2, 2, 2, 4, 4, 3, 6, 0, -1, -2]))
    }
    arguments["num_channels"] = draw(st.sampled_from([channels] * 16 + [1, 2, 6, 0, -4]))
    maybe(draw, arguments, "affine", st.booleans())
    maybe(draw, arguments, "bias", st.booleans(), often=3)
    maybe(draw, arguments, "eps", epsilons, often=4)
    return Case(op, arguments, (batched(draw, op, channels),))


@st.composite
def trailing_case(draw: Draw, op: str) -> Case:
    shape = tuple(
        draw(
            st.lists(
                st.sampled_from([1, 2, 3, 0]),
                min_size=draw(st.sampled_from([0, 1, 2, 2, 3])),
                max_size=4,
            )
        )
    )
    sizes = st.sampled_from([1, 2, 3, 0, -1])
    last = len(shape) - draw(st.integers(1, 3))
    own = st.sampled_from([*([shape[-1]] if shape else []), list(shape[max(0, last) :])])
    arguments: dict[str, Any] = {
        "normalized_shape": draw(st.one_of(*[own] * 8, sizes, st.lists(sizes, max_size=3)))
    }
    maybe(draw, arguments, "elementwise_affine", st.booleans())
    maybe(draw, arguments, "eps", epsilons, often=4)
    if op == "LayerNorm":
        maybe(draw, arguments, "bias", st.booleans(), often=3)
    return Case(op, arguments, (shape,))


@st.composite
def response_case(draw: Draw, op: str) -> Case:
    arguments: dict[str, Any] = {"size": draw(st.integers(1, 9) | st.integers(-6, 9))}
    for field in ("alpha", "beta", "k"):
        maybe(
            draw,
            arguments,
            field,
            st.sampled_from([0.0, 1.0, -1.0, float("nan"), 1e300]),
            often=4,
        )
    ranks = st.sampled_from([4, 4, 4, 4, 3, 5]) if op == "CrossMapLRN2d" else st.integers(0, 6)
    shape = draw(
        st.lists(
            st.sampled_from([1, 2, 3, 4, 5, 1, 2, 3, 0]),
            min_size=(rank := draw(ranks)),
            max_size=rank,
        )
    )
    return Case(op, arguments, (tuple(shape),))


def parameters_agree_where_accepted(case: Case) -> None:
    if not isinstance(ours(case), Refused):
        parameters_agree(case)


def inferred(case: Case, field: str) -> None:
    """Leaving the channels out means the input's: torch answers the same for that number, given."""
    arguments = {k: v for k, v in case.arguments.items() if k != field}
    channels = case.shapes[0]
    axes = getattr(registry[case.op], "axes", None)
    position = 1 if axes is None else -axes - 1
    if field == "normalized_shape":
        position = -1
    if not -len(channels) <= position < len(channels):
        return
    given_case = case._replace(arguments={**arguments, field: channels[position]})
    assert _kind(ours(case._replace(arguments=arguments))) == _kind(ours(given_case)), case
    agree(given_case)


def _kind(answer: tuple[int, ...] | Refused) -> Any:
    return Refused if isinstance(answer, Refused) else answer


@pytest.mark.parametrize("op", BATCH + INSTANCE)
def test_batch_and_instance_norms(op: str) -> None:
    @given(by_channel_case(op))
    def run(case: Case) -> None:
        agree(case)
        parameters_agree_where_accepted(case)
        inferred(case, "num_features")

    run()


def test_group_norm() -> None:
    @given(group_case("GroupNorm"))
    def run(case: Case) -> None:
        agree(case)
        parameters_agree_where_accepted(case)
        inferred(case, "num_channels")

    run()


@pytest.mark.parametrize("op", ["LayerNorm", "RMSNorm"])
def test_layer_and_rms_norm(op: str) -> None:
    @given(trailing_case(op))
    def run(case: Case) -> None:
        agree(case)
        parameters_agree_where_accepted(case)
        inferred(case, "normalized_shape")

    run()


@pytest.mark.parametrize("op", ["LocalResponseNorm", "CrossMapLRN2d"])
def test_response_norms(op: str) -> None:
    @given(response_case(op))
    def run(case: Case) -> None:
        agree(case)

    run()


def test_what_eval_mode_still_refuses() -> None:
    """GroupNorm refuses one value per group in eval too, BatchNorm only without running statistics."""
    single = ((1, 4, 1, 1),)
    group = Case("GroupNorm", {"num_groups": 4, "num_channels": 4}, single)
    assert ours(group) == Refused(
        "T302",
        "the input [1, 4, 1, 1] has a single value per group; torch needs more than one, in eval too",
    )
    batch = Case("BatchNorm2d", {"num_features": 4}, single)
    assert ours(batch) == single[0] == tuple(nn_module(batch)(torch.zeros(single[0])).shape)
    untracked = batch._replace(arguments={"num_features": 4, "track_running_stats": False})
    assert isinstance(ours(untracked), Refused)
