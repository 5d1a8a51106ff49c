"""The weights of the module that is built from a network, told without building it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from tracer.net import Net
from tracer.network.records import Network, Node
from tracer.ops.base import Op, Shape
from tracer.ops.calls import Learned, Own, Tensor, Term, inner_terms
from tracer.shapes.trace import Trace
from tracer.torch_bridge.building import class_of, module_made, module_path
from tracer.torch_bridge.lowering import (
    SizeTerms,
    closed_trace,
    module_arguments,
    unpooled_nodes,
)


class BuiltWeight(NamedTuple):
    """A weight of a built module."""

    shape: Shape
    is_parameter: bool
    """False for a buffer."""


BuiltWeights = Mapping[str, BuiltWeight]
"""Weights by their paths."""

KEPT_MODULES = 2000
"""Of so many modules of torch.nn the weights are kept."""


def weights_built(net: Net) -> dict[str, BuiltWeight]:
    """The weights of what :func:`tracer.build` makes of a network, by their paths in its state dict.

    A weight that several nodes share is a parameter at the place of its owner alone. Raises :class:`TracerError` where
    the network does not close, or an operation has no torch form.
    """
    layers = _BuiltLayers(net.network, closed_trace(net))
    found: dict[str, BuiltWeight] = {}
    by_node: dict[int, BuiltWeights] = {}
    for visit in layers.trace.walk():
        if visit.op is not None:
            own = layers.weights_of(visit.node, visit.op)
            by_node[visit.node.index] = own
            found |= _at(visit.node, own)

    for node in net.network.sharers:
        assert node.weights is not None
        theirs = by_node[node.weights.index]
        shared = {word: one._replace(is_parameter=False) for word, one in theirs.items()}
        found |= _at(node, shared)
    return found


def _at(node: Node, weights: BuiltWeights) -> dict[str, BuiltWeight]:
    """A node's weights by their paths in the whole module."""
    path = module_path(node.name)
    return {f"{path}.{word}" if word else path: one for word, one in weights.items()}


class _BuiltLayers:
    """The layers of a network."""

    def __init__(self, network: Network, trace: Trace) -> None:
        self.network = network
        self.trace = trace
        self.unpooled = unpooled_nodes(network)
        self.tensors: list[Tensor] = []
        """What each node gives, by its index: a tensor of which the number of dims is known."""
        for node in network.nodes:
            rank = len(trace.by_index[node.index] or ())
            self.tensors.append(Tensor(None, rank))
        self.symbols: dict[str, Term] = {}
        for node in network.nodes:
            for dim, symbol in enumerate(node.pattern if node.is_input else ()):
                if isinstance(symbol, str):
                    self.symbols.setdefault(symbol, self.tensors[node.index].size(dim))

    def weights_of(self, node: Node, op: Op) -> BuiltWeights:
        """The weights of a node by their words; a tensor that is the node's own has an empty one."""
        found: dict[str, BuiltWeight] = {}
        for term in inner_terms(self._term(node, op)):
            if isinstance(term, Learned):
                found[""] = BuiltWeight(term.shape, node.learned)
            if isinstance(term, Own):
                found |= self._of_module(node, op)
        return found

    def _term(self, node: Node, op: Op) -> Any:
        """What torch calls for a node."""
        sizes = SizeTerms(self.network, node, self.symbols)
        x = [self.tensors[source.index] for source in node.inputs]
        operands = {word: self.tensors[one.index] for word, one in node.operands.items()}
        return sizes.in_op(op).call(x, operands)

    def _of_module(self, node: Node, op: Op) -> BuiltWeights:
        """The weights of a node's module of torch.nn."""
        cls = class_of(self.network, node, op)
        arguments = module_arguments(node, op, self.trace, self.unpooled)
        found = _weights_made(cls, arguments)
        if node.learned:
            return found
        return {word: one._replace(is_parameter=False) for word, one in found.items()}


def _weights_made(cls: Any, arguments: Mapping[str, Any]) -> BuiltWeights:
    """The weights of a module of torch.nn that is made with these arguments."""
    try:
        return _known_weights(cls, tuple(arguments.items()))
    except TypeError:  # an argument is a list
        return dict(_weights_of_one(cls, arguments))


@lru_cache(KEPT_MODULES)
def _known_weights(cls: Any, arguments: Sequence[tuple[str, Hashable]]) -> BuiltWeights:
    return dict(_weights_of_one(cls, dict(arguments)))


def _weights_of_one(
    cls: type[torch.nn.Module], arguments: Mapping[str, Any]
) -> Iterator[tuple[str, BuiltWeight]]:
    with torch.device("meta"):
        module = module_made(cls, arguments)
    parameters = dict(module.named_parameters())
    for word, weight in module.state_dict(keep_vars=True).items():
        yield word, BuiltWeight(tuple(weight.shape), word in parameters)
