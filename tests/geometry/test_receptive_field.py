"""Receptive fields and effective strides against what a real network's outputs depend on."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import msgspec
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tracer
from tests.drawn.arguments import Draw
from tests.drawn.torch_network import layer_of
from tracer.geometry.receptive_field import fields
from tracer.ops.base import registry

LENGTH = 400


@st.composite
def down(draw: Draw) -> str:
    kernel, stride, dilation = (
        draw(st.integers(1, 5)),
        draw(st.integers(1, 3)),
        draw(st.sampled_from([1, 1, 2, 3])),
    )
    if draw(st.booleans()):
        return f"{{op: Conv1d, out_channels: 1, kernel_size: {kernel}, stride: {stride}, dilation: {dilation}}}"
    return f"{{op: AvgPool1d, kernel_size: {kernel}, stride: {stride}}}"


@st.composite
def up(draw: Draw) -> str:
    if draw(st.booleans()):
        return f"{{op: Upsample, scale_factor: {draw(st.sampled_from([2, 3]))}}}"
    if draw(st.booleans()):
        return f"{{op: Conv1d, out_channels: 1, kernel_size: {draw(st.integers(1, 5))}}}"
    stride = draw(st.integers(1, 3))
    kernel = draw(st.integers(stride, 5))
    return f"{{op: ConvTranspose1d, out_channels: 1, kernel_size: {kernel}, stride: {stride}}}"


def chain(layers: list[str]) -> tracer.Net:
    body = "".join(f"  n{i}: {layer}\n" for i, layer in enumerate(layers))
    return tracer.loads(f"input: [1, 1, {LENGTH}]\nlayers:\n{body}")


def has_size(net: tracer.Net, least: int, most: int) -> bool:
    """Whether the last node has so many positions."""
    return all(shape and least <= shape[-1] <= most for shape in net.trace().outputs.values())


def seen(net: tracer.Net) -> torch.Tensor:
    """Which input positions (columns) each output position (rows) depends on: ones sent through weights of ones."""
    y = torch.eye(LENGTH)[:, None]
    with torch.no_grad():
        for node in net.network.nodes[1:]:
            layer, module = layer_of(node, node.op, [y], {}, {})  # type: ignore[arg-type]
            for name, parameter in module.named_parameters():  # type: ignore[union-attr]
                parameter.fill_(0 if name == "bias" else 1)
            y = layer(y)  # type: ignore[assignment]
            y = (y > 0).float()
    return y[:, 0].T > 0


def extents(depends: torch.Tensor) -> list[int]:
    """From the first to the last input position that each output position sees; the borders' outputs left out."""
    inside = depends[len(depends) // 4 : -(len(depends) // 4)]
    spans = [row.nonzero().flatten() for row in inside]
    return [int(span[-1] - span[0] + 1) if len(span) else 0 for span in spans]


@given(st.lists(down(), min_size=1, max_size=4))
def test_the_receptive_field_of_an_encoder(layers: list[str]) -> None:
    """Every output sees exactly the extent, and its neighbour one stride further."""
    net = chain(layers)
    assume(has_size(net, 8, LENGTH))
    depends = seen(net)
    (field,) = fields(net.trace())[f"n{len(layers) - 1}"]
    assert set(extents(depends)) == {field.extent}
    first = [int(row.nonzero()[0]) for row in depends]
    assert {Fraction(b - a) for a, b in pairwise(first)} == {field.stride}


@given(st.lists(down(), max_size=3), st.lists(up(), min_size=1, max_size=5))
def test_the_receptive_field_behind_a_decoder(encoder: list[str], decoder: list[str]) -> None:
    """Outputs between two positions of a coarse map see different extents: the largest is told, exactly."""
    net = chain(encoder + decoder)
    assume(has_size(net, 8, 3000))
    (field,) = fields(net.trace())[f"n{len(encoder + decoder) - 1}"]
    assert max(extents(seen(net))) == field.extent


@st.composite
def anything(draw: Draw) -> str:
    kernel, stride, dilation = (
        draw(st.integers(1, 5)),
        draw(st.integers(1, 3)),
        draw(st.sampled_from([1, 1, 2, 3])),
    )
    return draw(
        st.sampled_from(
            [
                f"Conv1d, out_channels: 1, kernel_size: {kernel}, stride: {stride}, dilation: {dilation}, padding: 2",
                f"AvgPool1d, kernel_size: {kernel}, stride: {stride}, ceil_mode: true",
                f"ConvTranspose1d, out_channels: 1, kernel_size: {kernel}, stride: {stride}, dilation: {dilation}",
                f"Upsample, scale_factor: {stride}, mode: nearest",
                f"Upsample, scale_factor: {stride + 1}, mode: linear",
                "Upsample, scale_factor: 1.5, mode: nearest",
                f"Slice, dim: 2, start: {kernel}, step: {stride}",
                f"ZeroPad1d, padding: [{kernel - 3}, {stride - 2}]",
                f"Crop, crop: {kernel}",
            ]
        )
    )


@pytest.mark.slow
@settings(max_examples=max(80, settings().max_examples // 2))
@given(
    st.lists(anything(), min_size=1, max_size=5),
    st.integers(0, 3),
    st.sampled_from(["crop", "pad"]),
)
def test_gradients_reach_as_far(layers: list[str], skip: int, align: str) -> None:
    """Where the gradient of an output is not zero: the largest extent of all, with and without a merge of two paths."""
    body = "".join(f"  n{i}: {{op: {layer}}}\n" for i, layer in enumerate(layers))
    last = len(layers) - 1
    if skip < last:
        body += f"  m: {{op: Add, from: [n{last}, n{skip}], align: {align}}}\n"
    net = tracer.loads(f"input: [1, 1, {LENGTH}]\nlayers:\n{body}")
    trace = net.trace()
    assume(not trace.diagnostics and has_size(net, 12, 2500))
    found, node = fields(trace), net.network.nodes[-1]
    assume(
        len({found[source.name][0].stride for source in node.inputs}) == 1
    )  # else the paths drift apart
    module = tracer.build(net).double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(0.5, 1.5)  # nothing cancels
    x = torch.rand(1, 1, LENGTH, dtype=torch.float64, requires_grad=True)
    out = module(x)[0, 0]
    middle = out[len(out) // 4 : -(len(out) // 4)]
    assume(middle.requires_grad)
    (gradients,) = torch.autograd.grad(
        middle, x, torch.eye(len(middle), dtype=x.dtype), is_grads_batched=True
    )
    spans = []
    for gradient in gradients[:, 0, 0]:
        reached = gradient.nonzero().flatten()
        if len(reached) and reached[0] > 0 and reached[-1] < LENGTH - 1:  # borders cut it off
            spans.append(int(reached[-1] - reached[0] + 1))
    assume(len(spans) > 40)
    assert max(spans) == found[node.name][0].extent


PUBLISHED = {
    # google-research/receptive_field: AlexNet v2 195, VGG-16 212 behind its last pool, ResNet-50 483.
    "AlexNet": (195, [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]),
    "VGG-16": (212, [*[(3, 1)] * 2, (2, 2), *[(3, 1)] * 2, (2, 2), *([(3, 1)] * 3 + [(2, 2)]) * 3]),
    "ResNet-50": (
        483,
        [
            (7, 2), (3, 2),
            *[(3, 1)] * 2, (3, 2), *[(3, 1)] * 3, (3, 2), *[(3, 1)] * 5, (3, 2), *[(3, 1)] * 3,
        ],
    ),
}  # fmt: skip
"""(kernel, stride) of every layer that is wider than one; ResNet-50 with its strides at the ends of the stages."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_receptive_fields(name: str) -> None:
    """The numbers of Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", 2019."""
    extent, layers = PUBLISHED[name]
    body = "".join(
        f"  n{i}: {{op: Conv2d, out_channels: 1, kernel_size: {k}, stride: {s}, padding: {k // 2}}}\n"
        for i, (k, s) in enumerate(layers)
    )
    net = tracer.loads(f"input: [1, 1, 500, 500]\nlayers:\n{body}")
    assert [f.extent for f in fields(net.trace())[f"n{len(layers) - 1}"]] == [extent, extent]


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 3), st.integers(1, 3))
def test_taps_of_a_transposed_convolution(
    kernel: int, stride: int, padding: int, dilation: int
) -> None:
    """How many taps reach each output position: ones sent through a kernel of ones count them."""
    arguments = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
    }
    op = msgspec.convert({"out_channels": 1, **arguments}, registry["ConvTranspose1d"])
    layer = torch.nn.ConvTranspose1d(1, 1, bias=False, **arguments)  # type: ignore[arg-type]
    layer.weight.data.fill_(1)
    counts = layer(torch.ones(1, 1, 60))[0, 0].round().int().tolist()
    turn = op.taps(0)  # type: ignore[attr-defined]
    first = 20 * stride  # away from the borders
    assert counts[first : first + 3 * stride] == list(turn) * 3
    is_even = len(set(counts[first : first + stride])) == 1
    assert op.is_even(0) == is_even  # type: ignore[attr-defined]


def test_what_is_not_followed_is_not_told() -> None:
    """Paths of unlike strides over very many positions: no extent, and not the whole input either."""
    net = tracer.loads(
        "input: [1, 1, L]\nsizes: {L: 20000}\nlayers:\n"
        "  a: {op: Conv1d, out_channels: 1, kernel_size: 3, padding: 1}\n  d: {op: MaxPool1d, kernel_size: 2}\n"
        "  u: {op: Upsample, scale_factor: 2, mode: linear, align_corners: true}\n  c: {op: Add, from: [u, a]}\n"
        "  g: {op: AdaptiveAvgPool1d, output_size: 1}\n"
    )
    found = fields(net.trace())
    assert (found["c"][0].extent, found["c"][0].computed) == (None, False)
    assert (found["g"][0].extent, found["g"][0].computed) == (None, True)
    assert fields(net.trace(L=300))["c"][0].extent == 6


def test_a_pool_behind_flatten_has_a_field() -> None:
    """A dim less than the input's has no axis of its own to ask."""
    text = "input: [1, 2, 5, 5]\nlayers:\n  f: {op: Flatten, start_dim: 2}\n  p: {op: MaxPool1d, kernel_size: 2}\n"
    from tracer.geometry.receptive_field import fields

    assert len(fields(tracer.loads(text).trace())["p"]) == 1
