"""Blocks folded to one row or one box at a depth.

Depth 1 shows the names of the file, 2 what is inside of their blocks, and so on.
"""

from __future__ import annotations

from typing import NamedTuple

from tracer.network.records import Declaration, Network, Node


class NamePart(NamedTuple):
    """One part of a node's dotted name."""

    text: str
    declaration: Declaration
    is_index: bool
    """True for the number of a copy that ``repeat`` makes."""


def levels(node: Node) -> list[NamePart]:
    """The parts of a node's dotted name: ``stage.2.conv`` has three, the second an index of ``stage``."""
    parts = node.name.split(".")
    found: list[NamePart] = []
    position = 0
    for declaration in (*node.uses, node.declaration):
        found.append(NamePart(parts[position], declaration, False))
        position += 1
        if declaration.repeat is not None and position < len(parts):
            found.append(NamePart(parts[position], declaration, True))
            position += 1
    return found


def groups(network: Network, depth: int | None) -> dict[str, list[Node]]:
    """The nodes of each folded name at a depth, in execution order; None unfolds everything."""
    found: dict[str, list[Node]] = {}
    for node in network.nodes:
        parts = levels(node)
        cut = len(parts) if depth is None else min(depth, len(parts))
        name = ".".join(part.text for part in parts[:cut])
        found.setdefault(name, []).append(node)
    return found


def folded(network: Network, depth: int | None) -> dict[str, str]:
    """The folded names at a depth, each with the last node of it."""
    return {name: nodes[-1].name for name, nodes in groups(network, depth).items()}


def deepest(network: Network) -> int:
    """The depth at which everything is unfolded."""
    return max((len(levels(node)) for node in network.nodes), default=1)


def label(nodes: list[Node], name: str) -> str:
    """The operation of a folded name, or its block and how often that is repeated."""
    node = nodes[0]
    depth = name.count(".") + 1
    parts = levels(node)
    last = parts[min(depth, len(parts)) - 1]
    declaration = last.declaration
    if node.is_input or (len(parts) == depth and declaration is node.declaration):
        return node.op_name

    text = str(declaration.op.value)
    if declaration.repeat is None or last.is_index:
        return text
    inside = [levels(one) for one in nodes]
    copies = {parts[depth].text for parts in inside if len(parts) > depth}
    return f"{text} ×{len(copies)}"
