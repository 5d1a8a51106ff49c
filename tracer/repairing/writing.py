"""A plan as edits of the config's text.

Each value is written in place of its ``auto``, as far out as it comes from. Nothing is trusted: an edited text is
loaded again, and has to be the network that was planned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from yaml.nodes import SequenceNode

from tracer.diagnostics import TracerError, legible
from tracer.loading import reloaded
from tracer.net import Net
from tracer.network.records import Declaration, Network, Node
from tracer.ops.base import Op, written
from tracer.planning.unknowns import ValuePlace, place_of
from tracer.shapes.traced import Ops
from tracer.source.edits import Edit, EditError, edited, shared_places

Path = tuple[str | int, ...]


class Written(NamedTuple):
    """An edited text, and what has to be known of it."""

    text: str
    edits: list[Edit]
    notes: list[str]
    """Edits that change more than one node."""


def path_of(node: Node, place: Declaration) -> Path:
    """The place of a declaration in the document: the node's own, or that of a block use around it."""
    chain = [*node.uses, node.declaration]
    position = next(i for i, declaration in enumerate(chain) if declaration is place)
    if position == 0:
        return (node.section, place.name)
    block = chain[position - 1].op.value
    if "${" in block:
        raise EditError(f"{node.name} stands in a block whose name is an expression")
    return ("blocks", block, "layers", place.name)


def written_plan(net: Net, ops: Ops) -> Written:
    """The config's text with every ``auto`` replaced by its value.

    Raises :class:`EditError` where a value cannot be written in place, or the text would be read otherwise.
    """
    network = net.network
    edits, notes = plan_edits(network, ops)
    text = edited(network.source, edits)
    try:
        again = reloaded(net, text)
    except TracerError as error:
        raise EditError(
            f"the edited text could not be read: {legible(error.diagnostics[0].message)}"
        ) from None
    _refuse_other_network(again, network, ops)
    return Written(text, edits, notes)


def plan_edits(network: Network, ops: Ops) -> tuple[list[Edit], list[str]]:
    """The edits that replace every ``auto`` by its value, and what is told of texts that are shared.

    Raises :class:`EditError` where a value cannot be written in place. The edited text is not read.
    """
    wanted: dict[Path, Any] = {}
    users: dict[Path, list[str]] = {}
    lists: dict[Path, Any] = {}
    for node in network.nodes:
        for field in dict.fromkeys(unknown.field for unknown in node.unknowns):
            place = place_of(network, node, field)
            value = getattr(ops[node.index], field)
            for path, part in _parts(node, place, field, value):
                if not place.shared or wanted.get(path, part) != part:
                    raise EditError(
                        f"{node.name}.{field} is {written(value)}, and the text of its auto also stands for another "
                        "value; write the auto where each node or block use can have its own"
                    )
                wanted[path] = part
                if isinstance(path[-1], int):
                    lists[path[:-1]] = value
                users.setdefault(path, []).append(node.name)
    edits, notes = _of_shared_texts(network.source, wanted, users)
    return _with_whole_lists(network.source, edits, lists), notes


def _parts(
    node: Node,
    place: ValuePlace,
    field: str,
    value: Any,
) -> list[tuple[Path, Any]]:
    """The places that a value is written to: the argument, or the items of its list that are ``auto``."""
    path = (*path_of(node, place.declaration), place.argument)
    at = place.declaration.arguments.get(place.argument)
    if at is not None and isinstance(at[1], SequenceNode):
        return [
            ((*path, u.axis), value[u.axis])
            for u in node.unknowns
            if u.field == field and u.axis is not None
        ]
    if isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return [(path, value)]


def _of_shared_texts(
    source: str, wanted: Mapping[Path, Any], users: Mapping[Path, list[str]]
) -> tuple[list[Edit], list[str]]:
    """One edit for a text that several places share and that all want alike; each its own where they differ."""
    edits: dict[Path, Edit] = {}
    notes = []
    done: set[Path] = set()
    for path, value in wanted.items():
        if path in done:
            continue
        others = [other for other in _sharing(source, path) if other in wanted]
        places = [path, *others]
        done.update(places)

        wants_alike = all(wanted[other] == value for other in others)
        if others and wants_alike:
            names = [name for place in places for name in users[place]]
            notes.append(
                f"one text stands for {', '.join(names)}: its value changes all of them"
            )
            edits[path] = Edit(path, value)
            continue

        edits |= {place: Edit(place, wanted[place]) for place in places}
        if len(users[path]) > 1:
            notes.append(f"{'.'.join(map(str, path))} is shared by {', '.join(users[path])}")
    return list(edits.values()), notes


def _with_whole_lists(source: str, edits: list[Edit], lists: Mapping[Path, Any]) -> list[Edit]:
    """The edits, with a list written whole where its items stand elsewhere: behind an alias or a merge key."""

    def is_elsewhere(edit: Edit) -> bool:
        try:
            edited(source, [edit])
        except EditError:
            return True
        return False

    whole = dict.fromkeys(
        e.path[:-1] for e in edits if e.path[:-1] in lists and is_elsewhere(e)
    )
    return [
        *(e for e in edits if e.path[:-1] not in whole),
        *(Edit(path, lists[path]) for path in whole),
    ]


def _sharing(source: str, path: Path) -> list[Path]:
    """The places that share the text at a path; none where nothing is written there yet."""
    try:
        return shared_places(source, path)
    except EditError:
        return []


def _refuse_other_network(again: Net, network: Network, ops: Ops) -> None:
    """The text, read again, has to be the network that was planned."""
    planned: dict[str, Op | None] = {node.name: op for node, op in zip(network.nodes, ops)}
    read = {node.name: node.op for node in again.network.nodes}
    if again.network.nodes and any(node.unknowns for node in again.network.nodes):
        raise EditError("an auto would be left in the edited text")
    for name, op in planned.items():
        if name not in read or not _same(read[name], op):
            raise EditError(f"the edited text would be read as another network: {name} differs")


def _same(a: Op | None, b: Op | None) -> bool:
    """Two operations are the same, an int being one value for every axis."""
    if a is None or b is None or type(a) is not type(b):
        return a is b
    for field in a.__struct_fields__:
        x, y = getattr(a, field), getattr(b, field)
        if x != y and not (_spread(x, y) or _spread(y, x)):
            return False
    return True


def _spread(number: Any, values: Any) -> bool:
    return (
        isinstance(values, tuple) and not isinstance(number, tuple) and set(values) == {number}
    )
