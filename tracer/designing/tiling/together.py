"""Whether tiles can be put together: what a loop takes of inputs and writes into outputs has the right shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from tracer.network.records import Node
from tracer.shapes.trace import Trace


class Cut(msgspec.Struct, frozen=True):
    """A dim of an input or an output that is cut along an axis."""

    dim: int
    axis: str
    place: int
    """Which of an input's dims of that axis it is, from 0: more than one where a symbol stands for several."""
    rate: tuple[int, int]
    """Positions per pixel, as a ratio."""
    first: int
    """The first position of a tile that is right, where the tile does not begin at the picture's border."""
    whole: int
    """The size for the whole picture."""


class Corner(NamedTuple):
    """A tile that lies at the beginning or at the end of every axis that is cut."""

    starts: Mapping[str, int]
    trace: Trace


class Pieces(NamedTuple):
    """The maps of an input or an output in tiles."""

    node: Node
    cuts: Sequence[Cut]


class LaidOut(NamedTuple):
    """The tiles along every axis that is cut, at least two of them."""

    starts: Mapping[str, Sequence[int]]
    """Where they begin: a step apart, and the last one where it ends with the picture."""
    tile: Mapping[str, int]
    """The size of all but the last."""


def apart(
    whole: Trace, corners: Sequence[Corner], laid: LaidOut, pieces: Iterable[Pieces]
) -> list[str]:
    """The names of the nodes whose maps in tiles do not make up that of the whole picture."""
    return [
        one.node.name
        for one in pieces
        if not all(_fits(one, whole, corner, laid) for corner in corners)
    ]


def _fits(one: Pieces, whole: Trace, corner: Corner, laid: LaidOut) -> bool:
    """Whether the map of a tile is a part of the whole one, and lies where the loop takes it from or puts it."""
    shape = whole.by_index[one.node.index]
    own = corner.trace.by_index[one.node.index]
    if shape is None or own is None:
        return False
    if len(shape) != len(own):
        return False

    is_part = _is_taken if one.node.is_input else _is_written
    cuts = {cut.dim: cut for cut in one.cuts}
    for dim, n in enumerate(own):
        cut = cuts.get(dim)
        if cut is None:
            fits = n == shape[dim]
        else:
            fits = is_part(cut, int(n), corner, laid)
        if not fits:
            return False
    return True


def _is_taken(cut: Cut, size: int, corner: Corner, laid: LaidOut) -> bool:
    """Whether the loop takes so many positions of an input, at whole positions."""
    starts = laid.starts[cut.axis]
    last = starts[-1]
    if corner.starts[cut.axis] == last:
        end = _place(cut, last) + size
        return end == cut.whole

    pixels = laid.tile[cut.axis]
    is_taken = _place(cut, pixels) == size
    return is_taken and _begins_whole(cut, starts)


def _is_written(cut: Cut, size: int, corner: Corner, laid: LaidOut) -> bool:
    """Whether so many positions of an output end with the whole map, or reach what the next tile writes."""
    starts = laid.starts[cut.axis]
    before, last = starts[-2:]
    if corner.starts[cut.axis] == last:
        end = _place(cut, last) + size
        return cut.first <= size and end == cut.whole

    widest = max(starts[1], last - before)
    next_begins = _place(cut, widest)
    is_met = next_begins + cut.first <= size

    end = _place(cut, before) + size
    is_inside = end <= cut.whole
    return is_met and is_inside and _begins_whole(cut, starts)


def _begins_whole(cut: Cut, starts: Sequence[int]) -> bool:
    """Whether tiles begin at whole positions."""
    ends = starts[1], starts[-1]
    places = [_place(cut, start) for start in ends]
    return all(place.denominator == 1 for place in places)


def _place(cut: Cut, pixel: int) -> Fraction:
    """The position at a pixel."""
    up, down = cut.rate
    return Fraction(pixel * up, down)
