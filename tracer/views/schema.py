"""JSON Schemas: of the config language, made from the operations' records, and of the answers."""

from __future__ import annotations

from typing import Any

import msgspec

from tracer.network.declarations import BLOCK_KEYS, SECTIONS
from tracer.ops.base import Op
from tracer.ops.registry import find_operation, operation_names

DIALECT = "https://json-schema.org/draft/2020-12/schema"

SHARED: dict[str, Any] = {
    "expression": {
        "type": "string",
        "pattern": r"\$\{.*\}",
        "description": "an expression, ${...}",
    },
    "auto": {
        "type": "string",
        "pattern": r"^auto(\(-?\d+\.\.-?\d+\))?$",
        "description": "solved by the planner",
    },
    "reference": {
        "type": "string",
        "description": "a node's name, enc1.conv1 inside a block, name[i] of a Chunk",
    },
    "autos": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
    "values": {
        "type": "array",
        "items": {"anyOf": [{"type": ["number", "null"]}, {"type": "string"}]},
    },
}
EXPRESSION: dict[str, Any] = {"$ref": "#/$defs/expression"}
AUTO: dict[str, Any] = {"$ref": "#/$defs/auto"}
REFERENCE: dict[str, Any] = {"$ref": "#/$defs/reference"}
NAME = {"type": "string", "pattern": r"^[^\s.\[\]{}$,]+$"}


def answer_schema(record: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of one command's JSON answer."""
    return {"$schema": DIALECT, **msgspec.json.schema(record)}


def language_schema() -> dict[str, Any]:
    """The JSON Schema of a config, for editors: keys, sections, and every operation's arguments."""
    records = [cls for name in operation_names() if (cls := find_operation(name)) is not None]
    _, components = msgspec.json.schema_components(records, ref_template="#/$defs/{name}")
    conditions = []
    for cls in records:
        schema = components[cls.__name__]
        properties: dict[str, Any] = {
            name: {"anyOf": [_described(prop), EXPRESSION, *_also(cls, name)]}
            for name, prop in schema["properties"].items()
        }
        properties.update({"op": True, **dict.fromkeys(_common(), True)})
        conditions.append(
            {
                "if": {"properties": {"op": {"const": cls.__name__}}, "required": ["op"]},
                "then": {
                    "description": schema.get("description", ""),
                    "properties": properties,
                    "required": ["op", *schema.get("required", [])],
                    "additionalProperties": False,
                },
            }
        )
    return {
        "$schema": DIALECT,
        "title": "tracer config",
        **_top(),
        "$defs": _definitions(conditions),
    }


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """A record's property; a list is torch's tuple."""
    return {key: value for key, value in schema.items() if key != "default"}


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


def _common() -> dict[str, Any]:
    return {
        "from": {"anyOf": [REFERENCE, {"type": "array", "items": REFERENCE, "minItems": 1}]},
        "expect": {"$ref": "#/$defs/shape"},
        "repeat": {"anyOf": [{"type": "integer", "minimum": 1}, EXPRESSION]},
        "weights": REFERENCE,
        "learned": {"anyOf": [{"type": "boolean"}, EXPRESSION]},
    }


def _definitions(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    words = [find_operation(name) for name in operation_names()]
    return {
        **SHARED,
        "dim": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]},
        "shape": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/dim"}}, EXPRESSION]},
        "node": {
            "anyOf": [
                {
                    "type": "string",
                    "anyOf": [{"enum": [cls.__name__ for cls in words if cls]}, {}],
                },
                {
                    "type": "object",
                    "properties": {"op": {"type": "string"}, **_common()},
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
            "properties": {
                "args": {"type": ["object", "null"]},
                "inputs": {"anyOf": [NAME, {"type": "array", "items": NAME, "minItems": 1}]},
                "layers": {"$ref": "#/$defs/layers"},
                "description": {"type": "string"},
            },
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
    return {
        "type": "object",
        "properties": {
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
        },
        "required": ["input"],
        "anyOf": [{"required": [section]} for section in SECTIONS],
        "additionalProperties": False,
    }
