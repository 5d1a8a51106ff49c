"""Networks that are designed or imported by functions: those of the commands, and a mistake is told as one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import tracer
from tests import extras
from tracer.commands import cli

ENCODER = "configs/unet_padded.yaml"


def written(*arguments: str) -> str:
    """What a command writes to standard output."""
    done = CliRunner().invoke(cli, [*arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "kind", "options"),
    [
        (["unet"], "unet", {}),
        (
            ["unet", "--depth", "2", "--base", "8", "--size", "H=64,W=48", "--classes", "3"],
            "unet",
            {"depth": 2, "base": 8, "size": {"W": 48, "H": 64}, "classes": 3},
        ),
        (
            [
                "unet",
                "--padding",
                "valid",
                "--depth",
                "2",
                "--base",
                "4",
                "--output-size",
                "50",
            ],
            "unet",
            {"padding": "valid", "depth": 2, "base": 4, "output_size": 50},
        ),
        (
            [
                "linknet",
                "--dims",
                "3",
                "--depth",
                "2",
                "--base",
                "4",
                "--norm",
                "group",
                "--up",
                "nearest",
            ],
            "linknet",
            {"dims": 3, "depth": 2, "base": 4, "norm": "group", "up": "nearest"},
        ),
        (
            ["nnunet", "--shape", "64,64", "--spacing", "1,1"],
            "nnunet",
            {"shape": (64, 64), "spacing": (1, 1)},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_design_is_that_of_the_command(
    arguments: list[str], kind: str, options: dict[str, Any]
) -> None:
    """Word for word."""
    net = tracer.design(kind, **options)
    assert net.to_yaml() == written("design", *arguments)
    assert not [one for one in tracer.check(net) if one.severity == "error"]


def test_a_decoder_for_an_encoder(tmp_path: Path) -> None:
    """For a net, a path and a torch module alike, with a budget too."""
    config = tmp_path / "encoder.yaml"
    config.write_text(
        "input: [1, 3, H, W]\nsizes: {H: 64, W: 64}\nencoder:\n"
        "  a: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}\n"
        "  b: {op: Conv2d, out_channels: 16, kernel_size: 3, stride: 2, padding: 1}\n"
        "  c: {op: Conv2d, out_channels: 32, kernel_size: 3, stride: 2, padding: 1}\n"
    )
    told = written("design", "decoder", str(config), "--classes", "5", "--merge", "add")
    for encoder in (str(config), config, tracer.load(config)):
        assert tracer.design("decoder", encoder, classes=5, merge="add").to_yaml() == told
    small = tracer.design("decoder", config, params=20_000)
    assert small.to_yaml() == written("design", "decoder", str(config), "--params", "20000")
    assert tracer.design("decoder", config, skips=["a", "c"]).trace().outputs

    body = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, stride=2, padding=1)
    )
    closed = tracer.design("decoder", body, (1, 3, 32, 32), classes=4)
    assert list(closed.trace().outputs.values()) == [(1, 4, 32, 32)]


@pytest.mark.parametrize(
    ("kind", "options", "error", "said"),
    [
        ("u-net", {}, ValueError, "there is no design 'u-net'; designs: decoder, nnunet, unet"),
        ("unet", {"dept": 3}, TypeError, "no option 'dept'; did you mean 'depth'"),
        ("unet", {"depth": 99}, ValueError, "depth is a whole number from 1 to 12, not 99"),
        ("unet", {"base": True}, ValueError, "base is a whole number"),
        ("unet", {"norm": "batchnorm"}, ValueError, "norm is one of batch, instance"),
        ("unet", {"size": {"H": 3}}, ValueError, "one for each of H, W"),
        ("unet", {"size": "64"}, ValueError, "a size is one number"),
        ("unet", {"size": 64, "output_size": 64}, ValueError, "not both"),
        ("nnunet", {}, ValueError, "2 or 3 axes"),
        ("nnunet", {"shape": (0, 8), "spacing": (1, 1)}, ValueError, "no images"),
        ("decoder", {}, TypeError, "say the encoder"),
    ],
)
def test_what_is_no_design(kind: str, options: Any, error: type[Exception], said: str) -> None:
    """The name, the option or the value is told, with those that there are."""
    with pytest.raises(error, match=said):
        tracer.design(kind, **options)


def test_what_cannot_be_designed() -> None:
    """The reason is the error's."""
    net = tracer.loads("input: [1, 3, 8, 8]\nlayers: {a: ReLU}\n")
    with pytest.raises(ValueError, match=r"\w"):
        tracer.design("decoder", net)


# --- imports ---------------------------------------------------------------------------------------------------------

MODULE = """
import torch


class Down(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 3, stride=2)

    def forward(self, x):
        return self.conv(x)
"""


@pytest.fixture
def module_file(tmp_path: Path) -> Path:
    """A Python file with a module."""
    path = tmp_path / "my_down.py"
    path.write_text(MODULE)
    return path


def test_a_module_by_its_place(module_file: Path) -> None:
    """As the command imports it, with arguments and a name; a module itself alike."""
    place, shape = f"{module_file}:Down", (1, 3, 16, 16)
    net = tracer.import_(place, shape)
    assert net.to_yaml() == written("import", place, "--input", "1,3,16,16")
    wide = tracer.import_(place, shape, args={"width": 6}, name="wide", fixed=True)
    assert wide.name == "wide" and not wide.symbols
    assert list(wide.trace().outputs.values()) == [(1, 6, 7, 7)]

    made = nn.Sequential(nn.Conv2d(3, 4, 3))
    assert tracer.import_(made, shape).to_yaml() == tracer.from_module(made, shape).to_yaml()
    assert tracer.import_(ENCODER).to_yaml() == tracer.load(ENCODER).to_yaml()


def test_what_cannot_be_imported(module_file: Path, tmp_path: Path) -> None:
    """Findings for a place that is none, and for a module that raises; OSError for a file."""
    for place in (f"{module_file}:Up", "no_such_package.nets:Net"):
        with pytest.raises(tracer.TracerError) as error:
            tracer.import_(place, (1, 3, 16, 16))
        assert error.value.diagnostics[0].code in ("T601", "T602")
    with pytest.raises(tracer.TracerError):
        tracer.import_(f"{module_file}:Down", (1, 4, 16, 16))
    drive = r"C:\nets\no_such_file.yaml"
    for missing in ("no_such_file.yaml", tmp_path / "no_such_file.json", drive):
        with pytest.raises(OSError, match="no_such_file"):
            tracer.import_(missing)


def test_an_onnx_file(tmp_path: Path) -> None:
    """By its own function and by `import_`, as the command reads it; the module's shapes come out."""
    extras.needs("onnx")
    path = tmp_path / "net.onnx"
    module = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU()).eval()
    example = torch.zeros(1, 3, 16, 20)
    torch.onnx.export(
        module,
        (example,),
        str(path),
        dynamo=False,
        dynamic_axes={"x": {2: "H"}},
        input_names=["x"],
    )
    net = tracer.from_onnx(path)
    assert net.to_yaml() == tracer.import_(str(path)).to_yaml() == written("import", str(path))
    other = tracer.from_onnx(path, (1, 3, 32, 20)).trace().outputs
    assert list(other.values()) == [tuple(module(torch.zeros(1, 3, 32, 20)).shape)]
    assert tracer.from_onnx(path, inputs={"x": (1, 3, 32, 20)}).trace().outputs == other
    with pytest.raises(ValueError, match="several inputs have names"):
        tracer.from_onnx(path, (1, 3, 32, 20), (1,))
    with pytest.raises(FileNotFoundError):
        tracer.from_onnx(tmp_path / "none.onnx")


def test_without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message, with the command that installs it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "onnx", raising=False)
    with pytest.raises(ImportError, match=r"needs onnx: pip install 'shape-tracer\[onnx\]'"):
        tracer.from_onnx("net.onnx")
