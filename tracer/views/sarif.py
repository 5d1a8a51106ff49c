"""Diagnostics as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tracer import __version__
from tracer.diagnostics import Diagnostic, Span, legible
from tracer.rules.manual import manual


def sarif(found: Sequence[Diagnostic]) -> dict[str, Any]:
    """One run with its rules and results (OASIS SARIF 2.1.0)."""
    codes = sorted({d.code for d in found})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "tracer",
                        "version": __version__,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(d, codes.index(d.code)) for d in found],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    rule = manual().get(code)
    if rule is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.page.split("\n\n")[0]},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(d: Diagnostic, index: int) -> dict[str, Any]:
    notes = "".join(f"; {legible(note)}" for note in d.notes)
    hint = f" (hint: {legible(d.hint)})" if d.hint else ""
    result: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": index,
        "level": d.severity,
        "message": {"text": legible(d.message) + notes + hint},
    }
    if is_made_up(d.path):
        return result
    result["locations"] = [_location(d.path, d.span)]
    if d.related:
        result["relatedLocations"] = [
            {**_location(r.path or d.path, r.span), "id": i, "message": {"text": r.message}}
            for i, r in enumerate(d.related)
        ]
    return result


def _location(path: str, span: Span | None) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": uri(path)}}
    if span:
        place["region"] = {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        }
    return {"physicalLocation": place}


def is_made_up(path: str) -> bool:
    """True for what is no file: standard input, or a text that a program made.

    >>> is_made_up("<stdin>"), is_made_up("net.yaml")
    (True, False)
    """
    return path.startswith("<") and path.endswith(">")


def uri(path: str) -> str:
    """A path as a reference that may have letters, digits and little else (RFC 3986).

    >>> uri("dir with space/ü #1.yaml"), uri("/home/me/net.yaml")
    ('dir%20with%20space/%C3%BC%20%231.yaml', 'file:///home/me/net.yaml')
    """
    path = path.replace(os.sep, "/")
    drive = len(path) > 2 and path[1:3] == ":/" and path[0].isalpha()
    if drive:
        return f"file:///{path[:2]}{quote(path[2:])}"
    return f"file://{quote(path)}" if path.startswith("/") else quote(path)
