"""What a config says never drives a terminal or fills a page, wherever a diagnostic that quotes it is printed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tracer.diagnostics import LONGEST, Diagnostic, Span, TracerError, legible
from tracer.views.comparison import finding_text
from tracer.views.found import check_answer, to_json
from tracer.views.report import concise, full, github
from tracer.views.sarif import sarif

RED = "\x1b[31m"
HOSTILE = {
    "colours": f"no layer is called '{RED}x'",
    "bells": "no layer is called '\x07\x00\x9b2J'",
    "lines": "no layer is called 'a\nb\r\u2028c'",
    "directions": "no layer is called '\u202eexe.yaml'",
    "long": "no layer is called '" + "x" * 10_000 + "'",
    "long and coloured": "no layer is called '" + RED * 10_000 + "'",
}
PRINTED: dict[str, Callable[[Diagnostic], str]] = {
    "str": str,
    "error": lambda d: str(TracerError([d])),
    "full": lambda d: full([d], {}),
    "concise": lambda d: concise([d]),
    "github": lambda d: github([d]),
    "json": lambda d: to_json(check_answer([d])),
    "sarif": lambda d: json.dumps(sarif([d]), ensure_ascii=False),
    "compare": finding_text,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("view", PRINTED)
def test_a_printed_diagnostic_is_printable_and_short(view: str, name: str) -> None:
    """Control characters are visible, and of a long text the beginning and the end are left."""
    text = HOSTILE[name]
    found = Diagnostic("T102", text, Span(1, 1, 1, 2), hint=text)
    printed = PRINTED[view](found)
    assert printed.replace("\n", "").isprintable()
    assert "no layer is called '" in printed
    assert len(printed) <= len(
        PRINTED[view](Diagnostic("T102", "", Span(1, 1, 1, 2), hint="x"))
    ) + (
        2 * 2 * LONGEST  # message and hint; JSON doubles backslashes
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_the_record_keeps_what_was_found(name: str) -> None:
    """The diagnostic itself is not cut: what prints it makes it legible, once or several times alike."""
    text = HOSTILE[name]
    assert Diagnostic("T102", text).message == text
    once = legible(text)
    assert len(once) <= LONGEST and once.isprintable() and legible(once) == once


def test_what_fits_stays_as_it_is() -> None:
    """A printable text of at most the longest length is printed as it stands."""
    for text in ("", "cat: sizes differ", "x" * LONGEST, "größer × 2 → 4"):
        assert legible(text) == text
    assert legible("x" * (LONGEST + 1)) != "x" * (LONGEST + 1)
