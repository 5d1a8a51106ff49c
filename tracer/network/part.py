"""A part of a network: a node with all that it is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from tracer.diagnostics import Diagnostic
from tracer.network.graph import sources
from tracer.network.records import Network, Node
from tracer.network.values import did_you_mean
from tracer.source.expressions import Expression

T = TypeVar("T")


class UnknownLayer(ValueError):
    """A network has no layer of a name; the message has the nearest."""


def cut_behind(network: Network, name: str) -> None:
    """Leave out what a node does not need, of a network that is just being loaded; the node is its output.

    By a block's name it is the block's last node. Raises :class:`UnknownLayer`.
    """
    node = layer_called(network, name)
    kept = _needed(network, node)
    names = [word for word, one in network.outputs.items() if one is node]

    network.until = name
    network.nodes = [one for one in network.nodes if one in kept]
    network.outputs = dict.fromkeys(names or [name], node)
    network.output_expect = _only(network.output_expect, names)
    network.sharers = _sharers(network.sharers, kept)

    network.names = {word: one for word, one in network.names.items() if one in kept}
    network.diagnostics = [one for one in network.diagnostics if _is_of(one, network)]
    symbols = _symbols(network.nodes)
    network.symbols = _only(network.symbols, symbols)
    network.sizes = _only(network.sizes, symbols)


def _is_of(found: Diagnostic, network: Network) -> bool:
    """Whether a finding is about what is left of a network."""
    return found.node is None or found.node in network.names


def _only(by_name: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    """The entries of these names."""
    return {name: value for name, value in by_name.items() if name in names}


def layer_called(network: Network, name: str) -> Node:
    """The node of a layer's or block's name. Raises :class:`UnknownLayer` where there is none."""
    layers = {word: node for word, node in network.names.items() if not node.is_input}
    if name not in layers:
        hint = did_you_mean(name, layers)
        raise UnknownLayer(f"no layer is called {name!r}" + (f"; {hint}" if hint else ""))
    return layers[name]


def _needed(network: Network, node: Node) -> set[Node]:
    """The node and all that it is made of, with inputs for all symbols in that."""
    found: set[Node] = set()
    pending = [node]
    while pending:
        one = pending.pop()
        if one not in found:
            found.add(one)
            pending += sources(one)

    missing = _named(found) - _symbols(found)
    for one in network.nodes:
        if one.is_input and missing & _symbols([one]):
            found.add(one)
            missing -= _symbols([one])
    return found


def _symbols(nodes: Iterable[Node]) -> set[str]:
    """The symbols of the inputs among some nodes."""
    inputs = [node for node in nodes if node.is_input]
    return {dim for node in inputs for dim in node.pattern if isinstance(dim, str)}


def _named(nodes: Iterable[Node]) -> set[str]:
    """The symbols in arguments and expectations of some nodes."""
    found: set[str] = set()
    for node in nodes:
        dims = list(node.expect[0]) if node.expect is not None else []
        for given in node.dim_fields.values():
            dims += given if isinstance(given, tuple) else (given,)
        for dim in dims:
            found |= set(dim.names) if isinstance(dim, Expression) else {dim} - {None}  # type: ignore[arg-type]
    return found


def _sharers(sharers: Iterable[Node], kept: set[Node]) -> list[Node]:
    """The nodes that still share parameters: where their owner is left out, the first of them has its own."""
    owners: dict[Node, Node] = {}
    found = []
    for node in sharers:
        if node not in kept or node.weights is None:
            continue
        owner = node.weights
        if owner not in kept:
            owner = owners.setdefault(owner, node)
        node.weights = None if owner is node else owner
        if owner is not node:
            found.append(node)
    return found
