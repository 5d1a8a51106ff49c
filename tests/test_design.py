"""Designed configs: what is written closes, lies on the skips' grids, and is what was asked for."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import tracer
from tracer.cost import costs, total
from tracer.design.appended import encoder_alone
from tracer.design.decoder import Wish, decoder
from tracer.design.families import Plan, families, sizes_for
from tracer.design.nnunet import REFERENCE, Asked, Planned, plan
from tracer.design.style import MERGES, UPS
from tracer.design.taps import Undesignable, encoder
from tracer.memory import memory
from tracer.net import Net
from tracer.rules import judge

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))

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
            arguments = f"out_channels: {4 * (level + 1)}, kernel_size: {kernel}, padding: {padding}"
            lines.append(f"  conv{level}_{number}: {{op: Conv{dims}d, {arguments}}}")
        strides = draw(st.lists(st.integers(1, 4), min_size=dims, max_size=dims).filter(lambda s: max(s) > 1))
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
@given(text=encoders(), up=st.sampled_from(UPS), merge=st.sampled_from(MERGES))
def test_any_encoder(text: str, up: Any, merge: Any) -> None:
    """A decoder closes for every promised size, and its maps lie where the skips' do."""
    net = tracer.loads(text)
    if any(d.severity == "error" for d in judge(net)):
        return
    try:
        made = designed(net, Wish(up=up, merge=merge, norm="none"))
    except Undesignable as error:
        assert "PixelShuffle" in str(error), text
        return
    assert said(made, net) == [], f"{text}\n{made.to_yaml()}"


@pytest.mark.parametrize("up", UPS)
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_gets_another_decoder(path: Path, up: Any) -> None:
    """The encoders of the library, at sizes that are not theirs."""
    net = tracer.load(path)
    sizes = {symbol: n if symbol == "N" else n + 4 for symbol, n in net.network.defaults().items()}
    try:
        alone = encoder_alone(net.reloaded(net.to_yaml(), sizes=sizes))
        made = designed(alone, Wish(up=up))
    except Undesignable:
        assert path.stem in UNDESIGNABLE or up == "pixelshuffle"
        return
    assert path.stem not in UNDESIGNABLE
    if path.stem != "u2net_small":  # its own resizes leave its grids unlike at these sizes
        assert said(made, alone) == []


UNDESIGNABLE = {"dcgan_generator", "ddpm_unet", "espcn", "fsrcnn", "hrnet", "mobilenetv2_unet", "srresnet"}
"""Those that only enlarge, the one with two inputs, and those whose contracts want multiples of 8."""


@pytest.mark.parametrize("name", families)
@pytest.mark.parametrize("up", UPS)
def test_every_family(name: str, up: Any) -> None:
    """In 1 to 3 dims, shallow and deep, at sizes that divide and that do not: nothing is amiss."""
    for dims, depth, more in itertools.product((1, 2, 3), (1, 3), (0, 1, 5)):
        plan = Plan(dims=dims, depth=depth, base=4, up=up, norm=("batch", "instance", "group")[more % 3])
        plan = replace(plan, sizes=dict.fromkeys(plan.symbols, 40 + more))
        if up == "pixelshuffle" and dims != 2:
            with pytest.raises(Undesignable, match="PixelShuffle takes maps of 2 spatial dims"):
                families[name](plan)
            continue
        net = tracer.loads(families[name](plan).text)
        assert [d for d in judge(net) if d.severity == "error" or d.code in AMISS] == []
        assert net.trace().outputs["logits"] == (1, 2, *[40 + more] * dims)
        wider = net.reloaded(net.to_yaml(), params={"base": 8, "classes": 3}).trace()
        assert wider.outputs["logits"] == (1, 3, *[40 + more] * dims)


def test_the_published_unet() -> None:
    """An output of 388 without padding is the network of 2015: 572 in, crops of 4, 16, 40 and 88."""
    plan, told = sizes_for("unet", Plan(padded=False, norm="none"), {"H": 388, "W": 388})
    assert (plan.sizes, told) == ({"H": 572, "W": 572}, [])
    net = tracer.loads(families["unet"](plan).text)
    published = tracer.load(CONFIGS[0].parent / "unet_2015.yaml")
    theirs = [y for node, y in zip(published.network.nodes, published.trace().by_index) if "drop" not in node.name]
    assert list(net.trace().by_index) == theirs
    assert net.sizes().axes == published.sizes().axes
    assert {d.code for d in judge(net)} == set()


def test_output_sizes_that_no_input_gives() -> None:
    """The least output that is large enough is taken, and told."""
    plan, told = sizes_for("unet", Plan(padded=False, depth=3, base=4), {"H": 260, "W": 256})
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
    return plan(Asked(shape=shape, spacing=spacing, memory=memory, batch=REFERENCE[len(shape)][1], rule=rule))


@pytest.mark.parametrize(("patch", "strides", "bottleneck"), PUBLISHED)
def test_topologies_of_published_plans(patch: Any, strides: Any, bottleneck: Any) -> None:
    """A published patch gives the published strides and bottleneck, and fits in the published 8 GB by both measures."""
    for rule in ("memory", "nnunet"):
        found = planned(patch, (1.0,) * len(patch), rule).topology
        assert (found.patch, list(found.strides[1:]), found.bottleneck) == (patch, strides, bottleneck)


def test_patches_of_published_plans() -> None:
    """From the median shapes, nnU-Net's own estimate gives the published patches."""
    assert planned(*LUNG, "nnunet", 8 * 10**9).topology.patch == (80, 192, 160)
    assert planned(*PET_CT, "nnunet", 8 * 10**9).topology.patch == (128, 128, 128)
    assert planned(PET_CT[0][1:], PET_CT[1][1:], "nnunet", 8 * 10**9).topology.patch == (448, 448)
    assert planned((36, 50, 35), (1.0, 1.0, 1.0), "nnunet", 8 * 10**9).topology.patch == (40, 56, 40)


def test_anisotropy() -> None:
    """Along a coarse axis kernels and strides are 1 until the others are as coarse."""
    found = planned((80, 192, 160), (3.0, 1.0, 1.0))
    assert found.topology.strides[1:3] == ((1, 2, 2), (2, 2, 2))
    assert found.topology.kernels[:2] == ((1, 3, 3), (3, 3, 3))
    net = tracer.loads(found.text)
    assert judge(net) == []
    assert "there the patch would be shrunk further" in found.told[2]


def test_a_budget_is_met() -> None:
    """The patch shrinks until what training keeps fits, and no further; what nothing meets is said by how much."""
    for budget in (2**28, 2**30, 3 * 2**30):
        found = planned(*LUNG, memory=budget)
        net = tracer.loads(found.text)
        held = memory(net.trace(), "float16")
        assert held is not None
        assert 0.6 * budget < held.training + 12 * total(costs(net.trace(), "float16")).params <= budget
        assert [d for d in judge(net) if d.severity == "error"] == []
    with pytest.raises(Undesignable, match=r"no patch fits: even .* takes .* GiB, .* GiB more than there is"):
        planned(*LUNG, memory=2**16)
