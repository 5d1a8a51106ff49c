"""How often the edit that broke a config is undone by the first repairs: ``python -m tests.benchmarks breakages``.

Every config of ``configs/`` is broken in one place, drawn at random: a padding dropped, a stride changed, a name under
``from`` taken from another level, an odd size, a layer that enlarges taken out. Where it does not close any more, its
repairs are asked for. A repair counts that gives the network back as it was, or another one that is no worse.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests import ROOT
from tracer.diagnostics import TracerError
from tracer.loading import load_text, reloaded
from tracer.net import Net
from tracer.ops.convolution import ConvTranspose
from tracer.ops.merge import Merge
from tracer.ops.resize import Interpolate, Upsample
from tracer.repairing.repair import Repair
from tracer.repairing.repairs import faults_of, repairs
from tracer.repairing.writing import path_of
from tracer.source.edits import Edit, EditError, edited

FIRST = 3
"""A person reads so many repairs."""


class Breakage(NamedTuple):
    """One edit that breaks a config."""

    kind: str
    edits: list[Edit]


class Outcome(NamedTuple):
    """What the repairs of one broken config come to."""

    config: str
    breakage: Breakage
    is_undone: bool
    first: list[str]
    seconds: float


def breakages(net: Net, drawn: random.Random) -> Iterator[Breakage]:
    """Edits of a config, each in one place."""
    network = net.network
    declared = {id(node.declaration): node for node in network.nodes if node.op is not None}
    for node in declared.values():
        place = path_of(node, node.declaration)
        arguments = node.declaration.arguments
        if "padding" in arguments and len(arguments) > 1:
            yield Breakage("padding", [Edit((*place, "padding"), None, removes=True)])
        stride = getattr(node.op, "stride", None)
        if isinstance(stride, int) and "stride" in arguments:
            other = drawn.choice([n for n in (1, 2, 3) if n != stride])
            yield Breakage("stride", [Edit((*place, "stride"), other)])
        if (
            isinstance(node.op, Merge)
            and len(node.declaration.inputs or []) > 1
            and not node.uses
        ):
            yield from _swapped(node, network.nodes, drawn)
        is_up = isinstance(node.op, (ConvTranspose, Upsample, Interpolate))
        if is_up and not node.uses and not node.declaration.inputs:
            yield Breakage("up-layer", [Edit(place, None, removes=True)])
    for symbol, size in network.defaults().items():
        if size > 16 and symbol in network.size_spans:
            yield Breakage(
                "size", [Edit(("sizes", symbol), size + drawn.choice([-1, 1, 3, -5]))]
            )


def _swapped(node: Any, nodes: list[Any], drawn: random.Random) -> Iterator[Breakage]:
    """One of a merge's inputs is another node."""
    names = [one.value for one in node.declaration.inputs]
    others = [
        other.name
        for other in nodes
        if "." not in other.name and other.name not in names and other.index < node.index
    ]
    if others:
        position = drawn.randrange(len(names))
        changed = [*names]
        changed[position] = drawn.choice(others)
        yield Breakage(
            "from", [Edit((*path_of(node, node.declaration), "from"), tuple(changed))]
        )


def outcomes(seed: int, each: int) -> Iterator[Outcome]:
    """Up to ``each`` broken forms of every config."""
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        net = load_text(text, str(path), {})
        drawn = random.Random(f"{seed} {path.name}")
        found = list(breakages(net, drawn))
        drawn.shuffle(found)
        count = 0
        for breakage in found:
            outcome = _outcome(net, text, path.name, breakage)
            if outcome is not None:
                count += 1
                yield outcome
            if count == each:
                break


def _outcome(net: Net, text: str, name: str, breakage: Breakage) -> Outcome | None:
    """The outcome of one breakage; None where the network closes all the same, or does not load."""
    try:
        broken = reloaded(net, edited(text, breakage.edits), allow_argument_errors=True)
    except (EditError, TracerError, ValueError):
        return None
    if not faults_of(broken):
        return None

    start = time.perf_counter()
    found = repairs(broken).found
    spent = time.perf_counter() - start
    is_new = breakage.kind == "up-layer"
    is_undone = any(_is_good(net, broken, repair, is_new) for repair in found[:FIRST])
    return Outcome(name, breakage, is_undone, [one.title for one in found[:FIRST]], spent)


def _is_good(net: Net, broken: Net, repair: Repair, is_new: bool) -> bool:
    """The network is as it was; or no worse: the same outputs at its sizes, no new warning, no other parameters.

    A layer in the place of one that was taken out has parameters of its own.
    """
    again = reloaded(broken, repair.text)
    other = again.trace()
    mine = net.with_sizes(again.network.defaults()).trace()
    shapes = list(other.outputs.values()) == list(mine.outputs.values())
    if [op for op in other.ops if op] == [op for op in mine.ops if op] and shapes:
        return True
    is_kept = is_new or not repair.reshapes
    return repair.safe or (shapes and not repair.warnings and is_kept)
