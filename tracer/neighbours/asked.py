"""What is asked of another tool's file, and what it gives: a config, or what makes a module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.source.python_places import Line, Place

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
    until: str | None = None
    """The part up to which it is read."""
    is_training: bool = False
    """Whether it is read as it runs in training."""


class ConfigFound(NamedTuple):
    """The network of a file that is data."""

    text: str
    """Its config."""
    told: Sequence[str] = ()
    """What was assumed."""
    places: Mapping[str, Place] = {}
    """What the nodes of the config follow from, in the file."""
    advice: str | None = None
    """What can be done there about an error."""
    size_key: str | None = None
    """The key there of the input's spatial sizes."""


class ModuleFound(NamedTuple):
    """The network of a file that names code."""

    make: Callable[[], torch.nn.Module]
    """Runs it. Raises :class:`Fault` at the key that is at fault."""
    told: Iterable[str] = ()
    """What is run, to be told before it is."""
    lines: Mapping[str, Line] = {}
    """The places in the file that name the module and its parts, by their dotted paths; the empty one is the whole."""
