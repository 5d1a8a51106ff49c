"""What a training step keeps of attention and makes for it, against torch on the CPU."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests.costs.allocations import peak_of_step
from tests.costs.test_memory import inputs, saved
from tracer.costs.memory import memory
from tracer.costs.training_step import Training, step_memory
from tracer.net import Net
from tracer.torch_bridge.building import build

pytestmark = pytest.mark.filterwarnings("ignore")


def holds(net: Net, most: float) -> None:
    """What is kept is torch's, byte for byte, and the peak until the update is torch's or up to ``most`` above."""
    traced = net.trace()
    assert traced.is_complete and not traced.diagnostics
    module = build(net).train()
    x = inputs(traced, "cpu")
    found = step_memory(traced, Training())
    held = memory(traced)
    assert held is not None
    assert found.kept == held.training == saved(module, x) > 0

    theirs = peak_of_step(module, module, x)
    assert 0.995 * theirs - 64 <= found.before_update <= most * theirs, (found, theirs)


Sizes = tuple[int, ...]


def products(
    query: Sizes, key: Sizes, value: Sizes, more: str = "", learned: str = "qkv"
) -> Net:
    """Attention of three inputs, of which linear maps make some learn."""
    layers = []
    for name, shape in zip("qkv", (query, key, value)):
        op = f"Linear, out_features: {shape[-1]}" if name in learned else "Identity"
        layers.append(f"  {name}: {{op: {op}, from: {name}0}}\n")
    return tracer.loads(
        f"input: {{q0: {list(query)}, k0: {list(key)}, v0: {list(value)}}}\nlayers:\n{''.join(layers)}"
        f"  a: {{op: ScaledDotProductAttention, from: [q, k, v]{more}}}\n"
    )


CASES: dict[str, Any] = {
    "three dims": (
        (2, 50, 8),
        (2, 60, 8),
        (2, 60, 8),
    ),
    "two dims": (
        (50, 8),
        (60, 8),
        (60, 12),
    ),
    "five dims": (
        (2, 2, 2, 50, 8),
        (2, 2, 2, 60, 8),
        (2, 2, 2, 60, 8),
    ),
    "fused": (
        (2, 2, 50, 8),
        (2, 2, 60, 8),
        (2, 2, 60, 8),
    ),
    "other features": (
        (2, 2, 50, 8),
        (2, 2, 60, 8),
        (2, 2, 60, 12),
    ),
    "one head for two": (
        (2, 2, 50, 8),
        (2, 1, 60, 8),
        (2, 1, 60, 8),
    ),
    "one sample for two": (
        (2, 50, 8),
        (1, 60, 8),
        (1, 60, 8),
    ),
    "shared heads": (
        (2, 4, 50, 8),
        (2, 2, 60, 8),
        (2, 2, 60, 8),
        ", enable_gqa: true",
    ),
    "shared heads apart": (
        (2, 4, 50, 8),
        (2, 2, 60, 8),
        (2, 1, 60, 8),
        ", enable_gqa: true",
    ),
    "causal": (
        (2, 50, 8),
        (2, 50, 8),
        (2, 50, 8),
        ", is_causal: true",
    ),
    "query alone": (
        (2, 50, 8),
        (2, 60, 8),
        (2, 60, 8),
        "",
        "q",
    ),
    "value alone": (
        (2, 50, 8),
        (2, 60, 8),
        (2, 60, 8),
        "",
        "v",
    ),
    "fused, key alone": (
        (2, 2, 50, 8),
        (2, 2, 60, 8),
        (2, 2, 60, 8),
        "",
        "k",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_products(name: str) -> None:
    """One kernel for four dims that are alike, and else the scores of every query and key."""
    holds(products(*CASES[name]), 1.08)


@settings(max_examples=15)
@given(st.data())
def test_drawn_products(data: st.DataObject) -> None:
    outer = data.draw(st.lists(st.integers(1, 3), min_size=0, max_size=3))
    queries, keys, features, last = (data.draw(st.integers(1, 24)) for _ in range(4))
    value = data.draw(st.sampled_from([features, last]))
    net = products((*outer, queries, features), (*outer, keys, features), (*outer, keys, value))
    holds(net, 1.35)


TURNED = """
input: [2, 2, 8, 8]
layers:
  s: {{op: Conv2d, out_channels: 2, kernel_size: 1}}
  g: Sigmoid
  t: {turned}
  a: {{op: ScaledDotProductAttention, from: [t, t, t]}}
"""


@pytest.mark.parametrize("transposed", [True, False])
def test_features_that_do_not_lie_side_by_side(transposed: bool) -> None:
    """The one kernel needs features side by side: maps whose last dims are turned have their scores kept."""
    turned = "{op: Transpose, dim0: 2, dim1: 3}" if transposed else "Identity"
    holds(tracer.loads(TURNED.format(turned=turned)), 1.3)


HEADS: dict[str, tuple[list[int], str, str]] = {
    "one map": (
        [64, 2, 16],
        "",
        "[q]",
    ),
    "one map thrice": (
        [64, 2, 16],
        "",
        "[q, q, q]",
    ),
    "three maps": (
        [64, 2, 16],
        "",
        "[q, k, v]",
    ),
    "samples first": (
        [2, 64, 16],
        "batch_first: true",
        "[q]",
    ),
    "samples first, one map thrice": (
        [2, 64, 16],
        "batch_first: true",
        "[q, q, q]",
    ),
    "samples first, three maps": (
        [2, 64, 16],
        "batch_first: true",
        "[q, k, v]",
    ),
    "one sample first": (
        [1, 64, 16],
        "batch_first: true",
        "[q]",
    ),
    "dropout": (
        [64, 2, 16],
        "dropout: 0.1",
        "[q]",
    ),
    "all dropped": (
        [64, 2, 16],
        "dropout: 1.0",
        "[q]",
    ),
    "no bias": (
        [64, 2, 16],
        "bias: false",
        "[q]",
    ),
    "more keys": (
        [64, 2, 16],
        "add_bias_kv: true, add_zero_attn: true",
        "[q]",
    ),
    "its weights": (
        [64, 2, 16],
        "result: attn_output_weights",
        "[q]",
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads(name: str) -> None:
    """The gradients of the scores and of their softmax are there at once, for every head."""
    shape, more, read = HEADS[name]
    others = "".join(
        f"  {one}: {{op: Linear, from: input, out_features: {shape[-1]}}}\n"
        for one in "kv"
        if one in read
    )
    text = f"input: {shape}\nlayers:\n  q: {{op: Linear, out_features: {shape[-1]}}}\n{others}"
    options = f", {more}" if more else ""
    net = f"{text}  a: {{op: MultiheadAttention, embed_dim: 16, num_heads: 4{options}, from: {read}}}\n"
    holds(tracer.loads(net), 1.3 if name == "all dropped" else 1.08)


MAPS = """
input: [{samples}, 8, {length}]
layers:
  c: {{op: Conv1d, out_channels: 8, kernel_size: 1}}
  s: Sigmoid
  p: {{op: {turned}}}
  l: {{op: Linear, out_features: 6, bias: {bias}}}
  r: Sigmoid
"""


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize(
    "turned",
    [
        "Permute, dims: [0, 2, 1]",
        "Permute, dims: [2, 0, 1]",
        "Permute, dims: [1, 0, 2]",
        "Reshape, shape: [-1, 2, 4]",
    ],
)
def test_linear_of_a_turned_map(turned: str, samples: int, bias: str) -> None:
    """A linear map keeps a copy of a map whose rows do not lie one behind the other, beside what made that keeps."""
    net = tracer.loads(MAPS.format(samples=samples, length=40, turned=turned, bias=bias))
    holds(net, 1.05)
