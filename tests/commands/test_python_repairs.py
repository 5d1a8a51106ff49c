"""Repairs of torch modules that a Python file makes: told in Python, written into the file, and true in torch."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

import tracer
from tracer.commands import cli
from tracer.commands.options import Overrides
from tracer.commands.sources import opened
from tracer.diagnostics import Span
from tracer.repairing.repair import Repair
from tracer.repairing.repairs import repairs
from tracer.source.python_calls import SourceEdit
from tracer.torch_bridge.places import CodePlace

HEAD = """\
import torch
from torch import nn


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc1 = nn.Conv2d(3, 4, 3, padding=1)
        self.enc2 = nn.Conv2d(4, 8, 3, padding=1)
        self.mid = nn.Conv2d(8, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
"""

FORWARD = """\
        self.dec2 = nn.Conv2d(16, 8, 3, padding=1)
        self.dec1 = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x):
        skip1 = self.enc1(x)
        skip2 = self.enc2(self.pool(skip1))
        y = self.mid(self.pool(skip2))
        y = self.up2(y)
        y = self.dec2(torch.cat([skip2, y], dim=1))
        y = self.up1(y)
        return self.dec1(torch.cat((y, skip1), 1))
"""

KEYWORDS = """\
        self.up2 = nn.ConvTranspose2d(16, 8, kernel_size=2, stride=2, output_padding=0)
        self.up1 = nn.ConvTranspose2d(8, 4, 2, stride=2, bias=False)  # (no bias)
"""

POSITIONS = """\
        self.up2 = nn.ConvTranspose2d(16, 8, 2, 2, 0, (0, 0))
        self.up1 = nn.ConvTranspose2d(8, 4, 2, 2, 0)
"""

SEVERAL_LINES = """\
        self.up2 = nn.ConvTranspose2d(
            in_channels=16,
            out_channels=8,
            kernel_size=(2),
            stride=2,
        )
        self.up1 = nn.ConvTranspose2d(
            8, 4,
            2, stride=(2)  # doubles
        )
"""

ONE_LINE = """\
        ü = "⊗ü"; self.up2 = nn.ConvTranspose2d(16, 8, 2, stride=2); self.up1 = nn.ConvTranspose2d(8, 4, 2, 2)
"""

LOOP = """\
        self.ups = nn.ModuleList(nn.ConvTranspose2d(c, c // 2, 2, stride=2) for c in (16, 8))
        self.decs = nn.ModuleList([nn.Conv2d(16, 8, 1), nn.Conv2d(8, 4, 1)])

    def forward(self, x):
        skips = []
        for enc in (self.enc1, self.enc2):
            x = enc(x)
            skips.append(x)
            x = self.pool(x)
        x = self.mid(x)
        for up, dec in zip(self.ups, self.decs):
            skip = skips.pop()
            x = up(x)
            x = dec(torch.cat([skip, x], dim=1))
        return x
"""

ADDED = """\
        self.up2 = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.up1 = nn.ConvTranspose2d(8, 4, 2, stride=2)

    def forward(self, x):
        skip1 = self.enc1(x)
        skip2 = self.enc2(self.pool(skip1))
        y = self.up2(self.mid(self.pool(skip2))) + skip2
        return self.up1(y) + skip1
"""

MODULES = {
    "keywords": HEAD + KEYWORDS + FORWARD,
    "positions": HEAD + POSITIONS + FORWARD,
    "several lines": HEAD + SEVERAL_LINES + FORWARD,
    "one line": HEAD + ONE_LINE + FORWARD,
    "loop": HEAD + LOOP,
    "added": HEAD + ADDED,
    "helper": HEAD
    + FORWARD.replace(
        "\n    def forward",
        "        self.up2 = up(16, 8)\n        self.up1 = up(8, 4)\n\n    def forward",
    )
    + "\n\ndef up(a, b):\n    return nn.ConvTranspose2d(a, b, 2, stride=2)\n",
    "carriage returns": (HEAD + SEVERAL_LINES + FORWARD).replace("\n", "\r\n"),
    "tabs": (HEAD + SEVERAL_LINES + FORWARD).replace("    ", "\t"),
    "no end": (HEAD + KEYWORDS + FORWARD).rstrip("\n"),
}

SIZES = ("1,3,30,30", "1,3,29,34", "1,3,31,31")


def run(*words: str) -> Result:
    """``tracer WORDS``."""
    return CliRunner().invoke(cli, list(words))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(text: str, path: str = "my_net.py") -> Path:
    """A file with exactly this text."""
    file = Path(path)
    file.write_bytes(text.encode())
    return file


def module_of(text: str, path: str = "made.py") -> torch.nn.Module:
    """The module that a text makes."""
    scope: dict[str, Any] = {"__name__": "made"}
    exec(compile(text, path, "exec"), scope)
    module: torch.nn.Module = scope["UNet"]()
    return module.eval()


def sizes_of(repair: Repair) -> list[tuple[int, int]]:
    """Some input sizes that run, by what the repair says: small ones and larger ones, squares and others."""
    axes = tracer.loads(repair.text).sizes().axes
    found = [axes[s].runs.between(1, 80) for s in ("H", "W")]
    heights, widths = (list(sizes) for sizes in found)
    pairs = list(zip(heights[:3] + heights[-3:], widths[-3:] + widths[:3]))
    return [*pairs, (heights[1], widths[0])]


def replaced(text: str, edits: list[SourceEdit]) -> str:
    """A text in which each edit replaces just its own stretch."""
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda one: one.span, reverse=True):
        span = edit.span
        first, last = lines[span.line - 1], lines[span.end_line - 1]
        lines[span.line - 1 : span.end_line] = [
            first[: span.column - 1] + edit.text + last[span.end_column - 1 :]
        ]
    return "".join(lines)


CASES = [(name, SIZES[number % len(SIZES)]) for number, name in enumerate(MODULES)]


@pytest.mark.parametrize(("name", "size"), CASES)
def test_edits_are_true_in_torch(here: Path, name: str, size: str) -> None:
    """The edited file's module runs at the asked size with the promised shape, and at sizes of the claimed set."""
    text = MODULES[name]
    path = f"net_{abs(hash((name, size)))}.py"
    saved(text, path)
    shape = tuple(map(int, size.split(",")))
    with pytest.raises(RuntimeError, match="must match"):
        module_of(text)(torch.zeros(shape))

    found = repairs(opened(f"{path}:UNet", Overrides(inputs=[size]))).found
    written = [repair for repair in found if repair.source_edits]
    assert written, [repair.steps for repair in found]
    for repair in written:
        module = module_of(repair.source_texts[path])
        (promised,) = repair.changes.outputs.values()
        assert list(module(torch.zeros(shape)).shape) == promised
        config = tracer.loads(repair.text)
        for height, width in sizes_of(repair):
            (expected,) = config.trace(H=height, W=width).outputs.values()
            assert tuple(module(torch.zeros(1, 3, height, width)).shape) == expected

        assert repair.source_texts[path] == replaced(text, repair.source_edits)


@pytest.mark.parametrize("name", MODULES)
def test_run_time_sizes_serve_every_size(here: Path, name: str) -> None:
    """Where the skip has a name, ``output_size`` is an edit of the call that reads it."""
    saved(MODULES[name], f"sized_{abs(hash(name))}.py")
    net = opened(f"sized_{abs(hash(name))}.py:UNet", Overrides(inputs=["1,3,31,31"]))
    (repair,) = [one for one in repairs(net).found if one.title.startswith("output_size")]
    (text,) = repair.source_texts.values()
    assert "output_size=skip" in text
    assert all("output_size=skip" in edit.text for edit in repair.source_edits)


SHARED = HEAD + LOOP.replace("skip = skips.pop()\n            ", "").replace(
    "[skip,", "[skips.pop(),"
)


def test_what_is_right_for_one_layer_only_is_told(here: Path) -> None:
    """One line makes two layers that need different values: it is no edit, and --repair says what to do by hand."""
    file = saved(SHARED)
    words = ("plan", "my_net.py:UNet", "--input", "1,3,30,30")
    found = json.loads(run(*words, "--format", "json").stdout)["repairs"]
    first = found[0]
    assert first["title"] == "output_padding of ups.0" and first["source_edits"] == []
    assert first["steps"] == [
        "my_net.py:12: output_padding=1 for ups.0, ups.1 as now, made by "
        "`nn.ConvTranspose2d(c, c // 2, 2, stride=2)`: one call makes them all, and one value does not serve them; "
        "behind it, write `self.ups[0].output_padding = 1`"
    ]
    for number, repair in enumerate(found, 1):
        done = run(*words, "--repair", str(number))
        assert done.exit_code == (0 if repair["source_edits"] else 1)
        if repair["source_edits"]:
            saved(SHARED)
        else:
            assert all(step in done.stderr for step in repair["steps"])
            assert file.read_text("utf-8") == SHARED


def test_the_list_is_told_in_python(here: Path) -> None:
    """Each repair has its lines; padding has its cut, and what torch has no argument for has its call."""
    saved(MODULES["keywords"])
    done = run("plan", "my_net.py:UNet", "--input", "1,3,30,30")
    assert done.exit_code == 1
    for said in (
        "my_net.py:12: output_padding=1 in `nn.ConvTranspose2d(16, 8, kernel_size=2, stride=2, output_padding=0)`",
        "my_net.py:21: `self.up2(y, output_size=skip2.shape[-2:])`",
        "pad the input to 32 x 32",
        "feed it `F.pad(x, (0, 2, 0, 2))`, and cut its output y: `y[..., :30, :30]`",
        "feed 28 x 28",
        "my_net.py:22: resize y to the size of skip2: `F.interpolate(y, size=skip2.shape[-2:])`",
    ):
        assert said in done.stdout
    assert "layers." not in done.stdout and "lists" not in done.stdout


def test_padding_and_cutting_is_true_in_torch(here: Path) -> None:
    """The padded input runs, and the cut output has the asked size."""
    saved(MODULES["keywords"], "padded.py")
    found = repairs(opened("padded.py:UNet", Overrides(inputs=["1,3,30,29"]))).found
    (repair,) = [one for one in found if one.title == "pad the input to 32 x 32"]
    pad, cut = repair.steps[0].split("`")[1::2]
    scope = {"F": torch.nn.functional, "x": torch.zeros(1, 3, 30, 29)}
    y = module_of(MODULES["keywords"])(eval(pad, scope))
    assert eval(cut, {"y": y}).shape[2:] == (30, 29)


def test_an_output_that_does_not_follow_the_input_is_not_cut(here: Path) -> None:
    """A classifier's padded input is told without a cut."""
    text = MODULES["keywords"].replace(
        "return self.dec1(torch.cat((y, skip1), 1))",
        "return self.dec1(torch.cat((y, skip1), 1)).mean((2, 3))",
    )
    saved(text, "classifier.py")
    found = repairs(opened("classifier.py:UNet", Overrides(inputs=["1,3,30,30"]))).found
    (repair,) = [one for one in found if one.title == "pad the input to 32 x 32"]
    assert repair.steps == ["feed it `F.pad(x, (0, 2, 0, 2))`"]


@pytest.mark.parametrize("name", ["carriage returns", "tabs"])
@pytest.mark.parametrize(
    "more", [("--repair", "1"), ("--fix", "--write"), ("--repair", "1", "--write")]
)
def test_a_repair_is_written(here: Path, name: str, more: tuple[str, ...]) -> None:
    """The file has the edit, its mode and its line ends; then check is clean, in the same process too."""
    file = saved(MODULES[name])
    file.chmod(0o640)
    words = ("my_net.py:UNet", "--input", "1,3,30,30")
    assert run("check", *words).exit_code == 1
    done = run("plan", *words, *more)
    assert done.exit_code == 0, done.output
    assert "written: my_net.py" in done.stderr

    after = file.read_bytes().decode()
    assert after != MODULES[name]
    assert after.count("\r\n") in (0, after.count("\n"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [one.name for one in here.iterdir() if one.suffix == ".tmp"] == []
    assert run("check", *words).exit_code == 0
    assert module_of(after)(torch.zeros(1, 3, 30, 30)).shape[2:] == (30, 30)


def test_a_diff_is_shown_and_nothing_is_written(here: Path) -> None:
    """The diff of the file, which ``patch`` takes."""
    file = saved(MODULES["several lines"])
    done = run("plan", "my_net.py:UNet", "--input", "1,3,30,30", "--repair", "1", "--diff")
    assert done.exit_code == 0
    assert done.stdout.startswith("--- a/my_net.py\n+++ b/my_net.py\n@@ ")
    changed = [line for line in done.stdout.splitlines()[2:] if line[0] in "+-"]
    assert changed == ["+            output_padding=1,"]
    assert file.read_text("utf-8") == MODULES["several lines"]


def test_a_file_with_a_byte_order_mark(here: Path) -> None:
    """The mark stays where it is."""
    file = saved("\ufeff" + MODULES["keywords"])
    done = run("plan", "my_net.py:UNet", "--input", "1,3,30,30", "--repair", "1")
    assert done.exit_code == 0, done.output
    assert file.read_bytes().startswith(b"\xef\xbb\xbfimport torch")


BLOCKS = """\
import torch
from torch import nn
from torch.nn import functional as F


class Up(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.up = nn.ConvTranspose2d(a, b, 2, stride=2)

    def forward(self, x, skip):
        x = self.up(x)
        x += skip
        return x


class Own(nn.ConvTranspose2d):
    def __init__(self, a, b):
        super().__init__(a, b, 2, stride=2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 4, 2, stride=2), nn.Conv2d(4, 8, 2, stride=2)
        self.weight = nn.Parameter(torch.zeros(4, 3, 2, 2))
        self.make()


class Blocks(Net):
    def make(self):
        self.up2, self.up1 = Up(8, 4), Up(4, 3)

    def forward(self, x):
        y = self.down1(x)
        return self.up1(self.up2(self.down2(y), y), x)


class Wrapped(Net):
    def make(self):
        self.up2 = nn.Sequential(nn.ConvTranspose2d(8, 4, 2, stride=2), nn.ReLU())
        self.up1 = nn.Sequential(nn.ConvTranspose2d(4, 3, 2, stride=2), nn.ReLU())

    def forward(self, x):
        y = self.down1(x)
        return self.up1(self.up2(self.down2(y)) + y) + x


class Others(Net):
    def make(self):
        self.up2 = Own(8, 4)

    def forward(self, x):
        y = self.down1(x)
        y = y + self.up2(self.down2(y))
        return torch.add(F.conv_transpose2d(y, self.weight, stride=2), x)
"""


def test_a_block_of_the_users(here: Path) -> None:
    """One call in the block's forward serves all of its uses, and the sum in place has both names."""
    file = saved(BLOCKS)
    words = ("my_net.py:Blocks", "--input", "1,3,31,30")
    found = json.loads(run("plan", *words, "--format", "json").stdout)["repairs"]
    steps = {one["title"].split(" ")[0]: one["steps"] for one in found}
    assert steps["output_size"] == ["my_net.py:12: `self.up(x, output_size=skip.shape[-2:])`"]
    assert steps["resize"] == [
        "my_net.py:13: resize x to the size of skip: `F.interpolate(x, size=skip.shape[-2:])`"
    ]
    (number,) = [n for n, one in enumerate(found, 1) if one["title"].startswith("output_size")]
    assert run("plan", *words, "--repair", str(number)).exit_code == 0
    assert run("check", "my_net.py:Blocks", "--input", "1,3,37,30").exit_code == 0
    assert file.read_text("utf-8") == BLOCKS.replace(
        "self.up(x)", "self.up(x, output_size=skip.shape[-2:])"
    )


def test_parts_that_are_one_block_of_the_config(here: Path) -> None:
    """Two parts that are alike have lines of their own in the file, and each gets its own value."""
    file = saved(BLOCKS)
    words = ("my_net.py:Wrapped", "--input", "1,3,31,30")
    first = json.loads(run("plan", *words, "--format", "json").stdout)["repairs"][0]
    assert first["title"] == "output_padding of up2.0, up1.0"
    assert first["changes"]["outputs"] == {"add_1": [1, 3, 31, 30]}
    assert [edit["text"] for edit in first["source_edits"]] == [
        ", output_padding=1",
        ", output_padding=(1, 0)",
    ]
    assert run("plan", *words, "--fix").exit_code == 0
    assert run("check", *words).exit_code == 0
    assert (
        file.read_text("utf-8")
        .replace(", output_padding=1)", ")")
        .replace(", output_padding=(1, 0))", ")")
        == BLOCKS
    )


IN_A_LOOP = """\


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.downs = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)])
        self.mid = nn.Conv2d(8, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.ups = nn.ModuleList()
        for i in (16, 8):
            self.ups.append(nn.ConvTranspose2d(i, i // 2, 2, 2))
            self.ups.append(nn.Conv2d(i, i // 2, 3, padding=1))

    def forward(self, x):
        skips = []
        for down in self.downs:
            skips.append(down(x))
            x = self.pool(skips[-1])
        x = self.mid(x)
        for i in range(2):
            skip = skips[1 - i]
            x = self.ups[2 * i + 1](torch.cat((skip, ARM), dim=1))
        return x
"""


@pytest.mark.parametrize(
    "head, functional",
    (
        ("from torch import nn\nimport torch.nn.functional as F", "F"),
        ("import torch.nn as nn", "nn.functional"),
        ("from torch import nn\nfrom torch.nn import functional", "functional"),
    ),
)
@pytest.mark.parametrize(
    "arm", ("self.ups[2 * i](x)", "(\n                self.ups[2 * i](x)  # up\n            )")
)
def test_a_map_is_resized_where_it_meets_the_skip(
    here: Path, head: str, functional: str, arm: str
) -> None:
    """The call stands around the map's expression, in a loop too, by the name that the file has for torch's module."""
    text = f"import torch\n{head}\n{IN_A_LOOP.replace('ARM', arm)}"
    file = saved(text)
    words = ("my_net.py:UNet", "--input", "1,3,31,30")
    found = json.loads(run("plan", *words, "--format", "json").stdout)["repairs"]
    (number,) = [n for n, one in enumerate(found, 1) if one["title"].startswith("resize")]
    assert run("plan", *words, "--repair", str(number), "--write").exit_code == 0

    call = f"{functional}.interpolate(self.ups[2 * i](x), size=skip.shape[-2:])"
    assert file.read_text("utf-8") == text.replace("self.ups[2 * i](x)", call)
    module = module_of(file.read_text("utf-8")).eval()
    for size in ((31, 30), (37, 45), (32, 32), (18, 7)):
        assert module(torch.zeros(1, 3, *size)).shape[-2:] == size


def test_a_skip_without_a_name_is_told(here: Path) -> None:
    """An expression that would be computed twice is no edit."""
    unnamed = "import torch\nfrom torch import nn\n" + IN_A_LOOP.replace("(skip,", "(skip * 2,")
    saved(unnamed.replace("ARM", "self.ups[2 * i](x)"))
    words = ("my_net.py:UNet", "--input", "1,3,31,30")
    found = json.loads(run("plan", *words, "--format", "json").stdout)["repairs"]
    (resized,) = [one for one in found if one["title"].startswith("resize")]
    assert resized["source_edits"] == []


def test_what_has_no_such_argument_is_told(here: Path) -> None:
    """A class of the user's that takes no output_padding, and a function that takes no output_size, are no edits."""
    saved(BLOCKS)
    words = ("my_net.py:Others", "--input", "1,3,31,30")
    found = json.loads(run("plan", *words, "--format", "json").stdout)["repairs"]
    assert all(
        one["source_edits"] == [] for one in found if not one["title"].startswith("resize")
    )
    steps = [step for one in found for step in one["steps"]]
    for said in (
        "my_net.py:51: output_padding=1 for up2, made by `Own(8, 4)`",
        "the function takes no output_size",
    ):
        assert any(said in step for step in steps), steps


def test_before_python_had_columns(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is found by its line and its name; two of one name on a line are told apart by nothing."""

    def whole_line(seen: CodePlace, text: str) -> Span:
        first = len(text) - len(text.lstrip()) + 1
        return Span(seen.number, first, seen.number, len(text) + 1)

    monkeypatch.setattr("tracer.torch_bridge.places._span_of", whole_line)
    for name, is_edit in (("several lines", True), ("keywords", True), ("one line", False)):
        path = f"lines_{len(name)}.py"
        saved(MODULES[name], path)
        first = repairs(opened(f"{path}:UNet", Overrides(inputs=["1,3,30,30"]))).found[0]
        assert first.title == "output_padding of up2"
        assert bool(first.source_edits) == is_edit, name


UNDONE = MODULES["keywords"].replace(
    "    def forward", "        self.up2.output_padding = (0, 0)\n\n    def forward"
)


def test_an_edit_that_does_not_help_is_not_written(here: Path) -> None:
    """The constructor's argument is replaced later on: the edited program does not close, and the file stays."""
    file = saved(UNDONE)
    words = ("plan", "my_net.py:UNet", "--input", "1,3,30,30", "--repair", "1")
    for more in ((), ("--diff",)):
        done = run(*words, *more)
        assert done.exit_code == 1
        assert "the edited program would not do what is promised" in done.stderr
        assert "+++" not in done.stdout
    assert file.read_text("utf-8") == UNDONE


def test_files_elsewhere_are_not_edited(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file outside of the working directory, and one of an installed package, are only told."""
    for folder in ("outside", "inside/site-packages"):
        Path(folder).mkdir(parents=True)
        saved(MODULES["keywords"], f"{folder}/other_net.py")
    Path("work").mkdir()
    for source, place in (
        ("../outside/other_net.py", "work"),
        ("inside/site-packages/other_net.py", "."),
    ):
        monkeypatch.chdir(here / place)
        done = run("plan", f"{source}:UNet", "--input", "1,3,30,30", "--format", "json")
        found = json.loads(done.stdout)["repairs"]
        assert found and all(one["source_edits"] == [] for one in found)
        assert run("plan", f"{source}:UNet", "--input", "1,3,30,30", "--fix").exit_code == 1
    for folder in ("outside", "inside/site-packages"):
        assert (here / folder / "other_net.py").read_text("utf-8") == MODULES["keywords"]


def test_layers_in_another_file(here: Path) -> None:
    """The edit is of the file where the layer is made, and both files are imported again."""
    os.mkdir("nets")
    saved("", "nets/__init__.py")
    saved(
        "from torch import nn\n\n\ndef up(a, b):\n    return nn.ConvTranspose2d(a, b, 2, stride=2)\n",
        "nets/ups.py",
    )
    text = (
        MODULES["helper"]
        .partition("\n\ndef up")[0]
        .replace("from torch import nn\n", "from torch import nn\nfrom nets.ups import up\n")
    )
    saved(text + "\n", "nets/unet.py")
    words = ("nets.unet:UNet", "--input", "1,3,31,31")
    titles = [
        one["title"]
        for one in json.loads(run("plan", *words, "--format", "json").stdout)["repairs"]
    ]
    number = titles.index("output_padding of up2, up1") + 1
    done = run("plan", *words, "--repair", str(number))
    assert done.exit_code == 0, done.output
    assert "written: nets/ups.py" in done.stderr
    assert "2, stride=2, output_padding=1)" in Path("nets/ups.py").read_text("utf-8")
    assert run("check", *words).exit_code == 0


def test_check_counts_the_repairs(here: Path) -> None:
    """The hint has the number of repairs that plan lists."""
    saved(MODULES["keywords"])
    words = ("my_net.py:UNet", "--input", "1,3,30,30")
    count = len(json.loads(run("plan", *words, "--format", "json").stdout)["repairs"])
    assert count > 3
    assert (
        f"`tracer plan {' '.join(words)}` lists {count} repairs" in run("check", *words).stdout
    )


def test_a_network_that_closes_needs_no_repair(here: Path) -> None:
    """--write changes nothing, and --repair is bad usage."""
    file = saved(MODULES["keywords"])
    words = ("plan", "my_net.py:UNet", "--input", "1,3,32,32")
    assert run(*words, "--write").exit_code == 0
    assert run(*words, "--repair", "1").exit_code == 2
    assert file.read_text("utf-8") == MODULES["keywords"]


def test_the_last_line_says_how_a_repair_is_written(here: Path) -> None:
    """Its commands are those that do it; there is none for JSON, nor where a repair was chosen."""
    saved(MODULES["keywords"])
    words = ("plan", "my_net.py:UNet", "--input", "1,3,30,30")
    last = run(*words).stdout.splitlines()[-1]
    command = f"tracer {' '.join(words)} --repair 1"
    assert last == f"`{command} --diff` shows it as an edit, `--repair 1` writes it"
    assert "+++ b/my_net.py" in run(*words, "--repair", "1", "--diff").stdout
    chosen = run(*words, "--repair", "1")
    assert "written: my_net.py" in chosen.stderr
    assert "shows it as an edit" not in chosen.stdout
