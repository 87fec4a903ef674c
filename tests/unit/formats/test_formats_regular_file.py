"""Opening: only regular files, never blocking, every failure named."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.model_file import Fingerprint
from modelshelf.errors import FileChanged, FileGone, FileUnreadable
from modelshelf.formats.regular_file import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def make_directory(path: Path) -> None:
    path.mkdir()


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (make_directory, "a directory"),
        (make_fifo, "a fifo"),
        (make_socket, "a socket"),
        (make_link_to_device, "a device"),
    ],
)
def test_anything_but_a_file_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "odd"
    make(path)

    with pytest.raises(FileUnreadable, match=f"is {kind}, not a file"), opened(path):
        pass


def test_a_missing_file_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileGone), opened(tmp_path / "nothing"):
        pass


def test_a_loop_of_links_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "loop"
    path.symlink_to(path)

    with pytest.raises(FileUnreadable) as caught, opened(path):
        pass

    assert caught.value.errno == errno.ELOOP


def test_a_swap_for_a_directory_between_look_and_open_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x")
    looked = os.stat(path)
    path.unlink()
    path.mkdir()
    monkeypatch.setattr("os.stat", lambda _: looked)
    descriptors = os.listdir("/proc/self/fd")

    with pytest.raises(FileUnreadable, match="is a directory"), opened(path):
        pass

    assert os.listdir("/proc/self/fd") == descriptors


def test_reading_behind_the_end_means_the_file_changed(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"12345678")

    with opened(path) as file:
        assert file.read_at(2, 3) == b"345"
        assert file.head(100) == b"12345678"
        os.truncate(path, 4)
        with pytest.raises(FileChanged):
            file.head(100)


def test_a_short_read_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"12345678")
    readv, pread = os.readv, os.pread
    monkeypatch.setattr("os.readv", lambda fd, buffers: readv(fd, [buffers[0][:3]]))
    monkeypatch.setattr("os.pread", lambda fd, length, offset: pread(fd, min(length, 3), offset))
    buffer = memoryview(bytearray(8))

    with opened(path) as file:
        assert file.fill(buffer) == 8
        assert bytes(buffer) == b"12345678"
        assert file.head(8) == b"12345678"


def test_an_error_while_reading_keeps_its_errno(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"12345678")

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with opened(path) as file:
        monkeypatch.setattr("os.readv", fail)
        monkeypatch.setattr("os.pread", fail)
        for read in (lambda: file.fill(memoryview(bytearray(8))), lambda: file.head(8)):
            with pytest.raises(FileUnreadable, match="EIO") as caught:
                read()
            assert caught.value.errno == errno.EIO


def test_an_error_of_the_reader_is_not_translated(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x")

    with pytest.raises(OSError, match="mine"), opened(path):
        raise OSError("mine")


def test_names_that_are_not_utf8_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9\n.safetensors")
    path.write_bytes(b"x")

    with opened(path) as file:
        assert file.head(1) == b"x"
        path.unlink()
        with pytest.raises(FileGone, match=r"caf\\xe9\\n"):
            file.unchanged()


def with_other_inode(status: os.stat_result) -> os.stat_result:
    """Give the same status under another inode, device and ctime, as a FUSE file system may that makes them up."""
    reduced: Any = status.__reduce__()
    fields, named = reduced[1]
    fields = [*fields]
    fields[stat.ST_INO], fields[stat.ST_DEV] = status.st_ino + 1, status.st_dev + 1
    return os.stat_result(tuple(fields), named | {"st_ctime_ns": status.st_ctime_ns + 1})


def test_where_inodes_are_made_up_a_file_may_have_another_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x")
    with opened(path) as file:
        monkeypatch.setattr(os, "stat", lambda each: with_other_inode(os.lstat(each)))
        assert file.unchanged(is_honest=False) == Fingerprint.of(os.lstat(path))
        with pytest.raises(FileChanged):
            file.unchanged()


def test_where_inodes_are_made_up_size_and_mtime_tell_a_change(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x")
    with opened(path) as file:
        path.write_bytes(b"xy")
        with pytest.raises(FileChanged):
            file.unchanged(is_honest=False)
