"""Is the folder there? A mount that vanished must never look like deleted files."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
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
        raise FolderOffline(f"{readable(root)} is empty, but {known_file_count} files are known in it: not mounted?")


def _is_empty(root: bytes) -> bool:
    with os.scandir(root) as entries:
        return all(entry.name in _NOT_CONTENT for entry in entries)
