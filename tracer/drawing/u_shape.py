"""The layout of an encoder/decoder network: the encoder goes down the left, the decoder up the right, skips across.

Maps of one stride stand in one band, as in the figure of Ronneberger, Fischer, Brox, "U-Net", 2015.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol

from tracer.drawing.picture import Picture
from tracer.drawing.placed import CHANNEL, GAP, Layout, Rectangle, Route, extent

LEFT, BETWEEN, RIGHT, BOTTOM = range(4)

Side = tuple[int, Fraction]
"""The side of the U that a box is on, and its stride."""

LANE = 6
"""Between arrows that turn in one channel."""


def sides(picture: Picture) -> list[Side] | None:
    """The side of every box; None where the network is no U.

    The coarsest maps are the bottom; what leads to them is the encoder, what comes of them the decoder. Between them
    stand nested decoders, which neither lead to the bottom nor come of it.
    """
    strides = _strides(picture)
    coarsest = max(strides)
    bottom = {i for i, stride in enumerate(strides) if stride == coarsest}
    if coarsest <= min(strides) or 0 in bottom:
        return None

    above = reached(picture.arrows, bottom, forward=False) - bottom
    below = reached(picture.arrows, bottom, forward=True) - bottom
    comes_up_again = any(strides[i] < coarsest for i in below)
    if not above or above & below or not comes_up_again:
        return None

    side_of = dict.fromkeys(range(len(strides)), BETWEEN)
    side_of |= dict.fromkeys(above, LEFT)
    side_of |= dict.fromkeys(below, RIGHT)
    side_of |= dict.fromkeys(bottom, BOTTOM)
    return [(side_of[i], stride) for i, stride in enumerate(strides)]


def _strides(picture: Picture) -> list[Fraction]:
    """Every box's stride; where a map lies on no grid, its first input's."""
    first_input: dict[int, int] = {}
    for arrow in picture.arrows:
        if arrow.argument is None and arrow.source < arrow.target:
            first_input.setdefault(arrow.target, arrow.source)

    found: list[Fraction] = []
    for i, box in enumerate(picture.boxes):
        if box.stride is not None:
            found.append(box.stride)
        elif i in first_input:
            found.append(found[first_input[i]])
        else:
            found.append(Fraction(1))
    return found


class Directed(Protocol):
    """What leads from one place to another."""

    @property
    def source(self) -> int: ...

    @property
    def target(self) -> int: ...


def reached(
    ways: Iterable[Directed],
    start: Iterable[int],
    *,
    forward: bool,
) -> set[int]:
    """The places that are reached from some, or that lead to them."""
    following: dict[int, list[int]] = defaultdict(list)
    for way in ways:
        ends = (way.source, way.target)
        source, target = ends if forward else reversed(ends)
        following[source].append(target)

    seen = set(start)
    pending = list(seen)
    while pending:
        for place in following[pending.pop()]:
            if place not in seen:
                seen.add(place)
                pending.append(place)
    return seen


def in_a_u(picture: Picture, found: Sequence[Side]) -> Layout:
    """Place a U."""
    cells = _cells(picture, found)
    places = _placed(picture, cells, found)
    routes = _routes(picture, places, found)
    right = max(place.right for place in places)
    bottom = max(place.bottom for place in places)
    return Layout(right + CHANNEL, bottom + GAP, places, routes)


Rows = list[list[int]]
"""Rows of boxes that stand beside each other."""

Cells = dict[Side, Rows]
"""The boxes of every side and stride."""


def _cells(picture: Picture, found: Sequence[Side]) -> Cells:
    """Each side's boxes of one stride, in rows by their longest path among them; between the sides, among all there."""
    before = defaultdict(list)
    for arrow in picture.arrows:
        a = found[arrow.source]
        b = found[arrow.target]
        are_together = a == b or a[0] == b[0] == BETWEEN
        if are_together and arrow.source < arrow.target:
            before[arrow.target].append(arrow.source)

    row_of: list[int] = []
    cells: Cells = {}
    for i, side in enumerate(found):
        row = max((row_of[source] + 1 for source in before[i]), default=0)
        row_of.append(row)
        rows = cells.setdefault(side, [])
        while len(rows) <= row:
            rows.append([])
        rows[row].append(i)
    return cells


class _Band(NamedTuple):
    """The boxes of one stride by their sides, each in rows, the one that is read first at the front."""

    left: Rows
    between: Rows
    right: Rows
    bottom: Rows

    @property
    def height(self) -> int:
        """Its rows, those of the bottom not counted."""
        return max(len(self.left), len(self.right), widest(self.between))


def widest(rows: Rows) -> int:
    """The most boxes that stand beside each other."""
    return max(map(len, rows), default=0)


class _Columns(NamedTuple):
    """The columns of boxes, and the distances of columns and rows, in pixels."""

    between: int
    """The left edge of the columns between the sides."""
    right: int
    """The left edge of the decoder's columns."""
    width: int
    pitch: int

    def rectangle(self, x: int, row: int, extent: tuple[int, int]) -> Rectangle:
        """A box in the middle of its cell; ``x`` is the cell's left edge."""
        width, height = extent
        room_beside = self.width - CHANNEL - width
        room_above = self.pitch - GAP - height
        top = row * self.pitch + GAP
        return Rectangle(
            x=x + room_beside // 2,
            y=top + room_above // 2,
            width=width,
            height=height,
        )


def _columns(cells: Cells, extents: Sequence[tuple[int, int]]) -> _Columns:
    """Room for the widest box in every column, and for the highest in every row."""
    width = max(width for width, _ in extents) + CHANNEL
    pitch = max(height for _, height in extents) + GAP

    left = 0
    between = 1
    for (side, _), rows in cells.items():
        if side == LEFT:
            left = max(left, widest(rows))
        elif side == BETWEEN:
            # Nested decoders go on to the right, so that their rows are columns.
            between = max(between, len(rows))
        elif side == BOTTOM:
            between = max(between, widest(rows))

    start = CHANNEL + left * width
    return _Columns(between=start, right=start + between * width, width=width, pitch=pitch)


def _placed(picture: Picture, cells: Cells, found: Sequence[Side]) -> list[Rectangle]:
    """The rectangle of every box: bands of one stride below each other, the finest at the top."""
    extents = [extent(box) for box in picture.boxes]
    columns = _columns(cells, extents)

    places: dict[int, Rectangle] = {}
    top = 0
    for stride in sorted({stride for _, stride in found}):
        sides_of_band = (
            cells.get((side, stride), []) for side in (LEFT, BETWEEN, RIGHT, BOTTOM)
        )
        band = _Band(*sides_of_band)
        for box, x, row in _spots(picture, band, columns):
            places[box] = columns.rectangle(x, top + row, extents[box])
        top += band.height + len(band.bottom)
    return [places[i] for i in range(len(picture.boxes))]


def _spots(picture: Picture, band: _Band, columns: _Columns) -> Iterator[tuple[int, int, int]]:
    """Every box of a band, with the left edge of its cell and its row in the band."""
    height = band.height
    width = columns.width

    # The encoder reads downwards, and its columns go on to the left.
    first = _level_with_merge(picture, band)
    for row, boxes in enumerate(band.left, first):
        for column, box in enumerate(boxes, 1):
            yield box, columns.between - column * width, row

    # The decoder reads upwards.
    for row, boxes in enumerate(band.right, 1):
        for column, box in enumerate(boxes):
            yield box, columns.right + column * width, height - row

    for column, boxes in enumerate(band.between):
        for row, box in enumerate(boxes, height - len(boxes)):
            yield box, columns.between + column * width, row

    # The bottom is in the middle between the sides.
    room = columns.right - columns.between
    for row, boxes in enumerate(band.bottom, height):
        room_beside = room - len(boxes) * width
        start = columns.between + room_beside // 2
        for column, box in enumerate(boxes):
            yield box, start + column * width, row


def _level_with_merge(picture: Picture, band: _Band) -> int:
    """The row in which the left side begins: a skip and its merge are at one height where there is room."""
    room = band.height - len(band.left)
    row_left: dict[int, int] = {}
    for row, boxes in enumerate(band.left):
        row_left |= dict.fromkeys(boxes, row)

    row_right: dict[int, int] = {}
    for row, boxes in enumerate(band.right, 1):
        row_right |= dict.fromkeys(boxes, band.height - row)

    for arrow in picture.arrows:
        if arrow.source in row_left and arrow.target in row_right:
            wanted = row_right[arrow.target] - row_left[arrow.source]
            return min(max(wanted, 0), room)
    return room


def _routes(
    picture: Picture, places: Sequence[Rectangle], found: Sequence[Side]
) -> list[Route]:
    """The corners of every arrow."""
    lanes: dict[int, int] = defaultdict(int)
    routes: list[Route] = []
    for arrow in picture.arrows:
        ends = _Ends(
            places[arrow.source],
            places[arrow.target],
            found[arrow.source][0],
            found[arrow.target][0],
        )
        if _is_in_column(ends):
            route = _in_column(places, ends, lanes)
        else:
            route = (
                _into_the_bottom(places, ends)
                or _out_of_the_bottom(places, ends)
                or _beside(places, ends, lanes)
            )
        routes.append(route)
    return routes


class _Ends(NamedTuple):
    """The boxes that an arrow joins, and on which sides they are."""

    a: Rectangle
    b: Rectangle
    side_a: int
    side_b: int

    @property
    def is_down(self) -> bool:
        """The second box is below the first."""
        return self.b.y >= self.a.bottom


def _is_in_column(ends: _Ends) -> bool:
    """The boxes are one above the other."""
    a = ends.a
    b = ends.b
    if a.middle[0] // 8 == b.middle[0] // 8:
        return True
    distance = abs(a.middle[0] - b.middle[0])
    is_one_side = ends.side_a == ends.side_b != BETWEEN
    return is_one_side and distance < (a.width + b.width) // 2


def _into_the_bottom(places: Sequence[Rectangle], ends: _Ends) -> Route | None:
    """Down from the encoder and in from the left; None where something is in the way."""
    a = ends.a
    b = ends.b
    if not (ends.side_a == LEFT and ends.side_b == BOTTOM and ends.is_down):
        return None
    x = a.middle[0]
    level = b.middle[1]
    start = (x, a.bottom)
    corner = (x, level)
    if _free(places, start, corner, (a, b)):
        return (start, corner, (b.x, level))
    return None


def _out_of_the_bottom(places: Sequence[Rectangle], ends: _Ends) -> Route | None:
    """Out to the right and up to the decoder; None where something is in the way."""
    a = ends.a
    b = ends.b
    if not (ends.side_a == BOTTOM and ends.side_b == RIGHT and not ends.is_down):
        return None
    x = b.middle[0]
    level = a.middle[1]
    corner = (x, level)
    end = (x, b.bottom)
    if _free(places, corner, end, (a, b)):
        return ((a.right, level), corner, end)
    return None


def _beside(places: Sequence[Rectangle], ends: _Ends, lanes: dict[int, int]) -> Route:
    """To a box further right, or back to one further left."""
    a = ends.a
    b = ends.b
    if b.middle[0] > a.middle[0]:
        return _across(places, a, b, lanes)
    turn = a.x - CHANNEL // 4 - _lane(lanes, a.x)
    start = a.middle[1]
    end = b.middle[1]
    return (
        (a.x, start),
        (turn, start),
        (turn, end),
        (b.right, end),
    )


def _lane(lanes: dict[int, int], x: int) -> int:
    """How far aside the next arrow turns that turns near x."""
    lanes[x] += 1
    return lanes[x] % 6 * LANE


def _in_column(places: Sequence[Rectangle], ends: _Ends, lanes: dict[int, int]) -> Route:
    """Between boxes one above the other: straight, or around what is between them."""
    a = ends.a
    b = ends.b
    x = b.middle[0]
    start = (x, a.bottom if ends.is_down else a.y)
    end = (x, b.y if ends.is_down else b.bottom)
    is_below = a.x <= x <= a.right
    if is_below and _free(places, start, end, (a, b)):
        return (start, end)

    left = min(a.x, b.x)
    right = max(a.right, b.right)
    side = max(p.right for p in places if p.x <= right and p.right >= left)
    turn = side + CHANNEL // 8 + _lane(lanes, side)
    return (
        (a.right, a.middle[1]),
        (turn, a.middle[1]),
        (turn, b.middle[1]),
        (b.right, b.middle[1]),
    )


def _across(
    places: Sequence[Rectangle], a: Rectangle, b: Rectangle, lanes: dict[int, int]
) -> Route:
    """From a box to one further right: level where nothing is between, else above what is."""
    ay = a.middle[1]
    by = b.middle[1]
    turn = b.x - CHANNEL // 4 - _lane(lanes, b.x)
    start = (a.right, ay)
    end = (b.x, by)
    if _free(places, start, (turn, ay), (a, b)):
        if ay == by:
            return (start, end)
        return (start, (turn, ay), (turn, by), end)

    out = a.right + CHANNEL // 8 + _lane(lanes, a.right) // 2
    level = min(a.y, b.y) - GAP // 2
    return (
        start,
        (out, ay),
        (out, level),
        (turn, level),
        (turn, by),
        end,
    )


def _free(
    places: Sequence[Rectangle],
    start: tuple[int, int],
    end: tuple[int, int],
    ends: tuple[Rectangle, Rectangle],
) -> bool:
    """A level or upright line crosses no box but those at its ends."""
    x1, x2 = sorted((start[0], end[0]))
    y1, y2 = sorted((start[1], end[1]))
    for p in places:
        is_across = p.x <= x2 and p.right >= x1
        is_level = p.y <= y2 and p.bottom >= y1
        if is_across and is_level and p not in ends:
            return False
    return True
