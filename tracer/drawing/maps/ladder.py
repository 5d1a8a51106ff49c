"""The layout of networks of sequences: bars, as long as their map and as thick as its channels, one under another.

The encoder is the left rail, the decoder, which reads upwards, the right one, and the coarsest maps stand between them;
skips are the rungs. So many levels as sequences have take little room.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from math import log2, prod
from typing import NamedTuple

from tracer.drawing.maps.cells import ARM, room_for_arms, unit_name
from tracer.drawing.maps.columns import MapOrder
from tracer.drawing.maps.holding import NO_POSITIONS
from tracer.drawing.maps.placing import Label, MapsLayout
from tracer.drawing.maps.routing import Lanes, lanes
from tracer.drawing.maps.sizes import LOOSE, name_width, text_width
from tracer.drawing.maps.units import MapUnit, Slab
from tracer.drawing.picture import Box
from tracer.drawing.placed import Rectangle, Route
from tracer.drawing.u_shape import reached

LEFT, MIDDLE, RIGHT = range(3)

LEVELS = 3
"""Fewer have no need of a ladder."""

SHORTEST, LONGEST = 28, 190
"""The lengths of bars of the least and the largest map."""

THIN, THICK = 5, 1.1
"""The thickness of one channel, and what each doubling adds."""

BETWEEN_BARS = 2
BETWEEN_UNITS = 16
AROUND = 9
"""Above and below a band's bars."""

LANE = 8
PORT = 6
HEAD = 74
LEAST_GAP = 60
APART = 8
"""Between a bar and its labels."""

TALL = 14
"""The height of a label."""

BELOW = 10
"""Under the maps in the middle, from where an arrow leads to the decoder."""


class _Rail(NamedTuple):
    """A unit in the ladder, placed from its upper edge."""

    side: int
    top: int
    height: int

    @property
    def middle(self) -> int:
        """The middle of its height."""
        return self.top + self.height // 2

    @property
    def bottom(self) -> int:
        """Its lower edge."""
        return self.top + self.height


def sides_of(given: MapOrder) -> list[int] | None:
    """The side of every unit; None where the network is no ladder of sequences."""
    if not _is_of_sequences(given):
        return None

    coarsest = given.bands[-1]
    numbers = range(len(given.units))
    bottom = {number for number in numbers if given.units[number].level == coarsest}
    above = reached(given.ways, bottom, forward=False) - bottom
    below = reached(given.ways, bottom, forward=True) - bottom
    if not above or not below or above & below:
        return None

    def side(number: int) -> int:
        if number in bottom:
            return MIDDLE
        return LEFT if number in above else RIGHT

    return [side(number) for number in numbers]


def _is_of_sequences(given: MapOrder) -> bool:
    """Whether all maps have one axis, in levels enough for a ladder."""
    is_deep = len(given.bands) >= LEVELS and NO_POSITIONS not in given.bands
    return is_deep and all(_is_sequence(unit) for unit in given.units)


def _is_sequence(unit: MapUnit) -> bool:
    """Whether its maps have one axis; what is only rearranged may have others."""
    return all(
        slab.size is None or len(slab.size.extent) == 1 or slab.made == "pass"
        for slab in unit.slabs
    )


def ladder(
    given: MapOrder,
    boxes: Sequence[Box],
    sides: Sequence[int],
    arms: Sequence[str],
) -> MapsLayout:
    """Place a ladder; ``arms`` are the texts at the ends of arrows."""
    thick = _bar_heights(given)
    rails, bands, bottom = _rails(given, sides, thick)
    labels = [_label_texts(unit, boxes) for unit in given.units]
    ports = _ports(given, rails, thick)
    lane_of = _lanes(given, rails, ports)
    across = _across(given, sides, labels, lane_of, arms)

    frame = _Ladder(given, rails, across, _Lengths.of(given), lane_of, ports, thick)
    slabs = [frame.slabs(number) for number in range(len(rails))]
    placed_labels = [frame.labels(number, texts) for number, texts in enumerate(labels)]
    return MapsLayout(
        width=across.width,
        height=bottom,
        cells=[_cell(own, texts) for own, texts in zip(slabs, placed_labels)],
        slabs=slabs,
        labels=placed_labels,
        dots=[None] * len(rails),
        lies=True,
        bands=[
            (Rectangle(0, top, across.width, height), band)
            for band, (top, height) in bands.items()
        ],
        routes=[frame.route(number) for number in range(len(given.ways))],
    )


def _label_texts(
    unit: MapUnit,
    boxes: Sequence[Box],
) -> tuple[str, str]:
    """Name, and channels and length of a unit's last map."""
    size = unit.last.size
    told = "?" if size is None else " × ".join(map(str, size.channels + size.extent))
    return unit_name(unit, boxes, LOOSE), told


def _width_of(texts: tuple[str, str]) -> int:
    name, size = texts
    return name_width(name) + APART + text_width(size)


def _bar_heights(given: MapOrder) -> list[list[int]]:
    """The heights of every unit's bars; where arrows with texts come in, the first one has room for them."""
    wrong_into = Counter(way.target for way in given.ways if way.wrong)
    found = []
    for number, unit in enumerate(given.units):
        heights = [_bar_height(slab) for slab in unit.slabs]
        heights[0] = max(heights[0], room_for_arms(wrong_into[number]))
        found.append(heights)
    return found


def _bar_height(slab: Slab) -> int:
    if slab.parts:
        return sum(_thickness(channels) for channels, _ in slab.parts)
    return _thickness(1 if slab.size is None else prod(slab.size.channels))


def _thickness(channels: int) -> int:
    return round(THIN + THICK * log2(max(channels, 1)))


def _unit_height(heights: Sequence[int]) -> int:
    between = BETWEEN_BARS * (len(heights) - 1)
    return max(sum(heights) + between, TALL) // 2 * 2


def _rails(
    given: MapOrder,
    sides: Sequence[int],
    thick: Sequence[Sequence[int]],
) -> tuple[list[_Rail], dict[Fraction, tuple[int, int]], int]:
    """The heights of every unit and band, and of all."""
    stacks: dict[tuple[Fraction, int], list[int]] = defaultdict(list)
    for number, unit in enumerate(given.units):
        stacks[unit.level, sides[number]].append(number)

    placed: dict[int, _Rail] = {}
    bands: dict[Fraction, tuple[int, int]] = {}
    y = 0
    for band in given.bands:
        inside = {side: stacks.get((band, side), []) for side in (LEFT, MIDDLE, RIGHT)}
        tall = [_stack_height(units, thick) for units in inside.values()]
        bottom = y + AROUND + max(tall)

        # The last of the encoder and the first of the decoder stand level, as the rungs are to be.
        for side, units in inside.items():
            top = bottom - _stack_height(units, thick)
            # The decoder reads upwards.
            for number in reversed(units) if side == RIGHT else units:
                height = _unit_height(thick[number])
                placed[number] = _Rail(side, top, height)
                top += height + BETWEEN_UNITS

        below = BELOW if inside[MIDDLE] else 0
        bands[band] = (y, bottom + below + AROUND - y)
        y = bottom + below + AROUND
    return [placed[number] for number in range(len(given.units))], bands, y


def _stack_height(
    units: Sequence[int],
    thick: Sequence[Sequence[int]],
) -> int:
    between = BETWEEN_UNITS * max(len(units) - 1, 0)
    return sum(_unit_height(thick[number]) for number in units) + between


def _is_adjacent(given: MapOrder, rails: Sequence[_Rail], number: int) -> bool:
    """Whether nothing stands between the ends of an arrow on its rail, and it goes the rail's way."""
    way = given.ways[number]
    a = rails[way.source]
    b = rails[way.target]
    if a.side != b.side:
        return False
    is_down = a.top < b.top
    goes_on = is_down if a.side != RIGHT else not is_down
    low, high = sorted((a.top, b.top))
    between = [rail for rail in rails if rail.side == a.side and low < rail.top < high]
    return goes_on and not between


def _is_elbow(given: MapOrder, rails: Sequence[_Rail], number: int) -> bool:
    """Whether an arrow leads from the end of the left rail to the middle, or from there to the right rail's end."""
    way = given.ways[number]
    a = rails[way.source]
    b = rails[way.target]
    if (a.side, b.side) not in ((LEFT, MIDDLE), (MIDDLE, RIGHT)):
        return False
    outer = a if b.side == MIDDLE else b
    below = [rail for rail in rails if rail.side == outer.side and rail.top > outer.top]
    return not below


class _Port(NamedTuple):
    """An arrow beside the rails: the height at which it leaves, and the bar and the height at which it arrives."""

    leaves: int
    bar: int
    arrives: int


def _ports(
    given: MapOrder,
    rails: Sequence[_Rail],
    thick: Sequence[Sequence[int]],
) -> dict[int, _Port]:
    into: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, way in enumerate(given.ways):
        is_upright = _is_adjacent(given, rails, number)
        if not is_upright and not _is_elbow(given, rails, number):
            into[way.target, _bar_that_reads(given, number)].append(number)

    found = {}
    for (target, bar), numbers in into.items():
        top, height = _bar_place(rails[target], thick[target], bar)
        is_wrong = any(given.ways[number].wrong for number in numbers)
        step = min(ARM if is_wrong else PORT, height // (len(numbers) + 1))
        first = top + height // 2 - step * (len(numbers) - 1) // 2
        for place, number in enumerate(numbers):
            source = given.ways[number].source
            start, tall = _bar_place(rails[source], thick[source], -1)
            found[number] = _Port(start + tall // 2, bar, first + step * place)
    return found


def _bar_that_reads(given: MapOrder, number: int) -> int:
    """Which bar of its target an arrow goes to: the map of the node that reads it, or the first."""
    way = given.ways[number]
    nodes = [slab.node for slab in given.units[way.target].slabs]
    return nodes.index(way.reader) if way.reader in nodes else 0


def _bar_place(
    rail: _Rail,
    heights: Sequence[int],
    bar: int,
) -> tuple[int, int]:
    """The upper edge and the height of a bar; the decoder's read upwards."""
    bar %= len(heights)
    above = heights[bar + 1 :] if rail.side == RIGHT else heights[:bar]
    return rail.top + sum(above) + BETWEEN_BARS * len(above), heights[bar]


def _lanes(
    given: MapOrder,
    rails: Sequence[_Rail],
    ports: dict[int, _Port],
) -> dict[int, Lanes]:
    """The lanes beside the left and beside the right rail, for arrows that do not go straight across."""
    spans: dict[int, dict[int, tuple[float, float]]] = {LEFT: {}, RIGHT: {}}
    for number, (leaves, _, arrives) in ports.items():
        way = given.ways[number]
        if rails[way.source].side != rails[way.target].side and leaves == arrives:
            continue
        side = RIGHT if rails[way.target].side == RIGHT else LEFT
        low, high = sorted((leaves, arrives))
        spans[side][number] = (low, high)
    return {side: lanes(given.ways, found) for side, found in spans.items()}


class _LadderAcross(NamedTuple):
    """The middles of the rails, the edges of the gap between them, and the width."""

    middles: tuple[int, int, int]
    gap: tuple[int, int]
    width: int


def _across(
    given: MapOrder,
    sides: Sequence[int],
    labels: Sequence[tuple[str, str]],
    lane_of: dict[int, Lanes],
    arms: Sequence[str],
) -> _LadderAcross:
    room = dict.fromkeys((LEFT, MIDDLE, RIGHT), 0)
    for side, texts in zip(sides, labels):
        room[side] = max(room[side], _width_of(texts) + APART)

    half = LONGEST // 2
    arm = max(map(text_width, arms), default=0)
    between = SHORTEST + room[MIDDLE] + LONGEST
    left = HEAD + room[LEFT] + half
    start = left + half
    lanes_left = (lane_of[LEFT].number + 2) * LANE
    lanes_right = (lane_of[RIGHT].number + 2) * LANE + arm
    middle = start + max(lanes_left, LEAST_GAP) + half
    end = start + max(lanes_left, LEAST_GAP) + between + max(lanes_right, LEAST_GAP)
    right = end + half
    width = right + half + room[RIGHT] + HEAD // 4
    return _LadderAcross((left, middle, right), (start, end - arm), width)


class _Lengths(NamedTuple):
    """The logarithm's scale of lengths."""

    least: float
    octave: float

    @classmethod
    def of(cls, given: MapOrder) -> _Lengths:
        """The scale for a picture."""
        found = [
            log2(max(slab.size.extent[-1], 1))
            for unit in given.units
            for slab in unit.slabs
            if slab.size is not None and slab.size.extent
        ]
        span = max(max(found) - min(found), 1.0)
        return cls(min(found), (LONGEST - SHORTEST) / span)

    def length(self, slab: Slab) -> int:
        """The length of a bar."""
        if slab.size is None or not slab.size.extent:
            return SHORTEST * 2
        doublings = log2(max(slab.size.extent[-1], 1)) - self.least
        return round(SHORTEST + self.octave * doublings) // 2 * 2


class _Ladder(NamedTuple):
    """What the places of bars, labels and arrows follow from."""

    given: MapOrder
    rails: list[_Rail]
    across: _LadderAcross
    lengths: _Lengths
    lane_of: dict[int, Lanes]
    ports: dict[int, _Port]
    thick: list[list[int]]

    def slabs(self, number: int) -> list[Rectangle]:
        """The bars of a unit in their order; the decoder's read upwards."""
        rail = self.rails[number]
        centre = self.across.middles[rail.side]
        found = []
        for bar, slab in enumerate(self.given.units[number].slabs):
            length = self.lengths.length(slab)
            y, height = _bar_place(rail, self.thick[number], bar)
            found.append(Rectangle(centre - length // 2, y, length, height))
        return found

    def labels(
        self,
        number: int,
        texts: tuple[str, str],
    ) -> list[Label]:
        """The texts beside a unit, on its outer side."""
        rail = self.rails[number]
        centre = self.across.middles[rail.side]
        kind = "output" if self.given.units[number].output else "name"
        name, size = texts
        if rail.side == LEFT:
            left = centre - LONGEST // 2 - APART - _width_of(texts)
        elif rail.side == MIDDLE:
            widest = max(slab.width for slab in self.slabs(number))
            left = centre + widest // 2 + APART
        else:
            left = centre + LONGEST // 2 + APART

        y = rail.middle + 4
        behind = left + name_width(name) + APART
        return [
            Label(left, y, name, kind, "start"),
            Label(behind, y, size, "extent", "start", (self.given.units[number].last.node,)),
        ]

    def _ends(self, number: int) -> tuple[int, int]:
        """The upper and the lower edge of a unit's bars."""
        bars = self.slabs(number)
        return min(bar.y for bar in bars), max(bar.bottom for bar in bars)

    def route(self, number: int) -> Route:
        """The corners of an arrow."""
        way = self.given.ways[number]
        if number in self.ports:
            return self._beside(number)
        if self.rails[way.source].side != self.rails[way.target].side:
            return self._elbow(number)

        x = self.across.middles[self.rails[way.source].side]
        top, bottom = self._ends(way.source)
        to_top, to_bottom = self._ends(way.target)
        if top < to_top:
            return ((x, bottom), (x, to_top))
        return ((x, top), (x, to_bottom))

    def _elbow(self, number: int) -> Route:
        """Down the left rail and in, or out and up the right one."""
        way = self.given.ways[number]
        _, bottom = self._ends(way.source)
        if self.rails[way.target].side == MIDDLE:
            x = self.across.middles[LEFT]
            entry = self.slabs(way.target)[0]
            level = entry.middle[1]
            return ((x, bottom), (x, level), (entry.x, level))

        _, to_bottom = self._ends(way.target)
        middle = self.across.middles[MIDDLE]
        right = self.across.middles[RIGHT]
        level = bottom + BELOW
        return ((middle, bottom), (middle, level), (right, level), (right, to_bottom))

    def _beside(self, number: int) -> Route:
        """From the inner edge of a bar to that of another, by a lane."""
        way = self.given.ways[number]
        leaves, bar, arrives = self.ports[number]
        x = self._edge(way.source, -1, is_source=True)
        to_x = self._edge(way.target, bar, is_source=False)
        side = RIGHT if self.rails[way.target].side == RIGHT else LEFT
        lane = self.lane_of[side].of_way.get(number)
        if lane is None:
            return ((x, leaves), (to_x, arrives))
        start, end = self.across.gap
        aside = LANE + LANE * lane
        turn = start + aside if side == LEFT else end - aside
        return ((x, leaves), (turn, leaves), (turn, arrives), (to_x, arrives))

    def _edge(
        self,
        number: int,
        bar: int,
        *,
        is_source: bool,
    ) -> int:
        """The inner edge of one of the bars of a unit."""
        side = self.rails[number].side
        place = self.slabs(number)[bar]
        looks_right = side == LEFT or (side == MIDDLE and is_source)
        return place.right if looks_right else place.x


def _cell(
    slabs: Sequence[Rectangle],
    texts: Sequence[Label],
) -> Rectangle:
    """The room of a unit with its labels."""
    places = [*slabs, *(label.place for label in texts)]
    x = min(place.x for place in places)
    y = min(place.y for place in places)
    right = max(place.right for place in places)
    bottom = max(place.bottom for place in places)
    return Rectangle(x, y, right - x, bottom - y)
