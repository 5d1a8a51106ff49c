"""A bounded cache: a dict that empties itself when it is full."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

V = TypeVar("V")


class Memo(dict[Any, V]):
    """A dict that forgets everything when it is full, so that a long-lived process stays small.

    >>> squares: Memo[int] = Memo(most=2)
    >>> for n in (3, 4, 5):
    ...     squares[n] = n * n
    >>> squares
    {5: 25}

    Looking an object up by its id is quicker than hashing it. A key that holds ids is stored with
    :meth:`keep`, which keeps the objects alive, so that no other object gets one of those ids meanwhile.
    """

    __slots__ = ("_kept", "most")

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self._kept: dict[Any, tuple[object, ...]] = {}
        """By key: the objects whose ids it holds."""

    def __setitem__(self, key: Any, value: V) -> None:
        if len(self) >= self.most:
            self.clear()
        super().__setitem__(key, value)

    def keep(self, key: Hashable, value: V, *objects: object) -> V:
        """Store a value under a key that holds the ids of ``objects``, and give it back."""
        self[key] = value
        self._kept[key] = objects
        return value

    def clear(self) -> None:
        """Forget every value, and let go of what the keys' ids are of."""
        super().clear()
        self._kept.clear()
