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
from tracer.ops.base import Op, default_value, per_axis, with_arguments
from tracer.planning.search import Ask, Variable
from tracer.shapes.traced import Ops
from tracer.sizing.symbol import Condition, Size, Space

_NAME = re.compile(r"\s*\$\{\s*([A-Za-z_]\w*)\s*\}\s*\Z")


class ValuePlace(msgspec.Struct, frozen=True):
    """Where the value of an ``auto`` would be written."""

    declaration: Declaration
    argument: str
    shared: bool = True
    """False where the place cannot hold a value: an expression that differs from use to use."""


def place_of(network: Network, node: Node, field: str) -> ValuePlace:
    """Where the ``auto`` of an argument is written: through arguments of blocks, as far out as it comes from."""
    declaration = node.declaration
    uses = list(node.uses)
    argument = field
    value: YamlNode = declaration.arguments[field][1]
    if uses and _has_expressions(value):
        return ValuePlace(declaration, argument, shared=False)

    while isinstance(value, ScalarNode) and "${" in value.value:
        name = _NAME.match(value.value)
        block = network.blocks.get(uses[-1].op.value) if uses else None
        if block is None or (name and name[1] not in block.arguments):
            break  # a param's, or an expression over params: the value can stand here instead
        if name is None:
            return ValuePlace(declaration, argument, shared=False)

        declaration = uses.pop()
        argument = name[1]
        if argument not in declaration.arguments:
            break  # the block's default; the use can give a value of its own
        value = declaration.arguments[argument][1]
    return ValuePlace(declaration, argument)


def _has_expressions(value: YamlNode) -> bool:
    """Whether it is a list with an expression in it."""
    if not isinstance(value, SequenceNode):
        return False
    return any("${" in getattr(item, "value", "") for item in value.value)


class OpenInteger(Variable):
    """One integer that the network leaves open: of an argument, on one axis, of all nodes that share its place."""

    field: str
    """The argument."""
    axis: int
    nodes: list[Node]
    """The nodes that use it, in execution order."""
    is_free: bool = False
    """No value costs more than another."""

    def cost(self, value: int) -> int:
        """The distance from torch's default, where that is any better than another value."""
        return 0 if self.is_free else abs(value - self.default)


class Unknowns:
    """The open integers of one network, as symbols of a space. :func:`unknowns_of` makes them."""

    def __init__(self, network: Network, ops: Ops, space: Space) -> None:
        self.network = network
        self.ops = ops
        self.space = space
        self.variables: dict[str, OpenInteger] = {}
        """By the symbol's name: that of the first node's argument, ``up4.output_padding[0]``."""
        self.open_ops: Ops = list(ops)
        """The operations with symbols in place of their unknowns."""
        self._places: dict[tuple[int, str], tuple[object, str]] = {}
        """By node and argument: whose the value is (a declaration's, or the node's own), and of which argument."""
        self._names: dict[tuple[tuple[object, str], str, int], str] = {}
        """By that place, argument and axis."""

    def nodes(self) -> list[Node]:
        """The nodes that leave something open."""
        return [
            node
            for node in self.network.nodes
            if node.unknowns and self.ops[node.index] is not None
        ]

    def name(self, node: Node, unknown: Unknown, axis: int) -> str:
        """The name of an unknown's symbol: that of the first node and argument with which it shares its value."""
        where = self._places.get((node.index, unknown.field))
        if where is None:
            place = place_of(self.network, node, unknown.field)
            owner = place.declaration if place.shared else node
            where = self._places[node.index, unknown.field] = (owner, place.argument)
        own_name = f"{node.name}.{unknown.field}[{axis}]"
        return self._names.setdefault((where, unknown.field, axis), own_name)

    def legality(self) -> list[Ask] | None:
        """What torch requires of the values themselves, whatever the input; None where a formula takes no symbols."""
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

        def value(unknown: Unknown, axis: int) -> int:
            return values[self.name(node, unknown, axis)]

        return solved_arguments(op, node.unknowns, value)

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
        for node in self.nodes():
            op = ops[node.index]
            assert op is not None
            if not all(requirement.holds for requirement in op.legal()):
                return False
        return True

    def cost(self, values: Mapping[str, int]) -> int:
        """The sum of the distances from torch's defaults."""
        total = 0
        for name, variable in self.variables.items():
            total += variable.cost(values[name])
        return total


def unknowns_of(network: Network, ops: Ops, space: Space) -> Unknowns:
    """What a network leaves open, every unknown a symbol of ``space``."""
    unknowns = Unknowns(network, ops, space)

    def symbol(node: Node, op: Op, unknown: Unknown, axis: int) -> Size:
        return space.symbol(_joined(unknowns, node, op, unknown, axis).name)

    for node in unknowns.nodes():
        op = ops[node.index]
        assert op is not None
        arguments = solved_arguments(op, node.unknowns, partial(symbol, node, op))
        unknowns.open_ops[node.index] = with_arguments(op, arguments)
    return unknowns


def _joined(unknowns: Unknowns, node: Node, op: Op, unknown: Unknown, axis: int) -> OpenInteger:
    """The unknown of a node's argument: a new one, or that of the nodes with which it shares its value."""
    name = unknowns.name(node, unknown, axis)
    domain = domain_of(op, unknown, node.unknowns, axis)
    shared = unknowns.variables.get(name)
    if shared is None:
        default = _default(unknowns.network, node, op, unknown, axis)
        is_free = op.solvable[unknown.field].is_free
        variable = OpenInteger(name, domain, default, unknown.field, axis, [node], is_free)
        unknowns.variables[name] = variable
        return variable

    # One value for several layers: each takes what all take.
    start = max(shared.domain.start, domain.start)
    stop = min(shared.domain.stop, domain.stop)
    shared.domain = range(start, max(stop, start + 1))
    shared.nodes.append(node)
    return shared


def _default(network: Network, node: Node, op: Op, unknown: Unknown, axis: int) -> int:
    """The value that costs nothing: the preferred one, where the network has one, or torch's default."""
    preferred = network.preferred.get((node.name, unknown.field))
    if preferred is None:
        open_fields = frozenset(other.field for other in node.unknowns)
        return default_value(op, unknown.field, axis, open_fields)
    # A tuple of one is for all axes.
    several = preferred if isinstance(preferred, tuple) else (preferred,)
    return int(several[min(axis, len(several) - 1)])


def domain_of(op: Op, unknown: Unknown, beside: tuple[Unknown, ...], axis: int) -> range:
    """The values that an unknown may take: the declared ones, or those that torch allows."""
    if unknown.least is not None and unknown.largest is not None:
        return range(unknown.least, unknown.largest + 1)
    if unknown.field == "ceil_mode":
        return range(2)
    if unknown.field == "output_padding":
        stride = _largest(op, "stride", beside, axis)
        dilation = _largest(op, "dilation", beside, axis)
        return range(max(stride, dilation))
    auto = op.solvable[unknown.field]
    least = max(auto.least, 0)
    return range(least, least + auto.width)


def _largest(op: Op, field: str, beside: tuple[Unknown, ...], axis: int) -> int:
    """The largest value of an argument on one axis, which may be open itself."""
    for other in beside:
        if other.field == field and other.axis in (None, axis):
            return domain_of(op, other, (), axis).stop - 1
    axes = int(getattr(op, "axes", 1))
    values = per_axis(getattr(op, field), axes)
    return values[axis]
