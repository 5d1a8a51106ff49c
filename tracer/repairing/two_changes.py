"""Two changes of a network that none alone repairs: the first leads beyond the first fault, the second closes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Any, NamedTuple

from tracer.repairing.bench import Bench, Tried
from tracer.repairing.candidate import Candidate
from tracer.repairing.candidates import first_changes, second_changes
from tracer.repairing.progress import Progress, progress_of

FIRST = 6
"""First changes that are followed by a second."""

ENOUGH = 8
"""Pairs after which no other first change is tried."""

NODES = 7_000
"""Nodes of edited texts that are traced at most for second changes, a share for each first one."""

SHARES = 3
"""No first change takes a larger part of them."""

IN_MEMORY = 20_000
"""Nodes that are traced at most in memory for the second changes of one first."""


class FirstChange(NamedTuple):
    """A change after which another fault is left."""

    candidate: Candidate
    tried: Tried
    progress: Progress

    @property
    def key(self) -> tuple[Any, ...]:
        """Smaller for what is likelier to be a part of the repair."""
        return (
            self.candidate.oddness,
            self.candidate.kind,
            *(-n for n in self.progress),
        )


class Pair(NamedTuple):
    """Two changes, and the network that they give."""

    candidate: Candidate
    tried: Tried


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
    firsts = [*known, *_first_changes(bench, seen, is_told)]
    firsts.sort(key=lambda one: one.key)

    count = 0
    left = NODES
    for first in firsts[:FIRST]:
        share = min(left, NODES // SHARES)
        bench.nodes_left = share
        bench.in_memory_left = IN_MEMORY

        for pair in _closed(bench, first, is_told):
            count += 1
            yield pair
        left -= share - bench.nodes_left
        if count >= ENOUGH:
            return


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


def _closed(
    bench: Bench,
    first: FirstChange,
    is_told: Callable[[Candidate], bool],
) -> Iterator[Pair]:
    """A first change with each second one that closes the network."""
    rest = Bench.at(first.tried.net, bench)
    for second in filter(is_told, second_changes(rest)):
        both = _together(first.candidate, second)
        bench.nodes_left = rest.nodes_left
        closed = bench.tried(both.edits)
        rest.nodes_left = bench.nodes_left
        if closed is not None and bench.reaches_aim(closed):
            yield Pair(both, closed)


def _together(first: Candidate, second: Candidate) -> Candidate:
    """Both changes as one."""
    return Candidate(
        f"{first.title}, and {second.title}",
        [*first.edits, *second.edits],
        max(first.kind, second.kind),
        max(first.oddness, second.oddness),
    )
