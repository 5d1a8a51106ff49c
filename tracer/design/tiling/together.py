"""Whether tiles can be put together: what a loop takes of inputs and writes into outputs has the right shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from tracer.shapes.trace import Trace

if TYPE_CHECKING:
    from tracer.design.tiling.plan import Cut
    from tracer.network.records import Node


class Corner(NamedTuple):
    """A tile that lies at the beginning or at the end of every axis that is cut."""

    starts: Mapping[str, int]
    trace: Trace


class Pieces(NamedTuple):
    """The maps of an input or an output in tiles."""

    node: Node
    cuts: Sequence[Cut]


class Places(NamedTuple):
    """The tiles along every axis that is cut, at least two of them."""

    starts: Mapping[str, Sequence[int]]
    """Where they begin: a step apart, and the last one where it ends with the picture."""
    tile: Mapping[str, int]
    """The size of all but the last."""


def apart(
    whole: Trace, corners: Sequence[Corner], places: Places, pieces: Iterable[Pieces]
) -> list[str]:
    """The names of the nodes whose maps in tiles do not make up that of the whole picture."""
    return [
        one.node.name
        for one in pieces
        if not all(_fits(one, whole, corner, places) for corner in corners)
    ]


def _fits(one: Pieces, whole: Trace, corner: Corner, places: Places) -> bool:
    """Whether the map of a tile is a part of the whole one, and lies where the loop takes it from or puts it."""
    shape = whole.by_index[one.node.index]
    own = corner.trace.by_index[one.node.index]
    if shape is None or own is None or len(shape) != len(own):
        return False

    cuts = {cut.dim: cut for cut in one.cuts}
    for dim, n in enumerate(own):
        cut = cuts.get(dim)
        if cut is None:
            is_part = n == shape[dim]
        elif one.node.is_input:
            is_part = _is_taken(cut, int(n), corner, places)
        else:
            is_part = _is_written(cut, int(n), corner, places)
        if not is_part:
            return False
    return True


def _is_taken(cut: Cut, size: int, corner: Corner, places: Places) -> bool:
    """Whether the loop takes so many positions of an input, at whole positions."""
    starts = places.starts[cut.axis]
    if corner.starts[cut.axis] == starts[-1]:
        return _place(cut, starts[-1]) + size == cut.whole
    return _place(cut, places.tile[cut.axis]) == size and _begins_whole(cut, starts)


def _is_written(cut: Cut, size: int, corner: Corner, places: Places) -> bool:
    """Whether so many positions of an output end with the whole map, or reach what the next tile writes."""
    starts = places.starts[cut.axis]
    if corner.starts[cut.axis] == starts[-1]:
        return cut.first <= size and _place(cut, starts[-1]) + size == cut.whole

    widest = max(starts[1], starts[-1] - starts[-2])
    is_met = _place(cut, widest) + cut.first <= size
    is_inside = _place(cut, starts[-2]) + size <= cut.whole
    return is_met and is_inside and _begins_whole(cut, starts)


def _begins_whole(cut: Cut, starts: Sequence[int]) -> bool:
    """Whether tiles begin at whole positions."""
    return all(_place(cut, start).denominator == 1 for start in (starts[1], starts[-1]))


def _place(cut: Cut, pixel: int) -> Fraction:
    """The position at a pixel."""
    up, down = cut.rate
    return Fraction(pixel * up, down)
