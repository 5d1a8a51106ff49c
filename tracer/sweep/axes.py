"""The axes of a sweep: their values, and the combination of values that a row has by its number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, Literal

import msgspec

from tracer.network.values import value_of
from tracer.ops.base import written
from tracer.source.limits import INTEGER
from tracer.source.tree import Fault, compose

_RANGE = re.compile(r"\s*(-?\d{1,15})\s*\.\.\s*(-?\d{1,15})?\s*(?::\s*(\d{1,15}))?\s*\Z")
_LIKE_A_RANGE = re.compile(
    r"\s*(-?\d{1,15})\s*(?:-|:|to|\.\.\.|\.\.=|…|–|—|,\s*\.\.\.?\s*,)\s*(-?\d{1,15})\s*\Z"
)
"""What people write for a range; as a text it would need quotes."""

MOST = 10**12
"""Values of one axis."""


Kind = Literal["param", "size"]


class Unvaried(ValueError):
    """Values, or a name, that no sweep can have; the message says why."""


class SweepAxis(msgspec.Struct, frozen=True):
    """One param, or one or several symbols of one size, with its values."""

    kind: Kind
    names: tuple[str, ...]
    values: tuple[Any, ...] | None = None
    """Listed; None where they are a range."""
    start: int = 0
    step: int = 1
    count: int = 0

    def __len__(self) -> int:
        return self.count if self.values is None else len(self.values)

    def __getitem__(self, i: int) -> Any:
        if self.values is not None:
            return self.values[i]
        end = self.start + self.count * self.step
        return range(self.start, end, self.step)[i]

    @property
    def is_whole(self) -> bool:
        """True where all values are integers."""
        return self.values is None or all(value.__class__ is int for value in self.values)


def axis(kind: Kind, names: Sequence[str], text: str) -> SweepAxis:
    """An axis as it is written: ``16,32,64``, ``3..7``, ``64..512:32``. Raises :class:`Unvaried`.

    >>> list(axis("size", ["H"], "64..128:32"))
    [64, 96, 128]
    """
    _refuse_like_a_range(kind, names, text)
    match = _RANGE.match(text)
    found = _range(kind, names, match) if match else _listed(kind, names, text)
    name = "=".join(names)
    if len(found) > MOST:
        raise Unvaried(f"{name} has {len(found)} values")
    if kind == "size":
        _refuse_no_size(name, found)
    return found


def _refuse_like_a_range(kind: Kind, names: Sequence[str], text: str) -> None:
    match = _LIKE_A_RANGE.match(text)
    if match is not None:
        option = "--vary" if kind == "param" else "--size"
        first, last = match[1], match[2]
        middle = (int(first) + int(last)) // 2
        raise Unvaried(
            f"{option} {'='.join(names)}={text.strip()}: write {first}..{last} for all from {first} to {last},"
            f" or a list such as {first},{middle},{last}"
        )


def _range(kind: Kind, names: Sequence[str], match: re.Match[str]) -> SweepAxis:
    name = "=".join(names)
    if match[2] is None:
        raise Unvaried(f"{name} has no end: write {name}={match[1]}..LAST")
    start = int(match[1])
    end = int(match[2])
    step = int(match[3] or 1)
    if step == 0 or end < start:
        raise Unvaried(f"{name}={match[0].strip()} has no values")
    count = (end - start) // step + 1
    return SweepAxis(kind, tuple(names), None, start, step, count)


def _listed(kind: Kind, names: Sequence[str], text: str) -> SweepAxis:
    name = "=".join(names)
    try:
        values = value_of(compose(f"[{text}]"), {})
    except Fault as fault:
        raise Unvaried(f"{name}={text}: {fault.message}") from None
    if not values:
        raise Unvaried(f"{name} has no values")
    beyond = next(
        (value for value in values if value.__class__ is int and abs(value) > INTEGER), None
    )
    if beyond is not None:
        raise Unvaried(
            f"{name} is {written(beyond)}: out of range, a table has numbers below 2**63"
        )
    if len({written(value) for value in values}) < len(values):
        raise Unvaried(f"{name} has a value twice: {text}")
    return SweepAxis(kind, tuple(names), tuple(values))


def _refuse_no_size(name: str, found: SweepAxis) -> None:
    """Sizes are integers from 0 on; of a range the first is the least."""
    for value in found.values if found.values is not None else (found[0],):
        if value.__class__ is not int or value < 0:
            raise Unvaried(
                f"a size of {name} is {written(value)}; sizes are integers from 0 on"
            )


def names_of(axes: Iterable[SweepAxis], kind: Kind | None = None) -> list[str]:
    """The names of all axes, or of those of one kind."""
    own = [axis for axis in axes if kind is None or axis.kind == kind]
    return [name for axis in own for name in axis.names]


def count(axes: Sequence[SweepAxis]) -> int:
    """The number of combinations."""
    return prod(map(len, axes))


def digits(axes: Sequence[SweepAxis], number: int) -> list[int]:
    """The place in each axis of the value that a combination has; the last axis turns fastest.

    >>> hw = [axis("size", ["H"], "32,64"), axis("size", ["W"], "32,64,128")]
    >>> [digits(hw, number) for number in range(4)]
    [[0, 0], [0, 1], [0, 2], [1, 0]]
    """
    found = []
    for one in reversed(axes):
        number, digit = divmod(number, len(one))
        found.append(digit)
    return found[::-1]
