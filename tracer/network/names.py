"""What the names under ``from`` stand for: nodes, blocks' inputs and last nodes, chunks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from yaml.nodes import ScalarNode

from tracer.diagnostics import Related
from tracer.network.faults import Faults, Uses
from tracer.network.records import Node
from tracer.network.values import did_you_mean
from tracer.source import limits
from tracer.source.tree import Fault, span_of

_CHUNK = re.compile(r"(.+)\[(\d{1,6})\]\Z")


class Reference:
    """A name under ``from`` that is not resolved yet: it may stand later in the file."""

    __slots__ = ("at", "prefix", "text", "uses")

    def __init__(self, prefix: str, at: ScalarNode, uses: Uses) -> None:
        self.prefix = prefix
        self.at = at
        self.text: str = at.value
        self.uses = uses


class Chunks(list["Node"]):
    """What the name of a Chunk stands for: one node per chunk."""


Target = Node | Reference | Chunks


class Names:
    """Every name of the expanded network, and the references that wait for the whole file to be read."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.targets: dict[str, Target] = {}
        self._waiting: list[tuple[Node, list[Target], Mapping[str, ScalarNode], str]] = []
        self._edges = 0
        self._told: set[int] = set()
        """References in the text that were looked up in vain, by id."""

    def connect(
        self, node: Node, targets: list[Target], operands: Mapping[str, ScalarNode], prefix: str
    ) -> None:
        """Note what a node reads: names are resolved when all are known."""
        self._edges += len(targets)
        if self._edges > limits.EDGES:
            message = f"the network has more than {limits.EDGES} edges"
            self.faults.stop(Fault("T006", message, node.declaration.key), node.uses)
        if len(targets) == 1 and targets[0].__class__ is Node and not operands:
            node.inputs = targets  # type: ignore[assignment]
        else:
            self._waiting.append((node, targets, operands, prefix))

    def resolve(self, nodes: list[Node]) -> list[Node]:
        """Turn every name under ``from`` into its node; returns the nodes that stay."""
        for node, targets, operands, prefix in self._waiting:
            sources = [self.resolved(target) for target in targets]
            given = {
                word: self.resolved(Reference(prefix, at, node.uses))
                for word, at in operands.items()
            }
            if None in sources or None in given.values():
                node.op = None  # the fault is recorded; nothing that follows from it is reported
            node.inputs = [source for source in sources if source is not None]
            node.operands = {word: source for word, source in given.items() if source is not None}
        return self._without_unused_chunks(nodes)

    def resolved(self, target: Target) -> Node | None:
        """The node that a target stands for at last; None where there is none, which is recorded."""
        at: Reference | None = None
        passed: dict[Reference, None] = {}
        while isinstance(target, Reference):
            at = target
            if at in passed:
                self._refuse_circle(list(passed), at)
                return None
            passed[at] = None
            found = self._look_up(at)
            if found is None:
                return None
            target = found
        return self._whole_chunk(target, at) if isinstance(target, Chunks) else target

    def _refuse_circle(self, passed: list[Reference], at: Reference) -> None:
        """Inputs of blocks that stand for each other, and for no node."""
        circle = passed[passed.index(at) :]
        first = min(circle, key=lambda r: r.at.start_mark.index)
        chain = " -> ".join(f"{r.prefix}{r.text}" for r in (*circle, at))
        related = tuple(
            Related(f"{r.text} stands here", span_of(r.at)) for r in circle if r is not first
        )
        self.faults.add(
            Fault("T103", f"the graph has a cycle: {chain}", first.at, None, related), first.uses
        )

    def _look_up(self, at: Reference) -> Target | None:
        found = self.targets.get(at.prefix + at.text)
        if found is not None:
            return found
        if id(at.at) in self._told or self._inside_faulty(at):
            return None
        self._told.add(id(at.at))
        hint: str | None
        if at.prefix and at.text in self.targets:
            hint = "a block sees its own layers and `input` only; pass the node in by `inputs`"
        else:
            local = [n[len(at.prefix) :] for n in self.targets if n.startswith(at.prefix)]
            hint = did_you_mean(at.text, [n for n in local if at.prefix == "" or "." not in n])
        part = _CHUNK.match(at.text)
        message = f"unknown node {at.text!r}"
        base = self.targets.get(at.prefix + part[1]) if part else None
        if isinstance(base, Chunks):
            message, hint = f"{part[1]} has {len(base)} chunks, 0..{len(base) - 1}", None  # type: ignore[index]
        elif base is not None:
            message, hint = f"{part[1]} has one output; only a Chunk is indexed", None  # type: ignore[index]
        self.faults.add(Fault("T102", message, at.at, hint), at.uses)
        return None

    def _inside_faulty(self, at: Reference) -> bool:
        """Whether the name is one inside of a block, or of a Chunk, whose own fault is told."""
        name = at.text.partition("[")[0]
        parts = name.split(".")
        around = (
            self.targets.get(at.prefix + ".".join(parts[:count]))
            for count in range(1, len(parts) + 1)
        )
        return any(isinstance(target, Node) and target.is_faulty for target in around)

    def _whole_chunk(self, chunks: Chunks, at: Reference | None) -> Node | None:
        if len(chunks) == 1:
            return chunks[0]
        name = chunks[0].declaration.name
        where = at.at if at is not None else chunks[0].declaration.key
        uses = at.uses if at is not None else chunks[0].uses
        message = f"{name} is a Chunk with {len(chunks)} outputs; the node that takes it says which"
        self.faults.add(Fault("T106", message, where, f"write `from: {name}[0]`"), uses)
        return None

    def finals(self) -> dict[str, Node]:
        """The node that each name stands for, without recording a fault."""
        found = {}
        for name, target in self.targets.items():
            node = target if isinstance(target, Node) else self._final(target)
            if node is not None:
                found[name] = node
        return found

    def _final(self, target: Target | None) -> Node | None:
        while isinstance(target, Reference):  # no circle: every reference is resolved by now
            target = self.targets.get(target.prefix + target.text)
        return target[0] if isinstance(target, Chunks) else target

    def _without_unused_chunks(self, nodes: list[Node]) -> list[Node]:
        """torch may return fewer chunks than asked for; only those that are used must exist."""
        families = [t for t in self.targets.values() if isinstance(t, Chunks)]
        if not families:
            return nodes
        used = {id(source) for node in nodes for source in (*node.inputs, *node.operands.values())}
        unused = {
            id(part)
            for family in families
            if any(id(part) in used for part in family)
            for part in family
            if id(part) not in used
        }
        return [node for node in nodes if id(node) not in unused]
