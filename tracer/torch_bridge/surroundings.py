"""What the runs of a module leave outside of it, put back: in its program's globals, its classes, and caches.

A copy of the module runs, but what its forward keeps elsewhere is the user's: a table in a class, a dict in a file, a
function that remembers what it gave. Tensors without data that a run left there would be found by the user's own next
call.
"""

from __future__ import annotations

import functools
import random
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import torch

from tracer.torch_bridge.one_device import device_of
from tracer.torch_bridge.places import is_users

DEEP = 3
"""So many containers inside of each other are looked into."""

LARGE = 20_000
"""A container of more values is left alone."""

CONTAINERS = {dict, OrderedDict, defaultdict, list, set, deque}

CACHE = type(functools.lru_cache(lambda: None))


class KeptContainer(NamedTuple):
    """A container, and what was in it."""

    container: Any
    before: Any


@contextmanager
def surroundings_kept(module: torch.nn.Module) -> Iterator[None]:
    """Puts back what runs of a module leave in its program, and where random numbers go on, when it ends."""
    if device_of(module).type == "meta":
        yield  # what it keeps is as the user's own calls would leave it
        return

    around = _Surroundings(module)
    states = torch.get_rng_state(), random.getstate()
    try:
        yield
    finally:
        around.put_back()
        torch.set_rng_state(states[0])
        random.setstate(states[1])


class _Surroundings:
    """What stands in the classes of a module and in their files."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.spaces = [(owner, dict(vars(owner))) for owner in _owners(module)]
        self.caches: dict[Any, int] = {}
        """Functions that remember what they gave, and how often they had to be asked so far."""
        self.containers: dict[int, KeptContainer] = {}
        for _, values in self.spaces:
            for value in values.values():
                self._note(value)

    def _note(self, value: Any) -> None:
        # A stand-in for a package that is missing may raise whatever it is asked for.
        kind = type(value)
        function = value.__func__ if kind in (staticmethod, classmethod) else value
        if isinstance(function, CACHE):
            self.caches[function] = function.cache_info().misses
        elif kind in CONTAINERS and len(value) <= LARGE:
            self.containers[id(value)] = KeptContainer(value, value.copy())

    def put_back(self) -> None:
        """Take out what holds tensors without data, and was not there."""
        for cache, misses in self.caches.items():
            if cache.cache_info().misses != misses:
                cache.cache_clear()
        for owner, before in self.spaces:
            for name, value in dict(vars(owner)).items():
                if value is not before.get(name, owner) and _has_no_data(value):
                    _set(owner, name, before)
        for container, before in self.containers.values():
            if _has_no_data(container) and not _has_no_data(before):
                _fill(container, before)


def _owners(module: torch.nn.Module) -> Iterator[Any]:
    """The classes of a module's parts that are not torch's, their files, and the files that these name."""
    classes = {own for part in module.modules() for own in type(part).__mro__}
    owners: dict[int, Any] = {}
    for own in classes:
        file = sys.modules.get(own.__module__)
        if file is None or not _is_users(file):
            continue
        owners |= {id(own): own, id(file): file}
        for named in list(vars(file).values()):
            if isinstance(named, ModuleType) and _is_users(named):
                owners[id(named)] = named
    yield from owners.values()


def _is_users(file: ModuleType) -> bool:
    path = vars(file).get("__file__")
    return file.__name__ == "__main__" if path is None else is_users(path)


def _has_no_data(value: Any, deep: int = DEEP) -> bool:
    """Whether a value is a tensor without data, or holds one."""
    kind = type(value)
    if issubclass(kind, torch.Tensor):
        return bool(value.is_meta)
    if not deep or (kind not in CONTAINERS and kind is not tuple) or len(value) > LARGE:
        return False
    parts = value.values() if issubclass(kind, dict) else value
    return any(_has_no_data(part, deep - 1) for part in list(parts))


def _set(owner: Any, name: str, before: Mapping[str, Any]) -> None:
    """Give an attribute the value that it had."""
    if name in before:
        setattr(owner, name, before[name])
    else:
        delattr(owner, name)


def _fill(container: Any, before: Any) -> None:
    """Put into a container what was in it."""
    container.clear()
    if isinstance(container, (list, deque)):
        container.extend(before)
    else:
        container.update(before)
