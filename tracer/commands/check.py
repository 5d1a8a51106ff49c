"""``tracer check``: everything wrong with any number of configs."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import click

from tracer.api.check_line import EXIT_ZERO, FORMAT, STRICT
from tracer.commands.options import (
    Overrides,
    colour_option,
    files,
    network_options,
    report_option,
    use_colour,
    write_output,
)
from tracer.commands.project import Project, nearest_project
from tracer.commands.reading import read, texts
from tracer.commands.scope import CheckScope, ScopeAsked, scope_options
from tracer.commands.searching import find_configs, networks_in
from tracer.diagnostics import Diagnostic
from tracer.views.reports import beside, reported

PARALLEL = 48
"""From this many files on, several processes pay for their start."""

Checked = tuple[list[Diagnostic], str, bool]
"""Diagnostics, the source if there are any, and false where the file could not be read."""


def check_one(path: str, overrides: Overrides, called: str | None = None) -> Checked:
    """Check one file; bad input is among the diagnostics. The source of a clean file stays in its process."""
    reading = read(path, overrides, called)
    return reading.found, reading.text if reading.found else "", reading.is_readable


def _check_many(
    paths: list[str], overrides: Overrides, stdin_filename: str | None
) -> Iterator[Checked]:
    workers = _cores()
    if len(paths) < PARALLEL or workers < 2 or "-" in paths:
        for path in paths:
            yield check_one(path, overrides, _called(path, stdin_filename))
        return

    import multiprocessing
    from functools import partial

    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else None)
    check = partial(check_one, overrides=overrides)
    with _left_alone(), context.Pool(workers) as pool:
        yield from pool.imap(check, paths, chunksize=max(1, min(32, len(paths) // 16)))


@contextmanager
def _left_alone() -> Iterator[None]:
    """Keep the collector of cycles off what is there already, so that no forked process copies it to mark it."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _called(path: str, stdin_filename: str | None) -> str:
    """What the report calls a file."""
    return stdin_filename if path == "-" and stdin_filename else path


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _counted(results: Iterator[Checked], count: int) -> Iterator[Checked]:
    """The results; where there are many, a person at a terminal sees how far they are."""
    if count < PARALLEL:
        return results
    from tracer.commands.waiting import counted

    return counted(results, "checking", count)


@click.command("check")
@click.argument("configs", nargs=-1, shell_complete=files)
@network_options
@report_option(STRICT)
@scope_options
@report_option(FORMAT, "format_")
@click.option(
    "--statistics", is_flag=True, help="Count the findings by code, and show nothing else."
)
@click.option(
    "-o",
    "--output-file",
    metavar="PATH",
    help="Write the report there, not to standard output.",
)
@report_option(EXIT_ZERO)
@click.option(
    "--stdin-filename", metavar="PATH", help="What standard input is called in the report."
)
@colour_option
def command(
    configs: tuple[str, ...],
    overrides: Overrides,
    strict: bool | None,
    asked: ScopeAsked,
    format_: str,
    statistics: bool,
    output_file: str | None,
    exit_zero: bool,
    stdin_filename: str | None,
    color: str,
) -> None:
    """Validate CONFIGS: files, directories (searched for networks), or - for standard input.

    Without CONFIGS, the working directory is searched, and what the nearest pyproject.toml promises is checked: every
    [[tool.tracer.source]] in it. [tool.tracer] there has include, exclude, select, ignore, per-file-ignores and strict.
    """
    project = nearest_project()
    scope = asked.within(project)
    outcome = _checked(configs, overrides, project, scope, stdin_filename)
    found = sorted(filter(scope.counts, outcome.found), key=lambda d: d.order)

    colour = output_file is None and use_colour(color)
    report = reported(found, outcome.texts, format_, colour=colour)
    if statistics:
        report = _statistics(found, format_)
    _give(report, output_file, colour)
    click.echo(beside(found, outcome.networks, format_), nl=False, err=True)

    is_strict = scope.settings.strict if strict is None else strict
    failing = any(d.severity == "error" or is_strict for d in found) and not exit_zero
    raise click.exceptions.Exit(2 if not outcome.all_readable else 1 if failing else 0)


class AllChecked(NamedTuple):
    """What was found in all networks."""

    found: list[Diagnostic]
    texts: dict[str, str]
    """The texts that findings quote, by path."""
    networks: int
    all_readable: bool = True

    def with_(self, other: AllChecked) -> AllChecked:
        """This and what was found elsewhere."""
        return AllChecked(
            self.found + other.found,
            self.texts | other.texts,
            self.networks + other.networks,
            self.all_readable and other.all_readable,
        )


def _checked(
    configs: tuple[str, ...],
    overrides: Overrides,
    project: Project | None,
    scope: CheckScope,
    stdin_filename: str | None,
) -> AllChecked:
    """What is found in the networks of the command line, or in those of the project; and in its file."""
    faults = [] if project is None else project.faults
    wrong = AllChecked(list(faults), {}, 0, not faults)
    if project is not None:
        wrong.texts[project.path] = project.text

    if configs:
        paths = find_configs(configs, scope.search, stdin_filename)
        return _given(paths, overrides, stdin_filename).with_(wrong)
    if overrides.is_of_a_network:
        raise click.UsageError("say which network these options are for: tracer check SOURCE")

    searched = _searched(overrides, project, scope)
    promised = _promised(overrides, project)
    if not searched.networks and not promised.networks and not faults:
        raise click.UsageError(
            "there is nothing to check: name a network, or promise something of one under [[tool.tracer.source]] in "
            "pyproject.toml"
        )
    return searched.with_(promised).with_(wrong)


def _given(
    paths: list[str], overrides: Overrides, stdin_filename: str | None = None
) -> AllChecked:
    """What is found in these networks."""
    results = _counted(_check_many(paths, overrides, stdin_filename), len(paths))

    found: list[Diagnostic] = []
    quoted: dict[str, str] = {}
    all_readable = True
    for path, (diagnostics, text, is_readable) in zip(paths, results):
        found += diagnostics
        quoted |= texts(diagnostics, text, _called(path, stdin_filename))
        all_readable = all_readable and is_readable
    return AllChecked(found, quoted, len(paths), all_readable)


def _searched(overrides: Overrides, project: Project | None, scope: CheckScope) -> AllChecked:
    """What is found in the networks below the working directory of which the project promises nothing."""
    sources = [] if project is None else project.named_sources()
    named = {os.path.normpath(name) for name, _ in sources}
    paths = networks_in(".", scope.search)
    return _given([path for path in paths if path not in named], overrides)


def _promised(overrides: Overrides, project: Project | None) -> AllChecked:
    """What is found in the networks that the project promises something of."""
    from tracer.commands.promises import read_promised

    outcome = AllChecked([], {}, 0)
    if project is None:
        return outcome
    for name, source in project.named_sources():
        reading = read_promised(source, project, overrides.seconds)
        quoted = texts(reading.found, reading.text, name)
        outcome = outcome.with_(AllChecked(reading.found, quoted, 1, reading.is_readable))
    return outcome


def _give(report: str, output_file: str | None, colour: bool) -> None:
    """Write the report where it is wanted."""
    if output_file is None:
        click.echo(report, nl=False, color=colour)
    else:
        write_output(output_file, report.encode())


def _statistics(found: list[Diagnostic], format_: str) -> str:
    """How often each code was found."""
    from tracer.views import statistics

    if format_ == "json":
        return statistics.as_json(found)
    return statistics.as_text(found)
