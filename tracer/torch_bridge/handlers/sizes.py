"""Questions about a tensor (its sizes, its values), and functions that leave it as it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from tracer.importing.recording import Recording, Value
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.torch_bridge.dispatch import Sharing, TorchCall, handles


class RunTimeShape(tuple[Any, ...]):
    """A tensor's shape, as torch.Size: that one takes no numbers that know where they come from.

    A program that gives it back to torch as it is (``size=x.shape[2:]``) has read no size.
    """

    recording: Recording

    def __new__(cls, sizes: Iterable[Any], recording: Recording) -> RunTimeShape:
        made = super().__new__(cls, sizes)
        made.recording = recording
        return made

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        if isinstance(index, slice):
            return RunTimeShape(found, self.recording)
        # Channels are a number anyway.
        return self._read(found) if isinstance(found, RunTimeSize) else found

    def __iter__(self) -> Iterator[Any]:
        return self._read(super().__iter__())  # type: ignore[no-any-return]

    def __add__(self, other: Any) -> Any:
        return RunTimeShape(super().__add__(tuple(other)), self.recording)

    def __radd__(self, other: Any) -> Any:
        return RunTimeShape(tuple(other) + super().__getitem__(slice(None)), self.recording)

    def __mul__(self, count: Any) -> Any:
        return self._read(super().__mul__(count))

    def __rmul__(self, count: Any) -> Any:
        return self._read(super().__rmul__(count))

    def __hash__(self) -> int:
        return self._read(super().__hash__())  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        written = ", ".join(map(repr, super().__iter__()))
        return self._read(f"torch.Size([{written}])")  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        return tuple, (list(self),)

    def _read(self, given: Any) -> Any:
        """What the program is given, noted unless it is torch that asks."""
        self.recording.sizes_are_read |= not self.recording.is_in_torch
        return given

    def numel(self) -> Any:
        """The number of elements."""
        return math.prod(self)


ABOUT_SIZES = {".shape", "size", "dim", "ndimension", ".ndim", "numel", "nelement", "__len__"}
"""Functions that ask for the sizes of a tensor."""


@handles(".shape")
def _shape(call: TorchCall) -> Any:
    value = call.known(call.first)
    return RunTimeShape(call.recording.dims(value), call.recording)


@handles("size")
def _size(call: TorchCall) -> Any:
    words = call.bound("input dim", dim=None)
    value = call.known(words.input)

    if words.dim is None:
        return RunTimeShape(call.recording.dims(value), call.recording)
    size = call.recording.size(value, words.dim)
    call.recording.sizes_are_read |= isinstance(size, RunTimeSize)
    return size


@handles("dim", "ndimension", ".ndim")
def _rank(call: TorchCall) -> int:
    return len(call.known(call.first).shape)


@handles("numel", "nelement")
def _numel(call: TorchCall) -> Any:
    call.recording.sizes_are_read = True
    return math.prod(call.recording.dims(call.known(call.first)))


@handles("__len__")
def _length(call: TorchCall) -> int:
    call.recording.sizes_are_read = True
    return call.recording.size(call.known(call.first), 0)


VALUES = [
    "__bool__",
    "item",
    "tolist",
    "numpy",
    "__float__",
    "__int__",
    "__index__",
    "__array__",
    "nonzero",
    "equal",
    "allclose",
    "__contains__",
    "is_nonzero",
]
"""Functions that take a tensor's values out of torch."""


@handles(*VALUES)
def _values(call: TorchCall) -> Any:
    raise call.refused("the values of a tensor decide here, which no config can say")


# --- what changes nothing --------------------------------------------------------------------------------------------

COPIES = ("clone", "cuda", "checkpoint")
SAME_TENSORS = [
    "contiguous",
    "detach",
    "cpu",
    ".data",
    "alias",
    "as_tensor",
    "requires_grad",
]
DROPOUTS = [
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_dropout",
    "feature_alpha_dropout",
]


@handles(*COPIES)
@handles(*SAME_TENSORS, sharing=Sharing.WHOLE)
def _kept(call: TorchCall) -> Value:
    return call.x


CONVERSIONS = {
    "float": torch.float32,
    "double": torch.float64,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "bool": torch.bool,
    "byte": torch.uint8,
    "char": torch.int8,
    "short": torch.int16,
    "int": torch.int32,
    "long": torch.int64,
}
"""Functions that make a tensor of one type."""


@handles(*CONVERSIONS, "to", "type", "type_as")
def _converted(call: TorchCall) -> Any:
    """The tensor itself where it is of the type already, as torch gives it; otherwise a copy with its own memory."""
    if call.name == "type" and not call.args[1:] and not call.kwargs:
        return call.first.type()

    value = call.x
    dtype = _wanted_type(call)
    if dtype == call.first.dtype and not call.kwargs.get("copy"):
        return call.first
    if _kind(dtype) != _kind(call.first.dtype):
        value = call.add("To", value, dtype=str(dtype).removeprefix("torch."))
    return call.tensors.tensor(value, dtype)


def _kind(dtype: torch.dtype) -> str:
    """What the numbers of a type are: of one kind, they differ in their precision alone."""
    if dtype is torch.bool:
        return "truth value"
    if dtype.is_complex:
        return "complex"
    return "floating" if dtype.is_floating_point else "whole"


def _wanted_type(call: TorchCall) -> torch.dtype:
    """The type that a conversion asks for; the tensor's own where it asks for another device alone."""
    if call.name in CONVERSIONS:
        return CONVERSIONS[call.name]

    for given in (*call.args[1:], *call.kwargs.values()):
        if isinstance(given, torch.dtype):
            return given
        if isinstance(given, torch.Tensor):
            return given.dtype
        if call.name == "type":
            of_that_type: torch.Tensor = torch.empty(0).type(given)
            return of_that_type.dtype
    own: torch.dtype = call.first.dtype
    return own


@handles(*DROPOUTS, sharing=Sharing.WHOLE)
def _dropout(call: TorchCall) -> Value:
    words = call.bound("input p training inplace", training=True, inplace=False)
    if words.training:
        raise call.refused(f"{call.name} draws at random in eval mode too")

    call.in_place |= words.inplace is True
    return call.value(words.input)
