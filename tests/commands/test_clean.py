"""Configs in which nothing is wrong are answered before the command line is read, with the command's own answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import ROOT
from tracer.__main__ import _known_at_once
from tracer.api.check_line import line_of
from tracer.api.clean import MOST, are_clean
from tracer.commands.check import command
from tracer.rules.manual import manual

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
CLEAN = str(CONFIGS[0])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project that says nothing to us."""
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[project]\nname = 'uses-tracer'\n", "utf-8")
    return tmp_path


def said(*words: str) -> tuple[int, str, str]:
    """What a process says: exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "tracer", "check", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.returncode, done.stdout, done.stderr


def test_clean_is_what_the_command_finds_nothing_in(here: Path) -> None:
    """Of every config of the library, and of the manual's bad and good ones."""
    pages = [rule.example(which) for rule in manual().values() for which in ("Bad", "Good")]  # type: ignore[arg-type]
    texts = [*(path.read_text("utf-8") for path in CONFIGS), *pages]
    found = []
    for text in texts:
        Path("net.yaml").write_text(text, "utf-8")
        done = CliRunner().invoke(command, ["net.yaml"])
        is_clean = done.exit_code == 0 and done.stderr == "1 file checked: no problems found\n"
        assert are_clean(["net.yaml"]) == is_clean, text
        found.append(is_clean)
    assert found.count(True) > 30 and found.count(False) > 30


def test_the_answer_is_the_commands(here: Path) -> None:
    """A process that answers at once says what one says that reads its command line, and does not load click."""
    at_once = said(CLEAN, str(CONFIGS[1]), CLEAN)
    assert at_once == (0, "", "2 files checked: no problems found\n")
    assert said(CLEAN, str(CONFIGS[1]), CLEAN, "--format", "full") == at_once

    script = f"from tracer.__main__ import _known_at_once as f\nf(['check', '--format', 'json', {CLEAN!r}])\n"
    script += "import sys; print('tracer.net' in sys.modules, 'click' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True False\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--strict"],
        ["--no-strict", "--exit-zero"],
        ["--strict", "--no-strict"],
        ["--format", "concise", "--color", "always"],
        ["--format=json"],
        ["--format", "github"],
        ["--format=sarif", "--color=never"],
        ["--format", "json", "--format", "full"],
    ],
    ids=" ".join,
)
def test_options_of_the_report(here: Path, words: list[str]) -> None:
    """Before a config, behind it and between two: what is said at once is what the command says."""
    for line in ([*words, CLEAN], [CLEAN, *words], [CLEAN, *words, str(CONFIGS[1])]):
        done = CliRunner().invoke(command, line)
        assert done.exit_code == 0
        assert _known_at_once(["check", *line]) == (done.stdout, done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ["--format", "xml"],
        ["--format"],
        ["--format="],
        ["--strict=1"],
        ["--colour", "never"],
        ["--color", "Never"],
        ["--help"],
        ["-h"],
        ["--", "--strict"],
        ["--statistics"],
        ["--size", "H=64"],
        ["-o", "report.txt"],
    ],
    ids=" ".join,
)
def test_other_options_are_read_by_click(words: list[str]) -> None:
    """Those that are wrong, and those that change what is asked."""
    assert line_of([CLEAN, *words]) is None


def test_all_else_is_left_to_the_command(here: Path) -> None:
    """Options, folders, standard input, names that are no files, many files, and a project's settings."""
    Path("net.yaml").write_text(Path(CLEAN).read_text("utf-8"), "utf-8")
    Path("-net.yaml").write_text("broken: [", "utf-8")
    Path("folder.yaml").mkdir()
    assert are_clean(["net.yaml"])
    for words in (
        [],
        ["--strict", "net.yaml"],
        ["."],
        ["-"],
        ["none.yaml"],
        ["-net.yaml"],
        ["folder.yaml"],
    ):
        assert not are_clean(words), words
    assert not are_clean([f"{'./' * number}net.yaml" for number in range(MOST + 1)])

    Path("pyproject.toml").write_text("[tool.tracer]\nselect = ['T3']\n", "utf-8")
    assert not are_clean(["net.yaml"])
    Path("below").mkdir()
    os.chdir("below")
    assert not are_clean(["../net.yaml"])


def test_what_fails_inside_is_the_commands_to_say(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An internal error is none of the user's."""
    Path("net.yaml").write_text(Path(CLEAN).read_text("utf-8"), "utf-8")

    def failing(text: str, path: str, params: object) -> None:
        raise AttributeError("inside")

    monkeypatch.setattr("tracer.api.clean.load_text", failing)
    assert not are_clean(["net.yaml"])
