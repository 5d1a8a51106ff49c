"""The exported Python file, executed: the same state dict keys, and with the same weights the same outputs."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given

import tracer
from tests import ROOT
from tests.drawn.networks import Drawn, networks
from tests.shapes.test_networks import has_empty_output
from tests.torch_bridge.test_build import inputs_of
from tracer.torch_bridge.building import build
from tracer.torch_bridge.source import torch_source

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def module_of(source: str) -> Any:
    """The module that a file's text defines."""
    names: dict[str, Any] = {}
    exec(compile(source, "exported.py", "exec"), names)
    return names["Network"]()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs(path: Path) -> None:
    """Keys and shapes of the state dict are the built module's, outputs are the traced ones."""
    net = tracer.load(path)
    source = torch_source(net)
    mine, built = net.trace(), build(net, "meta")
    with torch.device("meta"):
        module = module_of(source).eval()
    want = {key: tuple(value.shape) for key, value in built.state_dict().items()}
    assert {key: tuple(value.shape) for key, value in module.state_dict().items()} == want
    with torch.no_grad():
        y = module(*inputs_of(net, mine.sizes, "meta"))
    found = y if isinstance(y, dict) else {next(iter(mine.outputs)): y}
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == mine.outputs
    classes = {node.uses[0].op.value for node in net.network.nodes if node.uses}
    assert source.count("class ") >= 1 + bool(classes) and "import tracer" not in source


@given(networks())
def test_random_networks(drawn: Drawn) -> None:
    """With the built module's weights the exported one computes the same."""
    net = tracer.loads(drawn.text)
    net.network.sizes.update(drawn.sizes)
    mine = net.trace()
    assume(not mine.diagnostics and not has_empty_output(mine) and "Dropout" not in drawn.text)
    assume("MaxUnpool" not in drawn.text)  # values may point outside of what is left
    built: Any = build(net).eval()
    module = module_of(torch_source(net)).eval()
    module.load_state_dict(built.state_dict())
    x = inputs_of(net, mine.sizes)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        want = built(*x)
        torch.manual_seed(0)
        found = module(*x)
    assert found.shape == want.shape and torch.equal(found.isnan(), want.isnan())
    assert torch.allclose(found, want, equal_nan=True), drawn


DIFFERENT = {
    "parameter": "g: {op: Parameter, shape: ['${channels}', 1, 1]}",
    "buffer": "g: {op: Parameter, shape: ['${channels}', 1, 1], learned: false}",
    "made": "g: {op: Full, size: ['${channels}', 1, 1], fill_value: 2.0}",
    "cut": "g: {op: Slice, from: input, dim: 1, stop: '${channels // 16}'}",
    "grouped": "g: {op: Reshape, from: conv, shape: [1, '${channels}', 16, 16]}",
    "sized": "g: {op: Interpolate, from: conv, size: '${channels - channels + 16}'}",
}
"""Layers of a block whose uses differ in a number, and what is multiplied with its convolution."""


@pytest.mark.parametrize("layer", DIFFERENT.values(), ids=DIFFERENT)
def test_uses_that_differ_in_what_is_no_module(layer: str) -> None:
    """Each has its own number, in one class or in two."""
    text = f"""
input: [1, 3, 16, 16]
blocks:
  b:
    args: {{channels: null}}
    layers:
      conv: {{op: Conv2d, out_channels: "${{channels}}", kernel_size: 3, padding: 1}}
      {layer}
      one: {{op: Mean, dim: 1, keepdim: true}}
      y: {{op: Mul, from: [conv, one]}}
layers:
  first: {{op: b, channels: 16}}
  second: {{op: b, channels: 32}}
"""
    net = tracer.loads(text)
    built: Any = build(net).eval()
    module = module_of(torch_source(net)).eval()
    module.load_state_dict(built.state_dict())
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(module(x), built(x))


def test_the_file_is_what_a_person_would_write(tmp_path: Path) -> None:
    """The U-Net of 2015: one class for its block with two arguments, one line for each node, sizes in the docstring."""
    command = [
        sys.executable,
        "-m",
        "tracer",
        "export",
        str(CONFIGS[0].parent / "unet_2015.yaml"),
    ]
    done = subprocess.run(
        [*command, "-o", "unet.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "written: unet.py\n")
    text = (tmp_path / "unet.py").read_text("utf-8")
    for line in (
        "class DoubleConv(nn.Module):",
        "    def __init__(self, in_channels, out_channels):",
        "        self.enc2 = DoubleConv(64, 128)",
        "        enc1 = self.enc1(input)  # [1, 64, 568, 568]",
        "        cat4_cropped = torch.narrow(drop4, 2, (drop4.shape[2] - x.shape[2]) // 2, x.shape[2])",
        "    H >= 188",
    ):
        assert f"{line}\n" in text, line
    assert (
        subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False
        ).returncode
        == 2
    )
