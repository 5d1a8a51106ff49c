"""Pictures of a network as files: a format is one file of this folder, called as ``draw --to`` calls it.

Its file has ``ENDINGS``, the endings of files in that format beside ``.NAME``; ``IS_TEXT``, False for
pixels, which no terminal shows; ``STYLES``, the ways in which it can draw a network, the usual one first;
``content(net, found, depth, style)``, the :class:`PictureFile`, with the findings, the depth at which blocks are
folded, and a style or None; and ``NEEDS``, the module and the extra that it needs beside the package, or None.
Such a file is imported where it is used.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import PurePath
from pkgutil import iter_modules
from typing import Any, NamedTuple


class PictureFile(NamedTuple):
    """A picture as a file."""

    content: bytes
    notes: tuple[str, ...] = ()
    """Sentences on how it differs from what was asked, and on what is not legible in it."""


def formats() -> list[str]:
    """The names of all formats.

    >>> "svg" in formats()
    True
    """
    return sorted(module.name for module in iter_modules(__path__))


def picture_format(name: str) -> Any:
    """The file of a format, by its name."""
    return import_module(f"{__name__}.{name}")


def format_by_ending(path: str) -> str | None:
    """The name of the format that a file's ending says; None where no format has that ending.

    >>> format_by_ending("net.gv"), format_by_ending("net.jpeg")
    ('dot', None)
    """
    ending = PurePath(path).suffix.lower()
    names = formats()
    if ending[1:] in names:
        return ending[1:]
    return next((name for name in names if ending in picture_format(name).ENDINGS), None)


def endings() -> list[str]:
    """Every ending that says a format, the format's own name first."""
    return [
        ending for name in formats() for ending in (f".{name}", *picture_format(name).ENDINGS)
    ]
