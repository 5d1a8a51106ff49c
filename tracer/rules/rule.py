"""Floor 8: what a rule is. One rule is one function, and its docstring is its manual page.

The page has a paragraph or more, then a ``Bad:`` and a ``Good:`` config, indented. The tests run both: the bad
one must give the code, the good one must be clean.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from tracer.diagnostics import Diagnostic, Severity
from tracer.trace import Trace

Find = Callable[[Trace], Iterator[Diagnostic]]

rules: dict[str, Rule] = {}
"""Every rule by its code."""


class Rule(NamedTuple):
    """A code with its title, severity and page."""

    code: str
    title: str
    severity: Severity
    find: Any
    found: str
    """When it is found: reading, expanding, tracing, planning, or designing (by ``find`` over a trace)."""

    @property
    def page(self) -> str:
        """The manual page: the function's docstring."""
        return inspect.cleandoc(self.find.__doc__ or "")

    def example(self, which: str) -> str:
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


def rule(code: str, title: str, *, severity: Severity = "error", found: str = "designing") -> Callable[[F], F]:
    """Register a rule. A second one with the same code is refused."""

    def register(find: F) -> F:
        if code in rules:
            raise ValueError(f"the rule {code} is registered twice")
        rules[code] = Rule(code, title, severity, find, found)
        return find

    return register
