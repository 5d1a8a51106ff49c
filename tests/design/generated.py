"""Networks, pictures and tiles of a seed, for what is claimed of tiles."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import tracer

MODES = ("zeros", "reflect", "replicate", "zeros", "zeros")


class Drawn(NamedTuple):
    """A network with a picture and a tile."""

    net: tracer.Net
    picture: dict[str, int]
    tile: dict[str, int]


def drawn(seed: int) -> Drawn:
    """A flat network of a few layers with skips, in one or two dims, and sizes that mostly run."""
    rng = random.Random(seed)
    axes = rng.choice((1, 1, 2))
    symbols = ["H", "W"][:axes]
    lines = [f"input: [1, 2, {', '.join(symbols)}]", "sizes:"]
    lines += [f"  {symbol}: 64" for symbol in symbols]
    lines.append("layers:")

    last = "input"
    shapes = {"input": (2, 1.0)}
    for number in range(rng.randint(2, 7)):
        name = f"n{number}"
        channels, scale = shapes[last]
        text, channels, scale = _layer(rng, axes, last, channels, scale, shapes)
        lines.append(f"  {name}: {{{text}}}")
        shapes[name] = (channels, scale)
        last = name

    net = tracer.loads("\n".join(lines))
    unit = rng.choice((1, 2, 4, 8))
    picture = {symbol: unit * rng.randint(90 // unit, 150 // unit) for symbol in symbols}
    tile = {}
    for symbol in symbols:
        whole = picture[symbol]
        tile[symbol] = whole - unit * rng.randint(1, max(whole * 3 // 4 // unit, 1))
    return Drawn(net.with_sizes(picture), picture, tile)


def _layer(
    rng: random.Random,
    axes: int,
    last: str,
    channels: int,
    scale: float,
    shapes: dict[str, Any],
) -> tuple[str, int, float]:
    """One layer's text, with its channels and its positions per pixel."""
    kind = rng.choice(
        (
            "conv",
            "conv",
            "conv",
            "down",
            "down",
            "pool",
            "up",
            "up",
            "resize",
            "merge",
            "merge",
            "other",
        )
    )
    if kind == "merge":
        others = [name for name, (_, s) in shapes.items() if s == scale and name != last]
        if others:
            other = rng.choice(others)
            align = rng.choice(("none", "none", "crop", "pad"))
            both = channels + shapes[other][0]
            return f"op: Concat, from: [{last}, {other}], align: {align}", both, scale
        kind = "conv"
    if kind == "up" and scale >= 2:
        kind = "down"
    if kind == "down" and scale <= 1 / 8:
        kind = "up"

    makers = {
        "conv": _conv,
        "down": _down,
        "pool": _pool,
        "up": _up,
        "resize": _resize,
        "other": _other,
    }
    return makers[kind](rng, axes, channels, scale)


def _conv(rng: random.Random, axes: int, channels: int, scale: float) -> tuple[str, int, float]:
    kernel = rng.choice((1, 2, 3, 5))
    dilation = rng.choice((1, 1, 2))
    mode = rng.choice(MODES)
    padding = rng.choice((0, 1, dilation * (kernel - 1) // 2))
    text = (
        f"op: Conv{axes}d, out_channels: 2, kernel_size: {kernel}, dilation: {dilation}, "
        f"padding: {[padding] * axes}, padding_mode: {mode}"
    )
    return text, 2, scale


def _down(rng: random.Random, axes: int, channels: int, scale: float) -> tuple[str, int, float]:
    kernel = rng.choice((2, 3, 4))
    padding = rng.choice((0, 1))
    text = f"op: Conv{axes}d, out_channels: 2, kernel_size: {kernel}, stride: 2, padding: {padding}"
    return text, 2, scale / 2


def _pool(rng: random.Random, axes: int, channels: int, scale: float) -> tuple[str, int, float]:
    kind = rng.choice(("MaxPool", "AvgPool"))
    kernel, stride = rng.choice(((2, 2), (3, 2), (3, 1), (2, 1)))
    ceil = rng.choice(("true", "false"))
    padding = rng.choice((0, 1))
    text = f"op: {kind}{axes}d, kernel_size: {kernel}, stride: {stride}, padding: {padding}, ceil_mode: {ceil}"
    return text, channels, scale / stride


def _up(rng: random.Random, axes: int, channels: int, scale: float) -> tuple[str, int, float]:
    kernel, padding, more = rng.choice(((2, 0, 0), (3, 1, 1), (4, 1, 0), (3, 0, 0), (1, 0, 1)))
    text = (
        f"op: ConvTranspose{axes}d, out_channels: 2, kernel_size: {kernel}, stride: 2, "
        f"padding: {padding}, output_padding: {more}"
    )
    return text, 2, scale * 2


def _resize(
    rng: random.Random, axes: int, channels: int, scale: float
) -> tuple[str, int, float]:
    linear = "linear" if axes == 1 else "bilinear"
    mode = rng.choice(
        ("nearest", "nearest-exact", linear, linear, "bicubic" if axes == 2 else linear)
    )
    factor = rng.choice((2, 2, 2, 1.5, 0.5))
    corners = ", align_corners: true" if mode == linear and rng.random() < 0.15 else ""
    return (
        f"op: Upsample, scale_factor: {factor}, mode: {mode}{corners}",
        channels,
        scale * factor,
    )


def _other(
    rng: random.Random, axes: int, channels: int, scale: float
) -> tuple[str, int, float]:
    dims = axes + 2
    texts = [
        f"op: InstanceNorm{axes}d",
        f"op: BatchNorm{axes}d",
        f"op: ReflectionPad{axes}d, padding: 2",
        f"op: ReplicationPad{axes}d, padding: 1",
        f"op: CircularPad{axes}d, padding: 1",
        f"op: Slice, dim: {dims - 1}, start: 3",
        f"op: Slice, dim: {dims - 1}, start: 0, stop: -2",
        "op: Crop, crop: 1",
        "op: Sigmoid",
        f"op: AdaptiveAvgPool{axes}d, output_size: 12",
        f"op: Flip, dims: {dims - 1}",
        f"op: Softmax, dim: {rng.choice((1, dims - 1))}",
        f"op: Mean, dim: {dims - 1}, keepdim: true",
    ]
    return rng.choice(texts), channels, scale
