"""A module's forward, run once on tensors without data, and every step of it recorded.

The user's own Python runs, so that whatever decides there, by sizes or by anything else but a tensor's values, decides
as it always does. Tensors are on the meta device; a torch function that is called with one of them is looked up in
:mod:`tracer.torch_bridge.calls`, and a torch.nn module becomes its operation. Sizes are read as
:class:`tracer.importing.run_time_sizes.RunTimeSize`.
"""

from __future__ import annotations

import importlib
import itertools
import linecache
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode

from tracer.importing.recording import AXES, Recording, Scope, Unrepresentable, Value
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.sizing.symbol import Space
from tracer.torch_bridge import (
    calls,
    calls_of_dims,
    calls_of_elements,
    calls_of_layers,
    calls_of_modules,
    calls_of_sizes,
)
from tracer.torch_bridge.modules import arguments_of, operation_of

HANDLERS = (calls_of_dims, calls_of_elements, calls_of_layers, calls_of_sizes)
"""The files whose handlers are registered when they are imported."""

OURS = tuple(
    os.path.dirname(path) + os.sep
    for path in (torch.__file__, os.path.dirname(__file__), importlib.__file__)
)
"""Files whose lines are no place in the user's source."""


class Memory(NamedTuple):
    """Tensors of one memory, by their identity."""

    whole: dict[int, torch.Tensor]
    """Those that have all of it, in the same places."""
    views: dict[int, torch.Tensor]


OpenDims = Callable[[int], Mapping[int, str]]
"""The symbols of an input with so many dims, by dim."""


def spatial_dims(rank: int) -> Mapping[int, str]:
    """Its spatial dims are symbols."""
    names = AXES.get(rank, ())
    return dict(enumerate(names, rank - len(names)))


def batch_and_spatial_dims(rank: int) -> Mapping[int, str]:
    """Its first dim is a symbol too."""
    return {0: "N", **spatial_dims(rank)} if rank >= 2 else {}


def no_dims(rank: int) -> Mapping[int, str]:
    """All of them are numbers."""
    return {}


class Forward(TorchFunctionMode):
    """One run of a module: :meth:`run` gives its steps.

    ``open_dims`` are the symbols of the inputs' dims. ``sizes`` gives some symbols another size.
    """

    def __init__(
        self, module: torch.nn.Module, open_dims: OpenDims, space: Space, sizes: Mapping[str, int]
    ) -> None:
        super().__init__()
        self.module = module
        self.open_dims = open_dims
        self.recording = Recording(place, space, sizes)
        self.calls = itertools.count()
        self.names = {id(part): name for name, part in module.named_modules()}
        self.made_of_sizes: dict[int, tuple[Any, str]] = {}
        """Tensors that were made at run time, of sizes of the input, and where."""
        self.zeros: dict[int, tuple[Any, tuple[Any, ...]]] = {}
        """Those of them that are nothing but zeros, and their sizes."""
        self.values: dict[int, tuple[torch.Tensor, Value]] = {}
        """What each tensor of the forward is; the tensors are kept, so that no other gets their identity."""
        self.constants: dict[int, Value] = {}
        self.memory: dict[int, Memory] = {}
        """Tensors that share memory."""
        self.stale: dict[int, str] = {}
        """Tensors whose memory was changed through another one, and where."""
        self.indices: dict[int, tuple[torch.Tensor, Value]] = {}
        """Which max pooling gave the indices."""

    def run(self, shapes: Sequence[Sequence[int]]) -> Recording:
        """The steps for inputs of these shapes. Raises :class:`Unrepresentable`, or what the module raises."""
        tensors = [
            self._input(f"input{i}" if i > 1 else "input", shape)
            for i, shape in enumerate(shapes, 1)
        ]
        no_grad: Any = torch.no_grad
        with _calls_of(self), no_grad(), self:
            result = self.module(*tensors)
        outputs = self._outputs(result, "")
        if not outputs:
            raise Unrepresentable(
                f"{type(self.module).__name__} returns no tensor that depends on its input"
            )
        self.recording.outputs = outputs
        return self.recording

    def _input(self, name: str, shape: Sequence[int]) -> torch.Tensor:
        return self.tensor(self.recording.input(name, shape, self.open_dims(len(shape))))

    def _outputs(self, result: Any, name: str) -> dict[str, Value]:
        if isinstance(result, torch.Tensor):
            return {} if self.value(result) is None else {name or "output": self.operand(result)}
        parts: Iterator[tuple[str, Any]]
        if isinstance(result, Mapping):
            parts = ((str(key), part) for key, part in result.items())
        elif isinstance(result, (list, tuple)):
            parts = ((str(i), part) for i, part in enumerate(result))
        elif result is None or isinstance(result, (int, float, str)):
            return {}
        elif hasattr(result, "__dict__"):
            parts = iter(vars(result).items())
        else:
            raise Unrepresentable(
                f"the forward returns {type(result).__name__}: no tensor, list or dict of tensors"
            )
        found: dict[str, Value] = {}
        for key, part in parts:
            found |= self._outputs(part, f"{name}_{key}" if name else key)
        return found

    # --- tensors -----------------------------------------------------------------------------------------------------

    def tensor(self, value: Value, like: torch.dtype = torch.float32) -> torch.Tensor:
        """A tensor without data that stands for a value."""
        with torch._C.DisableTorchFunctionSubclass():
            made = torch.empty(value.shape, device="meta", dtype=like)
        self.values[id(made)] = (made, value)
        return made

    def value(self, tensor: Any) -> Value | None:
        """What a tensor is, where it depends on the input."""
        known = self.values.get(id(tensor))
        return known[1] if known else None

    def share(self, tensor: torch.Tensor, other: torch.Tensor, *, whole: bool) -> None:
        """Note that ``other`` has the memory of a tensor: all of it in the same places (``whole``), or a view of it."""
        memory = self.memory.setdefault(id(tensor), Memory({id(tensor): tensor}, {}))
        (memory.whole if whole and id(tensor) in memory.whole else memory.views)[id(other)] = other
        self.memory[id(other)] = memory

    def become(self, tensor: torch.Tensor, value: Value) -> torch.Tensor:
        """A tensor changed in place: others that are it are changed too, views of it are not known any more."""
        memory = self.memory.get(id(tensor), Memory({id(tensor): tensor}, {}))
        same = memory.whole if id(tensor) in memory.whole else {id(tensor): tensor}
        for key, other in same.items():
            self.values[key] = (other, value)
        for key in {*memory.whole, *memory.views} - {*same}:
            self.stale[key] = place()
        return tensor

    def operand(self, value: Any) -> Value:
        """A tensor as the source of a step: one of the forward's, or a parameter or constant of the module."""
        if isinstance(value, Value):
            return value
        if id(value) in self.stale:
            raise self.recording.refused(
                f"it shares memory with a tensor that was changed in place ({self.stale[id(value)]})"
            )
        known = self.value(value)
        if known is not None:
            return known
        if id(value) in self.made_of_sizes:
            raise self.recording.refused(
                f"a tensor is used that was made at run time ({self.made_of_sizes[id(value)][1]})"
            )
        if not isinstance(value, torch.Tensor):
            raise self.recording.refused(f"{value!r} is no tensor")
        if id(value) not in self.constants:
            self.constants[id(value)] = self.recording.add(
                "Parameter", [], {"shape": tuple(value.shape)}, self._parameter(value), owner=value
            )
        return self.constants[id(value)]

    def _parameter(self, value: torch.Tensor) -> str:
        for name, known in itertools.chain(
            self.module.named_parameters(), self.module.named_buffers()
        ):
            if known is value:
                return name.replace(".", "_")
        return "constant"

    # --- calls -------------------------------------------------------------------------------------------------------

    def called(self, module: torch.nn.Module, original: Any, args: Any, kwargs: Any) -> Any:
        """A module is called: an operation, or a part with steps of its own."""
        depends = any(self.value(a) is not None for a in _tensors((args, kwargs)))
        path = self.names.get(id(module))
        label = (path or type(module).__name__).rpartition(".")[2]
        if depends and (found := operation_of(module)) is not None:
            return self._operation(module, found, label, args, kwargs)
        if module is self.module:
            return original(module, *args, **kwargs)
        self.recording.scopes.append(
            Scope(self._within(path, label), type(module).__name__, next(self.calls))
        )
        try:
            return original(module, *args, **kwargs)
        finally:
            self.recording.scopes.pop()

    def _within(self, path: str | None, label: str) -> str:
        """A module's name in the part that calls it: ``layers.0`` where no module stands between."""
        if path is None:
            return label
        around = ".".join(scope.name for scope in self.recording.scopes)
        return (
            path[len(around) + 1 :]
            if around and path.startswith(f"{around}.")
            else path
            if not around
            else label
        )

    def _operation(
        self, module: torch.nn.Module, op_name: str, label: str, args: Any, kwargs: Any
    ) -> Any:
        recording = self.recording
        path = self.names.get(id(module))
        label = self._within(path, label)
        if module._forward_hooks or (module._forward_pre_hooks and not _is_reparametrized(module)):
            raise recording.refused(
                f"{label} ({type(module).__name__}) has hooks, which may do anything"
            )
        call = calls_of_modules.ModuleCall(self, module, op_name, label, args, kwargs)
        handler: Any = calls_of_modules.MODULES.get(op_name, calls_of_modules.plain_module)
        return handler(call, arguments_of(module, op_name))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = list(_tensors((args, kwargs)))
        if any(id(t) in self.values for t in given):
            return calls.call(self, func, args, kwargs)
        made = next(
            (self.made_of_sizes[id(t)][1] for t in given if id(t) in self.made_of_sizes), None
        )
        if made is None and any(
            isinstance(n, (RunTimeSize, RunTimeQuotient)) for n in _flat((args, kwargs))
        ):
            if given and calls.has_handler(
                func
            ):  # a parameter that is expanded or resized to the input
                return calls.call(self, func, args, kwargs)
            made = place()
        if made is not None and calls.name_of(func) in calls_of_sizes.VALUES:
            raise self.recording.refused(
                "the values of a tensor decide here, which no config can say"
            )
        result = func(*args, **kwargs)
        if made is not None:
            for tensor in _tensors(result):
                self.made_of_sizes[id(tensor)] = (tensor, made)
            if getattr(func, "__name__", "") == "zeros" and not given:
                self.zeros[id(result)] = (
                    result,
                    tuple(
                        args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
                    ),
                )
        return result


def _is_reparametrized(module: torch.nn.Module) -> bool:
    """Whether all that its hooks do is to compute its weights: torch's weight_norm and spectral_norm."""
    return all(
        type(hook).__module__.startswith("torch.nn.utils.")
        for hook in module._forward_pre_hooks.values()
    )


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _flat(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _flat(part)
    elif isinstance(value, slice):
        yield from (value.start, value.stop, value.step)
    else:
        yield value


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    return (part for part in _flat(value) if isinstance(part, torch.Tensor))


@contextmanager
def _calls_of(forward: Forward) -> Iterator[None]:
    """Calls of modules go to the forward while it runs."""
    original = torch.nn.Module.__call__

    def call(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        return forward.called(module, original, args, kwargs)

    torch.nn.Module.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.nn.Module.__call__ = original  # type: ignore[method-assign]


def place() -> str:
    """The line of the user's source that runs now: ``net.py:12 `x = self.up(x)` ``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (
        frame.f_code.co_filename.startswith(OURS) or frame.f_code.co_filename.startswith("<")
    ):
        frame = frame.f_back
    if frame is None:
        return ""
    return line_of(frame.f_code.co_filename, frame.f_lineno)


def line_of(path: str, number: int) -> str:
    """A line of a source file, with its text."""
    text = linecache.getline(path, number).strip()
    return f"{path}:{number} `{text}`" if text else f"{path}:{number}"


def raised(who: str, error: BaseException) -> str:
    """What the user's code raised, and the last line of it that the error went through."""
    traceback, where = error.__traceback__, ""
    while traceback is not None:
        path = traceback.tb_frame.f_code.co_filename
        if not path.startswith(OURS) and not path.startswith("<"):
            where = f" at {line_of(path, traceback.tb_lineno)}"
        traceback = traceback.tb_next
    said = (str(error).splitlines() or [""])[0]
    return f"{who} raises {type(error).__name__}{where}" + (f": {said}" if said else "")
