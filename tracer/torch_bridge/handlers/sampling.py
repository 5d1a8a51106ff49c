"""Functions that read a map at positions that the network computes."""

from __future__ import annotations

from typing import Any

from tracer.importing.recording import Value
from tracer.torch_bridge.dispatch import TorchCall, handles

INTERPOLATION = ("bilinear", "nearest", "bicubic")
PADDING = ("zeros", "border", "reflection")
"""What the numbers of torch's own function stand for."""


@handles("grid_sample")
def _grid_sample(call: TorchCall) -> Value:
    words = call.bound(
        "input grid mode padding_mode align_corners",
        mode="bilinear",
        padding_mode="zeros",
        align_corners=None,
    )
    return _sampled(call, words)


@handles("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def _grid_sampler(call: TorchCall) -> Value:
    words = call.bound("input grid interpolation_mode padding_mode align_corners")
    words.mode = INTERPOLATION[words.interpolation_mode]
    words.padding_mode = PADDING[words.padding_mode]
    return _sampled(call, words)


def _sampled(call: TorchCall, words: Any) -> Value:
    arguments: dict[str, Any] = {}
    if words.mode != "bilinear":
        arguments["mode"] = words.mode
    if words.padding_mode != "zeros":
        arguments["padding_mode"] = words.padding_mode
    if words.align_corners:
        arguments["align_corners"] = True
    return call.add("GridSample", words.input, words.grid, **arguments)


@handles("affine_grid", "affine_grid_generator")
def _affine_grid(call: TorchCall) -> Value:
    words = call.bound("theta size align_corners", align_corners=None)
    size = call.sizes(words.size)
    arguments = {"align_corners": True} if words.align_corners else {}
    return call.add("AffineGrid", words.theta, size=size, **arguments)
