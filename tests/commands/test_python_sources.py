"""Commands on torch modules that a Python file makes: read where they run, told at the user's own lines."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

import tracer
from tracer.commands import cli
from tracer.commands.following import files_of, followed
from tracer.commands.options import Overrides

UNET = """\
import torch
from torch import nn


def conv(channels_in, channels):
    return nn.Sequential(nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU())


class UNet(nn.Module):
    def __init__(self, base=4, wrong=0):
        super().__init__()
        self.downs = nn.ModuleList()
        self.ups = nn.ModuleList()
        self.decs = nn.ModuleList()
        channels = 3
        for level in range(4):
            self.downs.append(conv(channels, base * 2**level))
            channels = base * 2**level
        for level in reversed(range(3)):
            self.ups.append(
                nn.ConvTranspose2d(channels, base * 2**level, 2, stride=2)
            )
            self.decs.append(conv(channels + wrong, base * 2**level))
            channels = base * 2**level
        self.pool = nn.MaxPool2d(2)

    def decode(self, skips, x):
        for up, dec in zip(self.ups, self.decs):
            x = up(x)
            x = dec(torch.cat([skips.pop(), x], dim=1))
        return x

    def forward(self, x):
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
            x = self.pool(x) if down is not self.downs[-1] else x
        return self.decode(skips[:-1], x)
"""
"""Runs for multiples of 8."""

MEETING = 30
"""The line of its torch.cat."""


def run(*words: str) -> Result:
    """``tracer WORDS``."""
    return CliRunner().invoke(cli, list(words))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the module's file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_nets.py").write_text(UNET, "utf-8")
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def diagnostics(*words: str) -> list[dict[str, Any]]:
    """What ``tracer check`` finds."""
    return list(json.loads(run("check", *words, "--format", "json").stdout)["diagnostics"])


def errors(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the warnings."""
    return [one for one in found if one["severity"] == "error"]


def test_a_size_that_fails_is_answered_at_the_line_of_the_merge(here: Path) -> None:
    """The finding stands at the innermost call, with the layer's line and the callers, and with the sizes that run."""
    done = run("check", "my_nets.py:UNet", "--input", "1,3,100,75")
    assert done.exit_code == 1
    (found,) = errors(diagnostics("my_nets.py:UNet", "--input", "1,3,100,75"))
    assert (found["code"], found["path"]) == ("T301", "my_nets.py")
    assert found["range"]["start"] == {"line": MEETING, "column": 21}
    assert found["message"] == "sizes differ in dim 2: 25 from downs.2.1, 24 from ups.0"
    assert [(one["path"], one["range"]["start"]["line"]) for one in found["related"]] == [
        ("my_nets.py", 6),
        ("my_nets.py", 21),
        ("my_nets.py", 39),
    ]
    assert found["notes"] == ["runs for H = 8k, W = 8k: nearest 96 x 72, or pad to 104 x 80"]
    assert "`tracer plan my_nets.py:UNet --input 1,3,100,75` lists" in found["hint"]


def test_torch_agrees_about_the_sizes_that_are_told(here: Path) -> None:
    """The module itself raises at the asked size, and runs at those that the note names."""
    scope: dict[str, Any] = {}
    exec(compile(UNET, "my_nets.py", "exec"), scope)
    module = scope["UNet"]()
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        module(torch.zeros(1, 3, 100, 75))
    for size in ((96, 72), (104, 80)):
        assert module(torch.zeros(1, 3, *size)).shape[2:] == size


def test_every_format_of_check_names_the_python_file(here: Path) -> None:
    """SARIF and GitHub's commands mark the line of the Python file."""
    words = ("check", "my_nets.py:UNet", "--input", "1,3,100,75", "--format")
    assert f"::error file=my_nets.py,line={MEETING},col=21" in run(*words, "github").stdout
    results = json.loads(run(*words, "sarif").stdout)["runs"][0]["results"]
    (error,) = [one for one in results if one["level"] == "error"]
    place = error["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my_nets.py"
    assert place["region"]["startLine"] == MEETING
    assert len(error["relatedLocations"]) == 3


def test_the_trace_says_where_each_node_is_computed(here: Path) -> None:
    """``source`` has the line and the dotted path of the module."""
    done = run("trace", "my_nets.py:UNet", "--input", "1,3,64,64", "--format", "json")
    assert done.exit_code == 0
    nodes = {node["name"]: node for node in json.loads(done.stdout)["nodes"]}
    assert nodes["input"]["source"] is None
    assert nodes["ups_0"]["source"] == {
        "path": "my_nets.py",
        "line": 29,
        "column": 17,
        "module": "ups.0",
    }
    assert nodes["concat"]["source"]["line"] == MEETING


def test_a_wrong_width_names_the_block(here: Path) -> None:
    """Nothing runs: the message has the module's path, the line that made the layer, and what lists repairs."""
    words = ("my_nets.py:UNet", "--input", "1,3,64,64", "--arg", "wrong=1", "--seconds", "3")
    (found,) = errors(diagnostics(*words))
    assert (found["code"], found["path"], found["module"]) == ("T204", "my_nets.py", "decs.0.0")
    assert found["range"]["start"]["line"] == MEETING
    assert found["message"].startswith("decs.0.0: ")
    assert (
        "in_channels is 33, but the input [1, 32, 16, 16] has 32 channels" in found["message"]
    )
    lines = [one["range"]["start"]["line"] for one in found["related"]]
    assert lines == [6, 39]
    assert "lists" in found["hint"]


def test_import_declares_the_asked_size(here: Path) -> None:
    """The config has the size that fails, the finding is told, and the exit code is 1."""
    done = run("import", "my_nets.py:UNet", "--input", "1,3,100,75", "-o", "net.yaml")
    assert done.exit_code == 1
    assert f"my_nets.py:{MEETING}:21: error[T301]" in done.stderr
    text = (here / "net.yaml").read_text("utf-8")
    assert "sizes: {N: 1, H: 100, W: 75}" in text
    assert run("check", "net.yaml").exit_code == 1
    same = run("import", "my_nets.py:UNet", "--input", "1,3,64,64").stdout
    assert same.replace("H: 64, W: 64", "H: 100, W: 75") == text


@pytest.mark.parametrize("command", ["check", "trace", "plan", "sizes", "compare", "export"])
def test_commands_take_a_module(here: Path, command: str) -> None:
    """Each of them answers for a Python source at a size that runs."""
    source = ["my_nets:UNet"] * (1 + (command == "compare"))
    more = ["-o", "written.py"] if command == "export" else []
    done = run(command, *source, "--input", "1,3,64,48", *more)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trace", "my_nets.py"], "say which module of my_nets.py: my_nets.py:UNet"),
        (["trace", "my_nets.py:UNet"], "say the input's shape"),
        (["trace", "my_nets.py:UNet", "--set", "a=1"], "--arg NAME=VALUE"),
        (["import", "my_nets.UNet"], "a module of torch is written my_nets:UNet"),
        (["check", "none.py", "--input", "1,3,8,8"], "there is no such file"),
        (["check", "my_nets:UNet", "--input", "1,3,8,8", "--arg", "base"], "--arg"),
    ],
)
def test_how_a_source_is_written(here: Path, words: list[str], said: str) -> None:
    """What is written otherwise is bad usage, and the message says how to write it."""
    done = run(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


FACTORIES = """\
import os
import sys
import time

from torch import nn


def hangs():
    while True:
        pass


def asks():
    input("which one? ")


def prints():
    print("made")
    return nn.ReLU()


def exits():
    sys.exit(0)


def moves():
    os.chdir("/")
    return nn.ReLU()


class Keywords(nn.Module):
    def forward(self, *, image):
        return image * 2


class Nothing(nn.Module):
    def forward(self):
        return 1


class Sleeps(nn.Module):
    def forward(self, x):
        time.sleep(60)
        return x
"""


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("hangs", None, "is not made within 2 s"),
        ("asks", 14, "EOFError"),
        ("exits", 23, "SystemExit"),
        ("Keywords", 32, "its forward takes image"),
        ("Nothing", 37, "its forward takes nothing"),
        ("Sleeps", None, "does not end within 2 s"),
    ],
)
def test_code_that_is_no_network(here: Path, name: str, line: int | None, said: str) -> None:
    """One message, at the line where there is one; nothing is written."""
    (here / "factories.py").write_text(FACTORIES, "utf-8")
    words = (f"factories.py:{name}", "--input", "1,3,8,8", "--seconds", "2")
    (found,) = diagnostics(*words)
    assert said in found["message"]
    place = found["range"] and found["range"]["start"]["line"]
    assert place == line
    done = run("import", *words, "-o", "net.yaml")
    assert done.exit_code == 1
    assert not (here / "net.yaml").exists()


def test_code_that_talks_and_moves(here: Path) -> None:
    """What it prints is no part of the answer, and the working directory is the user's."""
    (here / "factories.py").write_text(FACTORIES, "utf-8")
    done = run("trace", "factories.py:prints", "--input", "1,3,8,8", "--format", "json")
    assert json.loads(done.stdout)["nodes"][-1]["shape"] == [1, 3, 8, 8]
    assert (
        run("import", "factories.py:moves", "--input", "1,3,8,8", "-o", "n.yaml").exit_code == 0
    )
    assert (here / "n.yaml").exists()


def test_an_input_by_keyword(here: Path) -> None:
    """``--input NAME=SHAPE`` gives a keyword argument; the config's input has its name."""
    (here / "factories.py").write_text(FACTORIES, "utf-8")
    done = run("import", "factories.py:Keywords", "--input", "image=1,3,8,8")
    assert done.exit_code == 0
    assert "input: {image: [N, 3, H, W]}" in done.stdout


HEAD = """\
from torch import nn


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.norm(self.body(x))
        return x[x > 0]
"""


def test_until_a_module(here: Path) -> None:
    """What comes behind it is not run: a head that no config says does not hide the body."""
    (here / "head.py").write_text(HEAD, "utf-8")
    words = ("head.py:Detector", "--input", "1,3,16,16")
    (found,) = diagnostics(*words)
    assert (found["code"], found["range"]["start"]["line"]) == ("T601", 12)
    done = run("import", *words, "--until", "body")
    assert done.exit_code == 0
    assert "MaxPool2d" in done.stdout and "BatchNorm2d" not in done.stdout
    assert "BatchNorm2d" in run("import", *words, "--until", "norm").stdout


def test_until_nothing_that_is_there(here: Path) -> None:
    """A name that the module does not have is told, with the nearest."""
    (here / "head.py").write_text(HEAD, "utf-8")
    done = run("check", "head.py:Detector", "--input", "1,3,16,16", "--until", "bodi")
    assert done.exit_code == 2
    assert "no module 'bodi'" in done.stderr and "did you mean 'body'" in done.stderr


def test_training_mode(here: Path) -> None:
    """``--mode train`` reads what the module does in training."""
    (here / "deep.py").write_text(
        "from torch import nn\n\n\nclass Deep(nn.Module):\n    def forward(self, x):\n"
        "        return {'out': x * 2, 'aux': x} if self.training else {'out': x * 2}\n",
        "utf-8",
    )
    words = ("trace", "deep.py:Deep", "--input", "1,3,8,8", "--format", "json")
    assert list(json.loads(run(*words).stdout)["outputs"]) == ["out"]
    assert list(json.loads(run(*words, "--mode", "train").stdout)["outputs"]) == ["out", "aux"]


def test_an_edited_file_is_read_anew(here: Path) -> None:
    """A second answer in one process is that of the file as it stands: what ``watch`` and ``serve`` show."""
    words = ("check", "my_nets.py:UNet", "--input", "1,3,64,64")
    assert run(*words).exit_code == 0
    edited = UNET.replace("2, stride=2)", "2, stride=3)")
    assert edited != UNET
    (here / "my_nets.py").write_text(edited, "utf-8")
    assert run(*words).exit_code == 1


def test_a_page_follows_the_python_files(here: Path) -> None:
    """The files that are followed are those that the module was imported from, helpers of the user's included."""
    (here / "helper_of_nets.py").write_text("CHANNELS = 3\n", "utf-8")
    text = "from helper_of_nets import CHANNELS\n" + UNET
    (here / "nets_with_helper.py").write_text(text, "utf-8")
    reading = followed("nets_with_helper.py:UNet", Overrides(inputs=["1,3,64,64"]))
    assert reading.net is not None and reading.found == []
    files = {Path(path).name for path in files_of("nets_with_helper.py:UNet")}
    assert files >= {"helper_of_nets.py", "nets_with_helper.py"}


def test_a_sweep_of_sizes(here: Path) -> None:
    """A module is read once, and swept over its sizes."""
    words = (
        "sweep",
        "my_nets.py:UNet",
        "--input",
        "1,3,64,64",
        "--size",
        "H=60..68:4",
        "--yes",
    )
    done = run(*words, "--workers", "1", "-o", "rows.csv")
    assert done.exit_code == 0, done.output
    rows = (here / "rows.csv").read_text("utf-8").splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["60", "64", "68"]


ODD = """\
import torch
from torch import nn


class Asserts(nn.Module):
    def forward(self, x):
        h, w = x.shape[2:]
        if h % 32:
            raise ValueError(f"{h} rows")
        assert h <= w
        return x * 2


class Two(nn.Module):
    def forward(self, a, b):
        return torch.cat([a, nn.functional.max_pool2d(b, 2)], 1)
"""


def test_what_the_module_demands_itself(here: Path) -> None:
    """A size that the module refuses by an error of its own is told at the line that raises it."""
    (here / "odd.py").write_text(ODD, "utf-8")
    (found,) = diagnostics("odd.py:Asserts", "--input", "1,3,48,90")
    assert (found["path"], found["range"]["start"]["line"]) == ("odd.py", 9)
    assert found["message"] == "ValueError is raised for [1, 3, 48, 90], by dim 2"
    assert found["notes"] == [
        "runs for H = 0, 32, 64 with W = 90; W >= 32 with H = 32: nearest 32 x 90, or pad to 64 x 90"
    ]
    (found,) = diagnostics("odd.py:Asserts", "--input", "1,3,96,90")
    assert (found["path"], found["range"]["start"]["line"]) == ("odd.py", 10)


def test_several_inputs_in_their_order(here: Path) -> None:
    """``--input`` again for each; one keyword has one shape."""
    (here / "odd.py").write_text(ODD, "utf-8")
    words = ("check", "odd.py:Two", "--input", "1,3,32,32", "--input")
    assert run(*words, "1,3,64,64").exit_code == 0
    assert run(*words, "1,3,66,64").exit_code == 1
    done = run("check", "odd.py:Two", "--input", "b=1,3,8,8", "--input", "b=1,3,9,8")
    assert done.exit_code == 2 and "b is given twice" in done.stderr


COPIES = """\
import copy

from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.Conv2d(4, 4, 3, padding=1)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.same = nn.ModuleList(copy.deepcopy(layer) for _ in range(3))
        self.last = copy.copy(nn.Conv2d(5, 1, 1))

    def forward(self, x):
        x = self.first(x)
        for layer in self.same:
            x = layer(x)
        return self.last(x)
"""


def test_a_copied_layer_is_made_where_its_original_is(here: Path) -> None:
    """Copies have no line of their own: nobody called a constructor for them."""
    (here / "copies.py").write_text(COPIES, "utf-8")
    found = errors(diagnostics("copies.py:Net", "--input", "1,3,8,8", "--seconds", "1"))
    (made,) = [one for one in found[0]["related"] if "last is made here" in one["message"]]
    assert (made["range"]["start"]["line"], made["range"]["start"]["column"]) == (12, 31)

    text = COPIES.replace("5, 1, 1", "4, 1, 1").replace("4, 4, 3, padding=1", "4, 4, 9")
    (here / "copies.py").write_text(text, "utf-8")
    found = errors(diagnostics("copies:Net", "--input", "1,3,20,20"))
    lines = [one["range"]["start"]["line"] for one in found[0]["related"]]
    assert found[0]["message"].startswith("same.2: ") and lines[0] == 9


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("import torch\n\nclass Net(torch.nn.Module:\n    pass\n", (3, 26), "invalid syntax"),
        ("import torch\nx = 'ü' +  nothing\n", (2, 12), "NameError: name 'nothing'"),
        ("import torch\nimport no_such_thing\n", (2, 1), "No module named 'no_such_thing'"),
        ("import torch\nfrom torch import nothing\n", (2, 1), "cannot import name 'nothing'"),
        ("def f():\n  if 1:\n pass\n", (3, None), "unindent does not match"),
        ("x = 1\n\0\n", None, "null bytes"),
        ("x = '\udcff'\n", None, "SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_imported(
    here: Path, text: str, place: tuple[int, int | None] | None, said: str
) -> None:
    """The finding stands where the file breaks, whether it or a file that it imports is named."""
    (here / "broken.py").write_text(text, "utf-8", errors="surrogateescape")
    (here / "around.py").write_text("import torch\nimport broken\n", "utf-8")
    for source in ("broken.py:Net", "broken:Net", "around.py:Net"):
        (found,) = diagnostics(source, "--input", "1,3,8,8")
        assert found["code"] == "T602" and said in found["message"]
        if place is not None:
            start = found["range"]["start"]
            assert (found["path"], start["line"]) == ("broken.py", place[0])
            assert place[1] in (None, start["column"])
        if place is not None and source == "around.py:Net":
            (caller,) = found["related"]
            assert (caller["path"], caller["range"]["start"]["line"]) == ("around.py", 2)


def test_sources_with_files_of_the_same_names(here: Path) -> None:
    """Each source imports what lies beside it, whichever was read before."""
    for folder, channels in (("old", 4), ("new", 5), (".", 6)):
        (here / folder / "parts").mkdir(parents=True)
        (here / folder / "widths.py").write_text(f"WIDTH = {channels}\n", "utf-8")
        (here / folder / "parts" / "__init__.py").write_text("", "utf-8")
        (here / folder / "parts" / "width.py").write_text(f"WIDTH = {channels}\n", "utf-8")
        (here / folder / "nets.py").write_text(
            "from torch import nn\nfrom widths import WIDTH\n\n\ndef net():\n    return nn.Conv2d(3, WIDTH, 1)\n",
            "utf-8",
        )
        (here / folder / "parts" / "nets.py").write_text(
            "from torch import nn\nfrom .width import WIDTH\n\n\ndef net():\n    return nn.Conv2d(3, WIDTH, 1)\n",
            "utf-8",
        )

    def channels(source: str) -> int:
        done = run("trace", source, "--input", "1,3,8,8", "--format", "json")
        return int(json.loads(done.stdout)["nodes"][-1]["shape"][1])

    order = ["old/nets.py", "nets", "new/nets.py", "nets.py", "old/nets.py"]
    assert [channels(f"{source}:net") for source in order] == [4, 6, 5, 6, 4]
    order = ["old/parts/nets.py", "parts.nets", "new/parts/nets.py", "parts/nets.py"]
    assert [channels(f"{source}:net") for source in order] == [4, 6, 5, 6]

    done = run("compare", "old/nets.py:net", "new/nets.py:net", "--input", "1,3,8,8")
    assert "out_channels 4 → 5" in done.stdout


WRAPPED = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, *args, **kwargs):
        return self.conv(args[0]) + kwargs.get("bias", 0)


class Around(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return self.part(x) * 2


def scripted():
    return torch.jit.script(nn.Conv2d(3, 4, 3))


def followed():
    return torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8))


def part_scripted():
    return Around(scripted())


def kept():
    module = Around(None)
    del module.part
    vars(module)["part"] = scripted()
    return module


def compiled():
    return torch.compile(Net())


def part_compiled():
    return Around(torch.compile(Net()))


def parallel():
    return nn.DataParallel(Net())


def lazy():
    return Around(nn.LazyConv2d(4, 3))


def hooked():
    net = Net()
    net.register_forward_hook(lambda module, given, result: result[:, :2])
    return net


def part_hooked():
    net = Net()
    net.conv.register_forward_hook(lambda module, given, result: result * 2)
    return net


class models:
    Net = Net


if __name__ == "__main__":
    raise SystemExit("this is no script")
"""


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("Net", 4),
        ("models.Net", 4),
        ("scripted", 4),
        ("followed", 4),
        ("part_scripted", 4),
        ("compiled", 4),
        ("part_compiled", 4),
        ("parallel", 4),
        ("hooked", 2),
        ("part_hooked", 4),
    ],
)
def test_modules_that_are_wrapped(here: Path, name: str, channels: int) -> None:
    """What runs as Python is read, whatever is around it."""
    (here / "wrapped.py").write_text(WRAPPED, "utf-8")
    done = run("trace", f"wrapped:{name}", "--input", "1,3,8,8", "--format", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["nodes"][-1]["shape"] == [1, channels, 6, 6]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("kept", 20, "RecursiveScriptModule is TorchScript that is no part of the module"),
        ("lazy", 20, "part (LazyConv2d) has no weights yet; call the module once"),
    ],
)
def test_modules_that_cannot_be_followed(
    here: Path, name: str, line: int | None, said: str
) -> None:
    """One finding says why, at the call where there is one."""
    (here / "wrapped.py").write_text(WRAPPED, "utf-8")
    words = (f"wrapped.py:{name}", "--input", "1,3,8,8")
    (found,) = diagnostics(*words)
    assert found["code"] == "T601" and said in found["message"]
    assert (found["range"] and found["range"]["start"]["line"]) == line


@pytest.mark.parametrize(
    "path",
    ["my nets.py", "näts_☃.py", "a:b.py", "types.py", "json.py", "-x.py", "deep/er/nets.py"],
)
def test_names_of_files(here: Path, path: str) -> None:
    """Any name of a file will do, also one that Python's own modules have."""
    file = here / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(UNET, "utf-8")
    done = run("check", "--input", "1,3,16,16", "--", f"{path}:UNet", f"./{path}:UNet")
    assert (done.exit_code, done.stdout) == (0, ""), done.output
    link = here / "link.py"
    link.symlink_to(file)
    assert run("check", f"{link}:UNet", "--input", "1,3,16,16").exit_code == 0


RESTLESS = """\
import os
import signal
import sys
import threading

from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x)


class Paths(Net):
    def __init__(self):
        super().__init__()
        sys.path.clear()
        os.environ.clear()
        os.chdir("/")


class Loud(Net):
    def forward(self, x):
        print("x" * 1_000_000)
        return super().forward(x)


class Wordy(Net):
    def forward(self, x):
        raise ValueError("y" * 1_000_000)


class Threads(Net):
    def forward(self, x):
        found = []
        worker = threading.Thread(target=lambda: found.append(self.conv(x)))
        worker.start()
        worker.join()
        return found[0]


class Signals(Net):
    def __init__(self):
        super().__init__()
        signal.signal(signal.SIGALRM, signal.SIG_IGN)


class Reads(Net):
    def forward(self, x):
        sys.stdin.read()
        return self.conv(x)


class Deep(Net):
    def forward(self, x):
        return self.forward(x)


class Cuda(Net):
    def __init__(self):
        super().__init__()
        raise AssertionError("Torch not compiled with CUDA enabled")
"""


@pytest.mark.parametrize("name", ["Paths", "Loud", "Threads", "Signals", "Reads"])
def test_modules_that_do_other_things(
    here: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is the network's, and what is written stands where the command was given."""
    (here / "restless.py").write_text(RESTLESS, "utf-8")
    for key, value in list(os.environ.items()):
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(sys, "path", list(sys.path))
    words = ("restless.py:" + name, "--input", "1,3,8,8")
    done = run("import", *words, "-o", "net.yaml")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "op: Conv2d" in (here / "net.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("Wordy", 34, "ValueError: yyyy"),
        ("Deep", 60, "RecursionError"),
        ("Cuda", 66, "not compiled with CUDA"),
    ],
)
def test_modules_that_fail(here: Path, name: str, line: int, said: str) -> None:
    """One finding at the line, of a length that can be read; nothing is written."""
    (here / "restless.py").write_text(RESTLESS, "utf-8")
    words = (f"restless:{name}", "--input", "1,3,8,8", "--seconds", "2")
    done = run("import", *words, "-o", "net.yaml")
    assert done.exit_code == 1 and not (here / "net.yaml").exists()
    assert done.stderr.startswith(f"restless.py:{line}:") and done.stderr.count("error[T") == 1
    assert said in done.stderr and len(done.stderr) < 2_000


def test_two_inputs_that_disagree(here: Path) -> None:
    """Where the sizes of two inputs would need to be one, the finding is the module's own, at its line."""
    (here / "odd.py").write_text(
        ODD + "\n\nclass Sum(nn.Module):\n    def forward(self, a, b):\n        return a + b\n"
    )
    words = ("odd.py:Sum", "--input", "1,3,32,32", "--input", "1,3,32,31")
    (found,) = diagnostics(*words)
    assert (found["code"], found["range"]["start"]["line"]) == ("T301", 21)
    assert "the two are one size" in found["notes"][0]


def test_until_a_part_that_is_not_called(here: Path) -> None:
    """A list of modules is no place up to which a network can be read."""
    words = ("check", "my_nets.py:UNet", "--input", "1,3,64,64", "--until")
    done = run(*words, "downs")
    assert done.exit_code == 1
    assert (
        "the forward of UNet does not call downs; it may call parts of it, such as downs.3"
        in done.stdout
    )
    assert run(*words, "downs.3").exit_code == 0


def test_a_repair_names_the_forwards_parameters(here: Path) -> None:
    """What is fed is called as in the forward."""
    (here / "my_nets.py").write_text(
        UNET.replace("forward(self, x):", "forward(self, image):\n        x = image")
    )
    text = run("plan", "my_nets.py:UNet", "--input", "1,3,100,75").stdout
    assert "feed it `F.pad(image, (0, 5, 0, 4))`" in text
    assert "as image, not [1, 3, 100, 75]" in text


DEMANDS = """\
from torch import nn


class Demands(nn.Module):
    def checked(self, h, w):
        assert w >= 50
        if h % 4:
            raise ValueError(h)
        if w % 3:
            raise ValueError(w)

    def forward(self, x):
        h, w = x.shape[2:]
        self.checked(h, w)
        assert h == w or h > 2 * w
        return x * 2
"""


@pytest.mark.parametrize(
    ("size", "line"),
    [
        ("60,48", 6),
        ("61,60", 8),
        ("60,62", 10),
        ("61,62", 8),
        ("60,63", 15),
        ("60,60", None),
        ("64,60", 15),
    ],
)
def test_several_demands_stand_at_their_lines(here: Path, size: str, line: int | None) -> None:
    """Of what a module checks itself the finding is at the line that raises first, as in torch."""
    (here / "demands.py").write_text(DEMANDS, "utf-8")
    scope: dict[str, Any] = {}
    exec(compile(DEMANDS, "demands.py", "exec"), scope)
    raised = None
    try:
        scope["Demands"]()(torch.zeros(1, 3, *map(int, size.split(","))))
    except (AssertionError, ValueError) as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        raised = last.lineno
    assert raised == line

    found = diagnostics("demands.py:Demands", "--input", f"1,3,{size}")
    assert [one["range"]["start"]["line"] for one in found] == [line] * (line is not None)


def test_a_size_that_runs_is_not_called_the_nearest(here: Path) -> None:
    """Where a contract alone is broken, nothing else runs that this one does not."""
    lines = [
        "input: [1, 3, H, W]",
        "sizes: {H: 50, W: 64}",
        "layers:",
        "  pool: {op: MaxPool2d, kernel_size: 4, expect: [1, 3, 13, 16]}",
    ]
    (here / "net.yaml").write_text("\n".join(lines), "utf-8")
    found = json.loads(run("check", "--format", "json", "net.yaml").stdout)["diagnostics"]
    (broken,) = (one for one in found if one["code"] == "T304")
    assert broken["notes"] == ["runs for H >= 4, W >= 4: also at 50 x 64, lossless 48 x 64"]


def test_the_nearest_sizes_may_lie_on_both_sides(here: Path) -> None:
    """One size larger, another smaller, where that is nearest; a set keeps its lower bound."""
    (here / "odd.py").write_text(
        ODD
        + "\n\nclass Both(nn.Module):\n    def forward(self, x):\n        h, w = x.shape[2:]\n"
        "        assert h % 6 == 0\n        if w < 50:\n            raise ValueError\n        return x * 2\n",
        "utf-8",
    )
    (found,) = diagnostics("odd.py:Both", "--input", "1,3,61,48")
    assert found["notes"] == ["runs for H = 6k, W >= 50: nearest 60 x 50, or pad to 66 x 50"]


def test_a_form_feed_ends_no_line_of_python(here: Path) -> None:
    """The line that is quoted is the one that Python counts."""
    (here / "feed.py").write_text(UNET.replace("class UNet", "\f\nclass UNet"), "utf-8")
    done = run("check", "feed.py:UNet", "--input", "1,3,100,75")
    assert (
        f"{MEETING + 1} |             x = dec(torch.cat([skips.pop(), x], dim=1))"
        in done.stdout
    )


SHARED = """\
import torch
from torch import nn

ACT = nn.SiLU()


class Conv(nn.Module):
    def __init__(self, channels_in, stride):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, 4, 3, stride, 1)
        self.act = ACT

    def forward(self, x):
        return self.act(self.conv(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Conv(3, 1)
        self.down = Conv(4, 2)
        self.deep = nn.Sequential(Conv(4, 2), nn.Upsample(scale_factor=2))
        self.last = ACT

    def forward(self, x):
        x = self.down(self.first(x))
        return self.last(torch.cat([self.deep(x), x], 1))
"""


def test_a_shared_activation_is_named_where_it_is_called(here: Path) -> None:
    """One instance that every block has is the layer of the block that calls it, not of the first that has it."""
    (here / "shared.py").write_text(SHARED, "utf-8")
    (found,) = errors(diagnostics("shared.py:Net", "--input", "1,3,62,64"))
    assert found["message"] == "sizes differ in dim 2: 32 from deep.1, 31 from down.act"

    done = run("trace", "shared.py:Net", "--input", "1,3,64,64", "--format", "json")
    sources = [node["source"] or {} for node in json.loads(done.stdout)["nodes"]]
    named = {source.get("module") for source in sources}
    assert {"first.act", "down.act", "deep.0.act", "last"} <= named


SLIPS = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, n=1):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))


class Attribute(Net):
    def forward(self, x):
        return self.missing(x)


class Name(Net):
    def forward(self, x):
        return missing(self.conv(x))


class Type(Net):
    def forward(self, x):
        return self.conv(x)[len(None)]


class Needs(Net):
    def __init__(self, n, *, kind, more=1):
        super().__init__()


class Moved(Net):
    def forward(self, x):
        return self.conv(x.cuda())


class Made(Net):
    def forward(self, x):
        y = self.conv(x.to("cuda:0")).cpu()
        grid = torch.zeros(y.shape[2], y.shape[3], device="cuda")
        return y.to(device=torch.device("cuda"), dtype=torch.float32) * self.scale.cuda() + grid

"""


@pytest.mark.parametrize(("name", "line"), [("Attribute", 14), ("Name", 19), ("Type", 24)])
def test_a_slip_is_told_without_sizes(here: Path, name: str, line: int) -> None:
    """An error that has nothing to do with sizes is told alone, at its line."""
    (here / "slips.py").write_text(SLIPS, "utf-8")
    (found,) = errors(diagnostics(f"slips.py:{name}", "--input", "1,3,8,8"))
    assert (found["code"], found["range"]["start"]["line"]) == ("T602", line)
    assert f"{name}Error: " in found["message"] and found["notes"] == []


def test_a_constructor_that_needs_arguments(here: Path) -> None:
    """They are named as options."""
    (here / "slips.py").write_text(SLIPS, "utf-8")
    words = ("slips.py:Needs", "--input", "1,3,8,8")
    (found,) = diagnostics(*words, "--arg", "kind=a")
    assert found["message"].endswith("takes arguments that have no default: --arg n=...")
    (found,) = diagnostics(*words)
    assert found["message"].endswith(": --arg n=... --arg kind=...")


@pytest.mark.parametrize("name", ["Moved", "Made"])
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (3, 30)])
def test_moves_to_another_device_change_nothing(
    here: Path, name: str, size: tuple[int, int]
) -> None:
    """A forward that moves to CUDA is read where there is none: a move has no step."""
    (here / "slips.py").write_text(SLIPS, "utf-8")
    done = run("import", f"slips.py:{name}", "--input", "1,3,8,8")
    assert done.exit_code == 0, done.output
    net = tracer.loads(done.stdout)
    outputs = net.trace(H=size[0], W=size[1]).outputs
    assert list(outputs.values()) == [(1, 4, size[0] - 2, size[1] - 2)]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("my_net.py:UNet", "there is no file my_net.py; did you mean 'my_nets.py'?"),
        ("my_nets.py:UNat", "my_nets.py has no 'UNat'; did you mean 'UNet'?"),
        ("my_nets.py:UNet", "say the input's shape"),
    ],
)
def test_what_is_missing_is_told_before_the_shape(here: Path, source: str, said: str) -> None:
    """A file or a name that is not there comes first."""
    done = run("check", source)
    assert done.exit_code == 2 and f"Error: {said}" in done.stderr
