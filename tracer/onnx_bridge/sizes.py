"""ONNX operators on sizes: small arrays of integers that were read off tensors' shapes.

An array of dtype ``object`` holds ints, and :class:`tracer.importing.run_time_sizes.RunTimeSize` where a size depends
on the input's. numpy moves its elements about; their own operators compute with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy

from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize, over_symbols
from tracer.sizing.arithmetic import maximum, minimum

Sizes = numpy.ndarray[Any, Any]
Attributes = Mapping[str, Any]
Formula = Callable[..., Any]

INTEGERS = {2, 3, 4, 5, 6, 7, 12, 13}
"""TensorProto's numbers of the integer types."""

BOOL = 9
"""TensorProto's number of the truth values."""


# --- arrays of sizes -------------------------------------------------------------------------------------------------


def sizes_of(values: Sequence[Any]) -> Sizes:
    """An array of dtype object.

    >>> sizes_of([1, 64]).dtype
    dtype('O')
    """
    made = numpy.empty(len(values), object)
    made[:] = list(values)
    return made


def as_object(value: Any) -> Sizes:
    """A constant or sizes as an array of dtype object, its numbers Python's."""
    made: Sizes = numpy.asarray(value)
    if made.dtype == object:
        return made
    return made.astype(object)


def is_open(value: Any) -> bool:
    """Whether an array has elements that depend on the input's size."""
    if value.dtype != object:
        return False
    kinds = (RunTimeSize, RunTimeQuotient)
    return any(isinstance(n, kinds) for n in value.reshape(-1))


def _scalar(value: Any) -> Sizes:
    made = numpy.empty((), object)
    made[()] = value
    return made


# --- element by element ----------------------------------------------------------------------------------------------


def larger(a: Any, b: Any) -> Any:
    """The larger of two sizes, for every size of the input."""
    number = max(int(a), int(b))
    return _extreme(a, b, number, maximum)


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two sizes, for every size of the input."""
    number = min(int(a), int(b))
    return _extreme(a, b, number, minimum)


def _extreme(a: Any, b: Any, number: int, formula: Formula) -> Any:
    for n in (a, b):
        if isinstance(n, RunTimeSize):
            x, y = over_symbols((a, b))
            is_known = x is not None and y is not None
            size = formula(x, y) if is_known else None
            return RunTimeSize(number, size, n.guards)
    return number


def _divided(a: Any, b: Any) -> Any:
    """ONNX divides integers towards zero."""
    if isinstance(a, float) or isinstance(b, float):
        return a / b
    has_one_sign = (a >= 0) == (b >= 0)
    return a // b if has_one_sign else -(-a // b)


ELEMENTWISE: dict[str, Formula] = {
    "Abs": abs,
    "Add": lambda a, b: a + b,
    "And": lambda a, b: bool(a) and bool(b),
    "Ceil": math.ceil,
    "Div": _divided,
    "Equal": lambda a, b: a == b,
    "Floor": math.floor,
    "Greater": lambda a, b: a > b,
    "GreaterOrEqual": lambda a, b: a >= b,
    "Less": lambda a, b: a < b,
    "LessOrEqual": lambda a, b: a <= b,
    "Mod": lambda a, b: a % b,
    "Mul": lambda a, b: a * b,
    "Neg": lambda a: -a,
    "Not": lambda a: not a,
    "Or": lambda a, b: bool(a) or bool(b),
    "Round": round,
    "Sqrt": lambda a: a**0.5,
    "Sub": lambda a, b: a - b,
    "Where": lambda c, a, b: a if c else b,
}
"""The formula of one element."""

REDUCING: dict[str, Formula] = {"Max": larger, "Min": smaller}
"""The formula of one element and the next input's, for any number of inputs."""


def _each(formula: Formula, *arrays: Sizes) -> Sizes:
    """The elements that a formula makes of those of arrays, which are broadcast."""
    apply = numpy.frompyfunc(formula, len(arrays), 1)
    made = apply(*arrays)
    return made if isinstance(made, numpy.ndarray) else _scalar(made)


# --- whole arrays ----------------------------------------------------------------------------------------------------

Rule = Callable[[Sequence[Any], Attributes], Sizes]
RULES: dict[str, Rule] = {}
"""What an operator makes of its inputs' arrays (None: left out) and its attributes."""


def computes(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators of these names."""

    def register(rule: Rule) -> Rule:
        for name in names:
            assert name not in RULES, name
            RULES[name] = rule
        return rule

    return register


def computed(op_type: str, given: Sequence[Any], attributes: Attributes) -> Any:
    """The sizes that an operator makes of sizes; None where it is not known here."""
    arrays: list[Any] = [None if value is None else as_object(value) for value in given]
    if op_type in ELEMENTWISE:
        return _each(ELEMENTWISE[op_type], *arrays)
    if op_type in REDUCING:
        formula = REDUCING[op_type]
        return reduce(lambda a, b: _each(formula, a, b), arrays)

    rule = RULES.get(op_type)
    return None if rule is None else rule(arrays, attributes)


@computes("Shape")
def _shape(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    return sizes_of(arrays[0].shape)


@computes("Size")
def _size(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    return _scalar(arrays[0].size)


@computes("Identity")
def _kept(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    kept: Sizes = arrays[0]
    return kept


@computes("Cast")
def _cast(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    kind = attributes["to"]
    if kind in INTEGERS:
        return _each(math.trunc, arrays[0])
    if kind == BOOL:
        return _each(bool, arrays[0])
    return _each(lambda n: n * 1.0, arrays[0])


@computes("Concat")
def _concatenated(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    axis = attributes.get("axis", 0)
    return numpy.concatenate(arrays, axis)


@computes("Gather")
def _gathered(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    array, indices = arrays
    axis = attributes.get("axis", 0)
    made = numpy.take(array, indices.astype(int), axis)
    return numpy.asarray(made, object)


@computes("Slice")
def _sliced(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    array, *bounds = arrays
    if "starts" in attributes:
        words = ("starts", "ends", "axes")
        bounds = [attributes.get(word) for word in words]

    starts, ends, axes, steps = [*bounds, None, None][:4]
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps

    parts = [slice(None)] * array.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps):
        axis = int(axis)
        parts[axis] = _slice(int(start), int(end), int(step), array.shape[axis])
    found: Sizes = array[tuple(parts)]
    return found


def _slice(start: int, end: int, step: int, size: int) -> slice:
    # Backwards to before the first one: for Python, -1 is the last one.
    is_whole = step < 0 and end < -size
    return slice(start, None if is_whole else end, step)


@computes("Squeeze")
def _squeezed(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    axes = _axes(arrays, attributes)
    found: Sizes = arrays[0].squeeze(axes)
    return found


@computes("Unsqueeze")
def _unsqueezed(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    axes = _axes(arrays, attributes)
    assert axes is not None
    return numpy.expand_dims(arrays[0], axes)


def _axes(arrays: Sequence[Any], attributes: Attributes) -> tuple[int, ...] | None:
    """The axes: an input, or an attribute in older files."""
    given = arrays[1] if len(arrays) > 1 else None
    axes = attributes.get("axes", given)
    return None if axes is None else tuple(map(int, axes))


@computes("Reshape")
def _reshaped(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    array, shape = arrays
    found: Sizes = array.reshape(list(map(int, shape)))
    return found


@computes("Transpose")
def _transposed(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    order = attributes.get("perm")
    found: Sizes = arrays[0].transpose(order)
    return found


@computes("Expand")
def _expanded(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    array, shape = arrays
    wanted = tuple(map(int, shape))
    full = numpy.broadcast_shapes(array.shape, wanted)
    return numpy.broadcast_to(array, full)


@computes("ReduceProd")
def _product(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    elements = arrays[0].reshape(-1)
    return _reduced(math.prod(elements), attributes)


@computes("ReduceSum")
def _sum(arrays: Sequence[Any], attributes: Attributes) -> Sizes:
    elements = arrays[0].reshape(-1)
    return _reduced(sum(elements), attributes)


def _reduced(joined: Any, attributes: Attributes) -> Sizes:
    keeps_dim = attributes.get("keepdims", 1)
    return sizes_of([joined]) if keeps_dim else _scalar(joined)
