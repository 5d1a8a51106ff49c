"""The picture of maps of a traced network, folded as far as it takes to be legible where it is shown whole."""

from __future__ import annotations

from typing import NamedTuple

from tracer.drawing.maps.columns import MapOrder, ordered
from tracer.drawing.maps.folding import with_folded_runs
from tracer.drawing.maps.holding import Holding, holding
from tracer.drawing.maps.ladder import ladder, sides_of
from tracer.drawing.maps.placing import MapsLayout, placed
from tracer.drawing.maps.sizes import LOOSE, TIGHT, TIGHTEST, MapSpacing
from tracer.drawing.maps.units import MapUnit, units
from tracer.drawing.maps.ways import MapWay, ways, with_parts
from tracer.drawing.picture import Picture
from tracer.shapes.trace import Trace

WINDOW = (1400, 900)
"""The window that a picture is to fit, in pixels."""

FONT = 12
"""The size of the labels."""

LEGIBLE = 9
"""The least size of a text where the picture is shown whole."""

ROOM = tuple(side * FONT // LEGIBLE for side in WINDOW)
"""Width and height of a picture that is legible in the window."""

OTHERS = 90
"""The height of the title and the legend."""

MOST = 400
"""Boxes of a picture of maps; no larger one is legible, folded or not."""


class MapScene(NamedTuple):
    """A picture of maps, ordered and placed."""

    held: Holding
    order: MapOrder
    layout: MapsLayout

    @property
    def is_legible(self) -> bool:
        """Whether it fits the window with texts that can be read."""
        return self.layout.width <= ROOM[0] and self.layout.height + OTHERS <= ROOM[1]


class MapFold(NamedTuple):
    """One way to show less."""

    most: int
    """The maps that a block shows at most."""
    spacing: MapSpacing
    folds_runs: bool = False


FOLDS = (
    MapFold(4, LOOSE),
    MapFold(3, LOOSE),
    MapFold(4, TIGHT),
    MapFold(2, TIGHT),
    MapFold(1, TIGHT),
    MapFold(1, TIGHT, folds_runs=True),
    MapFold(1, TIGHTEST, folds_runs=True),
)
"""From the fullest picture on."""

HEIGHTS = (LOOSE.highest, 96, 64, 40)
"""The heights of the largest map that are tried."""


HOPELESS = 3
"""Times the room: how wide a picture is that does not fit, whatever is left out."""


def has_maps(picture: Picture) -> bool:
    """Whether a picture has few enough boxes to show their maps."""
    return len(picture.boxes) <= MOST


def scene(
    trace: Trace,
    picture: Picture,
) -> MapScene:
    """The fullest picture that is legible in the window; the smallest where none is."""
    held = holding(trace, picture)
    *fuller, last = FOLDS
    for fold in fuller:
        found = _of_height(held, fold)
        if found.is_legible:
            return found
        if found.layout.width > HOPELESS * ROOM[0]:
            break
    return _of_height(held, last)


def _of_height(
    held: Holding,
    fold: MapFold,
) -> MapScene:
    """The picture with the highest maps that fit; too wide a one is not tried again."""
    order = _ordered(held, fold)
    for highest in HEIGHTS:
        spacing = fold.spacing._replace(highest=highest)
        found = _scene(held, order, spacing)
        if found.is_legible or found.layout.width > ROOM[0]:
            break
    return found


def _ordered(
    held: Holding,
    fold: MapFold,
) -> MapOrder:
    found = units(held, fold.most)
    all_ways = ways(held, found)
    all_units: list[MapUnit] = with_parts(held, found, all_ways)
    if fold.folds_runs:
        all_units, all_ways = with_folded_runs(all_units, all_ways)
    return ordered(all_units, all_ways)


def _scene(
    held: Holding,
    order: MapOrder,
    spacing: MapSpacing,
) -> MapScene:
    boxes = held.picture.boxes
    arms = [_arm(held, way) for way in order.ways]
    sides = sides_of(order)
    if sides is not None:
        return MapScene(held, order, ladder(order, boxes, sides, arms))
    return MapScene(held, order, placed(order, boxes, arms, spacing))


def arm_text(shape: tuple[int, ...] | None) -> str:
    """What an arrow brings to a node that refuses it: 64 × 25 × 24."""
    return "?" if shape is None else " × ".join(map(str, shape[1:]))


def _arm(
    held: Holding,
    way: MapWay,
) -> str:
    return arm_text(held.shape(way.node)) if way.wrong else ""
