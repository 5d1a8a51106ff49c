"""Values that layers of one line need each for itself, passed in by the lines that call the function around it.

``def up(i, o): return nn.ConvTranspose2d(i, o, 2, 2)`` makes several layers. Where one of them needs another
``output_padding``, the function takes it as a parameter, whose default is what is there now.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracer.network.records import Node
from tracer.repairing.python_files import PythonFiles
from tracer.repairing.python_words import short, value_in_python
from tracer.source.python_calls import (
    Argument,
    FunctionNode,
    PythonFile,
    SourceEdit,
    with_edits,
)
from tracer.source.python_places import Line

Values = Mapping[int, Mapping[str, Any]]
"""The arguments of some layers that differ, by the index of their node."""


class PassedIn(NamedTuple):
    """Parameters that a function gets, and the calls that give them."""

    words: str
    edits: tuple[SourceEdit, ...]


class _Given(NamedTuple):
    """One of the edits."""

    edit: SourceEdit | None
    """None where it cannot be made."""
    words: str = ""
    """The call after it, with its line."""


def passed_in(
    made: PythonFile,
    call: ast.Call,
    nodes: Sequence[Node],
    values: Values,
    files: PythonFiles,
) -> PassedIn | None:
    """The edits that give each layer of a call its own values; None where that takes more than a parameter.

    ``nodes`` are all layers that the call makes. Each call of the function around it has to make layers that need the
    same, and nothing may hide what it is given.
    """
    fields = list(dict.fromkeys(itertools.chain.from_iterable(values.values())))
    function = made.function_around(call)
    name = None if function is None else made.called_as(function)
    if function is None or name is None or _has_names(function, fields):
        return None

    given: list[_Given] = []
    for field in fields:
        given += _inside(made, call, function, nodes[0], field)
        given += _outside(name, nodes, values, field, files)

    edits = _all_edits(given)
    if not edits or not _is_python(edits, files):
        return None
    places = ", ".join(filter(None, (one.words for one in given)))
    return PassedIn(f"{_becoming(fields)} of `{name}`, given at {places}", edits)


def _inside(
    made: PythonFile,
    call: ast.Call,
    function: FunctionNode,
    node: Node,
    field: str,
) -> Iterator[_Given]:
    """The edits of the function: its parameter, and the call that takes it."""
    place = node.place
    parameters = place.constructor.parameters if place and place.constructor else ()
    yield _Given(made.with_argument(call, Argument(field, field), parameters))
    yield _Given(made.with_parameter(function, Argument(field, _present(node, field))))


def _outside(
    name: str,
    nodes: Sequence[Node],
    values: Values,
    field: str,
    files: PythonFiles,
) -> Iterator[_Given]:
    """The edits of the calls that need another value."""
    present = _present(nodes[0], field)
    for line, text in _by_caller(nodes, values, field, present).items():
        if text != present:
            yield _given(line, name, Argument(field, text), files)


def _present(node: Node, field: str) -> str:
    """The value that one line gives all of its layers now."""
    return value_in_python(getattr(node.op, field))


def _all_edits(given: Sequence[_Given]) -> tuple[SourceEdit, ...]:
    """The edits; none where one of them cannot be made."""
    found = tuple(one.edit for one in given if one.edit is not None)
    return found if len(found) == len(given) else ()


def _becoming(fields: Sequence[str]) -> str:
    what = "becomes a parameter" if len(fields) == 1 else "become parameters"
    return f"{' and '.join(fields)} {what}"


def _has_names(function: ast.AST, names: Sequence[str]) -> bool:
    """Whether a function uses one of these names already."""
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    used |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    return not used.isdisjoint(names)


def _by_caller(
    nodes: Sequence[Node],
    values: Values,
    field: str,
    present: str,
) -> dict[Line | None, str]:
    """The value that each call of the function needs; under None where one call would need several."""
    found: dict[Line | None, str] = {}
    for node in nodes:
        line = None if node.place is None else node.place.made_for
        given = values.get(node.index, {})
        text = value_in_python(given[field]) if field in given else present
        if line is None or found.setdefault(line, text) != text:
            return {None: ""}
    return found


def _given(
    line: Line | None,
    name: str,
    argument: Argument,
    files: PythonFiles,
) -> _Given:
    """The edit that gives the call of a function on a line one more argument."""
    file = files.at(line)
    if line is None or file is None:
        return _Given(None)
    call = file.call_at(line.span, name)
    edit = None if call is None else file.with_argument(call, argument, ())
    if call is None or edit is None:
        return _Given(None)
    return _Given(
        edit, f"{line.path}:{line.span.line}: `{short(file.words_after(call, edit))}`"
    )


def _is_python(edits: Sequence[SourceEdit], files: PythonFiles) -> bool:
    """Whether the edited files can be read."""
    try:
        for text in _edited(edits, files):
            ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _edited(edits: Sequence[SourceEdit], files: PythonFiles) -> Iterator[str]:
    for path in {edit.path for edit in edits}:
        file = files.called(path)
        if file is not None:
            yield with_edits(file.text, [edit for edit in edits if edit.path == path])
