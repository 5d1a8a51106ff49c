"""The lines that made a module's parts, and where its forward is when it makes a step."""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
import weakref
from collections.abc import Iterator, MutableMapping, Sequence
from types import CodeType, FrameType
from typing import Any, NamedTuple

import torch

from tracer.source.python_places import Constructor, Place
from tracer.torch_bridge.places import MOST_CALLERS, CodePlace, line_of, running


class Making(NamedTuple):
    """The places that made a module."""

    at: CodePlace
    """The user's line that called its constructor."""
    caller: CodePlace | None
    """The line that called the function or the constructor which that line stands in."""


_made: MutableMapping[torch.nn.Module, Making] = weakref.WeakKeyDictionary()
"""Those of each module that was made while it was noted."""


@contextlib.contextmanager
def constructions_noted() -> Iterator[None]:
    """Note the line that makes each module, while this is active; of a copy it is that of what is copied."""
    original, restored = torch.nn.Module.__init__, torch.nn.Module.__setstate__

    def noted(module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        with contextlib.suppress(TypeError):  # one that cannot be a key
            seen = _caller_of_constructor(module)
            if seen is not None and module not in _made:
                _made[module] = seen
        original(module, *args, **kwargs)

    def copied(module: torch.nn.Module, state: Any) -> None:
        with contextlib.suppress(TypeError):
            seen = _line_of_copied(sys._getframe(1))
            if seen is not None:
                _made[module] = seen
        restored(module, state)  # type: ignore[no-untyped-call]

    torch.nn.Module.__init__ = noted  # type: ignore[method-assign,assignment]
    torch.nn.Module.__setstate__ = copied  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.nn.Module.__init__ = original  # type: ignore[method-assign]
        torch.nn.Module.__setstate__ = restored  # type: ignore[method-assign]


def _line_of_copied(frame: FrameType | None) -> Making | None:
    """The place that made the module of which a copy is made in this frame, or in those that called it."""
    making = getattr(copy, "_reconstruct", None)
    while frame is not None and making is not None:
        code = frame.f_code
        if code is making.__code__:
            return line_that_made(frame.f_locals[code.co_varnames[0]])
        # Classes restore themselves in steps of their own, which call that of torch.
        frame = frame.f_back if code.co_name == "__setstate__" else None
    return None


def _caller_of_constructor(module: torch.nn.Module) -> Making | None:
    """The place that makes a module: its own constructors, one calling another, are left out."""
    constructors = set()
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and _is_constructor(frame, module):
        constructors.add(frame.f_code)
        frame = frame.f_back

    outside = [seen for seen in running() if seen.code not in constructors]
    if not outside:
        return None
    return Making(outside[0], outside[1] if len(outside) > 1 else None)


def _is_constructor(frame: FrameType, module: torch.nn.Module) -> bool:
    code = frame.f_code
    if code.co_name != "__init__" or not code.co_argcount:
        return False
    return frame.f_locals.get(code.co_varnames[0]) is module


def line_that_made(module: torch.nn.Module) -> Making | None:
    """The places that made a module; None where nobody noted it."""
    try:
        return _made.get(module)
    except TypeError:  # one that cannot be a key
        return None


def constructor_of(kind: type) -> Constructor:
    """A class by its name and the parameters of its constructor."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return Constructor(kind.__name__, ())
    named = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    return Constructor(kind.__name__, tuple(named))


class ModuleOrigin(NamedTuple):
    """Where a module's forward is when it makes a step."""

    seen: Sequence[CodePlace]
    """The user's places that run, the innermost first."""
    module: str | None
    """The dotted path of the innermost module that runs."""
    is_layer: bool
    """Whether the step is that module itself."""
    made: Making | None
    """The places that made the layer."""
    kind: type
    """The module's class."""
    caller: CodeType | None
    """The code that calls the module."""

    def place(self) -> Place:
        """The same as a record."""
        lines = [line_of(seen) for seen in self.seen]
        callers = lines[1:][::-1]
        made = self.made if self.is_layer else None
        caller = None if made is None else made.caller
        is_direct = self.is_layer and bool(self.seen) and self.seen[0].code is self.caller
        return Place(
            line=lines[0] if lines else None,
            module=self.module,
            is_layer=self.is_layer,
            made=None if made is None else line_of(made.at),
            constructor=None if made is None else constructor_of(self.kind),
            made_for=None if caller is None else line_of(caller),
            is_direct=is_direct,
            callers=tuple(callers[-MOST_CALLERS:]),
        )
