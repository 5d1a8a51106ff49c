"""A repair in the terms of the Python program that a network was read from: its lines, its calls, its names.

Two networks are compared, the one that was read and the one that a repair of its text gives. What differs is an
argument of a layer's constructor, of its call, of a merge, or the input; each is told at the user's line, and is an
edit of the file where that line is one call with a literal value, in a file below the working directory.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracer.net import Net
from tracer.network.graph import consumers
from tracer.network.records import Node
from tracer.ops.base import Op, Shape
from tracer.ops.merge import Merge
from tracer.repairing.candidates.run_time_sizes import size_argument
from tracer.repairing.fitted_in_python import arms_of, fitted, resizing
from tracer.repairing.joined_skips import joined_skip
from tracer.repairing.padded_inputs import cut_of
from tracer.repairing.passed_in import passed_in
from tracer.repairing.python_files import PythonFiles, is_own
from tracer.repairing.python_words import (
    arguments_in_python,
    line_of_node,
    map_of,
    name_of,
    short,
    value_in_python,
    within,
)
from tracer.repairing.sized_calls import (
    edit_of_size,
    edits_of_function,
    sized_node,
    takes_size_at_call,
)
from tracer.source.python_calls import (
    Argument,
    PythonFile,
    SourceEdit,
    with_edits,
)
from tracer.source.python_places import Constructor, Line, is_installed, package_of

READ_AT_CALLS = ("output_padding", "stride", "ceil_mode")
"""Arguments that torch's layers keep as attributes and read at each call."""


class InPython(NamedTuple):
    """A repair of a Python program."""

    title: str
    steps: list[str]
    """What is to be done, a sentence each."""
    source_edits: list[SourceEdit]
    """All of it as edits of files; empty where a part of it can only be told."""
    texts: dict[str, str]
    """The texts of the files with the edits made."""
    elsewhere: str
    """The installed package that it would edit; empty for the user's own files."""


class ToldStep(NamedTuple):
    """A part of a repair."""

    words: str
    edits: tuple[SourceEdit, ...] = ()
    """All of it as edits; empty where it can only be told."""


class Changed(NamedTuple):
    """A node that a repair changes."""

    node: Node
    values: Mapping[str, Any]
    """The arguments that differ, by name, as they are then."""
    operands: Mapping[str, Node]
    """The nodes that give an argument at run time then, and did not before."""

    @property
    def is_fitted(self) -> bool:
        """Whether it is a merge that makes its inputs fit."""
        return isinstance(self.node.op, Merge) and "align" in self.values


def in_python(before: Net, after: Net, files: PythonFiles) -> InPython:
    """What a repair does, for the program that ``before`` was read from; ``after`` is the repaired network."""
    telling = _Telling(before, after, files)
    steps = [
        *telling.constructors(),
        *telling.calls(),
        *telling.merges(),
        *telling.joined(),
        *telling.inputs(),
    ]

    edits = list(dict.fromkeys(edit for step in steps for edit in step.edits))
    is_whole = all(step.edits for step in steps) and all(is_own(edit.path) for edit in edits)
    if not is_whole:
        edits = []
    words = [step.words for step in steps]
    return InPython(telling.title(), words, edits, _texts(edits, files), telling.elsewhere())


def _texts(edits: Sequence[SourceEdit], files: PythonFiles) -> dict[str, str]:
    """The texts of the edited files."""
    found = {}
    for path in dict.fromkeys(edit.path for edit in edits):
        file = files.called(path)
        assert file is not None
        found[path] = with_edits(file.text, [edit for edit in edits if edit.path == path])
    return found


class _Telling:
    """The steps of one repair."""

    def __init__(
        self,
        before: Net,
        after: Net,
        files: PythonFiles,
    ) -> None:
        self.before = before
        self.after = after
        self.files = files
        self.readers = consumers(after.network)

        changed = list(_changes(before, after))
        self.fitted = [one for one in changed if one.is_fitted]
        self.built = [one for one in changed if one.values and not one.is_fitted]
        self.sized = [one for one in changed if one.operands]

    def title(self) -> str:
        """What differs, in a few words."""
        titles = list(_built_in_words(self.built))
        if self.sized:
            fields = dict.fromkeys(field for one in self.sized for field in one.operands)
            what = f"{' and '.join(fields)} of {_names(self.sized)}"
            titles.append(f"{what}, taken from {self._model()} at run time")
        if self.fitted:
            titles.append(self._fitted_in_words())
        for reader, skip in self._new_joins():
            titles.append(f"{name_of(reader)} takes {map_of(skip)} too")
        return "; ".join([*titles, *self._fed()])

    def _fitted_in_words(self) -> str:
        """How maps are made to fit, and the lines where they meet."""
        modes = dict.fromkeys(one.values["align"] for one in self.fitted)
        lines = dict.fromkeys(line_of_node(one.node) or one.node.shown for one in self.fitted)
        return f"{' and '.join(modes)} at {', '.join(lines)}"

    def elsewhere(self) -> str:
        """The installed package whose lines it would change; empty for lines of the user's own."""
        places = [one.node.place for one in (*self.built, *self.sized, *self.fitted)]
        lines = [place.edited for place in places if place is not None]
        installed = [
            line.path for line in lines if line is not None and is_installed(line.path)
        ]
        return f"an edit of the installed {package_of(installed[0])}" if installed else ""

    def _model(self) -> str:
        """The map whose size is taken, in words."""
        is_unpooled = any("indices" in one.node.operands for one in self.sized)
        return "the map that is pooled" if is_unpooled else "the skip"

    # --- arguments of constructors -----------------------------------------------------------------------------------

    def constructors(self) -> Iterator[ToldStep]:
        """Arguments of the lines that make layers, each line once."""
        groups: dict[tuple[Line, Constructor], list[Changed]] = {}
        for one in self.built:
            place = one.node.place
            if place is not None and place.made is not None and place.constructor is not None:
                groups.setdefault((place.made, place.constructor), []).append(one)

        for (made, constructor), changes in groups.items():
            yield self._of_constructor(made, constructor, changes)
        yield from self._of_functions()

    def _of_functions(self) -> Iterator[ToldStep]:
        """Arguments of what is no layer, each at the line that computes it."""
        groups: dict[tuple[Line | None, str], list[Changed]] = {}
        for one in self.built:
            place = one.node.place
            if place is None or place.made is None or place.constructor is None:
                line = None if place is None else place.line
                groups.setdefault((line, one.node.op_name), []).append(one)

        for (line, op_name), changes in groups.items():
            told = ", ".join(dict.fromkeys(map(_where_it_runs, changes)))
            yield ToldStep(told, self._edits_of_function(line, op_name, changes))

    def _edits_of_function(
        self,
        line: Line | None,
        op_name: str,
        changes: Sequence[Changed],
    ) -> tuple[SourceEdit, ...]:
        """The edits of the call that computes some nodes, where it computes no others and all need the same."""
        file = self.files.at(line)
        is_all = len(self._computed_at(line, op_name)) == len(changes)
        given = {arguments_in_python(one.values) for one in changes}
        if file is None or line is None or not is_all or len(given) > 1:
            return ()
        return edits_of_function(file, line, op_name, changes[0].values)

    def _computed_at(self, line: Line | None, op_name: str) -> list[Node]:
        """The nodes of an operation that a line computes."""
        nodes = [node for node in self.before.network.nodes if node.op_name == op_name]
        return [node for node in nodes if node.place is not None and node.place.line == line]

    def _of_constructor(
        self, made: Line, constructor: Constructor, changes: Sequence[Changed]
    ) -> ToldStep:
        at = f"{made.path}:{made.span.line}: "
        file = self.files.at(made)
        call = None if file is None else file.call_at(made.span, constructor.name)
        if file is None or call is None:
            return ToldStep(f"{at}{_by_layer(changes)}, made by `{short(made.text)}`")

        quoted = short(file.words_of(call))
        nodes = self._made_by(made, constructor)
        given = arguments_in_python(changes[0].values)
        is_one_for_all = all(arguments_in_python(one.values) == given for one in changes)
        is_known = all(set(one.values) <= set(constructor.parameters) for one in changes)
        if not is_known:
            return ToldStep(f"{at}{_by_layer(changes)}, made by `{quoted}`")
        if not is_one_for_all or len(nodes) > len(changes):
            return self._for_each(at, quoted, file, call, nodes, changes)

        edits = _edits_of(file, call, changes[0].values, constructor.parameters)
        return ToldStep(f"{at}{given} in `{quoted}`", edits)

    def _for_each(
        self,
        at: str,
        quoted: str,
        file: PythonFile,
        call: ast.Call,
        nodes: Sequence[Node],
        changes: Sequence[Changed],
    ) -> ToldStep:
        """Values that layers of one call need each for itself: a parameter of the function around it, if that does."""
        values = {self.before.network.names[one.node.name].index: one.values for one in changes}
        passed = passed_in(file, call, nodes, values, self.files)
        if passed is not None:
            return ToldStep(f"{at}{passed.words}", passed.edits)

        others = [node.shown for node in nodes if node.index not in values]
        left = f", {' and '.join(dict.fromkeys(others))} as now" if others else ""
        why = "one call makes them all, and one value does not serve them"
        told = (
            f"{at}{_by_layer(changes)}{left}, made by `{quoted}`: {why}{_set_behind(changes)}"
        )
        return ToldStep(told)

    def _made_by(self, made: Line, constructor: Constructor) -> list[Node]:
        """The layers that a line makes."""
        return [
            node
            for node in self.before.network.nodes
            if node.place is not None
            and (node.place.made, node.place.constructor) == (made, constructor)
        ]

    # --- arguments of calls ------------------------------------------------------------------------------------------

    def calls(self) -> Iterator[ToldStep]:
        """Sizes that are given to a layer where it is called, each call once."""
        groups: dict[Line, list[Changed]] = {}
        for one in self.sized:
            place = one.node.place
            is_called = place is not None and takes_size_at_call(one.node)
            if place is None or place.line is None or not is_called:
                yield ToldStep(_at(one.node) + _sizes_given([one]) + _way_of(one.node))
                continue
            groups.setdefault(place.line, []).append(one)

        for line, changes in groups.items():
            yield self._of_call(line, changes)

    def _of_call(self, line: Line, changes: Sequence[Changed]) -> ToldStep:
        at = f"{line.path}:{line.span.line}: "
        file = self.files.at(line)
        call = None if file is None else _call_of(file, line, changes[0].node)
        if file is None or call is None:
            return ToldStep(f"{at}{_sizes_given(changes)}{within(line.text)}")

        sized = [
            sized_node(one.node, list(one.operands.items()), self.readers) for one in changes
        ]
        edit = edit_of_size(file, call, sized)
        if edit is None or self._is_called_otherwise(line, changes):
            quoted = short(file.words_of(call))
            return ToldStep(f"{at}{_sizes_given(changes)} in `{quoted}`")
        return ToldStep(f"{at}`{short(file.words_after(call, edit))}`", (edit,))

    def _is_called_otherwise(self, line: Line, changes: Sequence[Changed]) -> bool:
        """Whether a layer that is called there stays as it is."""
        changed = {one.node.index for one in changes}
        return any(
            node.place is not None
            and node.place.is_direct
            and node.place.line == line
            and node.index not in changed
            for node in self.before.network.nodes
        )

    # --- merges ------------------------------------------------------------------------------------------------------

    def merges(self) -> Iterator[ToldStep]:
        """What torch has no argument for: the maps are made to fit before they meet."""
        shapes = self.after.trace().by_index
        found = []
        for one in self.fitted:
            line = None if one.node.place is None else one.node.place.line
            file = self.files.at(line)
            arms = arms_of(one.node, file, shapes)
            if isinstance(one.node.op, Merge):
                own = one.node.op.own
                arms = [arms[own], *arms[:own], *arms[own + 1 :]]

            mode = one.values["align"]
            edits = resizing(one.node, arms, file) if mode == "resize" else ()
            found.append(ToldStep(_at(one.node) + fitted(mode, arms), edits))
        return iter(dict.fromkeys(found))

    def _new_joins(self) -> Iterator[tuple[Node, Node]]:
        """The layers that get a skip beside their input, each with the skip."""
        for node in self.after.network.nodes:
            is_new = node.name not in self.before.network.names
            readers = self.readers.get(node.index, [])
            if is_new and len(readers) == 1 and len(node.inputs) == 2:
                given, skip = node.inputs
                reads = self.before.network.names[readers[0].name].inputs
                if [one.name for one in reads] == [given.name]:
                    yield readers[0], skip

    def joined(self) -> Iterator[ToldStep]:
        """Skips that are joined to what a layer is called with."""
        for reader, skip in self._new_joins():
            found = joined_skip(reader, skip, self.before.network.nodes, self.files)
            yield ToldStep(found.words, found.edits)

    # --- the input ---------------------------------------------------------------------------------------------------

    def inputs(self) -> Iterator[ToldStep]:
        """Other sizes of the inputs: fed, or padded to."""
        for node, old, new in self._other_inputs():
            name = self._called(node)
            if not _only_grows(old, new):
                yield ToldStep(f"feed {list(new)} as {name}, not {list(old)}")
                continue

            pads: tuple[int, ...] = ()
            for have, want in zip(old[:1:-1], new[:1:-1]):
                pads += (0, want - have)
            cut = cut_of(self.after, node, old)
            behind = f", and cut its output y: `y[..., {cut}]`" if cut else ""
            yield ToldStep(f"feed it `F.pad({name}, {pads})`{behind}")

    def _called(self, node: Node) -> str:
        """The name that an input has in the forward."""
        program = self.before.read_from
        inputs = [one.name for one in self.before.network.nodes if one.is_input]
        number = inputs.index(node.name)
        if program is not None and number < len(program.parameters):
            return program.parameters[number]
        return "x" if node.name == "input" else node.name

    def _fed(self) -> Iterator[str]:
        """The title of each input's change."""
        others = list(self._other_inputs())
        for node, old, new in others:
            what = "the input" if len(others) == 1 else self._called(node)
            size = " x ".join(map(str, new[2:] if old[:2] == new[:2] else new))
            yield f"pad {what} to {size}" if _only_grows(old, new) else f"feed {size}"

    def _other_inputs(self) -> Iterator[tuple[Node, Shape, Shape]]:
        """The inputs whose shapes differ, with both."""
        before, after = self.before.trace(), self.after.trace()
        for node in self.before.network.nodes:
            old, new = before.by_index[node.index], after.by_index[node.index]
            if node.is_input and old is not None and new is not None and old != new:
                yield node, old, new


def _only_grows(old: Shape, new: Shape) -> bool:
    """Whether a shape differs in spatial dims only, and nowhere is smaller."""
    is_alike = old[:2] == new[:2] and len(old) == len(new)
    return is_alike and all(a <= b for a, b in zip(old, new))


def _changes(before: Net, after: Net) -> Iterator[Changed]:
    """The nodes whose operations differ, with what differs."""
    old = {visit.node.name: visit for visit in before.trace().walk()}
    for visit in after.trace().walk():
        was = old.get(visit.node.name)
        if was is None:
            continue

        known = was.node.operands
        operands = {
            field: node for field, node in visit.node.operands.items() if field not in known
        }
        others = _other_values(was.op, visit.op)
        values = _without(others, operands)
        if values or operands:
            yield Changed(visit.node, values, operands)


def _without(values: Mapping[str, Any], operands: Mapping[str, Node]) -> dict[str, Any]:
    """The arguments that no node gives; a size that one gives stands in the place of a factor."""
    left = {*operands, "scale_factor"} if "size" in operands else {*operands}
    return {field: value for field, value in values.items() if field not in left}


def _other_values(old: Op | None, new: Op | None) -> dict[str, Any]:
    """The arguments of an operation that differ from those of another one."""
    if old is None or new is None or type(old) is not type(new):
        return {}
    found = {}
    for field, name in zip(new.__struct_fields__, new.__struct_encode_fields__):
        value = getattr(new, field)
        # What is a formula over the input's size follows it by itself.
        if name in type(new).dim_fields:
            continue
        if value_in_python(getattr(old, field)) != value_in_python(value):
            found[field] = value
    return found


def _edits_of(
    file: PythonFile, call: ast.Call, values: Mapping[str, Any], parameters: Sequence[str]
) -> tuple[SourceEdit, ...]:
    """The edits that give a constructor its arguments; empty where one of them is no edit."""
    found = []
    for field, value in values.items():
        argument = Argument(field, value_in_python(value))
        found.append(file.with_argument(call, argument, parameters))
    edits = tuple(edit for edit in found if edit is not None)
    return edits if len(edits) == len(found) else ()


def _call_of(file: PythonFile, line: Line, node: Node) -> ast.Call | None:
    """The call of a layer on a line."""
    found = file.expression_at(line.span)
    if isinstance(found, ast.Call):
        return found
    return file.call_at(line.span, node.shown.rpartition(".")[2])


def _by_layer(changes: Sequence[Changed]) -> str:
    """The arguments, each with the layers that take it."""
    layers: dict[str, list[str]] = {}
    for one in changes:
        layers.setdefault(arguments_in_python(one.values), []).append(one.node.shown)
    return ", ".join(f"{given} for {' and '.join(names)}" for given, names in layers.items())


def _set_behind(changes: Sequence[Changed]) -> str:
    """The statements that give layers their values when they are made, for arguments that each call of them reads."""
    statements = []
    for one in changes:
        path = None if one.node.place is None else one.node.place.name
        if path is None or not set(one.values) <= set(READ_AT_CALLS):
            return ""
        words = path.split(".")
        parts = [f"[{word}]" if word.isdigit() else f".{word}" for word in words]
        for field, value in one.values.items():
            statements.append(f"`self{''.join(parts)}.{field} = {value_in_python(value)}`")
    return f"; behind it, write {', '.join(statements)}"


def _sizes_given(changes: Sequence[Changed]) -> str:
    """The layers that take the spatial size of a map, and the maps."""
    fields = dict.fromkeys(field for one in changes for field in one.operands)
    maps = [
        f"{map_of(source)} for {name_of(one.node)}"
        for one in changes
        for source in one.operands.values()
    ]
    return f"{' and '.join(fields)}: the spatial size of {', of '.join(maps)}"


def _way_of(node: Node) -> str:
    """How a size is given where no line of the user's calls a layer itself."""
    field = size_argument(node.op)
    if node.place is not None and not node.place.is_layer:
        return f"; the function takes no {field}, but output_padding for one size"
    return f"; the part around it passes no {field} on: call its layers one after the other, this one with the size"


def _built_in_words(changes: Sequence[Changed]) -> Iterator[str]:
    """The arguments that differ, with the layers that take them."""
    alike: dict[tuple[str, ...], list[Changed]] = {}
    for one in changes:
        alike.setdefault(tuple(one.values), []).append(one)
    for fields, some in alike.items():
        yield f"{' and '.join(fields)} of {_names(some)}"


def _names(changes: Sequence[Changed]) -> str:
    return ", ".join(dict.fromkeys(name_of(one.node) for one in changes))


def _at(node: Node) -> str:
    """The line that computes a node, before what is said of it."""
    line = line_of_node(node)
    return f"{line}: " if line else ""


def _where_it_runs(one: Changed) -> str:
    """The arguments of a node that is no layer, at its line."""
    line = None if one.node.place is None else one.node.place.line
    given = arguments_in_python(one.values)
    if line is None:
        return f"{given} of {one.node.shown}"
    return f"{_at(one.node)}{given}{within(line.text)}"
