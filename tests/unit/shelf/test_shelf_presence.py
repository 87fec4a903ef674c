"""Whether a folder is there."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.folder import Folder
from modelshelf.errors import FolderOffline
from modelshelf.shelf.presence import check_presence, ground_of, is_seen

if TYPE_CHECKING:
    from pathlib import Path


def folder(path: Path) -> Folder:
    return Folder("loras", path, None, ("*",), ())


def test_a_folder_with_anything_in_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "readme").touch()
    check_presence(folder(tmp_path), 1000)


def test_an_empty_folder_is_there_if_nothing_was_ever_in_it(tmp_path: Path) -> None:
    check_presence(folder(tmp_path), 0)


def test_a_folder_behind_a_symbolic_link_is_there(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    check_presence(folder(tmp_path / "link"), 0)


def test_a_folder_that_is_empty_where_it_was_full_is_offline(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    with pytest.raises(FolderOffline, match="is empty, but 3 files are known in it"):
        check_presence(folder(tmp_path), 3)


def test_a_missing_folder_is_offline(tmp_path: Path) -> None:
    with pytest.raises(FolderOffline, match="is not there"):
        check_presence(folder(tmp_path / "never"), 0)


def test_a_file_in_the_folders_place_is_offline(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderOffline, match="is not a directory"):
        check_presence(folder(tmp_path / "file"), 0)
    with pytest.raises(FolderOffline, match="is not there"):
        check_presence(folder(tmp_path / "file" / "below"), 0)


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ESTALE, errno.EIO, errno.EACCES])
def test_a_folder_that_cannot_be_listed_is_offline_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_path: bytes) -> object:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(FolderOffline, match=os.strerror(number)):
        check_presence(folder(tmp_path), 0)


def test_another_directory_in_the_same_place_is_another_ground(tmp_path: Path) -> None:
    path = tmp_path / "models"
    path.mkdir()
    before = ground_of(folder(path))
    assert ground_of(folder(path)) == before
    path.rename(tmp_path / "away")
    path.mkdir()
    assert ground_of(folder(path)) != before
    assert ground_of(folder(path)).is_same_file_system(before)


def test_a_folder_that_is_not_there_has_no_ground(tmp_path: Path) -> None:
    with pytest.raises(FolderOffline, match="cannot be looked at"):
        ground_of(folder(tmp_path / "never"))


def test_a_witness_is_a_regular_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"four")
    (tmp_path / "link").symlink_to(path)
    status = path.stat()
    assert is_seen(bytes(path))
    assert is_seen(bytes(path), size_bytes=4, mtime_ns=status.st_mtime_ns)
    assert not is_seen(bytes(path), size_bytes=5)
    assert not is_seen(bytes(path), mtime_ns=1)
    for other in (tmp_path, tmp_path / "link", tmp_path / "never", path / "below"):
        assert not is_seen(bytes(other))
