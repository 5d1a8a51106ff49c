"""What rows of a sweep have to meet: ``H=512, field >= 300, fits 8GiB``.

Wishes are joined by commas. One is a comparison of a column with a number (``params <= 5M``, ``memory < 2GiB``), a
column that is true (``aligned``), or ``fits`` with an amount of memory for training.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tracer.diagnostics import shortened
from tracer.network.values import did_you_mean

LONGEST = 2000
"""Letters of a text at most."""

MOST = 32
"""Wishes at most."""

LARGEST = 2**62
"""No number is larger; it stands for the receptive field that is the whole input."""

OTHER_NAMES = {"field": "receptive_field", "output": "output_size"}
"""Shorter names of columns."""

STATE = 12
"""Bytes for each parameter in training: itself, its gradient and its momentum, in float32."""

FITS = "fits"

Columns = Mapping[str, Any]

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[^\W\d]\w*)|(?P<number>\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d{1,2})?)(?P<unit>[a-zA-Z]*)"
    r"|(?P<sign><=|>=|==|!=|=|<|>)|(?P<comma>,)|(?P<other>\S))"
)

UNITS = {
    "": 1,
    **{letter: 1000**power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
    "k": 1000,
    "kB": 1000,
    "B": 1,
}
"""What stands behind a number."""

SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


class Misread(ValueError):
    """A text that has no wishes in it, or one that no row can be asked for; the message says where."""


class RowWish(msgspec.Struct, frozen=True):
    """One comparison."""

    name: str
    """A column's, or :data:`FITS`."""
    sign: str
    value: Any
    """A number, a text, or True."""
    at: int
    """Its column in the text, from 1 on."""
    text: str
    """As it is written."""

    @property
    def is_bound(self) -> bool:
        """Whether rows come nearer to it or less near."""
        return self.sign in ("<", "<=", ">", ">=")


class WishWord(NamedTuple):
    """A word of the text."""

    kind: str
    text: str
    at: int
    """Its column, from 1 on."""
    unit: str = ""


def wishes(text: str) -> list[RowWish]:
    """The wishes in a text. Raises :class:`Misread`.

    >>> [(wish.name, wish.sign, wish.value) for wish in wishes("H=512, field >= 300, aligned")]
    [('H', '=', 512), ('receptive_field', '>=', 300), ('aligned', '=', True)]
    """
    if len(text) > LONGEST:
        raise Misread(f"it has {len(text):,} letters; at most {LONGEST:,} are read")
    parts = _split(list(_tokens(text)))
    if len(parts) > MOST:
        raise Misread(f"it has {len(parts)} conditions; at most {MOST} are read")
    return [_wish(part, text) for part in parts]


def _tokens(text: str) -> Iterator[WishWord]:
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        assert match is not None and match.lastgroup is not None
        kind = "number" if match["number"] else match.lastgroup
        at = match.start(kind) + 1
        if kind == "other":
            raise Misread(f"column {at}: {match['other']!r} has no meaning here")
        yield WishWord(kind, match[kind], at, match["unit"] or "")
        place = match.end()


def _split(tokens: Sequence[WishWord]) -> list[list[WishWord]]:
    """The tokens between commas."""
    parts: list[list[WishWord]] = [[]]
    for token in tokens:
        if token.kind != "comma":
            parts[-1].append(token)
        elif parts[-1]:
            parts.append([])
        else:
            raise Misread(f"column {token.at}: a condition is missing before the comma")
    if not parts[-1]:
        raise Misread("a condition is missing at the end")
    return parts


def _wish(tokens: Sequence[WishWord], text: str) -> RowWish:
    first, *rest = tokens
    if first.kind != "name":
        raise Misread(f"column {first.at}: a column's name is missing before {first.text!r}")

    last = rest[-1] if rest else first
    written = text[first.at - 1 : last.at - 1 + len(last.text + last.unit)]
    if first.text == FITS:
        sign = "<="
        value = _amount(first, rest)
    elif not rest:
        sign = "="
        value = True
    else:
        sign, value = _compared(first, rest)
    name = OTHER_NAMES.get(first.text, first.text)
    return RowWish(name, sign, value, first.at, written)


def _amount(first: WishWord, rest: Sequence[WishWord]) -> Any:
    """The memory behind ``fits``."""
    if len(rest) != 1 or rest[0].kind != "number" or not rest[0].unit.endswith("B"):
        raise Misread(f"column {first.at}: fits takes an amount of memory, such as fits 8GiB")
    return _number(rest[0])


def _compared(first: WishWord, rest: Sequence[WishWord]) -> tuple[str, Any]:
    """The sign and the value behind a name."""
    sign = rest[0]
    if sign.kind != "sign":
        raise Misread(
            f"column {sign.at}: =, !=, <, <=, > or >= is missing between {first.text} and {sign.text}"
        )
    if len(rest) == 1:
        raise Misread(f"column {sign.at}: a value is missing behind {sign.text}")
    value = rest[1]
    if len(rest) > 2:
        raise Misread(f"column {rest[2].at}: a comma is missing before {rest[2].text!r}")
    if value.kind not in ("number", "name"):
        raise Misread(f"column {value.at}: {value.text!r} is no value")
    plain = "=" if sign.text == "==" else sign.text
    return plain, _number(value) if value.kind == "number" else _word(value.text)


def _word(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _number(token: WishWord) -> Any:
    """A whole number, or a float where it is none."""
    if token.unit not in UNITS:
        units = ", ".join(unit for unit in UNITS if unit)
        raise Misread(f"column {token.at}: {token.unit!r} is no unit; units: {units}")
    if len(token.text) > 30:
        raise Misread(f"column {token.at}: {shortened(token.text, 20)} is too long a number")
    value = Fraction(token.text.replace("_", "")) * UNITS[token.unit]
    if value > LARGEST:
        raise Misread(f"column {token.at}: no row has a number above 2**62")
    return int(value) if value.denominator == 1 else float(value)


def check(found: Sequence[RowWish], kinds: Mapping[str, type], sizes: Collection[str]) -> None:
    """Raise :class:`Misread` for what no row can be asked for. ``kinds``: the types of columns, by name."""
    for wish in found:
        if wish.name == FITS:
            continue
        kind = kinds.get(wish.name)
        if kind is None:
            raise Misread(f"column {wish.at}: {_unknown(wish, kinds, sizes)}")
        _check_kind(wish, kind)


def _unknown(wish: RowWish, kinds: Mapping[str, type], sizes: Collection[str]) -> str:
    if wish.name in sizes:
        return f"{wish.name} has one size; vary it (--size {wish.name}=...), or write {wish.name}=N"
    known = {**kinds, **dict.fromkeys(OTHER_NAMES), FITS: None}
    hint = did_you_mean(wish.name, known) or f"columns: {', '.join(known)}"
    return f"no column is called {wish.name!r}; {hint}"


def _check_kind(wish: RowWish, kind: type) -> None:
    value = wish.value
    are_numbers = kind in (int, float) and not isinstance(value, (str, bool))
    is_equality = wish.sign in ("=", "!=")
    if are_numbers or (is_equality and isinstance(value, kind)):
        return
    if kind in (int, float):
        expected = "a number"
    else:
        expected = "= or != and " + ("true or false" if kind is bool else "a word")
    raise Misread(
        f"column {wish.at}: {wish.name} is compared with {expected}, not {wish.text!r}"
    )


def numbers_of(wish: RowWish, columns: Columns) -> Any:
    """What rows have that a wish is about: an array."""
    if wish.name == FITS:
        return columns["training"] + STATE * columns["params"]
    values = columns[wish.name]
    if wish.name == "receptive_field":
        return np.ma.filled(values, LARGEST)
    return values


def meeting(found: Sequence[RowWish], columns: Columns) -> Any:
    """True for the valid rows that meet all wishes."""
    met = np.array(columns["valid"], bool)
    for wish in found:
        holds = SIGNS[wish.sign](numbers_of(wish, columns), wish.value)
        met &= np.ma.filled(holds, False).astype(bool)
    return met


def nearest(wish: RowWish, columns: Columns) -> Any:
    """The valid row's number that comes nearest to a bound; None where there is none."""
    valid = np.array(columns["valid"], bool)
    values = np.ma.compressed(np.ma.array(numbers_of(wish, columns))[valid])
    if not wish.is_bound or not len(values):
        return None
    return (values.min() if wish.sign.startswith("<") else values.max()).item()
