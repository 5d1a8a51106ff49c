"""What a forward of the built module shows about a trace; this file does without torch."""

from __future__ import annotations

import msgspec


class Mismatch(msgspec.Struct, frozen=True):
    """A node whose shape torch does not share; null where it is refused."""

    node: str
    traced: list[int] | None
    torch: list[int] | None
    said: str | None
    """Torch's message where it refused."""


class Verification(msgspec.Struct, frozen=True):
    """One forward beside the trace for the same sizes."""

    device: str
    sizes: dict[str, int]
    runs: bool
    """Whether the network runs according to the trace."""
    nodes: int
    """How many nodes were compared."""
    differences: list[Mismatch]
