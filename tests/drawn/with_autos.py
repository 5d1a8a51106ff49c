"""Encoders with decoders whose autos are solved for every size anew: drawn by a seed, in one to three dims."""

from __future__ import annotations

from random import Random

SYMBOLS = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


def text_with_autos(r: Random) -> str:
    """A network with skips, of which most run at most sizes, and some at few or none."""
    axes = r.choice([1, 1, 2, 2, 2, 3])
    symbols = r.choice([SYMBOLS[axes], (r.choice("HS"),) * axes])
    batch = r.choice(["1", "2", "N"])
    levels = [_Level(r, axes) for _ in range(r.randint(1, 3))]

    lines = [f"input: [{', '.join([batch, '2', *symbols])}]", "layers:"]
    for i, level in enumerate(levels):
        lines += [f"  enc{i}: {{op: {level.kept()}}}", f"  down{i}: {{op: {level.down()}}}"]
        if r.random() < 0.1:
            lines.append(f"  more{i}: {{op: {level.other()}}}")
    for i, level in reversed(list(enumerate(levels))):
        lines.append(f"  up{i}: {{op: {level.up()}}}")
        if r.random() < 0.1:
            lines.append(f"  cut{i}: {{op: {level.cut()}}}")
        if r.random() < 0.85:
            align = ", align: crop" if r.random() < 0.1 else ""
            lines.append(
                f"  cat{i}: {{op: {r.choice(['Concat', 'Add'])}, from: [_, enc{i}]{align}}}"
            )
            lines[-1] = lines[-1].replace("_", lines[-2].split(":")[0].strip())
    if r.random() < 0.4:
        lines.append(f"  end: {{op: Identity, expect: [_, _, {', '.join(symbols)}]}}")
    return "\n".join(lines) + "\n"


class _Level:
    """The layers of one level."""

    def __init__(self, r: Random, axes: int) -> None:
        self.r = r
        self.axes = axes
        self.stride = r.choice([2, 2, 2, 3, 4])
        self.is_plain = r.random() < 0.7
        """Whether its layers undo each other at every size, as far as output_padding can."""
        self.is_pooled = r.random() < 0.4

    def kept(self) -> str:
        """A layer that mostly keeps the size."""
        kernel = self.r.choice([1, 3, 3, 5])
        padding = self.r.choice([kernel // 2] * 9 + [0, "auto(0..2)"])
        return f"Conv{self.axes}d, out_channels: 2, kernel_size: {kernel}, padding: {padding}"

    def down(self) -> str:
        """A layer with the level's stride."""
        r, axes, stride = self.r, self.axes, self.stride
        if self.is_pooled:
            ceil = (
                ""
                if self.is_plain
                else r.choice(["", ", ceil_mode: true", ", ceil_mode: auto"])
            )
            return f"MaxPool{axes}d, kernel_size: {stride}{ceil}"
        kernel = 3 if self.is_plain else r.choice([stride, 3, 5])
        padding = 1 if self.is_plain else r.choice([0, 1, "auto(0..1)"])
        return f"Conv{axes}d, out_channels: 2, kernel_size: {kernel}, stride: {stride}, padding: {padding}"

    def up(self) -> str:
        """A layer that undoes the stride, as far as its autos can."""
        r, stride = self.r, self.stride
        kernel, padding, output_padding = 3, 1, "auto"
        if self.is_pooled:
            kernel, padding = stride, 0
        if not self.is_plain:
            kernel = r.choice([stride, 3, 4, "auto(2..4)"])
            padding = r.choice([0, 1, "auto(0..2)"])
            output_padding = r.choice(["auto", "auto", "auto", 0])
        step = f"auto(2..{stride})" if not self.is_plain and r.random() < 0.1 else stride
        return (
            f"ConvTranspose{self.axes}d, out_channels: 2, kernel_size: {kernel}, stride: {step}, "
            f"padding: {padding}, output_padding: {output_padding}"
        )

    def cut(self) -> str:
        """A layer that takes rows off."""
        amounts = ", ".join(
            self.r.choice(["auto(0..2)", "0", "1"]) for _ in range(2 * self.axes)
        )
        return self.r.choice(
            [f"Crop, crop: [{amounts}]", f"ZeroPad{self.axes}d, padding: [{amounts}]"]
        )

    def other(self) -> str:
        """A layer of which less is known."""
        r, axes = self.r, self.axes
        factor = r.choice(["2", "0.5", "1.5", "0.57"])
        return r.choice(
            [
                f"Upsample, scale_factor: {factor}",
                f"Conv{axes}d, out_channels: 2, kernel_size: 3, dilation: 2, padding: 2",
                f"AdaptiveAvgPool{axes}d, output_size: 4",
                f"AvgPool{axes}d, kernel_size: 3, stride: 1, padding: 1",
            ]
        )
