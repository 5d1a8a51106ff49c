"""How the values of ``auto`` follow the input's sizes: by residue, for a page that plans nothing itself."""

from __future__ import annotations

import math

from tracer.geometry import grids
from tracer.live.records import Choice
from tracer.net import Net
from tracer.network.records import Network
from tracer.planning.solving import plan_one
from tracer.planning.unknowns import Unknowns
from tracer.symbol import Space

PERIOD = 512
"""The largest number of residues that are tabulated."""

TRIED = 8
"""Sizes at which the table is compared with the planner."""


def choices(net: Net) -> tuple[list[Choice], bool]:
    """The value of every ``auto`` of a network whose symbols have sizes, and whether they follow the sizes.

    Each is taken to follow one symbol, with the period that the strides give; that is tried at other sizes. Where it
    is not so, the values are those of the sizes now.
    """
    network, now = net.network, net.network.defaults()
    first = _values(network, now)
    steady = [Choice(name, None, [value]) for name, value in first.items()]
    period = _period(net)
    if not first or period > PERIOD:
        return steady, not first
    rows: dict[str, list[dict[str, int]]] = {}
    for symbol in network.symbols:
        start = -(-max(now[symbol], 4 * period) // period) * period
        rows[symbol] = [_values(network, {**now, symbol: start + r}) for r in range(period)]
    found = []
    for name, value in first.items():
        deciding = [s for s, of in rows.items() if len({row[name] for row in of}) > 1]
        if len(deciding) > 1:
            return steady, False
        values = [row[name] for row in rows[deciding[0]]] if deciding else [value]
        found.append(Choice(name, deciding[0] if deciding else None, values))
    for k in range(TRIED):
        sizes = {symbol: n + (2 * k + 1) * (7 * i + 3) for i, (symbol, n) in enumerate(now.items())}
        if _values(network, sizes) != {choice.name: choice.value(sizes) for choice in found}:
            return steady, False
    return found, True


def _values(network: Network, sizes: dict[str, int]) -> dict[str, int]:
    """The value of every unknown for these sizes, in the order of :class:`Unknowns`, by a name that people read."""
    solution = plan_one(network, sizes)
    unknowns = Unknowns(network, [node.op for node in network.nodes], Space())
    labels: dict[str, tuple[str, int]] = {}
    for node in unknowns.nodes():
        op = solution.ops[node.index]
        assert op is not None
        names = dict(zip(op.__struct_encode_fields__, op.__struct_fields__))
        for unknown in node.unknowns:
            value = getattr(op, names[unknown.field])
            axes = range(type(op).value_count(unknown.field)) if unknown.axis is None else (unknown.axis,)
            for axis in axes if unknown.field != "ceil_mode" else (0,):
                one = value[axis] if isinstance(value, tuple) else value
                labels.setdefault(
                    unknowns.name(node, unknown, axis), (f"{node.name}.{unknown.field}[{axis}]", int(one))
                )
    return dict(labels[name] for name in unknowns.variables)


def _period(net: Net) -> int:
    """A number of pixels after which every stride begins anew."""
    trace = net.trace()
    found = grids(net.network, trace.ops, trace.by_index)
    return math.lcm(1, *(g.stride.numerator for own in found if own for g in own if g is not None))
