"""T6xx, pages of what keeps a program or another tool's file from being read as a network."""

from __future__ import annotations

from tracer.rules.rule import page

page(
    "T601",
    "no form in a config",
    found="importing",
    text="""
    A program does something that no config says: the value of a tensor decides, an operation is not known, a size is
    computed in a way that cannot be followed.

    It is refused at its line, because a network that leaves it out would be another one. `--until NODE` reads the
    network up to a module or a node, so that what comes behind it is left out. The module below runs; its branch is
    what no shape decides.

    Bad:
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                return x + 1 if x.mean() > 0 else x

    Good:
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                return x + 1
    """,
)

page(
    "T602",
    "the source raises at every size tried",
    found="importing",
    text="""
    A program raises an error of its own at the size that was asked for, and at all sizes that were tried instead.

    Sizes near the asked one are tried, smallest changes first, then multiples of powers of two, for at most 20 seconds
    (`--seconds`). A size that torch's own layers refuse has their code (T204, T301, ...) at the user's line; T602 is
    what the program raises itself, or what else torch says.

    Bad:
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                if x.shape[1] != 4:
                    raise ValueError("four channels, please")
                return x * 2

    Good:
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                return x * 2
    """,
)

page(
    "T603",
    "a file that is no network",
    found="reading",
    text="""
    A YAML or JSON file has no `input` and no layers, or it is a file of another tool.

    The finding says what it looks like by its content: nnU-Net plans, a MONAI bundle, a Hydra config with `_target_`,
    a model of ultralytics. These are networks that every command reads, and `--key` picks the part where there are
    several: `tracer check plans.json --key 3d_fullres`. Anything else (a workflow, a list, an empty file) is told with
    its keys. A search in a directory passes over all of them.

    Bad:
        name: web
        services: {web: {image: nginx}}

    Good:
        name: web
        input: [1, 3, 32, 32]
        layers: {conv: {op: Conv2d, out_channels: 8, kernel_size: 3}}
    """,
)

page(
    "T604",
    "read in part",
    found="importing",
    severity="warning",
    text="""
    A program was read for some of its sizes only. For one size of its first dim: with an open one it does something
    that no config says, or raises. Or for the sizes that go one of its ways: for others it runs other layers, of which
    nothing is said.

    The others are refused by the network, which is no word on what the program does there. Where it is
    the first dim, it is read once more with that as a number, and all that is said of other sizes is said for that
    batch alone. What the user leaves out himself (`--until`, numbers in a promise) is no finding: a line on
    standard error says up to where a network is read.

    Bad:
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                return (x * 2).squeeze(0)

    Good:
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                return x * 2
    """,
)
