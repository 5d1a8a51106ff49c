"""Names that are given once each."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def _is_free(name: str) -> bool:
    return True


class FreeNames:
    """Names that are still free. ``may_be`` says which of them can be one at all.

    >>> names = FreeNames(["conv"])
    >>> names.free("conv"), names.free("conv"), names.free("pool")
    ('conv_1', 'conv_2', 'pool')
    """

    def __init__(
        self,
        taken: Iterable[str] = (),
        may_be: Callable[[str], bool] = _is_free,
    ) -> None:
        self._taken = set(taken)
        self._may_be = may_be
        self._counts: dict[str, int] = {}
        """The last number behind each name, below which none is free any more."""

    def free(self, name: str) -> str:
        """The name, with a number where it is taken. It is taken from now on."""
        count = self._counts.get(name, 0)
        found = f"{name}_{count}" if count else name
        while found in self._taken or not self._may_be(found):
            count += 1
            found = f"{name}_{count}"

        self._counts[name] = count
        self._taken.add(found)
        return found
