"""Shared and constant parameters in the built module and in the written file."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tracer
from tests.network.test_shared_weights import TWINS
from tracer.costs.operations import costs, total
from tracer.torch_bridge.source import torch_source

INSIDE = """
input: [1, 4, 8, 8]
blocks:
  twice:
    args: {kernel: null}
    layers:
      "0": {op: Conv2d, out_channels: 4, kernel_size: "${kernel}", padding: "${kernel // 2}"}
      again: {op: Conv2d, out_channels: 4, kernel_size: "${kernel}", padding: "${kernel // 2}", weights: "0"}
layers:
  one: {op: twice, kernel: 3}
  two: {op: twice, kernel: 1}
  three: {op: twice, kernel: 3, weights: one}
  far: {op: Conv2d, out_channels: 4, kernel_size: 1, weights: two.0}
  blur: {op: Conv2d, out_channels: 4, kernel_size: 3, groups: 4, learned: false}
  blur2: {op: Conv2d, out_channels: 4, kernel_size: 3, groups: 4, weights: blur}
  mean: {op: Parameter, shape: [4, 1, 1], learned: false}
  out: {op: Add, from: [blur2, mean]}
"""

COPIES = """
input: [1, 3, 8, 8]
layers:
  a: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1, repeat: 2}
  b: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1, repeat: 2, weights: a}
  "3": {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1, weights: a.0}
"""

LATER = """
input: [1, 3, 8, 8]
layers:
  b: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1, weights: a}
  a: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1}
"""


def written(net: tracer.Net) -> Any:
    """The module of the written file."""
    names: dict[str, Any] = {}
    exec(torch_source(net), names)
    return names["Network"]()


@pytest.mark.parametrize("text", [TWINS, INSIDE, COPIES, LATER])
def test_built_and_written_modules_share(text: str) -> None:
    """As many parameters as are counted, the same names, the same outputs; what is constant is no parameter."""
    net = tracer.loads(text)
    built, file = tracer.build(net).eval(), written(net).eval()
    count = total(costs(net.trace())).params
    for module in (built, file):
        assert sum(p.numel() for p in module.parameters()) == count

    assert list(file.state_dict()) == list(built.state_dict()) or set(file.state_dict()) == set(
        built.state_dict()
    )
    file.load_state_dict(built.state_dict())
    torch.manual_seed(0)
    inputs = [torch.randn(shape) for shape in shapes_of_inputs(net)]
    with torch.no_grad():
        assert torch.allclose(built(*inputs), file(*inputs), atol=1e-6)

    # A change of the one is a change of the other.
    for node in net.network.sharers:
        assert node.weights is not None
        mine, theirs = built.get_submodule(node.name), built.get_submodule(node.weights.name)
        assert mine is theirs
        assert file.get_submodule(node.name) is file.get_submodule(node.weights.name)


def shapes_of_inputs(net: tracer.Net) -> list[Any]:
    """The shapes of a network's inputs."""
    by_index = net.trace().by_index
    return [by_index[node.index] for node in net.network.nodes if node.is_input]


def test_constants_are_buffers() -> None:
    """They are in the state dict and take no gradient; the file needs only torch."""
    net = tracer.loads(INSIDE)
    for module in (tracer.build(net), written(net)):
        buffers = dict(module.named_buffers())
        assert {"blur.weight", "blur.bias", "mean"} <= set(buffers)
        assert not any(name.startswith("blur") for name, _ in module.named_parameters())
