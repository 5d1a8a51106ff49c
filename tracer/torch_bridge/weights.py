"""The weights that a module or a function of torch uses: of which object, shared with whom, learned or not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from tracer.importing.recording import Elements, Weights

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers that torch's norms keep beside their weights."""


def weights_of(
    owner: Any,
    is_learned: Callable[[torch.Tensor], bool],
    elements: Elements | None = None,
) -> Weights | None:
    """What is known of the weights of a step; None where it has none.

    ``owner`` is a module, tensors by their words, or one tensor, of which the ``elements`` may be known.
    """
    tensors = list(_tensors(owner))
    if not tensors:
        return None

    weights = [tensor for word, tensor in tensors if word not in STATISTICS]
    learned = not weights or any(map(is_learned, weights))
    # Behind the back of the recording, which would look at each call.
    with torch._C.DisableTorchFunction():
        memory = frozenset([tensor.untyped_storage()._cdata for tensor in weights])
    key = frozenset([(word, id(tensor)) for word, tensor in tensors if word != STATISTICS[-1]])
    return Weights(owner, key, memory, learned, elements)


def _tensors(owner: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of an owner, by their words."""
    if isinstance(owner, torch.Tensor):
        yield "", owner
    elif isinstance(owner, torch.nn.Module) and not owner._modules:
        # What torch finds for a module without parts, which takes it three times as long.
        yield from _named(owner._parameters)
        yield from _named(owner._buffers)
    elif isinstance(owner, torch.nn.Module):
        parameters = owner.named_parameters(remove_duplicate=False)
        yield from itertools.chain(parameters, owner.named_buffers(remove_duplicate=False))
    elif isinstance(owner, Mapping):
        yield from _named(owner)


def _named(tensors: Mapping[str, torch.Tensor | None]) -> Iterator[tuple[str, torch.Tensor]]:
    for word, tensor in tensors.items():
        if tensor is not None:
            yield word, tensor
