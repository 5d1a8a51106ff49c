"""The JSON Schemas that ship with the package describe what the commands read and print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

import tracer
from tests import ROOT
from tracer.rules import judge
from tracer.views.answers import CheckAnswer, TraceAnswer, check_answer, trace_answer
from tracer.views.schema import answer_schema, language_schema

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
LANGUAGE = jsonschema.Draft202012Validator(language_schema())


def test_the_schemas_are_schemas() -> None:
    """Each is valid by its own dialect."""
    for schema in (language_schema(), answer_schema(TraceAnswer), answer_schema(CheckAnswer)):
        jsonschema.Draft202012Validator.check_schema(schema)


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
