"""The store lies on a disk of this machine: SQLite's WAL needs memory that is shared, which no network gives."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOUNTS = Path("/proc/self/mountinfo")
"""The mounts that this process sees; the format is described in proc_pid_mountinfo(5)."""

_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ncpfs",
    "afs",
    "ceph",
    "lustre",
    "beegfs",
    "gpfs",
    "glusterfs",
    "davfs",
}
_NETWORK_OVER_FUSE = {
    f"fuse.{name}" for name in ("sshfs", "rclone", "s3fs", "glusterfs", "ceph-fuse", "juicefs", "davfs2", "gcsfuse")
}


def require_local_disk(directory: Path, mounts: Path) -> None:
    """Raise StoreError where the directory, there or not yet, lies on a file system of the network.

    Where the mounts cannot be read nothing is proven, and nothing is refused. See sqlite.org/wal.html: "WAL does not work
    over a network filesystem".
    """
    absolute = os.path.realpath(os.fsencode(directory))
    try:
        file_system = _file_system_at(absolute, mounts.read_bytes().splitlines())
    except OSError:
        return
    if file_system in _NETWORK | _NETWORK_OVER_FUSE:
        raise StoreError(
            f"{readable(directory)} lies on a network file system ({file_system}), where a database does not survive: "
            "name a state directory on a disk of this machine (store.directory)"
        )


def _file_system_at(absolute: bytes, lines: Iterable[bytes]) -> str:
    """Find the longest mount point above the path; of equal ones the last covers those before."""
    found, length = "unknown", 0
    for line in lines:
        fields, _, rest = line.partition(b" - ")
        field = b"".join(fields.split(b" ")[4:5])
        point = re.sub(rb"\\([0-3][0-7]{2})", lambda match: bytes([int(match[1], 8)]), field)
        is_above = absolute == point or absolute.startswith(point.rstrip(b"/") + b"/")
        if point and is_above and len(point) >= length:
            found, length = os.fsdecode(rest.split(b" ")[0]), len(point)
    return found
