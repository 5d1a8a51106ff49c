"""What is asked of a tensor and what leaves it as it is: sizes, values, copies."""

from __future__ import annotations

import math
from typing import Any

import torch

from tracer.torch_bridge.dispatch import Sharing, TorchCall, handles


@handles(".shape")
def _shape(call: TorchCall) -> Any:
    return tuple.__new__(Sizes, call.recording.dims(call.known(call.args[0])))


class Sizes(tuple[Any, ...]):
    """A tensor's shape, as torch.Size: that one takes no numbers that know where they come from."""

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return tuple.__new__(Sizes, found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Any:
        return tuple.__new__(Sizes, tuple.__add__(self, tuple(other)))

    def __radd__(self, other: Any) -> Any:
        return tuple.__new__(Sizes, (*other, *self))

    def numel(self) -> Any:
        """How many elements there are."""
        return math.prod(self)


@handles("size")
def _size(call: TorchCall) -> Any:
    words = call.bound("input dim", dim=None)
    value = call.known(words["input"])
    if words["dim"] is None:
        return tuple.__new__(Sizes, call.recording.dims(value))
    return call.recording.size(value, words["dim"])


@handles("dim", "ndimension", ".ndim")
def _rank(call: TorchCall) -> int:
    return len(call.known(call.args[0]).shape)


@handles("numel", "nelement")
def _numel(call: TorchCall) -> Any:
    return math.prod(call.recording.dims(call.value(call.args[0])))


@handles("__len__")
def _length(call: TorchCall) -> int:
    return call.value(call.args[0]).shape[0]


VALUES = ("__bool__", "item", "tolist", "numpy", "__float__", "__int__", "__index__", "__array__", "nonzero", "equal",
          "allclose", "__contains__", "is_nonzero")  # fmt: skip
"""What takes a tensor's values out of torch."""


@handles(*VALUES)
def _values(call: TorchCall) -> Any:
    raise call.refused("the values of a tensor decide here, which no config can say")


@handles("gt", "lt", "ge", "le", "eq", "ne", "isnan", "isinf", "isfinite", "any", "all", "logical_not", "logical_and",
         "logical_or", "argmax", "argmin", "zeros_like", "ones_like", "empty_like", "full_like", "rand_like",
         "randn_like", "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor")  # fmt: skip
def _fresh(call: TorchCall) -> Any:
    return call.tensors.unknown(call.value(call.args[0]).shape)


# --- what changes nothing --------------------------------------------------------------------------------------------


@handles("clone", "cuda", "half", "double", "bfloat16", "checkpoint")
@handles("contiguous", "detach", "float", "to", "type_as", "cpu", ".data", "alias", "requires_grad",
         sharing=Sharing.WHOLE)  # fmt: skip
def _kept(call: TorchCall) -> torch.Tensor:
    return call.made(call.value(call.args[0]))


@handles("dropout", sharing=Sharing.WHOLE)
@handles(
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_dropout",
    "feature_alpha_dropout",
)
def _dropout(call: TorchCall) -> torch.Tensor:
    words = call.bound("input p training inplace", training=True)
    if words["training"]:
        raise call.refused(f"{call.name} draws at random in eval mode too")
    call.in_place |= words.get("inplace") is True
    return call.made(call.value(words["input"]))
