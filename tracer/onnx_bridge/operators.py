"""ONNX operators on tensors as operations, one handler each.

Where ONNX says something else than torch (asymmetric padding, ``auto_pad``, sizes of several inputs), the handler makes
the steps that come to the same. What has none is refused by name.

To add one, write its handler here and decorate it with :func:`handles`; nothing else changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracer.importing.recording import Value
from tracer.importing.run_time_sizes import RunTimeSize, same_size, uniform
from tracer.onnx_bridge.calls import OnnxCall
from tracer.onnx_bridge.constants import Weight, numpy_kind
from tracer.onnx_bridge.sizes import as_object, larger, sizes_of

Handler = Callable[[OnnxCall], Any]
TENSORS: dict[str, Handler] = {}
"""The handlers by the operator's name."""

MODULES: set[str] = set()
"""Operators that are the whole of a module: their node is called as the module is."""

Written = dict[str, Any]
"""Arguments of an operation, in the order in which they are written."""

END = 2**31 - 1
"""Slices end here or further on where they take all that is left."""


def handles(*names: str, whole_module: bool = False) -> Callable[[Handler], Handler]:
    """Register a handler for operators of these names.

    ``whole_module`` where such a node is all that its module does (Conv, but not Add): the node gets the module's name.
    """

    def register(handler: Handler) -> Handler:
        for name in names:
            if name in TENSORS:
                raise ValueError(f"a handler of {name} is registered twice")
            TENSORS[name] = handler
            if whole_module:
                MODULES.add(name)
        return handler

    return register


def is_int(n: Any, number: int | None = None) -> bool:
    """True where a size does not depend on the input's, and is that number."""
    if not isinstance(n, int) or isinstance(n, RunTimeSize):
        return False
    return number is None or n == number


def are_all(sizes: Iterable[Any], number: int) -> bool:
    """True where sizes are that number for every size of the input."""
    return all(is_int(n, number) for n in sizes)


# --- sizes -----------------------------------------------------------------------------------------------------------


@handles("Shape")
def _shape(call: OnnxCall) -> Any:
    dims = call.recording.dims(call.x)
    taken = slice(call.get("start", None), call.get("end", None))
    return sizes_of(dims[taken])


@handles("Size")
def _size(call: OnnxCall) -> Any:
    dims = call.recording.dims(call.x)
    count = math.prod(dims)
    return sizes_of([count]).reshape(())


# --- windows ---------------------------------------------------------------------------------------------------------


PerAxis = Sequence[int]
Pads = Sequence[Any]
"""The padding of each axis, which may depend on the input's size."""


@dataclass(frozen=True)
class OnnxWindow:
    """The window of a convolution or pooling, per axis."""

    kernel: PerAxis
    stride: PerAxis
    dilation: PerAxis
    before: Pads
    after: Pads

    @property
    def is_symmetric(self) -> bool:
        """True where torch's one number per axis says the padding."""
        padding = [*self.before, *self.after]
        return all(map(is_int, padding)) and self.before == self.after

    def padding(self) -> list[Any]:
        """As torch's pad takes it: the last axis first, each before and after."""
        found = []
        for axis in reversed(range(len(self.kernel))):
            found += [self.before[axis], self.after[axis]]
        return found

    def arguments(self) -> Written:
        """Those of torch's class that are not its defaults; the padding only where it is symmetric."""
        found: Written = {"kernel_size": uniform(self.kernel)}
        if not are_all(self.stride, 1):
            found["stride"] = uniform(self.stride)
        if not are_all(self.dilation, 1):
            found["dilation"] = uniform(self.dilation)
        if self.is_symmetric and any(self.before):
            found["padding"] = uniform(self.before)
        return found


def _window(call: OnnxCall, kernel: PerAxis) -> OnnxWindow:
    """The window of a convolution or pooling with this kernel."""
    axes = len(kernel)
    stride = call.per_axis("strides", axes, 1, 1)
    dilation = call.per_axis("dilations", axes, 1, 1)
    before, after = _explicit_pads(call, axes)

    automatic = _automatic(call)
    if automatic.startswith("SAME"):
        totals = []
        dims = call.recording.dims(call.x)
        for i, n in enumerate(dims[-axes:]):
            extent = (kernel[i] - 1) * dilation[i] + 1
            total = _missing(n, extent, stride[i])
            totals.append(total)
        before, after = _shared_out(totals, automatic)
    return OnnxWindow(kernel, stride, dilation, before, after)


def _explicit_pads(call: OnnxCall, axes: int) -> tuple[Pads, Pads]:
    pads = call.per_axis("pads", 2 * axes, 0, 0)
    return pads[:axes], pads[axes:]


def _automatic(call: OnnxCall) -> str:
    """The way of padding, which is NOTSET where it is given."""
    automatic = call.text("auto_pad", "NOTSET")
    if automatic not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise call.refused(f"auto_pad is {automatic!r}")
    if automatic != "NOTSET" and any(call.get("pads", [])):
        raise call.refused(f"pads are given beside the auto_pad {automatic}")
    return automatic


def _kernel(call: OnnxCall, axes: int, weight: PerAxis | None = None) -> list[int]:
    """The kernel, which the attribute and the weights' shape both say."""
    if weight is None:
        call.needed("kernel_shape")
    elif len(weight) != axes + 2:
        raise call.refused(f"its weights have the shape {list(weight)}")

    kernel = call.per_axis("kernel_shape", axes, 1, 1)
    if weight is None:
        return kernel
    own = list(weight[2:])
    if "kernel_shape" in call.attributes and kernel != own:
        raise call.refused(f"kernel_shape is {kernel}; its weights have {own}")
    return own


def _missing(n: Any, extent: int, stride: int) -> Any:
    """The padding with which a window has as many positions as strides begin: ceil(n / stride)."""
    positions = (n + stride - 1) // stride
    covered = (positions - 1) * stride + extent
    return larger(covered - n, 0)


def _shared_out(totals: Sequence[Any], automatic: str) -> tuple[Pads, Pads]:
    """Padding before and after, by axis: of an odd total, the one more is after for SAME_UPPER, before otherwise."""
    less = [total // 2 for total in totals]
    more = [total - half for total, half in zip(totals, less)]
    return (less, more) if automatic == "SAME_UPPER" else (more, less)


def _axes(call: OnnxCall) -> int:
    """The number of spatial axes, for which torch has a class."""
    rank = call.rank
    if not 3 <= rank <= 5:
        raise call.refused(f"{call.op_type} of {rank} dims")
    return rank - 2


def _padded(call: OnnxCall, window: OnnxWindow) -> Value:
    """The input, padded by zeros where torch's class cannot pad it."""
    if window.is_symmetric:
        return call.x
    return _pad_beside(call, call.x, window.padding(), "padding")


def _pad_beside(call: OnnxCall, x: Value, padding: Pads, label: str) -> Value:
    """One more step beside the node's own, which pads by zeros."""
    axes = len(x.shape) - 2
    op_name = f"ZeroPad{axes}d"
    return call.add_beside(label, op_name, x, padding=tuple(padding))


def _check_vector(call: OnnxCall, index: int, count: int) -> None:
    """Raise where an input is there and is no list of so many weights."""
    if call.has(index) and call.shape(index) != (count,):
        found = list(call.shape(index))
        raise call.refused(f"its input {index + 1} has the shape {found}; it needs [{count}]")


def _grouped(call: OnnxCall, group: int) -> Written:
    """The arguments of a convolution that are left out where they are torch's defaults."""
    found: Written = {}
    if group != 1:
        found["groups"] = group
    if not call.has(2):
        found["bias"] = False
    return found


@handles("Conv", whole_module=True)
def _convolution(call: OnnxCall) -> Value:
    axes = _axes(call)
    weight = call.shape(1)
    group = call.get("group", 1)
    window = _window(call, _kernel(call, axes, weight))
    _check_vector(call, 2, weight[0])

    arguments: Written = {
        "in_channels": weight[1] * group,
        "out_channels": weight[0],
        **window.arguments(),
        **_grouped(call, group),
    }
    x = _padded(call, window)
    return call.add(f"Conv{axes}d", x, **arguments)


@handles("ConvTranspose", whole_module=True)
def _transposed(call: OnnxCall) -> Value:
    axes = _axes(call)
    weight = call.shape(1)
    group = call.get("group", 1)
    extra = call.per_axis("output_padding", axes, 0, 0)
    window = _transposed_window(call, _kernel(call, axes, weight), extra)
    _check_vector(call, 2, weight[1] * group)

    arguments: Written = {
        "in_channels": weight[0],
        "out_channels": weight[1] * group,
        **window.arguments(),
    }
    if any(extra):
        arguments["output_padding"] = uniform(extra)
    arguments |= _grouped(call, group)
    made = call.add(f"ConvTranspose{axes}d", call.x, **arguments)

    # What torch's class cannot cut off evenly is cut off behind it.
    if window.is_symmetric:
        return made
    crop = [-n for n in window.padding()]
    return _pad_beside(call, made, crop, "crop")


def _transposed_window(call: OnnxCall, kernel: PerAxis, extra: PerAxis) -> OnnxWindow:
    """The window of a transposed convolution, whose padding is cut off; ``extra`` is its output padding."""
    axes = len(kernel)
    stride = call.per_axis("strides", axes, 1, 1)
    dilation = call.per_axis("dilations", axes, 1, 1)
    before, after = _explicit_pads(call, axes)

    wanted = None
    if "output_shape" in call.attributes:
        wanted = call.per_axis("output_shape", axes, 0, 1)
    automatic = _automatic(call)
    if wanted or automatic.startswith("SAME"):
        totals = []
        dims = call.recording.dims(call.x)[2:]
        for i, n in enumerate(dims):
            extent = (kernel[i] - 1) * dilation[i] + 1
            spread = stride[i] * (n - 1) + extent
            full = spread + extra[i]
            target = wanted[i] if wanted else n * stride[i]
            if full < target:
                raise call.invalid(
                    f"its output of {int(target)} is larger than its windows reach"
                )
            totals.append(full - target)
        before, after = _shared_out(totals, automatic)
    return OnnxWindow(kernel, stride, dilation, before, after)


# --- pooling ---------------------------------------------------------------------------------------------------------


def _pool_arguments(call: OnnxCall, window: OnnxWindow) -> Written:
    """The arguments that the classes of pooling share."""
    arguments = window.arguments()

    # torch's default is the kernel, ONNX's is 1.
    if "stride" not in arguments and not are_all(window.kernel, 1):
        arguments["stride"] = 1
    if arguments.get("stride") == arguments["kernel_size"]:
        del arguments["stride"]

    # What is padded automatically has its size by that.
    if call.get("ceil_mode", 0) and _automatic(call) == "NOTSET":
        if not window.is_symmetric:
            raise call.refused(f"{call.op_type} with uneven padding, rounded up")
        arguments["ceil_mode"] = True
    return arguments


def _refuse_dilation(call: OnnxCall, window: OnnxWindow) -> None:
    if not are_all(window.dilation, 1):
        raise call.refused(f"{call.op_type} with dilations")


@handles("MaxPool", whole_module=True)
def _max_pool(call: OnnxCall) -> Value:
    axes = _axes(call)
    window = _window(call, _kernel(call, axes))
    arguments = _pool_arguments(call, window)

    x = call.x
    if not window.is_symmetric:
        op_name = f"ConstantPad{axes}d"
        padding = tuple(window.padding())
        lowest = -math.inf
        x = call.add_beside("padding", op_name, x, padding=padding, value=lowest)
    return call.add(f"MaxPool{axes}d", x, **arguments)


@handles("AveragePool", whole_module=True)
def _average_pool(call: OnnxCall) -> Value:
    axes = _axes(call)
    window = _window(call, _kernel(call, axes))
    arguments = _pool_arguments(call, window)
    _refuse_dilation(call, window)

    counts_padding = bool(call.get("count_include_pad", 0))
    if not window.is_symmetric and not counts_padding:
        raise call.refused("AveragePool that leaves uneven padding out of its means")
    if "padding" in arguments and not counts_padding:
        arguments["count_include_pad"] = False

    x = _padded(call, window)
    return call.add(f"AvgPool{axes}d", x, **arguments)


@handles("LpPool")
def _power_pool(call: OnnxCall) -> Value:
    axes = _axes(call)
    window = _window(call, _kernel(call, axes))
    arguments = _pool_arguments(call, window)
    _refuse_dilation(call, window)

    if any(window.before) or any(window.after):
        raise call.refused("LpPool with padding")
    norm = float(call.get("p", 2))
    return call.add(f"LPPool{axes}d", call.x, norm_type=norm, **arguments)


@handles("GlobalAveragePool", whole_module=True)
def _global_average(call: OnnxCall) -> Value:
    op_name = f"AdaptiveAvgPool{_axes(call)}d"
    return call.add(op_name, call.x, output_size=1)


@handles("GlobalMaxPool", whole_module=True)
def _global_max(call: OnnxCall) -> Value:
    op_name = f"AdaptiveMaxPool{_axes(call)}d"
    return call.add(op_name, call.x, output_size=1)


# --- norms -----------------------------------------------------------------------------------------------------------


def _epsilon(call: OnnxCall) -> Written:
    epsilon = round(float(call.get("epsilon", 1e-5)), 12)
    is_default = math.isclose(epsilon, 1e-5, rel_tol=1e-6)
    return {} if is_default else {"eps": epsilon}


@handles("BatchNormalization", whole_module=True)
def _batch_norm(call: OnnxCall) -> Value:
    axes = max(call.rank - 2, 1)
    if not call.get("spatial", 1):
        raise call.refused("BatchNormalization of every place by itself")
    channels = call.shape(1)[0]
    for index in range(1, 5):
        _check_vector(call, index, channels)
    arguments: Written = {"num_features": channels, **_epsilon(call)}
    return call.add(f"BatchNorm{axes}d", call.x, **arguments)


@handles("InstanceNormalization", whole_module=True)
def _instance_norm(call: OnnxCall) -> Value:
    axes = max(call.rank - 2, 1)
    channels = call.shape(1)[0]
    arguments: Written = {"num_features": channels, **_epsilon(call)}
    return call.add(f"InstanceNorm{axes}d", call.x, **arguments, affine=True)


@handles("GroupNormalization", whole_module=True)
def _group_norm(call: OnnxCall) -> Value:
    groups = call.needed("num_groups")
    channels = call.x.shape[1]
    if call.shape(1) != (channels,) or (call.opset < 21 and groups != channels):
        raise call.refused("GroupNormalization with a scale for each group")
    arguments: Written = {"num_groups": groups, **_epsilon(call)}
    return call.add("GroupNorm", call.x, **arguments)


@handles("LayerNormalization", whole_module=True)
def _layer_norm(call: OnnxCall) -> Value:
    rank = call.rank
    axis = call.axis("axis", -1)
    shape = call.shape(1)
    if len(shape) != rank - axis:
        raise call.refused("LayerNormalization whose scale has another number of dims")

    normalized = shape[0] if len(shape) == 1 else shape
    arguments: Written = {"normalized_shape": normalized, **_epsilon(call)}
    if not call.has(2):
        arguments["bias"] = False
    return call.add("LayerNorm", call.x, **arguments)


@handles("LRN")
def _local_norm(call: OnnxCall) -> Value:
    arguments: Written = {
        "size": call.needed("size"),
        "alpha": call.get("alpha", 1e-4),
        "beta": call.rounded("beta", 0.75),
        "k": call.rounded("bias", 1.0),
    }
    return call.add("LocalResponseNorm", call.x, **arguments)


# --- linear maps -----------------------------------------------------------------------------------------------------


@handles("Gemm", whole_module=True)
def _gemm(call: OnnxCall) -> Value:
    if call.is_tensor(1) or call.is_tensor(2):
        raise call.refused("Gemm of several tensors")
    if call.rank != 2:
        raise call.refused(f"Gemm of {call.rank} dims")

    x = call.x
    if call.get("transA", 0):
        x = call.add_beside("turned", "Permute", x, dims=(1, 0))

    weight = call.shape(1)
    is_turned = call.get("transB", 0)
    out, into = weight if is_turned else reversed(weight)
    arguments: Written = {"in_features": into, "out_features": out}

    alpha, beta = call.rounded("alpha", 1.0), call.rounded("beta", 1.0)
    has_bias = call.has(2)
    is_plain = alpha == beta == 1 and has_bias and call.shape(2) in ((out,), (1, out))
    if is_plain:
        return call.add("Linear", x, **arguments)

    # The steps of the formula one by one: alpha times the product, plus beta times the bias.
    y = call.add("Linear", x, **arguments, bias=False)
    if alpha != 1:
        y = call.add_beside("scaled", "Scale", y, factor=alpha)
    if not has_bias or not beta:
        return y
    return _plus_bias(call, y, beta)


def _plus_bias(call: OnnxCall, y: Value, beta: float) -> Value:
    """A product plus ``beta`` times the third input, which is broadcast to it."""
    bias = call.tensor(2)
    if len(bias.shape) > len(y.shape):
        raise call.refused(f"its bias has the shape {list(bias.shape)}")
    if beta != 1:
        bias = call.add_beside("bias", "Scale", bias, factor=beta)
    made = call.add_beside("plus", "Add", y, bias)
    if not all(map(same_size, made.sizes, y.sizes)):
        raise call.refused(f"its bias has the shape {list(bias.shape)}")
    return made


@handles("MatMul")
def _matmul(call: OnnxCall) -> Value:
    has_weight = call.is_tensor(0) and not call.is_tensor(1)
    if not has_weight or len(call.shape(1)) != 2:
        return call.add("MatMul", *call.tensors())

    into, out = call.shape(1)
    arguments = {"in_features": into, "out_features": out, "bias": False}
    return call.add("Linear", call.x, **arguments)


# --- activations -----------------------------------------------------------------------------------------------------

ACTIVATIONS: Mapping[str, str] = {
    "HardSwish": "Hardswish",
    "Mish": "Mish",
    "Relu": "ReLU",
    "Sigmoid": "Sigmoid",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Tanh": "Tanh",
}


@handles(*ACTIVATIONS)
def _activation(call: OnnxCall) -> Value:
    op_name = ACTIVATIONS[call.op_type]
    return call.add(op_name, call.x)


def _with_slope(call: OnnxCall, op_name: str, argument: str, default: float) -> Value:
    """An activation with the factor ``alpha``, which is left out where it is the default of both."""
    alpha = call.rounded("alpha", default)
    arguments = {} if alpha == default else {argument: alpha}
    return call.add(op_name, call.x, **arguments)


@handles("LeakyRelu")
def _leaky_relu(call: OnnxCall) -> Value:
    return _with_slope(call, "LeakyReLU", "negative_slope", 0.01)


@handles("Elu")
def _elu(call: OnnxCall) -> Value:
    return _with_slope(call, "ELU", "alpha", 1.0)


@handles("Celu")
def _celu(call: OnnxCall) -> Value:
    return _with_slope(call, "CELU", "alpha", 1.0)


@handles("Swish")
def _swish(call: OnnxCall) -> Value:
    if call.get("alpha", 1.0) != 1.0:
        raise call.refused("Swish with a factor")
    return call.add("SiLU", call.x)


SELU_ALPHA = 1.67326319
SELU_GAMMA = 1.05070102


@handles("Selu")
def _selu(call: OnnxCall) -> Value:
    alpha = call.get("alpha", SELU_ALPHA)
    gamma = call.get("gamma", SELU_GAMMA)
    is_usual = math.isclose(alpha, SELU_ALPHA, rel_tol=1e-6)
    if not is_usual or not math.isclose(gamma, SELU_GAMMA, rel_tol=1e-6):
        raise call.refused("Selu with factors of its own")
    return call.add("SELU", call.x)


@handles("HardSigmoid")
def _hard_sigmoid(call: OnnxCall) -> Value:
    alpha = call.get("alpha", 0.2)
    beta = call.get("beta", 0.5)
    has_slope_of_torch = math.isclose(alpha, 1 / 6, rel_tol=1e-5)
    if has_slope_of_torch and beta == 0.5:
        return call.add("Hardsigmoid", call.x)

    factor = round(float(alpha), 9)
    offset = float(beta)
    scaled = call.add("Scale", call.x, factor=factor, offset=offset)
    return call.add("Hardtanh", scaled, min_val=0.0, max_val=1.0)


@handles("Gelu")
def _gelu(call: OnnxCall) -> Value:
    approximate = call.text("approximate", "none")
    arguments = {} if approximate == "none" else {"approximate": approximate}
    return call.add("GELU", call.x, **arguments)


@handles("PRelu", whole_module=True)
def _prelu(call: OnnxCall) -> Value:
    slope = call.shape(1)
    count = math.prod(slope)
    is_by_channel = call.rank > 1 and slope[: 2 - call.rank or None] in ((count,), (1, count))
    if count != 1 and not is_by_channel:
        raise call.refused(f"PRelu with slopes of the shape {list(slope)}")
    arguments = {} if count == 1 else {"num_parameters": count}
    return call.add("PReLU", call.x, **arguments)


@handles("Clip")
def _clip(call: OnnxCall) -> Value:
    least = _bound(call, "min", 1, -math.inf)
    most = _bound(call, "max", 2, math.inf)
    if (least, most) == (0.0, 6.0):
        return call.add("ReLU6", call.x)
    return call.add("Hardtanh", call.x, min_val=least, max_val=most)


def _bound(call: OnnxCall, word: str, index: int, default: float) -> float:
    """A bound of Clip: an input, or an attribute in older files."""
    if word in call.attributes:
        return float(call.attributes[word])
    if not call.has(index):
        return default
    given = call.number(index)
    if given is None:
        raise call.refused("Clip by a tensor")
    return given


@handles("Softmax", "LogSoftmax")
def _softmax(call: OnnxCall) -> Value:
    rank = call.rank
    is_old = call.opset < 13
    axis = call.axis("axis", 1 if is_old else -1)

    # It was over all dims from the axis on.
    if is_old and axis != rank - 1:
        raise call.refused(f"{call.op_type} over several dims")
    return call.add(call.op_type, call.x, dim=axis)


# --- elementwise -----------------------------------------------------------------------------------------------------

FUNCTIONS: Mapping[str, str] = {
    "Abs": "abs",
    "Ceil": "ceil",
    "Cos": "cos",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "Log": "log",
    "Neg": "neg",
    "Reciprocal": "reciprocal",
    "Round": "round",
    "Sign": "sign",
    "Sin": "sin",
    "Sqrt": "sqrt",
    "Tan": "tan",
}


@handles(*FUNCTIONS)
def _function(call: OnnxCall) -> Value:
    return _pointwise(call, call.x, FUNCTIONS[call.op_type])


def _pointwise(call: OnnxCall, x: Value, function: str) -> Value:
    return call.add("Pointwise", x, function=function)


POWERS: Mapping[float | None, str] = {
    2.0: "square",
    0.5: "sqrt",
    -0.5: "rsqrt",
    -1.0: "reciprocal",
}


@handles("Pow")
def _power(call: OnnxCall) -> Value:
    power = call.number(1)
    function = POWERS.get(power)
    if function is None or not call.is_tensor(0):
        raise call.refused(f"the power {power}")
    return _pointwise(call, call.x, function)


MERGES: Mapping[str, str] = {
    "Add": "Add",
    "Div": "Div",
    "Max": "Maximum",
    "Min": "Minimum",
    "Mul": "Mul",
    "Sub": "Sub",
    "Sum": "Add",
}


@handles(*MERGES)
def _merge(call: OnnxCall) -> Value:
    count = len(call.given)
    if count == 1:
        return call.x
    if "axis" in call.attributes:
        raise call.refused(f"{call.op_type} that is aligned at an axis")

    op_name = MERGES[call.op_type]
    if count == 2 and op_name in WITH_NUMBER and _keeps_rank(call):
        left, right = call.number(0), call.number(1)
        if right is not None:
            return _by_number(call, op_name, right)
        if left is not None:
            return WITH_NUMBER[op_name](call, left)
    return call.add(op_name, *call.tensors())


def _keeps_rank(call: OnnxCall) -> bool:
    """True where the tensor of two inputs has as many dims as the other one, or more."""
    tensors = [value for value in call.given if isinstance(value, Value)]
    others = [
        value for value in call.given if not isinstance(value, Value) and value is not None
    ]
    return all(len(other.shape) <= len(tensors[0].shape) for other in others)


def _by_number(call: OnnxCall, op_name: str, number: float) -> Value:
    """A tensor plus, minus, times or over a number."""
    if op_name in ("Add", "Sub"):
        offset = number if op_name == "Add" else -number
        return call.add("Scale", call.x, offset=offset)

    factor = number
    if op_name == "Div":
        factor = 1 / number if number else math.inf
    return call.add("Scale", call.x, factor=factor)


def _number_plus(call: OnnxCall, number: float) -> Value:
    x = call.tensor(1)
    return call.add("Scale", x, offset=number)


def _number_minus(call: OnnxCall, number: float) -> Value:
    x = call.tensor(1)
    return call.add("Scale", x, factor=-1.0, offset=number)


def _number_times(call: OnnxCall, number: float) -> Value:
    x = call.tensor(1)
    return call.add("Scale", x, factor=number)


def _number_over(call: OnnxCall, number: float) -> Value:
    x = call.tensor(1)
    inverse = _pointwise(call, x, "reciprocal")
    if number == 1:
        return inverse
    return call.add("Scale", inverse, factor=number)


WITH_NUMBER: Mapping[str, Callable[..., Value]] = {
    "Add": _number_plus,
    "Div": _number_over,
    "Mul": _number_times,
    "Sub": _number_minus,
}
"""The handler of each for a number and a tensor, in that order."""


@handles("Identity", "Dropout")
def _kept(call: OnnxCall) -> Value:
    return call.x


@handles("CastLike")
def _cast_like(call: OnnxCall) -> Value:
    if not call.is_tensor(1):
        like = call.given[1]
        is_weight = isinstance(like, Weight)
        kind = like.kind if is_weight else numpy_kind(like)
        if kind not in FLOATS:
            raise call.refused("a tensor is turned into integers or truth values")
    return call.tensor(0)


FLOATS = {1, 10, 11, 16}
"""TensorProto's numbers of the floating-point types."""


@handles("Cast")
def _cast(call: OnnxCall) -> Value:
    if call.needed("to") not in FLOATS:
        raise call.refused("a tensor is turned into integers or truth values")
    return call.x


# --- parts of tensors ------------------------------------------------------------------------------------------------


@handles("Concat")
def _concat(call: OnnxCall) -> Value:
    tensors = call.tensors()
    call.needed("axis")
    axis = call.axis("axis", 1, len(tensors[0].shape))
    if len(tensors) == 1:
        return tensors[0]
    arguments = {} if axis == 1 else {"dim": axis}
    return call.add("Concat", *tensors, **arguments)


@handles("Split")
def _split(call: OnnxCall) -> list[Value]:
    x = call.x
    axis = call.axis("axis", 0)
    sizes = call.sizes(1, "split")
    n = call.recording.size(x, axis)

    if sizes is None:
        count = call.get("num_outputs", call.outputs)
        if count != call.outputs:
            raise call.refused(f"num_outputs is {count}; it has {call.outputs} outputs")
        if call.opset < 18 and n % count != 0:
            raise call.invalid(f"dim {axis} of {int(n)} has no {count} equal parts")

        # Parts of one size, as far as there is something left.
        full = (n + count - 1) // count
        if (count - 1) * full >= n:
            raise call.invalid(f"dim {axis} of {int(n)} has no {count} parts")
        if not is_int(n):
            return call.recording.add_chunks(x, count, axis)
        sizes = [min(full, n - start) for start in range(0, n, full)]

    if len(sizes) != call.outputs or any(size < 0 for size in sizes) or sum(sizes) != n:
        written = list(map(int, sizes))
        raise call.invalid(f"split is {written} for {call.outputs} parts of {int(n)}")

    found = []
    start: Any = 0
    for size in sizes:
        stop = start + size
        found.append(_cut(call, x, axis, start, stop))
        start = stop
    return found


def _cut(
    call: OnnxCall,
    x: Value,
    axis: int,
    start: Any,
    stop: Any,
    step: int = 1,
) -> Value:
    """A slice of one dim; the tensor itself where it is all of it."""
    arguments: Written = {"dim": axis}
    if not is_int(start, 0):
        arguments["start"] = start

    is_rest = is_int(stop) and stop >= END
    if not is_rest and not same_size(stop, x.sizes[axis]):
        arguments["stop"] = stop
    if step != 1:
        arguments["step"] = step

    is_whole = len(arguments) == 1
    if is_whole:
        return x
    return call.add("Slice", x, **arguments)


@handles("Slice")
def _slice(call: OnnxCall) -> Value:
    x = call.x
    starts = call.needed_sizes(1, "starts")
    ends = call.needed_sizes(2, "ends")
    axes = call.axes(3, len(x.shape))
    if axes is None:
        axes = list(range(len(starts)))
    steps = call.sizes(4)
    if steps is None:
        steps = [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise call.refused("its starts, ends, axes and steps are not equally many")

    for start, end, dim, step in zip(starts, ends, axes, steps):
        if not is_int(step) or step < 1:
            raise call.refused(f"a slice with the step {int(step)}")
        first = _from_start(call, x, dim, start)
        stop = _from_start(call, x, dim, end)
        x = _cut(call, x, dim, first, stop, step)
    return x


def _from_start(call: OnnxCall, x: Value, dim: int, n: Any) -> Any:
    """A bound of a slice, counted from the start where it depends on the input's size."""
    is_negative = isinstance(n, RunTimeSize) and n < 0
    if not is_negative:
        return n
    return n + call.recording.size(x, dim)


@handles("Gather")
def _gather(call: OnnxCall) -> Value:
    x = call.x
    axis = call.axis("axis", 0)
    indices = as_object(call.array(1))
    n = call.recording.size(x, axis)
    places = [_place(call, index, n) for index in call.needed_sizes(1)]
    if indices.ndim == 0:
        (place,) = places
        return _selected(call, x, axis, place)

    if indices.ndim != 1 or not places:
        raise call.refused("Gather of other indices than a range")
    first = places[0]
    is_range = all(same_size(place - first, step) for step, place in enumerate(places))
    if not is_range:
        raise call.refused("Gather of other indices than a range")
    return _cut(call, x, axis, first, places[-1] + 1)


def _place(call: OnnxCall, index: Any, n: Any) -> Any:
    """A position of a dim of n, counted from the start. What is outside is refused, for other sizes too."""
    if index < -n or index >= n:
        raise call.invalid(f"the index {int(index)} of a dim of {int(n)}")
    return index + n if index < 0 else index


def _selected(call: OnnxCall, x: Value, axis: int, place: Any) -> Value:
    """One position of a dim, which is dropped."""
    one = _cut(call, x, axis, place, place + 1)
    if is_int(one.sizes[axis]):
        return call.add("Squeeze", one, dim=axis)

    dims = list(call.recording.dims(one))
    del dims[axis]
    return call.add("Reshape", one, shape=tuple(dims))


# --- rearrangements --------------------------------------------------------------------------------------------------


@handles("Reshape")
def _reshape(call: OnnxCall) -> Value:
    x = call.x
    sizes = call.needed_sizes(1, "shape")
    if not call.get("allowzero", 0):
        dims = call.recording.dims(x)
        for i, n in enumerate(sizes):
            if is_int(n, 0):
                sizes[i] = dims[i]
    return call.add("Reshape", x, shape=tuple(sizes))


@handles("Flatten")
def _flatten(call: OnnxCall) -> Value:
    x = call.x
    rank = len(x.shape)
    axis = call.get("axis", 1)
    if axis != rank:
        axis = call.axis("axis", 1)
    if axis == 1 and rank > 1:
        return call.add("Flatten", x)

    dims = call.recording.dims(x)
    lead = math.prod(dims[:axis])
    return call.add("Reshape", x, shape=(lead, -1))


@handles("Transpose")
def _transpose(call: OnnxCall) -> Value:
    backwards = reversed(range(call.rank))
    order = tuple(call.get("perm", backwards))
    if sorted(order) != list(range(call.rank)):
        raise call.refused(f"perm is {list(order)}; the input has {call.rank} dims")
    return call.add("Permute", call.x, dims=order)


@handles("Squeeze")
def _squeeze(call: OnnxCall) -> Value:
    x = call.x
    dims = call.axes(1, len(x.shape))
    if dims is None:
        return call.add("Squeeze", x)

    for dim in dims:
        if not is_int(x.sizes[dim], 1):
            raise call.refused(f"dim {dim} of {list(x.shape)} is not always 1")
    return call.add("Squeeze", x, dim=uniform(dims))


@handles("Unsqueeze")
def _unsqueeze(call: OnnxCall) -> Value:
    x = call.x
    rank = len(x.shape) + len(call.needed_sizes(1, "axes"))
    for axis in sorted(call.axes(1, rank) or []):
        x = call.add("Unsqueeze", x, dim=axis)
    return x


@handles("Expand")
def _expand(call: OnnxCall) -> Value:
    x = call.x
    sizes = call.needed_sizes(1)
    if any(n < 0 for n in sizes):
        raise call.refused(f"its shape is {list(map(int, sizes))}")

    # Both are aligned at the last dim; what the shape leaves out before is kept.
    missing = len(x.shape) - len(sizes)
    sizes = [1] * missing + sizes
    new = len(sizes) - len(x.shape)

    shape = sizes[:new]
    for n, size in zip(sizes[new:], x.sizes):
        is_kept = is_int(n, 1) or same_size(n, size)
        shape.append(-1 if is_kept else n)

    changes_nothing = not new and are_all(shape, -1)
    if changes_nothing:
        return x
    return call.add("Expand", x, shape=tuple(shape))


@handles("Tile")
def _tile(call: OnnxCall) -> Value:
    x = call.x
    repeats = call.needed_sizes(1)
    if call.opset < 6 or len(repeats) != len(x.shape):
        raise call.refused(f"its input 2 must be a number for each of {len(x.shape)} dims")
    for dim, n in enumerate(repeats):
        if not is_int(n) or not 1 <= n <= 256:
            raise call.refused(f"{int(n)} copies along dim {dim}")
        if n > 1:
            arguments = {} if dim == 1 else {"dim": dim}
            x = call.add("Concat", *[x] * n, **arguments)
    return x


@handles("DepthToSpace")
def _depth_to_space(call: OnnxCall) -> Value:
    if call.text("mode", "DCR") != "CRD":
        raise call.refused("DepthToSpace in the mode DCR; torch's pixel shuffle is CRD")
    factor = call.needed("blocksize")
    return call.add("PixelShuffle", call.x, upscale_factor=factor)


# --- padding ---------------------------------------------------------------------------------------------------------

PADS: Mapping[str, str] = {
    "constant": "ConstantPad",
    "edge": "ReplicationPad",
    "reflect": "ReflectionPad",
    "wrap": "CircularPad",
}
"""The operation of each mode, but for the number of its axes."""


@handles("Pad")
def _pad(call: OnnxCall) -> Value:
    x = call.x
    padding = _torch_padding(call, len(x.shape))
    if not padding:
        return x

    mode = call.text("mode", "constant")
    value = _pad_value(call)
    if mode not in PADS or value is None:
        raise call.refused(f"Pad in the mode {mode!r}")

    axes = len(padding) // 2
    if mode != "constant" and axes > len(x.shape) - 2:
        raise call.refused(f"Pad of all dims in the mode {mode!r}")

    name = PADS[mode]
    arguments: Written = {"padding": uniform(padding)}
    if mode == "constant":
        name = "ConstantPad" if value else "ZeroPad"
    if name == "ConstantPad":
        arguments["value"] = float(value)

    op_name = f"{name}{min(axes, 3)}d"
    return call.add(op_name, x, **arguments)


def _pad_value(call: OnnxCall) -> float | None:
    """The number that a Pad puts there; None where it is no constant."""
    if call.has(2):
        return call.number(2)
    value: float = call.get("value", 0.0)
    return value


def _torch_padding(call: OnnxCall, rank: int) -> list[Any]:
    """As torch's pad takes it: the last dim first, each before and after, up to the first one that is padded."""
    amounts = call.needed_sizes(1, "pads")
    dims = call.axes(3, rank)
    if dims is None:
        dims = list(range(rank))
    half = len(dims)
    if len(amounts) != 2 * half:
        raise call.refused(f"pads has {len(amounts)} values; {half} dims need {2 * half}")

    before = [0] * rank
    after = [0] * rank
    for dim, first, last in zip(dims, amounts[:half], amounts[half:]):
        before[dim] = first
        after[dim] = last

    found: list[Any] = []
    for first, last in zip(reversed(before), reversed(after)):
        found += [first, last]
    while found and are_all(found[-2:], 0):
        del found[-2:]
    return found


# --- resizing --------------------------------------------------------------------------------------------------------

MODES: Mapping[tuple[str, int], str] = {
    ("linear", 1): "linear",
    ("linear", 2): "bilinear",
    ("linear", 3): "trilinear",
    ("cubic", 2): "bicubic",
}
"""torch's mode for ONNX's, by the number of spatial axes."""

Factors = Sequence[Any]

HALF_PIXEL = ("half_pixel", "pytorch_half_pixel")


@handles("Resize", "Upsample")
def _resize(call: OnnxCall) -> Value:
    x = call.x
    how = _resize_how(call, _axes(call))
    scales, sizes = _resize_wanted(call)

    rank = len(x.shape)
    dims = range(rank) if "axes" not in call.attributes else call.axes(0, rank) or []
    wanted = sizes or scales
    if not wanted or (sizes and scales):
        raise call.refused("it needs scales or sizes, and not both")
    if len(wanted) != len(dims):
        raise call.refused(f"it has {len(wanted)} scales or sizes for {len(dims)} dims")
    if sizes:
        return _resize_to(call, x, dims, sizes, how)
    return _resize_by(call, x, dims, wanted, how)


def _resize_wanted(call: OnnxCall) -> tuple[Factors | None, Factors | None]:
    """The factors and the sizes, of which one is there."""
    if call.op_type == "Upsample":
        return call.get("scales", None) or _floats(call, 1), None
    if call.opset < 11:
        return _floats(call, 1), None
    return _floats(call, 2), call.sizes(3)


def _resize_by(
    call: OnnxCall,
    x: Value,
    dims: PerAxis,
    scales: Factors,
    how: Written,
) -> Value:
    """A resize by factors of some dims."""
    factors = [1.0] * len(x.shape)
    for dim, factor in zip(dims, scales):
        factors[dim] = float(factor)
    if factors[:2] != [1.0, 1.0]:
        raise call.refused("Resize of the batch or of the channels")

    factor = uniform(factors[2:])
    return call.add("Interpolate", x, scale_factor=factor, **how)


def _resize_to(
    call: OnnxCall,
    x: Value,
    dims: PerAxis,
    sizes: Factors,
    how: Written,
) -> Value:
    """A resize to sizes of some dims."""
    policy = call.text("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        raise call.refused("Resize that keeps the aspect ratio")

    wanted = list(call.recording.dims(x))
    for dim, n in zip(dims, sizes):
        wanted[dim] = n
    keeps_channels = all(map(same_size, wanted[:2], x.sizes))
    if not keeps_channels:
        raise call.refused("Resize of the batch or of the channels")

    size = call.recording.target(wanted[2:], 2)
    if not isinstance(size, Value):
        size = uniform(size)
    return call.add("Interpolate", x, size=size, **how)


def _floats(call: OnnxCall, index: int) -> list[float] | None:
    array = call.array(index)
    if array is None or not array.size:
        return None
    if array.dtype == object:
        raise call.refused("factors that are computed from the input's size")
    return [float(n) for n in array.reshape(-1)]


def _resize_how(call: OnnxCall, axes: int) -> Written:
    """The arguments of torch's interpolate that take the same positions."""
    if call.get("extrapolation_value", 0.0):
        raise call.refused("Resize that fills in a number outside")
    place = call.text("coordinate_transformation_mode", "half_pixel")
    if call.op_type == "Upsample" or call.opset < 11:
        place = "asymmetric"

    mode = call.text("mode", "nearest")
    if mode == "nearest":
        return _nearest(call, place)
    if mode == "bilinear":
        mode = "linear"
    return _interpolated(call, mode, place, axes)


def _nearest(call: OnnxCall, place: str) -> Written:
    how = call.text("nearest_mode", "round_prefer_floor")
    if place == "asymmetric" and (how == "floor" or call.opset < 11):
        return {}
    if place in HALF_PIXEL and how == "round_prefer_ceil":
        return {"mode": "nearest-exact"}
    raise call.refused(f"Resize to the nearest by {place} and {how}")


def _interpolated(call: OnnxCall, mode: str, place: str, axes: int) -> Written:
    aligns_corners = place == "align_corners"
    is_known = aligns_corners or place in HALF_PIXEL
    if (mode, axes) not in MODES or not is_known:
        raise call.refused(f"Resize in the mode {mode} by {place} of {axes} axes")

    if call.get("exclude_outside", 0):
        raise call.refused("Resize that leaves out what is outside")
    coefficient = call.get("cubic_coeff_a", -0.75)
    if mode == "cubic" and not math.isclose(coefficient, -0.75):
        raise call.refused("Resize by another cubic than torch's")

    found: Written = {"mode": MODES[mode, axes], "align_corners": aligns_corners}
    if call.get("antialias", 0):
        found["antialias"] = True
    return found


# --- reductions ------------------------------------------------------------------------------------------------------

REDUCTIONS: Mapping[str, str] = {
    "ReduceMax": "Amax",
    "ReduceMean": "Mean",
    "ReduceMin": "Amin",
    "ReduceSum": "Sum",
}


@handles(*REDUCTIONS)
def _reduction(call: OnnxCall) -> Value:
    return _reduced(call, REDUCTIONS[call.op_type])


@handles("ReduceSumSquare")
def _sum_of_squares(call: OnnxCall) -> Value:
    return _reduced(call, "Sum", "square")


@handles("ReduceL2")
def _norm(call: OnnxCall) -> Value:
    if _reduces_nothing(call):
        return call.x
    total = _reduced(call, "Sum", "square")
    return _pointwise(call, total, "sqrt")


def _reduces_nothing(call: OnnxCall) -> bool:
    """True where no axes are given and that says none, not all."""
    has_axes = bool(call.sizes(1, "axes"))
    reduces_nothing = not has_axes and bool(call.get("noop_with_empty_axes", 0))
    if reduces_nothing and call.op_type in ("ReduceL2", "ReduceSumSquare"):
        raise call.refused(f"{call.op_type} of nothing")
    return reduces_nothing


def _reduced(call: OnnxCall, op_name: str, function: str | None = None) -> Value:
    """A reduction, of a function of the input where one is given."""
    x = call.x
    if _reduces_nothing(call):
        return x

    dims = call.axes(1, len(x.shape))
    arguments: Written = {}
    if dims:
        arguments["dim"] = uniform(dims)
    if call.get("keepdims", 1):
        arguments["keepdim"] = True

    if function is not None:
        x = _pointwise(call, x, function)
    return call.add(op_name, x, **arguments)
