"""A program's recordings as a loaded network, compared with the program at other sizes first."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from tracer.diagnostics import TracerError, legible
from tracer.importing.paths import Refusal, Run, one_of, required
from tracer.importing.recording import Step, Unrepresentable
from tracer.importing.text import config
from tracer.loading import load_text
from tracer.net import Net
from tracer.ops.base import written
from tracer.sizing.size_set import TooLarge

CHECKED = 8
"""Other sizes for which the config is compared with the program."""


def network_of(run: Run, title: str, path: str) -> tuple[Net, dict[str, Step]]:
    """The network of a program, and its steps by their nodes' names; ``path`` stands for it in diagnostics.

    Raises :class:`Unrepresentable` where no config says what the program does, for every size.
    """
    recording, refused = one_of(run)
    try:
        net = load_text(config(recording, title).text, path, {})
        unsaid = [
            one
            for one in refused
            if not one.by_operation and net.sizes().axes[one.symbol].runs & one.sizes
        ]
        if unsaid:
            recording.require(required(recording, unsaid))
        text, names = config(recording, title)
        net = load_text(text, path, {})
        _agree(net, run, recording.symbols, refused)
    except TracerError as error:
        raise Unrepresentable(
            f"what comes out is no config: {legible(error.diagnostics[0].message)}"
        ) from error
    except TooLarge as error:
        raise Unrepresentable(str(error)) from error
    return net, {names[step.name]: step for step in recording.steps}


def _agree(net: Net, run: Run, symbols: Mapping[str, int], refused: Sequence[Refusal]) -> None:
    """Raise :class:`Unrepresentable` where the program says something else than the config.

    What it refuses has to be refused; for a few other sizes, drawn but always the same, it is run once more.
    """
    for symbol, sizes, said, _ in refused:
        taken = net.sizes().axes[symbol].runs & sizes
        if taken:
            raise Unrepresentable(f"{said}; for {symbol} = {taken.least} no config can say that")
    draw = random.Random(0)
    for _ in range(CHECKED if symbols else 0):
        other = {
            s: max(1, n + draw.randint(-n // 2, n // 2)) if draw.random() < 0.7 else n
            for s, n in symbols.items()
        }
        try:
            outputs: Any = [value.shape for value in run(other).outputs.values()]
        except Unrepresentable:
            outputs = None
        trace = net.trace(**other)
        mine = None if trace.diagnostics else list(trace.outputs.values())
        if mine != outputs:
            at = " ".join(f"{symbol}={n}" for symbol, n in other.items())
            raise Unrepresentable(
                f"at {at} it gives {_said(outputs)}, and its config would give {_said(mine)}: "
                "some number follows the input's size unseen, through int(), range() or a cache"
            )


def _said(shapes: Sequence[Sequence[int] | None] | None) -> str:
    return "an error" if shapes is None else ", ".join(map(written, shapes))
