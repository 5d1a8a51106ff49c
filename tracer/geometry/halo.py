"""How far a picture's border reaches into maps: the positions that would be others if the picture went on.

A position is one of them where it is made of what lies beyond its input's border, be that a padding or what an
unpadded layer before has cut off, and where it is made of such a position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tracer.geometry.grids import leading_dims
from tracer.ops.base import Op
from tracer.ops.merge import Merge
from tracer.ops.windows import Seen
from tracer.shapes.trace import Trace
from tracer.shapes.traced import Visit


class BorderEnds(NamedTuple):
    """So many positions at the beginning and at the end of an axis feel the picture's border."""

    left: int
    right: int


CLEAN = BorderEnds(0, 0)


def ends(trace: Trace) -> list[list[BorderEnds | None]]:
    """The ends of every node's map, per spatial axis, by the node's index; None: of all positions, or not known.

    >>> import tracer
    >>> net = tracer.loads("input: [1, 3, 8]\\nlayers: {p: {op: MaxPool1d, kernel_size: 3, stride: 1, padding: 1}}")
    >>> ends(net.trace())[1]
    [BorderEnds(left=1, right=1)]
    """
    lead = leading_dims(trace)
    found: list[list[BorderEnds | None]] = []
    for visit in trace.walk():
        spatial = max(len(visit.shape or ()) - lead, 0)
        if visit.node.is_input:
            found.append([CLEAN] * spatial)
            continue

        before = [found[source.index] for source in visit.node.inputs]
        axes = min([spatial, *[len(own) for own in before]]) if before else 0
        if visit.op is None or visit.shape is None:
            axes = 0
        found.append([_ends_of(visit, lead, axis, before) for axis in range(axes)])
    return found


def _ends_of(
    visit: Visit,
    lead: int,
    axis: int,
    before: Sequence[Sequence[BorderEnds | None]],
) -> BorderEnds | None:
    """The ends of one axis of a node."""
    op = visit.op
    assert op is not None and visit.shape is not None
    x = visit.inputs
    dim = lead + axis
    n = visit.shape[dim]

    arriving = []
    for i, own in enumerate(before):
        if isinstance(op, Merge):
            aligned = op.aligned_sees(i, dim, *x)
            arriving.append(_through(aligned, own[axis], x[i][dim], n))
        else:
            arriving.append(own[axis])
    together = _worst(arriving)
    return _through(_seen(op, visit, dim), together, n if len(x) > 1 else x[0][dim], n)


def _seen(op: Op, visit: Visit, dim: int) -> Seen | None:
    return op.sees(dim, *visit.inputs, **visit.sizes)


def _worst(several: Sequence[BorderEnds | None]) -> BorderEnds | None:
    """The ends of what is made of several maps."""
    known = [own for own in several if own is not None]
    if len(known) < len(several):
        return None
    return BorderEnds(max(own.left for own in known), max(own.right for own in known))


def _through(seen: Seen | None, own: BorderEnds | None, m: int, n: int) -> BorderEnds | None:
    """The ends of ``n`` positions that see ``m`` with these ends."""
    if seen is None or own is None or not seen.by:
        return None

    turn = len(seen.first)
    left = 0
    right = 0
    for place, (first, last) in enumerate(zip(seen.first, seen.last)):
        if first > last:
            continue

        # The last turn in which this place sees the one end, and the first in which it sees the other.
        last_before = (own.left - first - 1) // seen.by
        left = max(left, last_before * turn + place + 1)
        final = first + (last - first) // seen.gap * seen.gap
        first_past = -((final - (m - own.right)) // seen.by)
        right = max(right, n - (first_past * turn + place))
    return BorderEnds(min(left, n), min(right, n))
