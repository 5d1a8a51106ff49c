"""``tracer import``: a config from a network that exists elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tracer.commands.options import Overrides, need, params_of, shown, write_output
from tracer.importing.recording import Unrepresentable

if TYPE_CHECKING:
    from tracer.net import Net


@click.command("import")
@click.argument("source")
@click.option(
    "--arg",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    help="An argument of the factory: depth=5.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="SHAPE",
    help="An input's shape, in order: 1,3,512,512.",
)
@click.option(
    "--fixed",
    is_flag=True,
    help="Keep the sizes as numbers: right for this size, silent about others.",
)
@click.option(
    "--name", help="The network's name in the config; otherwise the class of the module."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="The file to write; otherwise standard output.",
)
def command(
    source: str,
    arguments: tuple[str, ...],
    inputs: tuple[str, ...],
    fixed: bool,
    name: str | None,
    output: str | None,
) -> None:
    """Write the config of SOURCE: a torch module, as package.module:callable, or an ONNX file.

    The callable is a class or function that makes the module, called with every --arg; it is run, and so is the
    module's forward, on tensors without data. An ONNX file is only read.
    """
    net = imported(source, arguments, inputs, name, fixed)
    write_output(output, net.to_yaml().encode("utf-8"))


def imported(
    source: str,
    arguments: tuple[str, ...],
    inputs: tuple[str, ...],
    name: str | None = None,
    fixed: bool = False,
) -> Net:
    """The network of a torch module or an ONNX file; where nothing can be imported, the command ends."""
    given = params_of(arguments, "--arg", "NAME=VALUE")
    shapes = dict(Overrides.input_of(item) for item in inputs)
    try:
        if source.lower().endswith(".onnx"):
            return _from_onnx(source, shapes, name, bool(arguments))
        return _from_module(source, given, inputs, name, fixed)
    except Unrepresentable as error:
        click.echo(f"{shown(source)}: nothing is imported: {error}", err=True)
        raise click.exceptions.Exit(1) from None


def is_factory(source: str) -> bool:
    """True for what is written as package.module:callable."""
    package, colon, path = source.partition(":")
    return bool(colon) and all(
        part.isidentifier() for part in [*package.split("."), *path.split(".")]
    )


def _from_module(
    source: str, given: dict[str, Any], inputs: tuple[str, ...], name: str | None, fixed: bool
) -> Net:
    if not is_factory(source):
        raise click.UsageError(
            f"{shown(source)!r} is neither package.module:callable nor the name of an .onnx file"
        )
    if not inputs:
        raise click.UsageError(
            "say the input's shape: --input 1,3,512,512 (one --input for each of several)"
        )
    need("torch", "torch")
    # What the user's code prints is no part of the config, and where it goes is no place for the output.
    with contextlib.redirect_stdout(sys.stderr), _returning():
        from tracer.torch_bridge.factory import module_from
        from tracer.torch_bridge.importing import from_module

        shapes = [Overrides.input_of(item)[1] for item in inputs]
        return from_module(module_from(source, given), *shapes, name=name, fixed=fixed)


@contextlib.contextmanager
def _returning() -> Iterator[None]:
    """Come back to the working directory of before."""
    here = os.getcwd()
    try:
        yield
    finally:
        os.chdir(here)


def _from_onnx(
    source: str, shapes: dict[str, tuple[int, ...]], name: str | None, with_arguments: bool
) -> Net:
    if with_arguments:
        raise click.UsageError("an ONNX file takes no --arg")
    need("onnx", "onnx")
    from tracer.onnx_bridge.reading import read_onnx

    try:
        return read_onnx(source, shapes, name)
    except OSError as error:
        click.echo(f"{shown(source)}: cannot be read: {error.strerror or error}", err=True)
        raise click.exceptions.Exit(2) from None
