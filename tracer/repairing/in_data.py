"""A repair in the terms of a file of data that a network was read from, which says fewer things than a config."""

from __future__ import annotations

from tracer.net import Net, ReadFrom
from tracer.network.records import Node
from tracer.repairing.candidate import Candidate
from tracer.repairing.in_python import InPython
from tracer.repairing.python_words import line_of_place


def in_data(candidate: Candidate, program: ReadFrom, after: Net) -> InPython | None:
    """What a change does, for the file; None where any value of a config has a place there."""
    key = program.size_key
    if key is None:
        return None

    node = next(node for node in after.network.nodes if node.is_input)
    if not _is_of_sizes(candidate, node):
        return InPython(candidate.title, [], [], {}, f"nothing that {program.source} can say")

    shape = after.trace().by_index[node.index] or ()
    words = f"{key}: {list(shape[2:])}"
    at = line_of_place(program.data.get(node.name))
    return InPython(words, [f"{at}: {words}"], [], {}, "")


def _is_of_sizes(candidate: Candidate, node: Node) -> bool:
    """Whether a change gives the spatial sizes of an input other values, and does nothing else."""
    paths = [("sizes", dim) for dim in node.pattern[2:]]
    return all(tuple(edit.path) in paths for edit in candidate.edits)
