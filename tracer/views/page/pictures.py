"""The pictures of a page: of maps, or of boxes where there are too many, and what the page writes into them anew.

A picture of maps has a group for each unit (``data-unit``) and each arrow (``data-way``), numbered as the records here.
The page computes the texts of a unit from the nodes that its labels name, and the colours of arrows from what runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tracer.diagnostics import printable
from tracer.drawing.folded import folded_picture
from tracer.drawing.layout import layout
from tracer.drawing.maps.columns import MapOrder
from tracer.drawing.maps.placing import Label
from tracer.drawing.maps.scene import (
    FOLDS,
    WINDOW,
    MapRoom,
    MapScene,
    full_scene,
    has_maps,
    scene,
    too_many,
)
from tracer.drawing.maps.units import MapUnit
from tracer.drawing.maps.ways import MapWay
from tracer.drawing.picture import Picture
from tracer.drawing.placed import Rectangle
from tracer.live.sheets import LiveSheet
from tracer.network.folding import deepest
from tracer.views.maps import maps_drawn, signs_of
from tracer.views.svg import drawn

ROOM = MapRoom(1325, 940)
"""The largest picture that is legible where it is shown whole in a window of 1400 × 900 pixels, beside all else."""

DRAWN = 1200
"""Boxes that one picture of a page may have; what unfolds to more is folded."""

UNFOLDED = 4800
"""Boxes of all pictures of the first sheet behind the folded one."""

UNFOLDED_ELSEWHERE = 1200
"""The same of all other sheets together."""

FORMS = {"channels": 1, "extent": 2}
"""How a label tells sizes: channels, or extents; the last form has both."""

WHOLE = 3


class PageLabel(msgspec.Struct, frozen=True, array_like=True):
    """A text of a unit."""

    form: int
    """How it tells a size; 0 where no size changes it."""
    room: int
    """Its width, at most."""
    of: tuple[int, ...]
    """The nodes whose sizes it tells."""


class PageUnit(msgspec.Struct, frozen=True, array_like=True):
    """The maps of a box that stand side by side."""

    name: str
    nodes: list[int]
    """All nodes of its boxes."""
    maps: list[int]
    """The node that made each of its maps."""
    drawn: list[int]
    """The node of each of its rectangles, in their order."""
    place: tuple[int, int, int, int]
    """Its room with its labels."""
    labels: list[PageLabel]


class PageWay(msgspec.Struct, frozen=True, array_like=True):
    """An arrow of a picture of maps."""

    source: int
    target: int
    node: int
    """The node that makes the map."""
    brought: int
    """The node that hands it to the reader: that node, or a layer that the arrow stands for."""
    reader: int
    """The node that reads it."""
    kind: str


class PageMaps(msgspec.Struct, frozen=True):
    """What a picture of maps has beside its SVG."""

    units: list[PageUnit]
    ways: list[PageWay]
    bands: list[int]
    """A node of each level, whose stride is written beside it; -1 where there are no positions."""
    signs: list[str]
    """What the legend says besides the colours."""


class PagePicture(msgspec.Struct, frozen=True):
    """One drawing: the nodes of its boxes, and what its arrows connect."""

    svg: str
    depth: int
    label: str
    """What the choice of pictures calls it."""
    said: str
    """What is to be known of how it is drawn; empty for nothing."""
    boxes: list[list[int]]
    names: list[str]
    ops: list[str]
    arrows: list[list[int]]
    """Source box, target box, the node that makes the map, the node that reads it."""
    maps: PageMaps | None
    """None where the boxes themselves are drawn."""


class PlannedPicture(NamedTuple):
    """A picture that is to be drawn."""

    depth: int
    picture: Picture
    is_whole: bool
    """Whether nothing is left out for the texts to be legible."""
    notes: tuple[str, ...] = ()
    """What is to be said of how it is folded."""


def drawings(sheet: LiveSheet, room: int) -> list[PlannedPicture]:
    """The folded picture, and the unfolded ones for whose boxes there is room."""
    found: list[PlannedPicture] = []
    for depth in range(1, deepest(sheet.trace.network) + 1):
        one, notes = folded_picture(sheet.trace, sheet.found, depth)
        count = len(one.boxes)
        if found:
            is_new = count != len(found[-1].picture.boxes)
            if not is_new or count > min(room, DRAWN):
                break
            room -= count
        found.append(PlannedPicture(depth, one, is_whole=bool(found), notes=notes))
    return found


def page_pictures(
    sheet: LiveSheet, planned: list[PlannedPicture], style: str | None
) -> list[PagePicture]:
    """The pictures of a sheet: where the first one leaves out maps to be legible, one with more of them behind it."""
    found = []
    for drawing in planned:
        if style == "boxes" or not has_maps(drawing.picture):
            found.append(_of_boxes(drawing, style))
            continue
        own = scene_of(sheet, drawing)
        found.append(_of_maps(drawing, own))
        if leaves_out(own) and not drawing.is_whole:
            whole = drawing._replace(is_whole=True)
            found.append(_of_maps(whole, scene_of(sheet, whole)))
    return found


def leaves_out(shown: MapScene) -> bool:
    """Whether fewer maps are shown than there is room for in a picture of any size."""
    fullest = FOLDS[0]
    return shown.fold.most < fullest.most or shown.fold.folds_runs


def notes_of(drawing: PlannedPicture, style: str | None) -> tuple[str, ...]:
    """How a picture differs from what was asked."""
    has_boxes = style != "boxes" and not has_maps(drawing.picture)
    return (*drawing.notes, too_many(drawing.picture)) if has_boxes else drawing.notes


def scene_of(sheet: LiveSheet, drawing: PlannedPicture) -> MapScene:
    """What is laid out are the maps of a network that runs: the page says of which there are none as things are."""
    trace = sheet.running
    shown = drawing.picture
    if trace is not sheet.trace:
        shown, _ = folded_picture(trace, sheet.found, drawing.depth)
    if drawing.is_whole:
        return full_scene(trace, shown, ROOM, now=sheet.trace)
    return scene(trace, shown, ROOM, now=sheet.trace, reserves=True)


def _of_boxes(drawing: PlannedPicture, style: str | None) -> PagePicture:
    shown = drawing.picture
    placed = layout(shown)
    said = "; ".join(notes_of(drawing, style))
    body = drawn(shown, placed, titled=False)
    return _page_picture(
        drawing, _svg("boxes", drawing, placed.width, placed.height, body), said
    )


def _of_maps(drawing: PlannedPicture, shown: MapScene) -> PagePicture:
    width, height = shown.layout.width, shown.layout.height
    notes = notes_of(drawing, None)
    if leaves_out(shown):
        window = " × ".join(map(str, WINDOW))
        notes += (f"fewer maps, to be legible in a window of {window}",)
    body = maps_drawn(shown, width, titled=False)
    found = _page_picture(drawing, _svg("maps", drawing, width, height, body), "; ".join(notes))
    return msgspec.structs.replace(found, maps=_page_maps(shown))


def _svg(style: str, drawing: PlannedPicture, width: int, height: int, body: str) -> str:
    return (
        f'<svg class="{style}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="group" '
        f'aria-label="the network, blocks unfolded {drawing.depth - 1} times">{body}</svg>'
    )


def _page_picture(drawing: PlannedPicture, svg: str, said: str) -> PagePicture:
    shown = drawing.picture
    return PagePicture(
        svg=svg,
        depth=drawing.depth,
        label=_label(drawing),
        said=said,
        boxes=[list(box.nodes) for box in shown.boxes],
        names=[box.name for box in shown.boxes],
        ops=[box.op for box in shown.boxes],
        arrows=[[a.source, a.target, a.node, a.reader] for a in shown.arrows],
        maps=None,
    )


def _label(drawing: PlannedPicture) -> str:
    if drawing.depth > 1:
        return f"{drawing.depth - 1} unfolded"
    return "more maps" if drawing.is_whole else "folded"


def _page_maps(shown: MapScene) -> PageMaps:
    order = shown.order
    return PageMaps(
        units=[_page_unit(shown, number, unit) for number, unit in enumerate(order.units)],
        ways=[_page_way(way) for way in order.ways],
        bands=list(_bands(shown)),
        signs=[printable(words) for words in signs_of(shown)],
    )


def _page_way(way: MapWay) -> PageWay:
    return PageWay(way.source, way.target, way.node, way.brought, way.reader, way.kind)


def _page_unit(shown: MapScene, number: int, unit: MapUnit) -> PageUnit:
    boxes = shown.held.picture.boxes
    x, y, width, height = place = shown.layout.cells[number]
    return PageUnit(
        name=boxes[unit.boxes[0]].name,
        nodes=[index for box in unit.boxes for index in boxes[box].nodes],
        maps=[slab.node for slab in unit.slabs],
        drawn=[] if number in shown.order.gates else list(_rectangles(unit, shown.layout.lies)),
        place=(x, y, width, height),
        labels=list(_page_labels(shown, number, place)),
    )


def _rectangles(unit: MapUnit, lies: bool) -> Iterator[int]:
    """The node of each rectangle: one for each part of a map, and one that looks out from behind the first."""
    first = unit.slabs[0]
    if first.hidden:
        yield first.node
    for slab in unit.slabs:
        for _ in slab.parts or (slab,):
            yield slab.node


def _page_labels(shown: MapScene, number: int, place: Rectangle) -> Iterator[PageLabel]:
    """The texts of a unit, in the order in which they are drawn, each with the room that it has."""
    labels = shown.layout.labels[number]
    above = [label.x for label in labels if label.kind == "channels"]
    aside = shown.fold.spacing.in_run // 2 - 2
    for label in labels:
        if not label.of:
            yield PageLabel(0, 0, ())
            continue
        form = WHOLE if shown.layout.lies else FORMS[label.kind]
        yield PageLabel(form, _room_for(label, above, place, aside), label.of)


def _room_for(label: Label, above: list[int], place: Rectangle, aside: int) -> int:
    """How wide a label may become: to its neighbours above the maps, otherwise so far out of its unit's room."""
    if label.anchor == "start":
        return place.right + aside - label.x
    if label.kind != "channels":
        return place.width + 2 * aside
    beside = [abs(x - label.x) for x in above if x != label.x]
    to_edge = min(label.x - place.x, place.right - label.x)
    return min([*beside, 2 * to_edge + 2 * aside])


def _bands(shown: MapScene) -> Iterator[int]:
    """A node of each level that has positions on a grid."""
    held = shown.held
    if len(shown.layout.bands) < 2:
        return
    for _, level in shown.layout.bands:
        nodes = _nodes_of(shown.order, level)
        yield next((node for node in nodes if held.steps_of[node]), -1)


def _nodes_of(order: MapOrder, level: object) -> list[int]:
    return [unit.last.node for unit in order.units if unit.level == level]
