"""What is known of the tensors of a forward that is recorded.

Tensors are on the meta device: each stands for a value of the recording, shares memory with others, or was made at run
time of the input's sizes. All that is known of one is found by its identity.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

import torch

from tracer.importing.recording import Elements, Recording, Value, Weights
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize, over_symbols
from tracer.source.python_places import Origin
from tracer.torch_bridge.places import numbered_place
from tracer.torch_bridge.weights import weights_of

Fact = TypeVar("Fact")


class ByIdentity(Generic[Fact]):
    """Facts about objects, found by their identity.

    The objects are kept, so that no later one gets the identity of one that is gone.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[Any, Fact]] = {}

    def __contains__(self, thing: Any) -> bool:
        return id(thing) in self._entries

    def __getitem__(self, thing: Any) -> Fact:
        return self._entries[id(thing)][1]

    def __setitem__(self, thing: Any, fact: Fact) -> None:
        self._entries[id(thing)] = (thing, fact)

    def __delitem__(self, thing: Any) -> None:
        del self._entries[id(thing)]

    def clear(self) -> None:
        """Forget all of them."""
        self._entries.clear()

    def things(self) -> list[Any]:
        """The objects of which something is known."""
        return [thing for thing, _ in self._entries.values()]

    def get(self, thing: Any) -> Fact | None:
        """What is known of a thing; None where nothing is."""
        entry = self._entries.get(id(thing))
        return None if entry is None else entry[1]


class Values(ByIdentity[Value]):
    """The values of tensors; some are made by a step of their own once somebody asks."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: ByIdentity[Callable[[], Value]] = ByIdentity()

    def later(self, tensor: Any, make: Callable[[], Value]) -> None:
        """Let a tensor stand for what is made when it is asked for the first time."""
        self._waiting[tensor] = make

    def made_by_now(self, tensor: Any) -> Value | None:
        """The value of a tensor; None where it is not made yet, too."""
        return super().get(tensor)

    def __contains__(self, thing: Any) -> bool:
        return super().__contains__(thing) or thing in self._waiting

    def __getitem__(self, thing: Any) -> Value:
        self._make(thing)
        return super().__getitem__(thing)

    def get(self, thing: Any) -> Value | None:
        self._make(thing)
        return super().get(thing)

    def _make(self, thing: Any) -> None:
        make = self._waiting.get(thing)
        if make is not None and not super().__contains__(thing):
            self[thing] = make()


class SharedMemory(NamedTuple):
    """Tensors of one memory, by their identity."""

    whole: dict[int, torch.Tensor]
    """Those that have all of it, in the same places."""
    views: dict[int, torch.Tensor]
    """Those that have a part of it, or have it in another order."""


class MadeTensor(NamedTuple):
    """A tensor that is made of the input's sizes alone."""

    sizes: tuple[Any, ...]
    """Its shape, as the program sees it."""
    place: str
    """The line that made it."""
    origin: Origin | None
    fill: float | None
    """The one number that it holds; None where it holds others."""


class Constant(NamedTuple):
    """The value of a parameter, a buffer or a constant."""

    value: Value
    version: int
    """How often it had been written into."""


class Computed(NamedTuple):
    """A tensor that is computed from parameters alone."""

    parameters: Mapping[int, torch.Tensor]
    """The parameters, by their identity."""
    steps: Callable[[], Value | None]
    """Makes the steps that compute it; None where there are none."""
    before_a_change: Callable[[], Value | None]
    """Makes the steps that computed it before it was changed in place."""

    def is_counted(self, tensor: torch.Tensor) -> bool:
        """Whether a parameter in its place counts as many numbers."""
        return tensor.numel() == sum(one.numel() for one in self.parameters.values())


class Tensors:
    """The tensors of one recorded forward of a module."""

    def __init__(
        self,
        module: torch.nn.Module,
        recording: Recording,
        in_parts: frozenset[int] = frozenset(),
    ) -> None:
        self.module = module
        self.in_parts = in_parts
        """The memory of parameters of which nothing that is computed is a parameter of its own."""
        self.recording = recording
        self.values = Values()
        """The value that each tensor stands for, where it depends on the input."""
        self.constants: ByIdentity[Constant] = ByIdentity()
        """The parameters, buffers and constants that were used so far."""
        self.unsaid: ByIdentity[str] = ByIdentity()
        """Tensors that were made at run time, and that no step gives: the line that made them."""
        self.made: ByIdentity[MadeTensor] = ByIdentity()
        """Tensors that were made of sizes of the input alone."""
        self.changed: set[int] = set()
        """The memory of those of them that were written into."""
        self.full: ByIdentity[Value] = ByIdentity()
        """Those of them that a step gives, as it was read."""
        self.zeros: ByIdentity[tuple[Any, ...]] = ByIdentity()
        """Those of them that hold nothing but zeros: their sizes."""
        self.computed: ByIdentity[Computed] = ByIdentity()
        """Tensors that were computed from parameters alone."""
        self.elements: ByIdentity[Elements] = ByIdentity()
        """Where the elements of weights, and of some of what is computed from them, come from."""
        self.indices: ByIdentity[Value] = ByIdentity()
        """Indices of a max pooling: the pooled value."""
        self.memory: ByIdentity[SharedMemory] = ByIdentity()
        self.torch_was_asked = False
        """Whether torch itself gave something of the last call: it may give another thing at other sizes."""
        self.stale: ByIdentity[str] = ByIdentity()
        """Tensors whose memory was changed through another one: the line that did it."""

    # --- what a tensor stands for ------------------------------------------------------------------------------------

    def tensor(self, value: Value, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """A new tensor without data that stands for a value."""
        return self.note(empty(value.shape, dtype), value)

    def later(
        self, shape: Sequence[int], dtype: torch.dtype, make: Callable[[], Value]
    ) -> torch.Tensor:
        """A new tensor that stands for a value whose step is made once it is asked for."""
        made = empty(shape, dtype)
        self.values.later(made, make)
        return made

    def note(self, tensor: torch.Tensor, value: Value) -> torch.Tensor:
        """The tensor, from now on one that stands for the value."""
        self.values[tensor] = value
        return tensor

    def unknown(self, shape: Sequence[int]) -> torch.Tensor:
        """A new tensor that no step makes; to use it is refused."""
        made = empty(shape, torch.float32)
        self.unsaid[made] = self.recording.place()
        return made

    def indices_of(self, pooled: Value) -> torch.Tensor:
        """A new tensor for the indices that a max pooling gives beside its value."""
        made = empty(pooled.shape, torch.int64)
        self.indices[made] = pooled
        return made

    def value(self, tensor: Any) -> Value | None:
        """The value that a tensor stands for; None where it does not depend on the input."""
        return self.values.get(tensor)

    def plain_value(self, tensor: Any) -> Value | None:
        """The value of a tensor whose step is made and whose memory nobody else has changed; None for others."""
        return None if tensor in self.stale else self.values.made_by_now(tensor)

    def operand(self, source: Any) -> Value:
        """The value of a step's source: a tensor of the forward, or a parameter or constant of the module.

        Raises :class:`Unrepresentable` for a tensor whose content no step gives.
        """
        if isinstance(source, Value):
            return source
        self.refuse_stale(source)
        if (known := self.value(source)) is not None:
            return known
        if (line := self.unsaid.get(source)) is not None:
            raise self.recording.refused(f"a tensor is used that was made at run time ({line})")
        if isinstance(source, (RunTimeSize, RunTimeQuotient)):
            place, origin = numbered_place(), self.recording.origin()
            return self._step_of(MadeTensor((), place, origin, None), torch.float32)
        if source in self.made:
            return self._made(source)
        if not isinstance(source, torch.Tensor):
            raise self.recording.refused(f"{source!r} is no tensor")
        return self._constant(source)

    def taken(self, tensor: torch.Tensor) -> Value | None:
        """The value of a tensor, which from now on depends on parameters alone."""
        value = self.values.get(tensor)
        if value is not None:
            del self.values[tensor]
        return value

    def refuse_stale(self, source: Any) -> None:
        """Raise :class:`Unrepresentable` for a tensor whose memory was changed through another one."""
        changed = self.stale.get(source)
        if changed is not None:
            raise self.recording.refused(
                f"it shares memory with a tensor that was changed in place ({changed})"
            )

    def is_known(self, tensor: torch.Tensor) -> bool:
        """True for a tensor that depends on the input, or on its sizes."""
        return tensor in self.values or tensor in self.made

    def is_made(self, tensor: torch.Tensor) -> bool:
        """True for a tensor that was made at run time, of sizes or in a way that no step gives.

        So is one whose memory was written into with such a tensor.
        """
        return tensor in self.made or tensor in self.unsaid or self._is_changed(tensor)

    def _is_changed(self, tensor: torch.Tensor) -> bool:
        return bool(self.changed) and memory_of(tensor) in self.changed

    # --- tensors made of sizes ---------------------------------------------------------------------------------------

    def dims(self, tensor: torch.Tensor) -> tuple[Any, ...]:
        """All sizes of a tensor as the program sees them."""
        value = self.value(tensor)
        if value is not None:
            return self.recording.dims(value)
        made = self.made.get(tensor)
        return tuple(tensor.shape) if made is None else made.sizes

    def nameless(self, tensor: torch.Tensor) -> Value:
        """The value of a tensor of which the sizes alone are asked: no step gives it."""
        dims = self.dims(tensor)
        return Value("", tuple(map(int, dims)), over_symbols(dims))

    @contextmanager
    def standing_in(self, given: Sequence[torch.Tensor]) -> Iterator[None]:
        """While it lasts, these tensors have values without a step."""
        fresh = {id(tensor): tensor for tensor in given if tensor not in self.values}
        for tensor in fresh.values():
            self.values[tensor] = self.nameless(tensor)
        try:
            yield
        finally:
            for tensor in fresh.values():
                del self.values[tensor]

    def _made(self, tensor: torch.Tensor) -> Value:
        """The value of a tensor that is made of sizes: one step for all that read it, until it is written into."""
        made = self.made[tensor]
        known = self.full.get(tensor)
        if known is None:
            given = made._replace(fill=None) if self._is_changed(tensor) else made
            known = self._step_of(given, tensor.dtype)
            self.full[tensor] = known
        return known

    def _step_of(self, made: MadeTensor, dtype: torch.dtype) -> Value:
        """A Full for a tensor. Its values are said where they are one number; else where they are made."""
        self.recording.known(made.sizes)
        arguments: dict[str, Any] = {"size": made.sizes}
        if made.fill != 0.0:
            arguments["fill_value"] = made.fill
        arguments |= _word_of(dtype)

        value = self.recording.add("Full", [], arguments)
        self.recording.steps[-1] = replace(self.recording.steps[-1], origin=made.origin)
        if made.fill is None:
            self.recording.tell(f"values are made at run time at {made.place}")
        return value

    # --- parameters and constants ------------------------------------------------------------------------------------

    def weights_of(self, owner: Any) -> Weights | None:
        """What is known of the weights of a module, of tensors by their words, or of one tensor."""
        return weights_of(owner, self.is_learned, self.elements.get(owner))

    def is_learned(self, tensor: torch.Tensor) -> bool:
        """True for a parameter, and for what was computed from one."""
        return isinstance(tensor, torch.nn.Parameter) or tensor in self.computed

    def _constant(self, tensor: torch.Tensor) -> Value:
        """The value of a parameter, buffer or constant: one step, however often it is used."""
        known = self.constants.get(tensor)
        if known is not None and not self._is_computed_anew(tensor, known):
            return known.value
        value = self._computed(tensor) or self._parameter(tensor)
        self.note_constant(tensor, value)
        return value

    def _is_computed_anew(self, tensor: torch.Tensor, known: Constant) -> bool:
        """Whether what is computed from parameters was changed in place since it was used."""
        return tensor in self.computed and tensor._version != known.version

    def note_constant(self, tensor: torch.Tensor, value: Value) -> None:
        """Let the value be that of a parameter or constant, as long as it stays as it is."""
        self.constants[tensor] = Constant(value, tensor._version)

    def _computed(self, tensor: torch.Tensor) -> Value | None:
        """The value of what is computed from parameters, as steps over them; None for other tensors.

        So is what is another count of numbers, and what is computed of a parameter that is used otherwise too.
        """
        computed = self.computed.get(tensor)
        if computed is None:
            return None
        used = map(memory_of, computed.parameters.values())
        if computed.is_counted(tensor) and self.in_parts.isdisjoint(used):
            return None
        return computed.steps()

    def _parameter(self, tensor: torch.Tensor) -> Value:
        """A step that gives the tensor."""
        return self.recording.add(
            "Parameter",
            [],
            {"shape": tuple(tensor.shape), **_word_of(tensor.dtype)},
            self._name(tensor),
            weights=self.weights_of(tensor),
        )

    def _name(self, tensor: torch.Tensor) -> str:
        """The name of a parameter or buffer in the module, or of the only one whose elements it has."""
        parameters = self.module.named_parameters()
        buffers = self.module.named_buffers()
        for name, known in itertools.chain(parameters, buffers):
            if known is tensor:
                return self.recording.from_here(name)
        elements = self.elements.get(tensor)
        names = set(elements.names()) if elements is not None else set()
        found = names.pop() if len(names) == 1 else self.buffers.get(memory_of(tensor))
        return "constant" if found is None else self.recording.from_here(found)

    @functools.cached_property
    def buffers(self) -> Mapping[int, str]:
        """The names of the module's buffers, by their memory."""
        return {memory_of(buffer): name for name, buffer in self.module.named_buffers()}

    # --- memory that tensors share -----------------------------------------------------------------------------------

    def share(self, tensor: torch.Tensor, other: torch.Tensor, *, whole: bool) -> None:
        """Note that ``other`` has the memory of a tensor: all of it in the same places (``whole``), or a view of it."""
        memory = self._memory_of(tensor)
        if whole and id(tensor) in memory.whole:
            memory.whole[id(other)] = other
        else:
            memory.views[id(other)] = other

        self.memory[tensor] = memory
        self.memory[other] = memory

    def become(self, tensor: torch.Tensor, value: Value) -> torch.Tensor:
        """A tensor changed in place: others that are it are changed too, views of it are not known any more."""
        memory = self._memory_of(tensor)
        same = {id(tensor): tensor}
        if id(tensor) in memory.whole:
            same = memory.whole
        for other in same.values():
            self.values[other] = value

        everyone = {**memory.whole, **memory.views}
        for key, other in everyone.items():
            if key not in same:
                self.stale[other] = self.recording.place()
        return tensor

    def _memory_of(self, tensor: torch.Tensor) -> SharedMemory:
        known = self.memory.get(tensor)
        if known is not None:
            return known
        return SharedMemory(whole={id(tensor): tensor}, views={})


def _word_of(dtype: torch.dtype) -> dict[str, str]:
    """The type as an argument of what makes a tensor; none where it is torch's default."""
    return {} if dtype == torch.float32 else {"dtype": str(dtype).removeprefix("torch.")}


def empty(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """A tensor without data, made behind the back of the recording."""
    numbers = tuple(map(int, shape))
    # Nothing is written: who watches that need not be asked.
    with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
        return torch.empty(numbers, device="meta", dtype=dtype)


def memory_of(tensor: torch.Tensor) -> int:
    """The memory in which a tensor lies, as a number."""
    with torch._C.DisableTorchFunction():
        return int(tensor.untyped_storage()._cdata)
