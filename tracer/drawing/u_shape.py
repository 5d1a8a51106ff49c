"""The layout of an encoder/decoder network: the encoder goes down the left, the decoder up the right, skips across.

Maps of one stride stand in one band, as in the figure of Ronneberger, Fischer, Brox, "U-Net", 2015.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction

from tracer.drawing.layout import CHANNEL, GAP, Layout, Place, Route, extent
from tracer.drawing.picture import Picture

LEFT, BETWEEN, RIGHT, BOTTOM = range(4)

Side = tuple[int, Fraction]
"""On which side of the U a box stands, and its stride."""

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
    above = _reached(picture, bottom, forward=False) - bottom
    below = _reached(picture, bottom, forward=True) - bottom
    if not above or not below or above & below or not any(strides[i] < coarsest for i in below):
        return None
    side_of = [
        LEFT if i in above else RIGHT if i in below else BETWEEN for i in range(len(strides))
    ]
    for i in bottom:
        side_of[i] = BOTTOM
    return list(zip(side_of, strides))


def _strides(picture: Picture) -> list[Fraction]:
    """Every box's stride; where a map lies on no grid, its first input's."""
    found: list[Fraction] = []
    first: dict[int, int] = {}
    for arrow in picture.arrows:
        if arrow.argument is None and arrow.source < arrow.target:
            first.setdefault(arrow.target, arrow.source)
    for i, box in enumerate(picture.boxes):
        found.append(
            box.stride if box.stride is not None else found[first[i]] if i in first else Fraction(1)
        )
    return found


def _reached(picture: Picture, start: Iterable[int], *, forward: bool) -> set[int]:
    """The boxes that maps of these reach, or that lead to them."""
    following = defaultdict(list)
    for arrow in picture.arrows:
        source, target = (arrow.source, arrow.target) if forward else (arrow.target, arrow.source)
        following[source].append(target)
    seen = set(start)
    pending = list(seen)
    while pending:
        for box in following[pending.pop()]:
            if box not in seen:
                seen.add(box)
                pending.append(box)
    return seen


def in_a_u(picture: Picture, found: Sequence[Side]) -> Layout:
    """Place a U."""
    cells = _cells(picture, found)
    places = _placed(picture, cells, found)
    routes = _routes(picture, places, found)
    return Layout(
        max(place.right for place in places) + CHANNEL,
        max(place.bottom for place in places) + GAP,
        places,
        routes,
    )


Cells = dict[Side, list[list[int]]]
"""The boxes of a side and stride: rows of boxes that stand beside each other."""


def _cells(picture: Picture, found: Sequence[Side]) -> Cells:
    """Each side's boxes of one stride, in rows by their longest path among them; between the sides, among all there."""
    before = defaultdict(list)
    for arrow in picture.arrows:
        a, b = found[arrow.source], found[arrow.target]
        if (a == b or a[0] == b[0] == BETWEEN) and arrow.source < arrow.target:
            before[arrow.target].append(arrow.source)
    row_of: list[int] = []
    cells: Cells = {}
    for i, side in enumerate(found):
        row_of.append(max((row_of[source] + 1 for source in before[i]), default=0))
        rows = cells.setdefault(side, [])
        while len(rows) <= row_of[i]:
            rows.append([])
        rows[row_of[i]].append(i)
    return cells


def _placed(picture: Picture, cells: Cells, found: Sequence[Side]) -> list[Place]:
    extents = [extent(box) for box in picture.boxes]
    pitch = max(height for _, height in extents) + GAP
    room = max(width for width, _ in extents)
    column = room + CHANNEL
    counts = [0, 0, 0]
    for (side, _), rows in cells.items():
        if side == BETWEEN:
            counts[side] = max(counts[side], len(rows))
        elif side != BOTTOM:
            counts[side] = max(counts[side], *map(len, rows))
    at_bottom = max(
        (len(row) for (side, _), rows in cells.items() if side == BOTTOM for row in rows), default=1
    )
    counts[BETWEEN] = max(counts[BETWEEN], at_bottom)
    starts = [
        CHANNEL,
        CHANNEL + counts[LEFT] * column,
        CHANNEL + (counts[LEFT] + counts[BETWEEN]) * column,
    ]

    def placed(i: int, x: int, row: int) -> Place:
        width, height = extents[i]
        return Place(
            x + (column - CHANNEL - width) // 2,
            row * pitch + GAP + (pitch - GAP - height) // 2,
            width,
            height,
        )

    places: dict[int, Place] = {}
    top = 0
    for stride in sorted({stride for _, stride in found}):
        here = {side: cells.get((side, stride), []) for side in (LEFT, BETWEEN, RIGHT, BOTTOM)}
        beside = max((len(row) for row in here[BETWEEN]), default=0)
        height = max(len(here[LEFT]), len(here[RIGHT]), beside)
        right_from = height - len(here[RIGHT])
        left_from = _level_with_merge(picture, here[LEFT], here[RIGHT], height, right_from)
        for r, row in enumerate(here[LEFT]):
            for c, i in enumerate(row):
                places[i] = placed(i, starts[BETWEEN] - (c + 1) * column, top + left_from + r)
        for r, row in enumerate(here[RIGHT]):
            for c, i in enumerate(row):
                places[i] = placed(i, starts[RIGHT] + c * column, top + height - 1 - r)
        for c, row in enumerate(here[BETWEEN]):
            for r, i in enumerate(row):
                places[i] = placed(i, starts[BETWEEN] + c * column, top + height - len(row) + r)
        for r, row in enumerate(here[BOTTOM]):
            left = starts[BETWEEN] + (counts[BETWEEN] - len(row)) * column // 2
            for c, i in enumerate(row):
                places[i] = placed(i, left + c * column, top + height + r)
        top += height + len(here[BOTTOM])
    return [places[i] for i in range(len(picture.boxes))]


def _level_with_merge(
    picture: Picture,
    left: Sequence[Sequence[int]],
    right: Sequence[Sequence[int]],
    height: int,
    right_from: int,
) -> int:
    """How far down the left side's rows begin, so that a skip and its merge stand at one height where there is room."""
    row_left = {i: r for r, row in enumerate(left) for i in row}
    row_right = {i: right_from + len(right) - 1 - r for r, row in enumerate(right) for i in row}
    for arrow in picture.arrows:
        if arrow.source in row_left and arrow.target in row_right:
            return min(max(row_right[arrow.target] - row_left[arrow.source], 0), height - len(left))
    return height - len(left)


def _routes(picture: Picture, places: Sequence[Place], found: Sequence[Side]) -> list[Route]:
    lanes: dict[int, int] = defaultdict(int)
    routes: list[Route] = []
    for arrow in picture.arrows:
        a, b = places[arrow.source], places[arrow.target]
        (ax, ay), (bx, by) = a.middle, b.middle
        down = b.y >= a.bottom
        side_a, side_b = found[arrow.source][0], found[arrow.target][0]
        if ax // 8 == bx // 8 or (
            side_a == side_b != BETWEEN and abs(ax - bx) < (a.width + b.width) // 2
        ):
            routes.append(_in_column(places, a, b, down, lanes))
        elif (
            side_b == BOTTOM
            and side_a == LEFT
            and down
            and _free(places, (ax, a.bottom), (ax, by), (a, b))
        ):
            routes.append(((ax, a.bottom), (ax, by), (b.x, by)))
        elif (
            side_a == BOTTOM
            and side_b == RIGHT
            and not down
            and _free(places, (bx, ay), (bx, b.bottom), (a, b))
        ):
            routes.append(((a.right, ay), (bx, ay), (bx, b.bottom)))
        elif bx > ax:
            routes.append(_across(places, a, b, lanes))
        else:
            turn = a.x - CHANNEL // 4 - _lane(lanes, a.x)
            routes.append(((a.x, ay), (turn, ay), (turn, by), (b.right, by)))
    return routes


def _lane(lanes: dict[int, int], x: int) -> int:
    """How far aside the next arrow turns that turns near x."""
    lanes[x] += 1
    return lanes[x] % 6 * LANE


def _in_column(
    places: Sequence[Place], a: Place, b: Place, down: bool, lanes: dict[int, int]
) -> Route:
    """Between boxes one above the other: straight, or around what stands between them."""
    start, end = (a.bottom, b.y) if down else (a.y, b.bottom)
    x = b.middle[0]
    if _free(places, (x, start), (x, end), (a, b)) and a.x <= x <= a.right:
        return ((x, start), (x, end))
    side = max(p.right for p in places if p.x <= max(a.right, b.right) and p.right >= min(a.x, b.x))
    turn = side + CHANNEL // 8 + _lane(lanes, side)
    return (
        (a.right, a.middle[1]),
        (turn, a.middle[1]),
        (turn, b.middle[1]),
        (b.right, b.middle[1]),
    )


def _across(places: Sequence[Place], a: Place, b: Place, lanes: dict[int, int]) -> Route:
    """From a box to one further right: level where nothing stands between, else above what does."""
    ay, by = a.middle[1], b.middle[1]
    turn = b.x - CHANNEL // 4 - _lane(lanes, b.x)
    if _free(places, (a.right, ay), (turn, ay), (a, b)):
        if ay == by:
            return ((a.right, ay), (b.x, by))
        return ((a.right, ay), (turn, ay), (turn, by), (b.x, by))
    out = a.right + CHANNEL // 8 + _lane(lanes, a.right) // 2
    level = min(a.y, b.y) - GAP // 2
    return ((a.right, ay), (out, ay), (out, level), (turn, level), (turn, by), (b.x, by))


def _free(
    places: Sequence[Place], start: tuple[int, int], end: tuple[int, int], ends: tuple[Place, Place]
) -> bool:
    """Whether a level or upright line crosses no box but those at its ends."""
    (x1, x2), (y1, y2) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    return not any(
        p.x <= x2 and p.right >= x1 and p.y <= y2 and p.bottom >= y1 and p not in ends
        for p in places
    )
