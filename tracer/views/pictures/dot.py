"""A picture in the dot language, for Graphviz."""

from __future__ import annotations

from tracer.diagnostics import Diagnostic, printable
from tracer.drawing.picture import Box, Picture, picture
from tracer.net import Net
from tracer.views.pictures import PictureFile
from tracer.views.svg import LIGHT, shape_text

ENDINGS = (".gv",)
IS_TEXT = True
STYLES = ("boxes",)
NEEDS = None


def content(
    net: Net, found: list[Diagnostic], depth: int | None, style: str | None
) -> PictureFile:
    """The picture as text."""
    return PictureFile(dot(picture(net.trace(), found, depth)).encode())


def dot(drawn: Picture) -> str:
    """The picture as the text of a digraph, one cluster for each section."""
    lines = [f"digraph {_text(drawn.title)} {{", '  node [shape=box, style="rounded,filled"];']
    sections: dict[str, list[int]] = {}
    for number, box in enumerate(drawn.boxes):
        sections.setdefault(box.section, []).append(number)
    for section, numbers in sections.items():
        if section:
            lines.append(f"  subgraph {_text('cluster_' + section)} {{")
            lines.append(f"    label={_text(section)};")
        lines += [f"    {_box(number, drawn.boxes[number])}" for number in numbers]
        if section:
            lines.append("  }")
    for arrow in drawn.arrows:
        given = []
        if arrow.argument:
            given += ["style=dashed", f"label={_text(arrow.argument)}"]
        if arrow.wrong:
            given += [
                f'color="{LIGHT["wrong"]}"',
                f"headlabel={_text(shape_text(arrow.shape))}",
            ]
        attributes = f" [{', '.join(given)}]" if given else ""
        lines.append(f"  n{arrow.source} -> n{arrow.target}{attributes};")
    return "\n".join(lines) + "\n}\n"


def _box(number: int, box: Box) -> str:
    fill = LIGHT["wrongfill" if box.wrong else box.kind]
    label = "\\n".join(_text(line)[1:-1] for line in (box.name, box.op, shape_text(box.shape)))
    edge = f', color="{LIGHT["wrong"]}"' if box.wrong else ""
    return f'n{number} [label="{label}", fillcolor="{fill}"{edge}];'


def _text(text: str) -> str:
    """A quoted string of dot: only the quote and the backslash have a meaning there."""
    escaped = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
