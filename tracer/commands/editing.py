"""A config's file with an edited text: what ``plan --write`` and ``serve --edit`` do to it."""

from __future__ import annotations

from pathlib import Path

from tracer.diagnostics import legible
from tracer.loading import read_bytes
from tracer.source.files import encoded, replace_file
from tracer.source.written import EditError


def put(config: str, text: str, edited: str) -> None:
    """Put an edited text in the file's place at once, its byte-order mark and mode kept.

    Raises :class:`EditError` where the file has another text than ``text`` by now, and OSError.
    """
    raw = read_bytes(config)
    try:
        has_changed = raw.decode("utf-8-sig") != text
    except UnicodeDecodeError as error:
        raise EditError(str(error)) from None
    if has_changed:
        raise EditError("the file has changed meanwhile")
    replace_file(Path(config), raw, encoded(edited, raw))


def breaks(text: str, edited: str) -> str | None:
    """The first error of a file by itself that an edit for other sizes than the file's would bring."""
    broken = errors(edited) if edited != text else []
    return broken[0] if broken and not errors(text) else None


def errors(text: str) -> list[str]:
    """The errors of a config's text by itself, at the sizes, inputs and params that it declares."""
    from tracer.api.functions import checks

    return [legible(d.message) for d in checks(text) if d.severity == "error"]
