"""What is wrong with the machine is told as that, or does not matter: no libyaml, no POSIX, half a torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tracer.source import tree

TEXTS = sorted(
    [*(ROOT / "configs").glob("*.yaml"), *(ROOT / "tests" / "golden").glob("*.yaml")]
)
DEEP = [
    "[" * 39 + "]" * 39,
    "[" * 41 + "]" * 41,
    "[" * 2000,
    "- " * 30 + "x\n",
    "{a: " * 30 + "1" + "}" * 30,
]


def python(
    script: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([*environment.pop("path", "").split(), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


FOUND = """
import json, sys
if sys.argv[1] == "pure":
    sys.modules["yaml._yaml"] = None
from tracer.source.tree import HAS_LIBYAML, Fault, compose, span_of
from yaml.nodes import ScalarNode

def dumped(node):
    tag = node.tag if isinstance(node.tag, str) else None
    if isinstance(node, ScalarNode):
        return [str(span_of(node)), tag, node.value, node.style or None]
    pairs = [part if isinstance(part, tuple) else (part,) for part in node.value]
    return [str(span_of(node)), tag, [[dumped(n) for n in pair] for pair in pairs]]

def found(text):
    try:
        return dumped(compose(text))
    except Fault as fault:
        return fault.code

texts = json.load(open(sys.argv[2]))
json.dump([HAS_LIBYAML, [found(text) for text in texts]], sys.stdout)
"""


def test_without_libyaml(tmp_path: Path) -> None:
    """PyYAML's own parser gives the same tree with the same places, and refuses what the C one refuses."""
    if not tree.HAS_LIBYAML:
        pytest.skip("PyYAML has no libyaml here")
    texts = [*(path.read_text("utf-8") for path in TEXTS), *DEEP]
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    answers = []
    for parser in ("C", "pure"):
        done = python(FOUND, parser, str(tmp_path / "texts.json"))
        assert done.returncode == 0, done.stderr
        has_libyaml, found = json.loads(done.stdout)
        assert has_libyaml == (parser == "C")
        answers.append(found)
    for text, of_c, of_python in zip(texts, *answers):
        assert of_c == of_python, text
    assert sum(isinstance(found, list) for found in answers[0]) > 100
    assert {found for found in answers[0] if isinstance(found, str)} == {"T001", "T006"}


WITHOUT = """
import os, sys

missing = "fchmod fchown listxattr setxattr getxattr O_NONBLOCK set_blocking sched_getaffinity"
for name in missing.split():
    if hasattr(os, name):
        delattr(os, name)
os.O_BINARY, opened, real = 1 << 28, [], os.open

def recorded(path, flags, *more, **named):
    if flags & (os.O_WRONLY | os.O_RDWR):
        opened.append((str(path), bool(flags & os.O_BINARY)))
    return real(path, flags & ~os.O_BINARY, *more, **named)

os.open = recorded
from tracer.commands import cli

cli.main(sys.argv[1:], standalone_mode=False)
assert opened and all(binary for _, binary in opened), opened
"""
"""A command on a system like Windows: files are text unless they are opened as binary, and POSIX is missing."""


def test_without_posix(tmp_path: Path) -> None:
    """Files are written, and replaced, without the calls that Windows lacks; each is opened as binary."""
    config, out = str(ROOT / "configs" / "unet_2015.yaml"), tmp_path / "x.svg"
    for _ in range(2):
        done = python(WITHOUT, "draw", config, "-o", str(out))
        assert done.returncode == 0, done.stderr
        out.chmod(0o640)
    assert out.read_bytes().startswith(b"<svg")
    done = python(WITHOUT, "draw", config, "-o", str(out))
    assert out.stat().st_mode & 0o777 == 0o640 and os.listdir(tmp_path) == ["x.svg"]
    rows = tmp_path / "rows.csv"
    done = python(
        WITHOUT, "sweep", config, "--size", "H=W=572", "-o", str(rows), "--workers", "1"
    )
    assert done.returncode == 0, done.stderr


SPAWNED = """
import multiprocessing, sys

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    multiprocessing.get_all_start_methods = lambda: ["spawn"]
    from tracer.commands import main

    main()
"""


def test_without_fork(tmp_path: Path) -> None:
    """Processes that begin anew give the answers of forked ones."""
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED)
    many = tmp_path / "many"
    many.mkdir()
    for i in range(70):
        (many / f"{i}.yaml").write_text(
            f"input: [1, 1, 8, 8]\nlayers: {{c: {{op: Conv, n: {i}}}}}\n"
        )

    def answer(*command: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, timeout=300,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        return done.returncode, done.stdout

    check = ("check", "--format", "concise", str(many))
    found = answer(str(script), *check)
    assert (
        found == answer("-m", "tracer", *check)
        and found[0] == 1
        and found[1].count("T101") >= 70
    )
    sweep = (
        "sweep",
        str(ROOT / "configs" / "unet_padded.yaml"),
        "--vary",
        "base=8,16",
        "--size",
        "H=W=64",
    )
    found = answer(str(script), *sweep, "--workers", "2")
    assert found == answer("-m", "tracer", *sweep) and found[0] == 0


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("from torch._C import missing", "cannot import name 'missing'"),
        ("raise OSError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12"),
        ("import no_such_part_of_torch", "No module named 'no_such_part_of_torch'"),
        ("raise SystemExit(3)", "3"),
        ("class E(Exception):\n  def __str__(self): raise ValueError\nraise E", "E"),
    ],
)
@pytest.mark.parametrize("command", ["export", "verify", "import"])
def test_half_a_torch(tmp_path: Path, command: str, broken: str, said: str) -> None:
    """A torch that is there and cannot be imported is told in a line; it is no fault of this program."""
    package = tmp_path / "torch"
    package.mkdir()
    (package / "_C.py").touch()
    (package / "__init__.py").write_text(broken)
    config = str(ROOT / "configs" / "unet_2015.yaml")
    arguments = {
        "export": ("export", config, "-o", str(tmp_path / "x.py")),
        "verify": ("verify", config),
        "import": ("import", "collections:Counter", "--input", "1,3,8,8"),
    }[command]
    done = python("from tracer.commands import main; main()", *arguments, path=str(tmp_path))
    assert done.returncode == 2, done.stderr
    assert done.stderr == f"torch cannot be imported: {said}\n" or said in done.stderr
    assert done.stderr.startswith("torch cannot be imported: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "x.py").exists()


MODULES = """
import os, sys
import torch

class Exits(torch.nn.Module):
    def forward(self, x):
        sys.exit(7)

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

class Raises(torch.nn.Module):
    def forward(self, x):
        raise Unprintable

class NoEvaluation(torch.nn.Module):
    def eval(self):
        raise RuntimeError("always training")

class NotWhole(torch.nn.Module):
    def __init__(self):
        pass

def stops():
    raise GeneratorExit

def exits():
    sys.exit("enough")

def moves():
    os.chdir("/")
    return Moves()

class Moves(torch.nn.Module):
    def forward(self, x):
        os.chdir("/")
        return torch.relu(x)

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise KeyError(name)
"""


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("Exits", "{path}:6:9: error[T602] SystemExit: 7"),
        ("Raises", "{path}:14:9: error[T602] Unprintable"),
        ("stops", "{path}:25:5: error[T602] mine:stops raises GeneratorExit"),
        ("exits", "{path}:28:5: error[T602] mine:exits raises SystemExit: enough"),
        (
            "NoEvaluation",
            "{path}:18:9: error[T602] NoEvaluation raises RuntimeError: always training",
        ),
        (
            "NotWhole",
            "mine:NotWhole: error[T601] NotWhole is no whole module: its __init__ calls no super().__init__()",
        ),
        ("unknown", "{path}:42:5: error[T602] mine:unknown raises KeyError: 'unknown'"),
    ],
)
def test_factories_that_misbehave(tmp_path: Path, factory: str, said: str) -> None:
    """Whatever the user's code raises is one finding at its line, and nothing is written."""
    (tmp_path / "mine.py").write_text(MODULES.strip())
    out = tmp_path / "x.yaml"
    arguments = ("import", f"mine:{factory}", "--input", "1,3,8,8", "-o", str(out))
    done = python("from tracer.commands import main; main()", *arguments, path=str(tmp_path))
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[0] == said.format(path=tmp_path / "mine.py")
    assert done.stderr.count("error[") == 1 and not out.exists()


def test_a_factory_that_moves(tmp_path: Path) -> None:
    """The output is where it was asked for, whatever the working directory is by then."""
    (tmp_path / "mine.py").write_text(MODULES.strip())
    script = f"import os; os.chdir({str(tmp_path)!r}); from tracer.commands import main; main()"
    done = python(script, "import", "mine:moves", "--input", "1,3,8,8", "-o", "moved.yaml")
    assert done.returncode == 0, done.stderr
    assert "ReLU" in (tmp_path / "moved.yaml").read_text()
    assert not Path("/moved.yaml").exists()


def test_the_option_of_a_mistake() -> None:
    """A message about ``--arg`` names ``--arg``."""
    done = python(
        "from tracer.commands import main; main()",
        "import",
        "a:b",
        "--input",
        "1",
        "--arg",
        "3",
    )
    assert done.returncode == 2 and "for --arg: '3' is not NAME=VALUE" in done.stderr


def test_the_language_server_without_its_library() -> None:
    """One line says what installs it."""
    script = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "pygls" else found(name, *more)
sys.argv = ["tracer", "lsp"]
from tracer.commands import main
main()
"""
    done = python(script)
    message = "this command needs pygls: pip install 'shape-tracer[lsp]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
