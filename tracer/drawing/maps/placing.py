"""Places a picture of maps: columns from left to right, bands from top to bottom, arrows in the gaps and corridors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from tracer.drawing.maps.cells import (
    ABOVE,
    ARM,
    LINE,
    MARGIN,
    UnitCell,
    unit_cells,
)
from tracer.drawing.maps.columns import MapOrder
from tracer.drawing.maps.routing import (
    CoursePlan,
    Lanes,
    RowKey,
    column_of,
    corridor_lanes,
    is_first,
    is_last,
    lanes,
    planned,
    row_key,
)
from tracer.drawing.maps.sizes import MapSpacing, name_width, text_width
from tracer.drawing.maps.ways import MapWay
from tracer.drawing.picture import Box
from tracer.drawing.placed import Rectangle, Route

LANE = 8
"""Between parallel arrows."""

PORT = 8
"""Between the places at which arrows enter a map."""

HEAD = 74
"""Room for the names of the levels at the left."""


class Label(NamedTuple):
    """A text in a picture."""

    x: int
    y: int
    """The place of its baseline."""
    text: str
    kind: str
    anchor: str = "middle"
    of: tuple[int, ...] = ()
    """The nodes whose sizes it tells; none where no size changes it."""

    @property
    def place(self) -> Rectangle:
        """Its room."""
        is_bold = self.kind in ("name", "output")
        width = name_width(self.text) if is_bold else text_width(self.text)
        left = self.x if self.anchor == "start" else self.x - width // 2
        return Rectangle(left, self.y - 9, width, 11)


class MapsLayout(NamedTuple):
    """A picture of maps, placed."""

    width: int
    height: int
    cells: list[Rectangle]
    """The room of each unit with its labels."""
    slabs: list[list[Rectangle]]
    """The maps of each unit."""
    labels: list[list[Label]]
    """The texts of each unit."""
    dots: list[tuple[int, int] | None]
    """Where maps of a unit are left out."""
    bands: list[tuple[Rectangle, Fraction]]
    """The room of each level, where they are told apart."""
    routes: list[Route]
    """One for each arrow."""
    lies: bool = False
    """Whether maps are bars that lie: their length is the extent, and their height the channels."""


class _Row(NamedTuple):
    """The heights of a row."""

    top: int
    middle: int
    corridor: int
    """The lowest lane above it."""


def placed(
    given: MapOrder,
    boxes: Sequence[Box],
    arms: Sequence[str],
    spacing: MapSpacing,
) -> MapsLayout:
    """Place a picture; ``arms`` are the texts that stand at the ends of arrows, empty for most."""
    cells = unit_cells(given, boxes, spacing)
    plans = planned(given)
    corridors = corridor_lanes(given, plans)
    rows, bands, bottom = _rows(given, cells, corridors)

    numbers = range(len(given.units))
    middles = [rows[row_key(given, unit)].middle for unit in numbers]
    ports = _ports(given, plans, cells, middles)
    gaps = _gap_lanes(given, plans, ports, rows, corridors)
    across = _across(given, cells, gaps, arms, spacing)
    lefts = _lefts(given, cells, across, spacing)

    frame = _RouteFrame(
        given=given,
        cells=cells,
        rows=rows,
        corridors=corridors,
        gaps=gaps,
        ports=ports,
        lefts=lefts,
        gap_lefts=across.gaps,
        in_run=spacing.in_run,
    )
    routes = [_route(frame, number, plan) for number, plan in enumerate(plans)]
    spots = list(zip(cells, lefts, middles))
    return MapsLayout(
        width=across.width,
        height=bottom,
        cells=[_room_of(*spot) for spot in spots],
        slabs=[_slabs(*spot) for spot in spots],
        labels=[list(_labels(*spot)) for spot in spots],
        dots=[_dots(*spot) for spot in spots],
        bands=[
            (Rectangle(0, top, across.width, height), band)
            for band, (top, height) in bands.items()
        ],
        routes=routes,
    )


def _rows(
    given: MapOrder,
    cells: Sequence[UnitCell],
    corridors: dict[RowKey, Lanes],
) -> tuple[dict[RowKey, _Row], dict[Fraction, tuple[int, int]], int]:
    """The heights of every row, of every band, and of all."""
    in_row: dict[RowKey, list[UnitCell]] = defaultdict(list)
    for unit, cell in enumerate(cells):
        in_row[row_key(given, unit)].append(cell)

    rows: dict[RowKey, _Row] = {}
    bands: dict[Fraction, tuple[int, int]] = {}
    y = 0
    for band in given.bands:
        top = y
        keys = sorted((key for key in in_row if key[0] == band), reverse=True)
        for key in keys:
            count = corridors[key].number if key in corridors else 0
            high = max(cell.height for cell in in_row[key])
            lines = max(len(cell.below) for cell in in_row[key])
            corridor = y + MARGIN + count * LANE
            middle = corridor + ABOVE + high // 2
            rows[key] = _Row(y, middle, corridor - LANE)
            y = middle + high // 2 + LINE * lines + MARGIN
        bands[band] = (top, y - top)
    return rows, bands, y


class _Ports(NamedTuple):
    """The heights at which an arrow leaves and arrives."""

    leaves: list[int]
    arrives: list[int]


def _ports(
    given: MapOrder,
    plans: Sequence[CoursePlan],
    cells: Sequence[UnitCell],
    middles: Sequence[int],
) -> _Ports:
    """What comes from above arrives above the middle, what comes from below under it; straight arrows in the middle."""
    sides = [_sides(given, plan, middles, way) for plan, way in zip(plans, given.ways)]
    into: dict[int, list[int]] = defaultdict(list)
    for number, way in enumerate(given.ways):
        into[way.target].append(number)

    arrives = [middles[way.target] for way in given.ways]
    for target, arriving in into.items():
        _, _, height = cells[target].slabs[0]
        is_wrong = any(given.ways[number].wrong for number in arriving)
        for side in (-1, 1):
            numbers = [number for number in arriving if sides[number].arrives == side]
            step = _step(height, len(numbers), is_wrong=is_wrong)
            for place, number in enumerate(numbers, 1):
                arrives[number] += side * step * place
    return _Ports(_leaving(given, sides, cells, middles), arrives)


def _leaving(
    given: MapOrder,
    sides: Sequence[_Sides],
    cells: Sequence[UnitCell],
    middles: Sequence[int],
) -> list[int]:
    """The height at which each arrow leaves."""
    found = []
    for way, side in zip(given.ways, sides):
        _, _, height = cells[way.source].slabs[-1]
        aside = min(height // 4, PORT)
        found.append(middles[way.source] + aside * side.leaves)
    return found


def _step(
    height: int,
    count: int,
    *,
    is_wrong: bool,
) -> int:
    """How far arrows on one side of the middle are from each other; those with texts have more room."""
    apart = ARM if is_wrong else PORT
    half = height // 2 - 4
    return min(apart, half // max(count, 1))


class _Sides(NamedTuple):
    """Whether an arrow leaves and arrives above the middle of a map (-1), below it (1) or in it (0)."""

    leaves: int
    arrives: int


def _sides(
    given: MapOrder,
    plan: CoursePlan,
    middles: Sequence[int],
    way: MapWay,
) -> _Sides:
    """The sides of an arrow: towards the map that it leads to, or towards the corridor that it goes through."""
    if plan.course == "straight":
        return _Sides(0, 0)

    start = middles[way.source]
    end = middles[way.target]
    is_inside = not is_last(given, way.source)
    comes_along = plan.corridor == row_key(given, way.target)
    return _Sides(
        leaves=-1 if is_inside or end <= start else 1,
        arrives=-1 if comes_along or start <= end else 1,
    )


class _Stretch(NamedTuple):
    """Where an arrow goes up or down: a gap, and the heights."""

    gap: int
    start: int
    end: int


def _stretches(
    given: MapOrder,
    plan: CoursePlan,
    number: int,
    ports: _Ports,
    rows: dict[RowKey, _Row],
    corridors: dict[RowKey, Lanes],
) -> Iterator[_Stretch]:
    """The upright parts of an arrow in gaps between columns, gap 0 before the first column."""
    way = given.ways[number]
    leaves = ports.leaves[number]
    arrives = ports.arrives[number]
    behind = column_of(given, way.source) + 1
    before = column_of(given, way.target)
    if plan.course in ("gap", "target"):
        yield _Stretch(behind, leaves, arrives)
    elif plan.course == "source":
        yield _Stretch(before, leaves, arrives)
    elif plan.corridor is not None:
        level = corridor_height(rows, corridors, plan.corridor, number)
        if is_last(given, way.source):
            yield _Stretch(behind, leaves, level)
        if is_first(given, way.target):
            yield _Stretch(before, level, arrives)


def corridor_height(
    rows: dict[RowKey, _Row],
    corridors: dict[RowKey, Lanes],
    key: RowKey,
    number: int,
) -> int:
    """The height of an arrow's lane above a row."""
    return rows[key].corridor - LANE * corridors[key].of_way[number]


Gaps = dict[int, Lanes]
"""The lanes of each gap between columns."""


def _gap_lanes(
    given: MapOrder,
    plans: Sequence[CoursePlan],
    ports: _Ports,
    rows: dict[RowKey, _Row],
    corridors: dict[RowKey, Lanes],
) -> Gaps:
    spans: dict[int, dict[int, tuple[float, float]]] = defaultdict(dict)
    for number, plan in enumerate(plans):
        for stretch in _stretches(given, plan, number, ports, rows, corridors):
            low, high = sorted((stretch.start, stretch.end))
            spans[stretch.gap][number] = (low, high)
    return {gap: lanes(given.ways, found) for gap, found in spans.items()}


class _Across(NamedTuple):
    """Where columns and gaps begin, and the width of all."""

    columns: list[int]
    gaps: list[int]
    width: int


def _across(
    given: MapOrder,
    cells: Sequence[UnitCell],
    gaps: Gaps,
    arms: Sequence[str],
    spacing: MapSpacing,
) -> _Across:
    """The columns, each as wide as its widest run, and the gaps, each with room for its lanes."""
    widths = _column_widths(given, cells, spacing)
    room_for = _room_for_arms(given, arms)
    last = len(widths)

    has_bands = len(given.bands) > 1
    x = HEAD if has_bands else MARGIN
    found = _Across([], [], 0)
    for column, width in enumerate(widths):
        found.gaps.append(x)
        lane_count = gaps[column].number if column in gaps else 0
        room = (lane_count + 1) * LANE + 4 if lane_count else 0
        least = spacing.gap if column else 0
        x += max(room, least) + room_for.get(column, 0)
        found.columns.append(x)
        x += width

    found.gaps.append(x)
    lane_count = gaps[last].number if last in gaps else 0
    x += lane_count * LANE + MARGIN
    return found._replace(width=x)


def _column_widths(
    given: MapOrder,
    cells: Sequence[UnitCell],
    spacing: MapSpacing,
) -> list[int]:
    """The width of each column: of its widest run."""
    widths = [0] * (max(given.column) + 1)
    for number, run in enumerate(given.runs):
        column = given.column[number]
        arrows = spacing.in_run * (len(run.units) - 1)
        total = arrows + sum(cells[unit].width for unit in run.units)
        widths[column] = max(widths[column], total)
    return widths


def _room_for_arms(
    given: MapOrder,
    arms: Sequence[str],
) -> dict[int, int]:
    """The room before each column for the texts at the ends of arrows."""
    room_for: dict[int, int] = {}
    for way, text in zip(given.ways, arms):
        if text:
            column = column_of(given, way.target)
            room = text_width(text) + LANE
            room_for[column] = max(room_for.get(column, 0), room)
    return room_for


def _lefts(
    given: MapOrder,
    cells: Sequence[UnitCell],
    across: _Across,
    spacing: MapSpacing,
) -> list[int]:
    """The left edge of every unit's cell."""
    lefts = [0] * len(cells)
    for number, run in enumerate(given.runs):
        left = across.columns[given.column[number]]
        for unit in run.units:
            lefts[unit] = left
            left += cells[unit].width + spacing.in_run
    return lefts


class _RouteFrame(NamedTuple):
    """What the corners of an arrow follow from."""

    given: MapOrder
    cells: list[UnitCell]
    rows: dict[RowKey, _Row]
    corridors: dict[RowKey, Lanes]
    gaps: Gaps
    ports: _Ports
    lefts: list[int]
    gap_lefts: list[int]
    in_run: int

    def in_gap(
        self,
        gap: int,
        number: int,
    ) -> int:
        """The place of an arrow in a gap."""
        lane = self.gaps[gap].of_way[number]
        return self.gap_lefts[gap] + LANE * (lane + 1) - 2

    def exit(self, unit: int) -> int:
        """The right edge of a unit's last map."""
        return self.lefts[unit] + self.cells[unit].right

    def entry(self, unit: int) -> int:
        """The left edge of a unit's first map."""
        return self.lefts[unit] + self.cells[unit].left


def _route(
    frame: _RouteFrame,
    number: int,
    plan: CoursePlan,
) -> Route:
    way = frame.given.ways[number]
    x = frame.exit(way.source)
    to_x = frame.entry(way.target)
    y = frame.ports.leaves[number]
    to_y = frame.ports.arrives[number]
    if plan.course == "straight":
        return ((x, y), (to_x, y))

    corners = [(x, y)]
    if plan.corridor is None:
        gap = _gap_of(frame, number, plan)
        turn = frame.in_gap(gap, number)
        corners += [(turn, y), (turn, to_y)]
    else:
        level = corridor_height(frame.rows, frame.corridors, plan.corridor, number)
        out = _out(frame, number)
        into = _into(frame, number)
        corners += [(out, y), (out, level), (into, level), (into, to_y)]
    corners.append((to_x, to_y))
    return tuple(corners)


def _gap_of(
    frame: _RouteFrame,
    number: int,
    plan: CoursePlan,
) -> int:
    way = frame.given.ways[number]
    if plan.course == "source":
        return column_of(frame.given, way.target)
    return column_of(frame.given, way.source) + 1


def _out(
    frame: _RouteFrame,
    number: int,
) -> int:
    """Where an arrow leaves for a corridor: behind the column, or in the middle of a run."""
    source = frame.given.ways[number].source
    if is_last(frame.given, source):
        return frame.in_gap(column_of(frame.given, source) + 1, number)
    return frame.lefts[source] + frame.cells[source].width + frame.in_run // 2


def _into(
    frame: _RouteFrame,
    number: int,
) -> int:
    target = frame.given.ways[number].target
    if is_first(frame.given, target):
        return frame.in_gap(column_of(frame.given, target), number)
    return frame.lefts[target] - frame.in_run // 2


def _room_of(
    cell: UnitCell,
    left: int,
    middle: int,
) -> Rectangle:
    top = middle - cell.height // 2 - ABOVE
    height = ABOVE + cell.height + LINE * len(cell.below)
    return Rectangle(left, top, cell.width, height)


def _dots(
    cell: UnitCell,
    left: int,
    middle: int,
) -> tuple[int, int] | None:
    if cell.dots is None:
        return None
    return left + cell.dots, middle


def _slabs(
    cell: UnitCell,
    left: int,
    middle: int,
) -> list[Rectangle]:
    return [
        Rectangle(left + x, middle - height // 2, width, height)
        for x, width, height in cell.slabs
    ]


def _labels(
    cell: UnitCell,
    left: int,
    middle: int,
) -> Iterator[Label]:
    for above, (_, _, height) in zip(cell.above, cell.slabs):
        top = middle - height // 2
        yield Label(left + above.middle, top - 7, above.text, "channels", of=above.of)

    start = middle + cell.height // 2
    centre = left + cell.width // 2
    for number, line in enumerate(cell.below, 1):
        y = start + number * LINE - 2
        yield Label(centre, y, line.text, line.kind, of=line.of)
