"""The table from torch's functions and modules to the handlers that make operations of them.

A handler is found by the function's name: torch.relu, torch.nn.functional.relu, Tensor.relu and Tensor.relu_ are one.
Handlers register themselves (:func:`handles`, :func:`handles_modules`) in the files of
:mod:`tracer.torch_bridge.handlers`. What has none is refused by name.
"""

from __future__ import annotations

import enum
import functools
import numbers
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

import torch
from torch._ops import OpOverload, OpOverloadPacket

from tracer.importing.recording import Recording, Unrepresentable, Value
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.torch_bridge.tensors import Tensors

SPELLINGS = {
    "axis": "dim",
    "x": "input",
    "self": "input",
    "keepdims": "keepdim",
    "split_sizes": "split_size",
    "split_size_or_sections": "split_size",
}
"""Other words that torch takes for an argument."""


class TorchCall:
    """One call of a function, its arguments by the names that its handler gives them."""

    def __init__(
        self,
        tensors: Tensors,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        registered: str | None = None,
    ) -> None:
        self.tensors = tensors
        self.recording: Recording = tensors.recording
        self.name = name
        """The name that it is called by, ``relu_``."""
        self.label = name
        """What it is called in a message."""
        self.registered = name if registered is None else registered
        """The name that its handler is registered under, ``relu``."""
        self.args = tuple(map(_as_pythons, args))
        self.kwargs = {word: _as_pythons(value) for word, value in kwargs.items()}
        self.in_place = self.kwargs.get("inplace") is True
        """Whether the first tensor is changed."""
        self.made_dtype: torch.dtype | None = None
        """The type of the tensors that it makes, where that is not the one of those that it is given."""

    @property
    def first(self) -> Any:
        """The tensor that it is called with first."""
        if self.args:
            return self.args[0]
        return self.kwargs.get("input")

    @property
    def dtype(self) -> torch.dtype:
        """The type of the tensors that it makes, as far as its own tensors say it."""
        if self.made_dtype is not None:
            return self.made_dtype
        given = (*self.args, *self.kwargs.values())
        found = list(self._floating(given))
        return functools.reduce(torch.promote_types, found) if found else torch.float32

    @property
    def is_floating(self) -> bool:
        """Whether floating tensors are among its own; of others, torch alone knows what becomes."""
        return any(True for _ in self._floating((*self.args, *self.kwargs.values())))

    def _floating(self, given: Iterable[Any]) -> Iterator[torch.dtype]:
        """The types of the floating and complex tensors among some arguments, those in lists too."""
        for one in given:
            if isinstance(one, (list, tuple)):
                yield from self._floating(one)
            elif isinstance(one, torch.Tensor):
                dtype = type_of(one)
                if dtype.is_floating_point or dtype.is_complex:
                    yield dtype

    @property
    def x(self) -> Value:
        """The value of the first tensor."""
        return self.value(self.first)

    def arguments(self, names: str, **defaults: Any) -> dict[str, Any]:
        """The arguments by name. Refused where there are others than these, or an ``out``."""
        words = names.split()
        if self.kwargs.get("out") is not None:
            raise self.refused(f"{self.name} writes into another tensor (out=)")
        if len(self.args) > len(words):
            raise self.refused(f"{self.name} is called with more arguments than are known")

        given = dict(zip(words, self.args))
        for word, value in self.kwargs.items():
            if word == "out":
                continue
            known = SPELLINGS.get(word, word)
            if known not in words and known not in defaults:
                raise self.refused(f"{self.name} is called with {word}, which is not known")
            given[known] = value
        return {**defaults, **given}

    def bound(self, names: str, **defaults: Any) -> Any:
        """The arguments as attributes: ``bound("input dim", dim=0).dim``."""
        return SimpleNamespace(**self.arguments(names, **defaults))

    def refused(self, why: str) -> Unrepresentable:
        """The error that says why, and at which line of the user's source."""
        return self.recording.refused(why)

    def number(self, given: Any) -> float:
        """A plain number that is an argument; refused where it follows the input's size."""
        found = number_of(given)
        if found is None:
            raise self.refused(f"{self.name} by a number that a config cannot say")
        return float(found)

    def value(self, tensor: Any) -> Value:
        """The value of a tensor, as the source of a step."""
        return self.tensors.operand(tensor)

    def known(self, tensor: Any) -> Value:
        """The value of a tensor whose sizes alone are read: its content may have been changed since."""
        found = self.tensors.value(tensor)
        if found is None and tensor in self.tensors.made:
            return self.tensors.nameless(tensor)
        return self.value(tensor) if found is None else found

    def add(self, op_name: str, *sources: Any, owner: Any = None, **arguments: Any) -> Value:
        """One more step, with the weights of ``owner``; the value that it makes."""
        values = [self.value(source) for source in sources]
        weights = self.tensors.weights_of(owner)
        return self.recording.add(op_name, values, arguments, weights=weights)

    def add_beside(self, op_name: str, *sources: Any, **arguments: Any) -> Value:
        """One more step, which is left out where nothing reads it."""
        made = self.add(op_name, *sources, **arguments)
        self.recording.beside.add(made.node)
        return made

    def sizes(self, sizes: Any) -> tuple[Any, ...]:
        """Sizes that are an argument; refused where it is not known how one was computed."""
        is_several = isinstance(sizes, (list, tuple))
        found = tuple(sizes) if is_several else (sizes,)
        self.recording.known(found)
        return found


class ModuleCall(TorchCall):
    """One call of a module that is an operation."""

    def __init__(
        self,
        tensors: Tensors,
        module: torch.nn.Module,
        op_name: str,
        label: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        super().__init__(tensors, op_name, args, kwargs)
        self.module = module
        self.label = label
        """The module's name in the part that calls it."""

    def add_module(self, *sources: Any, **arguments: Any) -> Any:
        """The step; the module's weights are its own."""
        values = [self.value(source) for source in sources]
        weights = self.tensors.weights_of(self.module)
        made = self.recording.add(self.name, values, arguments, self.label, weights=weights)
        if getattr(self.module, "inplace", False):
            return self.tensors.become(sources[0], made)
        return made

    def add_later(self, *sources: Any, **arguments: Any) -> torch.Tensor:
        """A tensor of the module's, whose step is made where somebody reads it: one of several that it gives."""
        recording = self.recording
        values = [self.value(source) for source in sources]
        shape = recording.shape_made(self.name, values, arguments)
        scopes = tuple(recording.scopes)
        origin = recording.origin()

        def make() -> Value:
            with recording.back_at(scopes, origin):
                made: Value = self.add_module(*values, **arguments)
                return made

        return self.tensors.later(shape, self.dtype, make)


# --- the table -------------------------------------------------------------------------------------------------------


class Sharing(enum.Enum):
    """Whether what a function gives may have the memory of its first tensor."""

    NONE = "none"
    VIEW = "a part of it, or all in another order"
    WHOLE = "all of it, in the same places"


class Handler(NamedTuple):
    """What is done for a function of torch. Values that it gives become tensors, alone or in a tuple."""

    run: Callable[[TorchCall], Any]
    sharing: Sharing
    typed: bool = False
    """Whether torch itself gives the types of what it makes, and its kind of tuple: truth values, places."""


class ModuleHandler(NamedTuple):
    """What is done for a class of torch.nn."""

    run: Callable[[ModuleCall, dict[str, Any]], Any]
    """Takes the arguments that the module was made with, too."""
    sharing: Sharing


HANDLERS: dict[str, Handler] = {}
"""By the function's name."""

MODULE_HANDLERS: dict[type[torch.nn.Module], ModuleHandler] = {}
"""By the class of torch.nn; one that is not here is called with tensors only."""

Function = TypeVar("Function", bound=Callable[..., Any])


def handles(
    *names: str, sharing: Sharing = Sharing.NONE, typed: bool = False
) -> Callable[[Function], Function]:
    """Register a handler for functions of these names; a property's name begins with a dot."""

    def register(run: Function) -> Function:
        for name in names:
            if name in HANDLERS:
                raise ValueError(f"a handler of {name} is registered twice")
            HANDLERS[name] = Handler(run, sharing, typed)
        return run

    return register


def handles_modules(
    *classes: type[torch.nn.Module], sharing: Sharing = Sharing.NONE
) -> Callable[[Function], Function]:
    """Register a handler for modules of these classes of torch.nn."""

    def register(run: Function) -> Function:
        for cls in classes:
            if cls in MODULE_HANDLERS:
                raise ValueError(f"a handler of {cls.__name__} is registered twice")
            MODULE_HANDLERS[cls] = ModuleHandler(run, sharing)
        return run

    return register


def call(tensors: Tensors, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The result of a function that is called with tensors of the forward.

    Raises :class:`Unrepresentable` for a function without a handler.
    """
    name = name_of(func)
    if name in ASIDE:
        return ASIDE[name]
    if name in PLAIN or name in PLAIN_OF_SIZES:
        tensors.recording.sizes_are_read |= name in PLAIN_OF_SIZES
        return func(*args, **kwargs)

    registered, changes_first = registered_name(name)
    made = TorchCall(tensors, name, args, kwargs, registered=registered)
    handler = HANDLERS.get(registered)
    if handler is None:
        raise made.refused(f"{name} has no operation in a config")

    result = handler.run(made)
    if (changes_first or made.in_place) and isinstance(result, Value):
        return tensors.become(made.first, result)

    is_made = isinstance(result, (Value, tuple)) and _is_torchs(made, handler)
    own = without_data(func, args, kwargs) if is_made else None
    tensors.torch_was_asked |= is_made
    given = as_tensors(tensors, result, own, dtype=made.dtype)
    _share(tensors, made.first, given, handler.sharing)
    return given


def _is_torchs(call: TorchCall, handler: Handler) -> bool:
    """Whether torch itself gives the tensors for a result.

    Its own views know their strides: ``view`` refuses some of them. Of tensors that do not float, it alone knows the
    type of what is made.
    """
    return handler.sharing is Sharing.VIEW or handler.typed or not call.is_floating


def type_of(tensor: torch.Tensor) -> torch.dtype:
    """The type of a tensor, asked behind the back of the recording."""
    with torch._C.DisableTorchFunction():
        return tensor.dtype


def without_data(func: Any, args: Any, kwargs: Any) -> Any:
    """What a function gives of the same tensors without data."""

    def on_meta(given: Any) -> Any:
        if isinstance(given, torch.Tensor):
            is_number = given.dim() == 0 or given.device.type == "meta"
            return given if is_number else given.to("meta")
        if type(given) in (list, tuple):
            return type(given)(map(on_meta, given))
        return given

    with torch._C.DisableTorchFunction():
        return func(*on_meta(tuple(args)), **{word: on_meta(v) for word, v in kwargs.items()})


def call_module(made: ModuleCall, cls: type[torch.nn.Module], arguments: dict[str, Any]) -> Any:
    """The result of a module of this class of torch.nn, which was made with the arguments."""
    default = ModuleHandler(with_tensors_only, Sharing.NONE)
    handler = MODULE_HANDLERS.get(cls, default)
    result = handler.run(made, arguments)
    given = as_tensors(made.tensors, result, dtype=made.dtype)
    _share(made.tensors, made.first, given, handler.sharing)
    return given


def share_as(
    cls: type[torch.nn.Module], tensors: Tensors, first: torch.Tensor, result: torch.Tensor
) -> None:
    """Note that what a module of a class gives has the memory of what it is given, if it has."""
    handler = MODULE_HANDLERS.get(cls)
    if handler is not None:
        _share(tensors, first, result, handler.sharing)


def with_tensors_only(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    """The step of a module that is called with tensors and nothing else."""
    given = [*call.args, *call.kwargs.values()]
    if not all(isinstance(one, torch.Tensor) for one in given):
        raise call.refused(f"{call.label} ({call.name}) is called with more than tensors")
    return call.add_module(*given, **arguments)


def registered_name(name: str) -> tuple[str, bool]:
    """The name that a function's handler is registered under, and whether it changes its first tensor.

    >>> registered_name("relu_"), registered_name("__iadd__"), registered_name("__len__")
    (('relu', True), ('add', True), ('__len__', False))
    """
    if name in IN_PLACE:
        return IN_PLACE[name], True
    of_copy = name.removesuffix("_")
    is_in_place = name.endswith("_") and not name.endswith("__")
    if is_in_place and of_copy in HANDLERS:
        return of_copy, True
    return name, False


def as_tensors(
    tensors: Tensors, result: Any, views: Any = None, *, dtype: torch.dtype = torch.float32
) -> Any:
    """A handler's result with tensors for its values; torch's own ``views`` where their shapes are the same."""
    if isinstance(result, Value):
        if isinstance(views, torch.Tensor) and tuple(views.shape) == result.shape:
            return tensors.note(views, result)
        return tensors.tensor(result, dtype)
    if type(result) is not tuple:
        return result

    fit = isinstance(views, (tuple, list)) and len(views) == len(result)
    parts = views if fit else [None] * len(result)
    pairs = zip(result, parts)
    given = tuple(as_tensors(tensors, one, part, dtype=dtype) for one, part in pairs)
    has_names = fit and hasattr(views, "n_fields")
    return type(views)(given) if has_names else given


def _share(tensors: Tensors, first: Any, result: Any, sharing: Sharing) -> None:
    """Note that the results have the memory of the first tensor, if they have."""
    if sharing is Sharing.NONE or not isinstance(first, torch.Tensor):
        return
    for other in result if isinstance(result, tuple) else [result]:
        if isinstance(other, torch.Tensor):
            # A view that changes nothing (x[:]) is all of the tensor.
            same = tensors.value(other) == tensors.value(first)
            tensors.share(first, other, whole=same or sharing is Sharing.WHOLE)


def is_aside(name: str) -> bool:
    """Whether a function says nothing of a tensor's sizes that could be followed, or of its values."""
    return name in ASIDE or name in PLAIN or name in PLAIN_OF_SIZES


def has_handler(func: Any) -> bool:
    """Whether a function is an operation."""
    return name_of(func) in HANDLERS


def _as_pythons(given: Any) -> Any:
    """An argument with Python's integers for those of NumPy, which torch takes too."""
    if type(given) in (list, tuple):
        return type(given)(map(_as_pythons, given))
    is_other = not isinstance(given, int) and isinstance(given, numbers.Integral)
    return operator.index(given) if is_other else given


OTHERS_OF_ATEN = {
    "batch_norm": "torch.batch_norm",
    "instance_norm": "torch.instance_norm",
    "unfold": "Tensor.unfold",
}
"""Functions of torch.ops.aten that are others than those of torch.nn.functional with their names."""


def name_of(func: Any) -> str:
    """The name that a function is looked up by; a property's begins with a dot."""
    # One of torch.ops.aten, or one of its variants: ``relu.default``.
    if isinstance(func, OpOverload):
        func = func.overloadpacket
    if isinstance(func, OpOverloadPacket):
        of_torch: str = func.__name__
        return OTHERS_OF_ATEN.get(of_torch, of_torch)

    # A method of that name that is another function than the one of torch.nn.functional.
    if func is torch.Tensor.unfold:
        return "Tensor.unfold"
    if func is torch.Tensor.where:
        return "Tensor.where"
    if func in (torch.batch_norm, torch.instance_norm):
        return f"torch.{func.__name__}"

    name: str = getattr(func, "__name__", str(func))
    if name == "__get__":
        return f".{func.__self__.__name__}"
    return name


IN_PLACE = {
    "__iadd__": "add",
    "__isub__": "sub",
    "__imul__": "mul",
    "__itruediv__": "div",
    "__ipow__": "pow",
    "__imod__": "remainder",
    "__ifloordiv__": "floor_divide",
    "__iand__": "bitwise_and",
    "__ior__": "bitwise_or",
    "__ixor__": "bitwise_xor",
}
"""Python's operators that change their first tensor, by their names."""

PLAIN = {
    ".dtype",
    ".layout",
    ".is_sparse",
    ".is_quantized",
    ".is_mkldnn",
    ".is_nested",
    ".requires_grad",
    ".grad_fn",
    ".is_leaf",
    ".names",
    ".is_mps",
    ".is_xpu",
    ".grad",
    ".itemsize",
    "is_floating_point",
    "is_complex",
    "element_size",
    "requires_grad_",
    "_is_view",
    "retain_grad",
    "is_inference",
    "__hash__",
    "data_ptr",
    "result_type",
    "is_pinned",
    "register_hook",
    "is_neg",
    "is_conj",
    "is_tensor",
}
"""Functions that say nothing of sizes or values."""

PLAIN_OF_SIZES = {"is_contiguous", "is_same_size", "storage_offset", "__repr__", "__format__"}
"""Functions that say something of sizes, without a number that could be followed."""

ASIDE = {
    ".device": torch.device("cpu"),
    ".is_cuda": False,
    ".is_meta": False,
    ".is_cpu": True,
    "get_device": -1,
}
"""What a tensor without data says of its place: as if it were the module's."""


# --- arguments -------------------------------------------------------------------------------------------------------


def is_zero(n: Any) -> bool:
    """Whether it is 0 for every size of the input."""
    return not isinstance(n, RunTimeSize) and n == 0


def is_size(n: Any, value: Value, dim: int) -> bool:
    """Whether it is the size of the dim, for every size of the input."""
    size = n.size if isinstance(n, RunTimeSize) else n
    own = value.sizes[dim]
    if size is own:
        return True
    are_numbers = isinstance(size, int) and isinstance(own, int)
    return are_numbers and size == own


def is_plain(values: Sequence[Any]) -> bool:
    """Whether none of the numbers follows the input's sizes."""
    return not any(isinstance(n, RunTimeSize) for n in values)


def uniform(values: Sequence[int]) -> int | tuple[int, ...]:
    """One number where all are the same."""
    several = tuple(values)
    is_uniform = len(several) == 1 or len(set(several)) == 1
    return several[0] if is_uniform else several


def number_of(value: Any) -> float | None:
    """A plain number, which follows no size; a tensor of no dims with a value is one as well."""
    if isinstance(value, (bool, RunTimeSize, RunTimeQuotient)):
        return None
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, torch.Tensor):
        return None
    has_value = value.device.type != "meta"
    is_constant = value.dim() == 0 and not value.requires_grad
    return float(value) if has_value and is_constant else None
