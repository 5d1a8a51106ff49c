"""Diagnostics as text: with the source and carets, one line each, or as GitHub's workflow commands."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

from tracer.diagnostics import Diagnostic, Related, Span, legible, printable

Paint = Callable[[str, str], str]
"""Colours a text: paint("error[T301]", "red")."""


def plain(text: str, colour: str) -> str:
    """No colour."""
    return text


def painted(text: str, colour: str) -> str:
    """Bold, and coloured for a terminal."""
    import click

    return (
        click.style(text, bold=True)
        if colour == "bold"
        else click.style(text, fg=colour, bold=True)
    )


def place(d: Diagnostic) -> str:
    return f"{d.path}:{d.span.line}:{d.span.column}" if d.span else d.path


def concise(found: Sequence[Diagnostic], paint: Paint = plain) -> str:
    """One line each: ``path:line:column: error[T301] message``."""
    return "".join(f"{place(d)}: {_label(d, paint)} {legible(d.message)}\n" for d in found)


def _label(d: Diagnostic, paint: Paint) -> str:
    return paint(f"{d.severity}[{d.code}]", "red" if d.severity == "error" else "yellow")


def full(found: Sequence[Diagnostic], sources: dict[str, str], paint: Paint = plain) -> str:
    """Each with its line of source, carets under the place, the other places and a hint."""
    blocks = []
    for d in found:
        lines = _lines(d.path, sources)
        block = [f"{paint(place(d), 'bold')}: {_label(d, paint)} {legible(d.message)}"]
        if d.span:
            block += _snippet(d.span, lines, paint)
        for related in d.related:
            block.append(f"  {paint('=', 'blue')} {_other_place(d, related, sources)}")
        block += [f"  {legible(note)}" for note in d.notes]
        if d.hint:
            block.append(f"  {paint('hint:', 'cyan')} {legible(d.hint)}")
        blocks.append("\n".join(block) + "\n")
    return "\n".join(blocks)


def _other_place(d: Diagnostic, related: Related, sources: dict[str, str]) -> str:
    """``line 9: up gives [1, 8, 4, 4] here: up: Conv2d``, or ``net.py:9: up is made here: self.up = ...``."""
    path = related.path or d.path
    number = related.span.line
    text = _line(_lines(path, sources), number).strip()
    place = f"line {number}" if related.path is None else f"{path}:{number}"
    return f"{place}: {printable(related.message)}: {_shortened(text)}"


def _lines(path: str, sources: dict[str, str]) -> list[str]:
    """The lines of a source, as the language counts them: a form feed ends none of Python's."""
    text = sources.get(path, "")
    return re.split(r"\r\n|\r|\n", text) if path.endswith(".py") else text.splitlines()


def _line(lines: list[str], number: int) -> str:
    return printable(lines[number - 1].replace("\t", " ")) if 0 < number <= len(lines) else ""


def _shortened(text: str, width: int = 72) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _snippet(span: Span, lines: list[str], paint: Paint) -> list[str]:
    text = _line(lines, span.line)
    if not text:
        return []
    width = 100
    start = span.column - 1
    end = span.end_column if span.end_line == span.line else len(text) + 1
    length = max(end - span.column, 1)
    shift = max(start - width // 2, 0) if len(text) > width else 0
    shown = text[shift : shift + width]
    indent = start - shift
    marked = min(length, len(shown) - indent)
    carets = " " * indent + "^" * max(marked, 1)
    gutter = " " * len(str(span.line))
    bar = paint("|", "blue")
    return [f" {span.line} {bar} {shown}", f" {gutter} {bar} {paint(carets, 'red')}"]


def github(found: Sequence[Diagnostic]) -> str:
    """GitHub's workflow commands, which annotate a pull request."""
    lines = []
    for d in found:
        where = f"file={_property(d.path.replace(os.sep, '/'))}"
        if d.span:
            where += f",line={d.span.line},col={d.span.column},endLine={d.span.end_line}"
            if d.span.end_line == d.span.line:
                where += f",endColumn={d.span.end_column}"
        further = [legible(note) for note in d.notes]
        further += [f"hint: {legible(d.hint)}"] if d.hint else []
        text = "\n".join([legible(d.message), *further])
        lines.append(f"::{d.severity} {where},title={d.code}::{_data(text)}\n")
    return "".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_REPAIRED = ("T3", "T4")
"""The beginnings of codes about shapes that do not fit: a plan may have repairs."""


def can_be_repaired(found: Sequence[Diagnostic]) -> bool:
    """Whether shapes do not fit, for which a plan may have repairs."""
    return any(d.severity == "error" and d.code[:2] in _REPAIRED for d in found)


def summary(found: Sequence[Diagnostic], files: int) -> str:
    """One line at the end: what was checked and found."""
    errors = sum(d.severity == "error" for d in found)
    warnings = len(found) - errors
    checked = f"{files} file{'s' if files != 1 else ''} checked"
    if not found:
        return f"{checked}: no problems found"
    parts = [
        f"{n} {word}{'s' if n != 1 else ''}"
        for n, word in ((errors, "error"), (warnings, "warning"))
        if n
    ]
    said = f"{checked}: {' and '.join(parts)}"
    return f"{said}; `tracer plan` tries repairs" if can_be_repaired(found) else said
