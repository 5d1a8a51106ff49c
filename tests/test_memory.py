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
from tests.drawn_networks import networks
from tracer.diagnostics import TracerError
from tracer.memory import memory
from tracer.net import Net
from tracer.torch_bridge.building import build
from tracer.trace import Trace

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))
pytestmark = pytest.mark.filterwarnings("ignore")


def inputs(trace: Trace, device: str) -> list[torch.Tensor]:
    return [
        torch.rand(trace.by_index[node.index] or (), device=device) for node in trace.network.nodes if node.is_input
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
        self.own = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())}
        self.most = 0
        self.inputs: tuple[torch.Tensor, ...] = ()

    def run(self, *x: torch.Tensor, **options: Any) -> Any:
        self.inputs = x  # the caller has them
        return super().run(*x, **options)

    def run_node(self, n: torch.fx.Node) -> Any:
        value = super().run_node(n)
        found: dict[int, int] = {}
        torch.fx.node.map_aggregate((value, *self.inputs, *self.env.values()), lambda t: self.count(t, found))
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
    trace = net.trace()
    ours = memory(trace)
    assert ours is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = saved(build(net, device), inputs(trace, device))
        return (ours.training, kept), (ours.inference, peak(build(net, "meta"), inputs(trace, "meta")))


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
    declared = f"sizes: {{{', '.join(f'{s}: {n}' for s, n in case.sizes.items())}}}\n"
    try:
        net = tracer.loads(case.text + declared)
    except TracerError:
        return
    if not comparable(net):
        return
    unpools = any(node.op_name.startswith("MaxUnpool") for node in net.network.nodes)  # zeros are no indices
    kept, peaked = compared(net, "meta" if unpools else "cpu")
    assert kept[0] == kept[1], case
    assert peaked[0] == peaked[1], case


def comparable(net: Net) -> bool:
    """Whether it runs, in training too, makes nothing that nobody reads, and no map is empty."""
    trace = net.trace()
    if trace.diagnostics or any(y is None or 0 in y for y in trace.by_index):
        return False
    codes = {d.code for d in net.network.diagnostics} | {remark.code for _, remark in trace.remarks()}
    return not codes & {"T105", "T507"}
