"""Two changes of a network that none alone repairs: the first leads beyond the first fault, the second closes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from typing import Any, NamedTuple

from tracer.repairing.bench import Bench, Tried
from tracer.repairing.candidate import Candidate, Kind, Oddness
from tracer.repairing.candidates import first_changes, slow_changes
from tracer.repairing.progress import Progress, progress_of

FIRST = 8
"""First changes that are followed by a second."""

OF_PLACE = 4
"""Those that change one place."""

LIKELY = 2
"""Those that are followed by what takes long to find as well: values of the planner, other input sizes."""

SMALL = 600
"""Nodes of a network at most in which that is asked for."""

NODES = 7_000
"""Nodes of edited texts that are traced at most for second changes, a share for each first one."""

SHARES = 3
"""No first change takes a larger part of them."""

IN_MEMORY = 20_000
"""Nodes that are traced at most in memory for the second changes of one first."""

Changes = Callable[[Bench], Iterator[Candidate]]
"""What finds changes of a network."""


class FirstChange(NamedTuple):
    """A change after which another fault is left."""

    candidate: Candidate
    tried: Tried
    progress: Progress

    @property
    def key(self) -> tuple[Any, ...]:
        """Smaller for what is likelier to be a part of the repair."""
        return (
            self.candidate.kind,
            self.candidate.oddness == Oddness.ODD,
            -self.progress.node,
            -self.progress.right,
            self.candidate.oddness,
            -self.progress.near,
        )


class Pair(NamedTuple):
    """Two changes, and the network that they give."""

    candidate: Candidate
    tried: Tried

    @property
    def is_natural(self) -> bool:
        """Whether no layer is odd then, so that nothing else is looked for which takes long to find."""
        return self.candidate.oddness <= Oddness.NATURAL


def first_change(
    bench: Bench,
    candidate: Candidate,
    tried: Tried,
) -> FirstChange | None:
    """The change as the first of two; None where it does not lead beyond the first fault."""
    came = progress_of(tried.net.trace())
    if came > bench.progress:
        return FirstChange(candidate, tried, came)
    return None


def pairs(
    bench: Bench,
    known: list[FirstChange],
    seen: Set[str],
    is_told: Callable[[Candidate], bool],
) -> Iterator[Pair]:
    """The pairs that close the network, those of the likeliest first changes first.

    ``known`` are first changes, ``seen`` the keys of all that were tried alone.
    """
    firsts = _likeliest([*known, *_first_changes(bench, seen, is_told)])
    budget = _Budget(bench)

    is_natural = False
    for position, first in enumerate(firsts):
        for pair in budget.closed(first, _told(first_changes, is_told)):
            is_natural |= pair.is_natural
            yield pair
        if is_natural and position + 1 >= LIKELY:
            return

    if is_natural or len(bench.network.nodes) > SMALL:
        return
    for first in firsts[:LIKELY]:
        yield from budget.closed(first, _told(slow_changes, is_told))


def _told(changes: Changes, is_told: Callable[[Candidate], bool]) -> Changes:
    """Those changes that can be told."""
    return lambda bench: filter(is_told, changes(bench))


class _Budget:
    """What is left to try second changes with."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.left = NODES

    def closed(self, first: FirstChange, seconds: Changes) -> Iterator[Pair]:
        """A first change with each second one that closes the network."""
        share = min(self.left, NODES // SHARES)
        rest = Bench(first.tried.net, self.bench.aim)
        rest.nodes_left = share
        rest.in_memory_left = IN_MEMORY

        for second in seconds(rest):
            both = _together(first.candidate, second)
            self.bench.nodes_left = rest.nodes_left
            closed = self.bench.tried(both.edits)
            rest.nodes_left = self.bench.nodes_left
            if closed is not None and self.bench.reaches_aim(closed):
                yield Pair(both, closed)
        self.left -= share - rest.nodes_left


def _first_changes(
    bench: Bench,
    seen: Set[str],
    is_told: Callable[[Candidate], bool],
) -> Iterator[FirstChange]:
    """Changes that lead beyond the first fault, and that were not tried yet."""
    further = Bench(bench.net, bench.aim)
    further.is_first_of_two = True

    known = set(seen)
    for candidate in filter(is_told, first_changes(further)):
        if candidate.key in known:
            continue

        known.add(candidate.key)
        tried = further.tried(candidate.edits)
        first = None if tried is None else first_change(further, candidate, tried)
        if first is not None:
            yield first


def _likeliest(firsts: list[FirstChange]) -> list[FirstChange]:
    """The likeliest first changes, few of one place."""
    counted: Counter[tuple[Any, ...]] = Counter()
    found = []
    for first in sorted(firsts, key=lambda one: one.key):
        place = tuple(edit.path for edit in first.candidate.edits)
        counted[place] += 1
        if counted[place] <= OF_PLACE:
            found.append(first)
    return found[:FIRST]


def _together(first: Candidate, second: Candidate) -> Candidate:
    """Both changes as one."""
    return Candidate(
        f"{first.title}, and {second.title}",
        [*first.edits, *second.edits],
        max(first.kind, second.kind, Kind.REBUILT),
        max(first.oddness, second.oddness),
    )
