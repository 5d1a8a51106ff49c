"""A comparison of two networks as markdown for a comment on a pull request.

Every text of a config is in ``<code>``, where nobody is mentioned and nothing is linked, and each character that
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
    paths = dict.fromkeys((found.a.path, found.b.path))
    head = f"**tracer** {' → '.join(map(code, paths))}: {headline(found)}"
    if not found.differs:
        return head + "\n"

    notes = [f"> {code(line)}" for line in remarks(found)]
    lines = [head, "", *notes, *([""] if notes else [])]
    lines += [
        *_totals(found),
        *_findings(found),
        *_sets(found),
        *_values(found),
        *_nodes(found),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _totals(found: Comparison) -> list[str]:
    if not (found.a.loaded and found.b.loaded):
        return []
    rows = [[title(t.what), *both(t.what, t.old, t.new), signed(t)] for t in found.totals]
    return _table(("total", "old", "new", "difference"), rows)


def _findings(found: Comparison) -> list[str]:
    lines = []
    for word, findings in (("new", found.found), ("gone", found.gone)):
        if findings:
            lines += _limited([f"- {word}: {code(finding_text(d))}" for d in findings], "")
    return lines


def _sets(found: Comparison) -> list[str]:
    rows = [[*map(code, cells)] for cells in set_rows(found)]
    return _table(("axis", "set", "old", "new", "gained", "lost"), rows) if rows else []


def _values(found: Comparison) -> list[str]:
    rows = [[kind, *map(code, cells)] for kind, *cells in value_rows(found)]
    return _table(("", "name", "old", "new"), rows) if rows else []


def _nodes(found: Comparison) -> list[str]:
    """The nodes that differ, folded until a reader opens them."""
    costs = node_costs(found)
    rows = [
        [mark, code(name), *map(code, cells)] for mark, name, cells in node_rows(found, costs)
    ]
    if not rows:
        return []
    return [
        "<details>",
        f"<summary>{len(rows)} node{'s' if len(rows) != 1 else ''}</summary>",
        "",
        *_table(("", "node", "change", "shape", *map(title, costs)), rows),
        "`+` added, `-` removed, `→` renamed, `~` changed",
        "",
        "</details>",
        "",
    ]


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
    more = (
        [f"{'|' if tail else '-'} ... {len(rows) - kept} more{tail}"]
        if kept < len(rows)
        else []
    )
    return [*rows[:kept], *more, ""]
