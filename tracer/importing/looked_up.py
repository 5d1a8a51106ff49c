"""The numbers that a size is compared with where a program looks it up in a set or a dict.

Both are asked by the hash of a size, so that nothing is compared where the size is not in them, and nobody sees what
the answer depends on. The container is found in the frame that asks: its instructions say what was loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

from tracer.importing.instructions import Instruction, steps_up_to, without_value
from tracer.importing.named_numbers import numbers_named

MOST = 64
"""Keys of a container that sizes are compared with."""

METHODS = {"get", "pop", "setdefault", "__getitem__", "__contains__"}
"""Methods of a dict that look up their first argument."""

STORES = {"STORE_SUBSCR", "MAP_ADD"}
"""What puts a size into a dict asks nothing of it."""


class LoadedValue(NamedTuple):
    """How a program loads a value."""

    kind: str
    """``const``, ``global`` or ``local``."""
    value: Any
    """The constant, or the name."""
    attributes: tuple[str, ...]
    """Of what is loaded, one of the other."""


class Lookup(NamedTuple):
    """What an instruction asks for."""

    stores: bool
    """Whether it puts something in, and asks for nothing."""
    container: LoadedValue | None
    """Where it looks something up; None where that is not known."""


class Met(NamedTuple):
    """What a size meets where it is hashed."""

    numbers: Sequence[float]
    """The numbers that it is compared with."""
    is_alone: bool
    """Whether each is compared with it alone, not as a part of a pair."""
    is_known: bool
    """Whether it is known where it is looked up. Else it may be in a set, with others that are hashed there."""


def asked_by_hash(frame: FrameType) -> Met:
    """What is compared where a frame asks for the hash of a size.

    These are the keys of the set or the dict in which it looks something up. Where it is not known in which, they are
    the numbers that the program names.

    >>> import sys
    >>> class Size(int):
    ...     def __hash__(self):
    ...         print(asked_by_hash(sys._getframe(1)).numbers)
    ...         return int.__hash__(self)
    >>> def stride(size, strides):
    ...     return strides.get(size, 1)
    >>> Size(3) in {5, 7}, stride(Size(3), {96: 2, 192: 4})
    [5, 7]
    [96, 192]
    (False, 1)
    """
    lookup = _lookup(frame.f_code, frame.f_lasti)
    if lookup.stores:
        return NOTHING

    container = None if lookup.container is None else _value_of(lookup.container, frame)
    if not isinstance(container, (set, frozenset, dict)):
        numbers = numbers_named(frame)
        return Met(numbers, is_alone=False, is_known=False)
    if len(container) > MOST or _is_kept_by_size(container):
        return NOTHING
    keys = list(container)
    numbers = [number for key in keys for number in _numbers_in(key)]
    is_alone = not any(isinstance(key, (tuple, frozenset)) for key in keys)
    return Met(numbers, is_alone=is_alone, is_known=True)


NOTHING = Met((), is_alone=True, is_known=True)


def _is_kept_by_size(container: Any) -> bool:
    """True for a dict of tensors: they are made anew for another size."""
    return isinstance(container, dict) and any(map(_has_tensors, container.values()))


def _has_tensors(value: Any, depth: int = 2) -> bool:
    """Whether it is a tensor or an array, or a container of some."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return True
    parts = value.values() if isinstance(value, dict) else value
    is_container = isinstance(value, (dict, list, tuple))
    return depth > 0 and is_container and any(_has_tensors(part, depth - 1) for part in parts)


def _numbers_in(key: Any) -> Iterator[float]:
    """The numbers of a key: itself, or those that it is made of."""
    if isinstance(key, (tuple, frozenset)):
        for part in key:
            yield from _numbers_in(part)
    elif type(key) is int or (type(key) is float and math.isfinite(key)):
        yield key


@lru_cache(1000)
def _lookup(code: CodeType, place: int) -> Lookup:
    """What the instruction at a place looks up, and where."""
    before = steps_up_to(code, place)
    asks, before = before[-1], before[:-1]
    if asks.name in STORES:
        return Lookup(True, None)
    # Before Python 3.12, two instructions make a call.
    if before and before[-1].name == "PRECALL":
        before = before[:-1]
    return Lookup(False, _container(asks, before))


def _container(asks: Instruction, before: Sequence[Instruction]) -> LoadedValue | None:
    """Where an instruction looks something up."""
    if asks.name == "CONTAINS_OP":
        return _loaded(before)
    if asks.name in ("BINARY_SUBSCR", "DELETE_SUBSCR") or (asks.name, asks.value) == (
        "BINARY_OP",
        "[]",
    ):
        return _loaded(without_value(before))
    if asks.name in ("CALL", "PRECALL", "CALL_METHOD"):
        return _method_of(before, asks.value)
    return None


def _method_of(steps: Sequence[Instruction], arguments: Any) -> LoadedValue | None:
    """Whose method is called, where that looks something up."""
    for _ in range(arguments):
        steps = without_value(steps)
    is_known = steps and steps[-1].name in ("LOAD_METHOD", "LOAD_ATTR")
    return _loaded(steps[:-1]) if is_known and steps[-1].value in METHODS else None


KINDS: tuple[tuple[str, str], ...] = (
    ("LOAD_CONST", "const"),
    ("LOAD_GLOBAL", "global"),
    ("LOAD_NAME", "global"),
    ("LOAD_FAST", "local"),
    ("LOAD_DEREF", "local"),
)


def _loaded(steps: Sequence[Instruction]) -> LoadedValue | None:
    """What the last instructions load: a name or a constant, or an attribute of it."""
    attributes: list[str] = []
    while steps and steps[-1].name == "LOAD_ATTR":
        attributes.insert(0, steps[-1].value)
        steps = steps[:-1]
    for start, kind in KINDS:
        if steps and steps[-1].name.startswith(start):
            return LoadedValue(kind, steps[-1].value, tuple(attributes))
    return None


def _value_of(loaded: LoadedValue, frame: FrameType) -> Any:
    """The value itself; None where it is not found."""
    names: dict[str, Callable[[], Any]] = {
        "const": lambda: loaded.value,
        "global": lambda: frame.f_globals.get(loaded.value),
        "local": lambda: frame.f_locals.get(loaded.value),
    }
    value = names[loaded.kind]()
    for name in loaded.attributes:
        value = getattr(value, "__dict__", {}).get(name, getattr(type(value), name, None))
    return value
