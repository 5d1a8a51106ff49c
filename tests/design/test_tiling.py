"""Tiles of a picture: what is claimed to be equal is equal in torch, and the halo is the least."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from click.testing import CliRunner

import tracer
from tests import ROOT
from tests.design.generated import drawn
from tracer.commands import cli
from tracer.designing.tiling.loop import torch_loop
from tracer.designing.tiling.plan import Tiling, Untileable, tiling
from tracer.torch_bridge.building import build
from tracer.views.tiling import tile_text

SKIPPED = """
input: [1, 1, H, W]
sizes: {H: 64, W: 64}
layers:
  a: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
  p: {op: MaxPool2d, kernel_size: 2}
  b: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
  u: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2}
  j: {op: Concat, from: [u, a]}
  y: {op: Conv2d, out_channels: 1, kernel_size: 3, padding: 1}
"""


def module_of(net: tracer.Net, dtype: torch.dtype = torch.float64) -> torch.nn.Module:
    """The network in torch, with statistics that are no zeros or ones."""
    module = build(net).eval().to(dtype)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            if "running" in name:
                buffer.add_(torch.rand(buffer.shape, generator=generator) / 3)
    return module


def inputs_of(
    net: tracer.Net, picture: Mapping[str, int], dtype: torch.dtype = torch.float64
) -> list[torch.Tensor]:
    """Noise in the shapes of the inputs."""
    shapes = net.trace(**{k: v for k, v in picture.items() if k in net.symbols}).by_index
    generator = torch.Generator().manual_seed(3)
    return [
        torch.randn(shapes[node.index], generator=generator, dtype=dtype)
        for node in net.network.nodes
        if node.is_input
    ]


def is_equal(
    net: tracer.Net, found: Tiling, dtype: torch.dtype = torch.float64, rounding: float = 1e-9
) -> bool:
    """Whether torch gives the same for the whole picture, and for its tiles by the code that is written."""
    module = module_of(net, dtype)
    pictures = inputs_of(net, found.picture, dtype)
    names: dict[str, Any] = {}
    exec(torch_loop(found), names)
    with torch.no_grad():
        whole = module(*pictures)
    tiled = names["tiled"](module, *pictures)
    assert type(whole) is type(tiled)
    if not isinstance(whole, dict):
        return is_close(whole, tiled, rounding)
    assert whole and list(whole) == list(tiled)
    return all(is_close(whole[name], tiled[name], rounding) for name in whole)


def is_close(a: torch.Tensor, b: torch.Tensor, rounding: float) -> bool:
    """Whether two maps are equal to rounding, which is a part of the largest value."""
    assert a.numel() and a.isfinite().all()
    return a.shape == b.shape and float((a - b).abs().max()) <= rounding * float(a.abs().max())


def test_a_small_u_net() -> None:
    """Its figures by hand: five pixels on either side, tiles at even pixels."""
    net = tracer.loads(SKIPPED)
    found = tracer.tile(net, picture={"H": 64, "W": 48}, tile={"H": 24, "W": 20})
    assert found.exact and not found.because
    assert found.step == {"H": 14, "W": 10} and found.overlap == {"H": 10, "W": 10}
    assert [(halo.left, halo.right) for halo in found.halo.values() if halo] == [(5, 5), (5, 5)]
    assert found.period == {"H": 2, "W": 2}
    assert found.starts == {"H": [0, 14, 28, 40], "W": [0, 10, 20, 28]}
    assert found.tiles == 16
    assert found.recomputed == pytest.approx(16 * 24 * 20 / (64 * 48) - 1)
    assert is_equal(net, found)


SMALL: dict[str, dict[str, Any]] = {
    "conv_tasnet": {"filters": 8, "bottleneck": 4, "hidden": 8, "skip": 4},
    "dcgan_generator": {"base": 4, "latent": 8},
    "ddpm_unet": {"base": 32},
    "demucs": {"base": 2},
    "hrnet": {"width": 4},
    "nnunet_anisotropic": {"features": (2, 4, 4, 4, 4, 4)},
    "resnet50_fpn": {"base": 4, "pyramid": 8},
    "srresnet": {"features": 8, "blocks": 4},
    "u2net_small": {"middle": 4, "channels": 4},
    "wave_unet": {"base": 2},
}
"""Params with which the networks of the library are small, of those that have no `base`."""


LIBRARY: dict[str, tuple[dict[str, int], int]] = {
    "attention_unet": ({"H": 384, "W": 16}, 272),
    "conv_autoencoder": ({"H": 100, "W": 4}, 44),
    "dcgan_discriminator": ({"H": 240, "W": 64}, 128),
    "dcgan_generator": ({"H": 15, "W": 1}, 8),
    "demucs": ({"L": 62804}, 34132),
    "enet": ({"H": 1328, "W": 8}, 1272),
    "espcn": ({"H": 18, "W": 1}, 11),
    "fsrcnn": ({"H": 26, "W": 1}, 19),
    "hrnet": ({"H": 3104, "W": 32}, 2880),
    "linknet": ({"H": 800, "W": 32}, 576),
    "mobilenetv2_unet": ({"H": 928, "W": 32}, 704),
    "patchgan70": ({"H": 144, "W": 24}, 88),
    "pix2pix_unet256": ({"H": 3584, "W": 256}, 1792),
    "resnet34_unet": ({"H": 1376, "W": 32}, 1152),
    "resnet50_fpn": ({"H": 1120, "W": 64}, 672),
    "segnet": ({"H": 712, "W": 32}, 488),
    "srresnet": ({"H": 41, "W": 1}, 34),
    "u2net_small": ({"H": 6912, "W": 32}, 6688),
    "unet3d": ({"D": 172, "H": 92, "W": 92}, 116),
    "unet3plus": ({"H": 384, "W": 16}, 272),
    "unet_2015": ({"H": 348, "W": 188}, 236),
    "unet_padded": ({"H": 352, "W": 16}, 240),
    "unetpp": ({"H": 352, "W": 16}, 240),
    "vnet": ({"D": 720, "H": 16, "W": 16}, 608),
    "wave_unet": ({"L": 172019}, 143347),
}
"""The networks of the library that can be tiled, with a picture, and a tile along its first axis."""

UNRUN = {"fcn8s": ({"H": 788, "W": 20}, 564)}
"""Those that can, and are too large to be run here."""

NOT_EQUAL: dict[str, tuple[dict[str, int], int, str]] = {
    "conv_tasnet": ({"L": 12336}, 12280, "norm"),
    "cyclegan_generator": ({"H": 208, "W": 8}, 180, "stem_norm"),
    "ddpm_unet": ({"H": 480, "W": 8}, 424, "enc1a.norm1"),
    "deeplabv3plus": ({"H": 1489, "W": 1}, 1377, "aspp.mean"),
    "nnunet_anisotropic": ({"D": 432, "H": 32, "W": 32}, 320, "enc1.first.norm"),
    "resnet34": ({"H": 320, "W": 32}, 96, "pool"),
    "unet_bn_bilinear": ({"H": 480, "W": 16}, 320, "dec4.resize"),
}
"""Those that cannot, with the first node because of which."""


def small(name: str) -> tracer.Net:
    """A network of the library with few channels."""
    path = ROOT / "configs" / f"{name}.yaml"
    params = SMALL.get(name)
    if params is None:
        params = {"base": 4} if "base" in tracer.load(path).params else {}
    return tracer.load(path, **params)


def tiled_first(net: tracer.Net, picture: dict[str, int], n: int) -> Tiling:
    """Tiles along the first axis."""
    return tiling(net, picture, {next(iter(picture)): n})


HEAVY = {"hrnet", "segnet", "unet3d", "vnet"}
"""Networks of which only the last tile is asked what it sees."""

WEIGHS_NOTHING = {"wave_unet"}
"""Where corners are aligned, every other position has a neighbour that weighs 0, and 0 times NaN is NaN."""


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name == "u2net_small" else ())
        for name in LIBRARY
    ],
)
def test_the_library_sees_as_far_as_its_halo(name: str) -> None:
    """With NaN in the place of the pixels outside of a tile, the positions stay that are said to be right.

    So no halo is too small, and none could be smaller.
    """
    picture, n = LIBRARY[name]
    net = small(name)
    found = tiled_first(net, picture, n)
    (axis,) = found.starts
    step = found.step[axis]
    assert found.exact and step is not None

    start = found.starts[axis][-1]
    for output, (low, high) in seen_within(net, found, slice(0, start)).items():
        (cut,) = found.outputs[output]
        up, down = cut.rate
        assert (low, high) == (start * up // down + cut.first, cut.whole)
    if name in HEAVY | WEIGHS_NOTHING:
        return

    is_least = False
    for output, (low, high) in seen_within(net, found, slice(n, None)).items():
        (cut,) = found.outputs[output]
        up, down = cut.rate
        meets = step * up // down + cut.first
        assert low == 0 and meets <= high
        is_least |= meets + found.period[axis] * up // down > high
    assert is_least


def seen_within(net: tracer.Net, found: Tiling, outside: slice) -> dict[str, tuple[int, int]]:
    """The positions of each output, from the first to behind the last, that no pixel ``outside`` reaches."""
    ((source,),) = found.inputs
    (picture,) = inputs_of(net, found.picture, torch.float32)
    picture.movedim(source.dim, 0)[outside] = float("nan")
    # The fast convolutions of oneDNN mix positions of a block, which cancel out where they are numbers.
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):
        given = build(net).eval()(picture)
    maps = given if isinstance(given, dict) else dict.fromkeys(found.outputs, given)

    answers = {}
    for name, cuts in found.outputs.items():
        (cut,) = cuts
        rows = maps[name].isfinite().movedim(cut.dim, 0).flatten(1).all(1)
        places = rows.nonzero().flatten().tolist()
        assert places == list(range(places[0], places[-1] + 1))
        answers[name] = places[0], places[-1] + 1
    return answers


SLOW = {"enet", "u2net_small", "unet3plus", "unetpp", "mobilenetv2_unet"}
"""Networks of many branches, of which others have the same operations."""

IN_TILES = [
    pytest.param(name, marks=pytest.mark.long if name in SLOW else ())
    for name in sorted(LIBRARY.keys() - HEAVY)
]


@pytest.mark.parametrize("name", IN_TILES)
def test_the_library_in_tiles(name: str) -> None:
    """The code that is written gives what torch gives for the whole picture, to rounding."""
    picture, n = LIBRARY[name]
    net = small(name)
    found = tiled_first(net, picture, n)
    assert found.exact and (found.tiles or 0) >= 3
    # Convolutions in double precision take ten times as long.
    assert is_equal(net, found, torch.float32, rounding=2e-5)


@pytest.mark.parametrize("name", NOT_EQUAL)
def test_the_library_that_cannot_be_tiled(name: str) -> None:
    """Where statistics or grids follow from the whole picture, the first node that does so is named."""
    picture, n, node = NOT_EQUAL[name]
    found = tiled_first(small(name), picture, n)
    assert not found.exact and found.because[0].node == node


def test_the_library_is_whole() -> None:
    """No network of the library is left out."""
    names = {path.stem for path in (ROOT / "configs").glob("*.yaml")}
    assert names == {*LIBRARY, *UNRUN, *NOT_EQUAL}
    for name, (picture, n) in UNRUN.items():
        assert tiled_first(small(name), picture, n).exact


@pytest.mark.parametrize(
    "first",
    [0, 40, *(pytest.param(n, marks=pytest.mark.long) for n in (20, *range(60, 160, 20)))],
)
def test_generated_networks(first: int) -> None:
    """What is claimed of generated networks, pictures and tiles is so in torch."""
    compared = 0
    for seed in range(first, first + 20):
        net, picture, tile = drawn(seed)
        try:
            found = tiling(net, picture, tile)
        except Untileable:
            continue
        if found.exact:
            compared += found.tiles != 1
            assert is_equal(net, found), seed
        elif found.tiles is not None and not found.apart:
            assert has_the_shapes(net, found), seed
    assert compared >= 8


def has_the_shapes(net: tracer.Net, found: Tiling) -> bool:
    """Whether the loop that is written gives maps of the whole picture's shapes, here and in a larger picture."""
    module = module_of(net)
    names: dict[str, Any] = {}
    exec(torch_loop(found), names)
    for periods in (0, 3):
        larger = {axis: n + periods * found.period[axis] for axis, n in found.picture.items()}
        pictures = inputs_of(net.with_sizes(larger), {})
        with torch.no_grad():
            whole = module(*pictures)
        tiled = names["tiled"](module, *pictures)
        if shapes_of(whole) != shapes_of(tiled):
            return False
    return True


def shapes_of(given: torch.Tensor | dict[str, torch.Tensor]) -> list[torch.Size]:
    """The shapes of a network's outputs."""
    return [y.shape for y in (given.values() if isinstance(given, dict) else [given])]


BESIDE = """
input: [1, 2, X]
sizes: {{X: 64}}
layers:
  a: {{op: Conv1d, out_channels: 3, kernel_size: 3}}
  b: {{op: AvgPool1d, kernel_size: 4, stride: 3, padding: 1}}
  c: {}
output: [c, b]
"""

TOO_FEW = {
    "{op: Interpolate, mode: nearest-exact, size: a}": True,
    "{op: Interpolate, mode: nearest, size: input}": True,
    "{op: AdaptiveAvgPool1d, output_size: 8}": False,
    "{op: Interpolate, mode: linear, size: 70}": False,
    "InstanceNorm1d": False,
    "{op: CircularPad1d, padding: 1}": False,
}
"""Layers that give other positions in tiles, and whether tiles do not make up their maps."""


@pytest.mark.parametrize("layer", TOO_FEW)
def test_a_loop_gives_the_shape_of_the_whole_picture(layer: str, tmp_path: Path) -> None:
    """Where tiles make up every output, a loop is written with a warning; otherwise none is, and the map is named."""
    net = tracer.loads(BESIDE.format(layer))
    written = loops = 0
    for picture, tile in ((100, 52), (101, 52), (99, 40), (150, 61), (288, 152)):
        found = tiling(net.with_sizes({"X": picture}), {"X": picture}, {"X": tile})
        assert not found.exact
        loops += 1
        if found.apart:
            assert found.apart == ["c"]
            with pytest.raises(
                Untileable, match="do not make up the whole picture's shape of c"
            ):
                torch_loop(found)
        else:
            written += 1
            assert has_the_shapes(net, found)
    assert (written < loops) is TOO_FEW[layer]

    source = tmp_path / "net.yaml"
    source.write_text(BESIDE.format(layer), "utf-8")
    loop = tmp_path / "loop.py"
    words = (str(source), "--picture", "X=288", "--tile", "X=152", "-o", str(loop))
    done = CliRunner().invoke(cli, ["tile", *words])
    assert "c" in done.stderr and not done.stdout
    assert (done.exit_code, loop.exists()) == ((1, False) if TOO_FEW[layer] else (0, True))
    assert ("not equal to a run" in done.stderr) is loop.exists()


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_the_halo_is_the_least(first: int) -> None:
    """The position beside those that are right is not that of the whole picture: no tile could give more."""
    compared = differ = 0
    for seed in range(first, first + 20):
        net, picture, tile = drawn(seed)
        try:
            found = tiling(net, picture, tile)
        except Untileable:
            continue
        if found.exact:
            for is_other in beside(net, found):
                compared += 1
                differ += is_other
    assert compared >= 8
    # A maximum or a padding with what happens to stand there gives the same now and then.
    assert differ >= 0.9 * compared


def beside(net: tracer.Net, found: Tiling) -> list[bool]:
    """For the last tile of each axis whether the position before the first right one differs."""
    module = module_of(net)
    (picture,) = inputs_of(net, found.picture)
    answers = []
    with torch.no_grad():
        whole = module(picture)
        for cut in next(iter(found.outputs.values())):
            start = found.starts[cut.axis][-1]
            (source,) = [own for own in found.inputs[0] if own.axis == cut.axis]
            tile = module(picture.narrow(source.dim, start, picture.shape[source.dim] - start))
            if not cut.first or tile.shape[cut.dim] <= cut.first:
                continue
            up, down = cut.rate
            place = start * up // down + cut.first - 1
            given = tile.select(cut.dim, cut.first - 1)
            answers.append(not torch.allclose(given, whole.select(cut.dim, place), rtol=1e-9))
    return answers


EVERY = "takes in every position"
BY_SIZE = "samples by the size"

REFUSED = {
    "InstanceNorm2d": EVERY,
    "{op: GroupNorm, num_groups: 1}": EVERY,
    "{op: BatchNorm2d, track_running_stats: false}": EVERY,
    "{op: Mean, dim: [2, 3], keepdim: true}": EVERY,
    "{op: Softmax, dim: 3}": EVERY,
    "{op: AdaptiveAvgPool2d, output_size: 8}": BY_SIZE,
    "{op: Upsample, scale_factor: 2, mode: bilinear, align_corners: true}": BY_SIZE,
    "{op: Upsample, size: [96, 96], mode: bilinear}": BY_SIZE,
    "{op: Upsample, scale_factor: 41}": "torch rounds otherwise",
    "{op: CircularPad2d, padding: 1}": EVERY,
    "{op: Conv2d, out_channels: 1, kernel_size: 3, padding: [1, 1], padding_mode: circular}": EVERY,
    "{op: FractionalMaxPool2d, kernel_size: 2, output_ratio: 0.5}": "not fixed",
    "{op: Flip, dims: 3}": EVERY,
    "{op: Cumsum, dim: 2}": EVERY,
    "Tril": EVERY,
    "{op: Fft, dim: 3}": EVERY,
    "{op: Flatten, start_dim: 2}": "other dims",
    "{op: CenterCrop, size: 20}": "right in no tile",
}
"""Layers that no tiles give, with a part of the reason."""


@pytest.mark.parametrize("layer", REFUSED)
def test_layers_that_cannot_be_tiled(layer: str) -> None:
    """They are named, and nothing else is."""
    net = tracer.loads(ONE_LAYER.format(layer))
    found = tiling(net, {"H": 64, "W": 64}, {"H": 32, "W": 32})
    assert not found.exact
    assert {one.node for one in found.because} == {"x"}
    assert any(REFUSED[layer] in one.why for one in found.because)


ONE_LAYER = """
input: [1, 1, H, W]
sizes: {{H: 64, W: 64}}
layers:
  a: {{op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}}
  x: {}
"""

LOCAL = [
    "{op: InstanceNorm2d, track_running_stats: true}",
    "BatchNorm2d",
    "{op: LocalResponseNorm, size: 3}",
    "{op: Softmax, dim: 1}",
    "{op: PixelShuffle, upscale_factor: 2}",
    "{op: PixelUnshuffle, downscale_factor: 2}",
    "{op: Upsample, scale_factor: 2, mode: bicubic}",
    "{op: Upsample, scale_factor: 3}",
    "{op: Interpolate, scale_factor: 0.5, mode: bilinear, antialias: true}",
    "{op: Conv2d, out_channels: 1, kernel_size: 5, padding: [2, 2], padding_mode: reflect}",
    "{op: Conv2d, out_channels: 1, kernel_size: 7, stride: 4, padding: 3}",
    "{op: ConvTranspose2d, out_channels: 1, kernel_size: 5, stride: 4, padding: 1}",
    "{op: AvgPool2d, kernel_size: 3, stride: 2, padding: 1, ceil_mode: true, count_include_pad: false}",
    "{op: ReplicationPad2d, padding: [3, 1, 2, 0]}",
    "{op: Reshape, shape: [1, 2, 2, H, W]}",
    "{op: Mean, dim: 1}",
    "{op: Chunk, chunks: 2, dim: 1}",
]
"""Layers of which tiles give every position."""


@pytest.mark.parametrize("layer", LOCAL)
def test_layers_that_can_be_tiled(layer: str) -> None:
    """They are equal in torch, in two directions with different tiles."""
    text = ONE_LAYER.format(layer)
    if "Chunk" in layer:
        text += "  y: {op: Identity, from: 'x[1]'}\n"
    net = tracer.loads(text)
    found = tiling(net, {"H": 64, "W": 48}, {"H": 32, "W": 28})
    assert found.exact and found.tiles == 6
    assert is_equal(net, found)


TOKENS = """
input: [1, 3, H, W]
sizes: {H: 64, W: 64}
layers:
  stem: {op: Conv2d, out_channels: 4, kernel_size: 4, stride: 4}
  last: {op: Permute, dims: [0, 2, 3, 1]}
  norm: LayerNorm
  wide: {op: Linear, out_features: 8}
  act: GELU
  first: {op: Permute, dims: [0, 3, 1, 2]}
  mix: {op: Conv2d, out_channels: 2, kernel_size: 7, padding: 3}
"""

POOLED = """
input: [1, 2, H, W]
sizes: {H: 64, W: 64}
layers:
  a: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
  p: {op: MaxPool2d, kernel_size: 2}
  b: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
  u: {op: MaxUnpool2d, kernel_size: 2, indices: p}
  y: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
"""

OUTPUTS = """
input: {low: [N, 2, H, W], high: [N, 1, "2 * H", "2 * W"]}
sizes: {N: 2, H: 32, W: 32}
layers:
  a: {op: Conv2d, from: low, out_channels: 2, kernel_size: 3, padding: 1}
  up: {op: Upsample, scale_factor: 2}
  fine: {op: Concat, from: [up, high]}
  y: {op: Conv2d, out_channels: 2, kernel_size: 3}
  coarse: {op: Conv2d, from: a, out_channels: 3, kernel_size: 3, stride: 2, padding: 1}
output: [y, coarse]
"""

VOLUME = """
input: [2, D, S, S]
sizes: {D: 24, S: 32}
layers:
  a: {op: Conv3d, out_channels: 2, kernel_size: [1, 3, 3], padding: [0, 1, 1]}
  p: {op: AvgPool3d, kernel_size: [1, 2, 2]}
  b: {op: Conv3d, out_channels: 2, kernel_size: 3, padding: 1}
  u: {op: ConvTranspose3d, out_channels: 2, kernel_size: [1, 2, 2], stride: [1, 2, 2]}
  y: {op: Add, from: [u, a]}
"""


@pytest.mark.parametrize(
    ("text", "picture", "tile", "count"),
    [
        (TOKENS, {"H": 96, "W": 80}, {"H": 48, "W": 40}, 12),
        (POOLED, {"H": 40, "W": 36}, {"H": 20, "W": 24}, 6),
        (OUTPUTS, {"H": 40, "W": 32}, {"H": 20, "W": 18}, 6),
        (VOLUME, {"D": 24, "S": 32}, {"D": 10, "S": 18}, 27),
        (VOLUME, {"D": 24, "S": 32}, {"S": 20}, 4),
    ],
    ids=[
        "channels last",
        "unpooling",
        "several inputs and outputs",
        "3-D, coupled",
        "one axis",
    ],
)
def test_kinds_of_networks(
    text: str, picture: dict[str, int], tile: dict[str, int], count: int
) -> None:
    """Dims that are moved, indices, outputs of several sizes, batches, inputs without a batch, axes of one symbol."""
    net = tracer.loads(text)
    found = tiling(net, picture, tile)
    assert found.exact and not found.because
    assert is_equal(net, found)
    assert found.tiles == count


def test_the_code_serves_other_pictures() -> None:
    """Those that differ by periods, smaller ones than a tile; others are refused."""
    net = tracer.loads(SKIPPED)
    names: dict[str, Any] = {}
    exec(torch_loop(tiling(net, {"H": 64, "W": 48}, {"H": 24, "W": 20})), names)
    module = module_of(net)
    for height, width in ((90, 34), (16, 70), (24, 20), (200, 26)):
        picture = torch.randn(3, 1, height, width, dtype=torch.float64)
        with torch.no_grad():
            assert torch.allclose(module(picture), names["tiled"](module, picture), atol=1e-12)
    with pytest.raises(ValueError, match="H = 65: write tiles"):
        names["tiled"](module, torch.randn(1, 1, 65, 48, dtype=torch.float64))


def test_a_tile_as_large_as_the_picture() -> None:
    """One tile is the picture, and equal whatever the network is."""
    net = tracer.loads(ONE_LAYER.format("InstanceNorm2d"))
    found = tiling(net, {"H": 64, "W": 64}, {"H": 100, "W": 64})
    assert found.exact and found.tiles == 1 and found.recomputed == 0
    assert found.tile == {"H": 64, "W": 64}
    assert is_equal(net, found)


def test_memory_gives_the_fewest_tiles() -> None:
    """A run fits, with fewer tiles none does, and with as many no smaller one would do."""
    from tracer.costs.memory import memory

    net = tracer.load(ROOT / "configs/unet_padded.yaml", base=8)
    params = sum(p.numel() for p in build(net).parameters())

    def needs(n: int) -> int:
        found = memory(net.trace(H=n, W=n))
        assert found is not None
        return found.inference + 4 * params

    budget = 30_000_000
    found = tracer.tile(net, picture={"H": 2048, "W": 2048}, memory=budget)
    n = found.tile["H"]
    assert found.exact and found.tile == {"H": n, "W": n} and n % 16 == 0
    count = len(found.starts["H"])
    (overlap,) = set(found.overlap.values())
    assert overlap is not None and needs(n) <= budget
    fewer = -(-(2048 - overlap) // (count - 1)) + overlap
    assert needs(-(-fewer // 16) * 16) > budget
    assert count * (n - 16 - overlap) + overlap < 2048
    with pytest.raises(Untileable, match="the least tile, H = 208, W = 208, needs"):
        tracer.tile(net, picture={"H": 2048, "W": 2048}, memory=1_000_000)
    whole = tracer.tile(net, picture={"H": 64, "W": 64}, memory=10**9)
    assert whole.tiles == 1


@pytest.mark.parametrize(
    ("picture", "tile", "said"),
    [
        ({"H": 2047}, {"H": 512}, "pad H by 1 to 2048"),
        ({"H": 2048}, {"H": 500}, "a tile of H = 500 does not run; H = 496 and H = 512 do"),
        (
            {"H": 2048},
            {"H": 128},
            "is too small for what the outputs see; the least is about 208",
        ),
    ],
)
def test_what_has_no_tiles(picture: dict[str, int], tile: dict[str, int], said: str) -> None:
    """A picture or a tile that does not run, and one that is too small: what would do is said, and does."""
    net = tracer.load(ROOT / "configs/unet_padded.yaml", base=4)
    with pytest.raises(Untileable) as error:
        tracer.tile(net, picture=picture, tile=tile)
    assert said in str(error.value)
    assert tracer.tile(net, picture={"H": 2048}, tile={"H": 208}).exact


BY_SKIP = """
input: [1, 1, H, W]
sizes: {H: 64, W: 64}
layers:
  a: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
  p: {op: MaxPool2d, kernel_size: 2}
  b: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
  u: {op: Interpolate, size: a, mode: bilinear}
  j: {op: Concat, from: [u, a]}
"""


def test_the_picture_to_pad_to() -> None:
    """Maps that are resized to their skips lie alike in tiles of an even picture, and that is said of an odd one."""
    net = tracer.loads(BY_SKIP)
    odd = tiling(net, {"H": 63, "W": 80}, {"H": 32, "W": 32})
    assert not odd.exact and {one.node for one in odd.because} == {"u"}
    assert odd.padded == {"H": 64, "W": 80}
    even = tiling(net, odd.padded, {"H": 32, "W": 32})
    assert even.exact and even.padded is None
    assert is_equal(net, even)
    cropped = tiling(small("unet_2015"), {"H": 1000, "W": 1003}, {"H": 572, "W": 572})
    assert not cropped.exact and cropped.padded == {"H": 1004, "W": 1004}
    assert tiling(small("unet_2015"), cropped.padded, {"H": 572, "W": 572}).exact
    norm = tiling(tracer.loads(ONE_LAYER.format("InstanceNorm2d")), {"H": 63}, {"H": 32})
    assert not norm.exact and norm.padded is None


RESIZED = """
input: [1, 1, X]
sizes: {{X: 41}}
layers:
  a: {{op: Conv1d, out_channels: 1, kernel_size: {k}, stride: {k}}}
  {rest}
"""

ALIGNED = "y: {op: Concat, from: [a, input], align: resize}"

BY_INPUT = (
    "u: {op: Interpolate, size: input, mode: nearest}\n  y: {op: Concat, from: [u, input]}"
)


@pytest.mark.parametrize("k", [2, 3, 6, 7, 41])
def test_a_resize_in_a_merge_is_judged_like_one_before_it(k: int) -> None:
    """Copies by a factor that torch rounds as meant are equal, in both ways of writing them."""
    verdicts = []
    for rest in (ALIGNED, BY_INPUT):
        net = tracer.loads(RESIZED.format(k=k, rest=rest))
        found = tiling(net, {"X": 20 * k}, {"X": 8 * k})
        verdicts.append(found.exact)
        if found.exact:
            assert found.tiles == 3 and is_equal(net, found)
    assert verdicts == [k != 41] * 2


def next_to(picture: int, tile: int, *kernels: int) -> Tiling:
    """Tiles of such a network."""
    return tiling(strided(*kernels), {"X": picture}, {"X": tile})


def strided(*kernels: int) -> tracer.Net:
    """Convolutions of these kernels at an eighth of the size, resized to the input's."""
    layers = "".join(
        f"  b{i}: {{op: Conv1d, out_channels: 2, kernel_size: {k}, padding: {k // 2}}}\n"
        for i, k in enumerate(kernels)
    )
    return tracer.loads(STRIDED.format(layers))


STRIDED = """
input: [1, 2, X]
sizes: {{X: 64}}
layers:
  p: {{op: Conv1d, out_channels: 2, kernel_size: 3, stride: 8, padding: 1}}
{}
  u: {{op: Interpolate, size: input, mode: linear}}
"""


@pytest.mark.parametrize(
    ("picture", "tile", "kernels", "padded", "larger"),
    [
        (250, 128, (3, 5, 5), 256, 128),
        (250, 72, (3, 5, 5), 256, 104),
        (256, 100, (3,), 256, 104),
        (250, 40, (9,), 256, 88),
    ],
)
def test_the_next_picture_that_is_exact_with_its_tile(
    picture: int, tile: int, kernels: tuple[int, ...], padded: int, larger: int
) -> None:
    """Where no picture nearby is exact in the tiles that are asked for, one is named with larger tiles, the least."""
    found = next_to(picture, tile, *kernels)
    assert not found.exact
    assert (found.padded, found.padded_tile) == ({"X": padded}, {"X": larger})
    other = next_to(padded, larger, *kernels)
    assert other.exact
    assert is_equal(strided(*kernels).with_sizes({"X": padded}), other)

    words = "".join(f"{part}" for part in tile_text(found)[1:])
    said = f" where the picture is padded to X = {padded}" if padded != picture else ""
    said += f" with tiles of X = {larger}" if larger != tile else ""
    assert words.endswith(f"\nequal{said}")
    for n in range(max(tile, larger - 16), larger):
        with contextlib.suppress(Untileable):
            assert not next_to(padded, n, *kernels).exact


def test_no_picture_is_named_where_none_is_exact() -> None:
    """Where even a tile as large as a picture nearby sees beyond it, nothing is advised."""
    found = next_to(250, 128, 41)
    assert not found.exact and found.padded is found.padded_tile is None
    assert "equal where" not in str(tile_text(found)[1])


TURNED = """
input: [1, 1, S, S]
sizes: {S: 64}
layers:
  t: {op: Transpose, dim0: 2, dim1: 3}
  y: {op: Add, from: [input, t]}
"""


def test_a_map_beside_itself_turned() -> None:
    """Two dims of one symbol are two axes: what lies on the diagonal is no proof for the other tiles."""
    found = tiling(tracer.loads(TURNED), {"S": 64}, {"S": 32})
    assert not found.exact and {one.node for one in found.because} == {"y"}


ATTENTION = """
input: [1, 3, H, W]
sizes: {H: 64, W: 64}
layers:
  stem: {op: Conv2d, out_channels: 16, kernel_size: 8, stride: 8}
  flat: {op: Flatten, start_dim: 2}
  tokens: {op: Transpose, dim0: 1, dim1: 2}
  wide: {op: Linear, out_features: 16}
  mix: {op: MultiheadAttention, num_heads: 2, embed_dim: 16, batch_first: true}
  y: {op: Add, from: [mix, tokens]}
"""


def test_attention_is_named() -> None:
    """Tokens are no dims of the picture any more; the attention over them is named beside what makes them."""
    found = tiling(tracer.loads(ATTENTION), {"H": 128, "W": 64}, {"H": 64})
    assert [one.node for one in found.because] == ["flat", "mix"]
    assert found.step["H"] is None and found.tiles is None
    with pytest.raises(Untileable, match="no tiles give the outputs along H: flat, mix"):
        torch_loop(found)


CROPPED = """
input: [1, 1, H, W]
sizes: {H: 64, W: 64}
layers:
  a: {op: Conv2d, out_channels: 2, kernel_size: 2}
  j: {op: Concat, from: [a, input], align: crop}
  b: {op: MaxPool2d, kernel_size: 2}
  u: {op: Upsample, scale_factor: 2}
  k: {op: Concat, from: [u, j], align: pad}
  y: {op: Conv2d, out_channels: 1, kernel_size: 3, padding: 1}
"""


def test_alignments_that_cut_at_the_end() -> None:
    """A crop that takes nothing before, and a pad that puts nothing there, change the size all the same."""
    net = tracer.loads(CROPPED)
    found = tiling(net, {"H": 64, "W": 48}, {"H": 32, "W": 32})
    assert found.exact and found.tiles == 6
    assert is_equal(net, found)


def test_a_symbol_that_is_none() -> None:
    """Batches and channels are no axes; an input's fixed dims have names of their own."""
    net = tracer.load(ROOT / "configs/unet_padded.yaml", base=4)
    with pytest.raises(ValueError, match="N is no spatial dim of an input; those are: H, W"):
        tracer.tile(net, tile={"N": 1})
    with pytest.raises(ValueError, match="say the tile, or the memory"):
        tracer.tile(net)
    with pytest.raises(ValueError, match="give one of tile and memory"):
        tracer.tile(net, tile={"H": 256}, memory=10**9)
    fixed = tracer.loads(SKIPPED.replace("H, W]", "64, W]").replace("H: 64, ", ""))
    found = tracer.tile(fixed, picture={"input[2]": 64}, tile={"input[2]": 24})
    assert found.exact and found.starts == {"input[2]": [0, 14, 28, 40]}
    # The picture's sizes that are not given are the network's own.
    own = tracer.tile(fixed, picture={"W": 64}, tile={"input[2]": 24})
    assert own == found and is_equal(fixed, own)
    with pytest.raises(
        ValueError, match=r"Q is no spatial dim of an input; those are: input\[2\], W"
    ):
        tracer.tile(fixed, tile={"Q": 24})


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line."""
    return subprocess.run(
        [sys.executable, "-m", "tracer", "tile", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


UNET = ("configs/unet_padded.yaml", "--picture", "H=2048,W=2048")


def test_the_command(tmp_path: Path) -> None:
    """JSON is as its schema says, the code is what the interface writes, mistakes end with one line."""
    done = run(*UNET, "--tile", "H=512,W=512", "--format", "json")
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    schema = json.loads(
        subprocess.run(
            [sys.executable, "-m", "tracer", "schema", "tile"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    jsonschema.validate(answer, schema)
    assert answer["halo"]["H"] == {"left": 94, "right": 94} and answer["tiles"] == 36

    out = tmp_path / "tiles.py"
    assert run(*UNET, "--tile", "H=512,W=512", "-o", str(out)).returncode == 0
    found = tracer.tile(UNET[0], picture={"H": 2048, "W": 2048}, tile={"H": 512, "W": 512})
    assert out.read_text("utf-8") == torch_loop(found)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((*UNET, "--tile", "H=500"), 1, "does not run"),
        ((*UNET,), 2, "say the tile"),
        ((*UNET, "--tile", "H=512", "--memory", "8GiB"), 2, "give one of --tile and --memory"),
        ((*UNET, "--tile", "H=x"), 2, "is not AXIS=N"),
        ((*UNET, "--tile", "H=1,H=2"), 2, "given twice"),
        ((*UNET, "--tile", "N=1"), 2, "no spatial dim"),
        ((*UNET, "--tile", "Q=1"), 2, "no spatial dim"),
        ((*UNET, "--tile", "H=512", "-o", "tiles.txt"), 2, "say what to write"),
        (("configs/resnet34.yaml", "--tile", "H=96", "--to", "torch"), 1, "no tiles give"),
    ],
)
def test_mistakes(words: tuple[str, ...], code: int, said: str) -> None:
    """One message, no traceback."""
    done = run(*words)
    assert done.returncode == code and said in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout
