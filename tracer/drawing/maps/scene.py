"""The picture of maps of a traced network, folded as far as it takes to be legible where it is shown whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

OTHERS = 90
"""The height of the title and the legend."""

MOST = 400
"""Boxes of a picture of maps; no larger one is legible, folded or not."""


class MapRoom(NamedTuple):
    """The largest picture whose texts can be read where it is shown whole."""

    width: int
    height: int

    @classmethod
    def of(cls, width: int, height: int) -> MapRoom:
        """The one for a window of so many pixels."""
        return cls(width * FONT // LEGIBLE, height * FONT // LEGIBLE)


_WINDOW = MapRoom.of(*WINDOW)

ROOM = MapRoom(_WINDOW.width, _WINDOW.height - OTHERS)
"""What a file has beside its title and legend."""


class MapFold(NamedTuple):
    """One way to show less."""

    most: int
    """The maps that a block shows at most."""
    spacing: MapSpacing
    folds_runs: bool = False
    folds_levels: bool = False
    """Whether runs go on where skips leave or arrive."""
    keeps_widest: bool = False
    """Whether runs end before fewer channels."""


class MapScene(NamedTuple):
    """A picture of maps, ordered and placed."""

    held: Holding
    order: MapOrder
    layout: MapsLayout
    fold: MapFold

    def fits(self, room: MapRoom) -> bool:
        """Whether texts can be read where it is shown whole."""
        is_narrow = self.layout.width <= room.width
        is_low = self.layout.height <= room.height
        return is_narrow and is_low


FOLDS = (
    MapFold(4, LOOSE),
    MapFold(3, LOOSE),
    MapFold(4, TIGHT),
    MapFold(2, TIGHT),
    MapFold(1, TIGHT),
    MapFold(1, TIGHT, folds_runs=True, keeps_widest=True),
    MapFold(1, TIGHTEST, folds_runs=True, keeps_widest=True),
    MapFold(1, TIGHT, folds_runs=True),
    MapFold(1, TIGHTEST, folds_runs=True),
    MapFold(1, TIGHTEST, folds_runs=True, folds_levels=True, keeps_widest=True),
    MapFold(1, TIGHTEST, folds_runs=True, folds_levels=True),
)
"""From the fullest picture on."""

HEIGHTS = (LOOSE.highest, 96, 64, 40)
"""The heights of the largest map that are tried."""


HOPELESS = 3
"""Times the room: how wide a picture is that does not fit, whatever is left out."""


def has_maps(picture: Picture) -> bool:
    """Whether a picture has few enough boxes to show their maps."""
    return len(picture.boxes) <= MOST


def too_many(picture: Picture) -> str:
    """Why a picture has boxes and no maps."""
    count = len(picture.boxes)
    return f"drawn as boxes, for {count:,} are more than the {MOST} of which maps are drawn"


def scene(
    trace: Trace,
    picture: Picture,
    room: MapRoom = ROOM,
    *,
    now: Trace | None = None,
    reserves: bool = False,
) -> MapScene:
    """The fullest picture that is legible in its room; the smallest where none is.

    ``now``: the trace that says what is refused, where the maps are drawn as they are at other sizes. ``reserves``:
    where it is legible so, each extent has room for axes that differ.
    """
    held = holding(trace, picture, now)
    orders = MapOrders(held)
    *fuller, last = list(_reserving(FOLDS)) if reserves and _has_squares(held) else FOLDS
    for fold in fuller:
        found = _of_height(orders, fold, room)
        if found.fits(room):
            return found
        if found.layout.width > HOPELESS * room.width:
            break
    return _of_height(orders, last, room)


def _reserving(folds: Iterable[MapFold]) -> Iterator[MapFold]:
    """Each fold with more room for extents, and then without."""
    for fold in folds:
        yield fold._replace(spacing=fold.spacing._replace(reserves=True))
        yield fold


def _has_squares(held: Holding) -> bool:
    """Whether a map's axes are equal, so that its extent is written short."""
    sizes = [held.size(node.index) for node in held.trace.network.nodes]
    extents = [size.extent for size in sizes if size is not None]
    return any(len(extent) > 1 and len(set(extent)) == 1 for extent in extents)


def full_scene(
    trace: Trace,
    picture: Picture,
    room: MapRoom,
    *,
    now: Trace | None = None,
) -> MapScene:
    """The fullest picture, whether it is legible in its room or not."""
    (fold, *_) = _reserving(FOLDS)
    return _of_height(MapOrders(holding(trace, picture, now)), fold, room)


class MapOrders:
    """The orders of one picture, each made once: several folds differ in their spacing alone."""

    def __init__(self, held: Holding) -> None:
        self.held = held
        self._known: dict[tuple[int, bool, bool, bool], MapOrder] = {}

    def of(self, fold: MapFold) -> MapOrder:
        """The one that a fold has."""
        key = (fold.most, fold.folds_runs, fold.folds_levels, fold.keeps_widest)
        if key not in self._known:
            self._known[key] = _ordered(self.held, fold)
        return self._known[key]


def _of_height(
    orders: MapOrders,
    fold: MapFold,
    room: MapRoom,
) -> MapScene:
    """The picture with the highest maps that fit; too wide a one is not tried again."""
    order = orders.of(fold)
    for highest in HEIGHTS:
        own = fold._replace(spacing=fold.spacing._replace(highest=highest))
        found = _scene(orders.held, order, own)
        if found.fits(room) or found.layout.width > room.width:
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
        all_units, all_ways = with_folded_runs(
            all_units,
            all_ways,
            past_skips=fold.folds_levels,
            keeps_widest=fold.keeps_widest,
        )
    return ordered(all_units, all_ways)


def _scene(
    held: Holding,
    order: MapOrder,
    fold: MapFold,
) -> MapScene:
    boxes = held.picture.boxes
    arms = [_arm(held, way) for way in order.ways]
    sides = sides_of(order)
    if sides is None:
        layout = placed(order, boxes, arms, fold.spacing)
    else:
        layout = ladder(order, boxes, sides, arms)
    return MapScene(held, order, layout, fold)


def arm_text(shape: tuple[int, ...] | None) -> str:
    """What an arrow brings to a node that refuses it: 64 × 25 × 24."""
    return "?" if shape is None else " × ".join(map(str, shape[1:]))


def _arm(
    held: Holding,
    way: MapWay,
) -> str:
    return arm_text(held.shape(way.node)) if way.wrong else ""
