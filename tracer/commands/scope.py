"""Which files and which findings count: what the command line says beside the project's settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from tracer.commands.project import Project
from tracer.commands.searching import Search
from tracer.diagnostics import Diagnostic
from tracer.rules.selection import Selection, is_known
from tracer.rules.settings import INCLUDE, Settings

F = TypeVar("F", bound=Callable[..., Any])


class CheckScope(NamedTuple):
    """The choice of a project and a command line together."""

    settings: Settings
    search: Search
    selection: Selection
    not_in: list[tuple[Any, Selection]]
    """Patterns of files, and what does not count in them."""
    project_file: str | None = None

    def counts(self, one: Diagnostic) -> bool:
        """Whether a finding counts. What is wrong in the project's file always does."""
        if one.path is not None and one.path == self.project_file:
            return True
        if not self.selection.has(one.code):
            return False
        path = one.path
        return path is None or not any(
            codes.has(one.code) and files.fits(path) for files, codes in self.not_in
        )


class ScopeAsked(NamedTuple):
    """What the command line says."""

    select: tuple[str, ...] | None
    ignore: tuple[str, ...]
    exclude: tuple[str, ...] | None
    is_forced: bool

    def within(self, project: Project | None) -> CheckScope:
        """The choice in a project."""
        settings = Settings() if project is None else project.settings
        folder = "." if project is None else project.folder or "."
        selection = settings.selection.replaced(self.select, self.ignore)

        if self.exclude is not None:
            exclude = _patterns(self.exclude, ".")
        else:
            exclude = _patterns(settings.exclude, folder)
        include = None if settings.include == INCLUDE else _patterns(settings.include, folder)
        search = Search(settings.include, include, exclude, self.is_forced)

        not_in = [
            (_patterns((pattern,), folder), Selection(codes))
            for pattern, codes in settings.per_file_ignores.items()
        ]
        path = None if project is None else project.path
        return CheckScope(settings, search, selection, not_in, path)


def _patterns(words: tuple[str, ...], folder: str) -> Any:
    """Patterns from a folder on; None where there are none."""
    if not words:
        return None
    from tracer.source.patterns import Patterns

    return Patterns(words, folder)


def scope_options(command: F) -> F:
    """``--select``, ``--ignore``, ``--exclude`` and ``--force-exclude``; the command takes them as ``asked``."""

    @wraps(command)
    def with_scope(*args: Any, **given: Any) -> Any:
        select, ignore, exclude = (given.pop(name) for name in ("select", "ignore", "exclude"))
        asked = ScopeAsked(
            _codes(select, "--select") or None,
            _codes(ignore, "--ignore"),
            _files(exclude) or None,
            given.pop("force_exclude"),
        )
        return command(*args, asked=asked, **given)

    wrapped: Any = with_scope
    for option in OPTIONS:
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


OPTIONS = (
    click.option(
        "--force-exclude",
        is_flag=True,
        help="Leave out of the named files too what is excluded, or has no network.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        help="Files and folders that a search leaves out, as in .gitignore; in the place of the project's.",
    ),
    click.option(
        "--ignore", multiple=True, metavar="CODES", help="Codes that do not count: T501,T503."
    ),
    click.option(
        "--select",
        multiple=True,
        metavar="CODES",
        help="The codes that count, or their beginnings: T3,T504; in the place of the project's.",
    ),
)


def _listed(items: tuple[str, ...]) -> tuple[str, ...]:
    """The words of lists with commas."""
    words = (word.strip() for item in items for word in item.split(","))
    return tuple(word for word in words if word)


def _codes(items: tuple[str, ...], option: str) -> tuple[str, ...]:
    found = _listed(items)
    for word in found:
        if not is_known(word):
            message = f"no rule has the code {word[:60]!r}; `tracer explain` lists them"
            raise click.BadParameter(message, param_hint=option)
    return found


def _files(items: tuple[str, ...]) -> tuple[str, ...]:
    found = _listed(items)
    if not found:
        return found
    from tracer.source.patterns import fits_none

    for word in found:
        if fits_none(word):
            message = f"{word[:60]!r} is no pattern of files"
            raise click.BadParameter(message, param_hint="--exclude")
    return found
