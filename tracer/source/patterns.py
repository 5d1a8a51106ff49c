"""Patterns of files, as ``.gitignore`` has them."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pathspec


class Patterns:
    """Patterns of files, from one folder on.

    A pattern without a slash fits a name at any depth, one with a slash a path from the folder; what fits a folder
    fits everything in it.

    >>> patterns = Patterns(["*.yaml", "/old", "nets/**/part.yml"], "project")
    >>> patterns.fits("project/a/b.yaml"), patterns.fits("project/old/x.yml"), patterns.fits("project/a/old/x.yml")
    (True, True, False)
    >>> patterns.fits("project/nets/a/b/part.yml"), patterns.fits("elsewhere/a.yaml")
    (True, False)
    """

    def __init__(self, patterns: Iterable[str], folder: str) -> None:
        self._spec = pathspec.GitIgnoreSpec.from_lines(patterns)
        self._folder = os.path.abspath(folder)

    def fits(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether a path, as seen from the working directory, fits one of them; none outside of the folder does."""
        try:
            below = os.path.relpath(os.path.abspath(path), self._folder)
        except ValueError:  # it lies on another drive
            return False
        if below == os.pardir or below.startswith(os.pardir + os.sep):
            return False
        words = below.replace(os.sep, "/")
        return self._spec.match_file(f"{words}/" if is_folder else words)


def fits_none(pattern: str) -> bool:
    """Whether a text is no pattern: an empty one, a comment, one that cannot be read.

    >>> fits_none(""), fits_none("# nets"), fits_none("nets/"), fits_none("*.yaml")
    (True, True, False, False)
    """
    try:
        (read,) = pathspec.GitIgnoreSpec.from_lines([pattern]).patterns
    except ValueError:
        return True
    return read.include is None
