"""Options, files and colours that the commands share."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from tracer.api.check_line import COLOR, ReportOption
from tracer.diagnostics import printable, shortened, words_of
from tracer.network.values import value_of
from tracer.ops.base import Shape, written
from tracer.source.tree import Fault, compose

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])


class Overrides:
    """What the command line says of a network beside its SOURCE: other values, and how Python is read."""

    def __init__(
        self,
        sets: Sequence[str] = (),
        sizes: Sequence[str] = (),
        inputs: Sequence[str] = (),
        *,
        arguments: Sequence[str] = (),
        mode: str = "eval",
        until: str | None = None,
        seconds: float | None = None,
        key: str | None = None,
    ) -> None:
        self.params = params_of(sets, "--set", "PARAM=VALUE")
        self.sizes = sizes_of(sizes, "--size")
        self.shapes = [self.input_of(item) for item in inputs]
        """The inputs' names and shapes in the order in which they were given."""
        _once([named for named in self.shapes if named[0]], "--input")
        self.arguments = params_of(arguments, "--arg", "NAME=VALUE")
        self.mode = mode
        self.until = until
        self.seconds = seconds
        self.key = key
        """The part of another tool's file that is the network."""
        self.symbols: tuple[Mapping[int, str], ...] | None = None
        """For each input of a Python source its symbols by dim; None: they are found."""
        self.others: Sequence[Sequence[Shape]] = ()
        """Shapes at which a Python source is tried next."""
        self.command_line: str | None = quoted(
            *_options(arguments, inputs, sizes, mode, until, key)
        )
        """The options again, for a command that is proposed; None where no command line says the same."""

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """The inputs' shapes by name; the empty name stands for the only one."""
        return _once(self.shapes, "--input")

    @property
    def replaces(self) -> bool:
        """Whether anything of a config is replaced."""
        return bool(self.params or self.sizes or self.shapes)

    @property
    def is_of_a_network(self) -> bool:
        """Whether anything is said of one network."""
        is_read_otherwise = self.until or self.key or self.mode != "eval"
        return bool(self.replaces or self.arguments or is_read_otherwise)

    @classmethod
    def of_promise(
        cls, arguments: Mapping[str, Any], until: str | None, mode: str
    ) -> Overrides:
        """What is said of a network in a file: its sizes and inputs are given apart."""
        found = cls(mode=mode, until=until)
        found.arguments = dict(arguments)
        found.command_line = None
        return found

    @classmethod
    def of_params(cls, params: Mapping[str, Any], until: str | None = None) -> Overrides:
        """Params alone, of the network up to a node: the sizes and inputs are the config's."""
        found = cls(until=until)
        found.params = dict(params)
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


def sizes_of(items: Sequence[str], option: str) -> dict[str, int]:
    """The sizes that an option gives to symbols: ``H=512,W=640``, again and again."""
    found = []
    for part in [part for item in items for part in item.split(",")]:
        name, sign, text = part.partition("=")
        if not sign or not name or not is_size(text):
            raise click.BadParameter(
                f"{shortened(part, 60)!r} is not SYMBOL=N", param_hint=option
            )
        found.append((name.strip(), int(text)))
    return _once(found, option)


def quoted(*words: str) -> str:
    """Words as the shell of the system takes them."""
    if os.name == "nt":
        from subprocess import list2cmdline

        return list2cmdline(words)
    return shlex.join(words)


def _options(
    arguments: Sequence[str],
    inputs: Sequence[str],
    sizes: Sequence[str],
    mode: str,
    until: str | None,
    key: str | None,
) -> list[str]:
    """The words of a command line that say the same."""
    words = [word for item in arguments for word in ("--arg", item)]
    words += [word for item in inputs for word in ("--input", item)]
    words += [word for item in sizes for word in ("--size", item)]
    words += ["--mode", mode] if mode != "eval" else []
    words += ["--until", until] if until is not None else []
    words += ["--key", key] if key is not None else []
    return words


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


def files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a shell proposes for a network: files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def completed(known: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """What a shell proposes where one of these words is meant."""
    from click.shell_completion import CompletionItem

    begun = incomplete.lower()
    return [CompletionItem(word) for word in known if word.lower().startswith(begun)]


def is_size(text: str) -> bool:
    """True for a text of decimal digits, and few enough of them."""
    return text.isascii() and text.isdecimal() and len(text) <= 18


SOURCE_OPTIONS = (
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="SHAPE",
        help="An input's shape: 1,3,512,512; of several NAME=SHAPE, for a module again for each.",
    ),
    click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="PARAM=VALUE",
        help="A param's value: base=32.",
    ),
    click.option(
        "--arg",
        "arguments",
        multiple=True,
        metavar="NAME=VALUE",
        help="An argument of a Python source's callable, or of another tool's network, in YAML: depth=5.",
    ),
    click.option(
        "--mode",
        type=click.Choice(["eval", "train"]),
        default="eval",
        show_default=True,
        help="The mode in which a Python source's module is read.",
    ),
    click.option(
        "--until",
        metavar="NODE",
        help="Read the network up to a node, or to a module by its dotted path.",
    ),
    click.option(
        "--key",
        metavar="PATH",
        help="The part of another tool's file that is the network: 3d_fullres, network_def, model.net.",
    ),
    click.option(
        "--seconds",
        type=click.FloatRange(min=0.1, max=86_400),
        metavar="N",
        help="The time for a Python source: 60 to make it and run it once, 20 to find sizes at which it runs.",
    ),
)
"""How a network is read."""

SIZE_OPTION = click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="SYMBOL=N",
    help="A symbol's size: H=512,W=640.",
)


def network_options(command: F) -> F:
    """The options that say which network is read; the command takes them as ``overrides``."""
    return _with_overrides(command, (*SOURCE_OPTIONS, SIZE_OPTION))


def source_options(command: F) -> F:
    """The same for a command whose ``--size`` says something else."""
    return _with_overrides(command, SOURCE_OPTIONS)


def _with_overrides(command: F, options: Sequence[Callable[[Any], Any]]) -> F:
    names = ["inputs", "sets", "arguments", "mode", "until", "seconds", "key"]
    if SIZE_OPTION in options:
        names.append("sizes")

    @wraps(command)
    def with_overrides(*args: Any, **given: Any) -> Any:
        words = {name: given.pop(name) for name in names}
        return command(*args, overrides=Overrides(**words), **given)

    wrapped: Any = with_overrides
    for option in options:
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def colour_option(command: F) -> F:
    """``--color auto|always|never``."""
    return report_option(COLOR)(command)


def report_option(one: ReportOption, *name: str) -> Callable[[F], F]:
    """Click's option for a declared one, under another name where one is given."""
    if one.values:
        kind = click.Choice(one.values)
        return click.option(*one.words, *name, type=kind, default=one.default, help=one.help)
    if len(one.words) > 1:
        return click.option("/".join(one.words), default=None, help=one.help)
    return click.option(*one.words, is_flag=True, help=one.help)


def need_torch() -> None:
    """End the command where torch is not installed, with the command that installs it."""
    need("torch", "torch")


def need(package: str, extra: str) -> None:
    """End the command where a package is not installed, with the command that installs it, or where it is broken."""
    from importlib import import_module
    from importlib.util import find_spec

    try:
        if package not in sys.modules and find_spec(package) is None:
            click.echo(
                f"this command needs {package}: pip install 'shape-tracer[{extra}]'", err=True
            )
            raise click.exceptions.Exit(2)
        import_module(package)
    except click.exceptions.Exit:
        raise
    except (Exception, SystemExit) as error:
        reason = words_of(error) or type(error).__name__
        click.echo(f"{package} cannot be imported: {reason}", err=True)
        raise click.exceptions.Exit(2) from None


def style_option(command: F) -> F:
    """``--style maps|boxes``."""
    return click.option(
        "--style",
        type=click.Choice(["maps", "boxes"]),
        help="maps: each map as high as its extent and as thick as its channels, the usual one of svg, png and html. "
        "boxes: a box for each layer or block, the one of the others.",
    )(command)


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


CALLABLE = re.compile(r"(?P<place>.+):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)", re.DOTALL)
"""What is written behind a Python module or file: ``:UNet``, ``:models.UNet``."""

DRIVE = re.compile(r"[A-Za-z]:[\\/]")
"""The beginning of a path on one of Windows' drives: its colon separates nothing."""

DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_python(source: str) -> bool:
    """True for what is written as package.module:callable or path/to/file.py:callable, and is no file itself.

    >>> is_python("my_nets:UNet"), is_python("nets/unet.py:UNet"), is_python("HEAD:net.yaml"), is_python("net.yaml")
    (True, True, False, False)
    """
    match = CALLABLE.fullmatch(source)
    if match is None or os.path.lexists(source.replace("\0", "")):
        return False
    place = match["place"]
    return place.endswith(".py") or (
        DOTTED.fullmatch(place) is not None and not _is_file_name(match["name"])
    )


def _is_file_name(name: str) -> bool:
    """Whether it reads as the name of a config rather than as that of a callable."""
    return name.lower().endswith((".yaml", ".yml"))


def is_config(source: str) -> bool:
    """True for what is read as YAML: no Python source, no ONNX file."""
    return not (
        is_python(source) or source.lower().endswith((".onnx", ".py")) or _is_dotted(source)
    )


def _is_dotted(source: str) -> bool:
    """True for a Python name without a colon, ``my_nets.UNet``, where no file is called so."""
    is_name = DOTTED.fullmatch(source) is not None and "." in source
    return is_name and not _is_file_name(source) and not os.path.lexists(source)


def shown(path: str) -> str:
    """A path as reports show it: one line, and bytes of a name that are no UTF-8 are replaced."""
    return "<stdin>" if path == "-" else printable(os.fsencode(path).decode("utf-8", "replace"))


def say_part(source: str, overrides: Overrides) -> None:
    """Say what the user asked to leave out: it is no finding, and no answer is about it."""
    if overrides.until is not None:
        told = f"{shown(source)} is read up to {printable(overrides.until)}; what comes behind is left out"
        click.echo(told, err=True)


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
