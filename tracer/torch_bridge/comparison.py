"""What a comparison with torch found; this file does without torch."""

from __future__ import annotations

import msgspec


class Difference(msgspec.Struct, frozen=True):
    """A node whose shape torch does not share; null where it is refused."""

    node: str
    traced: list[int] | None
    torch: list[int] | None
    said: str | None
    """What torch said where it refused."""


class Comparison(msgspec.Struct, frozen=True):
    """One forward."""

    device: str
    sizes: dict[str, int]
    runs: bool
    """Whether the trace says that it runs."""
    nodes: int
    """How many nodes were compared."""
    differences: list[Difference]
