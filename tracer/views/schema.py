"""JSON Schemas: of the config language, made from the operations' records, and of the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tracer.network.declarations import BLOCK_KEYS, SECTIONS
from tracer.ops.base import Op
from tracer.ops.meanings import meanings
from tracer.ops.registry import find_operation, operation_names
from tracer.views.operations import sentence

DIALECT = "https://json-schema.org/draft/2020-12/schema"

SHARED: dict[str, Any] = {
    "expression": {"type": "string", "pattern": r"\$\{.*\}"},
    "auto": {"type": "string", "pattern": r"^auto(\(-?\d+\.\.-?\d+\))?$"},
    "reference": {"type": "string"},
    "autos": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
    "values": {
        "type": "array",
        "items": {"anyOf": [{"type": ["number", "null"]}, {"type": "string"}]},
    },
}
"""What several places take. What an editor shows there is described where it is used, not here."""

EXPRESSION: dict[str, Any] = {"$ref": "#/$defs/expression"}
AUTO: dict[str, Any] = {"$ref": "#/$defs/auto"}
REFERENCE: dict[str, Any] = {"$ref": "#/$defs/reference"}
NAME = {"type": "string", "pattern": r"^[^\s.\[\]{}$,]+$"}


TOLD = {
    "name": "What the network is called.",
    "description": "What it is, in a sentence.",
    "params": "Values that ${...} uses, and that --set replaces: base: 64.",
    "input": "The input's shape as torch has it, [N, C, H, W], or a shape for each of several inputs.",
    "sizes": "What each symbol stands for: a size, a list of sizes, or {min, max, step}: each has to work.",
    "blocks": "Groups of layers with arguments, which layers use by their names.",
    "encoder": "Layers one after the other, on the way down.",
    "bottleneck": "Layers at the lowest resolution.",
    "decoder": "Layers on the way up.",
    "head": "Layers that make the output.",
    "layers": "Layers one after the other.",
    "output": "The layers that are the outputs, with the shapes that have to come out.",
}
"""The keys of a config, each in a line."""

TOLD_OF_BLOCKS = {
    "args": "The block's arguments with their defaults; null: there is none.",
    "inputs": "The names of its inputs, where it has several.",
    "layers": "Its layers; the last one is its output, and `input` what it reads.",
    "description": "What it is, in a sentence.",
}
"""The keys of a block."""

VERSION = "1.0"
"""The version of the language and of the answers, in the schemas' names."""


def answer_schema(record: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of one command's JSON answer."""
    name = record.__name__.removesuffix("Answer").lower()
    identity = f"urn:shape-tracer:answer:{name}:{VERSION}"
    return {"$schema": DIALECT, "$id": identity, **msgspec.json.schema(record)}


def language_schema() -> dict[str, Any]:
    """The JSON Schema of a config, for editors: keys, sections, and every operation's arguments.

    What is at the cursor is described in a line: an operation by its docstring, an argument by the text under its
    field.
    """
    records = [cls for name in operation_names() if (cls := find_operation(name)) is not None]
    _, components = msgspec.json.schema_components(records, ref_template="#/$defs/{name}")
    conditions = [_condition(cls, components[cls.__name__]) for cls in records]
    return {
        "$schema": DIALECT,
        "$id": f"urn:shape-tracer:config:{VERSION}",
        "title": "tracer config",
        **_top(),
        "$defs": _definitions(records, conditions),
    }


def _condition(cls: type[Op], schema: dict[str, Any]) -> dict[str, Any]:
    """What a layer of one operation may have."""
    told = meanings(cls)
    properties: dict[str, Any] = {}
    for name, prop in schema["properties"].items():
        own = {key: value for key, value in prop.items() if key != "default"}
        kinds = [*own.get("anyOf", [own]), EXPRESSION, *_also(cls, name)]
        properties[name] = _either(name, told.get(name, ""), kinds)
    properties |= {"op": {"description": sentence(cls)}, **dict.fromkeys(_common(), True)}

    return {
        "if": {"properties": {"op": {"const": cls.__name__}}, "required": ["op"]},
        "then": {
            "title": cls.__name__,
            "description": sentence(cls),
            "properties": properties,
            "required": ["op", *schema.get("required", [])],
            "additionalProperties": False,
        },
    }


def _either(name: str, description: str, kinds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One key's schema: its description, and each kind of value that it takes.

    Each kind has a title of its own: an editor that cannot tell two of them apart shows all of them at once, and no
    description.
    """
    titled = []
    for number, kind in enumerate(kinds):
        title = name if number == 0 else f"{name}: {_kind(kind)}"
        titled.append({"title": title, **kind})
    told = {"description": description} if description else {}
    return {**told, "anyOf": titled}


def _kind(schema: dict[str, Any]) -> str:
    """A kind of value in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return str(schema.get("type", "values"))


def _operations(records: Sequence[type[Op]]) -> list[dict[str, Any]]:
    """The names of all operations with a line each, and any other: blocks have names of their own."""
    known = []
    for cls in records:
        name = cls.__name__
        known.append({"title": name, "const": name, "description": sentence(cls)})
    return [*known, {"type": "string"}]


def _also(cls: type[Op], name: str) -> list[dict[str, Any]]:
    """The schemas that an argument takes besides its own type: ``auto``, a node, dims over symbols."""
    found: list[dict[str, Any]] = []
    if name in cls.solvable:
        found += [AUTO, {"$ref": "#/$defs/autos"}]
    if name in cls.node_fields:
        found.append(REFERENCE)
    if name in cls.dim_fields:
        found.append({"$ref": "#/$defs/shape"})
    if not found:
        found.append({"$ref": "#/$defs/values"})
    return found


TOLD_OF_LAYERS = {
    "from": "The layers that it reads; left out: the one before it.",
    "expect": "The shape that has to come out; _ is any size.",
    "repeat": "So many copies, one behind the other.",
    "weights": "The layer whose parameters it shares.",
    "learned": "false: its parameters are constants.",
}
"""The keys that every layer may have, each in a line."""


def _common() -> dict[str, Any]:
    """The schemas of the keys that every layer may have."""
    several = {"type": "array", "items": REFERENCE, "minItems": 1}
    shape = {"$ref": "#/$defs/shape"}
    kinds: dict[str, list[dict[str, Any]]] = {
        "from": [REFERENCE, several],
        "expect": [shape],
        "repeat": [{"type": "integer", "minimum": 1}, EXPRESSION],
        "weights": [REFERENCE],
        "learned": [{"type": "boolean"}, EXPRESSION],
    }
    return {name: _either(name, text, kinds[name]) for name, text in TOLD_OF_LAYERS.items()}


def _definitions(
    records: Sequence[type[Op]], conditions: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        **SHARED,
        "operation": {"type": "string", "anyOf": _operations(records)},
        "dim": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]},
        "shape": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/dim"}}, EXPRESSION]},
        "node": {
            "anyOf": [
                {"type": "string", "$ref": "#/$defs/operation"},
                {
                    "type": "object",
                    "properties": {"op": {"$ref": "#/$defs/operation"}, **_common()},
                    "required": ["op"],
                    "allOf": conditions,
                },
            ]
        },
        "layers": {
            "type": "object",
            "propertyNames": NAME,
            "additionalProperties": {"$ref": "#/$defs/node"},
        },
        "block": {
            "type": "object",
            "properties": _told(
                TOLD_OF_BLOCKS,
                {
                    "args": {"type": ["object", "null"]},
                    "inputs": {
                        "anyOf": [NAME, {"type": "array", "items": NAME, "minItems": 1}]
                    },
                    "layers": {"$ref": "#/$defs/layers"},
                    "description": {"type": "string"},
                },
            ),
            "required": ["layers"],
            "propertyNames": {"enum": list(BLOCK_KEYS)},
        },
    }


def _top() -> dict[str, Any]:
    size = {"anyOf": [{"type": "integer", "minimum": 0}, EXPRESSION]}
    shape = {"$ref": "#/$defs/shape"}
    bounds = {
        word: {"anyOf": [{"type": ["integer", "null"]}, EXPRESSION]}
        for word in ("min", "max", "step")
    }
    interval = {
        "type": "object",
        "properties": bounds,
        "required": ["min"],
        "additionalProperties": False,
    }
    properties: dict[str, Any] = {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "params": {"type": "object", "propertyNames": {"pattern": r"^[A-Za-z_]\w*$"}},
        "input": {
            "anyOf": [
                shape,
                {"type": "object", "additionalProperties": shape, "minProperties": 1},
            ]
        },
        "sizes": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [size, {"type": "array", "items": size, "minItems": 1}, interval]
            },
        },
        "blocks": {
            "type": "object",
            "propertyNames": NAME,
            "additionalProperties": {"$ref": "#/$defs/block"},
        },
        **{
            section: {"anyOf": [{"$ref": "#/$defs/layers"}, {"type": "null"}]}
            for section in SECTIONS
        },
        "output": {
            "anyOf": [
                REFERENCE,
                {"type": "array", "items": REFERENCE, "minItems": 1},
                {
                    "type": "object",
                    "additionalProperties": {"anyOf": [shape, REFERENCE, {"type": "null"}]},
                },
            ]
        },
    }
    return {
        "type": "object",
        "properties": _told(TOLD, properties),
        "required": ["input"],
        "anyOf": [{"required": [section]} for section in SECTIONS],
        "additionalProperties": False,
    }


def _told(texts: Mapping[str, str], schemas: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The schemas of keys, each with its line; of several kinds of value, each with a title."""
    found = {}
    for name, schema in schemas.items():
        kinds = schema.get("anyOf", [schema])
        found[name] = _either(name, texts[name], kinds)
    return found
