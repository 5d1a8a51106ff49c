"""Findings as an editor shows them."""

from __future__ import annotations

from collections.abc import Iterable

from lsprotocol import types as lsp

from tracer.diagnostics import Diagnostic, Related, Span, legible
from tracer.editors.positions import EditorText

SOURCE = "tracer"

TOP = Span(
    1,
    1,
    1,
    2,
)
"""The place of a finding that has none."""


def shown_findings(
    found: Iterable[Diagnostic],
    text: EditorText,
    uri: str,
) -> list[lsp.Diagnostic]:
    """The findings about a text, with their hints and the other ends of their problems."""
    return [
        _shown(
            one,
            text,
            uri,
        )
        for one in found
    ]


def _shown(
    one: Diagnostic,
    text: EditorText,
    uri: str,
) -> lsp.Diagnostic:
    severity = lsp.DiagnosticSeverity.Warning
    if one.severity == "error":
        severity = lsp.DiagnosticSeverity.Error
    tags = [lsp.DiagnosticTag.Unnecessary] if one.code == "T105" else None
    return lsp.Diagnostic(
        range=text.range_of(one.span or TOP),
        message=_message(one),
        severity=severity,
        code=one.code,
        source=SOURCE,
        tags=tags,
        related_information=[
            _related(
                other,
                text,
                uri,
            )
            for other in one.related
        ],
    )


def _message(one: Diagnostic) -> str:
    """The finding's sentence; what can be done stands in a line of its own."""
    lines = [legible(one.message)]
    if one.hint is not None:
        lines.append(f"hint: {legible(one.hint)}")
    return "\n".join(lines)


def _related(
    other: Related,
    text: EditorText,
    uri: str,
) -> lsp.DiagnosticRelatedInformation:
    where = lsp.Location(uri, text.range_of(other.span))
    return lsp.DiagnosticRelatedInformation(where, legible(other.message))
