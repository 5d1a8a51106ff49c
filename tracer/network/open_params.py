"""A network's arguments as expressions over its params, for params that have no number yet.

The network was expanded with numbers. Its nodes' arguments are read again where they stand, with symbols in the place
of some params, through the blocks that they come from. A param that decides what nodes there are cannot be open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode, SequenceNode

from tracer.network.folding import levels
from tracer.network.records import Declaration, DimPattern, Network, Node
from tracer.network.values import interpolated, value_of
from tracer.ops.base import Op, with_arguments
from tracer.sizing.symbol import Condition, Size
from tracer.source.tree import Fault

Scope = dict[str, Any]


class NotOpen(Exception):
    """The network's structure, or an argument that is no number, follows from a param."""


def follows(network: Network, name: str) -> bool:
    """Whether a param's value is computed from others."""
    declared = network.param_values.get(name)
    return declared is not None and _has_expression(declared)


class OpenParams:
    """A network with symbols in the place of some of its params. Every method raises :class:`NotOpen`."""

    def __init__(self, network: Network, symbols: Mapping[str, Size]) -> None:
        self.network = network
        self.params = self._with(symbols)
        self._numbers = dict(network.params)
        self._scopes: dict[tuple[Any, ...], tuple[Scope, Scope]] = {}

    def _with(self, symbols: Mapping[str, Size]) -> Scope:
        """The params' values; those that are computed from others follow."""
        scope: Scope = {}
        for name, value in self.network.params.items():
            if name in symbols:
                scope[name] = symbols[name]
            elif follows(self.network, name):
                scope[name] = _value(self.network.param_values[name], scope)
            else:
                scope[name] = value
        return scope

    def op(self, node: Node, op: Op) -> Op:
        """A node's operation with its arguments over the open params."""
        opened, numbers = self._scopes_of(node)
        self._same_structure(node.declaration, opened, numbers)
        changed: dict[str, Any] = {}
        for word, (_, value) in node.declaration.arguments.items():
            if not _has_expression(value) or word in node.dim_fields:
                continue
            found = _value(value, opened)
            if _is_open(found):
                changed[word] = found
            elif _differ(found, _value(value, numbers)):
                raise NotOpen(f"it is part of {word} at {node.name}")
        return with_arguments(op, changed) if changed else op

    def pattern(
        self, node: Node, declared: YamlNode, pattern: tuple[DimPattern, ...]
    ) -> tuple[Any, ...]:
        """An input's shape or an expectation, its dims over the open params."""
        return self._opened(node, declared, pattern, self._scopes_of(node, declared))

    def dims(self, node: Node, field: str) -> DimPattern | tuple[Any, ...]:
        """An argument that is a dim over the input's symbols, or a list of dims, over the open params too."""
        dims, declared = node.dim_fields[field], node.declaration.arguments[field][1]
        pattern = dims if isinstance(dims, tuple) else (dims,)
        found = self._opened(node, declared, pattern, self._scopes_of(node))
        return found if isinstance(dims, tuple) else found[0]

    def _opened(
        self,
        node: Node,
        declared: YamlNode,
        pattern: tuple[DimPattern, ...],
        scopes: tuple[Scope, Scope],
    ) -> tuple[Any, ...]:
        opened, numbers = scopes
        if not isinstance(declared, SequenceNode):
            if _has_expression(declared) and _differ(
                _value(declared, opened), _value(declared, numbers)
            ):
                raise NotOpen(f"it decides the shape of {node.name}")
            return pattern
        found = list(pattern)
        for position, item in enumerate(declared.value):
            if _has_expression(item):
                value = _value(item, opened)
                if _is_open(value):
                    found[position] = value
                elif _differ(value, _value(item, numbers)):
                    raise NotOpen(f"it is part of a dim of {node.name}")
        return tuple(found)

    def _scopes_of(self, node: Node, shape: YamlNode | None = None) -> tuple[Scope, Scope]:
        """What the names in a node's arguments stand for, with the params open, and with their numbers.

        Of a shape: where it stands, at the node, at a use of a block around it, or outside of the layers.
        """
        opened, numbers = self.params, self._numbers
        parts = levels(node)
        key: tuple[Any, ...] = ()
        for place, (_, declaration, is_index) in enumerate(parts):
            if is_index or (
                shape is not None and not any(d.expect is shape for _, d, _ in parts[place:])
            ):
                continue
            index = None
            if place + 1 < len(parts) and parts[place + 1][2]:
                index = int(parts[place + 1][0])
            key = (*key, id(declaration), index, shape is not None and declaration.expect is shape)
            known = self._scopes.get(key)
            if known is None:
                known = self._scopes[key] = self._entered(
                    declaration,
                    index,
                    opened,
                    numbers,
                    declaration is node.declaration or declaration.expect is shape is not None,
                )
            opened, numbers = known
        return opened, numbers

    def _entered(
        self,
        declaration: Declaration,
        index: int | None,
        opened: Scope,
        numbers: Scope,
        outside: bool,
    ) -> tuple[Scope, Scope]:
        """The scopes inside of a block's use; ``outside``: around the declaration's own arguments."""
        self._same_structure(declaration, opened, numbers)
        if index is not None:
            opened, numbers = {**opened, "index": index}, {**numbers, "index": index}
        if outside:
            return opened, numbers
        block = self.network.blocks[str(_value(declaration.op, numbers))]
        inner = (dict(self.params), dict(self._numbers))
        for word, (_, default) in block.arguments.items():
            given = declaration.arguments.get(word)
            for scope, outer in zip(inner, (opened, numbers)):
                scope[word] = _value(default, scope) if given is None else _value(given[1], outer)
        return inner

    def _same_structure(self, declaration: Declaration, opened: Scope, numbers: Scope) -> None:
        """The operation and the number of copies must not follow from an open param."""
        for value in (declaration.op, declaration.repeat):
            if value is None or not _has_expression(value):
                continue
            if _differ(_value(value, opened), _value(value, numbers)):
                raise NotOpen(f"it decides what {declaration.name} is")


def _has_expression(value: YamlNode) -> bool:
    if isinstance(value, ScalarNode):
        return "${" in value.value
    return isinstance(value, SequenceNode) and any(map(_has_expression, value.value))


def _is_open(value: Any) -> bool:
    return isinstance(value, Size) or (isinstance(value, tuple) and any(map(_is_open, value)))


def _differ(opened: Any, number: Any) -> bool:
    """Whether a value follows from an open param."""
    return _is_open(opened) or bool(opened != number)


def _value(node: YamlNode, scope: Scope) -> Any:
    """A value, in which a symbol stands for itself and never for its text."""
    try:
        value = interpolated(node, scope) if isinstance(node, ScalarNode) else value_of(node, scope)
    except (Fault, TypeError) as error:  # what a symbol cannot do
        raise NotOpen(str(error)) from None
    if any(isinstance(part, Condition) for part in _parts(value)):
        raise NotOpen("it is compared")
    return value


def _parts(value: Any) -> Iterable[Any]:
    return value if isinstance(value, tuple) else (value,)
