"""What one recorded run of a module asked torch for, call by call, and what it was told.

Whoever runs the module again, at other sizes, can hold that run against the tape: where each call is the same one, with
the same numbers over the symbols, a recording would have the same steps.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from tracer.importing.recording import Recording, Sizes, Step, Value, are_same, demanded_of
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize, over_symbols
from tracer.sizing.program import Program
from tracer.sizing.symbol import Condition, Size
from tracer.torch_bridge.calls_made import leaves, tensors_in
from tracer.torch_bridge.kept_copies import UNCHANGING
from tracer.torch_bridge.tensors import Tensors


class Retold(enum.Enum):
    """How the result of a call is found when the module is run again."""

    TOLD = "it is known over the symbols"
    AND_TORCH = "the same, and torch itself gives its tensors"
    MADE = "torch makes it of sizes, on tensors without data"
    RUN = "torch runs it: it follows no size, or is none that could be followed"
    PART = "a part of the module runs, and asks for more"


class BegunCall(NamedTuple):
    """A call of a function of torch, or of a module, before there is a result."""

    what: Any
    """The function, or the module."""
    around: Sequence[torch.nn.Module]
    """The modules that run around it."""
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    sources: Mapping[int, Value]
    """What the tensors among its arguments stand for, by their identity."""
    first_step: int
    first_guard: int


class ToldCall(NamedTuple):
    """The same, with what it came to."""

    asked: BegunCall
    how: Retold
    result: Any = None
    values: Mapping[int, Value] = {}
    """What the tensors of its result stand for."""
    steps: Sequence[Step] = ()
    """The steps that it made."""
    guards: Sequence[Condition | None] = ()
    """What it was decided by."""
    layer: Any = None
    """The same for all calls of one layer with tensors of the same sizes over the symbols; None where not known."""


class Tape:
    """The calls of one run, in their order."""

    def __init__(self, recording: Recording, tensors: Tensors, kept: Any) -> None:
        self.recording = recording
        self.tensors = tensors
        self.kept = kept
        """The copy that was run."""
        self.calls: list[ToldCall] = []
        self.inputs: list[torch.Tensor] = []
        self.outputs: dict[str, torch.Tensor] = {}
        self.sizes: dict[int, Sizes] = {}
        """The sizes over the symbols of each tensor that stands for something, by its identity."""
        self.is_whole = True
        """False where something happened of which it is not known whether it happens again."""

    def input(self, tensor: torch.Tensor) -> torch.Tensor:
        """Note an input."""
        self.inputs.append(tensor)
        self._note_tensor(tensor, Retold.TOLD)
        return tensor

    def asked(
        self,
        what: Any,
        around: Sequence[torch.nn.Module],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        given: Sequence[torch.Tensor],
    ) -> BegunCall:
        """A call that begins; ``given`` are the tensors among its arguments."""
        sources = self._values_of(given)
        steps, guards = self.recording.steps, self.recording.guards.made
        return BegunCall(what, tuple(around), args, kwargs, sources, len(steps), len(guards))

    def part(self, asked: BegunCall) -> None:
        """Note that a part begins."""
        self.calls.append(ToldCall(asked, Retold.PART))

    def told(self, asked: BegunCall, how: Retold, result: Any, layer: Any = None) -> None:
        """Note what a call came to; ``layer`` is the same for all calls of one layer with tensors of the same sizes."""
        guards = self.recording.guards.made[asked.first_guard :]
        made = tensors_in(result)
        call = ToldCall(
            asked,
            how,
            result,
            values=self._values_of(made),
            steps=self.recording.steps[asked.first_step :],
            guards=[guard.holds for guard in guards],
            layer=layer,
        )
        self.calls.append(call)
        for tensor in made:
            self._note_tensor(tensor, how)

    def _values_of(self, given: Sequence[torch.Tensor]) -> dict[int, Value]:
        """What tensors stand for, where their steps are made by now."""
        found: dict[int, Value] = {}
        for tensor in given:
            value = self.tensors.values.made_by_now(tensor)
            if value is not None:
                found[id(tensor)] = value
        return found

    def _note_tensor(self, tensor: torch.Tensor, how: Retold) -> None:
        sizes = self._sizes_of(tensor)
        if sizes is None:
            self.is_whole &= how is Retold.RUN
            return
        before = self.sizes.setdefault(id(tensor), sizes)
        # Changed in its place, it may have got another shape.
        self.is_whole &= are_same(before, sizes)

    def _sizes_of(self, tensor: torch.Tensor) -> Sizes | None:
        """Its sizes over the symbols; None where it stands for nothing, or for what is made when it is asked for."""
        known = self.tensors
        value = known.values.made_by_now(tensor) or known.indices.get(tensor)
        if value is not None:
            return value.sizes
        made = known.made.get(tensor)
        if made is None:
            return None
        sizes = tuple(map(over_symbols, made.sizes))
        return None if any(size is None for size in sizes) else sizes

    def end(self, outputs: Mapping[str, torch.Tensor], made: Sequence[Step]) -> None:
        """Note what the module returns, and the recording as it is by now; ``made`` are the steps of all calls."""
        self.outputs = dict(outputs)
        self.made = list(made)
        self.values = list(self.recording.outputs.values())
        self.guards = [guard.holds for guard in self.recording.guards.made]

    @functools.cached_property
    def read(self) -> ReadTape | None:
        """The same with what it says over the symbols; None where it does not say all."""
        if not self.is_whole:
            return None
        asked = [*self.guards, *_demands_of(self.made)]
        told = list(_numbers_of(self))
        conditions = [one for one in asked if one is not None]
        numbers = [one for one in told if one is not None]
        is_known = len(conditions) == len(asked) and len(numbers) == len(told)
        return ReadTape(self, conditions, numbers) if is_known else None


def _demands_of(steps: Sequence[Step]) -> Iterator[Condition | None]:
    """What the operations of some steps demand of sizes; None where that is not known."""
    for step in steps:
        try:
            yield from demanded_of(step)
        except (TypeError, ZeroDivisionError):
            yield None


class ReadTape:
    """A tape of which all is known over the symbols."""

    def __init__(
        self, tape: Tape, conditions: Sequence[Condition], numbers: Sequence[Any]
    ) -> None:
        self.calls = tape.calls
        self.inputs = tape.inputs
        self.outputs = tape.outputs
        self.sizes = tape.sizes
        self.kept = tape.kept
        self.symbols = dict(tape.recording.symbols)
        """The sizes of the tape's own run."""
        self._program = Program(tape.recording.space, list(tape.recording.symbols))
        self._conditions = list({id(one): one for one in conditions}.values())
        for condition in self._conditions:
            self._program.watch(condition)
        for number in numbers:
            self._program.slot(number)

    def at(self, sizes: Mapping[str, int]) -> Numbers | None:
        """Its numbers at some sizes; None where a run takes another way there, or an operation refuses."""
        try:
            values = self._program.run(sizes)
            is_there = all(self._program.truth(one, values) for one in self._conditions)
        except ZeroDivisionError:
            return None
        return Numbers(self._program, values) if is_there else None


class Numbers:
    """The numbers of a tape at some sizes."""

    def __init__(self, program: Program, values: Sequence[Any]) -> None:
        self._program = program
        self._values = values
        self._shapes: dict[int, tuple[Sizes, tuple[int, ...]]] = {}
        """Shapes over the symbols with their numbers, by their identity."""

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """The numbers of a shape over the symbols."""
        known = self._shapes.get(id(sizes))
        if known is None:
            known = self._shapes[id(sizes)] = sizes, tuple(map(self.of, sizes))
        return known[1]

    def of(self, size: Any) -> int:
        """The number of a size over the symbols."""
        found: int = self._program.result(size, self._values)
        return found


# --- what a tape says ------------------------------------------------------------------------------------------------


def _numbers_of(tape: Tape) -> Iterator[Size | None]:
    """The sizes over the symbols that it says; None for what it does not say."""
    for call in tape.calls:
        yield from numbers_of_call(call)
    for sizes in tape.sizes.values():
        yield from _symbolic(sizes)
    for value in tape.values:
        yield from _symbolic(value.sizes)


def numbers_of_call(call: ToldCall) -> Iterator[Size | None]:
    """The sizes over the symbols that a call and its result say; None for what they do not say."""
    yield from _given(tuple(call.asked.args))
    yield from _given(tuple(call.asked.kwargs.values()))
    if call.how is not Retold.RUN:
        yield from _told(call.result)


def _symbolic(sizes: Sequence[Any]) -> Iterator[Size | None]:
    for size in sizes:
        if not isinstance(size, int):
            yield size


def _given(value: Any) -> Iterator[Size | None]:
    """The sizes in an argument. What is no number is the same thing in another run, or not."""
    for part in leaves(value):
        if isinstance(part, RunTimeSize):
            yield from _symbolic([part.size])
        elif isinstance(part, RunTimeQuotient):
            yield None


def _told(value: Any) -> Iterator[Size | None]:
    """The sizes in a result; nothing is known of what is no tensor, no number and no list of them."""
    if isinstance(value, RunTimeSize):
        yield from _symbolic([value.size])
    elif isinstance(value, tuple) or type(value) is list:
        for part in tuple.__iter__(value) if isinstance(value, tuple) else value:
            yield from _told(part)
    elif not isinstance(value, torch.Tensor) and type(value) not in UNCHANGING:
        yield None
