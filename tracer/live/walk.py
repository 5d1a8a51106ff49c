"""One walk over a network's nodes on symbols. The formulas are the operations' own; nothing here computes a size."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from tracer.live.choices import ChoiceTable, choices, is_planned
from tracer.live.claims import (
    expected,
    legal,
    misaligned,
    remarks,
    required,
    slot_text,
    whole_dims,
)
from tracer.live.opened import Claim, OpenedNetwork
from tracer.net import Net
from tracer.network.open_params import NotOpen, OpenParams, open_param
from tracer.network.records import Network, Node
from tracer.ops.base import Op, Shape, with_arguments
from tracer.planning.unknowns import unknowns_of
from tracer.shapes.trace import dim_value, dims_value
from tracer.shapes.traced import Ops, requirements_of
from tracer.sizing.program import Program
from tracer.sizing.symbol import Condition, Size, Space
from tracer.source.expressions import ExpressionError

ANY_SIZE = 64
"""The size at first of a symbol to which the config gives none."""


def open_network(
    net: Net, params: Mapping[str, int], table: ChoiceTable | None = None
) -> OpenedNetwork:
    """The network with these params open, every node walked. Raises :class:`NotOpen` where they cannot be.

    ``table``: the network's choices, where they are known already.
    """
    space = Space()
    opened, ops = _begun(net, params, table, space)
    space.write_as(lambda size: slot_text(opened.program, size))

    for node, op in zip(net.network.nodes, ops):
        _add(opened, node, op)
    for name, (pattern, at) in net.network.output_expect.items():
        node = net.network.outputs[name]
        path = net.network.file_of_output(name)
        claims = expected(opened, node, pattern, at, f"the output {name}", path)
        opened.claims[node.index] += claims
    for number, claim in misaligned(opened):
        opened.claims[number].append(claim)

    _give_slots(opened)
    return opened


def _begun(
    net: Net, params: Mapping[str, int], table: ChoiceTable | None, space: Space
) -> tuple[OpenedNetwork, Ops]:
    """The network before the walk, and its operations over the open params and choices."""
    network = net.network
    open_params = [open_param(name) for name in params]
    symbols = {param.name: space.symbol(param.symbol) for param in open_params}
    over_params = OpenParams(network, symbols) if params else None

    ops = _over_params(network, net.solution().ops, over_params)

    unknowns: list[str] = []
    if is_planned(net):
        table = choices(net) if table is None else table
        open_integers = unknowns_of(network, ops, space)
        ops, unknowns = open_integers.open_ops, list(open_integers.variables)
    else:
        table = ChoiceTable([], True)

    names = [*network.symbols, *(param.symbol for param in open_params), *unknowns]
    defaults = network.defaults()
    opened = OpenedNetwork(
        network=network,
        params=params,
        open_params=open_params,
        opened=over_params,
        first_sizes={symbol: defaults.get(symbol, ANY_SIZE) for symbol in network.symbols},
        choices=table.choices,
        unknowns=unknowns,
        planned=table.follows_sizes,
        program=Program(space, names or [""]),
    )
    return opened, ops


def _over_params(network: Network, ops: Ops, over_params: OpenParams | None) -> Ops:
    """The operations with their arguments over the open params."""
    if over_params is None:
        return ops
    found: Ops = []
    for node, op in zip(network.nodes, ops):
        found.append(None if op is None else over_params.op(node, op))
    return found


def _add(opened: OpenedNetwork, node: Node, op: Op | None) -> None:
    """Add one node: its shape, and what must hold."""
    claims: list[Claim] = []
    y: Shape | None = None
    try:
        if node.is_input:
            y = _declared(opened, node)
        elif op is not None:
            op = _with_dims(opened, node, op, claims)
            y = _applied(opened, node, op, claims)
    except (TypeError, ExpressionError, ZeroDivisionError) as error:
        if opened.params:
            raise NotOpen(f"{node.name}: {error}") from None
        opened.unknown.add(node.index)

    opened.ops.append(op)
    opened.shapes.append(y)
    opened.claims.append(claims)
    if y is not None and node.expect is not None:
        claims += expected(opened, node, *node.expect, node.name)
    if y is not None and op is not None:
        claims += remarks(opened, node, op)


def _declared(opened: OpenedNetwork, node: Node) -> Shape:
    """The shape of an input."""
    pattern: tuple[Any, ...] = node.pattern
    if opened.opened is not None:
        at = node.declaration.value
        pattern = opened.opened.pattern(node, at, pattern)

    shape = []
    for dim in pattern:
        shape.append(dim if isinstance(dim, Size) else dim_value(dim, opened.sizes))
    return tuple(shape)


def _has_inputs(opened: OpenedNetwork, node: Node) -> bool:
    return None not in opened.inputs(node) and None not in opened.operands(node).values()


def _with_dims(opened: OpenedNetwork, node: Node, op: Op, claims: list[Claim]) -> Op:
    """The operation with the sizes in place of its dims over symbols."""
    if not node.dim_fields or not _has_inputs(opened, node):
        return op
    values = {}
    for field, dims in node.dim_fields.items():
        own: Any = dims
        if opened.opened is not None:
            own = opened.opened.dims(node, field)
        values[field] = dims_value(own, opened.sizes)
    op = with_arguments(op, values)
    claims += whole_dims(node, op, values)
    return op


def _applied(opened: OpenedNetwork, node: Node, op: Op, claims: list[Claim]) -> Shape | None:
    """The node's shape, its requirements claimed; None behind what fails, and where it fails whatever the sizes."""
    if not _has_inputs(opened, node):
        return None
    inputs, given = opened.inputs(node), opened.operands(node)
    narrow = op.symbols_restrict(*inputs)
    own = op.legal() if opened.params else ()
    shapes = requirements_of(node, op, opened.ops, opened.shapes, given)
    asked = chain(((legal, one) for one in own), ((required, one) for one in shapes))
    for claim, requirement in asked:
        if isinstance(requirement.holds, Condition):
            claims.append(claim(opened, node, requirement, narrow))
        elif not requirement.holds:
            claims.append(claim(opened, node, requirement, False))
            return None
    return op.shape(*inputs, **given)


def _give_slots(opened: OpenedNetwork) -> None:
    """Give every shape and condition its slots."""
    for shape in opened.shapes:
        for n in shape or ():
            opened.program.slot(n)
    for claims in opened.claims:
        for claim in claims:
            if isinstance(claim.holds, Condition):
                opened.program.watch(claim.holds)
