"""``tracer examples``: the list, a config as it stands, and a copy that replaces nothing unasked."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

import tracer
from tests import ROOT
from tracer.commands import cli, examples

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["examples", *arguments])


def test_the_list() -> None:
    """A line for each config: its name, the input's shape as ``--input`` takes it, what it is."""
    lines = run().stdout.splitlines()
    assert [line.split()[0] for line in lines] == [path.stem for path in CONFIGS]
    assert (
        "vnet                 1,1,128,128,64              V-Net. Milletari, Navab, Ahmadi"
        in lines
    )
    assert max(map(len, lines)) <= 140


def test_shapes_are_those_of_the_trace() -> None:
    """The shapes in the list are the ones that the trace starts from."""
    answer = json.loads(run("--format", "json").stdout)
    schema = json.loads(CliRunner().invoke(cli, ["schema", "examples"]).stdout)
    jsonschema.validate(answer, schema)
    for path, one in zip(CONFIGS, answer["examples"], strict=True):
        trace = tracer.load(path).trace()
        traced = {
            node.name: list(trace.shapes[node.name] or ())
            for node in trace.network.nodes
            if node.is_input
        }
        assert one["inputs"] == traced and one["name"] == path.stem and one["title"]


@pytest.mark.parametrize("name", ["unet_2015", "unet_2015.yaml"])
def test_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Printed and copied as it stands; a file that is there stays, unless told otherwise."""
    monkeypatch.chdir(tmp_path)
    own = (ROOT / "configs" / "unet_2015.yaml").read_bytes()
    assert run(name).stdout_bytes == own
    done = run(name, "-o", "my.yaml")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "written: my.yaml\n")
    assert Path("my.yaml").read_bytes() == own

    Path("my.yaml").write_text("mine")
    done = run(name, "-o", "my.yaml")
    assert done.exit_code == 2 and "my.yaml is there already; --overwrite" in done.stderr
    assert Path("my.yaml").read_text() == "mine"
    assert run(name, "-o", "my.yaml", "--overwrite").exit_code == 0
    assert Path("my.yaml").read_bytes() == own


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["unet_2105"], "no example is called 'unet_2105'; did you mean 'unet_2015'?"),
        (["VNET"], "did you mean 'vnet'?"),
        (["zzzz"], "`tracer examples` lists them"),
        (["../pyproject"], "no example is called '../pyproject'"),
        (["a\x1b[2Jb"], "no example is called"),
        (["x" * 100_000], "no example is called"),
        (["-o", "x.yaml"], "say which example to write"),
        (["vnet", "--format", "json"], "--format is for the list"),
        (["vnet", "-o", "no/such/folder/x.yaml"], "cannot write: No such file or directory"),
    ],
)
def test_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    """One message and exit code 2; a name is never a path."""
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2 and said in done.stderr
    assert len(done.stderr) < 1000 and "\x1b" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without them says so."""
    monkeypatch.setattr(examples, "PACKAGE", tmp_path / "tracer")
    done = run()
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "the examples are not there: this installation has no configs/\n"
