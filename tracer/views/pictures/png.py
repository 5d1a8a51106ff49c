"""The picture as pixels."""

from __future__ import annotations

from tracer.diagnostics import Diagnostic
from tracer.net import Net
from tracer.views.pictures import svg

ENDINGS: tuple[str, ...] = ()
IS_TEXT = False
STYLES = svg.STYLES
NEEDS = ("resvg_py", "png")


def content(net: Net, found: list[Diagnostic], depth: int | None, style: str | None) -> bytes:
    """The picture as a PNG file."""
    import resvg_py

    drawn = svg.content(net, found, depth, style).decode()
    return bytes(resvg_py.svg_to_bytes(svg_string=drawn))
