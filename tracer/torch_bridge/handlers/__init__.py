"""Handlers of torch's functions and modules, a file per kind. They register themselves; any file put here is found."""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Import every file of this folder, so that its handlers are registered."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
