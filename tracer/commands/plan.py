"""``tracer plan``: values for every auto, or what would repair the network; written into the file on demand.

For a Python source the file is the user's, and an edit of it is proven before it is written.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click
from msgspec.structs import replace

from tracer.commands.editing import breaks, errors, put
from tracer.commands.options import (
    Overrides,
    colour_option,
    files,
    is_python,
    network_options,
    quoted,
    shown,
    use_colour,
)
from tracer.commands.reading import loaded, texts
from tracer.commands.waiting import waiting
from tracer.diagnostics import Diagnostic
from tracer.loading import read_bytes
from tracer.source.files import unified_diff
from tracer.source.written import EditError
from tracer.views import report

if TYPE_CHECKING:
    from tracer.net import Net
    from tracer.repairing.repair import Repair
    from tracer.repairing.repairs import Plan


@click.command("plan")
@click.argument("config", shell_complete=files)
@network_options
@click.option("--write", is_flag=True, help="Write the solved values into the file.")
@click.option(
    "--fix",
    is_flag=True,
    help="Where the network does not close, apply the best safe repair to the file.",
)
@click.option(
    "--repair",
    type=click.IntRange(1, 999),
    metavar="N",
    help="Apply repair N of the list to the file.",
)
@click.option(
    "--warnings",
    "of_warnings",
    is_flag=True,
    help="Where the network closes, list what would take its warnings (T501 to T504, T508) away.",
)
@click.option("--diff", is_flag=True, help="Show the edit as a diff; the file stays as it is.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to show it.",
)
@colour_option
def command(
    config: str,
    overrides: Overrides,
    write: bool,
    fix: bool,
    repair: int | None,
    of_warnings: bool,
    diff: bool,
    format_: str,
    color: str,
) -> None:
    """Solve every auto of CONFIG, exactly; where the skips cannot meet, say why and list repairs.

    Exit code 1 where the network does not close and no repair was asked for or found.
    """
    edits = write or fix or repair is not None
    _refuse_together(config, fix, repair, in_place=edits and not diff)

    complain = partial(_complain, config=config, format_=format_)
    # A wrong argument is something to repair, too.
    text, net = loaded(config, overrides, complain, allow_argument_errors=True)
    if edits or diff:
        _refuse_other_files(net, config, overrides)

    from tracer.repairing.repairs import plan_of

    with waiting(f"{shown(config)}: repairs are tried"):
        plan = plan_of(_without_hint(net), of_warnings=of_warnings)
        len(plan.repairs)  # they are found when somebody asks for them
    _refuse_needless(plan, repair)
    if is_python(config):
        chosen = _chosen_for(plan, write, fix, repair, diff)
        _of_python(plan, chosen, config, overrides, diff, format_, use_colour(color))

    edited = _edited(plan, fix, repair, config) if edits or diff else None
    _of_config(plan, edited, text, config, overrides, diff, format_, use_colour(color))


def _of_config(
    plan: Plan,
    edited: _Edited | None,
    text: str,
    config: str,
    overrides: Overrides,
    diff: bool,
    format_: str,
    colour: bool,
) -> NoReturn:
    """End the command for a config, with its text edited where that was asked for."""
    after = text if edited is None else edited.text
    is_overridden = overrides.replaces
    if is_overridden:
        _refuse_broken(text, after, config)
    chosen = None if edited is None else edited.repair
    if chosen is not None:
        click.echo(f"repaired: {chosen.title}", err=True)

    if diff:
        _show_diff(config, text, after)
    else:
        notes = _notes(plan, text) if is_overridden and format_ == "text" else {}
        _show(plan, text, config, format_, colour, chosen, notes)
        if chosen is None and format_ == "text":
            _say_how(plan, config, overrides, notes)
        _replace(config, text, after)
    closes = plan.feasible or edited is not None
    raise click.exceptions.Exit(0 if closes else 1)


def _without_hint(net: Net) -> Net:
    """The network, which does not name the command that lists repairs: it is this one."""
    program = net.read_from
    return net if program is None else net.reading_of(replace(program, plan=None))


def _chosen_for(
    plan: Plan, write: bool, fix: bool, number: int | None, diff: bool
) -> Repair | None:
    """The repair that the options choose; None where they choose none."""
    is_wanted = write or fix or diff or number is not None
    if plan.feasible and (number is None or not plan.of_warnings):
        return None
    return _chosen(plan, fix, number) if is_wanted else None


def _of_python(
    plan: Plan,
    repair: Repair | None,
    source: str,
    overrides: Overrides,
    diff: bool,
    format_: str,
    colour: bool,
) -> NoReturn:
    """End the command for a Python source: its repairs are edits of the user's files, each proven first."""
    from tracer.commands import python_repairs

    contents = None
    if repair is not None:
        contents = python_repairs.proven(repair, source, overrides)
        click.echo(f"repaired: {repair.title}", err=True)

    if not diff:
        _show(plan, plan.net.to_yaml(), source, format_, colour, repair, {})
        if repair is None and format_ == "text":
            _say_how(plan, source, overrides, {})
    elif contents is not None:
        python_repairs.show_diff(contents)
    if contents is not None and not diff:
        python_repairs.write(contents)
    raise click.exceptions.Exit(0 if plan.feasible or contents is not None else 1)


def _refuse_together(config: str, fix: bool, repair: int | None, in_place: bool) -> None:
    """End the command where its options do not go together."""
    if repair is not None and fix:
        raise click.UsageError(
            "--fix is the best safe repair, --repair N one of the list; give one of them"
        )
    if config == "-" and in_place:
        raise click.UsageError("standard input cannot be edited; --diff shows the edit")


def _refuse_other_files(net: Net, config: str, overrides: Overrides) -> None:
    """End the command for an edit of what is neither a config nor Python."""
    if net.read_from is None or is_python(config):
        return
    importing = f"tracer import {quoted(config)} {overrides.command_line or ''}".strip()
    raise click.UsageError(
        f"{shown(config)} is no config that can be edited; `{importing} -o net.yaml` writes one"
    )


def _refuse_needless(plan: Plan, repair: int | None) -> None:
    """End the command where a repair is chosen for a network that needs none."""
    if plan.feasible and repair is not None and not plan.of_warnings:
        values = "; --write writes the values" if plan.assignments else " as it is"
        raise click.UsageError(f"--repair {repair}: the network closes{values}")


class _Edited(NamedTuple):
    """The config's text with the plan's values, or with a repair."""

    text: str
    repair: Repair | None


def _edited(plan: Plan, fix: bool, number: int | None, config: str) -> _Edited | None:
    """The text with the plan, or with a repair; None where there is neither."""
    if plan.feasible and (number is None or not plan.of_warnings):
        return _Edited(_written(plan, config), None)

    repair = _chosen(plan, fix, number)
    return None if repair is None else _Edited(repair.text, repair)


def _written(plan: Plan, config: str) -> str:
    """The text with the plan's values. Where a text has no place for them, the command ends."""
    try:
        written = plan.written()
    except EditError as error:
        click.echo(f"{shown(config)}: nothing is written: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    for note in written.notes:
        click.echo(note, err=True)
    return written.text


def _chosen(plan: Plan, fix: bool, number: int | None) -> Repair | None:
    """Repair ``number`` of the list, or the best safe one; None where neither is wanted or there is none."""
    if number is not None:
        if number > len(plan.repairs):
            raise click.UsageError(f"--repair {number}: there are {len(plan.repairs)} repairs")
        return plan.repairs[number - 1]

    if not fix:
        click.echo(
            "nothing is written: the network does not close; --fix or --repair N repairs it",
            err=True,
        )
        return None

    safe = [repair for repair in plan.repairs if repair.safe]
    if not safe:
        others = "; --repair N applies one of the others" if plan.repairs else ""
        click.echo(
            f"nothing is written: no repair is safe (auto and output_padding only){others}",
            err=True,
        )
        return None
    return next((repair for repair in safe if repair.source_edits), safe[0])


def _show_diff(config: str, before: str, after: str) -> None:
    """Print the edit as a diff of the file, its byte-order mark included."""
    mark = "\ufeff" if config != "-" and read_bytes(config).startswith(BOM_UTF8) else ""
    click.echo(unified_diff(mark + before, mark + after, shown(config)), nl=False)


def _refuse_broken(text: str, edited: str, config: str) -> None:
    """End the command where values for other sizes than the file's would break the file at its own."""
    broken = breaks(text, edited)
    if broken is not None:
        click.echo(
            f"{shown(config)}: nothing is written: the file would not close by itself any more, at the sizes, inputs "
            f"and params that it declares: {broken}",
            err=True,
        )
        raise click.exceptions.Exit(1)


def _notes(plan: Plan, text: str) -> dict[int, str]:
    """What to know of repairs for other sizes than the file's, by their number: those that break the file itself."""
    if plan.feasible or errors(text):
        return {}

    from tracer.api.functions import loads

    others = plan.net.network.defaults()
    declared = loads(text).network.defaults().items()
    sizes = [f"{symbol} = {n}" for symbol, n in declared if others.get(symbol) != n]
    note = "not with what the file declares"
    if sizes:
        note = f"not at the declared {', '.join(sizes)}"

    found = {}
    for number, repair in enumerate(plan.repairs, 1):
        if errors(repair.text):
            found[number] = note
    return found


def _replace(config: str, text: str, edited: str) -> None:
    """Put an edited text in the file's place, unless somebody has changed it meanwhile."""
    if edited == text:
        return
    try:
        put(config, text, edited)
    except EditError as error:
        click.echo(f"{shown(config)}: nothing is written: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        click.echo(f"{shown(config)}: nothing is written: {error.strerror or error}", err=True)
        raise click.exceptions.Exit(2) from None
    click.echo(f"written: {shown(config)}", err=True)


def _show(
    plan: Plan,
    text: str,
    config: str,
    format_: str,
    colour: bool,
    chosen: Repair | None,
    notes: Mapping[int, str],
) -> None:
    from tracer.views.plan import plan_answer, plan_text

    if format_ == "json":
        from tracer.views.found import to_json

        click.echo(to_json(plan_answer(plan)), nl=False)
        return
    paint = report.painted if colour else report.plain
    click.echo(
        report.full(plan.diagnostics, texts(plan.diagnostics, text, config), paint),
        nl=False,
        color=colour,
    )
    if plan.diagnostics:
        click.echo()
    click.echo(plan_text(plan, chosen, notes), nl=False)


def _say_how(
    plan: Plan,
    source: str,
    overrides: Overrides,
    notes: Mapping[int, str],
) -> None:
    """Say how the first repair that can be written is applied; nothing where there is none."""
    command = _plan_command(plan, source, overrides)
    is_listed = plan.of_warnings or not plan.feasible
    if command is None or not is_listed:
        return

    for number, repair in enumerate(plan.repairs, 1):
        is_edit = not is_python(source) or bool(repair.source_edits)
        if is_edit and not repair.elsewhere and number not in notes:
            click.echo(
                f"`{command} --repair {number} --diff` shows it as an edit, `--repair {number}` writes it"
            )
            return


def _plan_command(plan: Plan, source: str, overrides: Overrides) -> str | None:
    """The command that was called; None where it edits no file of the user's."""
    is_edited = plan.net.read_from is None or is_python(source)
    is_said = overrides.command_line is not None and not overrides.params
    if not is_edited or source == "-" or not is_said:
        return None
    warnings = "--warnings" if plan.of_warnings else ""
    words = ("tracer plan", quoted(source), overrides.command_line, warnings)
    return " ".join(filter(None, words))


def _complain(found: list[Diagnostic], text: str, *, config: str, format_: str) -> None:
    """A config that could not be loaded: in JSON the answer still has its diagnostics."""
    if format_ == "json":
        from tracer.views.found import diagnostic_answer, to_json
        from tracer.views.plan import PlanAnswer

        answers = [diagnostic_answer(d) for d in found]
        click.echo(
            to_json(PlanAnswer("1.0", False, {}, 0, 0, False, [], [], True, answers)), nl=False
        )
    else:
        click.echo(report.full(found, texts(found, text, config)), nl=False, err=True)
