"""The picture as pixels."""

from __future__ import annotations

from tracer.diagnostics import Diagnostic
from tracer.drawing.picture import picture
from tracer.net import Net
from tracer.views.svg import svg

ENDINGS: tuple[str, ...] = ()
NEEDS = ("resvg_py", "png")


def content(net: Net, found: list[Diagnostic], depth: int | None) -> bytes:
    """The picture as a PNG file."""
    import resvg_py

    return bytes(resvg_py.svg_to_bytes(svg_string=svg(picture(net.trace(), found, depth))))
