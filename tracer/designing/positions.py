"""Where the input's positions stand in a map of any layout: channels first or last, or in a row of tokens.

Grids say where positions lie while dims keep their places. Here they are followed as well where dims are put in another
order, joined and split again, and where tokens of another kind stand before or behind them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tracer.geometry.grids import leading_dims, with_numbers
from tracer.ops.adaptive import AdaptivePool
from tracer.ops.base import Op, Shape
from tracer.ops.convolution import Conv
from tracer.ops.merge import Merge
from tracer.ops.pooling import AvgPool
from tracer.ops.rearrange import (
    Flatten,
    Permute,
    Reshape,
    Squeeze,
    Transpose,
    Unflatten,
    Unsqueeze,
)
from tracer.ops.windows import Window
from tracer.shapes.trace import Trace
from tracer.shapes.traced import Visit

FEW = 3
"""Positions that a layer may make one of without being a classifier's."""

REGROUPING = (Flatten, Reshape, Squeeze, Unflatten, Unsqueeze)
"""They keep the elements' order, so that sizes say which dims are joined and split."""


class Held(NamedTuple):
    """What of the input's axes is in one dim."""

    axes: tuple[int, ...] = ()
    """The axes, row by row."""
    front: int = 0
    """Tokens before the positions: a class token."""
    back: int = 0

    @property
    def is_row(self) -> bool:
        """True for tokens: several axes in one dim, or others beside the positions."""
        return len(self.axes) > 1 or self.front > 0 or self.back > 0


class AxisPlace(NamedTuple):
    """The positions along one axis: their grid in input pixels, and the dim that shows how many there are."""

    stride: Fraction
    offset: Fraction
    node: int
    dim: int


class DimLayout(NamedTuple):
    """The input's positions in a node's dims."""

    held: tuple[Held, ...]
    """By dim."""
    places: tuple[AxisPlace, ...]
    """By axis; one that no dim holds is lost."""
    enlarged: bool
    """True where an up-layer has enlarged the map since the input."""

    @property
    def strides(self) -> tuple[Fraction, ...]:
        return tuple(place.stride for place in self.places)

    def held_in(self, dim: int) -> Held:
        """What a dim holds; nothing where there is no such dim."""
        if 0 <= dim < len(self.held):
            return self.held[dim]
        return Held()

    @property
    def is_whole(self) -> bool:
        """True where every axis is in one dim."""
        axes = [axis for held in self.held for axis in held.axes]
        return sorted(axes) == list(range(len(self.places)))

    @property
    def is_plain(self) -> bool:
        """True where each axis has a dim of its own, the last ones in order."""
        dims = len(self.places)
        return self.held[len(self.held) - dims :] == tuple(
            Held((axis,)) for axis in range(dims)
        )


def positions(trace: Trace) -> list[DimLayout | None]:
    """Where the positions of the first input stand, for every node; None where none are left.

    A pooling to sizes that are fixed, or to one position, belongs to a classifier: positions end there.
    """
    lead = leading_dims(trace)
    found: list[DimLayout | None] = []
    symbols: dict[str, int] = {}
    for visit in trace.walk():
        node = visit.node
        layout = None
        if visit.shape is not None and visit.op is not None:
            layout = _behind(visit, found, symbols)
        elif visit.shape is not None and node.is_input:
            symbols.update(
                (dim, n) for dim, n in zip(node.pattern, visit.shape) if isinstance(dim, str)
            )
            if not node.index:
                layout = _of_input(visit.shape, lead)
        found.append(layout)
    return found


def _of_input(
    shape: Shape,
    lead: int,
) -> DimLayout:
    axes = range(len(shape) - lead)
    held = [Held()] * lead + [Held((axis,)) for axis in axes]
    places = [AxisPlace(Fraction(1), Fraction(0), 0, lead + axis) for axis in axes]
    return DimLayout(tuple(held), tuple(places), False)


def _behind(
    visit: Visit,
    found: Sequence[DimLayout | None],
    symbols: dict[str, int],
) -> DimLayout | None:
    """Where positions stand behind an operation."""
    op = visit.op
    assert op is not None
    before = _followed(visit, found)
    if before is None:
        return None

    number, layout = before
    if isinstance(op, Permute | Transpose):
        held = _reordered(op, visit.inputs[number], layout.held)
    elif isinstance(op, REGROUPING):
        return _regrouped(visit, layout)
    else:
        numbered = with_numbers(visit.node, op, symbols)
        return _through(visit, numbered, number, found)
    return _seen_here(visit, DimLayout(held, layout.places, layout.enlarged))


def _followed(
    visit: Visit,
    found: Sequence[DimLayout | None],
) -> tuple[int, DimLayout] | None:
    """The input whose positions go on: rather all of them, rather not enlarged, and the last of several."""
    op = visit.op
    layouts: list[tuple[tuple[bool, bool, int], int, DimLayout]] = []
    # What is no merge computes with other inputs, along the first one's dims.
    inputs = visit.node.inputs if isinstance(op, Merge) else visit.node.inputs[:1]
    for number, source in enumerate(inputs):
        layout = found[source.index]
        if layout is None:
            continue
        is_repeated = isinstance(op, Merge) and _is_repeated(visit, number, layout)
        order = (layout.is_whole and not is_repeated, not layout.enlarged, number)
        layouts.append((order, number, layout))

    if not layouts:
        return None
    _, number, layout = max(layouts, key=lambda one: one[0])
    return number, layout


def _is_repeated(
    visit: Visit,
    number: int,
    layout: DimLayout,
) -> bool:
    """Whether a merge repeats an input along one of its axes."""
    shape = visit.inputs[number]
    y = visit.shape or ()
    own = [(n, m) for n, m, held in zip(shape[::-1], y[::-1], layout.held[::-1]) if held.axes]
    return any(n == 1 and m != 1 for n, m in own)


# --- dims in another order, joined and split -----------------------------------------------------------------------


def _reordered(op: Op, x: Shape, held: tuple[Held, ...]) -> tuple[Held, ...]:
    """What the dims hold in another order."""
    sources = [op.source_dim(dim, x) for dim in range(len(held))]
    return tuple(held[dim] for dim in sources if dim is not None)


Piece = tuple[int, int | None]
"""A size, and its axis."""


def _regrouped(visit: Visit, layout: DimLayout) -> DimLayout | None:
    """What the dims hold behind a reshape."""
    pieces = list(_pieces(visit, layout))
    places = list(layout.places)
    held: list[Held] = []
    for n in visit.shape or ():
        assert isinstance(n, int)
        own = _taken(pieces, n, places)
        axes = tuple(axis for _, axis in own if axis is not None)
        is_mixed = any(axis is None and size != 1 for size, axis in own)
        held.append(Held() if is_mixed else Held(axes))
    return _seen_here(visit, DimLayout(tuple(held), tuple(places), layout.enlarged))


def _pieces(
    visit: Visit,
    layout: DimLayout,
) -> Iterator[Piece]:
    """The sizes that a map is made of, one behind the other; an axis that is one of several in a dim has its own."""
    (shape,) = visit.inputs[:1]
    for n, held in zip(shape, layout.held):
        sizes = [_size(visit, layout.places[axis]) for axis in held.axes]
        is_known = sizes and math.prod(sizes) == n
        if is_known:
            yield from zip(sizes, held.axes)
        elif n != 1:
            yield n, None


def _size(
    visit: Visit,
    place: AxisPlace,
) -> int:
    n = (visit.by_index[place.node] or ())[place.dim]
    assert isinstance(n, int)
    return n


def _taken(
    pieces: list[Piece],
    n: int,
    places: list[AxisPlace],
) -> list[Piece]:
    """The pieces that a dim of this size is made of, which are taken away.

    An axis in several dims has its patches in the first one, and what is inside of a patch in the others.
    """
    taken: list[Piece] = []
    left = n
    while pieces and (left > 1 or (n == 1 and pieces[0][0] == 1 and not taken)):
        size, axis = pieces[0]
        if left % size == 0:
            taken.append(pieces.pop(0))
            left //= size
            continue

        if size % left:
            # The dim ends inside of a piece, and so does the next one.
            rest = math.prod(n for n, _ in pieces) // left
            pieces[:] = [(rest, None)]
            return [(n, None)]
        inside = size // left
        pieces[0] = (inside, None)
        taken.append((left, axis))
        if axis is not None:
            places[axis] = _patches(places[axis], inside)
        left = 1
    return taken


def _patches(place: AxisPlace, length: int) -> AxisPlace:
    """The places of patches of so many positions each: their middles."""
    middle = place.offset + place.stride * (length - 1) / 2
    return place._replace(stride=place.stride * length, offset=middle)


# --- through windows -----------------------------------------------------------------------------------------------


def _through(
    visit: Visit,
    op: Op,
    number: int,
    found: Sequence[DimLayout | None],
) -> DimLayout | None:
    """Where positions stand behind an operation that keeps the dims' order."""
    layout = found[visit.node.inputs[number].index]
    assert layout is not None
    shape = visit.inputs[number]
    y = visit.shape or ()
    if ends_positions(op, layout, shape, y):
        return None
    joined = op.joined(len(y)) if isinstance(op, Merge) else None

    held: list[Held] = []
    places = list(layout.places)
    enlarged = layout.enlarged
    for dim, n in enumerate(y):
        at = _source_dim(op, dim, visit.inputs, number)
        own = layout.held_in(at)
        if dim == joined:
            held.append(_joined(visit, dim, number, own))
        elif own.axes:
            window = _window(visit, op, number, dim, at)
            held.append(_behind_window(window, own, places, shape[at], n))
            enlarged |= _enlarges(window)
        else:
            held.append(Held())

    if joined is not None:
        places = _between(visit, found, places)
    return _seen_here(visit, DimLayout(tuple(held), tuple(places), enlarged))


def _enlarges(window: Window | None) -> bool:
    return window is not None and window.up != 1


def _between(
    visit: Visit,
    found: Sequence[DimLayout | None],
    places: Sequence[AxisPlace],
) -> list[AxisPlace]:
    """The places where pixels of a patch become channels: in the patch's middle. Other maps stay in their places."""
    layouts = [found[source.index] for source in visit.node.inputs]
    known = [one for one in layouts if one is not None]
    strides = {one.strides for one in known}
    is_one_resolution = len(known) == len(layouts) and len(strides) == 1
    if not is_one_resolution:
        return list(places)

    middle = []
    phases = 1
    for axis, place in enumerate(places):
        offsets = {one.places[axis].offset for one in known}
        phases *= _phases(place.stride, offsets)
        mean = sum(offsets, Fraction(0)) / len(offsets)
        middle.append(place._replace(offset=mean))
    is_patch = phases == len(known) > 1
    return middle if is_patch else list(places)


def _phases(
    stride: Fraction,
    offsets: set[Fraction],
) -> int:
    """How many maps fill a stride evenly; 0 where they leave gaps of other lengths."""
    gaps = {b - a for a, b in pairwise(sorted(offsets))}
    is_even = gaps <= {stride / len(offsets)}
    return len(offsets) if is_even else 0


def ends_positions(
    op: Op,
    layout: DimLayout,
    shape: Shape,
    y: Shape,
) -> bool:
    """Whether an operation is a classifier's: a pooling to sizes that are fixed, or what makes one of all positions."""
    if isinstance(op, AdaptivePool):
        asked = op.output_size
        sizes = asked if isinstance(asked, tuple) else (asked,)
        return None not in sizes
    if not isinstance(op, AvgPool | Conv):
        return False

    axes = [dim for dim, held in enumerate(layout.held) if held.axes]
    sees_all = all(y[dim] == 1 and _extent(op, dim, shape) == shape[dim] for dim in axes)
    return sees_all and any(shape[dim] > FEW for dim in axes)


def _extent(op: Op, dim: int, shape: Shape) -> int:
    """The positions from the first to the last that one sees; 0 for all."""
    window = op.window(dim, shape)
    if window is None or window.extent is None:
        return 0
    return (window.extent - 1) * window.gap + 1


def _source_dim(
    op: Op,
    dim: int,
    inputs: Sequence[Shape],
    number: int,
) -> int:
    """The dim of an input that an output dim is; a merge counts dims from the end, as broadcasting does."""
    if not isinstance(op, Merge):
        return dim
    rank = max(map(len, inputs))
    return dim - (rank - len(inputs[number]))


def _window(
    visit: Visit,
    op: Op,
    number: int,
    dim: int,
    at: int,
) -> Window | None:
    window = op.window(dim, *visit.inputs, **visit.sizes)
    if window is None or not isinstance(op, Merge):
        return window
    return op.aligned_window(number, at, *visit.inputs)


def _behind_window(
    window: Window | None,
    own: Held,
    places: list[AxisPlace],
    before: object,
    behind: object,
) -> Held:
    """What a dim holds behind a window; the axis' place moves along."""
    if window is None or window.first is None:
        return Held()
    if own.is_row:
        assert isinstance(before, int) and isinstance(behind, int)
        return _cut_row(window, own, before, behind)

    (axis,) = own.axes
    place = places[axis]
    first = Fraction(*window.first)
    down, up = window.step or (window.down, window.up)
    places[axis] = place._replace(
        stride=place.stride * down / up,
        offset=place.offset + place.stride * first,
    )
    return own


def _cut_row(
    window: Window,
    own: Held,
    before: int,
    behind: int,
) -> Held:
    """What a row of tokens holds behind a window: nothing where that does more than cut off others."""
    assert window.first is not None
    first = Fraction(*window.first)
    steps = (window.extent, window.down, window.up, window.step)
    if steps != (1, 1, 1, None) or first.denominator != 1:
        return Held()

    cut = int(first)
    front = own.front - cut
    back = own.back - (before - cut - behind)
    if min(front, back) < 0:
        return Held()
    return Held(own.axes, front, back)


def _joined(
    visit: Visit,
    dim: int,
    number: int,
    own: Held,
) -> Held:
    """What a dim holds behind a concatenation along it: others before and behind are tokens of another kind."""
    if not own.axes:
        return own
    inputs = visit.inputs
    front = sum(shape[dim] for shape in inputs[:number])
    back = sum(shape[dim] for shape in inputs[number + 1 :])
    return Held(own.axes, own.front + front, own.back + back)


def _seen_here(
    visit: Visit,
    layout: DimLayout,
) -> DimLayout | None:
    """The same; a dim that holds one axis alone shows how many positions there are."""
    places = list(layout.places)
    any_axis = False
    for dim, held in enumerate(layout.held):
        any_axis |= bool(held.axes)
        if len(held.axes) == 1 and not held.is_row:
            (axis,) = held.axes
            places[axis] = places[axis]._replace(node=visit.node.index, dim=dim)
    return DimLayout(layout.held, tuple(places), layout.enlarged) if any_axis else None
