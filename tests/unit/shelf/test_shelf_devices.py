"""What a folder stands on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modelshelf.errors import FileGone
from modelshelf.shelf import devices
from modelshelf.shelf.devices import DeviceTraits, device_of, mount_table


def mounts(tmp_path: Path, *lines: tuple[str, str]) -> Path:
    table = tmp_path / "mountinfo"
    rows = [f"{n} 1 8:{n} / {point} rw,relatime shared:1 - {kind} /dev/x rw" for n, (point, kind) in enumerate(lines)]
    table.write_text("\n".join(rows) + "\n")
    return table


def traits(tmp_path: Path, kind: str) -> DeviceTraits:
    return device_of(tmp_path, mounts(tmp_path, ("/", kind)))


def test_the_machines_own_table_is_understood() -> None:
    found = device_of(Path("/proc"))
    assert found.file_system == "proc"
    assert not found.is_honest


def test_the_id_is_the_same_for_everything_on_one_device(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    device = tmp_path.stat().st_dev
    assert device_of(tmp_path).id == device_of(tmp_path / "below").id == f"{os.major(device)}:{os.minor(device)}"


def test_the_longest_mount_point_wins(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    table = mounts(tmp_path, (str(tmp_path), "xfs"), ("/", "ext4"), (f"{tmp_path}/bel", "nfs4"))
    assert device_of(below, table).file_system == "xfs"
    assert device_of(Path("/"), table).file_system == "ext4"


def test_of_equal_mount_points_the_last_covers_the_others(tmp_path: Path) -> None:
    table = mounts(tmp_path, ("/", "ext4"), (str(tmp_path), "xfs"), (str(tmp_path), "cifs"))
    assert device_of(tmp_path, table).file_system == "cifs"


def test_mount_points_with_spaces_are_read_as_they_are_escaped(tmp_path: Path) -> None:
    place = tmp_path / "my models"
    place.mkdir()
    assert (
        device_of(place, mounts(tmp_path, ("/", "ext4"), (f"{tmp_path}/my\\040models", "btrfs"))).file_system == "btrfs"
    )


def test_a_link_stands_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    assert (
        device_of(tmp_path / "link", mounts(tmp_path, ("/", "ext4"), (f"{tmp_path}/there", "nfs"))).file_system == "nfs"
    )


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "f2fs"])
def test_a_local_file_system_is_honest_and_has_events(tmp_path: Path, kind: str) -> None:
    found = traits(tmp_path, kind)
    assert (found.is_local, found.is_honest, found.has_events) == (True, True, True)


@pytest.mark.parametrize("kind", ["overlay", "vfat", "exfat", "ntfs3", "fuseblk", "brand-new-fs"])
def test_a_local_file_system_that_makes_up_inodes_has_events_all_the_same(tmp_path: Path, kind: str) -> None:
    found = traits(tmp_path, kind)
    assert (found.is_local, found.is_honest, found.has_events) == (True, False, True)


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.mergerfs", "fuse", "virtiofs"]
)
def test_what_others_can_write_behind_the_kernels_back_has_no_events(tmp_path: Path, kind: str) -> None:
    found = traits(tmp_path, kind)
    assert (found.is_local, found.is_honest, found.has_events) == (False, False, False)


def test_a_path_under_no_known_mount_is_known_by_what_the_kernel_calls_it(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_bytes(b"")
    assert device_of(tmp_path, tmp_path / "mounts").file_system == device_of(tmp_path).file_system


def test_what_nobody_has_a_name_for_is_unknown_and_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounts").write_bytes(b"")
    monkeypatch.setattr(devices, "_MAGIC", {})
    found = device_of(tmp_path, tmp_path / "mounts")
    assert (found.file_system, found.is_honest) == ("unknown", False)


def test_a_path_that_is_not_there_has_no_device(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        device_of(tmp_path / "never")


def test_the_table_of_mounts_tells_what_is_mounted_where_and_not_how(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    before = b"36 35 98:0 / /mnt/models rw,noatime master:1 - ext4 /dev/sdb1 rw\n"
    table.write_bytes(before)
    first = mount_table(table)
    table.write_bytes(before.replace(b"rw", b"ro"))
    assert mount_table(table) == first
    table.write_bytes(before + b"37 36 98:1 / /mnt/models rw - ext4 /dev/sdc1 rw\n")
    assert mount_table(table) != first


def test_a_table_of_mounts_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        mount_table(tmp_path / "nothing")
