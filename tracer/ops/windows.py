"""Windows: which input positions an output position sees along one dim, on average and exactly.

A :class:`Window` holds for sizes that are symbols too and says where positions lie; a :class:`Seen` lists the
positions, for receptive fields.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from tracer.sizing.arithmetic import Dim


class Window(NamedTuple):
    """Along one dim: which input positions an output position sees.

    Output position j is centred at the input position j · ``down``/``up`` + ``first``. Where positions see different
    numbers of others, or different sides of them, this is the mean over one period of them.
    """

    extent: int | None
    """Number of input positions seen, the largest over output positions; None: all of them."""
    down: Dim = 1
    """Input positions per output position (the stride)."""
    up: Dim = 1
    """Output positions per input position (a transposed convolution's stride, a resize's factor)."""
    first: tuple[Dim, Dim] | None = (0, 1)
    """The centre of output position 0, as numerator and denominator (> 0); None: the centres lie on no grid."""
    step: tuple[Dim, Dim] | None = None
    """The step of the centres, where that is not ``down``/``up`` for every size (a resize that aligns corners)."""
    gap: int = 1
    """From one position that is seen to the next: a dilation leaves some out."""


POINTWISE = Window(1)


class Seen(NamedTuple):
    """Along one dim, exactly: output position j is made of the input positions ``first[j]``..``last[j]``.

    So for the first few; a turn later everything is ``by`` further. Nothing is seen where ``first`` is beyond ``last``.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]
    by: int
    gap: int = 1
    """From one position that is seen to the next: a dilation leaves some out."""


TURN = 4096
"""Positions of the longest turn that is followed."""

NOT_FOLLOWED = Seen((), (), 0)
"""The turn is longer."""


def seen_through(window: Window) -> Seen | None:
    """The positions that a window with fixed steps sees: ``extent`` of them around its centres.

    >>> seen_through(sliding(extent=3, stride=2, left=1))
    Seen(first=(-1,), last=(1,), by=2, gap=1)
    """
    extent, down, up, first, _, gap = window
    if extent is None:
        return None
    n, d = first or (extent - 1, 2)
    if up == 1:
        start = (2 * n - (extent - 1) * d) // (2 * d)
        return Seen((start,), (start + extent - 1,), down, gap)

    step = Fraction(down, up)
    if step.denominator > TURN:
        return NOT_FOLLOWED
    begin = Fraction(n, d) - Fraction(extent - 2, 2)
    starts = tuple(math.floor(begin + j * step) for j in range(step.denominator))
    return Seen(starts, tuple(a + extent - 1 for a in starts), step.numerator, gap)


def seen_by_spreading(kernel: int, stride: int, left: int, dilation: int = 1) -> Seen:
    """The transpose of a sliding window: input i reaches the outputs i · stride - left + dilation · (0..kernel - 1).

    >>> seen_by_spreading(kernel=3, stride=2, left=1)
    Seen(first=(0, 0), last=(0, 1), by=1, gap=1)
    """
    if stride > TURN or kernel > TURN:
        return NOT_FOLLOWED
    first, last = [], []
    for j in range(stride):
        reaching = [
            (j + left - dilation * t) // stride
            for t in range(kernel)
            if (j + left - dilation * t) % stride == 0
        ]
        first.append(min(reaching, default=0))
        last.append(max(reaching, default=-1))
    return Seen(tuple(first), tuple(last), 1, dilation // math.gcd(dilation, stride))


def sliding(extent: int, stride: int, left: int, gap: int = 1) -> Window:
    """A window that moves by ``stride`` and starts at -``left``: its middle is (extent - 1) / 2 further."""
    middle = extent - 1 - 2 * left
    is_in_place = isinstance(middle, int) and middle == 0
    return Window(extent, stride, first=(0, 1) if is_in_place else (middle, 2), gap=gap)


def spreading(extent: int, stride: int, left: int, seen: int) -> Window:
    """The transpose of a sliding window: it puts an input position i at the outputs around i · stride, less ``left``.

    An output position sees at most ``seen`` of the input's.
    """
    return Window(seen, 1, stride, (2 * left - (extent - 1), 2 * stride))


def seen_by_cells(n: int, cells: int) -> Seen:
    """``n`` positions in cells: the i-th from floor(i · n/cells) to ceil((i + 1) · n/cells).

    >>> seen_by_cells(n=5, cells=2)
    Seen(first=(0, 2), last=(2, 4), by=5, gap=1)
    """
    step = Fraction(n, cells)
    if step.denominator > TURN:
        return NOT_FOLLOWED
    turn = range(step.denominator)
    last = tuple(math.ceil((i + 1) * step) - 1 for i in turn)
    return Seen(tuple(math.floor(i * step) for i in turn), last, step.numerator)


def half_pixel(extent: int | None, down: Dim, up: Dim) -> Window:
    """``down`` input positions share the room of ``up`` output positions, edge to edge: (j + 1/2) · down/up - 1/2."""
    return Window(extent, down, up, (down - up, 2 * up))
