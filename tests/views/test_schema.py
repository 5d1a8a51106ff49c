"""The JSON Schemas that ship with the package describe what the commands read and print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tests.drawn.networks import networks, networks_to_solve
from tracer.ops.base import Op
from tracer.ops.meanings import meanings
from tracer.ops.registry import find_operation, operation_names
from tracer.rules import judge
from tracer.views.answers import TraceAnswer, trace_answer
from tracer.views.found import CheckAnswer, check_answer
from tracer.views.schema import answer_schema, language_schema

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
LANGUAGE = jsonschema.Draft202012Validator(language_schema())


def test_the_schemas_are_schemas() -> None:
    """Each is valid by its own dialect, and has a name of its own that no host has to answer for."""
    schemas = [language_schema(), answer_schema(TraceAnswer), answer_schema(CheckAnswer)]
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)
    names = {schema["$id"] for schema in schemas}
    assert len(names) == 3 and all(name.startswith("urn:shape-tracer:") for name in names)


def layer(op: str) -> dict[str, Any]:
    """What the schema says of a layer of an operation."""
    conditions = language_schema()["$defs"]["node"]["anyOf"][1]["allOf"]
    (found,) = [one for one in conditions if one["if"]["properties"]["op"]["const"] == op]
    then: dict[str, Any] = found["then"]
    return then


def test_every_argument_is_described() -> None:
    """In one line, from the text under its field; what may be left out has a default."""
    described = 0
    conditions = language_schema()["$defs"]["node"]["anyOf"][1]["allOf"]
    for then in (one["then"] for one in conditions):
        assert then["description"].endswith((".", "...")) and len(then["description"]) < 250
        for name, schema in then["properties"].items():
            if schema is True or name == "op":
                continue
            text = schema["description"]
            assert text[-1] == "." and "\n" not in text and len(text) <= 120
            assert "left out" not in text or name not in then["required"], (then["title"], name)
            described += 1
    assert described == sum(len(cls.__struct_fields__) for cls in operations()) > 600


def operations() -> list[type[Op]]:
    """Every operation."""
    return [cls for name in operation_names() if (cls := find_operation(name)) is not None]


def test_the_descriptions_stand_under_the_fields() -> None:
    """A subclass has those of its base, or its own where it says its field again; one made at run time has none."""
    assert (
        meanings(find("Conv2d"))["padding"]
        == layer("Conv2d")["properties"]["padding"]["description"]
    )
    assert meanings(find("Conv2d"))["padding"] != meanings(find("ConvTranspose2d"))["padding"]
    assert meanings(find("Conv2d"))["stride"] == meanings(find("ConvTranspose2d"))["stride"]
    assert meanings(find("Reshape"))["shape"].startswith("The")
    made: Any = msgspec.defstruct(
        "Made", [("power", int)], bases=(Op,), frozen=True, kw_only=True
    )
    assert meanings(made) == {}


def find(name: str) -> type[Op]:
    """An operation by its name."""
    found = find_operation(name)
    assert found is not None
    return found


def test_operations_are_listed_beside_blocks() -> None:
    """Each name with a line, once, where an operation is written in either form; any other text is a block's name."""
    listed = LANGUAGE.schema["$defs"]["operation"]["anyOf"]
    names = [one["const"] for one in listed if "const" in one]
    assert sorted(names) == sorted(cls.__name__ for cls in operations())
    for node in ("my_block", {"op": "my_block", "channels": 3}):
        LANGUAGE.validate({"input": [1, 3, 8, 8], "layers": {"a": node}})
    for wrong in (3, {"op": 3}, {"op": None}):
        assert list(LANGUAGE.iter_errors({"input": [1, 3, 8, 8], "layers": {"a": wrong}}))


@settings(max_examples=12)
@given(st.one_of(networks(), networks_to_solve()))
def test_drawn_networks_are_valid(drawn: Any) -> None:
    """Every config that loads fits the language's schema."""
    try:
        tracer.loads(drawn.text)
    except tracer.TracerError:
        return
    LANGUAGE.validate(yaml.safe_load(drawn.text))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_configs_and_answers_are_valid(path: Path) -> None:
    """Every config of the library fits the language's schema, and its answers fit theirs."""
    LANGUAGE.validate(yaml.safe_load(path.read_text("utf-8")))
    net = tracer.load(path)
    found = judge(net)
    for record, answer in (
        (TraceAnswer, trace_answer(net.trace(), found)),
        (CheckAnswer, check_answer(found)),
    ):
        jsonschema.validate(
            msgspec.json.decode(msgspec.json.encode(answer)), answer_schema(record)
        )


@pytest.mark.parametrize(
    "layers",
    [
        {"a": {"op": "Conv2d", "kernel_size": 3}},
        {"a": {"op": "Conv2d", "kernel_size": 3, "out_channels": 4, "odd": 1}},
        {"a": {"op": "Conv2d", "kernel_size": True, "out_channels": 4}},
        {"a": {"kernel_size": 3}},
        {"a b": "ReLU"},
        ["ReLU"],
    ],
    ids=["missing", "unknown", "bool", "no op", "name", "list"],
)
def test_the_language_schema_refuses(layers: Any) -> None:
    """What an editor can see without knowing shapes: missing and unknown arguments, types, names."""
    assert list(LANGUAGE.iter_errors({"input": [1, 3, 8, 8], "layers": layers}))
