"""The whole numbers that a program names: those of its lines, and those of the names and attributes in them.

Where a size goes out of sight (as a text, into a set), what the program compares it with is not seen. A number that
decides anything there is most often one that the program names, so its ways are looked for at those.
"""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType
from typing import Any

from tracer.importing.instructions import is_dropped, steps_behind
from tracer.source.python_places import is_installed

MOST = 64
"""So many numbers are told, and so many things are looked at in a container."""

LONGEST = 6
"""Digits of a number in a text."""

FRAMES = 8
"""Callers of a function that are looked at, those of its own file."""

DIGITS = re.compile(rf"(?<!\d)\d{{1,{LONGEST}}}(?!\d)")

ASIDE = {"torch", "numpy", "scipy", "sympy", "pandas", "tracer"}
"""Packages whose code is no part of a forward."""

STDLIB = sysconfig.get_path("stdlib")


def is_part_of_python(path: str) -> bool:
    """Whether a file belongs to Python itself, not to an installed package."""
    return path.startswith(STDLIB) and "site-packages" not in path


def numbers_written_beside(frame: FrameType) -> list[int]:
    """The numbers that a frame's program names where it writes a size into a text; none where that is printed alone."""
    behind = steps_behind(frame.f_code, frame.f_lasti)
    return [] if is_dropped(behind) else numbers_named(frame)


def numbers_named(frame: FrameType) -> list[int]:
    """The whole numbers that a frame's program names, and those that its callers in the same file do.

    A package counts where a module of its own is run.

    >>> import sys
    >>> __name__ = "net"
    >>> LAYERS = {"s384": "large"}
    >>> def layer(size):
    ...     return LAYERS.get(f"s{size}", numbers_named(sys._getframe()))
    >>> layer(224)
    [384]
    """
    found: dict[int, None] = {}
    for caller in _frames(frame):
        for value in _values(caller):
            found.update(dict.fromkeys(_numbers_in(value)))
    return list(islice(found, MOST))


def _frames(frame: FrameType) -> Sequence[FrameType]:
    """A frame and its callers as long as they are of its file; none where that is no part of a forward."""
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    path = frame.f_code.co_filename
    if package in ASIDE or is_part_of_python(path):
        return ()

    found: list[FrameType] = []
    caller: FrameType | None = frame
    while caller is not None and caller.f_code.co_filename == path and len(found) < FRAMES:
        found.append(caller)
        caller = caller.f_back
    is_run = not is_installed(path) or any("_modules" in _own(caller) for caller in found)
    return found if is_run else ()


def _own(frame: FrameType) -> Mapping[str, Any]:
    """The attributes of a frame's first argument, by names."""
    code = frame.f_code
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    return getattr(first, "__dict__", {})


def _values(frame: FrameType) -> Iterator[Any]:
    """What a frame's lines name: constants, globals, and attributes of its first argument."""
    own = _own(frame)
    yield from _constants(frame.f_code)
    for name in frame.f_code.co_names:
        for names in (frame.f_globals, own, own.get("_modules", {})):
            if name in names:
                yield names[name]


@lru_cache(1000)
def _constants(code: CodeType) -> tuple[Any, ...]:
    """The constants of the lines, without the text that describes them."""
    described = code.co_consts[:1] if isinstance(code.co_consts[0], str) else ()
    return tuple(value for value in code.co_consts if value not in described)


def _numbers_in(value: Any, depth: int = 2) -> Iterator[int]:
    """The whole numbers in a number, a text, or a container of them; the keys of a dict."""
    if type(value) is int:
        yield value
    elif isinstance(value, str):
        yield from map(int, DIGITS.findall(value))
    elif depth and (isinstance(value, (tuple, list, set, frozenset)) or _has_keys(value)):
        parts = value.keys() if _has_keys(value) else value
        for part in islice(list(parts), MOST):
            yield from _numbers_in(part, depth - 1)


def _has_keys(value: Any) -> bool:
    """True for a dict, and for a module that is one."""
    is_dict = isinstance(value, dict)
    return is_dict or type(value).__name__ in ("ModuleDict", "ParameterDict")
