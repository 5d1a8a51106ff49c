"""What one line of a Python program makes or computes several times: an edit of the line changes all of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from msgspec.structs import replace

from tracer.network.records import Node
from tracer.ops.merge import Merge
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate
from tracer.repairing.candidates.run_time_sizes import model_of
from tracer.repairing.writing import Path
from tracer.source.edits import Edit, Value

SIZES = ("output_size", "size")
"""Arguments that name a node, another one for each layer."""


def for_whole_lines(bench: Bench, candidate: Candidate) -> Candidate | None:
    """A change for all that its lines make; None where it is that already, and where one line would need two values.

    >>> for_whole_lines(bench, Candidate("output_padding of ups.1", [...], Kind.SOLVED)).edits
    [Edit(("layers", "ups_0", "output_padding"), 1), Edit(("layers", "ups_1", "output_padding"), 1)]
    """
    found: dict[Path, Edit] = {edit.path: edit for edit in candidate.edits}
    for edit in candidate.edits:
        for other in _of_its_line(bench, edit):
            if other is None or found.setdefault(other.path, other) != other:
                return None
    if len(found) == len(candidate.edits):
        return None
    return candidate._replace(edits=list(found.values()))


def _of_its_line(bench: Bench, edit: Edit) -> Iterator[Edit | None]:
    """The same edit of each other node that its line makes or computes; None for one that cannot have it."""
    if len(edit.path) < 2:
        return
    name, field = map(str, edit.path[-2:])
    node = bench.network.names.get(name)
    if node is None:
        return

    for other in _beside(bench, node, field):
        value = _value(bench, edit, node, other)
        path: Path = (other.section, other.name, field)
        is_missing = value is None and not edit.removes
        yield None if is_missing else replace(edit, path=path, value=value)


def _beside(
    bench: Bench,
    node: Node,
    field: str,
) -> list[Node]:
    """The other nodes that the line of a node's argument makes or computes."""
    line = _line(node, field)
    if line is None:
        return []
    alike = [one for one in bench.network.nodes if one.op_name == node.op_name]
    return [one for one in alike if one is not node and _line(one, field) == line]


def _value(
    bench: Bench,
    edit: Edit,
    node: Node,
    other: Node,
) -> Value:
    """What another node of the line gets: the same value, or the name of the node that it has to meet itself."""
    if edit.path[-1] in SIZES and isinstance(edit.value, str):
        model = model_of(bench, other)
        return None if model is None else bench.name_for(model, other)
    if edit.path[-1] == "decoder":
        place = bench.written_names(node).index(str(edit.value))
        names = bench.written_names(other)
        return names[place] if place < len(names) else None
    return edit.value


def _line(node: Node, field: str) -> Hashable:
    """The line that an edit of an argument would change; None where none is known."""
    place = node.place
    if place is None:
        return None
    if isinstance(node.op, Merge) or not place.is_layer:
        return place.line
    if field in SIZES:
        return place.line if place.is_direct else None
    return None if place.made is None else (place.made, place.constructor)
