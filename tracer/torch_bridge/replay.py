"""A run of a module that is held against the tape of an earlier one: whether a recording of it would be the same.

Its own Python runs, on plain numbers. Each call of torch has to be the next one of the tape, of the same tensors and of
the numbers that the tape says at these sizes, and gives what the tape says there. Where it is another one the run tells
nothing, and the module is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from tracer.importing.recording import Sizes
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.torch_bridge.calls_made import MadeCall, mapped, tensors_in
from tracer.torch_bridge.copies import Restored
from tracer.torch_bridge.dispatch import name_of, type_of, without_data
from tracer.torch_bridge.followed_calls import followed_by
from tracer.torch_bridge.forward import Reached, Recordable, tensors_by_name
from tracer.torch_bridge.handlers.sizes import RunTimeShape
from tracer.torch_bridge.kept_copies import UNCHANGING
from tracer.torch_bridge.one_device import OneDevice, device_of
from tracer.torch_bridge.places import entrance
from tracer.torch_bridge.tape import Numbers, ReadTape, Retold, Tape, ToldCall
from tracer.torch_bridge.tensors import empty


class Differs(BaseException):
    """The run asks for something else than the tape says."""


class Replay(TorchFunctionMode):
    """One run of a module beside a tape, at the sizes that the tape's numbers are for."""

    def __init__(self, recorded: Recordable, tape: Tape | ReadTape, numbers: Numbers) -> None:
        super().__init__()
        self.way = recorded.way
        self.kept = recorded.copies.take()
        self.tape = tape
        self.sizes: Mapping[int, Sizes] = tape.sizes
        """The sizes of the tape's tensors, by their identity."""
        self.numbers = numbers
        self.differs = self.kept is not tape.kept
        """Set where it asked for something else, whatever it did then."""
        self.now: dict[int, Any] = {}
        """The tensor of this run by the identity of the tape's in its place."""
        self.place = 0
        """So many of the tape's calls were made."""
        self.around: list[torch.nn.Module] = []
        """The modules that run."""

    @entrance
    def is_the_same(self) -> bool:
        """Whether the run asks for the same, and returns the same."""
        if self.differs:
            return False
        given = list(self._inputs())
        args, kwargs = self.way.called_with(given)
        no_grad: Any = torch.no_grad
        restored = Restored(self.kept.copied.tensors)
        here = OneDevice(device_of(self.kept.module))
        try:
            with self.way.limit(), followed_by(self), no_grad(), restored, here, self:
                result = self.kept.module(*args, **kwargs)
        except Reached as reached:
            result = reached.result
        except KeyboardInterrupt:
            raise
        except BaseException:  # what it raises is told by a recording
            return False
        return self._is_end(result)

    def _inputs(self) -> Iterator[torch.Tensor]:
        for tensor in self.tape.inputs:
            yield self._tensor(tensor)

    def _is_end(self, result: Any) -> bool:
        """Whether the run is over where the tape is, with the same result."""
        if self.differs or self.place != len(self.tape.calls):
            return False
        outputs = tensors_by_name(result)
        if outputs.keys() != self.tape.outputs.keys():
            return False
        return all(self._is(self.tape.outputs[name], one) for name, one in outputs.items())

    # --- calls -------------------------------------------------------------------------------------------------------

    def called(self, module: torch.nn.Module, original: Any, args: Any, kwargs: Any) -> Any:
        """The next call is that of a module."""
        call = self._found(module, args, kwargs)
        if call.how is Retold.PART:
            result = self._part(module, original, args, kwargs)
        else:
            result = self._told(call.result)
            self._end(call)
        return self._called(module, result)

    def _called(self, module: torch.nn.Module, result: Any) -> Any:
        """The result of a module whose call has ended."""
        known = self.kept.fact.names.get(id(module))
        if self.way.called is not None:
            self.way.called()
        if self.way.until is not None and known == self.way.until:
            raise Reached(result)
        return result

    def _part(self, module: torch.nn.Module, original: Any, args: Any, kwargs: Any) -> Any:
        self.around.append(module)
        try:
            return original(module, *args, **kwargs)
        finally:
            self.around.pop()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        named = kwargs or {}
        call = self._found(func, args, named)
        if call.how is Retold.TOLD:
            result = self._told(call.result)
        elif call.how is Retold.RUN:
            result = self._run(call, func(*args, **named))
        elif call.how is Retold.MADE:
            result = self._made(call, MadeCall(func, name_of(func), args, named))
        else:
            result = self._by_torch(call, without_data(func, args, named))
        self._end(call)
        return result

    def _found(self, what: Any, args: Any, kwargs: Mapping[str, Any]) -> ToldCall:
        """The tape's next call, where it is this one."""
        calls = self.tape.calls
        call = calls[self.place] if self.place < len(calls) else None
        if call is None or not self._is_call(call, what, args, kwargs):
            raise self._other()
        self.place += 1
        return call

    def _is_call(self, call: ToldCall, what: Any, args: Any, kwargs: Mapping[str, Any]) -> bool:
        """Whether a call of the tape is this one; how a part is called is seen by what it asks for."""
        asked = call.asked
        if list(asked.around) != self.around or not _is_function(asked.what, what):
            return False
        if call.how is Retold.PART:
            return True
        return self._is(tuple(asked.args), tuple(args)) and self._is(asked.kwargs, kwargs)

    def _end(self, call: ToldCall) -> None:
        """A call has ended."""

    def _other(self) -> Differs:
        """The error that ends the run, which the module may not keep from being told."""
        self.differs = True
        return Differs()

    # --- what it is given, and what the tape says --------------------------------------------------------------------

    def _is(self, told: Any, given: Any) -> bool:
        """Whether an argument is the one that the tape says."""
        if isinstance(told, torch.Tensor):
            return self._is_tensor(told, given)
        if isinstance(told, RunTimeSize):
            is_plain = type(given) is int
            return is_plain and given == self.numbers.of(told.size)

        kind = _kind_of(told)
        if kind in PARTS:
            parts_of = PARTS[kind]
            return _kind_of(given) is kind and self._are(parts_of(told), parts_of(given))
        if kind in UNCHANGING:
            return type(given) is kind and bool(told == given)
        return told is given

    def _is_tensor(self, told: torch.Tensor, given: Any) -> bool:
        return self.now.get(id(told), told) is given

    def _are(self, told: Sequence[Any], given: Sequence[Any]) -> bool:
        return len(told) == len(given) and all(map(self._is, told, given))

    def _told(self, result: Any) -> Any:
        """A result that the tape says, with the numbers of these sizes."""
        if isinstance(result, torch.Tensor):
            return self._tensor(result)
        kind: Any = type(result)
        if kind is RunTimeSize:
            return self.numbers.of(result.size)
        if kind is RunTimeShape:
            return torch.Size(map(self._told, _raw(result)))
        if kind in (list, tuple):
            return kind(map(self._told, result))
        return kind(map(self._told, result)) if isinstance(result, tuple) else result

    def _tensor(self, told: torch.Tensor) -> torch.Tensor:
        """The tensor in the place of the tape's: one without data, or the module's own."""
        found = self.now.get(id(told))
        if found is None:
            sizes = self.sizes.get(id(told))
            if sizes is None:
                return told
            found = empty(self.numbers.shape(sizes), type_of(told))
            self.now[id(told)] = found
        return found

    # --- what torch gives --------------------------------------------------------------------------------------------

    def _run(self, call: ToldCall, result: Any) -> Any:
        """What torch gives of the module's own tensors."""
        self._note_all(call, tensors_in(result), are_sized=False)
        return result

    def _by_torch(self, call: ToldCall, result: Any) -> Any:
        """The tensors that torch gives, which have the shapes that the tape says."""
        self._note_all(call, tensors_in(result), are_sized=True)
        return self._told(call.result)

    def _made(self, call: ToldCall, made: MadeCall) -> Any:
        """What torch makes of sizes, on tensors without data."""
        originals: dict[int, torch.Tensor] = {}

        def on_meta(one: Any) -> Any:
            if not isinstance(one, torch.Tensor) or one.is_meta:
                return one
            there = empty(one.shape, type_of(one))
            originals[id(there)] = one
            return there

        result = made.run(on_meta)
        given = mapped(result, lambda one: originals.get(id(one), one))
        self._note_all(call, tensors_in(given), are_sized=True)
        return given

    def _note_all(
        self, call: ToldCall, given: Sequence[torch.Tensor], *, are_sized: bool
    ) -> None:
        """Note the tensors of a result beside the tape's."""
        told = tensors_in(call.result)
        if len(told) != len(given):
            raise self._other()
        for mine, one in zip(told, given):
            known = self.now.setdefault(id(mine), one)
            if are_sized and tuple(known.shape) != self._shape(mine):
                raise self._other()

    def _shape(self, told: torch.Tensor) -> tuple[int, ...] | None:
        sizes = self.sizes.get(id(told))
        return None if sizes is None else self.numbers.shape(sizes)


def _is_function(told: Any, given: Any) -> bool:
    """Whether two are one function, or one module; a property's getter is made anew for each call."""
    if told is given:
        return True
    return not isinstance(told, torch.nn.Module) and bool(told == given)


def _raw(several: tuple[Any, ...]) -> tuple[Any, ...]:
    """The parts of a tuple as they are: a shape notes who iterates over it."""
    return tuple(tuple.__iter__(several))


PARTS: Mapping[type, Callable[[Any], tuple[Any, ...]]] = {
    tuple: _raw,
    list: tuple,
    dict: lambda words: (*words, *words.values()),
    slice: lambda part: (part.start, part.stop, part.step),
}
"""The parts of an argument, by its kind."""


def _kind_of(value: Any) -> type:
    """What a value is compared as: a shape is a tuple, whoever gives it."""
    return tuple if isinstance(value, tuple) else type(value)
