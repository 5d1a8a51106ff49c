"""Two workers of a sweep against one, in rows per second: of the whole process, and without what few rows take.

The ratios are of two cores that nobody else uses. On others the CPU time tells what is possible: that of a sweep by one
process, over half of what two workers and the process that writes take together.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests import ROOT

LIMIT = 1.8
"""So many times the rows of one worker, at least."""

ROUNDS = 3

WATCHED = """
import json, multiprocessing, resource
from tracer.commands import main
try:
    main()
finally:
    for worker in multiprocessing.active_children():
        worker.join()
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps([one.ru_utime + one.ru_stime for one in used]))
"""
"""The command; behind all else it prints the CPU time of its own process and of the workers."""

SIZES = "H=64..1024:8,W=64..1500:8"
"""121 times 180 of them."""

LENGTHS = {"start": (1, "H=64,W=64"), "million": (3, SIZES), "two million": (6, SIZES)}
"""Numbers of classes, and sizes; each with 15 widths."""


class Used(NamedTuple):
    """What a sweep has taken, in seconds."""

    wall: float
    first: float
    """CPU time of the process that writes."""
    workers: float
    """CPU time of those that compute beside it."""

    def without(self, other: Used) -> Used:
        """What it has taken more than another one."""
        return Used(*(one - two for one, two in zip(self, other)))


class Pair(NamedTuple):
    """The same rows by one worker, and by two."""

    one: Used
    two: Used

    def without(self, other: Pair) -> Pair:
        """What both have taken more than for other rows."""
        return Pair(self.one.without(other.one), self.two.without(other.two))

    @property
    def ratio(self) -> float:
        return self.one.wall / self.two.wall

    @property
    def possible(self) -> float:
        """The ratio on two cores that do nothing else, where neither ever waits."""
        return 2 * self.one.first / (self.two.first + self.two.workers)


def swept(place: Path, length: str, ending: str, workers: int) -> Used:
    """A sweep of the padded U-Net, whose front is shown, and whose rows go to a file."""
    classes, sizes = LENGTHS[length]
    command = ["sweep", str(ROOT / "configs" / "unet_padded.yaml"), "--size", sizes]
    command += ["--vary", "base=8..64:4", "--vary", f"classes=2..{classes + 1}", "--overwrite"]
    command += ["-o", str(place / f"rows{ending}"), "--workers", str(workers)]
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    wall = time.perf_counter() - begun
    return Used(wall, *json.loads(done.stdout.splitlines()[-1]))


def rows(place: Path) -> Iterator[tuple[str, str, str]]:
    """For each kind of file: the whole process, without its start, and the rows behind the first million."""
    for ending in (".parquet", ".csv"):
        rounds = [
            {
                length: Pair(*(swept(place, length, ending, workers) for workers in (1, 2)))
                for length in LENGTHS
            }
            for _ in range(ROUNDS)
        ]
        starts, millions, longest = ([own[length] for own in rounds] for length in LENGTHS)
        ratio = statistics.median(pair.ratio for pair in millions)
        yield (
            f"a million rows, with the start, {ending}",
            f"{ratio:.2f} x one worker",
            _seconds(millions),
        )

        without_start = [pair.without(start) for pair, start in zip(millions, starts)]
        yield _compared(f"a million rows, {ending}", without_start)
        further = [pair.without(shorter) for pair, shorter in zip(longest, millions)]
        yield _compared(f"rows behind a million, {ending}", further)


def _compared(name: str, pairs: list[Pair]) -> tuple[str, str, str]:
    ratio = statistics.median(pair.ratio for pair in pairs)
    possible = statistics.median(pair.possible for pair in pairs)
    share = statistics.median(
        pair.two.first / (pair.two.first + pair.two.workers) for pair in pairs
    )
    return (
        name,
        f"{ratio:.2f} x one worker (limit {LIMIT})",
        f"{_seconds(pairs)}; by CPU time {possible:.2f} x, {share:.0%} of it in the process that writes",
    )


def _seconds(pairs: list[Pair]) -> str:
    one, two = (statistics.median(used.wall for used in several) for several in zip(*pairs))
    return f"{one:.2f} / {two:.2f} s"
