"""``tracer check`` alone: what ``pyproject.toml`` promises of networks is proven, or told where it breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from tracer.commands import cli

NETS = """\
import torch
from torch import nn


class UNet(nn.Module):
    def __init__(self, base=4):
        super().__init__()
        self.first = nn.Conv2d(3, base, 3, padding=1)
        self.down = nn.Sequential(nn.MaxPool2d(4), nn.Conv2d(base, 2 * base, 3, padding=1))
        self.up = nn.ConvTranspose2d(2 * base, base, 4, stride=4)
        self.out = nn.Conv2d(2 * base, 2, 1)

    def forward(self, x):
        skip = self.first(x)
        y = self.up(self.down(skip))
        return self.out(torch.cat([skip, y], 1))


class Picky(UNet):
    def forward(self, x):
        if x.shape[2] < 48:
            raise ValueError("too small")
        return super().forward(x)


class Two(nn.Module):
    def forward(self, image, mask):
        return {"masked": image * mask, "image": image}


class Head(UNet):
    def forward(self, x):
        y = self.down(self.first(x))
        return y[y > 0]
"""

MEETING = 16
"""The line of its torch.cat."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with modules."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "nets", raising=False)
    return tmp_path


def promise(here: Path, *tables: str) -> None:
    """Write a ``pyproject.toml`` with these tables, from line 4 on."""
    text = "".join(f"[[tool.tracer.source]]\n{table}\n" for table in tables)
    (here / "pyproject.toml").write_text(f'[project]\nname = "x"\n\n{text}', "utf-8")


def check(*words: str) -> Result:
    """``tracer check`` without a network."""
    return CliRunner().invoke(cli, ["check", *words])


def found_by(*words: str) -> list[dict[str, Any]]:
    """What it finds."""
    return list(json.loads(check(*words, "--format", "json").stdout)["diagnostics"])


def place(one: dict[str, Any]) -> tuple[str, int, int]:
    """The file, the line and the column of a finding or of a place beside it."""
    start = one["range"]["start"]
    return Path(one["path"]).name, start["line"], start["column"]


UNET = """\
module = "nets:UNet"
args = {base = 8}
input = [1, 3, "H", "W"]
sizes = {H = {min = 64, step = 4}, W = [32, 64]}
output = [1, 2, "H", "W"]"""


def test_a_promise_that_is_kept(here: Path) -> None:
    """Proven for every size without end: nothing is found."""
    promise(here, UNET)
    done = check("--strict")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "1 file checked: no problems found" in done.stderr


def test_the_smallest_size_that_fails_stands_at_the_line_of_the_module(here: Path) -> None:
    """T305 names the size that torch refuses too; the promise is beside it."""
    promise(here, UNET.replace("step = 4", "step = 2"))
    assert check().exit_code == 1
    (found,) = found_by()
    assert (found["code"], *place(found)) == ("T305", "nets.py", MEETING, 25)
    assert found["message"].startswith("H = 66 does not work: sizes differ in dim 2")
    assert place(found["related"][-1]) == ("pyproject.toml", 8, 10)
    assert found["related"][-1]["message"] == "promised here"

    scope: dict[str, Any] = {}
    exec(compile(NETS, "nets.py", "exec"), scope)
    net = scope["UNet"](8)
    assert net(torch.zeros(1, 3, 64, 32)).shape == (1, 2, 64, 32)
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        net(torch.zeros(1, 3, 66, 32))


def test_the_promise_of_an_output(here: Path) -> None:
    """T304 stands at the line of what gives the output."""
    promise(here, UNET.replace('output = [1, 2, "H", "W"]', 'output = [1, 3, "H", "W // 2"]'))
    (found,) = found_by()
    assert (found["code"], *place(found)) == ("T304", "nets.py", MEETING, 16)
    assert "[1, 2, 64, 32]; dim 1 is expected to be 3, not 2" in found["message"]
    assert place(found["related"][-1])[:2] == ("pyproject.toml", 9)


def test_numbers_stay_numbers(here: Path) -> None:
    """A dim that is a number has no other sizes: what would fail there is not promised."""
    promise(
        here,
        'module = "nets:UNet"\ninput = [2, 3, 64, "rows"]\nsizes = {rows = {min = 4, step = 4}}\n'
        'output = [2, 2, 64, "rows"]',
    )
    assert (check().exit_code, found_by()) == (0, [])


def test_a_first_size_that_does_not_run(here: Path) -> None:
    """The module is read at a promised size that runs, and the first that fails is told."""
    promise(here, UNET.replace("nets:UNet", "nets:Picky").replace("min = 64", "min = 44"))
    (found,) = found_by()
    assert (found["code"], *place(found)) == ("T305", "nets.py", 22, 13)
    assert found["message"].startswith("H = 44, W = 32 does not work: ")
    assert "is raised for [1, 3, 44, 32], by dim 2" in found["message"]
    assert place(found["related"][-1])[0] == "pyproject.toml"
    assert "was read at 1,3,48,64" in check().stderr


def test_a_file_is_found_from_below(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``module`` with a file's path counts from the folder of pyproject.toml, as ``path`` does."""
    promise(here, UNET.replace("nets:UNet", "nets.py:UNet"))
    below = here / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert (check().exit_code, found_by()) == (0, [])


def test_inputs_and_outputs_by_name(here: Path) -> None:
    """Tables of inputs and outputs; one symbol in two inputs is one size."""
    table = """\
module = "nets:Two"
input = {image = [1, 3, "H", "W"], mask = [1, 1, "H", "W"]}
sizes = {H = {min = 1}, W = {min = 1}}
output = {masked = [1, 3, "H", "W"], image = [1, 3, "H", "%s"]}"""
    promise(here, table % "W")
    assert (check().exit_code, found_by()) == (0, [])
    promise(here, table % "H")
    first, second = found_by()
    assert first["code"] == second["code"] == "T305"
    assert first["message"].startswith("H = 2 does not work: the output image has the shape")


def test_until_a_part(here: Path) -> None:
    """A head that no config says hides nothing of the body."""
    table = UNET.replace("nets:UNet", "nets:Head").replace('output = [1, 2, "H", "W"]', "%s")
    promise(here, table % "")
    assert [one["code"] for one in found_by()] == ["T601"]
    promise(here, table % 'until = "down"\noutput = [1, 16, "H // 4", "W // 4"]')
    assert (check().exit_code, found_by()) == (0, [])


CONFIG = """\
input: [1, 3, H, W]
sizes: {H: 64, W: 64}
params: {wide: 8}
layers:
  down: {op: Conv2d, out_channels: "${wide}", kernel_size: 2, stride: 2}
  up: {op: ConvTranspose2d, out_channels: 3, kernel_size: 2, stride: 2}
  sum: {op: Add, from: [up, input]}
"""


def test_a_config_is_promised_too(here: Path) -> None:
    """The finding stands at the promise, from another folder as well; what breaks it is beside it."""
    inside = here / "nets"
    inside.mkdir()
    (inside / "net.yaml").write_text(CONFIG, "utf-8")
    promise(
        here, 'path = "nets/net.yaml"\nargs = {wide = 4}\nsizes = {H = {min = 8, step = 1}}'
    )
    (found,) = found_by()
    assert (found["code"], *place(found)) == ("T305", "pyproject.toml", 7, 10)
    assert found["message"].startswith("H = 9 does not work")
    assert place(found["related"][0]) == ("net.yaml", 7, 13)


def test_from_a_folder_below(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest file is found upwards, and its paths start from its own folder."""
    below = here / "a" / "b"
    below.mkdir(parents=True)
    (here / "net.yaml").write_text(CONFIG, "utf-8")
    promise(
        here,
        'path = "net.yaml"\nsizes = {H = [8, 10], W = 8}',
        UNET,
        UNET.replace("nets:", "nets.py:").replace("module", "path"),
    )
    monkeypatch.chdir(below)
    assert (check().exit_code, found_by()) == (0, [])


@pytest.mark.parametrize(
    ("table", "line", "column", "code", "said"),
    [
        (f'{UNET}\nuntl = "x"', 10, 1, "T003", "no key 'untl'"),
        (UNET.replace('module = "nets:UNet"', ""), 4, 15, "T201", "`module` or `path`"),
        (f'{UNET}\npath = "net.yaml"', 10, 1, "T202", "not both"),
        (UNET.replace("nets:UNet", "nets.UNet"), 5, 10, "T004", "package.module:callable"),
        (UNET.replace('"H", "W"]\nsizes', '"H", "X"]\nsizes'), 7, 21, "T201", "has X"),
        (UNET.replace("step = 4", "stop = 4"), 8, 25, "T003", "no key 'stop'"),
        (UNET.replace("min = 64", 'min = "64"'), 8, 21, "T004", "min"),
        (UNET.replace('"H", "W"]', '"H", true]', 1), 7, 21, "T004", "a dim must be"),
        (
            UNET.replace('[1, 2, "H", "W"]', '{logits = [1, 2, "H", "W"]}'),
            9,
            11,
            "T102",
            "'logits'",
        ),
        (UNET.replace('[1, 2, "H", "W"]', '[1, 2, "H", "V"]'), 9, 1, "T102", "no symbol 'V'"),
        (f'{UNET}\nuntil = "dawn"', 10, 9, "T102", "did you mean 'down'"),
        (UNET.replace(', "W"]\n', ', "W"\n', 1), 8, 1, "T001", "TOML syntax"),
        ('path = "none.yaml"', 5, 8, "T001", "cannot be read"),
    ],
)
def test_a_table_that_is_unusable(
    here: Path, table: str, line: int, column: int, code: str, said: str
) -> None:
    """It is told at its line and column in the file, and the exit code is 2."""
    promise(here, table)
    done = check()
    assert done.exit_code == 2, done.output
    found = found_by()[0]
    assert (found["code"], *place(found)) == (code, "pyproject.toml", line, column)
    assert said in f"{found['message']}; {found['hint']}"


def test_one_table_at_fault_keeps_no_other_from_being_checked(here: Path) -> None:
    """Both are told; the exit code is that of the unusable one."""
    promise(here, 'modul = "nets:UNet"', UNET.replace("step = 4", "step = 2"))
    assert check().exit_code == 2
    assert [one["code"] for one in found_by()] == ["T305", "T201", "T003"]


def test_what_keeps_a_module_from_being_made(here: Path) -> None:
    """A module that is not there is told where it is named."""
    promise(here, UNET.replace("nets:UNet", "nets:UNot"))
    done = check()
    assert done.exit_code == 1
    assert (
        "pyproject.toml:5:10: error[T601] nets has no 'UNot'; did you mean 'UNet'"
        in done.stdout
    )


@pytest.mark.parametrize("text", [None, "", '[tool.tracer]\nselect = ["T3"]\n'])
def test_nothing_to_check(here: Path, text: str | None) -> None:
    """Without a promise it is bad usage, which says what can be checked."""
    (here / "pyproject.toml").write_text(text or "", "utf-8")
    if text is None:
        (here / "pyproject.toml").unlink()
    done = check()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "there is nothing to check" in done.stderr


def test_options_of_a_network_need_one(here: Path) -> None:
    """A size or an argument is of one network, which has to be named."""
    promise(here, UNET)
    done = check("--size", "H=3")
    assert done.exit_code == 2
    assert "tracer check SOURCE" in done.stderr
