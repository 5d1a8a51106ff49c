"""What is varied: the values of each axis, and the combination that a row's number stands for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import Any, Literal

import msgspec

from tracer.network.values import value_of
from tracer.ops.base import written
from tracer.source.tree import Fault, compose

_RANGE = re.compile(r"\s*(-?\d{1,15})\s*\.\.\s*(-?\d{1,15})?\s*(?::\s*(\d{1,15}))?\s*\Z")
MOST = 10**12
"""Values of one axis."""


class Unvaried(ValueError):
    """What cannot be varied so."""


class SweepAxis(msgspec.Struct, frozen=True):
    """One param, or one or several symbols of one size, with its values."""

    kind: Literal["param", "size"]
    names: tuple[str, ...]
    values: tuple[Any, ...] | None = None
    """Listed; None where they are a range."""
    start: int = 0
    step: int = 1
    count: int = 0

    def __len__(self) -> int:
        return self.count if self.values is None else len(self.values)

    def __getitem__(self, i: int) -> Any:
        return self.start + i * self.step if self.values is None else self.values[i]

    @property
    def is_whole(self) -> bool:
        """Whether all values are integers."""
        return self.values is None or all(value.__class__ is int for value in self.values)


def axis(kind: Literal["param", "size"], names: Sequence[str], text: str) -> SweepAxis:
    """An axis as it is written: ``16,32,64``, ``3..7``, ``64..512:32``. Raises :class:`Unvaried`."""
    name = "=".join(names)
    match = _RANGE.match(text)
    if match:
        if match[2] is None:
            raise Unvaried(f"{name} has no end: write {name}={match[1]}..LAST")
        start, end, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if step == 0 or end < start:
            raise Unvaried(f"{name}={text.strip()} has no values")
        return _checked(SweepAxis(kind, tuple(names), None, start, step, (end - start) // step + 1))
    try:
        values = value_of(compose(f"[{text}]"), {})
    except Fault as fault:
        raise Unvaried(f"{name}={text}: {fault.message}") from None
    if not values:
        raise Unvaried(f"{name} has no values")
    if len({written(value) for value in values}) < len(values):
        raise Unvaried(f"{name} has a value twice: {text}")
    return _checked(SweepAxis(kind, tuple(names), tuple(values)))


def _checked(found: SweepAxis) -> SweepAxis:
    name = "=".join(found.names)
    if len(found) > MOST:
        raise Unvaried(f"{name} has {len(found)} values")
    if found.kind == "size":
        bad = (
            found[0]
            if found.values is None
            else next((v for v in found.values if v.__class__ is not int), found[0])
        )
        if bad.__class__ is not int or bad < 0 or not found.is_whole:
            raise Unvaried(f"a size of {name} is {written(bad)}; sizes are integers from 0 on")
    return found


def count(axes: Sequence[SweepAxis]) -> int:
    """The number of combinations."""
    return prod(map(len, axes))


def digits(axes: Sequence[SweepAxis], number: int) -> list[int]:
    """Which value of each axis a combination has; the last axis turns fastest."""
    found = []
    for one in reversed(axes):
        number, digit = divmod(number, len(one))
        found.append(digit)
    return found[::-1]
