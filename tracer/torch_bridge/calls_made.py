"""Calls of functions of torch that make tensors of sizes, to be run again with other arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.torch_bridge import dispatch

ON_A_DEVICE = {"cpu", "cuda", "detach", "clone", "requires_grad_"}
"""Functions that give a tensor with the sizes and the values of the first one."""


def plain(value: Any) -> Any:
    """An argument with a plain number for every size."""
    if isinstance(value, RunTimeSize):
        return int.__int__(value)
    if isinstance(value, RunTimeQuotient):
        return float.__float__(value)
    return value


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """An argument with every number and tensor in it changed."""
    if isinstance(value, tuple):
        # As it is: a shape notes who iterates over it.
        return tuple(mapped(part, change) for part in tuple.__iter__(value))
    if isinstance(value, list):
        return [mapped(part, change) for part in value]
    if isinstance(value, dict):
        return {word: mapped(part, change) for word, part in value.items()}
    if isinstance(value, slice):
        return slice(*(mapped(end, change) for end in (value.start, value.stop, value.step)))
    return change(value)


CONTAINERS = (tuple, list, dict, slice)


def leaves(value: Any) -> list[Any]:
    """The numbers and tensors in an argument, and what else is no container."""
    found: list[Any] = []
    _add_leaves(value, found)
    return found


def _add_leaves(value: Any, found: list[Any]) -> None:
    if not isinstance(value, CONTAINERS):
        found.append(value)
    elif isinstance(value, tuple):
        # As it is: a shape notes who iterates over it.
        for part in tuple.__iter__(value):
            _add_leaves(part, found)
    elif isinstance(value, slice):
        found += (value.start, value.stop, value.step)
    else:
        for part in value.values() if isinstance(value, dict) else value:
            _add_leaves(part, found)


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors in an argument or a result."""
    found: list[torch.Tensor] = []
    _add_tensors(value, found)
    return found


def _add_tensors(value: Any, found: list[torch.Tensor]) -> None:
    if isinstance(value, torch.Tensor):
        found.append(value)
    elif isinstance(value, (tuple, list)):
        # As it is: a shape notes who iterates over it.
        for part in tuple.__iter__(value) if isinstance(value, tuple) else value:
            _add_tensors(part, found)
    elif isinstance(value, (dict, slice)):
        found += [one for one in leaves(value) if isinstance(one, torch.Tensor)]


class MadeCall(NamedTuple):
    """A call of a function of torch that makes tensors of sizes."""

    func: Any
    name: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    def given(self) -> list[torch.Tensor]:
        """The tensors among its arguments."""
        return tensors_in((self.args, self.kwargs))

    def run(self, change: Callable[[Any], Any], device: str = "meta") -> Any:
        """What it gives on a device, by default on tensors without data, each argument changed."""

        def changed(one: Any) -> Any:
            return torch.device(device) if _is_device(one) else change(one)

        args = mapped(tuple(self.args), changed)
        kwargs = mapped(dict(self.kwargs), changed)
        if self.name == "__iter__":
            return args[0].unbind(0)
        if "device" in kwargs:
            kwargs["device"] = device
        kwargs.pop("generator", None)
        kwargs.pop("pin_memory", None)
        if self.name in ON_A_DEVICE:
            return args[0].clone() if self.name == "clone" else args[0]
        with torch.device(device):
            return self.func(*args, **kwargs)

    def changes_first(self) -> bool:
        """Whether it writes into its first tensor."""
        name = self.name
        is_in_place = name.endswith("_") and not name.endswith("__")
        return name in ("__setitem__", *dispatch.IN_PLACE) or is_in_place


def _is_device(value: Any) -> bool:
    """Whether an argument is a device, or the name of one."""
    is_name = isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda", "mps")
    return is_name or isinstance(value, torch.device)
