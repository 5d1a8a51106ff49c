"""The numbers that a program compares a size with where it asks whether a set or a dict has it.

A set is asked by the hash of a size, so that nothing is compared where the size is not in it, and nobody sees what the
answer depends on. The container is found in the frame that asks: it is loaded right before.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

MOST = 64
"""Keys of a container that sizes are compared with."""


class LoadedValue(NamedTuple):
    """How a program loads a value."""

    kind: str
    """``const``, ``global`` or ``local``."""
    value: Any
    """The constant, or the name."""
    attributes: tuple[str, ...]
    """Of what is loaded, one of the other."""


def numbers_asked_for(frame: FrameType) -> Iterator[int]:
    """The whole numbers among the keys of a set or a dict of which the frame asks whether it has something.

    >>> import sys
    >>> class Size(int):
    ...     def __hash__(self):
    ...         print(sorted(numbers_asked_for(sys._getframe(1))))
    ...         return int.__hash__(self)
    >>> Size(3) in {5, 7}
    [5, 7]
    False
    """
    loaded = _loaded_before(frame.f_code, frame.f_lasti)
    container = None if loaded is None else _value_of(loaded, frame)
    if not isinstance(container, (set, frozenset, dict)) or len(container) > MOST:
        return
    # What is kept by size in a dict of tensors is made anew for another.
    if isinstance(container, dict) and not all(map(_is_plain, container.values())):
        return
    for key in list(container):
        parts = key if isinstance(key, tuple) else (key,)
        yield from (part for part in parts if type(part) is int)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (int, float, str, bool, type(None)))


@lru_cache(1000)
def _loaded_before(code: CodeType, place: int) -> LoadedValue | None:
    """What is loaded right before a place, where that asks whether it has something."""
    steps = list(dis.get_instructions(code))
    offsets = [step.offset for step in steps]
    if place not in offsets or steps[offsets.index(place)].opname != "CONTAINS_OP":
        return None

    before = steps[: offsets.index(place)]
    attributes: list[str] = []
    while before and before[-1].opname == "LOAD_ATTR":
        attributes.insert(0, before.pop().argval)
    return _loaded(before[-1], tuple(attributes)) if before else None


def _loaded(step: dis.Instruction, attributes: tuple[str, ...]) -> LoadedValue | None:
    if step.opname == "LOAD_CONST":
        return LoadedValue("const", step.argval, attributes)
    if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
        return LoadedValue("global", step.argval, attributes)
    if step.opname.startswith(("LOAD_FAST", "LOAD_DEREF")):
        name = step.argval[-1] if isinstance(step.argval, tuple) else step.argval
        return LoadedValue("local", name, attributes)
    return None


def _value_of(loaded: LoadedValue, frame: FrameType) -> Any:
    """The value itself; None where it is not found."""
    value = loaded.value
    if loaded.kind == "global":
        value = frame.f_globals.get(loaded.value)
    elif loaded.kind == "local":
        value = frame.f_locals.get(loaded.value)
    for name in loaded.attributes:
        value = getattr(value, "__dict__", {}).get(name, getattr(type(value), name, None))
    return value
