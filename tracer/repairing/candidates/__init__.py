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
    slips,
    solved,
    widths,
    wiring,
)

KINDS = (
    widths,
    channels,
    cuts,
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


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Every change that may repair the network."""
    for kind in KINDS:
        yield from kind.candidates(bench)
