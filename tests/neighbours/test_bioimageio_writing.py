"""Descriptions of BioImage.IO: valid by its own library, and true of the module that torch builds."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import tracer
from tests import ROOT, extras
from tracer.commands import cli
from tracer.diagnostics import TracerError
from tracer.neighbours.bioimageio_writing import DescriptionText, description_of
from tracer.net import Net

DOWN_AND_UP = """
input: [N, 2, H, W]
sizes: {N: 1, H: 64, W: 48}
layers:
  a: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  p: {op: MaxPool2d, kernel_size: 2}
  b: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  u: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2}
  m: {op: Concat, from: [u, a]}
  out: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1}
output: [out, b]
"""

NETS = {
    "down and up": DOWN_AND_UP,
    "valid, 1-D": """
input: [N, 1, L]
sizes: {N: 1, L: 61}
layers:
  a: {op: Conv1d, out_channels: 3, kernel_size: 5, stride: 2}
  b: {op: Conv1d, out_channels: 3, kernel_size: 3, stride: 3}
""",
    "3-D with its own axes": """
input: [N, 1, D, H, W]
sizes: {N: 1, D: 8, H: 32, W: 32}
layers:
  a: {op: Conv3d, out_channels: 2, kernel_size: [1, 3, 3], padding: [0, 1, 1], stride: [1, 2, 2]}
  b: {op: MaxPool3d, kernel_size: 2}
""",
    "larger by two thirds": """
input: [N, 1, H, W]
sizes: {N: 1, H: 30, W: 30}
layers:
  a: {op: ConvTranspose2d, out_channels: 2, kernel_size: 5, stride: 5}
  b: {op: AvgPool2d, kernel_size: 3}
""",
    "two inputs": """
input: {image: [N, 3, H, W], small: [N, 1, "H // 2", "W // 2"]}
sizes: {N: 1, H: 32, W: 32}
layers:
  a: {op: Conv2d, from: image, out_channels: 4, kernel_size: 3, padding: 1, stride: 2}
  m: {op: Concat, from: [a, small]}
""",
    "two dims of one symbol": """
input: [1, 1, n, n]
sizes: {n: 16}
layers: {a: {op: Conv2d, out_channels: 2, kernel_size: 4, stride: 4}}
""",
    "a fixed axis": """
input: [N, 1, 32, W]
sizes: {N: 1, W: 64}
layers: {a: {op: Conv2d, out_channels: 2, kernel_size: 3, stride: 2, padding: 1}}
""",
    "no batch": """
input: [3, H, W]
sizes: {H: 16, W: 16}
layers: {a: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}}
""",
    "a classifier": """
input: [N, 1, H, W]
sizes: {N: 1, H: 16, W: 16}
layers:
  a: {op: Conv2d, out_channels: 2, kernel_size: 3, stride: 2}
  p: {op: AdaptiveAvgPool2d, output_size: 1}
  f: Flatten
  l: {op: Linear, out_features: 5}
""",
    "a tie that classes end": """
input: [N, 2, H, W]
sizes: {N: 1, H: 32, W: 32}
layers:
  a: {op: Conv2d, out_channels: 4, kernel_size: 2, stride: 2}
  n: InstanceNorm2d
  b: {op: Conv2d, out_channels: 4, kernel_size: 2, stride: 2}
  m: InstanceNorm2d
""",
}


def drawn(seed: int) -> str:
    """An encoder and decoder of 1 to 3 axes, its kernels, strides and paddings drawn per axis."""
    of = random.Random(seed)
    axes = of.choice([1, 2, 2, 3])
    symbols = ["D", "H", "W"][-axes:]
    lines = [
        f"input: [N, 2, {', '.join(symbols)}]",
        f"sizes: {{N: 1, {', '.join(f'{s}: {of.randrange(40, 80)}' for s in symbols)}}}",
        "layers:",
    ]
    for i in range(of.randrange(2, 6)):
        kernel = [of.choice([1, 2, 3, 4, 5]) for _ in range(axes)]
        stride = [of.choice([1, 1, 2, 3]) for _ in range(axes)]
        padding = [of.randrange(0, k // 2 + 1) for k in kernel]
        kind = of.choice(["Conv", "Conv", "MaxPool", "ConvTranspose", "Upsample"])
        if kind == "Upsample":
            lines.append(f"  l{i}: {{op: Upsample, scale_factor: 2}}")
            continue
        channels = "" if kind == "MaxPool" else "out_channels: 2, "
        lines.append(
            f"  l{i}: {{op: {kind}{axes}d, {channels}kernel_size: {kernel}, stride: {stride}, padding: {padding}}}"
        )
    return "\n".join(lines) + "\n"


def described(text: str, **like: int) -> tuple[Net, DescriptionText, dict[str, Any]]:
    """The network, its description, and that as data."""
    net = tracer.loads(text)
    found = description_of(net, like)
    return net, found, yaml.safe_load(found.text)


def sized(
    tensor: Mapping[str, Any], known: Mapping[tuple[str, str], int], batch: int
) -> list[int]:
    """The shape of a tensor, where the sizes of axes with a ``min`` are known."""
    shape = []
    for axis in tensor["axes"]:
        size = axis.get("size", batch)
        if axis["type"] == "channel":
            size = len(axis["channel_names"])
        elif isinstance(size, dict) and "min" in size:
            size = known[tensor["id"], axis["id"]]
        elif isinstance(size, dict):
            reference = size["tensor_id"], size["axis_id"]
            ratio = known[(*reference, "scale")] / axis.get("scale", 1)  # type: ignore[index]
            size = int(known[reference] * ratio + size["offset"])
        shape.append(size)
    return shape


def free_axes(record: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """The axes of inputs that have a ``min`` and a ``step``."""
    for tensor in record["inputs"]:
        for axis in tensor["axes"]:
            if isinstance(axis.get("size"), dict) and "min" in axis["size"]:
                yield (tensor["id"], axis["id"]), axis


def agrees(net: Net, record: Mapping[str, Any], *, device: str = "cpu") -> int:
    """Run the built module at several sizes of the class, and compare all shapes; the number of sizes compared."""
    import torch

    module = tracer.build(net).eval().to(device)
    free = dict(free_axes(record))
    compared = 0
    for steps in [(0, 0, 0), (1, 0, 2), (0, 3, 1), (5, 4, 3)]:
        known: dict[Any, int] = {}
        for (place, axis), k in zip(free.items(), steps):
            known[place] = axis["size"]["min"] + k * axis["size"]["step"]
            known[(*place, "scale")] = axis.get("scale", 1)
        for batch in (1, 2):
            shapes = [sized(tensor, known, batch) for tensor in record["inputs"]]
            with torch.no_grad():
                given = module(*[torch.zeros(shape, device=device) for shape in shapes])
            outputs = list(given.values()) if isinstance(given, dict) else [given]
            if isinstance(given, (tuple, list)):
                outputs = list(given)
            expected = [sized(tensor, known, batch) for tensor in record["outputs"]]
            assert [list(one.shape) for one in outputs] == expected, (known, shapes)
            compared += 1
    return compared


@pytest.mark.parametrize("name", NETS)
def test_sizes_are_those_of_torch(name: str) -> None:
    """At the least size and at several steps of each axis, the module gives what scale and offset say."""
    net, _, record = described(NETS[name])
    assert agrees(net, record) == 8


@pytest.mark.parametrize("seed", range(40))
def test_drawn_networks(seed: int) -> None:
    """Any strides, kernels and paddings: the sizes of a described class are those of the module, all axes apart."""
    try:
        net, _, record = described(drawn(seed))
    except TracerError as error:
        pytest.skip(f"does not run at its own sizes: {error}")
    assert agrees(net, record, device="meta") == 8


def line_of(seed: int) -> tuple[str, int]:
    """A network of one axis in which every position shows, and the product of its strides."""
    of = random.Random(seed)
    lines = ["input: [N, 1, L]", "sizes: {N: 1, L: 60}", "layers:"]
    product = 1
    for i in range(of.randrange(1, 5)):
        kernel = of.randrange(2, 6)
        stride = of.choice([1, 1, 2, 3])
        padding = of.randrange(0, kernel // 2 + 1)
        kind = of.choice(["Conv1d", "Conv1d", "ConvTranspose1d"])
        product *= stride
        lines.append(
            f"  l{i}: {{op: {kind}, out_channels: 2, kernel_size: {kernel}, stride: {stride}, padding: {padding}}}"
        )
    return "\n".join(lines) + "\n", product


@pytest.mark.parametrize("seed", range(30))
def test_halo(seed: int) -> None:
    """Cropped by its halo, a tile's output is that of the whole picture; by less, it is not."""
    import torch

    text, product = line_of(seed)
    net, _, record = described(text)
    module = tracer.build(net).double().eval()
    for weight in module.parameters():
        torch.nn.init.uniform_(weight, 0.5, 1)

    (axis,) = [axis for _, axis in free_axes(record)]
    (out,) = [axis for axis in record["outputs"][0]["axes"] if axis["type"] == "space"]
    n = axis["size"]["min"] + 2 * axis["size"]["step"]
    beside = product * axis["size"]["step"] * 8
    picture = torch.rand(1, 1, n + 2 * beside, dtype=torch.double)
    with torch.no_grad():
        whole = module(picture)
        tile = module(picture[..., beside : beside + n])

    scale = axis.get("scale", 1), out.get("scale", 1)
    first = beside * scale[0] // scale[1]
    same = whole[..., first : first + tile.shape[-1]]
    own = out.get("halo", 0)
    differs = (~torch.isclose(tile, same)).any(dim=1)[0].nonzero().flatten().tolist()
    outside = [j for j in differs if own <= j < tile.shape[-1] - own]
    assert not outside
    needed = max([min(j, tile.shape[-1] - 1 - j) for j in differs], default=-1) + 1
    pixels = Fraction(*scale).numerator  # of the output, that are whole ones of the input
    assert own == -(-needed // pixels) * pixels


@pytest.mark.parametrize(
    "name", [*NETS, "configs/unet_2015.yaml", "configs/vnet.yaml", "configs/ddpm_unet.yaml"]
)
def test_valid_by_the_specification(name: str) -> None:
    """The library that BioImage.IO's tools read descriptions with takes it, and computes the sizes that torch has."""
    extras.needs("bioimageio")
    from bioimageio.spec import ValidationContext, build_description

    text = NETS[name] if name in NETS else (ROOT / name).read_text("utf-8")
    _, _, record = described(text)
    with ValidationContext(perform_io_checks=False):
        found: Any = build_description(record)
    assert found.validation_summary.status == "valid-format", found.validation_summary.format()

    for k in (0, 1, 3):
        sizes = found.get_axis_sizes(k, batch_size=1)
        known: dict[Any, int] = {}
        for place, axis in free_axes(record):
            known[place] = axis["size"]["min"] + k * axis["size"]["step"]
            known[(*place, "scale")] = axis.get("scale", 1)
        for tensor in (*record["inputs"], *record["outputs"]):
            own = [
                n
                for (name, _), n in (sizes.inputs | sizes.outputs).items()
                if name == tensor["id"]
            ]
            assert own == sized(tensor, known, 1)


def test_classes_of_sizes() -> None:
    """Of several classes that of the declared size is described, or the one that is asked for."""
    text = """
input: [N, 1, L]
sizes: {N: 1, L: 40}
layers: {a: {op: Conv1d, out_channels: 1, kernel_size: 4, stride: 4}}
"""
    _, found, record = described(text)
    ((_, axis),) = free_axes(record)
    assert axis["size"] == {"min": 4, "step": 4}

    _, found, record = described(text, L=7)
    ((_, axis),) = free_axes(record)
    assert axis["size"] == {"min": 7, "step": 4}
    (out,) = [axis for axis in record["outputs"][0]["axes"] if axis["type"] == "space"]
    assert (
        out["size"]["offset"] == 0 and out["scale"] == 4
    )  # 7 // 4 is 1: what is left is rounded down
    assert found.told


def test_norms_of_whole_maps_are_told() -> None:
    """A halo stands beside the node whose statistics it does not take back; a norm of one position has none."""
    text = "input: [N, 2, L]\nsizes: {N: 1, L: 40}\nlayers:\n"
    text += "  c: {op: Conv1d, out_channels: 2, kernel_size: 3, padding: 1}\n"
    for norm, is_told in [("InstanceNorm1d", True), ("BatchNorm1d", False)]:
        _, found, record = described(f"{text}  n: {norm}\n")
        (out,) = [axis for axis in record["outputs"][0]["axes"] if axis["type"] == "space"]
        assert out["halo"] == 1
        assert (
            any(
                "n (InstanceNorm1d): what comes out follows more" in line for line in found.told
            )
            == is_told
        )


FIXED = """
input: [N, 1, L]
sizes: {N: 1, L: 40}
layers:
  a: {op: Conv1d, out_channels: 2, kernel_size: 3}
  f: Flatten
  dense: {op: Linear, out_features: 2}
"""

TIED = """
input: [N, 1, H, W]
sizes: {N: 1, H: 8, W: 8}
layers:
  f: Flatten
  dense: {op: Linear, out_features: 3}
"""

SEQUENCE = """
input: [N, 4, H, W]
sizes: {N: 1, H: 8, W: 8}
layers:
  tokens: {op: Flatten, start_dim: 2}
"""

BATCH = """
input: [2, 4, H, W]
sizes: {H: 8, W: 8}
layers: {a: ReLU}
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FIXED, "dense: L has no class of sizes, least + step·k: it runs for L = 40"),
        (TIED, "dense: H and W decide together (H*W == 64); axes are independent"),
        (SEQUENCE, "tokens: the size along x, H*W, follows H and W"),
        (BATCH, "input: its batch is 2; a description has a batch of 1, or of any size"),
    ],
    ids=["fixed", "tied", "sequence", "batch"],
)
def test_networks_without_a_description(text: str, told: str, tmp_path: Path) -> None:
    """The node that is in the way is named, and nothing is written."""
    config, target = tmp_path / "net.yaml", tmp_path / "rdf.yaml"
    config.write_text(text, "utf-8")
    command = ["export", str(config), "--to", "bioimageio", "-o", str(target)]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 1 and told in done.stderr, done.output
    assert not target.exists()


def test_the_command(tmp_path: Path) -> None:
    """The description is written without torch; what it leaves open is told, and bad options are usage errors."""
    target = tmp_path / "rdf.yaml"
    config = str(ROOT / "configs" / "unet_2015.yaml")
    done = CliRunner().invoke(cli, ["export", config, "--to", "bioimageio", "-o", str(target)])
    assert done.exit_code == 0 and "weights are placeholders" in done.stderr, done.output
    record = yaml.safe_load(target.read_text("utf-8"))
    assert [axis["size"] for _, axis in free_axes(record)] == [{"min": 188, "step": 16}] * 2

    for options, told in [
        (["--to", "bioimageio", "--residue", "Q=3"], "the input has no symbol 'Q'"),
        (["--to", "bioimageio", "--residue", "H:3"], "'H:3' is not SYMBOL=N"),
        (["--to", "torch", "--residue", "H=3"], "--residue is for --to bioimageio"),
    ]:
        done = CliRunner().invoke(cli, ["export", config, *options])
        assert done.exit_code == 2 and told in done.stderr, done.output
