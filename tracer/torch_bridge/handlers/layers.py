"""Layers that are called as functions: convolutions, norms, pools, resizes, padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from tracer.importing.recording import Value
from tracer.torch_bridge.dispatch import TorchCall, handles, is_plain, uniform
from tracer.torch_bridge.modules import defaults_of

# --- windows ---------------------------------------------------------------------------------------------------------

SLIDING = "input kernel_size stride padding"
WINDOWS = {
    **{f"max_pool{d}d": (f"MaxPool{d}d", f"{SLIDING} dilation ceil_mode return_indices") for d in (1, 2, 3)},
    **{f"avg_pool{d}d": (f"AvgPool{d}d", f"{SLIDING} ceil_mode count_include_pad divisor_override") for d in (1, 2, 3)},
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
def _window(call: TorchCall) -> torch.Tensor:
    op_name, names = WINDOWS[call.name]
    words = call.bound(names)
    x = words.pop("input")
    if words.pop("return_indices", False):
        raise call.refused(f"{call.name} with return_indices; use its module")

    # torch writes "as the kernel" as an empty stride.
    given = {word: _known(call, value) for word, value in words.items() if value != ()}
    return call.add(op_name, [x], _unlike(defaults_of(op_name), given))


def _known(call: TorchCall, value: Any) -> Any:
    """An argument, its list as a tuple; refused where it is not known how a size in it was computed."""
    found = tuple(value) if isinstance(value, list) else value
    call.sizes(found)
    return found


def _unlike(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are not the defaults; 1 is not True."""
    return {
        word: value
        for word, value in given.items()
        if word not in defaults
        or type(value) is not type(defaults[word])
        or value != defaults[word]
    }


# --- layers with weights ---------------------------------------------------------------------------------------------


@handles("conv1d", "conv2d", "conv3d")
def _convolution(call: TorchCall) -> torch.Tensor:
    words = _words_of_convolution(call, "input weight bias stride padding dilation groups")
    weight, groups = words["weight"], words.get("groups", 1)
    channels = {"in_channels": weight.shape[1] * groups, "out_channels": weight.shape[0]}
    sliding = _sliding(call, words, ("stride", "padding", "dilation", "groups"))
    return _convolved(call, "Conv", words, {**channels, **sliding})


@handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _transposed_convolution(call: TorchCall) -> torch.Tensor:
    words = _words_of_convolution(
        call, "input weight bias stride padding output_padding groups dilation"
    )
    weight, groups = words["weight"], words.get("groups", 1)
    channels = {"in_channels": weight.shape[0], "out_channels": weight.shape[1] * groups}
    sliding = _sliding(call, words, ("stride", "padding", "output_padding", "dilation", "groups"))
    return _convolved(call, "ConvTranspose", words, {**channels, **sliding})


def _words_of_convolution(call: TorchCall, names: str) -> dict[str, Any]:
    """The arguments by name; refused where the kernel is computed from the input."""
    words = call.bound(names, bias=None)
    if call.tensors.value(words["weight"]) is not None:
        raise call.refused("a convolution whose kernel depends on the input")
    return words


SLIDING_DEFAULTS = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}


def _sliding(call: TorchCall, words: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """The kernel, and how it slides where that is not the default."""
    found: dict[str, Any] = {"kernel_size": uniform(words["weight"].shape[2:])}
    for word in order:
        value = words.get(word, SLIDING_DEFAULTS[word])
        if isinstance(value, (tuple, list)):
            value = uniform(value)
        call.sizes(value)
        if value != SLIDING_DEFAULTS[word]:
            found[word] = value
    return found


def _convolved(
    call: TorchCall, name: str, words: Mapping[str, Any], arguments: dict[str, Any]
) -> torch.Tensor:
    weight, bias = words["weight"], words["bias"]
    if bias is None:
        arguments["bias"] = False
    axes = weight.dim() - 2
    owner = {"weight": weight, "bias": bias}
    return call.add(f"{name}{axes}d", [words["input"]], arguments, owner=owner)


@handles("linear")
def _linear(call: TorchCall) -> torch.Tensor:
    words = call.bound("input weight bias", bias=None)
    weight, bias = words["weight"], words["bias"]
    if call.tensors.value(weight) is not None:
        raise call.refused("a linear map whose weights depend on the input")

    arguments: dict[str, Any] = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
    if bias is None:
        arguments["bias"] = False
    owner = {"weight": weight, "bias": bias}
    return call.add("Linear", [words["input"]], arguments, owner=owner)


@handles("prelu")
def _prelu(call: TorchCall) -> torch.Tensor:
    words = call.bound("input weight")
    weight = words["weight"]
    count = weight.numel()
    arguments = {} if count == 1 else {"num_parameters": count}
    return call.add("PReLU", [words["input"]], arguments, owner={"weight": weight})


# --- norms -----------------------------------------------------------------------------------------------------------

STATISTICS = "input running_mean running_var weight bias"
EPS = 1e-5
"""torch's, for all norms but RMSNorm."""


@handles("batch_norm")
def _batch_norm(call: TorchCall) -> torch.Tensor:
    words = _words_of_norm(call, f"{STATISTICS} training momentum eps")
    if words.get("training"):
        raise call.refused("batch_norm with the statistics of the batch")
    without = {} if words["weight"] is not None else {"affine": False}
    return _channel_norm(call, "BatchNorm", words, without)


@handles("instance_norm")
def _instance_norm(call: TorchCall) -> torch.Tensor:
    words = _words_of_norm(call, f"{STATISTICS} use_input_stats momentum eps")
    if words["running_mean"] is not None:
        raise call.refused("running statistics")
    # The only norm of torch that is not affine by default.
    with_weights = {} if words["weight"] is None else {"affine": True}
    return _channel_norm(call, "InstanceNorm", words, with_weights)


def _words_of_norm(call: TorchCall, names: str) -> dict[str, Any]:
    return call.bound(names, running_mean=None, weight=None, bias=None, eps=EPS)


def _channel_norm(
    call: TorchCall, name: str, words: Mapping[str, Any], affine: Mapping[str, bool]
) -> torch.Tensor:
    """The norm of each channel, for the number of spatial dims that the input has."""
    value = call.value(words["input"])
    axes = max(len(value.shape) - 2, 1)
    eps = {} if words["eps"] == EPS else {"eps": words["eps"]}
    owner = {word: words.get(word) for word in ("weight", "bias", "running_mean", "running_var")}
    return call.add(f"{name}{axes}d", [value], {**eps, **affine}, owner=owner)


@handles("group_norm")
def _group_norm(call: TorchCall) -> torch.Tensor:
    words = call.bound("input num_groups weight bias eps", weight=None, bias=None, eps=EPS)
    arguments: dict[str, Any] = {"num_groups": words["num_groups"]}
    if words["eps"] != EPS:
        arguments["eps"] = words["eps"]
    if words["weight"] is None:
        arguments["affine"] = False
    return call.add("GroupNorm", [words["input"]], arguments, owner=_weight_and_bias(words))


@handles("layer_norm")
def _layer_norm(call: TorchCall) -> torch.Tensor:
    words = call.bound("input normalized_shape weight bias eps", weight=None, bias=None, eps=EPS)
    arguments = _trailing_dims(call, words["normalized_shape"])
    if words["eps"] != EPS:
        arguments["eps"] = words["eps"]
    if words["weight"] is None:
        arguments["elementwise_affine"] = False
    elif words["bias"] is None:
        arguments["bias"] = False
    return call.add("LayerNorm", [words["input"]], arguments, owner=_weight_and_bias(words))


@handles("rms_norm")
def _rms_norm(call: TorchCall) -> torch.Tensor:
    words = call.bound("input normalized_shape weight eps", weight=None, eps=None)
    arguments = _trailing_dims(call, words["normalized_shape"])
    if words["eps"] is not None:
        arguments["eps"] = words["eps"]
    if words["weight"] is None:
        arguments["elementwise_affine"] = False
    return call.add("RMSNorm", [words["input"]], arguments, owner=_weight_and_bias(words))


def _trailing_dims(call: TorchCall, normalized_shape: Any) -> dict[str, Any]:
    """The argument ``normalized_shape``; one dim is a number."""
    shape = call.sizes(normalized_shape)
    if not is_plain(shape):
        raise call.refused("a normalized_shape that is computed from the input's size")
    return {"normalized_shape": shape[0] if len(shape) == 1 else shape}


def _weight_and_bias(words: Mapping[str, Any]) -> dict[str, Any]:
    return {word: words.get(word) for word in ("weight", "bias")}


# --- resizing and padding --------------------------------------------------------------------------------------------

RESIZE = "input size scale_factor mode align_corners recompute_scale_factor antialias"
RESIZE_DEFAULTS = {
    "mode": "nearest",
    "align_corners": None,
    "recompute_scale_factor": None,
    "antialias": False,
}


@handles("interpolate", "upsample", "upsample_nearest")
def _interpolate(call: TorchCall) -> torch.Tensor:
    return _resized(call, call.bound(RESIZE, size=None, scale_factor=None))


@handles("upsample_bilinear")
def _upsample_bilinear(call: TorchCall) -> torch.Tensor:
    words = call.bound(RESIZE, size=None, scale_factor=None)
    return _resized(call, {**words, "mode": "bilinear", "align_corners": True})


def _resized(call: TorchCall, words: Mapping[str, Any]) -> torch.Tensor:
    value = call.value(words["input"])
    arguments: dict[str, Any] = {}
    if words["size"] is not None:
        arguments["size"] = _wanted_size(call, words["size"], axes=len(value.shape) - 2)
    if words["scale_factor"] is not None:
        arguments["scale_factor"] = _known(call, words["scale_factor"])

    for word, default in RESIZE_DEFAULTS.items():
        given = words.get(word)
        if given is not None and given != default:
            arguments[word] = given
    return call.add("Interpolate", [value], arguments)


def _wanted_size(call: TorchCall, size: Any, axes: int) -> Any:
    """The size to resize to: a number, one for each axis, or the node that has it."""
    sizes = call.sizes(size)
    wanted = call.recording.target(sizes * axes if len(sizes) == 1 else sizes, 2)
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


@handles("pad")
def _pad(call: TorchCall) -> torch.Tensor:
    words = call.bound("input pad mode value", mode="constant", value=None)
    x, mode, padding = words["input"], words["mode"], call.sizes(words["pad"])
    axes = len(padding) // 2
    if mode not in PADS or not 1 <= axes <= MAX_PADDED_DIMS or len(padding) % 2:
        raise call.refused(f"padding {axes} dims in the mode {mode!r}")
    if is_plain(padding) and not any(padding):
        return call.made(call.value(x))

    arguments: dict[str, Any] = {"padding": _compact(padding)}
    if mode != "constant":
        return call.add(f"{PADS[mode]}{axes}d", [x], arguments)

    value = words["value"] or 0
    if value == 0:
        return call.add(f"ZeroPad{axes}d", [x], arguments)
    return call.add(f"ConstantPad{axes}d", [x], {**arguments, "value": float(value)})


def _compact(numbers: tuple[Any, ...]) -> Any:
    """One number where all are the same, whatever the input's size."""
    return uniform(numbers) if is_plain(numbers) else numbers
