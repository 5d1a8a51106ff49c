"""``tracer import``: the config on standard output or in a file, or one message, an exit code and nothing written."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import tracer
from tracer.commands import cli, sources
from tracer.commands.waiting import Waited

NETS = '''\
import torch
from torch import nn

print("noise of the user's own")


class Net(nn.Module):
    """Strided convolutions."""

    def __init__(self, depth=2, widths=(8, 8)):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3 if i == 0 else 8, 8, 3, 2, 1) for i in range(depth)])

    def forward(self, x):
        for conv in self.convs:
            x = conv(x)
        return x


class Branching(nn.Module):
    def forward(self, x):
        if x.max() > 0:
            return x
        return -x


def failing():
    raise ValueError("no weights")


def leaving():
    raise SystemExit(3)


def five():
    return 5


ready = Net(1)
'''


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a Python file, which is the current one."""
    (tmp_path / "nets_of_a_user.py").write_text(NETS, "utf-8")
    (tmp_path / "broken_file.py").write_text("def f(:\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("nets_of_a_user", None)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["import", *arguments])


def test_a_factory_with_arguments() -> None:
    """The config on standard output; what the user's code prints goes to standard error."""
    result = run(
        "nets_of_a_user:Net",
        "--arg",
        "depth=3",
        "--arg",
        "widths=[4, 4]",
        "--input",
        "1,3,64,64",
    )
    assert (result.exit_code, result.stderr) == (0, "noise of the user's own\n")
    assert (
        result.stdout
        == """\
name: Net
input: [N, 3, H, W]
sizes: {N: 1, H: 64, W: 64}

layers:
  convs: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1, repeat: 3}
output: convs
"""
    )
    assert tracer.loads(result.stdout).trace(H=65).outputs == {"convs": (1, 8, 9, 8)}


def test_a_file(here: Path) -> None:
    """With its name, over what is there, and a module that is there already."""
    (here / "net.yaml").write_text("old", "utf-8")
    result = run(
        "nets_of_a_user:ready", "--input", "1,3,64,64", "--name", "small net", "-o", "net.yaml"
    )
    assert (result.exit_code, result.stdout) == (0, "") and result.stderr.endswith(
        "written: net.yaml\n"
    )
    assert (here / "net.yaml").read_text("utf-8").startswith("name: small net\n")
    assert tracer.check(here / "net.yaml") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "Nett",
            "nets_of_a_user:Nett: error[T601] nets_of_a_user has no 'Nett'; did you mean 'Net'?",
        ),
        ("Net.x", "nets_of_a_user:Net.x: error[T601] nets_of_a_user has no 'Net.x'"),
        (
            "failing",
            "nets_of_a_user.py:28:5: error[T602] nets_of_a_user:failing raises ValueError: no weights",
        ),
        (
            "leaving",
            "nets_of_a_user.py:32:5: error[T602] nets_of_a_user:leaving raises SystemExit: 3",
        ),
        (
            "five",
            "nets_of_a_user:five: error[T601] nets_of_a_user:five gives int, no torch module",
        ),
        (
            "NETS",
            "nets_of_a_user:NETS: error[T601] nets_of_a_user has no 'NETS'; did you mean 'Net'?",
        ),
        (
            "ready --arg x=1",
            "nets_of_a_user:ready: error[T601] nets_of_a_user:ready is a module already; it takes no --arg",
        ),
        (
            "Net --arg deep=1",
            "nets_of_a_user:Net: error[T602] nets_of_a_user:Net takes no argument 'deep'; did you mean 'depth'?",
        ),
        (
            "Branching",
            "nets_of_a_user.py:22:12: error[T601] the values of a tensor decide here, which no config can say",
        ),
    ],
)
def test_what_cannot_be_imported(here: Path, words: str, said: str) -> None:
    """One message with the place; no file is written."""
    result = run(*f"nets_of_a_user:{words}".split(), "--input", "1,3,8,8", "-o", "out.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr.splitlines()
    assert not (here / "out.yaml").exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "no_such_module:Net",
            "no_such_module:Net: error[T601] there is no Python module no_such_module, here or installed",
        ),
        (
            "broken_file:Net",
            "broken_file.py:1:7: error[T602] the import of broken_file raises SyntaxError: invalid syntax "
            "(broken_file.py, line 1)",
        ),
    ],
)
def test_a_module_that_cannot_be_imported(here: Path, source: str, said: str) -> None:
    """The same, for what is no Python module."""
    result = run(source, "--input", "1,3,8,8", "-o", "out.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[0] == said
    assert not (here / "out.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["nets_of_a_user"],
            "Error: 'nets_of_a_user' is neither package.module:callable, file.py:callable nor the name of",
        ),
        (
            ["nets_of_a_user:1x"],
            "Error: 'nets_of_a_user:1x' is neither package.module:callable, file.py:callable nor the name of a",
        ),
        (
            ["nets_of_a_user:Net"],
            "Error: say the input's shape: tracer import nets_of_a_user:Net --input 1,3,512,512 (again for each of "
            "several, NAME=1,10 for a keyword)",
        ),
        (
            ["nets_of_a_user:Net", "--input", "1,x"],
            "Error: Invalid value for --input: '1,x' is not a shape such as",
        ),
        (["nets_of_a_user:Net", "--arg", "depth"], "'depth' is not"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    """Exit code 2, before any of the user's code runs."""
    result = run(*arguments)
    assert (
        (result.exit_code, result.stdout) == (2, "")
        and said in result.stderr
        and "noise" not in result.stderr
    )


def test_a_file_that_cannot_be_written() -> None:
    """Exit code 2 with the reason."""
    result = run("nets_of_a_user:Net", "--input", "1,3,8,8", "-o", "missing/net.yaml")
    assert result.exit_code == 2
    assert (
        result.stderr.splitlines()[-1]
        == "missing/net.yaml: cannot write: No such file or directory"
    )


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The install command, and exit code 2."""
    # A package that was imported before is there, whatever can be found now.
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("nets_of_a_user:Net", "--input", "1,3,8,8")
    assert (result.exit_code, result.stderr) == (
        2,
        "this command needs torch: pip install 'shape-tracer[torch]'\n",
    )


def test_what_is_waited_for_is_told_without_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A line now and then, with the modules that have run and the seconds; none for what is done soon."""
    with sources._progress("net.py:Net") as reading:
        work = Waited("net.py:Net")
        work.words = reading.words
        for seconds in (2, 9, 11, 12, 20, 22):
            reading.called()
            work.since = time.monotonic() - seconds
            work.tell()
        work.end()
    assert capsys.readouterr().err.splitlines() == [
        "net.py:Net: is read, 3 modules run, 11 s",
        "net.py:Net: is read, 6 modules run, 22 s",
    ]
