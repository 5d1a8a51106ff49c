"""Edits of a config's text that keep everything else: comments, layout, quotes, anchors, line ends.

An edit names a place by its path and gives it a value; what is written there is replaced, and nothing around it.
Every edited text is composed again and compared with the one before, value by value, before it is handed back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from yaml.nodes import Node, ScalarNode, SequenceNode

from tracer.source.editor import Editor
from tracer.source.places import (
    Path,
    Places,
    bounded,
    composed,
    dotted,
    has_anchors,
    pieces,
    shared_places,
)
from tracer.source.tree import Fault, scalar
from tracer.source.written import EditError, Value, written_value


class Edit(msgspec.Struct, frozen=True):
    """One value for one place."""

    path: Path
    """Keys and list indices from the document's root: ("decoder", "up4", "output_padding"), or one more for an item."""
    value: Value
    before: str | None = None
    """The key of the same mapping that a new one comes before; None: it comes last."""
    after: str | None = None
    """The key that it comes behind."""
    removes: bool = False
    """The key and its value are taken out; the value is None."""


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made; each path is looked up in ``text`` as it is.

    A value that is written at the place itself is replaced, its anchor, tag and comment kept; a list of as many
    items as the new one is replaced item by item, so that its layout stays (of another block list or block mapping
    the comments inside go with it). A key that is not there, or that a merge key brings in, is added to the mapping
    in its style, behind the others or beside the one that the edit names. ``cat: Concat`` becomes ``cat: {op:
    Concat, key: value}``, an alias ``*up`` ``{<<: *up, key: value}``. A mapping that is missing at the top level is
    added behind ``input``.

    Places that share a replaced text change with it: see :func:`shared_places`. Raises :class:`EditError` for two
    edits of one place, a path that is not there or leads through an alias, and wherever anything else would change.
    """
    if not edits:
        return text
    _refuse_overlaps(edits)
    body = text.removeprefix("\ufeff")
    before = _leaves(composed(body))
    editor = Editor(body)
    for edit in edits:
        if edit.removes:
            editor.remove(edit.path)
        else:
            editor.change(edit.path, edit.value, before=edit.before, after=edit.after)
    new = editor.text()
    _compare(before, new, edits)
    return text[: len(text) - len(body)] + new


def _refuse_overlaps(edits: Sequence[Edit]) -> None:
    seen: set[Path] = set()
    for edit in edits:
        if not edit.path:
            raise EditError("the whole document cannot be replaced")
        if edit.path in seen:
            raise EditError(f"two edits change {dotted(edit.path)}")
        seen.add(edit.path)
    for edit in edits:
        for length in range(1, len(edit.path)):
            if edit.path[:length] in seen:
                raise EditError(
                    f"one edit changes {dotted(edit.path[:length])}, another {dotted(edit.path)} in it"
                )


Leaves = dict[Path, Node]
"""The scalars of a document by their paths, aliases and merge keys followed; empty lists and mappings too."""


def _leaves(root: Node) -> Leaves:
    found: Leaves = {}
    pending: list[tuple[Path, Node]] = [((), root)]
    count = 0
    while pending:
        path, node = pending.pop()
        count += 1
        bounded(count, len(path))
        if isinstance(node, ScalarNode) or not node.value:
            found[path] = node
        elif isinstance(node, SequenceNode):
            pending += [((*path, i), item) for i, item in enumerate(node.value)]
        else:
            pending += [((*path, key), value) for key, value in _entries(node, path).items()]
    return found


def _entries(node: Node, path: Path) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise EditError(f"{dotted(path) or 'the document'} has a key that is no text")
        if key.value in found:
            raise EditError(f"{dotted((*path, key.value))} stands twice")
        found[key.value] = value
    return found


def _compare(before: Leaves, new: str, edits: Sequence[Edit]) -> None:
    """Refuse a new text that says anything else than the edits, at their places and at those that share their text."""
    try:
        after = _leaves(composed(new))
    except EditError as error:
        raise EditError(f"the edited text could not be read: {error}") from None

    changed = _changed(new, [edit for edit in edits if not edit.removes])
    removed = [edit.path for edit in edits if edit.removes]
    kept = _kept(before, [*changed, *removed])
    wanted = {}
    for path, value in changed.items():
        for inner, leaf in _flat(value):
            place: Path = (*path, *inner)
            wanted[place] = leaf

    for path in [*after, *kept, *wanted]:
        node = after.get(path)
        right = _says(node, wanted[path]) if path in wanted else _same(node, kept.get(path))
        if not right:
            raise EditError(f"the edited text would say something else at {dotted(path)}")


def _changed(new: str, edits: Sequence[Edit]) -> dict[Path, Value]:
    """The new values by their places, those included that share an edited text."""
    if not has_anchors(new):
        return {edit.path: edit.value for edit in edits}
    places = Places(pieces(new))
    edited_pieces = [places.at(edit.path) for edit in edits]
    return {path: edits[i].value for path, i in places.sharing(edited_pieces)}


def _kept(before: Leaves, changed: Iterable[Path]) -> Leaves:
    """The leaves that have to be as they were."""
    found = dict(before)
    places = set(changed)
    for path in places:
        # An empty mapping, nothing, or an operation's name: now it has keys.
        around = path[:-1]
        stood = found.pop(around, None)
        if isinstance(stood, ScalarNode) and not _says(stood, None):
            renamed: Path = (*around, "op")
            found[renamed] = stood

    def is_inside(path: Path) -> bool:
        return any(path[: length + 1] in places for length in range(len(path)))

    return {path: node for path, node in found.items() if not is_inside(path)}


def _flat(value: Value) -> Iterator[tuple[Path, Value]]:
    parts: Iterable[tuple[str | int, Value]] = ()
    if isinstance(value, tuple):
        parts = enumerate(value)
    elif isinstance(value, dict):
        parts = value.items()

    if not parts or not value:
        yield (), value
    for step, one in parts:
        yield from (((step, *inner), leaf) for inner, leaf in _flat(one))


def _says(node: Node | None, value: Value) -> bool:
    """True for a leaf that is read as this value."""
    if not isinstance(node, ScalarNode):
        return isinstance(node, SequenceNode) and not node.value and value == ()
    try:
        read = scalar(node)
    except Fault:
        return False
    return read.__class__ is value.__class__ and read == value


def _same(one: Node | None, other: Node | None) -> bool:
    """True for two leaves that are written alike."""
    if one is None or other is None:
        return False
    if isinstance(one, ScalarNode) and isinstance(other, ScalarNode):
        return (one.value, one.style, _tag(one)) == (other.value, other.style, _tag(other))
    return one.__class__ is other.__class__ and not one.value and not other.value


def _tag(node: Node) -> str:
    # The composer puts something else for a missing one.
    return node.tag if isinstance(node.tag, str) else ""


__all__ = ["Edit", "EditError", "Value", "edited", "shared_places", "written_value"]
