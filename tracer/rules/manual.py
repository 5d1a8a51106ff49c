"""Every rule with its page. ``check`` does without: only those who show pages import this file."""

from __future__ import annotations

from tracer.rules import arguments, design, every_size, graph, plan, shapes, source
from tracer.rules.rule import Rule, rules

PAGES = (source, graph, arguments, shapes, every_size, plan, design)
"""The files of the rules, by range of codes."""


def manual() -> dict[str, Rule]:
    """Every rule by its code, in the codes' order."""
    return dict(sorted(rules.items()))
