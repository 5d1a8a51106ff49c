"""``tracer sizes``: the exact set of input sizes that work."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

import click

from tracer.commands.options import (
    Overrides,
    colour_option,
    console_for,
    depth_option,
    files,
    network_options,
    shown,
    use_colour,
)
from tracer.commands.reading import complain as tell
from tracer.commands.reading import loaded
from tracer.commands.several import show_each
from tracer.commands.waiting import waiting
from tracer.diagnostics import Diagnostic, TracerError

if TYPE_CHECKING:
    from tracer.net import Net
    from tracer.planning.working_sizes import WorkingSizes

LARGEST = 10**9
"""The largest size of ``--near``."""


@click.command("sizes")
@click.argument("configs", nargs=-1, required=True, shell_complete=files)
@network_options
@click.option(
    "--near",
    metavar="N",
    help="Also the members of each set nearest to N, or to one size for each symbol: H=500,W=375.",
)
@click.option("--all", "every_dim", is_flag=True, help="Also treat fixed dims as symbols.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "jsonl"]),
    default="text",
    help="How to show it; jsonl has a line for each CONFIG, which it gets as soon as it is there.",
)
@depth_option
@colour_option
def command(
    configs: tuple[str, ...],
    overrides: Overrides,
    near: str | None,
    every_dim: bool,
    format_: str,
    depth: int | None,
    color: str,
) -> None:
    """The sizes of each symbol of CONFIGS that run, that lose nothing, and whose skips are aligned; with proof.

    Exit code 1 where a declared size does not run, or a symbol has none that does; standard error has what stops it.
    """
    show = partial(
        _show,
        overrides=overrides,
        near=near,
        every_dim=every_dim,
        format_=format_,
        depth=depth,
        colour=use_colour(color),
    )
    show_each(configs, format_, show)


def _show(
    config: str,
    *,
    overrides: Overrides,
    near: str | None,
    every_dim: bool,
    format_: str,
    depth: int | None,
    colour: bool,
) -> None:
    """Show the sizes of one network; the command ends with 1 where one is left out."""
    complain = partial(_complain, config=config, format_=format_)
    # With every dim open, other sizes may make an argument right that is wrong for the numbers that are written.
    text, net = loaded(config, overrides, complain, allow_argument_errors=every_dim)
    from tracer.api.functions import sizes as sizes_of
    from tracer.views.sizes import narrowest, sizes_answer, sizes_table

    try:
        with waiting(f"{shown(config)}: its sizes are solved"):
            found = sizes_of(net, all=every_dim)
    except TracerError as error:
        complain(error.diagnostics, text)
        raise click.exceptions.Exit(1) from None
    wished = _near(near, found.axes)
    forms = net.forms(
        {symbol: narrowest(axis)[1] for symbol, axis in found.axes.items()}, every_dim=every_dim
    )
    if format_ != "text":
        from tracer.views.found import in_json

        declared = net.network.defaults()
        answer = sizes_answer(found, forms, wished, declared, shown(config))
        click.echo(in_json(answer, format_), nl=False)
    else:
        console = console_for(colour)
        misaligned = _misaligned(net, found)
        for part in sizes_table(net, found, forms, wished, depth, misaligned):
            console.print(part)
    if not _is_left_out(net, found):
        return

    known = {symbol for symbol in net.symbols if symbol in net.network.sizes}
    if known == set(net.symbols):  # what stops it at the declared sizes, as one of the reasons
        from tracer.repairing.repairs import faults_of

        stops = faults_of(net)
        tell(stops, text, config=config)
    raise click.exceptions.Exit(1)


def _is_left_out(net: Net, found: WorkingSizes) -> bool:
    """Whether a declared size does not run, or some symbol has no size that does."""
    from tracer.views.sizes import first_outside

    return any(
        not axis.runs or first_outside(net.network, symbol, axis) is not None
        for symbol, axis in found.axes.items()
    )


def _misaligned(net: Net, found: WorkingSizes) -> list[str]:
    """The merges where the declared sizes are not aligned, if a symbol has no aligned sizes at all."""
    if not any(axis.lossless and not axis.aligned for axis in found.axes.values()):
        return []
    from tracer.rules import judge

    apart = [d.node for d in judge(net) if d.code == "T503" and d.node is not None]
    return list(dict.fromkeys(apart))


def _near(text: str | None, symbols: Collection[str]) -> dict[str, int]:
    """The sizes that ``--near`` wants neighbours of: one for all symbols, or one for each that is named."""
    if text is None:
        return {}
    found: dict[str, int] = {}
    for item in text.split(","):
        name, equals, size = item.rpartition("=")
        if not (size.isascii() and size.isdigit() and int(size) <= LARGEST):
            raise click.BadParameter(f"{item!r}: write 500 or H=500,W=375", param_hint="--near")
        if equals and name not in symbols:
            raise click.BadParameter(f"the input has no symbol {name!r}", param_hint="--near")
        found |= dict.fromkeys([name] if equals else symbols, int(size))
    return found


def _complain(found: list[Diagnostic], text: str, *, config: str, format_: str) -> None:
    """A config that could not be loaded: the answer in JSON has no axes."""
    if format_ != "text":
        from tracer.views.found import FORMAT_VERSION, in_json
        from tracer.views.sizes import SizesAnswer

        answer = SizesAnswer(FORMAT_VERSION, {}, [], [], shown(config))
        click.echo(in_json(answer, format_), nl=False)
    tell(found, text, config=config)
