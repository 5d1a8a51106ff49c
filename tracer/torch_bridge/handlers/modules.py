"""Modules of torch.nn that are called with more than tensors, or give more than one."""

from __future__ import annotations

from typing import Any

from torch import nn

from tracer.importing.recording import Value
from tracer.torch_bridge.dispatch import ModuleCall, Sharing, handles_modules, with_tensors_only
from tracer.torch_bridge.handlers.layers import node_of_size, pooled_of

DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
handles_modules(nn.Identity, *DROPOUTS, sharing=Sharing.WHOLE)(with_tensors_only)
handles_modules(nn.Flatten, nn.Unflatten, sharing=Sharing.VIEW)(with_tensors_only)


@handles_modules(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
def _pooled(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    gives_indices = arguments.pop("return_indices", False)
    made = with_tensors_only(call, arguments)
    if not gives_indices:
        return made
    return made, call.tensors.indices_of(call.value(made))


@handles_modules(nn.MaxUnpool1d, nn.MaxUnpool2d, nn.MaxUnpool3d)
def _unpooled(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    words = call.bound("input indices output_size", output_size=None)
    arguments["indices"] = pooled_of(call, words.indices)
    if words.output_size is not None:
        arguments["output_size"] = _wanted_size(call, words.output_size)
    return call.add_module(words.input, **arguments)


@handles_modules(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
def _transposed(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    words = call.bound("input output_size", output_size=None)
    if words.output_size is not None:
        arguments["output_size"] = _wanted_size(call, words.output_size)
    return call.add_module(words.input, **arguments)


def _wanted_size(call: ModuleCall, output_size: Any) -> Value:
    """The value that has the spatial sizes that a module is given."""
    kernel: Any = call.module.kernel_size
    return node_of_size(call, output_size, len(kernel))


@handles_modules(nn.MultiheadAttention)
def _multihead(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    words = call.bound(
        "query key value key_padding_mask need_weights attn_mask average_attn_weights is_causal",
        key_padding_mask=None,
        attn_mask=None,
    )
    if words.key_padding_mask is not None or words.attn_mask is not None:
        raise call.refused("attention with a mask")

    sources = [words.query]
    if not words.query is words.key is words.value:
        sources.append(words.key)
    if words.key is not words.value:
        sources.append(words.value)
    return call.add_module(*sources, **arguments), None
