"""The module that a Python source makes, ``package.module:callable`` or ``path/to/file.py:callable``.

The only place that runs code which a user names, whatever names it. Where each of its layers is made is noted.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import linecache
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch

from tracer.importing.named import meant_file, missing_argument, modules_here, unknown_argument
from tracer.importing.recording import Reason, Unrepresentable
from tracer.network.values import did_you_mean, nearest
from tracer.torch_bridge.origins import constructions_noted
from tracer.torch_bridge.places import entrance, is_own, users_code


@entrance
def module_from(source: str, arguments: Mapping[str, Any]) -> torch.nn.Module:
    """Import what stands before the colon, and call what stands behind it; a module is taken as it is.

    Imports find what lies beside a file, and in the working directory. Raises :class:`Unrepresentable`, which names
    what is missing or raised.
    """
    name, _, path = source.rpartition(":")
    with _imports_noted(_folders_of(name)):
        return _made(source, name, path, arguments)


@entrance
def module_by(make: Callable[[], Any], who: str) -> torch.nn.Module:
    """The module that a call gives, whose imports find what lies in the working directory; ``who`` names it.

    Raises :class:`Unrepresentable`, with what the call raised as its cause.
    """
    with _imports_noted([os.getcwd()]), users_code(who), constructions_noted():
        return _module(make(), who)


@contextlib.contextmanager
def _imports_noted(folders: Sequence[str]) -> Iterator[None]:
    """Let imports find the files in these folders as they are now, and note which of them are imported."""
    _forget_edited_files()
    _search(folders)
    before = set(sys.modules)
    try:
        yield
    finally:
        _note_files(sys.modules.keys() - before)


_users_files: dict[str, tuple[str, float]] = {}
"""The user's own files that were imported for sources, and when each was changed last, by the modules' names."""


def users_files() -> list[str]:
    """The paths of the user's own files that were imported so far."""
    return [path for path, _ in _users_files.values()]


def _note_files(names: Collection[str]) -> None:
    for name in names:
        path = getattr(sys.modules.get(name), "__file__", None)
        if path is not None and is_own(path):
            _users_files[name] = (path, _changed(path))


def _forget_edited_files() -> None:
    """Let the user's files be imported anew, all of them, where one was edited since."""
    if all(_changed(path) == time for path, time in _users_files.values()):
        return
    forget_users_files()
    linecache.checkcache()


def forget_users_files() -> None:
    """Let all of the user's files be imported anew the next time."""
    for name in _users_files:
        module = sys.modules.pop(name, None)
        package, _, last = name.rpartition(".")
        around = sys.modules.get(package)
        # An import from a package takes what the package has.
        if module is not None and getattr(around, last, None) is module:
            delattr(around, last)
    _users_files.clear()


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _made(source: str, name: str, path: str, arguments: Mapping[str, Any]) -> torch.nn.Module:
    with users_code(source), constructions_noted():
        made = _attribute(_imported(name), name, path)
        if isinstance(made, torch.nn.Module):
            if arguments:
                raise Unrepresentable(f"{source} is a module already; it takes no --arg")
            return _whole(made)
        if not callable(made):
            raise Unrepresentable(
                f"{source} is {type(made).__name__}, neither a torch module nor what makes one"
            )
        unknown = unknown_argument(made, arguments)
        if unknown is not None:
            message = f"{source} takes {unknown}"
            raise Unrepresentable(message, fault=Reason("T602", message, None))
        missing = missing_argument(made, arguments)
        if missing is not None:
            message = f"{source} takes arguments that have no default: {missing}"
            raise Unrepresentable(message, fault=Reason("T602", message, None))
        return _module(made(**arguments), source)


def _module(made: Any, source: str) -> torch.nn.Module:
    if not isinstance(made, torch.nn.Module):
        raise Unrepresentable(f"{source} gives {type(made).__name__}, no torch module")
    return _whole(made)


def _whole(module: torch.nn.Module) -> torch.nn.Module:
    """The module, every part of which went through the constructor of torch."""
    for part in module.modules():
        # What is scripted keeps its parts elsewhere.
        if "_modules" not in vars(part) and not isinstance(part, torch.jit.ScriptModule):
            name = type(part).__name__
            raise Unrepresentable(
                f"{name} is no whole module: its __init__ calls no super().__init__()"
            )
    return module


def _imported(name: str) -> Any:
    if name.endswith(".py"):
        return _from_file(name)

    try:
        with users_code(f"the import of {name}"):
            return importlib.import_module(name)
    except Unrepresentable as error:
        cause = error.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing is not None and f"{name}.".startswith(f"{missing}."):
            near = nearest(missing, modules_here())
            meant = "" if near is None else f"; did you mean {near!r}?"
            raise Unrepresentable(
                f"there is no Python module {missing}, here or installed{meant}"
            ) from None
        raise


def _from_file(path: str) -> Any:
    """The Python module in a file; of a package's file, by its name in the package, so that its own imports work."""
    if not os.path.isfile(path):
        raise Unrepresentable(f"there is no file {path}{meant_file(path)}")

    _, name = _located(path)
    with users_code(f"the import of {path}"):
        if "." in name:
            return importlib.import_module(name)
        return _executed(name, os.path.abspath(path))


def _located(path: str) -> tuple[str, str]:
    """The folder in which imports find a file, outside of its packages, and the name by which they do."""
    folder, file = os.path.split(os.path.abspath(path))
    words = [file.removesuffix(".py")]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        words.insert(0, package)
    return folder, ".".join(words)


def _executed(name: str, path: str) -> Any:
    """The module in a file of no package, which may be called as another module is (``types.py``)."""
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == path:
        return known

    free = name if known is None else f"{name} of {path}"
    spec = importlib.util.spec_from_file_location(free, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[free] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(free, None)
        raise
    return module


def _folders_of(name: str) -> list[str]:
    """The folders in which imports of a source are looked for, the first one first."""
    here = os.getcwd()
    return [_located(name)[0], here] if name.endswith(".py") else [here]


def _search(folders: Sequence[str]) -> None:
    """Let imports find the Python files in these folders, before those in others."""
    sys.path[:] = [*folders, *(path for path in sys.path if path not in folders)]

    # Beside the source that was read before there may have been files of the same names.
    for name in {name.partition(".")[0] for name in _users_files}:
        homes = [folder for folder in folders if _is_in(folder, name)]
        if homes and _home(sys.modules.get(name)) != homes[0]:
            _forget(name)


def _is_in(folder: str, name: str) -> bool:
    path = os.path.join(folder, name)
    return os.path.isfile(f"{path}.py") or os.path.isdir(path)


def _home(module: ModuleType | None) -> str | None:
    """The folder in which imports have found a Python module; None where it is in no file."""
    places = [*getattr(module, "__path__", ()), getattr(module, "__file__", None)]
    return os.path.dirname(places[0]) if places[0] else None


def _forget(name: str) -> None:
    """Let the next import of a module, or of a part of it, read its file."""
    for one in [one for one in _users_files if f"{one}.".startswith(f"{name}.")]:
        sys.modules.pop(one, None)
        del _users_files[one]


def _attribute(found: Any, name: str, path: str) -> Any:
    for part in path.split("."):
        if not hasattr(found, part):
            public = [
                word
                for word in dir(found)
                if not word.startswith("_") and not _is_imported(found, word)
            ]
            hint = did_you_mean(part, public)
            raise Unrepresentable(f"{name} has no {path!r}" + (f"; {hint}" if hint else ""))
        found = getattr(found, part)
    return found


def _is_imported(found: Any, name: str) -> bool:
    """Whether a name in a Python module is that of another one."""
    return isinstance(getattr(found, "__dict__", {}).get(name), ModuleType)
