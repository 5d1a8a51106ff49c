"""A network that a SOURCE on the command line names, read and judged; what is wrong with it, reported."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import click
from msgspec.structs import replace

from tracer.commands.configs import open_config
from tracer.commands.options import Overrides, is_config, say_part, shown
from tracer.diagnostics import Diagnostic, TracerError
from tracer.loading import decoded, quoted_texts, read_bytes, unreadable
from tracer.net import Net
from tracer.rules import judge, judged
from tracer.source import limits

NO_CONFIG = "T603"
"""The code of a file that is no config."""

COUNTING = 1.5
"""Seconds of the processor in which the repairs of a Python source are counted."""


def source_of(path: str) -> str:
    """The text of a config. Raises OSError, and :class:`TracerError` where it is not text."""
    return decoded(_standard_input() if path == "-" else read_bytes(path), shown(path))


def _standard_input() -> bytes:
    """The bytes of standard input, at most one more than a config may have."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.stdin.buffer.read(limits.FILE_BYTES + 1)


def open_net(
    text: str, path: str, overrides: Overrides, *, allow_argument_errors: bool = False
) -> Net:
    """Load a config with the command line's overrides. Raises TracerError and click.UsageError.

    With ``allow_argument_errors`` also one whose trace finds wrong arguments. A file of another tool is read as what
    it is.
    """
    try:
        net = open_config(text, path, overrides, allow_argument_errors=allow_argument_errors)
    except TracerError as error:
        if not any(one.code == NO_CONFIG for one in error.diagnostics):
            raise
        from tracer.commands.sources import opened_text

        other = opened_text(text, path, overrides)
        if other is None:
            raise
        return other
    if overrides.key is not None:
        from tracer.commands.sources import refuse_key

        refuse_key(path, overrides)
    return net


class Reading(NamedTuple):
    """A config that was read: its text, its network where it loads, and everything wrong with it."""

    text: str
    net: Net | None
    found: list[Diagnostic]
    is_readable: bool = True


def read(config: str, overrides: Overrides, called: str | None = None) -> Reading:
    """Read and judge a network, which findings name as ``called`` where that is given.

    Raises click.UsageError where an override has no place in it, and nothing else.
    """
    if not is_config(config):
        return _read_source(config, overrides)
    try:
        text = source_of(config)
    except OSError as error:
        return Reading("", None, [unreadable(shown(config), error)], is_readable=False)
    except TracerError as error:
        return Reading("", None, error.diagnostics)
    reading = read_text(text, called or config, overrides)
    if reading.net is not None:
        say_part(config, overrides)
    return reading


def _read_source(source: str, overrides: Overrides) -> Reading:
    """Read and judge what is no config."""
    from tracer.commands.sources import opened
    from tracer.views.running_sizes import with_sizes_that_run

    try:
        net = opened(source, overrides)
    except TracerError as error:
        return Reading("", None, error.diagnostics)
    found = judge(_with_count(net))
    return Reading(net.to_yaml(), net, with_sizes_that_run(net, found))


def _with_count(net: Net) -> Net:
    """A network that knows how many repairs its program has, where that is soon found out."""
    from tracer.repairing.repairs import count_repairs

    program = net.read_from
    if program is None or program.plan is None:
        return net

    start = time.process_time()
    fails = any(one.severity == "error" for one in judge(net))
    is_quick = time.process_time() - start < COUNTING / 5
    if not fails or not is_quick:
        return net
    return net.reading_of(replace(program, repairs=count_repairs(net, COUNTING)))


def read_text(text: str, path: str, overrides: Overrides) -> Reading:
    """Judge the text of a config, as :func:`read` does."""
    net, found = judged(lambda: open_net(text, path, overrides))
    if net is None:
        return Reading(text, None, found)
    if any(one.severity == "error" for one in found):
        from tracer.views.running_sizes import with_sizes_that_run

        found = with_sizes_that_run(net, found)
    return Reading(net.to_yaml() if net.read_from is None else text, net, found)


def complain(found: list[Diagnostic], text: str, *, config: str) -> None:
    """Report what is wrong with a network on standard error, and name the command that may repair it."""
    from tracer.views import report

    click.echo(report.full(found, texts(found, text, config)), nl=False, err=True)
    if report.can_be_repaired(found):
        click.echo("`tracer plan` tries repairs", err=True)


def texts(found: Sequence[Diagnostic], text: str, config: str) -> dict[str, str]:
    """The texts that findings quote, by path: the config's, and those of the Python files that they stand in."""
    return quoted_texts(found, {shown(config): text})


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
    """A network, and the text that its findings stand in.

    Where it cannot be loaded, ``complain`` gets what is wrong, and the command ends.
    """
    if not is_config(config):
        return _loaded_source(config, overrides, complain)
    text = text_of(config, complain)
    try:
        net = open_net(text, config, overrides, allow_argument_errors=allow_argument_errors)
    except TracerError as error:
        complain(error.diagnostics, text)
        raise click.exceptions.Exit(1) from None
    say_part(config, overrides)
    return (net.to_yaml() if net.read_from is None else text), net


def _loaded_source(
    source: str, overrides: Overrides, complain: Callable[[list[Diagnostic], str], None]
) -> tuple[str, Net]:
    from tracer.commands.sources import opened

    try:
        net = opened(source, overrides)
    except TracerError as error:
        complain(error.diagnostics, "")
        raise click.exceptions.Exit(1) from None
    return net.to_yaml(), net
