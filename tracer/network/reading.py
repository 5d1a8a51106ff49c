"""A config's text to the declared network, key by key.

All faults of a file are collected: what one key says wrong doesn't keep the others from being read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.diagnostics import Span, TracerError
from tracer.network import declarations
from tracer.network.declarations import SECTIONS, TOP_LEVEL, Block
from tracer.network.expansion import Expansion
from tracer.network.faults import Enough, Faults
from tracer.network.names import Reference, Target
from tracer.network.records import Declaration, DimPattern, Network, Node, SizeRange
from tracer.network.values import did_you_mean, mapping, shape_pattern, value_of
from tracer.ops.base import registry
from tracer.source import limits
from tracer.source.expressions import FAULTY, Expression
from tracer.source.tree import (
    Fault,
    compose,
    described,
    entries,
    is_nothing,
    refuse_tag,
    scalar,
    span_of,
)

T = TypeVar("T")
Entry = tuple[ScalarNode, YamlNode]

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


class _NetworkReader:
    """The state while one file is read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.faults = Faults(path)
        self.blocks: dict[str, Block] = {}
        self.params: dict[str, Any] = {}
        self.declared: dict[str, YamlNode] = {}
        """The params' values as they are written, where nothing overrides them."""
        self.expansion = Expansion(self.faults, self.blocks, self.params)

    def read(self, source: str, overrides: Mapping[str, Any]) -> Network:
        """The network of a config's text. Raises :class:`TracerError`."""
        try:
            network = self._network(source, overrides)
        except Fault as fault:
            raise TracerError([self.faults.diagnostic(fault)]) from None
        except Enough:
            raise TracerError(self.faults.diagnostics()) from None
        found = self.faults.diagnostics()
        if found:
            raise TracerError(found)
        return network

    def _network(self, source: str, overrides: Mapping[str, Any]) -> Network:
        root = compose(source)
        doubled: list[Fault] = []
        top = entries(mapping(root, "a config"), doubled)
        self._add_all(doubled)
        if doubled:
            self.faults.mute("T005", "T101", "T102")
        for word, (key, _) in top.items():
            if word not in TOP_LEVEL:
                self.faults.add(
                    Fault("T003", f"unknown key {word!r}", key, did_you_mean(word, TOP_LEVEL))
                )
        self._guarded("T005", self._read_params, top.get("params"), overrides)
        self._guarded("T101", self._read_blocks, top.get("blocks"))
        name = self.faults.guard(self._read_text, top.get("name"), "name")
        description = self.faults.guard(self._read_text, top.get("description"), "description")
        inputs = self.faults.guard(self._read_inputs, top.get("input")) or [
            self._faulty_input(root)
        ]
        symbols = self._symbols(inputs)
        sizes: dict[str, Any] = {}
        spans: dict[str, Span] = {}
        known = None if any(node.is_faulty for node in inputs) else symbols
        self.faults.guard(self._read_sizes, top.get("sizes"), known, sizes, spans)
        previous: Target | None = inputs[0] if len(inputs) == 1 else None
        for section in top:
            if section in SECTIONS:
                previous = (
                    self._guarded("T102", self._read_section, section, top[section], previous)
                    or previous
                )
        if self.faults.none and len(self.expansion.nodes) == len(inputs):
            first = next((key for section, (key, _) in top.items() if section in SECTIONS), root)
            words = ", ".join(SECTIONS)
            self.faults.add(
                Fault(
                    "T201", "the network has no layers", span_of(first), f"they stand under {words}"
                )
            )
        nodes = self.expansion.nodes = self.expansion.names.resolve(self.expansion.nodes)
        outputs, expected = self.faults.guard(self._read_output, top.get("output")) or ({}, {})
        if not outputs and "output" not in top and nodes and not nodes[-1].is_input:
            outputs = {nodes[-1].name: nodes[-1]}
        if known is not None:
            self._refuse_unknown_symbols(nodes, expected, symbols)
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
            sizes=sizes,
            size_spans=spans,
            outputs=outputs,
            output_expect=expected,
            params=self.params,
            param_values=self.declared,
            blocks=self.blocks,
            diagnostics=[],
            ignored=ignored_codes(source),
            source=source,
        )

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
        doubled: list[Fault] = []
        declared = (
            entries(mapping(entry[1], "`params`"), doubled)
            if entry and not is_nothing(entry[1])
            else {}
        )
        self._add_all(doubled)
        if entry and len(declared) > limits.NAMES:
            raise Fault("T006", f"the config has more than {limits.NAMES} params", entry[0])
        for name in overrides:
            if name not in declared:
                known = (
                    f"; known: {', '.join(declared)}" if declared else ": the config has no params"
                )
                raise ValueError(f"no param is called {name!r}{known}")
        for name, (key, value) in declared.items():
            if not name.isidentifier():
                self.faults.add(
                    Fault("T004", f"{name!r} cannot name a param: letters, digits and _ only", key)
                )
                continue
            self.params[name] = FAULTY
            if name in overrides:
                self.params[name] = overrides[name]
                continue
            try:
                self.params[name] = value_of(value, self.params)
                self.declared[name] = value
            except Fault as fault:
                self.faults.add(fault)

    def _read_blocks(self, entry: Entry | None) -> None:
        if entry is None or is_nothing(entry[1]):
            return
        found: list[Fault] = []
        for name, (key, value) in entries(mapping(entry[1], "`blocks`"), found).items():
            try:
                if name in registry:
                    raise Fault("T104", f"the block {name!r} has the name of an operation", key)
                self.blocks[name] = declarations.block(name, key, value, found)
            except Fault as fault:
                self.faults.add(fault)
                self.expansion.faulty_blocks.add(name)
        self._add_all(found)

    def _faulty_input(self, root: YamlNode) -> Node:
        """Stands for inputs that could not be read, so that nothing that follows from that is told."""
        self.faults.mute("T102")
        key = ScalarNode(None, "input", root.start_mark, root.start_mark)  # type: ignore[arg-type]
        return self.expansion.add_faulty(
            "input", "input", Declaration("input", key, root, key, {}), ()
        )

    def _read_inputs(self, entry: Entry | None) -> list[Node]:
        if entry is None:
            raise Fault(
                "T201", "the network has no `input`", Span(1, 1, 1, 2), "add `input: [N, 3, H, W]`"
            )
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
            self.faults.add(fault)
            return self.expansion.add_faulty(name, "input", declaration, ())
        node = Node(name, Node.INPUT, "input", declaration, ())
        node.pattern = pattern
        self.expansion.add(node)
        self.expansion.names.targets[name] = node
        return node

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
        entry: Entry | None,
        symbols: Mapping[str, Span] | None,
        sizes: dict[str, Any],
        spans: dict[str, Span],
    ) -> None:
        """Read ``sizes``; ``symbols`` is None where the input could not be read."""
        if entry is None or is_nothing(entry[1]):
            return
        doubled: list[Fault] = []
        declared = entries(mapping(entry[1], "`sizes`"), doubled)
        self._add_all(doubled)
        for name, (key, value) in declared.items():
            try:
                if symbols is not None and name not in symbols:
                    hint = did_you_mean(name, symbols)
                    raise Fault(
                        "T003",
                        f"`sizes` names {name!r}, which is no symbol of the input",
                        key,
                        hint,
                    )
                sizes[name] = self._size(value)
                spans[name] = span_of(value)
            except Fault as fault:
                self.faults.add(fault)

    def _size(self, node: YamlNode) -> Any:
        if isinstance(node, MappingNode):
            return self._size_range(node)
        value = value_of(node, self.params)
        values = value if isinstance(value, tuple) else (value,)
        for item in values:
            if isinstance(item, bool) or not isinstance(item, int):
                raise Fault(
                    "T004", "a size is an integer, a list of integers or {min, max, step}", node
                )
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
                raise Fault(
                    "T003",
                    f"a range of sizes has no key {word!r}",
                    key,
                    did_you_mean(word, numbers),
                )
            number = value_of(value, self.params)
            if number is None and word == "max":
                continue  # without end, as if it were left out
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
            raise Fault(
                "T202", f"the range of sizes is empty: max {largest} is below min {least}", node
            )
        return SizeRange(least, largest, step)

    def _read_section(self, section: str, entry: Entry, previous: Target | None) -> Target | None:
        value = entry[1]
        if is_nothing(value):
            return previous
        faults: list[Fault] = []
        declared = list(declarations.layers(value, f"`{section}`", faults))
        self._add_all(faults)
        self.expansion.refuse_too_many(declared)
        return self.expansion.expand(declared, "", self.params, section, (), previous)

    def _read_output(self, entry: Entry | None) -> tuple[dict[str, Node], dict[str, Any]]:
        if entry is None:
            return {}, {}
        value = entry[1]
        outputs: dict[str, Node] = {}
        expected: dict[str, Any] = {}
        names: list[tuple[ScalarNode, YamlNode | None]]
        if isinstance(value, MappingNode):
            names = list(entries(value).values())
            if not names:
                raise Fault("T106", "`output` is empty; leave it out to take the last node", value)
        else:
            names = [(name, None) for name in declarations.references(value, "output")]
        for at, shape in names:
            node = self.expansion.names.resolved(Reference("", at, ()))
            if node is None:
                continue
            outputs[at.value] = node
            if shape is not None and not (isinstance(shape, ScalarNode) and scalar(shape) is None):
                expected[at.value] = (
                    shape_pattern(shape, self.params, "an output's shape", any_dim=True),
                    shape,
                )
        return outputs, expected

    def _refuse_unknown_symbols(
        self,
        nodes: Iterable[Node],
        outputs: Mapping[str, tuple[tuple[DimPattern, ...], YamlNode]],
        symbols: Any,
    ) -> None:
        """T005 for an expectation over a symbol that no input has."""
        expected = [(node.expect, node.uses) for node in nodes if node.expect is not None]
        for (pattern, at), uses in [*expected, *((found, ()) for found in outputs.values())]:
            items = at.value if isinstance(at, SequenceNode) else [at] * len(pattern)
            for dim, item in zip(pattern, items):
                names = (
                    dim.names
                    if isinstance(dim, Expression)
                    else {dim}
                    if isinstance(dim, str)
                    else ()
                )
                for name in sorted(set(names) - set(symbols)):
                    message = (
                        f"{name!r} is no symbol of the input, so nothing says what size is expected"
                    )
                    self.faults.add(Fault("T005", message, item, did_you_mean(name, symbols)), uses)
