"""Cuts with other amounts, and cuts that are missing behind an output."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import tracer
from tests.drawn.torch_network import run
from tracer.loading import load_text
from tracer.repairing.repair import Repair
from tracer.repairing.repairs import faults_of, repairs

FCN = """input: [1, 1, H, W]
sizes: {H: 40, W: 52}
encoder:
  pad: {op: ZeroPad2d, padding: [9, 17, 9, 17]}
  c: {op: Conv2d, out_channels: 3, kernel_size: 3}
  p1: {op: MaxPool2d, kernel_size: 2, ceil_mode: true}
  p2: {op: MaxPool2d, kernel_size: 2, ceil_mode: true}
  f: {op: Conv2d, out_channels: 3, kernel_size: 5}
decoder:
  u2: {op: ConvTranspose2d, out_channels: 3, kernel_size: 4, stride: 2}
  s1: {op: Conv2d, from: p1, out_channels: 3, kernel_size: 1}
  cut1: CUT
  m: {op: Add, from: [u2, cut1]}
  u1: {op: ConvTranspose2d, out_channels: 2, kernel_size: 4, stride: 2}
head:
  OUT
"""
"""FCN-8s with a level less: 3 rows are cut off each side of the skip, 3 before the output and 11 behind."""

SKIP = "{op: Crop, crop: 3}"
OUT = "y: {op: Crop, crop: [3, 11, 3, 11], expect: [1, 2, H, W]}"


def fcn(skip: str = SKIP, out: str = OUT) -> str:
    return FCN.replace("CUT", skip).replace("OUT", out)


def first(text: str) -> list[Repair]:
    """The repairs that a person reads."""
    net = load_text(text, "net.yaml", {}, allow_argument_errors=True)
    assert faults_of(net)
    return repairs(net).found[:3]


def edits(repair: Repair) -> dict[str, Any]:
    """The last key of each place, and its value."""
    return {edit.path.rpartition(".")[2]: edit.value for edit in repair.edits}


def compared_with_torch(repair: Repair) -> int:
    """The number of sizes at which torch gives the shapes of the repaired network."""
    net = tracer.loads(repair.text)
    assert not faults_of(net)

    compared = 0
    for height, width in itertools.product((40, 44, 60), (52, 55, 42)):
        trace = net.as_built().trace(H=height, W=width)
        if not trace.diagnostics:
            assert run(net, trace.sizes, trace.ops).shapes == dict(trace.shapes)
            compared += 1
    return compared


def test_the_network_closes_without_a_warning() -> None:
    assert not tracer.check(tracer.loads(fcn()))


@pytest.mark.parametrize("wrong", [1, 4, "[4, 3, 3, 3]", "[2, 4, 3, 2]"])
def test_another_amount_of_a_skip(wrong: int | str) -> None:
    """Whatever stands there, half of what is too much is cut off either side."""
    found = first(fcn(f"{{op: Crop, crop: {wrong}}}"))
    assert {"crop": 3} in map(edits, found)
    assert all(compared_with_torch(repair) for repair in found)


@pytest.mark.parametrize("wrong", [0, 3, 5, "[3, 3, 11, 11]", "[0, 0, 3, 3]"])
def test_another_amount_of_an_output(wrong: int | str) -> None:
    """The cut that leaves the output where it lies on the input stands first."""
    found = first(fcn(out=OUT.replace("[3, 11, 3, 11]", str(wrong))))
    assert edits(found[0]) == {"crop": (3, 11, 3, 11)}
    assert all(compared_with_torch(repair) for repair in found)


def test_slices_end_where_the_other_map_does() -> None:
    """A slice for each axis, which begins where it began."""
    skip = "{op: Slice, dim: 2, start: 3, stop: 25}\n  cut: {op: Slice, dim: 3, start: 3, stop: 20}"
    text = fcn(skip).replace("[u2, cut1]", "[u2, cut]")
    found = first(text)
    assert [edit.value for edit in found[0].edits] == [29, 35]
    assert compared_with_torch(found[0])


@pytest.mark.parametrize("size", [30, "[26, 30]"])
def test_a_centre_crop_to_another_size(size: int | str) -> None:
    found = first(fcn(f"{{op: CenterCrop, size: {size}}}"))
    assert {"size": (26, 32)} in map(edits, found)
    assert all(compared_with_torch(repair) for repair in found)


@pytest.mark.parametrize("promise", ["H, W", "40, 52", "H // 2 * 2, W"])
def test_an_output_that_is_not_cut(promise: str) -> None:
    """It is cut at every size, where it lies on the input or in its middle."""
    text = fcn(out=f"y: {{op: Identity, expect: [1, 2, {promise}]}}")
    found = first(text)
    ops = [tuple(edit.value["op"] for edit in repair.edits if edit.value) for repair in found]
    assert ("Slice", "Slice") in ops and ("CenterCrop",) in ops
    assert all(compared_with_torch(repair) for repair in found)
    if "H" in promise:
        assert min(map(compared_with_torch, found[:2])) > 3


def test_a_name_of_the_output_is_kept() -> None:
    """The promise may stand with the output's name."""
    text = fcn(out="y: Identity") + "output: {y: [1, 2, H, W]}\n"
    found = first(text)
    assert "output: {y_cut3: [1, 2, H, W]}" in found[0].text
    assert compared_with_torch(found[0]) > 3


def test_no_layer_takes_the_name_of_another() -> None:
    text = fcn(out="y_cut: ReLU\n  y: {op: Identity, expect: [1, 2, H, W]}")
    found = first(text)
    assert any("y_cut_: {op: CenterCrop" in repair.text for repair in found)
