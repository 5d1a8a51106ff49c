"""The picture as SVG."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tracer.diagnostics import Diagnostic
from tracer.drawing.folded import depth_of_few, folded_picture
from tracer.drawing.maps.scene import (
    FONT,
    LEGIBLE,
    MOST,
    WINDOW,
    has_maps,
    scene,
    too_many,
)
from tracer.drawing.picture import Picture
from tracer.net import Net
from tracer.shapes.trace import Trace
from tracer.views.maps import maps_svg
from tracer.views.pictures import PictureFile
from tracer.views.svg import svg

ENDINGS: tuple[str, ...] = ()
IS_TEXT = True
STYLES = ("maps", "boxes")
NEEDS = None

SIDES = re.compile(r' width="(\d+)" height="(\d+)"')
"""Of the whole picture, at the head of its file."""


def content(
    net: Net,
    found: list[Diagnostic],
    depth: int | None,
    style: str | None,
) -> PictureFile:
    """The picture as an SVG file: maps, or boxes where there are too many or the style says so."""
    text, notes = _drawn(net.trace(), found, depth, style)
    return PictureFile(text.encode(), notes)


def svg_of_trace(
    trace: Trace, found: Sequence[Diagnostic], depth: int | None, style: str | None = None
) -> str:
    """The same as a text, of a network at the sizes of a trace."""
    text, _ = _drawn(trace, found, depth, style)
    return text


def _drawn(
    trace: Trace,
    found: Sequence[Diagnostic],
    depth: int | None,
    style: str | None,
) -> tuple[str, tuple[str, ...]]:
    """The picture, with its notes in it and beside it."""
    drawn, notes = folded_picture(trace, found, depth)
    if style == "boxes":
        return svg(drawn, notes), notes
    if not has_maps(drawn):
        notes += (_why_boxes(trace, drawn, depth),)
        return svg(drawn, notes), notes

    placed = scene(trace, drawn)
    text = maps_svg(placed, notes)
    small = tuple(_too_small(text, depth))
    if not small:
        return text, notes
    notes += small
    return maps_svg(placed, notes), notes


def _why_boxes(trace: Trace, drawn: Picture, depth: int | None) -> str:
    few = depth_of_few(trace.network, depth, MOST)
    instead = f"; it has maps where it is folded: --depth {few}" if few else ""
    return too_many(drawn) + instead


def _too_small(text: str, depth: int | None) -> Iterator[str]:
    """A sentence where letters cannot be read in a window that shows all of the picture."""
    factors = [room / side for room, side in zip(WINDOW, sides(text))]
    letters = FONT * min(factors)
    if letters >= LEGIBLE:
        return
    window = " × ".join(map(str, WINDOW))
    folds = "" if depth == 1 else ", or fold it: --depth 1"
    yield f"letters have {letters:.0f} pixels where {window} show all of it: zoom in{folds}"


def sides(text: str) -> tuple[int, int]:
    """Width and height of a picture."""
    found = SIDES.search(text)
    assert found is not None
    return int(found[1]), int(found[2])
