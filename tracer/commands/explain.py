"""``tracer explain``: a diagnostic's manual page."""

from __future__ import annotations

import click


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Show the manual page of CODE, with a bad and a good config; without CODE, list all codes."""
    from tracer.network.values import did_you_mean
    from tracer.rules.manual import manual
    from tracer.views.manual import explained, listing

    if code is None:
        click.echo(listing(), nl=False)
        return
    rule = manual().get(code.upper())
    if rule is None:
        hint = did_you_mean(code.upper(), manual()) or "`tracer explain` lists the codes"
        raise click.UsageError(f"no diagnostic has the code {code!r}; {hint}")
    click.echo(explained(rule), nl=False)
