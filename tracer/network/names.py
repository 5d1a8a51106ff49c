"""Floor 3: what the names under ``from`` stand for: nodes, blocks' inputs and last nodes, chunks."""

from __future__ import annotations

import re

from yaml.nodes import ScalarNode

from tracer.network.faults import Faults, Uses
from tracer.network.records import Node
from tracer.network.values import did_you_mean
from tracer.source import limits
from tracer.source.tree import Fault

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
        self._waiting: list[tuple[Node, list[Target], dict[str, ScalarNode], str]] = []

    def connect(self, node: Node, targets: list[Target], operands: dict[str, ScalarNode], prefix: str) -> None:
        """Note what a node reads, to be resolved when every name is known."""
        self._waiting.append((node, targets, operands, prefix))

    def resolve(self, nodes: list[Node]) -> list[Node]:
        """Turn every name under ``from`` into its node; returns the nodes that stay."""
        for node, targets, operands, prefix in self._waiting:
            if len(targets) == 1 and targets[0].__class__ is Node and not operands:
                node.inputs = targets  # type: ignore[assignment]
                continue
            sources = [self.resolved(target) for target in targets]
            given = {word: self.resolved(Reference(prefix, at, node.uses)) for word, at in operands.items()}
            if None in sources or None in given.values():
                node.op = None  # the fault is recorded; nothing that follows from it is reported
            node.inputs = [source for source in sources if source is not None]
            node.operands = {word: source for word, source in given.items() if source is not None}
        return self._without_unused_chunks(nodes)

    def resolved(self, target: Target) -> Node | None:
        at: Reference | None = None
        for _ in range(limits.BLOCK_DEPTH + 2):
            if isinstance(target, Node):
                return target
            if isinstance(target, Chunks):
                return self._whole_chunk(target, at)
            at = target
            found = self._look_up(at)
            if found is None:
                return None
            target = found
        return None

    def _look_up(self, at: Reference) -> Target | None:
        found = self.targets.get(at.prefix + at.text)
        if found is not None:
            return found
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

    def _whole_chunk(self, chunks: Chunks, at: Reference | None) -> Node | None:
        if len(chunks) == 1:
            return chunks[0]
        name = chunks[0].declaration.name
        where = at.at if at is not None else chunks[0].declaration.key
        uses = at.uses if at is not None else chunks[0].uses
        message = f"{name} is a Chunk with {len(chunks)} outputs; the node that takes it says which"
        self.faults.add(Fault("T106", message, where, f"write `from: {name}[0]`"), uses)
        return None

    def final(self, name: str) -> Node | None:
        """The node that a name stands for, without recording a fault."""
        target = self.targets.get(name)
        if target.__class__ is Node:
            return target
        for _ in range(limits.BLOCK_DEPTH + 2):
            if isinstance(target, Node):
                return target
            if isinstance(target, Chunks):
                return target[0]
            if not isinstance(target, Reference):
                return None
            target = self.targets.get(target.prefix + target.text)
        return None

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
