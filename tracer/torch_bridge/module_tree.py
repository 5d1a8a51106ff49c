"""The classes of a source file as a tree: the nodes of each module, what it reads from outside and what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tracer.network.records import Network, Node

COPIES = "copies"
"""The title of a module that holds the copies of a repeat."""


class Key(NamedTuple):
    """What crosses from one module to another."""

    node: int
    """The index of the node."""
    is_indices: bool = False
    """The indices of a max pooling, not its output."""


class Module:
    """One class while it is written: the network, a block's use, or the copies of a repeat."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        """The dotted name in the config; empty for the network."""
        self.title = title
        self.children: dict[str, Module | Node] = {}
        self.inputs: list[Key] = []
        """What it reads from outside, in order of first use."""
        self.results: list[Key] = []
        """What of its own is read outside."""

    @property
    def is_copies(self) -> bool:
        """Whether it holds the copies of a repeat."""
        return self.title == COPIES

    def modules(self) -> Iterator[Module]:
        """The module itself and all inside of it."""
        yield self
        for child in self.children.values():
            if isinstance(child, Module):
                yield from child.modules()

    def nodes(self) -> Iterator[Node]:
        """All nodes inside of it, in order."""
        for child in self.children.values():
            if isinstance(child, Module):
                yield from child.nodes()
            else:
                yield child


class SymbolSource(NamedTuple):
    """Where a symbol is read: a dim of an input."""

    node: Node
    dim: int


def symbols_of(network: Network) -> dict[str, SymbolSource]:
    """The first input that has each symbol, and its dim."""
    found: dict[str, SymbolSource] = {}
    for node in network.nodes:
        for dim, symbol in enumerate(node.pattern):
            if isinstance(symbol, str):
                found.setdefault(symbol, SymbolSource(node, dim))
    return found


def keys_read(node: Node) -> list[Key]:
    """What a node reads, in order."""
    inputs = [Key(source.index) for source in node.inputs]
    operands = []
    for word, source in node.operands.items():
        operands.append(Key(source.index, word == "indices"))
    return [*inputs, *operands]


def tree_of(network: Network) -> Module:
    """The network's module, with all others inside of it."""
    root = Module("", "Network")
    modules = {"": root}
    homes = {}
    for node in network.nodes:
        home = root if node.is_input else _place(modules, node)
        homes[node.index] = home.name

    sources = symbols_of(network).values()
    symbols = [Key(source.node.index) for source in sources]
    outputs = {node.index for node in network.outputs.values()}
    for node in network.nodes:
        reader = homes[node.index]
        reads = keys_read(node)
        if node.dim_fields and reader:
            reads += symbols

        for key in reads:
            _carry(modules, key, homes[key.node], reader)
        if node.index in outputs:
            _carry(modules, Key(node.index), reader, "")
    return root


def _place(modules: dict[str, Module], node: Node) -> Module:
    """Put a node into its module; those around it are made where they are missing."""
    *around, last = node.name.split(".")
    module = modules[""]
    for part, title in zip(around, _titles(node)):
        name = f"{module.name}.{part}" if module.name else part
        if name not in modules:
            modules[name] = Module(name, title)
            module.children[part] = modules[name]
        module = modules[name]

    module.children[last] = node
    return module


def _titles(node: Node) -> list[str]:
    """What each part of the name around a node is: a block, or the copies of a repeat."""
    titles = []
    for declaration in (*node.uses, node.declaration):
        if declaration.repeat is not None:
            titles.append(COPIES)
        titles.append(declaration.op.value)
    return titles


def _carry(modules: Mapping[str, Module], key: Key, home: str, reader: str) -> None:
    """Note the modules that a value leaves and enters on its way from its module to a reader's."""
    own = home
    while own and not (reader == own or reader.startswith(f"{own}.")):
        _note(modules[own].results, key)
        own = own.rpartition(".")[0]

    while reader and reader != own:
        _note(modules[reader].inputs, key)
        reader = reader.rpartition(".")[0]


def _note(keys: list[Key], key: Key) -> None:
    if key not in keys:
        keys.append(key)
