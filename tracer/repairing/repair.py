"""One repair: its edits, and what it comes to."""

from __future__ import annotations

from typing import Any

import msgspec

from tracer.repairing.candidate import Kind, Oddness
from tracer.source.python_calls import SourceEdit


class Changes(msgspec.Struct, frozen=True):
    """The effect of a repair."""

    values: int
    """The number of values of the config that it changes."""
    nodes: list[str]
    """The nodes that it changes: more than values where a block or an alias is shared."""
    params: int
    macs: int
    params_difference: int | None
    """Against the network as it is; None where that could not be traced to its end."""
    macs_difference: int | None
    outputs: dict[str, list[int]]
    """The shapes that come out."""
    sizes: dict[str, str]
    """The input sizes that run then, per symbol."""


class RepairEdit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value of the config."""

    path: str
    """Keys from the document's root: ``decoder.up4.output_padding``."""
    value: Any
    """A mapping for a layer that is put in; null for what is taken out."""
    before: str | None = None
    """The layer that a new one comes before."""
    after: str | None = None
    """The layer that a new one comes behind."""
    removes: bool = False
    """The key is taken out."""


class Repair(msgspec.Struct, frozen=True):
    """One way to make the network close."""

    title: str
    safe: bool
    """It changes values of ``auto`` and ``output_padding`` only."""
    edits: list[RepairEdit]
    changes: Changes
    text: str
    """The config's text with the edits made."""
    steps: list[str] = []
    """What is to be done in the Python program that the network was read from, a sentence each."""
    source_edits: list[SourceEdit] = []
    """All of that as edits of Python files; empty where a part can only be told."""
    warnings: list[str] = []
    """The codes of warnings that it brings, T5xx."""
    kind: Kind = Kind.REBUILT
    is_made_for: bool = False
    """Other input sizes, where a layer was made for a width that they alone decide."""
    scale: float | None = None
    """The size of the first output along its last dim, by that of the first input."""
    reshapes: bool = False
    """It changes the number of some layer's parameters, as far as that was known before."""
    oddness: Oddness = Oddness.UNKNOWN
    """How odd the layer that it changes is then."""
    elsewhere: str = ""
    """Why it is not the user's to write: it edits an installed package, or has no form in the file."""
    source_texts: dict[str, str] = {}
    """The texts of those files with the edits made, by path."""

    def __repr__(self) -> str:
        """``<Repair output_padding of up2 (safe)>``."""
        return f"<Repair {self.title}{' (safe)' if self.safe else ''}>"
