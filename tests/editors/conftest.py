"""One server for all tests: what one of them does to it must not reach another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import extras


@pytest.fixture(scope="session")
def editor() -> Iterator[Any]:
    """An editor with a server that is running; it ends well."""
    extras.needs("lsp")
    from tests.editors.editor import Editor

    started = Editor()
    started.start()
    yield started
    assert started.stop() == 0
