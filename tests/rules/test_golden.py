"""Every report that a user reads, in full: each config in ``tests/golden/`` beside the report of ``tracer check``.

The configs named by a code alone are the bad ones of the manual; the others show what a page has no room for:
blocks, repeats, several faults in one file. ``pytest tests/rules/test_golden.py --refresh`` writes the manual's configs
and all reports anew; read them as a user would before you commit.
"""

from __future__ import annotations

import re

import pytest

import tracer
from tests import ROOT
from tracer.rules.manual import manual
from tracer.views.report import full

GOLDEN = ROOT / "tests" / "golden"
PAGES = sorted(code for code, rule in manual().items() if rule.found != "importing")
NAMES = sorted({*PAGES, *(path.stem for path in GOLDEN.glob("*.yaml"))})


def report(name: str, text: str) -> str:
    """What ``tracer check NAME.yaml`` prints, warnings included."""
    path = f"{name}.yaml"
    return full(tracer.checks(text, path), {path: text})


@pytest.mark.parametrize("name", NAMES)
def test_the_report_is_the_golden_one(name: str, request: pytest.FixtureRequest) -> None:
    """Codes, places, words, other places and hints, character by character."""
    config, golden = GOLDEN / f"{name}.yaml", GOLDEN / f"{name}.txt"
    if request.config.getoption("--refresh"):
        if name in PAGES:
            config.write_text(manual()[name].example("Bad"), "utf-8")
        golden.write_text(report(name, config.read_text("utf-8")), "utf-8")
    if name in PAGES:
        assert config.read_text("utf-8") == manual()[name].example("Bad")
    assert report(name, config.read_text("utf-8")) == golden.read_text("utf-8")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PAGES])
def test_a_config_is_named_after_what_it_shows(name: str) -> None:
    """``T301-both-producers.yaml`` gives a T301: a golden report cannot quietly turn into another."""
    code = re.match(r"T\d{3}(?=-)", name)
    assert code is not None, name
    assert code[0] in {
        d.code for d in tracer.checks((GOLDEN / f"{name}.yaml").read_text("utf-8"))
    }


def test_nothing_else_lies_there() -> None:
    """Every report has its config."""
    assert {path.name for path in GOLDEN.iterdir()} == {
        f"{name}{end}" for name in NAMES for end in (".yaml", ".txt")
    }
