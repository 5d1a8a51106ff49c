"""Which findings count: codes that a project or a command line selects and ignores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

ALL = "ALL"
"""The word for every code."""


class Selection(NamedTuple):
    """Codes, or beginnings of codes, that are selected and ignored; of two that fit one code the longer counts.

    >>> selection = Selection(select=("T3", "T5"), ignore=("T50",))
    >>> selection.has("T301"), selection.has("T501"), selection.has("T401")
    (True, False, False)
    >>> Selection(select=("T501",), ignore=("T5",)).has("T501")
    True
    """

    select: tuple[str, ...] = (ALL,)
    ignore: tuple[str, ...] = ()

    def has(self, code: str) -> bool:
        """Whether a finding with this code counts; where both sides name it alike, it is ignored."""
        return _longest(self.select, code) > _longest(self.ignore, code)

    def replaced(self, select: Iterable[str] | None, ignore: Iterable[str]) -> Selection:
        """What a command line makes of it: its own selection stands alone, what it ignores comes in addition."""
        if select is not None:
            return Selection(tuple(select), tuple(ignore))
        return Selection(self.select, (*self.ignore, *ignore))


def _longest(words: Iterable[str], code: str) -> int:
    """The length of the longest word that fits a code: 0 for every code, -1 where none fits."""
    lengths = [_length(word) for word in words if word == ALL or code.startswith(word)]
    return max(lengths, default=-1)


def _length(word: str) -> int:
    return 0 if word == ALL else len(word)


def is_known(word: str) -> bool:
    """Whether a word is a code, the beginning of one, or the word for all.

    >>> is_known("T3"), is_known("T301"), is_known("ALL"), is_known("E501"), is_known("")
    (True, True, True, False, False)
    """
    from tracer.rules.manual import manual

    if word == ALL:
        return True
    return word != "" and any(code.startswith(word) for code in manual())
