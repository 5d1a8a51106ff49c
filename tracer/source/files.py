"""A config's file on disk: its edited bytes, how they differ, and the file replaced by them at once."""

from __future__ import annotations

import codecs
import contextlib
import difflib
import errno
import os
import secrets
import stat
from collections.abc import Iterator

from tracer.diagnostics import printable
from tracer.source.written import EditError

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
"""A file that was not there; without O_BINARY, Windows would write line feeds as two characters."""


def encoded(text: str, raw: bytes) -> bytes:
    """The bytes of a text, with the byte order mark that ``raw`` had (:func:`tracer.source.tree.decode` drops it)."""
    mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
    return mark + text.encode("utf-8")


def unified_diff(old: str, new: str, path: str) -> str:
    """The change of a text as ``patch`` and ``git apply`` take it; nothing where nothing changes.

    Lines end at a line feed only, so that carriage returns stay part of them.
    """
    name = printable(path).replace(os.sep, "/").lstrip("/")
    behind = "\t" if " " in name else ""  # else a name would end at its first space
    found = difflib.unified_diff(
        _lines(old), _lines(new), f"a/{name}{behind}", f"b/{name}{behind}"
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in found
    )


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def replace_file(path: str | os.PathLike[str], old: bytes, new: bytes) -> None:
    """Replace a file's bytes at once: at every moment it has either the old ones or the new ones.

    The new bytes go to a temporary file beside it, reach the disk, and take its name. Mode, owner, group and extended
    attributes are kept, the latter three as far as the system permits. A symbolic link stays one, and what it leads to
    is replaced. Of a file with several hard links, this name gets the new bytes; the others keep the old ones.

    Raises :class:`EditError` for what is no regular file, and for one that has other bytes than ``old`` by now. On any
    other failure, an interrupt included, the file is as it was, the temporary one is gone and the error goes on; an
    interrupt that comes later than the new name leaves the new bytes.
    """
    target = os.path.realpath(path)
    _refuse_changed(target, old)
    _replace(target, path, new, old)


def write_file(path: str | os.PathLike[str], new: bytes) -> None:
    """Write a file at once, whether there is one of that name or not: never a part of it, whatever fails."""
    target = os.path.realpath(path)
    if os.path.lexists(target):
        with open(target, "rb") as file:
            old = file.read()
        replace_file(path, old, new)
    else:
        _replace(target, path, new, None)


def _replace(target: str, path: str | os.PathLike[str], new: bytes, old: bytes | None) -> None:
    """Put the bytes beside the file, then in its place; ``old`` are those that it has, None where there is no file."""
    if old is not None and not os.access(
        target, os.W_OK
    ):  # a directory's permission would be enough to replace it
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
    directory = os.path.dirname(target)
    temporary = os.path.join(directory, f".tracer-{secrets.token_hex(8)}.tmp")
    try:  # the name is known before the file is there, so that no interrupt can leave it behind
        handle = os.open(temporary, NEW, 0o600 if old is not None else 0o666)
        with _closing(handle):
            _write(handle, new)
            if old is not None:
                _keep_attributes(target, handle, temporary)
            os.fsync(handle)
        if old is not None:
            _refuse_changed(target, old)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(directory)


def _refuse_changed(target: str, old: bytes) -> None:
    """Raises :class:`EditError` unless the file is a regular one with these bytes."""
    if not stat.S_ISREG(
        os.stat(target).st_mode
    ):  # before it is opened: a pipe would wait for a writer
        raise EditError(f"{printable(target)} is not a regular file")
    with open(target, "rb") as file:
        if file.read(len(old) + 1) != old:
            raise EditError(
                f"{printable(target)} was changed by someone else since it was read"
            )


@contextlib.contextmanager
def _closing(handle: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(handle)


def _write(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _keep_attributes(target: str, handle: int, temporary: str) -> None:
    """Owner first, as a change of it clears bits of the mode; then attributes (access lists too), then the mode.

    Windows has neither owners nor attributes of this kind, and of the mode whether the file can be written.
    """
    status = os.stat(target)
    if hasattr(os, "fchown"):
        _keep_owner(status, handle)
    if hasattr(os, "listxattr"):
        names: list[str] = []
        with contextlib.suppress(OSError):
            names = os.listxattr(target)
        for name in names:
            with contextlib.suppress(OSError):
                os.setxattr(handle, name, os.getxattr(target, name))
    mode = stat.S_IMODE(status.st_mode)
    if hasattr(os, "fchmod"):
        os.fchmod(handle, mode)
    else:
        os.chmod(temporary, mode)


def _keep_owner(status: os.stat_result, handle: int) -> None:
    own = os.fstat(handle)
    if (status.st_uid, status.st_gid) == (own.st_uid, own.st_gid):
        return
    try:
        os.fchown(handle, status.st_uid, status.st_gid)
    except OSError:
        with contextlib.suppress(OSError):
            os.fchown(handle, -1, status.st_gid)


def _sync_directory(directory: str) -> None:
    """Make the new name last. Not every file system can; the file is replaced by now, so that is no failure."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        with _closing(handle):
            os.fsync(handle)
