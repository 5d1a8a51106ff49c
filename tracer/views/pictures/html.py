"""The interactive page, in one file."""

from __future__ import annotations

from tracer.diagnostics import Diagnostic
from tracer.drawing.folded import folded_picture
from tracer.live.sheets import sheets
from tracer.net import Net
from tracer.network.folding import deepest
from tracer.views.page import page
from tracer.views.page.pictures import UNFOLDED, PlannedPicture, drawings, notes_of
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
    """The page, first at this depth; it folds and unfolds blocks itself."""
    own = sheets(net, found)
    deep = deepest(net.network)
    wanted = deep if depth is None else min(depth, deep)
    text = page(own, found, style=style, depth=wanted)

    room = UNFOLDED if wanted > 1 else 0
    planned = drawings(own[0], room)
    first = [one for one in planned if one.depth <= wanted][-1]
    notes = notes_of(first, style)
    if _shows_less(net, found, first, wanted):
        told = f"the page unfolds {first.depth - 1} of {wanted - 1} levels: it has no room for more boxes"
        notes = (*notes, told)
    return PictureFile(text.encode(), notes)


def _shows_less(net: Net, found: list[Diagnostic], first: PlannedPicture, wanted: int) -> bool:
    """Whether another level has boxes that the first picture has not."""
    if first.depth >= wanted:
        return False
    whole, _ = folded_picture(net.trace(), found, wanted)
    return len(whole.boxes) > len(first.picture.boxes)
