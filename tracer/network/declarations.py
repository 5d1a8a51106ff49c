"""The parts of a config as written, before anything is expanded: nodes, blocks, sections."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.network.records import Declaration
from tracer.network.values import did_you_mean, mapping, text
from tracer.source import limits
from tracer.source.tree import Entries, Fault, described, entries, is_nothing, refuse_tag

SECTIONS = ("encoder", "bottleneck", "decoder", "head", "layers")
TOP_LEVEL = ("name", "description", "params", "input", "sizes", "blocks", *SECTIONS, "output")
BLOCK_KEYS = ("args", "inputs", "layers", "description")
NODE_KEYS = ("op", "from", "expect", "repeat")

_BAD_NAME = re.compile(r"[\s.\[\]{}$,\x00-\x1f\x7f]|\A_\Z|\A\Z")


class Block:
    """A block of the file: its arguments' defaults, its inputs' names, its layers."""

    __slots__ = ("arguments", "inputs", "key", "layers", "name")

    def __init__(
        self,
        name: str,
        key: ScalarNode,
        arguments: Entries,
        inputs: list[str],
        layers: list[Declaration],
    ):
        self.name = name
        self.key = key
        self.arguments = arguments
        self.inputs = inputs
        self.layers = layers


def checked_name(key: ScalarNode, what: str) -> str:
    """A name that can stand in ``from`` and in torch's state dict."""
    name: str = key.value
    if name.isidentifier() and name != "_":
        return name
    if _BAD_NAME.search(name) or not name.isprintable():
        raise Fault(
            "T004", f"{name!r} cannot name {what}: no spaces, dots, commas, brackets or $", key
        )
    return name


def references(node: YamlNode, key: str = "from") -> list[ScalarNode]:
    """The names under ``from`` (or another key): one, or a list of them."""
    items = node.value if isinstance(node, SequenceNode) else [node]
    refuse_tag(node)
    if not items:
        without = "; leave it out to take the node before" if key == "from" else ""
        raise Fault("T106", f"`{key}` is empty{without}", node)
    for item in items:
        if not isinstance(item, ScalarNode) or not item.value:
            raise Fault(
                "T004",
                f"`{key}` takes a node's name or a list of names, not {described(item)}",
                item,
            )
        if "${" in item.value:
            raise Fault("T004", f"`{key}` takes names; no expression stands there", item)
        refuse_tag(item)
    return list(items)


def declaration(name: str, key: ScalarNode, value: YamlNode) -> Declaration:
    """Read ``name: Op`` or ``name: {op: Op, ...}``."""
    checked_name(key, "a node")
    refuse_tag(value)
    if isinstance(value, ScalarNode):
        if not value.value and not value.style:
            raise Fault(
                "T201",
                f"{name} needs an operation",
                key,
                f"write `{name}: ReLU` or `{name}: {{op: ..., ...}}`",
            )
        text(value, "an operation")
        return Declaration(name, key, value, value, {})
    if not isinstance(value, MappingNode):
        raise Fault(
            "T004",
            f"a node is an operation's name or a mapping with `op`, not {described(value)}",
            value,
        )
    found = entries(value)
    op = found.pop("op", None)
    if op is None:
        wrong = next(
            (k for k in found if k.lower() in ("type", "kind", "module", "layer", "class")), None
        )
        hint = f"did you mean `op` instead of {wrong!r}?" if wrong else "add `op: ...`"
        raise Fault("T201", f"{name} has no `op`", key, hint)
    text(op[1], "`op`")
    declared = Declaration(name, key, value, op[1], found)  # type: ignore[arg-type]
    source = found.pop("from", None)
    if source:
        declared.inputs = references(source[1])
    expect = found.pop("expect", None)
    declared.expect = expect[1] if expect else None
    repeat = found.pop("repeat", None)
    declared.repeat = repeat[1] if repeat else None
    return declared


def layers(node: YamlNode, what: str, faults: list[Fault]) -> Iterator[Declaration]:
    """The declarations of a section or block, in the file's order; the faults of the faulty ones are recorded."""
    for name, (key, value) in entries(mapping(node, what), faults).items():
        try:
            yield declaration(name, key, value)
        except Fault as fault:
            faults.append(fault)
            faulty = Declaration(name, key, value, key, {})
            faulty.faulty = True
            yield faulty


def block(name: str, key: ScalarNode, value: YamlNode, faults: list[Fault]) -> Block:
    """Read one entry of ``blocks``."""
    checked_name(key, "a block")
    found = entries(mapping(value, f"the block {name}"))
    for word, (at, _) in found.items():
        if word not in BLOCK_KEYS:
            raise Fault("T003", f"a block has no key {word!r}", at, did_you_mean(word, BLOCK_KEYS))
    if "layers" not in found:
        raise Fault("T201", f"the block {name} has no `layers`", key)
    arguments: Entries = {}
    if "args" in found and not is_nothing(found["args"][1]):
        arguments = entries(mapping(found["args"][1], "`args`"))
        if len(arguments) > limits.NAMES:
            raise Fault(
                "T006", f"the block {name} has more than {limits.NAMES} arguments", found["args"][0]
            )
        for word, (at, _) in arguments.items():
            if not word.isidentifier() or word in NODE_KEYS:
                raise Fault("T004", f"{word!r} cannot name an argument of a block", at)
    inputs = ["input"]
    if "inputs" in found:
        names = references(found["inputs"][1], "inputs")
        inputs = [checked_name(item, "an input") for item in names]
        if len(set(inputs)) < len(inputs):
            raise Fault("T104", f"the block {name} names an input twice", found["inputs"][1])
    declared = list(layers(found["layers"][1], f"`layers` of the block {name}", faults))
    for inner in declared:
        if inner.name in inputs:
            faults.append(
                Fault("T104", f"{inner.name!r} is the name of the block's input", inner.key)
            )
    if not found["layers"][1].value:
        raise Fault("T004", f"the block {name} has no layers", found["layers"][0])
    return Block(name, key, arguments, inputs, declared)


__all__ = [
    "SECTIONS",
    "TOP_LEVEL",
    "Block",
    "block",
    "checked_name",
    "declaration",
    "layers",
    "references",
]
