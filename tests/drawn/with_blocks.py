"""Configs with blocks in blocks, arguments of all kinds and a fault here and there: drawn by a seed."""

from __future__ import annotations

from random import Random

OPERATIONS = (
    "Conv2d, out_channels: 4, kernel_size: 3, padding: 1",
    'Conv2d, out_channels: "${c}", kernel_size: "${k}", padding: "${k // 2}"',
    'Conv2d, out_channels: "${c * 2}", kernel_size: "${k}", padding: auto(0..2)',
    'Conv2d, out_channels: "${c}", kernel_size: ["${k}", 1], padding: ["${k // 2}", 0]',
    'ConvTranspose2d, out_channels: "${c}", kernel_size: 2, stride: 2, output_padding: auto',
    "MaxPool2d, kernel_size: 2",
    "BatchNorm2d",
    "ReLU",
    '"${act}"',
    "Identity",
    'Dropout, p: "${k / 10}"',
)

FAULTS = (
    "Conv2d, out_channels: 4, kernel_sice: 3",
    'Conv2d, out_channels: "${c}", kernel_size: "${k - 3}"',
    'Conv2d, out_channels: "${missing}", kernel_size: 1',
    "Relu",
    "ReLU, from: nowhere",
    "Conv2d, out_channels: 0, kernel_size: 1",
    'Conv2d, out_channels: "${c / 3}", kernel_size: 1',
    "Add",
    "ReLU, learned: false",
    'ReLU, expect: [N, "${c}", 9, 9]',
)


def text_with_blocks(r: Random) -> str:
    """A config; in about half of them nothing is wrong but shapes."""
    drawing = _Drawing(r, fault_in=r.choice([0, 0, 0, 6, 15]))
    blocks = [drawing.block(number) for number in range(r.randint(1, 3))]
    lines = [
        'params: {c: 4, k: 3, act: ReLU, wide: "${c * 2}"}',
        f"input: [{r.choice(['1', 'N'])}, 4, H, W]",
        "sizes: {H: 24, W: 20}",
        "blocks:",
        *[line for block in blocks for line in block],
        "layers:",
        *drawing.layers("  ", len(blocks), r.randint(2, 7)),
    ]
    return "\n".join(lines) + "\n"


class _Drawing:
    """Blocks and layers; a block uses those before it."""

    def __init__(self, r: Random, fault_in: int) -> None:
        self.r = r
        self.fault_in = fault_in
        """One layer of so many is at fault; none where it is 0."""
        self.arguments: list[list[str]] = []
        """By block, the names of its arguments."""

    def block(self, number: int) -> list[str]:
        r = self.r
        arguments = r.sample(["c", "k", "act"], r.randint(0, 3))
        defaults = {"c": ["null", "4", '"${k + 1}"'], "k": ["3", "1"], "act": ["ReLU", "null"]}
        written = [f"{word}: {r.choice(defaults[word])}" for word in arguments]
        lines = [f"  b{number}:"]
        if written:
            lines.append(f"    args: {{{', '.join(written)}}}")
        lines += ["    layers:", *self.layers("      ", number, r.randint(1, 5))]
        self.arguments.append(arguments)
        return lines

    def layers(self, indent: str, blocks: int, count: int) -> list[str]:
        """Layers that use blocks up to a number."""
        found: list[str] = []
        names: list[str] = []
        for i in range(count):
            name = self.r.choice([f"l{i}"] * 12 + [f"l{max(i - 1, 0)}"] * bool(self.fault_in))
            found.append(f"{indent}{name}: {{op: {self.layer(blocks, names)}}}")
            names.append(name)
        return found

    def layer(self, blocks: int, names: list[str]) -> str:
        r = self.r
        if self.fault_in and r.randrange(self.fault_in) == 0:
            return r.choice(FAULTS)
        if blocks and r.random() < 0.5:
            parts = [self.use(r.randrange(blocks))]
        else:
            parts = [r.choice(OPERATIONS)]
        parts += self.beside(names)
        return ", ".join(parts)

    def use(self, block: int) -> str:
        values = {
            "c": ["4", "4", "8", '"${c}"', '"${wide}"', '"${c * 2}"', "auto"],
            "k": ["3", "3", "1", '"${k}"', "5.0"],
            "act": ["ReLU", "GELU", '"${act}"', "Conv9d" if self.fault_in else "SiLU"],
        }
        given = [
            f"{word}: {self.r.choice(values[word])}"
            for word in self.arguments[block]
            if self.r.random() < 0.7
        ]
        if self.fault_in and self.r.random() < 0.1:
            given.append("unknown: 1")
        return ", ".join([f"b{block}", *given])

    def beside(self, names: list[str]) -> list[str]:
        """What stands beside an operation or a use."""
        r = self.r
        found = []
        if r.random() < 0.15:
            found.append(f"repeat: {r.choice(['2', '3', '${k}'])}".replace("${k}", '"${k}"'))
        if names and r.random() < 0.12:
            found.append(f"from: {r.choice(names)}")
        if r.random() < 0.05:
            found.append(f"expect: [_, {r.choice(['4', '_', 'N'])}, _, _]")
        if names and r.random() < 0.04:
            found.append(f"weights: {r.choice(names)}")
        return found
