"""The most frequent answer of the command line, known before the command line is read: nothing is wrong.

``tracer check net.yaml`` of a clean config is asked again and again, and reading options takes as long as reading a
small network. Only what has no options, no settings and no findings is answered here; all else is left to the command.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tracer.diagnostics import TracerError
from tracer.loading import decoded, load_text, read_bytes
from tracer.rules import judged
from tracer.rules.settings import may_have_settings, nearest_file

MOST = 8
"""Of more files, the command checks several at once."""


def are_clean(words: Sequence[str]) -> bool:
    """Whether words of a command line are configs in none of which anything is wrong; False also where more is to know.

    >>> are_clean(["configs/unet_2015.yaml"]), are_clean(["--strict", "configs/unet_2015.yaml"])
    (True, False)
    """
    paths = dict.fromkeys(words)
    if not 0 < len(paths) <= MOST or not all(map(_is_config, paths)) or _has_settings():
        return False
    return all(map(_is_clean, paths))


def _is_config(word: str) -> bool:
    return word.endswith((".yaml", ".yml")) and word[0] != "-" and os.path.isfile(word)


def _has_settings() -> bool:
    """Whether the nearest ``pyproject.toml`` may say something to us."""
    try:
        path = nearest_file(os.curdir)
        return path is not None and may_have_settings(decoded(read_bytes(path), path))
    except (OSError, TracerError):  # the command says why
        return True


def _is_clean(path: str) -> bool:
    try:
        text = decoded(read_bytes(path), path)
        return not judged(lambda: load_text(text, path, {})).found
    except Exception:  # whatever it is, the command says it
        return False
