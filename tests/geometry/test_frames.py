"""Inputs whose pixels are measured alike: those of one size, or of a multiple of it; others are not compared."""

from __future__ import annotations

from collections import Counter
from copy import copy
from fractions import Fraction

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate

import tracer
from tests.drawn.counted import counted, each
from tracer.geometry.frames import frames, tie_of
from tracer.geometry.grids import grids, meetings
from tracer.live import live
from tracer.net import Net
from tracer.rules import judge
from tracer.shapes.trace import trace
from tracer.source.expressions import parse


def two(x: str, y: str, layers: str) -> Net:
    """A network of two inputs; the sizes of their symbols stand in front of the layers."""
    return tracer.loads(f"input: {{x: {x}, y: {y}}}\n{layers}")


def codes(net: Net) -> list[str]:
    """What ``check`` says, and the page at the same sizes."""
    written = live(net)
    said = [ask.code for node in written.nodes for ask in node.asks if ask.holds is False]
    found = [d.code for d in judge(net)]
    assert ("T503" in said) == ("T503" in found)
    return found


PYRAMID = """sizes: {SIZES}
layers:
  a: {op: Conv2d, out_channels: 2, kernel_size: KERNEL, stride: 4, from: x}
  m: {op: Concat, from: [a, y]}
"""


def pyramid(y: str, sizes: str, kernel: int = 4) -> Net:
    layers = PYRAMID.replace("SIZES", sizes).replace("KERNEL", str(kernel))
    return two("[1, 2, H, W]", y, layers)


def test_inputs_of_their_own_rates() -> None:
    """A smaller second input and frames of samples: nothing says where they lie, and every axis has one verdict."""
    net = pyramid("[1, 2, h, w]", "H: 32, W: 16, h: 8, w: 4")
    assert codes(net) == []
    axes = tracer.sizes(net).axes
    at = {"H": 32, "W": 16, "h": 8, "w": 4}
    assert all(n in axes[symbol].aligned for symbol, n in at.items())

    rates = tracer.loads(
        "input: {features: [1, 6, T], audio: [1, 6, L]}\nsizes: {T: 5, L: 800}\nlayers:\n"
        "  up: {op: ConvTranspose1d, from: features, out_channels: 6, kernel_size: 160, stride: 160}\n"
        "  sum: {op: Add, from: [up, audio]}\n"
    )
    assert codes(rates) == []
    axes = tracer.sizes(rates).axes
    assert 5 in axes["T"].aligned and 800 in axes["L"].aligned
    assert grids(rates.trace())[rates.network.names["sum"].index] is not None


@pytest.mark.parametrize(
    ("x", "y", "is_compared"),
    [
        ("[1, 2, H, 8]", "[1, 2, H, 8]", True),
        ("[1, 2, 16, 8]", "[1, 2, 16, 8]", True),
        ("[1, 2, H, 8]", "[1, 2, h, 8]", False),
        ("[1, 2, H, 8]", "[1, 2, 16, 8]", False),
    ],
)
def test_one_size_is_one_pitch(x: str, y: str, is_compared: bool) -> None:
    """The same symbol, or the same number; along the other dim both are compared, and each dim is asked alone."""
    layers = (
        "layers:\n"
        "  a: {op: Conv2d, out_channels: 2, kernel_size: [3, 1], stride: [2, 1], padding: [1, 0], from: x}\n"
        "  b: {op: MaxPool2d, kernel_size: [2, 1], from: y}\n"
        "  m: {op: Concat, from: [a, b]}\n"
    )
    net = two(x, y, f"sizes: {{{', '.join(f'{s}: 16' for s in 'Hh' if s in x + y)}}}\n{layers}")
    assert codes(net) == (["T503"] if is_compared else [])
    met = [(m.dim, bool(m.holds)) for m in meetings(net.trace())]
    assert sorted(met) == [(2, False), (3, True)] if is_compared else [(3, True)]


def test_maps_of_both_are_compared_with_those_of_either() -> None:
    """Behind a merge of inputs that nothing ties, a map lies where the one says and where the other says."""
    for source, other in ("xy", "yx"):
        layers = (
            "sizes: {H: 16, h: 16}\nlayers:\n"
            f"  m: {{op: Concat, from: [{source}, {other}]}}\n"
            "  up: {op: Upsample, scale_factor: 2, from: down}\n"
            "  down: {op: MaxPool1d, kernel_size: 2, from: m}\n"
            "  shifted: {op: Conv1d, out_channels: 2, kernel_size: 2, from: up}\n"
            "  padded: {op: ZeroPad1d, padding: [0, 1]}\n"
            "  with_x: {op: Concat, from: [padded, x]}\n"
            "  with_y: {op: Concat, from: [with_x, y]}\n"
        )
        net = two("[1, 2, H]", "[1, 2, h]", layers)
        failed = [m.node.name for m in meetings(net.trace()) if not m.holds]
        assert sorted(failed) == ["with_x", "with_y"] or failed == ["with_x"], failed
        assert failed.count("with_x") == 1


def test_a_failing_merge_fails_for_every_symbol_of_it() -> None:
    """Two maps of x lie apart where they meet one of y: the sizes of both inputs are none that is aligned."""
    layers = (
        "sizes: {H: 16, h: 8}\nlayers:\n"
        "  a: {op: Conv1d, out_channels: 2, kernel_size: 3, stride: 2, padding: 1, from: x}\n"
        "  b: {op: MaxPool1d, kernel_size: 2, from: x}\n"
        "  m: {op: Concat, from: [a, y, b]}\n"
    )
    net = two("[N, 2, H]", "[N, 2, h]", layers.replace("H: 16", "N: 1, H: 16"))
    axes = tracer.sizes(net).axes
    assert [bool(axes[symbol].aligned) for symbol in ("N", "H", "h")] == [True, False, False]
    assert [bool(axes[symbol].lossless) for symbol in ("N", "H", "h")] == [True, True, True]


def test_what_a_size_is_a_multiple_of() -> None:
    """Of a symbol where an expression follows it to less than one; otherwise only of itself."""
    times = {
        "160*T": 160,
        "T // 4": Fraction(1, 4),
        "(T + 3) // 4": Fraction(1, 4),
        "3 * T // 2": Fraction(3, 2),
    }
    assert {text: tie_of(parse(text)).times for text in times} == times
    assert all(tie_of(parse(text)).of == "T" for text in times)
    for text in ("T + 6", "T * T", "T - T", "H + W", "T / 0", "min(T, 40)"):
        assert tie_of(parse(text)) == (text, 1)


@counted(each(True, False, one_in=10))
@given(st.integers(1, 6), st.integers(0, 2), st.integers(0, 2), st.sampled_from(["*", "//"]))
def test_sizes_that_are_multiples_tie_places(
    seen: Counter[bool], times: int, cut: int, other_cut: int, sign: str
) -> None:
    """Both inputs show the same: ramps of the places in one, resized by torch, say whether a merge is aligned."""
    fine, coarse = ("x", "y") if sign == "//" else ("y", "x")
    layers = (
        "sizes: {T: 60}\nlayers:\n"
        f"  up: {{op: Upsample, scale_factor: {times}, mode: linear, from: {coarse}}}\n"
        f"  a: {{op: Crop, crop: [{cut}, {2 - cut}], from: up}}\n"
        f"  b: {{op: Crop, crop: [{other_cut}, {2 - other_cut}], from: {fine}}}\n"
        "  m: {op: Concat, from: [a, b]}\n"
    )
    net = two("[1, 1, T]", "[1, 1, T]", layers)
    network = msgspec.structs.replace(net.network, nodes=list(net.network.nodes))
    y = network.nodes[1] = copy(network.nodes[1])
    y.pattern = (1, 1, parse(f"T {sign} {times}"))
    assert len(frames(network, 2)) == 1
    (met,) = meetings(trace(network, {"T": 60}))

    rows = 60 if sign == "*" else 60 // times
    ramp = torch.arange(rows, dtype=torch.float64)[None, None]
    up = interpolate(ramp, scale_factor=times, mode="linear")[0, 0]
    places = (torch.arange(rows * times) + 0.5) / times - 0.5
    a, b = (one[n : len(one) - 2 + n] for one, n in ((up, cut), (places, other_cut)))
    inner = slice(times + 2, -times - 2)
    is_aligned = torch.allclose(a[inner].double(), b[inner].double(), atol=1e-6)
    assert bool(met.holds) == is_aligned
    seen[is_aligned] += 1


def test_very_many_inputs() -> None:
    """Each has a frame of its own, and a map of all of them lies in every one."""
    names = [f"i{k}" for k in range(300)]
    inputs = ", ".join(f"{name}: [1, 1, s{name}]" for name in names)
    sizes = ", ".join(f"s{name}: 8" for name in names)
    layers = "".join(
        f"  m{k}: {{op: Concat, from: [{a}, i{k}]}}\n"
        for k, a in enumerate(["i299", *[f"m{j}" for j in range(299)]])
    )
    net = tracer.loads(f"input: {{{inputs}}}\nsizes: {{{sizes}}}\nlayers:\n{layers}")
    assert [m for m in meetings(net.trace()) if not m.holds] == []
