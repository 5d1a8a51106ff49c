"""A written module lets go of its maps when nothing reads them: its peak is measured, and is what its file says."""

from __future__ import annotations

import re
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import tracer
from tests import ROOT
from tracer.costs.memory import memory
from tracer.torch_bridge.source import torch_source

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

CHAIN = "input: [1, 8, 64, 64]\nlayers:\n" + "".join(
    f"  c{n}: {{op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}}\n" for n in range(6)
)


class Alive(TorchDispatchMode):
    """The most bytes of storage that are alive after any operation."""

    def __init__(self, inputs: list[torch.Tensor]) -> None:
        super().__init__()
        self.tensors = [weakref.ref(tensor) for tensor in inputs]
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        made = result if isinstance(result, (tuple, list)) else [result]
        self.tensors += [weakref.ref(one) for one in made if isinstance(one, torch.Tensor)]

        alive = [tensor for ref in self.tensors if (tensor := ref()) is not None]
        self.tensors = [weakref.ref(tensor) for tensor in alive]
        storages = [tensor.untyped_storage() for tensor in alive]
        each = {storage._cdata: storage.nbytes() for storage in storages}
        self.peak = max(self.peak, sum(each.values()))
        return result


def measured(net: tracer.Net, text: str) -> int:
    """The peak of one run of a written module on tensors without data."""
    names: dict[str, Any] = {}
    exec(text, names)
    with torch.device("meta"):
        module = names["Network"]().eval()
        by_index = net.trace().by_index
        shapes: Any = [by_index[node.index] for node in net.network.nodes if node.is_input]
        inputs = [torch.zeros(shape) for shape in shapes]
    with torch.no_grad(), Alive(inputs) as alive:
        module(*inputs)
    return alive.peak


def told(text: str) -> int:
    """The peak that a file's head names."""
    found = re.search(r"at most (\d+) bytes", text)
    assert found
    return int(found[1])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_peak_is_the_one_that_is_told(path: Path) -> None:
    """And the run's of ``tracer trace``, but for what the callers of blocks hold, which the file names too."""
    net = tracer.load(path)
    text = torch_source(net)
    peak = measured(net, text)
    # A norm makes a few numbers for each channel that nobody keeps.
    assert told(text) <= peak <= 1.01 * told(text)

    of_a_run = memory(net.trace())
    assert of_a_run is not None
    if told(text) != of_a_run.inference:
        assert f"otherwise {of_a_run.inference} would do" in text
    assert peak <= 1.7 * of_a_run.inference


def test_a_chain_holds_two_maps() -> None:
    """Six maps in a row: two of them at once, beside the input."""
    net = tracer.loads(CHAIN)
    assert measured(net, torch_source(net)) == 3 * 8 * 64 * 64 * 4
