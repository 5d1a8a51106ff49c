"""A torch function that is called with a tensor of the forward, and the handler that makes it an operation.

A handler is found by the function's name: torch.relu, torch.nn.functional.relu, Tensor.relu and Tensor.relu_ are one.
The handlers stand in the files ``calls_of_*.py``. What has none is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from tracer.importing.recording import Recording, Unrepresentable, Value
from tracer.importing.run_time_sizes import RunTimeSize

if TYPE_CHECKING:
    from tracer.torch_bridge.forward import Forward


class Call:
    """One call of a function, its arguments by the names that its handler gives them."""

    def __init__(
        self, forward: Forward, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.forward = forward
        self.recording: Recording = forward.recording
        self.name = name
        self.args = tuple(args)
        self.kwargs = dict(kwargs)
        self.in_place = self.kwargs.get("inplace") is True
        """Whether the first tensor is changed."""

    @property
    def first(self) -> Any:
        """The tensor that it is called with first."""
        return self.args[0] if self.args else self.kwargs.get("input")

    def bound(self, names: str, **defaults: Any) -> dict[str, Any]:
        """The arguments by name. Refused where there are others than these."""
        words = names.split()
        if self.kwargs.get("out") is not None:
            raise self.refused(f"{self.name} writes into another tensor (out=)")
        if len(self.args) > len(words):
            raise self.refused(f"{self.name} is called with more arguments than are known")
        found = {**defaults, **dict(zip(words, self.args))}
        for word, value in self.kwargs.items():
            found[
                {"axis": "dim", "x": "input", "keepdims": "keepdim", "self": "input"}.get(
                    word, word
                )
            ] = value
        return found

    def refused(self, why: str) -> Unrepresentable:
        return self.recording.refused(why)

    def known(self, tensor: Any) -> Value:
        """What a tensor of the forward is, for its sizes only."""
        return self.forward.value(tensor) or self.value(tensor)

    def value(self, tensor: Any) -> Value:
        return self.forward.operand(tensor)

    def add(
        self,
        op_name: str,
        sources: Sequence[Any],
        arguments: Mapping[str, Any] | None = None,
        *,
        owner: Any = None,
    ) -> torch.Tensor:
        """One more step; the tensor that stands for what it makes."""
        return self.made(
            self.recording.add(op_name, [*map(self.value, sources)], arguments, owner=owner)
        )

    def made(self, value: Value) -> torch.Tensor:
        return self.forward.tensor(value)

    def unknown(self, shape: Sequence[int]) -> torch.Tensor:
        """A tensor that is no step's; to use it is refused."""
        with torch._C.DisableTorchFunctionSubclass():
            made = torch.empty(tuple(map(int, shape)), device="meta")
        self.forward.made_of_sizes[id(made)] = (made, self.recording.place())
        return made

    def sizes(self, sizes: Any) -> tuple[Any, ...]:
        """Sizes that are an argument; refused where it is not known how one was computed."""
        found = tuple(sizes) if isinstance(sizes, (list, tuple)) else (sizes,)
        self.recording.known(found)
        return found


Handler = Callable[[Call], Any]
HANDLERS: dict[str, Handler] = {}
"""By the function's name."""


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler for functions of these names."""

    def register(handler: Handler) -> Handler:
        for name in names:
            assert name not in HANDLERS, name
            HANDLERS[name] = handler
        return handler

    return register


def call(forward: Forward, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a function gives, called with tensors of the forward."""
    name = name_of(func)
    if name in ASIDE:
        return ASIDE[name]
    if name in PLAIN:
        return func(*args, **kwargs)
    made = Call(forward, name, args, kwargs)
    in_place = name.endswith("_") and not name.endswith("__") and name[:-1] in HANDLERS
    in_place |= name.startswith("__i") and name in IN_PLACE
    handler = HANDLERS.get(
        name[:-1] if name.endswith("_") and in_place else IN_PLACE.get(name, name)
    )
    if handler is None:
        raise made.refused(f"{name} has no operation in a config")
    result = handler(made)
    if (in_place or made.in_place) and isinstance(result, torch.Tensor):
        value = forward.value(result)
        assert value is not None
        return forward.become(made.first, value)
    if name in VIEWS:
        result = _strided(forward, result, func(*args, **kwargs))
    if name in VIEWS or name in SAME:
        for other in result if isinstance(result, tuple) else [result]:
            if isinstance(other, torch.Tensor) and isinstance(made.first, torch.Tensor):
                whole = name in SAME or forward.value(other) == forward.value(made.first)
                forward.share(made.first, other, whole=whole)
    return result


def _strided(forward: Forward, result: Any, views: Any) -> Any:
    """The tensors as torch's own views, which know their strides: ``view`` refuses some of them."""
    if isinstance(result, torch.Tensor) and isinstance(views, torch.Tensor):
        value = forward.value(result)
        if value is None or tuple(views.shape) != value.shape:
            return result
        forward.values[id(views)] = (views, value)
        return views
    if isinstance(result, tuple) and isinstance(views, (tuple, list)) and len(result) == len(views):
        return tuple(_strided(forward, one, view) for one, view in zip(result, views))
    return result


VIEWS = {
    "__getitem__", "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "permute", "movedim", "moveaxis",
    "transpose", "swapaxes", "swapdims", "t", ".T", ".mT", ".H", ".mH", "squeeze", "unsqueeze", "chunk", "split",
    "split_with_sizes", "narrow", "select", "unbind", "expand", "expand_as", "broadcast_to",
}  # fmt: skip
"""What gives tensors that share memory with the one they are made of, or may."""
SAME = {
    "contiguous",
    "detach",
    "to",
    "type_as",
    "float",
    "cpu",
    ".data",
    "alias",
    "requires_grad",
    "dropout",
}
"""What gives a tensor as it is, or may."""


def has_handler(func: Any) -> bool:
    """Whether a function is an operation."""
    return name_of(func) in HANDLERS


def name_of(func: Any) -> str:
    """The name that a function is looked up by; a property's is its own."""
    name: str = getattr(func, "__name__", str(func))
    if name == "__get__":
        return f".{func.__self__.__name__}"
    return name


IN_PLACE = {"__iadd__": "add", "__isub__": "sub", "__imul__": "mul", "__itruediv__": "div"}
PLAIN = {
    ".dtype", ".layout", ".is_sparse", ".is_quantized", ".is_mkldnn", ".is_nested",
    ".requires_grad", ".grad_fn", ".is_leaf", ".names", ".is_mps", ".is_xpu", ".grad", ".itemsize",
    "is_floating_point", "is_complex", "is_contiguous", "element_size", "requires_grad_", "type",
    "_is_view", "retain_grad", "is_inference", "is_same_size", "__hash__", "__repr__", "__format__", "data_ptr",
    "result_type", "storage_offset", "is_pinned", "register_hook", "is_neg", "is_conj", "is_tensor",
}  # fmt: skip
"""What says nothing of sizes or values."""
ASIDE = {
    ".device": torch.device("cpu"),
    ".is_cuda": False,
    ".is_meta": False,
    ".is_cpu": True,
    "get_device": -1,
}
"""What a tensor without data says of its place: as if it were the module's."""


def is_zero(n: Any) -> bool:
    return not isinstance(n, RunTimeSize) and n == 0


def is_size(n: Any, value: Value, dim: int) -> bool:
    """Whether it is the size of the dim, for every size of the input."""
    size = n.size if isinstance(n, RunTimeSize) else n
    return size is value.sizes[dim] or (
        isinstance(size, int) and isinstance(value.sizes[dim], int) and size == value.sizes[dim]
    )


def is_plain(values: Any) -> bool:
    return not any(isinstance(n, RunTimeSize) for n in values)


def uniform(values: Sequence[int]) -> int | tuple[int, ...]:
    """One number where all are the same."""
    values = tuple(values)
    return values[0] if len(values) == 1 or len(set(values)) == 1 else values


def number_of(value: Any) -> float | None:
    """A plain number; a tensor of no dims with a value is one as well."""
    if isinstance(value, (bool, RunTimeSize)):
        return None
    if isinstance(value, (int, float)):
        return value
    if (
        isinstance(value, torch.Tensor)
        and value.device.type != "meta"
        and value.dim() == 0
        and not value.requires_grad
    ):
        return float(value)
    return None
