"""What a folder stands on: which device, which file system, and how far it can be trusted."""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.errors import from_os_error

if TYPE_CHECKING:
    from collections.abc import Iterable

MOUNTS = Path("/proc/self/mountinfo")
"""The mounts that this process sees; the format is described in proc_pid_mountinfo(5)."""

UNKNOWN = "unknown"
"""A file system that nobody here has a name for: local, but not to be relied on."""

_MAGIC = {
    0xEF53: "ext4",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0x2FC12FC1: "zfs",
    0x01021994: "tmpfs",
    0xF2F52010: "f2fs",
    0xCA451A4E: "bcachefs",
    0x794C7630: "overlay",
    0x4D44: "vfat",
    0x6969: "nfs",
    0xFF534D42: "cifs",
    0xFE534D42: "smb3",
    0x65735546: "fuse",
    0x01021997: "9p",
}
"""What statfs(2) calls file systems; asked where the table of mounts does not reach, as in a chroot."""

_HONEST = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "f2fs", "bcachefs"}
"""Inode numbers and ctime are kept over remounts; overlay, mergerfs, FAT and the network's file systems make them up."""

_SHARED = {
    "nfs",
    "nfs4",
    "cifs",
    "smb",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "afs",
    "lustre",
    "glusterfs",
    "beegfs",
    "gpfs",
    "gfs2",
    "ocfs2",
    "orangefs",
    "coda",
    "davfs",
    "virtiofs",
    "vboxsf",
    "vmhgfs",
    "prl_fs",
    "fuse",
}
"""Others can write to these behind the kernel's back, so it neither reports changes nor knows the writers."""


@dataclass(frozen=True, slots=True)
class DeviceTraits:
    """The device under a path. `id` is major:minor, the same for every folder on one file system.

    `is_local`: every writer is on this machine and known to its kernel. `is_honest`: inode and ctime are worth comparing.
    `has_events`: inotify reports every change.
    """

    id: str
    file_system: str
    is_local: bool
    is_honest: bool
    has_events: bool


def device_of(path: Path, mounts: Path = MOUNTS) -> DeviceTraits:
    """Give the traits of what `path` lies on; raise FileGone or FileUnreadable where it cannot be reached."""
    absolute = os.path.realpath(os.fsencode(path))
    try:
        device = os.stat(absolute).st_dev
        file_system = _file_system_at(absolute, mounts.read_bytes().splitlines()) or _file_system_by_magic(absolute)
    except OSError as error:
        raise from_os_error(error, absolute, "look at") from error
    is_local = file_system not in _SHARED and not file_system.startswith("fuse.")
    return DeviceTraits(
        id=f"{os.major(device)}:{os.minor(device)}",
        file_system=file_system,
        is_local=is_local,
        is_honest=file_system in _HONEST,
        has_events=is_local,
    )


def mount_table(mounts: Path = MOUNTS) -> frozenset[bytes]:
    """Give what is mounted where, to be compared later; the kernel tells it without asking a disk or a server."""
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError as error:
        raise from_os_error(error, os.fsencode(mounts), "read") from error
    return frozenset(b" ".join(fields[:5]) for line in lines if len(fields := line.split(b" ")) >= 5)  # noqa: PLR2004


def _file_system_by_magic(absolute: bytes) -> str:
    answer = ctypes.create_string_buffer(512)
    if ctypes.CDLL(None).statfs(absolute, answer) != 0:
        return UNKNOWN
    return _MAGIC.get(ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF, UNKNOWN)


def _file_system_at(absolute: bytes, lines: Iterable[bytes]) -> str | None:
    """Find the longest mount point above the path; of equal ones the last covers those before."""
    found, length = None, 0
    for line in lines:
        fields, _, rest = line.partition(b" - ")
        point = unescaped(b"".join(fields.split(b" ")[4:5]))
        if point and len(point) >= length and is_at_or_below(absolute, point):
            found, length = os.fsdecode(rest.split(b" ")[0]), len(point)
    return found


def is_at_or_below(path: bytes, directory: bytes) -> bool:
    """Tell whether an absolute path is `directory` or lies below it."""
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def unescaped(field: bytes) -> bytes:
    """Give a path of the table of mounts as it is: blanks, tabs, newlines and backslashes stand there as octal numbers."""
    return re.sub(rb"\\([0-3][0-7]{2})", lambda match: bytes([int(match[1], 8)]), field)
