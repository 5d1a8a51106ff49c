"""The order of a picture of maps: runs of units in columns from left to right, in rows of their level's band.

Column follows column as map follows map, so that an encoder goes down to the right, a decoder comes up, nested decoders
are a grid, and parallel streams are rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from tracer.drawing.maps.holding import NO_POSITIONS
from tracer.drawing.maps.units import MapUnit
from tracer.drawing.maps.ways import MapWay

FEW = 2
"""Arrows of a vector, or of a size, that are drawn; of more each reader is marked with the name."""

ONE_BAND = Fraction(1)
"""The band of a picture that needs no others."""


class MapRun(NamedTuple):
    """Units side by side, each made of the one before alone."""

    units: tuple[int, ...]
    band: Fraction


class MapOrder(NamedTuple):
    """The runs of a picture with their columns and rows."""

    units: list[MapUnit]
    ways: list[MapWay]
    """The arrows that are drawn."""
    marks: dict[int, list[int]]
    """The units whose maps each unit reads that are only named."""
    runs: list[MapRun]
    run_of: list[int]
    """The run of each unit."""
    column: list[int]
    """The column of each run."""
    row: list[int]
    """The row of each run in its band, from the lowest."""
    gates: set[int]
    """The units in which a skip meets the decoder's map on its way to where it is joined."""
    bands: list[Fraction]
    """From the top; one alone where no level needs a band of its own."""


def ordered(
    all_units: Sequence[MapUnit],
    all_ways: Sequence[MapWay],
) -> MapOrder:
    """The units in runs, columns and rows."""
    marked = _marked(all_units, all_ways)
    drawn = [way for number, way in enumerate(all_ways) if number not in marked]
    marks: dict[int, list[int]] = defaultdict(list)
    for number in sorted(marked):
        marks[all_ways[number].target].append(all_ways[number].source)

    levels = [unit.level for unit in all_units]
    has_skip = any(way.kind == "skip" for way in drawn)
    if not has_skip and not _is_wide(all_units, drawn):
        levels = [ONE_BAND] * len(all_units)

    runs, run_of = _runs(levels, drawn)
    column = _columns(runs, run_of, drawn)
    bands = sorted(set(levels), key=lambda level: (level == NO_POSITIONS, level))
    unrowed = MapOrder(
        units=list(all_units),
        ways=drawn,
        marks=dict(marks),
        runs=runs,
        run_of=run_of,
        column=column,
        row=[],
        gates=_gates(drawn),
        bands=bands,
    )
    return unrowed._replace(row=_rows(unrowed))


def _gates(drawn: Sequence[MapWay]) -> set[int]:
    """The units that read a skip and another map, and hand on a skip."""
    out = {way.source for way in drawn if way.kind == "skip"}
    skipped = {way.target for way in drawn if way.kind == "skip"}
    own = {way.target for way in drawn if way.kind not in ("skip", "size")}
    refusing = {way.target for way in drawn if way.wrong}
    return (out & skipped & own) - refusing


def _marked(
    all_units: Sequence[MapUnit],
    all_ways: Sequence[MapWay],
) -> set[int]:
    """The arrows that would only cross the picture: of vectors and sizes with many readers."""

    def is_aside(way: MapWay) -> bool:
        is_vector = all_units[way.source].level == NO_POSITIONS
        goes_to_vector = all_units[way.target].level == NO_POSITIONS
        return way.is_only_size or (is_vector and not goes_to_vector)

    aside = [number for number, way in enumerate(all_ways) if is_aside(way)]
    count = Counter((all_ways[number].source, all_ways[number].kind) for number in aside)
    return {
        number
        for number in aside
        if count[all_ways[number].source, all_ways[number].kind] > FEW
    }


def _is_wide(
    all_units: Sequence[MapUnit],
    drawn: Sequence[MapWay],
) -> bool:
    """Whether maps of several levels stand beside each other."""
    levels = [unit.level for unit in all_units]
    runs, run_of = _runs(levels, drawn)
    column = _columns(runs, run_of, drawn)
    seen: dict[int, Fraction] = {}
    first = [seen.setdefault(column[number], run.band) for number, run in enumerate(runs)]
    return any(band != run.band for band, run in zip(first, runs))


def _runs(
    levels: Sequence[Fraction],
    drawn: Sequence[MapWay],
) -> tuple[list[MapRun], list[int]]:
    """The units in runs, and the run of each."""
    follows = _follows(levels, drawn)
    runs: list[list[int]] = []
    run_of: list[int] = []
    for unit in range(len(levels)):
        source = follows.get(unit)
        if source is None:
            run_of.append(len(runs))
            runs.append([unit])
        else:
            run = run_of[source]
            run_of.append(run)
            runs[run].append(unit)

    placed = [MapRun(tuple(run), levels[run[0]]) for run in runs]
    return placed, run_of


def _follows(
    levels: Sequence[Fraction],
    drawn: Iterable[MapWay],
) -> dict[int, int]:
    """Of each unit that is made of one other of its level alone, that one, if nothing else is made so of it."""
    before: dict[int, set[int]] = defaultdict(set)
    for way in drawn:
        before[way.target].add(way.source)

    single = {}
    for unit, found in before.items():
        source = min(found)
        is_alone = len(found) == 1 and source < unit
        if is_alone and levels[unit] == levels[source]:
            single[unit] = source

    count = Counter(single.values())
    return {unit: source for unit, source in single.items() if count[source] == 1}


def _columns(
    runs: Sequence[MapRun],
    run_of: Sequence[int],
    drawn: Iterable[MapWay],
) -> list[int]:
    """One behind the last of those that a run reads; what reads nothing stands just before its first reader."""
    before: dict[int, set[int]] = defaultdict(set)
    after: dict[int, set[int]] = defaultdict(set)
    for way in drawn:
        source = run_of[way.source]
        target = run_of[way.target]
        if source < target:
            before[target].add(source)
            after[source].add(target)

    column: list[int] = []
    for number in range(len(runs)):
        last = max((column[source] for source in before[number]), default=-1)
        column.append(last + 1)

    for number in range(len(runs)):
        if not before[number] and after[number]:
            column[number] = min(column[target] for target in after[number]) - 1
    return column


def _rows(given: MapOrder) -> list[int]:
    """The lowest row in which a run hides no other, nor the straight way between two.

    The trunk, the longest way without skips, comes first: what is beside it stands above it.
    """
    runs = given.runs
    trunk = _trunk(given)
    row = [0] * len(runs)
    taken: dict[tuple[Fraction, int], set[int]] = defaultdict(set)
    spans = _spans(given, trunk)
    placed: set[int] = set()
    for number in sorted(range(len(runs)), key=lambda n: (n not in trunk, n)):
        band = runs[number].band
        own = 0
        while given.column[number] in taken[band, own] or _is_between(
            given, spans, row, placed, number, own
        ):
            own += 1
        row[number] = own
        placed.add(number)
        taken[band, own].add(given.column[number])
    return row


def _spans(
    given: MapOrder,
    trunk: set[int],
) -> list[tuple[int, int]]:
    """Pairs of runs: each with the nearest in its band that its last map leads to, on the trunk with the next of it."""

    own: set[tuple[int, int]] = set()

    def rank(
        source: int,
        target: int,
    ) -> tuple[bool, int]:
        is_trunk = source in trunk and target in trunk
        return not (is_trunk and (source, target) in own), given.column[target]

    nearest: dict[int, int] = {}
    for way in given.ways:
        source = given.run_of[way.source]
        target = given.run_of[way.target]
        is_level = given.runs[source].band == given.runs[target].band
        if source == target or not is_level or given.runs[source].units[-1] != way.source:
            continue
        if way.kind != "skip":
            own.add((source, target))
        best = nearest.get(source)
        if best is None or rank(source, target) < rank(source, best):
            nearest[source] = target
    return list(nearest.items())


def _is_between(
    given: MapOrder,
    spans: Iterable[tuple[int, int]],
    row: Sequence[int],
    placed: set[int],
    number: int,
    own: int,
) -> bool:
    """Whether a run in a row would stand between two that are there and joined."""
    band = given.runs[number].band
    place = given.column[number]
    for source, target in spans:
        are_there = source in placed and target in placed
        if not are_there or given.runs[source].band != band:
            continue
        is_row = row[source] == row[target] == own
        if is_row and given.column[source] < place < given.column[target]:
            return True
    return False


def _trunk(given: MapOrder) -> set[int]:
    """The runs on the longest way without skips, by the maps on it."""
    before: dict[int, set[int]] = defaultdict(set)
    for way in given.ways:
        source = given.run_of[way.source]
        target = given.run_of[way.target]
        if source < target and way.kind not in ("skip", "size"):
            before[target].add(source)

    length: list[int] = []
    came_from: list[int | None] = []
    for number, run in enumerate(given.runs):
        best = max(before[number], key=lambda source: (length[source], -source), default=None)
        came_from.append(best)
        length.append(len(run.units) + (0 if best is None else length[best]))

    def rank(number: int) -> tuple[bool, int, int]:
        is_output = any(given.units[unit].output for unit in given.runs[number].units)
        return is_output, length[number], -number

    at: int | None = max(range(len(length)), key=rank)
    found = set()
    while at is not None:
        found.add(at)
        at = came_from[at]
    return found
