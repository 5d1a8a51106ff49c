"""ONNX operators on sizes: small arrays of integers that were read off tensors' shapes.

An array of dtype ``object`` holds ints, and :class:`tracer.importing.run_time_sizes.RunTimeSize` where a size depends
on the input's. numpy moves its elements about; their own operators compute with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy

from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize, over_symbols
from tracer.onnx_bridge.constants import LARGEST, MOST_VALUES
from tracer.sizing.arithmetic import maximum, minimum
from tracer.sizing.symbol import Size

Sizes = numpy.ndarray[Any, Any]
Formula = Callable[..., Any]

INTEGERS = {6, 7}
"""TensorProto's numbers of the integer types that have every size; smaller ones go round."""

FLOATS = {1, 11}
"""TensorProto's numbers of the floating-point types that have every size."""

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
    """True where an array has elements that depend on the input's size."""
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
    "Mul": lambda a, b: a * b,
    "Neg": lambda a: -a,
    "Not": lambda a: not a,
    "Or": lambda a, b: bool(a) or bool(b),
    "Round": round,
    "Sqrt": lambda a: (a * 1.0) ** 0.5,
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


@dataclass(frozen=True)
class SizesNode:
    """A node whose inputs are all sizes or constants."""

    arrays: Sequence[Any]
    """Its inputs as arrays; None where one is left out."""
    attributes: Mapping[str, Any]

    @property
    def first(self) -> Sizes:
        """The first input."""
        found: Sizes = self.arrays[0]
        return found

    def get(self, word: str, default: Any = None) -> Any:
        """An attribute, or its default in ONNX."""
        return self.attributes.get(word, default)

    def axes(self) -> tuple[int, ...] | None:
        """The axes: the second input, or an attribute in older files."""
        given = self.arrays[1] if len(self.arrays) > 1 else None
        axes = self.get("axes", given)
        return None if axes is None else tuple(_fixed(axes))


Rule = Callable[[SizesNode], Sizes]
RULES: dict[str, Rule] = {}
"""The sizes that an operator makes, by its name."""


def computes(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operators of these names."""

    def register(rule: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"a rule of {name} is registered twice")
            RULES[name] = rule
        return rule

    return register


def computed(op_type: str, given: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The sizes that an operator makes of sizes; None where it is not known here."""
    arrays: list[Any] = []
    for value in given:
        array = None if value is None else as_object(value)
        arrays.append(array)

    made = _made(op_type, arrays, attributes)
    if made is not None:
        _check_bounds(made)
    return made


def _made(op_type: str, arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    if op_type in ELEMENTWISE:
        formula = ELEMENTWISE[op_type]
        return _each(formula, *arrays)
    if op_type in REDUCING:
        formula = REDUCING[op_type]
        return reduce(lambda a, b: _each(formula, a, b), arrays)

    rule = RULES.get(op_type)
    if rule is None:
        return None
    node = SizesNode(arrays, attributes)
    return rule(node)


LONGEST = 200
"""Atoms of the expression of a size, which doubles with every product."""


def _check_bounds(made: Sizes) -> None:
    """Raise ValueError where sizes are more, larger or longer than those of any network."""
    if made.size > MOST_VALUES:
        raise ValueError(f"they are {made.size} values; at most {MOST_VALUES} are looked at")

    for n in made.reshape(-1):
        # As a number: no decision of the file is noted.
        if isinstance(n, int) and abs(int(n)) > LARGEST:
            raise ValueError("an integer is beyond 63 bits")
        size = over_symbols(n)
        if isinstance(size, Size) and size.length() > LONGEST:
            raise ValueError("an expression over the input's sizes is too long")


def _fixed(value: Any) -> list[int]:
    """Numbers that are an argument: they may not depend on the input's size."""
    array = as_object(value)
    if is_open(array):
        raise ValueError("an index or a length is computed from the input's size")
    return list(map(int, array.reshape(-1)))


@computes("Shape")
def _shape(node: SizesNode) -> Sizes:
    taken = slice(node.get("start"), node.get("end"))
    return sizes_of(node.first.shape[taken])


@computes("Mod")
def _modulo(node: SizesNode) -> Sizes:
    if not node.get("fmod", 0):
        return _each(lambda a, b: a % b, *node.arrays)
    # It has the sign of the first one.
    return _each(lambda a, b: a - b * _divided(a, b), *node.arrays)


@computes("Size")
def _size(node: SizesNode) -> Sizes:
    count = node.first.size
    return _scalar(count)


@computes("Identity")
def _kept(node: SizesNode) -> Sizes:
    return node.first


@computes("Cast")
def _cast(node: SizesNode) -> Sizes:
    kind = node.attributes["to"]
    if kind in INTEGERS:
        return _each(math.trunc, node.first)
    if kind == BOOL:
        return _each(bool, node.first)
    if kind not in FLOATS:
        raise ValueError("they are turned into a type that has not every size")
    return _each(lambda n: n * 1.0, node.first)


@computes("Concat")
def _concatenated(node: SizesNode) -> Sizes:
    axis = node.get("axis", 0)
    return numpy.concatenate(node.arrays, axis)


@computes("Gather")
def _gathered(node: SizesNode) -> Sizes:
    array, indices = node.arrays
    axis = node.get("axis", 0)
    numbers = numpy.array(_fixed(indices), int).reshape(indices.shape)
    if numbers.size * array.size > MOST_VALUES**2:
        raise ValueError("there are too many indices")
    made = numpy.take(array, numbers, axis)
    return made if isinstance(made, numpy.ndarray) else _scalar(made)


@computes("Slice")
def _sliced(node: SizesNode) -> Sizes:
    array, *bounds = node.arrays
    if "starts" in node.attributes:
        bounds = list(map(node.get, ("starts", "ends", "axes")))

    # The axes and the steps are optional.
    bounds += [None, None]
    starts, ends, axes, steps = bounds[:4]
    if axes is None:
        axes = range(len(starts))
    if steps is None:
        steps = [1] * len(starts)

    parts = [slice(None)] * array.ndim
    columns = map(_fixed, (axes, starts, ends, steps))
    for axis, *bound in zip(*columns, strict=True):
        size = array.shape[axis]
        parts[axis] = _slice(size, *bound)
    found: Sizes = array[tuple(parts)]
    return found


def _slice(size: int, start: int, end: int, step: int) -> slice:
    # Backwards to before the first one: for Python, -1 is the last one.
    is_whole = step < 0 and end < -size
    stop = None if is_whole else end
    return slice(start, stop, step)


@computes("Squeeze")
def _squeezed(node: SizesNode) -> Sizes:
    axes = node.axes()
    return numpy.asarray(node.first.squeeze(axes), object)


@computes("Unsqueeze")
def _unsqueezed(node: SizesNode) -> Sizes:
    axes = node.axes()
    if axes is None:
        raise ValueError("there are no axes")
    return numpy.expand_dims(node.first, axes)


@computes("Reshape")
def _reshaped(node: SizesNode) -> Sizes:
    array, shape = node.arrays
    wanted = _fixed(shape)
    if not node.get("allowzero", 0):
        wanted = [array.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    found: Sizes = array.reshape(wanted)
    return found


@computes("Transpose")
def _transposed(node: SizesNode) -> Sizes:
    order = node.get("perm")
    return numpy.transpose(node.first, order)


@computes("Expand")
def _expanded(node: SizesNode) -> Sizes:
    array, shape = node.arrays
    wanted = tuple(_fixed(shape))
    full = numpy.broadcast_shapes(array.shape, wanted)
    return numpy.broadcast_to(array, full)


@computes("ReduceProd")
def _product(node: SizesNode) -> Sizes:
    return _reduced(node, math.prod)


@computes("ReduceSum")
def _sum(node: SizesNode) -> Sizes:
    return _reduced(node, sum)


def _reduced(node: SizesNode, joined: Formula) -> Sizes:
    """The elements along some axes as one; along all of them where there are none."""
    array = node.first
    axes = node.axes() or ()
    if not axes and node.get("noop_with_empty_axes", 0):
        return array

    reduced = set(range(array.ndim))
    if axes:
        reduced = {_from_start(axis, array.ndim) for axis in axes}
    kept = [axis for axis in range(array.ndim) if axis not in reduced]

    # The reduced axes are the last one of a table, whose rows are joined.
    order = [*kept, *sorted(reduced)]
    lengths = [array.shape[axis] for axis in kept]
    table = array.transpose(order).reshape(math.prod(lengths), -1)
    made = sizes_of([joined(list(row)) for row in table])

    if node.get("keepdims", 1):
        lengths = [1 if axis in reduced else n for axis, n in enumerate(array.shape)]
    return made.reshape(lengths)


def _from_start(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"there is no axis {axis}")
    return axis % rank
