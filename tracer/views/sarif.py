"""Diagnostics as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    hint = f" (hint: {legible(d.hint)})" if d.hint else ""
    result: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": index,
        "level": d.severity,
        "message": {"text": legible(d.message) + hint},
        "locations": [_location(d.path, d.span)],
    }
    if d.related:
        result["relatedLocations"] = [
            {**_location(d.path, r.span), "id": i, "message": {"text": r.message}}
            for i, r in enumerate(d.related)
        ]
    return result


def _location(path: str, span: Span | None) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": path.replace("\\", "/")}}
    if span:
        place["region"] = {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        }
    return {"physicalLocation": place}
