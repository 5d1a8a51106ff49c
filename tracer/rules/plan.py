"""T4xx, pages of what the planner says of ``auto``."""

from __future__ import annotations

from tracer.rules.rule import page

page(
    "T401",
    "no assignment exists",
    found="planning",
    text="""
    No values of the `auto` arguments make every merge meet and every `expect` hold. That is proven, not guessed.

    The search is complete: every value that torch allows, or that `auto(LEAST..LARGEST)` lists, is ruled out. An
    `output_padding` adds at most `stride - 1` rows, so it cannot fill a larger gap: make `kernel_size` or
    `padding` auto as well, or let the merge crop, pad or resize.

    Bad:
        input: [1, 8, 36, 36]
        encoder:
          down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2, padding: 2, output_padding: auto}
          sum: {op: Add, from: [up, input]}

    Good:
        input: [1, 8, 36, 36]
        encoder:
          down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2, padding: auto, output_padding: auto}
          sum: {op: Add, from: [up, input]}
    """,
)

page(
    "T402",
    "no single assignment serves every size",
    found="planning",
    text="""
    Each size that `sizes` promises has values for the `auto` arguments, and no values serve all of them.

    An `output_padding` is one number for every input. A stride of 2 halves 32 and 33 both to 16, so the way back
    needs 0 for one and 1 for the other: the report lists which values serve which sizes. Where all have to be served,
    give the up-layer its size at run time (`output_size: NODE`), let the merge align, or promise sizes of one class.

    Bad:
        input: [1, 8, H, 32]
        sizes: {H: [32, 33]}
        encoder:
          pool: {op: MaxPool2d, kernel_size: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2, output_padding: auto}
          sum: {op: Add, from: [up, input]}

    Good:
        input: [1, 8, H, 32]
        sizes: {H: [32, 34]}
        encoder:
          pool: {op: MaxPool2d, kernel_size: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2, output_padding: auto}
          sum: {op: Add, from: [up, input]}
    """,
)
