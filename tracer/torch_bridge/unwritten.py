"""Constants of a network whose values are no part of its config: the buffers of a module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tracer.importing.recording import Step, Weights, from_scopes
from tracer.network.records import Network
from tracer.ops.creation import Full
from tracer.shapes.traced import Ops
from tracer.torch_bridge.building import module_path

HOW_TO_LOAD = (
    "values of buffers are not written here, load them: tracer.build(net)"
    ".load_state_dict(tracer.torch_bridge.opening.read_module(module, shape).state_dict())"
)
"""What a config says at its beginning where it has constants."""


def told_of_constant(step: Step, weights: Weights, buffers: Mapping[int, str]) -> str:
    """What a comment beside a step says of its constants: the buffers of the module that have their values.

    ``buffers`` are the names of those by their memory.
    """
    names = sorted(buffers[memory] for memory in weights.memory if memory in buffers)
    told = [from_scopes(step.scopes, name) for name in names]
    of_buffers = (
        f"values are those of buffer {', '.join(told)}" if told else "values are not written"
    )
    return f"{of_buffers}: load them"


def unwritten_in(network: Network) -> Iterator[str]:
    """The names under which a state dict has the constants of a network."""
    for node in network.nodes:
        if node.weights is None and not node.learned:
            yield module_path(node.name)


def made_at_run_time(network: Network, ops: Ops) -> Iterator[str]:
    """The nodes in whose place the module makes tensors of its input's sizes, with values that no config has."""
    for node, op in zip(network.nodes, ops):
        if isinstance(op, Full) and op.fill_value is None:
            yield node.name
