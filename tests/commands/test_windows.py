"""What Windows does otherwise, as far as another system can show it: drives, backslashes, shells, missing calls.

Files are written without POSIX and processes start without ``fork`` in ``test_environment.py``, addresses of paths are
in ``views/test_sarif.py``.
"""

from __future__ import annotations

import json
import ntpath
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests import ROOT
from tests.smoke import MODULE
from tracer.commands import cli, options
from tracer.commands.compare import _is_revision
from tracer.commands.options import is_config, is_python, quoted
from tracer.diagnostics import Diagnostic, Span
from tracer.source import files, patterns, python_places
from tracer.views import report

WINDOWS: Any = SimpleNamespace(path=ntpath, sep="\\", pardir="..", name="nt", fspath=os.fspath)
"""The part of ``os`` that says how paths are written."""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.mark.parametrize(
    ("source", "python", "config"),
    [
        (r"C:\nets\my net.py:UNet", True, False),
        (r"C:\nets\my net.py:models.UNet", True, False),
        (r"C:/nets/net.py:UNet", True, False),
        (r"nets\net.py:UNet", True, False),
        (r"\\server\share\net.py:UNet", True, False),
        (r"C:\nets\net.yaml", False, True),
        (r"C:net.yaml", False, True),
        (r"\\server\share\net.yaml", False, True),
        (r"C:\nets\net.onnx", False, False),
        (r"C:\nets\net.py", False, False),
    ],
)
def test_a_source_on_a_drive(source: str, python: bool, config: bool) -> None:
    """The colon of a drive is none before a callable, and no git revision."""
    assert (is_python(source), is_config(source)) == (python, config)
    if not source.startswith("C:net"):
        assert not _is_revision(source)


def test_a_revision_is_one() -> None:
    """Of one letter too, where what follows begins at no root."""
    assert _is_revision("HEAD:net.yaml") and _is_revision("a:nets/net.yaml")


def test_a_module_on_a_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read, told by its path, line and column, in every format; here a file that is called so."""
    monkeypatch.chdir(tmp_path)
    name = r"C:\nets\my net.py"
    Path(name).write_text(MODULE, "utf-8")
    words = ["check", f"{name}:UNet", "--input", "1,3,33,48", "--format"]
    done = run(*words, "concise")
    assert done.exit_code == 1, done.stderr
    line = next(line for line in done.stdout.splitlines() if "T301" in line)
    assert line.startswith(name + ":17:26: error[T301] sizes differ in dim 2: 32 from up, 33")
    found = json.loads(run(*words, "json").stdout)["diagnostics"]
    assert {one["path"] for one in found} == {name}
    missing = run("check", r"C:\nets\other.py:UNet", "--input", "1,3,8,8")
    assert missing.exit_code == 1 and "there is no file" in missing.stdout + missing.stderr
    assert "Traceback" not in missing.stderr


def test_a_missing_config_on_a_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a file that is not there, and not a matter of git."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("input: [1, 3, 8, 8]\nlayers: {a: ReLU}\n")
    done = run("compare", "net.yaml", r"C:\nets\net.yaml")
    assert done.exit_code == 2
    assert done.stderr == "C:\\nets\\net.yaml: cannot be read: No such file or directory\n"


# --- paths, by the rules of Windows ------------------------------------------------------------------------


def test_patterns_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of ``.gitignore`` fit paths with backslashes; what lies on another drive fits none."""
    monkeypatch.setattr(patterns, "os", WINDOWS)
    found = patterns.Patterns(["*.yaml", "/old/", "nets/**/part.yml"], r"C:\project")
    assert found.fits(r"C:\project\a\b.yaml") and found.fits(r"C:\project\nets\a\b\part.yml")
    assert found.fits(r"C:\project\old", is_folder=True)
    assert not found.fits(r"C:\elsewhere\a.yaml") and not found.fits(r"D:\project\a.yaml")


def test_below_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters have no case there, and a drive is a folder."""
    monkeypatch.setattr(python_places, "os", WINDOWS)
    below = python_places.is_below
    assert below(r"c:\Users\me\net.py", r"C:\users\me") and below(r"C:\net.py", "C:\\")
    assert not below(r"C:\users\men.py", r"C:\users\me")
    assert python_places.package_of(r"C:\py\Lib\site-packages\monai\blocks.py") == "monai"


def test_below_the_root() -> None:
    """The root of this system is a folder as well."""
    assert python_places.is_below("/net.py", "/") and not python_places.is_below("/", "/net.py")


def test_what_services_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub and git name files with slashes."""
    monkeypatch.setattr(report, "os", WINDOWS)
    monkeypatch.setattr(files, "os", WINDOWS)
    found = Diagnostic("T301", "no", Span(1, 2, 1, 3), path=r"nets\net.yaml")
    assert report.github([found]).startswith("::error file=nets/net.yaml,line=1,col=2,")
    assert "--- a/nets/net.yaml\n" in files.unified_diff("a\n", "b\n", r"nets\net.yaml")


def test_a_command_line_that_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quoted for the shell that is there: single quotes are letters to that of Windows."""
    words = (r"C:\my nets\net.py:UNet", "--arg", "depth=5")
    assert quoted(*words) == r"'C:\my nets\net.py:UNet' --arg depth=5"
    monkeypatch.setattr(options, "os", SimpleNamespace(name="nt"))
    assert quoted(*words) == r'"C:\my nets\net.py:UNet" --arg depth=5'


# --- calls that are not there ------------------------------------------------------------------------------

WITHOUT = """
import multiprocessing, os, signal, sys

for module, names in {
    os: "fork fchmod fchown chown geteuid getuid O_NONBLOCK sched_getaffinity forkpty",
    signal: "setitimer SIGALRM ITIMER_REAL",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in ("fcntl", "resource", "termios", "pty", "pwd", "grp"):
    sys.modules[name] = None
"""
"""A system without what Windows lacks (but for ``register_at_fork``, which torch's build for this one calls)."""

COMMANDS = """
if __name__ == "__main__":
    multiprocessing.get_all_start_methods = lambda: ["spawn"]
    from tracer.commands import main

    main()
"""


@pytest.mark.parametrize(
    "words",
    [
        ["import", "my_net.py:UNet", "--input", "1,3,32,48", "-o", "made.yaml"],
        ["examples", "vnet", "-o", "vnet.yaml", "--overwrite"],
        ["plan", "auto.yaml", "--write"],
        ["sizes", "auto.yaml", "--format", "jsonl"],
    ],
    ids=lambda words: words[0],
)
def test_commands_without_these_calls(tmp_path: Path, words: list[str]) -> None:
    """They do what they do elsewhere: no fork, no timers, no rights of POSIX, no locks of its kind."""
    (tmp_path / "my_net.py").write_text(MODULE, "utf-8")
    config = (ROOT / "configs" / "conv_autoencoder.yaml").read_bytes()
    (tmp_path / "auto.yaml").write_bytes(config)
    start = tmp_path / "start.py"
    start.write_text(WITHOUT + COMMANDS)

    done = subprocess.run(
        [sys.executable, str(start), *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if "-o" in words:
        assert (tmp_path / words[words.index("-o") + 1]).stat().st_size > 100
    if "--write" in words:
        assert (tmp_path / "auto.yaml").read_bytes() != config
