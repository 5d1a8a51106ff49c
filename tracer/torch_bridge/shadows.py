"""What takes a size out of sight, followed while a forward runs: ``int()``, ``range()``, math, NumPy, lru_cache.

Python's own give plain numbers. In the globals of the files that a forward may run through, they stand for others
meanwhile, which do the same, and know a size when they see one.
"""

from __future__ import annotations

import functools
import math
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from types import BuiltinFunctionType, ModuleType
from typing import Any, NamedTuple, TypeVar

import numpy
import torch

from tracer.importing.named_numbers import ASIDE, is_part_of_python, numbers_written_beside
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.source.python_places import is_installed
from tracer.torch_bridge.kept_copies import are_those
from tracer.torch_bridge.numpy_sizes import NumPy
from tracer.torch_bridge.stand_ins import KindOfAnother

FOLLOWED = {"floor", "ceil", "trunc", "prod"}
"""Functions of math that ask the number itself."""

ROOTS = {"sqrt", "isqrt"}

CACHE = type(functools.lru_cache(math.floor))

CACHES = frozenset({CACHE})

StandIn = tuple[dict[str, Any], str, Any]
"""The globals of a file, a name in them, and what stands for what it means."""

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])

FLOAT = float
INT = int
LEN = len
RANGE = range


class _Int(metaclass=KindOfAnother):
    kind = int

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) != 1:
            return INT(*args, **kwargs)
        number = _item(args[0])
        if isinstance(number, (RunTimeSize, RunTimeQuotient)):
            return number.__trunc__()
        return INT(number, **kwargs)


class _Float(metaclass=KindOfAnother):
    kind = float

    def __new__(cls, *args: Any) -> Any:
        if len(args) != 1:
            return FLOAT(*args)
        number = _item(args[0])
        if isinstance(number, RunTimeQuotient):
            return number
        if isinstance(number, RunTimeSize):
            return number / 1
        return FLOAT(number)


class _Range(metaclass=KindOfAnother):
    kind = range

    def __new__(cls, *args: Any) -> Any:
        args = tuple(map(_item, args))
        # How often a loop runs is decided by the size: elsewhere it is another path.
        for n in args:
            if isinstance(n, RunTimeSize):
                n.decides()
        return RANGE(*args)


def _len(value: Any) -> Any:
    """How many parts something has: of a tensor, the size of its first dim."""
    is_map = isinstance(value, torch.Tensor) and value.ndim > 0
    return value.shape[0] if is_map else LEN(value)


def _as_text(function: Any) -> Any:
    """A function that writes a number: what the text is compared with is not seen."""

    def followed(number: Any) -> Any:
        if isinstance(number, RunTimeSize):
            number.may_meet(numbers_written_beside(sys._getframe(1)))
        return function(number)

    return followed


def _item(number: Any) -> Any:
    """The number that a tensor holds; anything else as it is."""
    return number.item() if isinstance(number, torch.Tensor) else number


def _of_math(function: Any) -> Any:
    """A function of math; of a size it gives a number of which it is known that it follows one."""

    def followed(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        for n in args:
            if isinstance(n, (RunTimeSize, RunTimeQuotient)):
                is_root = function.__name__ in ROOTS
                return n.rooted(result) if is_root else n.followed_by(result)
        return result

    return followed


def _uncached(cached: Any) -> Any:
    """A cached function that keeps no size, and gives none that it kept."""

    @functools.wraps(cached)
    def passed(*args: Any, **kwargs: Any) -> Any:
        has_sizes = any(map(_has_sizes, (args, kwargs)))
        function = cached.__wrapped__ if has_sizes else cached
        return function(*args, **kwargs)

    return passed


def _has_sizes(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_sizes, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_sizes, value))
    return isinstance(value, (RunTimeSize, RunTimeQuotient))


BUILT_IN: dict[str, Any] = {
    "int": _Int,
    "float": _Float,
    "range": _Range,
    "len": _len,
    "bin": _as_text(bin),
    "hex": _as_text(hex),
    "oct": _as_text(oct),
}

OF_MATH: dict[str, Any] = {}
for _name, _function in vars(math).items():
    _is_function = isinstance(_function, BuiltinFunctionType)
    if _is_function and _name not in FOLLOWED:
        OF_MATH[_name] = _of_math(_function)

STAND_INS: dict[int, Any] = {id(numpy): NumPy()}
for _name, _stand_in in OF_MATH.items():
    _function = getattr(math, _name)
    STAND_INS[id(_function)] = _stand_in
"""By the identity of what they stand for."""


class FilesInSight:
    """The files that the forwards of one import may run through.

    Those of installed packages are looked at once: there are hundreds, and a forward loads files rather than that it
    changes what they know.
    """

    def __init__(self) -> None:
        self._every: Sequence[Any] = ()
        self._loaded: LoadedFiles | None = None
        self._stand_ins: Sequence[StandIn] = ()
        """What stands for what takes sizes out of sight in those of packages."""

    @contextmanager
    def followed(self, module: torch.nn.Module) -> Iterator[None]:
        """While it lasts, Python's own functions follow sizes in all of them."""
        replaced = _Replaced()
        try:
            for name, stand_in in OF_MATH.items():
                replaced.replace(vars(math), name, stand_in)

            loaded = self._look()
            replaced.replace_all(loaded.packages.files, self._stand_ins)
            own = list(_globals_about(module, loaded))
            replaced.replace_all(own, chain.from_iterable(map(_stand_ins, own)))
            yield
        finally:
            replaced.put_back()

    def _look(self) -> LoadedFiles:
        """The files that are loaded now."""
        every = list(sys.modules.values())
        if self._loaded is None or not are_those(every, self._every):
            files = tuple(file for file in every if isinstance(file, ModuleType))
            self._every, self._loaded = every, _loaded(files)
            self._stand_ins = self._loaded.packages.stand_ins()
        return self._loaded


class LoadedFiles(NamedTuple):
    """The globals of the loaded files that are not left alone."""

    own: Sequence[dict[str, Any]]
    """Those of the user's."""
    packages: PackageFiles


@functools.lru_cache(maxsize=1)
def _loaded(files: tuple[ModuleType, ...]) -> LoadedFiles:
    own: list[dict[str, Any]] = []
    packages: list[dict[str, Any]] = []
    every = {id(file): vars(file) for file in files}
    for names in every.values():
        if not _is_aside(names):
            path = names.get("__file__")
            is_package = isinstance(path, str) and is_installed(path)
            (packages if is_package else own).append(names)
    return LoadedFiles(own, PackageFiles(packages))


_values_of = operator.methodcaller("values")


class PackageFiles:
    """The globals of the files of installed packages: there are hundreds, which hardly ever change."""

    def __init__(self, files: Sequence[dict[str, Any]]) -> None:
        self.files = files
        self.keys = set(map(id, files))
        """Their identities."""
        self._look()

    def _look(self) -> None:
        """See what in them takes sizes out of sight."""
        self._counts = list(map(len, self.files))
        self._values = list(self._values_now())
        self._stand_ins = list(chain.from_iterable(map(_stand_ins, self.files)))

    def _values_now(self) -> Iterator[Any]:
        return chain.from_iterable(map(_values_of, self.files))

    def stand_ins(self) -> Sequence[StandIn]:
        """What stands for what takes sizes out of sight in them now."""
        is_as_seen = list(map(len, self.files)) == self._counts
        if not is_as_seen or not all(map(operator.is_, self._values_now(), self._values)):
            self._look()
        return self._stand_ins


def _globals_about(module: torch.nn.Module, loaded: LoadedFiles) -> Iterator[dict[str, Any]]:
    """The globals of the user's files, each once."""
    found = {id(names): names for names in loaded.own}
    classes = {cls for kind in set(map(type, module.modules())) for cls in kind.__mro__}
    for cls in classes:
        function = vars(cls).get("forward")
        names = getattr(function, "__globals__", None)
        if names is not None and id(names) not in loaded.packages.keys and not _is_aside(names):
            found[id(names)] = names
    yield from found.values()


def _is_aside(names: dict[str, Any]) -> bool:
    """True for files of Python itself, and of packages that are left alone."""
    package = str(names.get("__name__", "")).partition(".")[0]
    if package in ASIDE:
        return True
    path = names.get("__file__")
    if package == "__main__" or not isinstance(path, str):
        return package in sys.builtin_module_names
    return is_part_of_python(path)


def _stand_ins(names: dict[str, Any]) -> list[StandIn]:
    """What stands for what takes sizes out of sight in the globals of a file."""
    # Most files have none of them, and there are hundreds.
    values = names.values()
    has_some = not STAND_INS.keys().isdisjoint(map(id, values))
    if not has_some and CACHES.isdisjoint(map(type, values)):
        return []

    found = []
    for name, value in names.items():
        stand_in = _uncached(value) if type(value) is CACHE else STAND_INS.get(id(value))
        if stand_in is not None:
            found.append((names, name, stand_in))
    return found


MISSING = object()


class _Replaced:
    """Globals that others stand for, with what they were."""

    def __init__(self) -> None:
        self.made: list[tuple[dict[str, Any], str, Any, Any]] = []
        """The globals of a file, the name in them, what it meant and what it means now."""
        self.added: list[tuple[dict[str, Any], dict[str, Any]]] = []
        """The globals of a file, and what was put in them where nothing was."""

    def replace(self, names: dict[str, Any], name: str, stand_in: Any) -> None:
        """Let a name mean something else."""
        self.made.append((names, name, names.get(name, MISSING), stand_in))
        names[name] = stand_in

    def replace_all(
        self, files: Sequence[dict[str, Any]], stand_ins: Iterable[StandIn]
    ) -> None:
        """Let names and Python's own functions mean something else in the globals of some files."""
        for names, name, stand_in in stand_ins:
            self.replace(names, name, stand_in)
        for names in files:
            self.replace_built_in(names)

    def replace_built_in(self, names: dict[str, Any]) -> None:
        """Let Python's own functions mean something else, those that the file has no others of."""
        missing = BUILT_IN
        if not names.keys().isdisjoint(BUILT_IN):
            missing = {word: one for word, one in BUILT_IN.items() if word not in names}
        names.update(missing)
        self.added.append((names, missing))

    def put_back(self) -> None:
        """Let every name mean what it did; what the forward has put there itself stays."""
        for names, added in self.added:
            for name, stand_in in added.items():
                now = names.pop(name, MISSING)
                if now is not stand_in and now is not MISSING:
                    names[name] = now
        for names, name, before, stand_in in reversed(self.made):
            if names.get(name) is not stand_in:
                continue
            if before is MISSING:
                del names[name]
            else:
                names[name] = before
