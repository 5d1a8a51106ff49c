"""``tracer explain``: a diagnostic's manual page."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import click

from tracer.commands.options import completed

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _codes(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from tracer.rules.manual import manual

    return completed(manual(), incomplete)


@click.command("explain")
@click.argument("code", required=False, shell_complete=_codes)
def command(code: str | None) -> None:
    """Show the manual page of CODE, with a bad and a good config; without CODE, list all codes."""
    from tracer.rules.manual import manual
    from tracer.views.manual import explained, listing

    if code is None:
        click.echo(listing(), nl=False)
        return
    rule = manual().get(code.upper())
    if rule is None:
        hint = _nearest(code.upper(), manual()) or "`tracer explain` lists the codes"
        raise click.UsageError(f"no diagnostic has the code {code!r}; {hint}")
    click.echo(explained(rule), nl=False)


def _nearest(code: str, codes: Collection[str]) -> str | None:
    """The nearest code, one of the same range first."""
    from tracer.network.values import did_you_mean

    same_range = [known for known in codes if known[:2] == code[:2]]
    return did_you_mean(code, same_range or list(codes))
