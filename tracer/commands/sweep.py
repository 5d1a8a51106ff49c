"""``tracer sweep``: every combination of params and sizes, checked, planned and costed."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

import click

from tracer.commands.options import (
    Overrides,
    colour_option,
    console_for,
    files,
    is_config,
    need,
    shown,
    source_options,
    use_colour,
)
from tracer.commands.plotting import (
    FrontRows,
    check_plot,
    is_page,
    write_page,
    write_picture,
)
from tracer.commands.reading import complain, loaded, open_net, text_of
from tracer.costs.operations import DTYPE_BYTES
from tracer.diagnostics import Diagnostic, TracerError, shortened
from tracer.neighbours.reading import is_neighbour

if TYPE_CHECKING:
    from tracer.sweep.axes import SweepAxis
    from tracer.sweep.finding import FrontPart, FrontSearch
    from tracer.sweep.in_order import Taker
    from tracer.sweep.journal import Journal
    from tracer.sweep.pareto_front import FrontSoFar, ParetoFront
    from tracer.sweep.study import Study
    from tracer.sweep.table_files import TableFile
    from tracer.sweep.wishes import RowWish

Report = Callable[[list[Diagnostic], str], None]
"""Reports what is wrong with a text."""

CONFIRMED = 5_000_000
"""Sweeps of more rows need a confirmation."""

SHOWN = 20
"""Rows of the table at the end."""

OBJECTIVES = "macs,memory,params,receptive_field"
"""And the sizes that are varied: a design that takes a larger input is not beaten by one that costs less for a smaller.
"""


@click.command("sweep")
@click.argument("config", required=False, shell_complete=files)
@click.option(
    "--family", help="Design the networks of a family in place of CONFIG: unet, linknet, ..."
)
@click.option(
    "--vary",
    "varied",
    multiple=True,
    metavar="NAME=VALUES",
    help="A param's values: 16,32,64 or 3..7.",
)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="SYMBOL=VALUES",
    help="A symbol's sizes: H=64..512:32; H=W=... ties two.",
)
@source_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="rows.parquet, .csv or .jsonl; otherwise none.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "jsonl"]),
    default="table",
    show_default=True,
    help="What standard output gets: the Pareto front, or every row, as it is computed (with --find the front's).",
)
@click.option("--overwrite", is_flag=True, help="Replace the output where it is there already.")
@click.option(
    "--where",
    metavar="EXPRESSION",
    help='Which rows are compared at the end: "macs < 5e9 and aligned".',
)
@click.option(
    "--find",
    metavar="CONDITIONS",
    help='Keep nothing but the Pareto front of the rows that meet these: "H=512, field >= 300, fits 8GiB".',
)
@click.option(
    "--write-front",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="With --find: write the config of each row that is shown.",
)
@click.option(
    "--objectives",
    metavar="COLUMN,...",
    help=f"What they are compared in; otherwise {OBJECTIVES} and the varied sizes.",
)
@click.option(
    "--top",
    type=click.IntRange(1, 10_000),
    default=SHOWN,
    show_default=True,
    help="Rows of the table.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False),
    help="A picture of the rows: .svg, .png or .pdf. A page of their front, with configs and pictures: .html.",
)
@click.option(
    "--dtype",
    type=click.Choice(sorted(DTYPE_BYTES)),
    default="float32",
    show_default=True,
    help="Of maps.",
)
@click.option(
    "--workers", type=click.IntRange(1, 1024), help="Processes; otherwise one for each core."
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="A running Dask scheduler whose workers compute: tcp://host:8786.",
)
@click.option("--yes", is_flag=True, help="Do not ask, however many rows there are.")
@colour_option
def command(
    config: str | None,
    family: str | None,
    varied: tuple[str, ...],
    sizes: tuple[str, ...],
    overrides: Overrides,
    output: str | None,
    format_: str,
    overwrite: bool,
    where: str | None,
    find: str | None,
    write_front: str | None,
    objectives: str | None,
    top: int,
    plot: str | None,
    dtype: str,
    workers: int | None,
    dask: str | None,
    yes: bool,
    color: str,
) -> None:
    """Check, plan and cost CONFIG for every combination of --vary and --size.

    Rows go to the output, params that decide the structure turning slowest, sizes fastest. A sweep that is interrupted
    goes on where it was when the same command is given again. At the end comes their Pareto front.
    """
    if (config is None) == (family is None):
        raise click.UsageError("give a CONFIG, or --family NAME")
    if find is None and write_front is not None:
        raise click.UsageError("--write-front is for --find")
    swept = Swept(config, family, _axes(varied, sizes), overrides, dtype)
    if dask is not None:
        need("distributed", "sweep")

    is_lines = format_ == "jsonl"
    colour = use_colour(color)
    if find is not None:
        _refuse_beside_find(output, where, plot)
        search(
            find,
            swept,
            objectives,
            top,
            write_front,
            workers,
            dask,
            yes,
            colour,
            plot,
            is_lines=is_lines,
        )
        return

    if is_lines and where is not None and plot is None:
        raise click.UsageError(
            "--where is for the table and --plot; --format jsonl has every row"
        )
    study = _study(swept, text_of_swept(swept))
    condition = _condition(where, study)
    measures = _objectives(objectives, study)
    _check_output(output, plot, overwrite)
    _confirm(study, yes)

    shown_rows = 0 if is_lines else top
    ending = FrontWanted(condition, measures, shown_rows, plot, colour)
    _every_row(study, output, overwrite, workers, dask, is_lines, ending)


class FrontWanted(NamedTuple):
    """What is said of the rows when they are there."""

    condition: str | None
    measures: list[str]
    top: int
    """Rows of the table; none for 0."""
    plot: str | None
    colour: bool

    @property
    def is_asked(self) -> bool:
        """True where the front is shown."""
        return self.top > 0 or self.plot is not None


def _every_row(
    study: Study,
    output: str | None,
    overwrite: bool,
    workers: int | None,
    dask: str | None,
    is_lines: bool,
    wanted: FrontWanted,
) -> None:
    """Compute every row, write them, and show their front."""
    with _journal(output, study, overwrite) as journal:
        with _table_file(output, study, journal) as table:
            front = _front_of(study, wanted)
            takers = list(_takers(table, is_lines, front))
            keeps = output is not None
            _run(study, journal, workers or os.cpu_count() or 1, dask, takers, keeps=keeps)
            if table is not None:
                _finish(table, journal)
        if output is not None:
            click.echo(f"written: {shown(output)}, {study.rows:,} rows", err=True)
        if front is not None:
            _end(study, journal, front, wanted)
        journal.remove()


def _front_of(study: Study, wanted: FrontWanted) -> FrontSoFar | None:
    """The front of the tasks that are done, where it is shown."""
    from tracer.sweep.candidates import RowComparison
    from tracer.sweep.pareto_front import FrontSoFar, FrontWish

    if not wanted.is_asked:
        return None
    measures = wanted.measures
    larger = study.larger_is_better & set(measures)
    comparison = RowComparison(tuple(measures), frozenset(larger))
    return FrontSoFar(FrontWish(wanted.condition, comparison, wanted.plot is not None))


def _takers(
    table: TableFile | None, is_lines: bool, front: FrontSoFar | None
) -> Iterator[Taker]:
    """Who takes the rows: the file, standard output, and the front."""
    from functools import partial

    from tracer.sweep.in_order import Taker
    from tracer.sweep.table_files import table_part

    if table is not None:
        yield Taker(partial(table_part, ending=table.ending), partial(_add, table))
    if is_lines:
        # Whoever computes them, they come in the sweep's order.
        yield Taker(partial(table_part, ending=".jsonl"), partial(click.echo, nl=False))
    if front is not None:
        yield front.taker


class Swept(NamedTuple):
    """What is swept, as the command line says it."""

    config: str | None
    family: str | None
    axes: list[SweepAxis]
    overrides: Overrides
    dtype: str

    def report(self, found: list[Diagnostic], text: str) -> None:
        """Say what is wrong with the config."""
        complain(found, text, config=str(self.config))


def text_of_swept(swept: Swept) -> str:
    """The config's text; an empty one for a family."""
    if swept.config is None:
        return ""
    return _text(swept.config, swept.overrides, swept.report)


def _study(swept: Swept, text: str, *, opens: bool = False) -> Study:
    """The sweep; where there is none, the command ends. ``opens``: a family's numbers are computed together."""
    from tracer.sweep.axes import Unvaried
    from tracer.sweep.study import config_study, family_study

    params = swept.overrides.params
    axes = swept.axes
    try:
        if swept.family is not None:
            name = _family(swept.family)
            return family_study(name, params, {}, axes, swept.dtype, opens=opens)
        return config_study(text, shown(str(swept.config)), params, {}, axes, swept.dtype)
    except Unvaried as error:
        raise click.UsageError(str(error)) from None
    except TracerError as error:
        swept.report(error.diagnostics, text)
        _tell_first(axes)
        raise click.exceptions.Exit(1) from None


# --- searching -------------------------------------------------------------------------------------------------------


def _refuse_beside_find(output: str | None, where: str | None, plot: str | None) -> None:
    if plot is not None:
        check_plot(plot)
    picture = None if plot is None or is_page(plot) else plot
    given = {"--output": output, "--where": where, "--plot with a picture": picture}
    for option, value in given.items():
        if value is not None:
            raise click.UsageError(
                f"{option} is for a sweep that keeps every row; --find keeps its front alone"
            )


def search(
    find: str,
    swept: Swept,
    objectives: str | None,
    top: int,
    directory: str | None,
    workers: int | None,
    dask: str | None,
    yes: bool,
    colour: bool,
    plot: str | None = None,
    *,
    is_lines: bool = False,
) -> None:
    """Show the Pareto front of the rows that meet some conditions, and write its configs, or a page of it."""

    from tracer.sweep.finding import FrontSearch, misses
    from tracer.sweep.table_files import kinds
    from tracer.sweep.wishes import Misread, check, wishes

    text = text_of_swept(swept)
    try:
        asked = wishes(find)
        symbols = _symbols(swept, text)
        swept.axes.extend(_sizes_asked(asked, swept.axes, symbols))
        study = _study(swept, text, opens=True)
        check(asked, kinds(study), symbols)
    except Misread as error:
        raise click.BadParameter(str(error), param_hint="--find") from None

    measures = _objectives(objectives, study)
    _check_directory(directory)
    _confirm(study, yes)
    larger = study.larger_is_better & set(measures)
    wanted = FrontSearch(tuple(asked), tuple(measures), frozenset(larger))
    found = _searched(study, wanted, workers or os.cpu_count() or 1, dask)
    if not found.meeting:
        for line in misses(wanted, found.nearest):
            click.echo(line, err=True)
        click.echo(f"no row of {study.rows:,} meets --find", err=True)
        raise click.exceptions.Exit(1)

    if is_lines:
        _front_lines(found, top)
    else:
        _show_front(study, wanted, found, top, colour)
    if directory is not None:
        _write_front(Path(directory), study, found, top)
    if plot is not None:
        front = _found_rows(study, wanted, found)
        _plot(plot, lambda path: write_page(path, front))


def _found_rows(study: Study, wanted: FrontSearch, found: FrontPart) -> FrontRows:
    """The front that was found, for its page; the rows beside it were dropped."""
    from tracer.sweep.designs import SHOWN
    from tracer.sweep.finding import places, rows_at
    from tracer.sweep.pareto_front import spaced

    own = places(found)
    numbers = spaced(len(own), SHOWN)
    return FrontRows(
        study=study,
        measures=wanted.measures,
        headline=_found_headline(study, wanted, found),
        rows=dict(zip(numbers, rows_at(found, numbers))),
        places=own,
        others=[],
        other_count=0,
    )


def _found_headline(study: Study, wanted: FrontSearch, found: FrontPart) -> str:
    from tracer.sweep.finding import places

    count = len(places(found))
    return (
        f"{count:,} of {found.meeting:,} rows that meet it, of {study.rows:,}, are on the Pareto front of "
        f"{', '.join(wanted.measures)}"
    )


def _symbols(swept: Swept, text: str) -> list[str]:
    """The symbols whose sizes can be asked for."""
    from tracer.network.reading import read_network

    params = swept.overrides.params
    if swept.family is not None:
        return _symbols_of_family(swept)
    try:
        return list(read_network(text, str(swept.config), params).symbols)
    except (TracerError, ValueError):
        return []  # what is wrong is said when the sweep is made


def _symbols_of_family(swept: Swept) -> list[str]:
    """The symbols of a family's inputs, whatever its dims."""
    from tracer.designing.families import FamilyOptions

    varied = [axis for axis in swept.axes if axis.names == ("dims",)]
    known = [axis[i] for axis in varied for i in range(len(axis))]
    known.append(swept.overrides.params.get("dims", FamilyOptions().dims))
    options = [FamilyOptions(dims=n) for n in known if n in (1, 2, 3)]
    return ["N", *dict.fromkeys(symbol for one in options for symbol in one.symbols)]


def _sizes_asked(
    asked: Sequence[RowWish], axes: Sequence[SweepAxis], symbols: Sequence[str]
) -> list[SweepAxis]:
    """An axis of one size for each symbol that has to have one and is not varied."""
    from tracer.sweep.axes import names_of

    varied = set(names_of(axes))
    found: dict[str, SweepAxis] = {}
    for wish in asked:
        is_size = wish.name in symbols and wish.name not in varied
        if is_size and wish.sign == "=" and wish.value.__class__ is int:
            text = str(wish.value)
            found.setdefault(wish.name, _axis("size", wish.text, [wish.name], text))
    return list(found.values())


def _searched(study: Study, wanted: FrontSearch, workers: int, dask: str | None) -> FrontPart:
    """The front, computed here or by Dask's workers."""
    from functools import partial

    from tracer.sweep.axes import Unvaried
    from tracer.sweep.finding import TooMany, part_of, together
    from tracer.sweep.running import Lost, locally, on_dask

    work = partial(part_of, search=wanted)
    tasks = ((number,) for number in range(study.task_count))
    if dask:
        made = on_dask(study, tasks, dask, work, f"-{wanted.key()}")
    else:
        made = locally(study, tasks, min(workers, max(study.task_count, 1)), work)
    try:
        with contextlib.closing(made):
            return together((part for _, part in _shown(made, study, set())), wanted)
    except (Unvaried, Lost, TooMany) as error:
        _fail(str(error))


def _show_front(
    study: Study, wanted: FrontSearch, found: FrontPart, top: int, colour: bool
) -> None:
    """The table of the front, and how many rows it was chosen of."""
    from tracer.sweep.finding import places, rows_of
    from tracer.views import sweep as view

    count = len(places(found))
    rows = rows_of(found, top)
    title = _found_headline(study, wanted, found)
    if count > top:
        title += f"; the first {top} of them"
    names = dict.fromkeys([*study.names, *wanted.measures, "lossless", "aligned"])
    console_for(colour).print(view.table(title, list(names), rows))


def _front_lines(found: FrontPart, top: int) -> None:
    """The rows of the front, each on its line."""
    from tracer.sweep.finding import rows_of
    from tracer.views.found import to_line

    for row in rows_of(found, top):
        click.echo(to_line(row), nl=False)


def _check_directory(directory: str | None) -> None:
    """Refuse a directory that has something in it."""
    if directory is None:
        return
    path = Path(directory)
    if path.is_dir() and any(path.iterdir()):
        raise click.UsageError(f"{shown(directory)} is not empty; give --write-front a new one")


def _write_front(directory: Path, study: Study, found: FrontPart, top: int) -> None:
    """The configs of the rows that are shown, in their order."""
    from tracer.source.written import EditError
    from tracer.sweep.finding import places

    own = places(found)[:top]
    width = len(str(len(own)))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for number, (task, row) in enumerate(own, 1):
            text = study.config(study.task(task), row)
            name = f"front-{number:0{width}}.yaml"
            (directory / name).write_text(text, "utf-8")
    except EditError as error:
        click.echo(f"no config is written: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        _fail(f"{shown(str(directory))}: cannot write: {error.strerror or error}")
    click.echo(f"written: {shown(str(directory))}, {len(own)} configs", err=True)


# --- the config ------------------------------------------------------------------------------------------------------


def _text(config: str, overrides: Overrides, report: Report) -> str:
    """The text of what is swept: what is no config is read once, at the sizes that are given."""
    if not is_config(config):
        return loaded(config, overrides, report)[0]

    text = text_of(config, report)
    if is_neighbour(text):
        return _opened_text(text, config, overrides, report)
    if overrides.inputs:
        raise click.UsageError("--input is for a Python source; --size varies a config's sizes")
    if overrides.until is not None:
        raise click.UsageError("--until is for what is no config; a config is swept as a whole")
    return text


def _opened_text(text: str, config: str, overrides: Overrides, report: Report) -> str:
    """The text of the config that another tool's file becomes."""
    try:
        return open_net(text, config, overrides).to_yaml()
    except TracerError as error:
        report(error.diagnostics, text)
        raise click.exceptions.Exit(1) from None


def _tell_first(axes: list[SweepAxis]) -> None:
    """Say with which values the config was read: what is wrong with it may be theirs."""
    from tracer.ops.base import written

    first = [f"{name}={written(axis[0])}" for axis in axes for name in axis.names]
    if first:
        click.echo(f"the config was read with {', '.join(first)}", err=True)


@contextlib.contextmanager
def _journal(output: str | None, study: Study, overwrite: bool) -> Iterator[Journal]:
    """The file of finished tasks while a sweep runs: beside the output, or one that nobody sees."""
    from tracer.sweep.table_files import remove_leftovers

    path = _hidden() if output is None else _partial(output)
    journal = _opened(path, study, output)
    try:
        if output is None:
            # Where an open file can be deleted, nothing of it stays, however the sweep ends.
            with contextlib.suppress(OSError):
                path.unlink()
        else:
            _refuse_existing(output, journal, overwrite)
            remove_leftovers(Path(output))
        yield journal
    finally:
        # What cannot be written has been told where it was.
        with contextlib.suppress(OSError):
            if output is None or not journal.done:
                journal.remove()
            journal.close()


def _hidden() -> Path:
    from tempfile import mkstemp

    handle, name = mkstemp(prefix="tracer-sweep-")
    os.close(handle)
    return Path(name)


def _partial(output: str) -> Path:
    return Path(f"{output}.partial")


def _opened(path: Path, study: Study, output: str | None) -> Journal:
    from tracer.sweep.journal import Busy, Journal, OtherSweep

    try:
        journal = Journal(path, study.key())
    except Busy:
        _fail(f"another sweep writes {shown(str(output))} now; choose another --output")
    except OtherSweep as error:
        _fail(f"{error}; delete it, or choose another --output")
    except OSError as error:
        _fail(f"{shown(str(path))}: cannot write: {error.strerror or error}")
    if journal.begins_anew:
        click.echo(f"{shown(str(path))} is torn at its head: the sweep begins anew", err=True)
    return journal


def _refuse_existing(output: str, journal: Journal, overwrite: bool) -> None:
    """End the command where the output is there already, unless this sweep has written it."""
    if overwrite or not Path(output).exists() or journal.is_sealed(Path(output)):
        return
    raise click.UsageError(f"{shown(output)} is there already; --overwrite replaces it")


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    raise click.exceptions.Exit(2)


def _family(name: str) -> str:
    from tracer.designing.families import families
    from tracer.network.values import did_you_mean

    if name not in families:
        raise click.UsageError(f"no family is called {name!r}; {did_you_mean(name, families)}")
    return name


def _axes(varied: Sequence[str], sizes: Sequence[str]) -> list[SweepAxis]:
    """The axes of the sweep in the order of the command line.

    A name that is varied twice is a usage error, and so is one that a column has.
    """
    from tracer.sweep.study import ROWS

    found = [_axis("param", *_param_varied(item)) for item in varied]
    for item in sizes:
        # One --size may vary several symbols: H=64..512:32,W=64
        parts = re.split(r",(?=\s*[^\W\d]\w*\s*=)", item)
        found += [_axis("size", *_sizes_varied(part)) for part in parts]

    named = [name for axis in found for name in axis.names]
    for name in named:
        if named.count(name) > 1:
            raise click.UsageError(f"{name} is varied twice")
        if name in ROWS:
            raise click.UsageError(
                f"{name} cannot be varied: every row has a column of that name; rename it in the config"
            )
    return found


def _param_varied(item: str) -> tuple[str, list[str], str]:
    """``base=16,32``: the item, its name and its values."""
    name, _, values = item.partition("=")
    return item, [name.strip()], values


def _sizes_varied(part: str) -> tuple[str, list[str], str]:
    """``H=W=64..512:32``: the part, the names that are tied and their values."""
    *names, values = part.split("=")
    return part, [name.strip() for name in names], values


def _axis(
    kind: Literal["param", "size"], item: str, names: list[str], values: str
) -> SweepAxis:
    """One axis of the sweep. Raises click.UsageError where the item has no name or no values."""
    from tracer.sweep.axes import Unvaried, axis

    are_names = names and all(name.isidentifier() for name in names)
    if not are_names or not values.strip():
        raise click.BadParameter(
            f"{shortened(item, 60)!r} is not NAME=VALUES",
            param_hint="--vary" if kind == "param" else "--size",
        )
    try:
        return axis(kind, names, values)
    except Unvaried as error:
        raise click.UsageError(str(error)) from None


def _condition(where: str | None, study: Study) -> str | None:
    """The expression of --where, its names checked."""
    from tracer.source.expressions import ExpressionError, parse
    from tracer.sweep.table_files import kinds

    if where is None:
        return None
    try:
        found = parse(where)
    except ExpressionError as error:
        raise click.BadParameter(str(error), param_hint="--where") from None
    unknown = sorted(found.names - set(kinds(study)))
    if unknown:
        columns = ", ".join(kinds(study))
        raise click.BadParameter(
            f"no column is called {unknown[0]!r}; columns: {columns}", param_hint="--where"
        )
    return where


def _objectives(text: str | None, study: Study) -> list[str]:
    """The columns that the Pareto front is of; without --objectives the costs and the varied sizes."""
    from tracer.sweep.table_files import kinds

    names = _names(text or OBJECTIVES)
    if text is None:
        names += _varied_sizes(study)
    if not names:
        raise click.BadParameter("name at least one column", param_hint="--objectives")

    known = [name for name, kind in kinds(study).items() if kind in (int, float)]
    for name in names:
        if name not in known:
            columns = ", ".join(known)
            raise click.BadParameter(
                f"{name!r} is no number; columns: {columns}", param_hint="--objectives"
            )
    return list(dict.fromkeys(names))


def _names(text: str) -> list[str]:
    """Names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _varied_sizes(study: Study) -> list[str]:
    """The symbols of several sizes, one of those that are tied."""
    varied = [axis for axis in study.axes if axis.kind == "size" and len(axis) > 1]
    return [axis.names[0] for axis in varied]


def _check_output(output: str | None, plot: str | None, overwrite: bool) -> None:
    from tracer.sweep.table_files import FORMATS, ending_of

    if output is not None:
        ending = ending_of(Path(output))
        if ending not in FORMATS:
            raise click.UsageError(f"{shown(output)}: rows are written as {', '.join(FORMATS)}")
        if Path(output).exists() and not overwrite and not _partial(output).exists():
            raise click.UsageError(f"{shown(output)} is there already; --overwrite replaces it")
        if not Path(output).absolute().parent.is_dir():
            raise click.UsageError(f"{shown(output)}: there is no such folder")
        if ending == ".parquet":
            need("pyarrow", "sweep")
    check_plot(plot)


def _confirm(study: Study, yes: bool) -> None:
    count = study.rows
    if count <= CONFIRMED or yes:
        return
    message = f"this sweep has {count:,} rows"
    if sys.stdin is None or not sys.stdin.isatty():
        _fail(f"{message}; --yes runs sweeps of more than {CONFIRMED:,}")
    if not click.confirm(f"{message}; run it?", err=True):
        raise click.Abort


def _run(
    study: Study,
    journal: Journal,
    workers: int,
    dask: str | None,
    takers: Sequence[Taker],
    *,
    keeps: bool,
) -> None:
    """Compute what is not done yet, and give the takers what they take. However that ends, what is done stays."""
    from tracer.sweep.axes import Unvaried
    from tracer.sweep.in_order import InOrder
    from tracer.sweep.running import Lost

    before = journal.done
    finished = sum(len(study.task(number)) for number in before)
    if finished:
        click.echo(f"{finished:,} of {study.rows:,} rows are done already", err=True)
    order = InOrder(takers)
    made = _made(study, journal, workers, dask, takers)
    try:
        with contextlib.closing(made):
            for number, found in _shown(made, study, before):
                if number not in before:
                    journal.add(number, found.columns)
                    finished += len(study.task(number))
                order.add(number, found.parts)
    except Unvaried as error:
        _fail(str(error))
    except (Lost, KeyboardInterrupt) as end:
        if keeps and finished:
            message = (
                f"{finished:,} of {study.rows:,} rows are kept in {shown(str(journal.path))}"
            )
            click.echo(f"{message}; the same command goes on from there", err=True)
        if isinstance(end, Lost):
            _fail(str(end))
        raise click.Abort from None


def _made(
    study: Study, journal: Journal, workers: int, dask: str | None, takers: Sequence[Taker]
) -> Generator[tuple[int, Any], None, None]:
    """The rows of the tasks and what is made of them, by processes here or by Dask's workers."""
    from functools import partial
    from uuid import uuid4

    from tracer.sweep.running import locally, on_dask, rows

    work = partial(rows, makers=[taker.make for taker in takers])
    tasks = _given(study, journal)
    if dask:
        # What is known and what is made differs from one run of the same sweep to another.
        return on_dask(study, tasks, dask, work, f"-{uuid4().hex}")
    return locally(study, tasks, min(workers, max(study.task_count, 1)), work)


def _given(study: Study, journal: Journal) -> Iterator[tuple[int, bytes | None]]:
    """Each task, with its rows where they are known."""
    done = journal.done
    for task in study.tasks():
        known = journal.record(task.number).packed if task.number in done else None
        yield task.number, known


def _shown(
    made: Iterator[tuple[int, Any]], study: Study, before: Set[int]
) -> Iterator[tuple[int, Any]]:
    """The same; a person at a terminal sees how many rows there are. Those of ``before`` are there already."""
    from tracer.commands.waiting import counted

    def rows_of(item: tuple[int, Any]) -> int:
        number, _ = item
        return 0 if number in before else len(study.task(number))

    done = sum(len(study.task(number)) for number in before)
    return counted(made, "rows", study.rows, done=done, size=rows_of)


@contextlib.contextmanager
def _table_file(
    output: str | None, study: Study, journal: Journal
) -> Iterator[TableFile | None]:
    """The file that gets the rows; None where there is none, or where an earlier run of the sweep has written it."""
    from tracer.sweep.table_files import TableFile

    if output is None or journal.is_sealed(Path(output)):
        yield None
        return
    with _told(output):
        table = TableFile(Path(output), study)
    try:
        yield table
    finally:
        table.discard()


@contextlib.contextmanager
def _told(file: str) -> Iterator[None]:
    """End the command where a file cannot be written."""
    try:
        yield
    except OSError as error:
        _fail(f"{shown(file)}: cannot write: {error.strerror or error}")


def _add(table: TableFile, part: Any) -> None:
    """Write a part of the rows."""
    with _told(str(table.path)):
        table.add(part)


def _finish(table: TableFile, journal: Journal) -> None:
    """Name the file of all rows."""
    with _told(str(table.path)):
        table.finish(journal.seal)


def _end(study: Study, journal: Journal, front: FrontSoFar, wanted: FrontWanted) -> None:
    """The table of the Pareto front, and the picture."""
    found = front.found()
    for line in found.notes:
        click.echo(line, err=True)
    if not found.meeting:
        is_asked = wanted.condition is not None
        click.echo("no row meets --where" if is_asked else "no row is valid", err=True)
        return

    if wanted.top:
        _show_best(study, journal, found, wanted)
    if wanted.plot is None:
        return
    if is_page(wanted.plot):
        rows = _front_rows(study, journal, front, found, wanted)
        _plot(wanted.plot, lambda plot: write_page(plot, rows))
        return

    from tracer.sweep.pareto_front import MeetingRows

    meeting = MeetingRows(front.met)
    measures = meeting.measures(journal.columns, wanted.measures)
    best = meeting.numbers(found.places)
    _plot(wanted.plot, lambda plot: write_picture(plot, study, measures, best))


def _headline(found: ParetoFront, wanted: FrontWanted) -> str:
    best = len(found.places)
    names = ", ".join(wanted.measures)
    return f"{best:,} of {found.meeting:,} rows are on the Pareto front of {names}"


def _show_best(study: Study, journal: Journal, found: ParetoFront, wanted: FrontWanted) -> None:
    """The table of the first rows of the front."""
    from tracer.sweep.pareto_front import rows_at
    from tracer.views import sweep as view

    title = _headline(found, wanted)
    if len(found.places) > wanted.top:
        title += f"; the first {wanted.top} of them"
    names = dict.fromkeys([*study.names, *wanted.measures, "lossless", "aligned"])
    rows = rows_at(journal.columns, found.places[: wanted.top])
    console_for(wanted.colour).print(view.table(title, list(names), rows))


def _front_rows(
    study: Study,
    journal: Journal,
    front: FrontSoFar,
    found: ParetoFront,
    wanted: FrontWanted,
) -> FrontRows:
    """The front, and some of the rows beside it, for its page."""
    from tracer.sweep.designs import SHOWN
    from tracer.sweep.pareto_front import MeetingRows, rows_at, spaced
    from tracer.views.front import OTHER_ROWS

    first = range(min(wanted.top, len(found.places)))
    numbers = sorted({*first, *spaced(len(found.places), SHOWN)})
    shown_rows = rows_at(journal.columns, [found.places[number] for number in numbers])
    others = MeetingRows(front.met).beside(found.places, OTHER_ROWS)
    return FrontRows(
        study=study,
        measures=wanted.measures,
        headline=_headline(found, wanted),
        rows=dict(zip(numbers, shown_rows)),
        places=found.places,
        others=rows_at(journal.columns, others),
        other_count=found.meeting - len(found.places),
    )


def _plot(plot: str, write: Callable[[str], None]) -> None:
    try:
        write(plot)
    except OSError as error:
        _fail(f"{shown(plot)}: cannot write: {error.strerror or error}")
    click.echo(f"written: {shown(plot)}", err=True)
