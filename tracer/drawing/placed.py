"""Records of a placed picture, in pixels: rectangles of boxes, corners of arrows, and how large a box is."""

from __future__ import annotations

from math import log2, prod
from typing import NamedTuple

from tracer.drawing.picture import Box

GAP = 26
"""Between boxes that stand one above the other."""

CHANNEL = 64
"""Between columns, where arrows turn."""

CHARACTER = 7
"""An upper bound of a letter's mean width, at the size that names are written in."""

WIDEST, NARROWEST = 240, 132


class Rectangle(NamedTuple):
    """The place of a box."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[int, int]:
        """Its centre."""
        return self.x + self.width // 2, self.y + self.height // 2

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Its lower edge."""
        return self.y + self.height


Route = tuple[tuple[int, int], ...]
"""The corners of an arrow, from the source's edge to the target's."""


class Layout(NamedTuple):
    """A picture, placed."""

    width: int
    height: int
    places: list[Rectangle]
    """One for each box."""
    routes: list[Route]
    """One for each arrow."""


def extent(box: Box) -> tuple[int, int]:
    """Width and height of a box: more channels are wider, more positions are higher, both by the logarithm.

    It is at least as wide as its texts, within bounds.
    """
    shape = box.shape or ()
    channels = shape[1] if len(shape) > 1 else 1
    positions = prod(shape[2:]) if len(shape) > 2 else 1

    shape_length = 3 * len(shape) + sum(len(str(n)) for n in shape)
    text = CHARACTER * max(len(box.name) + 2, len(box.op), shape_length) + 24

    width = max(NARROWEST + 9 * log2(max(channels, 1)), min(text, WIDEST))
    height = 50 + min(1.8 * log2(max(positions, 1)), 36)
    return _even(min(width, WIDEST)), _even(height)


def _even(n: float) -> int:
    """Rounded down to an even number, so that middles are whole."""
    return int(n) // 2 * 2
