"""Files that name a class under ``_target_``: made by the package whose file it is, and read as a module."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

import tracer
from tests import extras
from tracer.commands import cli

NETS = '''
import torch


class Blocks(torch.nn.Module):
    """A number of convolutions, each with a norm and an activation that are given."""

    def __init__(self, width, norm, act, depth=1, kernels=(3,)):
        super().__init__()
        print("noise")
        layers = []
        before = 3
        for number in range(depth):
            kernel = kernels[number % len(kernels)]
            layers += [torch.nn.Conv2d(before, width, kernel), norm(width), act]
            before = width
        self.body = torch.nn.Sequential(*layers)

    def forward(self, x):
        return self.body(x)


def broken(**arguments):
    raise ValueError("no such net")
'''

HYDRA = """
    width: 6
    names: {act: ReLU}
    model:
      lr: 0.1
      net:
        _target_: nets_of_a_config.Blocks
        width: ${width}
        depth: 2
        kernels: [3, 5]
        norm: {_target_: torch.nn.BatchNorm2d, _partial_: true}
        act: {_target_: "torch.nn.${names.act}"}
      optimizer: {_target_: torch.optim.Adam, _partial_: true}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a Python module of the user's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets_of_a_config.py").write_text(NETS, "utf-8")
    yield tmp_path
    sys.modules.pop("nets_of_a_config", None)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def write(name: str, text: str) -> str:
    Path(name).write_text(dedent(text).lstrip(), "utf-8")
    return name


@pytest.fixture(params=["hydra", "alone"])
def maker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Hydra makes the objects where it is installed, and the same is done without it."""
    kind: str = request.param
    if kind == "hydra":
        pytest.importorskip("hydra", reason="needs pip install hydra-core")
        return kind

    found = importlib.util.find_spec
    monkeypatch.setattr(
        "tracer.neighbours.targets.find_spec",
        lambda name: None if name == "hydra" else found(name),
    )
    return kind


@pytest.mark.usefixtures("here", "maker")
class TestHydra:
    """Hydra's configs."""

    def test_a_part_is_imported(self) -> None:
        """Targets inside of it, partial ones and references to values of the file included."""
        write("any.yaml", HYDRA)
        done = run("import", "any.yaml", "--key", "model.net", "--input", "1,3,20,20")
        assert done.exit_code == 0, done.output
        assert (
            "any.yaml: `model.net` is made by nets_of_a_config.Blocks: what the file names is imported and run"
            in done.stderr
        )
        net = tracer.loads(done.stdout)
        kinds = [step.op for step in net.network.nodes if not step.is_input]
        assert [type(op).__name__ if not isinstance(op, str) else op for op in kinds] == [
            "Conv2d",
            "BatchNorm2d",
            "ReLU",
        ] * 2
        assert list(net.trace().outputs.values()) == [(1, 6, 14, 14)]

    def test_arguments_replace_those_of_the_file(self) -> None:
        """``--arg`` is for the class that the part names."""
        write("any.yaml", HYDRA)
        options = ["--key", "model.net", "--input", "1,3,20,20", "--arg", "depth=1"]
        done = run("import", "any.yaml", *options, "--arg", "width=4")
        assert list(tracer.loads(done.stdout).trace().outputs.values()) == [(1, 4, 18, 18)]

    @pytest.mark.parametrize(
        ("kernels", "sides"),
        [
            ("[3, 5]", 14),
            ("['${..depth}', 1]", 19),
            ("['${.1}', 3]", 16),
            ("['${...wide}', 1]", 16),
            ("'${.others}'", 12),
            ("'${..lists.second}'", 8),
        ],
    )
    def test_relative_references(self, kernels: str, sides: int) -> None:
        """One dot is the part that a value is in, each other one the part around; as OmegaConf has it."""
        text = HYDRA.replace("kernels: [3, 5]", f"kernels: {kernels}\n        others: [5, 5]")
        text = text.replace(
            "      lr: 0.1", "      lists: {second: ['${.1}', 7]}\n      wide: 5"
        )
        write("any.yaml", text.replace("depth: 2", "depth: 2\n        extra: 1"))
        Path("nets_of_a_config.py").write_text(
            NETS.replace("kernels=(3,))", "kernels=(3,), others=(), extra=0)"), "utf-8"
        )
        done = run("import", "any.yaml", "--key", "model.net", "--input", "1,3,20,20")
        assert done.exit_code == 0, done.output
        assert list(tracer.loads(done.stdout).trace().outputs.values()) == [
            (1, 6, sides, sides)
        ]

    def test_a_relative_reference_out_of_the_file(self) -> None:
        """It leads nowhere."""
        write("any.yaml", HYDRA.replace("${width}", "${......width}"))
        done = run("check", "any.yaml", "--key", "model.net", "--input", "1,3,20,20")
        assert done.exit_code == 1 and "any.yaml:" in done.stdout

    def test_the_whole_file(self) -> None:
        """A file with a target at its top needs no key."""
        write("any.json", '{"_target_": "torch.nn.Conv2d", "_args_": [3, 4, 3]}')
        done = run("check", "any.json", "--input", "1,3,8,8")
        assert done.exit_code == 0, done.output

    def test_one_of_several_parts_is_picked(self) -> None:
        """Without a key the parts are named."""
        write("any.yaml", HYDRA)
        done = run("check", "any.yaml", "--input", "1,3,20,20", "--format", "concise")
        assert done.exit_code == 1
        assert done.stdout.startswith(
            "any.yaml:1:1: error[T603] a Hydra config of 4 parts: pick the network with --key (model.net, "
        )

    @pytest.mark.parametrize(
        ("key", "said"),
        [
            ("model.nett", "any.yaml:3:1: error[T102] `model` has no 'nett'"),
            ("model", "error[T603] `model` is no network: it has no `_target_`"),
            ("model.lr", "error[T603] `model.lr` is no network"),
            ("model.net.act", None),
        ],
    )
    def test_wrong_keys(self, key: str, said: str | None) -> None:
        """Told at the part that the key leads to."""
        write("any.yaml", HYDRA)
        done = run("check", "any.yaml", "--key", key, "--input", "1,6,20,20")
        assert done.exit_code == (0 if said is None else 1)
        assert said is None or said in done.stdout

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (
                "depth: 2",
                "dept: 2",
                "any.yaml:6:15: error[T602] `model.net`: nets_of_a_config.Blocks: TypeError: ",
            ),
            (
                "torch.nn.${names.act}",
                "torch.nn.Softplus2",
                "any.yaml:11:21: error[T602] `model.net.act`: torch.nn.Softplus2: ",
            ),
            (
                "nets_of_a_config.Blocks",
                "no_such_package.Net",
                "any.yaml:6:15: error[T602] `model.net`: no_such_package.Net: ModuleNotFoundError",
            ),
            (
                "nets_of_a_config.Blocks",
                "nets_of_a_config.broken",
                "`model.net`: nets_of_a_config.broken: ValueError: no such net",
            ),
            ("nets_of_a_config.Blocks", "builtins.dict", "gives "),
            ("depth: 2", "dept: 2", "hint: no argument 'dept'; did you mean 'depth'?"),
            ("config.Blocks", "config.Block", "hint: did you mean 'nets_of_a_config.Blocks'?"),
            (
                "nets_of_a_config.Blocks",
                "nets_of_config.Block",
                "hint: the working directory was searched too; did you mean 'nets_of_a_config.Blocks'?; where it is",
            ),
        ],
    )
    def test_what_cannot_be_made(self, old: str, new: str, said: str) -> None:
        """Told at the target that fails first."""
        assert old in HYDRA
        write("any.yaml", HYDRA.replace(old, new))
        done = run("check", "any.yaml", "--key", "model.net", "--input", "1,3,20,20")
        assert done.exit_code == 1 and said in done.stdout, done.output
        assert "noise" not in done.stdout
        assert ("pip install no_such_package" in done.stdout) == ("no_such_package" in new)


CIRCLES = {
    "a: ${b}\nb: ${a}\nwide: ${a}": ":7:4: error[T602] `b` refers to itself: a -> b -> a",
    "wide: ${wide}": ":6:7: error[T602] `wide` refers to itself: wide -> wide",
    "wide: 1${net.in_channels}": "`net.in_channels` refers to itself: wide -> net.in_channels -> wide",
    "wide: {of: ['${net}']}": "`net.in_channels` refers to itself: wide -> net -> wide",
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("keys", CIRCLES)
def test_references_in_a_circle(keys: str) -> None:
    """They are told at the place where the circle closes, whatever is installed."""
    net = "net:\n  _target_: torch.nn.Conv2d\n  in_channels: ${wide}\n  out_channels: 3\n  kernel_size: 3\n"
    write("any.yaml", f"{net}{keys}\n")
    done = run("check", "any.yaml", "--key", "net", "--input", "1,3,8,8")
    assert done.exit_code == 1 and CIRCLES[keys] in done.stdout, done.output


@pytest.mark.usefixtures("here")
def test_from_python() -> None:
    """The shapes stand behind the path, the part and arguments beside it; without shapes nothing runs."""
    write("any.yaml", HYDRA)
    (found,) = tracer.check("any.yaml", key="model.net")
    assert found.code == "T603" and "nets_of_a_config" not in sys.modules
    assert tracer.check("any.yaml", (1, 3, 20, 20), key="model.net", depth=1) == []


@pytest.mark.usefixtures("here")
def test_without_a_shape_nothing_runs() -> None:
    """The shape is asked for before the file's code is imported."""
    write("any.yaml", HYDRA)
    done = run("check", "any.yaml", "--key", "model.net")
    assert done.exit_code == 2 and "is imported and run" not in done.stderr
    assert (
        "say the input's shape: tracer check any.yaml --key model.net --input 1,3,512,512"
        in done.stderr
    )
    assert "nets_of_a_config" not in sys.modules


@pytest.mark.usefixtures("here")
def test_keys_of_what_has_no_parts() -> None:
    """A key is refused, not ignored."""
    write("net.yaml", "input: [1, 3, 8, 8]\nlayers: {a: ReLU}\n")
    for source in ("net.yaml", "nets_of_a_config.py:Blocks"):
        done = run("check", source, "--key", "model", "--input", "1,3,8,8")
        assert done.exit_code == 2
        assert f"{source} has no parts that --key could pick" in done.stderr


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("{services: {web: {image: nginx}}}", "a docker-compose file"),
        ("{on: push, jobs: {a: {}}}", "a GitHub workflow"),
        ('{"name": "a", "version": "1", "scripts": {}}', "a package.json"),
        ("{apiVersion: v1, kind: Pod}", "a Kubernetes manifest"),
        (
            '{"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 768}',
            "a Hugging Face config.json, whose model is made in Python (tracer check file.py:make)",
        ),
    ],
)
@pytest.mark.usefixtures("here")
def test_files_that_are_met_often(keys: str, what: str) -> None:
    """They are told by their keys, and what would be read is said."""
    done = run("check", write("any.yaml", keys))
    assert done.exit_code == 1
    assert (
        f"error[T603] no network: it has no `input` and no layers; this looks like {what}; keys: "
        in done.stdout
    )
    assert "hint: what is read: a config (`input` and `layers`), nnU-Net plans" in done.stdout


@pytest.mark.usefixtures("here")
def test_a_search_enters_nothing_that_git_ignores() -> None:
    """Neither folders nor files; a folder that is named is searched all the same."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    subprocess.run(["git", "init", "-q", "."], check=True)
    net = "input: [1, 3, 8, 8]\nlayers: {a: ReLU}\n"
    Path("runs").mkdir()
    for name in ("net.yaml", "skipped.yaml", "runs/net.yaml"):
        write(name, net)
    write(".gitignore", "runs/\nskipped.yaml\n")
    assert "1 file checked" in run("check", ".").stderr
    assert "1 file checked" in run("check", "runs").stderr
    Path(".gitignore").unlink()
    assert "3 files checked" in run("check", ".").stderr


@pytest.mark.usefixtures("here")
def test_a_search_runs_nothing() -> None:
    """Files that a directory has are told apart by their keys; what is no config is passed over."""
    Path("conf").mkdir()
    Path("conf/.hidden").mkdir()
    write("conf/any.yaml", HYDRA)
    write("conf/.hidden/net.yaml", "input: [1]\nlayers: nothing\n")
    done = run("check", "conf")
    assert done.exit_code == 2
    assert "no network in conf: of 1 file (*.yaml, *.yml) none has an `input`" in done.stderr
    assert "nets_of_a_config" not in sys.modules

    write("conf/net.yaml", "input: [1, 3, 8, 8]\nlayers: {a: ReLU}\n")
    write("conf/broken.yaml", "input: [1, 3, 8, 8]\nlayers: {a: ReLU\n")
    write("conf/no_network.yaml", "on: push\njobs: {test: {steps: [a]}}\n")
    done = run("check", "conf")
    assert done.exit_code == 1
    assert "2 files checked: 1 error" in done.stderr and "conf/broken.yaml:" in done.stdout


BUNDLE = """
    {
      "imports": ["$import math"],
      "width": "$int(math.sqrt(64))",
      "device": "cpu",
      "network_def": {
        "_target_": "UNet",
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 2,
        "channels": ["@width", 16],
        "strides": [2]
      },
      "network": "$@network_def.to(@device)"
    }
"""


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("key", [(), ("--key", "network_def"), ("--key", "network")])
def test_bundles(key: tuple[str, ...]) -> None:
    """MONAI resolves references and expressions; the definition of the network is read without a key."""
    extras.needs("zoo")
    write("any.json", BUNDLE)
    done = run("import", "any.json", "--input", "1,1,32,32", *key)
    assert done.exit_code == 0, done.output
    assert (
        "what the file names is imported and run, and the expressions behind `$`" in done.stderr
    )
    net = tracer.loads(done.stdout)
    assert list(net.trace().outputs.values()) == [(1, 2, 32, 32)]
    assert "out_channels: 8" in done.stdout


@pytest.mark.usefixtures("here")
def test_wrong_bundles() -> None:
    """An argument that the class does not take is told at the class."""
    extras.needs("zoo")
    write("any.json", BUNDLE)
    options = ["--input", "1,1,32,32", "--arg", "in_chanels=1"]
    done = run("check", "any.json", *options, "--format", "concise")
    assert done.exit_code == 1
    assert done.stdout.startswith("any.json:6:17: error[T602] `network_def`: UNet: TypeError:")
    hint = "hint: no argument 'in_chanels'; did you mean 'in_channels'?"
    assert hint in run("check", "any.json", *options).stdout


@pytest.mark.usefixtures("here")
def test_a_bundle_without_monai(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that installs it."""
    monkeypatch.setattr("tracer.neighbours.targets.find_spec", lambda name: None)
    write("any.json", BUNDLE)
    done = run("check", "any.json", "--input", "1,1,32,32")
    assert done.exit_code == 1
    assert "a bundle is read by MONAI, which is not installed" in done.stdout
    assert "hint: pip install monai" in done.stdout


@pytest.mark.usefixtures("here")
def test_other_commands() -> None:
    """A promise has the key; a file that is no config is not edited."""
    write("any.yaml", HYDRA)
    write(
        "pyproject.toml",
        """
        [[tool.tracer.source]]
        path = "any.yaml"
        key = "model.net"
        args = {depth = 1}
        input = [1, 3, "H", "W"]
        sizes = {H = {min = 3}, W = 8}
        """,
    )
    done = run("check")
    assert done.exit_code == 0, done.output

    options = ["--key", "model.net", "--input", "1,3,4,4"]
    done = run("plan", "any.yaml", *options, "--write")
    assert done.exit_code == 2
    assert (
        "`tracer import any.yaml --input 1,3,4,4 --key model.net -o net.yaml` writes one"
        in (done.stderr.replace("\n", " "))
    )


PACKAGE = """
import torch


class Net(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, width, 3, 2, 1)
        self.up = torch.nn.ConvTranspose2d(width, 3, 2, stride=2)

    def forward(self, x):
        return torch.cat([x, self.up(self.stem(x))], 1)
"""


def test_findings_in_an_installed_package(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand at the line that names the class, with the package's as a note; its edits are the last repairs."""
    folder = here / "site-packages"
    folder.mkdir()
    (folder / "package_of_others.py").write_text(PACKAGE, "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    write("any.yaml", "model:\n  width: 8\n  _target_: package_of_others.Net\n")
    options = ["any.yaml", "--key", "model", "--input", "1,3,17,16"]

    told = run("check", *options).stdout
    assert told.startswith("any.yaml:3:3: error[T301] sizes differ in dim 2: 17 from input")
    assert "package_of_others.py:12: computed here: return torch.cat(" in told
    assert "called from here" not in told

    told = run("plan", *options).stdout
    last = told.splitlines()
    titles = [line for line in last if line[:5].strip().rstrip(".").isdigit()]
    marked = ["(an edit of the installed package_of_others)" in line for line in titles]
    assert any(marked) and not marked[0] and marked == sorted(marked)
    assert "(safe)" not in told
    sys.modules.pop("package_of_others", None)
