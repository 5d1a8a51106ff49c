"""Ways of a program that no config describes with the others: it is for the sizes of the others, and says so.

A map that is no larger than an attention's window is no window more; a grid of the trained size takes its table as it
is. Where two ways are two networks, that of the asked sizes is read. What leads to the other is demanded not to hold,
by a Require in the config, and told in its first lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracer.importing.decisions import FILLED, Decisions
from tracer.importing.demands import Check, demanded_size, size_only_for
from tracer.importing.recording import Late, Recording, Unrepresentable, refused_at
from tracer.importing.run_time_sizes import negated
from tracer.sizing.program import substitute
from tracer.sizing.size_set import SizeSet
from tracer.sizing.symbol import Condition
from tracer.source.python_places import Spot

MOST = 12
"""So many ways are left out at most."""

REACH = 1.5
"""The largest of the sizes that are left is so many times the smallest: right for a few, it says nothing of others."""

BATCH = "N"
"""The beginning of a symbol of the first dim, which decides nothing in a network that is to be read for all batches."""

Sizes = Mapping[str, int]


class LeftOut(NamedTuple):
    """Sizes that take a way that is not read."""

    holds: Condition
    """What holds for the others."""
    symbol: str | None
    """The symbol that decides alone; None where several do, or its sizes cannot be told."""
    sizes: SizeSet
    """The sizes of that symbol that are left out."""
    why: Unrepresentable
    """What is said of them, at the line that decides."""


class Ways:
    """The ways of a program that are left out."""

    def __init__(self, decisions: Decisions, here: Sizes, is_allowed: bool) -> None:
        self.decisions = decisions
        self.here = here
        """The sizes of all symbols that it is read at."""
        self.is_allowed = is_allowed
        self.left_out: list[LeftOut] = []
        self.first: Unrepresentable | None = None
        """Why the first one is not read."""

    @property
    def may_be_more(self) -> bool:
        """Whether so few are left out that some can be told in several."""
        return self.is_allowed and len(self.left_out) < MOST // 2

    def leave_out(self, any_of: Sequence[Condition], refused: Unrepresentable) -> None:
        """Leave the sizes out for which none of some open conditions holds.

        Raises the first refusal where no config can be for the others alone.
        """
        if isinstance(refused, Late) or not self.is_allowed:
            raise refused
        self.first = self.first or refused

        way = self._way(any_of, refused)
        if way is None or len(self.left_out) == MOST:
            raise self.first
        self.left_out.append(way)

        if any(map(self._is_of_few, self.here)):
            raise self.first

    def that_may_be(
        self, any_of: Sequence[Condition], refused: Unrepresentable
    ) -> LeftOut | None:
        """The way that is taken where none of some open conditions holds, for a config that does not refuse it itself.

        None where no config can be for the others alone.
        """
        way = self._way(any_of, refused) if self.is_allowed else None
        if way is None or way.symbol is None:
            return None
        left = self.without(way.symbol, FILLED) - way.sizes
        return None if _are_few(left) else way

    def _way(self, any_of: Sequence[Condition], refused: Unrepresentable) -> LeftOut | None:
        """The way that is taken where none of some conditions holds; None where no config can be for the others."""
        holds: Any = any_of[0]
        for condition in any_of[1:]:
            holds = holds | condition
        if not isinstance(holds, Condition) or not self._is_of_a_network(holds):
            return None

        spot = self.decisions.spot_of(any_of[0])
        way = self._of(holds, spot, refused)
        # Several conditions are settled by the sizes of their symbol.
        is_told = way.symbol is not None or len(any_of) == 1
        return way if is_told else None

    def _is_of_a_network(self, holds: Condition) -> bool:
        """Whether a condition is one on the sizes of maps, and holds at the sizes that the program is read at."""
        support = self.decisions.space.support(holds)
        (is_here,) = substitute([holds], self.here)
        return bool(is_here) and not any(symbol.startswith(BATCH) for symbol in support)

    def _of(self, holds: Condition, spot: Spot, refused: Unrepresentable) -> LeftOut:
        symbol, sizes = self._sizes(holds)
        which = repr(negated(holds)) if symbol is None else sizes.written(symbol)
        message = refused.fault.message if refused.fault else str(refused)
        why = refused_at(spot, f"the way where {which} is not read, and refused: {message}")
        return LeftOut(holds, symbol, sizes, why)

    def _sizes(self, holds: Condition) -> tuple[str | None, SizeSet]:
        """The symbol that decides alone, and its sizes that are left out."""
        symbol, *more = self.decisions.space.support(holds)
        if more or self.decisions.is_beyond(holds):
            return None, SizeSet((), 0, 1, ())
        try:
            taken = self.decisions.sizes_where([holds], symbol)
        except Unrepresentable:
            raise self.first or AssertionError from None
        return symbol, FILLED - taken

    def _is_of_few(self, symbol: str) -> bool:
        """Whether too few sizes of a symbol are left."""
        return _are_few(self.without(symbol, FILLED))

    def without(self, symbol: str, sizes: SizeSet) -> SizeSet:
        """Sizes of a symbol that are not left out."""
        for one in self.left_out:
            if one.symbol == symbol:
                sizes = sizes - one.sizes
        return sizes

    def has(self, sizes: Sizes) -> bool:
        """Whether sizes are left out."""
        return is_left_out(self.left_out, {**self.here, **sizes})


def _are_few(left: SizeSet) -> bool:
    """Whether sizes are near one number, or there are none."""
    if left.residues:
        return False
    return not left.finite or left.finite[-1] < REACH * left.finite[0]


def is_left_out(ways: Sequence[LeftOut], sizes: Sizes) -> bool:
    """Whether the sizes of all symbols take one of the ways that are not read."""
    truths = substitute([one.holds for one in ways], sizes)
    return not all(truths)


def left_out_checks(recording: Recording, ways: Sequence[LeftOut]) -> Iterator[Check]:
    """What the config demands, that its sizes take none of the ways: one size of a symbol where that says it."""
    alike: dict[str | None, list[LeftOut]] = {}
    for one in ways:
        alike.setdefault(one.symbol, []).append(one)

    for symbol, some in alike.items():
        size: dict[str, int] = {}
        if symbol is not None:
            left = FILLED
            for one in some:
                left = left - one.sizes
            size = size_only_for(recording, symbol, left)
        if size:
            yield Check(size, some[0].why.fault, unread=True)
            continue
        for one in some:
            yield Check(demanded_size(recording, one.holds), one.why.fault, unread=True)
