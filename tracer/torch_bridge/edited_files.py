"""Imports of the user's files as if they were edited, so that an edit is proven before it is written."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from types import CodeType
from typing import Any

from tracer.torch_bridge.factory import forget_users_files


@contextlib.contextmanager
def as_edited(texts: Mapping[str, bytes]) -> Iterator[None]:
    """Import the files with these contents instead of their own, by path, while this is active.

    All of the user's files are forgotten before and afterwards, so that each is imported again.
    """
    contents = {os.path.realpath(path): content for path, content in texts.items()}
    original = SourceFileLoader.get_code
    quoted = []

    def edited_code(loader: SourceFileLoader, fullname: str) -> CodeType | None:
        path = loader.get_filename(fullname)
        content = contents.get(os.path.realpath(path))
        if content is None:
            return original(loader, fullname)
        quoted.append(path)
        linecache.cache[path] = (len(content), None, _lines(content), path)
        code: Any = loader.source_to_code(content, path)
        return code  # type: ignore[no-any-return]

    forget_users_files()
    SourceFileLoader.get_code = edited_code  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        SourceFileLoader.get_code = original  # type: ignore[method-assign]
        forget_users_files()
        for path in quoted:
            linecache.cache.pop(path, None)


def _lines(content: bytes) -> list[str]:
    """The lines of a file as Python reads them."""
    with io.StringIO(content.decode("utf-8-sig"), newline=None) as text:
        return text.readlines()
