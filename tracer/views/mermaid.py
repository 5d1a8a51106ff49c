"""A picture as a mermaid flowchart, for markdown that draws it."""

from __future__ import annotations

from tracer.diagnostics import printable
from tracer.drawing.picture import Box, Picture
from tracer.views.svg import LIGHT, shape_text


def mermaid(picture: Picture) -> str:
    """The picture as the text of a flowchart. Names become entities where mermaid would read them as markup."""
    lines = ["flowchart TD"]
    section = ""
    for number, box in enumerate(picture.boxes):
        if box.section != section:
            if section:
                lines.append("  end")
            section = box.section
            if section:
                lines.append(f'  subgraph {section}["{section}"]')
        lines.append(f'    n{number}["{_label(box)}"]')
    if section:
        lines.append("  end")
    wrong = [n for n, arrow in enumerate(picture.arrows) if arrow.wrong]
    for arrow in picture.arrows:
        line = "-.->" if arrow.argument else "-->"
        text = f"|{_text(shape_text(arrow.shape))}|" if arrow.wrong else ""
        lines.append(f"  n{arrow.source} {line}{text} n{arrow.target}")
    failing = [f"n{n}" for n, box in enumerate(picture.boxes) if box.wrong]
    if failing:
        lines.append(
            f"  classDef wrong fill:{LIGHT['wrongfill']},stroke:{LIGHT['wrong']},stroke-width:2px"
        )
        lines.append(f"  class {','.join(failing)} wrong")
    if wrong:
        lines.append(
            f"  linkStyle {','.join(map(str, wrong))} stroke:{LIGHT['wrong']},stroke-width:2px"
        )
    return "\n".join(lines) + "\n"


def _label(box: Box) -> str:
    return "<br/>".join(map(_text, (box.name, box.op, shape_text(box.shape))))


def _text(text: str) -> str:
    """Only letters, digits and what mermaid gives no meaning stay as they are."""
    return "".join(c if c.isalnum() or c in " _×.-" else f"#{ord(c)};" for c in printable(text))
