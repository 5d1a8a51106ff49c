"""Sections and blocks unrolled to nodes.

Every node keeps its declaration and the chain of block uses it came from. A faulty one stays in the network
without an operation, so that nothing that follows from it is reported again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode

from tracer.diagnostics import Related, shortened
from tracer.network.counting import BlockSizes
from tracer.network.declarations import Block
from tracer.network.dims import shape_pattern
from tracer.network.faults import Faults, Uses
from tracer.network.handed_in import where_it_is_written
from tracer.network.kept import KeptLayers, Prepared, Values, values_of
from tracer.network.making import Made, Maker
from tracer.network.names import Chunks, Names, Reference, Target
from tracer.network.records import NOTHING, Declaration, Expectation, Node
from tracer.network.sharing import SharedUse, WeightSharing, has_parameters, learned_of
from tracer.network.spelling import spatial_axes, unknown_argument
from tracer.network.values import interpolated, value_of
from tracer.ops.base import with_arguments, written
from tracer.ops.rearrange import Chunk
from tracer.source import limits
from tracer.source.tree import Fault, Follows, described, span_of

Scope = Mapping[str, Any]
Inputs = list[Target | None]
"""The targets that a declaration reads; None in the place of a node before it where there is none."""

TRIES = 8
"""A declaration that was at fault so often, in as many uses of its block, is not tried again."""


class Around(NamedTuple):
    """The surroundings of the declarations of a section or of a block's use."""

    section: str
    scope: Scope
    """The values of the names in expressions."""
    fixed: Prepared
    """The operations that are the same for all values of these names."""
    prepared: Prepared | None = None
    """Those that are the same for these values; None where each copy has others."""
    prefix: str = ""
    """The beginning of the nodes' names."""
    uses: Uses = ()
    shared: SharedUse | None = None
    """The innermost use around that shares another's parameters."""


class Expansion:
    """The nodes of one network while they are made."""

    def __init__(
        self, faults: Faults, blocks: dict[str, Block], params: dict[str, Any]
    ) -> None:
        self.faults = faults
        self.names = Names(faults)
        self.sharing = WeightSharing(self.names, faults)
        self.nodes: list[Node] = []
        self.blocks = blocks
        self.faulty_blocks: set[str] = set()
        """Blocks whose fault is reported; what uses them is not judged."""
        self.params = params
        self.block_uses = 0
        self._failures: Counter[Declaration] = Counter()
        """The number of times that each declaration was at fault."""
        self._maker = Maker(blocks, self.nodes)
        self._in_blocks = KeptLayers([])
        """The operations of the blocks' layers."""
        self._sizes = BlockSizes(blocks, faults)

    def declare(self, kept: KeptLayers) -> None:
        """Take the blocks of the file."""
        self.blocks.update(kept.blocks)
        self._in_blocks = kept

    def expand_section(
        self, section: str, kept: KeptLayers, previous: Target | None
    ) -> Target | None:
        """Add the nodes of a section; returns what its last name stands for."""
        # An operation may be called as a block that is at fault.
        known = KeptLayers([]) if self.faulty_blocks else kept
        prepared = known.prepared(values_of(self.params))
        around = Around(section, self.params, known.fixed, prepared)
        return self.expand(kept.declarations, around, previous)

    def add(self, node: Node) -> None:
        """Add a node. Raises :class:`Enough` where there are too many."""
        self.nodes.append(node)
        if len(self.nodes) > limits.GRAPH_NODES:
            message = f"the network has more than {limits.GRAPH_NODES} nodes"
            self.faults.stop(Fault("T006", message, node.declaration.key), node.uses)

    def add_faulty(self, name: str, section: str, declaration: Declaration, uses: Uses) -> Node:
        """A node in the place of one whose fault is reported."""
        node = Node(name, Node.FAULTY, section, declaration, uses)
        self.add(node)
        self.names.targets[name] = node
        return node

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
        self, declared: list[Declaration], around: Around, previous: Target | None
    ) -> Target | None:
        """Add the nodes of a section or block; returns what its last name stands for."""
        fixed, varying = _plain_in(around)
        for declaration in declared:
            name = around.prefix + declaration.name
            if name in self.names.targets:
                self.faults.add(self._taken(declaration, name), around.uses)
                continue

            made = fixed.get(declaration) or varying.get(declaration)
            if made is not None and isinstance(previous, Node) and not self._failures:
                previous = self._place_plain(made, declaration, name, around, previous)
                continue
            try:
                if declaration.faulty or (self._failures and self._is_given_up(declaration)):
                    raise Follows(declaration.key)
                if declaration.repeat is None:
                    inputs = [previous]
                    if declaration.inputs is not None:
                        inputs = _inputs(declaration, around, previous)
                    previous = self._place(
                        declaration, name, around, inputs, declaration.expect
                    )
                else:
                    previous = self._place_copies(declaration, name, around, previous)
            except Fault as fault:
                self._failures[declaration] += 1
                fault, uses = where_it_is_written(
                    fault, declaration, around.uses, around.scope, self.params
                )
                self.faults.add(fault, uses, name)
                previous = self.add_faulty(name, around.section, declaration, around.uses)
        return previous

    def _is_given_up(self, declaration: Declaration) -> bool:
        return self._failures[declaration] >= TRIES

    def _taken(self, declaration: Declaration, name: str) -> Fault:
        """T104, with the place that took the name."""
        for node in self.nodes:
            if node.name != name and not node.name.startswith((name + ".", name + "[")):
                continue
            for first in (*node.uses, node.declaration):
                if first.name == declaration.name:
                    span = span_of(first.key)
                    message = (
                        f"the name {declaration.name!r} is taken: line {span.line} has it too"
                    )
                    related = (Related("first given here", span),)
                    return Fault("T104", message, declaration.key, related=related)
        return Fault("T104", f"the name {declaration.name!r} is taken", declaration.key)

    # Nodes of one declaration

    def _place_copies(
        self, declaration: Declaration, name: str, around: Around, previous: Target | None
    ) -> Target:
        """Add the nodes of a declaration with ``repeat``, in a chain: each reads the copy before it first.

        What else they read is named by each copy, which an expression over ``index`` may decide.
        """
        assert declaration.repeat is not None
        times = _repeat(declaration.repeat, around.scope)
        inner = dict(around.scope)
        around = around._replace(scope=inner, prepared=None)

        last: Target | None = None
        for index in range(times):
            inner["index"] = index
            inputs = _inputs(declaration, around, previous)
            if last is not None:
                inputs = [last, *inputs[1:]]

            is_last = index == times - 1
            copy = f"{name}.{index}"
            last = self._place(
                declaration, copy, around, inputs, declaration.expect if is_last else None
            )

        assert last is not None
        self.names.targets[name] = last
        return last

    def _place(
        self,
        declaration: Declaration,
        name: str,
        around: Around,
        inputs: Inputs,
        expect: YamlNode | None,
    ) -> Target:
        """Add one declaration's nodes: an operation's or a block's. ``expect`` is the shape that its last node has."""
        made = _known(declaration, around)
        if made is None:
            op_name = _op_name(declaration.op, around.scope)
            block = self.blocks.get(op_name)
            if block is not None:
                return self._place_block(block, declaration, name, around, inputs, expect)
            made = self._make(op_name, declaration, around)

        if declaration.is_plain and made.is_plain and around.shared is None:
            before = inputs[0]
            if isinstance(before, Node):
                return self._place_plain(made, declaration, name, around, before)
        return self._place_node(made, declaration, name, around, inputs, expect)

    def _place_node(
        self,
        made: Made,
        declaration: Declaration,
        name: str,
        around: Around,
        inputs: Inputs,
        expect: YamlNode | None,
    ) -> Target:
        """Add the node of an operation, or the nodes of a Chunk."""
        op, cls = made.op, type(made.op)
        if declaration.inputs is None and cls.arity[1] == 0:
            inputs = []
        if inputs and inputs[0] is None:
            hint = "with several inputs, the first node names its own"
            raise Fault("T201", f"{declaration.name} needs `from`", declaration.key, hint)

        node = Node(
            name,
            cls.__name__,
            around.section,
            declaration,
            around.uses,
            op,
            (),
            None if expect is None else _expectation(expect, around.scope),
            made.unknowns,
            made.dim_fields,
        )
        if declaration.weights or declaration.learned or around.shared:
            self._set_weights(node, declaration, around)
        if isinstance(op, Chunk) and "index" not in declaration.arguments:
            return self._place_chunks(node, op, inputs, around.prefix)

        self.add(node)
        self.names.connect(node, inputs, made.operands, around.prefix)  # type: ignore[arg-type]
        self.names.targets[name] = node
        return node

    def _make(self, op_name: str, declaration: Declaration, around: Around) -> Made:
        """The operation of a declaration, kept for others with the same values of the names in its expressions."""
        if op_name in self.faulty_blocks:
            raise Follows(declaration.op)
        made, is_fixed = self._maker.make(op_name, declaration, around.scope)
        if is_fixed:
            around.fixed.keep(declaration, made)
        elif around.prepared is not None:
            around.prepared.keep(declaration, made)
        return made

    def _place_plain(
        self,
        made: Made,
        declaration: Declaration,
        name: str,
        around: Around,
        previous: Node,
    ) -> Node:
        """Add the node of a plain declaration whose operation is known."""
        node = Node(
            name,
            made.op.__class__.__name__,
            around.section,
            declaration,
            around.uses,
            made.op,
            (),
            None,
            made.unknowns,
            made.dim_fields,
        )
        self.add(node)
        self.names.connect(node, [previous], NOTHING, around.prefix)
        self.names.targets[name] = node
        return node

    def _set_weights(self, node: Node, declaration: Declaration, around: Around) -> None:
        """Note whose parameters a node has, and whether they are learned."""
        shared = _shared(declaration, around)
        if shared is not None:
            self.sharing.note(node, shared)
        if declaration.learned is None:
            return

        node.learned = learned_of(declaration, around.scope)
        if node.op is not None and not has_parameters(node.op):
            message = f"{node.op_name} has no parameters, learned or not"
            raise Fault("T202", message, declaration.learned)

    def _place_chunks(self, whole: Node, op: Chunk, inputs: Inputs, prefix: str) -> Target:
        """A Chunk is one node per chunk: ``name[0]``, ``name[1]``, ..."""
        if op.chunks > limits.CHUNKS:
            message = f"{whole.declaration.name} makes {op.chunks} outputs; at most {limits.CHUNKS} can be told apart"
            raise Fault("T006", message, whole.span_for("chunks"))

        chunks = Chunks()
        for index in range(op.chunks):
            part = Node(
                f"{whole.name}[{index}]",
                whole.op_name,
                whole.section,
                whole.declaration,
                whole.uses,
                with_arguments(op, {"index": index}),
                expect=whole.expect,
            )
            self.add(part)
            self.names.connect(part, inputs, {}, prefix)  # type: ignore[arg-type]
            self.names.targets[part.name] = part
            chunks.append(part)

        self.names.targets[whole.name] = chunks
        return chunks

    # Blocks

    def _place_block(
        self,
        block: Block,
        use: Declaration,
        name: str,
        around: Around,
        inputs: Inputs,
        expect: YamlNode | None,
    ) -> Target:
        self.block_uses += 1
        self._refuse_nesting(block, use, around.uses)
        self._refuse_inputs(block, use, inputs)

        scope = self._block_scope(block, use, around.scope)
        inside = Around(
            around.section,
            scope,
            self._in_blocks.fixed,
            self._in_blocks.prepared(self._values_in(block, scope)),
            name + ".",
            (*around.uses, use),
            _shared(use, around),
        )
        for inner, target in zip(block.inputs, inputs):
            self.names.targets[inside.prefix + inner] = target  # type: ignore[assignment]

        first = inputs[0] if len(inputs) == 1 else None
        last = self.expand(block.layers, inside, first)
        if last is None or last is first:  # every layer was at fault
            return self.add_faulty(name, around.section, use, around.uses)

        if expect is not None and isinstance(last, Node):
            last.expect = _expectation(expect, around.scope)
        self.names.targets[name] = last
        return last

    def _values_in(self, block: Block, scope: Scope) -> Values | None:
        """The values that decide what the layers of a block are in one use of it."""
        values = values_of(scope)
        return None if values is None else (block.name, *values)

    def _refuse_nesting(self, block: Block, use: Declaration, uses: Uses) -> None:
        """A block does not use itself, and blocks are not nested without bound."""
        if block.name in self._sizes.circular:
            raise Follows(use.op)
        if uses and any(outer.op.value == use.op.value for outer in uses):
            chain = " -> ".join([*(outer.op.value for outer in uses), block.name])
            raise Fault("T103", f"the block {block.name} uses itself: {chain}", use.op)
        if len(uses) >= limits.BLOCK_DEPTH:
            message = f"blocks are used inside blocks, more than {limits.BLOCK_DEPTH} deep"
            raise Fault("T006", message, use.op)
        if self.block_uses > limits.BLOCK_USES:
            message = f"blocks are used more than {limits.BLOCK_USES} times"
            self.faults.stop(Fault("T006", message, use.op), uses)

    @staticmethod
    def _refuse_inputs(block: Block, use: Declaration, inputs: Inputs) -> None:
        """A block is given as many inputs as it has."""
        if len(inputs) != len(block.inputs):
            wanted = ", ".join(block.inputs)
            message = f"the block {block.name} takes {len(block.inputs)} inputs ({wanted}), not {len(inputs)}"
            at = use.inputs[0] if use.inputs else use.key
            raise Fault("T106", message, at, "name them under `from`, in that order")
        if None in inputs:
            hint = "with several inputs, name one"
            raise Fault("T201", f"{use.name} needs `from`", use.key, hint)

    def _block_scope(self, block: Block, use: Declaration, scope: Scope) -> dict[str, Any]:
        """The values of the names in a block's expressions: the params, and the block's arguments."""
        if use.learned is not None:
            message = "a block has no `learned`; its layers have"
            raise Fault("T003", message, use.learned)
        if not use.arguments.keys() <= block.arguments.keys():
            owner = f"the block {block.name}"
            axes = spatial_axes(self.nodes)
            unknown = unknown_argument(owner, use, list(block.arguments), axes)
            assert unknown is not None
            raise unknown

        values = dict(self.params)
        for word, (key, default) in block.arguments.items():
            given = use.arguments.get(word)
            if given is not None:
                values[word] = value_of(given[1], scope)
                continue
            values[word] = value_of(default, values)
            if values[word] is None:
                related = (Related("declared without a default here", span_of(key)),)
                message = f"the block {block.name} needs {word}"
                raise Fault("T201", message, use.op, f"add `{word}: ...`", related)
        return values


NOTHING_KNOWN: Mapping[Declaration, Made] = {}


def _known(declaration: Declaration, around: Around) -> Made | None:
    """The operation of a declaration where it was made before."""
    made = around.fixed.made.get(declaration)
    if made is None and around.prepared is not None:
        made = around.prepared.made.get(declaration)
    return made


def _plain_in(around: Around) -> tuple[Mapping[Declaration, Made], Mapping[Declaration, Made]]:
    """The plain declarations whose operations are known: those of any values, and those of the values here."""
    if around.prepared is None or around.shared is not None:
        return NOTHING_KNOWN, NOTHING_KNOWN
    return around.fixed.plain, around.prepared.plain


def _shared(declaration: Declaration, around: Around) -> SharedUse | None:
    """The use whose parameters are shared in a declaration's nodes: its own, or the one around it."""
    if declaration.weights is None:
        return around.shared
    name = around.prefix + declaration.name
    is_repeated = declaration.repeat is not None
    return SharedUse(name, around.prefix, declaration.weights, is_repeated)


def _inputs(declaration: Declaration, around: Around, previous: Target | None) -> Inputs:
    """What a declaration reads: the nodes under ``from``, or the one before it."""
    if declaration.inputs is None:
        return [previous]
    return [
        Reference(around.prefix, at, around.uses, _name(at, around.scope))
        for at in declaration.inputs
    ]


def _name(at: ScalarNode, scope: Scope) -> str:
    """A name under ``from``, its expressions computed."""
    return str(interpolated(at, scope)) if "${" in at.value else at.value


def _repeat(node: YamlNode, scope: Scope) -> int:
    """The number of copies of a declaration."""
    times = value_of(node, scope)
    if isinstance(times, bool) or not isinstance(times, int):
        raise Fault("T004", f"`repeat` must be an integer, not {described(node)}", node)
    if times < 1:
        raise Fault("T202", f"`repeat` is {times}; it takes 1 or more", node)
    if times > limits.GRAPH_NODES:
        message = f"`repeat` is {times}; a network has at most {limits.GRAPH_NODES} nodes"
        raise Fault("T006", message, node)
    return times


def _op_name(at: ScalarNode, scope: Scope) -> str:
    """The name of an operation or block: as it is written, or as an expression gives it."""
    if "${" not in at.value:
        return str(at.value)
    name = interpolated(at, scope)
    if isinstance(name, str):
        return name
    value = f"{shortened(written(name), 80)}, the value of {shortened(at.value, 80)}"
    raise Fault("T004", f"`op` must be a text, not {value}", at)


def _expectation(expect: YamlNode, scope: Scope) -> Expectation:
    return shape_pattern(expect, scope, "`expect`", any_dim=True), expect
