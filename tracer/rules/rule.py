"""Rules and pages: every code has a title, a severity and a manual page, registered in one place.

A page has a paragraph or two, then a ``Bad:`` and a ``Good:`` config, indented. The tests run both: the bad one must
give the code and no other error, the good one must be clean even under ``--strict``.

A rule that is judged is one function, and its docstring is its page (:func:`rule`). A fault that is found while the
text is read, expanded, arranged, traced or planned has its page as text (:func:`page`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from tracer.diagnostics import Severity

Step = Literal[
    "reading", "expanding", "arranging", "tracing", "planning", "judging", "importing"
]
"""When a fault is found, from the text upwards. ``judging`` is the rules' own, ``importing`` is of programs.

The examples of a fault of programs are Python files with a module ``Net``, which is read for 1 x 3 x 32 x 32."""

rules: dict[str, Rule] = {}
"""The rules imported so far, by their codes; :mod:`tracer.rules.manual` has them all."""


class Rule(NamedTuple):
    """A code with its title, severity and manual page."""

    code: str
    title: str
    severity: Severity
    found: Step
    page: str
    """Plain text: what the fault is, then a ``Bad`` and a ``Good`` config."""

    def example(self, which: Literal["Bad", "Good"]) -> str:
        """The ``Bad`` or ``Good`` config of the page."""
        lines = self.page.splitlines()
        start = lines.index(f"{which}:") + 1
        block = []
        for line in lines[start:]:
            if line and not line.startswith(" "):
                break
            block.append(line)
        return textwrap.dedent("\n".join(block)).strip() + "\n"


def page(
    code: str, title: str, *, found: Step, severity: Severity = "error", text: str
) -> None:
    """Register a code with its page. A second one with the same code is refused."""
    if code in rules:
        raise ValueError(f"the rule {code} is registered twice")
    first, _, others = text.partition("\n")
    lines = f"{first.strip()}\n{textwrap.dedent(others)}"
    rules[code] = Rule(code, title, severity, found, lines.strip())


F = TypeVar("F", bound=Callable[..., Any])


def rule(code: str, title: str, *, severity: Severity = "error") -> Callable[[F], F]:
    """Register a function that finds a fault in a loaded network; its docstring is the page."""

    def register(function: F) -> F:
        text = (function.__doc__ or "").replace("``", "`")
        page(code, title, found="judging", severity=severity, text=text)
        return function

    return register
