"""JSON answers of plan, sizes and verify: each fits the schema that ships with it, and is the same every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from tests import ROOT
from tracer.commands import cli

CONFIGS = ROOT / "configs"
MANY = """\
input: [1, 3, H, 64]
sizes: {H: {min: 32}}
encoder:
  enc: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  down: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
decoder:
  up: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: auto}
  cat: {op: Concat, from: [up, enc]}
"""
TEXTS = {
    "solved": (CONFIGS / "conv_autoencoder.yaml").read_text("utf-8"),
    "many": MANY,
    "broken": MANY.replace(", output_padding: auto", ""),
    "unloaded": "input: [1, 3\n",
    "wrong": "input: [1, 3, H, 8]\nsizes: {H: 8}\nlayers: {a: {op: Conv2d, out_channels: 2, kernel_size: 9}}\n",
    "unsized": "input: [1, 3, H, 8]\nlayers: {a: ReLU}\n",
}


def answer(command: str, text: str) -> tuple[int, Any]:
    done = CliRunner().invoke(cli, [command, "-", "--format", "json"], input=text)
    return done.exit_code, json.loads(done.stdout)


def schema(command: str) -> Any:
    return json.loads(CliRunner().invoke(cli, ["schema", command]).stdout)


@pytest.mark.parametrize("command", ["plan", "sizes", "verify"])
@pytest.mark.parametrize("name", TEXTS)
def test_answers_fit_their_schemas(command: str, name: str) -> None:
    """Whatever the config is like, there is an answer, and it is deterministic."""
    code, found = answer(command, TEXTS[name])
    jsonschema.validate(found, schema(command))
    assert found["format_version"] == "1.0"
    assert (code, found) == answer(command, TEXTS[name])


@pytest.mark.parametrize("command", ["check", "trace", "plan"])
def test_diagnostics_name_their_node(command: str) -> None:
    """Each carries ``node``: the name as in the trace, or null; the schema that ships requires it."""
    found = answer(command, TEXTS["broken"])[1]["diagnostics"]
    assert {(d["code"], d["node"]) for d in found if d["severity"] == "error"} == {
        ("T301", "cat")
    }
    assert [d["node"] for d in answer("check", TEXTS["unloaded"])[1]["diagnostics"]] == [None]
    described = schema(command)["$defs"]["DiagnosticAnswer"]
    assert "node" in described["required"]
    assert described["properties"]["node"]["anyOf"] == [{"type": "string"}, {"type": "null"}]


def test_the_fields_of_a_plan() -> None:
    """Values per axis, what serves which sizes, and repairs with edits and effects."""
    code, found = answer("plan", TEXTS["solved"])
    assert (
        code == 0
        and found["feasible"]
        and found["assignments"]["image.output_padding"] == [1, 1]
    )
    assert (found["solutions"], found["solutions_capped"], found["cost"], found["repairs"]) == (
        1,
        False,
        4,
        [],
    )
    code, found = answer("plan", MANY)
    assert code == 1 and not found["feasible"] and found["assignments"] == {}
    assert [d["code"] for d in found["diagnostics"]] == ["T402"]
    assert [one["sizes"]["H"] for one in found["served"]] == [
        {"finite": [], "start": 31, "modulus": 2, "residues": [0]},
        {"finite": [], "start": 32, "modulus": 2, "residues": [1]},
    ]
    first = found["repairs"][0]
    assert (
        first["edits"] == [{"path": "decoder.up.output_size", "value": "enc"}]
        and not first["safe"]
    )
    assert first["changes"]["outputs"] == {"cat": [1, 8, 32, 64]} and first["changes"][
        "nodes"
    ] == ["up"]


def test_the_fields_of_sizes() -> None:
    """Canonical sets, forms over k, and nearest members."""
    done = CliRunner().invoke(
        cli, ["sizes", str(CONFIGS / "unet_2015.yaml"), "--format", "json", "--near", "500"]
    )
    axis = json.loads(done.stdout)["axes"]["H"]
    assert axis["lossless"] == {"finite": [], "start": 173, "modulus": 16, "residues": [12]}
    assert axis["runs"] == {"finite": [], "start": 188, "modulus": 1, "residues": [0]}
    near = {key: [492, 508] for key in ("lossless", "aligned", "kept")}
    assert axis["nearest"] == {"runs": [500], **near}
    (form,) = axis["forms"]
    assert (form["modulus"], form["remainder"], form["least"]) == (16, 12, 11)
    assert (
        form["shapes"]["logits"] == [1, 2, "16k - 172", 388] and axis["decided_below"] is None
    )


def test_sizes_near_one_for_each_symbol_and_the_declared_one_that_does_not_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("""
input: [1, 3, H, W]
sizes: {H: 50, W: 64}
layers:
  p: {op: MaxPool2d, kernel_size: 4}
  u: {op: ConvTranspose2d, out_channels: 3, kernel_size: 4, stride: 4}
  c: {op: Concat, from: [u, input]}
""")
    run = CliRunner().invoke(
        cli, ["sizes", str(path), "--near", "H=50,W=61", "--format", "json"]
    )
    axes = json.loads(run.stdout)["axes"]
    assert axes["H"]["declared"] == {"size": 50, "runs": False, "nearest": [48, 52]}
    assert axes["W"]["declared"] == {"size": 64, "runs": True, "nearest": [64]}
    assert axes["H"]["nearest"]["runs"] == [48, 52] and axes["W"]["nearest"]["runs"] == [60, 64]

    text = CliRunner().invoke(cli, ["sizes", str(path)])
    assert text.exit_code == 1
    assert "the declared H = 50 does not run; nearest: 48 and 52" in text.output
    assert "error[T301] c: sizes differ in dim 2" in text.output

    text = CliRunner().invoke(cli, ["sizes", str(path), "--size", "H=48"])
    assert text.exit_code == 0 and "does not run" not in text.output

    for wrong in ("H=", "X=3", "H", "-1"):
        assert CliRunner().invoke(cli, ["sizes", str(path), "--near", wrong]).exit_code == 2


def test_sizes_that_are_promised_and_do_not_run_are_told(tmp_path: Path) -> None:
    """Of a promised range the smallest size that does not run; a range that runs leaves the exit code 0."""
    path = tmp_path / "net.yaml"
    text = """
input: [1, 3, H, 64]
sizes: {H: {min: 8, step: 6}}
layers:
  p: {op: MaxPool2d, kernel_size: 4}
  u: {op: ConvTranspose2d, out_channels: 3, kernel_size: 4, stride: 4}
  c: {op: Concat, from: [u, input]}
"""
    path.write_text(text)
    told = CliRunner().invoke(cli, ["sizes", str(path)])
    assert told.exit_code == 1
    assert "the declared H = 14 does not run; nearest: 12 and 16" in told.output
    assert "error[T305] H = 14 does not work" in told.output

    path.write_text(text.replace("step: 6", "step: 4"))
    assert CliRunner().invoke(cli, ["sizes", str(path)]).exit_code == 0
