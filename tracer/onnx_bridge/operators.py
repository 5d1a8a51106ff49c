"""ONNX operators on tensors as operations, one handler each.

Where ONNX says something else than torch (asymmetric padding, ``auto_pad``, sizes of several inputs), the handler makes
the steps that come to the same. What has none is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from tracer.importing.recording import Value
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.onnx_bridge.calls import OnnxCall
from tracer.onnx_bridge.sizes import larger, sizes_of
from tracer.sizing.symbol import SizeLike

Handler = Callable[[OnnxCall], Any]
TENSORS: dict[str, Handler] = {}
"""The handlers by the operator's name."""

MODULES: set[str] = set()
"""Operators that are the whole of a module: their node is called as the module is."""

END = 2**31 - 1
"""Slices end here or further on where they take all that is left."""


def handles(*names: str, whole_module: bool = False) -> Callable[[Handler], Handler]:
    """Register a handler for operators of these names.

    ``whole_module`` where such a node is all that its module does (Conv, but not Add): the node gets the module's name.
    """

    def register(handler: Handler) -> Handler:
        for name in names:
            assert name not in TENSORS, name
            TENSORS[name] = handler
            if whole_module:
                MODULES.add(name)
        return handler

    return register


def text(value: Any, default: str = "") -> str:
    """An attribute's text."""
    return default if value is None else value.decode() if isinstance(value, bytes) else str(value)


def uniform(values: Sequence[Any]) -> Any:
    """One number where all are the same."""
    plain = not any(isinstance(n, RunTimeSize) for n in values)
    return values[0] if plain and len(set(values)) == 1 else tuple(values)


def is_int(n: Any) -> bool:
    """Whether a size does not depend on the input's."""
    return isinstance(n, int) and not isinstance(n, RunTimeSize)


# --- sizes -----------------------------------------------------------------------------------------------------------


@handles("Shape")
def _shape(call: OnnxCall) -> Any:
    dims = call.recording.dims(call.x)
    return sizes_of(dims[call.attributes.get("start", 0) : call.attributes.get("end", len(dims))])


@handles("Size")
def _size(call: OnnxCall) -> Any:
    return sizes_of([math.prod(call.recording.dims(call.x))]).reshape(())


# --- windows ---------------------------------------------------------------------------------------------------------


class OnnxWindow:
    """The window of a convolution or pooling: its kernel, stride, dilation and padding per axis."""

    def __init__(self, call: OnnxCall, kernel: Sequence[int]) -> None:
        axes = len(kernel)
        self.kernel = list(kernel)
        self.stride = list(call.attributes.get("strides", [1] * axes))
        self.dilation = list(call.attributes.get("dilations", [1] * axes))
        pads = list(call.attributes.get("pads", [0] * 2 * axes))
        self.before, self.after = pads[:axes], pads[axes:]
        automatic = text(call.attributes.get("auto_pad"), "NOTSET")
        if automatic == "VALID":
            self.before, self.after = [0] * axes, [0] * axes
        if automatic.startswith("SAME"):
            self._same(call, automatic == "SAME_UPPER")

    def _same(self, call: OnnxCall, upper: bool) -> None:
        """As many positions as strides: ceil(n / stride)."""
        dims = call.recording.dims(call.x)[-len(self.kernel) :]
        for i, n in enumerate(dims):
            extent = (self.kernel[i] - 1) * self.dilation[i] + 1
            missing: Any = (
                ((n + self.stride[i] - 1) // self.stride[i] - 1) * self.stride[i] + extent - n
            )
            total = larger(missing, 0)
            less = total // 2
            self.before[i], self.after[i] = (less, total - less) if upper else (total - less, less)

    @property
    def is_symmetric(self) -> bool:
        """Whether torch's one number per axis says the padding."""
        return all(is_int(a) and is_int(b) and a == b for a, b in zip(self.before, self.after))

    def padding(self) -> list[Any]:
        """As torch's pad takes it: the last axis first, each before and after."""
        return [n for pair in reversed(list(zip(self.before, self.after))) for n in pair]

    def arguments(self, padded: bool) -> dict[str, Any]:
        """Those of torch's class that are not its defaults."""
        found: dict[str, Any] = {"kernel_size": uniform(self.kernel)}
        for word, values in (("stride", self.stride), ("dilation", self.dilation)):
            if any(n != 1 for n in values):
                found[word] = uniform(values)
        if not padded and any(self.before):
            found["padding"] = uniform(self.before)
        return found


def _axes(call: OnnxCall) -> int:
    axes = len(call.x.shape) - 2
    if not 1 <= axes <= 3:
        raise call.refused(f"{call.op_type} of {len(call.x.shape)} dims")
    return axes


@handles("Conv", whole_module=True)
def _convolution(call: OnnxCall) -> Value:
    axes, weight = _axes(call), call.shape(1)
    group = call.attributes.get("group", 1)
    window = OnnxWindow(call, call.attributes.get("kernel_shape", weight[2:]))
    arguments = {
        "in_channels": weight[1] * group,
        "out_channels": weight[0],
        **window.arguments(not window.is_symmetric),
    }
    if group != 1:
        arguments["groups"] = group
    if not call.has(2):
        arguments["bias"] = False
    x = call.x
    if not window.is_symmetric:
        x = call.recording.add(
            f"ZeroPad{axes}d", [x], {"padding": tuple(window.padding())}, f"{call.label}_padding"
        )
    return call.add(f"Conv{axes}d", [x], arguments)


@handles("ConvTranspose", whole_module=True)
def _transposed(call: OnnxCall) -> Value:
    axes, weight = _axes(call), call.shape(1)
    group = call.attributes.get("group", 1)
    window = OnnxWindow.__new__(OnnxWindow)
    automatic = text(call.attributes.get("auto_pad"), "NOTSET")
    kernel = list(call.attributes.get("kernel_shape", weight[2:]))
    stride = list(call.attributes.get("strides", [1] * axes))
    dilation = list(call.attributes.get("dilations", [1] * axes))
    extra = list(call.attributes.get("output_padding", [0] * axes))
    pads = list(call.attributes.get("pads", [0] * 2 * axes))
    wanted = call.attributes.get("output_shape")
    if wanted or automatic.startswith("SAME"):
        dims = call.recording.dims(call.x)[2:]
        for i, n in enumerate(dims):
            full = stride[i] * (n - 1) + extra[i] + (kernel[i] - 1) * dilation[i] + 1
            target = list(wanted)[-axes:][i] if wanted else n * stride[i]
            total = full - target
            upper = automatic == "SAME_UPPER"
            less = total // 2
            pads[i], pads[axes + i] = (less, total - less) if upper else (total - less, less)
    window.kernel, window.stride, window.dilation = kernel, stride, dilation
    window.before, window.after = pads[:axes], pads[axes:]
    arguments = {
        "in_channels": weight[0], "out_channels": weight[1] * group, **window.arguments(not window.is_symmetric)
    }  # fmt: skip
    if any(extra):
        arguments["output_padding"] = uniform(extra)
    if group != 1:
        arguments["groups"] = group
    if not call.has(2):
        arguments["bias"] = False
    made = call.add(f"ConvTranspose{axes}d", [call.x], arguments)
    if window.is_symmetric:
        return made
    crop = tuple(-n for n in window.padding())
    return call.recording.add(f"ZeroPad{axes}d", [made], {"padding": crop}, f"{call.label}_crop")


@handles("LpPool")
@handles("MaxPool", "AveragePool", whole_module=True)
def _pool(call: OnnxCall) -> Value:
    axes = _axes(call)
    window = OnnxWindow(call, call.attributes["kernel_shape"])
    arguments = window.arguments(not window.is_symmetric)
    if "stride" not in arguments and any(n != 1 for n in window.kernel):
        arguments["stride"] = 1  # torch's default is the kernel
    if arguments.get("stride") == arguments["kernel_size"]:
        del arguments["stride"]
    if call.attributes.get("ceil_mode", 0):
        arguments["ceil_mode"] = True
    x = call.x
    if call.op_type == "MaxPool":
        if not window.is_symmetric:
            padding = {"padding": tuple(window.padding()), "value": -math.inf}
            x = call.recording.add(f"ConstantPad{axes}d", [x], padding, f"{call.label}_padding")
        return call.add(f"MaxPool{axes}d", [x], arguments)
    if any(n != 1 for n in window.dilation):
        raise call.refused(f"{call.op_type} with dilations")
    if call.op_type == "LpPool":
        if any(window.before) or any(window.after):
            raise call.refused("LpPool with padding")
        return call.add(
            f"LPPool{axes}d", [x], {"norm_type": float(call.attributes.get("p", 2)), **arguments}
        )
    counted = bool(call.attributes.get("count_include_pad", 0))
    if not window.is_symmetric:
        if not counted:
            raise call.refused("AveragePool that leaves uneven padding out of its means")
        x = call.recording.add(
            f"ZeroPad{axes}d", [x], {"padding": tuple(window.padding())}, f"{call.label}_padding"
        )
    elif not counted and "padding" in arguments:
        arguments["count_include_pad"] = False
    return call.add(f"AvgPool{axes}d", [x], arguments)


@handles("GlobalAveragePool", "GlobalMaxPool", whole_module=True)
def _global_pool(call: OnnxCall) -> Value:
    kind = "Avg" if call.op_type == "GlobalAveragePool" else "Max"
    return call.add(f"Adaptive{kind}Pool{_axes(call)}d", [call.x], {"output_size": 1})


# --- norms, linear maps ----------------------------------------------------------------------------------------------


@handles("BatchNormalization", "InstanceNormalization", whole_module=True)
def _channel_norm(call: OnnxCall) -> Value:
    axes = max(len(call.x.shape) - 2, 1)
    batch = call.op_type == "BatchNormalization"
    arguments: dict[str, Any] = {"num_features": call.shape(1)[0], **_epsilon(call)}
    return call.add(
        f"{'Batch' if batch else 'Instance'}Norm{axes}d",
        [call.x],
        arguments | ({} if batch else {"affine": True}),
    )


def _epsilon(call: OnnxCall) -> dict[str, Any]:
    epsilon = round(float(call.attributes.get("epsilon", 1e-5)), 12)
    return {} if math.isclose(epsilon, 1e-5, rel_tol=1e-6) else {"eps": epsilon}


@handles("GroupNormalization", whole_module=True)
def _group_norm(call: OnnxCall) -> Value:
    return call.add(
        "GroupNorm", [call.x], {"num_groups": call.attributes["num_groups"], **_epsilon(call)}
    )


@handles("LayerNormalization", whole_module=True)
def _layer_norm(call: OnnxCall) -> Value:
    axis = call.attributes.get("axis", -1) % len(call.x.shape)
    shape = call.shape(1)
    if len(shape) != len(call.x.shape) - axis:
        raise call.refused("LayerNormalization whose scale has another number of dims")
    arguments: dict[str, Any] = {
        "normalized_shape": uniform(shape) if len(shape) == 1 else shape,
        **_epsilon(call),
    }
    return call.add("LayerNorm", [call.x], arguments | ({} if call.has(2) else {"bias": False}))


@handles("LRN")
def _local_norm(call: OnnxCall) -> Value:
    words = {"size": call.attributes["size"], "alpha": call.attributes.get("alpha", 1e-4)}
    more = {"beta": call.attributes.get("beta", 0.75), "k": call.attributes.get("bias", 1.0)}
    return call.add(
        "LocalResponseNorm", [call.x], {**words, **{w: round(float(v), 9) for w, v in more.items()}}
    )


@handles("Gemm", whole_module=True)
def _gemm(call: OnnxCall) -> Value:
    if call.attributes.get("transA", 0):
        raise call.refused("Gemm that turns its input")
    if call.is_tensor(1) or (call.is_tensor(2)):
        raise call.refused("Gemm of several tensors")
    weight = call.shape(1)
    out, into = weight if call.attributes.get("transB", 0) else weight[::-1]
    return call.add(
        "Linear",
        [call.x],
        {"in_features": into, "out_features": out, **({} if call.has(2) else {"bias": False})},
    )


@handles("MatMul")
def _matmul(call: OnnxCall) -> Value:
    if call.is_tensor(0) and not call.is_tensor(1) and len(call.shape(1)) == 2:
        into, out = call.shape(1)
        return call.add(
            "Linear", [call.x], {"in_features": into, "out_features": out, "bias": False}
        )
    return call.add("MatMul", [call.tensor(0), call.tensor(1)])


# --- elementwise -----------------------------------------------------------------------------------------------------

ACTIVATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "Relu": ("ReLU", {}), "LeakyRelu": ("LeakyReLU", {"alpha": "negative_slope"}), "Elu": ("ELU", {"alpha": "alpha"}),
    "Celu": ("CELU", {"alpha": "alpha"}), "Sigmoid": ("Sigmoid", {}), "Tanh": ("Tanh", {}),
    "Softplus": ("Softplus", {}), "Softsign": ("Softsign", {}), "HardSwish": ("Hardswish", {}), "Mish": ("Mish", {}),
    "Swish": ("SiLU", {}),
}  # fmt: skip
ONNX_DEFAULTS = {"LeakyRelu": 0.01, "Elu": 1.0, "Celu": 1.0}


@handles(*ACTIVATIONS)
def _activation(call: OnnxCall) -> Value:
    op_name, words = ACTIVATIONS[call.op_type]
    if call.op_type == "Swish" and call.attributes.get("alpha", 1.0) != 1.0:
        raise call.refused("Swish with a factor")
    arguments = {}
    for word, ours in words.items():
        value = round(float(call.attributes.get(word, ONNX_DEFAULTS[call.op_type])), 9)
        if value != ONNX_DEFAULTS[call.op_type]:
            arguments[ours] = value
    return call.add(op_name, [call.x], arguments)


@handles("Selu")
def _selu(call: OnnxCall) -> Value:
    alpha, gamma = (
        call.attributes.get("alpha", 1.67326319),
        call.attributes.get("gamma", 1.05070102),
    )
    if not math.isclose(alpha, 1.67326319, rel_tol=1e-6) or not math.isclose(
        gamma, 1.05070102, rel_tol=1e-6
    ):
        raise call.refused("Selu with factors of its own")
    return call.add("SELU", [call.x])


@handles("HardSigmoid")
def _hard_sigmoid(call: OnnxCall) -> Value:
    alpha, beta = call.attributes.get("alpha", 0.2), call.attributes.get("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-5) and beta == 0.5:
        return call.add("Hardsigmoid", [call.x])
    scaled = call.add("Scale", [call.x], {"factor": round(float(alpha), 9), "offset": float(beta)})
    return call.add("Hardtanh", [scaled], {"min_val": 0.0, "max_val": 1.0})


@handles("Gelu")
def _gelu(call: OnnxCall) -> Value:
    approximate = text(call.attributes.get("approximate"), "none")
    return call.add("GELU", [call.x], {} if approximate == "none" else {"approximate": approximate})


@handles("PRelu", whole_module=True)
def _prelu(call: OnnxCall) -> Value:
    count = math.prod(call.shape(1))
    return call.add("PReLU", [call.x], {"num_parameters": count} if count != 1 else {})


@handles("Clip")
def _clip(call: OnnxCall) -> Value:
    bounds = []
    for i, (word, default) in enumerate((("min", -math.inf), ("max", math.inf)), 1):
        given = call.attributes.get(word, call.number(i) if call.has(i) else default)
        if given is None:
            raise call.refused("Clip by a tensor")
        bounds.append(float(given))
    if bounds == [0.0, 6.0]:
        return call.add("ReLU6", [call.x])
    return call.add("Hardtanh", [call.x], {"min_val": bounds[0], "max_val": bounds[1]})


@handles("Softmax", "LogSoftmax")
def _softmax(call: OnnxCall) -> Value:
    rank = len(call.x.shape)
    axis = call.attributes.get("axis", -1 if call.opset >= 13 else 1) % rank
    if call.opset < 13 and axis != rank - 1:
        raise call.refused(f"{call.op_type} over several dims")
    return call.add(call.op_type, [call.x], {"dim": axis})


FUNCTIONS = {
    "Abs": "abs", "Ceil": "ceil", "Cos": "cos", "Erf": "erf", "Exp": "exp", "Floor": "floor", "Log": "log",
    "Neg": "neg", "Reciprocal": "reciprocal", "Round": "round", "Sign": "sign", "Sin": "sin", "Sqrt": "sqrt",
    "Tan": "tan",
}  # fmt: skip


@handles(*FUNCTIONS)
def _function(call: OnnxCall) -> Value:
    return call.add("Pointwise", [call.x], {"function": FUNCTIONS[call.op_type]})


@handles("Pow")
def _power(call: OnnxCall) -> Value:
    function = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}.get(
        call.number(1) or 0.0
    )
    if function is None or not call.is_tensor(0):
        raise call.refused(f"the power {call.number(1)}")
    return call.add("Pointwise", [call.x], {"function": function})


MERGES = {
    "Add": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "Div": "Div",
    "Max": "Maximum",
    "Min": "Minimum",
    "Sum": "Add",
}


@handles(*MERGES)
def _merge(call: OnnxCall) -> Value:
    op_name = MERGES[call.op_type]
    if len(call.given) == 1:
        return call.x
    numbers = [call.number(i) for i in range(len(call.given))]
    if (
        len(call.given) == 2
        and op_name in ("Add", "Sub", "Mul", "Div")
        and any(n is not None for n in numbers)
    ):
        return _with_number(call, op_name, numbers)
    return call.add(op_name, [call.tensor(i) for i in range(len(call.given))])


def _with_number(call: OnnxCall, op_name: str, numbers: Sequence[float | None]) -> Value:
    """Arithmetic of a tensor and a number."""
    left, right = numbers
    if right is not None:
        scaled = {
            "Add": {"offset": right}, "Sub": {"offset": -right}, "Mul": {"factor": right},
            "Div": {"factor": 1 / right if right else math.inf},
        }[op_name]  # fmt: skip
        return call.add("Scale", [call.tensor(0)], scaled)
    assert left is not None
    x = call.tensor(1)
    if op_name == "Div":
        x = call.add("Pointwise", [x], {"function": "reciprocal"})
        return x if left == 1 else call.add("Scale", [x], {"factor": left})
    scaled = {
        "Add": {"offset": left},
        "Sub": {"factor": -1.0, "offset": left},
        "Mul": {"factor": left},
    }[op_name]
    return call.add("Scale", [x], scaled)


@handles("Identity", "Dropout")
def _kept(call: OnnxCall) -> Value:
    return call.x


@handles("Cast", "CastLike")
def _cast(call: OnnxCall) -> Value:
    if call.op_type == "Cast" and call.attributes["to"] not in (1, 10, 11, 16):
        raise call.refused("a tensor is turned into integers or truth values")
    return call.x


# --- rearrangements --------------------------------------------------------------------------------------------------


@handles("Concat")
def _concat(call: OnnxCall) -> Value:
    axis = (
        call.attributes["axis"] % len(call.x.shape)
        if call.is_tensor(0)
        else call.attributes["axis"]
    )
    sources = [call.tensor(i) for i in range(len(call.given))]
    return call.add("Concat", sources, {} if axis == 1 else {"dim": axis})


@handles("Split")
def _split(call: OnnxCall) -> list[Value]:
    x, axis = call.x, call.attributes.get("axis", 0) % len(call.x.shape)
    sizes = call.sizes(1, "split")
    if sizes is None:
        count = call.attributes.get("num_outputs", call.outputs)
        n = call.recording.size(x, axis)
        if not is_int(n):
            return call.recording.add_chunks(x, count, axis)
        full = -(-n // count)
        sizes = [min(full, n - start) for start in range(0, n, full)]
    found, start = [], 0
    for size in sizes:
        found.append(_cut(call, x, axis, start, start + size))
        start = start + size
    return found


def _cut(call: OnnxCall, x: Value, axis: int, start: Any, stop: Any, step: int = 1) -> Value:
    """A slice of one dim; the tensor itself where it is all of it."""
    arguments: dict[str, Any] = {"dim": axis}
    if not (is_int(start) and start == 0):
        arguments["start"] = start
    if not (is_int(stop) and stop >= END) and not _same(stop, x.sizes[axis]):
        arguments["stop"] = stop
    if step != 1:
        arguments["step"] = step
    return x if len(arguments) == 1 else call.add("Slice", [x], arguments)


def _same(n: Any, size: SizeLike) -> bool:
    """Whether a size is another one for every size of the input."""
    own = n.size if isinstance(n, RunTimeSize) else n
    return own is size or (isinstance(own, int) and isinstance(size, int) and own == size)


@handles("Slice")
def _slice(call: OnnxCall) -> Value:
    x = call.x
    starts, ends = call.sizes(1, "starts"), call.sizes(2, "ends")
    assert starts is not None and ends is not None
    axes = call.sizes(3, "axes") or range(len(starts))
    steps = call.sizes(4) or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        if not is_int(step) or step < 1:
            raise call.refused(f"a slice with the step {int(step)}")
        dim = int(axis) % len(x.shape)
        bounds = []
        for n in (start, end):
            negative = isinstance(n, RunTimeSize) and n < 0
            bounds.append(n + call.recording.size(x, dim) if negative else n)
        x = _cut(call, x, dim, bounds[0], bounds[1], int(step))
    return x


@handles("Gather")
def _gather(call: OnnxCall) -> Value:
    x, axis = call.x, call.attributes.get("axis", 0) % len(call.x.shape)
    indices = numpy.asarray(call.array(1)).astype(int)
    if indices.ndim == 0:
        return _selected(call, x, axis, int(indices))
    flat = indices.reshape(-1).tolist()
    if indices.ndim != 1 or flat != list(range(flat[0], flat[0] + len(flat))):
        raise call.refused("Gather of other indices than a range")
    return _cut(call, x, axis, flat[0], flat[-1] + 1)


def _selected(call: OnnxCall, x: Value, axis: int, index: int) -> Value:
    """One position of a dim, which is dropped."""
    one = _cut(call, x, axis, index, END if index == -1 else index + 1)
    if is_int(one.sizes[axis]):
        return call.add("Squeeze", [one], {"dim": axis})
    dims = call.recording.dims(one)
    return call.add("Reshape", [one], {"shape": (*dims[:axis], *dims[axis + 1 :])})


@handles("Reshape")
def _reshape(call: OnnxCall) -> Value:
    sizes = call.sizes(1, "shape")
    assert sizes is not None
    if not call.attributes.get("allowzero", 0):
        dims = call.recording.dims(call.x)
        sizes = [dims[i] if is_int(n) and n == 0 else n for i, n in enumerate(sizes)]
    return call.add("Reshape", [call.x], {"shape": tuple(sizes)})


@handles("Flatten")
def _flatten(call: OnnxCall) -> Value:
    axis = call.attributes.get("axis", 1) % (len(call.x.shape) + 1)
    if axis == 1 and len(call.x.shape) > 1:
        return call.add("Flatten", [call.x])
    lead = math.prod(call.recording.dims(call.x)[:axis])
    return call.add("Reshape", [call.x], {"shape": (lead, -1)})


@handles("Transpose")
def _transpose(call: OnnxCall) -> Value:
    rank = len(call.x.shape)
    return call.add(
        "Permute", [call.x], {"dims": tuple(call.attributes.get("perm", reversed(range(rank))))}
    )


@handles("Squeeze")
def _squeeze(call: OnnxCall) -> Value:
    axes = call.sizes(1, "axes")
    if axes is None:
        return call.add("Squeeze", [call.x])
    x = call.x
    for axis in axes:
        if x.sizes[int(axis)] != 1:
            raise call.refused(f"dim {int(axis)} of {list(x.shape)} is not always 1")
    return call.add("Squeeze", [x], {"dim": uniform([int(axis) for axis in axes])})


@handles("Unsqueeze")
def _unsqueeze(call: OnnxCall) -> Value:
    x, axes = call.x, call.sizes(1, "axes")
    assert axes is not None
    rank = len(x.shape) + len(axes)
    for axis in sorted(int(axis) % rank for axis in axes):
        x = call.add("Unsqueeze", [x], {"dim": axis})
    return x


@handles("Expand")
def _expand(call: OnnxCall) -> Value:
    x, sizes = call.x, call.sizes(1)
    assert sizes is not None
    before = len(sizes) - len(x.shape)
    if before < 0:
        sizes, before = [1] * -before + sizes, 0
    shape: list[Any] = []
    for i, n in enumerate(sizes):
        kept = i >= before and ((is_int(n) and n == 1) or _same(n, x.sizes[i - before]))
        shape.append(-1 if kept else n)
    return (
        x
        if not before and all(is_int(n) and n == -1 for n in shape)
        else call.add("Expand", [x], {"shape": tuple(shape)})
    )


@handles("Tile")
def _tile(call: OnnxCall) -> Value:
    x, times = call.x, call.sizes(1)
    assert times is not None
    for dim, n in enumerate(times):
        if not is_int(n) or not 1 <= n <= 256:
            raise call.refused(f"{int(n)} copies along dim {dim}")
        if n > 1:
            x = call.add("Concat", [x] * n, {} if dim == 1 else {"dim": dim})
    return x


PADS = {
    "constant": "ConstantPad",
    "reflect": "ReflectionPad",
    "edge": "ReplicationPad",
    "wrap": "CircularPad",
}


@handles("Pad")
def _pad(call: OnnxCall) -> Value:
    x, mode = call.x, text(call.attributes.get("mode"), "constant")
    amounts, value = call.sizes(1, "pads"), call.attributes.get("value", 0.0)
    assert amounts is not None
    if call.has(2):
        value = call.number(2)
    axes = [int(a) % len(x.shape) for a in call.sizes(3) or range(len(x.shape))]
    half = len(amounts) // 2
    pairs: dict[int, tuple[Any, Any]] = {
        a: (amounts[i], amounts[half + i]) for i, a in enumerate(axes)
    }
    used = [a for a, pair in pairs.items() if not all(is_int(n) and n == 0 for n in pair)]
    if not used:
        return x
    if mode not in PADS or value is None:
        raise call.refused(f"Pad in the mode {mode!r}")
    padding = [
        n for dim in range(len(x.shape) - 1, min(used) - 1, -1) for n in pairs.get(dim, (0, 0))
    ]
    name = PADS[mode] if mode != "constant" or value else "ZeroPad"
    if mode != "constant" and len(padding) // 2 > len(x.shape) - 2:
        raise call.refused(f"Pad of all dims in the mode {mode!r}")
    extra = {"value": float(value)} if name == "ConstantPad" else {}
    return call.add(
        f"{name}{min(len(padding) // 2, 3)}d", [x], {"padding": uniform(padding), **extra}
    )


@handles("DepthToSpace")
def _depth_to_space(call: OnnxCall) -> Value:
    if text(call.attributes.get("mode"), "DCR") != "CRD":
        raise call.refused("DepthToSpace in the mode DCR; torch's pixel shuffle is CRD")
    return call.add("PixelShuffle", [call.x], {"upscale_factor": call.attributes["blocksize"]})


# --- resizing --------------------------------------------------------------------------------------------------------

MODES = {
    ("linear", 1): "linear",
    ("linear", 2): "bilinear",
    ("linear", 3): "trilinear",
    ("cubic", 2): "bicubic",
}


@handles("Resize", "Upsample")
def _resize(call: OnnxCall) -> Value:
    x, axes = call.x, _axes(call)
    mode = text(call.attributes.get("mode"), "nearest")
    arguments: dict[str, Any] = _resize_how(call, "linear" if mode == "bilinear" else mode, axes)
    if call.op_type == "Upsample":
        scales, sizes = call.attributes.get("scales") or _floats(call, 1), None
    else:
        scales, sizes = (
            (_floats(call, 2), call.sizes(3)) if call.opset >= 11 else (_floats(call, 1), None)
        )
    chosen = [int(a) % len(x.shape) for a in call.attributes.get("axes", range(len(x.shape)))]
    if sizes:
        if text(call.attributes.get("keep_aspect_ratio_policy"), "stretch") != "stretch":
            raise call.refused("Resize that keeps the aspect ratio")
        dims = list(call.recording.dims(x))
        for axis, n in zip(chosen, sizes):
            dims[axis] = n
        _refuse_lead(call, dims[:2])
        wanted = call.recording.target(dims[2:], 2)
        return call.add(
            "Interpolate",
            [x],
            {"size": wanted if isinstance(wanted, Value) else uniform(wanted), **arguments},
        )
    factors = [1.0] * len(x.shape)
    for axis, factor in zip(chosen, scales or []):
        factors[axis] = float(factor)
    if factors[:2] != [1.0, 1.0]:
        raise call.refused("Resize of the batch or of the channels")
    return call.add("Interpolate", [x], {"scale_factor": uniform(factors[2:]), **arguments})


def _floats(call: OnnxCall, index: int) -> list[float] | None:
    array = call.array(index)
    if array is None or not array.size:
        return None
    if array.dtype == object:
        raise call.refused("factors that are computed from the input's size")
    return [float(n) for n in array.reshape(-1)]


def _refuse_lead(call: OnnxCall, lead: Sequence[Any]) -> None:
    for n, size in zip(lead, call.x.sizes):
        if not _same(n, size):
            raise call.refused("Resize of the batch or of the channels")


def _resize_how(call: OnnxCall, mode: str, axes: int) -> dict[str, Any]:
    """The arguments of torch's interpolate that take the same positions."""
    place = text(call.attributes.get("coordinate_transformation_mode"), "half_pixel")
    if call.op_type == "Upsample" or call.opset < 11:
        place = "asymmetric"
    if mode == "nearest":
        how = text(call.attributes.get("nearest_mode"), "round_prefer_floor")
        if place == "asymmetric" and (how == "floor" or call.opset < 11):
            return {}
        if place in ("half_pixel", "pytorch_half_pixel") and how == "round_prefer_ceil":
            return {"mode": "nearest-exact"}
        raise call.refused(f"Resize to the nearest by {place} and {how}")
    if (mode, axes) not in MODES or place not in (
        "half_pixel",
        "pytorch_half_pixel",
        "align_corners",
    ):
        raise call.refused(f"Resize in the mode {mode} by {place} of {axes} axes")
    if mode == "cubic" and not math.isclose(call.attributes.get("cubic_coeff_a", -0.75), -0.75):
        raise call.refused("Resize by another cubic than torch's")
    found: dict[str, Any] = {"mode": MODES[mode, axes], "align_corners": place == "align_corners"}
    return found | ({"antialias": True} if call.attributes.get("antialias", 0) else {})


# --- reductions ------------------------------------------------------------------------------------------------------

REDUCTIONS: Mapping[str, str] = {
    "ReduceMean": "Mean",
    "ReduceSum": "Sum",
    "ReduceMax": "Amax",
    "ReduceMin": "Amin",
}


@handles(*REDUCTIONS, "ReduceL2", "ReduceSumSquare")
def _reduction(call: OnnxCall) -> Value:
    x, axes = call.x, call.sizes(1, "axes")
    if not axes and call.attributes.get("noop_with_empty_axes", 0):
        return x
    arguments: dict[str, Any] = {"dim": uniform([int(a) for a in axes])} if axes else {}
    if call.attributes.get("keepdims", 1):
        arguments["keepdim"] = True
    if call.op_type in REDUCTIONS:
        return call.add(REDUCTIONS[call.op_type], [x], arguments)
    total = call.add("Sum", [call.add("Pointwise", [x], {"function": "square"})], arguments)
    return (
        total
        if call.op_type == "ReduceSumSquare"
        else call.add("Pointwise", [total], {"function": "sqrt"})
    )
