"""What is asked of another tool's file, and what it gives: a config, or what makes a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch


class Asked(NamedTuple):
    """What is asked of a file."""

    path: str
    """Where it lies, as the user names it; ``-`` for standard input."""
    key: str | None = None
    """The dotted path of the part that is the network."""
    arguments: Mapping[str, Any] = {}
    """What the file leaves open, or is to have another value."""
    shown: str = ""
    """How findings name it."""


class ConfigFound(NamedTuple):
    """The network of a file that is data."""

    text: str
    """Its config."""
    told: Sequence[str] = ()
    """What was assumed."""


class ModuleFound(NamedTuple):
    """The network of a file that names code."""

    make: Callable[[], torch.nn.Module]
    """Runs it. Raises :class:`Fault` at the key that is at fault."""
    told: Sequence[str] = ()
    """What is run."""
