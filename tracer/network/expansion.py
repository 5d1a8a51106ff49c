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
from tracer.network.making import Made, Maker, typed
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


class Prepared(NamedTuple):
    """The operations of declarations, with the values that the names in their expressions have."""

    made: dict[Declaration, Made]
    plain: dict[Declaration, Made]
    """Those of declarations that read the node before them, and say nothing but their operation."""


class Around(NamedTuple):
    """The surroundings of the declarations of a section or of a block's use."""

    section: str
    scope: Scope
    """The values of the names in expressions."""
    prefix: str = ""
    """The beginning of the nodes' names."""
    uses: Uses = ()
    shared: SharedUse | None = None
    """The innermost use around that shares another's parameters."""
    prepared: Prepared | None = None
    """Of all uses of the block with the same arguments; None where each declaration is placed once."""


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
        self._fixed = Prepared(self._maker.fixed, {})
        """Operations that are the same in every use of their block."""
        self._prepared: dict[Any, Prepared] = {}
        """By block and the values of its arguments: uses that have them in common are made once."""
        self._sizes = BlockSizes(blocks, faults)

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
        fixed, varying = self._plain_in(around)
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
        prepared = around.prepared or NONE_PREPARED
        made = self._maker.fixed.get(declaration) or prepared.made.get(declaration)
        if made is None:
            op_name: str = declaration.op.value
            if "${" in op_name:
                op_name = _computed_name(declaration.op, around.scope)
            block = self.blocks.get(op_name)
            if block is not None:
                return self._place_block(block, declaration, name, around, inputs, expect)
            if op_name in self.faulty_blocks:
                raise Follows(declaration.op)
            made = self._maker.make(op_name, declaration, around.scope)
            if around.prepared is not None:
                self._keep(made, declaration, around.prepared)

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

    def _keep(self, made: Made, declaration: Declaration, prepared: Prepared) -> None:
        """Keep the operation of a declaration for the other uses of its block."""
        if declaration in self._maker.fixed:
            prepared = self._fixed
        prepared.made[declaration] = made
        if _is_plain(declaration, made):
            prepared.plain[declaration] = made

    def _plain_in(
        self, around: Around
    ) -> tuple[dict[Declaration, Made], dict[Declaration, Made]]:
        """The plain declarations whose operations are known: those of any use, and those of this one's arguments."""
        if around.prepared is None or around.shared is not None:
            return NONE_PREPARED
        return self._fixed.plain, around.prepared.plain

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
            name + ".",
            (*around.uses, use),
            _shared(use, around),
            self._prepared_for(block, scope),
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

    def _prepared_for(self, block: Block, scope: Scope) -> Prepared:
        """What is known of a block's layers with these values of its arguments: params are the same everywhere."""
        key = (block.name, *[typed(scope[word]) for word in block.arguments])
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepared[key] = Prepared({}, {})
        return prepared

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


NONE_PREPARED = Prepared({}, {})
"""Where each declaration is placed once, and where nodes share others' parameters."""


def _is_plain(declaration: Declaration, made: Made) -> bool:
    """Whether a declaration's node reads the one before it, and nothing is said but its operation."""
    cls = type(made.op)
    if made.operands or cls.arity[1] == 0 or issubclass(cls, Chunk):
        return False
    others = (
        declaration.inputs,
        declaration.expect,
        declaration.repeat,
        declaration.weights,
        declaration.learned,
    )
    return others == NOTHING_ELSE


NOTHING_ELSE = (None,) * 5


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


def _computed_name(at: ScalarNode, scope: Scope) -> str:
    """The name of an operation or block that an expression gives."""
    name = interpolated(at, scope)
    if isinstance(name, str):
        return name
    value = f"{shortened(written(name), 80)}, the value of {shortened(at.value, 80)}"
    raise Fault("T004", f"`op` must be a text, not {value}", at)


def _expectation(expect: YamlNode, scope: Scope) -> Expectation:
    return shape_pattern(expect, scope, "`expect`", any_dim=True), expect
