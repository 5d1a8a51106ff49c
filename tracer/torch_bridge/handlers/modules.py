"""Modules of torch.nn that are called with more than tensors, or give more than one."""

from __future__ import annotations

from typing import Any

from torch import nn

from tracer.importing.recording import Value
from tracer.torch_bridge.dispatch import ModuleCall, Sharing, handles_modules, with_tensors_only
from tracer.torch_bridge.handlers.layers import node_of_size, pooled_of
from tracer.torch_bridge.handlers.products import mask_of

DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
handles_modules(*DROPOUTS, sharing=Sharing.WHOLE)(with_tensors_only)
handles_modules(nn.Flatten, nn.Unflatten, sharing=Sharing.VIEW)(with_tensors_only)


@handles_modules(nn.Identity)
def _nothing(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    """What does nothing is no step."""
    return call.bound("input").input


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
        need_weights=True,
        attn_mask=None,
        average_attn_weights=True,
    )
    for word in ("attn_mask", "key_padding_mask"):
        mask = getattr(words, word)
        if mask is not None:
            arguments[word] = mask_of(call, mask)

    sources = [words.query]
    if not words.query is words.key is words.value:
        sources.append(words.key)
    if words.key is not words.value:
        sources.append(words.value)

    output = call.add_later(*sources, **arguments)
    if not words.need_weights:
        return output, None
    if not words.average_attn_weights:
        arguments["average_attn_weights"] = False
    return output, call.add_later(*sources, **arguments, result="attn_output_weights")
