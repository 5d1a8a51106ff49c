"""Attention as a function, and the masks and weights of the module, agree with torch on shape, refusal and MACs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel

import tracer
from tests.drawn.arguments import Draw, maybe
from tests.drawn.oracle import Case, Refused, agree, macs_agree, nn_module, ours

few = st.sampled_from([1, 2, 3, 2])


def function(case: Case) -> Callable[..., torch.Tensor]:
    """torch's function by its plain kernel: the fused ones read beyond what they are given."""
    words = {**case.arguments}
    if "attn_mask" in case.sizes:
        words["attn_mask"] = torch.zeros(case.sizes["attn_mask"])

    def call(*x: torch.Tensor) -> torch.Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return torch.nn.functional.scaled_dot_product_attention(*x, **words)

    return call


@st.composite
def attention_case(draw: Draw) -> Case:
    """Dims before the last two that broadcast, mostly."""
    outer = draw(st.lists(few, max_size=2))
    # Of empty tensors torch gives zeros without a look at the other dims.
    queries, keys, features, width = (draw(st.sampled_from([1, 2, 3, 5])) for _ in range(4))
    arguments: dict[str, Any] = {}
    maybe(draw, arguments, "scale", st.sampled_from([0.5, 1.0]))
    maybe(draw, arguments, "is_causal", st.booleans())
    maybe(draw, arguments, "enable_gqa", st.booleans(), often=3)
    shapes = []
    for own in ((queries, features), (keys, features), (keys, width)):
        before = [draw(st.sampled_from([n, n, n, 1])) for n in outer]
        if draw(st.integers(1, 8)) == 1:
            before = before[1:]
        if arguments.get("enable_gqa") and shapes and before:
            before[-1] = draw(st.sampled_from([1, 1, 2, before[-1]]))
        last = list(own)
        if draw(st.integers(1, 12)) == 1:
            last[draw(st.integers(0, 1))] = draw(few)
        shapes.append((*before, *last))
    if draw(st.integers(1, 30)) == 1:
        shapes[draw(st.integers(0, 2))] = (2,)

    sizes = {}
    if draw(st.integers(1, 2)) == 1:
        mask = [draw(st.sampled_from([n, n, n, 1])) for n in (*outer, queries, keys)]
        if draw(st.integers(1, 8)) == 1:
            mask[draw(st.integers(0, len(mask) - 1))] = draw(few)
        # One dim is taken by the plain kernel only.
        sizes["attn_mask"] = tuple(mask[draw(st.integers(0, len(mask) - 2)) :])
        arguments["attn_mask"] = "mask"
    return Case("ScaledDotProductAttention", arguments, tuple(shapes), sizes)


@given(attention_case())
def test_function(case: Case) -> None:
    """Shape, refusal and MACs of torch's plain kernel."""
    agree(case, function)
    if not isinstance(ours(case), Refused):
        macs_agree(case, function)


# --- the module ------------------------------------------------------------------------------------------------------


def module(case: Case) -> Callable[..., torch.Tensor]:
    """The module with masks, and the part of its result that is asked for."""
    words: dict[str, Any] = {w: torch.zeros(shape) for w, shape in case.sizes.items()}
    made = {w: v for w, v in case.arguments.items() if w not in words}
    part = 1 if made.pop("result", "attn_output") == "attn_output_weights" else 0
    words["average_attn_weights"] = made.pop("average_attn_weights", True)
    layer = nn_module(case._replace(arguments=made))

    def call(*x: torch.Tensor) -> torch.Tensor:
        query, key, value = x if len(x) == 3 else (x[0], x[-1], x[-1])
        return layer(query, key, value, **words)[part]  # type: ignore[no-any-return]

    return call


@st.composite
def masked_case(draw: Draw) -> Case:
    """A module with masks that fit, mostly."""
    heads = draw(st.sampled_from([1, 2, 2, 4]))
    arguments: dict[str, Any] = {"embed_dim": 4, "num_heads": heads}
    for word in ("batch_first", "add_bias_kv", "add_zero_attn", "average_attn_weights"):
        maybe(draw, arguments, word, st.booleans())
    maybe(draw, arguments, "result", st.sampled_from(["attn_output", "attn_output_weights"]))

    samples, queries, keys = draw(few), draw(few), draw(few)
    is_batch = draw(st.integers(1, 4)) > 1
    shapes = []
    for positions in (queries, keys):
        batch = (samples, positions) if arguments.get("batch_first") else (positions, samples)
        shapes.append((*(batch if is_batch else (positions,)), 4))

    outer = samples * heads if is_batch else heads
    masks = {
        "attn_mask": draw(st.sampled_from([(queries, keys), (outer, queries, keys)])),
        "key_padding_mask": (samples, keys) if is_batch else (keys,),
    }
    sizes = {}
    for word, shape in masks.items():
        if draw(st.booleans()):
            wrong = draw(
                st.sampled_from([*[shape] * 8, shape[1:], (*shape[:-1], shape[-1] + 1)])
            )
            sizes[word] = wrong
            arguments[word] = "mask"
    return Case("MultiheadAttention", arguments, tuple(shapes), sizes)


@given(masked_case())
def test_module(case: Case) -> None:
    """Masks, and the weights that torch gives beside the output."""
    agree(case, module)


def test_a_mask_is_a_node() -> None:
    """Built, the config gives what torch's function gives of the same mask."""
    text = """
input: {q: [N, 2, L, 4], k: [N, 2, S, 4], mask: [L, S]}
sizes: {N: 1, L: 5, S: 6}
layers:
  a: {op: ScaledDotProductAttention, from: [q, k, k], attn_mask: mask, scale: 0.5}
"""
    net = tracer.loads(text)
    built: Any = tracer.build(net)
    q, k, mask = torch.randn(2, 2, 3, 4), torch.randn(2, 2, 7, 4), torch.randn(3, 7)
    want = torch.nn.functional.scaled_dot_product_attention(q, k, k, mask, scale=0.5)
    assert torch.allclose(built(q, k, mask), want, atol=1e-6)
