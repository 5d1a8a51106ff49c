"""What a page shows of a network: its program, and all that has to be traced, judged or searched for it.

A sheet is a network with its layers. A param that decides what layers there are cannot be moved within one sheet: each
of its values near the present one is a sheet of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from tracer.diagnostics import Diagnostic, TracerError
from tracer.geometry.receptive_field import fields
from tracer.live.opening import live
from tracer.live.records import Live
from tracer.loading import reloaded
from tracer.net import Net
from tracer.ops.base import Op
from tracer.planning.working_sizes import Axis
from tracer.repairing.repair import Repair
from tracer.repairing.repairs import repairs
from tracer.rules import judge
from tracer.shapes.trace import Trace
from tracer.sizing.size_set import TooLarge

NEAR = 2
"""How far the values of a param that decides the layers go from the present one."""

SHEETS = 8
"""How many sheets a page has beside the first."""

LARGEST = 600
"""The most nodes of a network that has more than one sheet."""

REPAIRED_SHEETS = 12
"""How many repairs have a sheet of their own, the network with them: all that there are, of most networks."""

REPAIRED_NODES = 1_500
"""The most nodes of these sheets in all."""

REPAIRED = ("T301", "T304", "T401", "T402")
"""Errors that a change of the config may repair."""


class LiveSheet(NamedTuple):
    """One network with everything that a page shows of it."""

    param: str | None
    """The param that has another value than in the config; None for the config as it is."""
    value: int | None
    trace: Trace
    found: Sequence[Diagnostic]
    live: Live
    seen: list[list[int | None]]
    """The receptive field by node and spatial axis, in input pixels; None: the whole input, -1: not computed."""
    steady: set[int]
    """The numbers of the nodes whose receptive field is the same for every size."""
    sets: dict[str, Axis]
    """By symbol: the sizes that run, run losslessly, run aligned and keep what is promised.

    Empty where they repeat too late to compute.
    """
    repairs: list[Repair]
    """The repairs of what is wrong with the config as it is."""
    running: Trace
    """The trace at the nearest sizes at which it runs; ``trace`` where it does, and where none are known."""
    repair: int | None = None
    """The number of the repair, from 0 on, that the network has and the config has not."""


def sheets(net: Net, found: Sequence[Diagnostic]) -> list[LiveSheet]:
    """The sheet of a network, for what is wrong with it, then those of other layers and those of its repairs."""
    first = sheet(net, found, None, None)
    others = islice(_other_layers(net, first.live), SHEETS)
    return [first, *others, *_repaired(net, first)]


def sheet(
    net: Net,
    found: Sequence[Diagnostic],
    param: str | None,
    value: int | None,
    known: Mapping[str, str] | None = None,
) -> LiveSheet:
    """The sheet of one network. ``known``: the params that are not open in the first one."""
    trace = net.trace()
    sets = _sets(net)
    return LiveSheet(
        param=param,
        value=value,
        trace=trace,
        found=found,
        live=live(net, known),
        seen=_seen(trace),
        steady=_steady(trace),
        sets=sets,
        repairs=[] if param else _repairs(net, found),
        running=_running(net, trace, sets),
    )


def _other_layers(net: Net, own: Live) -> Iterator[LiveSheet]:
    """The sheets of the values near the present one, for params that decide what layers there are."""
    network = net.network
    if len(network.nodes) > LARGEST:
        return
    for name in own.fixed:
        for value in _near(network.params[name]):
            params = {**network.given_params, name: value}
            try:
                other = reloaded(net, network.source, params=params)
            except TracerError:
                continue
            if len(other.network.nodes) <= LARGEST:
                yield sheet(other, judge(other), name, value, own.fixed)


def _repaired(net: Net, first: LiveSheet) -> Iterator[LiveSheet]:
    """The sheets of the network with each repair, the best first, as long as there is room."""
    room = REPAIRED_NODES
    if len(first.trace.network.nodes) > LARGEST:
        return
    for number, repair in enumerate(first.repairs[:REPAIRED_SHEETS]):
        try:
            other = reloaded(net, repair.text)
        except TracerError:
            continue
        room -= len(other.network.nodes)
        if room < 0:
            return
        own = sheet(other, judge(other), None, None, first.live.fixed)
        yield own._replace(repairs=[], repair=number)


def _near(now: int) -> Iterator[int]:
    """The values beside the present one, the nearest first."""
    for distance in range(1, NEAR + 1):
        for value in (now - distance, now + distance):
            if value >= 1:
                yield value


def _seen(trace: Trace) -> list[list[int | None]]:
    found = fields(trace)
    return [
        [one.extent if one.computed else -1 for one in found.get(node.name, ())]
        for node in trace.network.nodes
    ]


def _steady(trace: Trace) -> set[int]:
    """The nodes that no size makes see more or less: neither they themselves nor what is before them."""
    steady: set[int] = set()
    for node, op in zip(trace.network.nodes, trace.ops):
        if _sees_alike(op) and all(source.index in steady for source in node.inputs):
            steady.add(node.index)
    return steady


def _sees_alike(op: Op | None) -> bool:
    """True where an operation's windows do not depend on the sizes of its inputs."""
    if op is None or op.fixed_window:
        return True
    aligns = getattr(op, "align", "none") != "none"
    return type(op).window is Op.window and not aligns


def _sets(net: Net) -> dict[str, Axis]:
    try:
        return dict(net.working_sizes(promises=True).axes)
    except TooLarge:
        return {}


def _running(net: Net, trace: Trace, sets: Mapping[str, Axis]) -> Trace:
    """The trace at the next sizes that every symbol takes, where a network does not run at its own."""
    if None not in trace.by_index:
        return trace
    sizes = dict(net.network.defaults())
    for symbol, axis in sets.items():
        larger = axis.runs.at_least(sizes[symbol])
        near = axis.runs.nearest(sizes[symbol])
        if larger is None and not near:
            return trace
        sizes[symbol] = near[0] if larger is None else larger
    found = net.trace(**sizes)
    return trace if None in found.by_index else found


def _repairs(net: Net, found: Sequence[Diagnostic]) -> list[Repair]:
    if not any(d.severity == "error" and d.code in REPAIRED for d in found):
        return []
    return repairs(net).found
