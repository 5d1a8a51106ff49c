"""A repair of a Python program, proven on the edited files before they are written."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from tracer.commands.options import Overrides, shown
from tracer.commands.sources import opened_as_edited
from tracer.diagnostics import TracerError, legible
from tracer.loading import read_bytes
from tracer.net import Net
from tracer.source.files import encoded, replace_file, unified_diff
from tracer.source.python_calls import with_edits
from tracer.source.written import EditError

if TYPE_CHECKING:
    from tracer.repairing.repair import Repair

Contents = Mapping[str, tuple[bytes, bytes]]
"""What some files have, and what they are to have, by path."""


def proven(repair: Repair, source: str, overrides: Overrides) -> Contents:
    """The files that a repair changes. The command ends where it is no edit, or does not do what it promises."""
    if not repair.source_edits:
        click.echo("nothing is written: this repair is no edit of one call. By hand:", err=True)
        for step in repair.steps:
            click.echo(f"  {legible(step)}", err=True)
        raise click.exceptions.Exit(1)

    try:
        contents = _contents(repair)
        after = opened_as_edited(
            source, overrides, {path: new for path, (_, new) in contents.items()}
        )
        broken = _broken_promise(repair, after)
    except TracerError as error:
        broken = str(error.diagnostics[0])
    except (EditError, UnicodeDecodeError) as error:
        broken = str(error)
    except OSError as error:
        broken = error.strerror or str(error)
    if broken:
        _refuse(f"the edited program would not do what is promised: {broken}")
    return contents


def _contents(repair: Repair) -> dict[str, tuple[bytes, bytes]]:
    found = {}
    for path, text in repair.source_texts.items():
        raw = read_bytes(path)
        edits = [edit for edit in repair.source_edits if edit.path == path]
        if with_edits(raw.decode("utf-8-sig"), edits) != text:
            raise EditError(f"{shown(path)} has changed meanwhile")
        found[path] = (raw, encoded(text, raw))
    return found


def _broken_promise(repair: Repair, after: Net) -> str:
    """What the edited program does otherwise; empty where it closes, and gives what was promised."""
    from tracer.repairing.repairs import faults_of

    faults = faults_of(after)
    if faults:
        return str(faults[0])

    promised = list(repair.changes.outputs.values())
    given = [list(y or ()) for y in after.trace().outputs.values()]
    return "" if given == promised else f"its outputs are {given}, not {promised}"


def show_diff(contents: Contents) -> None:
    """Print what changes in each file, its byte-order mark included."""
    for path, (old, new) in contents.items():
        change = unified_diff(old.decode("utf-8"), new.decode("utf-8"), shown(path))
        click.echo(change, nl=False)


def write(contents: Contents) -> None:
    """Write all files, or none: where one cannot be written, those before it get their bytes back."""
    written: list[str] = []
    try:
        for path, (old, new) in contents.items():
            replace_file(path, old, new)
            written.append(path)
            _drop_compiled(path)
    except BaseException as error:
        _take_back(written, contents)
        if not isinstance(error, (OSError, EditError)):
            raise
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        _refuse(why, 2 if isinstance(error, OSError) else 1)
    for path in written:
        click.echo(f"written: {shown(path)}", err=True)


def _take_back(written: Sequence[str], contents: Contents) -> None:
    for path in written:
        old, new = contents[path]
        with contextlib.suppress(OSError, EditError):
            replace_file(path, new, old)
            _drop_compiled(path)


def _drop_compiled(path: str) -> None:
    """Remove a file's byte code, which Python takes for that of another text of the same second and length."""
    with contextlib.suppress(OSError, NotImplementedError):
        os.unlink(importlib.util.cache_from_source(os.path.realpath(path)))


def _refuse(why: str, code: int = 1) -> None:
    click.echo(f"nothing is written: {why}", err=True)
    raise click.exceptions.Exit(code)
