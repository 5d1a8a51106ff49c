"""The modules that are operations, and the arguments that they were made with."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import torch

from tracer.ops.base import Op, fields_of
from tracer.ops.registry import find_operation

UNSAID = ("device", "dtype")
"""Arguments that say where a module is, not what it is."""

MISSING = object()


class ModuleOperation(NamedTuple):
    """The operation that a module is."""

    torch_class: type[torch.nn.Module]
    """The class of torch.nn whose forward it has."""
    operation: type[Op]

    @property
    def name(self) -> str:
        """The name of the operation in a config."""
        return self.operation.__name__


class StandIn:
    """What a module's forward is while its hooks run: the module is its operation all the same."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self.run = run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)


def operation_of(module: torch.nn.Module) -> ModuleOperation | None:
    """The operation of a module: of a class of torch.nn, or of one made from it that leaves its forward alone."""
    for cls in type(module).__mro__:
        operation = operation_of_class(cls)
        if operation is not None:
            return ModuleOperation(cls, operation) if _keeps_forward(module, cls) else None
    return None


FORWARD = ("forward", "_conv_forward", "_output_padding", "_apply_instance_norm")
"""The methods of torch's modules that a forward consists of."""


def _keeps_forward(module: torch.nn.Module, cls: type) -> bool:
    """Whether a module computes as its class of torch.nn does: neither its own class nor it has another forward."""
    own = vars(module).get("forward")
    if own is not None and not isinstance(own, StandIn):
        return False
    kind = type(module)
    return kind is cls or all(
        getattr(kind, name, None) is getattr(cls, name, None) for name in FORWARD
    )


def operation_of_class(cls: type) -> type[Op] | None:
    """The operation of a class of torch.nn: the two have one name."""
    is_torchs = getattr(torch.nn, cls.__name__, None) is cls
    return find_operation(cls.__name__) if is_torchs else None


def defaults_of(op_name: str) -> dict[str, Any]:
    """The arguments of an operation with their defaults, NODEFAULT where there is none."""
    cls = find_operation(op_name)
    assert cls is not None
    return {field.encode_name: field.default for field in fields_of(cls)}


def in_torchs_order(op_name: str) -> list[str]:
    """The words of an operation's arguments, those first that torch takes by their position."""
    cls = find_operation(op_name)
    assert cls is not None
    words = [*cls.positional, *defaults_of(op_name)]
    return list(dict.fromkeys(words))


def arguments_of(module: torch.nn.Module, cls: type[Op]) -> dict[str, Any]:
    """The arguments with which a module of torch.nn was made, where they are not torch's defaults."""
    found: dict[str, Any] = {}
    axes = getattr(cls, "axes", 0)
    for field in fields_of(cls):
        word = field.encode_name
        value = MISSING if word in UNSAID else getattr(module, word, MISSING)
        if value is MISSING:
            continue
        if word in cls.as_others and value == getattr(module, cls.as_others[word]):
            continue
        # What names a node in a config (a size, the indices) is given when the module is called.
        if word in cls.node_fields and not _is_size(value):
            continue

        value = _as_written(value, field.default, axes)
        if field.default is msgspec.NODEFAULT or value != field.default:
            found[word] = value
    return found


def _as_written(value: Any, default: Any, axes: int) -> Any:
    """A module's attribute as its argument: whether there is a bias, one number for all axes."""
    is_missing = value is None and isinstance(default, bool)
    if isinstance(value, torch.Tensor) or is_missing:
        return value is not None
    if not isinstance(value, (tuple, list)):
        return _number(value)

    several = tuple(map(_number, value))
    is_uniform = len(set(several)) == 1 and len(several) == axes
    return several[0] if is_uniform else several


def _number(value: Any) -> Any:
    """NumPy's integers as Python's: as sizes, torch takes both."""
    is_whole = hasattr(value, "__index__") and not isinstance(value, int)
    return operator.index(value) if is_whole else value


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, tuple, list)) and not isinstance(value, bool)
