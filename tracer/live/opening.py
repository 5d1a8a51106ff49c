"""Which params a program can leave open: those with which it says what the config says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tracer.diagnostics import TracerError
from tracer.live.choices import Table, choices, is_planned
from tracer.live.records import Live
from tracer.live.writer import Writer
from tracer.loading import reloaded
from tracer.net import Net
from tracer.network.open_params import NotOpen, by_symbol, follows

CHECKED = (1, 2, 3, 5, 8, 12, 16, 24, 32, 48, 64, 100)
"""Values at which an open param is compared with the network that is loaded with it."""


def live(net: Net) -> Live:
    """The program of a network. Params that decide more than numbers keep their values."""
    table = choices(net) if is_planned(net) else None
    whole = {name: n for name, n in net.network.params.items() if n.__class__ is int}
    numbers = {name: n for name, n in whole.items() if not follows(net.network, name)}
    following = dict.fromkeys(whole.keys() - numbers, "it follows other params")
    writer, reasons = _opened(net, numbers, table)
    if reasons:
        alone = {name: _opened(net, {name: n}, table)[1].get(name) for name, n in numbers.items()}
        reasons = {name: reason for name, reason in alone.items() if reason}
        numbers = {name: n for name, n in numbers.items() if name not in reasons}
        writer, together = _opened(net, numbers, table)
        if together:
            reasons |= dict.fromkeys(numbers, "it goes together with another param")
            writer = None
    return msgspec.structs.replace(
        (writer or Writer(net, {}, table)).written(), fixed=following | reasons
    )


def _opened(
    net: Net, numbers: Mapping[str, int], table: Table | None
) -> tuple[Writer | None, dict[str, str]]:
    """The program with these params open, and why it is not what the config says, by param.

    Where there is no program, that is so of all of them.
    """
    try:
        writer = Writer(net, numbers, table)
    except NotOpen as problem:
        return None, dict.fromkeys(numbers, str(problem))
    found = {}
    for name, now in numbers.items():
        for value in sorted({*CHECKED, now - 1, now + 1, 2 * now} - {now}):
            reason = _differs(net, writer, {**numbers, name: value}, name)
            if reason:
                found[name] = reason
                break
    return writer, found


def _differs(net: Net, writer: Writer, params: dict[str, int], name: str) -> str | None:
    """How the program and the config differ with these params."""
    network = net.network
    sizes = writer.first_sizes
    shapes, refused = writer.apply({**sizes, **by_symbol(params)})
    try:
        loaded = reloaded(net, network.source, params={**network.given_params, name: params[name]})
    except TracerError:
        return None if refused else f"{name}: {params[name]} is refused"
    trace = loaded.trace(**sizes)
    if [node.name for node in loaded.network.nodes] != [node.name for node in network.nodes]:
        return "it decides what layers there are"
    same = all(_agree(a, b) for a, b in zip(shapes, trace.by_index))
    return None if same else "it changes more than numbers"


def _agree(a: Any, b: Any) -> bool:
    """Whether the program's shape is the trace's; it may not know."""
    return a is Ellipsis or a == b
