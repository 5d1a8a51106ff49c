"""What a page is given of a network: a program of size operations, and what its slots mean.

Every record is JSON. Texts that show sizes have slots in them, written ``⟦7⟧``, or ``⟦7/8⟧`` for a ratio of two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tracer.sizing.stored import Truth


class Ask(msgspec.Struct, frozen=True):
    """Something that must hold, and what is said where it does not."""

    holds: Truth
    code: str
    severity: str
    message: str
    hint: str | None
    narrow: bool = False
    """Where it does not hold, symbols cannot say whether torch takes the sizes."""
    line: int | None = None
    """The line that a check names."""


class LiveNode(msgspec.Struct, frozen=True):
    """One node: slots of the program."""

    shape: list[int] | None
    """None where it has none whatever the sizes are, or none that symbols can say."""
    asks: list[Ask]
    params: int | None
    macs: int | None
    grid: list[list[int] | None]
    """Per dim: the stride's numerator and denominator, and the offset's."""
    working: list[str | None]
    """Per dim: the arithmetic of its size, where there is any."""
    unknown: bool
    """Its formula takes no symbols."""


class LiveStep(msgspec.Struct, frozen=True, array_like=True):
    """One step of a run: slots of how many values it makes and frees; negative ones, less one, are of indices."""

    node: int
    made: list[int]
    freed: list[int]


class Memories(msgspec.Struct, frozen=True):
    """What training keeps, and what a run without it makes and frees, in the same slots."""

    kept: list[int]
    steps: list[LiveStep]


class Choice(msgspec.Struct, frozen=True):
    """An ``auto``, and which value it has for which size."""

    name: str
    """``up4.output_padding[0]``"""
    symbol: str | None
    """The symbol that decides it; None where its value stays."""
    values: list[int]
    """A size n of the symbol has the value ``values[n % len(values)]``."""

    def value(self, sizes: Mapping[str, int]) -> int:
        """The value for these sizes."""
        return (
            self.values[sizes[self.symbol] % len(self.values)]
            if self.symbol
            else self.values[0]
        )


class Live(msgspec.Struct, frozen=True):
    """A network that can be asked for any sizes. Slots are numbered from the symbols, params and choices on."""

    symbols: dict[str, int]
    """The input's symbols, with their sizes now."""
    params: dict[str, int]
    """The params that are open, with their values now."""
    fixed: dict[str, str]
    """The params that are whole numbers and not open, with the reason."""
    choices: list[Choice]
    planned: bool
    """Whether the choices follow the sizes; otherwise they are those of the sizes now."""
    steps: list[list[Any]]
    """The instructions of :mod:`tracer.sizing.program`, each computing the next slot."""
    nodes: list[LiveNode]
    memories: Memories | None
    """None where a node has no shape, or sizes decide what is kept."""
