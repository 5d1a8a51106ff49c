"""Which params a program can leave open: those with which it says what the config says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

SMALL = (1, 2, 3)
"""Values at which an open param is compared with the network that is loaded with it, beside those near its own."""

Reasons = dict[str, str]
"""By param: why it cannot be open."""

Values = Callable[[int], list[int]]
"""The values at which a param is compared, by its own."""


class Opening(NamedTuple):
    """A network with some params open, and how it differs from the config."""

    opened: OpenedNetwork | None
    """None where these params cannot be open: then each of them has a reason."""
    reasons: Reasons


def live(net: Net, known: Mapping[str, str] | None = None) -> Live:
    """The program of a network. Params that decide more than numbers keep their values.

    ``known``: the params that are not open in the same config with other layers. The others are compared at fewer
    values then; where one differs here, all are looked at anew.
    """
    table = choices(net) if is_planned(net) else None
    numbers: dict[str, int] = {}
    fixed: Reasons = {}
    for name, n in net.network.params.items():
        if type(n) is not int:
            continue
        if follows(net.network, name):
            fixed[name] = "it follows other params"
        else:
            numbers[name] = n

    if known is not None:
        left = {name: n for name, n in numbers.items() if name not in known}
        again = _attempt(net, left, table, _values_again)
        if not again.reasons:
            return _live(net, again.opened, dict(known), table)

    attempt = _best_attempt(net, numbers, table)
    return _live(net, attempt.opened, fixed | attempt.reasons, table)


def _live(
    net: Net, opened: OpenedNetwork | None, fixed: Reasons, table: ChoiceTable | None
) -> Live:
    """The program as records; that with no param open where none can be."""
    if opened is None:
        opened = open_network(net, {}, table)
    return msgspec.structs.replace(written(opened, net.told), fixed=fixed)


def _best_attempt(net: Net, numbers: Mapping[str, int], table: ChoiceTable | None) -> Opening:
    """The params that can be open together, those left out that cannot be open each for itself."""
    left = dict(numbers)
    reasons: Reasons = {}
    while True:
        together = _attempt(net, left, table, _values_near)
        if not together.reasons:
            return Opening(together.opened, reasons)

        found = together.reasons
        if together.opened is None:
            found = _closed_alone(net, left, table)
        if not found:
            entangled = dict.fromkeys(left, "it goes together with another param")
            return Opening(None, reasons | entangled)

        reasons |= found
        left = {name: n for name, n in left.items() if name not in found}


def _closed_alone(net: Net, numbers: Mapping[str, int], table: ChoiceTable | None) -> Reasons:
    """The params that cannot be open, each for itself."""
    found: Reasons = {}
    for name, n in numbers.items():
        try:
            open_network(net, {name: n}, table)
        except NotOpen as problem:
            found[name] = str(problem)
    return found


def _attempt(
    net: Net, numbers: Mapping[str, int], table: ChoiceTable | None, values: Values
) -> Opening:
    """Opens these params, and compares each of them with the config at other values."""
    try:
        opened = open_network(net, numbers, table)
    except NotOpen as problem:
        return Opening(None, dict.fromkeys(numbers, str(problem)))

    reasons: Reasons = {}
    for name, now in numbers.items():
        for value in values(now):
            reason = difference(net, opened, {**numbers, name: value}, name)
            if reason is not None:
                reasons[name] = reason
                break
    return Opening(opened, reasons)


def _values_near(now: int) -> list[int]:
    """The values at which a param is compared: small ones, its own and those beside it, and twice it.

    >>> _values_near(32)
    [1, 2, 3, 31, 32, 33, 64]
    """
    near = {max(now - 1, 0), now, now + 1, 2 * now}
    return sorted(near.union(SMALL))


def _values_again(now: int) -> list[int]:
    """Those where the same param was compared with other layers.

    >>> _values_again(32)
    [32, 33, 64]
    """
    return sorted({now, now + 1, 2 * now})


def difference(
    net: Net, opened: OpenedNetwork, params: Mapping[str, int], name: str
) -> str | None:
    """How the program and the config differ where one param has another value; None where they agree.

    ``params``: the open ones, that one among them.
    """
    network = net.network
    sizes = opened.first_sizes
    found = opened.apply({**sizes, **by_symbol(params)})

    given = {**network.given_params, name: params[name]}
    refused = f"{name}: {params[name]} is refused"
    try:
        # Whether an argument is wrong at any size is not asked: it is wrong at these.
        loaded = reloaded(net, network.source, params=given, allow_argument_errors=True)
    except TracerError:
        return None if found.is_refused else refused

    if _names(loaded.network) != _names(network):
        return "it decides what layers there are"

    if _read(loaded.network) != _read(network):
        return "it decides what layers read"

    traced = loaded.trace(**sizes)
    if not found.is_refused and any(wrong.code < "T3" for wrong in traced.diagnostics):
        return refused

    for ours, theirs in zip(found.shapes, traced.by_index):
        if not _agree(ours, theirs):
            return "it changes more than numbers"
    return None


def _names(network: Network) -> list[str]:
    return [node.name for node in network.nodes]


def _read(network: Network) -> list[list[int]]:
    """The numbers of the nodes that each node reads."""
    return [
        [source.index for source in (*node.inputs, *node.operands.values())]
        for node in network.nodes
    ]


def _agree(ours: Any, traced: Any) -> bool:
    """True where the program's shape is the trace's, or the program cannot say."""
    return ours is Ellipsis or ours == traced
