"""Tensors that no input gives agree with torch.full."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

import torch
from hypothesis import example, given
from hypothesis import strategies as st

import tracer
from tests.drawn.oracle import Case, agree
from tracer.ops.creation import MadeDtype

NUMBERS = (0, 1, -1, 1.5, 127, 128, -129, -255, -256, 255, 256, 2**31, 1e39, math.inf, math.nan)


@given(
    st.lists(st.sampled_from([0, 1, 2, 3, -1]), max_size=4),
    st.sampled_from(NUMBERS),
    st.sampled_from(get_args(MadeDtype)),
)
@example([2], math.inf, "int64")
@example([2], -1, "uint8")
@example([2, -1], 0, "float32")
def test_full(size: list[int], value: float, dtype: str) -> None:
    """Sizes from 0 on, and numbers that the type has."""

    def build(case: Case) -> Callable[..., Any]:
        kind = getattr(torch, dtype)
        if not kind.is_floating_point and kind != torch.bool and value != value // 1:
            raise ValueError(
                "torch cuts what is behind the point, which is no number of the type"
            )
        if abs(value) > torch.finfo(torch.float32).max and math.isfinite(value):
            raise ValueError("no float32")
        return lambda: torch.full(size, value, dtype=kind)

    agree(Case("Full", {"size": size, "fill_value": value, "dtype": dtype}, ()), build)


TEXT = """
input: [N, 3, H, W]
sizes: {N: 2, H: 8, W: 6}
layers:
  down: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  plane: {op: Full, size: [N, 1, (H + 1) // 2, (W + 1) // 2], fill_value: 2}
  wide: {op: Concat, from: [down, plane]}
  mask: {op: Full, size: [1, 1], dtype: bool}
  last: {op: Mul, from: [wide, mask]}
output: [wide, last]
"""


def test_built_it_is_torchs() -> None:
    """Its sizes are read off the input when the network runs, on whatever device that is."""
    net = tracer.loads(TEXT)
    assert net.trace().outputs == {"wide": (2, 5, 4, 3), "last": (2, 5, 4, 3)}
    module = tracer.build(net)
    assert [name for name, _ in module.named_parameters()] == ["down.weight", "down.bias"]
    for shape in ((2, 3, 8, 6), (1, 3, 7, 1)):
        found = module(torch.zeros(shape))
        assert torch.equal(found["wide"][:, 4:], torch.full_like(found["wide"][:, 4:], 2))
        assert not found["last"].any()
    assert module.to("meta")(torch.zeros(1, 3, 5, 5, device="meta"))["last"].shape[2:] == (3, 3)


def test_sizes_below_0_are_refused() -> None:
    """Where a dim over the symbols is negative, torch refuses it too."""
    net = tracer.loads("input: [1, W]\nlayers: {all: {op: Full, size: [W - 3]}}")
    assert net.trace(W=3).outputs == {"all": (0,)}
    (found,) = net.trace(W=2).diagnostics
    assert (found.code, found.message) == (
        "T202",
        "all: the dim W - 3 is -1; it must be a whole number from 0 on",
    )
    assert tracer.sizes(net).axes["W"].runs.written("W") == "W >= 3"
