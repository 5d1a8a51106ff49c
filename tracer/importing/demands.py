"""Conditions on several symbols that a program demands: where one does not hold, it raises.

``assert h == w`` and ``x.narrow(2, 0, y.size(2))`` compare sizes that no symbol decides alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tracer.importing.decisions import FILLED, is_bound_to_hold
from tracer.importing.recording import Reason, Recording
from tracer.importing.run_time_sizes import Guard, RunTimeSize, negated
from tracer.sizing.arithmetic import maximum, minimum
from tracer.sizing.size_set import SizeSet
from tracer.sizing.symbol import Condition, Size, SizeLike, identity


def demanded(
    condition: Condition, guards: Sequence[Guard], known: set[object]
) -> Condition | None:
    """What a program demands that raises where the guards hold: that not all of them do.

    None where the failing ``condition`` is not what led there. Those that are ``known`` hold anyway.
    """
    any_of: Condition | bool = False
    said: set[object] = set()

    for guard in guards:
        if guard.holds is None:
            return None
        for part in guard.holds.conjuncts():
            if identity(part) in known or is_bound_to_hold(part):
                continue
            said.update(map(identity, part.disjuncts()))
            any_of = any_of | negated(part)

    opposites = {identity(negated(one)) for one in condition.disjuncts()}
    is_reason = identity(negated(condition)) in said or opposites <= said
    return any_of if is_reason and isinstance(any_of, Condition) else None


# --- as the config's own requirement ---------------------------------------------------------------------------------


class Check(NamedTuple):
    """Sizes that an input must have, and why."""

    sizes: dict[str, int]
    """For each symbol the size that it must be, over itself: ``H // 32 * 32`` for multiples."""
    reason: Reason | None
    unread: bool = False
    """Others are not refused by the program: they are not read."""


def demanded_size(recording: Recording, condition: Condition) -> dict[str, int]:
    """A symbol, and the size that it has where a condition holds and nowhere else: ``max(H, W)`` for ``H >= W``."""
    support = recording.space.support(condition)
    name = next(symbol for symbol in recording.symbols if symbol in support)
    symbol = recording.space.symbol(name)

    if condition.relation == "eq":
        size = symbol - condition.parts[0]
    else:
        size = maximum(symbol, symbol - _filled_where(condition))
    number = recording.symbols[name]
    return {name: RunTimeSize(number, size, recording.guards)}


def size_only_for(recording: Recording, name: str, taken: SizeSet) -> dict[str, int]:
    """A symbol, and the size that it has for these sizes and for no others; nothing where none is known."""
    size = equal_only_for(taken, recording.space.symbol(name))
    if size is None:
        return {}
    if isinstance(size, Size):
        number = recording.symbols[name]
        size = RunTimeSize(number, size, recording.guards)
    return {name: size}


def _filled_where(condition: Condition) -> SizeLike:
    """A size that is 0 or more where a condition holds, and negative elsewhere."""
    if condition.relation in ("and", "or"):
        a, b = map(_filled_where, condition.parts)
        both: SizeLike = minimum(a, b) if condition.relation == "and" else maximum(a, b)
        return both

    (size,) = condition.parts
    if condition.relation == "ge":
        return size  # type: ignore[no-any-return]
    distance: SizeLike = maximum(size, -size)
    return -distance if condition.relation == "eq" else distance - 1


def equal_only_for(taken: SizeSet, symbol: Size) -> SizeLike | None:
    """A size that the symbol equals for these sizes from 1 on, and for no others; None where none is known."""
    if taken.residues:
        return _multiple(taken, symbol)
    return _between(taken.finite, symbol)


def _between(sizes: Sequence[int], symbol: Size) -> SizeLike | None:
    """For the sizes from one to another: 8, min(H, 8) or max(min(H, 8), 3)."""
    if not sizes:
        return None
    first, last = sizes[0], sizes[-1]
    between = range(first, last + 1)
    if list(sizes) != list(between):
        return None

    if first == last:
        return first
    most: SizeLike = minimum(symbol, last)
    return most if first == 1 else maximum(most, first)


def _multiple(taken: SizeSet, symbol: Size) -> SizeLike | None:
    """For one residue class from some size on: H // 8 * 8 + 4; for several in a row: min(H, H // 64 * 64 + 8)."""
    modulus, least = taken.modulus, taken.least
    first = _first_in_a_row(taken)
    assert least is not None
    if first is None or taken != FILLED & _classes(taken, least):
        return None

    count = len(taken.residues)
    rounded: SizeLike = symbol
    if count < modulus:
        rounded = (symbol - first) // modulus * modulus + (first + count - 1)
    if count > 1:
        rounded = minimum(symbol, rounded)
    is_whole_class = least <= min(residue or modulus for residue in taken.residues)
    return rounded if is_whole_class else maximum(rounded, least)


def _first_in_a_row(taken: SizeSet) -> int | None:
    """The residue from which on those of a set follow each other, the last one before 0; None where they do not."""
    found = set(taken.residues)
    if len(found) == taken.modulus:
        return 0
    starts = [n for n in found if (n - 1) % taken.modulus not in found]
    return starts[0] if len(starts) == 1 else None


def _classes(taken: SizeSet, least: int) -> SizeSet:
    """The sizes of a set's residue classes from one on."""
    smaller = tuple(range(least))
    whole = SizeSet((), 0, taken.modulus, taken.residues)
    return whole - SizeSet(smaller, least, 1, ())
