"""Roots of sizes: the places of a map are put in a row, and into a map again whose side is the root of their number."""

from __future__ import annotations

import math

from tracer.sizing.ends import ends_of
from tracer.sizing.symbol import SizeLike


def sides_of(square: SizeLike | None) -> tuple[SizeLike, SizeLike] | None:
    """The two sizes whose product another one is, no smaller than 0: ``H // 16`` and ``W // 16``; None for others."""
    if square is None or isinstance(square, int):
        return None
    if square.constant or len(square.terms) != 1:
        return None

    ((monomial, factor),) = square.terms
    side = math.isqrt(max(factor, 0))
    if side * side != factor or len(monomial) != 2:
        return None

    first, second = (square.space.alone(index) * side for index in monomial)
    is_natural = min(ends_of(first).least, ends_of(second).least) >= 0
    return (first, second) if is_natural else None
