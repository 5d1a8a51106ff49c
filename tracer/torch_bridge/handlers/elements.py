"""Functions of each element, and of several tensors: activations, arithmetic, joins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

import torch

from tracer.importing.recording import Value
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.ops.pointwise import NUMBER, PLACES, TENSOR, Function, Joining
from tracer.torch_bridge.dispatch import TorchCall, handles, is_size, number_of
from tracer.torch_bridge.modules import defaults_of, in_torchs_order

# --- one tensor ------------------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "LeakyReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "elu": "ELU",
    "celu": "CELU",
    "selu": "SELU",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
    "hardtanh": "Hardtanh",
    "mish": "Mish",
    "softplus": "Softplus",
    "glu": "GLU",
    "logsigmoid": "LogSigmoid",
    "log_sigmoid": "LogSigmoid",
    "softsign": "Softsign",
    "tanhshrink": "Tanhshrink",
    "hardshrink": "Hardshrink",
    "softshrink": "Softshrink",
    "softmax": "Softmax",
    "log_softmax": "LogSoftmax",
    "softmin": "Softmin",
}

SAYS_NOTHING = ("_stacklevel", "dtype")
"""Arguments of activations that change neither the shape nor the operation."""


@handles(*ACTIVATIONS)
def _activation(call: TorchCall) -> Value:
    op_name = ACTIVATIONS[call.registered]
    defaults = defaults_of(op_name)
    names = " ".join(["input", *in_torchs_order(op_name)])
    aside = dict.fromkeys(SAYS_NOTHING)
    words = call.arguments(names, inplace=False, **aside)

    x = words.pop("input")
    call.in_place |= words.pop("inplace") is True
    arguments = {}
    for word, value in words.items():
        is_default = word in defaults and value == defaults[word]
        if word not in SAYS_NOTHING and not is_default:
            arguments[word] = value
    return call.add(op_name, x, **arguments)


@handles("threshold", "_threshold")
def _threshold(call: TorchCall) -> Value:
    words = call.bound("input threshold value inplace", inplace=False)
    call.in_place |= words.inplace is True
    threshold = call.number(words.threshold)
    value = call.number(words.value)
    return call.add("Threshold", words.input, threshold=threshold, value=value)


@handles("clamp", "clip")
def _clamp(call: TorchCall) -> Value:
    return _clamped(call, "input min max")


@handles("clamp_min")
def _clamp_min(call: TorchCall) -> Value:
    return _clamped(call, "input min")


@handles("clamp_max")
def _clamp_max(call: TorchCall) -> Value:
    return _clamped(call, "input max")


def _clamped(call: TorchCall, names: str) -> Value:
    words = call.bound(names, min=None, max=None)
    x = call.value(words.input)
    if _is_by_numbers(call, words.min, words.max):
        least = -math.inf if words.min is None else words.min
        most = math.inf if words.max is None else words.max
        bounds = {"min_val": call.number(least), "max_val": call.number(most)}
        return call.add("Hardtanh", x, **bounds)

    # torch takes the upper bound where the two cross.
    for function, bound in (("clamp_min", words.min), ("clamp_max", words.max)):
        if bound is not None:
            x = joined(call, function, [x, bound])
    return x


def _is_by_numbers(call: TorchCall, *bounds: Any) -> bool:
    """Whether no bound is a tensor that is more than a number."""
    tensors = [bound for bound in bounds if isinstance(bound, torch.Tensor)]
    return all(number_of(bound) is not None for bound in tensors)


POINTWISE: dict[str, str] = {
    **{name: name for name in get_args(Function)},
    "negative": "neg",
    "absolute": "abs",
    "__neg__": "neg",
    "fix": "trunc",
    **{f"arc{name}": f"a{name}" for name in ("cos", "cosh", "sin", "sinh", "tan", "tanh")},
    "special_psi": "digamma",
    "special_gammaln": "lgamma",
    **{
        f"special_{name}": name
        for name in (
            "digamma",
            "erf",
            "erfc",
            "erfinv",
            "exp2",
            "expm1",
            "i0",
            "log1p",
            "logit",
            "round",
            "sinc",
        )
    },
}
"""Functions of one tensor, by the names that torch has for them."""

WITH_NUMBERS = {"nan_to_num": "input nan posinf neginf", "logit": "input eps"}
"""Those that take numbers too."""

TRUTH = {
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "logical_not",
    "signbit",
    "eq",
    "ne",
    "ge",
    "gt",
    "le",
    "lt",
    "logical_and",
    "logical_or",
    "logical_xor",
}
"""Functions that give truth values; a program may make them without using them."""


@handles(*POINTWISE, "__invert__", typed=True)
def _pointwise(call: TorchCall) -> Value:
    function = POINTWISE.get(call.registered, "bitwise_not")
    if function in WITH_NUMBERS:
        names = WITH_NUMBERS[function]
        _, *numbers = names.split()
        words = call.arguments(names, **dict.fromkeys(numbers))
        x = words.pop("input")
        return pointwise(call, function, x, *_until_none(words.values()))

    words = call.bound("input")
    if function == "bitwise_not" and words.input.dtype is torch.bool:
        function = "logical_not"
    return pointwise(call, function, words.input)


def _until_none(given: Iterable[Any]) -> list[Any]:
    """What stands before the first None."""
    return list(itertools.takewhile(lambda one: one is not None, given))


def pointwise(call: TorchCall, function: str, x: Any, *numbers: float) -> Value:
    """A function of one tensor and numbers behind it."""
    arguments: dict[str, Any] = {"function": function}
    if numbers:
        arguments["arguments"] = (None, *map(call.number, numbers))
    add = call.add_beside if function in TRUTH else call.add
    return add("Pointwise", x, **arguments)


# --- several tensors and numbers -------------------------------------------------------------------------------------

JOINING = {
    **{name: name for name in get_args(Joining) if not name.startswith("clamp")},
    **{f"__{name}__": name for name in ("eq", "ne", "ge", "gt", "le", "lt")},
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "arctan2": "atan2",
    "__pow__": "pow",
    "__mod__": "remainder",
    "__floordiv__": "floor_divide",
    "__and__": "bitwise_and",
    "__or__": "bitwise_or",
    "__xor__": "bitwise_xor",
    "special_xlogy": "xlogy",
}
"""Functions of several tensors, by the names that torch has for them."""

REVERSED = {
    "__rpow__": "pow",
    "__rmod__": "remainder",
    "__rfloordiv__": "floor_divide",
    "__rand__": "bitwise_and",
    "__ror__": "bitwise_or",
    "__rxor__": "bitwise_xor",
}
"""Those of two whose first one stands behind."""

WORDS = {
    "pow": "input exponent",
    "float_power": "input exponent",
    "where": "condition input other",
    "lerp": "input end weight",
    "masked_fill": "input mask value",
    "heaviside": "input values",
}
"""The arguments of a function; of another ``input other``."""

POWERS = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}
"""Powers that are functions of their own."""


@handles(*JOINING, typed=True)
def _joining(call: TorchCall) -> Value:
    function = JOINING[call.registered]
    names = WORDS.get(function, "input other")
    words = call.arguments(names)
    given = [words.get(word) for word in names.split()]
    if function == "where" and len(words) == 1:
        raise call.refused("as many places as a tensor's values decide")
    return joined(call, function, given)


@handles("Tensor.where", typed=True)
def _chosen(call: TorchCall) -> Value:
    words = call.bound("input condition other")
    return joined(call, "where", [words.condition, words.input, words.other])


@handles(*REVERSED, typed=True)
def _reversed_joining(call: TorchCall) -> Value:
    words = call.bound("input other")
    return joined(call, REVERSED[call.registered], [words.other, words.input])


def joined(call: TorchCall, function: str, given: Sequence[Any]) -> Value:
    """A function of several tensors, some of which may be numbers."""
    numbers = list(_numbers_among(call, function, given))
    tensors = [one for one, number in zip(given, numbers) if number is None]

    if function == "masked_fill" and numbers[2] is None:
        # torch takes a tensor of no dims for the number.
        x, mask, value = tensors
        return joined(call, "where", [mask, value, x])
    if len(tensors) > 1:
        return _of_several(call, function, tensors, numbers)
    if function == "pow" and numbers[1] in POWERS:
        return pointwise(call, POWERS[numbers[1]], *tensors)
    add = call.add_beside if function in TRUTH else call.add
    return add("Pointwise", *tensors, function=function, arguments=tuple(numbers))


def _numbers_among(call: TorchCall, function: str, given: Sequence[Any]) -> Iterator[Any]:
    """The arguments that are numbers, and None for each tensor."""
    for one, kind in zip(given, PLACES[function]):
        yield None if _is_tensor(call, one, kind) else _plain_number(call, one)


def _of_several(
    call: TorchCall, function: str, tensors: Sequence[Any], numbers: Sequence[Any]
) -> Value:
    """A function of several tensors, which broadcast, and of the numbers beside them."""
    arguments: dict[str, Any] = {"function": function}
    if len(tensors) < len(numbers):
        arguments["arguments"] = tuple(numbers)
    add = call.add_beside if function in TRUTH else call.add
    return add("Broadcast", *tensors, **arguments)


def _is_operand(given: Any) -> bool:
    """Whether an argument is a tensor, or a number that follows the input's size."""
    return isinstance(given, (Value, torch.Tensor, RunTimeSize, RunTimeQuotient))


def _is_tensor(call: TorchCall, given: Any, kind: str) -> bool:
    """Whether an argument is a tensor, and no number that torch keeps as one."""
    if kind != NUMBER and _is_operand(given) and not isinstance(given, torch.Tensor):
        return True
    if not isinstance(given, torch.Tensor):
        return False
    return kind == TENSOR or given in call.tensors.values or number_of(given) is None


def _plain_number(call: TorchCall, given: Any) -> bool | int | float:
    """A number as it is, whole ones whole; refused where it follows the input's size."""
    if isinstance(given, torch.Tensor):
        given = given.item()
    if isinstance(given, (bool, int)) and not isinstance(given, RunTimeSize):
        return given
    return call.number(given)


# --- arithmetic ------------------------------------------------------------------------------------------------------

MERGES = {
    "add": "Add",
    "__add__": "Add",
    "__radd__": "Add",
    "sub": "Sub",
    "__sub__": "Sub",
    "subtract": "Sub",
    "mul": "Mul",
    "__mul__": "Mul",
    "__rmul__": "Mul",
    "multiply": "Mul",
    "div": "Div",
    "__truediv__": "Div",
    "divide": "Div",
    "true_divide": "Div",
    "maximum": "Maximum",
    "minimum": "Minimum",
}


@handles(*MERGES)
def _merge(call: TorchCall) -> Value:
    words = call.bound("input other alpha", alpha=1, rounding_mode=None)
    op_name = MERGES[call.registered]
    a = words.input
    b = words.other
    if words.alpha != 1:
        # Of a number too: x + alpha * 3.
        alpha = call.number(words.alpha)
        b = call.add("Scale", b, factor=alpha) if _is_tensor(call, b, TENSOR) else b * alpha
    if words.rounding_mode is not None:
        return _rounded_quotient(call, a, b, words.rounding_mode)

    # What depends on the input is no number, whatever its shape.
    depends = b in call.tensors.values
    number = None if depends else number_of(b)
    if number is not None:
        return _with_number(call, op_name, a, number)
    if _is_operand(a) and _is_operand(b):
        return call.add(op_name, a, b)
    raise call.refused(f"{call.name} of a tensor and {b!r}")


def _rounded_quotient(call: TorchCall, a: Any, b: Any, mode: str) -> Value:
    """A quotient that is rounded down or towards 0."""
    if mode == "floor":
        return joined(call, "floor_divide", [a, b])
    number = None if b in call.tensors.values else number_of(b)
    if number is None:
        quotient = call.add("Div", a, b)
    else:
        quotient = _with_number(call, "Div", a, number)
    return pointwise(call, "trunc", quotient)


def _with_number(call: TorchCall, op_name: str, x: Any, number: float) -> Value:
    """A tensor plus, minus, times or over a number."""
    if op_name == "Add":
        return _scaled(call, x, number, offset=float(number))
    if op_name == "Sub":
        return _scaled(call, x, number, offset=-float(number))
    if op_name == "Mul":
        return _scaled(call, x, number, factor=float(number))
    if op_name == "Div":
        inverse = math.inf if number == 0 else 1 / number
        return call.add("Scale", x, factor=inverse)
    raise call.refused(f"{call.name} of a tensor and a number")


def _scaled(call: TorchCall, x: Any, number: float, **arguments: float) -> Value:
    """A tensor with numbers made of ``number``: of whole numbers and a whole one, whole numbers."""
    made = call.add("Scale", x, **arguments)
    if not isinstance(x, torch.Tensor) or x.is_floating_point():
        return made
    dtype = torch.result_type(x, number)
    is_whole = not (dtype.is_floating_point or dtype.is_complex)
    return call.add("To", made, dtype=str(dtype).removeprefix("torch.")) if is_whole else made


@handles("rsub", "__rsub__")
def _reversed_difference(call: TorchCall) -> Value:
    words = call.bound("input other alpha", alpha=1)
    if words.alpha != 1:
        raise call.refused(f"{call.name} with alpha or rounding_mode")

    number = number_of(words.other)
    if number is None:
        return call.add("Sub", words.other, words.input)
    offset = float(number)
    return _scaled(call, words.input, number, factor=-1.0, offset=offset)


@handles("__rtruediv__", "__rdiv__")
def _reversed_quotient(call: TorchCall) -> Value:
    x, other = call.args
    number = number_of(other)
    if number is None:
        return call.add("Div", other, x)

    inverse = call.add("Pointwise", x, function="reciprocal")
    if number == 1:
        return inverse
    return call.add("Scale", inverse, factor=float(number))


# --- joins -----------------------------------------------------------------------------------------------------------


@handles("cat", "concat", "concatenate")
def _concat(call: TorchCall) -> Value:
    words = call.bound("tensors dim", dim=0)
    dim = words.dim
    tensors = list(words.tensors)
    if len(tensors) == 1:
        return call.value(tensors[0])

    sizes_of_zeros = [call.tensors.zeros.get(tensor) for tensor in tensors]

    if len(tensors) == 2:
        before, behind = sizes_of_zeros
        if before is not None and behind is None:
            return _padded(call, tensors[1], dim, before, in_front=True)
        if behind is not None and before is None:
            return _padded(call, tensors[0], dim, behind, in_front=False)
    if dim == 1:
        return call.add("Concat", *tensors)
    return call.add("Concat", *tensors, dim=dim)


def _padded(
    call: TorchCall, tensor: Any, dim: int, zeros: tuple[Any, ...], *, in_front: bool
) -> Value:
    """A tensor with zeros of these sizes before or behind it."""
    value = call.value(tensor)
    rank = len(value.shape)
    dim %= rank
    others = [other for other in range(rank) if other != dim]
    fit = len(zeros) == rank and all(is_size(zeros[d], value, d) for d in others)
    if not fit:
        raise call.refused("zeros are joined that are not of the other tensor's size")

    # torch counts padding from the last dim: (before, behind) of each.
    (count,) = call.sizes(zeros[dim])
    padding: list[Any] = [0] * (2 * (rank - dim))
    padding[-2 if in_front else -1] = count
    axes = min(rank - dim, 3)
    return call.add(f"ZeroPad{axes}d", value, padding=tuple(padding))


@handles("stack")
def _stack(call: TorchCall) -> Value:
    words = call.bound("tensors dim", dim=0)
    if len(words.tensors) == 1:
        return call.add("Unsqueeze", *words.tensors, dim=words.dim)
    if words.dim == 0:
        return call.add("Stack", *words.tensors)
    return call.add("Stack", *words.tensors, dim=words.dim)
