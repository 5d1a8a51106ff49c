"""``tracer lsp``: the language server that an editor starts."""

from __future__ import annotations

import click

from tracer.commands.options import need


@click.command("lsp")
@click.option(
    "--stdio",
    is_flag=True,
    help="Talk over standard input and output, as always.",
)
def command(stdio: bool) -> None:
    """Serve an editor over standard input and output: findings as one types, shapes, completion, renaming.

    An editor starts it; tracer/editors/README.md has the lines for some. Configs alone are read, and no Python is run.
    """
    need("pygls", "lsp")
    from tracer.editors.server import serve

    took_leave = serve(lambda path, one: True)
    raise click.exceptions.Exit(0 if took_leave else 1)
