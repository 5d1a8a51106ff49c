"""The examples in the docstrings of what reads, sweeps and designs networks."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests import ROOT

PACKAGES = ("network", "source", "sweep", "designing")
MODULES = [
    f"tracer.{package}.{path.stem}"
    for package in PACKAGES
    for path in sorted((ROOT / "tracer" / package).glob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


def test_there_are_examples() -> None:
    """Each of the packages shows some of its functions at work."""
    assert {name.split(".")[1] for name in MODULES} == set(PACKAGES)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    """What an example prints is what it shows."""
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried and not failed
