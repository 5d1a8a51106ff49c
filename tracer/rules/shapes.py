"""T3xx, pages of the faults that show in shapes. T305 stands beside its search, in ``every_size.py``."""

from __future__ import annotations

from tracer.rules.rule import page

page(
    "T301",
    "merge inputs differ",
    found="tracing",
    text="""
    The inputs of a merge (Concat, Add, ...) have different sizes where they must agree, and both are named.

    Mostly a skip of an odd size: 89 is pooled to 44 and comes back as 88. Either give the up-layer the size of the
    skip (`output_padding: auto`, or `output_size: NODE`), or let the merge do it (`align: crop`, `pad` or
    `resize`), or choose an input size that divides evenly at every level.

    Bad:
        input: [1, 8, 89, 89]
        encoder:
          pool: {op: MaxPool2d, kernel_size: 2}  # tracer: ignore[T501]
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
          cat: {op: Concat, from: [up, input]}

    Good:
        input: [1, 8, 89, 89]
        encoder:
          pool: {op: MaxPool2d, kernel_size: 2}  # tracer: ignore[T501]
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2, output_padding: auto}
          cat: {op: Concat, from: [up, input]}
    """,
)

page(
    "T302",
    "output size below 1",
    found="tracing",
    text="""
    Nothing would be left: a kernel larger than its padded input, a crop or resize that ends at 0, an empty input.

    The map has become too small for another level. Take a larger input, or one level less. Norms that take their
    statistics from a single value are refused with this code too: the variance of one number is no use.

    Bad:
        input: [1, 3, 2, 2]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3}

    Good:
        input: [1, 3, 3, 3]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
    """,
)

page(
    "T303",
    "rank not accepted",
    found="tracing",
    text="""
    The input has another number of dims than the operation takes.

    Shapes are torch's, [N, C, spatial...]. Convolutions and pools take the unbatched [C, spatial...] too, batch norms
    and resizing do not. Between feature maps and a Linear layer stands a Flatten or a Reshape.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          norm: BatchNorm1d

    Good:
        input: [1, 3, 32, 32]
        layers:
          norm: BatchNorm2d
    """,
)

page(
    "T304",
    "expectation not met",
    found="tracing",
    text="""
    The shape is not the one that `expect` or `output` promises.

    `expect` is a contract: write the shapes that the paper prints, or that the next program reads, and every later
    change is checked against them. `_` matches any dim; a dim may be an expression over the symbols (`H // 2`)
    and then has to hold for every size in `sizes`.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3, expect: [1, 8, 32, 32]}

    Good:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1, expect: [1, 8, 32, 32]}
    """,
)

page(
    "T306",
    "padding larger than the input allows",
    found="tracing",
    text="""
    Padding that copies rows of the input cannot be longer than the input has rows.

    Reflection repeats the rows next to the border but not the border's own, so it has to stay below the input's size;
    circular padding may reach it. Deep in an encoder maps are small: pad with zeros or `replicate` there.

    Bad:
        input: [1, 3, 3, 3]
        layers:
          pad: {op: ReflectionPad2d, padding: 3}

    Good:
        input: [1, 3, 4, 4]
        layers:
          pad: {op: ReflectionPad2d, padding: 3}
    """,
)
