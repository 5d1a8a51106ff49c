"""``tracer lsp``: the language server that an editor starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from tracer.commands.options import need
from tracer.diagnostics import Diagnostic

if TYPE_CHECKING:
    from tracer.commands.scope import CheckScope


@click.command("lsp")
@click.option(
    "--stdio",
    is_flag=True,
    help="Talk over standard input and output, as always.",
)
def command(stdio: bool) -> None:
    """Serve an editor over standard input and output: findings as one types, shapes, completion, renaming.

    An editor starts it; tracer/editors/README.md has the lines for some. Configs alone are read, and no Python is run.
    """
    need("pygls", "lsp")
    from tracer.editors.server import serve

    took_leave = serve(Scopes().counts)
    raise click.exceptions.Exit(0 if took_leave else 1)


class Scopes:
    """What counts in the project of each file that is open; a project's file is read again where it is another one."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, CheckScope]] = {}

    def counts(self, path: str, one: Diagnostic) -> bool:
        """Whether a finding counts in the project of its file."""
        scope = self._of(path)
        if scope is None:
            return True
        return scope.counts(one) and not scope.search.excludes(path)

    def _of(self, path: str) -> CheckScope | None:
        """The choice of the project that a file is in; None where it is in none."""
        from tracer.rules.settings import nearest_file

        if not os.path.isabs(path):
            return None
        file = nearest_file(os.path.dirname(path))
        if file is None:
            return None
        try:
            changed = os.stat(file).st_mtime_ns
        except OSError:
            return None
        known = self._known.get(file)
        if known is None or known[0] != changed:
            known = self._known[file] = (changed, _scope(file))
        return known[1]


def _scope(file: str) -> CheckScope:
    """What a project's file chooses."""
    from tracer.commands.project import project_of
    from tracer.commands.scope import ScopeAsked

    asked = ScopeAsked(None, (), None, False)
    return asked.within(project_of(file))
