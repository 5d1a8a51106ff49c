"""Every config of configs/ is what it says: clean, planned, and in torch of the shapes, parameters and MACs traced.

The real forward on the CPU runs at the declared size where that is affordable, otherwise with fewer channels (the
param that scales them), otherwise at the largest affordable size that the config takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

import tracer
from tests import ROOT
from tests.drawn.torch_network import run
from tracer.commands import cli
from tracer.costs.operations import costs, total

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
every_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)

WIDTHS = ("base", "features", "filters", "width")
"""Params that scale the channels of a whole network."""

MACS = 1.5e9
"""Multiply-accumulates that one forward may take: about a second."""

BYTES = 2e9
"""What all feature maps together may take."""


class Size(NamedTuple):
    """At what size a config is run."""

    params: dict[str, Any]
    sizes: dict[str, int]


def smaller(path: Path) -> Iterator[Size]:
    """Sizes to run a config at, the declared one first: fewer channels come before smaller inputs."""
    net = tracer.load(path)
    declared = net.trace().sizes
    yield Size({}, declared)
    width = next((name for name in WIDTHS if name in net.params), None)
    fewer = [{width: divided(net.params[width], 2**i)} for i in range(1, 6)] if width else [{}]
    for params in fewer:
        yield Size(params, declared)
    spatial = [symbol for symbol in declared if symbol != "N"]
    for part in range(31, 0, -1):
        reduced = {symbol: declared[symbol] * part // 32 for symbol in spatial}
        yield Size({}, {**declared, **reduced})
        yield Size(fewer[-1], {**declared, **reduced})
    for less in range(16, max(declared.values()), 16):
        yield Size({}, {**declared, **{symbol: declared[symbol] - less for symbol in spatial}})


def divided(channels: Any, by: int) -> Any:
    """A number of channels, or those of every level, divided."""
    return tuple(n // by for n in channels) if isinstance(channels, tuple) else channels // by


def affordable(path: Path) -> tuple[tracer.Net, tracer.Trace]:
    """The config at the first size that it takes and that is cheap to run, or else at the cheapest one."""
    found: list[tuple[int, tracer.Net, tracer.Trace]] = []
    for size in smaller(path):
        try:
            net = tracer.load(path, **size.params)
            trace = net.trace(**size.sizes)
        except (tracer.TracerError, ValueError):
            continue
        cost = total(costs(trace))
        if not trace.diagnostics:
            found.append((cost.macs, net, trace))
            if cost.macs <= MACS and cost.memory <= BYTES:
                return net, trace
    return min(found, key=lambda one: one[0])[1:]


def test_the_folder_is_clean() -> None:
    """``tracer check --strict configs`` finds nothing, warnings included."""
    done = CliRunner().invoke(cli, ["check", "--strict", str(CONFIGS[0].parent)])
    assert (done.exit_code, len(CONFIGS) >= 30) == (0, True), done.output


@every_config
def test_is_planned(path: Path) -> None:
    """Every ``auto`` has a value, for the declared size."""
    net = tracer.load(path)
    plan = net.solution(net.network.defaults())
    open_fields = {
        f"{node.name}.{unknown.field}"
        for node in net.network.nodes
        for unknown in node.unknowns
    }
    assert plan.solved
    assert set(plan.assignments) == open_fields


@every_config
def test_every_shape_is_torchs(path: Path) -> None:
    """A real forward on the CPU gives every node the traced shape."""
    net, trace = affordable(path)
    torchs = run(net, trace.sizes)
    assert not torchs.refused
    assert torchs.shapes == dict(trace.shapes)


@every_config
def test_parameters_and_macs_are_torchs(path: Path) -> None:
    """At the full size: every node's parameters are its module's, its MACs half of what FlopCounterMode counts.

    The meta device carries no values, so that nets of hundreds of GMACs cost nothing; shapes are compared on it too.
    """
    net = tracer.load(path)
    trace = net.trace()
    torchs = run(net, device="meta", count_flops=True)
    found = costs(trace)
    operations = [node.name for node in net.network.nodes if not node.is_input]
    assert torchs.shapes == dict(trace.shapes)
    assert {name: found[name].params for name in operations} == torchs.params
    assert {name: 2 * found[name].macs for name in operations} == torchs.flops
    assert total(found).params == sum(torchs.params.values())
