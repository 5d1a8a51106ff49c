"""A part of an ONNX graph: some tensors with all that they are computed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class GraphPart(NamedTuple):
    """What some tensors are computed from."""

    nodes: list[Any]
    """In the file's order."""
    tensors: set[str]
    """The names of inputs and of tensors that are read."""


def names_in(graph: Any) -> list[str]:
    """The names of the nodes and of the tensors that they give."""
    nodes = [node.name for node in graph.node if node.name]
    return [*nodes, *(name for node in graph.node for name in node.output if name)]


def outputs_of(graph: Any, name: str) -> tuple[str, ...]:
    """The tensors that a node gives, by its name or by that of one of them; none where there is no such node."""
    for node in graph.node:
        if node.name == name:
            return tuple(word for word in node.output[:1] if word)
    known = {word for node in graph.node for word in node.output}
    return (name,) if name and name in known else ()


def whole(graph: Any) -> GraphPart:
    """All of it, with the inputs that nothing reads."""
    return GraphPart(list(graph.node), {one.name for one in graph.input})


def needed(graph: Any, tensors: Sequence[str]) -> GraphPart:
    """What tensors of a graph are computed from."""
    names = set(tensors)
    nodes = []
    for node in reversed(graph.node):
        if not names.isdisjoint(node.output):
            nodes.append(node)
            names |= set(_read(node))
    return GraphPart(nodes[::-1], names)


def _read(node: Any) -> Iterator[str]:
    """The tensors that a node reads, those of the graphs in it included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read(inner)
            yield from (one.name for one in graph.output)
