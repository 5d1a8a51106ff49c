"""Linear maps and attention agree with torch on shape, refusal, parameters and MACs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

import tracer.ops.attention
import tracer.ops.linear  # noqa: F401 - registers the operations
from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import (
    Case,
    Refused,
    agree,
    macs_agree,
    nn_module,
    ours,
    parameters_agree,
)
from tracer.ops.base import registry

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning")

sizes = st.sampled_from([1, 2, 3, 0])


@st.composite
def linear_case(draw: Draw) -> Case:
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 5, 0]), max_size=4)))
    own = [shape[-1]] * 6 if shape else []
    arguments: dict[str, Any] = {
        "in_features": draw(st.sampled_from([*own, 1, 3, 0, -1])),
        "out_features": draw(st.sampled_from([1, 2, 4, 4, 0, -1])),
    }
    maybe(draw, arguments, "bias", st.booleans())
    return Case("Linear", arguments, (shape,))


@st.composite
def bilinear_case(draw: Draw) -> Case:
    lead = draw(st.lists(sizes, max_size=3))
    first = [*lead, draw(st.sampled_from([1, 2, 3, 4, 1, 2, 3, 4, 0]))]
    second = [*lead, draw(st.sampled_from([1, 2, 3, 4, 1, 2, 3, 4, 0]))]
    change = draw(st.sampled_from(["no"] * 6 + ["size", "size", "rank", "scalar"]))
    if change == "size":
        second[draw(st.integers(0, len(second) - 1))] = draw(sizes)
    elif change == "rank":
        second.insert(0, 1)
    elif change == "scalar":
        first = []
    arguments: dict[str, Any] = {"out_features": draw(st.sampled_from([1, 2, 4, 4, 0, -1]))}
    for field, shape in (("in1_features", first), ("in2_features", second)):
        arguments[field] = draw(st.sampled_from([*(shape[-1:] * 24), 1, 3, 0, -1]))
    maybe(draw, arguments, "bias", st.booleans())
    return Case("Bilinear", arguments, (tuple(first), tuple(second)))


def costs_agree(case: Case) -> None:
    if not isinstance(ours(case), Refused):
        parameters_agree(case)
        macs_agree(case)


@given(linear_case())
def test_linear(case: Case) -> None:
    agree(case)
    costs_agree(case)


@given(bilinear_case())
def test_bilinear(case: Case) -> None:
    agree(case)
    costs_agree(case)


@given(st.lists(sizes, max_size=6))
def test_identity(shape: list[int]) -> None:
    agree(Case("Identity", {}, (tuple(shape),)))


@pytest.mark.parametrize("op", ["Linear", "Bilinear"])
def test_features_left_out_are_the_inputs(op: str) -> None:
    """torch answers the same for the inputs' own sizes, given."""

    @given(linear_case() if op == "Linear" else bilinear_case())
    def run(case: Case) -> None:
        fields = [f for f in case.arguments if f.startswith("in")]
        if () in case.shapes:
            return
        rest = {k: v for k, v in case.arguments.items() if k not in fields}
        own = {field: shape[-1] for field, shape in zip(sorted(fields), case.shapes)}
        agree(case._replace(arguments={**rest, **own}))
        got, want = (
            ours(case._replace(arguments=rest)),
            ours(case._replace(arguments={**rest, **own})),
        )
        assert isinstance(got, Refused) == isinstance(want, Refused), case
        assert isinstance(got, Refused) or got == want

    run()


def attention(case: Case) -> Callable[..., torch.Tensor]:
    """The module called as we read its inputs: one is all three, the second of two is key and value."""
    module = nn_module(case)

    def call(*x: torch.Tensor) -> torch.Tensor:
        query, key, value = x if len(x) == 3 else (x[0], x[-1], x[-1])
        return module(query, key, value)[0]

    return call


@st.composite
def attention_case(draw: Draw) -> Case:
    features = draw(st.sampled_from([4, 4, 4, 6, 6, 2, 1, 0]))
    arguments: dict[str, Any] = {
        "embed_dim": draw(st.sampled_from([features] * 24 + [4, 2, 0, -2])),
        "num_heads": draw(st.sampled_from([1, 1, 1, *[2] * 12, 3, 4, 0, -1])),
    }
    for field in ("bias", "add_bias_kv", "add_zero_attn"):
        maybe(draw, arguments, field, st.booleans(), often=3)
    maybe(draw, arguments, "batch_first", st.booleans())
    maybe(draw, arguments, "dropout", st.sampled_from([0.0, 0.5, 2.0, -1.0]), often=4)
    inputs = draw(st.sampled_from([1, 1, 2, 3]))
    widths = [features] * 3
    for i, field in ((1, "kdim"), (2, "vdim")):
        if inputs > 1 and draw(st.integers(1, 3)) == 1:
            arguments[field] = widths[i] = draw(
                st.sampled_from([3, 5, 3, 5, features, features, 0, -1])
            )
    if inputs == 2:
        widths[2] = widths[1]
    batch, rank = (
        draw(st.sampled_from([1, 2, 2, 0])),
        draw(st.sampled_from([2, 2, 2, *[3] * 20, 1, 4])),
    )
    queries, keys = draw(st.sampled_from([1, 2, 3, 0])), draw(st.sampled_from([1, 2, 3, 0]))
    shapes = []
    for i in range(inputs):
        sequence = [keys if i else queries, batch]
        if draw(st.integers(1, 6)) == 1:
            sequence[draw(st.integers(0, 1))] = draw(sizes)
        if arguments.get("batch_first"):
            sequence.reverse()
        width = max(0, widths[i]) if draw(st.integers(1, 25)) > 1 else draw(sizes)
        own_rank = rank if draw(st.integers(1, 40)) > 1 else 2
        shapes.append(
            (1, 1, *sequence, width)[-own_rank:] if own_rank != 2 else (sequence[0], width)
        )
    return Case("MultiheadAttention", arguments, tuple(shapes))


@given(attention_case())
def test_attention(case: Case) -> None:
    agree(case, attention)
    if isinstance(ours(case), Refused):
        return
    parameters_agree(case)
    training_macs_agree(case)


def training_macs_agree(case: Case) -> None:
    """MACs of a forward pass in training: the fused kernel of eval mode is not counted by FlopCounterMode."""
    op = registry[case.op](**case.arguments)
    with FlopCounterMode(display=False) as counter:
        attention(case._replace(arguments={**case.arguments, "dropout": 0.0}))(
            *map(torch.zeros, case.shapes)
        )
    assert op.macs(case.shapes[0], *case.shapes) * 2 == counter.get_total_flops(), case


@given(attention_case())
def test_embed_dim_left_out_is_the_querys(case: Case) -> None:
    rest = {k: v for k, v in case.arguments.items() if k != "embed_dim"}
    own = case._replace(arguments={**rest, "embed_dim": case.shapes[0][-1]})
    agree(own, attention)
    got, want = ours(case._replace(arguments=rest)), ours(own)
    assert isinstance(got, Refused) == isinstance(want, Refused), case
    assert isinstance(got, Refused) or got == want


def test_the_numbers_of_a_known_layer() -> None:
    """5 queries, 7 keys, batch 2, 8 features: 2·8·(5·2·8 + 7·2·8 + 2·5·7) = 4192 MACs, 4·8·8 + 4·8 parameters."""
    op = registry["MultiheadAttention"](embed_dim=8, num_heads=2)
    shapes = ((5, 2, 8), (7, 2, 8))
    assert op.macs(op.shape(*shapes), *shapes) == 4192
    assert op.parameters(*shapes) == 288
