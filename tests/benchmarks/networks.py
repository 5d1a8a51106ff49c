"""The networks that are measured, as YAML texts: a U-Net of 67 layers, flat and with blocks, and very deep ones."""

from __future__ import annotations

from collections.abc import Iterator

LEVELS = 4


def _double(name: str, channels: int) -> Iterator[str]:
    for i in (1, 2):
        yield f"  {name}_conv{i}: {{op: Conv2d, out_channels: {channels}, kernel_size: 3, padding: 1, bias: false}}"
        yield f"  {name}_norm{i}: BatchNorm2d"
        yield f"  {name}_relu{i}: {{op: ReLU, inplace: true}}"


def flat_unet(base: int = 64, name: str = "unet", levels: int = LEVELS) -> str:
    """The padded U-Net with batch normalization, 67 layers, one line each."""
    lines = [
        f"name: {name}",
        "input: [N, 3, H, W]",
        "sizes: {N: 1, H: 512, W: 512}",
        "encoder:",
    ]
    for level in range(levels):
        lines += _double(f"enc{level}", base << level)
        lines.append(f"  pool{level}: {{op: MaxPool2d, kernel_size: 2}}")
    lines.append("bottleneck:")
    lines += _double("mid", base << levels)
    lines.append("decoder:")
    for level in reversed(range(levels)):
        lines += [
            f"  up{level}: {{op: ConvTranspose2d, out_channels: {base << level}, kernel_size: 2, stride: 2}}",
            f"  cat{level}: {{op: Concat, from: [up{level}, enc{level}_relu2]}}",
        ]
        lines += _double(f"dec{level}", base << level)
    lines += ["head:", "  logits: {op: Conv2d, out_channels: 2, kernel_size: 1}"]
    return "\n".join(lines) + "\n"


def unet_of_autos(base: int = 64, levels: int = LEVELS) -> str:
    """The same U-Net at any size: each of its transposed convolutions has an ``output_padding`` to be solved."""
    up = "kernel_size: 2, stride: 2}\n  cat"
    return flat_unet(base, levels=levels).replace(
        up, up.replace("}", ", output_padding: auto}")
    )


_DOUBLE_CONV = """\
blocks:
  double_conv:
    args: {channels: null}
    layers:
      conv1: {op: Conv2d, out_channels: "${channels}", kernel_size: 3, padding: 1, bias: false}
      norm1: BatchNorm2d
      relu1: {op: ReLU, inplace: true}
      conv2: {op: Conv2d, out_channels: "${channels}", kernel_size: 3, padding: 1, bias: false}
      norm2: BatchNorm2d
      relu2: {op: ReLU, inplace: true}
"""


def _times(level: int) -> str:
    return '"${base}"' if level == 0 else f'"${{base * {1 << level}}}"'


def block_unet(base: int = 64, name: str = "unet") -> str:
    """The same 67 layers, written with one block and a param."""
    lines = [
        f"name: {name}",
        f"params: {{base: {base}, classes: 2}}",
        "input: [N, 3, H, W]",
        "sizes: {N: 1, H: 512, W: 512}",
        _DOUBLE_CONV + "encoder:",
    ]
    for level in range(LEVELS):
        lines.append(f"  enc{level}: {{op: double_conv, channels: {_times(level)}}}")
        lines.append(f"  pool{level}: {{op: MaxPool2d, kernel_size: 2}}")
    lines += [
        "bottleneck:",
        f"  mid: {{op: double_conv, channels: {_times(LEVELS)}}}",
        "decoder:",
    ]
    for level in reversed(range(LEVELS)):
        lines += [
            f"  up{level}: {{op: ConvTranspose2d, out_channels: {_times(level)}, kernel_size: 2, stride: 2}}",
            f"  cat{level}: {{op: Concat, from: [up{level}, enc{level}]}}",
            f"  dec{level}: {{op: double_conv, channels: {_times(level)}}}",
        ]
    lines += ["head:", '  logits: {op: Conv2d, out_channels: "${classes}", kernel_size: 1}']
    return "\n".join(lines) + "\n"


UNETS = {"flat": flat_unet, "blocks": block_unet}


def same_chain(nodes: int) -> str:
    """Padded convolutions in a row: every node has the same shape."""
    return f"""\
input: [N, 8, H, W]
sizes: {{N: 1, H: 512, W: 512}}
layers:
  conv: {{op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1, repeat: {nodes}}}
"""


def shrinking_chain(nodes: int) -> str:
    """Unpadded convolutions in a row: every node has another shape, the worst case."""
    size = 2 * nodes + 512
    return f"""\
input: [N, 8, H, W]
sizes: {{N: 1, H: {size}, W: {size}}}
layers:
  conv: {{op: Conv2d, out_channels: 8, kernel_size: 3, repeat: {nodes}}}
"""


def strided_chain(nodes: int) -> str:
    """Down by a strided convolution, up by a transposed one, again and again: five nodes a block."""
    return f"""\
input: [N, 8, H, W]
sizes: {{N: 1, H: 512, W: 512}}
blocks:
  hourglass:
    layers:
      down1: {{op: Conv2d, out_channels: 16, kernel_size: 3, stride: 2, padding: 1}}
      down2: {{op: Conv2d, out_channels: 32, kernel_size: 3, stride: 2, padding: 1}}
      up2: {{op: ConvTranspose2d, out_channels: 16, kernel_size: 2, stride: 2}}
      up1: {{op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}}
      relu: ReLU
layers:
  stage: {{op: hourglass, repeat: {nodes // 5}}}
"""


def stacked_unets(nodes: int) -> str:
    """U-Nets of two levels in a row, one skip concatenated and one added: ten nodes each."""
    return f"""\
input: [N, 8, H, W]
sizes: {{N: 1, H: 512, W: 512}}
blocks:
  unet:
    layers:
      enc1: {{op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}}
      pool1: {{op: MaxPool2d, kernel_size: 2}}
      enc2: {{op: Conv2d, out_channels: 16, kernel_size: 3, padding: 1}}
      pool2: {{op: MaxPool2d, kernel_size: 2}}
      mid: {{op: Conv2d, out_channels: 32, kernel_size: 3, padding: 1}}
      up2: {{op: ConvTranspose2d, out_channels: 16, kernel_size: 2, stride: 2}}
      add2: {{op: Add, from: [up2, enc2]}}
      up1: {{op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}}
      cat1: {{op: Concat, from: [up1, enc1]}}
      dec1: {{op: Conv2d, out_channels: 8, kernel_size: 1}}
layers:
  unet: {{op: unet, repeat: {nodes // 10}}}
"""


CHAINS = {
    "same-padding": same_chain,
    "unpadded": shrinking_chain,
    "strided and back": strided_chain,
    "stacked U-Nets": stacked_unets,
}


def unknowns(
    levels: int, dims: int, size: int, *, merges: bool = True, off: int | None = None
) -> str:
    """Levels of strided convolutions and as many transposed ones, each with two autos on every axis.

    Without ``merges`` only the last meets a skip, so that all the autos decide one size together. ``off``: the level
    whose up-layer is moved where no value reaches its skip.
    """
    spatial = ", ".join(str(size + 7 * axis) for axis in range(dims))
    lines = [f"input: [1, 1, {spatial}]", "encoder:"]
    for i in range(levels):
        lines.append(
            f"  enc{i}: {{op: Conv{dims}d, out_channels: 2, kernel_size: 3, padding: 1}}"
        )
        lines.append(
            f"  down{i}: {{op: Conv{dims}d, out_channels: 2, kernel_size: 3, stride: 2, padding: 1}}"
        )
    lines.append("decoder:")
    for i in reversed(range(levels)):
        lines.append(
            f"  up{i}: {{op: ConvTranspose{dims}d, out_channels: 2, kernel_size: 3, stride: 2, padding: auto(0..3), "
            "output_padding: auto}"
        )
        if i == off:
            lines.append(
                f"  wide{i}: {{op: Conv{dims}d, out_channels: 2, kernel_size: 1, padding: 5}}"
            )
        if merges or i == 0:
            lines.append(
                f"  cat{i}: {{op: Concat, from: [{'wide' if i == off else 'up'}{i}, enc{i}]}}"
            )
    return "\n".join(lines) + "\n"
