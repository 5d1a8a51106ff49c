"""Parameters and buffers that a run of a module puts others in the place of: the next run begins with those."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tracer.torch_bridge.tensors import memory_of


class WeightsBefore:
    """A module's parameters and buffers as they are before a run of it."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        # Its memory is kept, so that none made later can be taken for it.
        self.tensors = {name: tensor.detach() for name, tensor in _named(module)}

    def remade(self) -> Iterator[str]:
        """The names of those that lie in other memory now."""
        now = dict(_named(self.module))
        for name, before in self.tensors.items():
            tensor = now.get(name)
            if tensor is None or memory_of(tensor) != memory_of(before):
                yield name


def _named(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for named in (module.named_parameters(), module.named_buffers()):
        for name, tensor in named:
            if not torch.nn.parameter.is_lazy(tensor):
                yield name, tensor
