"""Every rule with its page. ``check`` does without: only those who show pages import this file."""

from __future__ import annotations

from tracer.rules import (  # noqa: F401, importing them registers their codes
    arguments,
    design,
    every_size,
    graph,
    lone_merges,
    plan,
    programs,
    shapes,
    source,
)
from tracer.rules.rule import Rule, rules


def manual() -> dict[str, Rule]:
    """Every code with its title, severity and page, in the codes' order.

    >>> manual()["T301"].title
    'merge inputs differ'
    """
    return dict(sorted(rules.items()))
