"""The interactive page, in one file."""

from __future__ import annotations

from tracer.diagnostics import Diagnostic
from tracer.live.sheets import sheets
from tracer.net import Net
from tracer.views.page import page
from tracer.views.pictures import PictureFile

ENDINGS = (".htm",)
IS_TEXT = True
STYLES = ("boxes",)
NEEDS = None


def content(
    net: Net, found: list[Diagnostic], depth: int | None, style: str | None
) -> PictureFile:
    """The page; it folds and unfolds blocks itself."""
    return PictureFile(page(sheets(net, found), found).encode())
