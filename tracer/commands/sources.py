"""Networks that are no configs: what a SOURCE on the command line names, read."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import click

from tracer.commands.configs import open_config
from tracer.commands.options import Overrides, is_python, need, quoted, say_part, shown
from tracer.diagnostics import Diagnostic, TracerError, legible
from tracer.importing.named import names_defined, nothing_there
from tracer.importing.recording import NoSuchPart, Unrepresentable
from tracer.net import Net, ReadFrom
from tracer.source.edits import Edit, edited
from tracer.source.python_places import Line

if TYPE_CHECKING:
    import torch

    from tracer.neighbours.asked import ConfigFound
    from tracer.torch_bridge.opening import Opened

MAKING = 60.0
"""Seconds that a Python source may take to be made and run once, unless told otherwise."""


def opened(
    source: str, overrides: Overrides, name: str | None = None, *, fixed: bool = False
) -> Net:
    """The network of a SOURCE that is no config.

    Raises :class:`TracerError` with what keeps it from being read, and click.UsageError.
    """
    refuse_key(source, overrides)
    if source.lower().endswith(".onnx"):
        net = _of_onnx(source, overrides, name)
    elif is_python(source):
        net = _of_python(source, overrides, name, fixed)
    else:
        raise _without_callable(source)
    say_part(source, overrides)
    return _sized(net, source, overrides)


def refuse_key(source: str, overrides: Overrides) -> None:
    """Raise click.UsageError where a part is picked of what has none."""
    if overrides.key is not None:
        raise click.UsageError(
            f"{shown(source)} has no parts that --key could pick: that is for nnU-Net plans, MONAI bundles and Hydra "
            "configs; --until NODE reads up to a part"
        )


def opened_text(
    text: str,
    source: str,
    overrides: Overrides,
    name: str | None = None,
    *,
    fixed: bool = False,
) -> Net | None:
    """The network of another tool's file; None where the text is no such file.

    Raises as :func:`opened` does.
    """
    from tracer.neighbours.asked import Asked, ConfigFound, ModuleFound
    from tracer.neighbours.reading import neighbour

    asked = Asked(
        source,
        overrides.key,
        overrides.arguments,
        shown(source),
        overrides.until,
        overrides.mode == "train",
    )
    found = neighbour(text, asked)
    if found is None:
        return None
    if isinstance(found, ModuleFound) and not overrides.shapes:
        raise _without_shape(source, overrides)
    for line in found.told:
        click.echo(f"{shown(source)}: {line}", err=True)
    if isinstance(found, ConfigFound):
        return _of_config(found, source, overrides, name)
    net = _of_module(found.make, source, overrides, name, fixed, found.lines)
    return _sized(net, source, overrides)


def _of_config(found: ConfigFound, source: str, overrides: Overrides, name: str | None) -> Net:
    """The network of a config that was made of another tool's file."""
    text = found.text if name is None else edited(found.text, [Edit(("name",), name)])
    program = ReadFrom(
        shown(source),
        {},
        plan=_plan(source, overrides),
        data=found.places,
        advice=found.advice,
        size_key=found.size_key,
    )
    return open_config(text, source, overrides, read_from=program)


def _sized(net: Net, source: str, overrides: Overrides) -> Net:
    """The network with the sizes of the command line."""
    if not overrides.sizes:
        return net
    try:
        return net.with_sizes(overrides.sizes)
    except ValueError as error:
        raise click.UsageError(f"{shown(source)}: {error}") from None


def opened_as_edited(source: str, overrides: Overrides, contents: Mapping[str, bytes]) -> Net:
    """The network of a Python source, imported afresh with other contents of some files, which stay as they are.

    Raises as :func:`opened` does.
    """
    need("torch", "torch")
    from tracer.torch_bridge.edited_files import as_edited

    with as_edited(contents):
        return opened(source, overrides)


# --- Python ----------------------------------------------------------------------------------------------------------


def _of_python(source: str, overrides: Overrides, name: str | None, fixed: bool) -> Net:
    def make() -> torch.nn.Module:
        from tracer.torch_bridge.factory import module_from

        return module_from(source, overrides.arguments)

    # What is not there is told before the input's shape is asked for.
    missing = None if overrides.shapes else nothing_there(source)
    if missing is not None:
        raise click.UsageError(legible(missing))
    return _of_module(make, source, overrides, name, fixed)


def _of_module(
    make: Callable[[], torch.nn.Module],
    source: str,
    overrides: Overrides,
    name: str | None,
    fixed: bool,
    lines: Mapping[str, Line] | None = None,
) -> Net:
    """The network of a module that the user's code makes."""
    if overrides.params:
        raise click.UsageError("--set is for a config; a Python source takes --arg NAME=VALUE")
    if not overrides.shapes:
        raise _without_shape(source, overrides)
    need("torch", "torch")
    found = _read_module(make, source, overrides, name, fixed, lines or {})
    if overrides.mode == "train":
        click.echo(f"{shown(source)} is read in training mode", err=True)
    if found.read_at is not None:
        at = " and ".join(",".join(map(str, shape)) for shape in found.read_at)
        tried = f"{found.tried} size{'s' * (found.tried != 1)} tried"
        click.echo(
            f"{shown(source)} was read at {at}, near the size asked for ({tried})", err=True
        )
    return found.net


def _without_shape(source: str, overrides: Overrides) -> click.UsageError:
    """The error for a module whose input has no shape yet."""
    words = f"tracer {click.get_current_context().info_name} {quoted(source)}"
    options = " ".join(filter(None, (overrides.command_line, "--input 1,3,512,512")))
    return click.UsageError(
        f"say the input's shape: {words} {options} (again for each of several, NAME=1,10 for a keyword)"
    )


def _read_module(
    make: Callable[[], torch.nn.Module],
    source: str,
    overrides: Overrides,
    name: str | None,
    fixed: bool,
    lines: Mapping[str, Line],
) -> Opened:
    from tracer.torch_bridge.forward import Way
    from tracer.torch_bridge.opening import SECONDS, Question, finding, open_module
    from tracer.torch_bridge.time_limit import time_limit

    keywords = tuple(word for word, _ in overrides.shapes)
    shapes = [shape for _, shape in overrides.shapes]
    making = overrides.seconds or MAKING
    is_training = overrides.mode == "train"
    way = Way(keywords, is_training, overrides.until, making, overrides.symbols)
    asked = Question(
        shown(source),
        shapes,
        way,
        seconds=overrides.seconds or SECONDS,
        plan=_plan(source, overrides),
        name=name,
        fixed=fixed,
        how="--input again for each input, NAME=1,10 for one that is given by keyword",
        others=overrides.others,
        lines=lines,
    )

    # What the user's code prints is no part of an answer, and where it goes is no place for the output.
    with contextlib.redirect_stdout(sys.stderr), _without_input(), _returning():
        try:
            with time_limit(making, f"{shown(source)} is not made"):
                module = make()
        except Unrepresentable as error:
            raise TracerError([finding(error, asked)]) from None
        with _progress(asked.source) as progress:
            asked = asked._replace(way=way._replace(called=progress.called))
            try:
                return open_module(module, asked, progress)
            except NoSuchPart as error:
                raise click.BadParameter(str(error), param_hint="--until") from None


def _plan(source: str, overrides: Overrides) -> str | None:
    """The command that lists repairs."""
    if overrides.command_line is None:
        return None
    return f"tracer plan {quoted(source)} {overrides.command_line}".strip()


@contextlib.contextmanager
def _returning() -> Iterator[None]:
    """Come back to the working directory of before."""
    here = os.getcwd()
    try:
        yield
    finally:
        os.chdir(here)


@contextlib.contextmanager
def _without_input() -> Iterator[None]:
    """Let nobody wait for an answer to a question of the user's code."""
    before = sys.stdin
    with open(os.devnull, encoding="utf-8") as nothing:
        sys.stdin = nothing
        try:
            yield
        finally:
            sys.stdin = before


class _Reading:
    """What is done with a Python source now, in words."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.doing = "is read"
        self.run = 0
        """The calls of modules that have ended."""

    def __call__(self, tried: int, seconds: float) -> None:
        self.doing = f"{tried} sizes tried"

    def called(self) -> None:
        """Count a call of a module."""
        self.run += 1

    def words(self) -> str:
        """The words."""
        return f"{self.source}: {self.doing}, {self.run} modules run"


@contextlib.contextmanager
def _progress(source: str) -> Iterator[_Reading]:
    """Show what is done with a source that takes its time."""
    from tracer.commands.waiting import waiting

    reading = _Reading(source)
    with waiting(source, tells=True) as work:
        work.words = reading.words
        yield reading


def _without_callable(source: str) -> click.UsageError:
    """The error for a Python file or module of which no callable is named, with those that it has."""
    if source.endswith(".py"):
        if not os.path.isfile(source):
            return click.UsageError(f"{shown(source)}: there is no such file")
        likely = names_defined(source)
        first = likely[0] if likely else "UNet"
        others = f"; it has {', '.join(likely)}" if likely else ""
        return click.UsageError(
            f"say which module of {shown(source)}: {shown(source)}:{first} --input 1,3,512,512{others}"
        )
    module, _, name = source.rpartition(".")
    return click.UsageError(
        f"there is no file {shown(source)}; a module of torch is written {module}:{name}"
    )


# --- ONNX ------------------------------------------------------------------------------------------------------------


def _of_onnx(source: str, overrides: Overrides, name: str | None) -> Net:
    if overrides.arguments:
        raise click.UsageError("an ONNX file takes no --arg")
    need("onnx", "onnx")
    from tracer.commands.waiting import waiting
    from tracer.onnx_bridge.reading import read_onnx

    try:
        with waiting(f"{shown(source)}: is read"):
            return read_onnx(source, dict(overrides.inputs), name, overrides.until)
    except NoSuchPart as error:
        raise click.BadParameter(str(error), param_hint="--until") from None
    except OSError as error:
        click.echo(f"{shown(source)}: cannot be read: {error.strerror or error}", err=True)
        raise click.exceptions.Exit(2) from None
    except Unrepresentable as error:
        raise TracerError([Diagnostic("T601", str(error), path=shown(source))]) from None
