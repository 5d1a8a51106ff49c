"""What is published: the sdist and the wheel as setuptools builds them, unpacked and used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import ROOT

BUILD = """
import os, sys
source, out = sys.argv[1:]
sys.argv = sys.argv[:1]
from setuptools import build_meta
os.chdir(source)
build_meta.build_sdist(out)
build_meta.build_wheel(out)
"""

PICTURE = "\n![The U](configs/pictures/unet_padded.svg)\n\n```python\nf[a](b)\n```\n"
"""What is put behind the README: a picture of the checkout, and code that looks like a link."""


class Built(NamedTuple):
    """Both archives, unpacked."""

    sdist: Path
    wheel: Path
    description: str
    """The README as a package index shows it."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An sdist and a wheel of this checkout, with a picture in its README."""
    place = tmp_path_factory.mktemp("built")
    source = place / "source"
    hidden = shutil.ignore_patterns(
        ".git", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info", ".venv"
    )
    shutil.copytree(ROOT, source, ignore=hidden)
    with (source / "README.md").open("a", encoding="utf-8") as readme:
        readme.write(PICTURE)

    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(source), str(place)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]

    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(place)
    (archive,) = place.glob("*.whl")
    wheel = place / "wheel"
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(wheel)
    (sdist,) = (path for path in place.glob("shape_tracer-*") if path.is_dir())
    (metadata,) = wheel.glob("*.dist-info/METADATA")
    told = message_from_string(metadata.read_text("utf-8"))
    return Built(sdist, wheel, told.get_payload())


def tracer(
    place: Path, *arguments: str, folder: Path | None = None, start: str = "shape_tracer"
) -> subprocess.CompletedProcess[str]:
    """The command of a package that lies in ``place``, as its console script starts it."""
    code = f"from {start} import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder or place,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


# --- the sdist ---------------------------------------------------------------------------------------------


def test_the_sdist_is_the_checkout(built: Built) -> None:
    """Every file that git has, and so every file that a README's command names."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    names = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    assert len(names) > 400
    missing = {name for name in names if not (built.sdist / name).is_file()}
    assert missing <= {".gitignore"}


def test_commands_of_the_readme_work_in_the_sdist(built: Built, tmp_path: Path) -> None:
    """A package that is unpacked is as good as a checkout: configs are there, and the examples are they."""
    done = tracer(built.sdist, "check", "--strict", "configs")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    listed = tracer(built.sdist, "examples", folder=tmp_path)
    assert listed.stdout.count("\n") == len(list(built.sdist.glob("configs/*.yaml"))) >= 30


# --- the wheel ---------------------------------------------------------------------------------------------


def test_the_wheel_has_the_examples_and_the_types(built: Built, tmp_path: Path) -> None:
    """``configs/`` as they stand in the checkout, ``py.typed``, and no tests."""
    own = {path.name: path.read_bytes() for path in (ROOT / "configs").glob("*.yaml")}
    carried = {p.name: p.read_bytes() for p in built.wheel.glob("tracer/configs/*")}
    assert carried == own and len(own) >= 30
    assert (built.wheel / "tracer" / "py.typed").is_file()
    assert not (built.wheel / "tests").exists()

    listed = tracer(built.wheel, "examples", "--format", "json", folder=tmp_path)
    names = [one["name"] for one in json.loads(listed.stdout)["examples"]]
    assert names == sorted(name.removesuffix(".yaml") for name in own)
    done = tracer(built.wheel, "examples", "unet_2015", "-o", "my.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my.yaml").read_bytes() == own["unet_2015.yaml"]


def test_both_commands_start_at_the_same_place(built: Built) -> None:
    """``tracer``, and ``shape-tracer`` for who has another project's ``tracer``."""
    (entries,) = built.wheel.glob("*.dist-info/entry_points.txt")
    scripts = re.findall(r"^(\S+) = (\S+)$", entries.read_text("utf-8"), re.MULTILINE)
    assert dict(scripts) == dict.fromkeys(["tracer", "shape-tracer"], "shape_tracer:main")


def test_the_description_needs_no_files(built: Built) -> None:
    """What a package index shows leads nowhere that is not there; code stays as it is."""
    prose = re.sub(r"^```.*?^```$", "", built.description, flags=re.MULTILINE | re.DOTALL)
    assert "views (`tracer/views/README.md`)" in prose
    assert "*The U* (`configs/pictures/unet_padded.svg`)" in prose
    assert not re.findall(r"\]\((?!https://)[^)]*\)", prose)
    code = re.findall(r"^```.*?^```$", built.description, re.MULTILINE | re.DOTALL)
    own = (ROOT / "README.md").read_text("utf-8") + PICTURE
    assert code == re.findall(r"^```.*?^```$", own, re.MULTILINE | re.DOTALL)
    assert code[-1] == "```python\nf[a](b)\n```"


# --- another project's package of the same name -----------------------------------------------------------

OTHER = '"""Centralized trace management."""\nfrom tracer.tracefilter import TraceFilter\n'


def installed_beside(built: Built, place: Path, *, last: str) -> Path:
    """A folder with both packages, one over the other, as pip puts them there."""
    place = place / "site"
    shutil.copytree(built.wheel, place)
    init = place / "tracer" / "__init__.py"
    own = init.read_text("utf-8")
    (place / "tracer" / "tracefilter.py").write_text("class TraceFilter: pass\n")
    init.write_text(OTHER if last == "theirs" else own)
    info = place / "tracer-2.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tracer\nVersion: 2.0.0\n")
    return place


def test_their_package_over_ours(built: Built, tmp_path: Path) -> None:
    """One line says whose package it is and what to do; no traceback."""
    place = installed_beside(built, tmp_path, last="theirs")
    done = tracer(place, "check", "x.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    path = place / "tracer" / "__init__.py"
    assert done.stderr.startswith(f"{path} is another project's package")
    assert "(distribution tracer 2.0.0)" in done.stderr and done.stderr.count("\n") == 1
    assert "pip uninstall tracer" in done.stderr


def test_our_package_over_theirs(built: Built, tmp_path: Path) -> None:
    """It works, and ``--version`` says that the other one is there."""
    place = installed_beside(built, tmp_path, last="ours")
    assert tracer(place, "examples", "vnet").returncode == 0
    done = tracer(place, "--version")
    assert re.fullmatch(r"tracer, version \S+\n", done.stdout)
    assert done.stderr.startswith("another project's tracer 2.0.0 is installed too")
    assert tracer(built.wheel, "--version").stderr == ""


def test_installed_for_editing_by_an_older_release(built: Built) -> None:
    """Its script starts the package without the module that looks whose it is."""
    code = "import sys; sys.modules['shape_tracer'] = None; from tracer.commands import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        env={**os.environ, "PYTHONPATH": str(built.wheel)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"tracer, version \S+\n", done.stdout)


def test_theirs_is_uninstalled(built: Built, tmp_path: Path) -> None:
    """The files of one name went with it."""
    place = installed_beside(built, tmp_path, last="theirs")
    (place / "tracer" / "__init__.py").unlink()
    shutil.rmtree(place / "tracer-2.0.0.dist-info")
    done = tracer(place, "check", "x.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("files of the package tracer are missing; ")


@pytest.mark.parametrize("text", ["", "raise RuntimeError('not for you')\n", "x = (\n"])
def test_a_file_called_tracer(built: Built, tmp_path: Path, text: str) -> None:
    """A module of the user's hides the package: that is said, whatever is in it."""
    (tmp_path / "tracer.py").write_text(text)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from shape_tracer import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        env={**os.environ, "PYTHONPATH": str(built.wheel)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert "a file or folder called tracer" in done.stderr


def test_a_part_is_theirs(built: Built, tmp_path: Path) -> None:
    """Files of ours that are gone are told as that, and a missing dependency as what it is."""
    place = installed_beside(built, tmp_path, last="ours")
    shutil.rmtree(place / "tracer" / "commands")
    (place / "tracer" / "commands").mkdir()
    (place / "tracer" / "commands" / "__init__.py").write_text("")
    done = tracer(place, "check", "x.yaml")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("the package tracer has files of others among its own: ")

    (place / "tracer" / "commands" / "__init__.py").write_text("import no_such_package\n")
    done = tracer(place, "check", "x.yaml")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: No module named 'no_such_package'"
    )
