"""The numbers that a program names: those of its lines, and those of the names and attributes in them.

Where a size goes out of sight (as a text, into a set), what the program compares it with is not seen. A number that
decides anything there is most often one that the program names, so its ways are looked for at those.
"""

from __future__ import annotations

import math
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

PREFIXED = re.compile(r"0(?:x[0-9a-f]{1,5}|o[0-7]{1,7}|b[01]{1,20})")
"""Numbers as ``hex``, ``oct`` and ``bin`` write them."""

ASIDE = {"torch", "numpy", "scipy", "sympy", "pandas", "tracer"}
"""Packages whose code is no part of a forward."""

STDLIB = sysconfig.get_path("stdlib")


def is_part_of_python(path: str) -> bool:
    """Whether a file belongs to Python itself, not to an installed package."""
    return path.startswith(STDLIB) and "site-packages" not in path


def numbers_written_beside(frame: FrameType) -> list[float]:
    """The numbers that a frame's program names where it writes a size into a text; none where that is printed alone."""
    behind = steps_behind(frame.f_code, frame.f_lasti)
    return [] if is_dropped(behind) else numbers_named(frame)


def numbers_named(frame: FrameType) -> list[float]:
    """The numbers that a frame's program names, and those that its callers in the same file do.

    A package counts where a module of its own is run.

    >>> import sys
    >>> __name__ = "net"
    >>> LAYERS = {"s384": "large"}
    >>> def layer(size):
    ...     return LAYERS.get(f"s{size}", numbers_named(sys._getframe()))
    >>> layer(224)
    [384]
    """
    found: dict[float, None] = {}
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


def _first(frame: FrameType) -> Any:
    """A frame's first argument."""
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


def _own(frame: FrameType) -> Mapping[str, Any]:
    """The attributes of a frame's first argument, by names."""
    return getattr(_first(frame), "__dict__", {})


def _values(frame: FrameType) -> Iterator[Any]:
    """What a frame's lines name: constants, globals, and attributes of its first argument and of its class."""
    yield from _constants(frame.f_code)
    names = frame.f_code.co_names
    own = _own(frame)
    modules = own.get("_modules", {})
    of_class = [vars(cls) for cls in type(_first(frame)).__mro__]
    for name in names:
        for known in (frame.f_globals, own, modules, *of_class):
            if name in known:
                yield known[name]
    if not BY_NAME.isdisjoint(names):
        # An attribute may have the size in its name.
        for known in (
            own,
            modules,
            own.get("_parameters", {}),
            own.get("_buffers", {}),
            *of_class,
        ):
            yield from known


BY_NAME = {"getattr", "hasattr", "get_submodule", "get_parameter", "get_buffer", "named_buffers",
           "named_parameters", "named_children", "named_modules", "state_dict"}  # fmt: skip
"""Functions that find an attribute by its name."""


@lru_cache(1000)
def _constants(code: CodeType) -> tuple[Any, ...]:
    """The constants of the lines, without the text that describes them."""
    described = [value for value in code.co_consts[:1] if isinstance(value, str)]
    return tuple(value for value in code.co_consts if value not in described)


def _numbers_in(value: Any, depth: int = 3) -> Iterator[float]:
    """The numbers in a number, a text, or a container of them; of a dict, in its keys and its own dicts."""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        yield value
    elif isinstance(value, str):
        yield from map(int, DIGITS.findall(value))
        yield from (int(found, 0) for found in PREFIXED.findall(value))
    elif isinstance(value, bytes):
        yield from _numbers_in(value.decode("latin-1"))
    elif depth:
        for part in islice(_parts(value), MOST):
            yield from _numbers_in(part, depth - 1)


def _parts(value: Any) -> Iterator[Any]:
    """What a container holds; of a dict, or a module that is one, the keys, and the dicts among the values."""
    if isinstance(value, dict):
        yield from list(value)
        yield from (part for part in list(value.values()) if isinstance(part, dict))
    elif type(value).__name__ in ("ModuleDict", "ParameterDict"):
        yield from value.keys()
    elif isinstance(value, (tuple, list, set, frozenset)):
        yield from list(value)
