"""JSON Lines: one document on a line, as soon as it is there, and the same as elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from tests import ROOT
from tracer.commands import cli

NET = """\
params: {base: 4}
input: [1, 3, H, W]
sizes: {H: 64, W: 64}
layers:
  conv: {op: Conv2d, out_channels: "${base}", kernel_size: 3, padding: 1}
  down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
  up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 2, stride: 2}
  sum: {op: Add, from: [up, input]}
"""
ODD = NET.replace("H: 64", "H: 63")
BROKEN = "input: [1, 3, H, W]\nlayers: {a: Konv}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {"net": NET, "odd": ODD, "broken": BROKEN, "ü": NET}.items():
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def documents(text: str) -> list[Any]:
    """The documents of a text that has one on each line."""
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def by_schema(answer: Any, which: str) -> Any:
    jsonschema.validate(answer, json.loads(run("schema", which).stdout))
    return answer


def test_sizes_of_several(here: Path) -> None:
    """A line for each network, in their order, with its name; each is what ``json`` gives of it alone."""
    names = ["net.yaml", "broken.yaml", "odd.yaml", "ü.yaml", "missing.yaml"]
    done = run("sizes", *names, "--format", "jsonl")
    assert done.exit_code == 2  # one cannot be read; a declared size of another does not run
    found = documents(done.stdout)
    assert [answer["path"] for answer in found] == names
    for name, answer in zip(names, found):
        alone = run("sizes", name, "--format", "json")
        assert by_schema(answer, "sizes") == json.loads(alone.stdout)
    assert [bool(answer["axes"]) for answer in found] == [True, False, True, True, False]
    assert "T101" in done.stderr and "T301" in done.stderr and "T001" in done.stderr


def test_the_worst_exit_code_counts(here: Path) -> None:
    """0 where all run, 1 where a declared size does not."""
    assert run("sizes", "net.yaml", "ü.yaml", "--format", "jsonl").exit_code == 0
    assert run("sizes", "net.yaml", "odd.yaml", "net.yaml").exit_code == 1


def test_several_in_text_have_titles(here: Path) -> None:
    """Each is what it is alone, under its name."""
    done = run("sizes", "net.yaml", "ü.yaml")
    parts = [f"{name}:\n{run('sizes', name).stdout}" for name in ("net.yaml", "ü.yaml")]
    assert done.stdout == "".join(parts)


TILING = ("--picture", "H=256,W=256", "--tile", "H=64,W=64")


def test_tiles_of_several(here: Path) -> None:
    """As ``sizes``; what has no tiles is told, and has no line."""
    done = run("tile", "net.yaml", "broken.yaml", "ü.yaml", *TILING, "--format", "jsonl")
    assert done.exit_code == 1 and "T101" in done.stderr
    found = documents(done.stdout)
    assert [answer["path"] for answer in found] == ["net.yaml", "ü.yaml"]
    alone = run("tile", "net.yaml", *TILING, "--format", "json")
    assert by_schema(found[0], "tile") == json.loads(alone.stdout)
    done = run("tile", "net.yaml", *TILING, "-o", "tiles.jsonl")
    assert done.exit_code == 0
    assert documents(Path("tiles.jsonl").read_text("utf-8")) == found[:1]


def test_a_comparison(here: Path) -> None:
    """On one line, so that many can be put behind each other."""
    done = run("compare", "net.yaml", "odd.yaml", "--format", "jsonl")
    (found,) = documents(done.stdout)
    as_json = run("compare", "net.yaml", "odd.yaml", "--format", "json")
    assert by_schema(found, "compare") == json.loads(as_json.stdout)
    assert done.exit_code == as_json.exit_code == 1
    (missing,) = documents(
        run("compare", "net.yaml", "missing.yaml", "--format", "jsonl").stdout
    )
    assert by_schema(missing, "compare")["differs"]


SWEPT = ("--vary", "base=1..40", "--size", "H=60..64", "--size", "W=64")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_rows_of_a_sweep(here: Path, workers: str) -> None:
    """The rows of a ``.jsonl`` file, byte by byte, whoever computes them; nothing else on standard output."""
    done = run("sweep", "net.yaml", *SWEPT, "--workers", workers, "--format", "jsonl")
    assert done.exit_code == 0, done.stderr
    written = run("sweep", "net.yaml", *SWEPT, "-o", "rows.jsonl", "--format", "jsonl")
    assert done.stdout.encode() == written.stdout.encode() == Path("rows.jsonl").read_bytes()
    rows = documents(done.stdout)
    assert len(rows) == 200 and {row["valid"] for row in rows} == {True, False}


def test_a_front_in_lines(here: Path) -> None:
    """With ``--find`` the rows of the front."""
    words = ["sweep", "net.yaml", *SWEPT, "--find", "base >= 7", "--top", "3"]
    rows = documents(run(*words, "--format", "jsonl").stdout)
    assert rows and all(row["base"] >= 7 and row["valid"] for row in rows)
    table = run(*words).stdout
    assert all(f" {row['base']} " in table for row in rows)


def test_rows_come_while_others_are_computed(here: Path) -> None:
    """A reader that goes after the first row ends the sweep, which has hours to go."""
    endless = ["--vary", "base=1..100000", "--size", "H=W=2..20001", "--yes"]
    command = [sys.executable, "-m", "tracer", "sweep", "net.yaml", *endless]
    child = subprocess.Popen(
        [*command, "--workers", "1", "--format", "jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None and child.stderr is not None
    try:
        assert json.loads(child.stdout.readline())["base"] == 1
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(120) == 0
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["sizes", "net.yaml", "ü.yaml", "--format", "json"],
            "2 networks are as many documents",
        ),
        (["tile", "net.yaml", "ü.yaml", *TILING, "--format", "torch"], "2 networks"),
        (
            ["tile", "net.yaml", "ü.yaml", *TILING, "--format", "jsonl", "-o", "x.jsonl"],
            "-o is for the answer of one network",
        ),
        (["sizes"], "Missing argument 'CONFIGS...'"),
        (
            ["sweep", "net.yaml", *SWEPT, "--format", "jsonl", "--where", "valid"],
            "--where is for the table",
        ),
    ],
)
def test_mistakes(here: Path, words: list[str], said: str) -> None:
    """One message, exit code 2, nothing on standard output."""
    done = run(*words)
    assert done.exit_code == 2 and said in done.stderr and not done.stdout
