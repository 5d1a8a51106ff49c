"""A requirement that fails carries its facts: the dim and the inputs it is about, and a message that names them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import tracer
from tracer.ops import Requirement
from tracer.ops.base import registry


def refused(op: str, arguments: dict[str, Any], *shapes: tuple[int, ...]) -> Requirement:
    """The first requirement that does not hold."""
    made = msgspec.convert(arguments, registry[op])
    return next(r for r in made.requirements(*shapes) if not r.holds)


CONV = {"out_channels": 4, "kernel_size": 3}
PADDED = {"padding": [1, 1, 0, 0]}

ABOUT: list[tuple[str, dict[str, Any], list[tuple[int, ...]], int | None, tuple[int, ...]]] = [
    ("Conv2d", CONV, [(1, 3, 8, 2)], 3, ()),
    ("Conv2d", CONV, [(3, 2, 8)], 1, ()),
    ("Conv2d", CONV | {"in_channels": 4}, [(1, 3, 8, 8)], 1, ()),
    ("ConvTranspose1d", CONV | {"padding": 3}, [(1, 3, 1)], 2, ()),
    ("MaxPool2d", {"kernel_size": 2}, [(1, 3, 1, 8)], 2, ()),
    ("FractionalMaxPool2d", {"kernel_size": 2, "output_size": 4}, [(3, 8, 4)], 2, ()),
    ("BatchNorm2d", {"num_features": 4}, [(1, 3, 8, 8)], 1, ()),
    ("LayerNorm", {"normalized_shape": [4, 8]}, [(1, 3, 8)], 1, ()),
    ("ReflectionPad2d", PADDED, [(1, 3, 8, 1)], 3, ()),
    ("CenterCrop", {"size": [4, 4]}, [(1, 3, 8, 2)], 3, ()),
    ("Require", {"shape": [-1, 4]}, [(1, 3)], 1, ()),
    ("PixelShuffle", {"upscale_factor": 2}, [(1, 3, 8, 8)], 1, ()),
    ("Concat", {}, [(1, 3, 8, 8), (1, 3, 8, 8), (1, 3, 8, 7)], 3, (0, 2)),
    ("Concat", {}, [(1, 3, 8, 8), (1, 3, 8)], None, (0, 1)),
    ("Concat", {"align": "pad"}, [(1, 3, 8), (1, 3, 9), (1, 3, 10)], 2, (1, 2)),
    ("Add", {}, [(1, 3, 8, 8), (8, 7)], 3, (0, 1)),
    ("Stack", {}, [(2, 3), (2, 4)], 1, (0, 1)),
    ("MatMul", {}, [(2, 3), ()], None, (1,)),
    ("Bilinear", {"out_features": 1, "in2_features": 5}, [(1, 3), (1, 4)], 1, (1,)),
    ("MultiheadAttention", {"num_heads": 1, "vdim": 5}, [(3, 4), (3, 4), (3, 6)], 1, (2,)),
]


@pytest.mark.parametrize(("op", "arguments", "shapes", "dim", "inputs"), ABOUT)
def test_what_a_requirement_is_about(
    op: str,
    arguments: dict[str, Any],
    shapes: list[tuple[int, ...]],
    dim: int | None,
    inputs: tuple[int, ...],
) -> None:
    """The dim is counted from the front of the (longest) input, the inputs from 0."""
    found = refused(op, arguments, *shapes)
    assert (found.dim, found.inputs) == (dim, inputs)


def test_a_message_names_the_inputs() -> None:
    """Those that it is about, by the names given; by their numbers, from 1, without names."""
    found = refused("Concat", {}, (1, 3, 8), (1, 3, 8), (1, 3, 7))
    assert found.text() == "sizes differ in dim 2: 8 from input 1, 7 from input 3"
    assert (
        found.text(["up", "skip", "image"]) == "sizes differ in dim 2: 8 from up, 7 from image"
    )


@pytest.mark.parametrize(
    ("op", "arguments", "shapes"),
    [
        ("Concat", {}, [(1, 3, 8, 8), (1, 3, 8, 7), (1, 3, 6, 8)]),
        ("Add", {}, [(1, 3, 8, 8), (1, 3, 8, 7), (1, 3, 6, 8)]),
        ("Conv2d", CONV, [(1, 3, 2, 1)]),
        ("AvgPool3d", {"kernel_size": 4}, [(1, 3, 3, 2, 1)]),
        ("CenterCrop", {"size": [4, 4]}, [(1, 3, 3, 2)]),
        ("ReflectionPad2d", {"padding": 2}, [(1, 3, 2, 1)]),
    ],
)
def test_a_message_is_right_whenever_it_is_read(
    op: str, arguments: dict[str, Any], shapes: list[tuple[int, ...]]
) -> None:
    """Each is the same where it is read at once and where all were made before."""
    made = msgspec.convert(arguments, registry[op])
    at_once = [r.text() for r in made.requirements(*shapes) if not r.holds]
    kept = [r for r in made.requirements(*shapes) if not r.holds]
    assert len(at_once) > 1
    assert [r.text() for r in kept] == at_once


def test_attention_of_three_names_the_key() -> None:
    """Where query and key have other numbers of samples, the shapes are theirs, and not the value's."""
    text = "input: {q: [4, 2, 8], k: [6, 3, 8], v: [6, 3, 5]}\nlayers:\n"
    text += "  a: {op: MultiheadAttention, num_heads: 2, vdim: 5, from: [q, k, v]}\n"
    (found,) = tracer.checks(text)
    assert found.message == "a: the query [4, 2, 8] has 2 samples, but the key [6, 3, 8] has 3"
