"""Layers that were made for another width than what comes to them, made to fit while a module is read.

A module with such a layer runs at no size, so nothing behind the layer would be known. With the layer's weights
replaced it can be read, and what is read is given the declared width back: the finding is the network's own then, and
its repairs are found like any other's. So it is with transposed convolutions that do not enlarge by their stride, where
what they give meets a skip at no size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import nn

from tracer.net import Net
from tracer.network.records import Node
from tracer.ops.base import Shape, fields_of
from tracer.source.edits import Edit
from tracer.torch_bridge.real_runs import RealModule

CHANNELS: Mapping[type[nn.Module], str] = {
    nn.modules.conv._ConvNd: "in_channels",
    nn.Linear: "in_features",
    nn.modules.batchnorm._NormBase: "num_features",
    nn.GroupNorm: "num_channels",
}
"""The argument that says a layer's width, by the layer's kind."""


class FittedLayer(NamedTuple):
    """A layer with another value of an argument than it was made with."""

    module: nn.Module
    argument: str
    declared: Any
    fitting: Any
    """For a width, that of what comes to it."""


def unfitting(program: RealModule, shapes: Sequence[Shape], *, ups: bool) -> list[FittedLayer]:
    """The layers that get another width than they were made for; none where fitting ones do not make it run.

    A layer that divides its channels into groups is left as it is. With ``ups``, transposed convolutions are made to
    enlarge by their stride as well.
    """
    found: dict[nn.Module, Sequence[FittedLayer]] = {}

    def fitted(
        copied: nn.Module,
        original: nn.Module,
        given: Any,
    ) -> None:
        if original in found:
            return
        layers = [*_fitted(original, given), *(_enlarging(original) if ups else ())]
        for layer in layers:
            _make_fit(copied, layer)
        if layers:
            found[original] = layers

    answer = program.answer_where_each(shapes, fitted)
    return list(chain.from_iterable(found.values())) if answer.shapes is not None else []


def _enlarging(module: nn.Module) -> Iterator[FittedLayer]:
    """A transposed convolution that does not enlarge by its stride, with the paddings with which it does."""
    if not isinstance(module, nn.modules.conv._ConvTransposeNd):
        return
    layer: Any = module
    paddings, rests = [], []
    along = zip(layer.kernel_size, layer.stride, layer.dilation, layer.padding)
    for kernel, stride, dilation, padding in along:
        beyond = dilation * (kernel - 1) + 1 - stride
        fitted = padding if 0 <= 2 * padding - beyond < stride else max(beyond + 1, 0) // 2
        paddings.append(fitted)
        rests.append(2 * fitted - beyond)

    fitting = {"padding": tuple(paddings), "output_padding": tuple(rests)}
    for argument, value in fitting.items():
        declared = getattr(module, argument)
        if tuple(declared) != value:
            yield FittedLayer(module, argument, declared, value)


def _fitted(module: nn.Module, given: Any) -> Iterator[FittedLayer]:
    """A layer that was made for another width than that of its input."""
    argument = next((word for kind, word in CHANNELS.items() if isinstance(module, kind)), None)
    if argument is None or not isinstance(given, torch.Tensor) or given.dim() < 2:
        return

    width = given.shape[-1 if argument == "in_features" else 1]
    declared = getattr(module, argument)
    if declared and declared != width and _can_have(module, width):
        yield FittedLayer(module, argument, declared, width)


def _can_have(module: nn.Module, width: int) -> bool:
    """Whether a layer can be given another width: it has weights of its own, and no groups that it would break."""
    if width == 0 or width % getattr(module, "num_groups", 1):
        return False
    is_plain = all(tensor.dim() == 1 or name == "weight" for name, tensor in _tensors(module))
    return is_plain and getattr(module, "groups", 1) == 1


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The parameters and buffers of a layer that have a width, by their names."""
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is not None and tensor.dim():
            yield name, tensor


def _make_fit(module: nn.Module, layer: FittedLayer) -> None:
    """Give a layer another value of an argument; of a width, with tensors of it."""
    setattr(module, layer.argument, layer.fitting)
    if layer.argument not in CHANNELS.values():
        return

    is_norm = layer.argument.startswith("num_")
    for name, tensor in _tensors(module):
        shape = list(tensor.shape)
        if is_norm:
            shape = [layer.fitting]
        elif name == "weight":
            shape[0 if getattr(module, "transposed", False) else 1] = layer.fitting

        made = tensor.detach().new_zeros(shape)
        if isinstance(tensor, nn.Parameter):
            made = nn.Parameter(made, requires_grad=tensor.requires_grad)
        setattr(module, name, made)


@contextlib.contextmanager
def made_to_fit(layers: Sequence[FittedLayer]) -> Iterator[None]:
    """Let layers have the values with which they fit, while this is active."""
    before = [dict(_tensors(layer.module)) for layer in layers]
    for layer in layers:
        _make_fit(layer.module, layer)
    try:
        yield
    finally:
        for layer, tensors in zip(layers, before):
            setattr(layer.module, layer.argument, layer.declared)
            for name, tensor in tensors.items():
                setattr(layer.module, name, tensor)


def declared_values(
    net: Net,
    module: nn.Module,
    layers: Sequence[FittedLayer],
) -> Iterator[Edit]:
    """The edits that give the nodes of a network the values that their layers were made with."""
    known: dict[int, list[FittedLayer]] = {}
    for layer in layers:
        known.setdefault(id(layer.module), []).append(layer)

    parts = dict(module.named_modules(remove_duplicate=False))
    for node in net.network.nodes:
        part = parts.get(_layer_of(node))
        if part is None or node.op is None:
            continue
        taken = {field.encode_name for field in fields_of(type(node.op))}
        for layer in known.get(id(part), ()):
            if layer.argument in taken:
                yield Edit((node.section, node.name, layer.argument), layer.declared)


def _layer_of(node: Node) -> str:
    """The path of the layer that a node is; empty where it is none."""
    place = node.place
    return (place.name or "") if place is not None else ""
