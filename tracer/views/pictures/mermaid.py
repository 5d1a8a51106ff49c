"""A picture as a mermaid flowchart, for markdown that draws it."""

from __future__ import annotations

from collections.abc import Iterator

from tracer.diagnostics import Diagnostic, printable
from tracer.drawing.picture import Box, Picture, picture
from tracer.net import Net
from tracer.views.pictures import PictureFile
from tracer.views.svg import LIGHT, shape_text

ENDINGS = (".mmd",)
IS_TEXT = True
STYLES = ("boxes",)
NEEDS = None


def content(
    net: Net, found: list[Diagnostic], depth: int | None, style: str | None
) -> PictureFile:
    """The picture as text."""
    return PictureFile(mermaid(picture(net.trace(), found, depth)).encode())


def mermaid(drawn: Picture) -> str:
    """The picture as the text of a flowchart. Names become entities where mermaid would read them as markup."""
    lines = ["flowchart TD", *_boxes(drawn)]
    for arrow in drawn.arrows:
        line = "-.->" if arrow.argument else "-->"
        text = f"|{_text(shape_text(arrow.shape))}|" if arrow.wrong else ""
        lines.append(f"  n{arrow.source} {line}{text} n{arrow.target}")
    return "\n".join([*lines, *_wrong(drawn)]) + "\n"


def _boxes(drawn: Picture) -> Iterator[str]:
    """The nodes, in a subgraph for each section."""
    section = ""
    for number, box in enumerate(drawn.boxes):
        if box.section != section:
            if section:
                yield "  end"
            section = box.section
            if section:
                yield f'  subgraph {section}["{section}"]'
        yield f'    n{number}["{_label(box)}"]'
    if section:
        yield "  end"


def _wrong(drawn: Picture) -> Iterator[str]:
    """The styles of what is wrong."""
    fill, stroke = LIGHT["wrongfill"], LIGHT["wrong"]
    boxes = [f"n{n}" for n, box in enumerate(drawn.boxes) if box.wrong]
    if boxes:
        yield f"  classDef wrong fill:{fill},stroke:{stroke},stroke-width:2px"
        yield f"  class {','.join(boxes)} wrong"

    arrows = [str(n) for n, arrow in enumerate(drawn.arrows) if arrow.wrong]
    if arrows:
        yield f"  linkStyle {','.join(arrows)} stroke:{stroke},stroke-width:2px"


def _label(box: Box) -> str:
    return "<br/>".join(map(_text, (box.name, box.op, shape_text(box.shape))))


def _text(text: str) -> str:
    """Only letters, digits and what mermaid gives no meaning stay as they are."""
    return "".join(c if c.isalnum() or c in " _×.-" else f"#{ord(c)};" for c in printable(text))
