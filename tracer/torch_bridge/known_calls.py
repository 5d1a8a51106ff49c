"""Recordings that are known without being made: put together of the calls that earlier runs of the module made.

A module with a branch at each of eight places takes 256 ways, of which a few were recorded. On another way it asks
torch for what it asked on those, each call being one of theirs: of tensors as large, of the same numbers over the
symbols. Its own Python decides, on plain numbers, which calls those are. A call that no run made, or whose steps depend
on more than its arguments, leaves nothing known: then the module is recorded.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch

from tracer.importing.recording import (
    Recording,
    Sizes,
    Step,
    Unrepresentable,
    Value,
    demanded_of,
)
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.ops.creation import Full
from tracer.ops.pointwise import Parameter
from tracer.sizing.program import Program
from tracer.sizing.symbol import Condition, Size, identity
from tracer.torch_bridge.dispatch import type_of
from tracer.torch_bridge.forward import Recordable, tensors_by_name
from tracer.torch_bridge.handled import is_handled
from tracer.torch_bridge.kept_copies import UNCHANGING
from tracer.torch_bridge.replay import Differs, Replay
from tracer.torch_bridge.tape import Numbers, Retold, Tape, ToldCall, numbers_of_call
from tracer.torch_bridge.tensors import empty


class KnownCall:
    """A call of an earlier run, and what it takes to be made by another one."""

    def __init__(self, tape: Tape, call: ToldCall) -> None:
        self.tape = tape
        self.call = call

    @functools.cached_property
    def first(self) -> Sizes:
        """The sizes of the first tensor that it is given; none where they are not known."""
        given = _first_of(self.call.asked.args)
        return self.tape.sizes.get(id(given), ()) if isinstance(given, torch.Tensor) else ()

    @functools.cached_property
    def is_by_itself(self) -> bool:
        """Whether its steps are told by its arguments: they read nothing else, and are there whatever reads them."""
        known = {value.name for value in self.call.asked.sources.values()}
        for step in self.call.steps:
            is_once = isinstance(step.op, (Full, Parameter))
            is_beside = step.name in self.tape.recording.beside
            if is_once or is_beside or any(one.name not in known for one in step.sources):
                return False
            known.add(step.value.name)
        return all(value.name in known for value in self.call.values.values())

    @functools.cached_property
    def guards(self) -> list[Condition] | None:
        """What it was decided by; None where that is not known."""
        found = [one for one in self.call.guards if one is not None]
        return found if len(found) == len(self.call.guards) else None

    @functools.cached_property
    def demands(self) -> list[Condition] | None:
        """What its operations demand of sizes; None where that is not known."""
        try:
            return [one for step in self.call.steps for one in demanded_of(step)]
        except (TypeError, ZeroDivisionError):
            return None


def _first_of(args: Sequence[Any]) -> Any:
    """The first argument, or the first of the list that it is."""
    first: Any = args[0] if args else None
    is_list = type(first) in (list, tuple) and bool(first)
    return first[0] if is_list else first


class KnownCalls:
    """The calls of all runs of a module so far."""

    def __init__(self) -> None:
        self._fresh: list[Tape] = []
        self._known: dict[Hashable, list[KnownCall]] = defaultdict(list)
        self._words: dict[Hashable, ToldCall] = {}
        """One call for each of the words that calls are known by."""
        self._sizes: dict[int, Sizes] = {}
        """The shapes of which the program has all sizes, by their identity."""
        self._program: Program | None = None
        self.first: Tape | None = None

    def add(self, tape: Tape) -> None:
        """Take in the calls of one more run."""
        if tape.is_whole:
            self._fresh.append(tape)

    def at(self, sizes: Mapping[str, int]) -> KnownCallsThere | None:
        """The calls with their numbers at some sizes; None before a run has ended."""
        for tape in self._fresh:
            self._take(tape)
        self._fresh = []
        if self.first is None or self._program is None:
            return None
        return KnownCallsThere(self._program, self._known, self.first, dict(sizes))

    def _take(self, tape: Tape) -> None:
        if self._program is None:
            self.first = tape
            recording = tape.recording
            self._program = Program(recording.space, list(recording.symbols))
        for call in tape.calls:
            self._take_call(tape, call, self._program)
        for sizes in tape.sizes.values():
            if id(sizes) not in self._sizes:
                self._sizes[id(sizes)] = sizes
                for size in sizes:
                    self._program.slot(size)

    def _take_call(self, tape: Tape, call: ToldCall, program: Program) -> None:
        key = _key(call)
        if self._is_known(key, tape, call):
            return
        numbers = list(numbers_of_call(call))
        known = [one for one in numbers if one is not None]
        if len(known) == len(numbers):
            one = KnownCall(tape, call)
            self._known[key].append(one)
            for number in known:
                program.slot(number)
            for condition in (*(one.guards or ()), *(one.demands or ())):
                program.watch(condition)

    def _is_known(self, key: Hashable, tape: Tape, call: ToldCall) -> bool:
        """Whether there is one that is this one wherever the call is: each run makes most calls of the others."""
        # Of a layer that was told again, it is known without a look at what it is given.
        words = (id(call.layer),) if call.layer is not None else _words_of(tape, call)
        if words is None or (key, words) in self._words:
            return words is not None
        self._words[key, words] = call
        return False


def _key(call: ToldCall) -> Hashable:
    return key_of(call.asked.what, call.asked.around)


def key_of(what: Any, around: Sequence[torch.nn.Module]) -> Hashable:
    """A key for the calls of a function, or of a module, inside of the same modules."""
    is_module = isinstance(what, torch.nn.Module)
    return (id(what) if is_module else what, *map(id, around))


# --- the words of a call ---------------------------------------------------------------------------------------------


class NotSaid(Exception):
    """Something is given that is the same thing in another run, or not."""


def _words_of(tape: Tape, call: ToldCall) -> Hashable | None:
    """What a call is given and decided by: those of the same words are made by the same runs; None where not known."""
    if call.how is Retold.PART:
        return ()
    asked = call.asked
    given = (tuple(asked.args), dict(asked.kwargs))
    try:
        words = _words(given, tape, asked.sources, {})
        hash(words)
    except (NotSaid, TypeError):  # a slice has no hash
        return None
    return words, tuple(map(identity, call.guards))


def _words(
    value: Any, tape: Tape, sources: Mapping[int, Value], seen: dict[int, int]
) -> Hashable:
    """An argument in words that are the same in each run."""
    if isinstance(value, torch.Tensor):
        sizes = tape.sizes.get(id(value))
        if sizes is None:
            raise NotSaid
        place = seen.setdefault(id(value), len(seen))
        words = tuple(map(_size_word, sizes))
        return place, words, type_of(value), id(value) in sources
    if isinstance(value, RunTimeSize):
        return _size_word(value.size)
    if isinstance(value, (tuple, list)):
        parts = tuple.__iter__(value) if isinstance(value, tuple) else value
        return type(value), *[_words(part, tape, sources, seen) for part in parts]
    if isinstance(value, dict):
        return tuple((word, _words(part, tape, sources, seen)) for word, part in value.items())
    if type(value) not in UNCHANGING:
        raise NotSaid
    return type(value), value


def _size_word(size: Any) -> Hashable:
    """A size over the symbols, of which there is one object."""
    if size is None:
        raise NotSaid
    return (int, size) if isinstance(size, int) else (Size, id(size))


class KnownCallsThere:
    """Calls with their numbers at some sizes."""

    def __init__(
        self,
        program: Program,
        known: Mapping[Hashable, Sequence[KnownCall]],
        first: Tape,
        sizes: Mapping[str, int],
    ) -> None:
        self.first = first
        self.sizes = sizes
        self._program = program
        self._known = known
        self._values = program.run(sizes)
        self.numbers = Numbers(program, self._values)

    def like(self, what: Any, around: Sequence[torch.nn.Module]) -> Sequence[KnownCall]:
        """The calls of a function, or of a module, that were made inside of the same modules."""
        return self._known.get(key_of(what, around), ())

    def holds(self, conditions: Sequence[Condition]) -> bool:
        """Whether all conditions of a call hold there."""
        return all(self._program.truth(one, self._values) for one in conditions)


class Retelling(Replay):
    """One run of a module that is told by calls of earlier runs."""

    def __init__(self, recorded: Recordable, known: KnownCallsThere) -> None:
        super().__init__(recorded, known.first, known.numbers)
        self.known = known
        self.live: dict[int, torch.Tensor] = {}
        """The tensors of this run that depend on its inputs."""
        self.facts: dict[int, tuple[tuple[int, ...], torch.dtype]] = {}
        """Shapes and types of those of them that were looked at: no call that is known changes them."""
        self.values: dict[int, Value] = {}
        """What they stand for, by their identity."""
        self.sources: Mapping[int, Value] = {}
        """What the tensors stand for that an earlier call was given."""
        self.steps: list[Step] = []
        self.outputs: dict[str, Value] = {}
        self.names = itertools.count()
        self.is_refused = False
        """Set where an operation refuses what it is given, as it would in a recording."""

    def recording(self) -> Recording | None:
        """The recording of this run; None where it is not known.

        Raises :class:`Unrepresentable` where an operation refuses what it is given.
        """
        is_known = self.is_the_same()
        if self.is_refused and not self.differs:
            raise Unrepresentable("an operation refuses its input", by_operation=True)
        if not is_known:
            return None
        found = copy.copy(self.known.first.recording)
        found.symbols = dict(self.known.sizes)
        found.steps = self.steps
        found.outputs = self.outputs
        return found

    def _inputs(self) -> Iterator[torch.Tensor]:
        values = self.known.first.recording.inputs.values()
        for tensor, value in zip(super()._inputs(), values):
            self.live[id(tensor)] = tensor
            self.values[id(tensor)] = value
            yield tensor

    def called(self, module: torch.nn.Module, original: Any, args: Any, kwargs: Any) -> Any:
        """A layer is told by what it is given, any other part by its calls."""
        given: Any = args[0] if len(args) == 1 and not kwargs else None
        source = self.values.get(id(given))
        known = None if source is None else self._layer(module, given)
        if known is None or source is None:
            return super().called(module, original, args, kwargs)
        return self._called(module, self._told_again(known, given, source))

    def _layer(self, module: torch.nn.Module, given: torch.Tensor) -> KnownCall | None:
        """The call of a layer with a tensor of the same sizes; None where more tells which it is, or there is none."""
        facts = self._facts_of(given)
        for one in self.known.like(module, self.around):
            layer = one.call.layer
            if layer is None or one.demands is None or not one.is_by_itself:
                return None
            if facts != (self.numbers.shape(layer.sizes), layer.dtype):
                continue
            if not self.known.holds(one.demands):
                raise self._refusal()
            return one
        return None

    def _told_again(self, known: KnownCall, given: torch.Tensor, source: Value) -> torch.Tensor:
        """What a layer gives; its step is noted."""
        (step,) = known.call.steps
        layer, made = known.call.layer, step.value
        name = f"{step.label}_{next(self.names)}"
        value = Value(name, made.shape, made.sizes, made.part)
        self.steps.append(step.renamed(name, (source,), value))

        result = given
        if not layer.is_in_place:
            facts = self.numbers.shape(made.sizes), layer.made
            result = empty(*facts)
            self.live[id(result)] = result
            self.facts[id(result)] = facts
        self.values[id(result)] = value
        return result

    def _found(self, what: Any, args: Any, kwargs: Mapping[str, Any]) -> ToldCall:
        """The call of an earlier run that is this one."""
        for one in self._alike(what, args, kwargs):
            guards, demands = one.guards, one.demands
            if guards is None or demands is None or not one.is_by_itself:
                break
            if not self.known.holds(guards):
                continue
            if not self.known.holds(demands):
                raise self._refusal()
            return one.call
        raise self._other()

    def _alike(self, what: Any, args: Any, kwargs: Mapping[str, Any]) -> Iterator[KnownCall]:
        """The calls of earlier runs that are given what this one is."""
        shape = self._shape_given(args)
        for one in self.known.like(what, self.around):
            if shape and one.first and self.numbers.shape(one.first) != shape:
                continue
            self.now = {}
            self.sizes = one.tape.sizes
            self.sources = one.call.asked.sources
            if self._is_call(one.call, what, args, kwargs):
                yield one

    def _shape_given(self, args: Sequence[Any]) -> tuple[int, ...]:
        """The shape of the first tensor, where it depends on the inputs: it tells most calls from the others."""
        given = _first_of(args)
        return self._facts_of(given)[0] if id(given) in self.live else ()

    def _refusal(self) -> BaseException:
        """The error that ends a run in which an operation refuses what it is given."""
        if is_handled():
            return self._other()
        self.is_refused = True
        return Differs()

    def _is_tensor(self, told: torch.Tensor, given: Any) -> bool:
        """Whether a tensor is as large as that of the earlier run, and is given wherever that was."""
        sizes = self.sizes.get(id(told))
        if sizes is None:
            return told is given
        is_value = id(told) in self.sources
        if id(given) not in self.live or is_value is not (id(given) in self.values):
            return False
        known = self.now.get(id(told))
        if known is None:
            is_new = all(one is not given for one in self.now.values())
            self.now[id(told)] = given
            return is_new and self._is_as_large(told, given)
        return known is given

    def _is_as_large(self, told: torch.Tensor, given: torch.Tensor) -> bool:
        return self._facts_of(given) == (self._shape(told), type_of(told))

    def _facts_of(self, given: torch.Tensor) -> tuple[tuple[int, ...], torch.dtype]:
        """The shape and the type of a tensor that depends on the inputs."""
        known = self.facts.get(id(given))
        if known is None:
            with torch._C.DisableTorchFunction():
                known = self.facts[id(given)] = tuple(given.shape), given.dtype
        return known

    def _end(self, call: ToldCall) -> None:
        """Note the steps of a call, and what its results stand for."""
        renamed: dict[str, Value] = {}
        for key, value in call.asked.sources.items():
            mine = self.values.get(id(self.now.get(key)))
            if mine is not None:
                renamed[value.name] = mine
        for step in call.steps:
            self.steps.append(self._renamed(step, renamed))
        for told, tensor in self.now.items():
            if told in self.sizes:
                self.live[id(tensor)] = tensor
        for told, value in call.values.items():
            tensor = self.now[told]
            self.values[id(tensor)] = renamed[value.name]

    def _renamed(self, step: Step, renamed: dict[str, Value]) -> Step:
        """A step that reads the tensors of this run, with a name of its own."""
        name = f"{step.label}_{next(self.names)}"
        made = step.value
        value = Value(name, made.shape, made.sizes, made.part)
        renamed[step.value.name] = value
        sources = tuple([renamed[one.name] for one in step.sources])
        return step.renamed(name, sources, value)

    def _is_end(self, result: Any) -> bool:
        """Whether what is returned is known."""
        if self.differs:
            return False
        for name, tensor in tensors_by_name(result).items():
            value = self.values.get(id(tensor))
            if value is not None:
                shape = tuple(map(self.numbers.of, value.sizes))
                self.outputs[name] = value._replace(shape=shape)
            elif id(tensor) in self.live:
                return False
        return bool(self.outputs)
