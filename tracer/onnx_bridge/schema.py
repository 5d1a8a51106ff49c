"""A node held against its operator's definition in ONNX: its attributes, and the numbers of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx

DOMAINS = ("", "ai.onnx")
"""The names of ONNX's own operators' domain."""

MOST_NODES = 100_000
"""A graph has fewer nodes, its functions put in."""


class BadNode(ValueError):
    """What a file says is no ONNX; the message says where."""


# --- operators -------------------------------------------------------------------------------------------------------


def opset_of(model: Any) -> int:
    """The version of ONNX's own operators in a model. Raises :class:`BadNode` where the installed onnx has no such."""
    versions = {int(opset.version) for opset in model.opset_import if opset.domain in DOMAINS}
    if len(versions) != 1:
        raise BadNode(
            "it names no version of ONNX's operators"
            if not versions
            else "it names several opsets"
        )

    (version,) = versions
    latest = onnx.defs.onnx_opset_version()
    if not 1 <= version <= latest:
        raise BadNode(f"its opset is {version}; the installed onnx knows 1 to {latest}")
    return version


def attributes_of(node: Any, opset: int) -> dict[str, Any]:
    """A node's attributes by name, their texts decoded.

    Raises :class:`BadNode` where the operator of that opset has no such attributes, inputs or outputs.
    """
    schema = _schema(node.op_type, opset)
    _check_count("inputs", len(node.input), schema.min_input, schema.max_input)
    _check_count("outputs", len(node.output), schema.min_output, schema.max_output)

    found: dict[str, Any] = {}
    for attribute in node.attribute:
        word = attribute.name
        if word in found:
            raise BadNode(f"{word} is there twice")
        found[word] = _value(attribute, schema)

    for word, wanted in schema.attributes.items():
        if wanted.required and word not in found:
            raise BadNode(f"{word} is missing")
    return found


def _schema(op_type: str, opset: int) -> Any:
    try:
        schema = onnx.defs.get_schema(op_type, opset)
    except onnx.defs.SchemaError:
        raise BadNode(f"{op_type} is no operator of ONNX's opset {opset}") from None

    # The groups' norm was withdrawn for all files later on, though it is in those of opset 18.
    if schema.deprecated and schema.since_version < opset and op_type != "GroupNormalization":
        raise BadNode(f"{op_type} is no operator of ONNX's opset {opset} any more")
    return schema


def _check_count(what: str, count: int, least: int, most: int) -> None:
    if count < least:
        raise BadNode(f"it has {count} {what}; it needs at least {least}")
    if count > most:
        raise BadNode(f"it has {count} {what}; it takes at most {most}")


def _value(attribute: Any, schema: Any) -> Any:
    """The value of an attribute, which has the type that the operator wants."""
    word = attribute.name
    if word not in schema.attributes:
        raise BadNode(f"{word} is no attribute of {schema.name}")
    if attribute.ref_attr_name:
        raise BadNode(f"{word} is a function's attribute, and there is no function around it")

    kind = _kind(attribute.type)
    wanted = schema.attributes[word].type.name
    if kind != wanted:
        raise BadNode(f"{word} is of the type {kind.lower()}; it must be {wanted.lower()}")

    value = onnx.helper.get_attribute_value(attribute)
    if kind == "STRING":
        return _decoded(word, value)
    return value


def _kind(number: int) -> str:
    kinds = onnx.AttributeProto.AttributeType
    return kinds.Name(number) if number in kinds.values() else "UNDEFINED"


def _decoded(word: str, text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise BadNode(f"{word} is no text in UTF-8") from None


# --- functions -------------------------------------------------------------------------------------------------------


def check_functions(model: Any) -> None:
    """Raise :class:`BadNode` where functions call themselves, or make too many nodes when they are put in."""
    bodies = {_key(function): function.node for function in model.functions}
    _Functions(bodies).count_in(model.graph.node)


def _key(function: Any) -> Any:
    return function.domain, function.name, getattr(function, "overload", "")


class _Functions:
    """The numbers of nodes that functions make, by their key."""

    def __init__(self, bodies: Mapping[Any, Sequence[Any]]) -> None:
        self.bodies = bodies
        self._counts: dict[Any, int] = {}
        self._around: set[Any] = set()
        """The functions that are being counted."""

    def count_in(self, nodes: Iterable[Any]) -> int:
        """The number of nodes that some nodes are, with those of their graphs and functions."""
        total = sum(map(self._count_of, nodes))
        if total > MOST_NODES:
            raise BadNode(f"it has more than {MOST_NODES} nodes, with those of its functions")
        return total

    def _count_of(self, node: Any) -> int:
        total = 1
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                total += self.count_in(graph.node)

        key = (node.domain, node.op_type, getattr(node, "overload", ""))
        return total + self._count_called(key) if key in self.bodies else total

    def _count_called(self, key: Any) -> int:
        if key in self._around:
            raise BadNode(f"its function {key[1]} calls itself")
        if key not in self._counts:
            self._around.add(key)
            self._counts[key] = self.count_in(self.bodies[key])
            self._around.discard(key)
        return self._counts[key]
