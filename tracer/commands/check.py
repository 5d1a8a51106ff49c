"""``tracer check``: everything wrong with any number of configs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from tracer.commands.options import Overrides, colour_option, network_options, use_colour
from tracer.commands.reading import find_configs, read, texts
from tracer.diagnostics import Diagnostic

PARALLEL = 48
"""From this many files on, several processes pay for their start."""

Checked = tuple[list[Diagnostic], str, bool]
"""Diagnostics, the source if there are any, and false where the file could not be read."""


def check_one(path: str, overrides: Overrides) -> Checked:
    """Check one file; bad input is among the diagnostics. The source of a clean file stays in its process."""
    reading = read(path, overrides)
    return reading.found, reading.text if reading.found else "", reading.is_readable


def _check_many(paths: list[str], overrides: Overrides) -> Iterator[Checked]:
    workers = _cores()
    if len(paths) < PARALLEL or workers < 2 or "-" in paths:
        for path in paths:
            yield check_one(path, overrides)
        return

    import multiprocessing
    from functools import partial

    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else None)
    check = partial(check_one, overrides=overrides)
    with context.Pool(workers) as pool:
        yield from pool.imap(check, paths, chunksize=max(1, min(32, len(paths) // 16)))


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _with_progress(results: Iterator[Checked], count: int) -> Iterator[Checked]:
    """A progress bar on standard error, where that is a terminal and there is something to wait for."""
    if count < PARALLEL or not sys.stderr.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(
        results, "checking", total=count, console=Console(stderr=True), transient=True
    )


@click.command("check")
@click.argument("configs", nargs=-1)
@network_options
@click.option("--strict", is_flag=True, help="Warnings count as findings.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["full", "concise", "json", "sarif", "github"]),
    default="full",
    help="How to report.",
)
@colour_option
def command(
    configs: tuple[str, ...],
    overrides: Overrides,
    strict: bool,
    format_: str,
    color: str,
) -> None:
    """Validate CONFIGS: files, directories (searched for *.yaml and *.yml), or - for standard input.

    Without CONFIGS, what the nearest pyproject.toml promises is checked: every [[tool.tracer.source]] in it.
    """
    outcome = _promised(overrides) if not configs else _given(configs, overrides)
    found = sorted(outcome.found, key=lambda d: d.order)

    colour = use_colour(color)
    click.echo(_report(found, outcome.texts, format_, colour), nl=False, color=colour)
    if format_ in ("full", "concise"):
        from tracer.views.report import summary

        click.echo(summary(found, outcome.networks), err=True)

    failing = any(d.severity == "error" or strict for d in found)
    raise click.exceptions.Exit(2 if not outcome.all_readable else 1 if failing else 0)


class AllChecked(NamedTuple):
    """What was found in all networks."""

    found: list[Diagnostic]
    texts: dict[str, str]
    """The texts that findings quote, by path."""
    networks: int
    all_readable: bool


def _given(configs: tuple[str, ...], overrides: Overrides) -> AllChecked:
    """What is found in the networks of the command line."""
    paths = find_configs(configs)
    results = _with_progress(_check_many(paths, overrides), len(paths))

    found: list[Diagnostic] = []
    quoted: dict[str, str] = {}
    all_readable = True
    for path, (diagnostics, text, is_readable) in zip(paths, results):
        found += diagnostics
        quoted |= texts(diagnostics, text, path)
        all_readable = all_readable and is_readable
    return AllChecked(found, quoted, len(paths), all_readable)


def _promised(overrides: Overrides) -> AllChecked:
    """What is found in the networks of the nearest pyproject.toml."""
    from tracer.commands.promises import nearest_promises, read_promised

    if overrides.is_of_a_network:
        raise click.UsageError("say which network these options are for: tracer check SOURCE")
    promises = nearest_promises()
    if promises is None:
        raise click.UsageError(
            "there is nothing to check: name a network, or promise something of one under [[tool.tracer.source]] in "
            "pyproject.toml"
        )

    found = list(promises.faults)
    quoted = {promises.path: promises.text}
    all_readable = not promises.faults
    for source in promises.sources:
        reading = read_promised(source, promises, overrides.seconds)
        found += reading.found
        quoted = texts(reading.found, reading.text, source.named(promises.folder)) | quoted
        all_readable = all_readable and reading.is_readable
    return AllChecked(found, quoted, len(promises.sources), all_readable)


def _report(
    found: list[Diagnostic], sources: dict[str, str], format_: str, colour: bool
) -> str:
    if format_ == "json":
        from tracer.views.answers import check_answer, to_json

        return to_json(check_answer(found))
    if format_ == "sarif":
        from tracer.views.answers import to_json
        from tracer.views.sarif import sarif

        return to_json(sarif(found))
    from tracer.views import report

    if format_ == "github":
        return report.github(found)
    paint = report.painted if colour else report.plain
    return (
        report.concise(found, paint)
        if format_ == "concise"
        else report.full(found, sources, paint)
    )
