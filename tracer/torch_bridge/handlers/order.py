"""Functions that move elements along a dim, or bring them in order."""

from __future__ import annotations

from typing import Any

import torch

from tracer.importing.recording import Value
from tracer.torch_bridge.dispatch import (
    TorchCall,
    handles,
)
from tracer.torch_bridge.handlers.dims import (
    as_tuple,
    numbers_given,
)

# --- positions -------------------------------------------------------------------------------------------------------


@handles("flip")
def _flip(call: TorchCall) -> Value:
    dims = tuple(numbers_given(call))
    return call.add("Flip", call.x, dims=dims)


@handles("fliplr", "flipud")
def _flip_one(call: TorchCall) -> Value:
    return call.add("Flip", call.x, dims=(1 if call.name == "fliplr" else 0,))


@handles("rot90")
def _turned(call: TorchCall) -> Value:
    words = call.bound("input k dims", k=1, dims=(0, 1))
    first, second = words.dims
    turns = words.k % 4
    if turns == 0:
        return call.value(words.input)
    if turns == 2:
        return call.add("Flip", words.input, dims=(first, second))

    # Once: the rows from last to first become the columns.
    flipped = call.add("Flip", words.input, dims=(second if turns == 1 else first,))
    return call.add("Transpose", flipped, dim0=first, dim1=second)


@handles("roll")
def _roll(call: TorchCall) -> Value:
    words = call.bound("input shifts dims", dims=None)
    value = call.value(words.input)
    shifts = call.sizes(words.shifts)
    if words.dims is None:
        return call.add("Roll", value, shifts=shifts)
    return call.add("Roll", value, shifts=shifts, dims=as_tuple(words.dims))


# --- order -----------------------------------------------------------------------------------------------------------

ALONG = {
    "cumsum": "Cumsum",
    "cumprod": "Cumprod",
    "logcumsumexp": "Logcumsumexp",
}


@handles(*ALONG, typed=True)
def _accumulated(call: TorchCall) -> Value:
    words = call.bound("input dim", dtype=None)
    return call.add(ALONG[call.registered], words.input, dim=words.dim)


PAIRS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "cummax": ("Cummax", "input dim", {}),
    "cummin": ("Cummin", "input dim", {}),
    "sort": ("Sort", "input dim descending", {"dim": -1, "descending": False, "stable": None}),
    "topk": (
        "Topk",
        "input k dim largest sorted",
        {"dim": -1, "largest": True, "sorted": True},
    ),
}
"""Functions that give elements and their places: the operation, the arguments, their defaults."""


@handles(*PAIRS, typed=True)
def _pair(call: TorchCall) -> tuple[Value, ...]:
    op_name, names, defaults = PAIRS[call.name]
    words = call.arguments(names, **defaults)
    x = words.pop("input")
    words.pop("stable", None)
    given = {word: n for word, n in words.items() if word == "dim" or n != defaults.get(word)}
    return (
        call.add_beside(op_name, x, **given),
        call.add_beside(op_name, x, **given, indices=True),
    )


@handles("argsort", typed=True)
def _places_in_order(call: TorchCall) -> Value:
    words = call.bound("input dim descending", dim=-1, descending=False, stable=None)
    arguments: dict[str, Any] = {"dim": words.dim, "indices": True}
    if words.descending:
        arguments["descending"] = True
    return call.add("Sort", words.input, **arguments)


@handles("msort")
def _sorted(call: TorchCall) -> Value:
    return call.add("Sort", call.x, dim=0)


BY_VALUES = (
    "unique",
    "unique_consecutive",
    "masked_select",
    "bincount",
    "argwhere",
    "_unique2",
)
"""Functions that give as many elements as a tensor's values decide."""


@handles(*BY_VALUES)
def _as_many_as_values_say(call: TorchCall) -> Any:
    raise call.refused(f"{call.name} gives as many elements as a tensor's values decide")


# --- types -----------------------------------------------------------------------------------------------------------


@handles("tril", "triu", typed=True)
def _band(call: TorchCall) -> Value:
    words = call.bound("input diagonal", diagonal=0)
    arguments = {"diagonal": words.diagonal} if words.diagonal else {}
    return call.add(call.registered.capitalize(), words.input, **arguments)


ONES = {"atleast_1d": 1, "atleast_2d": 2, "atleast_3d": 3}


@handles(*ONES)
def _at_least(call: TorchCall) -> Any:
    if len(call.args) != 1 or not isinstance(call.first, torch.Tensor):
        raise call.refused(f"{call.name} of several tensors")
    value = call.x
    least = ONES[call.name]
    rank = len(value.shape)
    if rank >= least:
        return value
    if rank == 2 or (rank == 1 and least == 3):
        value = call.add("Unsqueeze", value, dim=-1)
    while len(value.shape) < least:
        value = call.add("Unsqueeze", value, dim=0)
    return value
