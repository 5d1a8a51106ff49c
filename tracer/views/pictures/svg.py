"""The picture as SVG."""

from __future__ import annotations

from tracer.diagnostics import Diagnostic
from tracer.drawing.picture import picture
from tracer.net import Net
from tracer.views.svg import svg

ENDINGS: tuple[str, ...] = ()
IS_TEXT = True
NEEDS = None


def content(net: Net, found: list[Diagnostic], depth: int | None) -> bytes:
    """The picture as the text of an SVG file."""
    return svg(picture(net.trace(), found, depth)).encode()
