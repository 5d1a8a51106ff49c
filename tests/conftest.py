"""Test-wide settings: how many cases hypothesis draws, and whether generated files are rewritten.

``pytest --hypothesis-profile=nightly`` draws thousands of cases for every operation. ``pytest --refresh`` rewrites
the golden reports and the generated parts of the README; read the difference before you commit it.
"""

import pytest
from hypothesis import HealthCheck, settings

_quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile(
    "ci", max_examples=120, deadline=None, suppress_health_check=_quiet, derandomize=True
)
settings.register_profile("nightly", max_examples=4000, deadline=None, suppress_health_check=_quiet)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refresh",
        action="store_true",
        help="rewrite golden reports and the README's generated parts",
    )
