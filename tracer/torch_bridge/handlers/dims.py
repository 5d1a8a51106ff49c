"""Functions that move, cut, repeat or reduce dims."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch

from tracer.importing.recording import Value
from tracer.importing.run_time_sizes import RunTimeSize, same_size
from tracer.torch_bridge.dispatch import (
    Sharing,
    TorchCall,
    handles,
    is_plain,
    is_size,
    is_zero,
    number_of,
)


def numbers_given(call: TorchCall) -> list[Any]:
    """The numbers behind the tensor, given one by one or as one list: ``view(2, 3)``, ``view([2, 3])``."""
    _, *rest = call.args
    given = rest or list(call.kwargs.values())
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        return list(given[0])
    return given


def as_tuple(value: Any) -> tuple[Any, ...]:
    """One number, or several, as a tuple."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    return (value,)


# --- the same elements in another shape ------------------------------------------------------------------------------


@handles("view", "reshape", sharing=Sharing.VIEW)
def _reshape(call: TorchCall) -> Value:
    shape = numbers_given(call)
    if len(shape) == 1 and isinstance(shape[0], torch.dtype):
        raise call.refused("a view as another type")
    sizes = call.sizes(shape)
    return call.add("Reshape", call.x, shape=sizes)


@handles("view_as", "reshape_as", sharing=Sharing.VIEW)
def _reshape_as(call: TorchCall) -> Value:
    (other,) = numbers_given(call)
    shape = call.recording.dims(call.known(other))
    sizes = call.sizes(shape)
    return call.add("Reshape", call.x, shape=sizes)


@handles("flatten", sharing=Sharing.VIEW)
def _flatten(call: TorchCall) -> Value:
    words = call.bound("input start_dim end_dim", start_dim=0, end_dim=-1)
    arguments = {}
    if words.start_dim != 1:
        arguments["start_dim"] = words.start_dim
    if words.end_dim != -1:
        arguments["end_dim"] = words.end_dim
    return call.add("Flatten", words.input, **arguments)


@handles("unflatten", sharing=Sharing.VIEW)
def _unflatten(call: TorchCall) -> Value:
    words = call.bound("input dim sizes")
    x, dim = words.input, words.dim
    value = call.value(x)
    sizes = call.sizes(words.sizes)
    if is_plain(sizes):
        return call.add("Unflatten", x, dim=dim, unflattened_size=sizes)

    dims = call.recording.dims(value)
    dim %= len(dims)
    before = dims[:dim]
    behind = dims[dim + 1 :]
    return call.add("Reshape", x, shape=(*before, *sizes, *behind))


@handles("permute", sharing=Sharing.VIEW)
def _permute(call: TorchCall) -> Value:
    dims = tuple(numbers_given(call))
    return call.add("Permute", call.x, dims=dims)


@handles("movedim", "moveaxis", sharing=Sharing.VIEW)
def _move(call: TorchCall) -> Value:
    words = call.bound("input source destination")
    rank = len(call.value(words.input).shape)
    source = [dim % rank for dim in as_tuple(words.source)]
    destination = [dim % rank for dim in as_tuple(words.destination)]

    # The dims that are not named keep their order.
    rest = (dim for dim in range(rank) if dim not in source)
    moved = dict(zip(destination, source))
    order = []
    for place in range(rank):
        dim = moved[place] if place in moved else next(rest)
        order.append(dim)
    return call.add("Permute", words.input, dims=tuple(order))


@handles("transpose", "swapaxes", "swapdims", sharing=Sharing.VIEW)
def _transpose(call: TorchCall) -> Value:
    words = call.bound("input dim0 dim1")
    return call.add("Transpose", words.input, dim0=words.dim0, dim1=words.dim1)


@handles(".T", ".H", sharing=Sharing.VIEW)
def _reversed(call: TorchCall) -> Value:
    x = call.x
    rank = len(x.shape)
    if rank <= 2:
        return _turned(call)
    dims = tuple(reversed(range(rank)))
    return call.add("Permute", x, dims=dims)


@handles("t", ".mT", ".mH", sharing=Sharing.VIEW)
def _turned(call: TorchCall) -> Value:
    x = call.x
    if len(x.shape) < 2:
        return x
    return call.add("Transpose", x, dim0=-2, dim1=-1)


@handles("squeeze", sharing=Sharing.VIEW)
def _squeeze(call: TorchCall) -> Value:
    words = call.bound("input dim", dim=None)
    if words.dim is None:
        return call.add("Squeeze", words.input)
    return call.add("Squeeze", words.input, dim=words.dim)


@handles("unsqueeze", sharing=Sharing.VIEW)
def _unsqueeze(call: TorchCall) -> Value:
    words = call.bound("input dim")
    return call.add("Unsqueeze", words.input, dim=words.dim)


# --- parts -----------------------------------------------------------------------------------------------------------


@handles("chunk", sharing=Sharing.VIEW)
def _chunk(call: TorchCall) -> tuple[Value, ...]:
    words = call.bound("input chunks dim", dim=0)
    value = call.value(words.input)
    return tuple(call.recording.add_chunks(value, words.chunks, words.dim))


@handles("split", "split_with_sizes", sharing=Sharing.VIEW)
def _split(call: TorchCall) -> tuple[Value, ...]:
    words = call.bound("input split_size dim", dim=0)
    value = call.value(words.input)

    parts = []
    start = 0
    for size in _sizes_of_parts(call, words.split_size, value, words.dim):
        parts.append(_narrowed(call, value, words.dim, start, size))
        start = start + size
    return tuple(parts)


def _sizes_of_parts(call: TorchCall, given: Any, value: Value, dim: int) -> list[Any]:
    """The sizes into which a dim is split: those that are given, or one for all but the last."""
    if not isinstance(given, int):
        sizes = call.sizes(given)
        whole = call.recording.size(value, dim)
        if sum(sizes) != whole:
            raise RuntimeError(f"the split sizes {sizes} do not sum to the dim's {whole}")
        return list(sizes)

    is_fixed = isinstance(value.sizes[dim], int)
    if isinstance(given, RunTimeSize) or not is_fixed:
        raise call.refused("a split into as many parts as the input's size gives")
    if given <= 0:
        raise RuntimeError(f"the split size {given} is not positive")

    number = value.shape[dim]
    starts = range(0, number, given)
    return [min(given, number - start) for start in starts]


@handles("tensor_split", sharing=Sharing.VIEW)
def _tensor_split(call: TorchCall) -> tuple[Value, ...]:
    words = call.bound("input indices_or_sections dim", dim=0, sections=None, indices=None)
    given = words.sections or words.indices or words.indices_or_sections
    return _split_between(call, call.value(words.input), given, words.dim)


@handles("hsplit", "vsplit", "dsplit", sharing=Sharing.VIEW)
def _split_along(call: TorchCall) -> tuple[Value, ...]:
    words = call.bound("input indices_or_sections")
    value = call.value(words.input)
    dims = {
        "vsplit": 0,
        "hsplit": min(len(value.shape) - 1, 1),
        "dsplit": 2,
    }
    return _split_between(call, value, words.indices_or_sections, dims[call.name])


def _split_between(call: TorchCall, value: Value, given: Any, dim: int) -> tuple[Value, ...]:
    """A dim cut at places, or into so many parts, the first ones longer by one where it does not divide."""
    if isinstance(given, torch.Tensor):
        raise call.refused(f"{call.name} at a tensor's values")
    places = _places_between(call, value, given, dim) if isinstance(given, int) else given

    # As slices have them: from the end where they are negative, and none beyond it.
    ends = [None, *places, None]
    parts = []
    for start, stop in itertools.pairwise(ends):
        part = _sliced(call, value, dim, slice(start, stop))
        parts.append(part)
    return tuple(parts)


def _places_between(call: TorchCall, value: Value, count: int, dim: int) -> list[int]:
    """Where so many parts of a dim begin, but for the first one."""
    size = value.sizes[dim]
    if not isinstance(size, int):
        raise call.refused(f"{call.name} of a dim of the input's size into {count} parts")

    whole, rest = divmod(size, count)
    places = []
    for part in range(1, count):
        longer = min(part, rest)
        places.append(part * whole + longer)
    return places


@handles("narrow", sharing=Sharing.VIEW)
def _narrow(call: TorchCall) -> Value:
    words = call.bound("input dim start length")
    if isinstance(words.start, torch.Tensor):
        raise call.refused("a narrow from a position that a tensor has")

    value = call.value(words.input)
    call.sizes((words.start, words.length))
    start = words.start
    if start < 0:
        start = start + call.recording.size(value, words.dim)
    return _narrowed(call, value, words.dim, start, words.length)


def _narrowed(call: TorchCall, value: Value, dim: int, start: Any, length: Any) -> Value:
    """So many positions of a dim, from ``start`` on.

    A slice takes less where there are not as many; the comparisons are noted, as torch refuses such sizes.
    """
    stop = start + length
    size = call.recording.size(value, dim)
    if length < 0 or start < 0 or stop > size:
        raise RuntimeError(f"a dim of {size} has no {length} positions from {start} on")

    if is_zero(start) and is_size(stop, value, dim):
        return value
    if is_zero(start):
        return call.add("Slice", value, dim=dim, stop=stop)
    return call.add("Slice", value, dim=dim, start=start, stop=stop)


@handles("__iter__")
def _iterate(call: TorchCall) -> Any:
    parts = _unbind(call)
    return iter([call.tensors.tensor(part) for part in parts])


@handles("unbind", sharing=Sharing.VIEW)
def _unbind(call: TorchCall) -> tuple[Value, ...]:
    words = call.bound("input dim", dim=0)
    value = call.value(words.input)
    if not isinstance(value.sizes[words.dim], int):
        raise call.refused("as many tensors as the input's size gives")

    count = value.shape[words.dim]
    parts = []
    for index in range(count):
        part = _selected(call, value, words.dim, index)
        parts.append(part)
    return tuple(parts)


@handles("select", sharing=Sharing.VIEW)
def _select(call: TorchCall) -> Value:
    words = call.bound("input dim index")
    value = call.value(words.input)
    return _selected(call, value, words.dim, words.index)


def _selected(call: TorchCall, value: Value, dim: int, index: Any) -> Value:
    """One position of a dim, which is dropped. The comparisons are noted: a slice takes none of a smaller dim."""
    dim %= len(value.shape)
    check_inside(call, value, dim, index)

    one = _one_position(call, value, dim, index)
    return without_dim(call, one, dim, is_known=isinstance(value.sizes[dim], int))


def without_dim(call: TorchCall, one: Value, dim: int, *, is_known: bool) -> Value:
    """A value without a dim that has one position; ``is_known`` where it has one whatever the input's size."""
    if is_known:
        return call.add("Squeeze", one, dim=dim)

    # The part's size is 1 here, but over the symbols it may not be known to be: Squeeze would refuse it.
    sizes = list(call.recording.dims(one))
    del sizes[dim]
    return call.add("Reshape", one, shape=tuple(sizes))


def check_inside(call: TorchCall, value: Value, dim: int, index: Any) -> None:
    """Raise what torch raises where a dim has no such position."""
    call.sizes((index,))
    size = call.recording.size(value, dim)
    is_inside = index < size if index >= 0 else index >= -size
    if not is_inside:
        raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {size}")


def _one_position(call: TorchCall, value: Value, dim: int, index: Any) -> Value:
    """One position of a dim, as a dim of size 1."""
    ends = position_of(call, value, dim, index)
    return value if ends is None else call.add("Slice", value, **ends)


def position_of(call: TorchCall, value: Value, dim: int, index: Any) -> dict[str, Any] | None:
    """The arguments of the slice that takes one position of a dim; None where that is the whole dim."""
    size = value.sizes[dim]
    if isinstance(size, int) and size == 1:
        return None

    # A stop of 0 is the beginning, so that the last position is counted from the front, or has none.
    is_counted = isinstance(size, int) or isinstance(index, RunTimeSize)
    if is_counted and index < 0:
        index += call.recording.size(value, dim)
    if is_zero(index):
        return {"dim": dim, "stop": 1}
    if is_zero(index + 1):
        return {"dim": dim, "start": index}
    return {"dim": dim, "start": index, "stop": index + 1}


@handles("__getitem__", sharing=Sharing.VIEW)
def _item(call: TorchCall) -> Value:
    tensor, index = call.args
    value = call.value(tensor)
    parts = index_parts(index, len(value.shape))
    _check_places(call, parts)

    dim = 0
    for one in parts:
        if one is None:
            value = call.add("Unsqueeze", value, dim=dim)
            dim += 1
        elif isinstance(one, slice):
            value = _sliced(call, value, dim, one)
            dim += 1
        elif isinstance(one, int) and not isinstance(one, bool):
            value = _selected(call, value, dim, one)
        else:
            rank = len(value.shape)
            value = taken(call, value, dim, one)
            dim += 1 + len(value.shape) - rank
    return value


# --- places ----------------------------------------------------------------------------------------------------------

MASKS = (torch.bool, torch.uint8)
"""The types of tensors that are no places as an index, but say which elements are taken."""

MAX_PLACES = 1024
"""A constant index of more places is a tensor of the config."""


def _check_places(call: TorchCall, parts: Sequence[Any]) -> None:
    """Refuse indices whose tensors or lists torch broadcasts, or whose dims it moves."""
    numbered = [place for place, one in enumerate(parts) if not _keeps_its_dim(one)]
    several = [parts[place] for place in numbered if not _is_number(parts[place])]
    if not several:
        return
    if len(several) > 1:
        raise call.refused("several tensors or lists as indices")

    # Behind a slice, an index and a number before it would make their dim the first.
    if numbered[-1] - numbered[0] >= len(numbered):
        raise call.refused("a tensor or list and numbers as indices, with slices between")
    if is_mask(several[0]):
        raise call.refused("as many elements as a mask's values decide are taken")


def _keeps_its_dim(part: Any) -> bool:
    """Whether a part of an index takes no places: a slice, or None for a new dim."""
    return part is None or isinstance(part, slice)


def _is_number(part: Any) -> bool:
    return isinstance(part, int) and not isinstance(part, bool)


def is_mask(index: Any) -> bool:
    """Whether an index is a tensor of truth values."""
    return isinstance(index, torch.Tensor) and index.dtype in MASKS


def taken(call: TorchCall, value: Value, dim: int, index: Any) -> Value:
    """Positions of a dim, in the place of which the dims of the index stand: a list's, or a tensor's."""
    if isinstance(index, (list, tuple, range)):
        index = torch.tensor(list(index))
    if not isinstance(index, torch.Tensor) or is_mask(index):
        raise call.refused(f"{type(index).__name__} as an index")

    dim %= len(value.shape)
    tensors = call.tensors
    if tensors.is_known(index) or tensors.is_made(index):
        return _at_places(call, value, dim, call.value(index))
    return _at_known_places(call, value, dim, index)


def _at_known_places(call: TorchCall, value: Value, dim: int, index: torch.Tensor) -> Value:
    """The positions of a dim that a constant has."""
    shape = tuple(index.shape)
    flat = index.reshape(-1).tolist()
    places = [_counted(call, value, dim, int(place)) for place in flat]
    if not shape:
        return _selected(call, value, dim, places[0])

    # Where the dim is fixed, they are inside of it at every size.
    if len(places) > MAX_PLACES and isinstance(value.sizes[dim], int):
        return _at_places(call, value, dim, call.value(index))
    found = call.add("IndexSelect", value, dim=dim, index=tuple(places))
    return found if len(shape) == 1 else _spread_out(call, found, dim, shape)


def _at_places(call: TorchCall, value: Value, dim: int, index: Value) -> Value:
    """The positions of a dim that a tensor has."""
    rank = len(index.shape)
    if rank == 0:
        found = call.add("IndexSelect", value, index, dim=dim)
        return call.add("Squeeze", found, dim=dim)
    if rank == 1:
        return call.add("IndexSelect", value, index, dim=dim)
    flat = call.add("Flatten", index, start_dim=0)
    found = call.add("IndexSelect", value, flat, dim=dim)
    return _spread_out(call, found, dim, call.recording.dims(index))


def _counted(call: TorchCall, value: Value, dim: int, place: int) -> int:
    """A place counted from the front."""
    if isinstance(value.sizes[dim], int):
        check_inside(call, value, dim, place)
        return place % max(value.shape[dim], 1)
    if place < 0:
        raise call.refused("a list of places counted from the end of a dim of the input's size")
    return place


def _spread_out(call: TorchCall, value: Value, dim: int, sizes: Sequence[Any]) -> Value:
    """A dim as several of these sizes."""
    if is_plain(sizes):
        return call.add("Unflatten", value, dim=dim, unflattened_size=tuple(sizes))
    dims = call.recording.dims(value)
    return call.add("Reshape", value, shape=(*dims[:dim], *sizes, *dims[dim + 1 :]))


# --- slices ----------------------------------------------------------------------------------------------------------


def index_parts(index: Any, rank: int) -> list[Any]:
    """The parts of an index, one for each dim that it names; an ellipsis stands for all dims that are left."""
    parts = list(index) if isinstance(index, tuple) else [index]
    for place, part in enumerate(parts):
        if part is Ellipsis:
            rest = parts[:place] + parts[place + 1 :]
            used = sum(1 for other in rest if other is not None)
            whole = [slice(None)] * (rank - used)
            return parts[:place] + whole + parts[place + 1 :]
    return parts


def _sliced(call: TorchCall, value: Value, dim: int, part: slice) -> Value:
    """A slice of a dim; the value itself where the slice takes all of it."""
    ends = slice_ends(call, value, dim, part)
    return value if ends is None else call.add("Slice", value, **ends)


def slice_ends(call: TorchCall, value: Value, dim: int, part: slice) -> dict[str, Any] | None:
    """The arguments of a slice of a dim; None where it takes all of it."""
    ends = (part.start, part.stop, part.step)
    call.sizes([end for end in ends if end is not None])
    if _takes_all(part, value, dim):
        return None
    if isinstance(part.step, RunTimeSize):
        raise call.refused("a step that is computed from the input's size")

    start = _from_the_front(call, part.start, value, dim)
    stop = _from_the_front(call, part.stop, value, dim)

    arguments: dict[str, Any] = {"dim": dim}
    if start is not None and not is_zero(start):
        arguments["start"] = start
    if stop is not None:
        arguments["stop"] = stop
    if part.step not in (None, 1):
        arguments["step"] = part.step
    return arguments


def _takes_all(part: slice, value: Value, dim: int) -> bool:
    """Whether a slice takes the whole dim, for every size of the input."""
    from_the_start = part.start is None or is_zero(part.start)
    to_the_end = part.stop is None or is_size(part.stop, value, dim)
    return from_the_start and to_the_end and part.step in (None, 1)


def _from_the_front(call: TorchCall, end: Any, value: Value, dim: int) -> Any:
    """The end of a slice; one that follows the input's size and is negative here is counted from the front.

    The comparisons with 0 are noted: for other sizes it may count from the other end, or lie before the first position.
    """
    if not isinstance(end, RunTimeSize) or end >= 0:
        return end
    counted = end + call.recording.size(value, dim)
    return counted if counted >= 0 else 0


# --- copies ----------------------------------------------------------------------------------------------------------


@handles("expand", "broadcast_to", sharing=Sharing.VIEW)
def _expand(call: TorchCall) -> Value:
    value = call.x
    sizes = call.sizes(numbers_given(call))
    return expanded(call, value, sizes)


@handles("expand_as", sharing=Sharing.VIEW)
def _expand_as(call: TorchCall) -> Value:
    value = call.x
    (other,) = numbers_given(call)
    sizes = call.recording.dims(call.known(other))
    return expanded(call, value, call.sizes(sizes))


def expanded(call: TorchCall, value: Value, sizes: tuple[Any, ...]) -> Value:
    """A value expanded to the sizes; the value itself where it has them already."""
    if len(sizes) != len(value.shape):
        return call.add("Expand", value, shape=sizes)

    for dim, n in enumerate(sizes):
        is_kept = _is_minus_one(n) or is_size(n, value, dim)
        if not is_kept:
            return call.add("Expand", value, shape=sizes)
    return value


def _is_minus_one(n: Any) -> bool:
    return not isinstance(n, RunTimeSize) and n == -1


MAX_COPIES = 256


@handles("repeat", "tile")
def _repeat(call: TorchCall) -> Value:
    value = call.x
    times = call.sizes(numbers_given(call))
    for _ in range(len(times) - len(value.shape)):
        value = call.add("Unsqueeze", value, dim=0)

    first = len(value.shape) - len(times)
    for dim, count in enumerate(times, first):
        # Noted where it follows the input's size: for other sizes there may be none.
        if not count >= 1:
            raise call.refused(f"{count:d} copies")
        value = _copied(call, value, dim, count)
    return value


def _copied(call: TorchCall, value: Value, dim: int, count: int) -> Value:
    """So many copies of a value behind each other along a dim."""
    if isinstance(count, RunTimeSize):
        return _copied_by_size(call, value, dim, count)
    if count > MAX_COPIES:
        raise call.refused(f"{count} copies")
    return value if count == 1 else _joined(call, [value] * count, dim)


def _copied_by_size(call: TorchCall, value: Value, dim: int, count: int) -> Value:
    """As many copies as the input's size gives: a dim of size 1 expanded, or one more before the dim."""
    kept = [-1] * len(value.shape)
    if same_size(value.sizes[dim], 1):
        kept[dim] = count
        return call.add("Expand", value, shape=tuple(kept))

    above = call.add("Unsqueeze", value, dim=dim)
    kept.insert(dim, count)
    copies = call.add("Expand", above, shape=tuple(kept))
    return call.add("Flatten", copies, start_dim=dim, end_dim=dim + 1)


def _joined(call: TorchCall, values: Sequence[Value], dim: int) -> Value:
    """Values behind each other along a dim; a config's default is 1."""
    if dim == 1:
        return call.add("Concat", *values)
    return call.add("Concat", *values, dim=dim)


# --- reductions ------------------------------------------------------------------------------------------------------

REDUCTIONS = {
    "mean": "Mean",
    "sum": "Sum",
    "amax": "Amax",
    "amin": "Amin",
}


NO_REDUCTION = {"dim": None, "keepdim": False}
"""The defaults: over all dims."""


@handles(*REDUCTIONS)
def _reduction(call: TorchCall) -> Value:
    words = call.bound("input dim keepdim", **NO_REDUCTION, dtype=None)
    if words.dim == ():
        words.dim = None
    return _reduced(call, REDUCTIONS[call.name], words.input, words)


def _reduced(
    call: TorchCall, op_name: str, x: Any, words: Any, *, beside: bool = False, **more: Any
) -> Value:
    """A reduction of ``x`` over ``words.dim``; over all dims where that is None.

    One that stands ``beside`` others is left out where nothing reads it.
    """
    arguments: dict[str, Any] = dict(more)
    if isinstance(words.dim, (tuple, list)):
        arguments["dim"] = tuple(words.dim)
    elif words.dim is not None:
        arguments["dim"] = words.dim
    if words.keepdim:
        arguments["keepdim"] = True
    add = call.add_beside if beside else call.add
    return add(op_name, x, **arguments)


@handles("norm", "linalg_norm", "linalg_vector_norm", "vector_norm")
def _norm(call: TorchCall) -> Value:
    defaults = {"p": 2, "ord": None, "dtype": None, **NO_REDUCTION}
    words = call.bound("input p dim keepdim", **defaults)
    order = words.p if words.ord is None else words.ord
    is_euclidean = order in (2, 2.0, "fro", None)
    if not is_euclidean and number_of(order) is None:
        raise call.refused(f"the norm {order!r}")

    if call.name == "linalg_norm" and _is_of_matrices(call, words, order):
        raise call.refused(f"the norm {order!r} of a matrix")
    if not is_euclidean:
        return _reduced(call, "VectorNorm", words.input, words, ord=call.number(order))

    squares = call.add("Pointwise", words.input, function="square")
    total = _reduced(call, "Sum", squares, words)
    return call.add("Pointwise", total, function="sqrt")


def _is_of_matrices(call: TorchCall, words: Any, order: Any) -> bool:
    """True where singular values decide: torch.linalg.norm of two dims, by an order that is given."""
    if order in ("fro", None):
        return False

    is_given = len(call.args) > 1 or words.ord is not None
    if not is_given:
        return False

    if words.dim is None:
        return True
    dims = as_tuple(words.dim)
    return len(dims) != 1


@handles("normalize")
def _normalize(call: TorchCall) -> Value:
    words = call.bound("input p dim eps", p=2.0, dim=1, eps=1e-12)
    length = _length(call, words.input, words.p, words.dim, words.eps)
    return call.add("Div", words.input, length)


def _length(call: TorchCall, x: Any, order: Any, dim: Any, eps: float) -> Value:
    """The norm along a dim, which stays with the size 1, and is ``eps`` at least."""
    if order not in (1, 2, math.inf):
        raise call.refused(f"{call.name} by the norm {order!r}")

    function = "square" if order == 2 else "abs"
    powers = call.add("Pointwise", x, function=function)
    reduction = "Amax" if order == math.inf else "Sum"
    length = call.add(reduction, powers, dim=dim, keepdim=True)
    if order == 2:
        length = call.add("Pointwise", length, function="sqrt")
    return call.add("Hardtanh", length, min_val=float(eps), max_val=math.inf)


@handles("cosine_similarity")
def _cosine_similarity(call: TorchCall) -> Value:
    words = call.bound("x1 x2 dim eps", dim=1, eps=1e-8)
    left = call.value(words.x1)
    right = call.value(words.x2)
    if len(left.shape) != len(right.shape):
        raise call.refused("cosine_similarity of tensors with other numbers of dims")
    if not is_size(call.recording.size(left, words.dim), right, words.dim):
        raise call.refused("cosine_similarity along a dim that the tensors have at other sizes")

    units = []
    for value in (left, right):
        length = _length(call, value, 2, words.dim, words.eps)
        units.append(call.add("Div", value, length))
    return call.add("Sum", call.add("Mul", *units), dim=words.dim)


@handles("max", typed=True)
def _max(call: TorchCall) -> Any:
    return _extreme(call, "Amax", "Maximum", "Argmax")


@handles("min", typed=True)
def _min(call: TorchCall) -> Any:
    return _extreme(call, "Amin", "Minimum", "Argmin")


def _extreme(call: TorchCall, reduction: str, merge: str, place: str) -> Any:
    """The largest or least: of two tensors, of a whole tensor, or along a dim as a pair with its place."""
    words = call.bound("input dim keepdim", **NO_REDUCTION, other=None)
    other = words.other if words.dim is None else words.dim
    if isinstance(other, torch.Tensor):
        return call.add(merge, words.input, other)
    if words.dim is None:
        return call.add(reduction, words.input)

    return tuple(
        _reduced(call, op_name, words.input, words, beside=True)
        for op_name in (reduction, place)
    )


@handles("aminmax", typed=True)
def _both_extremes(call: TorchCall) -> tuple[Value, ...]:
    words = call.bound("input dim keepdim", **NO_REDUCTION)
    return tuple(
        _reduced(call, op_name, words.input, words, beside=True) for op_name in ("Amin", "Amax")
    )


SPREADS = {
    "std": ("Std",),
    "var": ("Var",),
    "std_mean": ("Std", "Mean"),
    "var_mean": ("Var", "Mean"),
}


@handles(*SPREADS)
def _spread(call: TorchCall) -> Any:
    words = call.bound(
        "input dim unbiased keepdim", **NO_REDUCTION, unbiased=None, correction=1
    )
    if isinstance(words.dim, bool):
        # torch has std(unbiased) too.
        words.dim, words.unbiased = None, words.dim
    correction = words.correction if words.unbiased is None else int(words.unbiased)
    correction = 1 if correction is None else correction
    if words.dim == ():
        words.dim = None

    made = []
    op_names = SPREADS[call.name]
    for op_name in op_names:
        is_spread = op_name != "Mean" and correction != 1
        more = {"correction": correction} if is_spread else {}
        is_one = len(op_names) > 1
        made.append(_reduced(call, op_name, words.input, words, beside=is_one, **more))
    return made[0] if len(made) == 1 else tuple(made)


@handles("logsumexp")
def _log_of_sum(call: TorchCall) -> Value:
    words = call.bound("input dim keepdim", keepdim=False)
    return _reduced(call, "Logsumexp", words.input, words)


@handles("prod", typed=True)
def _product(call: TorchCall) -> Value:
    words = call.bound("input dim keepdim", **NO_REDUCTION, dtype=None)
    return _reduced(call, "Prod", words.input, words)


OF_TRUTH = {
    "any": "Any",
    "all": "All",
    "argmax": "Argmax",
    "argmin": "Argmin",
}


@handles(*OF_TRUTH, typed=True)
def _of_truth(call: TorchCall) -> Value:
    words = call.bound("input dim keepdim", **NO_REDUCTION)
    return _reduced(call, OF_TRUTH[call.name], words.input, words, beside=True)


WITH_PLACES = {
    "median": "Median",
    "nanmedian": "Nanmedian",
    "mode": "Mode",
    "kthvalue": "Kthvalue",
}


@handles(*WITH_PLACES, typed=True)
def _with_places(call: TorchCall) -> Any:
    is_kth = call.name == "kthvalue"
    default = {
        "dim": None if call.name.endswith("median") else -1,
        "keepdim": False,
    }
    words = call.bound("input k dim keepdim" if is_kth else "input dim keepdim", **default)
    more = {"k": words.k} if is_kth else {}
    if words.dim is None:
        return _reduced(call, WITH_PLACES[call.name], words.input, words, **more)

    return tuple(
        _reduced(call, WITH_PLACES[call.name], words.input, words, beside=True, **more, **one)
        for one in ({}, {"indices": True})
    )
