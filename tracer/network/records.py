"""The declared network: its nodes, symbols and contracts, each with its place in the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode

from tracer.diagnostics import Diagnostic, Related, Span
from tracer.ops.base import Op, given_arguments
from tracer.source.expressions import Expression
from tracer.source.python_places import Place
from tracer.source.tree import Entries, span_of

DimPattern = int | str | Expression | None
"""A dim as declared: a number, a symbol's name, an expression over symbols, or None for any (``_``)."""


def as_written(dim: DimPattern) -> int | str:
    """A dim as a config has it: a number, or the text of a symbol or an expression."""
    if dim is None:
        return "_"
    return dim.text if isinstance(dim, Expression) else dim


class Nothing(dict[str, Any]):
    """A mapping without keys that all nodes share: records make a copy of a plain dict for each."""


NOTHING: Mapping[str, Any] = Nothing()


class Declaration(msgspec.Struct, frozen=True, eq=False):
    """One ``name: {op: ..., ...}`` of the file, as written. A block's declaration serves all uses of the block."""

    name: str
    key: ScalarNode
    value: YamlNode
    op: ScalarNode
    arguments: Entries
    """The operation's or block's arguments: name -> (key, value)."""
    inputs: list[ScalarNode] | None = None
    """The names under ``from``; None where it is left out."""
    expect: YamlNode | None = None
    repeat: YamlNode | None = None
    weights: ScalarNode | None = None
    """The name of the node whose parameters it shares; None where it has its own."""
    learned: YamlNode | None = None
    faulty: bool = False
    """Its fault is reported; it makes a node without an operation."""
    is_plain: bool = False
    """It says nothing but its operation, with the arguments, and so reads the node before it."""


class Unknown(msgspec.Struct, frozen=True):
    """An ``auto``: one integer that the planner finds, for one argument of one node on one axis."""

    field: str
    axis: int | None
    """None where one value serves every axis or the argument has none."""
    least: int | None
    largest: int | None
    """The domain as declared; None where the operation's own applies."""


Expectation = tuple[tuple[DimPattern, ...], YamlNode]
"""A shape that is expected, and where it is written."""


class Node(msgspec.Struct, eq=False):
    """One node of the expanded network: an input or one operation."""

    INPUT: ClassVar[str] = "Input"

    name: str
    op_name: str
    section: str
    declaration: Declaration
    uses: tuple[Declaration, ...]
    """The block uses around it, outermost first."""
    op: Op | None = None
    """None for an input, and where the declaration is at fault."""
    pattern: tuple[DimPattern, ...] = ()
    """An input's declared shape."""
    expect: Expectation | None = None
    unknowns: tuple[Unknown, ...] = ()
    dim_fields: Mapping[str, DimPattern | tuple[DimPattern, ...]] = NOTHING
    """Arguments with dims written as expressions over symbols."""
    inputs: list[Node] = []
    operands: Mapping[str, Node] = NOTHING
    """Nodes that give an argument at run time (``output_size``, ``size``, ``indices``)."""
    index: int = -1
    weights: Node | None = None
    """The node whose parameters it shares, which has its own."""
    learned: bool = True
    """False where its parameters are constants."""
    place: Place | None = None
    """Its place in the program that the network was read from; None for a config of its own."""
    has_lines: bool = True
    """Whether its text is the user's, rather than written from another source."""

    FAULTY: ClassVar[str] = "?"
    """The operation's name where the declaration is at fault."""

    def arguments(self, op: Op) -> dict[str, Any]:
        """The arguments of its operation that differ from torch's defaults, nodes by their names."""
        found = given_arguments(op)
        for word in op.input_fields:
            if isinstance(found.get(word), int):
                found[word] = self.inputs[found[word]].name
        return found

    @property
    def is_faulty(self) -> bool:
        return self.op_name == self.FAULTY

    @property
    def is_input(self) -> bool:
        return self.op_name == self.INPUT

    @property
    def shown(self) -> str:
        """Its name in messages: that of the layer in the program that it was read from, or its own."""
        place = self.place
        return self.name if place is None or place.name is None else place.name

    def said(self, message: str) -> str:
        """A message about it, behind its name; without one for what has none in the program that it was read from.

        Of a node in a block, the line of the file that uses the block stands there too.
        """
        if self.place is not None:
            return f"{self.shown}: {message}" if self.place.name is not None else message
        is_told = self.uses and self.has_lines
        used = f" (used in line {span_of(self.uses[0].key).line})" if is_told else ""
        return f"{self.shown}{used}: {message}"

    @property
    def span(self) -> Span:
        """The place of the declaration: its name in the file."""
        return span_of(self.declaration.key)

    def span_for(self, field: str | None) -> Span:
        """The place of an argument; of the operation's name where it is left out."""
        declaration = self.declaration
        if field is not None and field in declaration.arguments:
            return span_of(declaration.arguments[field][1])
        return span_of(declaration.op)

    @property
    def has_own_parameters(self) -> bool:
        """True for a node whose parameters are learned, and counted here rather than where they are shared from."""
        return self.weights is None and self.learned

    @property
    def weights_span(self) -> Span | None:
        """The place that says whose parameters it shares: its own line, or the use of a block around it."""
        for declaration in (self.declaration, *reversed(self.uses)):
            if declaration.weights is not None:
                return span_of(declaration.weights)
        return None

    def use_places(self) -> tuple[Related, ...]:
        """The block uses that this node comes from, innermost first."""
        return tuple(
            Related(f"in the block used as {use.name!r} here", span_of(use.key))
            for use in reversed(self.uses)
        )

    def __repr__(self) -> str:
        return f"<Node {self.name} {self.op_name}>"


class Elsewhere(msgspec.Struct, frozen=True):
    """What is promised of a network in another file than its own."""

    path: str
    symbols: frozenset[str] = frozenset()
    """The symbols whose sizes it has."""
    outputs: frozenset[str] = frozenset()
    """The outputs whose shapes it has."""


class Network(msgspec.Struct):
    """A whole declared network, expanded: nodes in execution order, inputs included."""

    path: str
    name: str | None
    description: str | None
    nodes: list[Node]
    """In execution order."""
    names: dict[str, Node]
    """Every name that has a shape, a block's name included: it is its last node's."""
    symbols: dict[str, Span]
    """The symbols of the inputs, in order of appearance."""
    sizes: dict[str, Any]
    """The declared ``sizes``: an int, a list, or a SizeRange, by symbol."""
    size_spans: dict[str, Span]
    outputs: dict[str, Node]
    """The network's outputs by their declared name."""
    output_expect: dict[str, Expectation]
    params: dict[str, Any]
    param_values: Mapping[str, YamlNode]
    """The params' values as they are written, of those that are not overridden."""
    blocks: Mapping[str, Any]
    """The declared blocks (:class:`tracer.network.declarations.Block`) by name."""
    diagnostics: list[Diagnostic]
    """Warnings found while loading."""
    ignored: dict[int, frozenset[str]]
    """Codes that a ``# tracer: ignore[...]`` comment silences, by line."""
    source: str
    """The config's text."""
    sharers: list[Node] = []
    """The nodes that share another's parameters."""
    preferred: dict[tuple[str, str], Any] = {}
    """Values of solvable arguments, by node and argument, that cost nothing; elsewhere torch's defaults do."""
    until: str | None = None
    """The layer up to which it is read; None for a whole network."""
    elsewhere: Elsewhere | None = None
    """What is promised in another file."""

    @property
    def given_params(self) -> dict[str, Any]:
        """The params that whoever loaded it replaced."""
        return {
            name: value for name, value in self.params.items() if name not in self.param_values
        }

    def file_of_size(self, symbol: str) -> str:
        """The path of the file that has a symbol's sizes."""
        elsewhere = self.elsewhere
        return elsewhere.path if elsewhere and symbol in elsewhere.symbols else self.path

    def file_of_output(self, name: str) -> str:
        """The path of the file that has the shape of an output."""
        elsewhere = self.elsewhere
        return elsewhere.path if elsewhere and name in elsewhere.outputs else self.path

    def spatial_symbols(self) -> list[str]:
        """The symbols that stand behind batch and channels in an input."""
        patterns = [node.pattern[2:] for node in self.nodes if node.is_input]
        dims = [dim for pattern in patterns for dim in pattern if isinstance(dim, str)]
        return list(dict.fromkeys(dims))

    def defaults(self) -> dict[str, int]:
        """The size of every symbol in a single trace: the fixed value, the list's first, or ``min``."""
        return {
            symbol: first_size(value)
            for symbol, value in self.sizes.items()
            if symbol in self.symbols
        }


class SizeRange(msgspec.Struct, frozen=True):
    """``{min, max, step}``: every size min, min + step, ... that is <= max (None: without end)."""

    least: int
    largest: int | None
    step: int


def first_size(value: Promise) -> int:
    """The size that a single trace uses."""
    if isinstance(value, SizeRange):
        return value.least
    return value[0] if isinstance(value, tuple) else value


Promise = int | tuple[int, ...] | SizeRange
"""One symbol's entry under ``sizes``."""


def is_set(promise: Promise) -> bool:
    """True for a promise of more than one size.

    >>> is_set(SizeRange(32, None, 16)), is_set((64, 64)), is_set(64)
    (True, False, False)
    """
    if isinstance(promise, SizeRange):
        return promise.largest is None or promise.largest - promise.least >= promise.step
    return isinstance(promise, tuple) and len(set(promise)) > 1
