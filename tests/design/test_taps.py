"""What a decoder taps of an encoder: the stages that are published, whatever stands between them."""

from __future__ import annotations

import pytest
import torch

import tracer
from tests.design.encoders import FAMILIES
from tracer.designing.appended import encoder_alone
from tracer.designing.decoder import Wish, decoder
from tracer.designing.skips import Encoder, encoder
from tracer.loading import reloaded
from tracer.net import Net
from tracer.rules import judge


def taps_of(net: Net) -> Encoder:
    """What is tapped by default."""
    return encoder(encoder_alone(net), None, net)


def told_of(text: str) -> list[str]:
    """What is said of a decoder's layers, and of what is left out."""
    return decoder(taps_of(tracer.loads(text)), Wish()).reasons


def named(text: str) -> list[tuple[str, int]]:
    """The tapped maps with their channels."""
    return [(one.name, one.channels) for one in taps_of(tracer.loads(text)).maps]


@pytest.mark.parametrize("name", FAMILIES)
def test_published_stages(name: str) -> None:
    """The channels and strides of the taps are those of the family's published features."""
    family = FAMILIES[name]
    found = taps_of(tracer.loads(family.text)).maps
    assert [(one.channels, *set(one.strides)) for one in found] == family.taps


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_gets_a_decoder_that_runs(name: str) -> None:
    """The decoder of a family gives maps as large as the input in torch, at several sizes; the head is left out."""
    family = FAMILIES[name]
    made = tracer.loads(decoder(taps_of(tracer.loads(family.text)), Wish()).text)
    assert [d for d in judge(made) if d.severity == "error"] == []
    assert "classes" not in made.network.names
    for size in family.sizes:
        there = reloaded(made, made.to_yaml(), sizes={"H": size, "W": size})
        module = tracer.build(there).eval()
        assert module(torch.zeros(1, 3, size, size)).shape == (1, 2, size, size)


BETWEEN_PERMUTES = """
input: [1, 3, H, W]
sizes: {H: 32, W: 32}
encoder:
  stem: {op: Conv2d, out_channels: 4, kernel_size: 4, stride: 4}
  last: {op: Permute, dims: [0, 2, 3, 1]}
  norm: LayerNorm
  first: {op: Permute, dims: [0, 3, 1, 2]}
  same: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}
  down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
"""


def test_a_stretch_with_channels_last() -> None:
    """The encoder goes on behind a norm between two permutes."""
    assert named(BETWEEN_PERMUTES) == [("same", 6), ("down", 8)]


def test_a_fixed_pool_is_the_classifiers() -> None:
    """A pool to a fixed size that changes nothing at the declared size is left out, so that others run."""
    pool = "  pool: {op: AdaptiveAvgPool2d, output_size: 4}\n"
    found = taps_of(tracer.loads(BETWEEN_PERMUTES + pool))
    assert [one.name for one in found.maps] == ["same", "down"]
    assert told_of(BETWEEN_PERMUTES + pool)[0] == "pool: left out, 1 node that no skip needs"

    made = tracer.loads(decoder(found, Wish()).text)
    wider = reloaded(made, made.to_yaml(), sizes={"H": 64, "W": 40})
    assert tracer.build(wider)(torch.zeros(1, 3, 64, 40)).shape == (1, 2, 64, 40)


def test_a_free_pool_stays() -> None:
    """An adaptive pool that keeps an axis as it is has no fixed size."""
    pool = "  pool: {op: AdaptiveAvgPool2d, output_size: [null, null]}\n"
    assert named(BETWEEN_PERMUTES + pool)[-1] == ("pool", 8)


@pytest.mark.parametrize("amounts", ["[0, 1, 0, 1]", "[1, 0, 1, 0]", "[2, 2, 2, 2]"])
def test_pads_before_strides(amounts: str) -> None:
    """A pad is part of the stride behind it, and no resolution."""
    text = f"""
input: [1, 3, H, W]
sizes: {{H: 32, W: 32}}
encoder:
  stem: {{op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}}
  pad: {{op: ZeroPad2d, padding: {amounts}}}
  down: {{op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2}}
"""
    assert named(text) == [("stem", 4), ("down", 8)]


def test_what_is_left_out_is_counted() -> None:
    """Of many entries the first ones are named."""
    text = BETWEEN_PERMUTES + "  pool: {op: AdaptiveAvgPool2d, output_size: 1}\n"
    text += "".join(f"  act{i}: ReLU\n" for i in range(7))
    told = "pool, act0, act1, act2 and 4 others: left out, 8 nodes that no skip needs"
    assert told_of(text)[0] == told


def test_a_decoder_that_was_there_is_told() -> None:
    """Sections behind the encoder are left out, and named too."""
    text = BETWEEN_PERMUTES + "decoder:\n  up: {op: Upsample, scale_factor: 8}\n"
    assert told_of(text)[0] == "up: left out, 1 node that no skip needs"


def test_an_input_that_is_only_scaled_is_no_skip() -> None:
    """A resolution where nothing is learned from the input has nothing to tell the decoder."""
    text = BETWEEN_PERMUTES.replace("encoder:\n", "encoder:\n  norm0: BatchNorm2d\n")
    assert named(text) == [("same", 6), ("down", 8)]


def test_a_transformers_levels_are_told() -> None:
    """What is resized is named, with the reason; the tokens of other kinds are cut off."""
    found = taps_of(tracer.loads(FAMILIES["vit"].text))
    assert [one.name for one in found.maps] == ["out0", "out1", "norm"]
    made = decoder(found, Wish())
    assert "tokens3: {op: Slice, from: norm, dim: 1, start: 1}" in made.text
    assert (
        "resized1, resized2: the encoder has one resolution, so the map of a block inside it is resized for this level"
        in made.reasons
    )


ANISOTROPIC = """
input: [N, 1, D, H, W]
sizes: {N: 1, D: 8, H: 32, W: 32}
encoder:
  a: {op: Conv3d, out_channels: 4, kernel_size: [1, 3, 3], padding: [0, 1, 1]}
  b: {op: Conv3d, out_channels: 8, kernel_size: [1, 3, 3], stride: [1, 2, 2], padding: [0, 1, 1]}
  b_norm: InstanceNorm3d
  b_act: LeakyReLU
  c: {op: Conv3d, out_channels: 16, kernel_size: 3, stride: 2, padding: 1}
  c_act: LeakyReLU
"""

AUDIO = """
input: [N, 2, T]
sizes: {N: 1, T: 256}
encoder:
  a: {op: Conv1d, out_channels: 8, kernel_size: 8, stride: 4, padding: 2}
  a_act: ReLU
  a_gate: {op: Conv1d, out_channels: 16, kernel_size: 1}
  a_glu: {op: GLU, dim: 1}
  b: {op: Conv1d, out_channels: 16, kernel_size: 8, stride: 4, padding: 2}
  b_act: ReLU
  last: {op: Permute, dims: [0, 2, 1]}
  norm: LayerNorm
"""


@pytest.mark.parametrize(
    ("text", "taps", "shape"),
    [
        (ANISOTROPIC, ["a", "b_act", "c_act"], (1, 1, 8, 32, 32)),
        (ANISOTROPIC, ["a", "b_act", "c_act"], (1, 1, 12, 64, 16)),
        (AUDIO, ["a_glu", "norm"], (1, 2, 256)),
        (AUDIO, ["a_glu", "norm"], (1, 2, 1024)),
    ],
    ids=["3-D", "3-D, another size", "1-D", "1-D, another size"],
)
def test_other_dims(text: str, taps: list[str], shape: tuple[int, ...]) -> None:
    """Axes of unlike strides, and one axis; the last map may have its channels last."""
    found = taps_of(tracer.loads(text))
    assert [one.name for one in found.maps] == taps
    made = tracer.loads(decoder(found, Wish()).text)
    symbols = [dim for dim in made.network.nodes[0].pattern[2:] if isinstance(dim, str)]
    there = reloaded(made, made.to_yaml(), sizes=dict(zip(symbols, shape[2:])))
    assert tracer.build(there).eval()(torch.zeros(shape)).shape == (1, 2, *shape[2:])


def test_fully_connected_by_a_convolution() -> None:
    """A convolution over all positions is the classifier's, as a pool over them is."""
    whole = "  whole: {op: Conv2d, out_channels: 64, kernel_size: 4}\n  act: ReLU\n"
    assert named(BETWEEN_PERMUTES + whole) == [("same", 6), ("down", 8)]


def test_a_shortcut_beside_a_way_without_positions() -> None:
    """A sum with a map whose positions are not followed is the block's end all the same."""
    block = """
  mixed: {op: Conv2d, out_channels: 8, kernel_size: 1}
  rolled: {op: Roll, shifts: [1, 1], dims: [2, 3]}
  short: {op: Conv2d, from: down, out_channels: 8, kernel_size: 1}
  sum: {op: Add, from: [rolled, short]}
  pool: {op: AdaptiveAvgPool2d, output_size: 1}
"""
    assert named(BETWEEN_PERMUTES + block)[-1] == ("sum", 8)
    wider = block.replace("out_channels: 8", "out_channels: 16")
    assert named(BETWEEN_PERMUTES + wider)[-1] == ("sum", 16)
