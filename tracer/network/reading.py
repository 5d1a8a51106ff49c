"""A config's text to the declared network, key by key.

All faults of a file are collected: what one key says wrong doesn't keep the others from being read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.diagnostics import Span, TracerError
from tracer.network import declarations
from tracer.network.declarations import SECTIONS, TOP_LEVEL, Block, Entry
from tracer.network.declared_sizes import declared_size
from tracer.network.dims import shape_pattern
from tracer.network.expansion import Expansion
from tracer.network.faults import Enough, Faults, LocatedFault, Uses
from tracer.network.foreign import foreign
from tracer.network.kept import KeptLayers, kept_under
from tracer.network.names import Reference, Target
from tracer.network.records import Declaration, DimPattern, Expectation, Network, Node, Promise
from tracer.network.spelling import top_level_hint
from tracer.network.values import did_you_mean, mapping, value_of
from tracer.ops.base import registry
from tracer.source import limits
from tracer.source.expressions import FAULTY, Expression
from tracer.source.tree import (
    Entries,
    Fault,
    compose,
    described,
    entries,
    is_nothing,
    refuse_tag,
    span_of,
)

T = TypeVar("T")
_IGNORE = re.compile(r"#\s*tracer:\s*ignore\[([^\]]*)\]")


def read_network(
    source: str, path: str = "<string>", overrides: Mapping[str, Any] | None = None
) -> Network:
    """The expanded network of a config's text, nodes in the file's order.

    Raises :class:`TracerError` with every T0xx, T1xx and T2xx fault that the text shows, and ``ValueError`` for
    an override of a param that the config doesn't have.
    """
    return _NetworkReader(path).read(source, overrides or {})


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


class DeclaredSizes(NamedTuple):
    """``sizes`` by symbol, and where each is written."""

    values: dict[str, Promise]
    spans: dict[str, Span]


class Outputs(NamedTuple):
    """The nodes under ``output`` by name, and the shapes that are expected of them."""

    nodes: dict[str, Node]
    expected: dict[str, Expectation]


class _NetworkReader:
    """The state while one file is read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.faults = Faults(path)
        self.blocks: dict[str, Block] = {}
        self.params: dict[str, Any] = {}
        self.declared: dict[str, YamlNode] = {}
        self.written = 0
        """The layers that the sections have so far, as they are written."""
        """The params' values as they are written, where nothing overrides them."""
        self.expansion = Expansion(self.faults, self.blocks, self.params)

    def read(self, source: str, overrides: Mapping[str, Any]) -> Network:
        """The network of a config's text. Raises :class:`TracerError`."""
        try:
            network = self._network(source, overrides)
        except Fault as fault:
            raise TracerError([self.faults.diagnostic(LocatedFault(fault))]) from None
        except Enough:
            raise TracerError(self.faults.diagnostics()) from None
        found = self.faults.diagnostics()
        if found:
            raise TracerError(found)
        return network

    def _network(self, source: str, overrides: Mapping[str, Any]) -> Network:
        root = compose(source)
        other = foreign(root)
        if other is not None:
            raise other.fault()
        top = self._top_level(root)
        self._guarded("T005", self._read_params, top.get("params"), overrides)
        self._guarded("T101", self._read_blocks, top.get("blocks"))
        name = self.faults.guard(self._read_text, top.get("name"), "name")
        description = self.faults.guard(self._read_text, top.get("description"), "description")

        inputs = self.faults.guard(self._read_inputs, top.get("input"))
        inputs = inputs or [self._faulty_input(root)]
        symbols = _symbols(inputs)
        all_read = not any(node.is_faulty for node in inputs)
        if all_read:
            self._refuse_unknown_in_inputs(inputs, symbols)
        sizes = self.faults.guard(
            self._read_sizes, top.get("sizes"), symbols if all_read else None
        )

        self._read_layers(top, root, inputs)
        nodes = self.expansion.nodes = self.expansion.names.resolve(self.expansion.nodes)
        sharers = self.expansion.sharing.resolve()
        outputs = self._outputs(top, nodes)
        if all_read:
            self._refuse_unknown_symbols(nodes, outputs.expected, symbols)

        names = self.expansion.names
        if not self.faults.none:
            names.targets.clear()
        return Network(
            path=self.path,
            name=name,
            description=description,
            nodes=nodes,
            names=names.finals(),
            symbols=symbols,
            sizes={} if sizes is None else sizes.values,
            size_spans={} if sizes is None else sizes.spans,
            outputs=outputs.nodes,
            output_expect=outputs.expected,
            params=self.params,
            param_values=self.declared,
            blocks=self.blocks,
            diagnostics=[],
            ignored=ignored_codes(source),
            source=source,
            sharers=sharers,
        )

    def _top_level(self, root: YamlNode) -> Entries:
        """The keys of the config, with those that it does not have and those that stand twice reported."""
        doubled: list[Fault] = []
        top = entries(mapping(root, "a config"), doubled)
        self._add_all(doubled)
        if doubled:
            self.faults.mute("T005", "T101", "T102")
        for word, (key, _) in top.items():
            if word not in TOP_LEVEL:
                hint = top_level_hint(word, TOP_LEVEL)
                self.faults.add(Fault("T003", f"unknown key {word!r}", key, hint))
        return top

    def _guarded(self, follows: str, step: Callable[..., T], *arguments: Any) -> T | None:
        """Run one step; where it fails as a whole, faults of the code ``follows`` would follow from that."""
        try:
            return step(*arguments)
        except Fault as fault:
            self.faults.add(fault)
            self.faults.mute(follows)
            return None

    def _add_all(self, found: list[Fault]) -> None:
        for fault in found:
            self.faults.add(fault)

    def _read_text(self, entry: Entry | None, what: str) -> str | None:
        if entry is None:
            return None
        if not isinstance(entry[1], ScalarNode):
            raise Fault("T004", f"`{what}` must be a text, not {described(entry[1])}", entry[1])
        refuse_tag(entry[1])
        return str(entry[1].value)

    def _read_params(self, entry: Entry | None, overrides: Mapping[str, Any]) -> None:
        declared = self._entries(entry, "`params`")
        if entry and len(declared) > limits.NAMES:
            raise Fault("T006", f"the config has more than {limits.NAMES} params", entry[0])
        _refuse_unknown_params(overrides, declared)

        for name, (key, value) in declared.items():
            if not name.isidentifier():
                message = f"{name!r} cannot name a param: letters, digits and _ only"
                self.faults.add(Fault("T004", message, key))
            elif name in overrides:
                self.params[name] = overrides[name]
            else:
                self._read_param(name, value)

    def _read_param(self, name: str, value: YamlNode) -> None:
        # A param that reads itself, or one that is at fault, reads this.
        self.params[name] = FAULTY
        try:
            self.params[name] = value_of(value, self.params)
            self.declared[name] = value
        except Fault as fault:
            self.faults.add(fault)

    def _read_blocks(self, entry: Entry | None) -> None:
        if entry is None or is_nothing(entry[1]):
            return
        found: list[Fault] = []
        self.expansion.declare(kept_under(entry[0], lambda: self._blocks(entry, found), found))
        self._add_all(found)

    def _blocks(self, entry: Entry, found: list[Fault]) -> KeptLayers:
        """The blocks of the file; the faults in them go to ``found``, those inside of a block last."""
        blocks: dict[str, Block] = {}
        inside: list[Fault] = []
        for name, (key, value) in entries(mapping(entry[1], "`blocks`"), found).items():
            try:
                if name in registry:
                    raise Fault("T104", f"the block {name!r} has the name of an operation", key)
                blocks[name] = declarations.block(name, key, value, inside)
            except Fault as fault:
                found.append(fault)
                self.expansion.faulty_blocks.add(name)
        found += inside
        return KeptLayers([], blocks)

    def _faulty_input(self, root: YamlNode) -> Node:
        """In place of inputs that could not be read, so that nothing that follows from that is reported."""
        self.faults.mute("T102")
        key = ScalarNode(None, "input", root.start_mark, root.start_mark)  # type: ignore[arg-type]
        declaration = Declaration("input", key, root, key, {})
        return self.expansion.add_faulty("input", "input", declaration, ())

    def _read_inputs(self, entry: Entry | None) -> list[Node]:
        if entry is None:
            hint = "add `input: [N, 3, H, W]`"
            raise Fault("T201", "the network has no `input`", Span(1, 1, 1, 2), hint)

        key, value = entry
        shapes: dict[str, Entry] = {"input": (key, value)}
        if isinstance(value, MappingNode):
            found: list[Fault] = []
            shapes = entries(value, found)
            self._add_all(found)
            if not shapes:
                raise Fault("T004", "`input` names no input", value)
        return [self._read_input(name, at, shape) for name, (at, shape) in shapes.items()]

    def _read_input(self, name: str, at: ScalarNode, shape: YamlNode) -> Node:
        declaration = Declaration(name, at, shape, at, {})
        try:
            declarations.checked_name(at, "an input")
            pattern = shape_pattern(shape, self.params, "an input's shape", any_dim=False)
        except Fault as fault:
            self.faults.add(fault, (), name)
            return self.expansion.add_faulty(name, "input", declaration, ())

        node = Node(name, Node.INPUT, "input", declaration, (), pattern=pattern)
        self.expansion.add(node)
        self.expansion.names.targets[name] = node
        return node

    def _read_sizes(
        self, entry: Entry | None, symbols: Mapping[str, Span] | None
    ) -> DeclaredSizes:
        """Read ``sizes``; ``symbols`` is None where the input could not be read."""
        found = DeclaredSizes({}, {})
        for name, (key, value) in self._entries(entry, "`sizes`").items():
            try:
                if symbols is not None and name not in symbols:
                    message = f"`sizes` names {name!r}, which is no symbol of the input"
                    raise Fault("T003", message, key, did_you_mean(name, symbols))
                found.values[name] = declared_size(value, self.params)
                found.spans[name] = span_of(value)
            except Fault as fault:
                self.faults.add(fault)
        return found

    def _entries(self, entry: Entry | None, what: str) -> Entries:
        """The keys of a mapping that may be left out; those that stand twice are reported."""
        if entry is None or is_nothing(entry[1]):
            return {}
        doubled: list[Fault] = []
        found = entries(mapping(entry[1], what), doubled)
        self._add_all(doubled)
        return found

    def _read_layers(self, top: Entries, root: YamlNode, inputs: list[Node]) -> None:
        """Expand every section, in the file's order."""
        previous: Target | None = inputs[0] if len(inputs) == 1 else None
        sections = [word for word in top if word in SECTIONS]
        for section in sections:
            last = self._guarded("T102", self._read_section, section, top[section], previous)
            previous = last or previous

        if self.faults.none and len(self.expansion.nodes) == len(inputs):
            at = top[sections[0]][0] if sections else root
            hint = f"they stand under {', '.join(SECTIONS)}"
            self.faults.add(Fault("T201", "the network has no layers", at, hint))

    def _read_section(
        self, section: str, entry: Entry, previous: Target | None
    ) -> Target | None:
        value = entry[1]
        if is_nothing(value):
            return previous
        found: list[Fault] = []
        self._refuse_too_many_layers(value)
        kept = kept_under(
            entry[0],
            lambda: KeptLayers(list(declarations.layers(value, f"`{section}`", found))),
            found,
        )
        self._add_all(found)
        self.expansion.refuse_too_many(kept.declarations)
        return self.expansion.expand_section(section, kept, previous)

    def _refuse_too_many_layers(self, section: YamlNode) -> None:
        """Stop at the layer that is one too many, before any of the section is read."""
        if not isinstance(section, MappingNode):
            return
        left = limits.LAYERS - self.written
        self.written += len(section.value)
        if self.written > limits.LAYERS:
            message = (
                f"the config writes {self.written} layers, and the limit is {limits.LAYERS}; "
                "blocks and `repeat` write many as one"
            )
            self.faults.stop(Fault("T006", message, section.value[left][0]))

    def _outputs(self, top: Entries, nodes: list[Node]) -> Outputs:
        """The declared outputs; the last node where none are declared."""
        if "output" in top:
            return self.faults.guard(self._read_output, top["output"][1]) or Outputs({}, {})
        if nodes and not nodes[-1].is_input:
            return Outputs({nodes[-1].name: nodes[-1]}, {})
        return Outputs({}, {})

    def _read_output(self, value: YamlNode) -> Outputs:
        found = Outputs({}, {})
        for at, shape in _output_names(value):
            source = _source_of(shape)
            if source is not None:
                declarations.checked_name(at, "an output")
                shape = None
            node = self.expansion.names.resolved(Reference("", source or at, ()))
            if node is None:
                continue
            found.nodes[at.value] = node
            if shape is not None and not is_nothing(shape):
                pattern = shape_pattern(shape, self.params, "an output's shape", any_dim=True)
                found.expected[at.value] = (pattern, shape)
        return found

    def _refuse_unknown_symbols(
        self,
        nodes: Iterable[Node],
        outputs: Mapping[str, Expectation],
        symbols: Mapping[str, Any],
    ) -> None:
        """T005 for an expectation over a symbol that no input has."""
        for node in nodes:
            if node.expect is not None:
                self._refuse_unknown_in(node.expect, symbols, node.uses, node.name)
        for expectation in outputs.values():
            self._refuse_unknown_in(expectation, symbols)

    def _refuse_unknown_in_inputs(self, inputs: list[Node], symbols: Mapping[str, Any]) -> None:
        """T005 for a dim over a symbol that is the size of no dim: nothing would say what it is."""
        for node in inputs:
            items = _items(node.declaration.value, len(node.pattern))
            for dim, item in zip(node.pattern, items):
                for name in sorted(_names_in(dim) - set(symbols)):
                    message = f"{name!r} stands alone in no dim of an input, so nothing says what size it is"
                    hint = did_you_mean(name, symbols)
                    self.faults.add(Fault("T005", message, item, hint), (), node.name)

    def _refuse_unknown_in(
        self,
        expectation: Expectation,
        symbols: Mapping[str, Any],
        uses: Uses = (),
        node: str | None = None,
    ) -> None:
        pattern, at = expectation
        for dim, item in zip(pattern, _items(at, len(pattern))):
            for name in sorted(_names_in(dim) - set(symbols)):
                message = (
                    f"{name!r} is no symbol of the input, so nothing says what size is expected"
                )
                fault = Fault("T005", message, item, did_you_mean(name, symbols))
                self.faults.add(fault, uses, node)


def _refuse_unknown_params(overrides: Iterable[str], declared: Mapping[str, Any]) -> None:
    for name in overrides:
        if name not in declared:
            known = (
                f"; known: {', '.join(declared)}" if declared else ": the config has no params"
            )
            raise ValueError(f"no param is called {name!r}{known}")


def _symbols(inputs: list[Node]) -> dict[str, Span]:
    """The symbols of all inputs, in order of appearance, with their places."""
    found: dict[str, Span] = {}
    for node in inputs:
        items = _items(node.declaration.value, len(node.pattern))
        for dim, item in zip(node.pattern, items):
            if isinstance(dim, str):
                found.setdefault(dim, span_of(item))
    return found


def _items(shape: YamlNode, count: int) -> list[YamlNode]:
    """The places of a shape's dims; the shape's own where it is one expression."""
    return shape.value if isinstance(shape, SequenceNode) else [shape] * count


def _names_in(dim: DimPattern) -> set[str]:
    """The symbols in a dim."""
    if isinstance(dim, Expression):
        return set(dim.names)
    return {dim} if isinstance(dim, str) else set()


def _source_of(shape: YamlNode | None) -> ScalarNode | None:
    """The name of the node that an output is, where one stands in the place of its shape."""
    if not isinstance(shape, ScalarNode) or is_nothing(shape) or "${" in shape.value:
        return None
    return declarations.references(shape, "output")[0]


def _output_names(value: YamlNode) -> list[tuple[ScalarNode, YamlNode | None]]:
    """The names under ``output``, each with its shape where it has one."""
    if not isinstance(value, MappingNode):
        return [(name, None) for name in declarations.references(value, "output")]
    names: list[tuple[ScalarNode, YamlNode | None]] = list(entries(value).values())
    if not names:
        raise Fault("T106", "`output` is empty; leave it out to take the last node", value)
    return names
