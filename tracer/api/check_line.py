"""The options of ``tracer check`` that say how findings are reported, and a command line that has no others.

The command makes click's options of these declarations. Where nothing else is asked, the line is read here: importing
click takes as long as checking a small network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class ReportOption(NamedTuple):
    """An option that does not change what is found."""

    words: tuple[str, ...]
    """As it is written; of a flag the word that takes it back as well, where there is one."""
    help: str
    values: tuple[str, ...] = ()
    """What it takes; nothing where it is a flag."""
    default: str | None = None


STRICT = ReportOption(("--strict", "--no-strict"), "Warnings count as findings.")

FORMAT = ReportOption(
    ("--format",),
    "How to report.",
    ("full", "concise", "json", "sarif", "github"),
    "full",
)

EXIT_ZERO = ReportOption(("--exit-zero",), "Exit with 0 even if there are findings.")

COLOR = ReportOption(
    ("--color",), "Colours in the output.", ("auto", "always", "never"), "auto"
)

OPTIONS = {word: one for one in (STRICT, FORMAT, EXIT_ZERO, COLOR) for word in one.words}


class CheckLine(NamedTuple):
    """A command line of configs and of options for the report."""

    configs: list[str]
    format_: str


def line_of(words: Sequence[str]) -> CheckLine | None:
    """What a command line says; None where click has to read it: it has other options, or one that is wrong.

    >>> line_of(["--strict", "net.yaml", "--format=json"])
    CheckLine(configs=['net.yaml'], format_='json')
    >>> line_of(["net.yaml", "--size", "H=64"]), line_of(["net.yaml", "--format", "xml"])
    (None, None)
    """
    configs: list[str] = []
    chosen = {FORMAT: "full"}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            configs.append(word)
            continue

        name, has_value, value = word.partition("=")
        option = OPTIONS.get(name)
        if option is None:
            return None
        if option.values:
            value = value if has_value else next(rest, "")
            chosen[option] = value
        if (has_value or option.values) and value not in option.values:
            return None
    return CheckLine(configs, chosen[FORMAT])
