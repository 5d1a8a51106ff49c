"""Diagnostics as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from textwrap import dedent
from typing import Any
from urllib.parse import quote

from tracer import __version__
from tracer.diagnostics import Diagnostic, Related, Span, legible
from tracer.rules.manual import manual
from tracer.views.manual import explained

ROOT = "%SRCROOT%"
"""The name of the directory that relative paths start from: the one in which the command ran."""

BASE = "The directory in which tracer ran."

CALLABLE = re.compile(r"(?P<place>.+):[^\W\d][\w.]*")
"""A Python source as it is named where no line is known: ``nets.py:UNet``, ``package.nets:UNet``."""


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
                "originalUriBaseIds": {ROOT: {"description": {"text": BASE}}},
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
        "helpUri": _page_uri(explained(rule)),
        "help": {"text": explained(rule), "markdown": _markdown(rule.page)},
        "defaultConfiguration": {"level": rule.severity},
    }


EXAMPLE = re.compile(r"(?:^ {4}.*\n?)+", re.MULTILINE)
"""The lines of a config in a rule's page."""


def _markdown(page: str) -> str:
    """A rule's page with its configs as blocks of code: indented ones behind a line of text are none.

    >>> print(_markdown("Bad:\\n    layers:\\n      a: ReLU\\n\\nGood: none"))
    Bad:
    ```yaml
    layers:
      a: ReLU
    ```
    <BLANKLINE>
    Good: none
    """

    def fenced(found: re.Match[str]) -> str:
        config = dedent(found[0]).rstrip("\n")
        return f"```yaml\n{config}\n```\n"

    return EXAMPLE.sub(fenced, page)


def _result(d: Diagnostic, index: int) -> dict[str, Any]:
    notes = "".join(f"; {legible(note)}" for note in d.notes)
    hint = f" (hint: {legible(d.hint)})" if d.hint else ""
    result: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": index,
        "level": d.severity,
        "message": {"text": legible(d.message) + notes + hint},
    }
    where = _location(d.path, d.span)
    if where is None:
        return result

    result["locations"] = [where]
    related = [_related(d, r) for r in d.related]
    placed = [place for place in related if place is not None]
    if placed:
        result["relatedLocations"] = [{**place, "id": i} for i, place in enumerate(placed)]
    return result


def _related(d: Diagnostic, other: Related) -> dict[str, Any] | None:
    """The other end of a problem; None where it is in no file."""
    place = _location(other.path or d.path, other.span)
    return None if place is None else {**place, "message": {"text": other.message}}


def _location(path: str, span: Span | None) -> dict[str, Any] | None:
    """Where something is; None where that is in no file.

    A callable whose lines are not known is in its file, or has its dotted name where no file is known.
    """
    if is_made_up(path):
        return None
    match = CALLABLE.fullmatch(path) if span is None else None
    if match is not None and match["place"].endswith(".py"):
        path = match["place"]
    elif match is not None and not path.endswith((".yaml", ".yml")):
        return {"logicalLocations": [{"fullyQualifiedName": path}]}

    place: dict[str, Any] = {"artifactLocation": artifact(path)}
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


def artifact(path: str, kind: type[PurePath] = PurePath) -> dict[str, str]:
    """A file by its URI: an absolute one, or one from the directory in which the command ran.

    ``kind`` is the system's: Windows has other separators, and drives.

    >>> artifact("dir with space/ü #1.yaml")
    {'uri': 'dir%20with%20space/%C3%BC%20%231.yaml', 'uriBaseId': '%SRCROOT%'}
    >>> artifact("/home/me/net.yaml")
    {'uri': 'file:///home/me/net.yaml'}
    """
    place = kind(path)
    if place.is_absolute():
        return {"uri": place.as_uri()}
    return {"uri": quote(place.as_posix()), "uriBaseId": ROOT}


def _page_uri(page: str) -> str:
    """A rule's manual page as an address that carries it (RFC 2397), which needs no server."""
    return f"data:text/plain;charset=utf-8,{quote(page)}"
