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
LARGE = 2**31
"""Bytes beyond which a network is run on the meta device."""

pytestmark = pytest.mark.filterwarnings("ignore")


def inputs(trace: Trace, device: str) -> list[torch.Tensor]:
    return [torch.rand(trace.by_index[node.index] or (), device=device) for node in trace.network.nodes if node.is_input]


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

    def run_node(self, n: torch.fx.Node) -> Any:
        value = super().run_node(n)
        found: dict[int, int] = {}
        torch.fx.node.map_aggregate((value, *self.env.values()), lambda t: self.count(t, found))
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


def compared(net: Net, device: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """(ours, torch's) of what training keeps, and of the peak of a run."""
    trace = net.trace()
    ours = memory(trace)
    assert ours is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = build(net, device)
        x = inputs(trace, device)
        return (ours.training, saved(module, x)), (ours.inference, peak(module, x))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_configs(path: Path) -> None:
    """Every config: what training keeps, and the peak of a run, are torch's, byte for byte."""
    kept, peaked = compared(tracer.load(path), "meta")
    assert kept[0] == kept[1]
    assert peaked[0] == peaked[1]
