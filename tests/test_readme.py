"""Every README is true: its commands run, its outputs are what they print, its generated parts are fresh.

``pytest --refresh`` rewrites the outputs, the pictures and the generated tables.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import ROOT
from tests.readme_tables import TABLES
from tracer.commands import cli

READMES = [
    ROOT / "README.md",
    *sorted(
        path
        for folder in ("configs", "tracer", "tests")
        for path in (ROOT / folder).rglob("*.md")
    ),
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"# ([\w/]+\.(?:yaml|py))\n")
GENERATED = re.compile(r"<!-- (\w+) -->\n.*?<!-- end -->", re.DOTALL)
INSTALLING = re.compile(r"(pip|pytest|playwright) ")
"""Commands that are run by ``.ci/run``, word for word, and not here."""

every_readme = pytest.mark.parametrize(
    "readme", READMES, ids=lambda path: str(path.relative_to(ROOT))
)


def blocks(readme: Path, language: str) -> list[str]:
    """The text of the blocks of one language, in their order."""
    found = BLOCK.finditer(readme.read_text("utf-8"))
    return [match[2] for match in found if match[1] == language]


def named_files() -> dict[str, str]:
    """The configs and modules that the READMEs write out, by the name in their first line."""
    found: dict[str, str] = {}
    for readme in READMES:
        for text in (*blocks(readme, "yaml"), *blocks(readme, "python")):
            name = NAMED.match(text)
            if name is not None:
                assert name[1] not in found, f"{name[1]} is written out twice"
                found[name[1]] = text
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with configs/ and the files that the READMEs write out, as a reader would have it."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    for name, text in named_files().items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


WAITING = re.compile(r": .*, \d+ s$")
"""A line that says what is waited for: on a busy machine there is one, on another none."""


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
    """The README with every ``console`` block's commands followed by what they print.

    The lines of ``bash`` blocks are run too, in the reader's order, and exit with 0. What installs and tests is left
    to CI, which runs it as it stands here.
    """
    ci = (ROOT / ".ci" / "run").read_text("utf-8")

    def fill(match: re.Match[str]) -> str:
        language, block = match[1], match[2]
        if language == "bash":
            for line in filter(str.strip, block.splitlines()):
                if INSTALLING.match(line):
                    assert line in ci, f"CI does not run {line!r}"
                else:
                    done = run(line, place)
                    assert done.returncode == 0, (line, done.stdout, done.stderr)
        if language != "console":
            return match[0]

        commands = [line for line in block.splitlines() if line.startswith("$ ")]
        outputs = [f"{line}\n{printed(line[2:], place)}" for line in commands]
        return "```console\n" + "".join(outputs) + "```"

    return BLOCK.sub(fill, text)


def printed(command: str, place: Path) -> str:
    """What a command prints, without spaces at the ends of lines and without the name of the folder."""
    done = run(command, place)
    assert done.returncode in (0, 1), (command, done.stderr)
    text = (done.stdout + done.stderr).replace(f"{place}/", "")
    lines = [line.rstrip() for line in text.splitlines() if not WAITING.search(line)]
    output = "\n".join(lines).strip("\n")
    return output + "\n" if output.strip() else ""


def with_tables(text: str) -> str:
    """The README with its generated tables."""
    return GENERATED.sub(lambda m: f"<!-- {m[1]} -->\n{TABLES[m[1]]()}<!-- end -->", text)


@every_readme
def test_outputs_and_tables_are_fresh(
    readme: Path, place: Path, request: pytest.FixtureRequest
) -> None:
    """The commands of a README run, and what it shows is what they print."""
    fresh = with_tables(with_outputs(readme.read_text("utf-8"), place))
    if request.config.getoption("--refresh"):
        readme.write_text(fresh, "utf-8")
    assert fresh == readme.read_text("utf-8")


@every_readme
def test_the_python_runs(readme: Path, place: Path) -> None:
    """The Python of a README runs as it stands."""
    for text in blocks(readme, "python"):
        done = run(f"{sys.executable} - <<'END'\n{text}\nEND", place)
        assert done.returncode == 0, done.stderr


def test_something_is_tested() -> None:
    """The READMEs show outputs, run commands and Python, and have each generated part once."""
    count = {
        language: sum(len(blocks(readme, language)) for readme in READMES)
        for language in ("console", "bash", "python", "yaml")
    }
    assert min(count.values()) >= 4, count
    found = [
        name for readme in READMES for name in GENERATED.findall(readme.read_text("utf-8"))
    ]
    assert sorted(found) == sorted(TABLES)


# --- pictures and links ------------------------------------------------------------------------------------

PICTURE = re.compile(r"^!\[[^]]*\]\(([\w./]*configs/pictures/(\w+)\.svg)\)$", re.MULTILINE)
LINK = re.compile(r"\[[^]]+\]\(([^)\s]+)\)")


def test_pictures_are_fresh(place: Path, request: pytest.FixtureRequest) -> None:
    """The READMEs' pictures are what `tracer draw` makes of the configs of their names."""
    pictures = {
        (readme.parent / path).resolve(): name
        for readme in READMES
        for path, name in PICTURE.findall(readme.read_text("utf-8"))
    }
    assert len(pictures) == 9
    for picture, name in pictures.items():
        config = f"{name}.yaml" if (place / f"{name}.yaml").exists() else f"configs/{name}.yaml"
        drawn = place / "drawn.svg"
        done = CliRunner().invoke(cli, ["draw", str(place / config), "-o", str(drawn)])
        assert done.exit_code in (0, 1), done.stderr
        if request.config.getoption("--refresh"):
            picture.write_bytes(drawn.read_bytes())
        assert picture.read_bytes() == drawn.read_bytes()


@every_readme
def test_links_lead_somewhere(readme: Path) -> None:
    """A link leads to a file of the checkout, and to a heading that is there."""
    for link in LINK.findall(BLOCK.sub("", readme.read_text("utf-8"))):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = readme.parent / path if path else readme
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), link


def anchors(text: str) -> set[str]:
    """The anchors of a README's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


def test_the_first_readme_is_short() -> None:
    """The top README has at most 300 lines; the rest is in the folder that it is about."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 300
