"""The picture as SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
from tracer.network.folding import deepest
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
    letters = _letters(text)
    if letters >= LEGIBLE:
        return text, notes
    notes += (_too_small(letters, _legible_depth(trace, depth)),)
    return maps_svg(placed, notes), notes


def _why_boxes(trace: Trace, drawn: Picture, depth: int | None) -> str:
    few = depth_of_few(trace.network, depth, MOST)
    instead = f"; it has maps where it is folded: --depth {few}" if few else ""
    return too_many(drawn) + instead


def _letters(text: str) -> float:
    """The height of letters where a window shows all of a picture."""
    factors = [room / side for room, side in zip(WINDOW, sides(text))]
    return FONT * min(factors)


def _too_small(letters: float, legible_depth: int) -> str:
    window = " × ".join(map(str, WINDOW))
    folds = f", or fold it: --depth {legible_depth}" if legible_depth else ""
    return f"letters have {int(letters)} pixels where {window} show all of it: zoom in{folds}"


def _legible_depth(trace: Trace, depth: int | None) -> int:
    """The largest smaller depth up to which pictures are legible; 0 where none is."""
    end = deepest(trace.network) if depth is None else depth
    for smaller in range(1, end):
        drawn, _ = folded_picture(trace, (), smaller)
        is_legible = has_maps(drawn) and _letters(maps_svg(scene(trace, drawn))) >= LEGIBLE
        if not is_legible:
            return smaller - 1
    return end - 1


def sides(text: str) -> tuple[int, int]:
    """Width and height of a picture."""
    found = SIDES.search(text)
    assert found is not None
    return int(found[1]), int(found[2])
