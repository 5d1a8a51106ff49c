"""A user's own operation: a class of an installed package, found by the entry-point group ``tracer.ops``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests import ROOT

MODULE = '''
from tracer.ops import Op, Requirement


class Blur(Op, kw_only=True):
    """Keeps the size and refuses a strength that is not odd."""

    strength: int = 3

    def legal(self):
        yield Requirement(self.strength % 2 == 1, "T202", "strength", lambda: f"strength {self.strength} is even")
'''

CONFIG = "input: [1, 3, 8, 8]\nlayers:\n  soft: {op: Blur, strength: %d}\n"


def test_an_operation_of_an_installed_package(tmp_path: Path) -> None:
    """It is found by name, its arguments are checked, its faults have places; no config names a module."""
    (tmp_path / "blur_package.py").write_text(MODULE)
    info = tmp_path / "blur_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: blur-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tracer.ops]\nBlur = blur_package:Blur\n")
    root = ROOT
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"}

    def tracer(*arguments: str, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tracer", *arguments],
            input=text, env=environment, text=True, capture_output=True, check=False,
        )  # fmt: skip

    done = tracer("trace", "--format", "json", "-", text=CONFIG % 5)
    assert json.loads(done.stdout)["outputs"] == {"soft": [1, 3, 8, 8]}
    done = tracer("check", "--format", "concise", "-", text=CONFIG % 4)
    assert done.stdout == "<stdin>:3:30: error[T202] strength 4 is even\n"
    assert "Keeps the size" in tracer("ops", "Blur", text="").stdout
