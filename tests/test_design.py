"""Designed configs: what is written closes, lies on the skips' grids, and is what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tracer.design.appended import encoder_alone
from tracer.design.decoder import Wish, decoder
from tracer.design.style import MERGES, UPS
from tracer.design.taps import Undesignable, encoder
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


UNDESIGNABLE = {"dcgan_generator", "ddpm_unet", "espcn", "fsrcnn", "srresnet"}
"""Those that only enlarge, and the one with two inputs."""
