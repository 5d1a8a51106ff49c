"""The examples in the docstrings of operations and of what they are made of."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests import ROOT

MODULES = [
    f"tracer.ops.{path.stem}"
    for path in sorted((ROOT / "tracer" / "ops").glob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


def test_there_are_examples() -> None:
    """The base class and the windows show their functions at work."""
    assert {"tracer.ops.base", "tracer.ops.windows"} <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    """What an example prints is what it shows."""
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried and not failed
