"""The stair: a file imports only from floors below its own, and a command imports only what it uses."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tracer"
FILES = sorted(PACKAGE.rglob("*.py"))
ENTRY = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}
"""The package's own names and the command: they stand above every floor."""


def floor(path: Path) -> int:
    """The floor that a file's docstring states; a package's first file states it for the others."""
    for candidate in (path, path.parent / "__init__.py"):
        match = re.match(r"Floor (\d+):", ast.get_docstring(ast.parse(candidate.read_text("utf-8"))) or "")
        if match:
            return int(match[1])
    raise AssertionError(f"{path} states no floor")


def imported(path: Path) -> set[Path]:
    """The files of ours that a file imports, at its head or inside of a function, those for types included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] == "tracer":
                place = PACKAGE.parent / name.replace(".", "/")
                found |= {p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()}
    return found - ENTRY - {path}


@pytest.mark.parametrize("path", [p for p in FILES if p not in ENTRY], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    """Imports only go down; siblings on a floor don't import each other, but for files of one package."""
    for other in imported(path):
        ours, theirs = (place.relative_to(PACKAGE).parts for place in (path, other))
        same_package = ours[0] == theirs[0]
        assert floor(other) < floor(path) or same_package, f"{path.name} imports {other.relative_to(PACKAGE)}"


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    code = (
        "import sys; from tracer.commands import main\nsys.argv[0] = 'tracer'\n"
        "try: main()\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_check_imports_only_what_it_uses() -> None:
    """No torch, numpy, rich or networkx for a config that doesn't need them; no manual pages either."""
    loaded = loaded_by("check", "configs/unet_2015.yaml")
    assert "tracer.shapes.trace" in loaded
    assert not loaded & {"torch", "numpy", "rich", "networkx", "tracer.rules.manual", "multiprocessing"}


def test_trace_imports_no_torch() -> None:
    """The table needs rich; nothing needs torch."""
    loaded = loaded_by("trace", "configs/unet_2015.yaml")
    assert "rich" in loaded
    assert not loaded & {"torch", "numpy", "networkx"}


def test_the_package_itself_is_free() -> None:
    """``import tracer`` loads none of its parts."""
    code = (
        "import sys, tracer; print(*[m for m in sys.modules if m.startswith(('tracer.', 'torch', 'yaml', 'msgspec'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
