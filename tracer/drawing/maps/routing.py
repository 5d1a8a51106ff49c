"""Which way each arrow of a picture of maps takes: straight, by the gap between columns, along a row, or above one.

No way crosses a map: rows are taken where nothing stands between, and the gaps and the corridors above rows are free.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from tracer.drawing.maps.columns import MapOrder
from tracer.drawing.maps.ways import MapWay

RowKey = tuple[Fraction, int]
"""A band and a row in it."""

Course = Literal["straight", "gap", "source", "target", "corridor"]
"""Level from map to map; by one gap; along the row of the source or of the target; above a row."""

AFTER = 0.25
"""How far the gap behind a column is from the column's number."""


class CoursePlan(NamedTuple):
    """The course of an arrow."""

    course: Course
    corridor: RowKey | None = None
    start: float = 0.0
    end: float = 0.0
    """Where it goes along the corridor, in columns."""


class Lanes(NamedTuple):
    """Parallel lines of one place: the lane of each arrow, and how many there are."""

    of_way: dict[int, int]
    number: int


def row_key(
    given: MapOrder,
    unit: int,
) -> RowKey:
    """The row of a unit."""
    run = given.run_of[unit]
    return given.runs[run].band, given.row[run]


def column_of(
    given: MapOrder,
    unit: int,
) -> int:
    """The column of a unit."""
    return given.column[given.run_of[unit]]


def is_last(
    given: MapOrder,
    unit: int,
) -> bool:
    """Whether a unit ends its run."""
    return given.runs[given.run_of[unit]].units[-1] == unit


def is_first(
    given: MapOrder,
    unit: int,
) -> bool:
    """Whether a unit begins its run."""
    return given.runs[given.run_of[unit]].units[0] == unit


def planned(given: MapOrder) -> list[CoursePlan]:
    """The course of every arrow, those that can go straight first."""
    taken = _TakenRows(given)
    found: dict[int, CoursePlan] = {}

    def span(number: int) -> tuple[bool, int]:
        way = given.ways[number]
        distance = column_of(given, way.target) - column_of(given, way.source)
        is_row = row_key(given, way.source) == row_key(given, way.target)
        return not is_row, distance

    for number in sorted(range(len(given.ways)), key=span):
        found[number] = _course(given, taken, given.ways[number])
    return [found[number] for number in range(len(given.ways))]


class _TakenRows:
    """What stands in each row, and what goes along it."""

    def __init__(self, given: MapOrder) -> None:
        self.columns: dict[RowKey, set[int]] = defaultdict(set)
        for number, run in enumerate(given.runs):
            key = (run.band, given.row[number])
            self.columns[key].add(given.column[number])
        self.used: dict[RowKey, list[tuple[int, int, int]]] = defaultdict(list)

    def is_free(
        self,
        key: RowKey,
        start: int,
        end: int,
        source: int,
    ) -> bool:
        """Whether nothing stands or goes between two columns but what comes from the same map."""
        if any(start < column < end for column in self.columns[key]):
            return False
        return not any(
            start < other_end and other_start < end and other != source
            for other_start, other_end, other in self.used[key]
        )

    def take(
        self,
        key: RowKey,
        start: int,
        end: int,
        source: int,
    ) -> None:
        """Note that an arrow goes along a row."""
        self.used[key].append((start, end, source))


def _course(
    given: MapOrder,
    taken: _TakenRows,
    way: MapWay,
) -> CoursePlan:
    if _is_next(given, way):
        return CoursePlan("straight")

    start = column_of(given, way.source)
    end = column_of(given, way.target)
    has_gaps = is_last(given, way.source) and is_first(given, way.target)
    if not has_gaps or start >= end:
        return _in_corridor(given, way)

    is_row = row_key(given, way.source) == row_key(given, way.target)
    if not is_row and start + 1 == end:
        return CoursePlan("gap")
    return _along_a_row(given, taken, way) or _in_corridor(given, way)


def _along_a_row(
    given: MapOrder,
    taken: _TakenRows,
    way: MapWay,
) -> CoursePlan | None:
    """Along the row of the source, or else of the target; None where something is in the way."""
    start = column_of(given, way.source)
    end = column_of(given, way.target)
    own = row_key(given, way.source)
    other = row_key(given, way.target)

    if taken.is_free(own, start, end, way.source):
        taken.take(own, start, end, way.source)
        return CoursePlan("straight" if own == other else "source")

    if taken.is_free(other, start, end, way.source):
        taken.take(other, start, end, way.source)
        return CoursePlan("target")
    return None


def _is_next(
    given: MapOrder,
    way: MapWay,
) -> bool:
    """Whether the target follows the source in its run."""
    run = given.run_of[way.source]
    if given.run_of[way.target] != run:
        return False
    units = given.runs[run].units
    return units.index(way.target) == units.index(way.source) + 1


def _in_corridor(
    given: MapOrder,
    way: MapWay,
) -> CoursePlan:
    """Above the row of the source where it leaves the middle of a run, else above the target's."""
    start: float = column_of(given, way.source)
    if is_last(given, way.source):
        start += AFTER
        key = row_key(given, way.target)
    else:
        key = row_key(given, way.source)
    end = column_of(given, way.target) - AFTER
    return CoursePlan("corridor", key, start, end)


def corridor_lanes(
    given: MapOrder,
    plans: Sequence[CoursePlan],
) -> dict[RowKey, Lanes]:
    """The lanes above each row, short arrows nearest to it."""
    spans: dict[RowKey, dict[int, tuple[float, float]]] = defaultdict(dict)
    for number, plan in enumerate(plans):
        if plan.corridor is not None:
            ends = sorted((plan.start, plan.end))
            spans[plan.corridor][number] = (ends[0], ends[1])
    return {key: lanes(given.ways, found) for key, found in spans.items()}


def lanes(
    all_ways: Sequence[MapWay],
    spans: Mapping[int, tuple[float, float]],
) -> Lanes:
    """A lane for each arrow so that no two lie on each other; what one map hands on in one manner may share one."""
    of_way: dict[int, int] = {}
    filled: list[list[int]] = []

    def length(number: int) -> tuple[float, int]:
        start, end = spans[number]
        return end - start, number

    for number in sorted(spans, key=length):
        lane = 0
        while lane < len(filled) and not _fits(all_ways, spans, filled[lane], number):
            lane += 1
        if lane == len(filled):
            filled.append([])
        filled[lane].append(number)
        of_way[number] = lane
    return Lanes(of_way, len(filled))


def _fits(
    all_ways: Sequence[MapWay],
    spans: Mapping[int, tuple[float, float]],
    others: Iterable[int],
    number: int,
) -> bool:
    start, end = spans[number]
    way = all_ways[number]
    for other in others:
        other_start, other_end = spans[other]
        meet = start <= other_end and other_start <= end
        is_one = (all_ways[other].source, all_ways[other].kind) == (way.source, way.kind)
        if meet and not is_one:
            return False
    return True
