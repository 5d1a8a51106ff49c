"""Sections and blocks unrolled to nodes.

Every node keeps its declaration and the chain of block uses it came from. A faulty one stays in the network
without an operation, so that nothing that follows from it is reported again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode

from tracer.diagnostics import Related, shortened
from tracer.network.counting import BlockSizes
from tracer.network.declarations import Block
from tracer.network.faults import Faults, Uses
from tracer.network.making import make
from tracer.network.names import Chunks, Names, Reference, Target
from tracer.network.records import Declaration, Node
from tracer.network.values import did_you_mean, interpolated, shape_pattern, value_of
from tracer.ops.base import Op, with_arguments, written
from tracer.source import limits
from tracer.source.tree import Fault, Follows, described, span_of

Scope = Mapping[str, Any]

TRIES = 8
"""A declaration that was at fault so often, in as many uses of its block, is not tried again."""


class Expansion:
    """The nodes of one network while they are made."""

    def __init__(self, faults: Faults, blocks: dict[str, Block], params: dict[str, Any]) -> None:
        self.faults = faults
        self.names = Names(faults)
        self.nodes: list[Node] = []
        self.blocks = blocks
        self.faulty_blocks: set[str] = set()
        """Blocks whose fault is told; what uses them is not judged."""
        self.params = params
        self.block_uses = 0
        self._failures: Counter[int] = Counter()
        """How often each declaration was found at fault."""
        self._given_up: set[int] = set()
        self._sizes = BlockSizes(blocks, faults)

    def add(self, node: Node) -> None:
        """Add a node. Raises :class:`Enough` where there are too many."""
        self.nodes.append(node)
        if len(self.nodes) > limits.GRAPH_NODES:
            message = f"the network has more than {limits.GRAPH_NODES} nodes"
            self.faults.stop(Fault("T006", message, node.declaration.key), node.uses)

    def refuse_too_many(self, declared: list[Declaration]) -> None:
        """Stop at the declaration that makes the network too large, before its nodes are made.

        Counts what can be counted without expanding: a ``repeat`` that a block's arguments decide counts as one.
        """
        count = len(self.nodes)
        for declaration in declared:
            nodes = self._sizes.of(declaration, self.params)
            count += nodes
            if count > limits.GRAPH_NODES and not self._sizes.circular:
                message = f"the network has more than {limits.GRAPH_NODES} nodes; {declaration.name} makes {nodes}"
                self.faults.stop(Fault("T006", message, declaration.key))

    def expand(
        self,
        declared: list[Declaration],
        prefix: str,
        scope: Scope,
        section: str,
        uses: Uses,
        previous: Target | None,
    ) -> Target | None:
        """Add the nodes of a section or block; returns what its last name stands for."""
        for declaration in declared:
            name = prefix + declaration.name
            if name in self.names.targets:
                self.faults.add(self._taken(declaration, name), uses)
                continue
            try:
                if declaration.faulty or id(declaration) in self._given_up:
                    raise Follows(declaration.key)
                inputs = (
                    [previous]
                    if declaration.inputs is None
                    else self._named(declaration.inputs, prefix, uses)
                )
                place = self._place if declaration.repeat is None else self._place_copies
                previous = place(declaration, name, prefix, scope, section, uses, inputs)
            except Fault as fault:
                self._failures[id(declaration)] += 1
                if self._failures[id(declaration)] >= TRIES:
                    self._given_up.add(id(declaration))
                self.faults.add(fault, uses)
                previous = self.add_faulty(name, section, declaration, uses)
        return previous

    def _taken(self, declaration: Declaration, name: str) -> Fault:
        """T104, with the place that took the name."""
        for node in self.nodes:
            if node.name == name or node.name.startswith((name + ".", name + "[")):
                for first in (*node.uses, node.declaration):
                    if first.name == declaration.name:
                        span = span_of(first.key)
                        message = (
                            f"the name {declaration.name!r} is taken: line {span.line} has it too"
                        )
                        related = (Related("first given here", span),)
                        return Fault("T104", message, declaration.key, related=related)
        return Fault("T104", f"the name {declaration.name!r} is taken", declaration.key)

    def add_faulty(self, name: str, section: str, declaration: Declaration, uses: Uses) -> Node:
        """A node in the place of one whose fault is told."""
        node = Node(name, Node.FAULTY, section, declaration, uses)
        self.add(node)
        self.names.targets[name] = node
        return node

    @staticmethod
    def _named(names: list[ScalarNode], prefix: str, uses: Uses) -> list[Target | None]:
        return [Reference(prefix, at, uses) for at in names]

    def _place_copies(
        self,
        declaration: Declaration,
        name: str,
        prefix: str,
        scope: Scope,
        section: str,
        uses: Uses,
        inputs: list[Target | None],
    ) -> Target:
        """Add the nodes of a declaration with ``repeat``, in a chain."""
        assert declaration.repeat is not None
        last: Target | None = None
        inner = dict(scope)
        times, expect = self._repeat(declaration.repeat, scope), declaration.expect
        try:
            for inner["index"] in range(times):
                declaration.expect = (
                    expect if inner["index"] == times - 1 else None
                )  # the last copy's
                copy = f"{name}.{inner['index']}"
                last = self._place(declaration, copy, prefix, inner, section, uses, inputs)
                inputs = [last, *inputs[1:]]
        finally:
            declaration.expect = expect
        assert last is not None
        self.names.targets[name] = last
        return last

    def _repeat(self, node: YamlNode, scope: Scope) -> int:
        times = value_of(node, scope)
        if isinstance(times, bool) or not isinstance(times, int):
            raise Fault("T004", f"`repeat` must be an integer, not {described(node)}", node)
        if times < 1:
            raise Fault("T202", f"`repeat` is {times}; it takes 1 or more", node)
        if times > limits.GRAPH_NODES:
            raise Fault(
                "T006",
                f"`repeat` is {times}; a network has at most {limits.GRAPH_NODES} nodes",
                node,
            )
        return times

    def _place(
        self,
        declaration: Declaration,
        name: str,
        prefix: str,
        scope: Scope,
        section: str,
        uses: Uses,
        inputs: list[Target | None],
    ) -> Target:
        """Add one declaration's nodes: an operation's or a block's."""
        made = declaration.made
        if made is None:
            op_name = declaration.op.value
            if "${" in op_name:
                op_name = interpolated(declaration.op, scope)
                if op_name.__class__ is not str:
                    shown = f"{shortened(written(op_name), 80)}, the value of {shortened(declaration.op.value, 80)}"
                    raise Fault("T004", f"`op` must be a text, not {shown}", declaration.op)
            block = self.blocks.get(op_name)
            if block is not None:
                return self._place_block(block, declaration, name, scope, section, uses, inputs)
            if op_name in self.faulty_blocks:
                raise Follows(declaration.op)
            made = make(op_name, declaration, scope, self.blocks)
        if declaration.inputs is None and type(made.op).arity[1] == 0:
            inputs = []
        if inputs[:1] == [None]:
            hint = "with several inputs, the first node names its own"
            raise Fault("T201", f"{declaration.name} needs `from`", declaration.key, hint)
        op, several = made.op, type(made.op).several
        node = Node(name, type(op).__name__, section, declaration, uses)
        node.op, node.unknowns, node.dim_fields = op, made.unknowns, made.dim_fields
        if declaration.expect is not None:
            node.expect = (
                shape_pattern(declaration.expect, scope, "`expect`", any_dim=True),
                declaration.expect,
            )
        if several is not None and "index" not in declaration.arguments:
            return self._place_chunks(node, op, getattr(op, several), inputs, prefix)
        self.add(node)
        self.names.connect(node, inputs, made.operands, prefix)  # type: ignore[arg-type]
        self.names.targets[name] = node
        return node

    def _place_chunks(
        self, node: Node, op: Op, count: int, inputs: list[Target | None], prefix: str
    ) -> Target:
        """A Chunk is one node per chunk: ``name[0]``, ``name[1]``, ..."""
        if count > limits.CHUNKS:
            message = f"{node.declaration.name} makes {count} outputs; at most {limits.CHUNKS} can be told apart"
            raise Fault("T006", message, node.span_for(type(op).several))
        chunks = Chunks()
        for index in range(count):
            part = Node(
                f"{node.name}[{index}]", node.op_name, node.section, node.declaration, node.uses
            )
            part.op, part.expect = with_arguments(op, {"index": index}), node.expect
            self.add(part)
            self.names.connect(part, inputs, {}, prefix)  # type: ignore[arg-type]
            self.names.targets[part.name] = part
            chunks.append(part)
        self.names.targets[node.name] = chunks
        return chunks

    def _place_block(
        self,
        block: Block,
        declaration: Declaration,
        name: str,
        scope: Scope,
        section: str,
        uses: Uses,
        inputs: list[Target | None],
    ) -> Target:
        self.block_uses += 1
        inner_uses = (*uses, declaration)
        if block.name in self._sizes.circular:
            raise Follows(declaration.op)
        if any(use.op.value == declaration.op.value for use in uses):
            chain = " -> ".join([*(use.op.value for use in uses), block.name])
            raise Fault("T103", f"the block {block.name} uses itself: {chain}", declaration.op)
        if len(inner_uses) > limits.BLOCK_DEPTH:
            raise Fault(
                "T006",
                f"blocks are used inside blocks, more than {limits.BLOCK_DEPTH} deep",
                declaration.op,
            )
        if self.block_uses > limits.BLOCK_USES:
            message = f"blocks are used more than {limits.BLOCK_USES} times"
            self.faults.stop(Fault("T006", message, declaration.op), uses)
        if len(inputs) != len(block.inputs):
            wanted = ", ".join(block.inputs)
            message = f"the block {block.name} takes {len(block.inputs)} inputs ({wanted}), not {len(inputs)}"
            at = declaration.inputs[0] if declaration.inputs else declaration.key
            raise Fault("T106", message, at, "name them under `from`, in that order")
        if None in inputs:
            raise Fault(
                "T201",
                f"{declaration.name} needs `from`",
                declaration.key,
                "with several inputs, name one",
            )
        inner_scope = self._block_scope(block, declaration, scope)
        prefix = name + "."
        for inner, target in zip(block.inputs, inputs):
            self.names.targets[prefix + inner] = target  # type: ignore[assignment]
        first = inputs[0] if len(inputs) == 1 else None
        last = self.expand(block.layers, prefix, inner_scope, section, inner_uses, first)
        if last is None or last is first:  # every layer was at fault
            return self.add_faulty(name, section, declaration, uses)
        if declaration.expect is not None and isinstance(last, Node):
            last.expect = (
                shape_pattern(declaration.expect, scope, "`expect`", any_dim=True),
                declaration.expect,
            )
        self.names.targets[name] = last
        return last

    def _block_scope(self, block: Block, declaration: Declaration, scope: Scope) -> dict[str, Any]:
        """What the names in a block's expressions stand for: the params, and the block's arguments."""
        for word, (key, _) in declaration.arguments.items():
            if word not in block.arguments:
                hint = did_you_mean(word, block.arguments)
                raise Fault("T003", f"the block {block.name} has no argument {word!r}", key, hint)
        values = dict(self.params)
        for word, (key, default) in block.arguments.items():
            given = declaration.arguments.get(word)
            if given is not None:
                values[word] = value_of(given[1], scope)
                continue
            values[word] = value_of(default, values)
            if values[word] is None:
                related = (Related("declared without a default here", span_of(key)),)
                raise Fault(
                    "T201",
                    f"the block {block.name} needs {word}",
                    declaration.op,
                    f"add `{word}: ...`",
                    related,
                )
        return values
