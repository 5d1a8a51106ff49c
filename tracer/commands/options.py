"""Floor 14: what the commands share: options, files, colours."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from tracer.diagnostics import Diagnostic, TracerError, printable, shortened
from tracer.loading import load_text, read_bytes
from tracer.net import Net
from tracer.network.values import value_of
from tracer.source import limits
from tracer.source.tree import Fault, compose, decode

F = TypeVar("F", bound=Callable[..., Any])


class Overrides:
    """``--set``, ``--size`` and ``--input``, read."""

    def __init__(self, sets: tuple[str, ...], sizes: tuple[str, ...], inputs: tuple[str, ...]) -> None:
        self.params = dict(self._param(item) for item in sets)
        self.sizes = {name: n for item in sizes for name, n in self._sizes(item)}
        self.inputs = dict(self._input(item) for item in inputs)

    @staticmethod
    def _param(item: str) -> tuple[str, Any]:
        name, sign, text = item.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"{shortened(item, 60)!r} is not PARAM=VALUE", param_hint="--set")
        try:
            return name, value_of(compose(text or "''"), {})
        except Fault as fault:
            raise click.BadParameter(f"{shortened(item, 60)!r}: {fault.message}", param_hint="--set") from None

    @staticmethod
    def _sizes(item: str) -> list[tuple[str, int]]:
        found = []
        for part in item.split(","):
            name, sign, text = part.partition("=")
            if not sign or not name or not _is_size(text):
                raise click.BadParameter(f"{shortened(part, 60)!r} is not SYMBOL=N", param_hint="--size")
            found.append((name.strip(), int(text)))
        return found

    @staticmethod
    def _input(item: str) -> tuple[str, tuple[int, ...]]:
        name, _, text = item.rpartition("=")
        dims = text.strip("[]() ").split(",")
        if not all(_is_size(d.strip()) for d in dims):
            raise click.BadParameter(
                f"{shortened(item, 60)!r} is not a shape such as 1,3,512,512", param_hint="--input"
            )
        return name, tuple(int(d) for d in dims)


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def network_options(command: F) -> F:
    """``--set``, ``--size`` and ``--input``."""
    for option in (
        click.option("--input", "inputs", multiple=True, metavar="SHAPE", help="An input's shape: 1,3,512,512."),
        click.option("--size", "sizes", multiple=True, metavar="SYMBOL=N", help="A symbol's size: H=512,W=640."),
        click.option("--set", "sets", multiple=True, metavar="PARAM=VALUE", help="A param's value: base=32."),
    ):
        command = option(command)
    return command


def colour_option(command: F) -> F:
    """``--color auto|always|never``."""
    return click.option(
        "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colours in the output."
    )(command)


def use_colour(choice: str) -> bool:
    """Whether to colour standard output; NO_COLOR is honoured."""
    if choice != "auto":
        return choice == "always"
    return is_terminal(sys.stdout) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it; a closed stream is None."""
    return stream is not None and stream.isatty()


def find_configs(paths: tuple[str, ...]) -> list[str]:
    """Files as given, directories searched for *.yaml and *.yml; ``-`` is standard input."""
    found: list[str] = []
    for path in paths:
        if path not in ("", "-") and Path(path).is_dir():
            inside = sorted(str(p) for p in Path(path).rglob("*") if p.suffix in (".yaml", ".yml") and p.is_file())
            if not inside:
                raise click.UsageError(f"no *.yaml or *.yml in {path}")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def source_of(path: str) -> str:
    """The text of a config. Raises OSError, and :class:`TracerError` where it is not text."""
    raw = _standard_input() if path == "-" else read_bytes(path)
    try:
        return decode(raw)
    except Fault as fault:
        raise TracerError([Diagnostic(fault.code, fault.message, fault.span, path=shown(path))]) from None


def _standard_input() -> bytes:
    """What stands on standard input, at most one byte more than a config may have."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read(limits.FILE_BYTES + 1)


def unreadable(path: str, error: OSError) -> Diagnostic:
    """What to say about a file that cannot be read."""
    return Diagnostic("T001", f"cannot be read: {error.strerror or error}", path=shown(path))


def shown(path: str) -> str:
    """A path as it stands in a report: one line, and bytes of a name that are no UTF-8 are replaced."""
    return "<stdin>" if path == "-" else printable(os.fsencode(path).decode("utf-8", "replace"))


def open_net(text: str, path: str, overrides: Overrides) -> Net:
    """Load a config with the command line's overrides. Raises TracerError and click.UsageError."""
    try:
        return load_text(text, shown(path), overrides.params, overrides.sizes, overrides.inputs)
    except ValueError as error:
        raise click.UsageError(f"{shown(path)}: {error}") from None
