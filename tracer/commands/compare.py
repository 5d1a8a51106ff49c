"""``tracer compare``: what differs between two configs, or two revisions of one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from tracer.commands.options import (
    DRIVE,
    Overrides,
    colour_option,
    console_for,
    files,
    is_config,
    is_python,
    network_options,
    shown,
    use_colour,
    write_output,
)
from tracer.commands.reading import open_net, read, source_of
from tracer.commands.waiting import waiting
from tracer.diagnostics import Diagnostic, TracerError
from tracer.loading import decoded
from tracer.rules import judged
from tracer.source.revisions import NoRevision, committed, is_revision, show

if TYPE_CHECKING:
    from tracer.comparing.comparison import Comparison, Given


FORMATS = {".html": "html", ".htm": "html", ".md": "markdown", ".json": "json"}
"""What is written to a file, by its ending."""


@click.command("compare")
@click.argument("a", metavar="A", shell_complete=files)
@click.argument("b", metavar="[B]", required=False, shell_complete=files)
@network_options
@click.option("--strict", is_flag=True, help="New warnings count as findings.")
@click.option(
    "--exit-code", "as_diff", is_flag=True, help="Exit code 1 where anything differs."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json", "jsonl", "markdown", "html"]),
    help="How to show it; html: a page with both networks side by side.  [default: table]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Write it to this file: NAME.html, NAME.md or NAME.json.",
)
@colour_option
def command(
    a: str,
    b: str | None,
    overrides: Overrides,
    strict: bool,
    as_diff: bool,
    format_: str | None,
    output: str | None,
    color: str,
) -> None:
    """What differs between the configs A and B: nodes, shapes, costs, sizes that work, findings.

    Each is a file, - for standard input (one of them), REV:PATH of a git repository, as git reads it, or a torch module
    (file.py:callable). A config alone is compared with what HEAD has of it. Exit code 1 where B has errors that A
    doesn't have.
    """
    _refuse_one_sided(a, b)
    kind = _format_of(format_, output)
    old, old_is_read = _given(a, overrides, is_committed=b is None)
    new, new_is_read = _given(a if b is None else b, overrides)

    from tracer.comparing.comparison import compared

    with waiting(f"{shown(a)}: is compared"):
        found = compared(old, new)
    is_read = old_is_read and new_is_read
    if is_read or kind in ("json", "jsonl"):
        _show(found, (old, new), kind, output, use_colour(color))
    if not is_read:
        raise click.exceptions.Exit(2)

    failing = found.found if strict else found.new_errors
    raise click.exceptions.Exit(1 if failing or (as_diff and found.differs) else 0)


def _refuse_one_sided(a: str, b: str | None) -> None:
    """Raise click.UsageError where A and B do not name two configs."""
    if b is None and (a == "-" or _is_revision(a) or not is_config(a)):
        raise click.UsageError(f"{shown(a)} is compared with another config: name B too")
    if a == b == "-":
        raise click.UsageError(
            "standard input is one config; the other one is a file or REV:PATH"
        )


def _is_revision(config: str) -> bool:
    """True for REV:PATH, where no file is called so: where git knows the one, a callable of that name is not run."""
    if ":" not in config or DRIVE.match(config) or os.path.lexists(config.replace("\0", "")):
        return False
    return not is_python(config) or is_revision(config.split(":", 1)[0])


def _given(
    config: str, overrides: Overrides, *, is_committed: bool = False
) -> tuple[Given, bool]:
    """One of the two, and true where it could be read; where not, standard error says why."""
    from tracer.comparing.comparison import Given

    label = shown(f"HEAD:{config}" if is_committed else config)
    if not (is_committed or _is_revision(config) or is_config(config)):
        reading = read(config, overrides)
        return Given(label, reading.net, reading.found), True
    try:
        text = _text(config, label, is_committed)
        both = judged(lambda: open_net(text, label, overrides, allow_argument_errors=True))
        return Given(label, *both), True
    except (NoRevision, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        message = f"cannot be read: {reason}"
        click.echo(f"{label}: {message}", err=True)
        return Given(label, None, [Diagnostic("T001", message, path=label)]), False
    except TracerError as error:
        return Given(label, None, error.diagnostics), True


def _text(config: str, label: str, is_committed: bool) -> str:
    """The text of a file or a revision. Raises OSError, NoRevision and TracerError."""
    if is_committed:
        raw = committed(config)
    elif _is_revision(config):
        raw = show(*config.split(":", 1))
    else:
        return source_of(config)
    return decoded(raw, label)


def _format_of(format_: str | None, output: str | None) -> str:
    """The format that is asked for, by word or by a file's name; a table where none is."""
    if format_ is not None:
        return format_
    if output is None:
        return "table"
    ending = os.path.splitext(output)[1].lower()
    if ending not in FORMATS:
        raise click.UsageError(f"say what to write: -o NAME with one of {', '.join(FORMATS)}")
    return FORMATS[ending]


def _show(
    found: Comparison,
    both: tuple[Given, Given],
    format_: str,
    output: str | None,
    colour: bool,
) -> None:
    if format_ == "table":
        if output is not None:
            raise click.UsageError("a table is for the terminal; --format markdown writes one")
        _show_table(found, colour)
        return

    if format_ in ("json", "jsonl"):
        from tracer.views.comparison import compare_answer
        from tracer.views.found import in_json

        text = in_json(compare_answer(found), format_)
    elif format_ == "markdown":
        from tracer.views.pull_request import compare_markdown

        text = compare_markdown(found)
    else:
        from tracer.views.side_by_side import side_by_side

        text = side_by_side(found, *both)
    write_output(output, text.encode())


def _show_table(found: Comparison, colour: bool) -> None:
    from rich.text import Text

    from tracer.views.comparison import compare_table

    console = console_for(colour)
    for part in compare_table(found):
        console.print(part, soft_wrap=isinstance(part, Text))
