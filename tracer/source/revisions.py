"""A file as a revision of its git repository has it. git is called with a list of arguments and no shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from tracer.diagnostics import printable, shortened
from tracer.source import limits

SECONDS = 10
"""After so long git is not waited for."""


class NoRevision(Exception):
    """git does not have the file, or is not there; the message says why, in one line."""


def committed(path: str, revision: str = "HEAD") -> bytes:
    """The bytes of a file on disk as a revision has them. Raises :class:`NoRevision`."""
    if "\0" in path:
        raise NoRevision("no file has a name with a null character")
    place, name = os.path.split(os.path.realpath(path))
    return show(revision, f"./{name}", place)


def show(revision: str, path: str, place: str | None = None) -> bytes:
    """The bytes of ``REVISION:PATH`` as in ``git show``, of the repository around a directory (None: the working one).

    At most one byte more than a config may have. Raises :class:`NoRevision`.
    """
    name = f"{revision}:{path}"
    if name.startswith("-") or "\0" in name:
        raise NoRevision("no revision is called so")
    git = shutil.which("git")
    if git is None:
        raise NoRevision("a revision is read by git, and git is not installed")
    # cat-file is what `git show` does with a file; of a directory, which show would list, it gives nothing.
    command = [git, *(["-C", place] if place else []), "cat-file", "blob", name]
    environment = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        ) as done:
            assert done.stdout is not None
            found = done.stdout.read(limits.FILE_BYTES + 1)
            if len(found) > limits.FILE_BYTES:
                done.kill()
                return found
        if done.returncode == 0:
            return found
        errors.seek(0)
        raise NoRevision(_reason(errors.read(4096).decode("utf-8", "replace")))


def _reason(errors: str) -> str:
    """The first line of git's own message."""
    lines = [line for line in errors.splitlines() if line.strip()] or ["git gives no reason"]
    line = next((line for line in lines if line.startswith("fatal: ")), lines[0])
    text = line.removeprefix("fatal: ")
    if text.endswith("bad file"):
        text = "it is no file"
    return shortened(printable(text))


def is_revision(name: str) -> bool:
    """Whether the working repository has a revision of this name; false where there is no git or no repository."""
    git = shutil.which("git")
    if git is None or not name or name.startswith("-"):
        return False
    command = [git, "rev-parse", "--verify", "--quiet", f"{name}^{{object}}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError, ValueError):
        return False
    return done.returncode == 0
