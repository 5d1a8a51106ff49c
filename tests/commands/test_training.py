"""The options of a training step: what they print, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner, Result

import tracer
from tests import ROOT
from tracer.commands.trace import command
from tracer.costs.calls import calls_of
from tracer.costs.operations import costs, total
from tracer.costs.regions import NoRegion, units_of
from tracer.costs.training_step import Training
from tracer.views.answers import TraceAnswer
from tracer.views.schema import answer_schema

UNET = str(ROOT / "configs" / "unet_padded.yaml")
SMALL = ["--size", "H=256,W=256", "--set", "base=8"]

CROSSED = """\
input: [N, 4, H, W]
sizes: {N: 2, H: 8, W: 8}
blocks:
  begin:
    layers: {a: {op: Conv2d, out_channels: 4, kernel_size: 1}, b: ReLU}
layers:
  first: begin
  other: {op: Conv2d, out_channels: 4, kernel_size: 1}
  last: {op: Add, from: [other, first]}
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def answer(*words: str) -> dict[str, object]:
    done = run(UNET, *SMALL, "--format", "json", *words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    jsonschema.validate(found, answer_schema(TraceAnswer))
    step = found["training_step"]
    assert isinstance(step, dict)
    return step


def test_the_parts_make_up_the_peak() -> None:
    """In JSON each part is a number of bytes, their sum is the peak, and the margin is added to it."""
    found = answer("--optimizer", "adam", "--margin", "25%", "--memory", "1GiB")
    step = found["step"]
    assert isinstance(step, dict)
    assert sum(step["parts"].values()) == step["peak"]
    params = total(costs(tracer.load(UNET, base=8).trace())).params
    assert step["parts"]["optimizer"] == 2 * 4 * params == 2 * step["parts"]["weights"]
    assert found["needed"] == -(-step["peak"] * 5 // 4)
    assert found["fits"] is True and found["margin"] == 0.25


def test_a_memory_that_is_too_small() -> None:
    assert answer("--memory", "1MB")["fits"] is False


def test_nothing_is_said_of_a_step_that_nobody_asked_for() -> None:
    done = run(UNET, *SMALL, "--format", "json")
    assert json.loads(done.stdout)["training_step"] is None
    assert "training step" not in run(UNET, *SMALL).stdout


def test_the_text_names_every_part() -> None:
    done = run(UNET, *SMALL, "--amp", "float16", "--optimizer", "adamw", "--checkpoint", "enc1")
    for word in ("adamw", "float16", "weights", "optimizer's state", "kept maps", "10 %"):
        assert word in done.stdout


def test_a_batch_is_the_size_of_its_symbol() -> None:
    once = answer("--optimizer", "sgd", "--batch", "3")
    again = answer("--optimizer", "sgd", "--size", "N=3")
    assert once == again != answer("--optimizer", "sgd")


def test_the_checkpoint_that_is_proposed_saves_what_is_told() -> None:
    found = answer("--optimizer", "sgd")
    saving, step = found["saving"], found["step"]
    assert isinstance(saving, dict) and isinstance(step, dict)
    assert saving["peak"] < step["peak"]

    again = answer("--optimizer", "sgd", "--checkpoint", saving["checkpoint"])["step"]
    assert isinstance(again, dict)
    assert again["peak"] == saving["peak"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--checkpoint", "nowhere"], "--checkpoint: there is no node or block nowhere"),
        (["--checkpoint", "input"], "--checkpoint: input computes nothing"),
        (["--checkpoint", "dec1..enc1"], "--checkpoint: dec1..enc1: enc1 comes before dec1"),
        (["--checkpoint", "a..b..c"], "--checkpoint: a..b..c: a span is FIRST..LAST"),
        (["--checkpoint", ""], "--checkpoint: there is no node or block ''"),
        (
            ["--checkpoint", "enc1,enc1.conv1"],
            "--checkpoint: enc1.conv1 is in enc1 and in enc1.conv1",
        ),
        (["--optimizer", "magic"], "Invalid value for '--optimizer': 'magic' is not one of"),
        (["--amp", "int8"], "Invalid value for '--amp': 'int8' is not one of"),
        (
            ["--amp", "float16", "--dtype", "float64"],
            "--amp keeps the weights in float32, --dtype says float64",
        ),
        (["--margin", "-1%"], "'-1%' is no percentage from 0 to 1000 such as 10%"),
        (["--margin", "1e999"], "'1e999' is no percentage from 0 to 1000 such as 10%"),
        (["--margin", "1001"], "'1001' is no percentage from 0 to 1000 such as 10%"),
        (["--margin", "."], "'.' is no percentage from 0 to 1000 such as 10%"),
        (["--batch", "0"], "Invalid value for '--batch'"),
    ],
    ids=str,
)
def test_what_is_refused(words: list[str], message: str) -> None:
    """Bad usage is one message and exit code 2."""
    done = run(UNET, *SMALL, *words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_a_checkpoint_that_cannot_run_as_one() -> None:
    """A map that leaves a checkpoint and comes back would be read before it is made; one that only leaves is fine."""
    calls = calls_of(tracer.loads(CROSSED).trace(), Training().types)
    by_name = {call.name: call for call in calls}
    assert len(units_of(calls, ("first", "other"))) == 4
    assert len(units_of(calls, ("first..last",))) == 2

    # As blocks whose inputs are given in any order would have it.
    names = ("first.a", "first.b", "last")
    inside = [msgspec.structs.replace(by_name[name], name=f"t.{name}") for name in names]
    renamed = {call.index: call for call in inside}
    with pytest.raises(NoRegion, match="t does not run as one: a map leaves it and comes back"):
        units_of([renamed.get(call.index, call) for call in calls], ("t",))


def test_a_batch_that_is_no_symbol(tmp_path: Path) -> None:
    config = tmp_path / "fixed.yaml"
    config.write_text("input: [1, 3, 8, 8]\nlayers: {a: ReLU}\n")
    done = run(str(config), "--batch", "2")
    assert done.exit_code == 2
    assert "--batch: no symbol is the first dim of every input" in done.stderr
