"""Test-wide settings: how many cases hypothesis draws.

``pytest --hypothesis-profile=nightly`` draws thousands of cases for every operation.
"""

from hypothesis import HealthCheck, settings

_quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile("ci", max_examples=120, deadline=None, suppress_health_check=_quiet, derandomize=True)
settings.register_profile("nightly", max_examples=4000, deadline=None, suppress_health_check=_quiet)
settings.load_profile("ci")
