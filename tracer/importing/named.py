"""What lies near a dotted path that names nothing: the word that was meant, where it is told."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from typing import Any

from tracer.network.values import did_you_mean, nearest


def located(path: str) -> Any:
    """What a dotted path names: the longest part of it that is a Python module, and attributes of that."""
    words = path.split(".")
    found = importlib.import_module(words[0])
    for number, word in enumerate(words[1:], 2):
        if not hasattr(found, word):
            importlib.import_module(".".join(words[:number]))
        found = getattr(found, word)
    return found


def hint_of_path(path: str, cause: BaseException) -> str | None:
    """What is to be done where a dotted path cannot be imported; None where nothing is known.

    Nothing is imported that is not imported already.
    """
    words = path.split(".")
    is_import = isinstance(cause, (ImportError, AttributeError))
    if not is_import or len(words) < 2:
        return None
    missing = (getattr(cause, "name", None) or "").partition(".")[0]
    if missing == words[0] and find_spec(missing) is None:
        return _of_no_module(words)

    near = _nearest_inside(words)
    if near is not None:
        return f"did you mean {near!r}?"
    return _installing(missing) if isinstance(cause, ModuleNotFoundError) else None


def unknown_argument(call: Callable[..., Any], words: Iterable[str]) -> str | None:
    """The first word that is no argument of a call, with the nearest that is; None where all are, or any may be."""
    try:
        parameters = inspect.signature(call).parameters
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return None

    unknown = next((word for word in words if word not in parameters), None)
    if unknown is None:
        return None
    hint = did_you_mean(unknown, parameters) or "it takes none by name"
    return f"no argument {unknown!r}; {hint}"


def missing_argument(call: Callable[..., Any], given: Iterable[str]) -> str | None:
    """The arguments that a call needs and that are not given, as options; None where it has all, or is not known."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return None
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    words = [
        one.name
        for one in parameters
        if one.kind in by_name and one.default is one.empty and one.name not in set(given)
    ]
    return " ".join(f"--arg {word}=..." for word in words) or None


def nothing_there(source: str) -> str | None:
    """What a Python source names that is not there: its file, or a name in it. Nothing is imported.

    None where it is there, or may be.
    """
    name, _, path = source.rpartition(":")
    if not name.endswith(".py"):
        return None
    if not os.path.isfile(name):
        return f"there is no file {name}{meant_file(name)}"

    word = path.partition(".")[0]
    try:
        with open(name, encoding="utf-8") as file:
            text = file.read(1_000_000)
    except (OSError, ValueError):
        return None

    # A name that comes from elsewhere is known when the file runs.
    is_open = any(part in text for part in ("import *", "globals(", "exec(", "__getattr__"))
    if is_open or re.search(rf"\b{re.escape(word)}\b", text):
        return None
    hint = did_you_mean(word, names_defined(name))
    return f"{name} has no {word!r}" + (f"; {hint}" if hint else "")


def meant_file(path: str) -> str:
    """The Python file whose name is nearest to one that is not there, as the end of a sentence."""
    folder, file = os.path.split(path)
    others = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
    near = nearest(file, [other for other in others if other.endswith(".py")])
    return "" if near is None else f"; did you mean {os.path.join(folder, near)!r}?"


def names_defined(path: str) -> list[str]:
    """The names in a Python file that may be a module or make one: classes first. The file is read, not run."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(1_000_000))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    classes = [n.name for n in tree.body if isinstance(n, ast.ClassDef) and n.bases]
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    return [name for name in (*classes, *functions) if not name.startswith("_")]


def modules_here() -> list[str]:
    """The Python modules and packages that lie in the working directory."""
    return [one.name for one in pkgutil.iter_modules([os.getcwd()])]


def _of_no_module(words: Sequence[str]) -> str:
    """The hint for a path whose first word is no Python module."""
    near = nearest(words[0], modules_here())
    meant = "" if near is None else f"; did you mean '{'.'.join(_in_file(near, words[1:]))}'?"
    searched = f"the working directory was searched too{meant}"
    return f"{searched}; {_installing(words[0])}"


def _in_file(module: str, rest: Sequence[str]) -> list[str]:
    """The path in a file that lies here, with the name there that is nearest."""
    near = nearest(rest[0], names_defined(f"{module}.py")) if len(rest) == 1 else None
    return [module, *(rest if near is None else [near])]


def _installing(package: str) -> str | None:
    """The line that installs a package; None where it is there already."""
    if not package or package in sys.modules or find_spec(package) is not None:
        return None
    return f"where it is a package: pip install {package}"


def _nearest_inside(words: Sequence[str]) -> str | None:
    """The path with its first unknown word replaced by the nearest of what was imported there."""
    found: Any = sys.modules.get(words[0])
    for number, word in enumerate(words[1:], 1):
        if found is None:
            return None
        inner = getattr(found, word, None) or sys.modules.get(".".join(words[: number + 1]))
        if inner is None:
            near = nearest(word, _public(found))
            return None if near in (None, word) else ".".join([*words[:number], str(near)])
        found = inner
    return None


def _public(found: Any) -> list[str]:
    """The names that a Python module or class shows, files of a package among them."""
    files = [one.name for one in pkgutil.iter_modules(getattr(found, "__path__", []))]
    return [name for name in (*dir(found), *files) if not name.startswith("_")]
