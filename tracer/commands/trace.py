"""``tracer trace``: the shape of every node."""

from __future__ import annotations

import sys

import click

from tracer.commands.options import (
    Overrides,
    colour_option,
    is_terminal,
    network_options,
    open_net,
    shown,
    source_of,
    unreadable,
    use_colour,
)
from tracer.diagnostics import Diagnostic, TracerError
from tracer.rules import judge
from tracer.views import report


class Depth(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A number of levels, or ``all``."""

    name = "depth"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value == "all" or value is None:
            return None
        if isinstance(value, int) or (isinstance(value, str) and value.isdecimal() and 1 <= int(value) <= 99):
            return int(value)
        return self.fail(f"{value!r} is neither a number from 1 nor 'all'", param, ctx)


@click.command("trace")
@click.argument("config")
@network_options
@click.option("--strict", is_flag=True, help="Warnings count as findings.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    default="table",
    help="How to show it.",
)
@click.option("--depth", type=Depth(), default=1, show_default=True, help="Levels of blocks to unfold, or all.")
@colour_option
def command(
    config: str,
    sets: tuple[str, ...],
    sizes: tuple[str, ...],
    inputs: tuple[str, ...],
    strict: bool,
    format_: str,
    depth: int | None,
    color: str,
) -> None:
    """Show the shape of every node of CONFIG (- for standard input)."""
    overrides = Overrides(sets, sizes, inputs)
    colour = use_colour(color)
    text = ""
    try:
        text = source_of(config)
        net = open_net(text, config, overrides)
    except OSError as error:
        _complain([unreadable(config, error)], text, config, format_)
        raise click.exceptions.Exit(2) from None
    except TracerError as error:
        _complain(error.diagnostics, text, config, format_)
        raise click.exceptions.Exit(1) from None
    found = judge(net)
    trace = net.trace()
    if format_ == "json":
        from tracer.views.answers import to_json, trace_answer

        click.echo(to_json(trace_answer(trace, found)), nl=False)
    elif format_ == "table":
        from rich.console import Console

        from tracer.views.table import table

        console = Console(
            force_terminal=colour,
            color_system="standard" if colour else None,
            width=None if is_terminal(sys.stdout) else 160,
            highlight=False,
        )
        console.print(table(trace, depth, net.plan(trace.sizes).assignments))
        click.echo(report.full(found, {shown(config): text}), nl=False, err=True)
    else:
        from tracer.views.table import to_csv, to_markdown

        click.echo((to_csv if format_ == "csv" else to_markdown)(trace, depth), nl=False)
        click.echo(report.concise(found), nl=False, err=True)
    failing = any(d.severity == "error" or strict for d in found)
    raise click.exceptions.Exit(1 if failing else 0)


def _complain(found: list[Diagnostic], text: str, config: str, format_: str) -> None:
    """A config that could not be loaded: in JSON the answer still has its diagnostics."""
    if format_ == "json":
        from tracer.views.answers import FORMAT_VERSION, Totals, TraceAnswer, diagnostic_answer, to_json

        answers = [diagnostic_answer(d) for d in found]
        answer = TraceAnswer(FORMAT_VERSION, None, shown(config), {}, [], {}, Totals(0, 0, 0, 0), answers)
        click.echo(to_json(answer), nl=False)
    else:
        click.echo(report.full(found, {shown(config): text}), nl=False, err=True)
