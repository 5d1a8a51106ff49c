"""T1xx, pages of the faults of the graph: operations, names, edges."""

from __future__ import annotations

from tracer.rules.rule import page

page(
    "T101",
    "unknown operation",
    found="expanding",
    text="""
    `op` names neither an operation nor a block of the file.

    Operations have the names of their torch.nn classes, capitals included; `tracer ops` lists them. An operation
    of your own comes from an installed package, through the entry-point group `tracer.ops`.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: conv2d, out_channels: 8, kernel_size: 3}

    Good:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
    """,
)

page(
    "T102",
    "unknown node",
    found="expanding",
    text="""
    `from`, `output` or an argument such as `output_size` names a node that does not exist.

    A block's layers see each other and the block's inputs only; another node comes in by `inputs`. From outside,
    a block's layer is reached as `enc1.conv1`, a copy of `repeat` as `stage.0`, a chunk as `halves[1]`.

    Bad:
        input: [1, 3, 32, 32]
        encoder:
          enc1: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
        decoder:
          cat1: {op: Concat, from: [enc1, enc]}

    Good:
        input: [1, 3, 32, 32]
        encoder:
          enc1: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
        decoder:
          cat1: {op: Concat, from: [enc1, input]}
    """,
)

page(
    "T103",
    "cycle",
    found="arranging",
    text="""
    A node needs its own output, over other nodes or directly; or a block uses itself.

    A name under `from` may stand later in the file, so a wrong one can close a circle. The message prints it,
    beginning with the node that stands first. Recurrence has no place here: unroll it with `repeat`.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          sum: {op: Add, from: [input, act]}
          act: {op: ReLU, from: sum}

    Good:
        input: [1, 3, 32, 32]
        layers:
          act: {op: ReLU, from: input}
          sum: {op: Add, from: [input, act]}
    """,
)

page(
    "T104",
    "duplicate name",
    found="expanding",
    text="""
    Two nodes of different sections share a name, a block has an operation's name, or a layer its block's input's.

    A name has to say which node is meant in `from`, in `output` and in the module's state dict. (The same key
    twice in one mapping is T002.)

    Bad:
        input: [1, 3, 32, 32]
        encoder:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
        head:
          conv: {op: Conv2d, out_channels: 2, kernel_size: 1}

    Good:
        input: [1, 3, 32, 32]
        encoder:
          conv: {op: Conv2d, out_channels: 8, kernel_size: 3}
        head:
          logits: {op: Conv2d, out_channels: 2, kernel_size: 1}
    """,
)

page(
    "T105",
    "node without use",
    severity="warning",
    found="arranging",
    text="""
    Nothing reads the node, and it is no output: it costs time and parameters for nothing.

    Most often `from` of a later node is missing or names another one: a skip that was meant to be joined, or a
    layer after a branch that takes the branch instead of the trunk. Without `output` the last node is the output.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          trunk: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          branch: {op: Conv2d, out_channels: 8, kernel_size: 1}
          sum: {op: Add, from: [trunk, trunk]}

    Good:
        input: [1, 3, 32, 32]
        layers:
          trunk: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          branch: {op: Conv2d, out_channels: 8, kernel_size: 1}
          sum: {op: Add, from: [trunk, branch]}
    """,
)

page(
    "T106",
    "wrong number of inputs",
    found="arranging",
    text="""
    An operation or block gets more or fewer inputs than it takes.

    Without `from` a node reads the node before it, and nothing else: a merge has to name both of its inputs. A
    block takes as many as it lists under `inputs`. A Chunk has several outputs; who reads it says which.

    Bad:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1}
          sum: Add

    Good:
        input: [1, 3, 32, 32]
        layers:
          conv: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1}
          sum: {op: Add, from: [conv, input]}
    """,
)
