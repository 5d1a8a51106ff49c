"""Repairs as edits of the open text: those that ``tracer plan`` lists, made as it writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from lsprotocol import types as lsp

from tracer.diagnostics import Diagnostic, Span
from tracer.editors.analysis import OpenText
from tracer.editors.findings import TOP, shown_findings
from tracer.editors.positions import EditorText
from tracer.repairing.repair import Repair
from tracer.repairing.writing import written_plan
from tracer.source.written import EditError

MOST = 8
"""Repairs that are offered of one finding."""

REPAIRED_WARNINGS = ("T501", "T502", "T503", "T504", "T508")
"""Warnings that a repair may take away."""

MOST_LINES = 20_000
"""Of a text with more lines, a change is one edit."""


def actions(
    opened: OpenText,
    where: lsp.Range,
    uri: str,
) -> list[lsp.CodeAction]:
    """What can be done about the findings in a range, and with the ``auto`` there."""
    text = opened.text
    lines = (where.start.line, where.end.line)
    found: list[lsp.CodeAction] = []
    goes_on = opened.while_waited_for()
    for one in opened.loaded.found:
        shown = text.range_of(one.span or TOP)
        if shown.start.line <= lines[1] and shown.end.line >= lines[0]:
            found += _repairing(
                opened,
                one,
                goes_on,
                uri,
            )
    return [*found, *_solving(opened, lines, uri)]


def _repairing(
    opened: OpenText,
    one: Diagnostic,
    goes_on: Callable[[], bool],
    uri: str,
) -> Iterator[lsp.CodeAction]:
    """The repairs of one finding."""
    repairs: Sequence[Repair] = ()
    if one.severity == "error":
        repairs = opened.repairs_of(None, goes_on)
    elif one.code in REPAIRED_WARNINGS and not _has_errors(opened):
        repairs = opened.repairs_of(one, goes_on)

    shown = shown_findings([one], opened.text, uri)
    for number, repair in enumerate(repairs[:MOST]):
        yield lsp.CodeAction(
            title=_title(repair),
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=shown,
            is_preferred=number == 0 and repair.safe,
            edit=_edit(opened.text, repair.text, uri),
        )


def _has_errors(opened: OpenText) -> bool:
    return any(one.severity == "error" for one in opened.loaded.found)


def _title(repair: Repair) -> str:
    """A repair in words, with the warnings that it brings."""
    brings = f" (brings {', '.join(repair.warnings)})" if repair.warnings else ""
    return f"{repair.title}{brings}"


def _solving(
    opened: OpenText,
    lines: tuple[int, int],
    uri: str,
) -> Iterator[lsp.CodeAction]:
    """Write the solved values of every ``auto``, where one of them stands in these lines."""
    net = opened.net
    if net is None or not any(_stands_in(opened, lines, span) for span in _autos(opened)):
        return
    solution = net.solution()
    if not solution.solved or _has_errors(opened):
        return
    try:
        written = written_plan(net, solution.ops)
    except EditError:
        return
    yield lsp.CodeAction(
        title="write the solved values of every auto",
        kind=lsp.CodeActionKind.RefactorRewrite,
        edit=_edit(opened.text, written.text, uri),
    )


def _autos(opened: OpenText) -> Iterator[Span]:
    """Where each ``auto`` stands."""
    nodes = [] if opened.net is None else opened.net.network.nodes
    for node in nodes:
        for unknown in node.unknowns:
            yield node.span_for(unknown.field)


def _stands_in(
    opened: OpenText,
    lines: tuple[int, int],
    span: Span,
) -> bool:
    shown = opened.text.range_of(span)
    return shown.start.line <= lines[1] and shown.end.line >= lines[0]


# --- edits ------------------------------------------------------------------------------------------------------------


def _edit(
    text: EditorText,
    new: str,
    uri: str,
) -> lsp.WorkspaceEdit:
    return lsp.WorkspaceEdit(changes={uri: list(text_edits(text, new))})


def text_edits(text: EditorText, new: str) -> Iterable[lsp.TextEdit]:
    """The edits that make another text of one: of the lines that differ, what differs in them."""
    before, after = _lines(text.body), _lines(new)
    if len(before) + len(after) > MOST_LINES:
        yield from _trimmed(text, 0, text.body, new)
        return

    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag != "equal":
            old = "".join(before[first:last])
            yield from _trimmed(text, starts[first], old, "".join(after[start:end]))


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _trimmed(
    text: EditorText,
    start: int,
    old: str,
    new: str,
) -> Iterator[lsp.TextEdit]:
    """One edit, without what both texts begin and end with."""
    shorter = min(len(old), len(new))
    first = 0
    while first < shorter and old[first] == new[first]:
        first += 1
    last = 0
    while last < shorter - first and old[-1 - last] == new[-1 - last]:
        last += 1

    end = len(old) - last
    where = text.range(start + first, start + end)
    yield lsp.TextEdit(where, new[first : len(new) - last])
