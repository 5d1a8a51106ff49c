"""Imports of the user's files as if they were edited, so that an edit is proven before it is written."""

from __future__ import annotations

import contextlib
import importlib
import io
import linecache
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from tracer.torch_bridge.places import INSTALLED, OURS

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
"""The folder of this package, which is nobody's network."""


@contextlib.contextmanager
def as_edited(texts: Mapping[str, bytes]) -> Iterator[None]:
    """Import the files with these contents instead of their own, by path, while this is active.

    All of the user's modules are forgotten before and afterwards, so that each is imported again.
    """
    contents = {os.path.realpath(path): content for path, content in texts.items()}
    original = SourceFileLoader.get_code

    def edited_code(loader: SourceFileLoader, fullname: str) -> CodeType | None:
        path = loader.get_filename(fullname)
        content = contents.get(os.path.realpath(path))
        if content is None:
            return original(loader, fullname)
        _remember(path, content)
        code: Any = loader.source_to_code(content, path)
        return code  # type: ignore[no-any-return]

    forget_users_modules()
    SourceFileLoader.get_code = edited_code  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        SourceFileLoader.get_code = original  # type: ignore[method-assign]
        forget_users_modules()


def _remember(path: str, content: bytes) -> None:
    """Let the lines of an edited file be quoted as they are then."""
    with io.StringIO(content.decode("utf-8-sig"), newline=None) as text:
        lines = text.readlines()
    linecache.cache[path] = (len(content), None, lines, path)


def forget_users_modules() -> None:
    """Let the user's own modules be imported again the next time, and their lines be read again."""
    for name, module in list(sys.modules.items()):
        path = _place_of(module)
        if name != "__main__" and path is not None and _is_own(path):
            del sys.modules[name]
            linecache.cache.pop(path, None)
    importlib.invalidate_caches()


def _place_of(module: ModuleType) -> str | None:
    """A module's Python file, or the folder of a package without one."""
    path = getattr(module, "__file__", None)
    if path is None:
        path = next(iter(getattr(module, "__path__", ())), None)
        return path if isinstance(path, str) else None
    return path if isinstance(path, str) and path.endswith(".py") else None


def _is_own(path: str) -> bool:
    """Whether a module's file lies below the working directory, and belongs to no installed package."""
    place = os.path.realpath(path)
    here = os.path.realpath(".") + os.sep
    return place.startswith(here) and not place.startswith((*INSTALLED, *OURS, PACKAGE))
