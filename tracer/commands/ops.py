"""``tracer ops``: the operations and their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracer.commands.options import completed
from tracer.network.values import did_you_mean
from tracer.ops.registry import find_operation, operation_names

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return completed(operation_names(), incomplete)


@click.command("ops")
@click.argument("name", required=False, shell_complete=_names)
def command(name: str | None) -> None:
    """List the operations, or show the page of NAME: its arguments, their types and defaults."""
    from tracer.views.operations import listing, page

    if name is None:
        click.echo(listing(), nl=False)
        return
    cls = find_operation(name)
    if cls is None:
        hint = did_you_mean(name, operation_names()) or "`tracer ops` lists them"
        raise click.UsageError(f"no operation is called {name!r}; {hint}")
    click.echo(page(cls), nl=False)
