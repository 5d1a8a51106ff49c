"""Layers that are called as functions: convolutions, norms, pools, resizes, padding."""

from __future__ import annotations

from typing import Any

import msgspec
import torch

from tracer.importing.recording import Value
from tracer.importing.run_time_sizes import RunTimeSize
from tracer.ops.registry import find_operation
from tracer.torch_bridge.dispatch import TorchCall, handles, is_plain, uniform

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


@handles(*WINDOWS)
def _window(call: TorchCall) -> torch.Tensor:
    op_name, names = WINDOWS[call.name]
    words = call.bound(names)
    x = words.pop("input")
    cls = find_operation(op_name)
    assert cls is not None
    defaults = {f.encode_name: f.default for f in msgspec.structs.fields(cls)}
    if words.pop("return_indices", False):
        raise call.refused(f"{call.name} with return_indices; use its module")
    given = {w: tuple(v) if isinstance(v, list) else v for w, v in words.items() if v != ()}
    call.sizes([n for v in given.values() for n in (v if isinstance(v, tuple) else (v,))])
    return call.add(
        op_name,
        [x],
        {w: v for w, v in given.items() if w not in defaults or not _same(v, defaults[w])},
    )


def _same(value: Any, default: Any) -> bool:
    return value.__class__ is default.__class__ and value == default


@handles(
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "conv_transpose",
)
def _convolution(call: TorchCall) -> torch.Tensor:
    transposed = "transpose" in call.name
    names = "input weight bias stride padding " + (
        "output_padding groups dilation" if transposed else "dilation groups"
    )
    words = call.bound(
        names, bias=None, stride=1, padding=0, groups=1, dilation=1, output_padding=0
    )
    weight = words["weight"]
    if call.tensors.value(weight) is not None:
        raise call.refused("a convolution whose kernel depends on the input")
    axes = weight.dim() - 2
    op_name = f"Conv{'Transpose' if transposed else ''}{axes}d"
    shape = tuple(weight.shape)
    arguments: dict[str, Any] = {
        "in_channels": shape[0] if transposed else shape[1] * words["groups"],
        "out_channels": shape[1] * words["groups"] if transposed else shape[0],
        "kernel_size": uniform(shape[2:]),
    }
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}
    for word in (
        "stride",
        "padding",
        *(["output_padding"] if transposed else []),
        "dilation",
        "groups",
    ):
        value = words[word]
        if not isinstance(value, str):
            value = uniform(value) if isinstance(value, (tuple, list)) else value
        call.sizes(value if isinstance(value, tuple) else (value,))
        if value != defaults[word]:
            arguments[word] = value
    if words["bias"] is None:
        arguments["bias"] = False
    return call.add(
        op_name, [words["input"]], arguments, owner={"weight": weight, "bias": words["bias"]}
    )


@handles("linear")
def _linear(call: TorchCall) -> torch.Tensor:
    words = call.bound("input weight bias", bias=None)
    weight = words["weight"]
    if call.tensors.value(weight) is not None:
        raise call.refused("a linear map whose weights depend on the input")
    arguments: dict[str, Any] = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
    if words["bias"] is None:
        arguments["bias"] = False
    return call.add(
        "Linear", [words["input"]], arguments, owner={"weight": weight, "bias": words["bias"]}
    )


@handles("batch_norm", "instance_norm")
def _channel_norm(call: TorchCall) -> torch.Tensor:
    batch = call.name == "batch_norm"
    order = (
        "weight bias training momentum eps" if batch else "weight bias use_input_stats momentum eps"
    )
    words = call.bound(
        f"input running_mean running_var {order}",
        running_mean=None,
        weight=None,
        bias=None,
        eps=1e-5,
    )
    value = call.value(words["input"])
    axes = max(len(value.shape) - 2, 1)
    if words.get("training") if batch else words["running_mean"] is not None:
        raise call.refused(
            f"{call.name} with the statistics of the batch" if batch else "running statistics"
        )
    arguments: dict[str, Any] = {} if words["eps"] == 1e-5 else {"eps": words["eps"]}
    if (words["weight"] is None) is batch:
        arguments["affine"] = not batch
    owner = {w: words.get(w) for w in ("weight", "bias", "running_mean", "running_var")}
    return call.add(
        f"{'Batch' if batch else 'Instance'}Norm{axes}d", [value], arguments, owner=owner
    )


@handles("group_norm")
def _group_norm(call: TorchCall) -> torch.Tensor:
    words = call.bound("input num_groups weight bias eps", weight=None, bias=None, eps=1e-5)
    arguments: dict[str, Any] = {"num_groups": words["num_groups"]}
    if words["eps"] != 1e-5:
        arguments["eps"] = words["eps"]
    if words["weight"] is None:
        arguments["affine"] = False
    return call.add(
        "GroupNorm", [words["input"]], arguments, owner={w: words[w] for w in ("weight", "bias")}
    )


@handles("layer_norm", "rms_norm")
def _trailing_norm(call: TorchCall) -> torch.Tensor:
    layer = call.name == "layer_norm"
    words = call.bound(
        f"input normalized_shape weight {'bias ' if layer else ''}eps", weight=None, bias=None
    )
    shape = call.sizes(words["normalized_shape"])
    if any(isinstance(n, RunTimeSize) for n in shape):
        raise call.refused("a normalized_shape that is computed from the input's size")
    arguments: dict[str, Any] = {"normalized_shape": shape[0] if len(shape) == 1 else shape}
    if words.get("eps", 1e-5 if layer else None) != (1e-5 if layer else None):
        arguments["eps"] = words["eps"]
    if words["weight"] is None:
        arguments["elementwise_affine"] = False
    elif layer and words["bias"] is None:
        arguments["bias"] = False
    op_name = "LayerNorm" if layer else "RMSNorm"
    return call.add(
        op_name, [words["input"]], arguments, owner={w: words.get(w) for w in ("weight", "bias")}
    )


@handles("prelu")
def _prelu(call: TorchCall) -> torch.Tensor:
    words = call.bound("input weight")
    count = words["weight"].numel()
    arguments = {"num_parameters": count} if count != 1 else {}
    return call.add("PReLU", [words["input"]], arguments, owner={"weight": words["weight"]})


@handles("interpolate", "upsample", "upsample_nearest", "upsample_bilinear")
def _interpolate(call: TorchCall) -> torch.Tensor:
    words = call.bound(
        "input size scale_factor mode align_corners recompute_scale_factor antialias",
        size=None,
        scale_factor=None,
    )
    if call.name == "upsample_bilinear":
        words |= {"mode": "bilinear", "align_corners": True}
    value = call.value(words["input"])
    arguments: dict[str, Any] = {}
    if words["size"] is not None:
        axes = len(value.shape) - 2
        sizes = call.sizes(words["size"])
        wanted = call.recording.target(sizes * axes if len(sizes) == 1 else sizes, 2)
        arguments["size"] = (
            uniform(wanted)
            if isinstance(wanted, tuple) and not isinstance(wanted, Value) and is_plain(wanted)
            else wanted
        )
    if words["scale_factor"] is not None:
        factor = words["scale_factor"]
        factor = tuple(factor) if isinstance(factor, (tuple, list)) else factor
        call.sizes(factor if isinstance(factor, tuple) else (factor,))
        arguments["scale_factor"] = factor
    for word in ("mode", "align_corners", "recompute_scale_factor", "antialias"):
        if words.get(word) is not None and words[word] != {
            "mode": "nearest",
            "antialias": False,
        }.get(word):
            arguments[word] = words[word]
    return call.add("Interpolate", [value], arguments)


PADS = {
    "constant": "ConstantPad",
    "reflect": "ReflectionPad",
    "replicate": "ReplicationPad",
    "circular": "CircularPad",
}


@handles("pad")
def _pad(call: TorchCall) -> torch.Tensor:
    words = call.bound("input pad mode value", mode="constant", value=None)
    pad, value = call.sizes(words["pad"]), words["value"] or 0
    axes = len(pad) // 2
    if words["mode"] not in PADS or not 1 <= axes <= 3 or len(pad) % 2:
        raise call.refused(f"padding {axes} dims in the mode {words['mode']!r}")
    if is_plain(pad) and not any(pad):
        return call.made(call.value(words["input"]))
    if words["mode"] == "constant" and value == 0:
        return call.add(
            f"ZeroPad{axes}d", [words["input"]], {"padding": uniform(pad) if is_plain(pad) else pad}
        )
    extra = {"value": float(value)} if words["mode"] == "constant" else {}
    padding = uniform(pad) if is_plain(pad) else pad
    return call.add(
        f"{PADS[words['mode']]}{axes}d", [words["input"]], {"padding": padding, **extra}
    )
