"""A user's own operation: a class of an installed package, found by the entry-point group ``tracer.ops``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ROOT
from tests.test_readme import named_files

MODULE = '''
from tracer.ops import Op, Requirement
from tracer.ops.base import FROM_1, autos
from tracer.ops.calls import Call


class Blur(Op, kw_only=True):
    """Keeps the size and refuses a strength that is not odd."""

    solvable = autos(strength=FROM_1)

    strength: int = 3

    def legal(self):
        yield Requirement(self.strength % 2 == 1, "T202", "strength", lambda: f"strength {self.strength} is even")

    def requirements(self, *x, **sizes):
        yield Requirement(x[0][1] == self.strength, "T204", None, "as many channels as the strength, please", dim=1)

    def call(self, x, given):
        return Call("torch.mul", (x[0], 1 / self.strength))
'''

CONFIG = "input: [1, 3, 8, 8]\nlayers:\n  soft: {op: Blur, strength: %s}\n"

Tracer = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tracer(tmp_path: Path) -> Tracer:
    """The command line with the package installed."""
    (tmp_path / "blur_package.py").write_text(MODULE)
    info = tmp_path / "blur_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: blur-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tracer.ops]\nBlur = blur_package:Blur\n")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}

    def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tracer", *arguments],
            input=text, env=environment, text=True, capture_output=True, check=False,
        )  # fmt: skip

    return run


def test_an_operation_of_an_installed_package(tracer: Tracer) -> None:
    """It is found by name, its arguments are checked, its faults have places; no config names a module."""
    done = tracer("trace", "--format", "json", "-", text=CONFIG % 3)
    assert json.loads(done.stdout)["outputs"] == {"soft": [1, 3, 8, 8]}
    done = tracer("check", "--format", "concise", "-", text=CONFIG % 4)
    assert done.stdout == "<stdin>:3:30: error[T202] strength 4 is even\n"
    assert "Keeps the size" in tracer("ops", "Blur").stdout


def test_it_is_listed_and_described_as_any_other(tracer: Tracer) -> None:
    """``tracer ops`` has it in a family of its own, and the JSON Schema has its arguments."""
    assert tracer("ops").stdout.endswith(
        "installed: operations of installed packages\n  Blur\n"
    )
    assert '"const": "Blur"' in tracer("schema").stdout


def test_it_is_solved_and_exported_as_any_other(tracer: Tracer) -> None:
    """Its class says what may be auto and how torch computes it."""
    done = tracer("plan", "-", text=CONFIG % "auto")
    assert "soft.strength" in done.stdout and done.returncode == 0, done
    source = tracer("export", "--to", "torch", "-", text=CONFIG % 3)
    assert "torch.mul(" in source.stdout, source


def test_an_operation_without_docstring_has_none_on_its_page(
    tracer: Tracer, tmp_path: Path
) -> None:
    """The page shows nothing of the class that every operation has above it."""
    package = tmp_path / "blur_package.py"
    documented = '    """Keeps the size and refuses a strength that is not odd."""\n'
    package.write_text(MODULE.replace(documented, ""))
    assert tracer("ops", "Blur").stdout.startswith("Blur\n\nArguments:\n")


def test_a_package_that_cannot_be_imported_is_named(tracer: Tracer, tmp_path: Path) -> None:
    """It is the package that is at fault, and the message says which one and why."""
    (tmp_path / "blur_package.py").write_text("import a_module_that_is_missing\n")
    done = tracer("check", "-", text=CONFIG % 3)
    assert done.returncode == 2
    assert done.stderr == (
        "blur_package:Blur (entry point `tracer.ops`) cannot be imported: "
        "ModuleNotFoundError: No module named 'a_module_that_is_missing'\n"
    )


def test_the_operation_that_the_readme_shows(tracer: Tracer, tmp_path: Path) -> None:
    """It is traced, and torch computes it as its ``call`` says."""
    (tmp_path / "blur_package.py").write_text(named_files()["blur.py"])
    config = "input: [1, 3, 8, 8]\nlayers:\n  soft: {op: Blur}\n"
    traced = tracer("trace", "--format", "json", "-", text=config)
    assert json.loads(traced.stdout)["outputs"] == {"soft": [1, 3, 8, 8]}
    verified = tracer("verify", "-", text=config)
    assert verified.returncode == 0, verified
