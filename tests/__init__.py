"""Tests by package; what draws networks, modules and arguments is in ``tests/drawn``."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The checkout."""
