"""Layers that are called as functions: convolutions, norms, pools, resizes, padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracer.importing.recording import Value
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize, same_size
from tracer.torch_bridge.dispatch import Sharing, TorchCall, handles, is_plain, uniform
from tracer.torch_bridge.modules import defaults_of

# --- windows ---------------------------------------------------------------------------------------------------------

POOL = "input kernel_size stride padding"
WINDOWS = {
    **{f"max_pool{d}d": (f"MaxPool{d}d", f"{POOL} dilation ceil_mode return_indices") for d in (1, 2, 3)},
    **{f"avg_pool{d}d": (f"AvgPool{d}d", f"{POOL} ceil_mode count_include_pad divisor_override") for d in (1, 2, 3)},
    **{f"lp_pool{d}d": (f"LPPool{d}d", "input norm_type kernel_size stride ceil_mode") for d in (1, 2, 3)},
    **{f"adaptive_avg_pool{d}d": (f"AdaptiveAvgPool{d}d", "input output_size") for d in (1, 2, 3)},
    **{f"adaptive_max_pool{d}d": (f"AdaptiveMaxPool{d}d", "input output_size return_indices") for d in (1, 2, 3)},
    "pixel_shuffle": ("PixelShuffle", "input upscale_factor"),
    "pixel_unshuffle": ("PixelUnshuffle", "input downscale_factor"),
    "channel_shuffle": ("ChannelShuffle", "input groups"),
    "unfold": ("Unfold", "input kernel_size dilation padding stride"),
    "fold": ("Fold", "input output_size kernel_size dilation padding stride"),
    "local_response_norm": ("LocalResponseNorm", "input size alpha beta k"),
}  # fmt: skip
"""The operation of each function, and its arguments in torch's order."""


@handles(*WINDOWS)
def _window(call: TorchCall) -> Value:
    return _slid(call, call.name)


@handles("Tensor.unfold", sharing=Sharing.VIEW)
def _sliding(call: TorchCall) -> Value:
    words = call.bound("input dimension size step")
    given = (words.dimension, words.size, words.step)
    dim, size, step = (_known(call, n) for n in given)
    return call.add("SlidingWindow", words.input, dim=dim, size=size, step=step)


WITH_INDICES = {f"max_pool{d}d_with_indices": f"max_pool{d}d" for d in (1, 2, 3)}
"""What torch calls where ``return_indices`` is set."""


@handles(*WITH_INDICES)
def _pool_with_indices(call: TorchCall) -> Any:
    pooled = _slid(call, WITH_INDICES[call.name])
    return pooled, call.tensors.indices_of(pooled)


def _slid(call: TorchCall, function: str) -> Value:
    """The step of a window that slides."""
    op_name, names = WINDOWS[function]
    words = call.arguments(names)
    x = words.pop("input")
    words.pop("return_indices", None)

    # torch writes "as the kernel" as an empty stride.
    given = {}
    for word, value in words.items():
        if value != ():
            given[word] = _known(call, value)
    unlike = _unlike(defaults_of(op_name), given)
    return call.add(op_name, x, **unlike)


UNPOOLS = {f"max_unpool{d}d": d for d in (1, 2, 3)}
"""The number of spatial dims of each."""


@handles(*UNPOOLS)
def _unpool(call: TorchCall) -> Value:
    words = call.bound(
        "input indices kernel_size stride padding output_size",
        stride=None,
        padding=0,
        output_size=None,
    )
    axes = UNPOOLS[call.name]
    given = {"kernel_size": words.kernel_size, "stride": words.stride, "padding": words.padding}
    arguments = _unlike(
        {"stride": None, "padding": 0}, {w: _known(call, n) for w, n in given.items()}
    )
    arguments["indices"] = pooled_of(call, words.indices)
    if words.output_size is not None:
        arguments["output_size"] = node_of_size(call, words.output_size, axes)
    return call.add(f"MaxUnpool{axes}d", words.input, **arguments)


def pooled_of(call: TorchCall, indices: Any) -> Value:
    """The pooled value that indices were given with."""
    pooled = call.tensors.indices.get(indices)
    if pooled is None:
        raise call.refused("indices that no max pooling of this network gives")
    return pooled


def node_of_size(call: TorchCall, output_size: Any, axes: int) -> Value:
    """The value that has the spatial sizes that are asked for."""
    sizes = call.sizes(output_size)[-axes:]
    wanted = call.recording.target(sizes, 2)
    if not isinstance(wanted, Value):
        given = tuple(map(int, sizes))
        raise call.refused(
            f"{call.label} is given the output_size {given}, which no tensor has"
        )
    return wanted


def _known(call: TorchCall, value: Any) -> Any:
    """An argument, its list as a tuple; refused where it is not known how a size in it was computed."""
    found = tuple(value) if isinstance(value, list) else value
    call.sizes(found)
    return found


def _unlike(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are not the defaults; 1 is not True."""
    found = {}
    for word, value in given.items():
        default = defaults.get(word)
        is_default = type(value) is type(default) and value == default
        if word not in defaults or not is_default:
            found[word] = value
    return found


# --- layers with weights ---------------------------------------------------------------------------------------------


@handles("conv1d", "conv2d", "conv3d")
def _convolution(call: TorchCall) -> Value:
    words = _words_of_convolution(call, "input weight bias stride padding dilation groups")
    out_of, into, *_ = words.weight.shape
    return _convolved(call, "Conv", words, into * words.groups, out_of)


@handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _transposed_convolution(call: TorchCall) -> Value:
    words = _words_of_convolution(
        call, "input weight bias stride padding output_padding groups dilation"
    )
    into, out_of, *_ = words.weight.shape
    return _convolved(call, "ConvTranspose", words, into, out_of * words.groups)


SLIDING = {
    "stride": 1,
    "padding": 0,
    "output_padding": 0,
    "dilation": 1,
    "groups": 1,
}
"""How a kernel slides by default."""


def _words_of_convolution(call: TorchCall, names: str) -> Any:
    """The arguments by name; refused where the kernel is computed from the input."""
    words = call.bound(names, bias=None, **SLIDING)
    if call.tensors.value(words.weight) is not None:
        raise call.refused("a convolution whose kernel depends on the input")
    return words


def _convolved(call: TorchCall, name: str, words: Any, into: int, out_of: int) -> Value:
    """A convolution with the kernel's channels; what is as by default is not written."""
    arguments: dict[str, Any] = {
        "in_channels": into,
        "out_channels": out_of,
        "kernel_size": uniform(words.weight.shape[2:]),
    }
    for word, default in SLIDING.items():
        given = getattr(words, word)
        if isinstance(given, (tuple, list)):
            given = uniform(given)
        call.sizes(given)
        if given != default:
            arguments[word] = given
    if words.bias is None:
        arguments["bias"] = False

    axes = words.weight.dim() - 2
    owner = _weights(words)
    return call.add(f"{name}{axes}d", words.input, owner=owner, **arguments)


@handles("convolution", "_convolution")
def _general_convolution(call: TorchCall) -> Value:
    """Torch's one function behind all convolutions; the last arguments choose among its kernels."""
    words = call.bound(
        "input weight bias stride padding dilation transposed output_padding groups "
        "benchmark deterministic cudnn_enabled allow_tf32",
        bias=None,
    )
    if call.tensors.value(words.weight) is not None:
        raise call.refused("a convolution whose kernel depends on the input")

    first, second, *_ = words.weight.shape
    if words.transposed:
        return _convolved(call, "ConvTranspose", words, first, second * words.groups)
    words.output_padding = 0
    return _convolved(call, "Conv", words, second * words.groups, first)


@handles("linear")
def _linear(call: TorchCall) -> Value:
    words = call.bound("input weight bias", bias=None)
    if call.tensors.value(words.weight) is not None:
        raise call.refused("a linear map whose weights depend on the input")

    out_of, into = words.weight.shape
    arguments: dict[str, Any] = {"in_features": into, "out_features": out_of}
    if words.bias is None:
        arguments["bias"] = False
    return call.add("Linear", words.input, owner=_weights(words), **arguments)


def _weights(words: Any) -> dict[str, Any]:
    return {"weight": words.weight, "bias": words.bias}


@handles("prelu")
def _prelu(call: TorchCall) -> Value:
    words = call.bound("input weight")
    owner = {"weight": words.weight}
    count = words.weight.numel()
    if count == 1:
        return call.add("PReLU", words.input, owner=owner)
    return call.add("PReLU", words.input, owner=owner, num_parameters=count)


# --- norms -----------------------------------------------------------------------------------------------------------

STATISTICS = "input running_mean running_var weight bias"
EPS = 1e-5
"""torch's, for all norms but RMSNorm."""

AFFINE = {"weight": None, "bias": None, "eps": EPS}
"""A norm without weights."""

NORM = {"running_mean": None, "running_var": None, **AFFINE}


OF_TORCH = "input weight bias running_mean running_var"
"""The order of the functions in torch, which is another one than in torch.nn.functional."""


@handles("batch_norm")
def _batch_norm(call: TorchCall) -> Value:
    return _normed_by_batch(call, STATISTICS)


@handles("torch.batch_norm")
def _torch_batch_norm(call: TorchCall) -> Value:
    return _normed_by_batch(call, OF_TORCH)


def _normed_by_batch(call: TorchCall, tensors: str) -> Value:
    names = f"{tensors} training momentum eps cudnn_enabled"
    words = call.bound(names, **NORM, training=False)
    if words.training:
        raise call.refused("batch_norm with the statistics of the batch")

    arguments = _eps(words)
    if words.weight is None:
        arguments["affine"] = False
    return _channel_norm(call, "BatchNorm", words, arguments)


@handles("instance_norm")
def _instance_norm(call: TorchCall) -> Value:
    return _normed_by_instance(call, STATISTICS)


@handles("torch.instance_norm")
def _torch_instance_norm(call: TorchCall) -> Value:
    return _normed_by_instance(call, OF_TORCH)


def _normed_by_instance(call: TorchCall, tensors: str) -> Value:
    names = f"{tensors} use_input_stats momentum eps cudnn_enabled"
    words = call.bound(names, **NORM)
    if words.running_mean is not None:
        raise call.refused("running statistics")

    # The only norm of torch that has no weights by default.
    arguments = _eps(words)
    if words.weight is not None:
        arguments["affine"] = True
    return _channel_norm(call, "InstanceNorm", words, arguments)


def _channel_norm(call: TorchCall, name: str, words: Any, arguments: dict[str, Any]) -> Value:
    """The norm of each channel, for the number of spatial dims that the input has."""
    value = call.value(words.input)
    axes = max(len(value.shape) - 2, 1)
    owner = {
        **_weights(words),
        "running_mean": words.running_mean,
        "running_var": words.running_var,
    }
    return call.add(f"{name}{axes}d", value, owner=owner, **arguments)


@handles("group_norm")
def _group_norm(call: TorchCall) -> Value:
    words = call.bound("input num_groups weight bias eps cudnn_enabled", **AFFINE)
    arguments = {"num_groups": words.num_groups, **_eps(words)}
    if words.weight is not None and words.bias is not None:
        return call.add("GroupNorm", words.input, owner=_weights(words), **arguments)

    # The module has both or none.
    made = call.add("GroupNorm", words.input, affine=False, **arguments)
    by_channel = (-1, *[1] * (len(made.shape) - 2))
    for op_name, tensor in (("Mul", words.weight), ("Add", words.bias)):
        if tensor is not None:
            column = call.add("Reshape", tensor, shape=by_channel)
            made = call.add(op_name, made, column)
    return made


@handles("layer_norm")
def _layer_norm(call: TorchCall) -> Value:
    words = call.bound("input normalized_shape weight bias eps cudnn_enable", **AFFINE)
    arguments = {**_trailing_dims(call, words), **_eps(words)}
    if words.weight is None:
        arguments["elementwise_affine"] = False
    elif words.bias is None:
        arguments["bias"] = False
    return call.add("LayerNorm", words.input, owner=_weights(words), **arguments)


@handles("rms_norm")
def _rms_norm(call: TorchCall) -> Value:
    words = call.bound("input normalized_shape weight eps", weight=None, eps=None)
    arguments = _trailing_dims(call, words)
    if words.eps is not None:
        arguments["eps"] = words.eps
    if words.weight is None:
        arguments["elementwise_affine"] = False
    owner = {"weight": words.weight}
    return call.add("RMSNorm", words.input, owner=owner, **arguments)


def _eps(words: Any) -> dict[str, Any]:
    return {} if words.eps == EPS else {"eps": words.eps}


def _trailing_dims(call: TorchCall, words: Any) -> dict[str, Any]:
    """The argument ``normalized_shape``; one dim is a number."""
    shape = call.sizes(words.normalized_shape)
    if not is_plain(shape):
        raise call.refused("a normalized_shape that is computed from the input's size")
    if len(shape) == 1:
        return {"normalized_shape": shape[0]}
    return {"normalized_shape": shape}


# --- resizing and padding --------------------------------------------------------------------------------------------

RESIZE = "input size scale_factor mode align_corners recompute_scale_factor antialias"
NO_SIZE = {"size": None, "scale_factor": None}
RESIZE_DEFAULTS = {
    "mode": "nearest",
    "align_corners": None,
    "recompute_scale_factor": None,
    "antialias": False,
}


@handles("interpolate", "upsample", "upsample_nearest")
def _interpolate(call: TorchCall) -> Value:
    words = call.bound(RESIZE, **NO_SIZE, **RESIZE_DEFAULTS)
    return _resized(call, words)


@handles("upsample_bilinear")
def _upsample_bilinear(call: TorchCall) -> Value:
    words = call.bound(RESIZE, **NO_SIZE, **RESIZE_DEFAULTS)
    words.mode = "bilinear"
    words.align_corners = True
    return _resized(call, words)


def _resized(call: TorchCall, words: Any) -> Value:
    value = call.value(words.input)
    arguments: dict[str, Any] = {}
    axes = len(value.shape) - 2
    size = words.size
    by_quotients = None if size is not None else _size_by_quotients(value, words.scale_factor)

    if by_quotients is not None:
        size, words.recompute_scale_factor = by_quotients, None
    elif words.scale_factor is not None:
        arguments["scale_factor"] = _known(call, words.scale_factor)
    if size is not None:
        arguments["size"] = _wanted_size(call, size, axes)

    for word, default in RESIZE_DEFAULTS.items():
        given = getattr(words, word)
        if given is not None and given != default:
            arguments[word] = given
    made = call.add("Interpolate", value, **arguments)

    if by_quotients is not None:
        call.recording.tell("one less where floats round: torch floors h * (H / h)")
    return made


def _size_by_quotients(value: Value, factors: Any) -> list[RunTimeSize] | None:
    """The sizes that are asked for by factors of each axis's wanted size over its own; None for other factors."""
    own_sizes = value.sizes[2:]
    if not isinstance(factors, (list, tuple)) or len(factors) != len(own_sizes):
        return None

    wanted = []
    for factor, own in zip(factors, own_sizes):
        if not isinstance(factor, RunTimeQuotient) or factor.of is None:
            return None
        size, divisor = factor.of
        if divisor.size is None or not same_size(divisor, own):
            return None
        wanted.append(size)
    return wanted


def _wanted_size(call: TorchCall, size: Any, axes: int) -> Any:
    """The size to resize to: a number, one for each axis, or the node that has it."""
    sizes = call.sizes(size)
    if len(sizes) == 1:
        sizes *= axes
    wanted = call.recording.target(sizes, 2)
    if isinstance(wanted, Value) or not isinstance(wanted, tuple):
        return wanted
    return _compact(wanted)


PADS = {
    "constant": "ConstantPad",
    "reflect": "ReflectionPad",
    "replicate": "ReplicationPad",
    "circular": "CircularPad",
}
MAX_PADDED_DIMS = 3
"""The dims that torch pads at most, where it pads by more than one number."""


def _padded_dims(call: TorchCall, padding: tuple[Any, ...], mode: str) -> int:
    """The number of dims that are padded."""
    axes = len(padding) // 2
    fits = 1 <= axes <= MAX_PADDED_DIMS or (axes and mode == "constant")
    if mode not in PADS or not fits or len(padding) % 2:
        raise call.refused(f"padding {axes} dims in the mode {mode!r}")
    return axes


@handles("pad")
def _pad(call: TorchCall) -> Value:
    words = call.bound("input pad mode value", mode="constant", value=None)
    padding = call.sizes(words.pad)
    by_number = words.mode == "constant"
    axes = _padded_dims(call, padding, words.mode)
    if is_plain(padding) and not any(padding):
        return call.value(words.input)

    name = PADS[words.mode]
    arguments: dict[str, Any] = {"padding": _compact(padding)}
    if by_number and words.value in (None, 0):
        name = "ZeroPad"
    elif by_number:
        arguments["value"] = call.number(words.value)

    # How many dims are padded by a number is the padding's length, whatever the name says.
    if axes > MAX_PADDED_DIMS:
        arguments["padding"] = padding
        axes = MAX_PADDED_DIMS
    return call.add(f"{name}{axes}d", words.input, **arguments)


def _compact(numbers: tuple[Any, ...]) -> Any:
    """One number where all are the same, whatever the input's size."""
    return uniform(numbers) if is_plain(numbers) else numbers
