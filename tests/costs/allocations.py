"""What torch allocates in a training step on the CPU, by the events of its allocator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

Event = tuple[int, int, int, int | None]
"""Time, address, bytes (negative: freed), and the call of torch's in which it is."""


class Loss(torch.autograd.Function):
    """A loss that makes nothing but the gradients of the outputs."""

    @staticmethod
    def forward(ctx: Any, *outputs: torch.Tensor) -> torch.Tensor:
        ctx.like = [(y.shape, y.dtype, y.device) for y in outputs]
        return outputs[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return tuple(
            torch.ones(shape, dtype=dtype, device=device) for shape, dtype, device in ctx.like
        )


class Runner:
    """Runs a graph module node by node, some stretches of its nodes as one checkpoint each."""

    def __init__(self, module: fx.GraphModule, stretches: Sequence[Sequence[str]]) -> None:
        self.interpreter = fx.Interpreter(module, garbage_collect_values=False)
        self.nodes = list(module.graph.nodes)
        self.stretch_of = {names[0]: set(names) for names in stretches}

    def run(self, *x: torch.Tensor) -> Any:
        placeholders = [node for node in self.nodes if node.op == "placeholder"]
        known: dict[fx.Node, Any] = dict(zip(placeholders, x))
        last = {source: node for node in self.nodes for source in node.all_input_nodes}
        inside: set[str] = set()
        for node in self.nodes:
            if node.op == "output":
                return fx.node.map_arg(node.args[0], known.__getitem__)
            if node in known or node.name in inside:
                continue

            done = [node]
            if node.name in self.stretch_of:
                inside = self.stretch_of[node.name]
                done = [one for one in self.nodes if one.name in inside]
                self.run_checkpoint(done, known)
            else:
                self.run_node(node, known)
            for one in done:
                for source in one.all_input_nodes:
                    if last[source] in done and source.op != "placeholder":
                        known.pop(source, None)
        raise AssertionError("a graph has an output")

    def run_node(self, node: fx.Node, known: dict[fx.Node, Any]) -> None:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
        known[node] = getattr(self.interpreter, node.op)(node.target, args, kwargs)

    def run_checkpoint(self, nodes: list[fx.Node], known: dict[fx.Node, Any]) -> None:
        """Runs nodes as one checkpoint: what later nodes read is known then."""
        read = [source for node in nodes for source in node.all_input_nodes]
        arguments = list(dict.fromkeys(source for source in read if source not in nodes))
        returned = [node for node in nodes if not set(node.users) <= set(nodes)]
        last = {source: node for node in nodes for source in node.all_input_nodes}

        def function(*values: Any) -> Any:
            own = dict(zip(arguments, values))
            for node in nodes:
                self.run_node(node, own)
                for source in node.all_input_nodes:
                    if last[source] is node and source not in returned:
                        own.pop(source, None)
            return tuple(own[node] for node in returned)

        made = checkpoint(
            function,
            *[known[node] for node in arguments],
            use_reentrant=False,
            preserve_rng_state=False,
        )
        known.update(zip(returned, made))


def peak_of_step(
    run: Any,
    module: torch.nn.Module,
    x: Sequence[torch.Tensor],
    optimizer: torch.optim.Optimizer | None = None,
    amp: torch.dtype | None = None,
) -> int:
    """The bytes that are alive where a step takes most, without what one call of torch makes and frees.

    The step is the second one: an optimizer's state is there.
    """

    def step() -> Any:
        with torch.autocast("cpu", amp or torch.bfloat16, enabled=amp is not None):
            y = run(*x)
        outputs = [y] if isinstance(y, torch.Tensor) else list(leaves(y))
        Loss.apply(*outputs).backward()  # type: ignore[no-untyped-call]
        if optimizer is not None:
            optimizer.step()
        return outputs

    step()
    module.zero_grad(set_to_none=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        outputs = step()
    del outputs

    before = [*module.parameters(), *module.buffers(), *x]
    if optimizer is not None:
        states = optimizer.state.values()
        before += [t for state in states for t in state.values() if torch.is_tensor(t)]
    there = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in before}
    tree = profiled.profiler.kineto_results.experimental_event_tree()  # type: ignore[union-attr]
    return sum(there.values()) + most_alive(events(tree))


def leaves(y: Any) -> Iterator[torch.Tensor]:
    """The tensors of nested outputs."""
    for one in y.values() if isinstance(y, Mapping) else y:
        if isinstance(one, torch.Tensor):
            yield one
        else:
            yield from leaves(one)


def events(tree: Iterable[Any]) -> list[Event]:
    """The allocator's events in the order in which they came."""
    found: list[Event] = []
    waiting: list[tuple[Any, int | None]] = [(one, None) for one in tree]
    while waiting:
        one, call = waiting.pop()
        if one.name == "[memory]":
            extra = one.extra_fields
            found.append((one.start_time_ns, extra.ptr, extra.alloc_size, call))
        if call is None and one.name.startswith("aten::"):
            call = id(one)
        waiting += [(child, call) for child in one.children]
    return sorted(found, key=lambda event: event[0])


def most_alive(found: Sequence[Event]) -> int:
    """The most bytes at once of what was made meanwhile; what one call makes and frees is its workspace."""
    made: dict[int, int] = {}
    passing: set[int] = set()
    for number, (_, address, size, call) in enumerate(found):
        if size > 0:
            made[address] = number
            continue
        start = made.pop(address, None)
        if start is None:
            passing.add(number)  # it was there before
        elif call is not None and found[start][3] == call:
            passing |= {start, number}

    total = most = 0
    for number, (_, _, size, _) in enumerate(found):
        if number not in passing:
            total += size
            most = max(most, total)
    return most
