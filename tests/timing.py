"""How long something may take, in seconds of this process."""

import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def least(measure: Callable[[], float], enough: float, times: int = 4) -> float:
    """The least of several measures, of which the first that is small enough is the last.

    What else the machine does makes a measure larger, never smaller.
    """
    found = math.inf
    for _ in range(times):
        found = min(found, measure())
        if found <= enough:
            break
    return found


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fails where what stands inside takes longer.

    Python's collector of cycles rests meanwhile: a whole collection goes through all that earlier tests left behind,
    which takes more than a second in a long run and says nothing of what is measured.
    """
    gc.disable()
    start = time.process_time()
    try:
        yield
        took = time.process_time() - start
    finally:
        gc.enable()

    assert took < seconds, f"took {took:.2f} s of this process; {seconds} s are allowed"
