"""The place of a node in a program that is not a config: the line that made it run, and the lines around that.

A network that was read from Python keeps a :class:`Place` for each of its nodes. :func:`at_own_lines` tells its
findings there, instead of at lines of a config that nobody wrote.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from tracer.diagnostics import Diagnostic, Related, Span

FOREIGN = ("site-packages", "dist-packages")
"""Folders of installed packages, wherever they are."""

INSTALLED = tuple(
    {
        os.path.normcase(sysconfig.get_path(name)) + os.sep
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)
"""Folders of Python itself and of installed packages."""


def is_below(path: str, folder: str) -> bool:
    """Whether a path lies below a folder, both of them whole, by the letters that differ to the system.

    >>> is_below("/home/me/net.py", "/home/me"), is_below("/home/me/net.py", "/"), is_below("/home/men.py", "/home/me")
    (True, True, False)
    """
    start = os.path.join(os.path.normcase(folder), "")
    return os.path.normcase(path).startswith(start)


@lru_cache(4096)
def is_installed(path: str) -> bool:
    """Whether a file belongs to Python itself or to an installed package."""
    place = os.path.realpath(path)
    is_foreign = not set(FOREIGN).isdisjoint(place.split(os.sep))
    if is_foreign:
        return True
    names = map(os.path.normcase, (place, path))
    return any(name.startswith(INSTALLED) for name in names)


def package_of(path: str) -> str:
    """The name of the installed package that a file belongs to.

    >>> package_of("/usr/lib/python3/site-packages/monai/networks/blocks.py")
    'monai'
    """
    words = path.split(os.sep)
    at = [number for number, word in enumerate(words[:-1]) if word in FOREIGN]
    return words[at[-1] + 1].removesuffix(".py") if at else "package"


class Line(msgspec.Struct, frozen=True):
    """A stretch of a source file, and the text of its first line."""

    path: str
    span: Span
    text: str

    def __str__(self) -> str:
        """``net.py:12 `x = self.up(x)` ``."""
        place = f"{self.path}:{self.span.line}"
        return f"{place} `{self.text}`" if self.text else place


class Constructor(msgspec.Struct, frozen=True):
    """What makes a layer: a class of torch's or of the user's."""

    name: str
    """The class's name."""
    parameters: tuple[str, ...]
    """The names of its constructor's parameters that take a value by position and by name, in their order."""


class Place(msgspec.Struct, frozen=True):
    """The place of a node in the user's program."""

    line: Line | None
    """The innermost line of the user's own files that ran it; None where none did."""
    module: str | None
    """The dotted path of the module that it is, or whose forward computes it; empty for the outermost one."""
    is_layer: bool = False
    """Whether it is that module, rather than a function that the module's forward calls."""
    made: Line | None = None
    """The line that made the layer."""
    constructor: Constructor | None = None
    """What made the layer there."""
    made_for: Line | None = None
    """The line that called the function or the constructor which that line stands in."""
    is_direct: bool = False
    """Whether the line calls the layer itself, rather than a part that calls it."""
    inner: Line | None = None
    """The line of an installed package that computes it, where ``line`` is one that names the package's code."""
    callers: tuple[Line, ...] = ()
    """The user's lines that led to it, from the outermost forward inwards."""

    @property
    def told(self) -> Line | None:
        """The line that a finding elsewhere tells of it: the user's own, the one that made it first."""
        return self.line if self.inner is not None else self.made or self.line

    @property
    def edited(self) -> Line | None:
        """The line of the program that an edit of the node would change."""
        return self.made or self.inner or self.line

    @property
    def name(self) -> str | None:
        """The layer's name in the program; None for what has none."""
        return self.module if self.is_layer and self.module else None


class Origin(Protocol):
    """Where the program is when it makes a step, as cheap to note as can be."""

    @property
    def is_layer(self) -> bool:
        """Whether the step is a layer of the program, which has a path, rather than a function that it calls."""

    def place(self) -> Place:
        """The same as a record."""


class Spot(NamedTuple):
    """Where the program is when it decides something: in words, and for a report."""

    text: str
    """The line of its source; empty where it has none."""
    origin: Origin | None = None

    def __str__(self) -> str:
        return self.text


Places = Mapping[str, Place]
"""By the node's name."""


def at_own_lines(
    found: Sequence[Diagnostic],
    places: Places,
    config: str,
    hint: str | None = None,
    promised: str | None = None,
) -> list[Diagnostic]:
    """The findings about a config, each at the line of the program where its node has one.

    ``config`` is the path that they have so far, or ``promised`` that of the file with what is promised; others stand
    where they belong already. An error's ``hint`` is replaced: its own speaks of keys of a config.
    """
    told = []
    for one in found:
        place = places.get(one.node or "")
        if one.path == promised:
            told.append(one if place is None else _broken(one, place, places))
            continue
        if one.path != config:
            told.append(one)
            continue
        # The text of its config is nobody's: no line of it is a place.
        told.append(
            replace(one, span=None, related=())
            if place is None
            else _moved(one, place, places, hint)
        )
    return told


def _broken(one: Diagnostic, place: Place, places: Places) -> Diagnostic:
    """A finding about what is promised, at the line of the program that breaks it."""
    moved = _moved(one, place, places, None)
    if one.span is None or moved.path == one.path:
        return moved
    promise = Related("promised here", one.span, one.path)
    return replace(moved, related=(*moved.related, promise))


def _moved(one: Diagnostic, place: Place, places: Places, hint: str | None) -> Diagnostic:
    at = place.line or place.made
    is_error = one.severity == "error"
    return replace(
        one,
        path=one.path if at is None else at.path,
        span=None if at is None else at.span,
        module=place.module or None,
        hint=hint if is_error else one.hint,
        related=tuple(dict.fromkeys(_related(one, place, places))),
    )


def _related(one: Diagnostic, place: Place, places: Places) -> Iterator[Related]:
    """The lines that made the layers in question, and those that led to the place, from the outermost inwards."""
    for other in one.related:
        origin = places.get(other.node or "")
        if origin is None:
            continue
        at = origin.told
        if at is not None:
            yield replace(other, span=at.span, path=at.path)

    if place.made is not None:
        name = place.name or "the layer"
        yield Related(f"{name} is made here", place.made.span, path=place.made.path)
    if place.inner is not None:
        yield Related("computed here", place.inner.span, path=place.inner.path)
    for caller in place.callers:
        yield Related("called from here", caller.span, path=caller.path)
