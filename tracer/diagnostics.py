"""Findings about a config: a code, a sentence, the place, the node, and what can be done.

Everything that finds a fault makes a :class:`Diagnostic`; nothing here prints, formats or exits.
Lines and columns are 1-based; the end of a span is exclusive.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "warning"]


LONGEST = 400
"""Characters of a message or hint as it is printed: it may quote a config."""


def shortened(text: str, most: int = LONGEST) -> str:
    """The text, or its beginning and end where it has more than ``most`` characters."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 5]} ... {text[-end:]}"


def printable(text: str) -> str:
    """One line, control characters made visible, so that a config cannot drive the terminal."""
    return (
        text
        if text.isprintable()
        else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    )


def legible(text: str) -> str:
    """A message or hint as it is printed: one line that fits a report, whatever it quotes of a config.

    >>> legible("no layer is called '\\x1b[31mred'")
    "no layer is called '\\\\x1b[31mred'"
    """
    return shortened(printable(text))


def words_of(error: BaseException) -> str:
    """The first line of what an exception says; empty where it says nothing, or fails to.

    >>> words_of(ValueError("no such size\\nat all"))
    'no such size'
    """
    try:
        lines = str(error).splitlines()
    except (Exception, SystemExit):
        return ""
    return printable(lines[0]) if lines else ""


class Span(msgspec.Struct, frozen=True, order=True):
    """A stretch of source text: 1-based line and column, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


class Related(msgspec.Struct, frozen=True):
    """The other end of a problem: a second place and what it has to do with it."""

    message: str
    span: Span
    path: str | None = None
    """The file; None: that of the finding."""
    node: str | None = None
    """The name of the node that stands there."""

    def beside(self, path: str, own: str) -> Related:
        """The same beside a finding in a file; ``own`` is the file that it stands in where it names none."""
        if self.path is not None or own == path:
            return self
        return msgspec.structs.replace(self, path=own)


class Diagnostic(msgspec.Struct, frozen=True):
    """One fault: a fixed code, one sentence, the place, and what can be done.

    Message and hint may quote a config at any length; who prints them makes them :func:`legible`.
    """

    code: str
    message: str
    span: Span | None = None
    severity: Severity = "error"
    path: str = "<string>"
    hint: str | None = None
    related: tuple[Related, ...] = ()
    node: str | None = None
    """The name of the node that it is about, as in the trace."""
    module: str | None = None
    """The dotted path of the module that the node is or belongs to; None where it was not read from one."""
    notes: tuple[str, ...] = ()
    """What is known besides, a sentence each."""

    @property
    def order(self) -> tuple[str, int, int, str]:
        """The order of reports: path, line, column, code."""
        span = self.span
        return (self.path, span.line if span else 0, span.column if span else 0, self.code)

    def __str__(self) -> str:
        place = f"{self.path}:{self.span.line}:{self.span.column}" if self.span else self.path
        return f"{place}: {self.severity}[{self.code}] {legible(self.message)}"


class TracerError(Exception):
    """Raised when a config cannot be loaded; ``diagnostics`` holds every fault found."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        self.diagnostics = sorted(diagnostics, key=lambda d: d.order)
        super().__init__("\n".join(str(d) for d in self.diagnostics))
