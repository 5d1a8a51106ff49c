"""The one way from another tool's file to its network."""

from __future__ import annotations

from importlib import import_module

from tracer.diagnostics import Diagnostic, TracerError
from tracer.neighbours.asked import Asked, ConfigFound, ModuleFound
from tracer.neighbours.parts import Part
from tracer.network.foreign import foreign
from tracer.source.tree import Fault, compose

READERS = {"plans": "plans", "bundle": "targets", "target": "targets", "rows": "rows"}
"""The files here that read each kind, each imported where there is one to read."""


def is_neighbour(text: str) -> bool:
    """Whether a text is a file of another tool that has a network."""
    try:
        found = foreign(compose(text))
    except Fault:
        return False
    return found is not None and found.kind is not None


def neighbour(text: str, asked: Asked) -> ConfigFound | ModuleFound | None:
    """The network of a file of another tool; None where the text is no such file.

    Raises :class:`TracerError`.
    """
    try:
        root = compose(text)
        found = foreign(root)
        if found is None or found.kind is None:
            return None
        reader = import_module(f"tracer.neighbours.{READERS[found.kind]}")
        read: ConfigFound | ModuleFound = reader.read(Part(root), asked)
        return read
    except Fault as fault:
        raise TracerError([told(fault, asked)]) from None


def told(fault: Fault, asked: Asked) -> Diagnostic:
    """The finding about a fault."""
    return Diagnostic(
        fault.code,
        fault.message,
        fault.span,
        path=asked.shown or asked.path,
        hint=fault.hint,
        related=fault.related,
    )
