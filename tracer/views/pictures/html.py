"""The interactive page, in one file."""

from __future__ import annotations

from tracer.diagnostics import Diagnostic
from tracer.live.sheets import sheets
from tracer.net import Net
from tracer.views.page import page
from tracer.views.page.pictures import drawings, notes_of
from tracer.views.pictures import PictureFile

ENDINGS = (".htm",)
IS_TEXT = True
STYLES = ("maps", "boxes")
NEEDS = None


def content(
    net: Net,
    found: list[Diagnostic],
    depth: int | None,
    style: str | None,
) -> PictureFile:
    """The page; it folds and unfolds blocks itself."""
    own = sheets(net, found)
    text = page(own, found, style=style)
    (folded, *_) = drawings(own[0], 0)
    return PictureFile(text.encode(), notes_of(folded, style))
