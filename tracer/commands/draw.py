"""``tracer draw``: the picture of a network."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from tracer.commands.options import (
    Overrides,
    depth_option,
    files,
    need,
    network_options,
    shown,
    style_option,
    write_output,
)
from tracer.commands.reading import complain, loaded
from tracer.commands.waiting import waiting
from tracer.rules import judge
from tracer.views.pictures import endings, format_by_ending, formats, picture_format


@click.command("draw")
@click.argument("config", shell_complete=files)
@network_options
@click.option(
    "--to",
    type=click.Choice(formats()),
    help="svg: a picture. html: an interactive page in one file. png: pixels. mermaid, dot: for other tools.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="The file to write; otherwise standard output.",
)
@style_option
@depth_option
def command(
    config: str,
    overrides: Overrides,
    to: str | None,
    output: str | None,
    style: str | None,
    depth: int | None,
) -> None:
    """Draw CONFIG (- for standard input): the encoder down the left, the decoder up the right, skips across.

    The maps of each stride stand in a band of their own, as high as their extent and as thick as their channels.

    What is wrong is red where it is. Exit code 1 where there are errors; where shapes do not fit the picture is written
    all the same, and nothing where an argument is refused and there is no network.
    """
    kind = to or ("svg" if output is None else format_by_ending(output))
    if kind is None:
        known = ", ".join(endings())
        raise click.UsageError(f"say what to draw: -o NAME with one of {known}, or --to")

    drawing = _format(kind, output, style)
    text, net = loaded(config, overrides, partial(complain, config=config))
    found = judge(net)
    complain(found, text, config=config)
    with waiting(f"{shown(config)}: is drawn"):
        drawn = drawing.content(net, found, depth, style)
    for note in drawn.notes:
        click.echo(note, err=True)
    write_output(output, drawn.content)
    raise click.exceptions.Exit(1 if any(d.severity == "error" for d in found) else 0)


def _format(kind: str, output: str | None, style: str | None) -> Any:
    """The format of what is drawn; a usage error where it cannot be drawn so."""
    drawing = picture_format(kind)
    if style not in (None, *drawing.STYLES):
        raise click.UsageError(f"{kind} is drawn as {drawing.STYLES[0]} only")
    if output is None and not drawing.IS_TEXT:
        raise click.UsageError(f"say where to write the pixels: -o NAME.{kind}")
    if drawing.NEEDS:
        need(*drawing.NEEDS)
    return drawing
