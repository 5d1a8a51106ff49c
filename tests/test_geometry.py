"""Receptive fields and effective strides against what a real network's outputs depend on."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import tracer
from tests.agreement.draws import Draw
from tests.torch_network import layer_of
from tracer.geometry import fields

LENGTH = 400


@st.composite
def down(draw: Draw) -> str:
    kernel, stride, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2, 3]))
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
    """Outputs between two positions of a coarse map see different extents: the largest is told within one coarse step.

    That is one step for each of the upsampling layers.
    """
    net = chain(encoder + decoder)
    assume(has_size(net, 8, 3000))
    depends = seen(net)
    found = fields(net.trace())
    strides = [found[node.name][0].stride for node in net.network.nodes]
    slack = sum(coarse for coarse, fine in pairwise(strides) if fine < coarse)
    extent = found[f"n{len(encoder + decoder) - 1}"][0].extent
    assert extent is not None
    assert abs(max(extents(depends)) - extent) <= slack
