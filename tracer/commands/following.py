"""A config's file that is read anew whenever it changes: what ``serve`` and ``watch`` share."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracer.commands.options import Overrides, is_config, is_python, shown
from tracer.commands.reading import Reading, read, source_of
from tracer.diagnostics import Diagnostic, TracerError
from tracer.loading import unreadable

if TYPE_CHECKING:
    from watchfiles import Change

QUIET = {"debounce": 60, "step": 20, "recursive": False}
"""Milliseconds for which writes in pieces are awaited; the folder alone is watched."""


LOOK_AGAIN = 400
"""Milliseconds after which a server looks whether a source takes other files."""


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
    if not is_config(path):
        return
    try:
        source_of(path)
    except OSError as error:
        click.echo(str(unreadable(shown(path), error)), err=True)
        raise click.exceptions.Exit(2) from None
    except TracerError:  # it is shown as it is
        return


def changes(source: str) -> Iterator[None]:
    """One step for each change of the files, editors that replace them included; ends with the process."""
    from watchfiles import watch

    files = files_of(source)
    while True:
        for _ in watch(*_folders(files), watch_filter=_only(files), **QUIET):  # type: ignore[arg-type]
            yield
            if not files_of(source) <= files:
                files |= files_of(source)
                break
        else:
            return


async def changes_of(source: str) -> AsyncIterator[None]:
    """The same, for a server: it may read the source later, and find then which files that takes."""
    from watchfiles import awatch

    files = files_of(source)
    while True:
        began = time.time()
        folders, only = _folders(files), _only(files)
        async for changed in awatch(
            *folders,
            watch_filter=only,
            rust_timeout=LOOK_AGAIN,
            yield_on_timeout=True,
            **QUIET,  # type: ignore[arg-type]
        ):
            if changed:
                yield
            if not files_of(source) <= files:
                break
        else:
            return

        # A file that cannot be imported any more is one of them still. One that is new may have changed meanwhile.
        new = files_of(source) - files
        files |= new
        if any(_written_at(file) >= began for file in new):
            yield


def _written_at(file: str) -> float:
    """When a file was written last; 0 for one that is gone."""
    try:
        return os.stat(file).st_mtime
    except OSError:
        return 0.0


def files_of(source: str) -> frozenset[str]:
    """The files that a SOURCE is read from: of a Python source, all files of the user's that it imported so far."""
    if not is_python(source):
        return frozenset({source})

    place = source.rpartition(":")[0]
    named = place if place.endswith(".py") else f"{place.replace('.', os.sep)}.py"
    found = {named} if os.path.isfile(named) else {os.path.join(os.getcwd(), named)}
    factory = sys.modules.get("tracer.torch_bridge.factory")
    if factory is not None:
        found |= set(factory.users_files())
    return frozenset(os.path.abspath(path) for path in found)


def _folders(files: Collection[str]) -> set[str]:
    """The folders of the files, and of the files that they point to."""
    paths = {os.path.abspath(file) for file in files} | {
        os.path.realpath(file) for file in files
    }
    return {folder for folder in map(os.path.dirname, paths) if os.path.isdir(folder)}


def _only(files: Collection[str]) -> Any:
    """A filter of changes: those of the files."""
    names = {Path(file).name for path in files for file in (path, os.path.realpath(path))}

    def passes(change: Change, changed: str) -> bool:
        return Path(changed).name in names

    return passes
