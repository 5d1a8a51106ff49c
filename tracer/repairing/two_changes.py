"""Two changes of a network that none alone repairs: the first leads beyond the first fault, the second closes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from typing import Any, NamedTuple

from tracer.repairing.bench import Bench, Tried
from tracer.repairing.candidate import Candidate, Oddness
from tracer.repairing.candidates import first_changes, second_changes
from tracer.repairing.progress import Progress, progress_of

FIRST = 8
"""First changes that are followed by a second."""

OF_PLACE = 4
"""Those that change one place."""

LIKELY = 2
"""Those that are followed by what takes long to find as well: values of the planner, other input sizes."""

SMALL = 600
"""Nodes of a network at most in which that is asked for."""

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
            self.candidate.kind,
            self.candidate.oddness == Oddness.ODD,
            *(-n for n in self.progress),
            self.candidate.oddness,
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
    firsts = _likeliest(firsts)

    count = 0
    left = NODES
    likely = LIKELY if len(bench.network.nodes) <= SMALL else 0
    for position, first in enumerate(firsts):
        share = min(left, NODES // SHARES)
        bench.nodes_left = share
        bench.in_memory_left = IN_MEMORY

        seconds = second_changes if position < likely else first_changes
        for pair in _closed(bench, first, seconds, is_told):
            count += 1
            yield pair
        left -= share - bench.nodes_left
        if count >= ENOUGH and position + 1 >= LIKELY:
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


def _closed(
    bench: Bench,
    first: FirstChange,
    seconds: Callable[[Bench], Iterator[Candidate]],
    is_told: Callable[[Candidate], bool],
) -> Iterator[Pair]:
    """A first change with each second one that closes the network."""
    rest = Bench.at(first.tried.net, bench)
    for second in filter(is_told, seconds(rest)):
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
