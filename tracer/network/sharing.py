"""Parameters that nodes share: ``weights: NODE`` on a layer, or on the use of a block for all layers inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from yaml.nodes import ScalarNode

from tracer.diagnostics import Related
from tracer.network.faults import Faults
from tracer.network.names import Names, Reference
from tracer.network.records import Declaration, Node
from tracer.network.values import value_of
from tracer.ops.base import Op, Shape, fields_of
from tracer.source.tree import Fault, described


class SharedUse(NamedTuple):
    """A declaration with ``weights``, and where its nodes are."""

    name: str
    """Its name in the network, without the number of a copy."""
    prefix: str
    """The beginning of the names around it."""
    at: ScalarNode
    """The name under ``weights``."""
    is_repeated: bool

    def references(self, node: Node) -> Iterator[Reference]:
        """What stands for a node of it in what it shares: ``enc.conv`` for ``twin.conv``; a copy's copy first."""
        tail = node.name.removeprefix(self.name)
        tails = [tail]
        if self.is_repeated:
            _, _, behind_number = tail.removeprefix(".").partition(".")
            tails.append(f".{behind_number}" if behind_number else "")

        for one in tails:
            found = Reference(self.prefix, self.at, node.uses)
            found.text = self.at.value + one
            yield found


class WeightSharing:
    """The nodes that share parameters, until all names are known."""

    def __init__(self, names: Names, faults: Faults) -> None:
        self.names = names
        self.faults = faults
        self._waiting: list[tuple[Node, SharedUse]] = []

    def note(self, node: Node, use: SharedUse) -> None:
        """Let a node share what the use names."""
        self._waiting.append((node, use))

    def resolve(self) -> list[Node]:
        """Give every node that shares parameters the one that has them; returns those that share."""
        uses: dict[Node, SharedUse] = {}
        shared: dict[Node, Node] = {}
        for node, use in self._waiting:
            source = self._source(node, use)
            if source is not None:
                uses[node] = use
                shared[node] = source

        circular: set[Node] = set()
        for node, use in uses.items():
            path = _path(node, shared)
            owner = path[-1]
            if owner in path[:-1]:
                if circular.isdisjoint(path):
                    self._refuse_circle(path, node, use)
                circular.update(path)
                continue
            try:
                if owner.is_input:
                    raise Fault(
                        "T202", f"the input {owner.name} has no parameters to share", use.at
                    )
                if owner.op is not None and node.op is not None:
                    _refuse_others(node, owner, use)
                    node.weights = owner
                    node.learned = owner.learned
            except Fault as fault:
                self.faults.add(fault, node.uses, node.name)
        return [node for node in uses if node.weights is not None]

    def _refuse_circle(self, path: list[Node], node: Node, use: SharedUse) -> None:
        """Report a circle once, at the first node that leads into it."""
        chain = " -> ".join(one.name for one in path)
        fault = Fault("T103", f"`weights` go in a circle: {chain}", use.at)
        self.faults.add(fault, node.uses, node.name)

    def _source(self, node: Node, use: SharedUse) -> Node | None:
        """The node that a node's use names for it; None where there is none, which is recorded."""
        if node.op is None:
            return None
        if not has_parameters(node.op):
            # Of a block, those layers share that have something to share.
            if node.declaration.weights is use.at:
                message = f"{node.op_name} has no parameters to share"
                self.faults.add(Fault("T202", message, use.at), node.uses, node.name)
            return None

        references = list(use.references(node))
        targets = self.names.targets
        known = [one for one in references if one.prefix + one.text in targets]
        return self.names.resolved((known or references)[0], node)


def _path(node: Node, shared: Mapping[Node, Node]) -> list[Node]:
    """The nodes from one to that which has the parameters at last; in a circle, to the one that comes again."""
    path = [node]
    while path[-1] in shared:
        owner = shared[path[-1]]
        path.append(owner)
        if owner in path[:-1]:
            break
    return path


def _refuse_others(node: Node, owner: Node, use: SharedUse) -> None:
    """Raise :class:`Fault` (T202) where two nodes are not one operation with one set of arguments."""
    assert node.op is not None
    assert owner.op is not None
    why = disagreement(node.op, owner.op)
    if why is None and (node.unknowns or owner.unknowns):
        why = "an `auto` is solved for each node by itself; write its value"
    if why is None and node.declaration.learned is not None and node.learned != owner.learned:
        why = "one of them is learned, the other is not"
    if why is not None:
        message = f"{node.name} cannot share the weights of {owner.name}: {why}"
        related = (Related(f"{owner.name} stands here", owner.span),)
        raise Fault("T202", message, use.at, None, related)


def has_parameters(op: Op) -> bool:
    """True for an operation that has parameters, whatever its arguments are."""
    return type(op).parameters is not Op.parameters


def disagreement(a: Op, b: Op) -> str | None:
    """Why two operations cannot be one module that is called twice; None where they can.

    Widths that one of them takes from its input are not compared, nor are sizes that a node gives at run time.
    """
    if type(a) is not type(b):
        return f"one is {type(a).__name__}, the other {type(b).__name__}"
    for field in fields_of(type(a)):
        mine, theirs = getattr(a, field.name), getattr(b, field.name)
        is_open = field.default is None and None in (mine, theirs)
        is_of_call = field.encode_name in (*type(a).node_fields, *type(a).per_call)
        if is_of_call or is_open:
            continue
        if type(mine) is not type(theirs) or mine != theirs:
            return f"{field.encode_name} is {mine!r} for one, {theirs!r} for the other"
    return None


def widths(op: Op, inputs: list[Shape]) -> dict[str, Any]:
    """The arguments that say how wide its inputs are, given or taken from their shapes."""
    found = {}
    for word, inferred in op.inferred(*inputs).items():
        given = getattr(op, word)
        found[word] = inferred if given is None else given
    return found


def learned_of(declaration: Declaration, scope: Any) -> bool:
    """True unless a declaration says ``learned: false``. Raises :class:`Fault` (T004) for another value."""
    if declaration.learned is None:
        return True
    value = value_of(declaration.learned, scope)
    if not isinstance(value, bool):
        kind = described(declaration.learned)
        raise Fault("T004", f"`learned` must be true or false, not {kind}", declaration.learned)
    return value
