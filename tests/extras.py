"""Tests that need an extra of ``pyproject.toml``: skipped with a line where it isn't installed, and run by CI.

``pytest --every-extra``, which ``.ci/run`` calls, skips none of them: what is missing then is a failure.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

MODULES = {
    "onnx": ("onnx", "onnxscript"),
    "serve": ("starlette", "uvicorn", "watchfiles"),
    "png": ("resvg_py",),
    "notebook": ("pandas",),
    "sweep": ("pyarrow", "matplotlib", "distributed"),
    "page": ("playwright",),
    "zoo": ("monai", "dynamic_network_architectures"),
    "lint": ("radon",),
    "judge": ("islpy",),
    "bioimageio": ("bioimageio",),
    "lsp": ("pygls",),
}
"""The modules that the tests import of each extra."""

every_extra = False
"""``--every-extra`` is given: a missing extra is a failure."""


def missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed."""
    return [name for name in MODULES[extra] if find_spec(name) is None]


def needs(extra: str) -> None:
    """Skips the test, or the module in whose head it is called, where the extra isn't installed.

    >>> needs("onnx")  # at the head of a test module, above `import onnx`
    """
    absent = missing(extra)
    if not absent:
        return

    message = f"needs pip install -e '.[{extra}]' ({', '.join(absent)})"
    if every_extra:
        pytest.fail(message, pytrace=False)
    pytest.skip(message, allow_module_level=True)
