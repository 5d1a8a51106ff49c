"""How the values of ``auto`` follow the input's sizes: by residue, for a page that plans nothing itself."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

from tracer.geometry.grids import grids
from tracer.live.records import Choice
from tracer.net import Net
from tracer.network.records import Network, Unknown
from tracer.ops.base import Op, argument, value_count
from tracer.planning.solving import plan_one
from tracer.planning.unknowns import unknowns_of
from tracer.shapes.traced import Ops
from tracer.sizing.arithmetic import ceil_div
from tracer.sizing.symbol import Space

PERIOD = 512
"""The largest number of residues that are tabulated."""

SOUGHT = 200
"""Sizes that are tried for one that has a plan."""

SMALLER = 48
"""Up to this size of each symbol the table is compared with the planner."""

TRIED = 16
"""Sizes at which the table is compared with the planner."""

Sizes = dict[str, int]
"""By symbol."""

Values = dict[str, int]
"""By the unknown's name, as people read it: ``up4.output_padding[0]``."""


class ChoiceTable(NamedTuple):
    """The values of every ``auto``."""

    choices: list[Choice]
    follows_sizes: bool
    """True where they are those of any sizes; otherwise they are those of the sizes now."""


def is_planned(net: Net) -> bool:
    """True where the network leaves something open and every symbol has a size to plan it for."""
    network = net.network
    is_open = any(node.unknowns for node in network.nodes)
    return is_open and len(network.defaults()) == len(network.symbols)


def choices(net: Net) -> ChoiceTable:
    """The value of every ``auto`` of a network whose symbols have sizes.

    An ``output_padding`` makes up for the rest of a division, so it is taken to follow one symbol with the period that
    the strides give; that is tried at other sizes. Where it is not so, and where another argument is open, the values
    are those of the sizes now.
    """
    network, now = net.network, net.network.defaults()
    least = _values_without_plan(network)
    present = _planned(network, now) or least
    steady = [Choice(name, None, [present[name]], n) for name, n in least.items()]

    period = _period(net)
    start = None
    if period <= PERIOD and _only_rests(network):
        start = _solvable(network, now, period)
    if start is None:
        return ChoiceTable(steady, not least)

    found = _by_residue(network, start, period, least)
    if found is None or not _are_planned(network, found, start, period):
        return ChoiceTable(steady, False)
    return ChoiceTable(found, True)


def _by_residue(network: Network, start: Sizes, period: int, least: Values) -> list[Choice] | None:
    """Each unknown by the residue of the one symbol that decides it; None where that cannot be said."""
    rows: dict[str, list[Values | None]] = {}
    for symbol in network.symbols:
        # Sizes that are large enough for every layer, and begin a period.
        large = max(start[symbol], 4 * period)
        first = ceil_div(large, period) * period
        sizes = [{**start, symbol: first + rest} for rest in range(period)]
        rows[symbol] = [_planned(network, each) for each in sizes]
        if not any(rows[symbol]):
            return None

    at_start = _planned(network, start) or least
    found = []
    for name, n in least.items():
        deciding = [symbol for symbol, of in rows.items() if _varies(of, name)]
        if len(deciding) > 1:
            return None
        if not deciding:
            found.append(Choice(name, None, [at_start[name]], n))
            continue
        (symbol,) = deciding
        values = [row[name] if row else n for row in rows[symbol]]
        found.append(Choice(name, symbol, values, n))
    return found


def _varies(rows: list[Values | None], name: str) -> bool:
    """True where an unknown has several values along the residues of a symbol."""
    return len({row[name] for row in rows if row}) > 1


def _are_planned(network: Network, found: list[Choice], start: Sizes, period: int) -> bool:
    """True where the planner gives the choices' values at small sizes and at others, wherever it has a plan."""
    small = (
        {**start, symbol: n}
        for symbol in network.symbols
        for n in range(1, min(start[symbol], SMALLER))
    )
    for sizes in chain(small, islice(_elsewhere(start, period), TRIED)):
        planned = _planned(network, sizes)
        if planned and planned != {choice.name: choice.value(sizes) for choice in found}:
            return False
    return True


def _only_rests(network: Network) -> bool:
    """True where every ``auto`` is an output_padding."""
    return all(
        unknown.field == "output_padding" for node in network.nodes for unknown in node.unknowns
    )


def _solvable(network: Network, now: Sizes, period: int) -> Sizes | None:
    """Sizes near the present ones that have a plan; None where none was found."""
    for sizes in chain([now], islice(_elsewhere(now, period), SOUGHT)):
        if _planned(network, sizes):
            return sizes
    return None


def _elsewhere(sizes: Sizes, period: int) -> Iterator[Sizes]:
    """Other sizes, without end: every residue comes, in every combination sooner or later."""
    draw = random.Random(0)
    while True:
        other = {}
        for symbol, n in sizes.items():
            away = draw.randint(-period // 2, 2 * period)
            other[symbol] = max(1, n + away)
        yield other


def _planned(network: Network, sizes: Sizes) -> Values | None:
    """The value of every unknown for these sizes; None where there is no plan, or nothing is open."""
    solution = plan_one(network, sizes)
    return _values(network, solution.ops) if solution.solved else None


def _values_without_plan(network: Network) -> Values:
    """The values that stand in where there is no plan."""
    return _values(network, [node.op for node in network.nodes])


def _values(network: Network, ops: Ops) -> Values:
    """The value of every unknown, in the order of :func:`unknowns_of`, by a name that people read."""
    unknowns = unknowns_of(network, [node.op for node in network.nodes], Space())
    named: dict[str, tuple[str, int]] = {}
    for node in unknowns.nodes():
        op = ops[node.index]
        assert op is not None
        for unknown in node.unknowns:
            for axis in _axes(op, unknown):
                key = unknowns.name(node, unknown, axis)
                label = f"{node.name}.{unknown.field}[{axis}]"
                # Layers that share one place in the config share the unknown: it is named by the first.
                named.setdefault(key, (label, _value(op, unknown, axis)))
    return dict(named[name] for name in unknowns.variables)


def _axes(op: Op, unknown: Unknown) -> range:
    """The axes for which an unknown stands."""
    if unknown.field == "ceil_mode":
        return range(1)
    if unknown.axis is not None:
        return range(unknown.axis, unknown.axis + 1)
    return range(value_count(op, unknown.field))


def _value(op: Op, unknown: Unknown, axis: int) -> int:
    value = argument(op, unknown.field)
    return int(value[axis] if isinstance(value, tuple) else value)


def _period(net: Net) -> int:
    """A number of pixels after which every stride begins anew."""
    strides = [
        grid.stride.numerator
        for own in grids(net.trace())
        for grid in own or ()
        if grid is not None
    ]
    return math.lcm(1, *strides)
