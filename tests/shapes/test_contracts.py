"""What a config expects is added to a recipe without it, and says the same as a recipe that is made with it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import tracer
from tests import ROOT
from tests.drawn.counted import counted
from tests.drawn.networks import Drawn, networks
from tracer.shapes.recipe import FailedNode, Recipe, recipe_of, with_contracts
from tracer.shapes.trace import declared_ops
from tracer.sizing.symbol import identity


def told(recipe: Recipe) -> Any:
    """All that a recipe says, whatever the order."""
    asked = [(identity(condition), node.name) for condition, node in recipe.conditions]
    promised = Counter(asked[number] for number in recipe.promised)
    impossible = {asked[number] for number in recipe.impossible}
    refusals = {_refusal(one) for one in recipe.refusals}
    undecided = {node.name for node in recipe.undecided}
    return Counter(asked), promised, impossible, refusals, undecided, recipe.shapes


def _refusal(one: FailedNode) -> tuple[str, str | None]:
    return one.node.name, one.requirement and one.requirement.code


def both_ways(net: tracer.Net) -> tuple[Recipe, Recipe]:
    """With what is expected, added and from the start."""
    ops = declared_ops(net.network)
    plain = recipe_of(net.network, ops, contracts=False)
    return with_contracts(plain), recipe_of(net.network, ops, space=plain.program.space)


@counted(lambda seen: seen["met"] > 50 and seen["not met"] > 5)
@settings(max_examples=400)
@given(networks())
def test_contracts_of_drawn_networks(seen: Counter[str], drawn: Drawn) -> None:
    """The conditions, those that are promised, and what fails: of networks with and without expectations."""
    try:
        net = tracer.loads(drawn.text)
    except tracer.TracerError:
        return
    added, whole = both_ways(net)
    assert told(added) == told(whole), drawn.text
    if any(node.expect for node in net.network.nodes):
        seen["met" if whole.sound else "not met"] += 1


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem
)
def test_contracts_of_configs(path: Path) -> None:
    added, whole = both_ways(tracer.load(path))
    assert told(added) == told(whole)


def test_what_follows_from_an_expectation_is_not_expected() -> None:
    """A node behind one whose expectation fails for all sizes has none, in either way."""
    net = tracer.loads(
        """\
input: [1, 2, H, W]
sizes: {H: 8, W: 8}
layers:
  first: {op: Conv2d, out_channels: 3, kernel_size: 1, expect: [_, 4, _, _]}
  second: {op: ReLU, expect: [_, 5, _, _]}
output: {second: [_, 6, _, _]}
"""
    )
    added, whole = both_ways(net)
    assert [one.node.name for one in added.refusals] == ["first"]
    assert told(added) == told(whole)
