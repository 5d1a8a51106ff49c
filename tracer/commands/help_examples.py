"""The examples under each command's ``--help``."""

from __future__ import annotations

import click

EXAMPLES = {
    "check": ("tracer check nets --strict", "tracer check my_net.py:UNet --input 1,3,358,358"),
    "trace": ("tracer trace net.yaml --size H=512,W=640 --depth 2",),
    "plan": ("tracer plan net.yaml --input 1,3,500,375 --diff",),
    "sizes": ("tracer sizes net.yaml --near 500",),
    "tile": ("tracer tile net.yaml --picture H=2048,W=2048 --tile H=512,W=512 -o loop.py",),
    "design": ("tracer design unet --depth 3 -o net.yaml",),
    "design decoder": ("tracer design decoder encoder.yaml --params 5M -o net.yaml",),
    "design nnunet": ("tracer design nnunet --shape 115,320,232 --spacing 3,1,1 -o net.yaml",),
    "sweep": ('tracer sweep net.yaml --vary base=8,16 --size "H=W=64..256:64" -o rows.csv',),
    "draw": ("tracer draw net.yaml -o net.svg", "tracer draw net.yaml -o net.html"),
    "serve": ("tracer serve net.yaml --open",),
    "watch": ("tracer watch net.yaml",),
    "compare": ("tracer compare old.yaml net.yaml", "tracer compare net.yaml"),
    "verify": ("tracer verify net.yaml --count 4",),
    "export": ("tracer export net.yaml -o net.py", "tracer export net.yaml -o net.onnx"),
    "import": ("tracer import my_net.py:UNet --input 1,3,512,384 -o net.yaml",),
    "examples": ("tracer examples unet_2015 -o net.yaml",),
    "lsp": ("tracer lsp",),
    "explain": ("tracer explain T301",),
    "ops": ("tracer ops ConvTranspose2d",),
    "schema": ("tracer schema language",),
}
"""Command lines by the words of the command; a family without one has that of ``design`` with its name."""


def with_examples(command: click.Command, name: str) -> click.Command:
    """The command with its examples at the end of its help, and so its subcommands."""
    command.epilog = _epilog(examples_of(name))
    if isinstance(command, click.Group):
        for part, below in command.commands.items():
            with_examples(below, f"{name} {part}")
    return command


def examples_of(name: str) -> tuple[str, ...]:
    """The command lines that show a command.

    >>> examples_of("trace"), examples_of("design vnet")
    (('tracer trace net.yaml --size H=512,W=640 --depth 2',), ('tracer design vnet --depth 3 -o net.yaml',))
    """
    if name in EXAMPLES:
        return EXAMPLES[name]
    return (f"tracer {name} --depth 3 -o net.yaml",)


def _epilog(lines: tuple[str, ...]) -> str:
    """The text, whose lines click leaves as they are (\\\\b)."""
    title = "Examples:" if len(lines) > 1 else "Example:"
    return "\n".join(["\b", title, *(f"  {line}" for line in lines)])
