"""The cells of a picture of maps: each unit with its maps side by side and its labels above and below them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracer.diagnostics import printable
from tracer.drawing.maps.columns import MapOrder
from tracer.drawing.maps.sizes import (
    BEHIND,
    BESIDE,
    DOTS,
    MapScale,
    MapSpacing,
    channels_of,
    channels_text,
    every_extent,
    extent_text,
    extents_text,
    name_width,
    scale,
    slab_width,
    text_width,
)
from tracer.drawing.maps.units import MapUnit
from tracer.drawing.picture import Box

ABOVE, LINE = 18, 14
"""Room for the channels above a map, and for each line below it."""

MARGIN = 14
"""Around a row, and around the picture."""

ARM = 18
"""Between the arrows that do not fit, each of which has a text."""

MOST_ARMS = 6

NUMBER = re.compile(r"[0-9]+[a-z]?$")
"""What tells a name from others like it."""

GATE = 24
"""The size of the circle that stands for a gate."""


class MapAbove(NamedTuple):
    """What stands above a map."""

    middle: int
    """The map's."""
    text: str
    of: tuple[int, ...]
    """The nodes whose channels it tells."""


class MapLine(NamedTuple):
    """A line under a unit."""

    kind: str
    text: str
    of: tuple[int, ...] = ()
    """The nodes whose extents it tells."""
    longest: str = ""
    """A text that has room in its place."""

    @property
    def width(self) -> int:
        """An upper bound of its width."""
        if self.kind in ("name", "output"):
            return name_width(self.text)
        return max(text_width(self.text), text_width(self.longest))


class UnitCell(NamedTuple):
    """A unit, placed from the left edge of its cell; heights are from the middle of its row."""

    width: int
    slabs: tuple[tuple[int, int, int], ...]
    """Left edge, width and height of each map."""
    above: tuple[MapAbove, ...]
    """The channels of each map."""
    below: tuple[MapLine, ...]
    dots: int | None
    """Where maps are left out."""

    @property
    def height(self) -> int:
        """The height of its highest map."""
        return max(height for _, _, height in self.slabs)

    @property
    def left(self) -> int:
        """The left edge of its first map."""
        return self.slabs[0][0]

    @property
    def right(self) -> int:
        """The right edge of its last map."""
        x, width, _ = self.slabs[-1]
        return x + width


def unit_cells(
    given: MapOrder,
    boxes: Sequence[Box],
    spacing: MapSpacing,
) -> list[UnitCell]:
    """Every unit in a cell of its own."""
    sizes = scale(given.units, spacing.highest)
    wrong_into = Counter(way.target for way in given.ways if way.wrong)
    cells = []
    for number, unit in enumerate(given.units):
        below = list(_below(unit, boxes, spacing))
        if not spacing.counts:
            below = _of_its_block(given, boxes, number, below, spacing)
        arms = wrong_into[number]
        if number in given.gates:
            cells.append(_gate(unit, below[:2]))
        else:
            marks = [given.units[mark] for mark in given.marks.get(number, ())]
            below += [MapLine("mark", _mark_text(mark, boxes, spacing)) for mark in marks]
            cells.append(_cell(unit, below, sizes, room_for_arms(arms)))
    return cells


def _of_its_block(
    given: MapOrder,
    boxes: Sequence[Box],
    number: int,
    below: list[MapLine],
    spacing: MapSpacing,
) -> list[MapLine]:
    """The lines under a unit where there is little room: its block's name stands under the block's first map alone."""
    unit = given.units[number]
    block = _block_of(unit, boxes)
    before = _before(given, number)
    is_same = before is not None and _extent(given.units[before]) == _extent(unit)
    is_told = is_same and bool(_extent(unit))
    rest = below[2:] if is_told else below[1:]
    if not block or unit.output:
        return below if spacing.repeats else [below[0], *rest]

    if before is None or _block_of(given.units[before], boxes) != block:
        return [MapLine("name", short_name(block, spacing.letters)), *below[1:]]
    return rest


def _block_of(
    unit: MapUnit,
    boxes: Sequence[Box],
) -> str:
    """The name of the block in which a unit's box is; empty for none."""
    return boxes[unit.boxes[0]].name.rpartition(".")[0]


def _before(
    given: MapOrder,
    number: int,
) -> int | None:
    """The unit before one in its run."""
    units = given.runs[given.run_of[number]].units
    place = units.index(number)
    return units[place - 1] if place else None


def _extent(unit: MapUnit) -> str:
    return extent_text(unit.last.size)


def _mark_text(
    mark: MapUnit,
    boxes: Sequence[Box],
    spacing: MapSpacing,
) -> str:
    """That a unit reads another; where there is little room the legend alone names it."""
    if not spacing.counts:
        return "◂"
    return f"◂ {short_name(boxes[mark.boxes[0]].name, spacing.letters)}"


def room_for_arms(count: int) -> int:
    """The height that this many arrows with texts need, wherever they come from."""
    return 2 * ARM * min(count, MOST_ARMS) + 8 if count else 0


def _gate(
    unit: MapUnit,
    below: Sequence[MapLine],
) -> UnitCell:
    """A gate is a circle: it weighs a map rather than making one."""
    text = channels_text(unit.last)
    widest = max((line.width for line in below), default=0)
    width = max(GATE, widest, text_width(text))
    middle = width // 2
    return UnitCell(
        width=width,
        slabs=((middle - GATE // 2, GATE, GATE),),
        above=(MapAbove(middle, text, channels_of(unit.last)),),
        below=tuple(below),
        dots=None,
    )


def _cell(
    unit: MapUnit,
    below: Sequence[MapLine],
    sizes: MapScale,
    least: int,
) -> UnitCell:
    x = 0
    slabs: list[tuple[int, int, int]] = []
    above: list[MapAbove] = []
    dots = None
    for slab in unit.slabs:
        if slab.hidden and slabs:
            dots = x + DOTS // 2 - BESIDE // 2
            x += DOTS
        elif slab.hidden:
            x += BEHIND
        width = slab_width(slab)
        text = channels_text(slab)
        room = max(width, text_width(text))
        left = x + (room - width) // 2
        slabs.append((left, width, max(sizes.height(slab), least)))
        above.append(MapAbove(left + width // 2, text, channels_of(slab)))
        x += room + BESIDE
    x -= BESIDE

    # Labels that are wider than the maps stand in their middle.
    widest = max((line.width for line in below), default=0)
    shift = max((widest - x) // 2, 0)
    return UnitCell(
        width=max(x, widest),
        slabs=tuple((left + shift, width, height) for left, width, height in slabs),
        above=tuple(one._replace(middle=one.middle + shift) for one in above),
        below=tuple(below),
        dots=None if dots is None else dots + shift,
    )


def _below(
    unit: MapUnit,
    boxes: Sequence[Box],
    spacing: MapSpacing,
) -> Iterator[MapLine]:
    """The lines under a unit: its name, its extent, and how many maps it has where some are not shown."""
    kind = "output" if unit.output else "name"
    yield MapLine(kind, unit_name(unit, boxes, spacing))
    yield from _extents(unit, spacing)
    hidden = sum(slab.hidden for slab in unit.slabs)
    if hidden and spacing.counts:
        yield MapLine("extent", f"{hidden + len(unit.slabs)} maps")


def _extents(
    unit: MapUnit,
    spacing: MapSpacing,
) -> Iterator[MapLine]:
    """The line that tells the extent of a unit's first map and of its last, where there is any."""
    ends = [unit.slabs[0], unit.last] if spacing.counts else [unit.last]
    extents = extents_text(extent_text(slab.size) for slab in ends)
    if extents:
        nodes = dict.fromkeys(slab.node for slab in ends)
        longest = extents_text(every_extent(slab.size) for slab in ends)
        yield MapLine("extent", extents, tuple(nodes), longest if spacing.reserves else "")


def unit_name(
    unit: MapUnit,
    boxes: Sequence[Box],
    spacing: MapSpacing,
) -> str:
    """The name of a unit's box; of an output the one of the box that hands it out."""
    own = [boxes[number] for number in unit.boxes]
    handed_out = [box.name for box in own if box.output]
    if handed_out:
        return f"{short_name(handed_out[-1], spacing.letters)} ▸"
    return short_name(own[0].name, spacing.letters)


def short_name(
    name: str,
    most: int,
) -> str:
    """A name that is cut where it is long; a number at its end stays.

    >>> short_name("features_of_the_whole", 14), short_name("stage12b", 6)
    ('features_of_t…', 'st…12b')
    """
    text = printable(name)
    if len(text) <= most:
        return text
    number = NUMBER.search(text[-most // 2 :])
    end = number.group() if number else ""
    return text[: most - 1 - len(end)] + "…" + end
