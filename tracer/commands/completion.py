"""``tracer --install-completion``: the line by which a shell completes the command's words."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tracer.commands.options import shown

LINES = {
    "bash": 'eval "$(_TRACER_COMPLETE=bash_source tracer)"',
    "zsh": 'eval "$(_TRACER_COMPLETE=zsh_source tracer)"',
    "fish": "_TRACER_COMPLETE=fish_source tracer | source",
}
"""What a shell runs when it starts."""


def file_of(shell: str) -> Path:
    """The file that a shell reads when it starts.

    A shell that is told another place for its files has it in the environment.
    """
    home = Path.home()
    if shell == "bash":
        return home / ".bashrc"
    if shell == "zsh":
        return Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return settings / "fish" / "completions" / "tracer.fish"


def install(shell: str) -> None:
    """Add the line to the shell's file, once, where the user agrees; Raises click.Abort where nobody is asked."""
    path = file_of(shell)
    line = LINES[shell]
    name = shown(str(path))
    try:
        before = path.read_text("utf-8") if path.exists() else ""
        if line in before.splitlines():
            click.echo(f"{name} has it already: {line}", err=True)
            return

        click.echo(f"{name} gets the line: {line}", err=True)
        click.confirm("Write it?", abort=True, err=True)
        _append(path, before, line)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        click.echo(f"{name}: cannot write: {reason}; the line is: {line}", err=True)
        raise click.exceptions.Exit(2) from None
    click.echo(f"written: {name}; a new {shell} completes the words of tracer", err=True)


def _append(path: Path, before: str, line: str) -> None:
    """Put the line behind what is there, which stays byte by byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    start = "" if before.endswith("\n") or not before else "\n"
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(f"{start}{line}\n")
