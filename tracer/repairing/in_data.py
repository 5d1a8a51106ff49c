"""A repair in the terms of a file of data that a network was read from, which says fewer things than a config."""

from __future__ import annotations

from tracer.net import Net, ReadFrom
from tracer.repairing.candidate import Candidate
from tracer.repairing.in_python import InPython


def in_data(candidate: Candidate, program: ReadFrom, after: Net) -> InPython | None:
    """What a change does, for the file; None where any value of a config has a place there."""
    key = program.size_key
    if key is None:
        return None

    node = next(node for node in after.network.nodes if node.is_input)
    symbols = {dim for dim in node.pattern[2:] if isinstance(dim, str)}
    if not all(
        edit.path[0] == "sizes" and edit.path[-1] in symbols for edit in candidate.edits
    ):
        return InPython(candidate.title, [], [], {}, f"nothing that {program.source} can say")

    shape = after.trace().by_index[node.index] or ()
    place = program.data.get(node.name)
    line = None if place is None else place.line
    words = f"{key}: {list(shape[2:])}"
    at = "" if line is None else f"{line.path}:{line.span.line}: "
    return InPython(words, [at + words], [], {}, "")
