"""``tracer draw``: the picture of a network."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from tracer.commands.options import (
    Overrides,
    complain,
    depth_option,
    loaded,
    need,
    network_options,
    write_output,
)
from tracer.diagnostics import Diagnostic
from tracer.net import Net
from tracer.rules import judge

ENDINGS = {
    ".svg": "svg", ".html": "html", ".htm": "html", ".png": "png", ".mmd": "mermaid", ".dot": "dot", ".gv": "dot",
}  # fmt: skip
"""Formats by the ending of the file."""


@click.command("draw")
@click.argument("config")
@network_options
@click.option(
    "--to",
    type=click.Choice(["svg", "html", "png", "mermaid", "dot"]),
    help="svg: a picture. html: an interactive page in one file. png: pixels. mermaid, dot: for other tools.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="The file to write; otherwise standard output.",
)
@depth_option
def command(
    config: str,
    sets: tuple[str, ...],
    sizes: tuple[str, ...],
    inputs: tuple[str, ...],
    to: str | None,
    output: str | None,
    depth: int | None,
) -> None:
    """Draw CONFIG (- for standard input): the encoder down the left, the decoder up the right, skips across.

    What is wrong is red where it is. Exit code 1 where there are errors; the picture is written all the same.
    """
    kind = to or ("svg" if output is None else ENDINGS.get(Path(output).suffix.lower()))
    if kind is None:
        raise click.UsageError(
            f"say what to draw: -o NAME with one of {', '.join(ENDINGS)}, or --to"
        )
    if kind == "png":
        if output is None:
            raise click.UsageError("say where to write the pixels: -o NAME.png")
        need("resvg_py", "png")
    overrides = Overrides(sets, sizes, inputs)
    text, net = loaded(config, overrides, partial(complain, config=config))
    found = judge(net)
    complain(found, text, config=config)
    write_output(output, content_of(kind, net, found, depth))
    raise click.exceptions.Exit(1 if any(d.severity == "error" for d in found) else 0)


def content_of(kind: str, net: Net, found: list[Diagnostic], depth: int | None) -> bytes:
    """The drawing as bytes."""
    from tracer.drawing.picture import picture

    if kind == "html":
        from tracer.live.sheets import sheets
        from tracer.views.page import page

        return page(sheets(net, found), found).encode()
    drawn = picture(net.trace(), found, depth)
    if kind == "mermaid":
        from tracer.views.mermaid import mermaid

        return mermaid(drawn).encode()
    if kind == "dot":
        from tracer.views.dot import dot

        return dot(drawn).encode()
    from tracer.views.svg import svg

    if kind == "png":
        import resvg_py

        return bytes(resvg_py.svg_to_bytes(svg_string=svg(drawn)))
    return svg(drawn).encode()
