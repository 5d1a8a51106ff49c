"""Test-wide settings: how many cases hypothesis draws, what is rewritten, and what may be skipped.

``pytest --hypothesis-profile=nightly`` draws thousands of cases for every operation. ``pytest --refresh`` rewrites
the golden reports and the generated parts of the READMEs; read the difference before you commit it.
"""

import gc
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import extras

_quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile(
    "ci", max_examples=120, deadline=None, suppress_health_check=_quiet, derandomize=True
)
settings.register_profile(
    "nightly", max_examples=4000, deadline=None, suppress_health_check=_quiet
)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refresh",
        action="store_true",
        help="rewrite golden reports and the READMEs' generated parts",
    )
    parser.addoption(
        "--every-extra",
        action="store_true",
        help="fail where an extra is missing, in the place of skipping the tests that need it",
    )


def pytest_configure(config: pytest.Config) -> None:
    extras.every_extra = config.getoption("--every-extra")


def pytest_collection_finish() -> None:
    """What was read by now stays until the end: Python need not look through it each time it collects cycles."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; with ``--every-extra`` it has to be there, otherwise its tests are skipped."""
    extras.needs("page")
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None)
    if program is None:
        message = "needs Chromium: apt-get install chromium"
        pytest.fail(message) if extras.every_extra else pytest.skip(message)

    with sync_playwright() as running:
        started = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()
