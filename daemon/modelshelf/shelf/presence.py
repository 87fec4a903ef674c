"""Is the folder there, and is it the one that was? A mount that vanished must never look like deleted files."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.ground import Ground
from modelshelf.errors import FolderOffline

if TYPE_CHECKING:
    from modelshelf.domain.folder import Folder

_NOT_CONTENT = {b"lost+found"}
"""What an empty file system contains by itself."""


def check_presence(folder: Folder, known_file_count: int) -> None:
    """Raise `FolderOffline`, with a reason a person understands, unless the folder can be listed and is not suddenly empty.

    `known_file_count` is how many files the catalog has in it. Errors of the file system are never taken for absence:
    a dead FUSE daemon answers ENOTCONN, a stale NFS handle ESTALE.
    """
    root = os.fsencode(folder.path)
    try:
        if not stat.S_ISDIR(os.stat(root).st_mode):
            raise FolderOffline(f"{readable(root)} is not a directory")
        is_empty = _is_empty(root)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FolderOffline(f"{readable(root)} is not there: not mounted, moved or renamed?") from error
    except OSError as error:
        raise FolderOffline(f"{readable(root)} cannot be listed: {error.strerror or error}") from error
    if is_empty and known_file_count > 0:
        raise FolderOffline(
            f"{readable(root)} is empty, but {known_file_count} files are known in it: not mounted? "
            f"If you removed them: modelshelf confirm-missing {folder.id}"
        )


def ground_of(folder: Folder) -> Ground:
    """Give what the folder stands on now; FolderOffline where it cannot be told."""
    root = os.fsencode(folder.path)
    try:
        status = os.stat(root)
        return Ground(os.statvfs(root).f_fsid, status.st_dev, status.st_ino)
    except OSError as error:
        raise FolderOffline(f"{readable(root)} cannot be looked at: {error.strerror or error}") from error


def is_seen(path: bytes, *, size_bytes: int | None = None, mtime_ns: int | None = None) -> bool:
    """Tell whether a regular file is there, of this size and time if given; any error at all is no sight of it."""
    try:
        status = os.lstat(path)
    except OSError:
        return False  # budget: a witness that cannot be seen is none; why does not matter
    if not stat.S_ISREG(status.st_mode):
        return False
    return size_bytes in {None, status.st_size} and mtime_ns in {None, status.st_mtime_ns}


def _is_empty(root: bytes) -> bool:
    with os.scandir(root) as entries:
        return all(entry.name in _NOT_CONTENT for entry in entries)
