"""What ``tracer check`` prints, in every format."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.diagnostics import Diagnostic
from tracer.views import report


def reported(
    found: list[Diagnostic], sources: dict[str, str], format_: str, *, colour: bool = False
) -> str:
    """The findings, with the lines of the sources that they quote."""
    if format_ == "json":
        from tracer.views.found import check_answer, to_json

        return to_json(check_answer(found))
    if format_ == "sarif":
        from tracer.views.found import to_json
        from tracer.views.sarif import sarif

        return to_json(sarif(found))
    if format_ == "github":
        return report.github(found)

    paint = report.painted if colour else report.plain
    if format_ == "concise":
        return report.concise(found, paint)
    return report.full(found, sources, paint)


def beside(found: Sequence[Diagnostic], networks: int, format_: str) -> str:
    """The line that a person reads beside the findings; none where a program reads them."""
    if format_ not in ("full", "concise"):
        return ""
    return report.summary(found, networks) + "\n"
