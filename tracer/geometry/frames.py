"""Which dims of a network's inputs measure places alike.

Nothing says that two inputs have a pixel of the same size: a picture and a smaller one, samples and frames of them. The
dims of one input do, and those of two inputs whose declared sizes are the same, or one a multiple or a part of the
other.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from tracer.network.records import DimPattern, Network, Node
from tracer.source.expressions import Expression, ExpressionError

LARGE = 2**6 * 3**3 * 5**2 * 7 * 11 * 13
"""A size that small numbers divide."""

FIRST = 64
"""Sizes at which an expression is held against its factor."""

WORK = 2_000_000
"""Nodes that are walked at most, over all frames; further inputs have no frame of their own."""


ONE = Fraction(1)


class Tie(NamedTuple):
    """A declared size as a multiple of another."""

    of: str | int
    """A symbol, a number, or the text of an expression that is no multiple of a symbol."""
    times: Fraction


class Frame(NamedTuple):
    """The pixels of one input, and the dims of other inputs that are measured in them."""

    steps: Mapping[int, tuple[Fraction | None, ...]]
    """By the number of an input's node, for each dim: the size of its pixels; None where nothing says it."""


def frames(network: Network, lead: int) -> list[Frame]:
    """The frames of a network, by which every two dims that are tied can be compared: mostly one.

    Behind ``lead`` dims, the batch and the channels, those of an input are spatial.
    """
    ties: dict[Node, list[Tie]] = {}
    for node in network.nodes:
        if len(node.pattern) > lead:
            ties[node] = [tie_of(dim) for dim in node.pattern[lead:]]

    found: list[Frame] = []
    covered: list[set[str | int]] = []
    most = max(1, WORK // len(network.nodes))
    for own in ties.values():
        keys = {tie.of for tie in own}
        is_covered = any(keys <= others for others in covered)
        if is_covered or len(found) >= most:
            continue
        covered.append(keys)
        found.append(_frame(own, ties, lead))
    return found


def _frame(own: list[Tie], ties: Mapping[Node, list[Tie]], lead: int) -> Frame:
    """What is tied to the dims of one input."""
    times: dict[str | int, Fraction] = {}
    for tie in own:
        times.setdefault(tie.of, tie.times)

    steps: dict[int, tuple[Fraction | None, ...]] = {}
    for node, others in ties.items():
        sizes: list[Fraction | None] = []
        for tie in others:
            known = times.get(tie.of)
            if others is own:
                sizes.append(ONE)
            elif known is None:
                sizes.append(None)
            else:
                sizes.append(known / tie.times)
        if any(sizes):
            steps[node.index] = (*[None] * lead, *sizes)
    return Frame(steps)


def tie_of(dim: DimPattern) -> Tie:
    """What a declared size is a multiple of.

    >>> from tracer.source.expressions import parse
    >>> tie_of("H"), tie_of(parse("H // 2")), tie_of(parse("H + 6"))
    (Tie(of='H', times=Fraction(1, 1)), Tie(of='H', times=Fraction(1, 2)), Tie(of='H + 6', times=Fraction(1, 1)))
    """
    if not isinstance(dim, Expression):
        return Tie("" if dim is None else dim, ONE)

    times = None
    if len(dim.names) == 1:
        times = _times(dim)
    if times is None:
        return Tie(dim.text, ONE)

    (symbol,) = dim.names
    return Tie(symbol, times)


def _times(dim: Expression) -> Fraction | None:
    """The factor by which an expression over one symbol follows it to less than one; None where it does not."""
    (symbol,) = dim.names
    try:
        factor = Fraction(dim({symbol: LARGE}), LARGE).limit_denominator(FIRST**2)
        sizes = [*range(1, FIRST), LARGE, LARGE + 1]
        aside = [abs(dim({symbol: n}) - factor * n) for n in sizes]
    except (ExpressionError, TypeError, ValueError, OverflowError):
        return None

    if factor <= 0 or max(aside) >= 1:
        return None
    return factor
