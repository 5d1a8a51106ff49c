"""How often each rule was found: lines of text, or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from tracer.diagnostics import Diagnostic
from tracer.rules.manual import manual
from tracer.views.found import to_json


class CodeCount(msgspec.Struct):
    """How often a rule was found."""

    code: str
    title: str
    severity: str
    count: int


def counted(found: Iterable[Diagnostic]) -> list[CodeCount]:
    """The rules that were found, the most frequent first."""
    numbers = Counter((one.code, one.severity) for one in found)
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    titles = manual()
    return [
        CodeCount(code, titles[code].title, severity, count)
        for (code, severity), count in ordered
    ]


def as_text(found: Iterable[Diagnostic]) -> str:
    """A line for each: the number, the code, the rule's title.

    >>> as_text([Diagnostic("T301", "sizes differ", None)] * 12)
    '12  T301  merge inputs differ\\n'
    """
    counts = counted(found)
    width = max((len(str(one.count)) for one in counts), default=0)
    return "".join(f"{one.count:{width}}  {one.code}  {one.title}\n" for one in counts)


def as_json(found: Iterable[Diagnostic]) -> str:
    """A list with a record for each."""
    return to_json(counted(found))
