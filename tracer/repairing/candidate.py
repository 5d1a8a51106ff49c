"""A change that may repair a network."""

from __future__ import annotations

import enum
from typing import NamedTuple

from tracer.source.edits import Edit


class Kind(enum.IntEnum):
    """Kinds of changes, in the order in which a person would try them where they cost the same."""

    SOLVED = 0
    """Values of ``auto`` and ``output_padding``."""
    FORGOTTEN = 1
    """A skip that a layer was made for, the name of the decoder's input of a merge that aligns."""
    SLIP = 2
    """One number of a layer, a name under ``from``: what was mistyped."""
    SIZED = 3
    """A layer that enlarges takes its size from the skip."""
    ALIGNED = 4
    """The merge cuts, pads or resizes one of its inputs."""
    REBUILT = 5
    """Several numbers of a layer, a layer more or less."""
    PADDED = 6
    """The input is padded and the output cut."""
    SIZES = 7
    """Other input sizes that keep what is promised."""
    RUNS = 8
    """Other input sizes that merely run."""


class Oddness(enum.IntEnum):
    """How odd a layer is that a change makes."""

    USUAL = 0
    """Another layer of the network is the same."""
    NATURAL = 1
    """It changes the size by its stride alone, or makes the channels that are taken."""
    UNKNOWN = 2
    ODD = 3


class Candidate(NamedTuple):
    """Edits that belong together."""

    title: str
    edits: list[Edit]
    kind: Kind
    oddness: Oddness = Oddness.UNKNOWN

    @property
    def key(self) -> str:
        """What tells its edits from others."""
        return repr(self.edits)
