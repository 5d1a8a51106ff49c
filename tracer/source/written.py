"""Values as text: a number, a text or a list as a config has it.

The text is right in a block as well as inside ``[ ]`` and ``{ }``, and says the same to a reader of YAML 1.2's core
schema and to :func:`tracer.source.tree.scalar`. What reads is in ``tree``.
"""

from __future__ import annotations

import re

import yaml
from yaml.nodes import ScalarNode

from tracer.source import limits
from tracer.source.tree import Fault, Scalar, scalar

Value = int | float | bool | str | None | tuple["Value", ...] | dict[str, "Value"]
"""A value that an edit can write: a scalar, a list as a tuple, or a mapping."""


class EditError(Exception):
    """The text cannot be edited so; the message is one sentence that says why."""


_NOWHERE = yaml.Mark("", 0, 0, 0, None, 0)
_MISREAD = re.compile(r"(?:[-+]?[0-9]+|=|<<)\Z")
"""Numbers of YAML 1.2 that ``scalar`` takes for texts (007), and what YAML 1.1 gives a meaning."""
_MARKERS = ("---", "...")
"""The marks at the beginning and the end of a document."""

# No indicator at the start, none of flow collections anywhere, no ": " and " #".
_PLAIN = re.compile(
    r"""(?:[^\s?:,\[\]{}#&*!|>'"%@`-]|-(?=[^\s,\[\]{}]))(?:[^\s:#,\[\]{}]|[ ]+(?=[^\s#])|:(?=[^\s,\[\]{}])|#)*\Z"""
)
_TYPES = (tuple, dict, str, float, int, bool, type(None))
_WORDS = {None: "null", True: "true", False: "false"}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def written_value(value: Value) -> str:
    """A value as YAML has it; a text is quoted only where it needs to be.

    >>> written_value((1, 0.5, True, None, "same", "no")), written_value("007")
    ('[1, 0.5, true, null, same, no]', '"007"')
    >>> written_value({"op": "Upsample", "scale_factor": 2})
    '{op: Upsample, scale_factor: 2}'

    Raises :class:`EditError` for what no config can say: NaN, numbers of too many digits, lone surrogates, lists
    nested too deeply, and other types.
    """
    return _written(value, 0)


def _written(value: Value, depth: int) -> str:
    if depth > limits.DEPTH:
        raise EditError(f"a list nested deeper than {limits.DEPTH} levels cannot be written")
    if type(value) not in _TYPES:  # a named tuple or an enum would be read as something else
        raise EditError(f"a value of the type {type(value).__name__} cannot be written")

    if isinstance(value, tuple):
        items = [_written(one, depth + 1) for one in value]
        return f"[{', '.join(items)}]"
    if isinstance(value, dict):
        pairs = [
            f"{_written(key, depth + 1)}: {_written(one, depth + 1)}"
            for key, one in value.items()
        ]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, str):
        return value if _is_plain(value) else quoted(value)
    if isinstance(value, float):
        return _written_float(value)
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if abs(value) >= 10**limits.DIGITS:
        raise EditError(f"an integer of more than {limits.DIGITS} digits cannot be written")
    return str(value)


def _is_plain(text: str) -> bool:
    """True for a text that needs no quotes."""
    if not _PLAIN.match(text) or not text.isprintable() or text.startswith(_MARKERS):
        return False
    return is_text(text) and not _MISREAD.match(text)


def _written_float(value: float) -> str:
    """With a point, so that every reader takes it for a float."""
    if value != value:
        raise EditError("NaN cannot be written")
    if value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    mantissa, exponent, power = repr(value).partition("e")
    return mantissa + ("" if "." in mantissa else ".0") + exponent + power


def quoted(text: str, style: str = '"') -> str:
    """A text in quotes: double ones, or single ones where these are the ``style`` and nothing needs an escape."""
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return (
        '"'
        + "".join(c if c.isprintable() and c not in '"\\' else _escaped(c) for c in text)
        + '"'
    )


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise EditError(f"the lone surrogate U+{code:04X} cannot be written")
    width = (("x", 2) if code < 0x100 else ("u", 4)) if code < 0x10000 else ("U", 8)
    return _ESCAPES.get(character, f"\\{width[0]}{code:0{width[1]}x}")


def _read(text: str, style: str) -> Scalar:
    return scalar(ScalarNode(None, text, _NOWHERE, _NOWHERE, style or None))  # type: ignore[arg-type]


def is_text(text: str, style: str = "") -> bool:
    """True for a scalar, plain or of this style, that is read as the text that it shows."""
    try:
        return _read(text, style).__class__ is str
    except Fault:  # a number out of range
        return False


def is_null(text: str, style: str = "") -> bool:
    """True for a scalar that is nothing at all, or one of the words for it."""
    return len(text) <= 4 and not style and _read(text, style) is None
