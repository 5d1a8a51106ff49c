"""How the values of ``auto`` follow the input's sizes: by residue, for a page that plans nothing itself."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import chain, islice

from tracer.geometry.grids import grids
from tracer.live.records import Choice
from tracer.net import Net
from tracer.network.records import Network
from tracer.ops.base import argument, value_count
from tracer.planning.solving import plan_one
from tracer.planning.unknowns import unknowns_of
from tracer.sizing.symbol import Space

PERIOD = 512
"""The largest number of residues that are tabulated."""

SOUGHT = 200
"""Sizes that are tried for one that has a plan."""

SMALLER = 48
"""Up to this size of each symbol the table is compared with the planner."""

TRIED = 16
"""Sizes at which the table is compared with the planner."""


Table = tuple[list[Choice], bool]
"""The choices of a network, and whether they follow the sizes."""


def is_planned(net: Net) -> bool:
    """Whether the network leaves something open and every symbol has a size to plan it for."""
    return any(node.unknowns for node in net.network.nodes) and len(net.network.defaults()) == len(
        net.network.symbols
    )


def choices(net: Net) -> Table:
    """The value of every ``auto`` of a network whose symbols have sizes, and whether they follow the sizes.

    An ``output_padding`` makes up for the rest of a division, so it is taken to follow one symbol with the period that
    the strides give; that is tried at other sizes. Where it is not so, and where another argument is open, the values
    are those of the sizes now.
    """
    network, now = net.network, net.network.defaults()
    least = {name: value for name, (value, _) in _values(network, now, solved=False).items()}
    period = _period(net)
    present = _solved(network, now) or least
    steady = [Choice(name, None, [present[name]], n) for name, n in least.items()]
    start = _solvable(network, now, period) if period <= PERIOD and _only_rests(network) else None
    if start is None:
        return steady, not least
    rows: dict[str, list[dict[str, int] | None]] = {}
    for symbol in network.symbols:
        first = -(-max(start[symbol], 4 * period) // period) * period
        rows[symbol] = [_solved(network, {**start, symbol: first + r}) for r in range(period)]
        if not any(rows[symbol]):
            return steady, False
    found = []
    at_start = _solved(network, start) or least
    for name, n in least.items():
        deciding = [s for s, of in rows.items() if len({row[name] for row in of if row}) > 1]
        values = (
            [row[name] if row else n for row in rows[deciding[0]]] if deciding else [at_start[name]]
        )
        found.append(Choice(name, deciding[0] if deciding else None, values, n))
        if len(deciding) > 1:
            return steady, False
    alone = (
        {**start, symbol: n}
        for symbol in network.symbols
        for n in range(1, min(start[symbol], SMALLER))
    )
    for sizes in chain(alone, islice(_elsewhere(start, period), TRIED)):
        planned = _solved(network, sizes)
        if planned and planned != {choice.name: choice.value(sizes) for choice in found}:
            return steady, False
    return found, True


def _only_rests(network: Network) -> bool:
    """Whether every ``auto`` is an output_padding."""
    return all(
        unknown.field == "output_padding" for node in network.nodes for unknown in node.unknowns
    )


def _solvable(network: Network, now: dict[str, int], period: int) -> dict[str, int] | None:
    """Sizes near the present ones that have a plan; None where none was found."""
    for sizes in chain([now], islice(_elsewhere(now, period), SOUGHT)):
        if _solved(network, sizes):
            return sizes
    return None


def _elsewhere(sizes: dict[str, int], period: int) -> Iterator[dict[str, int]]:
    """Other sizes, without end: every residue comes, in every combination sooner or later."""
    draw = random.Random(0)
    while True:
        yield {
            symbol: max(1, n + draw.randint(-period // 2, 2 * period))
            for symbol, n in sizes.items()
        }


def _solved(network: Network, sizes: dict[str, int]) -> dict[str, int] | None:
    """The value of every unknown for these sizes; None where there is no plan."""
    found = _values(network, sizes, solved=True)
    return (
        {name: value for name, (value, _) in found.items()}
        if all(ok for _, ok in found.values())
        else None
    )


def _values(
    network: Network, sizes: dict[str, int], *, solved: bool
) -> dict[str, tuple[int, bool]]:
    """The value of every unknown, in the order of :func:`unknowns_of`, by a name that people read.

    ``solved``: as planned for these sizes, and whether there is a plan; otherwise the values that stand in without one.
    """
    solution = plan_one(network, sizes) if solved else None
    ops = [node.op for node in network.nodes] if solution is None else solution.ops
    unknowns = unknowns_of(network, [node.op for node in network.nodes], Space())
    labels: dict[str, tuple[str, tuple[int, bool]]] = {}
    for node in unknowns.nodes():
        op = ops[node.index]
        assert op is not None
        for unknown in node.unknowns:
            value = argument(op, unknown.field)
            axes = (
                range(value_count(op, unknown.field)) if unknown.axis is None else (unknown.axis,)
            )
            for axis in axes if unknown.field != "ceil_mode" else (0,):
                one = int(value[axis] if isinstance(value, tuple) else value)
                key = unknowns.name(node, unknown, axis)
                label = f"{node.name}.{unknown.field}[{axis}]"
                labels.setdefault(key, (label, (one, solution is not None and solution.solved)))
    return dict(labels[name] for name in unknowns.variables)


def _period(net: Net) -> int:
    """A number of pixels after which every stride begins anew."""
    trace = net.trace()
    found = grids(trace)
    return math.lcm(1, *(g.stride.numerator for own in found if own for g in own if g is not None))
