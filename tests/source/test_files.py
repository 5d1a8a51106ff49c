"""A config's file: replaced at once or not at all; its encoding and the difference that an edit makes."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tracer.source import files, tree
from tracer.source.edits import EditError
from tracer.source.files import encoded, replace_file, unified_diff


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "net.yaml"
    path.write_bytes(b"a: 1\n")
    return path


def test_a_file_is_replaced(config: Path) -> None:
    """The new bytes stand there, with the mode of before, and nothing else is in the directory."""
    config.chmod(0o640)
    replace_file(config, b"a: 1\n", b"a: 22\r\n")
    assert config.read_bytes() == b"a: 22\r\n"
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert os.listdir(config.parent) == ["net.yaml"]


def test_owner_and_attributes_are_kept(config: Path) -> None:
    """Owner, group and extended attributes go over to the new file, where the system permits."""
    try:
        os.chown(config, 12345, 12346)
        os.setxattr(config, "user.note", b"x")
    except OSError:
        pytest.skip("no permission to change owners, or no attributes here")
    replace_file(config, b"a: 1\n", b"")
    status = config.stat()
    assert (status.st_uid, status.st_gid, status.st_size) == (12345, 12346, 0)
    assert os.getxattr(config, "user.note") == b"x"


def test_a_file_whose_owner_cannot_be_kept(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where owner and attributes may not be set, the file is replaced all the same."""

    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "no")

    real = os.fstat
    monkeypatch.setattr(
        files.os,
        "fstat",
        lambda handle: os.stat_result([*real(handle)[:4], 7, 7, *real(handle)[6:]]),
    )
    monkeypatch.setattr(files.os, "fchown", refuse)
    monkeypatch.setattr(files.os, "listxattr", refuse)
    replace_file(config, b"a: 1\n", b"b")
    assert config.read_bytes() == b"b"


def test_a_symbolic_link_stays_one(config: Path, tmp_path: Path) -> None:
    """What the link leads to is replaced, in its own directory."""
    link = tmp_path / "links" / "link.yaml"
    link.parent.mkdir()
    link.symlink_to("../net.yaml")
    replace_file(str(link), b"a: 1\n", b"b: 1\n")
    assert link.is_symlink() and config.read_bytes() == b"b: 1\n" and not config.is_symlink()
    assert os.listdir(link.parent) == ["link.yaml"]


def test_other_hard_links_keep_the_old_bytes(config: Path, tmp_path: Path) -> None:
    """Only the name that was asked for gets the new bytes."""
    other = tmp_path / "other.yaml"
    os.link(config, other)
    replace_file(config, b"a: 1\n", b"b: 1\n")
    assert (config.read_bytes(), other.read_bytes()) == (b"b: 1\n", b"a: 1\n")


@pytest.mark.parametrize("now", [b"a: 2\n", b"a: 1\n ", b"", b"a: 1"])
def test_a_file_that_someone_else_changed_is_left(config: Path, now: bytes) -> None:
    """Other bytes than those that were read, longer or shorter, are somebody's work."""
    config.write_bytes(now)
    with pytest.raises(
        EditError, match=r"net\.yaml was changed by someone else since it was read"
    ):
        replace_file(config, b"a: 1\n", b"b: 1\n")
    assert config.read_bytes() == now and os.listdir(config.parent) == ["net.yaml"]


def test_a_change_while_the_new_bytes_are_written(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is asked again just before it is replaced."""
    monkeypatch.setattr(files.os, "fsync", lambda handle: config.write_bytes(b"theirs"))
    with pytest.raises(EditError, match="changed by someone else"):
        replace_file(config, b"a: 1\n", b"b: 1\n")
    assert config.read_bytes() == b"theirs" and os.listdir(config.parent) == ["net.yaml"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A directory, a pipe (which nobody writes to) and a device are refused at once; a missing file is an OSError."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, Path("/dev/null")):
        with pytest.raises(EditError, match="is not a regular file"):
            replace_file(path, b"", b"x")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("missing", "loop"):
        with pytest.raises(OSError):
            replace_file(tmp_path / name, b"", b"x")
    assert sorted(os.listdir(tmp_path)) == ["loop", "pipe"]


@pytest.mark.parametrize("function", ["open", "write", "fchmod", "fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()], ids=["full", "^C"]
)
def test_a_failure_leaves_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch, function: str, error: BaseException
) -> None:
    """A full disk or an interrupt at any step: the old bytes stand, no temporary file does, the error goes on."""

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(files.os, function, fail)
    with pytest.raises(type(error)) as caught:
        replace_file(config, b"a: 1\n", b"b: 1\n")
    monkeypatch.undo()
    assert caught.value is error
    assert config.read_bytes() == b"a: 1\n" and os.listdir(config.parent) == ["net.yaml"]


def test_a_disk_that_is_full_in_the_middle(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short writes are continued; when one fails, what was written goes away."""
    real, count = os.write, 0

    def short(handle: int, content: Any) -> int:
        nonlocal count
        count += 1
        if count == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, bytes(content[:2]))

    monkeypatch.setattr(files.os, "write", short)
    with pytest.raises(OSError, match="No space left"):
        replace_file(config, b"a: 1\n", b"b: 12345\n")
    assert config.read_bytes() == b"a: 1\n" and os.listdir(config.parent) == ["net.yaml"]
    replace_file(config, b"a: 1\n", b"b: 12345\n")
    assert config.read_bytes() == b"b: 12345\n"


def test_a_directory_that_cannot_be_synced(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is replaced by then, so that is no failure."""
    real = os.fsync

    def only_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(files.os, "fsync", only_files)
    replace_file(config, b"a: 1\n", b"b: 1\n")
    assert config.read_bytes() == b"b: 1\n"


def test_a_file_that_may_not_be_written(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only file stays, though the directory's permission would be enough to replace it."""
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"net\.yaml"):
        replace_file(config, b"a: 1\n", b"b: 1\n")
    assert config.read_bytes() == b"a: 1\n"


def test_the_byte_order_mark_comes_back() -> None:
    """What decoding dropped is written again, and only that."""
    for raw in (b"\xef\xbb\xbfa: \xc3\xa9\r\n", b"a: 1", b"\xef\xbb\xbf\xef\xbb\xbfa: 1"):
        assert encoded(tree.decode(raw), raw) == raw


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a\n", "a\n", ""),
        ("a\nb\n", "a\nc\n", "--- a/n\n+++ b/n\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),
        ("a\r\nb\r\n", "a\r\nc\r\n", "--- a/n\n+++ b/n\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n"),
        ("a", "b\n", "--- a/n\n+++ b/n\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"),
        (
            "a\nb",
            "c\nb",
            "--- a/n\n+++ b/n\n@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n",
        ),
        ("a\x85\u2028b\n", "", "--- a/n\n+++ b/n\n@@ -1 +0,0 @@\n-a\x85\u2028b\n"),
    ],
)
def test_the_difference(old: str, new: str, expected: str) -> None:
    """Line feeds end lines, carriage returns belong to them, and a missing last line end is told."""
    assert unified_diff(old, new, "n") == expected


def test_the_names_of_a_difference() -> None:
    """An absolute path is shown below a/ and b/; a name with a space ends with a tab, as patch reads it."""
    assert unified_diff("a\n", "b\n", "/x/n 1.yaml").startswith(
        "--- a/x/n 1.yaml\t\n+++ b/x/n 1.yaml\t\n@@"
    )
    assert unified_diff("a\n", "b\n", "x\n1").startswith("--- a/x\\n1\n")
