"""Completion in real shells, and the line that is written for it with the user's consent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests import ROOT
from tracer.commands import cli
from tracer.commands.completion import LINES, file_of

FILES = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/completions/tracer.fish"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without files, and ``tracer`` as a command of the path."""
    tools = tmp_path / "bin"
    tools.mkdir()
    script = tools / "tracer"
    start = "import sys; sys.argv[0] = 'tracer'; from shape_tracer import main; main()"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{start}" "$@"\n')
    script.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    for name in ("ZDOTDIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(home)
    return home


def install(shell: str, answer: str) -> Result:
    return CliRunner().invoke(cli, ["--install-completion", shell], input=answer)


# --- what is proposed ------------------------------------------------------------------------------------------------

PROPOSED = [
    ("tracer ch", ["check"]),
    ("tracer trace --de", ["--depth"]),
    ("tracer check --format s", ["sarif"]),
    ("tracer design v", ["vnet"]),
    ("tracer examples unet_2", ["unet_2015"]),
    ("tracer ops convt", ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]),
    ("tracer explain t30", [f"T30{digit}" for digit in range(1, 7)]),
]
"""What is typed, and what a shell then proposes."""

FEW = PROPOSED[:3]
"""For shells whose part is the same whatever is typed."""


def in_shell(shell: str, script: str) -> list[str]:
    """The lines that a script of this shell prints; its own start files are not read."""
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}: apt-get install {shell}")
    bare = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *bare, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_bash() -> None:
    """The function that bash calls puts the words into COMPREPLY."""
    parts = [LINES["bash"]]
    for typed, _ in PROPOSED:
        words = typed.split()
        parts.append(
            f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=()"
        )
        parts.append('_tracer_completion tracer; echo "${COMPREPLY[*]}"')
    found = in_shell("bash", "\n".join(parts))
    assert [line.split() for line in found] == [words for _, words in PROPOSED]


def test_fish() -> None:
    """fish says itself what it would propose."""
    parts = [LINES["fish"]]
    for typed, _ in FEW:
        parts.append(f"string join -- ' ' (complete -C '{typed}' | string split -f 1 \\t)")
    found = in_shell("fish", "\n".join([*parts, "true"]))
    assert [sorted(line.split()) for line in found] == [sorted(words) for _, words in FEW]


def test_zsh() -> None:
    """zsh's function gets words and their descriptions; here it is one that prints the words."""
    parts = [
        "compdef() { }",
        "compadd() { print -r -- ${completions} }",
        "_describe() { print -r -- ${completions_with_descriptions%%:*} }",
        LINES["zsh"],
    ]
    for typed, _ in FEW:
        words = typed.split()
        parts.append(f"words=({' '.join(words)}); CURRENT={len(words)}")
        parts.append("_tracer_completion")
    found = in_shell("zsh", "\n".join(parts))
    assert [sorted(line.split()) for line in found] == [sorted(words) for _, words in FEW]


@pytest.mark.parametrize("command", ["check", "trace", "plan", "draw", "sweep", "import"])
def test_a_network_is_a_file(command: str) -> None:
    """Where a network is named, the shell proposes files."""
    words = f"tracer {command} ne"
    asked = {"COMP_WORDS": words, "COMP_CWORD": "2", "_TRACER_COMPLETE": "bash_complete"}
    done = subprocess.run(
        ["tracer"], env={**os.environ, **asked}, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "file,ne\n" and not done.stderr


# --- the line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", FILES)
def test_it_is_written_once(home: Path, shell: str) -> None:
    """After a yes; what the file had stays, and it is not written twice."""
    path = home / FILES[shell]
    done = install(shell, "y\n")
    assert done.exit_code == 0 and str(path) in done.stderr and LINES[shell] in done.stderr
    assert path.read_text("utf-8") == f"{LINES[shell]}\n"
    again = install(shell, "")
    assert again.exit_code == 0 and "has it already" in again.stderr
    assert path.read_text("utf-8") == f"{LINES[shell]}\n"


def test_what_is_there_stays(home: Path) -> None:
    """Byte by byte, a last line without an end included."""
    path = home / ".bashrc"
    path.write_bytes(b"# \xc3\xbc\r\nalias ll='ls -l'")
    path.chmod(0o600)
    assert install("bash", "y\n").exit_code == 0
    line = LINES["bash"].encode()
    assert path.read_bytes() == b"# \xc3\xbc\r\nalias ll='ls -l'\n" + line + b"\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_written(home: Path, answer: str) -> None:
    """A no, no answer, nobody there."""
    assert install("zsh", answer).exit_code == 1
    assert not list(home.iterdir())


def test_a_file_that_takes_nothing(home: Path) -> None:
    """The line is told, so that the user can put it where it belongs."""
    (home / ".bashrc").mkdir()
    (home / ".zshrc").write_bytes(b"\xff\xfe")
    for shell, reason in (("bash", "Is a directory"), ("zsh", "it is not UTF-8")):
        done = install(shell, "y\n")
        assert done.exit_code == 2 and reason in done.stderr and LINES[shell] in done.stderr
    assert (home / ".zshrc").read_bytes() == b"\xff\xfe"


def test_other_places(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of zsh and fish, as their variables say."""
    monkeypatch.setenv("ZDOTDIR", str(home / "z"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "x"))
    assert file_of("zsh") == home / "z" / ".zshrc"
    assert install("fish", "y\n").exit_code == 0
    assert (home / "x" / "fish" / "completions" / "tracer.fish").is_file()


def test_an_unknown_shell() -> None:
    """Is bad usage."""
    done = install("tcsh", "y\n")
    assert done.exit_code == 2 and "'tcsh' is not one of" in done.stderr
