"""NumPy's functions, which follow sizes while a forward runs: ``np.ceil(size / 3)``, ``np.array(x.shape) // 2``.

NumPy's own numbers are plain. An array of sizes holds the sizes themselves, as Python's objects: arithmetic on it is
theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from tracer.importing.recording import refused_at
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.torch_bridge.stand_ins import KindOfAnother

OF_SIZES = (RunTimeSize, RunTimeQuotient)

OF_NUMBERS: dict[str, Callable[..., Any]] = {
    "ceil": math.ceil,
    "floor": math.floor,
    "trunc": math.trunc,
}
"""Functions of one number that ask the number itself."""

ARRAYS = {"array", "asarray", "asanyarray"}
"""Functions that make an array of what they are given."""


class ArrayOfSizes(numpy.ndarray):
    """An array of sizes, or of what was computed of some."""

    def __array_wrap__(self, made: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function gives of it: an array of sizes, or the size itself where it is one."""
        return made.view(ArrayOfSizes) if made.ndim else made.item()

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """The sizes as whole numbers or as floats."""
        kind = numpy.dtype(dtype).kind
        if kind not in "iuf":
            raise _refused(self, f"astype({numpy.dtype(dtype)})")
        made = self.copy()
        for place, number in enumerate(self.flat):
            made.flat[place] = _as_kind(number, kind)
        return made


class _NumberKind(KindOfAnother):
    """A class of NumPy's numbers that leaves sizes what they are, and is the class itself for whoever asks."""

    dtype: numpy.dtype[Any]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - of a metaclass
        if len(args) == 1 and isinstance(args[0], OF_SIZES):
            return _as_kind(args[0], cls.dtype.kind)
        return cls.kind(*args, **kwargs)


class _Function:
    """A function of NumPy."""

    def __init__(self, name: str, function: Any) -> None:
        self.name = name
        self.function = function

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args = tuple(map(_itself, args))
        kwargs = {word: _itself(value) for word, value in kwargs.items()}
        first = next(_sizes_in((args, kwargs)), None)
        if first is None:
            return self.function(*args, **kwargs)
        if self.name in ARRAYS:
            return self._array(*args, **kwargs)
        if self.name in OF_NUMBERS and isinstance(args[0], OF_SIZES):
            return OF_NUMBERS[self.name](args[0])
        return self._followed(first, self.function(*args, **kwargs))

    def _array(self, given: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """An array of sizes."""
        made = numpy.array(_listed(given), dtype=object).view(ArrayOfSizes)
        return made if dtype in (None, object) else made.astype(dtype)

    def _followed(self, first: Any, result: Any) -> Any:
        """What a function gives of sizes: the sizes that it has in it, or a number that is known to follow one."""
        if isinstance(result, (*OF_SIZES, ArrayOfSizes)):
            return result
        if isinstance(result, numpy.generic):
            result = result.item()
        if self.name == "sqrt":
            return first.rooted(result)
        if isinstance(result, (int, float)):
            return first.followed_by(result)
        raise _refused_at(first, f"numpy.{self.name}")


class NumPy:
    """Stands for the module."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(numpy, name)
        if isinstance(found, type):
            return KINDS.get(found, found)
        return _Function(name, found) if callable(found) else found


def _kinds() -> Iterator[tuple[type, Any]]:
    """What stands for each of the classes of whole and floating numbers."""
    for kind in (*numpy.sctypeDict.values(),):
        if issubclass(kind, (numpy.integer, numpy.floating)):
            names = {"kind": kind, "dtype": numpy.dtype(kind)}
            yield kind, _NumberKind(kind.__name__, (), names)


KINDS: dict[type, Any] = dict(_kinds())


def _itself(given: Any) -> Any:
    """A class of numbers in the place of what stands for it."""
    return given.kind if isinstance(given, _NumberKind) else given


def _as_kind(number: Any, kind: str) -> Any:
    """A size as a whole number, or as a float."""
    if not isinstance(number, OF_SIZES):
        return int(number) if kind in "iu" else float(number)
    return math.trunc(number) if kind in "iu" else number / 1


def _listed(value: Any) -> Any:
    """Sequences as lists."""
    if isinstance(value, (list, tuple)):
        return [_listed(part) for part in value]
    return value


def _sizes_in(value: Any) -> Iterator[Any]:
    """The sizes in an argument."""
    if isinstance(value, OF_SIZES):
        yield value
    elif isinstance(value, dict):
        yield from _sizes_in(list(value.values()))
    elif isinstance(value, ArrayOfSizes):
        yield from _sizes_in(value.ravel().tolist())
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _sizes_in(part)


def _refused(array: ArrayOfSizes, what: str) -> Exception:
    return _refused_at(next(_sizes_in(array)), what)


def _refused_at(size: Any, what: str) -> Exception:
    """The error that names a function that takes sizes out of sight."""
    return refused_at(size.guards.spot(), f"{what} of sizes is not followed")
