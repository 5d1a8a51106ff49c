"""Tensors that a forward makes of its input's sizes alone: masks, coordinates, noise.

Their values are not followed, only their sizes over the symbols. One that a step of the forward reads becomes a
``Full``; what was computed on the way to it leaves no step.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from tracer.importing.recording import Recording, Unrepresentable, Value
from tracer.importing.run_time_sizes import (
    RunTimeQuotient,
    RunTimeSize,
    depends_on_input,
    over_symbols,
)
from tracer.sizing.program import substitute
from tracer.torch_bridge import dispatch
from tracer.torch_bridge.calls_made import (
    MadeCall,
    leaves,
    mapped,
    plain,
    tensors_in,
)
from tracer.torch_bridge.places import numbered_place
from tracer.torch_bridge.tensors import MadeTensor, Tensors, empty, memory_of

Shape = tuple[int, ...]

LIKE_OTHERS = {
    "zeros_like": 0.0,
    "ones_like": 1.0,
    "empty_like": 0.0,
    "full_like": None,
    "rand_like": None,
    "randn_like": None,
    "randint_like": None,
    "new_zeros": 0.0,
    "new_ones": 1.0,
    "new_empty": 0.0,
    "new_full": None,
    "new_tensor": None,
}
"""Functions that make a tensor of another one's size or kind, with the number that fills it; None for others."""

FILLED = {"zeros": 0.0, "ones": 1.0, "empty": 0.0, **LIKE_OTHERS}
"""The number that fills what a function makes."""

FACTORS = (2, 3, 5, 7)
"""A function is tried on sizes so many times as large: what divides them still does."""

TRIALS = 3


class MadeOfSizes:
    """Makes the tensors of one recorded forward that are made of sizes alone."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.recording: Recording = tensors.recording

    def result(self, call: MadeCall) -> Any:
        """What the function gives: tensors without data, whose sizes over the symbols are known."""
        given = call.given()
        for tensor in given:
            self.tensors.refuse_stale(tensor)

        # What an operation demands is noted before torch refuses it.
        by_operation = self._by_operation(call)
        known: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        found = self._run(call, known)

        originals = {id(made): tensor for tensor, made in known.values()}
        fresh = [one for one in tensors_in(found) if id(one) not in originals]
        self._note_all(call, fresh, by_operation)
        if call.changes_first() and given:
            self._changed(given[0])
        for tensor, base in known.values():
            self._share(tensor, base, fresh)
        return mapped(found, lambda one: originals.get(id(one), one))

    def _note_all(
        self, call: MadeCall, fresh: Sequence[torch.Tensor], by_operation: Sequence[Value]
    ) -> None:
        """Note what is known of the tensors that a function gives."""
        line = self._unsaid(call.given())
        if line is not None:
            for tensor in fresh:
                self.tensors.unsaid[tensor] = line
            return

        shapes = [tuple(tensor.shape) for tensor in fresh]
        sizes = self._sizes(call, shapes, by_operation)
        for tensor, dims in zip(fresh, sizes):
            self._note(call, tensor, dims)

    def _unsaid(self, given: Sequence[torch.Tensor]) -> str | None:
        """The line of a tensor among them whose content no step gives."""
        lines = (self.tensors.unsaid.get(tensor) for tensor in given)
        return next((line for line in lines if line is not None), None)

    def _run(self, call: MadeCall, known: dict[int, tuple[torch.Tensor, torch.Tensor]]) -> Any:
        """The function's result at this recording's sizes; ``known`` gets each given tensor beside one without data."""

        def without_data(one: Any) -> Any:
            if not isinstance(one, torch.Tensor):
                return plain(one)
            if id(one) not in known:
                is_here = one.device.type == "meta"
                known[id(one)] = (one, one if is_here else empty(one.shape, one.dtype))
            return known[id(one)][1]

        try:
            return call.run(without_data)
        except NotImplementedError:
            raise self.recording.refused(
                f"{call.name} of a tensor that is made of the input's sizes has no shape of its own"
            ) from None

    def _note(self, call: MadeCall, tensor: torch.Tensor, dims: tuple[Any, ...]) -> None:
        fill = FILLED.get(call.name)
        place = numbered_place()
        self.tensors.made[tensor] = MadeTensor(dims, place, self.recording.origin(), fill)

    def _changed(self, tensor: torch.Tensor) -> None:
        """A tensor was written into: it holds no constant any more, and one number is not all of it."""
        if tensor in self.tensors.values:
            return
        known = self.tensors.made.get(tensor)
        sizes = tuple(tensor.shape) if known is None else known.sizes
        place = numbered_place()
        self.tensors.made[tensor] = MadeTensor(sizes, place, self.recording.origin(), None)
        self.tensors.changed.add(memory_of(tensor))

    def _share(
        self, tensor: torch.Tensor, base: torch.Tensor, fresh: Sequence[torch.Tensor]
    ) -> None:
        """Note the tensors that are views of another one; ``base`` is that one without data."""
        for one in fresh:
            if memory_of(base) == memory_of(one):
                self.tensors.share(tensor, one, whole=False)

    # --- sizes -------------------------------------------------------------------------------------------------------

    def _sizes(
        self, call: MadeCall, shapes: Sequence[Shape], by_operation: Sequence[Value]
    ) -> Sequence[tuple[Any, ...]]:
        """The sizes of the tensors that a function gives, over the symbols."""
        if [value.shape for value in by_operation] == list(shapes):
            return [self.recording.dims(value) for value in by_operation]
        followed = list(self._followed(call))
        is_open = any(map(depends_on_input, followed))
        return self._by_trial(call, shapes, followed) if is_open else shapes

    def _followed(self, call: MadeCall) -> Iterator[Any]:
        """The numbers that the sizes may follow: arguments, and the sizes of tensors."""
        for one in leaves((tuple(call.args), dict(call.kwargs))):
            if isinstance(one, torch.Tensor):
                yield from self.tensors.dims(one)
            elif isinstance(one, int) and not isinstance(one, bool):
                yield one
            elif isinstance(one, RunTimeQuotient):
                yield one.__ceil__()

    def _by_operation(self, call: MadeCall) -> list[Value]:
        """What the function gives as an operation, by its formula; none where it is no operation, or refused as one."""
        registered, _ = dispatch.registered_name(call.name)
        handler = dispatch.HANDLERS.get(registered)
        is_open = any(map(depends_on_input, self._followed(call)))
        if handler is None or not is_open:
            return []

        guards = self.recording.guards.made
        before = len(guards)
        made = dispatch.TorchCall(
            self.tensors, call.name, call.args, call.kwargs, registered=registered
        )
        with self.recording.aside(), self.tensors.standing_in(call.given()):
            try:
                return list(_values(handler.run(made)))
            except Unrepresentable as refused:
                if not refused.by_operation:
                    del guards[before:]
            except Exception:  # torch raises it too, or takes it
                pass
        return []

    def _by_trial(
        self, call: MadeCall, shapes: Sequence[Shape], followed: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """The sizes that fit where the function is tried at other sizes too; unknown ones where none fits."""
        trials = list(self._trials(call, len(shapes)))
        known = [n for n in followed if over_symbols(n) is not None]
        candidates = _known_candidates(call, known)
        numbers = [self._at(candidates, sizes) for sizes, _ in trials]

        found = []
        for place, shape in enumerate(shapes):
            is_tried = len(trials) == TRIALS and all(
                len(made[place]) == len(shape) for _, made in trials
            )
            dims = []
            for dim, n in enumerate(shape):
                tried = [made[place][dim] for _, made in trials] if is_tried else []
                dims.append(self._fitting(n, tried, candidates, numbers))
            found.append(tuple(dims))
        return found

    def _fitting(
        self, n: int, tried: Sequence[int], candidates: Sequence[Any], numbers: Sequence[Any]
    ) -> Any:
        """The size of a dim that is ``n`` here and so many in the trials."""
        guards = self.recording.guards
        if not tried:
            return RunTimeSize(n, None, guards)
        if all(other == n for other in tried):
            return n

        for place, size in enumerate(candidates):
            here = int.__int__(size)
            if here == n and [at[place] for at in numbers] == list(tried):
                return RunTimeSize(n, over_symbols(size), guards)
        return RunTimeSize(n, None, guards)

    def _trials(self, call: MadeCall, count: int) -> Iterator[tuple[dict[str, int], Any]]:
        """The function's results at other sizes."""
        symbols = self.recording.symbols
        for turn in range(TRIALS):
            factors = itertools.cycle(FACTORS[turn:] + FACTORS[:turn])
            sizes = {
                symbol: n * factor for (symbol, n), factor in zip(symbols.items(), factors)
            }
            try:
                result = call.run(functools.partial(self._there, call, sizes))
            except Exception:  # there it is no call that torch takes
                continue
            shapes = [tuple(tensor.shape) for tensor in tensors_in(result)]
            if len(shapes) == count:
                yield sizes, shapes

    def _there(self, call: MadeCall, sizes: Mapping[str, int], one: Any) -> Any:
        """An argument as it is at other sizes of the symbols."""
        if isinstance(one, torch.Tensor):
            shape = self._at(self.tensors.dims(one), sizes)
            return empty(shape, one.dtype)
        if isinstance(one, RunTimeSize):
            return self._at([one], sizes)[0]
        if isinstance(one, RunTimeQuotient):
            if one.numerator is None:
                # Mostly it decides values alone.
                return _unknown(call, one)
            numerator, denominator = substitute([one.numerator, one.denominator], sizes)
            return int(numerator) / int(denominator)
        return one

    def _at(self, numbers: Iterable[Any], sizes: Mapping[str, int]) -> list[int]:
        """Numbers at some sizes of the symbols."""
        over = [over_symbols(n) for n in numbers]
        return [int(n) for n in substitute(over, sizes)]


def _unknown(call: MadeCall, number: Any) -> Any:
    """A number that follows a size in a way that is not known; it is not for a function that counts by it."""
    if call.name == "arange":
        raise TypeError
    return plain(number)


def _values(result: Any) -> Iterator[Value]:
    """The values that a handler gives."""
    if isinstance(result, Value):
        yield result
    elif isinstance(result, (tuple, list)):
        for one in result:
            yield from _values(one)


def _known_candidates(call: MadeCall, followed: Sequence[Any]) -> list[Any]:
    """The candidates that can be said over the symbols."""
    return [n for n in _candidates(call, followed) if over_symbols(n) is not None]


def _candidates(call: MadeCall, followed: Sequence[Any]) -> Iterator[Any]:
    """Sizes that a dim may have: one of those, how many ``arange`` counts, a product or a sum of two."""
    several: list[Any] = []
    for n in followed:
        is_known = any(
            n is other or (type(n) is type(other) is int and n == other) for other in several
        )
        if not is_known:
            several.append(n)
    yield from several
    if call.name == "arange":
        yield from _counted(followed)
    for a, b in itertools.combinations_with_replacement(several, 2):
        yield a * b
        yield a + b


def _counted(followed: Sequence[Any]) -> Iterator[Any]:
    """How many numbers there are from one to another, by steps."""
    bounds = (0, *followed) if len(followed) == 1 else followed
    start, stop, step = (*bounds, 1)[:3]
    if type(step) is int and step < 0:
        # Backwards, there are as many from the other end.
        start, stop, step = stop, start, -step
    is_zero = type(step) is int and step == 0
    if not is_zero:
        yield -((start - stop) // step)
