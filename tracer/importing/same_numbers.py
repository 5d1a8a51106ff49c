"""The numbers in an imported network's steps, held against another recording of its program.

A number that follows the input's size unseen (``1.0 / x.shape[3]``) leaves all shapes as they are; it is found where
the program says another one at another size.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tracer.importing.detours import detour, does_nothing, is_optional, taken_by
from tracer.importing.moved import without_tables
from tracer.importing.recording import Recording, Step, Unrepresentable, Value
from tracer.importing.run_time_sizes import over_symbols
from tracer.ops.crop import Slice
from tracer.ops.padding import Padding
from tracer.ops.pointwise import Require
from tracer.ops.resize import Resizing
from tracer.sizing.program import substitute


def check_numbers(merged: Recording, other: Recording, unseen: str) -> None:
    """Raise :class:`Unrepresentable` where a step would have another number than the program has in a recording.

    So where the program has other operations there.
    """
    sizes = other.symbols
    parts = [f"{symbol}={n}" for symbol, n in sizes.items()]
    at = f"at {' '.join(parts)}"
    for differs in _differences(_SideBySide(merged, other), sizes):
        raise Unrepresentable(
            f"{at} {differs}: some number follows the input's size unseen{unseen}"
        )

    here, there = (_counted(without_tables(one.steps)) for one in (merged, other))
    for name in sorted(here.keys() | there.keys()):
        if here[name] != there[name]:
            raise Unrepresentable(
                f"{at} it runs {there[name]} times {name}, and its config would run it {here[name]} times: "
                f"the forward runs other layers there, and one config cannot describe both"
            )


def _differences(beside: _SideBySide, sizes: Mapping[str, int]) -> Iterator[str]:
    """What the program does at some sizes, and what its config would do."""
    for a, b in beside.pairs():
        # Those of a layer that was told again are the same.
        if a.arguments is not b.arguments:
            yield from _other_numbers(a, b, sizes)

    for steps in beside.left_out:
        if not _does_nothing_at(steps, sizes):
            name = steps[-1].name
            yield f"it does without {name}, which would do something there in its config"
    for steps in beside.added:
        if not _does_nothing_at(steps, sizes):
            name = type(steps[-1].op).__name__
            yield f"it has a {name} that does something there, and its config does without"


def _other_numbers(a: Step, b: Step, sizes: Mapping[str, int]) -> Iterator[str]:
    """The numbers of one step of the config that the program has others of."""
    for word in a.arguments.keys() | b.arguments.keys():
        x, y = a.argument(word), b.argument(word)
        if _is_one_size(over_symbols(x), over_symbols(y)):
            continue
        mine, theirs = _at(x, sizes), _at(y, sizes)
        if _are_numbers(mine, theirs) and mine != theirs:
            yield f"{word} of {a.name} is {theirs}, and its config would have {mine}"


def _counted(steps: Sequence[Step]) -> Counter[str]:
    """How often each operation is run, those aside that the ways of one network may have or not."""
    names = (type(step.op).__name__ for step in steps if not is_optional(step))
    return Counter(names)


class _SideBySide:
    """The steps that are in both recordings, as far as they can be told apart, without those that may do nothing."""

    def __init__(self, merged: Recording, other: Recording) -> None:
        mine, theirs = (deque(_lasting(one.steps)) for one in (merged, other))
        if list(map(_kind, mine)) != list(map(_kind, theirs)):
            mine, theirs = (
                deque(_lasting(without_tables(one.steps))) for one in (merged, other)
            )
        self._mine = mine
        self._theirs = theirs
        self.left_out: list[list[Step]] = []
        """Rows of steps that the merged one alone has."""
        self.added: list[list[Step]] = []
        """Rows of steps that the other one alone has."""

    def pairs(self) -> Iterator[tuple[Step, Step]]:
        """Two steps that are one step of the program, one pair after the other."""
        mine, theirs = self._mine, self._theirs
        while mine and theirs:
            if _kind(mine[0]) == _kind(theirs[0]):
                yield mine.popleft(), theirs.popleft()
            elif extra := _next_detour(mine):
                self.left_out.append(extra)
            elif extra := _next_detour(theirs):
                self.added.append(extra)
            else:
                return
        self._add_the_rest()

    def _add_the_rest(self) -> None:
        """What is left in one of the two behind the other's last step."""
        for steps, rows in ((self._mine, self.left_out), (self._theirs, self.added)):
            while extra := _next_detour(steps):
                rows.append(extra)


def _next_detour(steps: deque[Step]) -> list[Step]:
    """The next steps that only one of the two has, taken out of the row; none where they do something."""
    return [steps.popleft() for _ in range(detour(steps))]


def _does_nothing_at(steps: Sequence[Step], sizes: Mapping[str, int]) -> bool:
    """Whether a detour gives back what it takes at some sizes."""
    conditions = does_nothing(steps[-1], taken_by(steps))
    return all(map(bool, substitute(list(conditions), sizes)))


def _kind(step: Step) -> tuple[type, str]:
    return type(step.op), step.label


def _lasting(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        if not isinstance(step.op, (Require, Slice, Padding, Resizing)):
            yield step


def _is_one_size(x: Any, y: Any) -> bool:
    """True for two arguments with one number, or size over the symbols, for each axis: they are the same everywhere."""
    if type(x) is tuple and type(y) is tuple:
        return len(x) == len(y) and all(map(_is_one_size, x, y))
    return x is y or (type(x) is type(y) is int and x == y)


def _at(value: Any, sizes: Mapping[str, int]) -> Any:
    """An argument with numbers for sizes; nothing where it is a node's."""
    if isinstance(value, Value):
        return None
    found = over_symbols(value)
    if isinstance(found, tuple):
        return tuple(substitute(found, sizes))
    return substitute([found], sizes)[0]


def _are_numbers(mine: Any, theirs: Any) -> bool:
    """True for two numbers, or as many in both; a size that is left to torch (-1) is any."""
    if isinstance(mine, tuple) and isinstance(theirs, tuple):
        return len(mine) == len(theirs) and all(map(_are_numbers, mine, theirs))
    are_plain = isinstance(mine, (int, float)) and isinstance(theirs, (int, float))
    return are_plain and mine != -1 and theirs != -1
