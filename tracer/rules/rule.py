"""What a rule is. One rule is one function, and its docstring is its manual page.

The page has a paragraph or two, then a ``Bad:`` and a ``Good:`` config, indented. The tests run both: the bad
one must give the code and no other error, the good one must be clean even under ``--strict``.

A fault that a lower floor finds while it reads, expands, arranges, traces or plans needs no rule to find it:
its function is decorated with :func:`page` and has a docstring only. A code has either, and one place.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from tracer.diagnostics import Severity

Step = Literal["reading", "expanding", "arranging", "tracing", "planning", "judging"]
"""When a fault is found: the floor that says so, from the text upwards. ``judging`` is the rules' own."""

rules: dict[str, Rule] = {}
"""The rules imported so far, by their codes; :mod:`tracer.rules.manual` has them all."""


class Rule(NamedTuple):
    """A code with its title, severity and page."""

    code: str
    title: str
    severity: Severity
    found: Step
    function: Callable[..., Any]
    """Finds the fault where ``found`` is judging; elsewhere it only carries the page."""

    @property
    def page(self) -> str:
        """The manual page: the function's docstring, as plain text."""
        return inspect.cleandoc(self.function.__doc__ or "").replace("``", "`")

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


F = TypeVar("F", bound=Callable[..., Any])


def rule(
    code: str, title: str, *, severity: Severity = "error", found: Step = "judging"
) -> Callable[[F], F]:
    """Register a function that finds a fault. A second one with the same code is refused."""

    def register(function: F) -> F:
        if code in rules:
            raise ValueError(f"the rule {code} is registered twice")
        rules[code] = Rule(code, title, severity, found, function)
        return function

    return register


def page(code: str, title: str, *, found: Step, severity: Severity = "error") -> Callable[[F], F]:
    """Register the page of a fault that a lower floor finds; the function under it has no body."""
    return rule(code, title, severity=severity, found=found)
