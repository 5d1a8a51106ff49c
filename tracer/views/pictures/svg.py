"""The picture as SVG."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.diagnostics import Diagnostic
from tracer.drawing.maps.scene import has_maps, scene
from tracer.drawing.picture import picture
from tracer.net import Net
from tracer.shapes.trace import Trace
from tracer.views.maps import maps_svg
from tracer.views.svg import svg

ENDINGS: tuple[str, ...] = ()
IS_TEXT = True
STYLES = ("maps", "boxes")
NEEDS = None


def content(net: Net, found: list[Diagnostic], depth: int | None, style: str | None) -> bytes:
    """The picture as the text of an SVG file: maps, or boxes where there are too many or the style says so."""
    return svg_of_trace(net.trace(), found, depth, style).encode()


def svg_of_trace(
    trace: Trace, found: Sequence[Diagnostic], depth: int | None, style: str | None = None
) -> str:
    """The same of a network at the sizes of a trace."""
    drawn = picture(trace, found, depth)
    if style == "boxes" or not has_maps(drawn):
        return svg(drawn)
    return maps_svg(scene(trace, drawn))
