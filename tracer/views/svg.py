"""A placed picture as SVG. Colours follow the reader's light or dark scheme.

Text from a config is escaped everywhere; nothing of it becomes markup. The file needs nothing else: no
script, no font, no image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from tracer.diagnostics import legible, printable, shortened
from tracer.drawing.layout import layout
from tracer.drawing.picture import Arrow, Box, Picture
from tracer.drawing.placed import CHARACTER, Layout, Rectangle, Route

LIGHT = {
    "ground": "#ffffff",
    "text": "#1b2430",
    "muted": "#5a6675",
    "line": "#8793a1",
    "skip": "#2f6fb5",
    "input": "#eef1f4",
    "level": "#e8eef7",
    "down": "#d7e6fb",
    "up": "#d9f0dd",
    "merge": "#fdeccf",
    "edge": "#9fadbd",
    "wrong": "#c62828",
    "wrongfill": "#fde3e1",
}
DARK = {
    "ground": "#14181d",
    "text": "#e6ebf1",
    "muted": "#9aa7b5",
    "line": "#76828f",
    "skip": "#78aee8",
    "input": "#232a32",
    "level": "#1f2a3a",
    "down": "#1d3350",
    "up": "#1d3a28",
    "merge": "#43341a",
    "edge": "#54616f",
    "wrong": "#ff8a80",
    "wrongfill": "#4a2020",
}

RADIUS = 7
"""Of the corners of arrows, in pixels."""

FONT = "system-ui, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', sans-serif"

LINE = 18
"""The height of a line of the notes under a picture."""


def svg(picture: Picture, said: Sequence[str] = ()) -> str:
    """The picture as an SVG file, with what is said of it and what is wrong written under it."""
    placed = layout(picture)
    notes = [("said", line) for line in said]
    notes += [("note", line) for line in problem_lines(picture)]
    height = placed.height + (len(notes) + 1) * LINE * bool(notes)
    widths = [CHARACTER * len(line) + 32 for _, line in notes]
    width = max([placed.width, *widths])
    body = drawn(picture, placed)
    lines = "".join(
        f'<text class="{kind}" x="16" y="{placed.height + LINE * number}">{escaped(line)}</text>'
        for number, (kind, line) in enumerate(notes, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="{FONT}" font-size="12" role="img" aria-labelledby="title">\n'
        f'<title id="title">{escaped(picture.title)}</title>\n<style>\n{style()}</style>\n'
        f'<rect class="ground" width="{width}" height="{height}"/>\n{body}{lines}</svg>\n'
    )


def problem_lines(picture: Picture) -> Iterator[str]:
    """The line of each error, as it stands under a picture."""
    for box in picture.boxes:
        for problem in box.problems:
            if problem.severity == "error":
                yield f"{problem.code} {shortened(legible(problem.message), 160)}"


def style(root: str = "", dark: str | None = None) -> str:
    """The style sheet of the drawing's elements, under a selector; ``dark`` is one that asks for the dark scheme."""
    by_scheme = f"@media (prefers-color-scheme: dark) {{\n{_rules(DARK, root)}}}\n"
    return _rules(LIGHT, root) + by_scheme + (_rules(DARK, dark) if dark else "")


def _rules(c: dict[str, str], root: str) -> str:
    rules = {
        ".ground": f"fill: {c['ground']}",
        ".box rect": f"fill: {c['level']}; stroke: {c['edge']}",
        **{
            f".box.{kind} rect": f"fill: {c[kind]}" for kind in ("input", "down", "up", "merge")
        },
        ".box.wrong rect": f"fill: {c['wrongfill']}; stroke: {c['wrong']}; stroke-width: 2",
        ".box text": f"fill: {c['text']}; text-anchor: middle",
        ".box .op": f"fill: {c['muted']}",
        ".box .name": "font-weight: 600",
        ".arrow": f"fill: none; stroke: {c['line']}; stroke-width: 1.3",
        ".arrow.skip": f"stroke: {c['skip']}",
        ".arrow.size": "stroke-dasharray: 4 3",
        ".arrow.wrong": f"stroke: {c['wrong']}; stroke-width: 2.2",
        ".head": f"fill: {c['line']}; stroke: none",
        ".head.skip": f"fill: {c['skip']}",
        ".head.wrong": f"fill: {c['wrong']}",
        ".arm": f"fill: {c['wrong']}; font-weight: 600; paint-order: stroke; stroke: {c['ground']}; stroke-width: 3px",
        ".note": f"fill: {c['wrong']}",
        ".said": f"fill: {c['muted']}",
    }
    return "".join(
        f"{root} {selector} {{ {rule} }}\n".lstrip() for selector, rule in rules.items()
    )


def drawn(picture: Picture, placed: Layout, *, titled: bool = True) -> str:
    """The arrows and boxes, without the file around them; each carries its number, for a page to find it.

    ``titled``: with what a pointer that rests is told.
    """
    arrows = [
        _arrow(n, picture, arrow, route)
        for n, (arrow, route) in enumerate(zip(picture.arrows, placed.routes))
    ]
    arrows.sort(
        key=lambda one: " wrong" in one.split(">", 1)[0]
    )  # those at fault above the others
    boxes = [
        _box(n, box, place, _box_title(box) if titled else "")
        for n, (box, place) in enumerate(zip(picture.boxes, placed.places))
    ]
    return "".join(("<g>\n", *arrows, "</g>\n<g>\n", *boxes, "</g>\n"))


def _box_title(box: Box) -> str:
    said = [f"{box.name}: {box.op} {shape_text(box.shape)}"]
    said += [f"{d.code} {legible(d.message)}" for d in box.problems]
    lines = "\n".join(map(printable, said))
    return f"<title>{escaped(lines)}</title>"


def _box(number: int, box: Box, place: Rectangle, title: str) -> str:
    x, y, width, height = place
    middle = x + width // 2
    classes = f"box {box.kind}{' wrong' if box.wrong else ''}{' output' if box.output else ''}"
    first = y + height // 2 - 11
    return (
        f'<g class="{classes}" data-box="{number}">{title}'
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>'
        f'<text class="name" x="{middle}" y="{first}">{_fitted(box.name, width)}</text>'
        f'<text class="op" x="{middle}" y="{first + 14}">{_fitted(box.op, width)}</text>'
        f'<text class="shape" x="{middle}" y="{first + 28}">{_fitted(shape_text(box.shape), width)}</text></g>\n'
    )


def _arrow(number: int, picture: Picture, arrow: Arrow, route: Route) -> str:
    boxes = picture.boxes
    skips = boxes[arrow.target].kind == "merge" and arrow.target - arrow.source > 1
    kind = ("wrong" if arrow.wrong else "skip" if skips else "") + (
        " size" if arrow.argument else ""
    )
    said = f"{boxes[arrow.source].name} to {boxes[arrow.target].name}" + (
        f" ({arrow.argument})" if arrow.argument else ""
    )
    arm = ""
    if arrow.wrong:
        x, y, anchor = _beside_end(route)
        arm = f'<text class="arm" x="{x}" y="{y}" text-anchor="{anchor}">{escaped(shape_text(arrow.shape))}</text>'
    return (
        f'<g data-arrow="{number}"><title>{escaped(said)}</title><path class="arrow {kind}" d="{path(route)}"/>'
        f'<path class="head {kind}" d="{head(route)}"/>{arm}</g>\n'
    )


def path(route: Route) -> str:
    """The line with its corners rounded."""
    (x, y), *rest = route
    parts = [f"M{x} {y}"]
    for k, (cx, cy) in enumerate(rest):
        if k == len(rest) - 1:
            parts.append(f"L{cx} {cy}")
            break
        nx, ny = rest[k + 1]
        before = abs(cx - x) + abs(cy - y)
        behind = abs(nx - cx) + abs(ny - cy)
        r = min(RADIUS, before // 2, behind // 2)

        start = _towards(cx, cy, x, y, r)
        end = _towards(cx, cy, nx, ny, r)
        parts.append(f"L{start}Q{cx} {cy} {end}")
        x, y = cx, cy
    return "".join(parts)


def _towards(x: int, y: int, to_x: int, to_y: int, r: int) -> str:
    """The point r further on a level or upright line."""
    return f"{x + r * _sign(to_x - x)} {y + r * _sign(to_y - y)}"


def _sign(n: int) -> int:
    return (n > 0) - (n < 0)


def head(route: Route) -> str:
    """The arrow's tip."""
    (x0, y0), (x, y) = route[-2:]
    dx, dy = _sign(x - x0), _sign(y - y0)
    if dx and dy:
        dx = 0
    return f"M{x} {y}L{x - 7 * dx - 4 * dy} {y - 7 * dy - 4 * dx}L{x - 7 * dx + 4 * dy} {y - 7 * dy + 4 * dx}Z"


def _beside_end(route: Route) -> tuple[int, int, str]:
    """The place of the size that an arrow brings, and its anchor: along the last stretch."""
    (x0, y0), (x, y) = route[-2:]
    if y0 == y:
        return x + 9 * _sign(x0 - x), y - 6, "end" if x0 < x else "start"
    return x + 8, y + 14 * _sign(y0 - y), "start"


def shape_text(shape: Sequence[int] | None) -> str:
    """A shape without its batch: 64 × 568 × 568."""
    if shape is None:
        return "?"
    return " × ".join(map(str, shape[1:] if len(shape) > 1 else shape)) or "scalar"


def _fitted(name: str, width: int) -> str:
    """A text that is cut where it would leave its box."""
    room = max((width - 8) // CHARACTER, 3)
    whole = printable(name)
    return escaped(whole if len(whole) <= room else whole[: room - 1] + "…")


def escaped(raw: str) -> str:
    """A text as SVG has it: nothing in it is markup."""
    return escape("".join(c if c == "\n" or c.isprintable() else "�" for c in raw))
