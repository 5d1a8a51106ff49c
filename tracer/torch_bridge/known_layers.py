"""Layers that an earlier run has recorded: what they make of a tensor of the same sizes over the symbols is known.

Runs at other sizes call most layers with what they got before. A step of such a layer is the earlier one with other
numbers; its arguments, its operation and its formula over the symbols are not worked out again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from tracer.importing.recording import Sizes, Step, Value, are_same
from tracer.importing.run_time_sizes import depends_on_input
from tracer.ops.merge import Concat, Elementwise
from tracer.torch_bridge.kept_copies import UNCHANGING, are_those

CONTAINERS = {dict, OrderedDict, set}
"""The classes of what torch keeps in a layer beside its arguments."""


class KnownLayer(NamedTuple):
    """A layer that has made one step of one tensor."""

    module: torch.nn.Module
    parts: Sequence[Any]
    """What hung on it."""
    sizes: Sizes
    """Those of the tensor."""
    dtype: torch.dtype
    step: Step
    made: torch.dtype
    """The type of what it makes."""
    is_in_place: bool
    """Whether it changes the tensor, and gives it back."""


class KnownLayers:
    """The layers of one copy of a module."""

    def __init__(self) -> None:
        self._known: dict[int, list[KnownLayer]] = {}

    def noted(self, layer: KnownLayer) -> KnownLayer | None:
        """A layer, which is kept where its step depends on nothing but what it is, and on its tensor's sizes."""
        if not _is_plain(layer):
            return None
        self._known.setdefault(id(layer.module), []).append(layer)
        return layer

    def like(
        self, module: torch.nn.Module, source: Value, dtype: torch.dtype
    ) -> KnownLayer | None:
        """The same layer at an earlier call with a tensor of these sizes; None where there was none."""
        known = self._known.get(id(module), ())
        now = parts_of(module) if known else ()
        for layer in known:
            is_same = layer.dtype is dtype and are_same(layer.sizes, source.sizes)
            if is_same and are_those(layer.parts, now):
                return layer
        return None


def parts_of(module: torch.nn.Module) -> list[Any]:
    """What hangs on a layer, and its weights."""
    own, weights, buffers = vars(module), module._parameters, module._buffers
    return [*own.values(), *weights.values(), *buffers.values()]


def _is_plain(layer: KnownLayer) -> bool:
    """Whether nothing else decides: no argument follows the input's sizes, and nothing in the layer can be changed."""
    step = layer.step
    is_told = isinstance(step.op, (Concat, Elementwise)) or bool(step.told)
    is_one = len(step.sources) == 1 and step.value.part is None
    if is_told or not is_one or any(map(_follows, step.arguments.values())):
        return False
    return not layer.module._modules and all(map(_is_fixed, vars(layer.module).values()))


def _follows(value: Any) -> bool:
    return isinstance(value, Value) or depends_on_input(value)


def _is_fixed(value: Any) -> bool:
    """Whether what hangs on a layer is the same as long as it is the same object, as far as an operation sees it."""
    kind: Any = type(value)
    if kind is tuple:
        return all(type(part) in UNCHANGING for part in value)
    return kind in UNCHANGING or kind in CONTAINERS
