"""What training keeps and where a run peaks, against torch: saved tensors and live storages, byte for byte."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tests.drawn.networks import networks
from tracer.costs.memory import memory
from tracer.costs.operations import costs, total
from tracer.costs.training_step import Training, step_memory
from tracer.designing.largest import largest
from tracer.diagnostics import TracerError
from tracer.net import Net
from tracer.shapes.trace import Trace, trace
from tracer.torch_bridge.building import build
from tracer.views.table import to_csv, to_markdown

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
pytestmark = pytest.mark.filterwarnings("ignore")


def inputs(trace: Trace, device: str) -> list[torch.Tensor]:
    return [
        torch.rand(trace.by_index[node.index] or (), device=device)
        for node in trace.network.nodes
        if node.is_input
    ]


def saved(module: Any, x: list[torch.Tensor]) -> int:
    """Bytes of the storages that autograd keeps of a forward pass in training, without parameters and buffers."""
    own = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())}
    found: dict[int, torch.UntypedStorage] = {}

    def pack(t: torch.Tensor) -> torch.Tensor:
        storage = t.untyped_storage()
        if storage._cdata not in own:
            found[storage._cdata] = storage
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        module.train()(*x)
    return sum(storage.nbytes() for storage in found.values())


class Alive(torch.fx.Interpreter):
    """Runs a graph node by node, and keeps the most bytes that were alive behind one."""

    def __init__(self, module: Any) -> None:
        super().__init__(module, garbage_collect_values=True)
        self.own = {
            t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())
        }
        self.most = 0
        self.inputs: tuple[torch.Tensor, ...] = ()

    def run(self, *x: torch.Tensor, **options: Any) -> Any:
        self.inputs = x  # the caller has them
        return super().run(*x, **options)

    def run_node(self, n: torch.fx.Node) -> Any:
        value = super().run_node(n)
        found: dict[int, int] = {}
        torch.fx.node.map_aggregate(
            (value, *self.inputs, *self.env.values()), lambda t: self.count(t, found)
        )
        self.most = max(self.most, sum(found.values()))
        return value

    def count(self, t: Any, found: dict[int, int]) -> Any:
        if isinstance(t, torch.Tensor) and t.untyped_storage()._cdata not in self.own:
            found[t.untyped_storage()._cdata] = t.untyped_storage().nbytes()
        return t


def peak(module: Any, x: list[torch.Tensor]) -> int:
    alive = Alive(module.eval())
    with torch.no_grad():
        alive.run(*x)
    return alive.most


def compared(net: Net, device: str = "meta") -> tuple[tuple[int, int], tuple[int, int]]:
    """(ours, torch's) of what training keeps on a device, and of the peak of a run.

    The peak is taken on the meta device: on the CPU a kernel may give a map more room than it has elements.
    """
    traced = net.trace()
    ours = memory(traced)
    assert ours is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = saved(build(net, device), inputs(traced, device))
        return (ours.training, kept), (
            ours.inference,
            peak(build(net, "meta"), inputs(traced, "meta")),
        )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_configs(path: Path) -> None:
    """Every config: what training keeps, and the peak of a run, are torch's, byte for byte."""
    kept, peaked = compared(tracer.load(path))
    assert kept[0] == kept[1]
    assert peaked[0] == peaked[1]


@settings(max_examples=max(60, settings().max_examples // 2))
@given(st.data())
def test_drawn_networks(data: st.DataObject) -> None:
    """Networks of any operations: what training keeps on the CPU, and the peak of a run, are torch's."""
    case = data.draw(networks())
    try:
        net = tracer.loads(case.declared)
    except TracerError:
        return
    if not comparable(net):
        return
    # On the CPU zeros are no indices, and a transposed convolution in 3-D may take more room than its output has.
    only_meta = any(
        node.op_name.startswith(("MaxUnpool", "ConvTranspose3d")) for node in net.network.nodes
    )
    kept, peaked = compared(net, "meta" if only_meta else "cpu")
    assert kept[0] == kept[1], case
    assert peaked[0] == peaked[1], case


def comparable(net: Net) -> bool:
    """Whether it runs, in training too, makes nothing that nobody reads, and no map is empty."""
    traced = net.trace()
    if traced.diagnostics or any(y is None or 0 in y for y in traced.by_index):
        return False
    codes = {d.code for d in net.network.diagnostics} | {
        remark.code for _, remark in traced.remarks()
    }
    return not codes & {"T105", "T507"}


@pytest.mark.parametrize(
    "name",
    [
        "unet_padded",
        "unet_2015",
        "conv_autoencoder",
        pytest.param("u2net_small", marks=pytest.mark.long),
        "resnet34_unet",
    ],
)
@pytest.mark.parametrize("budget", [2**26, 2**28, 10**9])
def test_the_largest_that_fits(name: str, budget: int) -> None:
    """The size that is told fits and the next ones of the set do not; None where the smallest does not."""
    net = tracer.load(CONFIGS[0].parent / f"{name}.yaml")
    found = largest(net, budget)
    params = 4 * total(costs(net.trace())).params
    axes, now, ops = net.sizes().axes, net.network.defaults(), net.solution().ops

    def needed(symbol: str, n: int, training: bool) -> int:
        traced = trace(net.network, {**now, symbol: n}, ops)
        if training:
            return step_memory(traced, Training()).peak
        held = memory(traced)
        assert held is not None
        return held.inference + params

    for symbol, axis in axes.items():
        for training, sizes in ((False, found.inference), (True, found.training)):
            n = sizes[symbol]
            if n is None:
                least = axis.runs.at_least(1)
                assert least is None or needed(symbol, least, training) > budget
                continue
            assert n in axis.runs
            assert needed(symbol, n, training) <= budget
            for _ in range(5):
                following = axis.runs.at_least(n + 1)
                assert following is not None
                n = following
                assert needed(symbol, n, training) > budget


def test_every_form_of_the_table_counts_in_the_type_that_is_asked_for() -> None:
    """In float16 every map has half the bytes, in CSV and in markdown, the rows and their total."""
    net = tracer.loads(
        "input: [1, 2, 4, 4]\nlayers: {a: {op: Conv2d, out_channels: 3, kernel_size: 1}}\n"
    )
    for write in (to_csv, to_markdown):
        assert "192" in write(net.trace(), 1) and "192" not in write(net.trace(), 1, "float16")
        assert "96" in write(net.trace(), 1, "float16")
    assert "| 160 |" in to_markdown(net.trace(), 1, "float16")


@pytest.mark.parametrize("shape", ["[8]", "[2, 8]", "[2, 3, 8]"])
@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_an_alignment_along_no_dims(shape: str, op: str) -> None:
    """Without spatial dims there is nothing to pad: the network is built, and no map is made on the way."""
    text = f"input: {shape}\nlayers:\n  a: Sigmoid\n  b: {{op: {op}, from: [a, input, a], align: pad}}\n"
    net = tracer.loads(text)
    x = torch.rand(net.trace().shapes["input"])
    a = torch.sigmoid(x)
    assert torch.equal(tracer.build(net)(x), a + x + a if op == "Add" else a * x * a)
    kept, peaked = compared(net, "cpu")
    assert kept[0] == kept[1] and peaked[0] == peaked[1]


def test_the_largest_input_without_a_batch() -> None:
    """The spatial symbols of [C, H, W] are H and W, together too."""
    net = tracer.loads(
        "input: [3, H, W]\nsizes: {H: 8, W: 8}\nlayers:\n  a: {op: Conv2d, out_channels: 2, kernel_size: 1}\n"
    )
    assert set(largest(net, 100_000).inference) == {"H", "W", "H = W"}
