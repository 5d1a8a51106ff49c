"""Which params a program can leave open: those with which it says what the config says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tracer.diagnostics import TracerError
from tracer.live.choices import ChoiceTable, choices, is_planned
from tracer.live.opened import OpenedNetwork
from tracer.live.records import Live
from tracer.live.walk import open_network
from tracer.live.writer import written
from tracer.loading import reloaded
from tracer.net import Net
from tracer.network.open_params import NotOpen, by_symbol, follows

CHECKED = (1, 2, 3, 5, 8, 12, 16, 24, 32, 48, 64, 100)
"""Values at which an open param is compared with the network that is loaded with it."""

Reasons = dict[str, str]
"""By param: why it cannot be open."""


class Attempt(NamedTuple):
    """A network with some params open, and how it differs from the config."""

    opened: OpenedNetwork | None
    """None where these params cannot be open: then each of them has a reason."""
    reasons: Reasons


def live(net: Net) -> Live:
    """The program of a network. Params that decide more than numbers keep their values."""
    table = choices(net) if is_planned(net) else None
    whole = {name: n for name, n in net.network.params.items() if type(n) is int}
    numbers = {name: n for name, n in whole.items() if not follows(net.network, name)}
    following = dict.fromkeys(whole.keys() - numbers, "it follows other params")

    attempt = _attempt(net, numbers, table)
    if attempt.reasons:
        attempt = _best_attempt(net, numbers, table)
    opened = attempt.opened or open_network(net, {}, table)
    return msgspec.structs.replace(written(opened), fixed=following | attempt.reasons)


def _best_attempt(net: Net, numbers: Mapping[str, int], table: ChoiceTable | None) -> Attempt:
    """The params together that can be open each for itself."""
    alone = {name: _attempt(net, {name: n}, table).reasons.get(name) for name, n in numbers.items()}
    reasons = {name: reason for name, reason in alone.items() if reason}
    left = {name: n for name, n in numbers.items() if name not in reasons}
    together = _attempt(net, left, table)
    if not together.reasons:
        return Attempt(together.opened, reasons)
    return Attempt(None, reasons | dict.fromkeys(left, "it goes together with another param"))


def _attempt(net: Net, numbers: Mapping[str, int], table: ChoiceTable | None) -> Attempt:
    """Opens these params, and compares each of them with the config at other values."""
    try:
        opened = open_network(net, numbers, table)
    except NotOpen as problem:
        return Attempt(None, dict.fromkeys(numbers, str(problem)))

    reasons: Reasons = {}
    for name in numbers:
        reason = next(_differences(net, opened, numbers, name), None)
        if reason is not None:
            reasons[name] = reason
    return Attempt(opened, reasons)


def _differences(
    net: Net, opened: OpenedNetwork, numbers: Mapping[str, int], name: str
) -> Iterator[str]:
    """How the program and the config differ at other values of one param."""
    now = numbers[name]
    for value in sorted({*CHECKED, now - 1, now + 1, 2 * now} - {now}):
        reason = _difference(net, opened, {**numbers, name: value}, name)
        if reason is not None:
            yield reason


def _difference(net: Net, opened: OpenedNetwork, params: dict[str, int], name: str) -> str | None:
    """How the program and the config differ with these params; None where they agree."""
    network = net.network
    sizes = opened.first_sizes
    found = opened.apply({**sizes, **by_symbol(params)})
    try:
        loaded = reloaded(net, network.source, params={**network.given_params, name: params[name]})
    except TracerError:
        return None if found.is_refused else f"{name}: {params[name]} is refused"

    if [node.name for node in loaded.network.nodes] != [node.name for node in network.nodes]:
        return "it decides what layers there are"
    trace = loaded.trace(**sizes)
    same = all(_agree(a, b) for a, b in zip(found.shapes, trace.by_index))
    return None if same else "it changes more than numbers"


def _agree(ours: Any, traced: Any) -> bool:
    """True where the program's shape is the trace's, or the program cannot say."""
    return ours is Ellipsis or ours == traced
