"""``tracer export``: the network for other tools."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from tracer.commands.options import Overrides, loaded, need_torch, network_options, shown
from tracer.diagnostics import Diagnostic, TracerError
from tracer.views import report

ENDINGS = {".py": "torch"}
"""What a file's ending stands for."""


@click.command("export")
@click.argument("config")
@network_options
@click.option("--to", type=click.Choice(["torch"]), help="torch: one Python file that needs only torch.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The file to write; otherwise standard output.")
def command(
    config: str,
    sets: tuple[str, ...],
    sizes: tuple[str, ...],
    inputs: tuple[str, ...],
    to: str | None,
    output: str | None,
) -> None:
    """Write CONFIG as the source of a torch module: classes for its blocks, names from the config."""
    if (to or ENDINGS.get(Path(output or "").suffix)) is None:
        raise click.UsageError("say what to write: --to torch, or -o NAME.py")
    need_torch()
    overrides = Overrides(sets, sizes, inputs)
    complain = partial(_complain, config=config)
    text, net = loaded(config, overrides, complain)
    from tracer.torch_bridge.source import torch_source

    try:
        source = torch_source(net)
    except TracerError as error:
        complain(error.diagnostics, text)
        raise click.exceptions.Exit(1) from None
    if output is None:
        click.echo(source, nl=False)
        return
    try:
        Path(output).write_text(source, "utf-8")
    except OSError as error:
        click.echo(f"{shown(output)}: cannot write: {error.strerror or error}", err=True)
        raise click.exceptions.Exit(2) from None
    click.echo(f"written: {shown(output)}", err=True)


def _complain(found: list[Diagnostic], text: str, *, config: str) -> None:
    click.echo(report.full(found, {shown(config): text}), nl=False, err=True)
