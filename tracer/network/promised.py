"""``[[tool.tracer.source]]`` in ``pyproject.toml``: networks that stand elsewhere, and what is promised of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.diagnostics import Span
from tracer.network.declared_sizes import declared_size
from tracer.network.dims import shape_pattern
from tracer.network.records import DimPattern, Expectation, Promise, first_size
from tracer.network.values import did_you_mean, mapping, text, value_of
from tracer.source.expressions import Expression
from tracer.source.tree import Entries, Fault, described, entries, span_of

KEYS = ("module", "path", "args", "input", "sizes", "output", "until", "key")
"""The keys of a table."""


class PromisedInput(msgspec.Struct, frozen=True):
    """The shape of an input, as a table has it."""

    dims: tuple[int | str, ...]
    """A number, or the name of a symbol."""
    places: tuple[Span, ...]
    """The place of each dim."""


class PromisedSource(msgspec.Struct):
    """One table: a network, and what is promised of it."""

    source: str = ""
    """``my_nets:UNet``, or a path from the folder of the file that has the table."""
    is_path: bool = False
    place: Span | None = None
    """Where the network is named."""
    arguments: dict[str, Any] = {}
    inputs: dict[str, PromisedInput] = {}
    """By name; an empty one is that of the only input."""
    sizes: dict[str, Promise] = {}
    size_places: dict[str, Span] = {}
    outputs: dict[str, Expectation] = {}
    """By name; an empty one is that of the only output."""
    until: str | None = None
    until_place: Span | None = None
    key: str | None = None
    """The part of another tool's file that is the network."""

    def named(self, folder: str) -> str:
        """How the network is named from where ``folder`` is that of the file."""
        is_file = self.is_path or self.source.rpartition(":")[0].endswith(".py")
        return os.path.join(folder, self.source) if is_file else self.source

    def sizes_at(self, sizes: Mapping[str, int]) -> list[tuple[int, ...]]:
        """The inputs' shapes at these sizes of the symbols."""
        return [
            tuple(dim if isinstance(dim, int) else sizes[dim] for dim in one.dims)
            for one in self.inputs.values()
        ]

    def first_sizes(self) -> dict[str, int]:
        """The first promised size of each symbol."""
        return {symbol: first_size(promise) for symbol, promise in self.sizes.items()}


def promised_sources(root: YamlNode | None) -> tuple[list[PromisedSource], list[Fault]]:
    """The tables of a list that are right, and what is wrong with others."""
    if root is None:
        return [], []
    if not isinstance(root, SequenceNode):
        message = f"tool.tracer.source must be a list of tables, not {described(root)}"
        return [], [Fault("T004", message, root, "write [[tool.tracer.source]]")]

    found, faults = [], []
    for node in root.value:
        reader = _TableReader()
        source = reader.read(node)
        faults += reader.faults
        if not reader.faults:
            found.append(source)
    return found, faults


class _TableReader:
    """The state while one table is read: what one key says wrong does not keep the others from being read."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.found = PromisedSource()

    def read(self, node: YamlNode) -> PromisedSource:
        """What a table says."""
        try:
            table = entries(mapping(node, "an entry of tool.tracer.source"))
        except Fault as fault:
            self.faults.append(fault)
            return self.found

        for word, (key, _) in table.items():
            if word not in KEYS:
                hint = did_you_mean(word, KEYS)
                self.faults.append(Fault("T003", f"a source has no key {word!r}", key, hint))
        self._guarded(self._read_name, table, node)
        self._guarded(self._read_until, table)
        self._guarded(self._read_arguments, table)
        self._guarded(self._read_inputs, table)
        self._guarded(self._read_sizes, table)
        self._guarded(self._read_outputs, table)
        if not self.faults:
            self.faults += self._loose_ends(table)
        return self.found

    def _guarded(self, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Fault as fault:
            self.faults.append(fault)

    def _read_name(self, table: Entries, node: YamlNode) -> None:
        named = [word for word in ("module", "path") if word in table]
        if not named:
            hint = 'add module = "my_nets:UNet", or path = "nets/unet.yaml"'
            raise Fault("T201", "a source needs `module` or `path`", node, hint)
        if len(named) > 1:
            raise Fault("T202", "a source has `module` or `path`, not both", table["path"][0])

        (word,) = named
        value = table[word][1]
        name = text(value, f"`{word}`")
        if word == "module" and ":" not in name:
            module, _, last = name.rpartition(".")
            hint = f"write {module or 'my_nets'}:{last}"
            raise Fault("T004", "`module` is written package.module:callable", value, hint)
        self.found.source = name
        self.found.is_path = word == "path"
        self.found.place = span_of(value)

    def _read_until(self, table: Entries) -> None:
        if "until" in table:
            value = table["until"][1]
            self.found.until = text(value, "`until`")
            self.found.until_place = span_of(value)
        if "key" in table:
            self.found.key = text(table["key"][1], "`key`")

    def _read_arguments(self, table: Entries) -> None:
        given = _mapping_in(table, "args")
        self.found.arguments = {word: value_of(value, {}) for word, (_, value) in given.items()}

    def _read_inputs(self, table: Entries) -> None:
        for name, node in _shapes(table, "input"):
            what = f"the input {name}" if name else "`input`"
            self.found.inputs[name] = _input(node, what)

    def _read_sizes(self, table: Entries) -> None:
        for symbol, (_, value) in _mapping_in(table, "sizes").items():
            self.found.sizes[symbol] = declared_size(value, {})
            self.found.size_places[symbol] = span_of(value)

    def _read_outputs(self, table: Entries) -> None:
        for name, node in _shapes(table, "output"):
            what = f"the output {name}" if name else "`output`"
            self.found.outputs[name] = (shape_pattern(node, {}, what, any_dim=True), node)

    def _loose_ends(self, table: Entries) -> Iterator[Fault]:
        """Symbols without sizes, and sizes and dims of outputs without a symbol."""
        for name, one in self.found.inputs.items():
            where = f"the input {name}" if name else "the input"
            for dim, place in zip(one.dims, one.places):
                if isinstance(dim, str) and dim not in self.found.sizes:
                    message = f"{where} has {dim}, and `sizes` says nothing of it"
                    hint = f"add sizes = {{{dim} = {{min = 64, step = 16}}}}"
                    yield Fault("T201", message, place, hint)

        if self.found.inputs:
            yield from self._without_symbol(table)

    def _without_symbol(self, table: Entries) -> Iterator[Fault]:
        """Sizes and dims of outputs whose symbol no input has."""
        known: set[str] = set()
        for one in self.found.inputs.values():
            known |= symbols_in(one.dims)

        sizes = _mapping_in(table, "sizes")
        said: list[tuple[str, YamlNode]] = [(symbol, key) for symbol, (key, _) in sizes.items()]
        for pattern, at in self.found.outputs.values():
            said += [(symbol, at) for symbol in sorted(symbols_in(pattern))]
        for symbol, place in said:
            if symbol not in known:
                message = f"the input has no symbol {symbol!r}"
                yield Fault("T102", message, place, did_you_mean(symbol, known))


def symbols_in(pattern: tuple[DimPattern, ...]) -> set[str]:
    """The symbols in a shape."""
    found: set[str] = set()
    for dim in pattern:
        if isinstance(dim, Expression):
            found |= set(dim.names)
        elif isinstance(dim, str):
            found.add(dim)
    return found


def _mapping_in(table: Entries, word: str) -> Entries:
    """The entries of a table in the table; none where there is none."""
    if word not in table:
        return {}
    return entries(mapping(table[word][1], f"`{word}`"))


def _shapes(table: Entries, word: str) -> list[tuple[str, YamlNode]]:
    """The shapes under a key by name; an empty one for a shape alone."""
    if word not in table:
        return []
    key, value = table[word]
    if not isinstance(value, MappingNode):
        return [("", value)]
    found = [(name, node) for name, (_, node) in entries(value).items()]
    if not found:
        raise Fault("T004", f"`{word}` is empty", key)
    return found


def _input(node: YamlNode, what: str) -> PromisedInput:
    """An input's shape."""
    if isinstance(node, ScalarNode):
        raise Fault(
            "T004",
            f'{what} must be a list of dims such as [1, 3, "H", "W"], not {described(node)}',
            node,
        )
    dims: Any = shape_pattern(node, {}, what, any_dim=False)
    for dim, place in zip(dims, node.value):
        if isinstance(dim, Expression):
            message = f"a dim of {what} must be a number or a symbol, not {described(place)}"
            raise Fault("T004", message, place)
    return PromisedInput(dims, tuple(map(span_of, node.value)))
