"""A loaded network as a torch module: shapes, refusals and values are those of the layers run by hand."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, event, given

import tracer
from tests import ROOT
from tests.drawn.counted import counted, each
from tests.drawn.networks import Drawn, networks
from tests.shapes.test_networks import has_empty_output
from tracer.costs.operations import costs, total
from tracer.shapes.trace import trace
from tracer.torch_bridge.building import attribute, build, identifier
from tracer.torch_bridge.verifying import compared, drawn, verify

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
every_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


def inputs_of(
    net: tracer.Net, sizes: dict[str, int], device: str = "cpu"
) -> list[torch.Tensor]:
    shapes = [
        [sizes[d] if isinstance(d, str) else d for d in n.pattern]
        for n in net.network.nodes
        if n.is_input
    ]
    return [torch.randn(shape, device=device) for shape in shapes]  # type: ignore[arg-type]


@counted(each("runs", "refused", one_in=12))
@given(networks())
def test_random_networks_run_as_traced(seen: Counter[str], drawn_: Drawn) -> None:
    """Every node of the built module has the traced shape, for the traced sizes and for others, on the CPU.

    Where the trace refuses a size, the module stops at the same node.
    """
    net = tracer.loads(drawn_.text)
    net.network.sizes.update(drawn_.sizes)
    mine = net.trace()
    assume(not mine.diagnostics and not has_empty_output(mine))
    module = build(net).eval()
    for sizes in [mine.sizes, *drawn(net, 4)]:
        other = trace(net.network, sizes, net.built.ops)
        if has_empty_output(other) or any(d.code == "T304" for d in other.diagnostics):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = compared(module, other, "cpu", sizes)
        assert not found.differences, (sizes, found.differences, drawn_)
        seen["runs" if found.runs else "refused"] += 1
    event(f"nodes {len(mine.by_index) // 8 * 8}+")


@every_config
def test_every_config_is_built(path: Path) -> None:
    """Outputs, parameters and buffers' names are the config's; the whole of it is traced by torch.export."""
    net = tracer.load(path)
    module: Any = tracer.build(net, "meta").eval()
    mine = net.trace()
    with torch.no_grad():
        y = module(*inputs_of(net, mine.sizes, "meta"))
    found = y if isinstance(y, dict) else {next(iter(mine.outputs)): y}
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == mine.outputs
    assert sum(p.numel() for p in module.parameters()) == total(costs(mine)).params
    names = {".".join(map(attribute, node.name.split("."))) for node in net.network.nodes}
    assert {key.rpartition(".")[0] for key in module.state_dict()} <= names
    torch.export.export(module, tuple(inputs_of(net, mine.sizes, "meta")))


# nn.MaxUnpool2d alone cannot be scripted by torch 2.13 (an internal assertion of its own).
SCRIPTED = [path for path in CONFIGS if path.stem not in ("enet", "segnet")]


@pytest.mark.parametrize("path", SCRIPTED, ids=lambda path: path.stem)
def test_every_config_is_scripted(path: Path) -> None:
    """TorchScript takes the module, sizes that are read at run time included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(build(tracer.load(path), "meta").eval())


@every_config
def test_every_config_is_verified(path: Path) -> None:
    """Torch shares every shape, and stops where the trace says, for eight sizes beside the declared ones."""
    found = list(verify(tracer.load(path)))
    assert len(found) >= 8 or path.stem in ("espcn",)
    assert [one.differences for one in found if one.differences] == []


def test_values_are_those_of_the_layers() -> None:
    """A residual block with a cropped, a padded and a gated merge computes what the functions compute by hand."""
    net = tracer.loads("""
input: [2, 3, 11, 13]
layers:
  conv: {op: Conv2d, out_channels: 4, kernel_size: 3}
  down: {op: MaxPool2d, kernel_size: 2}
  up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2}
  cat: {op: Concat, from: [up, conv], align: crop}
  gate: {op: Mul, from: [down, conv], align: pad}
  halves: {op: Chunk, chunks: 2, dim: 1, from: cat}
  tail: {op: Slice, dim: 2, start: 1, stop: -1, step: 2, from: "halves[1]"}
  mid: {op: CenterCrop, size: tail, from: gate}
  sum: {op: Mean, dim: [2, 3], from: mid}
output: [cat, gate, tail, mid, sum]
""")
    module: Any = build(net).eval()
    (x,) = inputs_of(net, {})
    with torch.no_grad():
        y = module(x)
        conv = module.conv(x)
        down = torch.nn.functional.max_pool2d(conv, 2)
        up = module.up(down)
        cat = torch.cat([up, conv[:, :, :8, :10]], 1)
        gate = torch.nn.functional.pad(down, [3, 3, 2, 3]) * conv
        tail = cat.chunk(2, 1)[1][:, :, 1:-1:2]
        top, left = (9 - 3) // 2, (11 - 10) // 2
        mid = gate[:, :, top : top + 3, left : left + 10]
    for name, want in {
        "cat": cat,
        "gate": gate,
        "tail": tail,
        "mid": mid,
        "sum": mid.mean([2, 3]),
    }.items():
        assert torch.equal(y[name], want), name


def test_sizes_are_read_when_it_runs() -> None:
    """``output_size``, ``size: NODE``, align and dims over symbols follow the input, not the traced size."""
    net = tracer.loads("""
input: [N, 3, H, W]
sizes: {N: 1, H: 32, W: 32}
layers:
  a: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  b: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  u: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_size: a}
  m: {op: Concat, from: [u, a]}
  r: {op: Interpolate, size: input, mode: bilinear}
  p: {op: Interpolate, size: [H // 2, W + 1], from: r}
  f: {op: Reshape, shape: [N, 8, "(H // 2) * (W + 1)"]}
""")
    module = build(net).eval()
    for h, w in ((32, 32), (33, 47), (61, 30)):
        assert tuple(module(torch.zeros(2, 3, h, w)).shape) == (2, 8, (h // 2) * (w + 1))


def test_names_that_python_and_torch_use() -> None:
    """A node may be called ``in``, ``forward`` or ``1st``; its module then has an underscore more."""
    net = tracer.loads("""
input: [1, 3, 8, 8]
layers:
  in: {op: Conv2d, out_channels: 3, kernel_size: 1}
  forward: {op: Conv2d, out_channels: 3, kernel_size: 1}
  1st: {op: Conv2d, out_channels: 3, kernel_size: 1}
  a-b: {op: Conv2d, out_channels: 3, kernel_size: 1}
  graph: BatchNorm2d
""")
    module = build(net)
    assert module(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)
    assert {key.split(".")[0] for key in module.state_dict()} == {
        "in_",
        "forward_",
        "1st",
        "a-b",
        "graph_",
    }
    assert identifier("in") == "in_" and identifier("1st") == "_1st"


def test_a_network_that_does_not_close_is_not_built() -> None:
    """Its diagnostics are raised; so is an operation without a torch form."""
    net = tracer.loads(
        "input: [1, 3, 9, 9]\nlayers:\n  a: {op: MaxPool2d, kernel_size: 2}\n  b: {op: Add, from: [a, input]}\n"
    )
    with pytest.raises(tracer.TracerError) as raised:
        build(net)
    assert [d.code for d in raised.value.diagnostics] == ["T301"]


def test_verify_on_the_command_line(tmp_path: Path) -> None:
    """Agreement is 0, a network that does not close 1, and without torch it is 2 with the command that installs it."""
    text = CONFIGS[0].parent.joinpath("espcn.yaml").read_text("utf-8")
    (tmp_path / "net.yaml").write_text(text)
    command = [sys.executable, "-m", "tracer", "verify", "net.yaml"]
    run: Any = lambda *more, code="": subprocess.run(  # noqa: E731
        [*command, *more] if not code else [sys.executable, "-c", code, *command[3:]],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(CONFIGS[0].parent.parent), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    done = run("--format", "json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["agrees"]) == (0, True) and len(answer["comparisons"]) > 8
    without = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torch' else find(name, *a)\n"
        "from tracer.commands import main; main()"
    )
    done = run(code=without)
    assert (done.returncode, done.stdout, done.stderr) == (
        2, "", "this command needs torch: pip install 'shape-tracer[torch]'\n",
    )  # fmt: skip
    (tmp_path / "net.yaml").write_text(text.replace("expect: [", "expect: [1, "))
    assert run().returncode == 1


UNPOOLED = """
input: [1, 1, H, W]
sizes: {H: 8, W: 8}
layers:
  conv: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
  pool: {op: MaxPool2d, kernel_size: 2}
  unpool: {op: MaxUnpool2d, kernel_size: 2, indices: pool}
"""


def test_unpooling_is_verified_by_real_indices() -> None:
    """On the CPU torch refuses an index that has no place, wherever the trace does and nowhere else."""
    found = [one for one in verify(tracer.loads(UNPOOLED), count=24) if one.device == "cpu"]
    assert not any(one.differences for one in found)
    refused = [one for one in found if not one.runs and min(one.sizes.values()) > 1]
    assert len(refused) >= 3
    assert sum(one.runs for one in found) >= 5


def test_the_device_is_torchs_own() -> None:
    """A module is made where torch's own modules are."""
    net = tracer.loads(UNPOOLED)
    with torch.device("meta"):
        assert {weight.device.type for weight in tracer.build(net).parameters()} == {"meta"}
        on_cpu = tracer.build(net, "cpu")
    assert {weight.device.type for weight in on_cpu.parameters()} == {"cpu"}
    assert {weight.device.type for weight in tracer.build(net).parameters()} == {"cpu"}
