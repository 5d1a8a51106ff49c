"""Functions that move, cut, repeat or reduce dims."""

from __future__ import annotations

import math
from typing import Any

import torch

from tracer.importing.recording import Value
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.torch_bridge.dispatch import Sharing, TorchCall, handles, is_plain, is_size, is_zero


@handles("view", "reshape", "view_as", "reshape_as", sharing=Sharing.VIEW)
def _reshape(call: TorchCall) -> torch.Tensor:
    x, *rest = call.args
    given = rest or list(call.kwargs.values())
    if len(given) == 1 and isinstance(given[0], torch.dtype):
        raise call.refused("a view as another type")
    if call.name.endswith("_as"):
        given = [call.recording.dims(call.value(given[0]))]
    sizes = given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    return call.add("Reshape", [x], {"shape": call.sizes(sizes)})


@handles("flatten", sharing=Sharing.VIEW)
def _flatten(call: TorchCall) -> torch.Tensor:
    words = call.bound("input start_dim end_dim", start_dim=0, end_dim=-1)
    x = words.pop("input")
    return call.add(
        "Flatten", [x], {w: v for w, v in words.items() if v != {"start_dim": 1, "end_dim": -1}[w]}
    )


@handles("unflatten", sharing=Sharing.VIEW)
def _unflatten(call: TorchCall) -> torch.Tensor:
    words = call.bound("input dim sizes")
    value = call.value(words["input"])
    sizes = call.sizes(words["sizes"])
    if not any(isinstance(n, RunTimeSize) for n in sizes):
        return call.add(
            "Unflatten", [words["input"]], {"dim": words["dim"], "unflattened_size": sizes}
        )
    dims = call.recording.dims(value)
    dim = words["dim"] % len(dims)
    return call.add("Reshape", [words["input"]], {"shape": (*dims[:dim], *sizes, *dims[dim + 1 :])})


@handles("permute", sharing=Sharing.VIEW)
def _permute(call: TorchCall) -> torch.Tensor:
    x, *rest = call.args
    given = rest or list(call.kwargs.values())
    dims = given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    return call.add("Permute", [x], {"dims": tuple(dims)})


@handles("movedim", "moveaxis", sharing=Sharing.VIEW)
def _move(call: TorchCall) -> torch.Tensor:
    words = call.bound("input source destination")
    rank = len(call.value(words["input"]).shape)
    places = [
        words[w] if isinstance(words[w], (tuple, list)) else (words[w],)
        for w in ("source", "destination")
    ]
    source, destination = ([d % rank for d in dims] for dims in places)
    rest = iter(d for d in range(rank) if d not in source)
    order = [source[destination.index(i)] if i in destination else next(rest) for i in range(rank)]
    return call.add("Permute", [words["input"]], {"dims": tuple(order)})


@handles("transpose", "swapaxes", "swapdims", sharing=Sharing.VIEW)
def _transpose(call: TorchCall) -> torch.Tensor:
    words = call.bound("input dim0 dim1")
    return call.add("Transpose", [words["input"]], {"dim0": words["dim0"], "dim1": words["dim1"]})


@handles("t", ".T", ".mT", ".H", ".mH", sharing=Sharing.VIEW)
def _turned(call: TorchCall) -> torch.Tensor:
    x = call.value(call.args[0])
    if len(x.shape) < 2:
        return call.made(x)
    if call.name in (".T", ".H") and len(x.shape) > 2:
        return call.add("Permute", [x], {"dims": tuple(reversed(range(len(x.shape))))})
    return call.add("Transpose", [x], {"dim0": -2, "dim1": -1})


@handles("squeeze", sharing=Sharing.VIEW)
def _squeeze(call: TorchCall) -> torch.Tensor:
    words = call.bound("input dim", dim=None)
    return call.add(
        "Squeeze", [words["input"]], {} if words["dim"] is None else {"dim": words["dim"]}
    )


@handles("unsqueeze", sharing=Sharing.VIEW)
def _unsqueeze(call: TorchCall) -> torch.Tensor:
    words = call.bound("input dim")
    return call.add("Unsqueeze", [words["input"]], {"dim": words["dim"]})


@handles("chunk", sharing=Sharing.VIEW)
def _chunk(call: TorchCall) -> tuple[torch.Tensor, ...]:
    words = call.bound("input chunks dim", dim=0)
    values = call.recording.add_chunks(call.value(words["input"]), words["chunks"], words["dim"])
    return tuple(map(call.made, values))


@handles("tensor_split")
@handles("split", "split_with_sizes", sharing=Sharing.VIEW)
def _split(call: TorchCall) -> tuple[torch.Tensor, ...]:
    words = call.bound("input split_size dim", dim=0)
    size = words.get("split_size_or_sections", words.get("split_sizes", words.get("split_size")))
    value, dim = call.value(words["input"]), words["dim"]
    n = value.shape[dim]
    if call.name == "tensor_split":
        raise call.refused("tensor_split; use split or chunk")
    if isinstance(size, int):
        if isinstance(size, RunTimeSize) or not isinstance(value.sizes[dim], int):
            raise call.refused("a split into as many parts as the input's size gives")
        sizes = [min(size, n - start) for start in range(0, n, size)]
    else:
        sizes = list(call.sizes(size))
    found, start = [], 0
    for one in sizes:
        found.append(_narrowed(call, value, dim, start, start + one))
        start = start + one
    return tuple(found)


@handles("narrow", sharing=Sharing.VIEW)
def _narrow(call: TorchCall) -> torch.Tensor:
    words = call.bound("input dim start length")
    start, length = words["start"], words["length"]
    return _narrowed(call, call.value(words["input"]), words["dim"], start, start + length)


def _narrowed(call: TorchCall, value: Value, dim: int, start: Any, stop: Any) -> torch.Tensor:
    call.sizes((start, stop))
    if start == 0 and is_size(stop, value, dim):
        return call.made(value)
    arguments = {"dim": dim, "start": start, "stop": stop}
    return call.add(
        "Slice", [value], {w: v for w, v in arguments.items() if w != "start" or not is_zero(v)}
    )


@handles("__iter__")
@handles("unbind", sharing=Sharing.VIEW)
def _unbind(call: TorchCall) -> Any:
    words = call.bound("input dim", dim=0)
    value, dim = call.value(words["input"]), words["dim"]
    if not isinstance(value.sizes[dim], int):
        raise call.refused("as many tensors as the input's size gives")
    found = [_selected(call, value, dim, i) for i in range(value.shape[dim])]
    return iter(found) if call.name == "__iter__" else tuple(found)


@handles("select", sharing=Sharing.VIEW)
def _select(call: TorchCall) -> torch.Tensor:
    words = call.bound("input dim index")
    return _selected(call, call.value(words["input"]), words["dim"], words["index"])


def _selected(call: TorchCall, value: Value, dim: int, index: int) -> torch.Tensor:
    """One position of a dim, which is dropped."""
    dim %= len(value.shape)
    call.sizes((index,))
    if isinstance(index, RunTimeSize):
        raise call.refused("a position that is computed from the input's size")
    if not -value.shape[dim] <= index < value.shape[dim]:
        raise IndexError(
            f"index {index} is out of bounds for dimension {dim} with size {value.shape[dim]}"
        )
    if isinstance(value.sizes[dim], int) and index < 0:
        index += value.shape[dim]
    stop = {} if index == -1 else {"stop": index + 1}
    whole = isinstance(value.sizes[dim], int) and value.sizes[dim] == 1
    one = (
        call.made(value)
        if whole
        else call.add("Slice", [value], {"dim": dim, "start": index, **stop})
    )
    shape = call.value(one)
    if not isinstance(shape.sizes[dim], int):
        sizes = call.recording.dims(shape)
        return call.add("Reshape", [one], {"shape": (*sizes[:dim], *sizes[dim + 1 :])})
    return call.add("Squeeze", [one], {"dim": dim})


@handles("__getitem__", sharing=Sharing.VIEW)
def _item(call: TorchCall) -> torch.Tensor:
    tensor, index = call.args
    indices = list(index) if isinstance(index, tuple) else [index]
    value = call.value(tensor)
    rank = len(value.shape)
    used = sum(1 for i in indices if i is not None and i is not Ellipsis)
    if any(i is Ellipsis for i in indices):
        at = next(k for k, i in enumerate(indices) if i is Ellipsis)
        indices[at : at + 1] = [slice(None)] * (rank - used)
    dim = 0
    for one in indices:
        if one is None:
            value = call.value(call.add("Unsqueeze", [value], {"dim": dim}))
            dim += 1
        elif isinstance(one, slice):
            value = _sliced(call, value, dim, one)
            dim += 1
        elif isinstance(one, int) and not isinstance(one, bool):
            value = call.value(_selected(call, value, dim, one))
        else:
            raise call.refused("a tensor, list or mask as an index")
    return call.made(value)


def _sliced(call: TorchCall, value: Value, dim: int, part: slice) -> Value:
    start, stop, step = part.start, part.stop, part.step
    call.sizes([n for n in (start, stop, step) if n is not None])
    if (
        (start is None or is_zero(start))
        and (stop is None or is_size(stop, value, dim))
        and step in (None, 1)
    ):
        return value
    if isinstance(step, RunTimeSize):
        raise call.refused("a step that is computed from the input's size")
    arguments: dict[str, Any] = {"dim": dim}
    for word, n in (("start", start), ("stop", stop)):
        if isinstance(n, RunTimeSize):
            negative = n < 0  # noted: for other sizes it may count from the other end
            n = n + call.recording.size(value, dim) if negative else n
        if n is not None and not (word == "start" and is_zero(n)):
            arguments[word] = n
    if step not in (None, 1):
        arguments["step"] = step
    return call.value(call.add("Slice", [value], arguments))


@handles("expand", "expand_as", "broadcast_to", sharing=Sharing.VIEW)
def _expand(call: TorchCall) -> torch.Tensor:
    x, *rest = call.args
    value = call.value(x)
    if call.name == "expand_as":
        rest = [call.recording.dims(call.value(rest[0]))]
    given = rest or list(call.kwargs.values())
    sizes = call.sizes(
        given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    )
    own = [None] * (len(sizes) - len(value.shape)) + list(range(len(value.shape)))
    if all(
        d is not None and (_is_minus_one(n) or is_size(n, value, d)) for n, d in zip(sizes, own)
    ):
        return call.made(value)
    return call.add("Expand", [value], {"shape": sizes})


def _is_minus_one(n: Any) -> bool:
    return not isinstance(n, RunTimeSize) and n == -1


@handles("repeat", "tile")
def _repeat(call: TorchCall) -> torch.Tensor:
    x, *rest = call.args
    value = call.value(x)
    given = rest or list(call.kwargs.values())
    times = call.sizes(
        given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    )
    if any(isinstance(n, RunTimeSize) for n in times):
        raise call.refused("as many copies as the input's size gives")
    for _ in range(len(times) - len(value.shape)):
        value = call.value(call.add("Unsqueeze", [value], {"dim": 0}))
    lead = len(value.shape) - len(times)
    for dim, n in enumerate(times, lead):
        if n < 1 or n > 256:
            raise call.refused(f"{n} copies")
        if n > 1:
            value = call.value(call.add("Concat", [value] * n, {} if dim == 1 else {"dim": dim}))
    return call.made(value)


# --- reductions ------------------------------------------------------------------------------------------------------

REDUCTIONS = {"mean": "Mean", "sum": "Sum", "amax": "Amax", "amin": "Amin"}


@handles(*REDUCTIONS)
def _reduction(call: TorchCall) -> torch.Tensor:
    words = call.bound("input dim keepdim", dim=None, keepdim=False)
    arguments: dict[str, Any] = {}
    if words["dim"] not in (None, ()):
        arguments["dim"] = (
            tuple(words["dim"]) if isinstance(words["dim"], (tuple, list)) else words["dim"]
        )
    if words["keepdim"]:
        arguments["keepdim"] = True
    return call.add(REDUCTIONS[call.name], [words["input"]], arguments)


@handles("norm", "linalg_norm", "linalg_vector_norm", "vector_norm")
def _norm(call: TorchCall) -> torch.Tensor:
    words = call.bound("input p dim keepdim", p=2, dim=None, keepdim=False)
    if words.get("ord", words["p"]) not in (2, 2.0, "fro", None):
        raise call.refused(f"the norm {words.get('ord', words['p'])!r}")
    squares = call.add("Pointwise", [words["input"]], {"function": "square"})
    arguments = {w: words[w] for w in ("dim", "keepdim") if words[w] not in (None, False)}
    arguments = {w: tuple(v) if isinstance(v, list) else v for w, v in arguments.items()}
    return call.add("Pointwise", [call.add("Sum", [squares], arguments)], {"function": "sqrt"})


@handles("normalize")
def _normalize(call: TorchCall) -> torch.Tensor:
    words = call.bound("input p dim eps", p=2.0, dim=1, eps=1e-12)
    if words["p"] != 2:
        raise call.refused(f"normalize by the norm {words['p']!r}")
    squares = call.add("Pointwise", [words["input"]], {"function": "square"})
    total = call.add("Sum", [squares], {"dim": words["dim"], "keepdim": True})
    length = call.add("Pointwise", [total], {"function": "sqrt"})
    least = call.add("Hardtanh", [length], {"min_val": float(words["eps"]), "max_val": math.inf})
    return call.add("Div", [words["input"], least])


@handles("roll")
def _roll(call: TorchCall) -> torch.Tensor:
    words = call.bound("input shifts dims", dims=None)
    value = call.value(words["input"])
    shifts, dims = (
        v if isinstance(v, (tuple, list)) else (v,) for v in (words["shifts"], words["dims"])
    )
    if words["dims"] is None or not is_plain(shifts):
        raise call.refused("a roll of the flattened tensor, or by the input's size")
    for shift, dim in zip(shifts, dims):
        dim %= len(value.shape)
        if not isinstance(value.sizes[dim], int) and shift:
            raise call.refused("a roll along a dim of the input's size")
        if shift := shift % max(value.shape[dim], 1):
            parts = [{"start": value.shape[dim] - shift}, {"stop": value.shape[dim] - shift}]
            sliced = [call.add("Slice", [value], {"dim": dim, **part}) for part in parts]
            value = call.value(call.add("Concat", sliced, {} if dim == 1 else {"dim": dim}))
    return call.made(value)


@handles("max", "min")
def _extreme(call: TorchCall) -> Any:
    words = call.bound("input dim keepdim", dim=None, keepdim=False)
    op_name = {"max": "Amax", "min": "Amin"}[call.name]
    if isinstance(words["dim"], torch.Tensor):
        return call.add(
            {"max": "Maximum", "min": "Minimum"}[call.name], [words["input"], words["dim"]]
        )
    if words["dim"] is None:
        return call.add(op_name, [words["input"]])
    arguments = {"dim": words["dim"], **({"keepdim": True} if words["keepdim"] else {})}
    found = call.add(op_name, [words["input"]], arguments)
    return getattr(torch.return_types, call.name)(
        (found, call.tensors.unknown(call.value(found).shape))
    )
