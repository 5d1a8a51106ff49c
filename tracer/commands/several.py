"""Commands that answer for several networks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

import click

from tracer.commands.options import shown


def refuse_one_document(configs: Sequence[str], format_: str) -> None:
    """Raise click.UsageError where several networks are to make one document."""
    if len(configs) > 1 and format_ not in ("text", "jsonl"):
        raise click.UsageError(
            f"{len(configs)} networks are as many documents: --format jsonl has one on each line"
        )


def show_each(configs: Sequence[str], format_: str, show: Callable[[str], None]) -> NoReturn:
    """Show the answer for each network as soon as it is there, and end the command with the worst exit code."""
    refuse_one_document(configs, format_)
    is_titled = len(configs) > 1 and format_ == "text"
    worst = 0
    for config in configs:
        if is_titled:
            click.echo(f"{shown(config)}:")
        try:
            show(config)
        except click.exceptions.Exit as end:
            worst = max(worst, end.exit_code)
    raise click.exceptions.Exit(worst)
