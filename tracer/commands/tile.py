"""``tracer tile``: a picture in tiles."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracer.commands.options import (
    Bytes,
    Overrides,
    colour_option,
    console_for,
    files,
    network_options,
    shown,
    use_colour,
    write_output,
)
from tracer.commands.reading import complain, loaded
from tracer.commands.several import refuse_one_document, show_each
from tracer.commands.waiting import waiting

if TYPE_CHECKING:
    from tracer.designing.tiling.plan import Tiling
    from tracer.net import Net

ENDINGS = {".py": "torch", ".json": "json", ".jsonl": "jsonl"}
"""Formats by the ending of the file."""

MOST = 10**9
"""The largest size of a picture."""


class Sizes(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Sizes by axis: H=2048,W=2048."""

    name = "sizes"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, int]:
        if isinstance(value, dict):
            return value
        found: dict[str, int] = {}
        for item in str(value).split(","):
            name, sign, text = item.partition("=")
            name = name.strip()
            text = text.strip()
            is_number = text.isascii() and text.isdigit() and len(text) <= 10
            if not (sign and name and is_number and 1 <= int(text) <= MOST):
                self.fail(f"{item[:60]!r} is not AXIS=N; write H=512,W=512", param, ctx)
            if name in found:
                self.fail(f"{name} is given twice", param, ctx)
            found[name] = int(text)
        return found


@click.command("tile")
@click.argument("configs", nargs=-1, required=True, shell_complete=files)
@network_options
@click.option(
    "--picture",
    type=Sizes(),
    metavar="SIZES",
    help="The picture's sizes: H=2048,W=2048; those that are not given are the network's own.",
)
@click.option("--tile", type=Sizes(), metavar="SIZES", help="The tiles' sizes: H=512,W=512.")
@click.option(
    "--memory",
    type=Bytes(),
    metavar="BYTES",
    help="Take the fewest tiles whose run fits: 8GiB, 500MB.",
)
@click.option(
    "--format",
    "--to",
    "format_",
    type=click.Choice(["text", "json", "jsonl", "torch"]),
    help="How to show it: text, unless -o says otherwise; jsonl has a line for each CONFIG; torch is the code of the "
    "loop, one function to paste.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="The file to write, NAME.py or NAME.json; otherwise standard output.",
)
@colour_option
def command(
    configs: tuple[str, ...],
    overrides: Overrides,
    picture: dict[str, int] | None,
    tile: dict[str, int] | None,
    memory: int | None,
    format_: str | None,
    output: str | None,
    color: str,
) -> None:
    """The tiles of a picture for CONFIGS, with the overlap that makes the result equal to a run on the whole picture.

    Each tile is compared with the whole picture by the places that every node reads. Where that is not equal whatever
    the overlap, as behind a normalization over positions or attention, the nodes are named. Axes are the symbols of
    the inputs' spatial dims; a dim that is a number is called input[2].

    Memory is that of a run without gradients in float32: the parameters, and the most that is alive at once.

    Exit code 1 where the picture or the tiles do not run, or are too small.
    """
    _check_given(tile, memory)
    format_ = format_ or ENDINGS.get(Path(output or "").suffix, "text")
    if format_ == "text" and output is not None:
        raise click.UsageError("say what to write: --format json, or -o NAME.py or NAME.json")
    if overrides.mode == "train":
        raise click.UsageError("tiles are of inference: --mode eval")
    refuse_one_document(configs, format_)
    if len(configs) > 1 and output is not None:
        raise click.UsageError("-o is for the answer of one network")

    def show(config: str) -> None:
        _, net = loaded(config, overrides, partial(complain, config=config))
        _tile(net, config, picture, tile, memory, format_, output, color)

    show_each(configs, format_, show)


def _tile(
    net: Net,
    config: str,
    picture: dict[str, int] | None,
    tile: dict[str, int] | None,
    memory: int | None,
    format_: str,
    output: str | None,
    color: str,
) -> None:
    """Show the tiles for one network."""
    from tracer.api.functions import tile as tiles_of
    from tracer.designing.tiling.plan import Untileable

    try:
        with waiting(f"{shown(config)}: tiles are tried"):
            found = tiles_of(net, picture=picture, tile=tile, memory=memory)
        _show(found, config, format_, output, color)
    except Untileable as error:
        click.echo(str(error), err=True)
        raise click.exceptions.Exit(1) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _check_given(tile: dict[str, int] | None, memory: int | None) -> None:
    """End the command unless one of the tile and the memory is given."""
    if tile is None and memory is None:
        raise click.UsageError("say the tile: --tile H=512,W=512, or --memory 8GiB")
    if tile is not None and memory is not None:
        raise click.UsageError("give one of --tile and --memory: the memory chooses the tile")


def _show(found: Tiling, config: str, format_: str, output: str | None, color: str) -> None:
    """Print or write the answer. Raises :class:`Untileable` where there is no loop to write."""
    from tracer.views.tiling import tile_answer, tile_text, tile_warning

    if format_ == "torch":
        from tracer.designing.tiling.loop import torch_loop

        write_output(output, torch_loop(found).encode("utf-8"))
        warning = tile_warning(found)
        if warning:
            click.echo(warning, err=True)
        return
    if format_ != "text":
        from tracer.views.found import in_json

        answer = tile_answer(found, shown(config))
        write_output(output, in_json(answer, format_).encode("utf-8"))
        return
    console = console_for(use_colour(color))
    for part in tile_text(found):
        console.print(part)
