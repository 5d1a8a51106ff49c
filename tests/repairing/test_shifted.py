"""An output that lies beside the input because of where it is cut: the cuts that lie on it are offered first."""

from __future__ import annotations

import itertools

import pytest
import torch

import tracer
from tracer.api.functions import checks
from tracer.repairing.repairs import repairs_of_warnings

SHIFTED = """
input: [1, 1, H, W]
sizes: {{H: 48, W: 64}}
layers:
  down: {{op: Conv2d, out_channels: 1, kernel_size: 4, stride: 4, bias: false}}
  up: {{op: ConvTranspose2d, out_channels: 1, kernel_size: 8, stride: 4, bias: false}}
{cuts}
output: {{cut: [1, 1, H, W]}}
"""

CUTS = {
    "slices over symbols": (
        "  rows: {op: Slice, dim: 2, start: 4, stop: H + 4}\n"
        "  cut: {op: Slice, dim: -1, start: 3, stop: W + 3}",
        {
            "layers.rows.start": 2,
            "layers.rows.stop": "H + 2",
            "layers.cut.start": 2,
            "layers.cut.stop": "W + 2",
        },
    ),
    "one of two slices": (
        "  rows: {op: Slice, dim: 2, start: 2, stop: 2 + H}\n"
        "  cut: {op: Slice, dim: 3, start: 0, stop: W}",
        {"layers.cut.start": 2, "layers.cut.stop": "W + 2"},
    ),
    "a slice of numbers": (
        "  rows: {op: Crop, crop: [2, 2, 0, 0]}\n  cut: {op: Slice, dim: 2, start: 4, stop: 52}",
        {"layers.cut.start": 2, "layers.cut.stop": 50},
    ),
    "a crop": ("  cut: {op: Crop, crop: [4, 0, 1, 3]}", {"layers.cut.crop": 2}),
}


def centre(net: tracer.Net) -> tuple[float, float]:
    """How far a spot in the middle of the input comes out beside it, in pixels, with kernels of ones."""
    module = tracer.build(net).eval()
    for weight in module.parameters():
        torch.nn.init.ones_(weight)

    # A cell of the stride's, so that what comes out is even around it.
    x = torch.zeros(1, 1, 48, 64)
    x[:, :, 20:24, 28:32] = 1
    with torch.no_grad():
        y = module(x)[0, 0]
    places = [torch.arange(n, dtype=torch.float32) for n in y.shape]
    rows = float((y.sum(1) * places[0]).sum() / y.sum())
    columns = float((y.sum(0) * places[1]).sum() / y.sum())
    return rows - 21.5, columns - 29.5


def running(net: tracer.Net) -> dict[str, set[int]]:
    """The sizes up to 80 that run, by symbol."""
    axes = net.sizes().axes
    return {symbol: set(axis.runs.between(1, 80)) for symbol, axis in axes.items()}


@pytest.mark.parametrize("name", CUTS)
def test_the_cut_that_lies_on_the_input_is_offered_first(name: str) -> None:
    """It takes the warning away, keeps the output's size at others too, and torch gives the spot where it was."""
    cuts, edits = CUTS[name]
    net = tracer.loads(SHIFTED.format(cuts=cuts))
    assert [one.code for one in checks(net.to_yaml())] == ["T508"]
    assert max(map(abs, centre(net))) >= 1

    first = repairs_of_warnings(net).found[0]
    assert {edit.path: edit.value for edit in first.edits} == edits
    mended = tracer.loads(first.text)
    assert checks(first.text) == []
    assert centre(mended) == pytest.approx((0, 0), abs=1e-4)

    before, after = running(net), running(mended)
    assert before and all(before[symbol] <= after[symbol] for symbol in before)


def test_what_cannot_be_moved_is_left() -> None:
    """A slice to the map's end, and one whose beginning follows the size, have no such repair."""
    for start, stop in itertools.product(("4", "H - 44"), ("null", "-4")):
        cuts = (
            "  rows: {op: Crop, crop: [2, 2, 0, 0]}\n"
            f"  cut: {{op: Slice, dim: 2, start: {start}, stop: {stop}}}"
        )
        text = SHIFTED.format(cuts=cuts).replace("[1, 1, H, W]}", "[1, 1, _, W]}")
        for repair in repairs_of_warnings(tracer.loads(text)).found:
            assert not repair.title.startswith("cut of")
