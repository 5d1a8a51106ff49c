"""Which integers a network leaves open, and its operations with values for them.

An ``auto`` is one unknown for each axis and for each place where a value could be written instead: a block's ``auto``
is one for all of the block's uses, unless it comes in by an argument of the block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode, SequenceNode

from tracer.network.making import solved_arguments
from tracer.network.records import Declaration, Network, Node, Unknown
from tracer.ops.base import Op, per_axis, with_arguments
from tracer.planning.search import Ask, Variable
from tracer.shapes.traced import Ops
from tracer.sizing.symbol import Condition, Size, Space

WIDTH = 16
"""Values of an argument whose ``auto`` names no domain and which torch does not bound."""

_NAME = re.compile(r"\s*\$\{\s*([A-Za-z_]\w*)\s*\}\s*\Z")


class Place(msgspec.Struct, frozen=True):
    """Where the value of an ``auto`` would be written."""

    declaration: Declaration
    argument: str
    shared: bool = True
    """False where the place cannot hold a value: an expression that differs from use to use."""


def place_of(network: Network, node: Node, field: str) -> Place:
    """Where the ``auto`` of an argument is written: through arguments of blocks, as far out as it comes from."""
    declaration, uses, argument = node.declaration, list(node.uses), field
    value: YamlNode = declaration.arguments[field][1]
    if (
        uses
        and isinstance(value, SequenceNode)
        and any("${" in getattr(item, "value", "") for item in value.value)
    ):
        return Place(declaration, argument, shared=False)
    while isinstance(value, ScalarNode) and "${" in value.value:
        match = _NAME.match(value.value)
        block = network.blocks.get(uses[-1].op.value) if uses else None
        if block is None or (match and match[1] not in block.arguments):
            break  # a param's, or an expression over params: the value can stand here instead
        if match is None:
            return Place(declaration, argument, shared=False)
        declaration, argument = uses.pop(), match[1]
        if argument not in declaration.arguments:
            break  # the block's default; the use can give a value of its own
        value = declaration.arguments[argument][1]
    return Place(declaration, argument)


class Unknowns:
    """The open integers of one network, as symbols of a space."""

    def __init__(self, network: Network, ops: Ops, space: Space) -> None:
        self.network = network
        self.ops = ops
        self.space = space
        self.variables: dict[str, Variable] = {}
        self._names: dict[tuple[int, str], str] = {}
        self.open_ops: Ops = list(ops)
        """The operations with symbols in place of their unknowns."""
        for node in self.nodes():
            op = ops[node.index]
            assert op is not None
            arguments = solved_arguments(op, node.unknowns, partial(self._symbol, node, op))
            self.open_ops[node.index] = with_arguments(op, arguments)

    def nodes(self) -> list[Node]:
        """The nodes that leave something open."""
        return [
            node
            for node in self.network.nodes
            if node.unknowns and self.ops[node.index] is not None
        ]

    def name(self, node: Node, unknown: Unknown, axis: int) -> str:
        """The unknown's name, unique in the network."""
        key = (node.index, unknown.field)
        place = self._names.get(key)
        if place is None:
            where = place_of(self.network, node, unknown.field)
            owner = id(where.declaration) if where.shared else node.name
            place = self._names[key] = f"{owner} {where.argument}"
        return f"{place} {unknown.field} {axis}"

    def _symbol(self, node: Node, op: Op, unknown: Unknown, axis: int) -> Size:
        name = self.name(node, unknown, axis)
        variable = self.variables.get(name)
        domain = domain_of(op, unknown, node.unknowns, axis)
        if variable is None:
            open_fields = frozenset(other.field for other in node.unknowns)
            default = op.default_value(unknown.field, axis, open_fields)
            if (present := self.network.preferred.get((node.name, unknown.field))) is not None:
                default = int(
                    present[axis] if isinstance(present, tuple) and axis < len(present) else present
                )
            variable = self.variables[name] = Variable(name, domain, default)
        else:  # one value for several layers: each takes what all take
            start, stop = (
                max(variable.domain.start, domain.start),
                min(variable.domain.stop, domain.stop),
            )
            variable.domain = range(start, max(stop, start + 1))
        variable.nodes.append(node)
        return self.space.symbol(name)

    def legality(self) -> list[Ask] | None:
        """What torch asks of the values themselves, whatever the input; None where an operation takes no symbols."""
        found: list[Ask] = []
        try:
            for node in self.nodes():
                legal = self.open_ops[node.index].legal()  # type: ignore[union-attr]
                found += [(r.holds, node) for r in legal if isinstance(r.holds, Condition)]
        except TypeError:
            return None
        return found

    def filled(self, node: Node, values: Mapping[str, int]) -> dict[str, Any]:
        """A node's open arguments with their values."""
        op = self.ops[node.index]
        assert op is not None
        return solved_arguments(
            op, node.unknowns, lambda unknown, axis: values[self.name(node, unknown, axis)]
        )

    def solved_ops(self, values: Mapping[str, int]) -> Ops:
        """Every node's operation with its values filled in."""
        solved: Ops = list(self.ops)
        for node in self.nodes():
            solved[node.index] = with_arguments(solved[node.index], self.filled(node, values))  # type: ignore[arg-type]
        return solved

    def assignments(self, values: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
        """``"up4.output_padding": (1, 0)``, one value per axis."""
        found: dict[str, tuple[int, ...]] = {}
        for node in self.nodes():
            for field, value in self.filled(node, values).items():
                found[f"{node.name}.{field}"] = value if isinstance(value, tuple) else (value,)
        return found

    def is_legal(self, ops: Ops) -> bool:
        """Whether torch makes the modules whose values were filled in."""
        return all(r.holds for node in self.nodes() for r in ops[node.index].legal())  # type: ignore[union-attr]

    def cost(self, values: Mapping[str, int]) -> int:
        """The sum of the distances from torch's defaults."""
        return sum(
            abs(values[name] - variable.default) for name, variable in self.variables.items()
        )


def domain_of(op: Op, unknown: Unknown, beside: tuple[Unknown, ...], axis: int) -> range:
    """The values that an unknown may take: the declared ones, or those that torch allows."""
    if unknown.least is not None and unknown.largest is not None:
        return range(unknown.least, unknown.largest + 1)
    if unknown.field == "ceil_mode":
        return range(2)
    if unknown.field == "output_padding":
        return range(max(_largest(op, field, beside, axis) for field in ("stride", "dilation")))
    least = max(type(op).least_value(unknown.field), 0)
    return range(least, least + WIDTH)


def _largest(op: Op, field: str, beside: tuple[Unknown, ...], axis: int) -> int:
    """The largest value of an argument on one axis, which may be open itself."""
    for other in beside:
        if other.field == field and other.axis in (None, axis):
            return domain_of(op, other, (), axis).stop - 1
    return per_axis(getattr(op, field), int(getattr(op, "axes", 1)))[axis]
