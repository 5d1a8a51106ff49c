"""What was worked out once is not worked out again, within bounds."""

from __future__ import annotations

from typing import Any, TypeVar

V = TypeVar("V")


class Memo(dict[Any, V]):
    """A dict that forgets everything when it is full, so that a long-lived process stays small.

    Keys may hold ``id(op)``: then the value holds the operation too, and no id is ever used twice.
    """

    __slots__ = ("most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: Any, value: V) -> None:
        if len(self) >= self.most:
            self.clear()
        super().__setitem__(key, value)
