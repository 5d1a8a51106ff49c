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
from types import MethodType, SimpleNamespace
from typing import Any, Generic, NamedTuple, TypeVar

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

MAPPINGS = {dict, OrderedDict}

EMPTY_AT_FIRST = {dict, OrderedDict, list, set}
"""Most of what hangs on a layer are such: places for hooks."""

FIXED = {complex, range, slice, torch.dtype, torch.device, torch.memory_format, torch.layout}
"""More classes of what nobody changes."""

UNCHANGING = ATOMS | FIXED


class ModuleState(NamedTuple):
    """What hangs on a module."""

    things: list[Any]
    """The objects, in the order in which they were come to; they are kept, so that none gets another's identity."""
    facts: list[Any]
    """What is known of them: the lengths of lists, the keys of dicts, the memory of tensors."""

    def is_same(self, other: ModuleState) -> bool:
        """Whether the same objects hang on it, none of which was changed."""
        if self.facts != other.facts or len(self.things) != len(other.things):
            return False
        return all(map(operator.is_, self.things, other.things))


class KeptCopy(Generic[Fact]):
    """A copy of a module, as it is before its first run."""

    def __init__(self, copied: ModuleCopy, fact: Fact) -> None:
        self.copied = copied
        self.fact = fact
        """What is known of the copy before it is run."""
        self._before = state_of(copied.module)
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
            now = state_of(self.module)
            self._is_fresh = now is not None and now.is_same(self._before)
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


class _Unknown(Exception):
    """It is not known what an object consists of."""


def state_of(module: nn.Module) -> ModuleState | None:
    """All that hangs on a module; None where it is not known of something what it consists of."""
    state = ModuleState([module], [])
    seen: set[int] = set()
    waiting: list[Any] = [module]
    try:
        with torch._C.DisableTorchFunction():
            while waiting:
                thing = waiting.pop()
                if id(thing) in seen:
                    continue
                seen.add(id(thing))
                parts = _parts_of(thing, state.facts)
                state.things.extend(parts)
                waiting += [part for part in parts if _may_change(part)]
    except _Unknown:
        return None
    return state


def _may_change(thing: Any) -> bool:
    """Whether there is something to look at in a thing; one that gets something is come to then."""
    kind = type(thing)
    if kind in UNCHANGING:
        return False
    return bool(thing) if kind in EMPTY_AT_FIRST else True


def _parts_of(thing: Any, facts: list[Any]) -> Sequence[Any]:
    """The objects that a thing consists of; what else there is to know of it is noted."""
    kind: Any = type(thing)
    if kind in MAPPINGS:
        return _parts_of_dict(thing, facts)
    if kind in SEQUENCES:
        facts.append(len(thing))
        return tuple(thing)
    if isinstance(thing, Tensor):
        return _parts_of_tensor(thing, facts)
    if kind is MethodType:
        return (thing.__self__, thing.__func__)
    if isinstance(thing, enum.Enum):
        return ()
    if has_attributes_alone(kind):
        return _parts_of_dict(vars(thing), facts)
    raise _Unknown


def _parts_of_dict(thing: dict[Any, Any], facts: list[Any]) -> Sequence[Any]:
    keys = list(thing)
    if not UNCHANGING.issuperset(map(type, keys)):
        raise _Unknown
    facts.append(keys)
    return list(thing.values())


def _parts_of_tensor(thing: Tensor, facts: list[Any]) -> Sequence[Any]:
    if nn.parameter.is_lazy(thing) or thing.layout != torch.strided:
        raise _Unknown
    facts.append(thing._version)
    facts.append(thing.shape)
    facts.append(thing.stride())
    facts.append(thing.requires_grad)
    facts.append(thing.untyped_storage()._cdata)
    return (thing.grad, vars(thing))


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
