"""The targets of the names under ``from``: nodes, blocks' inputs and last nodes, chunks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from yaml.nodes import ScalarNode

from tracer.diagnostics import Related
from tracer.network.faults import Faults, Uses
from tracer.network.records import Node
from tracer.network.values import did_you_mean
from tracer.ops.base import with_arguments
from tracer.source import limits
from tracer.source.tree import Fault, span_of

_CHUNK = re.compile(r"(.+)\[(\d{1,6})\]\Z")


def names_in_text(text: str) -> list[str]:
    """The names in a text that has several, between commas or spaces.

    >>> names_in_text("up, enc.1"), names_in_text("(up skip)")
    (['up', 'enc.1'], ['up', 'skip'])
    """
    return re.findall(r"[^\s,()\[\]'\"]+(?:\[\d+\])?", text)


class Reference:
    """A name under ``from`` that is not resolved yet: it may stand later in the file."""

    __slots__ = ("at", "prefix", "text", "uses")

    def __init__(
        self, prefix: str, at: ScalarNode, uses: Uses, text: str | None = None
    ) -> None:
        self.prefix = prefix
        self.at = at
        self.text: str = at.value if text is None else text
        """The name, its expressions computed."""
        self.uses = uses


class Chunks(list["Node"]):
    """The nodes of a Chunk, one per chunk."""


Target = Node | Reference | Chunks


class Waiting(NamedTuple):
    """A node, and what it reads, until all names are known."""

    node: Node
    targets: list[Target]
    operands: Mapping[str, ScalarNode]
    """Arguments that name a node."""
    prefix: str
    """Of the names in the operands."""


class Names:
    """Every name of the expanded network, and the references that wait for the whole file to be read."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.targets: dict[str, Target] = {}
        self._waiting: list[Waiting] = []
        self._edges = 0
        self._missed: set[int] = set()
        """References in the text that were looked up in vain, by id."""

    def connect(
        self, node: Node, targets: list[Target], operands: Mapping[str, ScalarNode], prefix: str
    ) -> None:
        """Note what a node reads; names are resolved when all are known."""
        self._edges += len(targets)
        if self._edges > limits.EDGES:
            message = f"the network has more than {limits.EDGES} edges"
            self.faults.stop(Fault("T006", message, node.declaration.key), node.uses)
        if len(targets) == 1 and isinstance(targets[0], Node) and not operands:
            node.inputs = targets  # type: ignore[assignment]
        else:
            self._waiting.append(Waiting(node, targets, operands, prefix))

    def resolve(self, nodes: list[Node]) -> list[Node]:
        """Turn every name under ``from`` into its node; returns the nodes that stay."""
        for node, targets, operands, prefix in self._waiting:
            sources = [self.resolved(target, node) for target in targets]
            given = {
                word: self.resolved(Reference(prefix, at, node.uses), node)
                for word, at in operands.items()
            }
            if None in sources or None in given.values():
                node.op = (
                    None  # the fault is recorded; nothing that follows from it is reported
                )
            node.inputs = [source for source in sources if source is not None]
            node.operands = {
                word: source for word, source in given.items() if source is not None
            }
            self._number_inputs(node, operands)
        return self._without_unused_chunks(nodes)

    def _number_inputs(self, node: Node, written: Mapping[str, ScalarNode]) -> None:
        """Give the operation the numbers of the inputs that its arguments name."""
        if node.op is None:
            return
        numbers = {}
        for word in node.op.input_fields:
            named = node.operands.get(word)
            if named is None:
                continue
            if named not in node.inputs:
                message = f"{word} names {named.name}, which is no input of {node.name}"
                names = ", ".join(source.name for source in node.inputs)
                fault = Fault("T102", message, written[word], f"its inputs are {names}")
                self.faults.add(fault, node.uses, node.name)
                node.op = None
                return
            numbers[word] = node.inputs.index(named)

        if not numbers:
            return
        node.op = with_arguments(node.op, numbers)
        node.operands = {
            word: source for word, source in node.operands.items() if word not in numbers
        }

    def resolved(self, target: Target, reader: Node | None = None) -> Node | None:
        """The node that a target stands for at last; None where there is none, which is recorded.

        ``reader`` is the node that reads the target.
        """
        at: Reference | None = None
        about = reader
        passed: dict[Reference, None] = {}
        while isinstance(target, Reference):
            if at is not None:  # a name passed into a block: it is written at the block's use
                about = None
            at = target
            if at in passed:
                self._refuse_circle(list(passed), at)
                return None
            passed[at] = None
            found = self._look_up(at, about)
            if found is None:
                return None
            target = found
        return self._whole_chunk(target, at, about) if isinstance(target, Chunks) else target

    def _refuse_circle(self, passed: list[Reference], at: Reference) -> None:
        """Inputs of blocks that stand for each other, and for no node."""
        circle = passed[passed.index(at) :]
        first = min(circle, key=lambda r: r.at.start_mark.index)
        chain = " -> ".join(f"{r.prefix}{r.text}" for r in (*circle, at))
        related = tuple(
            Related(f"{r.text} stands here", span_of(r.at)) for r in circle if r is not first
        )
        self.faults.add(
            Fault("T103", f"the graph has a cycle: {chain}", first.at, None, related),
            first.uses,
        )

    def _look_up(self, at: Reference, reader: Node | None) -> Target | None:
        found = self.targets.get(at.prefix + at.text)
        if found is None and id(at.at) not in self._missed and not self._inside_faulty(at):
            self._missed.add(id(at.at))
            self.faults.add(self._unknown(at), at.uses, None if reader is None else reader.name)
        return found

    def _unknown(self, at: Reference) -> Fault:
        part = _CHUNK.match(at.text)
        base = self.targets.get(at.prefix + part[1]) if part else None
        if part is None or base is None:
            return Fault("T102", f"unknown node {at.text!r}", at.at, self._hint(at))
        if isinstance(base, Chunks):
            message = f"{part[1]} has {len(base)} chunks, 0..{len(base) - 1}"
        else:
            message = f"{part[1]} has one output; only a Chunk is indexed"
        return Fault("T102", message, at.at)

    def _hint(self, at: Reference) -> str | None:
        """The list to write for several names in one text, or the nearest of the names that can be read from there."""
        several = names_in_text(at.text)
        if len(several) > 1:
            return f"several names are a list: write [{', '.join(several)}]"
        if at.prefix and at.text in self.targets:
            return "a block sees its own layers and `input` only; pass the node in by `inputs`"
        local = [
            name.removeprefix(at.prefix) for name in self.targets if name.startswith(at.prefix)
        ]
        return did_you_mean(
            at.text, [name for name in local if not at.prefix or "." not in name]
        )

    def _inside_faulty(self, at: Reference) -> bool:
        """True for a name inside of a block, or of a Chunk, whose own fault is reported."""
        name = at.text.partition("[")[0]
        parts = name.split(".")
        around = (
            self.targets.get(at.prefix + ".".join(parts[:count]))
            for count in range(1, len(parts) + 1)
        )
        return any(isinstance(target, Node) and target.is_faulty for target in around)

    def _whole_chunk(
        self, chunks: Chunks, at: Reference | None, reader: Node | None
    ) -> Node | None:
        if len(chunks) == 1:
            return chunks[0]
        name = chunks[0].declaration.name
        where = at.at if at is not None else chunks[0].declaration.key
        uses = at.uses if at is not None else chunks[0].uses
        message = (
            f"{name} is a Chunk with {len(chunks)} outputs; the node that takes it says which"
        )
        fault = Fault("T106", message, where, f"write `from: {name}[0]`")
        self.faults.add(fault, uses, None if reader is None else reader.name)
        return None

    def finals(self) -> dict[str, Node]:
        """The node that each name stands for, without recording a fault."""
        if set(map(type, self.targets.values())) == {Node}:
            return dict(self.targets)  # type: ignore[arg-type]

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
        if Chunks not in set(map(type, self.targets.values())):
            return nodes
        families = [target for target in self.targets.values() if isinstance(target, Chunks)]

        read = {source for node in nodes for source in (*node.inputs, *node.operands.values())}
        unused: set[Node] = set()
        for family in families:
            without_use = [part for part in family if part not in read]
            # Where none is read, the Chunk itself is without use, which is a warning.
            if len(without_use) < len(family):
                unused.update(without_use)
        return [node for node in nodes if node not in unused]
