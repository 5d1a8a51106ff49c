"""``tracer trace``: the shape of every node."""

from __future__ import annotations

from collections.abc import Mapping
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
from tracer.commands.reading import loaded, open_net
from tracer.commands.training import (
    StepWish,
    fitting,
    largest_fitting,
    training_options,
    with_batch,
)
from tracer.commands.waiting import waiting
from tracer.diagnostics import Diagnostic, TracerError
from tracer.net import Differing, Net
from tracer.ops.base import written
from tracer.rules import judge
from tracer.views import report

if TYPE_CHECKING:
    from tracer.views.answers import BuiltAnswer


@click.command("trace")
@click.argument("config", shell_complete=files)
@network_options
@click.option("--strict", is_flag=True, help="Warnings count as findings.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    default="table",
    help="How to show it.",
)
@training_options
@click.option(
    "--as-built",
    is_flag=True,
    help="Keep the values of the module that is built for the declared sizes.",
)
@depth_option
@colour_option
def command(
    config: str,
    overrides: Overrides,
    strict: bool,
    format_: str,
    dtype: str,
    asked: StepWish,
    as_built: bool,
    depth: int | None,
    color: str,
) -> None:
    """Show the shape of every node of CONFIG (- for standard input).

    With --size or --input every auto is solved for those sizes. Where the module that build and export make for the
    declared ones has other values, a line says so; --as-built shows what that module does.

    Below the table follow what training keeps for the backward pass and where a run peaks; with --optimizer, --amp or
    --checkpoint what a whole training step takes, and what for; with --memory whether that fits, and the largest
    sizes, of those that run, that do.
    """
    colour = use_colour(color)
    text, net = loaded(config, overrides, partial(_complain, config=config, format_=format_))
    declared = _declared(net, text, config, overrides)
    net = with_batch(net, asked.batch)
    if as_built:
        net = _built_as(net, declared)
    differing = None if declared is None else net.differences(declared)
    with waiting(f"{shown(config)}: is traced"):
        found = judge(net)
        trace = net.trace()
        step = fitting(net, asked)
        largest = largest_fitting(net, asked)
    if format_ == "json":
        from tracer.views.answers import trace_answer
        from tracer.views.found import to_json

        built = _built_answer(declared, differing)
        assignments = net.solution().assignments
        answer = trace_answer(trace, found, dtype, largest, assignments, built, step)
        click.echo(to_json(answer), nl=False)
    elif format_ == "table":
        from tracer.views.table import memory_text, table

        below = memory_text(trace, dtype, step, largest)
        console_for(colour).print(
            table(trace, depth, net.solution().assignments, dtype),
            *[below] * bool(below),
            sep="",
        )
        tell(found, text, config=config)
    else:
        from tracer.views.table import to_csv, to_markdown

        click.echo((to_csv if format_ == "csv" else to_markdown)(trace, depth, dtype), nl=False)
        click.echo(report.concise(found), nl=False, err=True)
    if differing and declared is not None and format_ != "json":
        click.echo(_unlike_built(net, declared, differing), err=format_ != "table")
    failing = any(d.severity == "error" or strict for d in found)
    raise click.exceptions.Exit(1 if failing else 0)


def _declared(net: Net, text: str, config: str, overrides: Overrides) -> Net | None:
    """The network at its declared sizes, where others are given; None where none is built for those."""
    if net.read_from is not None or not (overrides.sizes or overrides.inputs):
        return net if net.trace().is_complete else None
    try:
        declared = open_net(
            text, config, Overrides.of_params(overrides.params, overrides.until)
        )
    except TracerError:
        return None
    return declared if declared.trace().is_complete else None


def _built_as(net: Net, declared: Net | None) -> Net:
    """The network with the values of the module for the declared sizes."""
    if declared is None:
        raise click.UsageError(
            "--as-built: no module is built, as the declared sizes do not run"
        )
    return net.built_as(declared)


def _built_answer(
    declared: Net | None, differing: Mapping[str, Differing] | None
) -> BuiltAnswer | None:
    """What the module for the declared sizes has instead; None where nothing differs."""
    from tracer.views.answers import BuiltAnswer

    if declared is None or not differing:
        return None
    values = {name: list(there or ()) for name, (_, there) in differing.items()}
    return BuiltAnswer(declared.network.defaults(), values)


def _unlike_built(net: Net, declared: Net, differing: Mapping[str, Differing]) -> str:
    """The line that says which values are not those of the module for the declared sizes."""
    mine = ", ".join(f"{name} {written(here)}" for name, (here, _) in differing.items())
    theirs = ", ".join(f"{name} {written(there)}" for name, (_, there) in differing.items())
    return (
        f"solved for {_sizes_text(net)}: {mine}; the module that is built for {_sizes_text(declared)} has "
        f"{theirs} (--as-built traces that one)"
    )


def _sizes_text(net: Net) -> str:
    return ", ".join(f"{symbol}={n}" for symbol, n in net.network.defaults().items())


def _complain(found: list[Diagnostic], text: str, *, config: str, format_: str) -> None:
    """A config that could not be loaded: in JSON the answer still has its diagnostics."""
    if format_ == "json":
        from tracer.views.answers import Totals, TraceAnswer
        from tracer.views.found import FORMAT_VERSION, diagnostic_answer, to_json

        answers = [diagnostic_answer(d) for d in found]
        answer = TraceAnswer(
            FORMAT_VERSION,
            None,
            shown(config),
            {},
            [],
            {},
            Totals(0, 0, 0, 0, None, None, None, None, 0),
            answers,
        )
        click.echo(to_json(answer), nl=False)
    else:
        tell(found, text, config=config)
