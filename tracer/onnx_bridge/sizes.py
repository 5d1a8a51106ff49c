"""ONNX operators on sizes: small arrays of integers that were read off tensors' shapes.

An array of dtype ``object`` holds ints, and :class:`tracer.importing.run_time_sizes.RunTimeSize` where a size depends
on the input's. numpy moves its elements about; what it computes of them are their own operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.sizing.arithmetic import maximum, minimum

Sizes = numpy.ndarray[Any, Any]

INTEGERS = {2, 3, 4, 5, 6, 7, 12, 13}
"""TensorProto's numbers of the integer types."""


def sizes_of(values: Sequence[Any]) -> Sizes:
    """An array of dtype object."""
    made = numpy.empty(len(values), object)
    made[:] = list(values)
    return made


def as_object(value: Any) -> Sizes:
    """A constant or sizes as an array of dtype object, its numbers Python's."""
    if value.dtype == object:
        return value  # type: ignore[no-any-return]
    made = numpy.empty(value.shape, object)
    flat = made.reshape(-1)
    flat[:] = [item.item() if hasattr(item, "item") else item for item in value.reshape(-1)]
    return made


def is_open(value: Any) -> bool:
    """Whether an array has elements that depend on the input's size."""
    return value.dtype == object and any(
        isinstance(n, (RunTimeSize, RunTimeQuotient)) for n in value.reshape(-1)
    )


def larger(a: Any, b: Any) -> Any:
    """The larger of two sizes, for every size of the input."""
    return _extreme(a, b, max(int(a), int(b)), maximum)


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two sizes, for every size of the input."""
    return _extreme(a, b, min(int(a), int(b)), minimum)


def _extreme(a: Any, b: Any, number: int, formula: Callable[[Any, Any], Any]) -> Any:
    one = next((n for n in (a, b) if isinstance(n, RunTimeSize)), None)
    if one is None:
        return number
    sizes = [n.size if isinstance(n, RunTimeSize) else n for n in (a, b)]
    return RunTimeSize(number, None if None in sizes else formula(*sizes), one.guards)


def _divided(a: Any, b: Any) -> Any:
    """ONNX divides integers towards zero."""
    if isinstance(a, (float, RunTimeQuotient)) or isinstance(b, (float, RunTimeQuotient)):
        return a / b
    return a // b if (a >= 0) == (b >= 0) else -(-a // b)


def _cast(array: Sizes, attributes: Mapping[str, Any]) -> Sizes:
    if attributes["to"] in INTEGERS:
        return _each(math.trunc, array)
    if attributes["to"] == 9:
        return _each(bool, array)
    return _each(lambda n: n * 1.0, array)


def _each(function: Callable[..., Any], *arrays: Sizes) -> Sizes:
    made = numpy.frompyfunc(function, len(arrays), 1)(*arrays)
    return made if isinstance(made, numpy.ndarray) else _scalar(made)


def _scalar(value: Any) -> Sizes:
    made = numpy.empty((), object)
    made[()] = value
    return made


def _sliced(array: Sizes, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Sizes:
    parts = [slice(None)] * array.ndim
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for axis, start, end, step in zip(axes, starts, ends, steps):
        stop = None if int(step) < 0 and int(end) < -array.shape[int(axis)] else int(end)
        parts[int(axis)] = slice(int(start), stop, int(step))
    return array[tuple(parts)]


def _squeezed(array: Sizes, axes: Any = None) -> Sizes:
    return array.squeeze(None if axes is None else tuple(int(axis) for axis in axes))


def _unsqueezed(array: Sizes, axes: Any) -> Sizes:
    return numpy.expand_dims(array, tuple(int(axis) for axis in axes))


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Add": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mul": lambda a, b: a * b, "Div": _divided,
    "Mod": lambda a, b: a % b, "Neg": lambda a: -a, "Abs": abs, "Floor": math.floor, "Ceil": math.ceil,
    "Max": larger, "Min": smaller, "Equal": lambda a, b: a == b, "Less": lambda a, b: a < b,
    "Greater": lambda a, b: a > b, "LessOrEqual": lambda a, b: a <= b, "GreaterOrEqual": lambda a, b: a >= b,
    "Not": lambda a: not a, "And": lambda a, b: bool(a) and bool(b), "Or": lambda a, b: bool(a) or bool(b),
    "Where": lambda c, a, b: a if c else b, "Sqrt": lambda a: a**0.5, "Round": round,
}  # fmt: skip
"""What is computed element by element."""


def computed(op_type: str, given: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """What an operator makes of sizes; None where it is not known here."""
    present = [None if value is None else as_object(value) for value in given]
    arrays: list[Any] = present
    if op_type in ELEMENTWISE:
        made = arrays[0]
        if op_type in ("Max", "Min") and len(arrays) != 2:
            for other in arrays[1:]:
                made = _each(ELEMENTWISE[op_type], made, other)
            return made
        return _each(ELEMENTWISE[op_type], *arrays)
    if op_type in ("Shape", "Size"):
        return sizes_of(arrays[0].shape) if op_type == "Shape" else _scalar(arrays[0].size)
    if op_type == "Cast":
        return _cast(arrays[0], attributes)
    if op_type == "Identity":
        return arrays[0]
    if op_type == "Concat":
        return numpy.concatenate(arrays, attributes.get("axis", 0))
    if op_type == "Gather":
        return as_object(
            numpy.asarray(
                numpy.take(arrays[0], given[1].astype(int), attributes.get("axis", 0)), object
            )
        )
    if op_type == "Slice":
        if "starts" in attributes:
            return _sliced(
                arrays[0], attributes["starts"], attributes["ends"], attributes.get("axes")
            )
        return _sliced(*arrays)
    if op_type in ("Squeeze", "Unsqueeze"):
        axes = attributes.get("axes", arrays[1] if len(arrays) > 1 else None)
        return _squeezed(arrays[0], axes) if op_type == "Squeeze" else _unsqueezed(arrays[0], axes)
    if op_type == "Reshape":
        return arrays[0].reshape([int(n) for n in arrays[1]])
    if op_type in ("ReduceProd", "ReduceSum"):
        joined: Any = (
            math.prod(arrays[0].reshape(-1))
            if op_type == "ReduceProd"
            else sum(arrays[0].reshape(-1))
        )
        return sizes_of([joined]) if attributes.get("keepdims", 1) else _scalar(joined)
    if op_type == "Transpose":
        return arrays[0].transpose(attributes.get("perm"))
    if op_type == "Expand":
        return numpy.broadcast_to(
            arrays[0], numpy.broadcast_shapes(arrays[0].shape, tuple(map(int, arrays[1])))
        )
    return None
