"""The rules, a file per range of codes, and the judge that asks them all."""

from __future__ import annotations

from tracer.diagnostics import Diagnostic
from tracer.net import Net
from tracer.network.records import is_set
from tracer.rules.design import design_rules


def judge(net: Net) -> list[Diagnostic]:
    """Everything to say about a loaded network, ordered by place, ignored warnings left out."""
    network = net.network
    trace = net.trace()
    found = [*network.diagnostics, *trace.diagnostics]
    if not trace.diagnostics and any(map(is_set, network.sizes.values())):
        from tracer.rules.every_size import not_every_size

        found.extend(not_every_size(net))
    for find in design_rules:
        found.extend(find(trace))
    if network.ignored:
        found = [d for d in found if not is_ignored(d, network.ignored)]
    return sorted(found, key=lambda d: d.order)


def is_ignored(diagnostic: Diagnostic, ignored: dict[int, frozenset[str]]) -> bool:
    """Whether a comment on its line silences a warning."""
    span = diagnostic.span
    return (
        diagnostic.severity == "warning"
        and span is not None
        and diagnostic.code in ignored.get(span.line, ())
    )
