"""The parts of a config as written, before anything is expanded: nodes, blocks, sections."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.network.records import Declaration
from tracer.network.values import did_you_mean, mapping, text
from tracer.source import limits
from tracer.source.tree import Entries, Fault, described, entries, is_nothing, refuse_tag

SECTIONS = ("encoder", "bottleneck", "decoder", "head", "layers")
TOP_LEVEL = ("name", "description", "params", "input", "sizes", "blocks", *SECTIONS, "output")
BLOCK_KEYS = ("args", "inputs", "layers", "description")
NODE_KEYS = ("op", "from", "expect", "repeat", "weights", "learned")
BESIDE_OP = frozenset(NODE_KEYS) - {"op"}

_NOT_OP = ("type", "kind", "module", "layer", "class", "block")
"""Other tools' words for the operation."""

_BAD_NAME = re.compile(r"[\s.\[\]{}$,\x00-\x1f\x7f]|\A_\Z|\A\Z")

Entry = tuple[ScalarNode, YamlNode]
"""A key and its value."""


class Block(msgspec.Struct, frozen=True, eq=False):
    """A block of the file: its arguments' defaults, its inputs' names, its layers."""

    name: str
    key: ScalarNode
    arguments: Entries
    inputs: list[str]
    layers: list[Declaration]


def checked_name(key: ScalarNode, what: str) -> str:
    """A name that ``from`` and torch's state dict take. Raises :class:`Fault` (T004) for another."""
    name: str = key.value
    if name.isidentifier() and name != "_":
        return name
    if _BAD_NAME.search(name) or not name.isprintable():
        message = f"{name!r} cannot name {what}: no spaces, dots, commas, brackets or $"
        raise Fault("T004", message, key)
    return name


def references(node: YamlNode, key: str = "from") -> list[ScalarNode]:
    """The names under ``from`` (or another key): one, or a list of them.

    Those under ``from`` may have expressions in them, whose values the uses of a block and the copies decide.
    """
    items = node.value if isinstance(node, SequenceNode) else [node]
    refuse_tag(node)
    if not items:
        without = "; leave it out to take the node before" if key == "from" else ""
        raise Fault("T106", f"`{key}` is empty{without}", node)

    for item in items:
        if not isinstance(item, ScalarNode) or not item.value:
            message = f"`{key}` takes a node's name or a list of names, not {described(item)}"
            raise Fault("T004", message, item)
        if "${" in item.value and key != "from":
            raise Fault("T004", f"`{key}` takes names; no expression stands there", item)
        refuse_tag(item)
    return list(items)


def declaration(name: str, key: ScalarNode, value: YamlNode) -> Declaration:
    """Read ``name: Op`` or ``name: {op: Op, ...}``. Raises :class:`Fault` (T002, T004, T106, T201)."""
    checked_name(key, "a node")
    refuse_tag(value)
    if isinstance(value, ScalarNode):
        return _plain(name, key, value)
    if not isinstance(value, MappingNode):
        kind = described(value)
        message = f"a node is an operation's name or a mapping with `op`, not {kind}"
        raise Fault("T004", message, value)

    found = entries(value)
    op = found.pop("op", None)
    if op is None:
        raise _without_op(name, key, found)
    text(op[1], "`op`")
    if BESIDE_OP.isdisjoint(found):
        return Declaration(name, key, value, op[1], found, is_plain=True)  # type: ignore[arg-type]

    source = found.pop("from", None)
    inputs = references(source[1]) if source else None
    expect = found.pop("expect", None)
    repeat = found.pop("repeat", None)
    learned = found.pop("learned", None)
    return Declaration(
        name,
        key,
        value,
        op[1],  # type: ignore[arg-type]
        found,
        inputs,
        expect[1] if expect else None,
        repeat[1] if repeat else None,
        _weights(found.pop("weights", None)),
        learned[1] if learned else None,
    )


def _weights(entry: Entry | None) -> ScalarNode | None:
    """The name of the node whose parameters a layer shares; None where it has its own."""
    if entry is None:
        return None
    name, *more = references(entry[1], "weights")
    if more:
        raise Fault("T004", "`weights` takes one name, not a list", entry[1])
    return name


def _plain(name: str, key: ScalarNode, op: ScalarNode) -> Declaration:
    """``name: Op``."""
    if not op.value and not op.style:
        hint = f"write `{name}: ReLU` or `{name}: {{op: ..., ...}}`"
        raise Fault("T201", f"{name} needs an operation", key, hint)
    text(op, "an operation")
    return Declaration(name, key, op, op, {}, is_plain=True)


def _without_op(name: str, key: ScalarNode, found: Entries) -> Fault:
    wrong = next((word for word in found if word.lower() in _NOT_OP), None)
    hint = f"did you mean `op` instead of {wrong!r}?" if wrong else "add `op: ...`"
    return Fault("T201", f"{name} has no `op`", key, hint)


def layers(node: YamlNode, what: str, faults: list[Fault]) -> Iterator[Declaration]:
    """The declarations of a section or block, in the file's order.

    One that is at fault comes as a faulty one, and its fault goes to ``faults``.
    """
    if isinstance(node, SequenceNode):
        message = f"{what} must be a mapping, not {described(node)}"
        raise Fault("T004", message, node, _names_for(node))

    for name, (key, value) in entries(mapping(node, what), faults).items():
        try:
            yield declaration(name, key, value)
        except Fault as fault:
            faults.append(fault)
            yield Declaration(name, key, value, key, {}, faulty=True)


def _names_for(node: SequenceNode) -> str:
    """The hint for a list of layers: the first of them with a name."""
    first = node.value[0] if node.value else None
    pairs = first.value if isinstance(first, MappingNode) else []
    keys = {key.value: value for key, value in pairs if isinstance(key, ScalarNode)}
    if len(keys) == 1 and "op" not in keys:
        return f"leave the dashes out: `{next(iter(keys))}: ...`"

    op = keys.get("op", first)
    called = op.value if isinstance(op, ScalarNode) and op.value.isidentifier() else "Conv2d"
    written = called if op is first else f"{{op: {called}, ...}}"
    return f"give each layer a name in the place of its dash: `{called.lower()}: {written}`"


def block(name: str, key: ScalarNode, value: YamlNode, faults: list[Fault]) -> Block:
    """Read one entry of ``blocks``; the faults of its layers go to ``faults``.

    Raises :class:`Fault` (T003, T004, T006, T104, T106, T201) where there is no block to use.
    """
    checked_name(key, "a block")
    found = entries(mapping(value, f"the block {name}"))
    for word, (at, _) in found.items():
        if word not in BLOCK_KEYS:
            raise Fault(
                "T003", f"a block has no key {word!r}", at, did_you_mean(word, BLOCK_KEYS)
            )
    if "layers" not in found:
        raise Fault("T201", f"the block {name} has no `layers`", key)

    arguments = _block_arguments(name, found.get("args"))
    inputs = _block_inputs(name, found.get("inputs"))
    declared = _block_layers(name, found["layers"], inputs, faults)
    return Block(name, key, arguments, inputs, declared)


def _block_arguments(name: str, entry: Entry | None) -> Entries:
    if entry is None or is_nothing(entry[1]):
        return {}
    arguments = entries(mapping(entry[1], "`args`"))
    if len(arguments) > limits.NAMES:
        message = f"the block {name} has more than {limits.NAMES} arguments"
        raise Fault("T006", message, entry[0])
    for word, (at, _) in arguments.items():
        if not word.isidentifier() or word in NODE_KEYS:
            raise Fault("T004", f"{word!r} cannot name an argument of a block", at)
    return arguments


def _block_inputs(name: str, entry: Entry | None) -> list[str]:
    if entry is None:
        return ["input"]
    inputs = [checked_name(item, "an input") for item in references(entry[1], "inputs")]
    if len(set(inputs)) < len(inputs):
        raise Fault("T104", f"the block {name} names an input twice", entry[1])
    return inputs


def _block_layers(
    name: str, entry: Entry, inputs: list[str], faults: list[Fault]
) -> list[Declaration]:
    key, value = entry
    declared = list(layers(value, f"`layers` of the block {name}", faults))
    for inner in declared:
        if inner.name in inputs:
            message = f"{inner.name!r} is the name of the block's input"
            faults.append(Fault("T104", message, inner.key))
    if not value.value:
        raise Fault("T004", f"the block {name} has no layers", key)
    return declared
