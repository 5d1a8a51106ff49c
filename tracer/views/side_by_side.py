"""Two networks side by side as one HTML file: what changed is marked in both pictures, and listed below them.

The file has no script and loads nothing. Colours come with an edge of their own each, for who does not tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

from tracer.comparing.comparison import Comparison, Given
from tracer.comparing.matching import NodeChange
from tracer.diagnostics import Diagnostic, legible, printable, shortened
from tracer.drawing.layout import layout
from tracer.drawing.picture import picture
from tracer.views.comparison import headline
from tracer.views.document import html_document
from tracer.views.notebook import difference_rows
from tracer.views.svg import drawn, style

OWN = ("operation", "arguments.", "inputs", "section")
"""What a node's own line decides; its shape and its costs may follow from other nodes."""

ROWS = 500
"""Differences that are listed."""

CELL = 200
"""Characters of one of them."""

MARKS = {
    "removed": "only in the old one",
    "added": "only in the new one",
    "changed": "changed",
    "renamed": "renamed",
    "follows": "another shape or cost, which follows",
}
"""What is marked, the most important first."""

SHEET = """
:root { color-scheme: light dark; --ground: #fff; --panel: #f6f8fa; --text: #1b2430; --muted: #5a6675; --edge: #d4dbe3;
  --removed: #c62828; --added: #1b6e33; --changed: #8a5a00; --renamed: #6a3fb5; --follows: #2f6fb5; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181d; --panel: #1c2229; --text: #e6ebf1; --muted: #9aa7b5;
  --edge: #343d47; --removed: #ff8a80; --added: #7bd694; --changed: #ffcc66; --renamed: #c3a6ff; --follows: #78aee8; } }
body { margin: 0; padding: 14px 18px; background: var(--ground); color: var(--text);
  font: 14px/1.45 system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 18px; margin: 0 0 8px; }
.both { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 14px; margin: 12px 0; }
figure { margin: 0; border: 1px solid var(--edge); border-radius: 8px; padding: 8px; min-width: 0; }
figcaption { font-weight: 600; overflow-wrap: anywhere; margin-bottom: 6px; }
figure svg { display: block; width: 100%; height: auto; max-height: 82vh; font-size: 12px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0; margin: 0; list-style: none; font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: left; color: var(--muted); border-bottom: 1px solid var(--edge); padding: 3px 10px 3px 0; }
td { padding: 2px 10px 2px 0; vertical-align: top; overflow-wrap: anywhere; }
h2 { font-size: 14px; margin: 14px 0 4px; }
pre { background: var(--panel); border: 1px solid var(--edge); border-radius: 8px; padding: 10px; white-space: pre-wrap;
  overflow-wrap: anywhere; font: 12px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
"""

EDGES = {
    "removed": "stroke-width: 3; stroke-dasharray: 7 4",
    "added": "stroke-width: 4",
    "changed": "stroke-width: 3; stroke-dasharray: 2 3",
    "renamed": "stroke-width: 2; stroke-dasharray: 12 3 2 3",
    "follows": "stroke-width: 2",
}
"""The line around a box of each kind."""


class Marked(NamedTuple):
    """One of the two, and the kind of what changed by its nodes' names."""

    given: Given
    kinds: Mapping[str, str]


def side_by_side(found: Comparison, old: Given, new: Given) -> str:
    """The page of a comparison; of a config that does not load, what is wrong with it stands in its picture's place."""
    sides = {
        "old": Marked(old, _kinds(found, is_old=True)),
        "new": Marked(new, _kinds(found, is_old=False)),
    }
    figures: list[str] = []
    rules: list[str] = []
    for word, side in sides.items():
        rules += _rules(word, side)
        figures.append(_figure(word, side))

    sheet = SHEET + style("svg") + "\n".join(rules) + "\n" + "\n".join(_legend_rules())
    title = f"{found.a.name or found.a.path} → {found.b.name or found.b.path}"
    legend = "".join(f'<li class="{kind}">{escape(text)}</li>' for kind, text in MARKS.items())
    return html_document(
        title,
        sheet,
        f"<h1>{escape(printable(title))}</h1>\n<p>{escape(legible(headline(found)))}</p>\n"
        f'<ul class="legend" aria-label="What the edges say">{legend}</ul>\n'
        f'<div class="both">\n{"".join(figures)}</div>\n{_listed(found)}',
    )


def _listed(found: Comparison) -> str:
    """The table of what differs, and the findings that came and went."""
    rows = list(difference_rows(found))
    lines = [[escape(shortened(printable(cell), CELL)) for cell in row] for row in rows[:ROWS]]
    body = "".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>\n" for line in lines
    )
    if len(rows) > ROWS:
        body += f'<tr><td colspan="4">and {len(rows) - ROWS} more</td></tr>\n'

    head = "".join(
        f'<th scope="col">{word}</th>' for word in ("what", "old", "new", "difference")
    )
    told = {"Found in the new one": found.found, "Gone with the old one": found.gone}
    findings = "".join(
        f"<h2>{title}</h2>\n<pre>{escape(_lines(some))}</pre>\n"
        for title, some in told.items()
        if some
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>\n{findings}"


def _kinds(found: Comparison, *, is_old: bool) -> dict[str, str]:
    """What changed, by the names of one network's nodes."""
    kinds: dict[str, str] = {}
    for change in found.changed:
        kinds[change.old_name if is_old else change.name] = _kind(change)
    for change in found.renamed:
        kind = _kind(change)
        name = change.old_name if is_old else change.name
        kinds[name] = kind if kind == "changed" else "renamed"
    for state in found.removed if is_old else found.added:
        kinds[state.name] = "removed" if is_old else "added"
    return kinds


def _kind(change: NodeChange) -> str:
    is_own = any(one.what.startswith(OWN) for one in change.differences)
    return "changed" if is_own else "follows"


def _figure(word: str, side: Marked) -> str:
    caption = f"{word}: {printable(side.given.path)}"
    return f'<figure class="{word}"><figcaption>{escape(caption)}</figcaption>{_shown(side)}</figure>\n'


def _shown(side: Marked) -> str:
    """The picture, folded; what is wrong where there is none."""
    net = side.given.net
    if net is None:
        return f"<pre>{escape(_lines(side.given.findings))}</pre>"

    one = picture(net.trace(), side.given.findings, 1)
    placed = layout(one)
    label = f"{len(side.kinds)} nodes are marked"
    return (
        f'<svg viewBox="0 0 {placed.width} {placed.height}" width="{placed.width}" height="{placed.height}" role="img" '
        f'aria-label="{label}">{drawn(one, placed)}</svg>'
    )


def _lines(found: Sequence[Diagnostic]) -> str:
    return "\n".join(f"{d.severity} {d.code} {legible(d.message)}" for d in found)


def _rules(word: str, side: Marked) -> Iterator[str]:
    """The edge of every box in which something changed: of several kinds the most important one's."""
    net = side.given.net
    if net is None:
        return
    trace = net.trace()
    order = list(MARKS)
    nodes = trace.network.nodes
    for number, box in enumerate(picture(trace, side.given.findings, 1).boxes):
        kinds = [side.kinds[nodes[i].name] for i in box.nodes if nodes[i].name in side.kinds]
        if kinds:
            kind = min(kinds, key=order.index)
            yield f'.{word} [data-box="{number}"] rect {{ stroke: var(--{kind}); {EDGES[kind]} }}'


def _legend_rules() -> Iterator[str]:
    for kind in MARKS:
        yield f".legend .{kind} {{ color: var(--{kind}); border-bottom: 3px solid var(--{kind}); }}"
