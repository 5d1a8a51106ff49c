"""Drawn tests that count what they have met, so that a test cannot pass for want of interesting cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

Enough = Callable[[Counter[Any]], bool]
"""True where the counts show that the cases drawn were worth drawing."""


def counted(enough: Enough) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Gives a drawn test a counter as its first argument, and fails where the counts at the end are not ``enough``.

    The decorator is written above hypothesis's::

        @counted(each(True, False, one_in=10))
        @given(networks())
        def test_what_runs_is_torchs(seen: Counter[bool], drawn: Drawn) -> None:
            seen[runs(drawn)] += 1
    """

    def decorate(test: Callable[..., None]) -> Callable[[], None]:
        def run() -> None:
            seen: Counter[Any] = Counter()
            test(seen)
            assert enough(seen), f"what was drawn shows too little: {seen}"

        # Not `functools.wraps`: pytest would look for fixtures of the names that hypothesis draws.
        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run

    return decorate


def each(*kinds: Hashable, one_in: int | None = None, over: int = 0) -> Enough:
    """Each of the kinds was met more than ``over`` times, and more often than once in ``one_in`` of all counts.

    >>> each(True, False, one_in=3)(Counter({True: 4, False: 2}))
    False
    """

    def enough(seen: Counter[Any]) -> bool:
        least = min(seen[kind] for kind in kinds)
        is_share = one_in is None or least * one_in > seen.total()
        return is_share and least > over

    return enough
