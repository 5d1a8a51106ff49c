"""A network's traced shapes against those of the built module, node by node, for several sizes.

Sizes are taken from inside and outside of the set that runs. The meta device carries no values, so any size can be
compared on it; what torch refuses is asked of the CPU, which refuses more, where the forward is cheap enough.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import fx

from tracer.costs.operations import costs, total
from tracer.net import Net
from tracer.shapes.trace import Trace, trace
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.torch_bridge.building import NODE, OWNER, build, inferred_arguments
from tracer.torch_bridge.verification import Mismatch, Verification

MACS = 2e9
"""Multiply-accumulates that one forward on the CPU may take."""

BYTES = 2e9
"""What the feature maps of one forward on the CPU may take, all together."""


Watch = Callable[[list[Any]], Iterator[Any]]


def verify(net: Net, count: int = 8, watch: Watch = iter) -> Iterator[Verification]:
    """Compare a network for the traced sizes and for ``count`` others, inside and outside of the set that runs.

    ``watch`` sees the list of forwards before they run, for a progress bar. Raises TracerError where the network
    does not close for its declared sizes.
    """
    module = build(net, "meta").eval()
    ops = net.trace().ops
    plans = [
        (sizes, trace(net.network, sizes, ops)) for sizes in [net.trace().sizes, *drawn(net, count)]
    ]
    plans = [(sizes, mine) for sizes, mine in plans if fits(net.trace(), mine)]
    forwards = [("meta", module, sizes, mine) for sizes, mine in plans]
    cheap = [(sizes, mine) for sizes, mine in plans if _is_cheap(mine)] or _smallest(net, ops)
    on_cpu = build(net, "meta").eval().to_empty(device="cpu") if cheap else module
    forwards += [("cpu", on_cpu, sizes, mine) for sizes, mine in cheap]
    for device, built, sizes, mine in watch(forwards):
        yield compared(built, mine, device, sizes)


def fits(built: Trace, mine: Trace) -> bool:
    """Whether a module built for one trace has the weights that another needs: widths that are inferred may differ."""
    here = inferred_arguments(built)
    return all(here.get(name) == arguments for name, arguments in inferred_arguments(mine).items())


def compared(
    module: fx.GraphModule, mine: Trace, device: str, sizes: Mapping[str, int]
) -> Verification:
    """One forward of a built module against a trace of the same operations."""
    network = mine.network
    recorder = _Recorder(module)
    inputs = [
        torch.zeros([sizes[d] if isinstance(d, str) else d for d in node.pattern], device=device)  # type: ignore[misc]
        for node in network.nodes
        if node.is_input
    ]
    refused: tuple[str, str] | None = None
    with torch.no_grad():
        try:
            recorder.run(*inputs)
        except Exception as error:  # whatever torch raises is its refusal
            refused = (recorder.owner, f"{type(error).__name__}: {error}".splitlines()[0])
    shapes = {node.name: shape for node, shape in zip(network.nodes, mine.by_index)}
    return Verification(
        device,
        dict(sizes),
        None not in mine.by_index,
        len(recorder.shapes),
        list(_differences(shapes, recorder.shapes, refused, device)),
    )


def _differences(
    mine: Mapping[str, Any],
    torchs: Mapping[str, list[int]],
    refused: tuple[str, str] | None,
    device: str,
) -> Iterator[Mismatch]:
    """Torch stops at the first node that it refuses; on the meta device it refuses less than on the CPU."""
    for name, shape in mine.items():
        found = torchs.get(name)
        traced = None if shape is None else list(shape)
        if found is not None and traced is not None and found != traced:
            yield Mismatch(name, traced, found, None)
        if found is not None and traced is None and device == "cpu":
            yield Mismatch(name, None, found, None)
    if refused is not None and mine.get(refused[0]) is not None:
        yield Mismatch(refused[0], list(mine[refused[0]]), None, refused[1])


class _Recorder(fx.Interpreter):
    """Runs a built module and keeps the shape of every node of the config."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.extra_traceback = False  # torch's own words, without our graph around them
        self.shapes: dict[str, list[int]] = {}
        self.owner = ""
        """The node of the config that is being computed."""

    def run_node(self, n: fx.Node) -> Any:
        self.owner = n.meta.get(OWNER, self.owner)
        result = super().run_node(n)
        if NODE in n.meta and isinstance(result, torch.Tensor):
            self.shapes[n.meta[NODE]] = list(result.shape)
        return result

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        if isinstance(self.fetch_attr(target), UNPOOLS):
            # Which index stands where, and whether it lies in the output, is a matter of values.
            x, indices, *rest = args
            args = (x, torch.zeros_like(indices), *rest)
        return super().call_module(target, args, kwargs)


UNPOOLS = (torch.nn.MaxUnpool1d, torch.nn.MaxUnpool2d, torch.nn.MaxUnpool3d)


def _is_cheap(mine: Trace) -> bool:
    cost = total(costs(mine))
    return cost.macs <= MACS and cost.memory <= BYTES


def _smallest(net: Net, ops: Any) -> list[tuple[dict[str, int], Trace]]:
    """The smallest sizes that run, where they are cheap enough for the CPU."""
    try:
        axes = net.working_sizes().axes
    except TooLarge:
        return []
    sizes = {symbol: (axis.runs.at_least(1) or 1) for symbol, axis in axes.items()}
    mine = trace(net.network, sizes, ops)
    return [(sizes, mine)] if None not in mine.by_index and _is_cheap(mine) else []


def drawn(net: Net, count: int) -> list[dict[str, int]]:
    """Sizes near the declared ones and near the start of the sets, members and others, always the same."""
    try:
        axes = net.working_sizes().axes
    except TooLarge:
        return []
    declared = net.trace().sizes
    choices = {s: _near(axes[s].runs, n) for s, n in declared.items() if s in axes}
    if not choices:
        return []
    chance = random.Random(0)
    found: list[dict[str, int]] = []
    for number in range(count * 4):
        sizes = dict(declared)
        symbols = list(choices) if number % 2 else [chance.choice(list(choices))]
        for symbol in symbols:
            sizes[symbol] = chance.choice(choices[symbol])
        if sizes not in found and sizes != declared:
            found.append(sizes)
    return found[:count]


def _near(runs: SizeSet, declared: int) -> list[int]:
    """Members and others near the declared size and near the least one."""
    least = runs.least or 1
    spots = {
        least,
        least + 1,
        max(least - 1, 1),
        declared,
        declared + 1,
        max(declared - 1, 1),
        declared // 2 + 1,
    }
    spots |= {
        n
        for base in (declared, declared // 2)
        for n in (runs.at_least(base + 1), runs.at_most(base - 1))
        if n
    }
    return sorted(spots)
