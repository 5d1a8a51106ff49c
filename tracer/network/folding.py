"""Blocks folded to one row or one box at a depth.

Depth 1 shows the names of the file, 2 what is inside of their blocks, and so on.
"""

from __future__ import annotations

from tracer.network.records import Declaration, Network, Node


def levels(node: Node) -> list[tuple[str, Declaration, bool]]:
    """The parts of a dotted name, each with its declaration; True for a part that is a repeat's index."""
    parts = node.name.split(".")
    found: list[tuple[str, Declaration, bool]] = []
    position = 0
    for declaration in (*node.uses, node.declaration):
        found.append((parts[position], declaration, False))
        position += 1
        if declaration.repeat is not None and position < len(parts):
            found.append((parts[position], declaration, True))
            position += 1
    return found


def groups(network: Network, depth: int | None) -> dict[str, list[Node]]:
    """The nodes of each folded name at a depth, in execution order; None unfolds everything."""
    found: dict[str, list[Node]] = {}
    for node in network.nodes:
        parts = levels(node)
        cut = len(parts) if depth is None else min(depth, len(parts))
        found.setdefault(".".join(part for part, _, _ in parts[:cut]), []).append(node)
    return found


def folded(network: Network, depth: int | None) -> dict[str, str]:
    """The folded names at a depth, each with the last node of it."""
    return {name: nodes[-1].name for name, nodes in groups(network, depth).items()}


def deepest(network: Network) -> int:
    """The depth at which everything is unfolded."""
    return max((len(levels(node)) for node in network.nodes), default=1)


def label(nodes: list[Node], name: str) -> str:
    """What a folded name is: its operation, or its block and how often that is repeated."""
    node = nodes[0]
    parts = name.count(".") + 1
    found = levels(node)
    _, declaration, is_index = found[min(parts, len(found)) - 1]
    if node.is_input or (len(found) == parts and declaration is node.declaration):
        return node.op_name
    text = str(declaration.op.value)
    if declaration.repeat is not None and not is_index:
        copies = len({levels(n)[parts][0] for n in nodes if len(levels(n)) > parts})
        return f"{text} ×{copies}"
    return text
