"""How long something may take, in seconds of this process."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


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
