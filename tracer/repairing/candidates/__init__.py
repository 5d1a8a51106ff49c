"""Changes that may repair a network, a module for each kind; whether one does is found out on the bench."""

from __future__ import annotations

from collections.abc import Iterator

from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate
from tracer.repairing.candidates import (
    aligned,
    channels,
    cuts,
    enlarging,
    input_sizes,
    levels,
    mirrored,
    missing,
    pad_and_cut,
    per_use,
    run_time_sizes,
    shifted,
    slips,
    solved,
    widths,
    wiring,
)

KINDS = (
    widths,
    channels,
    cuts,
    shifted,
    slips,
    solved,
    input_sizes,
    run_time_sizes,
    aligned,
    enlarging,
    per_use,
    missing,
    mirrored,
    wiring,
    levels,
    pad_and_cut,
)
"""In the order in which they are tried: what closes in memory before the time is spent on what the planner finds."""


FIRST = (
    widths,
    channels,
    cuts,
    slips,
    missing,
    mirrored,
    wiring,
)
"""What may be the first of two changes: each takes one fault away, and not whatever comes behind it."""


SLOW = (
    solved,
    input_sizes,
    run_time_sizes,
    aligned,
    per_use,
)
"""What takes longer to find, and may be the second one."""


def first_changes(bench: Bench) -> Iterator[Candidate]:
    """Every change that may take the first of two faults away."""
    for kind in FIRST:
        yield from kind.candidates(bench)


def slow_changes(bench: Bench) -> Iterator[Candidate]:
    """What else may repair what the first of two leaves."""
    for kind in SLOW:
        yield from kind.candidates(bench)


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Every change that may repair the network."""
    for kind in KINDS:
        yield from kind.candidates(bench)
