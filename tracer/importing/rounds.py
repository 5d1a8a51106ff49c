"""The rounds of a program's loops as parts of it: ``for block in blocks: x = x + block(x)``.

What a loop does beside a module is no part of any module. Where the same steps come again and again, each on what the
round before gives, a round is a part: the module's with the steps behind it, or one of its own.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from tracer.importing.blocks import CalledPart, Item, part_of_all, structure
from tracer.importing.joined_in_turn import joined_in_turn
from tracer.importing.recording import Recording, Step, StepScope
from tracer.importing.sharing import Owners, owners_of

LONGEST_ROUND = 16
"""Items of a round, at most."""

SAVED = 2
"""Lines that a part without a module has to save."""

ENTRY = 3
"""Lines of a block beside its layers, and of its use."""


class Loop(NamedTuple):
    """Rounds behind each other."""

    start: int
    """The number of the first item in the part around it."""
    rounds: Sequence[CalledPart]

    @property
    def module(self) -> CalledPart | None:
        """The module that is called in the first round; None where something else there has weights too."""
        items = self.rounds[0].items
        parts = [item for item in items if isinstance(item, CalledPart)]
        steps = [item for item in items if isinstance(item, Step)]
        is_alone = len(parts) == 1 and not any(step.weights for step in steps)
        return parts[0] if is_alone else None

    @property
    def is_worth_it(self) -> bool:
        """True where the text gets shorter: a module's block is there already, to which what is added belongs."""
        if self.module is not None and self._adds_to_input:
            return True
        length = len(self.rounds[0].items)
        is_shorter = _saved(length, len(self.rounds)) >= SAVED
        return is_shorter and len(set(map(_numbers, self.rounds))) == 1

    @property
    def _adds_to_input(self) -> bool:
        """True where a step beside modules reads what the round before gives, and something else."""
        round_ = self.rounds[0]
        carried = round_.read()[0]
        steps = [item for item in round_.items if isinstance(item, Step)]
        return any(carried in step.sources and len(step.sources) > 1 for step in steps)


def _saved(length: int, count: int) -> int:
    """The lines that a part saves for so many rounds of so many items."""
    return length * count - length - ENTRY


def in_rounds(recording: Recording) -> Recording:
    """The recording with the rounds of its loops as scopes of their steps."""
    found = copy.copy(recording)
    found.steps = list(joined_in_turn(recording.steps))
    found.steps = list(_as_their_parts(found))
    root = part_of_all(found)
    owners = owners_of(found.steps)
    changed = _Changed(found.steps)

    # Inner ones first: a scope that is put around them leaves theirs in their order.
    for part in sorted([*root.parts(), root], key=lambda part: -part.depth):
        for loop in _loops(part, owners):
            changed.add(loop)

    found.steps = [changed.steps[step.name] for step in recording.steps]
    return found


# --- finding them ----------------------------------------------------------------------------------------------------


def _loops(part: CalledPart, owners: Owners) -> Iterator[Loop]:
    """The loops among the items of a part, none of which has an item of another."""
    kinds = list(map(_kind, part.items))
    start = 0
    while start < len(kinds):
        loop = _loop_at(part, kinds, start, owners)
        if loop is None:
            start += 1
            continue
        yield loop
        start += sum(len(one.items) for one in loop.rounds)


def _loop_at(
    part: CalledPart,
    kinds: Sequence[Any],
    start: int,
    owners: Owners,
) -> Loop | None:
    """The loop of the shortest rounds that begins at an item; None where none does."""
    most = min(LONGEST_ROUND, (len(kinds) - start) // 2)
    for length in range(2, most + 1):
        end = start + length
        round_ = kinds[start:end]
        # One item again and again is no loop of several.
        if len(set(round_)) == 1 or round_ != kinds[end : end + length]:
            continue
        # Without a module, all that may come has to save lines.
        most_rounds = (len(kinds) - start) // length
        has_module = any(isinstance(item, CalledPart) for item in part.items[start:end])
        if not has_module and _saved(length, most_rounds) < SAVED:
            continue

        rounds = _rounds(part, start, length)
        loop = Loop(start, list(_going_on(rounds, owners)))
        if len(loop.rounds) > 1 and loop.is_worth_it:
            return loop
    return None


def _rounds(part: CalledPart, start: int, length: int) -> Iterator[CalledPart]:
    """So many items each, from one on."""
    for first in range(start, len(part.items) - length + 1, length):
        items = part.items[first : first + length]
        yield _without_numbers(part, items)


def _going_on(rounds: Iterator[CalledPart], owners: Owners) -> Iterator[CalledPart]:
    """The rounds that are like the first, each on what the one before gives."""
    before = next(rounds)
    wanted = structure(before, owners)
    if _shares(before, owners):
        return

    yield before
    for after in rounds:
        if _shares(after, owners) or structure(after, owners) != wanted:
            return
        if not _continues(before, after):
            return
        yield after
        before = after


def _continues(before: CalledPart, after: CalledPart) -> bool:
    """True where a round reads what the one before gives in the place of what that reads first, and else the same."""
    *_, last = before.steps()
    was_read = [value.name for value in before.read()]
    reads = [value.name for value in after.read()]
    return bool(reads) and reads[0] == last.value.name and reads[1:] == was_read[1:]


def _shares(part: CalledPart, owners: Owners) -> bool:
    """True where a step has the weights of another, or another has its."""
    owned = {owner.name for owner in owners.values()}
    names = {step.name for step in part.steps()}
    return not names.isdisjoint(owners) or not names.isdisjoint(owned)


def _kind(item: Item) -> tuple[Any, ...]:
    """A key that items have in common which may be one in several rounds."""
    if isinstance(item, Step):
        return type(item.op), _without_number(item.label)
    assert item.scope is not None
    name = _without_number(item.scope.name)
    return item.scope.kind, name, len(list(item.steps()))


def _numbers(part: CalledPart) -> str:
    """All arguments of a part's steps."""
    written = [(step.label, step.op) for step in part.steps()]
    return repr(written)


# --- names -----------------------------------------------------------------------------------------------------------


def _without_number(name: str) -> str:
    """A name without the number of a list's item, or of one more call.

    >>> _without_number("blocks.3"), _without_number("add_2"), _without_number("conv2")
    ('blocks', 'add', 'conv2')
    """
    return re.sub(r"[._]\d+$|^\d+$", "", name)


def _without_numbers(around: CalledPart, items: Sequence[Item]) -> CalledPart:
    """Items as one round, named as in every other."""
    first = _name(items[0])
    start = int(first) if first.isdecimal() else 0

    def named(name: str) -> str:
        if name.isdecimal():
            return str(int(name) - start)
        return _without_number(name) or name

    depth = around.depth
    renamed: list[Item] = []
    for item in items:
        if isinstance(item, Step):
            renamed.append(replace(item, label=named(item.label)))
            continue
        assert item.scope is not None
        scope = item.scope._replace(name=named(item.scope.name))
        renamed.append(replace(item, scope=scope))
    call = next(CALLS)
    scope = StepScope(_name(_main(items)), _kind_of(items), call)
    return CalledPart(scope, depth, renamed)


CALLS = itertools.count(-1, -1)
"""The numbers of rounds: those of calls are not below 0."""


def _name(item: Item) -> str:
    if isinstance(item, Step):
        return item.label
    assert item.scope is not None
    return item.scope.name


def _main(items: Sequence[Item]) -> Item:
    """The item that a round is named after: the last one with most weights."""

    def weights(item: Item) -> int:
        steps = [item] if isinstance(item, Step) else list(item.steps())
        return sum(step.weights is not None for step in steps)

    return max(reversed(items), key=weights)


def _kind_of(items: Sequence[Item]) -> str:
    """The kind of a round that is no module's: its main item's name, or its operations where that is a number."""
    word = _without_number(_name(_main(items)))
    if word:
        return word[:1].upper() + word[1:]
    kinds = [type(item.op).__name__ for item in items if isinstance(item, Step)]
    return "".join(kinds[:3]) or "Round"


def _as_their_parts(recording: Recording) -> Iterator[Step]:
    """The steps; a call of a function that is all that a module does has the module's name."""
    alone: dict[str, CalledPart] = {}
    for part in part_of_all(recording).parts():
        first = part.items[0]
        if len(part.items) == 1 and isinstance(first, Step):
            alone[first.name] = part

    for step in recording.steps:
        around = alone.get(step.name)
        is_named = step.label != type(step.op).__name__.lower()
        if around is None or around.scope is None or is_named:
            yield step
            continue
        scopes = step.scopes[: around.depth - 1]
        yield replace(step, scopes=scopes, label=around.scope.name)


# --- scopes of steps -------------------------------------------------------------------------------------------------


class _Changed:
    """The steps of a recording, by name, while rounds are put into their scopes."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = {step.name: step for step in steps}

    def add(self, loop: Loop) -> None:
        """Make the rounds of a loop parts: those of their module, or of their own."""
        for round_ in loop.rounds:
            if loop.module is None:
                self._as_part(round_)
            else:
                self._as_module(round_)

    def _as_module(self, round_: CalledPart) -> None:
        """Take a round's steps into the scope of its module."""
        (module,) = [item for item in round_.items if isinstance(item, CalledPart)]
        inside = next(module.steps())
        scopes = self.steps[inside.name].scopes[: module.depth]
        for item in round_.items:
            if isinstance(item, Step):
                self._exchange(item, scopes, item.label)

    def _as_part(self, round_: CalledPart) -> None:
        """Put a scope around a round's steps."""
        assert round_.scope is not None
        depth = round_.depth
        for item in round_.items:
            if isinstance(item, Step):
                scopes = self.steps[item.name].scopes
                self._exchange(item, (*scopes, round_.scope), item.label)
                continue

            assert item.scope is not None
            for step in item.steps():
                scopes = self.steps[step.name].scopes
                inner = (round_.scope, item.scope, *scopes[depth + 1 :])
                self._exchange(step, (*scopes[:depth], *inner), step.label)

    def _exchange(self, step: Step, scopes: Sequence[StepScope], label: str) -> None:
        known = self.steps[step.name]
        self.steps[step.name] = replace(known, scopes=tuple(scopes), label=label)
