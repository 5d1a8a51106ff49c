"""How often the edit that broke a config is undone by the first repairs: ``python -m tests.benchmarks breakages``.

Every config of ``configs/`` is broken in one place, drawn at random: a padding dropped, a stride changed, a name under
``from`` taken from another level, an odd size, other channels, a layer that enlarges taken out. Where it does not close
any more, its repairs are asked for. A repair counts that gives the network back as it was, or another one that is no
worse. Two places at once are drawn of those that each break the config alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from tests import ROOT
from tracer.diagnostics import TracerError
from tracer.loading import load_text, reloaded
from tracer.net import Net
from tracer.ops.convolution import ConvTranspose
from tracer.ops.merge import Merge
from tracer.ops.resize import Interpolate, Upsample
from tracer.repairing.ranking import scale_of
from tracer.repairing.repair import Repair
from tracer.repairing.repairs import faults_of, repairs
from tracer.repairing.writing import path_of
from tracer.rules import judge
from tracer.source.edits import Edit, EditError, edited

FIRST = 3
"""A person reads so many repairs."""


class Breakage(NamedTuple):
    """Edits that break a config."""

    kind: str
    edits: list[Edit]
    is_new: bool = False
    """What repairs it has a layer more."""

    def __add__(self, other: Breakage) -> Breakage:  # type: ignore[override]
        """Both at once."""
        kind = " and ".join(sorted([self.kind, other.kind]))
        edits = [*self.edits, *other.edits]
        return Breakage(kind, edits, self.is_new or other.is_new)


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
        channels = getattr(node.op, "out_channels", None)
        if isinstance(channels, int) and _is_number(node, "out_channels"):
            other = drawn.choice([channels + 1, channels * 2])
            yield Breakage("channels", [Edit((*place, "out_channels"), other)])
        if (
            isinstance(node.op, Merge)
            and len(node.declaration.inputs or []) > 1
            and not node.uses
        ):
            yield from _swapped(node, network.nodes, drawn)
        is_up = isinstance(node.op, (ConvTranspose, Upsample, Interpolate))
        if is_up and not node.uses and not node.declaration.inputs:
            yield Breakage("up-layer", [Edit(place, None, removes=True)], is_new=True)
    for symbol, size in network.defaults().items():
        if size > 16 and symbol in network.size_spans:
            yield Breakage(
                "size", [Edit(("sizes", symbol), size + drawn.choice([-1, 1, 3, -5]))]
            )


def _is_number(node: Any, field: str) -> bool:
    """Whether an argument is written as a number, and not as an expression."""
    given = node.declaration.arguments.get(field)
    return given is not None and str(getattr(given[1], "value", "")).isdigit()


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


def outcomes(seed: int, each: int, places: int = 1) -> Iterator[Outcome]:
    """Up to ``each`` broken forms of every config, in one place or in two."""
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        net = load_text(text, str(path), {})
        drawn = random.Random(f"{seed} {path.name}")
        found = list(breakages(net, drawn))
        drawn.shuffle(found)
        if places == 2:
            found = list(_pairs(net, text, found, each))
        some = (_outcome(net, text, path.name, one) for one in found)
        yield from islice(filter(None, some), each)


def _pairs(net: Net, text: str, found: list[Breakage], each: int) -> Iterator[Breakage]:
    """Two of those that break the config alone, each in one pair."""
    alone = (one for one in found if _broken(net, text, one) is not None)
    ones = list(islice(alone, 2 * each))
    for first, second in zip(ones[::2], ones[1::2]):
        yield first + second


def _broken(net: Net, text: str, breakage: Breakage) -> Net | None:
    """The broken network; None where it closes all the same, or does not load."""
    try:
        broken = reloaded(net, edited(text, breakage.edits), allow_argument_errors=True)
    except (EditError, TracerError, ValueError):
        return None
    return broken if faults_of(broken) else None


def _outcome(net: Net, text: str, name: str, breakage: Breakage) -> Outcome | None:
    """The outcome of one breakage; None where it breaks nothing."""
    broken = _broken(net, text, breakage)
    if broken is None:
        return None

    start = time.process_time()
    found = repairs(broken).found
    spent = time.process_time() - start
    is_undone = any(_is_good(net, broken, repair, breakage.is_new) for repair in found[:FIRST])
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
    if not shapes:
        # At sizes that the network as it was does not run for, what is kept is how much larger the output is.
        shapes = repair.scale == scale_of(net.trace())
    own = {found.code for found in judge(net.with_sizes(again.network.defaults()))}
    return repair.safe or (shapes and is_kept and set(repair.warnings) <= own)
