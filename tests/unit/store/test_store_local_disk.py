from __future__ import annotations

from pathlib import Path

import pytest

from modelshelf.errors import StoreError
from modelshelf.store import opening
from modelshelf.store.local_disk import require_local_disk
from modelshelf.store.store import Store

LINE = "36 25 0:40 / {point} rw,relatime shared:1 - {file_system} server:/share rw\n"


def mounts(tmp_path: Path, *points: tuple[str, str]) -> Path:
    """Write a mountinfo: mount points and their file systems, in the order in which they were mounted."""
    path = tmp_path / "mountinfo"
    path.write_text("".join(LINE.format(point=point, file_system=file_system) for point, file_system in points))
    return path


@pytest.mark.parametrize("file_system", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.rclone"])
def test_a_state_directory_on_the_network_is_refused_with_what_to_do(tmp_path: Path, file_system: str) -> None:
    found = mounts(tmp_path, ("/", "ext4"), ("/srv/nas", file_system))
    with pytest.raises(StoreError, match=rf"network file system \({file_system}\).*store\.directory"):
        require_local_disk(Path("/srv/nas/modelshelf"), found)
    require_local_disk(Path("/srv/nasty"), found)


@pytest.mark.parametrize("file_system", ["ext4", "btrfs", "zfs", "overlay", "tmpfs", "fuse.mergerfs", "fuseblk", "9p"])
def test_a_disk_of_this_machine_or_its_host_is_fine(tmp_path: Path, file_system: str) -> None:
    require_local_disk(Path("/srv/x"), mounts(tmp_path, ("/", "nfs"), ("/srv", file_system)))


def test_the_last_mount_at_a_point_covers_those_before(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        require_local_disk(Path("/srv"), mounts(tmp_path, ("/srv", "autofs"), ("/srv", "nfs4")))


def test_a_mount_point_may_have_any_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        require_local_disk(Path("/srv/my nas/state"), mounts(tmp_path, ("/", "ext4"), (r"/srv/my\040nas", "nfs")))


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to("/srv/nas/state")
    with pytest.raises(StoreError):
        require_local_disk(tmp_path / "state", mounts(tmp_path, ("/", "ext4"), ("/srv/nas", "nfs")))


def test_where_the_mounts_cannot_be_read_nothing_is_refused(tmp_path: Path) -> None:
    require_local_disk(tmp_path, tmp_path / "nothing")


def test_nothing_is_made_on_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOUNTS", mounts(tmp_path, ("/", "nfs")))
    with pytest.raises(StoreError, match="network"):
        Store.open(tmp_path / "state" / "modelshelf.db")
    assert not (tmp_path / "state").exists()
