"""Imports go down, in no circle, and a command imports only what it uses."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import networkx
import pytest

from tests import ROOT

PACKAGE = ROOT / "tracer"
FILES = sorted(PACKAGE.rglob("*.py"))
ENTRY = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}
"""The package's own names and the command: they stand above every floor."""


ORDER = """
    diagnostics memo
    sizing
    source
    ops
    network
    shapes
    geometry
    costs
    planning
    net loading
    rules
    repairing
    comparing
    designing
    live
    importing
    sweep
    onnx_bridge
    torch_bridge
    neighbours
    drawing
    views
    api
    testing
    editors
    commands
"""
"""The packages and files of the first level, each above those that it may import."""

FLOOR = {name: number for number, name in enumerate(ORDER.split())}


def floor(path: Path) -> int:
    """The place of a file's package in the order."""
    return FLOOR[path.relative_to(PACKAGE).parts[0].removesuffix(".py")]


def imported(path: Path) -> set[Path]:
    """The files of ours that a file imports, at its head or inside of a function, those for types included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [
                node.module or "",
                *(f"{node.module}.{alias.name}" for alias in node.names),
            ]
        for name in names:
            if name.split(".")[0] == "tracer":
                place = PACKAGE.parent / name.replace(".", "/")
                found |= {
                    p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()
                }
    return found - ENTRY - {path}


@pytest.mark.parametrize(
    "path", [p for p in FILES if p not in ENTRY], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_go_down(path: Path) -> None:
    """A file imports only from packages below its own, and from its own."""
    for other in imported(path):
        assert floor(other) <= floor(path), f"{path.name} imports {other.relative_to(PACKAGE)}"


def test_no_circles() -> None:
    """No file imports itself by way of others, imports for types and those inside of functions included."""
    graph = networkx.DiGraph((path, other) for path in FILES for other in imported(path))
    circles = [part for part in networkx.strongly_connected_components(graph) if len(part) > 1]
    assert not circles, [[str(path.relative_to(PACKAGE)) for path in part] for part in circles]


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    code = (
        "import sys; from tracer.commands import main\nsys.argv[0] = 'tracer'\n"
        "try: main()\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


def test_check_imports_only_what_it_uses() -> None:
    """No torch, numpy, rich or networkx for a config that doesn't need them; no manual, no patterns of files."""
    loaded = loaded_by("check", "configs/unet_2015.yaml")
    assert "tracer.shapes.trace" in loaded
    assert not loaded & {
        "torch",
        "numpy",
        "rich",
        "networkx",
        "tracer.rules.manual",
        "multiprocessing",
        "pathspec",
        "subprocess",
        "tomlkit",
    }


def test_the_sizes_that_run_need_no_arrays(tmp_path: Path) -> None:
    """Beside a finding about a size stand those that run; importing NumPy would take longer than all of the check."""
    text = (ROOT / "configs" / "unet_padded.yaml").read_text("utf-8")
    config = tmp_path / "net.yaml"
    config.write_text(text.replace("H: 512", "H: 500"), "utf-8")
    loaded = loaded_by("check", str(config))
    assert "tracer.sizing.periodic" in loaded
    assert "numpy" not in loaded


def test_trace_imports_no_torch() -> None:
    """The table needs rich; nothing needs torch."""
    loaded = loaded_by("trace", "configs/unet_2015.yaml")
    assert "rich" in loaded
    assert not loaded & {"torch", "numpy", "networkx"}


def test_the_package_itself_is_free() -> None:
    """``import tracer`` loads none of its parts."""
    heavy = "('tracer.', 'torch', 'yaml', 'msgspec')"
    code = f"import sys, tracer; print(*[m for m in sys.modules if m.startswith({heavy})])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
