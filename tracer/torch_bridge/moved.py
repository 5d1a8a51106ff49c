"""Where the elements of a module's weights come to lie: views, cuts, and what is put together of them.

A forward that cuts a parameter and folds it to a map computes with weights alone, which leaves no step. What it called
is kept, so that it can be done again with the elements' numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import torch

from tracer.torch_bridge.calls_made import MadeCall, mapped, tensors_in
from tracer.torch_bridge.tensors import Tensors

KEEPS = {"contiguous", "clone", "detach", "to", "float", "half", "double", "bfloat16", "type"}
"""Functions that leave every element where it is, if they leave it a fraction."""

MOVES = {
    "__getitem__",
    "cat",
    "chunk",
    "concat",
    "expand",
    "expand_as",
    "flatten",
    "movedim",
    "narrow",
    "permute",
    "repeat",
    "reshape",
    "select",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "t",
    "transpose",
    "unbind",
    "unflatten",
    "unsqueeze",
    "view",
    ".T",
    ".mT",
    ".data",
}
"""Functions that put elements in other places, and change none."""


class Moved:
    """The elements of a tensor that was computed from weights, or of a weight itself."""

    def __init__(self, sources: Mapping[int, Moved], call: MadeCall, number: int) -> None:
        self.sources = sources
        """The elements of the tensors that the call was given, by the tensors' identity."""
        self.call = call
        self.number = number
        """Which of the tensors that the call gives it is."""

    def names(self) -> Iterator[str]:
        """The names of the weights."""
        for source in self.sources.values():
            yield from source.names()

    def numbered(self, starts: Mapping[str, int]) -> Any:
        """An array of the elements' numbers, those of a weight counted from its start."""
        return self.numbers(starts).numpy()

    def numbers(self, starts: Mapping[str, int]) -> torch.Tensor:
        """The same as a tensor."""
        if self.call.name in KEEPS:
            (source,) = self.sources.values()
            return source.numbers(starts)

        def exchanged(one: Any) -> Any:
            return self.sources[id(one)].numbers(starts) if id(one) in self.sources else one

        args = mapped(tuple(self.call.args), exchanged)
        kwargs = mapped(dict(self.call.kwargs), exchanged)
        return tensors_in(self.call.func(*args, **kwargs))[self.number]


class WeightItself(Moved):
    """The elements of a weight of the module."""

    def __init__(self, name: str, weight: torch.Tensor) -> None:
        self.name = name
        self.weight = weight

    def names(self) -> Iterator[str]:
        yield self.name

    def numbers(self, starts: Mapping[str, int]) -> torch.Tensor:
        first = starts[self.name]
        return torch.arange(first, first + self.weight.numel()).reshape(self.weight.shape)


def floating_weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The parameters and buffers of a module whose numbers float, by their names."""
    named = chain(module.named_parameters(), module.named_buffers())
    return {name: tensor for name, tensor in named if tensor.is_floating_point()}


class Moves:
    """Notes where the elements of the tensors come from that one recorded forward computes from weights."""

    def __init__(self, weights: Mapping[str, torch.Tensor], tensors: Tensors) -> None:
        self.elements = tensors.elements
        for name, tensor in weights.items():
            self.elements[tensor] = WeightItself(name, tensor)

    def note(self, call: MadeCall, result: Any) -> None:
        """A function was called with weights, or with what is computed from them alone."""
        if call.changes_first() or "out" in call.kwargs:
            # Others may see what is changed.
            self.elements.clear()
            return
        sources: dict[int, Moved] = {}
        for one in call.given():
            found = self.elements.get(one)
            if not isinstance(found, Moved):
                return
            sources[id(one)] = found

        if call.name not in MOVES | KEEPS:
            return
        for number, made in enumerate(tensors_in(result)):
            if made.is_floating_point():
                self.elements[made] = Moved(sources, call, number)
