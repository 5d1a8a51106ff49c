"""Another name for a node, a layer, a block, a param or an argument, in all of its uses.

Nothing is trusted: the renamed text is loaded again, and has to be the same network with other names. Where it is not,
an expression makes the name, or something else stands for it, and nothing is renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracer.diagnostics import legible
from tracer.editors.analysis import OpenText
from tracer.editors.mentions import Meaning, Mention
from tracer.editors.positions import EditorText
from tracer.network.records import DimPattern, Expectation, Node, as_written
from tracer.ops.base import Op, with_arguments

WORDS = {
    "node": "node",
    "block": "block",
    "param": "param",
    "argument": "argument of a block",
}
"""What each kind of name is called."""


class NotRenamed(Exception):
    """Why a name stays as it is, in one sentence."""


class Renamed(NamedTuple):
    """A name's places, and what the text is with another one there."""

    mentions: list[Mention]
    text: str


def renamable(opened: OpenText, index: int) -> Mention | None:
    """The name at a place, where it is one that the text gives."""
    mention = opened.mentions.at(index)
    if mention is None:
        return None
    is_given = any(one.defines for one in opened.mentions.of(mention.meaning))
    return mention if is_given else None


def renamed(
    opened: OpenText,
    index: int,
    name: str,
) -> Renamed:
    """The text with another name for what stands at a place. Raises :class:`NotRenamed`."""
    mention = renamable(opened, index)
    if mention is None:
        raise NotRenamed("here stands no name that the file gives")
    meaning = mention.meaning
    if opened.net is None:
        raise NotRenamed(
            f"a name is changed in a config that can be read: {_first_fault(opened)}"
        )
    _refuse_taken(opened, meaning, name)

    mentions = opened.mentions.of(meaning)
    text = with_name(opened.text.body, mentions, name)
    why = _why_other(opened, text, meaning, name)
    if why is None:
        return Renamed(mentions, text)

    # A param or a block's argument may have the name as its value, which an expression hands on.
    handed = opened.mentions.handed_on(meaning) if meaning.kind == "node" else []
    all_of_them = [*mentions, *handed]
    text = with_name(opened.text.body, all_of_them, name)
    if not handed or _why_other(opened, text, meaning, name) is not None:
        raise NotRenamed(why)
    return Renamed(all_of_them, text)


def with_name(
    text: str,
    mentions: Sequence[Mention],
    name: str,
) -> str:
    """The text with a name in the place of all mentions."""
    parts = []
    done = 0
    for mention in sorted(mentions):
        parts += [text[done : mention.start], name]
        done = mention.end
    return "".join([*parts, text[done:]])


def _first_fault(opened: OpenText) -> str:
    """What is wrong with a text that gives no network."""
    found = opened.loaded.found
    if not found:
        return "it has no network"
    first = found[0]
    place = "" if first.span is None else f"line {first.span.line}: "
    return f"{place}{legible(first.message)}"


def _refuse_taken(
    opened: OpenText,
    meaning: Meaning,
    name: str,
) -> None:
    """Refuse a name that something else has in the same place."""
    if name == meaning.name:
        return
    scope = opened.mentions.scopes[meaning.scope]
    names: dict[str, Iterable[str]] = {
        "node": (*scope.layers, *scope.inputs),
        "block": opened.mentions.scopes,
        "param": (INDEX, *opened.mentions.params, *_arguments(opened)),
        "argument": (INDEX, *scope.arguments, *opened.mentions.params),
    }
    if name in names[meaning.kind]:
        raise NotRenamed(f"the name {name!r} is taken")


INDEX = "index"
"""What an expression calls the number of a copy."""


def _arguments(opened: OpenText) -> Iterator[str]:
    """The arguments of all blocks: in a block they hide the params of the same name."""
    for scope in opened.mentions.scopes.values():
        yield from scope.arguments


# --- the proof --------------------------------------------------------------------------------------------------------


def _why_other(
    opened: OpenText,
    text: str,
    meaning: Meaning,
    name: str,
) -> str | None:
    """Why a text is not the same network under other names; None where it is."""
    changed = OpenText(
        EditorText(text),
        opened.path,
        opened.is_yaml,
    )
    if changed.net is None:
        fault = _first_fault(changed)
        return f"{name!r} cannot name a {WORDS[meaning.kind]} here: {fault}"

    difference = first_difference(
        opened,
        changed,
        meaning,
        name,
    )
    if difference is None:
        return None
    return f"{meaning.name!r} is also named in another way, by an expression or an alias: {difference} would differ"


def first_difference(
    opened: OpenText,
    changed: OpenText,
    meaning: Meaning,
    name: str,
) -> str | None:
    """What is not the same in two networks, apart from a name; None where nothing is."""
    assert opened.net is not None
    assert changed.net is not None
    before, after = opened.net.network, changed.net.network
    if len(before.nodes) != len(after.nodes):
        return "the number of nodes"

    for one, two in zip(before.nodes, after.nodes):
        if not _are_alike(one, two, meaning, name):
            return one.name

    facts = (
        (
            _params(before.params, after.params, meaning, name),
            list(after.params.items()),
            "a param",
        ),
        (before.sizes, after.sizes, "a size"),
        (list(before.symbols), list(after.symbols), "a symbol"),
        (_indices(before.outputs), _indices(after.outputs), "an output"),
        (_patterns(before.output_expect), _patterns(after.output_expect), "an output's shape"),
        (_codes(opened), _codes(changed), "a finding"),
    )
    return next((what for old, new, what in facts if old != new), None)


def _codes(opened: OpenText) -> list[str]:
    return [one.code for one in opened.loaded.found]


def _are_alike(
    one: Node,
    two: Node,
    meaning: Meaning,
    name: str,
) -> bool:
    """Whether two nodes are one, but for a name."""
    facts = (
        (_path(one.name, two.name, meaning, name), two.name),
        (one.op_name, two.op_name),
        (_unnamed(one), _unnamed(two)),
        (one.section, two.section),
        ([source.index for source in one.inputs], [source.index for source in two.inputs]),
        (_indices(one.operands), _indices(two.operands, one.operands)),
        (_index(one.weights), _index(two.weights)),
        (one.learned, two.learned),
        (one.unknowns, two.unknowns),
        (_dims(one.pattern), _dims(two.pattern)),
        (_pattern(one.expect), _pattern(two.expect)),
    )
    return all(old == new for old, new in facts)


def _unnamed(node: Node) -> Op | None:
    """The operation of a node without the names of the nodes that give its arguments."""
    if node.op is None or not node.operands:
        return node.op
    return with_arguments(node.op, dict.fromkeys(node.operands, ""))


def _path(
    old: str,
    new: str,
    meaning: Meaning,
    name: str,
) -> str:
    """A node's name, with the parts that differ changed as they may be."""
    if meaning.kind != "node":
        return old
    parts = old.split(".")
    others = new.split(".")
    if len(parts) != len(others):
        return old
    return ".".join(
        _part(part, meaning.name, name) if part != other else part
        for part, other in zip(parts, others)
    )


def _part(
    part: str,
    old: str,
    new: str,
) -> str:
    """One part of a name: ``halves[1]`` has a chunk's number."""
    base, bracket, number = part.partition("[")
    return f"{new}{bracket}{number}" if base == old else part


def _params(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    meaning: Meaning,
    name: str,
) -> list[tuple[str, Any]]:
    """The params by the names that they have then; one whose value is a node's name may have the new one."""
    found = []
    for word, value in before.items():
        is_renamed = meaning.kind == "param" and word == meaning.name
        key = name if is_renamed else word
        new = after.get(key)
        if isinstance(value, str) and isinstance(new, str):
            value = _path(value, new, meaning, name)
        found.append((key, value))
    return found


def _indices(nodes: Mapping[str, Node], like: Mapping[str, Node] | None = None) -> list[int]:
    return [nodes[word].index for word in (like or nodes) if word in nodes]


def _index(node: Node | None) -> int | None:
    return None if node is None else node.index


def _dims(pattern: Iterable[DimPattern]) -> list[int | str]:
    return [as_written(dim) for dim in pattern]


def _pattern(expected: Expectation | None) -> list[int | str] | None:
    return None if expected is None else _dims(expected[0])


def _patterns(expected: Mapping[str, Expectation]) -> list[list[int | str] | None]:
    return [_pattern(one) for one in expected.values()]
