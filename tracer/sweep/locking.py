"""A file that one process at a time has: the lock goes with the process, however it ends."""

from __future__ import annotations

import errno
import os
import sys
from typing import BinaryIO

FAR = 0x7FFF_0000
"""The byte that is locked where a lock keeps others from reading: behind all that matters."""

TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


def is_locked(file: BinaryIO) -> bool:
    """Take the file for this process; False where another one has it.

    Processes that this one starts do not inherit the lock. Where the file system knows no locks, the file is taken.
    """
    try:
        _lock(file)
    except OSError as error:
        return error.errno not in TAKEN
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        place = file.tell()
        os.lseek(file.fileno(), FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file.fileno(), place, os.SEEK_SET)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
