"""T2xx, pages of the faults of an operation's arguments."""

from __future__ import annotations

from tracer.rules.rule import page

page(
    "T201",
    "missing argument",
    found="expanding",
    text="""
    Something required is left out: an operation's or a block's argument, `op`, `input`, a symbol's size.

    Nothing is guessed. Only channel counts may be left out (`in_channels`, `in_features`, `num_features`, ...):
    the incoming shape gives them. A block's argument with the default null is required.

    Bad:
        input: [1, 3, H, W]
        sizes: {H: 32}
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3}

    Good:
        input: [1, 3, H, W]
        sizes: {H: 32, W: 32}
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
    """,
)

page(
    "T202",
    "value out of range",
    found="expanding",
    text="""
    A value of the right type that torch refuses: a stride of 0, an unknown mode, a negative padding.

    Some values exclude each other: `padding: same` needs a stride of 1, `mode: nearest` takes no
    `align_corners`, a transposed convolution pads with zeros only.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: same}

    Good:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
    """,
)

page(
    "T203",
    "wrong rank or length",
    found="expanding",
    text="""
    A list argument with another number of values than the operation has axes.

    `kernel_size: [3, 3]` on a Conv3d leaves one axis open. An integer stands for every axis. torch takes a list of
    one for every axis too in some arguments (`stride`) and not in others (`kernel_size`); so do we.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: [3, 3, 3]}

    Good:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: [3, 3]}
    """,
)

page(
    "T204",
    "channels do not match",
    found="tracing",
    text="""
    The declared channels (`in_channels`, `num_features`, `in_features`, ...) are not those of the input.

    Behind a Concat the channels are the sum of its inputs', which is easily forgotten. Leave the argument out, and
    the incoming shape gives it; keep it where the number is a promise that you want checked.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          cat: {op: Concat, from: [conv, input]}
          mix: {op: Conv2d, in_channels: 8, out_channels: 8, kernel_size: 1}

    Good:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          cat: {op: Concat, from: [conv, input]}
          mix: {op: Conv2d, in_channels: 11, out_channels: 8, kernel_size: 1}
    """,
)

page(
    "T205",
    "groups do not divide",
    found="tracing",
    text="""
    The channels cannot be split into that many groups of one size.

    A grouped convolution splits its input's and its output's channels, GroupNorm and ChannelShuffle the input's,
    attention `embed_dim` into its heads. Widths scaled by a param fall here first: 12 channels do not make 8 groups.

    Bad:
        input: [1, 12, 32, 32]
        layers:
          norm: {op: GroupNorm, num_groups: 8}

    Good:
        input: [1, 12, 32, 32]
        layers:
          norm: {op: GroupNorm, num_groups: 6}
    """,
)

page(
    "T206",
    "output_padding not smaller than stride or dilation",
    found="tracing",
    text="""
    A transposed convolution's `output_padding` has to be smaller than its stride or its dilation, on each axis.

    It chooses among the sizes that the stride makes indistinguishable going down (31 and 32 both become 16), and
    there are `stride` of them. The CPU refuses more; the meta device, and tools built on it, accept it and report
    a size that never comes. If more rows are missing, change `kernel_size` or `padding`.

    Bad:
        input: [1, 8, 16, 16]
        layers:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1, output_padding: 2}

    Good:
        input: [1, 8, 16, 16]
        layers:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1, output_padding: 1}
    """,
)
