"""Which modules are operations, and the arguments that they were made with."""

from __future__ import annotations

from typing import Any

import msgspec
import torch

from tracer.ops.registry import find_operation

UNSAID = ("device", "dtype")
"""Arguments that say where a module is, not what it is."""


def operation_of(module: torch.nn.Module) -> str | None:
    """The operation that a module is: a class of torch.nn, or one made from it that leaves its forward alone."""
    for cls in type(module).__mro__:
        if (
            cls.__module__.startswith("torch.nn.modules.")
            and find_operation(cls.__name__) is not None
        ):
            return cls.__name__ if type(module).forward is getattr(cls, "forward", None) else None
    return None


def arguments_of(module: torch.nn.Module, op_name: str) -> dict[str, Any]:
    """The arguments with which a module of torch.nn was made, where they are not torch's defaults."""
    cls = find_operation(op_name)
    assert cls is not None
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(cls):
        word = field.encode_name
        if word in UNSAID or not hasattr(module, word):
            continue
        value = getattr(module, word)
        if word in cls.node_fields and not _is_number(value):
            continue
        if isinstance(value, torch.Tensor) or (value is None and isinstance(field.default, bool)):
            value = value is not None
        if isinstance(value, (tuple, list)):
            value = tuple(value)
            if len(set(value)) == 1 and len(value) == getattr(cls, "axes", 0):
                value = value[0]
        if field.default is msgspec.NODEFAULT or value != field.default:
            found[word] = value
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, tuple, list)) and not isinstance(value, bool)
