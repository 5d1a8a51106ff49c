"""Functions of each element, and of several tensors: activations, arithmetic, joins."""

from __future__ import annotations

import math
from typing import Any, get_args

import torch

from tracer.importing.recording import Value
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.ops.pointwise import Function
from tracer.torch_bridge.dispatch import TorchCall, handles, is_size, number_of
from tracer.torch_bridge.modules import defaults_of

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
    names = " ".join(["input", *defaults])
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
    least = -math.inf if words.min is None else words.min
    most = math.inf if words.max is None else words.max
    for bound in (least, most):
        if isinstance(bound, torch.Tensor):
            raise call.refused(f"{call.name} by tensors")
    bounds = {"min_val": call.number(least), "max_val": call.number(most)}
    return call.add("Hardtanh", words.input, **bounds)


POINTWISE: dict[str, str] = {
    **{name: name for name in get_args(Function)},
    "negative": "neg",
    "absolute": "abs",
    "__neg__": "neg",
}


@handles(*POINTWISE)
def _pointwise(call: TorchCall) -> Value:
    words = call.bound("input")
    function = POINTWISE[call.registered]
    if function == "abs":
        call.made_dtype = call.dtype.to_real()
    return call.add("Pointwise", words.input, function=function)


POWERS = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}


@handles("pow", "__pow__")
def _power(call: TorchCall) -> Value:
    words = call.bound("input exponent")
    exponent = number_of(words.exponent)
    function = None if exponent is None else POWERS.get(exponent)
    if function is None:
        raise call.refused(f"the power {words['exponent']!r}")
    return call.add("Pointwise", words.input, function=function)


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
    if words.alpha != 1 or words.rounding_mode is not None:
        raise call.refused(f"{call.name} with alpha or rounding_mode")

    op_name = MERGES[call.registered]
    a = words.input
    b = words.other

    # What depends on the input is no number, whatever its shape.
    depends = b in call.tensors.values
    number = None if depends else number_of(b)
    if number is not None:
        return _with_number(call, op_name, a, number)
    if all(isinstance(one, (torch.Tensor, RunTimeSize, RunTimeQuotient)) for one in (a, b)):
        return call.add(op_name, a, b)
    raise call.refused(f"{call.name} of a tensor and {b!r}")


def _with_number(call: TorchCall, op_name: str, x: Any, number: float) -> Value:
    """A tensor plus, minus, times or over a number."""
    if op_name == "Add":
        return call.add("Scale", x, offset=float(number))
    if op_name == "Sub":
        return call.add("Scale", x, offset=-float(number))
    if op_name == "Mul":
        return call.add("Scale", x, factor=float(number))
    if op_name == "Div":
        inverse = math.inf if number == 0 else 1 / number
        return call.add("Scale", x, factor=inverse)
    raise call.refused(f"{call.name} of a tensor and a number")


@handles("rsub", "__rsub__")
def _reversed_difference(call: TorchCall) -> Value:
    words = call.bound("input other alpha", alpha=1)
    if words.alpha != 1:
        raise call.refused(f"{call.name} with alpha or rounding_mode")

    number = number_of(words.other)
    if number is None:
        return call.add("Sub", words.other, words.input)
    offset = float(number)
    return call.add("Scale", words.input, factor=-1.0, offset=offset)


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
        return call.add("Identity", *tensors)

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
