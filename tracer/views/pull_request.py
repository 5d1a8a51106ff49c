"""What differs between two networks, as markdown for a comment on a pull request.

Whatever a config says stands in ``<code>``, where nobody is mentioned and nothing is linked, and each character that
markdown or HTML could read is a reference to it, so that no name becomes markup.
"""

from __future__ import annotations

import re

from tracer.comparing.comparison import Comparison
from tracer.diagnostics import printable
from tracer.views.comparison import (
    both,
    finding_text,
    headline,
    node_costs,
    node_rows,
    remarks,
    set_rows,
    signed,
    title,
    value_rows,
)

LONGEST = 50_000
"""Characters of the rows of one list; a comment of GitHub's has at most 65,536."""

_MARKUP = re.compile(
    r"[^\w \-.,=()/×→%+]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=www)\.", re.IGNORECASE
)


def code(text: str) -> str:
    """A text of a config that stays what it is."""
    if not text:
        return ""
    return f"<code>{_MARKUP.sub(lambda m: f'&#{ord(m[0])};', printable(text))}</code>"


def compare_markdown(found: Comparison) -> str:
    """A headline, the sums, what else differs, and the nodes in a list to unfold."""
    path = (
        code(found.b.path)
        if found.a.path == found.b.path
        else f"{code(found.a.path)} → {code(found.b.path)}"
    )
    lines = [f"**tracer** {path}: {headline(found)}", ""]
    if not found.differs:
        return lines[0] + "\n"
    lines += [f"> {code(line)}" for line in remarks(found)] + [""] * bool(remarks(found))
    if found.a.loaded and found.b.loaded:
        rows = [[title(t.what), *both(t.what, t.old, t.new), signed(t)] for t in found.totals]
        lines += _table(("total", "old", "new", "difference"), rows)
    for word, findings in (("new", found.found), ("gone", found.gone)):
        if findings:
            lines += _limited([f"- {word}: {code(finding_text(d))}" for d in findings], "")
    if sets := set_rows(found):
        lines += _table(
            ("axis", "set", "old", "new", "gained", "lost"), [[*map(code, cells)] for cells in sets]
        )
    if values := value_rows(found):
        rows = [[kind, *map(code, cells)] for kind, *cells in values]
        lines += _table(("", "name", "old", "new"), rows)
    costs = node_costs(found)
    nodes = [[mark, code(name), *map(code, cells)] for mark, name, cells in node_rows(found, costs)]
    if nodes:
        many = f"{len(nodes)} node{'s' if len(nodes) != 1 else ''}"
        lines += ["<details>", f"<summary>{many}</summary>", ""]
        lines += _table(("", "node", "change", "shape", *map(title, costs)), nodes)
        lines += ["`+` added, `-` removed, `→` renamed, `~` changed", "", "</details>", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    head = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    texts = ["| " + " | ".join(cells) + " |" for cells in rows]
    return head + _limited(texts, " |" * len(heads))


def _limited(rows: list[str], tail: str) -> list[str]:
    """The rows as far as a comment may be long, how many more there are, and an empty line."""
    length, kept = 0, 0
    for row in rows:
        length += len(row) + 1
        if length > LONGEST:
            break
        kept += 1
    more = [f"{'|' if tail else '-'} ... {len(rows) - kept} more{tail}"] if kept < len(rows) else []
    return [*rows[:kept], *more, ""]
