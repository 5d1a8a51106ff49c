"""Designed configs: what is written closes, lies on the skips' grids, and is what was asked for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import tracer
from tests import ROOT
from tracer.commands.design import command
from tracer.costs.training_step import Training
from tracer.designing.appended import encoder_alone
from tracer.designing.decoder import Wish, decoder
from tracer.designing.families import FamilyOptions, families, sizes_for
from tracer.designing.fitting import fit
from tracer.designing.nnunet import REFERENCE, NnunetWish, Planned, plan
from tracer.designing.skips import Undesignable, encoder
from tracer.designing.style import MERGES, UPS
from tracer.loading import reloaded
from tracer.net import Net
from tracer.rules import judge

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

AMISS = ("T502", "T503", "T504", "T505")
"""What a decoder that is well designed is not warned of."""


def designed(net: Net, wish: Wish, skips: list[str] | None = None) -> Net:
    """The network with a decoder."""
    return tracer.loads(decoder(encoder(encoder_alone(net, skips or ()), skips), wish).text)


def said(net: Net, before: Net) -> list[str]:
    """What is wrong with a design, beside what was with its encoder."""
    known = {d.message for d in judge(before)}
    return [
        f"{d.code} {d.message}"
        for d in judge(net)
        if (d.severity == "error" or d.code in AMISS) and d.message not in known
    ]


@st.composite
def encoders(draw: st.DrawFn) -> str:
    """Encoders of any geometry: kernels, strides and paddings per axis, pools and convolutions, in 1 to 3 dims."""
    dims = draw(st.integers(1, 3))
    symbols = "HWD"[:dims]
    lines = []
    total = 1
    for level in range(draw(st.integers(1, 4))):
        for number in range(draw(st.integers(0, 2))):
            kernel = draw(st.integers(1, 4))
            padding = draw(st.integers(0, kernel // 2))
            arguments = (
                f"out_channels: {4 * (level + 1)}, kernel_size: {kernel}, padding: {padding}"
            )
            lines.append(f"  conv{level}_{number}: {{op: Conv{dims}d, {arguments}}}")
        strides = draw(
            st.lists(st.integers(1, 4), min_size=dims, max_size=dims).filter(
                lambda s: max(s) > 1
            )
        )
        total *= max(strides)
        kernels = [draw(st.integers(s, s + 3)) for s in strides]
        paddings = [draw(st.integers(0, k // 2)) for k in kernels]
        kind = draw(st.sampled_from([f"Conv{dims}d", f"MaxPool{dims}d", f"AvgPool{dims}d"]))
        channels = f"out_channels: {4 * (level + 2)}, " if kind.startswith("Conv") else ""
        ceil = ", ceil_mode: true" if "Pool" in kind and draw(st.booleans()) else ""
        window = f"kernel_size: {kernels}, stride: {strides}, padding: {paddings}"
        lines.append(f"  down{level}: {{op: {kind}, {channels}{window}{ceil}}}")
    lines.append(f"  last: {{op: Conv{dims}d, out_channels: 8, kernel_size: 1}}")
    sizes = []
    for symbol in symbols:
        first = draw(st.integers(12 * total, 24 * total))
        kind = draw(st.sampled_from(["one", "one", "several", "range"]))
        sizes.append(
            f"{symbol}: {first}" if kind == "one" else
            f"{symbol}: [{first}, {first + draw(st.integers(1, 9))}]" if kind == "several" else
            f"{symbol}: {{min: {first}, step: {draw(st.integers(1, 2 * total))}}}"
        )  # fmt: skip
    head = f"input: [N, 3, {', '.join(symbols)}]\nsizes: {{N: 1, {', '.join(sizes)}}}\n"
    return head + "encoder:\n" + "\n".join(lines) + "\n"


@settings(max_examples=60, deadline=None)
@given(
    text=encoders(),
    up=st.sampled_from(UPS),
    merge=st.sampled_from(MERGES),
    left_out=st.sets(st.integers(0, 4)),
)
def test_any_encoder(text: str, up: Any, merge: Any, left_out: set[int]) -> None:
    """An aligned decoder closes for every promised size, and lies where the skips do, whichever maps are tapped."""
    net = tracer.loads(text)
    if any(d.severity == "error" for d in judge(net)):
        return
    *finer, last = [tap.name for tap in encoder(net, None).maps]
    skips = [name for i, name in enumerate(finer) if i not in left_out] + [last]
    try:
        made = designed(net, Wish(up=up, merge=merge, norm="none", aligned=True), skips)
    except Undesignable as error:
        assert "PixelShuffle" in str(error), text
        return
    assert said(made, net) == [], f"{text}\n{made.to_yaml()}"


@pytest.mark.parametrize(
    ("aligned", "up"), [(False, "auto"), (False, "transpose"), *((True, up) for up in UPS[1:])]
)
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_gets_another_decoder(path: Path, aligned: bool, up: Any) -> None:
    """The encoders of the library, at sizes that are not theirs."""
    net = tracer.load(path)
    sizes = {
        symbol: n if symbol == "N" else n + 4 for symbol, n in net.network.defaults().items()
    }
    try:
        alone = encoder_alone(reloaded(net, net.to_yaml(), sizes=sizes))
        made = designed(alone, Wish(up=up, aligned=aligned))
    except Undesignable:
        assert path.stem in UNDESIGNABLE or up == "pixelshuffle"
        return
    assert path.stem not in UNDESIGNABLE
    if path.stem != "u2net_small":  # its own resizes leave its grids unlike at these sizes
        assert said(made, alone) == []


UNDESIGNABLE = {
    "dcgan_generator",
    "ddpm_unet",
    "espcn",
    "fsrcnn",
    "hrnet",
    "mobilenetv2_unet",
    "srresnet",
}
"""Those that only enlarge, the one with two inputs, and those whose contracts want multiples of 8."""


@pytest.mark.parametrize("name", families)
@pytest.mark.parametrize("up", UPS[1:])
def test_every_family(name: str, up: Any) -> None:
    """In 1 to 3 dims, shallow and deep, at sizes that divide and that do not: nothing is amiss."""
    for dims, depth, more in itertools.product((1, 2, 3), (1, 3), (0, 1, 5)):
        plan = FamilyOptions(
            dims=dims, depth=depth, base=4, up=up, norm=("batch", "instance", "group")[more % 3]
        )
        plan = replace(plan, sizes=dict.fromkeys(plan.symbols, 40 + more))
        if up == "pixelshuffle" and dims != 2:
            with pytest.raises(Undesignable, match="PixelShuffle takes maps of 2 spatial dims"):
                families[name](plan)
            continue
        net = tracer.loads(families[name](plan).text)
        assert [d for d in judge(net) if d.severity == "error" or d.code in AMISS] == []
        assert net.trace().outputs["logits"] == (1, 2, *[40 + more] * dims)
        wider = reloaded(net, net.to_yaml(), params={"base": 8, "classes": 3}).trace()
        assert wider.outputs["logits"] == (1, 3, *[40 + more] * dims)


def test_the_published_unet() -> None:
    """An output of 388 without padding is the network of 2015: 572 in, crops of 4, 16, 40 and 88."""
    plan, told = sizes_for(
        "unet", FamilyOptions(padded=False, norm="none"), {"H": 388, "W": 388}
    )
    assert (plan.sizes, told) == ({"H": 572, "W": 572}, [])
    net = tracer.loads(families["unet"](plan).text)
    published = tracer.load(CONFIGS[0].parent / "unet_2015.yaml")
    theirs = [
        y
        for node, y in zip(published.network.nodes, published.trace().by_index)
        if "drop" not in node.name
    ]
    assert list(net.trace().by_index) == theirs
    assert net.sizes().axes == published.sizes().axes
    assert {d.code for d in judge(net)} == set()


def test_output_sizes_that_no_input_gives() -> None:
    """The least output that is large enough is taken, and told."""
    plan, told = sizes_for(
        "unet", FamilyOptions(padded=False, depth=3, base=4), {"H": 260, "W": 256}
    )
    assert plan.sizes == {"H": 348, "W": 348}
    assert told == ["W = 348 gives 260, the least from 256 on that loses nothing"]


PUBLISHED = [
    ((80, 192, 160), [(2, 2, 2)] * 4 + [(1, 2, 2)], (5, 6, 5)),  # Lung, 3d_fullres
    ((128, 128, 128), [(2, 2, 2)] * 5, (4, 4, 4)),  # PET-CT, 3d_fullres
    ((448, 448), [(2, 2)] * 6, (7, 7)),  # PET-CT, 2d
    ((40, 56, 40), [(2, 2, 2)] * 3, (5, 7, 5)),  # Hippocampus, 3d_fullres
]
"""Patches, strides after the first stage, and bottlenecks of nnU-Net's published plans."""

LUNG = (252, 512, 512), (1.244979977607727, 0.78515625, 0.78515625)
PET_CT = (326, 400, 400), (3.0, 2.0364201068878174, 2.0364201068878174)
"""Median shapes and spacings in the same plans."""


def planned(shape: Any, spacing: Any, rule: Any = "memory", memory: int = 8 * 2**30) -> Planned:
    return plan(
        NnunetWish(
            shape=shape,
            spacing=spacing,
            memory=memory,
            batch=REFERENCE[len(shape)][1],
            rule=rule,
        )
    )


@pytest.mark.parametrize(("patch", "strides", "bottleneck"), PUBLISHED)
def test_topologies_of_published_plans(patch: Any, strides: Any, bottleneck: Any) -> None:
    """A published patch gives the published strides and bottleneck, and fits in the published 8 GB by both measures."""
    for rule in ("memory", "nnunet"):
        found = planned(patch, (1.0,) * len(patch), rule).topology
        assert (found.patch, list(found.strides[1:]), found.bottleneck) == (
            patch,
            strides,
            bottleneck,
        )


def test_patches_of_published_plans() -> None:
    """From the median shapes, nnU-Net's own estimate gives the published patches."""
    assert planned(*LUNG, "nnunet", 8 * 10**9).topology.patch == (80, 192, 160)
    assert planned(*PET_CT, "nnunet", 8 * 10**9).topology.patch == (128, 128, 128)
    assert planned(PET_CT[0][1:], PET_CT[1][1:], "nnunet", 8 * 10**9).topology.patch == (
        448,
        448,
    )
    assert planned((36, 50, 35), (1.0, 1.0, 1.0), "nnunet", 8 * 10**9).topology.patch == (
        40,
        56,
        40,
    )


def test_anisotropy() -> None:
    """Along a coarse axis kernels and strides are 1 until the others are as coarse."""
    found = planned((80, 192, 160), (3.0, 1.0, 1.0))
    assert found.topology.strides[1:3] == ((1, 2, 2), (2, 2, 2))
    assert found.topology.kernels[:2] == ((1, 3, 3), (3, 3, 3))
    net = tracer.loads(found.text)
    assert judge(net) == []
    assert "the same patch passes there" in found.told[2]
    less = planned((80, 192, 160), (3.0, 1.0, 1.0), memory=7_400_000_000)
    assert "there the patch would be shrunk further" in less.told[2]


def test_a_budget_is_met() -> None:
    """The patch shrinks until a training step fits, and no further; what nothing meets is said by how much."""
    for budget in (2**28, 2**30, 3 * 2**30):
        found = planned(*LUNG, memory=budget)
        net = tracer.loads(found.text)
        told = fit(
            net.trace(), Training(optimizer="sgd-momentum", amp="float16"), budget=budget
        )
        assert told is not None and told.needed is not None
        assert told.fits and told.needed > 0.6 * budget
        assert [d for d in judge(net) if d.severity == "error"] == []
    with pytest.raises(
        Undesignable, match=r"no patch fits: even .* takes .* GiB, .* GiB more than there is"
    ):
        planned(*LUNG, memory=2**16)


def run_design(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


SMALL = """
input: [N, 3, H, W]
sizes: {N: 1, H: 30, W: 41}
encoder:
  a: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}  # the first
  b: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  c: {op: MaxPool2d, kernel_size: 3, stride: 3}
  unused: {op: Conv2d, out_channels: 9, kernel_size: 3}
  flat: Flatten
head:
  logits: {op: Linear, out_features: 10}
output: logits
"""


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("merge", MERGES)
def test_torch_runs_what_is_designed(up: Any, merge: Any) -> None:
    """The module that is built gives every shape that is traced, at every promised size."""
    text = SMALL.replace("H: 30", "H: [30, 31, 32, 36]")
    net = designed(tracer.loads(text), Wish(up=up, merge=merge, norm="none"), ["a", "b", "c"])
    module = tracer.build(net)
    for height in (30, 31, 32, 36):
        assert module(torch.zeros(1, 3, height, 41)).shape == (1, 2, height, 41)
    assert all(d.code == "T501" for d in judge(net))


def test_without_a_batch() -> None:
    """[C, H, W] is decoded too; norms over a batch are refused."""
    text = SMALL.replace("input: [N, 3, H, W]", "input: {image: [3, H, W]}").replace(
        "N: 1, ", ""
    )
    for merge in MERGES:
        net = designed(tracer.loads(text), Wish(merge=merge, norm="instance"), ["a", "b", "c"])
        assert net.trace().outputs == {"logits": (2, 30, 41)}
        assert tracer.build(net)(torch.zeros(3, 30, 41)).shape == (2, 30, 41)
        assert all(d.code == "T501" for d in judge(net))
    with pytest.raises(Undesignable, match="a batch norm takes no maps without a batch"):
        designed(tracer.loads(text), Wish(), ["a", "b", "c"])


def test_the_encoders_text_stays(tmp_path: Path) -> None:
    """Comments and layers that the taps need stay as they stand; what they do not need goes, and its names are free."""
    path, out = tmp_path / "small.yaml", tmp_path / "out.yaml"
    path.write_text(SMALL, "utf-8")
    done = run_design(
        "decoder", str(path), "--skips", "a,b,c", "--size", "H=32", "-o", str(out)
    )
    assert done.exit_code == 0, done.output
    text = out.read_text("utf-8")
    for line in SMALL.splitlines()[4:7]:
        assert line in text
    assert (
        "\n  unused" not in text
        and "Flatten" not in text
        and "sizes: {N: 1, H: 32, W: 41}" in text
    )
    net = tracer.load(out)
    assert net.trace().outputs == {"logits": (1, 2, 32, 41)}
    again = run_design("decoder", str(out), "--merge", "add")
    assert (
        again.exit_code == 0
        and "merge2: {op: Add" in again.output
        and again.output.count("decoder:\n") == 1
    )


ANCHORED = """
input: [N, 3, H, W]
sizes: {N: 1, H: 30, W: 40}
blocks:
  old: &stage
    layers:
      x: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  unread: {layers: {x: ReLU}}
  new: *stage
layers:
  side: &conv {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  a: {<<: *conv, from: input}
  b: new
  c: {op: MaxPool2d, kernel_size: 2}
  flat: Flatten
"""


@pytest.mark.parametrize("breaks", ["\n", "\r\n"])
def test_anchors_of_what_is_left_out(breaks: str) -> None:
    """A layer or block that no skip needs stays where what is kept refers to its anchor."""
    text = ANCHORED.replace("\n", breaks)
    net = designed(tracer.loads(text), Wish(norm="none"))
    made = net.to_yaml()
    assert (
        "side: &conv" in made
        and "old: &stage" in made
        and "unread" not in made
        and "\n  flat" not in made
    )
    assert net.trace().outputs == {"logits": (1, 2, 30, 40)}
    assert [d.code for d in judge(net)] == ["T105"]
    flow = (
        "{"
        + ", ".join(line.strip() for line in ANCHORED.split("layers:\n")[-1].splitlines())
        + "}"
    )
    whole = (
        "input: [N, 3, H, W]\nsizes: {N: 1, H: 30, W: 40}\nlayers: "
        + flow.replace("b: new, ", "")
        + "\n"
    )
    assert designed(tracer.loads(whole), Wish(norm="none")).trace().outputs == {
        "logits": (1, 2, 30, 40)
    }


def test_an_imported_encoder(tmp_path: Path) -> None:
    """A torch module is an encoder too."""
    done = run_design(
        "decoder",
        "tests.drawn.modules:Encoder",
        "--input",
        "1,3,61,64",
        "-o",
        str(tmp_path / "x.yaml"),
    )
    assert done.exit_code == 0, done.output
    net = tracer.load(tmp_path / "x.yaml")
    assert net.trace().outputs["logits"] == (1, 2, 61, 64)
    assert said(net, net) == []


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ("decoder", "{small}", "--skips", "a,bb"),
            1,
            "the encoder has no node 'bb'; did you mean 'b'?",
        ),
        (
            ("decoder", "{small}", "--skips", "a,flat"),
            1,
            "it is no map over the input's axes",
        ),
        (("decoder", "{small}", "--skips", "a,input"), 1, "a and input have one resolution"),
        (
            ("decoder", "{small}", "--channels", "8"),
            1,
            "1 channel counts are given; the decoder has 2 levels: b, a",
        ),
        (("decoder", "{small}", "--channels", "8,x"), 2, "'8,x' is no list of numbers"),
        (("decoder", "{small}", "--size", "Q=8"), 2, "the input has no symbol 'Q'"),
        (
            ("decoder", "{small}", "--size", "H=2"),
            1,
            "the encoder does not trace: c: the kernel spans 3, but the input",
        ),
        (("decoder", "nowhere.yaml"), 2, "cannot be read"),
        (("decoder", "{flow}"), 1, "the encoder's config is one flow mapping"),
        (("decoder", "{two}"), 1, "the encoder has 2 inputs"),
        (("unet", "--size", "H=8"), 2, "give one size, or one for each of H, W"),
        (("unet", "--size", "8,8"), 2, "is neither a size such as 256"),
        (("unet", "--size", "1" * 5000), 2, "is neither a size such as 256"),
        (
            ("nnunet", "--shape", "1" * 5000, "--spacing", "1,1"),
            2,
            "is no list of numbers such as 64,128",
        ),
        (("unet", "--size", "8", "--depth", "12"), 1, "channels doubled 12 times"),
        (("unet", "--size", "3"), 1, "the encoder does not trace"),
        (
            ("vnet", "--padding", "valid"),
            1,
            "vnet keeps its sizes; without padding there are unet, attention-unet",
        ),
        (
            ("unet", "--dims", "3", "--up", "pixelshuffle"),
            1,
            "PixelShuffle takes maps of 2 spatial dims; these have 3",
        ),
        (
            ("nnunet", "--shape", "64,64", "--spacing", "1,1,1"),
            2,
            "plans are for 2 or 3 of both",
        ),
        (("nnunet", "--shape", "64,64", "--spacing", "1,0"), 2, "'1,0' is no spacing"),
        (
            ("nnunet", "--shape", "64,64", "--spacing", "1,1", "--memory", "1kB"),
            1,
            "more than there is",
        ),
        (("nonet",), 2, "No such command"),
    ],
)
def test_bad_wishes(arguments: tuple[str, ...], code: int, told: str, tmp_path: Path) -> None:
    """Each is told in a sentence, and nothing is written."""
    texts = {
        "small": SMALL,
        "flow": "{input: [1, 3, 8, 8], layers: {a: {op: MaxPool2d, kernel_size: 2}}}",
        "two": "input: {x: [1, 3, 8, 8], y: [1, 3, 8, 8]}\nlayers:\n  a: {op: Add, from: [x, y]}\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    given = [
        argument.format(**{name: tmp_path / f"{name}.yaml" for name in texts})
        for argument in arguments
    ]
    done = run_design(*given, "-o", str(tmp_path / "out.yaml"))
    assert (done.exit_code, told in done.output) == (code, True), done.output
    assert not (tmp_path / "out.yaml").exists()
