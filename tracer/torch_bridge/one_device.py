"""Moves between devices in a forward: they change no shape, and the device need not be there."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

MOVES = ("cuda", "cpu", "xpu", "ipu", "hpu")
"""Methods of a tensor that move it."""


def device_of(module: torch.nn.Module) -> torch.device:
    """The device of a module's first parameter or buffer; the CPU for one without."""
    tensors = itertools.chain(module.parameters(), module.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


class OneDevice(TorchFunctionMode):
    """While it lasts, tensors that a program moves or makes elsewhere are on one device.

    >>> with OneDevice(torch.device("meta")):
    ...     torch.ones(2, device="cuda").to("cpu").device
    device(type='meta')
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in MOVES and args:
            return args[0]
        if not kwargs and name != "to":
            return func(*args)

        named = dict(kwargs or {})
        if self._is_elsewhere(named.get("device")):
            named["device"] = self.device
        if name == "to":
            args = [self.device if self._is_elsewhere(one) else one for one in args]
        return func(*args, **named)

    def _is_elsewhere(self, value: Any) -> bool:
        """Whether an argument is another device, or the name or the number of one."""
        if isinstance(value, int) and not isinstance(value, bool):
            return True
        if isinstance(value, str):
            value = torch.device(value)
        is_device = isinstance(value, torch.device)
        return is_device and value.type not in ("meta", self.device.type)
