"""The configs of a front's rows, and the traces of their networks: what a person looks at when a row is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracer.designing.skips import Undesignable
from tracer.diagnostics import TracerError
from tracer.loading import load_text
from tracer.shapes.trace import Trace
from tracer.source.written import EditError
from tracer.sweep.pareto_front import spaced
from tracer.sweep.study import Study

SHOWN = 400
"""Rows of a front that are shown, at most."""

WRITTEN = 600_000
"""Characters of all configs that are written, where there are several."""

TRACED = 24
"""Rows whose network is traced, at most."""

NODES = 5_000
"""Nodes of all networks that are traced, where there are several."""

LARGEST = 20_000
"""Nodes of a network of which there is a trace."""

LONGEST = 100_000
"""Characters of a config that is shown."""


class Design(NamedTuple):
    """What one row of the front is as a network."""

    text: str | None = None
    """The config, with the row's params and sizes; None where none can be written or shown."""
    trace: Trace | None = None
    """None where it was left out."""
    nodes: int = 0
    """Of the network, where it was loaded."""
    missing: str = ""
    """A sentence that says why something is left out."""


def designs(study: Study, places: Sequence[tuple[int, int]]) -> dict[int, Design]:
    """By number, the designs of some rows of a front, whose places are a task and a row in it each."""
    shown = spaced(len(places), SHOWN)
    found: dict[int, Design] = {}
    for number in _chosen(study, places, shown):
        found[number] = _written(study, *places[number])

    written = [number for number, design in found.items() if design.text is not None]
    if written:
        found |= _drawn(study, found, written)
    return found


def _chosen(study: Study, places: Sequence[tuple[int, int]], shown: Sequence[int]) -> list[int]:
    """Of the rows that are shown, as many as the first one's length allows, evenly spaced."""
    if not shown:
        return []
    first = _written(study, *places[shown[0]])
    length = len(first.text or study.source)
    most = max(WRITTEN // max(length, 1), 1)
    return [shown[i] for i in spaced(len(shown), most)]


def _drawn(
    study: Study, found: Mapping[int, Design], written: Sequence[int]
) -> dict[int, Design]:
    """The designs of some rows with their traces: of as many as the first network's nodes allow."""
    first = _traced(study, found[written[0]])
    allowed = NODES // max(first.nodes, 1)
    most = min(max(allowed, 1), TRACED)

    drawn = {written[0]: first}
    left = NODES - first.nodes
    for place in spaced(len(written), most)[1:]:
        if left <= 0:
            break
        number = written[place]
        drawn[number] = _traced(study, found[number])
        left -= drawn[number].nodes
    return drawn


def _traced(study: Study, design: Design) -> Design:
    """The same with its trace."""
    assert design.text is not None
    net = load_text(design.text, study.path, {})
    count = len(net.network.nodes)
    if count > LARGEST:
        missing = f"no picture: the network has {count:,} nodes"
        return design._replace(nodes=count, missing=missing)
    return design._replace(nodes=count, trace=net.trace(), missing="")


def _written(study: Study, task: int, row: int) -> Design:
    try:
        text = study.config(study.task(task), row)
    except EditError as error:
        return Design(missing=f"no config can be written: {error}")
    except (TracerError, ValueError, Undesignable):
        return Design(missing="the family has no such network")
    if len(text) > LONGEST:
        length = f"{len(text):,} characters, more than the {LONGEST:,} that are shown"
        return Design(missing=f"the config has {length}; --find with --write-front writes it")
    return Design(text, missing="no picture: only some rows of the front have one")
