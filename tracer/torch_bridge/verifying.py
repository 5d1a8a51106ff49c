"""A network's traced shapes against those of the built module, node by node, for several sizes.

Sizes are taken from inside and outside of the set that runs. The meta device carries no values, so any size can be
compared on it; what torch refuses is asked of the CPU, which refuses more, where the forward is cheap enough.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import fx

from tracer.costs.operations import costs, total
from tracer.net import Net
from tracer.shapes.trace import Trace, dim_value, trace
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.torch_bridge.building import NODE, OWNER, build
from tracer.torch_bridge.verification import Mismatch, Verification

MACS = 2e9
"""Multiply-accumulates that one forward on the CPU may take."""

BYTES = 2e9
"""What the feature maps of one forward on the CPU may take, all together."""

INDICES: Mapping[Any, int] = {
    torch.nn.functional.one_hot: 0,
    torch.gather: 2,
    torch.scatter: 2,
    torch.scatter_reduce: 2,
    torch.index_select: 2,
    torch.index_fill: 2,
    torch.index_add: 2,
    torch.index_copy: 2,
}
"""Functions that take indices, with the place of these among their arguments."""

Watch = Callable[[list[Any]], Iterator[Any]]


class TraceAt(NamedTuple):
    """The trace for some sizes."""

    sizes: Mapping[str, int]
    trace: Trace


class PlannedForward(NamedTuple):
    """One forward of a built module, and the trace that it is compared with."""

    device: str
    module: fx.GraphModule
    sizes: Mapping[str, int]
    trace: Trace


class Refused(NamedTuple):
    """The node at which torch stopped, and its message."""

    node: str
    message: str


def verify(net: Net, count: int = 8, watch: Watch = iter) -> Iterator[Verification]:
    """Compare a network for the traced sizes and for ``count`` others, inside and outside of the set that runs.

    ``watch`` sees the list of forwards before they run, for a progress bar. Raises TracerError where the network
    does not close for its declared sizes.
    """
    on_meta = build(net, "meta").eval()
    traces = list(_traces(net, count))
    forwards = [PlannedForward("meta", on_meta, *one) for one in traces]

    cheap = [one for one in traces if _is_cheap(one.trace)]
    if not cheap:
        cheap = _smallest(net, net.built.ops)
    if cheap:
        on_cpu = build(net, "meta").eval().to_empty(device="cpu")
        forwards += [PlannedForward("cpu", on_cpu, *one) for one in cheap]

    for forward in watch(forwards):
        module, mine = forward.module, forward.trace
        yield compared(module, mine, forward.device, forward.sizes)


def _traces(net: Net, count: int) -> Iterator[TraceAt]:
    """The traces of the network as it is built, for the declared sizes and for others."""
    for sizes in [net.trace().sizes, *drawn(net, count)]:
        yield TraceAt(sizes, trace(net.network, sizes, net.built.ops))


def compared(
    module: fx.GraphModule, mine: Trace, device: str, sizes: Mapping[str, int]
) -> Verification:
    """One forward of a built module against a trace of the same operations."""
    recorder = _Recorder(module)
    refused = None
    with torch.no_grad():
        try:
            recorder.run(*_inputs(mine, device, sizes))
        except Exception as error:  # whatever torch raises is its refusal
            message = f"{type(error).__name__}: {error}".splitlines()[0]
            refused = Refused(recorder.owner, message)

    found = list(_shape_mismatches(mine, recorder.shapes, device))
    if refused is not None:
        found += _refusal_mismatches(mine, refused)
    return Verification(
        device=device,
        sizes=dict(sizes),
        runs=mine.is_complete,
        nodes=len(recorder.shapes),
        differences=found,
    )


def _inputs(mine: Trace, device: str, sizes: Mapping[str, int]) -> list[torch.Tensor]:
    """Zeros for every input of the network."""
    found = []
    for node in mine.network.nodes:
        if node.is_input:
            shape: Any = [dim_value(dim, sizes) for dim in node.pattern]
            found.append(torch.zeros(shape, device=device))
    return found


def _shape_mismatches(
    mine: Trace, torchs: Mapping[str, list[int]], device: str
) -> Iterator[Mismatch]:
    """The nodes that torch computed with another shape; on the meta device it refuses less than on the CPU."""
    for visit in mine.walk():
        name = visit.node.name
        found = torchs.get(name)
        if found is None:
            continue
        if visit.shape is None and device == "cpu":
            yield Mismatch(name, None, found, None)
        if visit.shape is not None and found != list(visit.shape):
            yield Mismatch(name, list(visit.shape), found, None)


def _refusal_mismatches(mine: Trace, refused: Refused) -> Iterator[Mismatch]:
    """The node at which torch stopped, where it has a shape in the trace. What comes behind it was not compared."""
    for visit in mine.walk():
        if visit.node.name == refused.node and visit.shape is not None:
            shape = list(visit.shape)
            yield Mismatch(refused.node, shape, None, refused.message)


class _Recorder(fx.Interpreter):
    """Runs a built module and keeps the shape of every node of the config."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        # Torch's own words, without our graph around them.
        self.extra_traceback = False
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
        module = self.fetch_attr(target)
        if isinstance(module, torch.nn.Embedding):
            args = tuple(map(torch.zeros_like, args))
        result = super().call_module(target, args, kwargs)
        if not getattr(module, "return_indices", False):
            return result

        # Whether an index lies in what is unpooled is a matter of values: the largest one of each window.
        pooled, _ = result
        _, indices = module(_rising(args[0]))
        return pooled, indices

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        place = INDICES.get(target)
        if place is not None:
            # Whether an index lies in a tensor is a matter of values, which a config has none of.
            args = (*args[:place], torch.zeros_like(args[place]), *args[place + 1 :])
        return super().call_function(target, args, kwargs)


def _rising(x: torch.Tensor) -> torch.Tensor:
    """A map of the same shape whose numbers rise from place to place: each window's last is its largest."""
    numbers = torch.arange(x.numel(), dtype=torch.float64, device=x.device)
    return numbers.reshape(x.shape)


def _is_cheap(mine: Trace) -> bool:
    cost = total(costs(mine))
    return cost.macs <= MACS and cost.memory <= BYTES


def _smallest(net: Net, ops: Any) -> list[TraceAt]:
    """The smallest sizes that run, where they are cheap enough for the CPU."""
    try:
        axes = net.working_sizes().axes
    except TooLarge:
        return []
    sizes = {}
    for symbol, axis in axes.items():
        sizes[symbol] = axis.runs.at_least(1) or 1

    mine = trace(net.network, sizes, ops)
    if mine.is_complete and _is_cheap(mine):
        return [TraceAt(sizes, mine)]
    return []


def drawn(net: Net, count: int) -> list[dict[str, int]]:
    """Sizes near the declared ones and near the start of the sets, members and others, always the same."""
    try:
        axes = net.working_sizes().axes
    except TooLarge:
        return []
    declared = net.trace().sizes
    choices = {}
    for symbol, n in declared.items():
        if symbol in axes:
            choices[symbol] = _near(axes[symbol].runs, n)
    if not choices:
        return []

    chance = random.Random(0)
    symbols = list(choices)
    found: list[dict[str, int]] = []
    for number in range(count * 4):
        # Every other time all symbols change at once.
        changed = symbols if number % 2 else [chance.choice(symbols)]
        sizes = dict(declared)
        for symbol in changed:
            sizes[symbol] = chance.choice(choices[symbol])
        if sizes not in found and sizes != declared:
            found.append(sizes)
    return found[:count]


def _near(runs: SizeSet, declared: int) -> list[int]:
    """Members and others near the declared size and near the least one."""
    least = runs.least or 1
    half = declared // 2
    spots = {half + 1}
    for base in (least, declared):
        spots |= {max(base - 1, 1), base, base + 1}

    for base in (declared, half):
        spots.add(runs.at_least(base + 1) or least)
        spots.add(runs.at_most(base - 1) or least)
    return sorted(spots)
