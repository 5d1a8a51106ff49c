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
from tracer.shapes.trace import declared_ops, trace
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
    present = _planned(network, now).values
    steady = [Choice(name, None, [n]) for name, n in present.items()]

    period = _period(net)
    start = None
    if period <= PERIOD and _only_rests(network):
        start = _solvable(network, now, period)
    if start is None:
        return ChoiceTable(steady, not present)

    found = _by_residue(network, start, period)
    if found is None or not _are_planned(network, found, start, period):
        return ChoiceTable(steady, False)
    return ChoiceTable(found, True)


def _by_residue(network: Network, start: Sizes, period: int) -> list[Choice] | None:
    """Each unknown by the residue of the one symbol that decides it; None where that cannot be said."""
    rows: dict[str, list[_Planned]] = {}
    for symbol in network.symbols:
        # Sizes that are large enough for every layer, and begin a period.
        large = max(start[symbol], 4 * period)
        first = ceil_div(large, period) * period
        sizes = [{**start, symbol: first + rest} for rest in range(period)]
        rows[symbol] = [_planned(network, each) for each in sizes]
        if not any(row.solved for row in rows[symbol]):
            return None

    found = []
    for name, n in _planned(network, start).values.items():
        deciding = [symbol for symbol, of in rows.items() if _varies(of, name)]
        if len(deciding) > 1:
            return None
        if not deciding:
            found.append(Choice(name, None, [n]))
            continue
        (symbol,) = deciding
        found.append(Choice(name, symbol, [row.values[name] for row in rows[symbol]]))
    return found


def _varies(rows: list[_Planned], name: str) -> bool:
    """True where an unknown has several values along the residues of a symbol."""
    return len({row.values[name] for row in rows if row.solved}) > 1


def _are_planned(network: Network, found: list[Choice], start: Sizes, period: int) -> bool:
    """True where the planner gives the choices' values at small sizes and at others; without a plan, their shapes."""
    small = (
        {**start, symbol: n}
        for symbol in network.symbols
        for n in range(1, min(start[symbol], SMALLER))
    )
    for sizes in chain(small, islice(_elsewhere(start, period), TRIED)):
        planned = _planned(network, sizes)
        chosen = {choice.name: choice.value(sizes) for choice in found}
        if planned.values != chosen and not _is_one(network, sizes, planned, chosen):
            return False
    return True


def _is_one(network: Network, sizes: Sizes, planned: _Planned, chosen: Values) -> bool:
    """True where nothing runs whose values the planner chose, and all shapes are the same with others."""
    unknowns = unknowns_of(network, declared_ops(network), Space())
    with_planned, with_chosen = [
        trace(network, sizes, unknowns.solved_ops(dict(zip(unknowns.variables, each.values()))))
        for each in (planned.values, chosen)
    ]
    runs = planned.solved and not with_planned.diagnostics
    return not runs and with_planned.by_index == with_chosen.by_index


def _only_rests(network: Network) -> bool:
    """True where every ``auto`` is an output_padding."""
    return all(
        unknown.field == "output_padding" for node in network.nodes for unknown in node.unknowns
    )


def _solvable(network: Network, now: Sizes, period: int) -> Sizes | None:
    """Sizes near the present ones that have a plan; None where none was found."""
    for sizes in chain([now], islice(_elsewhere(now, period), SOUGHT)):
        if _planned(network, sizes).solved:
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


class _Planned(NamedTuple):
    """What the planner finds for some sizes."""

    solved: bool
    values: Values
    """Without a plan, those that meet the most."""


def _planned(network: Network, sizes: Sizes) -> _Planned:
    """The value of every unknown for these sizes."""
    solution = plan_one(network, sizes)
    return _Planned(solution.solved, _values(network, solution.ops))


def _values(network: Network, ops: Ops) -> Values:
    """The value of every unknown, in the order of :func:`unknowns_of`, by a name that people read."""
    unknowns = unknowns_of(network, declared_ops(network), Space())
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
