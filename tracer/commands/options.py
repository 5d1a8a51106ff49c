"""Options, files and colours that the commands share."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO, TypeVar

import click

from tracer.diagnostics import Diagnostic, TracerError, printable, shortened, words_of
from tracer.loading import decoded, load_text, read_bytes, unreadable
from tracer.net import Net
from tracer.network.values import value_of
from tracer.ops.base import written
from tracer.rules import judged
from tracer.source import limits
from tracer.source.tree import Fault, compose

if TYPE_CHECKING:
    from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])


class Overrides:
    """``--set``, ``--size`` and ``--input``, read."""

    def __init__(
        self, sets: tuple[str, ...], sizes: tuple[str, ...], inputs: tuple[str, ...]
    ) -> None:
        self.params = params_of(sets, "--set", "PARAM=VALUE")
        self.sizes = _once([pair for item in sizes for pair in self._sizes(item)], "--size")
        self.inputs = _once([self.input_of(item) for item in inputs], "--input")

    @classmethod
    def of_params(cls, params: Mapping[str, Any]) -> Overrides:
        """Params alone: the sizes and inputs are the config's."""
        found = cls((), (), ())
        found.params = dict(params)
        return found

    @staticmethod
    def _sizes(item: str) -> list[tuple[str, int]]:
        found = []
        for part in item.split(","):
            name, sign, text = part.partition("=")
            if not sign or not name or not is_size(text):
                raise click.BadParameter(
                    f"{shortened(part, 60)!r} is not SYMBOL=N", param_hint="--size"
                )
            found.append((name.strip(), int(text)))
        return found

    @staticmethod
    def input_of(item: str) -> tuple[str, tuple[int, ...]]:
        """An input's name (empty where none is given) and its shape."""
        name, _, text = item.rpartition("=")
        dims = text.strip("[]() ").split(",")
        if not all(is_size(d.strip()) for d in dims):
            raise click.BadParameter(
                f"{shortened(item, 60)!r} is not a shape such as 1,3,512,512",
                param_hint="--input",
            )
        return name, tuple(int(d) for d in dims)


def params_of(items: Sequence[str], option: str, form: str) -> dict[str, Any]:
    """What an option gives that has names and values, such as ``base=32``; its mistakes name the option."""
    return _once([_param(item, option, form) for item in items], option)


def _param(item: str, option: str, form: str) -> tuple[str, Any]:
    name, sign, text = item.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{shortened(item, 60)!r} is not {form}", param_hint=option)
    try:
        return name, value_of(compose(text or "''"), {})
    except Fault as fault:
        raise click.BadParameter(
            f"{shortened(item, 60)!r}: {fault.message}", param_hint=option
        ) from None


def _once(pairs: list[tuple[str, Any]], option: str) -> dict[str, Any]:
    """Values by name; refused where one name has two."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and found[name] != value:
            first, second = (shortened(written(v), 40) for v in (found[name], value))
            raise click.BadParameter(
                f"{name or 'the input'} is given twice: {first} and {second}", param_hint=option
            )
        found[name] = value
    return found


def is_size(text: str) -> bool:
    """True for a text of decimal digits, and few enough of them."""
    return text.isascii() and text.isdecimal() and len(text) <= 18


def network_options(command: F) -> F:
    """``--set``, ``--size`` and ``--input``."""
    for option in (
        click.option(
            "--input",
            "inputs",
            multiple=True,
            metavar="SHAPE",
            help="An input's shape: 1,3,512,512.",
        ),
        click.option(
            "--size",
            "sizes",
            multiple=True,
            metavar="SYMBOL=N",
            help="A symbol's size: H=512,W=640.",
        ),
        click.option(
            "--set",
            "sets",
            multiple=True,
            metavar="PARAM=VALUE",
            help="A param's value: base=32.",
        ),
    ):
        command = option(command)
    return command


def colour_option(command: F) -> F:
    """``--color auto|always|never``."""
    return click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="Colours in the output.",
    )(command)


def need_torch() -> None:
    """End the command where torch is not installed, with the command that installs it."""
    need("torch", "torch")


def need(package: str, extra: str) -> None:
    """End the command where a package is not installed, with the command that installs it, or where it is broken."""
    from importlib import import_module
    from importlib.util import find_spec

    try:
        if package not in sys.modules and find_spec(package) is None:
            click.echo(f"this command needs {package}: pip install 'tracer[{extra}]'", err=True)
            raise click.exceptions.Exit(2)
        import_module(package)
    except click.exceptions.Exit:
        raise
    except (Exception, SystemExit) as error:
        reason = words_of(error) or type(error).__name__
        click.echo(f"{package} cannot be imported: {reason}", err=True)
        raise click.exceptions.Exit(2) from None


def depth_option(command: F) -> F:
    """``--depth N|all``."""
    return click.option(
        "--depth",
        type=Depth(),
        default=1,
        show_default=True,
        help="Levels of blocks to unfold, or all.",
    )(command)


_BYTES = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([kMGT]?)(i?)B", re.IGNORECASE)


class Bytes(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """An amount of memory: 8GiB, 500MB, 1.5 GiB."""

    name = "bytes"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        match = _BYTES.fullmatch(str(value).strip())
        if match is None:
            return self.fail(
                f"{shortened(str(value), 60)!r} is no amount of memory such as 8GiB or 500MB",
                param,
                ctx,
            )
        power = " KMGT".index(match[2].upper() or " ")
        return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


class Depth(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A number of levels, or ``all``."""

    name = "depth"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if value == "all" or value is None:
            return None
        if isinstance(value, int) or (
            isinstance(value, str) and value.isdecimal() and 1 <= int(value) <= 99
        ):
            return int(value)
        return self.fail(f"{value!r} is neither a number from 1 nor 'all'", param, ctx)


def use_colour(choice: str) -> bool:
    """True where standard output is coloured; NO_COLOR is honoured."""
    if choice != "auto":
        return choice == "always"
    return (
        is_terminal(sys.stdout)
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def is_terminal(stream: TextIO | None) -> bool:
    """True where a person reads it; a closed stream is None."""
    return stream is not None and stream.isatty()


def console_for(colour: bool) -> Console:
    """A console for tables: as wide as the terminal, or 160 characters in a file."""
    from rich.console import Console

    return Console(
        force_terminal=colour,
        color_system="standard" if colour else None,
        width=None if is_terminal(sys.stdout) else 160,
        highlight=False,
    )


def find_configs(paths: tuple[str, ...]) -> list[str]:
    """Files as given, directories searched for *.yaml and *.yml; ``-`` is standard input."""
    found: list[str] = []
    for path in paths:
        if path not in ("", "-") and Path(path).is_dir():
            inside = sorted(
                str(p)
                for p in Path(path).rglob("*")
                if p.suffix in (".yaml", ".yml") and p.is_file()
            )
            if not inside:
                raise click.UsageError(f"no *.yaml or *.yml in {path}")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def source_of(path: str) -> str:
    """The text of a config. Raises OSError, and :class:`TracerError` where it is not text."""
    return decoded(_standard_input() if path == "-" else read_bytes(path), shown(path))


def _standard_input() -> bytes:
    """The bytes of standard input, at most one more than a config may have."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read(limits.FILE_BYTES + 1)


def shown(path: str) -> str:
    """A path as reports show it: one line, and bytes of a name that are no UTF-8 are replaced."""
    return "<stdin>" if path == "-" else printable(os.fsencode(path).decode("utf-8", "replace"))


def open_net(
    text: str, path: str, overrides: Overrides, *, allow_argument_errors: bool = False
) -> Net:
    """Load a config with the command line's overrides. Raises TracerError and click.UsageError.

    With ``allow_argument_errors`` also one whose trace finds wrong arguments.
    """
    try:
        return load_text(
            text,
            shown(path),
            overrides.params,
            overrides.sizes,
            overrides.inputs,
            allow_argument_errors=allow_argument_errors,
        )
    except ValueError as error:
        raise click.UsageError(f"{shown(path)}: {error}") from None


class Reading(NamedTuple):
    """A config that was read: its text, its network where it loads, and everything wrong with it."""

    text: str
    net: Net | None
    found: list[Diagnostic]
    is_readable: bool = True


def read(config: str, overrides: Overrides) -> Reading:
    """Read and judge a config. Raises click.UsageError where an override has no place in it, and nothing else."""
    try:
        text = source_of(config)
    except OSError as error:
        return Reading("", None, [unreadable(shown(config), error)], is_readable=False)
    except TracerError as error:
        return Reading("", None, error.diagnostics)
    return read_text(text, config, overrides)


def read_text(text: str, path: str, overrides: Overrides) -> Reading:
    """Judge the text of a config, as :func:`read` does."""
    return Reading(text, *judged(lambda: open_net(text, path, overrides)))


def write_output(output: str | None, content: bytes) -> None:
    """Write a command's result to a file, or to standard output. Where the file takes nothing, the command ends."""
    if output is None:
        click.echo(content, nl=False)
        return
    from tracer.source.files import write_file
    from tracer.source.written import EditError

    try:
        write_file(output, content)
    except (OSError, EditError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        click.echo(f"{shown(output)}: cannot write: {reason}", err=True)
        raise click.exceptions.Exit(2) from None
    click.echo(f"written: {shown(output)}", err=True)


def complain(found: list[Diagnostic], text: str, *, config: str) -> None:
    """Report what is wrong with a config on standard error."""
    from tracer.views import report

    click.echo(report.full(found, {shown(config): text}), nl=False, err=True)


def text_of(config: str, complain: Callable[[list[Diagnostic], str], None]) -> str:
    """A config's text. Where it cannot be read, ``complain`` gets what is wrong, and the command ends."""
    try:
        return source_of(config)
    except OSError as error:
        complain([unreadable(shown(config), error)], "")
        raise click.exceptions.Exit(2) from None
    except TracerError as error:
        complain(error.diagnostics, "")
        raise click.exceptions.Exit(1) from None


def loaded(
    config: str,
    overrides: Overrides,
    complain: Callable[[list[Diagnostic], str], None],
    *,
    allow_argument_errors: bool = False,
) -> tuple[str, Net]:
    """A config's text and network. Where it cannot be loaded, ``complain`` gets what is wrong, and the command ends."""
    text = text_of(config, complain)
    try:
        return text, open_net(
            text, config, overrides, allow_argument_errors=allow_argument_errors
        )
    except TracerError as error:
        complain(error.diagnostics, text)
        raise click.exceptions.Exit(1) from None
