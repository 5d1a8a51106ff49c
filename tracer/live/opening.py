"""Which params a program can leave open: those with which it says what the config says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tracer.diagnostics import TracerError
from tracer.live.records import Live
from tracer.live.writer import Writer
from tracer.net import Net
from tracer.open_params import NotOpen, follows

CHECKED = (1, 2, 3, 5, 8, 12, 16, 24, 32, 48, 64, 100)
"""Values at which an open param is compared with the network that is loaded with it."""


def live(net: Net) -> Live:
    """The program of a network. Params that decide more than numbers keep their values."""
    whole = {name: n for name, n in net.network.params.items() if n.__class__ is int}
    numbers = {name: n for name, n in whole.items() if not follows(net.network, name)}
    following = dict.fromkeys(whole.keys() - numbers, "it follows other params")
    reasons = _reasons(net, numbers)
    if reasons:
        fixed = {name: reason for name in numbers if (reason := _reasons(net, {name: numbers[name]}).get(name))}
        numbers = {name: n for name, n in numbers.items() if name not in fixed}
        together = _reasons(net, numbers)
        reasons = {**fixed, **dict.fromkeys(numbers, "it goes together with another param")} if together else fixed
        numbers = {} if together else numbers
    return msgspec.structs.replace(Writer(net, numbers).written(), fixed=following | reasons)


def _reasons(net: Net, numbers: Mapping[str, int]) -> dict[str, str]:
    """The params with which the program and the config differ, and why; all of them where there is no program."""
    if not numbers:
        return {}
    try:
        writer = Writer(net, numbers)
    except NotOpen as problem:
        return dict.fromkeys(numbers, str(problem))
    found = {}
    for name, now in numbers.items():
        for value in sorted({*CHECKED, now - 1, now + 1, 2 * now} - {now}):
            reason = _differs(net, writer, {**numbers, name: value}, name)
            if reason:
                found[name] = reason
                break
    return found


def _differs(net: Net, writer: Writer, params: dict[str, int], name: str) -> str | None:
    """How the program and the config differ with these params."""
    network = net.network
    sizes = writer.first_sizes
    given = {name: n for name, n in network.params.items() if name not in network.param_values}
    shapes, refused = writer.apply({**sizes, **{f"param {p}": n for p, n in params.items()}})
    try:
        loaded = net.reloaded(network.source, params={**given, name: params[name]})
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
