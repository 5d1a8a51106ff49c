"""Floor 3: a config's text to the expanded network.

Blocks and repeats are unrolled, expressions evaluated, operations made, and every name under ``from`` resolved.
Every node keeps its declaration and the chain of block uses it came from. All faults of a file are
collected; a faulty node stays in the network without an operation, so that nothing that follows from it is
reported again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.diagnostics import Diagnostic, Related, Span, TracerError
from tracer.memo import Memo
from tracer.network import declarations
from tracer.network.declarations import SECTIONS, TOP_LEVEL, Block
from tracer.network.records import Declaration, DimPattern, Network, Node, SizeRange, Unknown
from tracer.network.values import (
    did_you_mean,
    interpolated,
    mapping,
    operation_record,
    shape_pattern,
    text,
    unknown_of,
    value_of,
)
from tracer.ops.base import Op, registry, with_arguments
from tracer.ops.registry import find_operation, operation_names
from tracer.source import limits
from tracer.source.expressions import Expression
from tracer.source.tree import Entries, Fault, compose, described, entries, scalar, span_of

Scope = Mapping[str, Any]
Uses = tuple[Declaration, ...]

_CHUNK = re.compile(r"(.+)\[(\d{1,6})\]\Z")
_IGNORE = re.compile(r"#\s*tracer:\s*ignore\[([^\]]*)\]")


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
Made = tuple[type[Op], Op, tuple[Unknown, ...], dict[str, tuple[DimPattern, ...]], dict[str, ScalarNode]]


_literal: Memo[Made] = Memo(4096)
"""What declarations without expressions make, by their text: equal layers are made once."""

_records: Memo[Op] = Memo(4096)
"""Operations already made and judged, by class and arguments: equal layers share one record."""


class Expansion:
    """The state of one file's expansion."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.faults: list[tuple[Fault, Uses]] = []
        self.nodes: list[Node] = []
        self.targets: dict[str, Target | list[Target]] = {}
        self.pending: list[tuple[Node, list[Target], dict[str, ScalarNode], str]] = []
        self.blocks: dict[str, Block] = {}
        self.params: dict[str, Any] = {}
        self.block_uses = 0

    def fault(self, fault: Fault, uses: Uses = ()) -> None:
        self.faults.append((fault, uses))

    def diagnostics(self) -> list[Diagnostic]:
        """Every fault once: a block's fault is reported for its first use."""
        seen: dict[Any, Diagnostic] = {}
        for fault, uses in self.faults:
            key = (fault.code, fault.span)
            if key not in seen or fault.span is None:
                seen[key] = as_diagnostic(fault, uses, self.path)
        return list(seen.values())

    # --- the top level, key by key -------------------------------------------------------------------------

    def read(self, source: str, overrides: Mapping[str, Any]) -> Network:
        """The network of a config's text. Raises :class:`TracerError`."""
        try:
            root = compose(source)
            top = entries(mapping(root, "a config"))
        except Fault as fault:
            raise TracerError([as_diagnostic(fault, (), self.path)]) from None
        for word, (key, _) in top.items():
            if word not in TOP_LEVEL:
                self.fault(Fault("T003", f"unknown key {word!r}", key, did_you_mean(word, TOP_LEVEL)))
        self._guard(self._read_params, top.get("params"), overrides)
        self._guard(self._read_blocks, top.get("blocks"))
        inputs = self._guard(self._read_inputs, top.get("input"), root) or []
        symbols = self._symbols(inputs)
        sizes: dict[str, Any] = {}
        spans: dict[str, Span] = {}
        self._guard(self._read_sizes, top.get("sizes"), symbols, sizes, spans)
        previous: Target | None = inputs[0] if len(inputs) == 1 else None
        for section in top:
            if section in SECTIONS:
                previous = self._guard(self._read_section, section, top[section], previous) or previous
        if not any(section in top for section in SECTIONS):
            self.fault(Fault("T201", "the network has no layers", span_of(root), f"add one of {', '.join(SECTIONS)}"))
        self._resolve()
        outputs, expected = self._guard(self._read_output, top.get("output")) or ({}, {})
        if not outputs and "output" not in top and self.nodes and not self.nodes[-1].is_input:
            outputs = {self.nodes[-1].name: self.nodes[-1]}
        found = self.diagnostics()
        if found:
            raise TracerError(found)
        return Network(
            path=self.path,
            name=self._guard(self._read_text, top.get("name"), "name"),
            description=self._guard(self._read_text, top.get("description"), "description"),
            nodes=self.nodes,
            names={name: node for name in self.targets if (node := self._final(name)) is not None},
            symbols=symbols,
            sizes=sizes,
            size_spans=spans,
            outputs=outputs,
            output_expect=expected,
            params=self.params,
            diagnostics=[],
            ignored=ignored_codes(source),
        )

    def _guard(self, step: Any, *arguments: Any) -> Any:
        """Run one step; a fault in it is recorded and the rest of the file is still read."""
        try:
            return step(*arguments)
        except Fault as fault:
            self.fault(fault)
            return None

    def _read_text(self, entry: tuple[ScalarNode, YamlNode] | None, what: str) -> str | None:
        if entry is None:
            return None
        if not isinstance(entry[1], ScalarNode):
            raise Fault("T004", f"`{what}` must be a text, not {described(entry[1])}", entry[1])
        return str(entry[1].value)

    def _read_params(self, entry: tuple[ScalarNode, YamlNode] | None, overrides: Mapping[str, Any]) -> None:
        declared = entries(mapping(entry[1], "`params`")) if entry else {}
        for name in overrides:
            if name not in declared:
                known = f"; known: {', '.join(declared)}" if declared else ": the config has no params"
                raise ValueError(f"no param is called {name!r}{known}")
        for name, (key, value) in declared.items():
            if not name.isidentifier():
                self.fault(Fault("T004", f"{name!r} cannot name a param: letters, digits and _ only", key))
                continue
            try:
                self.params[name] = overrides[name] if name in overrides else value_of(value, self.params)
            except Fault as fault:
                self.fault(fault)

    def _read_blocks(self, entry: tuple[ScalarNode, YamlNode] | None) -> None:
        if entry is None:
            return
        for name, (key, value) in entries(mapping(entry[1], "`blocks`")).items():
            inner: list[Fault] = []
            try:
                self.blocks[name] = declarations.block(name, key, value, inner)
                if name in registry:
                    raise Fault("T104", f"the block {name!r} has the name of an operation", key)
            except Fault as fault:
                self.fault(fault)
            self.faults += [(fault, ()) for fault in inner]

    def _read_inputs(self, entry: tuple[ScalarNode, YamlNode] | None, root: YamlNode) -> list[Node]:
        if entry is None:
            raise Fault("T201", "the network has no `input`", Span(1, 1, 1, 2), "add `input: [N, 3, H, W]`")
        key, value = entry
        shapes: dict[str, tuple[ScalarNode, YamlNode]] = {"input": (key, value)}
        if isinstance(value, MappingNode):
            shapes = entries(value)
            if not shapes:
                raise Fault("T004", "`input` names no input", value)
        made = []
        for name, (at, shape) in shapes.items():
            declarations.checked_name(at, "an input")
            node = Node(name, Node.INPUT, "input", Declaration(name, at, shape, at, {}), ())
            node.pattern = shape_pattern(shape, self.params, "an input's shape", any_dim=False)
            self._add(node)
            self.targets[name] = node
            made.append(node)
        return made

    def _symbols(self, inputs: list[Node]) -> dict[str, Span]:
        """The symbols of all inputs, in order of appearance, with their places."""
        found: dict[str, Span] = {}
        for node in inputs:
            shape = node.declaration.value
            items = shape.value if isinstance(shape, SequenceNode) else [shape] * len(node.pattern)
            for dim, item in zip(node.pattern, items):
                if isinstance(dim, str):
                    found.setdefault(dim, span_of(item))
        return found

    def _read_sizes(
        self,
        entry: tuple[ScalarNode, YamlNode] | None,
        symbols: dict[str, Span],
        sizes: dict[str, Any],
        spans: dict[str, Span],
    ) -> None:
        for name, (key, value) in entries(mapping(entry[1], "`sizes`")).items() if entry else ():
            try:
                if name not in symbols and symbols:
                    hint = did_you_mean(name, symbols)
                    raise Fault("T003", f"`sizes` names {name!r}, which is no symbol of the input", key, hint)
                sizes[name] = self._size(value)
                spans[name] = span_of(value)
            except Fault as fault:
                self.fault(fault)

    def _size(self, node: YamlNode) -> Any:
        if isinstance(node, MappingNode):
            return self._size_range(node)
        value = value_of(node, self.params)
        values = value if isinstance(value, tuple) else (value,)
        for item in values:
            if isinstance(item, bool) or not isinstance(item, int):
                raise Fault("T004", "a size is an integer, a list of integers or {min, max, step}", node)
            if not 0 <= item <= limits.INTEGER:
                raise Fault("T202", f"a size must be between 0 and 2**63 - 1, not {item}", node)
        if not values:
            raise Fault("T202", "the list of sizes is empty", node)
        return value

    def _size_range(self, node: MappingNode) -> SizeRange:
        found = entries(node)
        numbers: dict[str, int | None] = {"min": 1, "max": None, "step": 1}
        for word, (key, value) in found.items():
            if word not in numbers:
                raise Fault("T003", f"a range of sizes has no key {word!r}", key, did_you_mean(word, numbers))
            number = value_of(value, self.params)
            if number is None and word == "max":
                continue
            if isinstance(number, bool) or not isinstance(number, int):
                raise Fault("T004", f"`{word}` must be an integer, not {described(value)}", value)
            if not (0 if word != "step" else 1) <= number <= limits.INTEGER:
                raise Fault("T202", f"`{word}` is {number}, out of range", value)
            numbers[word] = number
        if "min" not in found:
            raise Fault("T201", "a range of sizes needs `min`", node)
        least, largest, step = numbers["min"], numbers["max"], numbers["step"]
        assert least is not None and step is not None
        if largest is not None and largest < least:
            raise Fault("T202", f"the range of sizes is empty: max {largest} is below min {least}", node)
        return SizeRange(least, largest, step)

    def _read_section(self, section: str, entry: tuple[ScalarNode, YamlNode], previous: Target | None) -> Target | None:
        value = entry[1]
        if isinstance(value, ScalarNode) and value.value == "":
            return previous
        faults: list[Fault] = []
        declared = list(declarations.layers(value, f"`{section}`", faults))
        self.faults += [(fault, ()) for fault in faults]
        return self._expand(declared, "", self.params, section, (), previous)

    def _read_output(self, entry: tuple[ScalarNode, YamlNode] | None) -> tuple[dict[str, Node], dict[str, Any]]:
        if entry is None:
            return {}, {}
        value = entry[1]
        outputs: dict[str, Node] = {}
        expected: dict[str, Any] = {}
        names: list[tuple[ScalarNode, YamlNode | None]]
        if isinstance(value, MappingNode):
            names = list(entries(value).values())
        else:
            names = [(name, None) for name in declarations.references(value)]
        for at, shape in names:
            node = self._resolved(Reference("", at, ()))
            if node is None:
                continue
            outputs[at.value] = node
            if shape is not None and not (isinstance(shape, ScalarNode) and scalar(shape) is None):
                expected[at.value] = (shape_pattern(shape, self.params, "an output's shape", any_dim=True), shape)
        return outputs, expected

    # --- expansion of sections and blocks ---------------------------------------------------------------------

    def _add(self, node: Node) -> None:
        self.nodes.append(node)
        if len(self.nodes) > limits.GRAPH_NODES:
            raise Fault("T006", f"the network has more than {limits.GRAPH_NODES} nodes", node.declaration.key)

    def _expand(
        self, declared: list[Declaration], prefix: str, scope: Scope, section: str, uses: Uses, previous: Target | None
    ) -> Target | None:
        """Add the nodes of a section or block; returns what its last name stands for."""
        for declaration in declared:
            name = prefix + declaration.name
            if name in self.targets:
                self.fault(Fault("T104", f"the name {declaration.name!r} is taken", declaration.key), uses)
                continue
            try:
                previous = self._place(declaration, name, prefix, scope, section, uses, previous)
            except Fault as fault:
                if fault.code == "T006":
                    raise
                self.fault(fault, uses)
                previous = self._add_faulty(name, section, declaration, uses)
        return previous

    def _add_faulty(self, name: str, section: str, declaration: Declaration, uses: Uses) -> Target:
        node = Node(name, "?", section, declaration, uses)
        self._add(node)
        self.targets[name] = node
        return node

    def _place(
        self,
        declaration: Declaration,
        name: str,
        prefix: str,
        scope: Scope,
        section: str,
        uses: Uses,
        previous: Target | None,
    ) -> Target:
        """Add one declaration's nodes: an operation's, a block's, or the copies of ``repeat``."""
        inputs: list[Target | None]
        if declaration.inputs is None:
            inputs = [previous]
        else:
            inputs = [Reference(prefix, at, uses) for at in declaration.inputs]
        if declaration.repeat is None:
            return self._place_once(declaration, name, prefix, scope, section, uses, inputs)
        last: Target | None = None
        for index in range(self._repeat(declaration.repeat, scope)):
            copy = f"{name}.{index}"
            last = self._place_once(declaration, copy, prefix, {**scope, "index": index}, section, uses, inputs)
            inputs = [last, *inputs[1:]]
        assert last is not None
        self.targets[name] = last
        return last

    def _repeat(self, node: YamlNode, scope: Scope) -> int:
        times = value_of(node, scope)
        if isinstance(times, bool) or not isinstance(times, int):
            raise Fault("T004", f"`repeat` must be an integer, not {described(node)}", node)
        if times < 1:
            raise Fault("T202", f"`repeat` is {times}; it takes 1 or more", node)
        if times > limits.GRAPH_NODES:
            raise Fault("T006", f"`repeat` is {times}; a network has at most {limits.GRAPH_NODES} nodes", node)
        return times

    def _place_once(
        self,
        declaration: Declaration,
        name: str,
        prefix: str,
        scope: Scope,
        section: str,
        uses: Uses,
        inputs: list[Target | None],
    ) -> Target:
        op_name = declaration.op.value
        if "${" in op_name:
            op_name = interpolated(declaration.op, scope)
        block = self.blocks.get(op_name) if isinstance(op_name, str) else None
        if block is not None:
            return self._place_block(block, declaration, name, scope, section, uses, inputs)
        made: Made | None = declaration.constant
        if made is None:
            key = _literal_key(op_name, declaration)
            made = _literal.get(key) if key else None
            if made is None:
                made = self._make(op_name, declaration, scope)
                if key and not (made[2] or made[3] or made[4]):
                    _literal[key] = made
        cls, op, unknowns, dim_fields, operands = made
        if inputs == [None]:
            hint = "with several inputs, the first node names its own"
            raise Fault("T201", f"{declaration.name} needs `from`", declaration.key, hint)
        node = Node(name, cls.__name__, section, declaration, uses)
        node.op, node.unknowns, node.dim_fields = op, unknowns, dim_fields
        if declaration.expect is not None:
            node.expect = (shape_pattern(declaration.expect, scope, "`expect`", any_dim=True), declaration.expect)
        if cls.several is not None and "index" not in declaration.arguments:
            return self._place_chunks(node, op, getattr(op, cls.several), inputs, prefix)
        self._add(node)
        self.pending.append((node, inputs, operands, prefix))  # type: ignore[arg-type]
        self.targets[name] = node
        return node

    def _place_chunks(self, node: Node, op: Op, count: int, inputs: list[Target | None], prefix: str) -> Target:
        """A Chunk is one node per chunk: ``name[0]``, ``name[1]``, ..."""
        chunks = Chunks()
        for index in range(count):
            part = Node(f"{node.name}[{index}]", node.op_name, node.section, node.declaration, node.uses)
            part.op, part.expect = with_arguments(op, {"index": index}), node.expect
            self._add(part)
            self.pending.append((part, inputs, {}, prefix))  # type: ignore[arg-type]
            self.targets[part.name] = part
            chunks.append(part)
        self.targets[node.name] = chunks
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
        if any(use.op.value == declaration.op.value for use in uses):
            chain = " -> ".join([*(use.op.value for use in uses), block.name])
            raise Fault("T103", f"the block {block.name} uses itself: {chain}", declaration.op)
        if len(inner_uses) > limits.BLOCK_DEPTH or self.block_uses > limits.BLOCK_USES:
            raise Fault("T006", "blocks are used inside blocks too often", declaration.op)
        if len(inputs) != len(block.inputs):
            wanted = ", ".join(block.inputs)
            message = f"the block {block.name} takes {len(block.inputs)} inputs ({wanted}), not {len(inputs)}"
            raise Fault("T106", message, declaration.key)
        if None in inputs:
            raise Fault("T201", f"{declaration.name} needs `from`", declaration.key, "with several inputs, name one")
        arguments = self._block_arguments(block, declaration, scope)
        prefix = name + "."
        for inner, target in zip(block.inputs, inputs):
            self.targets[prefix + inner] = target  # type: ignore[assignment]
        first = inputs[0] if len(inputs) == 1 else None
        last = self._expand(block.layers, prefix, {**self.params, **arguments}, section, inner_uses, first)
        if last is None or last is first:  # every layer was at fault
            return self._add_faulty(name, section, declaration, uses)
        if declaration.expect is not None and isinstance(last, Node):
            last.expect = (shape_pattern(declaration.expect, scope, "`expect`", any_dim=True), declaration.expect)
        self.targets[name] = last
        return last

    def _block_arguments(self, block: Block, declaration: Declaration, scope: Scope) -> dict[str, Any]:
        for word, (key, _) in declaration.arguments.items():
            if word not in block.arguments:
                hint = did_you_mean(word, block.arguments)
                raise Fault("T003", f"the block {block.name} has no argument {word!r}", key, hint)
        values: dict[str, Any] = {}
        for word, (key, default) in block.arguments.items():
            given = declaration.arguments.get(word)
            if given is not None:
                values[word] = value_of(given[1], scope)
                continue
            values[word] = value_of(default, {**self.params, **values})
            if values[word] is None:
                related = (Related("declared without a default here", span_of(key)),)
                raise Fault(
                    "T201", f"the block {block.name} needs {word}", declaration.op, f"add `{word}: ...`", related
                )
        return values

    def _make(self, op_name: Any, declaration: Declaration, scope: Scope) -> Made:
        """An operation's record from its declared arguments; kept on the declaration where it is constant."""
        cls = find_operation(op_name) if isinstance(op_name, str) else None
        if cls is None:
            hint = did_you_mean(str(op_name), [*self.blocks, *operation_names()])
            raise Fault("T101", f"unknown operation {op_name!r}", declaration.op, hint)
        constant = "${" not in declaration.op.value
        values: dict[str, Any] = {}
        unknowns: list[Unknown] = []
        dim_fields: dict[str, tuple[DimPattern, ...]] = {}
        operands: dict[str, ScalarNode] = {}
        for word, (_, node) in declaration.arguments.items():
            value = value_of(node, scope)
            constant = constant and not _has_expression(node)
            if value.__class__ is int:
                values[word] = value
                if -limits.INTEGER <= value <= limits.INTEGER:
                    continue
            if word in cls.node_fields and isinstance(value, str):
                operands[word] = ScalarNode(node.tag, value, node.start_mark, node.end_mark)
            elif word in cls.dim_fields and isinstance(value, tuple) and any(isinstance(v, str) for v in value):
                dim_fields[word] = self._dims(value, node)
                value = tuple(1 if isinstance(v, str) else v for v in value)
            elif type(value) is str and value.startswith("auto") and word in cls.__struct_encode_fields__:
                value = self._unknown(cls, word, value, node, unknowns)
            elif type(value) is tuple and any(type(v) is str and v.startswith("auto") for v in value):
                items = node.value if isinstance(node, SequenceNode) else [node] * len(value)
                value = tuple(
                    self._unknown(cls, word, v, items[i], unknowns, i) if isinstance(v, str) else v
                    for i, v in enumerate(value)
                )
            _refuse_huge(value, node)
            values[word] = value
        if cls.several is not None:
            values.setdefault("index", 0)
        key = (cls, *[(word, _typed(value)) for word, value in values.items()])
        op = None if unknowns else _records.get(key)
        if op is None:
            op = operation_record(cls, values, declaration)
            _refuse_illegal(op, declaration, {u.field for u in unknowns})
            if not unknowns:
                _records[key] = op
        made = (cls, op, tuple(unknowns), dim_fields, operands)
        if constant:
            declaration.constant = made
        return made

    def _dims(self, value: tuple[Any, ...], node: YamlNode) -> tuple[DimPattern, ...]:
        from tracer.source.expressions import ExpressionError, parse

        try:
            return tuple(parse(v) if isinstance(v, str) else v for v in value)
        except ExpressionError as error:
            raise Fault("T005", str(error), node) from None

    def _unknown(
        self, cls: type[Op], word: str, value: str, node: YamlNode, unknowns: list[Unknown], axis: int | None = None
    ) -> Any:
        unknown = unknown_of(value, word, axis, node)
        if unknown is None:
            return value
        if word not in cls.solvable:
            solvable = ", ".join(sorted(cls.solvable & set(cls.__struct_encode_fields__))) or "no argument"
            raise Fault(
                "T004", f"{word} of {cls.__name__} cannot be auto", node, f"{cls.__name__} can solve {solvable}"
            )
        unknowns.append(unknown)
        if word == "ceil_mode":
            return False
        return unknown.least if unknown.least is not None else cls.least_value(word)

    # --- names ------------------------------------------------------------------------------------------------

    def _resolve(self) -> None:
        """Turn every name under ``from`` into its node."""
        for node, targets, operands, prefix in self.pending:
            if len(targets) == 1 and targets[0].__class__ is Node and not operands:
                node.inputs = targets  # type: ignore[assignment]
                continue
            sources = [self._resolved(target) for target in targets]
            given = {word: self._resolved(Reference(prefix, at, node.uses)) for word, at in operands.items()}
            if None in sources or None in given.values():
                node.op = None  # the fault is recorded; nothing that follows from it is reported
            node.inputs = [source for source in sources if source is not None]
            node.operands = {word: source for word, source in given.items() if source is not None}
        self._drop_unused_chunks()

    def _resolved(self, target: Target) -> Node | None:
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
            return found  # type: ignore[return-value]
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
        self.fault(Fault("T102", message, at.at, hint), at.uses)
        return None

    def _whole_chunk(self, chunks: Chunks, at: Reference | None) -> Node | None:
        if len(chunks) == 1:
            return chunks[0]
        name = chunks[0].declaration.name
        where = at.at if at is not None else chunks[0].declaration.key
        uses = at.uses if at is not None else chunks[0].uses
        message = f"{name} is a Chunk with {len(chunks)} outputs; the node that takes it says which"
        self.fault(Fault("T106", message, where, f"write `from: {name}[0]`"), uses)
        return None

    def _final(self, name: str) -> Node | None:
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

    def _drop_unused_chunks(self) -> None:
        """torch may return fewer chunks than asked for; only those that are used must exist."""
        families = [t for t in self.targets.values() if isinstance(t, Chunks)]
        if not families:
            return
        used = {id(source) for node in self.nodes for source in (*node.inputs, *node.operands.values())}
        unused = {
            id(part)
            for family in families
            if any(id(part) in used for part in family)
            for part in family
            if id(part) not in used
        }
        self.nodes = [node for node in self.nodes if id(node) not in unused]


def _literal_key(op_name: Any, declaration: Declaration) -> tuple[Any, ...] | None:
    """A declaration's text where it decides what is made: scalars only, and no expression."""
    key: list[Any] = [op_name]
    for word, (_, node) in declaration.arguments.items():
        if node.__class__ is not ScalarNode or "${" in node.value:
            return None
        key += (word, node.value, node.style, node.tag if node.tag.__class__ is str else None)
    return tuple(key)


def _typed(value: Any) -> Any:
    """A value with its types, so that 1, 1.0 and true are three."""
    if value.__class__ is tuple:
        return tuple([_typed(item) for item in value])
    return (value.__class__, value)


def _refuse_illegal(op: Op, declaration: Declaration, unknown: set[str]) -> None:
    """Raise the first argument that torch refuses whatever the input; those still to be found are not judged."""
    for requirement in op.legal():
        if not requirement.holds and requirement.field not in unknown:
            message = requirement.message if isinstance(requirement.message, str) else requirement.message()
            given = declaration.arguments.get(requirement.field or "")
            raise Fault(requirement.code, message, given[1] if given else declaration.op, requirement.hint)


def _has_expression(node: YamlNode) -> bool:
    if isinstance(node, ScalarNode):
        return "${" in node.value
    return isinstance(node, SequenceNode) and any(_has_expression(item) for item in node.value)


def _refuse_huge(value: Any, node: YamlNode) -> None:
    """No argument of torch takes an integer of more than 63 bits, or NaN."""
    if isinstance(value, tuple):
        for item in value:
            _refuse_huge(item, node)
    elif isinstance(value, int):
        if not -limits.INTEGER <= value <= limits.INTEGER:
            raise Fault("T202", f"{value} is out of range: more than 63 bits", node)
    elif value != value:
        raise Fault("T202", "NaN is not a value for a network", node)


def as_diagnostic(fault: Fault, uses: Uses, path: str) -> Diagnostic:
    """A fault with its file and the block uses it came through."""
    places = tuple(Related(f"in the block used as {use.name!r} here", span_of(use.key)) for use in reversed(uses))
    return Diagnostic(
        code=fault.code,
        message=fault.message,
        span=fault.span,
        path=path,
        hint=fault.hint,
        related=(*fault.related, *places),
    )


def ignored_codes(source: str) -> dict[int, frozenset[str]]:
    """The codes silenced by ``# tracer: ignore[T504, T505]``, by line."""
    if "tracer:" not in source:
        return {}
    found = {}
    for number, line in enumerate(source.splitlines(), 1):
        match = _IGNORE.search(line)
        if match:
            found[number] = frozenset(code.strip() for code in match[1].split(","))
    return found


def expand(source: str, path: str = "<string>", overrides: Mapping[str, Any] | None = None) -> Network:
    """The expanded network of a config's text, nodes in the file's order.

    Raises :class:`TracerError` with every T0xx, T1xx and T2xx fault that the text shows, and ``ValueError`` for
    an override of a param that the config doesn't have.
    """
    return Expansion(path).read(source, overrides or {})


__all__ = ["Entries", "Expression", "expand", "ignored_codes", "text"]
