"""The kinds of layers in a design: dims, norm, activation; and the blocks that designs share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import msgspec

from tracer.designing.config_text import BlockText, Layer

NORMS = ("batch", "instance", "group", "none")
ACTIVATIONS = ("ReLU", "LeakyReLU", "PReLU", "ELU", "GELU", "SiLU", "Mish")

Up = Literal["auto", "transpose", "bilinear", "nearest", "pixelshuffle"]
Merge = Literal["concat", "add", "attention"]
UPS, MERGES = get_args(Up), get_args(Merge)
Channels = int | str
"""A number, or ``${...}``."""


class Style(msgspec.Struct, frozen=True):
    """Of which kind the layers are."""

    dims: int
    """1, 2 or 3."""
    norm: str = "batch"
    activation: str = "ReLU"

    @property
    def smooth(self) -> str:
        """The interpolation mode that is linear in every axis."""
        return ("linear", "bilinear", "trilinear")[self.dims - 1]

    def conv(
        self,
        name: str,
        channels: Channels,
        kernel: Any = 3,
        inputs: tuple[str, ...] = (),
        /,
        **arguments: Any,
    ) -> Layer:
        """A convolution; ``padding``, ``stride`` and ``bias`` where they are not torch's defaults."""
        return Layer(
            name,
            f"Conv{self.dims}d",
            {"out_channels": channels, "kernel_size": kernel, **arguments},
            inputs,
        )

    def norms(self, suffix: str = "", channels: str = "channels") -> list[Layer]:
        """The norm behind a convolution, if there is one. ``channels`` names what a block calls them."""
        if self.norm == "batch":
            return [Layer(f"norm{suffix}", f"BatchNorm{self.dims}d")]
        if self.norm == "instance":
            return [Layer(f"norm{suffix}", f"InstanceNorm{self.dims}d", {"affine": True})]
        if self.norm == "group":
            groups = f"${{8 if {channels} % 8 == 0 else 1}}"
            return [Layer(f"norm{suffix}", "GroupNorm", {"num_groups": groups})]
        return []

    def act(self, suffix: str = "") -> Layer:
        """The activation."""
        return Layer(f"act{suffix}", self.activation)

    def convs(self, count: int, kernel: Any, padding: Any) -> list[Layer]:
        """Convolutions that keep the size (or cut it, without padding), each with norm and activation."""
        found: list[Layer] = []
        for number in range(1, count + 1):
            suffix = str(number)
            arguments: dict[str, Any] = {"padding": padding} if padding else {}
            if self.norm in ("batch", "instance"):  # these shift by themselves
                arguments["bias"] = False
            found.append(self.conv(f"conv{suffix}", "${channels}", kernel, **arguments))
            found += [*self.norms(suffix), self.act(suffix)]
        return found


def conv_block(
    style: Style, name: str, count: int = 2, kernel: Any = 3, padding: Any = 1
) -> BlockText:
    """Convolutions in a row: the double convolution of a U-Net."""
    return BlockText(name, style.convs(count, kernel, padding), {"channels": None})


def residual_block(
    style: Style, name: str, count: int = 2, kernel: Any = 3, padding: Any = 1
) -> BlockText:
    """Convolutions in a row and a 1x1 shortcut around them.

    He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition", CVPR 2016.
    """
    *convs, _ = style.convs(count, kernel, padding)
    shortcut = style.conv("shortcut", "${channels}", 1, ("input",), bias=False)
    add = Layer("add", "Add", {}, (convs[-1].name, "shortcut"))
    return BlockText(name, [*convs, shortcut, add, style.act()], {"channels": None})


def gate_block(style: Style, name: str) -> BlockText:
    """The additive attention gate: one coefficient per position for the skip, of the signal and the skip.

    Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018.
    """
    layers = [
        style.conv("query", "${channels}", 1, ("signal",)),
        style.conv("key", "${channels}", 1, ("skip",)),
        Layer("sum", "Add", {}, ("query", "key")),
        Layer("act", "ReLU"),
        style.conv("score", 1, 1),
        Layer("weight", "Sigmoid"),
        Layer("gated", "Mul", {}, ("weight", "skip")),
    ]
    return BlockText(name, layers, {"channels": None}, ("signal", "skip"))


def times(channels: Channels, factor: int) -> Channels:
    """So many times as many channels."""
    return (
        channels * factor
        if isinstance(channels, int)
        else f"${{{factor} * ({channels[2:-1]})}}"
    )


def divided(channels: Channels, divisor: int) -> Channels:
    """An integer part of the channels, at least 1."""
    product = re.fullmatch(r"\$\{(\w+) \* (\d+)\}", str(channels))
    if product and int(product[2]) % divisor == 0:
        factor = int(product[2]) // divisor
        return f"${{{product[1]}}}" if factor == 1 else f"${{{product[1]} * {factor}}}"
    return (
        max(channels // divisor, 1)
        if isinstance(channels, int)
        else f"${{max({channels[2:-1]} // {divisor}, 1)}}"
    )


def unused(name: str, taken: Callable[[str], bool]) -> str:
    """The name, or the first of name_2, name_3, ... that is not taken."""
    if not taken(name):
        return name
    number = 2
    while taken(f"{name}_{number}"):
        number += 1
    return f"{name}_{number}"


def one_or_all(values: Sequence[int]) -> int | tuple[int, ...]:
    """One value for all axes where they are the same."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def by(values: int | Sequence[int]) -> str:
    """One number, or one per axis: 2x1x1."""
    return str(values) if isinstance(values, int) else "x".join(map(str, values))
