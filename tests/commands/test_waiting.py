"""Bars while something takes longer than a second: on a terminal, and nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import pytest

from tests import ROOT
from tests.smoke import MODULE

pty = pytest.importorskip("pty", reason="needs terminals")

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
"""What a bar begins and ends with: the cursor goes, and comes back."""

COMMAND = """
import sys
from tracer.commands import main, waiting
waiting.PATIENCE = {patience}
waiting.TICK = 0.0005
main()
"""


def on_terminal(code: str, *arguments: str, folder: Path | None = None) -> tuple[str, str]:
    """What a program prints, and what a terminal gets that has its standard error."""
    # A pipe that nobody reads meanwhile takes no page of more than 64 KiB.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        told = told_to_terminal([sys.executable, "-c", code, *arguments], folder, printed)
        printed.seek(0)
        return printed.read(), told


def told_to_terminal(command: list[str], folder: Path | None, printed: IO[str]) -> str:
    """What a terminal gets that has a program's standard error; what the program prints goes to a file."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        command,
        cwd=folder,
        stdout=printed,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    told = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # nobody has the other end any more
            break
        if not part:
            break
        told += part
    os.close(ours)
    assert running.wait(60) in (0, 1), told
    return told.decode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("waiting")
    (folder / "my_net.py").write_text(MODULE, "utf-8")
    (folder / "[red]net.yaml").write_bytes((ROOT / "configs" / "unet_padded.yaml").read_bytes())
    many = folder / "many"
    many.mkdir()
    for number in range(60):
        (many / f"{number}.yaml").write_text("input: [1, 1, 8, 8]\nlayers: {a: ReLU}\n")
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sizes", "[red]net.yaml"], "[red]net.yaml: its sizes are solved"),
        (
            ["plan", "[red]net.yaml", "--input", "1,1,501,375"],
            "[red]net.yaml: repairs are tried",
        ),
        (["draw", "[red]net.yaml", "--to", "html"], "[red]net.yaml: is drawn"),
        (["compare", "[red]net.yaml", "many/1.yaml"], "[red]net.yaml: is compared"),
        (["import", "my_net.py:UNet", "--input", "1,3,32,32"], "my_net.py:UNet: is read, "),
        (["check", "many"], "checking"),
        (
            ["sweep", "[red]net.yaml", "--vary", "base=8..23", "--size", "H=W=32,64"],
            "rows",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_bar_is_shown_and_goes(words: list[str], said: str, place: Path) -> None:
    """With no patience it is there at once."""
    _, told = on_terminal(COMMAND.format(patience=-1), *words, folder=place)
    assert HIDDEN in told and told.count(HIDDEN) == told.count(SHOWN)
    assert said in CONTROL.sub("", told)


def test_a_file_gets_no_bar(place: Path) -> None:
    """What is printed is the same, and nothing is told."""
    words = ["sizes", "[red]net.yaml", "--depth", "all"]
    printed, _ = on_terminal(COMMAND.format(patience=-1), *words, folder=place)
    plain = subprocess.run(
        [sys.executable, "-c", COMMAND.format(patience=-1), *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert plain.stdout == printed and printed
    assert plain.stderr == ""


def test_who_need_not_wait_sees_nothing(place: Path) -> None:
    """What is done within the time shows no bar."""
    told = on_terminal(COMMAND.format(patience=1000), "sizes", "[red]net.yaml", folder=place)[1]
    assert told == ""


WORK = """
import sys, time
from tracer.commands import waiting
waiting.PATIENCE, waiting.TICK, waiting.BETWEEN = 0.2, 0.01, 0.2
with waiting.waiting("working", 4, tells=True) as work:
    for _ in range(4):
        time.sleep(0.2)
        work.step()
"""


def test_steps_are_counted() -> None:
    """A bar has the number of steps; where there is no terminal there is a line now and then, if that is wanted."""
    told = CONTROL.sub("", on_terminal(WORK)[1])
    assert {"1/4", "2/4", "3/4"} & set(re.findall(r"\d/\d", told))
    assert "working" in told

    code = WORK + 'with waiting.waiting("more"): time.sleep(0.5)\n'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert re.fullmatch(r"(working, \d s\r?\n)+", done.stderr)


def test_an_error_takes_the_bar_away() -> None:
    """What is said of it comes behind the bar's end."""
    code = WORK.replace("        work.step()", "        raise SystemExit('no more')").replace(
        "0.2)", "0.6)"
    )
    told = on_terminal(code)[1]
    assert HIDDEN in told and told.rindex(SHOWN) < told.index("no more")
