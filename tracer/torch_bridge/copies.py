"""Copies of a module to run in its place: what a forward leaves behind is left in the copy."""

from __future__ import annotations

import copy
import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import BuiltinFunctionType, CellType, FunctionType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

TensorCopy = Callable[[Tensor], Tensor]


class ModuleCopy(NamedTuple):
    """A copy of a module, and what its parts are copies of."""

    module: nn.Module
    originals: Mapping[int, Any]
    """The module's own part, parameter or buffer, by the identity of its copy."""
    tensors: Sequence[Tensor]
    """All tensors of the copy, those in lists and dicts too."""

    def original(self, thing: Any) -> Any:
        """What a thing of the copy is in the module; anything else is given back, and of a dict each value is found."""
        if isinstance(thing, dict):
            return {word: self.original(value) for word, value in thing.items()}
        return self.originals.get(id(thing), thing)


def copy_of(module: nn.Module, tensor_copy: TensorCopy) -> ModuleCopy:
    """A copy of a module with ``tensor_copy`` of each tensor. What cannot be copied is shared with the module."""
    tensors: list[Tensor] = []

    def noted(tensor: Tensor) -> Tensor:
        made = tensor_copy(tensor)
        tensors.append(made)
        return made

    parts = list(module.modules())
    named = list(_tensors_of(parts))
    known = _known_copies(named, noted)
    with torch.no_grad(), _TensorsBy(noted):
        copied, memo = _deep_copy(module, known)
    _rebind_hooks(copied, memo)

    originals = {}
    for thing in (*parts, *named):
        made = memo.get(id(thing))
        if made is not None:
            originals[id(made)] = thing
    return ModuleCopy(copied, originals, tensors)


def shared(tensor: Tensor) -> Tensor:
    """A tensor with the memory of another one. What is written into it is counted by itself, as its version."""
    return _of_the_kind(tensor, tensor.data)


def without_data(tensor: Tensor) -> Tensor:
    """A tensor on the meta device with the sizes, strides and type of another one."""
    return _of_the_kind(tensor, tensor.detach().to("meta"))


def _of_the_kind(tensor: Tensor, data: Tensor) -> Tensor:
    """The data as a parameter where the tensor is one, with what the tensor's attributes say."""
    if isinstance(tensor, nn.Parameter):
        made: Tensor = type(tensor)(data, requires_grad=tensor.requires_grad)
    else:
        made = data.requires_grad_(tensor.requires_grad)
    vars(made).update(vars(tensor))
    return made


# --- copying ---------------------------------------------------------------------------------------------------------


def _tensors_of(parts: Sequence[nn.Module]) -> Iterator[Tensor]:
    """The parameters, the buffers and the tensors that are attributes of a part."""
    for part in parts:
        for named in (part._parameters, part._buffers, vars(part)):
            yield from (thing for thing in named.values() if isinstance(thing, Tensor))


def _known_copies(tensors: Sequence[Tensor], tensor_copy: TensorCopy) -> dict[int, Any]:
    """The copies of tensors by the identity of each, as :func:`copy.deepcopy` takes them."""
    found: dict[int, Any] = {}
    with torch.no_grad():
        for tensor in tensors:
            is_lazy = nn.parameter.is_lazy(tensor)
            if id(tensor) not in found and not is_lazy:
                found[id(tensor)] = tensor_copy(tensor)
    return found


def _deep_copy(module: nn.Module, known: Mapping[int, Any]) -> tuple[nn.Module, dict[int, Any]]:
    """A deep copy, and every copy in it by its original's identity."""
    memo = dict(known)
    try:
        return _copied(module, memo), memo
    except Exception:
        memo = dict(known)
    return _copy_by_parts(module, memo), memo


HOOKS = ("_forward_pre_hooks", "_forward_hooks")


def _rebind_hooks(copied: nn.Module, memo: Mapping[int, Any]) -> None:
    """Let the hooks of a copy write into what the copy has, where they wrote into what the module has."""
    for part in copied.modules():
        for word in HOOKS:
            hooks = getattr(part, word)
            for number, hook in hooks.items():
                if isinstance(hook, FunctionType) and hook.__closure__:
                    hooks[number] = _rebound(hook, memo)


def _rebound(function: FunctionType, memo: Mapping[int, Any]) -> FunctionType:
    """A function with the copy of each thing that it knows from around it, where there is one."""
    cells = []
    for cell in function.__closure__ or ():
        try:
            known = cell.cell_contents
        except ValueError:
            cells.append(cell)  # it has no value yet
            continue
        is_copied = id(known) in memo and memo[id(known)] is not known
        cells.append(CellType(memo[id(known)]) if is_copied else cell)

    made = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(cells),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


ATOMS = {int, float, bool, str, bytes, type(None), type, FunctionType, BuiltinFunctionType}
"""The classes of what is its own copy."""


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """What :func:`copy.deepcopy` gives; the parts of a module are a hundred small dicts, for which that is slow."""
    kind: Any = type(value)
    if kind in ATOMS:
        return value
    if id(value) in memo:
        return memo[id(value)]

    if kind in (tuple, set) and ATOMS.issuperset(map(type, value)):
        memo[id(value)] = kind(value)
        return memo[id(value)]
    if kind is dict or (kind is OrderedDict and not vars(value)):
        return _copied_dict(value, memo)
    is_part = isinstance(value, nn.Module) and is_copied_by_attributes(kind)
    return _copied_part(value, memo) if is_part else copy.deepcopy(value, memo)


def _copied_dict(value: dict[Any, Any], memo: dict[int, Any]) -> dict[Any, Any]:
    """A dict of the same class with a copy of each key and value."""
    made: dict[Any, Any] = type(value)()
    memo[id(value)] = made
    for key, one in value.items():
        copied = key if type(key) in ATOMS else _copied(key, memo)
        made[copied] = one if type(one) in ATOMS else _copied(one, memo)
    return made


def _copied_part(part: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A module with a copy of each attribute, as Python makes one of an object that says nothing else."""
    made: nn.Module = type(part).__new__(type(part))
    memo[id(part)] = made
    # Python 3.10 has no method of that name.
    state_of: Any = getattr(part, "__getstate__", lambda: vars(part))
    attributes = {}
    for word, value in state_of().items():
        attributes[word] = value if type(value) in ATOMS else _copied(value, memo)
    set_state: Any = made.__setstate__
    set_state(attributes)
    return made


COPYING = (
    "__deepcopy__",
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__slots__",
)
"""The words by which a class says how it is copied."""


@functools.lru_cache(maxsize=1000)
def is_copied_by_attributes(cls: type) -> bool:
    """Whether a class of modules leaves it to torch how it is copied."""
    return all(getattr(cls, word, None) is getattr(nn.Module, word, None) for word in COPYING)


def _copy_by_parts(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A copy attribute by attribute: one that cannot be copied is the module's own."""
    parts = list(module.modules())
    for part in parts:
        memo[id(part)] = type(part).__new__(type(part))

    for part in parts:
        attributes = vars(memo[id(part)])
        for word, value in vars(part).items():
            try:
                attributes[word] = copy.deepcopy(value, memo)
            except Exception:
                attributes[word] = value
    copied: nn.Module = memo[id(module)]
    return copied


class _TensorsBy(TorchFunctionMode):
    """Tensors in lists and dicts are copied as those that a module has by name."""

    def __init__(self, tensor_copy: TensorCopy) -> None:
        super().__init__()
        self.tensor_copy = tensor_copy

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is not torch.Tensor.__deepcopy__:
            return func(*args, **(kwargs or {}))
        tensor, memo = args
        if id(tensor) not in memo:
            memo[id(tensor)] = self.tensor_copy(tensor)
        return memo[id(tensor)]


# --- tensors that a copy shares with the module ----------------------------------------------------------------------


class Restored(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is active, anything may be changed in place; afterwards these tensors are as they were.

    Only memory that is written to is kept beside, so that nothing is copied for a forward that changes nothing.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.memory: set[int] = set()
        """The addresses of these tensors."""
        for tensor in tensors:
            if _has_memory(tensor):
                self.memory.add(_address(tensor))
        self.before: dict[int, tuple[Any, Any]] = {}
        """Memory that was written to, and what it held, by its address."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        for tensor in _written_by(func, args, kwargs):
            if _has_memory(tensor) and _address(tensor) in self.memory:
                storage: Any = tensor.untyped_storage()
                if storage.data_ptr() not in self.before:
                    self.before[storage.data_ptr()] = (storage, storage.clone())
        return func(*args, **kwargs)

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        for storage, before in self.before.values():
            storage.copy_(before)


def _has_memory(tensor: Tensor) -> bool:
    is_strided = tensor.layout == torch.strided and tensor.device.type != "meta"
    return is_strided and not nn.parameter.is_lazy(tensor)


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _written_by(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    """The tensors that a function of torch writes into, by its schema."""
    for number, word in _arguments_written_by(func):
        is_positional = number < len(args)
        given = args[number] if is_positional else kwargs.get(word)
        several = given if isinstance(given, (list, tuple)) else [given]
        yield from (one for one in several if isinstance(one, Tensor))


@functools.lru_cache(maxsize=10_000)
def _arguments_written_by(func: Any) -> list[tuple[int, str]]:
    """The places and names of the arguments that a function writes into."""
    found = []
    for number, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found.append((number, argument.name))
    return found
