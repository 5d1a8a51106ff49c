"""The network as a graph: execution order, cycles, and networkx.

Order is deterministic: the file's order wherever every input stands before its use, and otherwise the
topological order that stays nearest to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from tracer.diagnostics import Diagnostic, Related, TracerError
from tracer.network.records import Network, Node

if TYPE_CHECKING:
    import networkx


def arrange(network: Network) -> None:
    """Put the nodes in execution order and check the graph.

    Raises :class:`TracerError` for a cycle (T103) and a wrong number of inputs (T106); a node without use (T105)
    becomes a warning of the network.
    """
    _number(network.nodes)
    unused, in_order = _reads(network)
    suspect = list(filter(_is_suspect, network.nodes))
    if not in_order:
        network.nodes = _sorted(network)
        _number(network.nodes)

    suspect.sort(key=by_index)
    found = [
        d
        for node in suspect
        if (d := _wrong_arity(network, node) or _wrong_indices(network, node))
    ]
    if found:
        # A block's fault is reported for its first use.
        first_uses = {(d.code, d.span): d for d in reversed(found)}
        raise TracerError(list(first_uses.values()))
    network.diagnostics.extend(_without_use(network, unused))


def _number(nodes: list[Node]) -> None:
    for index, node in enumerate(nodes):
        node.index = index


def _reads(network: Network) -> tuple[list[Node], bool]:
    """The nodes that nothing reads and that are no output, and whether every node comes after those that it reads."""
    used = {node.index for node in network.outputs.values()}
    in_order = True
    for node in network.nodes:
        index = node.index
        for source in sources(node) if node.operands else node.inputs:
            used.add(source.index)
            if source.index >= index:
                in_order = False
    if len(used) == len(network.nodes):
        return [], in_order
    return [node for node in network.nodes if node.index not in used], in_order


def _is_suspect(node: Node) -> bool:
    """True for a node that may have a wrong number of inputs, or inputs of the wrong kind."""
    if node.op is None:
        return False
    arity = node.op.arity
    count = len(node.inputs)
    if not node.operands and arity == (count, count):  # as most layers have it
        return False
    least, most = arity
    return bool(node.operands) or count < least or (most is not None and count > most)


by_index = attrgetter("index")


def sources(node: Node) -> list[Node]:
    """The nodes that a node reads: its inputs, then those that give an argument."""
    return [*node.inputs, *node.operands.values()] if node.operands else node.inputs


def made_of(nodes: Iterable[Node]) -> list[Node]:
    """The nodes that some are made of, themselves included."""
    found: dict[int, Node] = {}
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if node.index not in found:
            found[node.index] = node
            pending += sources(node)
    return list(found.values())


def consumers(network: Network) -> dict[int, list[Node]]:
    """The nodes that read each node, by its index."""
    found: dict[int, list[Node]] = {}
    for node in network.nodes:
        for source in sources(node):
            found.setdefault(source.index, []).append(node)
    return found


def skip_of(node: Node, readers: Mapping[int, list[Node]]) -> Node | None:
    """The skip that an up-layer's map meets: the other input of the first merge behind it. None where there is none."""
    chain = chain_behind(node, readers)
    merge = chain[-1]
    if len(chain) == 1 or len(merge.inputs) < 2:
        return None
    seen = {one.index for one in chain[:-1]}
    return next((source for source in merge.inputs if source.index not in seen), None)


def merge_behind(node: Node, readers: Mapping[int, list[Node]]) -> Node | None:
    """The first merge that a node's map comes to, read by one node after the other. None where there is none."""
    chain = chain_behind(node, readers)
    return chain[-1] if len(chain) > 1 and len(chain[-1].inputs) > 1 else None


def chain_behind(node: Node, readers: Mapping[int, list[Node]]) -> list[Node]:
    """A node and those behind it, each the only one that reads the one before, up to the first merge."""
    chain = [node]
    while len(following := readers.get(chain[-1].index, [])) == 1:
        chain.append(following[0])
        if len(following[0].inputs) > 1:
            break
    return chain


def _sorted(network: Network) -> list[Node]:
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(network.nodes)))
    graph.add_edges_from(
        (source.index, node.index) for node in network.nodes for source in sources(node)
    )
    try:
        return [network.nodes[i] for i in networkx.lexicographical_topological_sort(graph)]
    except networkx.NetworkXUnfeasible:
        edges = networkx.find_cycle(graph)
    path = [network.nodes[a] for a, _ in edges]
    first = min(range(len(path)), key=lambda i: path[i].index)
    path = path[first:] + path[:first]
    chain = " -> ".join(node.name for node in (*path, path[0]))
    raise TracerError(
        [
            Diagnostic(
                "T103",
                f"the graph has a cycle: {chain}",
                path[0].span,
                path=network.path,
                related=tuple(
                    Related(f"{node.name} stands here", node.span) for node in path[1:]
                ),
                node=path[0].name,
            )
        ]
    )


def _wrong_arity(network: Network, node: Node) -> Diagnostic | None:
    if node.op is None:
        return None
    least, most = node.op.arity
    count = len(node.inputs)
    if least <= count and (most is None or count <= most):
        return None
    if most is None:
        wanted = f"at least {least}"
    else:
        wanted = str(least) if least == most else f"{least} to {most}"
    hint = _named_inputs(node) if count == 1 else None
    message = f"{node.op_name} takes {wanted} input{'s' if wanted != '1' else ''}, not {count}"
    declared = node.declaration.inputs
    from tracer.source.tree import span_of

    span = span_of(declared[0]) if declared else node.span_for(None)
    return Diagnostic(
        "T106",
        message,
        span,
        path=network.path,
        hint=hint,
        related=node.use_places(),
        node=node.name,
    )


def _named_inputs(node: Node) -> str:
    """The hint that more inputs are wanted, with the first as the declaration can call it."""
    declaration = node.declaration
    name, prefix = node.inputs[0].name, node.name[: node.name.rindex(declaration.name)]
    if declaration.inputs:
        name = prefix + str(declaration.inputs[0].value)
    if not name.startswith(
        prefix
    ):  # the input of the block around it, which has a name of its own there
        return "name all of its inputs under `from`"
    return f"write `from: [{name[len(prefix) :]}, ...]`"


def _wrong_indices(network: Network, node: Node) -> Diagnostic | None:
    """Only a max pooling gives indices."""
    source = node.operands.get("indices")
    if (
        source is None
        or source.op is None
        or "return_indices" in type(source.op).__struct_fields__
    ):
        return None
    return Diagnostic(
        "T202",
        f"{node.name}: indices must name a max pooling; {source.name} is a {source.op_name}",
        node.span_for("indices"),
        path=network.path,
        related=(Related(f"{source.name} stands here", source.span), *node.use_places()),
        node=node.name,
    )


def _without_use(network: Network, unused: list[Node]) -> list[Diagnostic]:
    """T105: nodes that nothing reads and that are no output; once for each declaration."""
    found: dict[int, Diagnostic] = {}
    for node in sorted(unused, key=by_index):
        if id(node.declaration) in found:
            continue
        found[id(node.declaration)] = Diagnostic(
            "T105",
            f"nothing uses {node.name}, and it is no output",
            node.span,
            "warning",
            network.path,
            "name it under `from` of the node that should read it, or under `output`, or remove it",
            node.use_places(),
            node.name,
        )
    return list(found.values())


def digraph(network: Network, shapes: Mapping[str, Any] | None = None) -> networkx.DiGraph[str]:
    """The network as ``networkx.DiGraph``.

    Nodes carry ``op``, ``section``, ``span``, ``args``, ``input_shapes`` and ``shape``. Edges carry ``position``,
    the input's position (or the argument's name, for a size taken from a node), and ``positions``, all of them.
    """
    import networkx

    shapes = {} if shapes is None else shapes
    graph: networkx.DiGraph[str] = networkx.DiGraph(name=network.name or "")
    for node in network.nodes:
        graph.add_node(
            node.name,
            op=node.op_name,
            section=node.section,
            span=node.span,
            args=node.arguments(node.op) if node.op is not None else {},
            input_shapes=[shapes.get(source.name) for source in node.inputs],
            shape=shapes.get(node.name),
        )
    for node in network.nodes:
        positions: dict[str, list[int | str]] = {}
        for position, source in enumerate(node.inputs):
            positions.setdefault(source.name, []).append(position)
        for field, source in node.operands.items():
            positions.setdefault(source.name, []).append(field)
        for name, places in positions.items():
            graph.add_edge(name, node.name, position=places[0], positions=tuple(places))
    return graph
