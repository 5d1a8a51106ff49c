"""``tracer verify``: the built torch module against the traced shapes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tracer.commands.options import (
    Overrides,
    colour_option,
    console_for,
    files,
    need_torch,
    network_options,
    shown,
    use_colour,
)
from tracer.commands.reading import complain as tell
from tracer.commands.reading import loaded
from tracer.commands.waiting import Waited, waiting
from tracer.diagnostics import Diagnostic, TracerError

if TYPE_CHECKING:
    from tracer.torch_bridge.verification import Verification


@click.command("verify")
@click.argument("config", shell_complete=files)
@network_options
@click.option(
    "--count",
    type=click.IntRange(0, 1000),
    default=8,
    show_default=True,
    help="Other sizes to compare.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to show it.",
)
@colour_option
def command(
    config: str,
    overrides: Overrides,
    count: int,
    format_: str,
    color: str,
) -> None:
    """Build CONFIG with torch and compare every node, for sizes that run and for sizes that don't.

    Exit code 1 where the network does not close, 3 where torch disagrees: that is a bug in tracer.
    """
    need_torch()
    complain = partial(_complain, config=config, format_=format_)
    text, net = loaded(config, overrides, complain)
    from tracer.torch_bridge.verifying import verify

    try:
        with waiting(f"{shown(config)}: is compared with torch") as work:
            found = list(verify(net, count, partial(_counted, work)))
    except TracerError as error:
        complain(error.diagnostics, text)
        raise click.exceptions.Exit(1) from None
    _show(found, net.params, net.to_yaml(), format_, use_colour(color))
    raise click.exceptions.Exit(3 if any(one.differences for one in found) else 0)


def _counted(work: Waited, forwards: list[Any]) -> Iterator[Any]:
    """The forwards, which are counted as they are run."""
    work.total = len(forwards)
    for one in forwards:
        yield one
        work.step()


def _show(
    found: list[Verification], params: dict[str, Any], text: str, format_: str, colour: bool
) -> None:
    from tracer.views.verify import disagreement, verify_answer, verify_table

    if format_ == "json":
        from tracer.views.found import to_json

        click.echo(to_json(verify_answer(found)), nl=False)
    else:
        console_for(colour).print(verify_table(found))
    if any(one.differences for one in found):
        click.echo(disagreement(found, params, text), nl=False, err=True)


def _complain(found: list[Diagnostic], text: str, *, config: str, format_: str) -> None:
    """A config that could not be loaded, or does not close: the answer in JSON compares nothing."""
    if format_ == "json":
        from tracer.views.found import to_json
        from tracer.views.verify import verify_answer

        click.echo(to_json(verify_answer([])), nl=False)
    tell(found, text, config=config)
