"""A network's arguments as expressions over its params, for params that have no number yet.

The network was expanded with numbers. Its nodes' arguments are read again where they are written, with symbols in the
place of some params, through the blocks that they come from. A param that decides what nodes there are cannot be open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode, SequenceNode

from tracer.network.folding import NamePart, levels
from tracer.network.records import Declaration, DimPattern, Network, Node
from tracer.network.values import interpolated, value_of
from tracer.ops.base import Op, with_arguments
from tracer.sizing.symbol import Condition, Size
from tracer.source.tree import Fault

Values = dict[str, Any]
"""The values of the names in expressions."""

V = TypeVar("V")


class NotOpen(Exception):
    """The network's structure, or an argument that is no number, follows from a param."""


class OpenParam(NamedTuple):
    """A param without a number, and the symbol in its place."""

    name: str
    symbol: str
    """The symbol's name, which no input's symbol can have."""


def open_param(name: str) -> OpenParam:
    """The open param of this name.

    >>> open_param("base").symbol
    'param base'
    """
    return OpenParam(name, f"param {name}")


def by_symbol(values: Mapping[str, V]) -> dict[str, V]:
    """Values of params, by the symbols in their place."""
    return {open_param(name).symbol: value for name, value in values.items()}


def follows(network: Network, name: str) -> bool:
    """True for a param whose value is computed from others."""
    declared = network.param_values.get(name)
    return declared is not None and _has_expression(declared)


class OpenScope(NamedTuple):
    """The values of the names in a node's arguments."""

    opened: Values
    """With symbols in the place of the open params."""
    numbers: Values
    """With their numbers."""

    def with_index(self, index: int) -> OpenScope:
        """The same in one copy of a repeated declaration."""
        return OpenScope({**self.opened, "index": index}, {**self.numbers, "index": index})

    def value(self, node: YamlNode, refused: str) -> Any:
        """A value where it is over the open params; None where it is the number that it was.

        Raises :class:`NotOpen` with the reason ``refused`` where it follows from them and is no size.
        """
        value = _value(node, self.opened)
        if _is_open(value):
            return value
        if value != _value(node, self.numbers):
            raise NotOpen(refused)
        return None

    def refuse_open(self, node: YamlNode, refused: str) -> None:
        """Raise :class:`NotOpen` where a value follows from an open param."""
        if _has_expression(node) and self.value(node, refused) is not None:
            raise NotOpen(refused)


class OpenParams:
    """A network with symbols in the place of some of its params. Every method raises :class:`NotOpen`."""

    def __init__(self, network: Network, symbols: Mapping[str, Size]) -> None:
        """``symbols``: by the params' names."""
        self.network = network
        self.symbols = symbols
        self._scopes: dict[tuple[Any, ...], OpenScope] = {}
        """By the block uses and indices that lead there."""

    def op(self, node: Node, op: Op) -> Op:
        """A node's operation with its arguments over the open params."""
        scope = self._scope_of(node)
        self._refuse_other_structure(node.declaration, scope)

        changed: dict[str, Any] = {}
        for word, (_, written) in node.declaration.arguments.items():
            if not _has_expression(written) or word in node.dim_fields:
                continue
            value = scope.value(written, f"it is part of {word} at {node.name}")
            if value is not None:
                changed[word] = value
        return with_arguments(op, changed) if changed else op

    def pattern(
        self, node: Node, declared: YamlNode, pattern: tuple[DimPattern, ...]
    ) -> tuple[Any, ...]:
        """An input's shape or an expectation, its dims over the open params."""
        return _opened_dims(node, declared, pattern, self._scope_of(node, declared))

    def dims(self, node: Node, field: str) -> DimPattern | tuple[Any, ...]:
        """An argument that is a dim over the input's symbols, or a list of dims, over the open params too."""
        dims, declared = node.dim_fields[field], node.declaration.arguments[field][1]
        pattern = dims if isinstance(dims, tuple) else (dims,)
        found = _opened_dims(node, declared, pattern, self._scope_of(node))
        return found if isinstance(dims, tuple) else found[0]

    def _outermost(self) -> OpenScope:
        """The values of the params; those that are computed from others follow."""
        known = self._scopes.get(())
        if known is None:
            opened: Values = {}
            for name, value in self.network.params.items():
                if name in self.symbols:
                    opened[name] = self.symbols[name]
                elif follows(self.network, name):
                    opened[name] = _value(self.network.param_values[name], opened)
                else:
                    opened[name] = value
            known = self._scopes[()] = OpenScope(opened, dict(self.network.params))
        return known

    def _scope_of(self, node: Node, shape: YamlNode | None = None) -> OpenScope:
        """The scope of a node's arguments.

        Of a shape: the scope where it is written, at the node, at a use of a block around it, or outside of the layers.
        """
        scope = self._outermost()
        key: tuple[Any, ...] = ()
        for declaration, index in _uses(levels(node), shape):
            has_shape = shape is not None and declaration.expect is shape
            key = (*key, declaration, index, has_shape)
            known = self._scopes.get(key)
            if known is None:
                is_last = declaration is node.declaration or has_shape
                known = self._entered(declaration, index, scope, is_last)
                self._scopes[key] = known
            scope = known
        return scope

    def _entered(
        self, declaration: Declaration, index: int | None, scope: OpenScope, is_last: bool
    ) -> OpenScope:
        """The scope inside of a block's use; of the last declaration that of its own arguments."""
        self._refuse_other_structure(declaration, scope)
        if index is not None:
            scope = scope.with_index(index)
        if is_last:
            return scope

        block = self.network.blocks[str(_value(declaration.op, scope.numbers))]
        params = self._outermost()
        inner = OpenScope(dict(params.opened), dict(params.numbers))
        for word, (_, default) in block.arguments.items():
            given = declaration.arguments.get(word)
            for own, outer in zip(inner, scope):
                own[word] = _value(default, own) if given is None else _value(given[1], outer)
        return inner

    def _refuse_other_structure(self, declaration: Declaration, scope: OpenScope) -> None:
        """The operation and the number of copies must not follow from an open param."""
        refused = f"it decides what {declaration.name} is"
        scope.refuse_open(declaration.op, refused)
        if declaration.repeat is not None:
            scope.refuse_open(declaration.repeat, refused)


def _uses(
    parts: list[NamePart], shape: YamlNode | None
) -> Iterator[tuple[Declaration, int | None]]:
    """The declarations that lead to a node, or to a shape at one of them, each with the index of its copy."""
    for place, part in enumerate(parts):
        if part.is_index:
            continue
        if shape is not None and not any(
            one.declaration.expect is shape for one in parts[place:]
        ):
            return
        following = parts[place + 1] if place + 1 < len(parts) else None
        index = int(following.text) if following is not None and following.is_index else None
        yield part.declaration, index


def _opened_dims(
    node: Node, declared: YamlNode, pattern: tuple[DimPattern, ...], scope: OpenScope
) -> tuple[Any, ...]:
    if not isinstance(declared, SequenceNode):
        scope.refuse_open(declared, f"it decides the shape of {node.name}")
        return pattern

    found: list[Any] = list(pattern)
    for position, item in enumerate(declared.value):
        if _has_expression(item):
            value = scope.value(item, f"it is part of a dim of {node.name}")
            if value is not None:
                found[position] = value
    return tuple(found)


def _has_expression(value: YamlNode) -> bool:
    if isinstance(value, ScalarNode):
        return "${" in value.value
    return isinstance(value, SequenceNode) and any(map(_has_expression, value.value))


def _is_open(value: Any) -> bool:
    return isinstance(value, Size) or (isinstance(value, tuple) and any(map(_is_open, value)))


def _value(node: YamlNode, values: Values) -> Any:
    """A value, in which a symbol stays a symbol and never becomes its text."""
    try:
        value = (
            interpolated(node, values)
            if isinstance(node, ScalarNode)
            else value_of(node, values)
        )
    except (Fault, TypeError) as error:  # what a symbol cannot do
        raise NotOpen(str(error)) from None
    parts = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, Condition) for part in parts):
        raise NotOpen("it is compared")
    return value
