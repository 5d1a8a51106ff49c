"""Published sizes, and failures that users reported: what the papers' tables and the issue trackers say.

Numbers are read off the nodes of one kind, in the file's order. Where configs/ has the network, it is that one.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

import tracer
from tests import ROOT
from tests.drawn.torch_network import run
from tracer.geometry.receptive_field import fields
from tracer.shapes.trace import Trace

CONFIGS = ROOT / "configs"


def config(name: str, **params: Any) -> tracer.Net:
    return tracer.load(CONFIGS / f"{name}.yaml", **params)


def sizes_of(trace: Trace, *ops: str, axis: int = -1) -> list[int | None]:
    """The size along one axis of every node of these operations."""
    shapes = [trace.shapes[node.name] for node in trace.network.nodes if node.op_name in ops]
    return [shape and shape[axis] for shape in shapes]


def runs(trace: Trace) -> bool:
    """Nothing is refused; a published size that is expected at every input size may differ."""
    return all(d.code == "T304" for d in trace.diagnostics)


def lossless(trace: Trace) -> bool:
    return runs(trace) and not trace.lost()


# --- the U-Net of 2015 and its volumes -----------------------------------------------------------------------


def test_unet_2015_has_the_papers_numbers() -> None:
    """Figure 1 of arXiv:1505.04597, for 572."""
    trace = config("unet_2015").trace()
    assert not trace.diagnostics
    encoder = [570, 568, 282, 280, 138, 136, 66, 64, 30, 28]
    assert sizes_of(trace, "Conv2d") == [*encoder, 54, 52, 102, 100, 198, 196, 390, 388, 388]
    assert sizes_of(trace, "MaxPool2d") == [284, 140, 68, 32]
    assert (
        sizes_of(trace, "ConvTranspose2d") == sizes_of(trace, "Concat") == [56, 104, 200, 392]
    )


def test_unet_2015_crops_its_skips_evenly() -> None:
    """64 to 56, 136 to 104, 280 to 200, 568 to 392: 4, 16, 40 and 88 from each side."""
    trace = config("unet_2015").trace()
    merges = [node for node in trace.network.nodes if node.op_name == "Concat"]
    cuts = [skip[2] - up[2] for up, skip in map(trace.input_shapes, merges) if up and skip]
    assert cuts == [2 * 4, 2 * 16, 2 * 40, 2 * 88]
    assert not trace.lost()


def test_unet_2015_loses_nothing_at_16k_plus_12() -> None:
    """The least is 188, which gives 4; the others drop rows or crop unevenly."""
    net = config("unet_2015")
    assert [n for n in range(1, 600) if lossless(net.trace(H=n))] == list(range(188, 600, 16))
    axis = tracer.sizes(net).axes["H"]
    assert (
        axis.lossless == axis.aligned and axis.lossless.written("H") == "H = 16k + 12, k >= 11"
    )
    assert axis.runs.written("H") == "H >= 188"
    assert net.trace(H=188, W=188).shapes["logits"] == (1, 2, 4, 4)


def test_unet_2015_runs_at_other_sizes() -> None:
    """500 by 375 gives 308 by 180 (jvanvugt/pytorch-unet#5)."""
    trace = config("unet_2015").trace(H=500, W=375)
    assert runs(trace) and not lossless(trace)
    assert trace.shapes["logits"] == (1, 2, 308, 180)


def test_unet_3d() -> None:
    """arXiv:1606.06650: 132 132 116 gives 44 44 28, the input less 88; 8k + 4 loses nothing."""
    net = config("unet3d")
    trace = net.trace()
    assert trace.shapes["logits"] == (1, 3, 44, 44, 28)
    assert sizes_of(trace, "ConvTranspose3d") == [14, 20, 32]
    ran = [n for n in range(60, 160) if runs(net.trace(W=n))]
    assert [n for n in ran if lossless(net.trace(W=n))] == list(range(92, 160, 8))
    for n in range(92, 160, 8):
        assert (net.trace(W=n).shapes["logits"] or ())[-1] == n - 88
    assert {axis.lossless.written("n") for axis in tracer.sizes(net).axes.values()} == {
        "any n",
        "n = 8k + 4, k >= 11",
    }


def test_vnet() -> None:
    """arXiv:1606.04797, table 1: sizes of the 128 by 128 by 64 input, and each stage's receptive field."""
    trace = config("vnet").trace()
    stages = [f"enc{i}" for i in (1, 2, 3, 4)] + ["mid"]
    shapes = [trace.shapes[name] or () for name in stages]
    assert [shape[2:] for shape in shapes] == [(128 >> i, 128 >> i, 64 >> i) for i in range(5)]
    seen = fields(trace)
    extents = [seen[trace.network.names[name].name][0].extent for name in stages]
    assert extents == [5, 22, 72, 172, 372]


# --- fully convolutional networks ----------------------------------------------------------------------------


def test_fcn_8s() -> None:
    """The first convolution pads 100: 500 becomes 698, and pools that round up lead to 22; then up to 568."""
    trace = config("fcn8s").trace()
    assert trace.shapes["conv1_1.conv"] == (1, 64, 698, 698)
    assert sizes_of(trace, "MaxPool2d") == [349, 175, 88, 44, 22]
    assert trace.shapes["fc6"] == (1, 4096, 16, 16)
    assert sizes_of(trace, "ConvTranspose2d") == [34, 70, 568]
    assert sizes_of(trace, "Crop") == [34, 70, 500]


@pytest.mark.parametrize(
    ("kernel", "stride", "start", "from_", "size"),
    [(64, 32, 19, 16, 544), (32, 16, 27, 34, 560), (16, 8, 31, 70, 568)],
    ids=["32s", "16s", "8s"],
)
def test_fcn_crops_its_score(
    kernel: int, stride: int, start: int, from_: int, size: int
) -> None:
    """The last upsampling of 32s, 16s and 8s is larger than 500; the authors' offsets cut it to that."""
    net = tracer.loads(f"""\
        input: [1, 21, {from_}, {from_}]
        layers:
          upscore: {{op: ConvTranspose2d, out_channels: 21, kernel_size: {kernel}, stride: {stride}}}
          score: {{op: Crop, crop: [{start}, {size - 500 - start}, {start}, {size - 500 - start}]}}
        """)
    assert net.trace().shapes["upscore"] == (1, 21, size, size)
    assert net.trace().shapes["score"] == (1, 21, 500, 500)


@pytest.mark.parametrize(
    ("line", "total", "start"),
    [("crop: 5", 10, 5), ("crop: 9", 18, 9), ("crop: [31, 37, 31, 37]", 68, 31)],
    ids=["pool4", "pool3", "score"],
)
def test_fcn_crops_where_the_grids_meet(line: str, total: int, start: int) -> None:
    """Of the offsets that fit, only the authors' line the maps up: with others no input size is aligned.

    The last one brings the score's grid back to the input's, which a merge with the input asks for.
    """
    text = (CONFIGS / "fcn8s.yaml").read_text(
        "utf-8"
    ) + "  with_input: {op: Concat, from: [score, input]}\n"
    for before in range(total + 1):
        cut = f"crop: [{before}, {total - before}, {before}, {total - before}]"
        axis = tracer.sizes(tracer.loads(text.replace(line, cut))).axes["H"]
        assert axis.runs and bool(axis.aligned) == (before == start), before


# --- generators, discriminators, light and nested nets -------------------------------------------------------


def test_dcgan() -> None:
    """1 4 8 16 32 64, and back."""
    assert sizes_of(config("dcgan_generator").trace(), "Input", "ConvTranspose2d") == [
        1,
        4,
        8,
        16,
        32,
        64,
    ]
    assert sizes_of(config("dcgan_discriminator").trace(), "Input", "Conv2d") == [
        64,
        32,
        16,
        8,
        4,
        1,
    ]


def test_pix2pix() -> None:
    """Eight times down to a single pixel, and eight times up."""
    trace = config("pix2pix_unet256").trace()
    assert sizes_of(trace, "Input", "Conv2d") == [256, 128, 64, 32, 16, 8, 4, 2, 1]
    assert sizes_of(trace, "ConvTranspose2d") == [2, 4, 8, 16, 32, 64, 128, 256]


def test_patchgan() -> None:
    """256 128 64 32 31 30, and each judgement sees a patch of 70."""
    trace = config("patchgan70").trace()
    assert sizes_of(trace, "Input", "Conv2d") == [256, 128, 64, 32, 31, 30]
    assert fields(trace)["patches"][0].extent == 70


def test_enet() -> None:
    """512: 256 128 64, and 128 256 512; without its output_padding the last transposed convolution gives 511."""
    trace = config("enet").trace()
    assert sizes_of(trace, "MaxPool2d") == [256, 128, 64]
    assert sizes_of(trace, "ConvTranspose2d") == [128, 256, 512]
    last = (
        "{op: ConvTranspose2d, out_channels: 20, kernel_size: 3, stride: 2, padding: 1, "
        "output_padding: auto, expect: "
    )
    for n, value in ((511, 0), (512, 1)):
        net = tracer.loads(
            f"input: [1, 16, 256, 256]\nlayers:\n  last: {last}[1, 20, {n}, {n}]}}\n"
        )
        assert net.solution({}).assignments == {"last.output_padding": (value, value)}


def test_u2net() -> None:
    """Its pools round up: 320 160 80 40 20 10; and it takes every size, as ups resize to the skip."""
    net = config("u2net_small")
    stages = [f"enc{i}" for i in range(1, 7)]
    assert [(net.trace().shapes[name] or ())[-1] for name in stages] == [
        320,
        160,
        80,
        40,
        20,
        10,
    ]
    for n in (1, 2, 31, 33, 319):
        trace = net.trace(H=n, W=n)
        assert not trace.diagnostics
        assert [(trace.shapes[name] or ())[-1] for name in stages] == [
            math.ceil(n / 2**i) for i in range(6)
        ]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fsrcnn(scale: int) -> None:
    """Kernel 9, padding 4 and output_padding scale - 1 give exactly scale times the input."""
    net = config("fsrcnn", scale=scale)
    for n in (1, 7, 10, 33):
        assert (net.trace(H=n).shapes["image"] or ())[2] == scale * n


def test_fsrcnn_as_it_is_often_copied() -> None:
    """Padding 3 and output_padding 1 give 2n + 2."""
    net = tracer.loads("""\
        input: [1, 56, H, 8]
        layers:
          image: {op: ConvTranspose2d, out_channels: 1, kernel_size: 9, stride: 2, padding: 3, output_padding: 1,
                  expect: [1, 1, 2*H + 2, 18]}
        """)
    for n in range(1, 20):
        assert not net.trace(H=n).diagnostics


# --- nnU-Net's topologies ------------------------------------------------------------------------------------


def nnunet(patch: tuple[int, ...], strides: list[tuple[int, ...]]) -> str:
    """Stages of strided convolutions, and transposed ones with kernels of the same strides back to the patch."""
    d = f"{len(patch)}d"
    lines = [f"stage0: {{op: Conv{d}, out_channels: 2, kernel_size: 3, padding: 1}}"]
    for i, stride in enumerate(strides, 1):
        lines.append(
            f"stage{i}: {{op: Conv{d}, out_channels: 2, kernel_size: 3, padding: 1, stride: {list(stride)}}}"
        )
    for i, stride in reversed(list(enumerate(strides, 1))):
        lines.append(
            f"up{i}: {{op: ConvTranspose{d}, out_channels: 2, kernel_size: {list(stride)}, stride: {list(stride)}}}"
        )
        lines.append(f"cat{i}: {{op: Concat, from: [up{i}, stage{i - 1}]}}")
    return f"input: {[1, 1, *patch]}\nlayers:\n" + "".join(f"  {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("patch", "strides", "bottleneck"),
    [
        ((80, 192, 160), [(2, 2, 2)] * 4 + [(1, 2, 2)], (5, 6, 5)),
        ((128, 128, 128), [(2, 2, 2)] * 5, (4, 4, 4)),
        ((448, 448), [(2, 2)] * 6, (7, 7)),
        ((40, 56, 40), [(2, 2, 2)] * 3, (5, 7, 5)),
    ],
    ids=["Lung 3d", "PET-CT 3d", "PET-CT 2d", "Hippocampus 3d"],
)
def test_nnunet_plans(
    patch: tuple[int, ...], strides: list[tuple[int, ...]], bottleneck: tuple[int, ...]
) -> None:
    """Patch sizes, strides and bottlenecks of published plans files; every skip meets its up-layer."""
    trace = tracer.loads(nnunet(patch, strides)).trace()
    assert not trace.diagnostics
    assert (trace.shapes[f"stage{len(strides)}"] or ())[2:] == bottleneck
    assert (trace.shapes["cat1"] or ())[2:] == patch


# --- sets of sizes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unet_padded", "n = 16k, k >= 1"),
        ("resnet34_unet", "n = 32k, k >= 1, or n = 32k + 31, k >= 0"),
        ("fcn8s", "n = 32k + 19..26, k >= 0"),
        ("pix2pix_unet256", "n = 256k or 256k + 1, k >= 1"),
        ("u2net_small", "n >= 1"),
    ],
)
def test_sizes_that_run(name: str, text: str) -> None:
    """Of both axes; 32m and 32m - 1 for ResNet-34, while what resizes to its skips takes every size."""
    axes = tracer.sizes(config(name)).axes
    assert [axes[symbol].runs.written("n") for symbol in ("H", "W")] == [text, text]


def test_monai_unet_takes_63_and_turns_it_into_64() -> None:
    """MONAI's UNet of depth 5 (k3 s2 p1 down, k3 s2 p1 with output_padding 1 up) takes 16m and 16m - 1."""
    net = tracer.loads(family(4, [1] * 4))
    runs_ = tracer.sizes(net).axes["L"].runs
    assert [n for n in range(1, 100) if n in runs_] == [
        n for n in range(1, 100) if runs(net.trace(L=n))
    ]
    text = family(4, [1] * 4).replace("from: [up1, input]", "from: [up1]")
    assert (
        tracer.sizes(tracer.loads(text)).axes["L"].runs.written("L")
        == "L = 16k, k >= 1, or L = 16k + 15, k >= 0"
    )
    assert tracer.loads(text).trace(L=63).shapes["up1"] == (1, 1, 64)


def test_broadcasting_adds_isolated_sizes() -> None:
    """A c3 s2 p1 / t3 additive U-Net takes 1, 2, 3, 5, 9, 17, 33: a map of one position adds to anything."""
    text = family(6, [0] * 6).replace("op: Concat", "op: Add")
    axis = tracer.sizes(tracer.loads(text)).axes["L"].runs
    assert [n for n in range(70) if n in axis] == [1, 2, 3, 5, 9, 17, 33, 65]
    assert (axis.modulus, axis.residues) == (64, (1,))


# --- output_padding by auto ----------------------------------------------------------------------------------


def family(levels: int, values: list[Any]) -> str:
    """k3 s2 p1 convolutions down, transposed ones up, skips concatenated."""
    lines = [
        f"down{i}: {{op: Conv1d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1}}"
        for i in range(1, levels + 1)
    ]
    for level, value in zip(range(levels, 0, -1), values):
        skip = "input" if level == 1 else f"down{level - 1}"
        layer = f"op: ConvTranspose1d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1, output_padding: {value}"
        lines.append(f"up{level}: {{{layer}}}")
        lines.append(f"cat{level}: {{op: Concat, from: [up{level}, {skip}]}}")
    return "input: [1, 1, L]\nlayers:\n" + "".join(f"  {line}\n" for line in lines)


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5])
def test_output_padding_is_the_bits_of_the_size(levels: int) -> None:
    """Of k3 s2 p1 both ways, n has the one vector of the L bits of (n - 1) mod 2^L, the deepest level's the highest."""
    net = tracer.loads(family(levels, ["auto"] * levels))
    for n in range(1, 80):
        plan = net.solution({"L": n})
        bits = [((n - 1) >> level) & 1 for level in range(levels - 1, -1, -1)]
        found = [
            plan.assignments[f"up{level}.output_padding"] for level in range(levels, 0, -1)
        ]
        assert plan.solved and found == [(bit,) for bit in bits], n
        assert plan.cost == sum(bits)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_one_vector_serves_one_residue(levels: int) -> None:
    """So a fixed vector runs for one residue of n modulo 2^L only, and every one of the 2^L has its own."""
    for bits in itertools.product([0, 1], repeat=levels):
        net = tracer.loads(family(levels, list(bits)))
        residue = int("".join(map(str, bits)), 2)
        served = [n for n in range(1, 40) if not net.trace(L=n).diagnostics]
        assert served == [n for n in range(1, 40) if (n - 1) % 2**levels == residue]


# --- encoders ------------------------------------------------------------------------------------------------


def test_strided_convolutions_round_up_where_pools_round_down() -> None:
    """225 at stride 32: 8 in a ResNet, 7 behind VGG's pools."""
    assert (config("resnet34_unet").trace(H=225).shapes["layer4"] or ())[2] == 8
    pools = "".join(f"  pool{i}: {{op: MaxPool2d, kernel_size: 2}}\n" for i in range(1, 6))
    assert tracer.loads(f"input: [1, 3, 225, 225]\nlayers:\n{pools}").trace().shapes[
        "pool5"
    ] == (
        1,
        3,
        7,
        7,
    )


# --- failures that users reported ----------------------------------------------------------------------------


def unet(levels: int, size: int, down: str, up: str, stem: bool = False) -> str:
    """A U-Net of these down- and up-layers; with a stem, the first skip is taken at stride 2 and the last has none."""
    lines, skips = [], []
    for i in range(1, levels + 1):
        if not (stem and i == 1):
            lines.append(f"enc{i}: {{op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}}")
            skips.append(f"enc{i}")
        lines.append(f"down{i}: {down}")
    for i in range(levels, 0, -1):
        lines.append(f"up{i}: {up}")
        if skips:
            lines.append(f"cat{i}: {{op: Concat, from: [up{i}, {skips.pop()}]}}")
    body = "".join(f"  {line}\n" for line in lines)
    return f"input: [1, 2, {size}, {size}]\nlayers:\n{body}"


POOL = "{op: MaxPool2d, kernel_size: 2}"
STRIDED = "{op: Conv2d, out_channels: 2, kernel_size: 3, stride: 2, padding: 1}"
DOUBLED = "{op: Upsample, scale_factor: 2}"
TRANSPOSED = "{op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2}"


@pytest.mark.parametrize(
    ("text", "have", "want"),
    [
        pytest.param(
            unet(4, 358, POOL, DOUBLED), "88 from up3", "89 from enc3", id="keras 19964"
        ),
        pytest.param(
            unet(2, 170, POOL, TRANSPOSED), "84 from up2", "85 from enc2", id="retina-unet 25"
        ),
        pytest.param(
            unet(5, 197, STRIDED, DOUBLED, stem=True),
            "14 from up5",
            "13 from enc5",
            id="segmentation_models 1",
        ),
        pytest.param(
            unet(5, 129, STRIDED, DOUBLED, stem=True),
            "10 from up5",
            "9 from enc5",
            id="smp 545",
        ),
        pytest.param(
            unet(3, 62, POOL, TRANSPOSED), "14 from up3", "15 from enc3", id="depth 3"
        ),
    ],
)
def test_a_reported_mismatch_names_both_producers(text: str, have: str, want: str) -> None:
    """T301 at the merge, with the two sizes, the nodes that give them and where these stand; torch refuses it too."""
    net = tracer.loads(text)
    (found,) = net.trace().diagnostics
    assert found.code == "T301"
    assert have in found.message and want in found.message
    assert found.hint is not None
    places = {related.span for related in found.related}
    producers = [net.network.names[words.split()[-1]] for words in (have, want)]
    assert {node.span for node in producers} <= places
    refused = run(net).refused
    assert list(refused) == [found.message.split(":")[0]]


def test_127_silently_comes_out_as_128() -> None:
    """The stride-32 U-Net that refuses 129 takes 127, and its output is larger than its input (T505)."""
    text = unet(5, 127, STRIDED, DOUBLED, stem=True).replace("  up5", "decoder:\n  up5")
    (found,) = [d for d in tracer.checks(text) if d.code == "T505"]
    assert "128" in found.message and "127" in found.message
    assert sizes_of(tracer.loads(text).trace(), "Upsample") == [8, 16, 32, 64, 128]


def test_unpooling_540_by_960() -> None:
    """pytorch#580: three max-unpools; 135 pools to 67, which comes back as 134, while the indices below are 135's."""
    pools = [f"pool{i}: {{op: MaxPool2d, kernel_size: 2}}" for i in (1, 2, 3)]
    ups = [f"up{i}: {{op: MaxUnpool2d, kernel_size: 2, indices: pool{i}}}" for i in (3, 2, 1)]
    text = "input: [1, 2, 540, 960]\nlayers:\n" + "".join(f"  {line}\n" for line in pools + ups)
    net = tracer.loads(text)
    (found,) = net.trace().diagnostics
    assert found.code == "T301"
    assert "[1, 2, 134, 240]" in found.message and "[1, 2, 135, 240]" in found.message
    assert net.network.names["pool2"].span in {related.span for related in found.related}
    assert list(run(net).refused) == ["up2"]
    mended = text.replace("indices: pool3", "indices: pool3, output_size: pool2")
    assert not tracer.loads(mended).trace().diagnostics
