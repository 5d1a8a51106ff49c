"""A program's recordings as a loaded network, compared with the program at other sizes first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from tracer.diagnostics import TracerError, legible
from tracer.importing.paths import Refusal, Run, one_of, required
from tracer.importing.recording import Step, Unrepresentable
from tracer.importing.text import config
from tracer.loading import load_text
from tracer.net import Net
from tracer.ops.base import Shape, written
from tracer.sizing.size_set import SizeSet, TooLarge

CHECKED = 8
"""Other sizes for which the config is compared with the program."""


def network_of(run: Run, title: str, path: str, unseen: str = "") -> tuple[Net, dict[str, Step]]:
    """The network of a program, and its steps by their nodes' names; ``path`` is its file's in diagnostics.

    ``unseen`` ends the message about a size that escapes from the recording, with the ways in which it may.

    Raises :class:`Unrepresentable` where no config says what the program does, for every size.
    """
    recording, refused = one_of(run)
    try:
        text, names = config(recording, title)
        net = load_text(text, path, {})

        # The config refuses by an operation what the program refuses by itself, or has to be made to.
        unsaid = [one for one in refused if not one.by_operation and _taken(net, one)]
        if unsaid:
            recording.require(required(recording, unsaid))

        text, names = config(recording, title)
        net = load_text(text, path, {})
        _check_refusals(net, refused)
        _check_shapes(net, run, recording.symbols, unseen)
    except TracerError as error:
        raise Unrepresentable(
            f"what comes out is no config: {legible(error.diagnostics[0].message)}"
        ) from error
    except TooLarge as error:
        raise Unrepresentable(str(error)) from error

    steps = {}
    for step in recording.steps:
        steps[names[step.name]] = step
    return net, steps


def _taken(net: Net, refusal: Refusal) -> SizeSet:
    """The sizes that the program refuses and the network takes."""
    axis = net.working_sizes().axes[refusal.symbol]
    return axis.runs & refusal.sizes


def _check_refusals(net: Net, refused: Sequence[Refusal]) -> None:
    """Raise :class:`Unrepresentable` where the network takes a size that the program refuses."""
    for refusal in refused:
        taken = _taken(net, refusal)
        if taken:
            at = f"{refusal.symbol} = {taken.least}"
            raise Unrepresentable(f"{refusal.message}; for {at} no config can say that")


def _check_shapes(net: Net, run: Run, symbols: Mapping[str, int], unseen: str) -> None:
    """Raise :class:`Unrepresentable` where the network has other shapes than the program, at some other sizes."""
    for sizes in _other_sizes(symbols):
        expected = _program_shapes(run, sizes)
        found = _network_shapes(net, sizes)
        if found != expected:
            parts = [f"{symbol}={n}" for symbol, n in sizes.items()]
            at = " ".join(parts)
            raise Unrepresentable(
                f"at {at} it gives {_written(expected)}, and its config would give {_written(found)}: "
                f"some number follows the input's size unseen{unseen}"
            )


def _other_sizes(symbols: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """A few sizes around those of the recording, drawn but always the same."""
    draw = random.Random(0)
    for _ in range(CHECKED if symbols else 0):
        sizes = {}
        for symbol, n in symbols.items():
            changes = draw.random() < 0.7
            if changes:
                n = max(1, n + draw.randint(-n // 2, n // 2))
            sizes[symbol] = n
        yield sizes


def _program_shapes(run: Run, sizes: Mapping[str, int]) -> list[Shape] | None:
    """The shapes of the program's outputs; None where it refuses the sizes."""
    try:
        recording = run(sizes)
    except Unrepresentable:
        return None
    outputs = recording.outputs.values()
    return [value.shape for value in outputs]


def _network_shapes(net: Net, sizes: Mapping[str, int]) -> list[Shape | None] | None:
    """The shapes of the network's outputs; None where it refuses the sizes."""
    trace = net.trace(**sizes)
    if trace.diagnostics:
        return None
    return list(trace.outputs.values())


def _written(shapes: Sequence[Shape | None] | None) -> str:
    if shapes is None:
        return "an error"
    return ", ".join(map(written, shapes))
