"""The README is true: its commands run, its outputs are what they print, its generated parts are fresh.

``pytest --refresh`` rewrites the outputs and the generated tables.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
GENERATED = re.compile(r"<!-- (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def blocks(language: str) -> list[str]:
    return [match[2] for match in BLOCK.finditer(README.read_text("utf-8")) if match[1] == language]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with configs/ and the README's own configs, as a reader would have it."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for text in blocks("yaml"):
        name = re.match(r"# (\S+\.yaml)\n", text)
        if name:
            (tmp_path / name[1]).write_text(text, "utf-8")
    return tmp_path


def run(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of shell; ``tracer`` is this checkout's."""
    tools = place / "bin"
    tools.mkdir(exist_ok=True)
    script = tools / "tracer"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tracer "$@"\n')
    script.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
    }
    return subprocess.run(
        command,
        shell=True,
        cwd=place,
        env=environment,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def with_outputs(text: str, place: Path) -> str:
    """The README with every ``console`` block's commands followed by what they print."""

    def fill(match: re.Match[str]) -> str:
        if match[1] != "console":
            return match[0]
        parts = []
        for line in match[2].splitlines():
            if line.startswith("$ "):
                done = run(line[2:], place)
                output = "\n".join(
                    part.rstrip() for part in (done.stdout + done.stderr).splitlines()
                )
                parts.append(line + "\n" + (output.strip("\n") + "\n" if output.strip() else ""))
        return "```console\n" + "".join(parts) + "```"

    return BLOCK.sub(fill, text)


def with_tables(text: str) -> str:
    """The README with its generated tables."""
    from tracer.views.manual import diagnostics_table
    from tracer.views.operations import markdown_table

    made = {"operations": markdown_table, "diagnostics": diagnostics_table}
    return GENERATED.sub(lambda m: f"<!-- {m[1]} -->\n{made[m[1]]()}<!-- end -->", text)


def test_outputs_and_tables_are_fresh(place: Path, request: pytest.FixtureRequest) -> None:
    """What the README shows is what the commands print."""
    text = README.read_text("utf-8")
    fresh = with_tables(with_outputs(text, place))
    if request.config.getoption("--refresh"):
        README.write_text(fresh, "utf-8")
    assert fresh == README.read_text("utf-8")


PICTURE = re.compile(r"^!\[[^]]*\]\((configs/pictures/(\w+)\.svg)\)$", re.MULTILINE)


def test_pictures_are_fresh(place: Path, request: pytest.FixtureRequest) -> None:
    """The README's pictures are what `tracer draw` makes of the configs of their names."""
    pictures = PICTURE.findall(README.read_text("utf-8"))
    assert len(pictures) == 2
    for path, name in pictures:
        config = f"{name}.yaml" if (place / f"{name}.yaml").exists() else f"configs/{name}.yaml"
        done = run(f"tracer draw {config} -o drawn.svg", place)
        assert done.returncode in (0, 1), done.stderr
        if request.config.getoption("--refresh"):
            (ROOT / path).write_bytes((place / "drawn.svg").read_bytes())
        assert (ROOT / path).read_bytes() == (place / "drawn.svg").read_bytes()


def test_every_command_runs(place: Path) -> None:
    """The lines of the ``bash`` blocks exit with 0; installing and the tests themselves are CI's to run."""
    lines = [line for block in blocks("bash") for line in block.splitlines() if line.strip()]
    commands = [line for line in lines if not line.startswith("pip ")]
    assert len(commands) >= 7
    for line in commands:
        done = run(line, place)
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_the_python_runs(place: Path) -> None:
    """The Python of the README runs as it stands."""
    for text in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", text],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert done.returncode == 0
