"""Calls of modules, which go to the run that follows them.

They are caught in one place, torch's own. To put something in that place costs as much as ten layers, as Python then
looks through all classes of modules: while many runs are made behind each other, it stays there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch


class Follower(Protocol):
    """A run of a module that is told of the calls of its parts."""

    def called(self, module: torch.nn.Module, original: Any, args: Any, kwargs: Any) -> Any:
        """The result of a call; ``original`` is what torch does."""


_running: list[Follower] = []
"""The runs that follow calls now, the innermost last."""

_caught: list[Any] = []
"""What torch does, while calls are caught."""


@contextmanager
def calls_caught() -> Iterator[None]:
    """While it lasts, calls of modules are caught; those that no run follows are torch's."""
    if _caught:
        yield
        return

    original = torch.nn.Module.__call__

    def call(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if not _running:
            return original(module, *args, **kwargs)
        return _running[-1].called(module, original, args, kwargs)

    _caught.append(original)
    torch.nn.Module.__call__ = call  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.nn.Module.__call__ = original  # type: ignore[method-assign]
        _caught.clear()


@contextmanager
def followed_by(run: Follower) -> Iterator[None]:
    """While it lasts, a run is told of the calls of modules."""
    with calls_caught():
        _running.append(run)
        try:
            yield
        finally:
            _running.pop()
