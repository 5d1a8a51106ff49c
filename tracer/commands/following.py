"""A config's file that is read anew whenever it changes: what ``serve`` and ``watch`` share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracer.commands.options import Overrides, shown
from tracer.commands.reading import Reading, read, source_of
from tracer.diagnostics import Diagnostic, TracerError
from tracer.loading import unreadable

if TYPE_CHECKING:
    from watchfiles import Change

QUIET = {"debounce": 60, "step": 20, "recursive": False}
"""Milliseconds for which writes in pieces are awaited; the folder alone is watched."""


def followed(path: str, overrides: Overrides) -> Reading:
    """A config as it stands now; whatever is wrong with it is among what was found."""
    try:
        return read(path, overrides)
    except click.UsageError as error:  # an override that the text no longer has a place for
        return Reading("", None, [Diagnostic("T003", error.message, path=shown(path))])


def refuse_unfollowable(path: str) -> None:
    """End the command where there is no file to follow."""
    if path == "-":
        raise click.UsageError("standard input cannot be followed; name a file")
    try:
        source_of(path)
    except OSError as error:
        click.echo(str(unreadable(shown(path), error)), err=True)
        raise click.exceptions.Exit(2) from None
    except TracerError:  # it is shown as it is
        return


def changes(path: str) -> Iterator[None]:
    """One step for each change of the file, editors that replace it included; ends with the process."""
    from watchfiles import watch

    for _ in watch(*_folders(path), watch_filter=_only(path), **QUIET):  # type: ignore[arg-type]
        yield


async def changes_of(path: str) -> AsyncIterator[None]:
    """The same, for a server."""
    from watchfiles import awatch

    async for _ in awatch(*_folders(path), watch_filter=_only(path), **QUIET):  # type: ignore[arg-type]
        yield


def _folders(path: str) -> set[str]:
    """The folder of the file, and of the file that it points to."""
    return {os.path.dirname(os.path.abspath(path)), os.path.dirname(os.path.realpath(path))}


def _only(path: str) -> Any:
    """A filter of changes: those of the file."""
    names = {Path(path).name, Path(os.path.realpath(path)).name}

    def passes(change: Change, changed: str) -> bool:
        return Path(changed).name in names

    return passes
