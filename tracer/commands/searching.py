"""The networks that a command line names: files as given, and those below folders."""

from __future__ import annotations

import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from tracer.commands.options import is_config, shown
from tracer.loading import read_bytes
from tracer.network.foreign import may_be_network
from tracer.rules.settings import INCLUDE

if TYPE_CHECKING:
    from tracer.source.patterns import Patterns

GIT_SECONDS = 10
"""Git has so long to say what it ignores."""


class Search(NamedTuple):
    """Which files of a folder are read."""

    names: tuple[str, ...] = INCLUDE
    """The files that may be networks, as patterns."""
    include: Patterns | None = None
    """The same, read; without it a name's end decides."""
    exclude: Patterns | None = None
    """What is left out, folders and files."""
    is_forced: bool = False
    """Whether what a folder's search leaves out is left out too where it is named."""

    def includes(self, path: str) -> bool:
        """Whether a file of a folder may be a network, by its name."""
        if self.include is None:
            return path.endswith((".yaml", ".yml"))
        return self.include.fits(path)

    def excludes(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether a file or a folder is left out."""
        return self.exclude is not None and self.exclude.fits(path, is_folder=is_folder)

    def passes_over(self, path: str, stdin_filename: str | None) -> bool:
        """Whether a file that is named is left out all the same."""
        if not self.is_forced or not is_config(path):
            return False
        if path == "-":
            return stdin_filename is not None and self.excludes(stdin_filename)
        return self.excludes(path) or not may_be_config(path)


def find_configs(
    paths: Sequence[str], search: Search, stdin_filename: str | None = None
) -> list[str]:
    """Files as given, folders searched for files with a network; ``-`` is standard input, called so.

    Raises click.UsageError where a folder has none.
    """
    found: list[str] = []
    for path in paths:
        if path not in ("", "-") and Path(path).is_dir():
            found += _configs_in(path, search)
        elif not search.passes_over(path, stdin_filename):
            found.append(path)
    return list(dict.fromkeys(found))


def networks_in(folder: str, search: Search) -> list[str]:
    """The files with a network below a folder, in order."""
    return [path for path in sorted(_files_in(folder, search)) if may_be_config(path)]


def _configs_in(folder: str, search: Search) -> list[str]:
    """The same; raises click.UsageError where there are none."""
    found = networks_in(folder, search)
    if found:
        return found

    count = sum(1 for _ in _files_in(folder, search))
    if not count:
        raise click.UsageError(f"no {' or '.join(search.names)} in {shown(folder)}")
    files = f"{count} file{'s' * (count != 1)} ({', '.join(search.names)})"
    raise click.UsageError(
        f"no network in {shown(folder)}: of {files} none has an `input` and layers"
    )


def _files_in(folder: str, search: Search) -> Iterator[str]:
    """The files below a folder that may be networks by their names.

    Hidden, excluded and ignored folders, and those of packages, are not entered.
    """
    ignored = _ignored(folder)

    def is_left_out(here: str, name: str, *, is_folder: bool) -> bool:
        path = os.path.join(here, name)
        is_ignored = os.path.normpath(path) in ignored
        return is_ignored or search.excludes(path, is_folder=is_folder)

    for here, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not _is_passed_over(here, name) and not is_left_out(here, name, is_folder=True)
        ]
        for file in files:
            path = os.path.join(here, file)
            is_included = search.includes(path) and not is_left_out(here, file, is_folder=False)
            if is_included and os.path.isfile(path):
                yield os.path.normpath(path)


def _ignored(folder: str) -> frozenset[str]:
    """The folders and files below a folder that git ignores; none where there is no git, or no repository."""
    import subprocess

    asked = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"]
    # A repository may name a program for git to run; none is run here.
    command = ["git", "-c", "core.fsmonitor=false", "-C", folder, *asked]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    names = filter(None, os.fsdecode(answer.stdout).split("\0"))
    return frozenset(os.path.normpath(os.path.join(folder, name)) for name in names)


def _is_passed_over(folder: str, name: str) -> bool:
    is_vendored = name in ("node_modules", "site-packages", "__pycache__")
    is_environment = os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
    return name.startswith(".") or is_vendored or is_environment


def may_be_config(path: str) -> bool:
    """Whether a file is to be read as a config: it has an input's shape and layers, or their keys and is broken.

    A file that cannot be read is to be told. What is no UTF-8, or too long, is another tool's unless it has a
    network's keys all the same.
    """
    try:
        content = read_bytes(path)
    except OSError:
        return True
    is_wide = content.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    encoding = "utf-16" if is_wide else "utf-8-sig"
    return may_be_network(content.decode(encoding, "replace"))
