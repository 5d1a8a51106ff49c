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
from tracer.network.records import Network

CHECKED = (1, 2, 3, 5, 8, 12, 16, 24, 32, 48, 64, 100)
"""Values at which an open param is compared with the network that is loaded with it."""

Reasons = dict[str, str]
"""By param: why it cannot be open."""


class Opening(NamedTuple):
    """A network with some params open, and how it differs from the config."""

    opened: OpenedNetwork | None
    """None where these params cannot be open: then each of them has a reason."""
    reasons: Reasons


def live(net: Net) -> Live:
    """The program of a network. Params that decide more than numbers keep their values."""
    table = choices(net) if is_planned(net) else None
    numbers: dict[str, int] = {}
    following: Reasons = {}
    for name, n in net.network.params.items():
        if type(n) is not int:
            continue
        if follows(net.network, name):
            following[name] = "it follows other params"
        else:
            numbers[name] = n

    attempt = _attempt(net, numbers, table)
    if attempt.reasons:
        attempt = _best_attempt(net, numbers, table)
    opened = attempt.opened or open_network(net, {}, table)
    fixed = following | attempt.reasons
    return msgspec.structs.replace(written(opened), fixed=fixed)


def _best_attempt(net: Net, numbers: Mapping[str, int], table: ChoiceTable | None) -> Opening:
    """The params together that can be open each for itself."""
    left: dict[str, int] = {}
    reasons: Reasons = {}
    for name, n in numbers.items():
        alone = _attempt(net, {name: n}, table)
        if name in alone.reasons:
            reasons[name] = alone.reasons[name]
        else:
            left[name] = n

    together = _attempt(net, left, table)
    if not together.reasons:
        return Opening(together.opened, reasons)
    entangled = dict.fromkeys(left, "it goes together with another param")
    return Opening(None, reasons | entangled)


def _attempt(net: Net, numbers: Mapping[str, int], table: ChoiceTable | None) -> Opening:
    """Opens these params, and compares each of them with the config at other values."""
    try:
        opened = open_network(net, numbers, table)
    except NotOpen as problem:
        return Opening(None, dict.fromkeys(numbers, str(problem)))

    reasons: Reasons = {}
    for name in numbers:
        reason = next(_differences(net, opened, numbers, name), None)
        if reason is not None:
            reasons[name] = reason
    return Opening(opened, reasons)


def _differences(
    net: Net, opened: OpenedNetwork, numbers: Mapping[str, int], name: str
) -> Iterator[str]:
    """How the program and the config differ at other values of one param."""
    now = numbers[name]
    near = {now - 1, now + 1, 2 * now}
    for value in sorted(near.union(CHECKED) - {now}):
        params = {**numbers, name: value}
        reason = _difference(net, opened, params, name)
        if reason is not None:
            yield reason


def _difference(
    net: Net, opened: OpenedNetwork, params: dict[str, int], name: str
) -> str | None:
    """How the program and the config differ with these params; None where they agree."""
    network = net.network
    sizes = opened.first_sizes
    found = opened.apply({**sizes, **by_symbol(params)})

    given = {**network.given_params, name: params[name]}
    try:
        loaded = reloaded(net, network.source, params=given)
    except TracerError:
        return None if found.is_refused else f"{name}: {params[name]} is refused"

    if _names(loaded.network) != _names(network):
        return "it decides what layers there are"

    traced = loaded.trace(**sizes).by_index
    for ours, theirs in zip(found.shapes, traced):
        if not _agree(ours, theirs):
            return "it changes more than numbers"
    return None


def _names(network: Network) -> list[str]:
    return [node.name for node in network.nodes]


def _agree(ours: Any, traced: Any) -> bool:
    """True where the program's shape is the trace's, or the program cannot say."""
    return ours is Ellipsis or ours == traced
