"""The picture as pixels."""

from __future__ import annotations

from math import sqrt

from tracer.diagnostics import Diagnostic
from tracer.net import Net
from tracer.views.pictures import PictureFile, svg

ENDINGS: tuple[str, ...] = ()
IS_TEXT = False
STYLES = svg.STYLES
NEEDS = ("resvg_py", "png")

PIXELS = 64_000_000
"""Of a picture, at most: 256 MB while it is drawn."""

SIDE = 60_000
"""Pixels of a side, at most."""


def content(
    net: Net, found: list[Diagnostic], depth: int | None, style: str | None
) -> PictureFile:
    """The picture as a PNG file."""
    import resvg_py

    text, notes = svg.content(net, found, depth, style)
    zoom, told = _zoom(text.decode())
    pixels = resvg_py.svg_to_bytes(svg_string=text.decode(), zoom=zoom)
    return PictureFile(bytes(pixels), notes + told)


def _zoom(text: str) -> tuple[float | None, tuple[str, ...]]:
    """How far a picture is reduced so that it has few enough pixels, and a sentence that says so."""
    width, height = svg.sides(text)
    zoom = min(sqrt(PIXELS / (width * height)), SIDE / width, SIDE / height)
    if zoom >= 1:
        return None, ()
    reduced = f"{width:,} × {height:,} pixels are reduced to {zoom:.0%}"
    return zoom, (f"{reduced}: SVG is drawn in full",)
