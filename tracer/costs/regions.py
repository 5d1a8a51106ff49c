"""The parts of a network that run as one: a call by itself, or the calls of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tracer.costs.calls import StepCall


class NoRegion(ValueError):
    """A name that no checkpoint can be made of, with the reason."""


class StepUnit(NamedTuple):
    """Calls that run one behind the other."""

    calls: tuple[StepCall, ...]
    is_checkpoint: bool
    reads: tuple[int, ...]
    """What it reads and does not make, as :attr:`StepCall.reads` names it."""

    @property
    def first(self) -> int:
        return self.calls[0].index

    @property
    def last_saving(self) -> StepCall | None:
        """The last call that saves something; behind it nothing is run again."""
        return next((call for call in reversed(self.calls) if call.saves and call.learns), None)


def units_of(calls: Sequence[StepCall], checkpoints: Sequence[str]) -> list[StepUnit]:
    """The units of a network in an order in which they can run.

    Raises NoRegion for a name that no node has, and where the calls of a checkpoint cannot run as one.
    """
    region: dict[int, int] = {}
    for position, name in enumerate(checkpoints):
        for index in members(calls, name):
            if index in region:
                other = checkpoints[region[index]]
                raise NoRegion(f"{calls[index].name} is in {other} and in {name}")
            region[index] = position

    together: dict[int, list[StepCall]] = {}
    for call in calls:
        number = region.get(call.index)
        key = call.index if number is None else -1 - number
        together.setdefault(key, []).append(call)
    return _in_order(calls, together, checkpoints)


def members(calls: Sequence[StepCall], name: str) -> list[int]:
    """The nodes of a checkpoint: one node, all of a block, or from one to another (``FIRST..LAST``)."""
    ends = name.split("..")
    if len(ends) > 2:
        raise NoRegion(f"{name}: a span is FIRST..LAST")

    found = [_named(calls, end) for end in ends]
    first, last = found[0][0], found[-1][-1]
    if len(ends) == 1:
        return found[0]
    if first > last:
        raise NoRegion(f"{name}: {ends[1]} comes before {ends[0]}")
    return [index for index in range(first, last + 1) if _is_work(calls[index])]


def _named(calls: Sequence[StepCall], name: str) -> list[int]:
    inside = f"{name}."
    found = [call.index for call in calls if call.name == name or call.name.startswith(inside)]
    if not found:
        raise NoRegion(f"there is no node or block {name or repr(name)}")
    work = [index for index in found if _is_work(calls[index])]
    if not work:
        raise NoRegion(f"{name} computes nothing")
    return work


def _is_work(call: StepCall) -> bool:
    return not call.is_input


def _in_order(
    calls: Sequence[StepCall], together: dict[int, list[StepCall]], checkpoints: Sequence[str]
) -> list[StepUnit]:
    """A unit runs as soon as all that it reads is there, the others as they stand."""
    made: set[int] = set()
    waiting = list(together.items())
    units: list[StepUnit] = []
    while waiting:
        later = []
        for key, group in waiting:
            own = {call.index for call in group}
            needed = {source for call in group for source in call.sources} - own
            if not needed <= made:
                later.append((key, group))
                continue
            made |= own
            units.append(StepUnit(tuple(group), key < 0, _reads(group)))
        if len(later) == len(waiting):
            stuck = next(key for key, _ in later if key < 0)
            name = checkpoints[-1 - stuck]
            raise NoRegion(f"{name} does not run as one: a map leaves it and comes back")
        waiting = later
    return units


def _reads(group: Sequence[StepCall]) -> tuple[int, ...]:
    """What calls read and do not make."""
    reads = dict.fromkeys(key for call in group for key in call.reads)
    for call in group:
        for key in call.makes:
            reads.pop(key, None)
    return tuple(reads)
