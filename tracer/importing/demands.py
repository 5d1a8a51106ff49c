"""Conditions on several symbols that a program demands: where one does not hold, it raises.

``assert h == w`` and ``x.narrow(2, 0, y.size(2))`` compare sizes that no symbol decides alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracer.importing.decisions import is_bound_to_hold
from tracer.importing.recording import Recording
from tracer.importing.run_time_sizes import Guard, RunTimeSize, negated
from tracer.sizing.arithmetic import maximum, minimum
from tracer.sizing.symbol import Condition, SizeLike, identity


def demanded(
    condition: Condition, guards: Sequence[Guard], known: set[object]
) -> Condition | None:
    """What a program demands that raises where the guards hold: that not all of them do.

    None where the failing ``condition`` is not what led there. Those that are ``known`` hold anyway.
    """
    opposite = identity(negated(condition))
    any_of: Condition | bool = False
    is_reason = False

    for guard in guards:
        if guard.holds is None:
            return None
        for part in guard.holds.conjuncts():
            if identity(part) in known or is_bound_to_hold(part):
                continue
            is_reason |= opposite in map(identity, part.disjuncts())
            any_of = any_of | negated(part)
    return any_of if is_reason and isinstance(any_of, Condition) else None


# --- as the config's own requirement ---------------------------------------------------------------------------------


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
