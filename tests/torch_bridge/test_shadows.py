"""What takes sizes out of sight is replaced in all files while a forward runs, whatever was known of them before."""

from __future__ import annotations

import functools
import math
import sys
import sysconfig
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy
import pytest
from torch import nn

from tracer.torch_bridge.shadows import BUILT_IN, FilesInSight

PACKAGES = sysconfig.get_path("purelib")


def loaded(name: str, monkeypatch: pytest.MonkeyPatch, path: str) -> dict[str, Any]:
    """The globals of a file that is loaded from now on."""
    file = ModuleType(name)
    file.__file__ = f"{path}/{name}.py"
    monkeypatch.setitem(sys.modules, name, file)
    return vars(file)


@functools.lru_cache
def kept(n: int) -> int:
    return n


def replaced(files: FilesInSight, names: dict[str, Any]) -> set[str]:
    """The names in the globals of a file that mean something else while a forward runs."""
    before = dict(names)
    with files.followed(nn.Identity()):
        found = {name for name, value in names.items() if value is not before.get(name)}
    assert names == before and list(names) == list(before)
    return found


@pytest.fixture(params=[PACKAGES, "/home/me"])
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """The folder of installed packages, and one of the user's."""
    yield request.param


def test_of_a_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions of math, NumPy and caches by any name, and Python's own where the file has none."""
    names = loaded("some_layers", monkeypatch, path)
    names.update(log=math.log2, np=numpy, kept=kept, int=str, other=len)
    files = FilesInSight()
    expected = {"log", "np", "kept", *BUILT_IN} - {"int"}
    assert replaced(files, names) == expected
    assert replaced(files, names) == expected


def test_of_a_file_that_is_loaded_later(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forward may load files: the next one sees what is in them."""
    files = FilesInSight()
    replaced(files, {})
    names = loaded("more_layers", monkeypatch, path)
    names.update(root=math.sqrt)
    assert replaced(files, names) == {"root", *BUILT_IN}


def test_of_a_file_that_is_changed(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next import sees what a file knows by then, by the same names or by others."""
    names = loaded("changing_layers", monkeypatch, path)
    names.update(root=None, other=1)
    assert replaced(FilesInSight(), names) == {*BUILT_IN}

    names["root"] = math.sqrt
    assert replaced(FilesInSight(), names) == {"root", *BUILT_IN}
    names["other"] = kept
    assert replaced(FilesInSight(), names) == {"root", "other", *BUILT_IN}
    del names["root"]
    assert replaced(FilesInSight(), names) == {"other", *BUILT_IN}
