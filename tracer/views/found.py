"""Diagnostics as JSON: the answer of ``tracer check``, and a part of others."""

from __future__ import annotations

from typing import Any

import msgspec

from tracer.diagnostics import Diagnostic, Span, legible

FORMAT_VERSION = "1.0"


class Position(msgspec.Struct, frozen=True):
    """1-based."""

    line: int
    column: int


class Range(msgspec.Struct, frozen=True):
    """A stretch of source text, its end exclusive."""

    start: Position
    end: Position


class RelatedPlace(msgspec.Struct, frozen=True):
    """The other end of a problem."""

    path: str
    message: str
    range: Range


class DiagnosticAnswer(msgspec.Struct, frozen=True):
    """One diagnostic. ``range`` is null where a fault has no place, such as a missing file."""

    path: str
    code: str
    severity: str
    message: str
    hint: str | None
    range: Range | None
    related: list[RelatedPlace]
    node: str | None
    """The name of the node that it is about, as in the trace; null where it is about none."""
    module: str | None
    """The dotted path of the module of a Python source that it is about; null where it is about none."""
    notes: list[str]
    """What is known besides, a sentence each: the sizes that run, what was tried."""


class CheckAnswer(msgspec.Struct, frozen=True):
    """The answer of ``tracer check``."""

    format_version: str
    valid: bool
    error_count: int
    warning_count: int
    diagnostics: list[DiagnosticAnswer]


def range_of(span: Span) -> Range:
    """A span as it is answered."""
    return Range(Position(span.line, span.column), Position(span.end_line, span.end_column))


def diagnostic_answer(d: Diagnostic) -> DiagnosticAnswer:
    """The JSON of a diagnostic, its texts legible."""
    related = [RelatedPlace(r.path or d.path, r.message, range_of(r.span)) for r in d.related]
    return DiagnosticAnswer(
        path=d.path,
        code=d.code,
        severity=d.severity,
        message=legible(d.message),
        hint=None if d.hint is None else legible(d.hint),
        range=None if d.span is None else range_of(d.span),
        related=related,
        node=d.node,
        module=d.module,
        notes=[legible(note) for note in d.notes],
    )


def check_answer(found: list[Diagnostic]) -> CheckAnswer:
    """The JSON answer for the diagnostics of any number of files."""
    errors = sum(d.severity == "error" for d in found)
    return CheckAnswer(
        FORMAT_VERSION,
        errors == 0,
        errors,
        len(found) - errors,
        [diagnostic_answer(d) for d in found],
    )


def to_json(answer: Any) -> str:
    """Indented JSON with a fixed order of keys."""
    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode() + "\n"


def to_line(answer: Any) -> str:
    """The same on one line, for JSON Lines.

    >>> to_line({"a": [1, 2]})
    '{"a":[1,2]}\\n'
    """
    return msgspec.json.encode(answer).decode() + "\n"


def in_json(answer: Any, format_: str) -> str:
    """An answer in ``json`` or ``jsonl``."""
    return to_line(answer) if format_ == "jsonl" else to_json(answer)
