"""Functions that take or replace elements at places: gather, scatter, indices, slices that are assigned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tracer.importing.recording import Value
from tracer.torch_bridge.dispatch import (
    Sharing,
    TorchCall,
    handles,
    number_of,
)
from tracer.torch_bridge.handlers.dims import (
    check_inside,
    expanded,
    index_parts,
    is_mask,
    position_of,
    slice_ends,
    taken,
    without_dim,
)
from tracer.torch_bridge.handlers.elements import joined

# --- elements at places ----------------------------------------------------------------------------------------------


@handles("gather", typed=True)
def _gather(call: TorchCall) -> Value:
    words = call.bound("input dim index", sparse_grad=False)
    return call.add("Gather", words.input, words.index, dim=words.dim)


@handles("take_along_dim", typed=True)
def _take_along(call: TorchCall) -> Value:
    words = call.bound("input indices dim", dim=None)
    if words.dim is None:
        raise call.refused("take_along_dim of the flattened tensor")
    x, index = call.value(words.input), call.value(words.indices)
    along = words.dim % len(x.shape)

    def to_sizes_of(value: Value, model: Value) -> Value:
        sizes = list(call.recording.dims(model))
        sizes[along] = call.recording.size(value, along)
        ones = [d for d, n in enumerate(value.sizes) if isinstance(n, int) and n == 1]
        wanted = [
            n if d in ones else call.recording.size(value, d) for d, n in enumerate(sizes)
        ]
        return expanded(call, value, tuple(wanted))

    return call.add("Gather", to_sizes_of(x, index), to_sizes_of(index, x), dim=words.dim)


@handles("scatter", typed=True)
def _scatter(call: TorchCall) -> Value:
    words = call.bound("input dim index src", src=None, value=None, reduce=None)
    if words.reduce is not None:
        raise call.refused("scatter that reduces; scatter_reduce does")
    put = words.src if words.value is None else words.value
    number = None if put in call.tensors.values else number_of(put)
    if number is not None:
        return call.add("Scatter", words.input, words.index, dim=words.dim, value=number)
    return call.add("Scatter", words.input, words.index, put, dim=words.dim)


@handles("scatter_add", typed=True)
def _scatter_add(call: TorchCall) -> Value:
    words = call.bound("input dim index src")
    sources = (words.input, words.index, words.src)
    return call.add("Scatter", *sources, dim=words.dim, reduce="sum")


@handles("scatter_reduce", typed=True)
def _scatter_reduce(call: TorchCall) -> Value:
    words = call.bound("input dim index src reduce", include_self=True)
    arguments = {"dim": words.dim, "reduce": words.reduce}
    if not words.include_self:
        arguments["include_self"] = False
    return call.add("Scatter", words.input, words.index, words.src, **arguments)


@handles("masked_scatter", typed=True)
def _masked_scatter(call: TorchCall) -> Value:
    words = call.bound("input mask source")
    return call.add("MaskedScatter", words.input, words.mask, words.source)


# --- positions of a dim ----------------------------------------------------------------------------------------------


@handles("index_select", typed=True)
def _index_select(call: TorchCall) -> Value:
    words = call.bound("input dim index")
    return taken(call, call.value(words.input), words.dim, words.index)


@handles("index_fill", typed=True)
def _index_fill(call: TorchCall) -> Value:
    words = call.bound("input dim index value")
    value = call.number(words.value)
    return call.add("IndexFill", words.input, words.index, dim=words.dim, value=value)


@handles("index_add", "index_copy", typed=True)
def _index_put(call: TorchCall) -> Value:
    words = call.bound("input dim index source", alpha=1)
    if words.alpha != 1:
        raise call.refused(f"{call.name} with alpha")
    op_name = {"index_add": "IndexAdd", "index_copy": "IndexCopy"}[call.registered]
    return call.add(op_name, words.input, words.index, words.source, dim=words.dim)


@handles("repeat_interleave", typed=True)
def _repeat_interleave(call: TorchCall) -> Value:
    words = call.bound("input repeats dim", dim=None, output_size=None)
    if isinstance(words.repeats, torch.Tensor):
        raise call.refused("as many copies as a tensor's values decide")
    call.sizes(words.repeats)
    arguments = {} if words.dim is None else {"dim": words.dim}
    return call.add("RepeatInterleave", words.input, repeats=words.repeats, **arguments)


@handles("one_hot", typed=True)
def _one_hot(call: TorchCall) -> Value:
    words = call.bound("input num_classes", num_classes=-1)
    if words.num_classes == -1:
        raise call.refused("as many classes as a tensor's values decide")
    return call.add("OneHot", words.input, num_classes=words.num_classes)


@handles("embedding")
def _embedding(call: TorchCall) -> Value:
    names = "input weight padding_idx max_norm norm_type scale_grad_by_freq sparse"
    words = call.bound(names, padding_idx=None, max_norm=None)
    weight = words.weight
    if weight in call.tensors.values:
        return taken(call, call.value(weight), 0, words.input)
    if words.max_norm is not None:
        raise call.refused("an embedding with max_norm")

    count, size = weight.shape
    arguments = {"num_embeddings": count, "embedding_dim": size}
    if words.padding_idx is not None:
        arguments["padding_idx"] = words.padding_idx
    return call.add("Embedding", words.input, owner={"weight": weight}, **arguments)


@handles("diagonal", "linalg_diagonal", sharing=Sharing.VIEW)
def _diagonal(call: TorchCall) -> Value:
    first, second = (-2, -1) if call.name == "linalg_diagonal" else (0, 1)
    words = call.bound("input offset dim1 dim2", offset=0, dim1=first, dim2=second)
    dims = {"dim1": words.dim1, "dim2": words.dim2}
    return call.add("Diagonal", words.input, offset=words.offset, **dims)


# --- products of vectors ---------------------------------------------------------------------------------------------


@handles("outer", "ger")
def _outer(call: TorchCall) -> Value:
    words = call.bound("input vec2")
    column = call.add("Unsqueeze", words.input, dim=1)
    row = call.add("Unsqueeze", words.vec2, dim=0)
    return call.add("Mul", column, row)


@handles("cdist")
def _distances(call: TorchCall) -> Value:
    words = call.bound("x1 x2 p", p=2.0, compute_mode=None)
    return call.add("Cdist", words.x1, words.x2, p=float(words.p))


# --- what is assigned ------------------------------------------------------------------------------------------------


@handles("__setitem__")
def _assign(call: TorchCall) -> None:
    tensor, index, given = call.args
    value = call.value(tensor)
    if is_mask(index):
        made = _masked(call, value, index, given)
    else:
        parts = index_parts(index, len(value.shape))
        made = _assigned(call, value, parts, given, 0)
    call.tensors.become(tensor, made)


def _masked(call: TorchCall, value: Value, mask: Any, given: Any) -> Value:
    """The value with a number where a mask of its first dims is true."""
    is_number = not isinstance(given, torch.Tensor) or given.dim() == 0
    if not is_number:
        raise call.refused("as many elements as a mask's values decide are assigned")
    where = call.value(mask)
    for _ in range(len(value.shape) - len(where.shape)):
        where = call.add("Unsqueeze", where, dim=-1)
    return joined(call, "masked_fill", [value, where, given])


def _assigned(
    call: TorchCall, value: Value, parts: Sequence[Any], given: Any, dim: int
) -> Value:
    """The value with what is given in the place of a part of it; ``parts`` are of the dims from ``dim`` on."""
    if not parts:
        return _filled(call, value, given)

    part, *rest = parts
    if isinstance(part, slice):
        ends = slice_ends(call, value, dim, part)
        if ends is None:
            return _assigned(call, value, rest, given, dim + 1)
        inner = call.add("Slice", value, **ends)
        new = _assigned(call, inner, rest, given, dim + 1)
    elif isinstance(part, int) and not isinstance(part, bool):
        check_inside(call, value, dim, part)
        ends = position_of(call, value, dim, part)
        inner = value if ends is None else call.add("Slice", value, **ends)
        is_known = isinstance(value.sizes[dim], int)
        dropped = without_dim(call, inner, dim, is_known=is_known)
        new = call.add("Unsqueeze", _assigned(call, dropped, rest, given, dim), dim=dim)
        if ends is None:
            return new
    else:
        raise call.refused("a tensor, list or mask as an index that is assigned to")

    if "stop" in ends:
        ends["end"] = ends.pop("stop")
    return call.add("SliceScatter", value, new, **ends)


def _filled(call: TorchCall, value: Value, given: Any) -> Value:
    """What is given in the value's shape."""
    number = None if given in call.tensors.values else number_of(given)
    if number is None and not isinstance(given, (torch.Tensor, Value)):
        raise call.refused(f"{given!r} is assigned")
    if number is not None:
        return call.add("Scale", value, factor=0.0, offset=number)
    return expanded(call, call.value(given), call.recording.dims(value))


@handles("fill")
def _fill(call: TorchCall) -> Value:
    words = call.bound("input value")
    return _filled(call, call.value(words.input), words.value)


@handles("zero")
def _zero(call: TorchCall) -> Value:
    return _filled(call, call.x, 0)


@handles("copy")
def _copy(call: TorchCall) -> Value:
    words = call.bound("input src non_blocking", non_blocking=False)
    if words.input not in call.tensors.values:
        raise call.refused("a tensor of the module is changed")
    return _filled(call, call.value(words.input), words.src)
