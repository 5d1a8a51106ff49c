"""Copies of a module to run behind each other: one that a run has left as it was is taken for the next run too.

A copy costs as much as a third of a forward. All that hangs on it is looked at after a run: objects by their identity,
tensors by their memory and by how often they were written into. Where something hangs on it of which that is not known,
each run has a copy of its own.
"""

from __future__ import annotations

import enum
import functools
import operator
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from itertools import chain
from types import MethodType, SimpleNamespace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from tracer.torch_bridge.copies import (
    ATOMS,
    COPYING,
    ModuleCopy,
    TensorCopy,
    copy_of,
    is_copied_by_attributes,
)

Fact = TypeVar("Fact")

SEQUENCES = {list, tuple, set, frozenset, deque, torch.Size}

FINAL = {tuple, frozenset, torch.Size}
"""Those of which the parts are always the same."""

MAPPINGS = {dict, OrderedDict}

CONTAINERS = MAPPINGS | (SEQUENCES - FINAL)

FIXED = {complex, range, slice, torch.dtype, torch.device, torch.memory_format, torch.layout}
"""More classes of what nobody changes."""

UNCHANGING = ATOMS | FIXED


class ModuleState:
    """All that hangs on a module, as it is now. Raises :class:`UnknownParts` where something is not known."""

    def __init__(self, module: nn.Module) -> None:
        self._empty: list[Any] = []
        """Containers in which nothing is."""
        self._dicts: list[dict[Any, Any]] = []
        self._keys: list[Any] = []
        """The keys of all dicts, one behind the other."""
        self._values: list[Any] = []
        """Their values."""
        self._others: list[tuple[Any, Sequence[Any], Sequence[Any]]] = []
        """Things with their parts, and what else is known of them."""
        self._tensors: list[tuple[Tensor, Any, Sequence[Any]]] = []
        """Tensors with their gradients, and what else is known of them."""
        seen: set[int] = set()
        waiting: list[Any] = [module]
        while waiting:
            thing = waiting.pop()
            if id(thing) not in seen:
                seen.add(id(thing))
                waiting += self._changing(self._note(thing))
        self._lengths = list(map(len, self._dicts))

    def _changing(self, parts: Sequence[Any]) -> list[Any]:
        """Those of some parts that are to be looked at; most are empty, or what nobody changes."""
        found = []
        for part in parts:
            kind: Any = type(part)
            if kind in CONTAINERS and not part:
                self._empty.append(part)
            elif kind not in UNCHANGING:
                found.append(part)
        return found

    def _note(self, thing: Any) -> Sequence[Any]:
        """The parts of a thing, which are noted."""
        attributes = _attributes_of(thing)
        if isinstance(thing, Tensor):
            if nn.parameter.is_lazy(thing) or thing.layout != torch.strided:
                raise UnknownParts
            self._tensors.append((thing, thing.grad, _facts_of(thing)))
            return thing.grad, vars(thing)
        if attributes is None:
            parts, facts = _parts_of(thing)
            if type(thing) not in FINAL:
                self._others.append((thing, parts, facts))
            return parts
        if not UNCHANGING.issuperset(map(type, attributes)):
            raise UnknownParts
        values = list(attributes.values())
        self._dicts.append(attributes)
        self._keys += attributes
        self._values += values
        return values

    def is_still_so(self) -> bool:
        """Whether the same objects hang on it, none of which was changed: nothing else has come in then."""
        if any(self._empty) or list(map(len, self._dicts)) != self._lengths:
            return False
        values = chain.from_iterable(map(_values_of, self._dicts))
        keys = chain.from_iterable(self._dicts)
        if not all(map(operator.is_, values, self._values)):
            return False
        if not all(map(operator.is_, keys, self._keys)):
            return False
        are_tensors_same = all(
            _facts_of(tensor) == facts and tensor.grad is grad
            for tensor, grad, facts in self._tensors
        )
        return are_tensors_same and all(map(_is_as_noted, self._others))


_values_of = operator.methodcaller("values")


def _is_as_noted(noted: tuple[Any, Sequence[Any], Sequence[Any]]) -> bool:
    """Whether a thing consists of the same parts as when it was noted."""
    thing, parts, facts = noted
    now, facts_now = _parts_of(thing)
    return bool(facts_now == facts) and are_those(now, parts)


def are_those(now: Sequence[Any], before: Sequence[Any]) -> bool:
    """Whether some objects are those that were there before, each in its place."""
    return len(now) == len(before) and all(map(operator.is_, now, before))


class KeptCopy(Generic[Fact]):
    """A copy of a module, as it is before its first run."""

    def __init__(self, copied: ModuleCopy, fact: Fact) -> None:
        self.copied = copied
        self.fact = fact
        """What is known of the copy before it is run."""
        self._before = state_of(copied.module)
        """What hangs on it; None where that is not known."""
        self._is_fresh = True

    @property
    def module(self) -> nn.Module:
        """The copy itself."""
        return self.copied.module

    def begin(self) -> None:
        """A run of it begins, after which it may be another one."""
        self._is_fresh = False

    def is_as_it_was(self) -> bool:
        """Whether the runs so far have left it as it was before the first one."""
        if not self._is_fresh and self._before is not None:
            with torch._C.DisableTorchFunction():
                self._is_fresh = self._before.is_still_so()
        return self._is_fresh


class Copies(Generic[Fact]):
    """The copies of one module; each is prepared before it is run, which gives what is known of it."""

    def __init__(
        self,
        module: nn.Module,
        tensor_copy: TensorCopy,
        prepare: Callable[[ModuleCopy], Fact],
    ) -> None:
        self.of = module
        self._tensor_copy = tensor_copy
        self._prepare = prepare
        self._kept: KeptCopy[Fact] | None = None

    def take(self) -> KeptCopy[Fact]:
        """The copy for a run that begins now."""
        kept = self._kept
        if kept is None or not kept.is_as_it_was():
            copied = copy_of(self.of, self._tensor_copy)
            fact = self._prepare(copied)
            kept = KeptCopy(copied, fact)
        kept.begin()
        self._kept = kept
        return kept


# --- what hangs on a module ------------------------------------------------------------------------------------------


class UnknownParts(Exception):
    """It is not known what an object consists of."""


def state_of(module: nn.Module) -> ModuleState | None:
    """All that hangs on a module; None where it is not known of something what it consists of."""
    try:
        with torch._C.DisableTorchFunction():
            return ModuleState(module)
    except UnknownParts:
        return None


def _attributes_of(thing: Any) -> dict[Any, Any] | None:
    """The dict that a thing is, or that has all that it consists of; None for another thing."""
    kind: Any = type(thing)
    if kind in MAPPINGS:
        found: dict[Any, Any] = thing
        return found
    return vars(thing) if has_attributes_alone(kind) else None


def _parts_of(thing: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """The objects that a thing consists of, and what else there is to know of it."""
    kind: Any = type(thing)
    if kind in SEQUENCES:
        return tuple(thing), ()
    if kind is MethodType:
        return (thing.__self__, thing.__func__), ()
    if isinstance(thing, enum.Enum):
        return (), ()
    raise UnknownParts


def _facts_of(tensor: Tensor) -> Sequence[Any]:
    """What is known of a tensor beside its gradient and its attributes."""
    memory = tensor.untyped_storage()._cdata
    return tensor._version, tensor.shape, tensor.stride(), tensor.requires_grad, memory


@functools.lru_cache(maxsize=1000)
def has_attributes_alone(kind: type) -> bool:
    """Whether all that an object of a class consists of are its attributes."""
    if kind is SimpleNamespace:
        return True
    if nn.Module in kind.__mro__:
        return is_copied_by_attributes(kind)
    *bases, _ = kind.__mro__
    are_pythons = all(base.__flags__ & MADE_BY_PYTHON for base in bases)
    return are_pythons and kind.__dictoffset__ != 0 and not _says_how_it_is_copied(kind)


def _says_how_it_is_copied(kind: type) -> bool:
    plain: Any = object
    return any(getattr(kind, word, None) is not getattr(plain, word, None) for word in COPYING)


MADE_BY_PYTHON = 1 << 9
"""The flag of a class that stands in a program, which Python calls a type on the heap."""
