"""The text of a config as a network, with what the command line says of it."""

from __future__ import annotations

import click

from tracer.commands.options import Overrides, shown
from tracer.loading import load_text
from tracer.net import Net, ReadFrom
from tracer.network.part import UnknownLayer


def open_config(
    text: str,
    source: str,
    overrides: Overrides,
    *,
    allow_argument_errors: bool = False,
    read_from: ReadFrom | None = None,
) -> Net:
    """The network of a config's text with what the command line says of it; ``source`` is what the user named.

    Raises :class:`click.UsageError` where the command line does not fit the config, and what
    :func:`tracer.loading.load_text` raises of the text itself.
    """
    try:
        return load_text(
            text,
            shown(source),
            overrides.params,
            overrides.sizes,
            overrides.inputs,
            allow_argument_errors=allow_argument_errors,
            read_from=read_from,
            until=overrides.until,
        )
    except UnknownLayer as error:
        message = f"{shown(source)}: {error}"
        raise click.BadParameter(message, param_hint="--until") from None
    except ValueError as error:
        raise click.UsageError(f"{shown(source)}: {error}") from None
