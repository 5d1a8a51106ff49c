"""The rules, a file per range of codes, and the one path from a config to everything wrong with it."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import NamedTuple

from tracer.diagnostics import Diagnostic, TracerError
from tracer.net import Net
from tracer.network.reading import ignored_codes
from tracer.network.records import is_set
from tracer.rules import lone_merges, shifted  # noqa: F401, importing them registers their rules
from tracer.rules.design import design_rules


class Judged(NamedTuple):
    """A network with its findings, or the errors that kept it from being loaded."""

    net: Net | None
    found: list[Diagnostic]


def judged(load: Callable[[], Net]) -> Judged:
    """The network that ``load`` gives and its findings; where it raises TracerError, that error's findings."""
    try:
        net = load()
    except TracerError as error:
        return Judged(None, error.diagnostics)
    return Judged(net, judge(net))


def judge(net: Net) -> list[Diagnostic]:
    """Every finding about a loaded network, ordered by place, ignored warnings left out."""
    network = net.network
    trace = net.trace()
    found = [*network.diagnostics, *_shapes(net)]

    for find in design_rules:
        found.extend(find(trace))

    if network.ignored:
        found = [d for d in found if not is_ignored(d, network.ignored)]
    program = net.read_from
    if program is not None:
        found = _of_program([*net.told(found), *program.warnings])
    return sorted(found, key=lambda d: d.order)


def _of_program(found: list[Diagnostic]) -> list[Diagnostic]:
    """The findings at lines of a program, without those that a comment there silences."""
    return [d for d in found if not is_ignored(d, ignored_at(d))]


def ignored_at(diagnostic: Diagnostic) -> dict[int, frozenset[str]]:
    """The codes that a comment silences on the line of a program where a finding stands."""
    if diagnostic.span is None:
        return {}
    number = diagnostic.span.line
    codes = ignored_codes(linecache.getline(diagnostic.path, number))
    return {number: codes[1]} if codes else {}


def _shapes(net: Net) -> list[Diagnostic]:
    """What is wrong at the declared sizes; where nothing is, at the first promised size that fails."""
    network = net.network
    found = net.trace().diagnostics
    if not any(map(is_set, network.sizes.values())):
        return found
    from tracer.rules.every_size import first_fails, not_every_size

    if not found:
        return list(not_every_size(net))
    # Of a network that fails at its first sizes no others are tried. What another file promises is broken by that.
    return first_fails(net) if network.elsewhere is not None else found


def is_ignored(diagnostic: Diagnostic, ignored: dict[int, frozenset[str]]) -> bool:
    """A comment on its line silences it; errors are never silenced."""
    span = diagnostic.span
    return (
        diagnostic.severity == "warning"
        and span is not None
        and diagnostic.code in ignored.get(span.line, ())
    )
