"""What can be read of a module that cannot be read whole: at its own sizes alone, or up to a part."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import torch

from tracer.importing.recording import Unrepresentable
from tracer.ops.base import Shape, written
from tracer.sizing.symbol import Space
from tracer.torch_bridge.forward import Forward, Recordable, Way, no_dims
from tracer.torch_bridge.places import users_code

SECONDS = 10.0
"""So much of the processor's time ways out may take."""

Readable = Callable[[Way, bool], bool]
"""Whether a module can be read in a way, with its sizes as numbers or not."""


def way_out(
    module: torch.nn.Module,
    shapes: Sequence[Shape],
    way: Way,
    is_readable: Readable,
) -> str | None:
    """A hint with what reads a module or a part of it, each of which was tried; None where nothing does."""
    until = time.process_time() + SECONDS
    found = []
    if way.symbols is None and is_readable(way, True):
        listed = " and ".join(map(written, shapes))
        found.append(f"`tracer import --fixed` (fixed=True) reads it for {listed} alone")

    part = _last_readable(_parts_called(module, shapes, way), way, is_readable, until)
    if part is not None:
        found.append(f"`tracer import --until {part}` reads it up to there")
    return "; ".join(found) or None


def _parts_called(
    module: torch.nn.Module,
    shapes: Sequence[Shape],
    way: Way,
) -> list[str]:
    """The parts whose calls end before the forward does, or before it is refused."""
    finished: list[str | None] = []
    with suppress(Unrepresentable), users_code(type(module).__name__):
        forward = Forward(Recordable(module, way), no_dims, Space(), {})
        finished = forward.finished
        forward.run(shapes)
    names = dict.fromkeys(finished)
    return [name for name in names if name]


def _last_readable(
    parts: Sequence[str],
    way: Way,
    is_readable: Readable,
    until: float,
) -> str | None:
    """The last part up to which a module can be read, as far as that is found in time.

    It is looked for by halves: what cannot be read hides all that is behind it.
    """
    found = None
    first, end = 0, len(parts)
    number = end - 1
    while first < end and time.process_time() < until:
        part = parts[number]
        if is_readable(way._replace(until=part), False):
            found = part
            first = number + 1
        else:
            end = number
        number = (first + end) // 2
    return found
