"""What a training step keeps of attention and of turned maps, and makes for them, against torch on the CPU."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests.costs.allocations import peak_of_step
from tests.costs.test_memory import inputs, saved
from tests.drawn.counted import counted
from tracer.costs.memory import memory
from tracer.costs.training_step import Training, step_memory
from tracer.diagnostics import TracerError
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


VIEWS = """
Identity; Transpose, dim0: 2, dim1: 3; Permute, dims: [0, 3, 1, 2]; Permute, dims: [0, 2, 3, 1]
Permute, dims: [1, 0, 2, 3]; Chunk, chunks: 2, dim: 1; Slice, dim: 2, start: 1, stop: 7
Slice, dim: 3, start: 0, stop: 8, step: 2; Slice, dim: 0, start: 0, stop: 1; Reshape, shape: [-1, 2, 8, 4]
"""

READERS = """
InstanceNorm2d; InstanceNorm2d, affine: true; GroupNorm, num_groups: 2; GroupNorm, num_groups: 1, affine: false
Bilinear, out_features: 3, from: [v, v]; MatMul, from: [v, v]; Linear, out_features: 3; LayerNorm; RMSNorm; BatchNorm2d
Conv2d, out_channels: 2, kernel_size: 3; ConvTranspose2d, out_channels: 3, kernel_size: 2
MaxPool2d, kernel_size: 2; AvgPool2d, kernel_size: 2; LPPool2d, norm_type: 2, kernel_size: 2
AdaptiveAvgPool2d, output_size: 2; AdaptiveMaxPool2d, output_size: 2; Upsample, scale_factor: 2
PReLU; GLU, dim: 1; Softmax, dim: 1; Std, dim: [1]; Logsumexp, dim: 2; Amax, dim: [3]; Unfold, kernel_size: 2
ScaledDotProductAttention, from: [v, v, v]
"""


def listed(text: str) -> list[str]:
    return [one.strip() for line in text.splitlines() for one in line.split(";") if one]


READ = """
input: [{samples}, 4, 8, 8]
layers:
  a: {{op: Conv2d, out_channels: 4, kernel_size: 1}}
  s: Sigmoid
  v: {{op: {view}}}
  y: {{op: {reader}}}
"""


@pytest.mark.parametrize("samples", [1, 2])
def test_what_reads_a_view(samples: int) -> None:
    """An operation that puts its input's elements in order keeps a copy beside the map that another one keeps."""
    compared = 0
    for view in listed(VIEWS):
        for reader in listed(READERS):
            try:
                net = tracer.loads(READ.format(samples=samples, view=view, reader=reader))
            except TracerError:
                continue
            traced = net.trace()
            if traced.is_complete and not traced.diagnostics:
                found = step_memory(traced, Training())
                theirs = saved(build(net).train(), inputs(traced, "cpu"))
                assert found.kept == theirs, (view, reader)
                compared += 1
    assert compared > 200


@st.composite
def factor(draw: st.DrawFn, outer: Sizes, last: Sizes) -> tuple[list[int], list[int], str]:
    """A factor as the map that it is made of, the order of its dims, and the layer behind which it learns or not."""
    broadcast = tuple(n if draw(st.integers(0, 3)) else 1 for n in outer)
    fewer = draw(st.sampled_from([0, 0, 0, len(outer), draw(st.integers(0, len(outer)))]))
    shape = broadcast[fewer:] + last
    dims = list(range(len(shape)))
    if draw(st.booleans()):
        dims = draw(st.permutations(dims))
    made = [0] * len(shape)
    for n, dim in zip(shape, dims):
        made[dim] = n
    layer = draw(st.sampled_from([f"Linear, out_features: {made[-1]}", "Sigmoid"]))
    return made, dims, layer


@counted(lambda seen: seen["compared"] >= 30)
@settings(max_examples=max(60, settings().max_examples // 2))
@given(st.data())
def test_drawn_factors(seen: Counter[str], data: st.DataObject) -> None:
    """A matrix product keeps factors as they lie in memory, or copies of them."""
    outer = tuple(data.draw(st.lists(st.integers(1, 3), max_size=3)))
    maps, layers = [], []
    for name, last in (("a", (4, 5)), ("b", (5, 6))):
        made, dims, layer = data.draw(factor(outer, last))
        maps.append(f"{name}: {made}")
        layers.append(
            f"  {name}l: {{op: {layer}, from: {name}}}\n  {name}s: Sigmoid\n"
            f"  {name}v: {{op: Permute, dims: {list(dims)}}}\n"
        )
    if not any("Linear" in layer for layer in layers):
        return

    net = tracer.loads(
        f"input: {{{', '.join(maps)}}}\nlayers:\n{''.join(layers)}  y: {{op: MatMul, from: [av, bv]}}\n"
    )
    traced = net.trace()
    assert traced.is_complete
    found = step_memory(traced, Training())
    assert found.kept == saved(build(net).train(), inputs(traced, "cpu"))
    seen["compared"] += 1
