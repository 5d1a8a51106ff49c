"""T0xx, pages of the faults of a config's text and of its schema."""

from __future__ import annotations

from tracer.rules.rule import page

page(
    "T001",
    "YAML syntax",
    found="reading",
    text="""
    The text is not YAML, not UTF-8, holds a character that YAML forbids, or a tag that would make an object.

    Nothing behind the place was read, so it is the only diagnostic. The usual cause is `${...}` without quotes
    inside `{ }` or `[ ]`: its braces end the mapping around it. Quote it there. Files are read as UTF-8.

    Bad:
        params: {base: 16}
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: ${base}, kernel_size: 3}

    Good:
        params: {base: 16}
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: "${base}", kernel_size: 3}
    """,
)

page(
    "T002",
    "duplicate key",
    found="reading",
    text="""
    A mapping has the same key twice.

    Most YAML loaders keep the last one and drop the other silently: a layer would vanish from the network. Rename
    one of the two. Keys that a merge key (`<<`) brings in may be given again; that replaces them.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
          conv: {op: Conv2d, out_channels: 16, kernel_size: 3}

    Good:
        input: [1, 3, 32, 32]
        layers:
          conv1: {op: Conv2d, out_channels: 8, kernel_size: 3}
          conv2: {op: Conv2d, out_channels: 16, kernel_size: 3}
    """,
)

page(
    "T003",
    "unknown key",
    found="expanding",
    text="""
    A key, or an argument of an operation or block, that does not exist.

    Arguments carry torch's names (`kernel_size`, not `kernel`); the hint names the nearest known one.
    `tracer ops Conv2d` lists an operation's arguments, `tracer schema` gives editors the whole language.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_sise: 3}

    Good:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
    """,
)

page(
    "T004",
    "wrong type",
    found="expanding",
    text="""
    A value of another type than its key takes: a text for a number, a number for a shape, a list for a name.

    Types are checked more strictly than Python does: torch takes `bias="no"` as true and `kernel_size=True` as
    1, which no one means. YAML is read by its 1.2 rules, where `true` and `false` are the only booleans.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3, bias: no}

    Good:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3, bias: false}
    """,
)

page(
    "T005",
    "bad expression",
    found="expanding",
    text="""
    An expression inside `${...}`, or a dim, that cannot be parsed or has no value.

    Expressions know the params, inside a block its arguments, and `index` inside `repeat`; numbers, lists,
    `+ - * / // % **`, comparisons, `a if c else b`, and `min max len round`. Dims of `expect`, of `Reshape` and
    `Slice`, paddings and lists of sizes know the input's symbols too, and are written without `${...}`:
    `H // 16`. A result is refused where it is no finite number or has more than 63 bits.

    Bad:
        params: {base: 16}
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: "${bas * 2}", kernel_size: 3}

    Good:
        params: {base: 16}
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: "${base * 2}", kernel_size: 3}
    """,
)

page(
    "T006",
    "limit exceeded",
    found="expanding",
    text="""
    The config asks for more than is built: size of the file, nesting, nodes, dims of more than 63 bits.

    Limits keep a wrong or hostile config from taking the machine's memory; they lie far above any network that
    trains. A planner that has too many values to try says so with this code too: narrow it by `auto(0..3)`.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          act: {op: ReLU, repeat: 1000000000}

    Good:
        input: [1, 3, 32, 32]
        layers:
          act: {op: ReLU, repeat: 10}
    """,
)
