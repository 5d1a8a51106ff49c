"""``tracer watch``: what ``check`` and ``trace`` say of a config, anew whenever its file changes."""

from __future__ import annotations

import sys
import time

import click

from tracer.commands.following import changes, followed, refuse_unfollowable
from tracer.commands.options import (
    Overrides,
    colour_option,
    console_for,
    depth_option,
    files,
    is_terminal,
    need,
    network_options,
    shown,
    use_colour,
)
from tracer.commands.reading import Reading, texts
from tracer.views import report


@click.command("watch")
@click.argument("config", shell_complete=files)
@network_options
@depth_option
@colour_option
def command(
    config: str,
    overrides: Overrides,
    depth: int | None,
    color: str,
) -> None:
    """Show CONFIG's table and diagnostics, and again at each change of the file. Ctrl-C ends it."""
    need("watchfiles", "serve")
    refuse_unfollowable(config)
    colour = use_colour(color)
    try:
        _show(config, followed(config, overrides), depth, colour)
        for _ in changes(config):
            _show(config, followed(config, overrides), depth, colour)
    except KeyboardInterrupt:
        return


def _show(config: str, reading: Reading, depth: int | None, colour: bool) -> None:
    """One report; on a terminal in the place of the last."""
    if is_terminal(sys.stdout):
        click.clear()
    if reading.net is not None:
        from tracer.views.table import table

        console_for(colour).print(
            table(reading.net.trace(), depth, reading.net.solution().assignments)
        )
    click.echo(report.full(reading.found, texts(reading.found, reading.text, config)), nl=False)
    errors = sum(d.severity == "error" for d in reading.found)
    verdict = f"{errors} error{'s' * (errors != 1)}" if errors else "no errors"
    click.echo(f"{time.strftime('%H:%M:%S')} {shown(config)}: {verdict}")
    sys.stdout.flush()
