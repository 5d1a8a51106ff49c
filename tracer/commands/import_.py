"""``tracer import``: a config from a network that exists elsewhere."""

from __future__ import annotations

import os
from functools import partial

import click

from tracer.commands.options import (
    Overrides,
    files,
    is_config,
    network_options,
    shown,
    write_output,
)
from tracer.commands.reading import complain, open_net, text_of
from tracer.diagnostics import TracerError
from tracer.net import Net
from tracer.rules import judge


@click.command("import")
@click.argument("source", shell_complete=files)
@network_options
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
    overrides: Overrides,
    fixed: bool,
    name: str | None,
    output: str | None,
) -> None:
    """Write the config of SOURCE: a torch module (package.module:callable, file.py:callable), an ONNX file, or a file
    of another tool (nnU-Net plans, a MONAI bundle, a Hydra config, a model of ultralytics).

    The callable is a class or function that makes the module, called with every --arg; it is run, and so is the
    module's forward, on tensors without data. An ONNX file is only read.

    Where the module does not run at the size of --input, it is read at one near it that runs. The asked size stands in
    the config, what is wrong there is told, and the exit code is 1.
    """
    from tracer.views.running_sizes import with_sizes_that_run

    is_text = is_config(source)
    if is_text and source != "-" and not os.path.lexists(source.replace("\0", "")):
        raise click.UsageError(
            f"{shown(source)!r} is neither package.module:callable, file.py:callable nor the name of a file"
        )
    text = text_of(source, partial(complain, config=source)) if is_text else ""
    try:
        net = _opened(text if is_text else None, source, overrides, name, fixed)
    except TracerError as error:
        complain(error.diagnostics, text, config=source)
        raise click.exceptions.Exit(1) from None

    write_output(output, net.to_yaml().encode("utf-8"))
    wrong = [one for one in judge(net) if one.severity == "error"]
    if wrong:
        complain(with_sizes_that_run(net, wrong), net.to_yaml(), config=source)
        raise click.exceptions.Exit(1)


def _opened(
    text: str | None, source: str, overrides: Overrides, name: str | None, fixed: bool
) -> Net:
    """The network of SOURCE; ``text`` is what a file holds that may be another tool's."""
    from tracer.commands.sources import opened, opened_text

    if text is None:
        return opened(source, overrides, name, fixed=fixed)
    net = opened_text(text, source, overrides, name, fixed=fixed)
    if net is not None:
        return net

    # What is no config either is told as what it looks like.
    open_net(text, source, Overrides(), allow_argument_errors=True)
    raise click.UsageError(f"{shown(source)} is a config already")
