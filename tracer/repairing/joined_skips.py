"""A skip that a layer was made for and does not get, in Python: ``torch.cat`` around what the layer is called with."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracer.network.records import Node
from tracer.repairing.python_files import PythonFiles
from tracer.repairing.python_words import line_of_node, map_of, name_of, short
from tracer.source.python_calls import Code, PythonFile, SourceEdit
from tracer.source.python_places import Line


class JoinedSkip(NamedTuple):
    """A map that is joined to a layer's input."""

    words: str
    edits: tuple[SourceEdit, ...]


def joined_skip(
    reader: Node,
    skip: Node,
    nodes: Sequence[Node],
    files: PythonFiles,
) -> JoinedSkip:
    """How a layer gets a skip beside its input; ``nodes`` are all of the network that was read."""
    at = line_of_node(reader)
    told = JoinedSkip(f"{at}: join {map_of(skip)} to what {name_of(reader)} takes", ())
    line = None if reader.place is None else reader.place.line
    file = files.at(line)
    if line is None or file is None or not _is_called_alone(reader, nodes):
        return told

    call = file.expression_at(line.span)
    torch = file.module_called("torch")
    if not isinstance(call, ast.Call) or torch is None or not _takes_one(call):
        return told
    name = _name_of_map(file, call, skip, nodes)
    if name is None:
        return told

    given = call.args[0]
    text = f"{torch}.cat([{file.words_of(given)}, {name}], dim=1)"
    edit = file.replaced(given, text)
    return JoinedSkip(f"{at}: `{short(file.words_after(call, edit))}`", (edit,))


def _takes_one(call: ast.Call) -> bool:
    is_alone = len(call.args) == 1 and not call.keywords
    return is_alone and not isinstance(call.args[0], ast.Starred)


def _is_called_alone(reader: Node, nodes: Sequence[Node]) -> bool:
    """Whether a line calls a layer itself, once, and no other."""
    place = reader.place
    if place is None or not place.is_direct:
        return False
    there = [node for node in nodes if place.line in _lines(node)]
    return [node.name for node in there] == [reader.name]


def _lines(node: Node) -> list[Line]:
    """The lines that compute a node, those that called them included."""
    place = node.place
    if place is None:
        return []
    return [line for line in (place.line, *place.callers) if line is not None]


def _name_of_map(
    file: PythonFile,
    call: ast.Call,
    skip: Node,
    nodes: Sequence[Node],
) -> str | None:
    """A name that a map has at a call; None where it has none."""
    for line in _lines(skip):
        last = [node for node in nodes if line in _lines(node)][-1]
        value = file.expression_at(line.span) if line.path == file.path else None
        if value is None or last.name != skip.name:
            continue
        for name in _names_of(file, value):
            if file.means_the_same(name, value, call):
                return name
    return None


def _names_of(file: PythonFile, value: Code) -> Iterator[str]:
    """The names that are given to the value of an expression."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Assign) and node.value is value:
            yield from (one.id for one in node.targets if isinstance(one, ast.Name))
