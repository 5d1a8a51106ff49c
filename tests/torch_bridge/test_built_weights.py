"""The weights that are told without building a module are those of the built one."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import assume, given

import tracer
from tests import ROOT
from tests.drawn.counted import counted, each
from tests.drawn.networks import Drawn, networks
from tracer.torch_bridge.built_weights import weights_built

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def check_weights(net: tracer.Net) -> int:
    """Hold the told weights of a network against those of its module; gives how many there are."""
    module = tracer.build(net, "meta")
    told = weights_built(net)
    state = module.state_dict(keep_vars=True)
    assert {name: one.shape for name, one in told.items()} == {
        name: tuple(weight.shape) for name, weight in state.items()
    }

    places: dict[int, list[str]] = defaultdict(list)
    for name, parameter in module.named_parameters(remove_duplicate=False):
        places[id(parameter)].append(name)
    for names in places.values():
        assert sum(told[name].is_parameter for name in names) == 1
    assert sum(one.is_parameter for one in told.values()) == len(places)
    return len(told)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_of_a_config(path: Path) -> None:
    """Of every config that has weights."""
    assert check_weights(tracer.load(path))


@counted(each("some", "none", one_in=20))
@given(networks())
def test_of_drawn_networks(seen: Counter[str], drawn: Drawn) -> None:
    """Of drawn networks."""
    net = tracer.loads(drawn.text)
    net.network.sizes.update(drawn.sizes)
    assume(not net.trace().diagnostics)
    seen["some" if check_weights(net) else "none"] += 1


SHARED = """\
input: [1, 4, 8, 8]
layers:
  first: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  second: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1, weights: first}
  fixed: {op: BatchNorm2d, learned: false}
  table: {op: Parameter, shape: [1, 4, 8, 8]}
  constant: {op: Parameter, shape: [1, 4, 8, 8], learned: false}
  sum: {op: Add, from: [fixed, table, constant]}
"""


def test_of_shared_weights_and_constants() -> None:
    """A shared weight is a parameter once; constants are buffers."""
    net = tracer.loads(SHARED)
    assert check_weights(net) == 11
    told = weights_built(net)
    assert told["first.weight"].is_parameter
    assert not told["second.weight"].is_parameter
    assert not told["fixed.weight"].is_parameter
